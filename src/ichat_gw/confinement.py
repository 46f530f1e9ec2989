"""What a child process gives up as soon as it runs: it reads what strangers send, and needs little to do so.

No program that it could be made to start gets more rights than it has (no-new-privileges, Linux only), no
memory beyond a limit (a bomb ends the child, which is restarted, and not the machine), and no core file with
secrets in it.
"""

import contextlib
import ctypes
import sys

if sys.platform != "win32":
    import resource

MIB = 1024 * 1024
_PR_SET_NO_NEW_PRIVS = 38


def confine(*, memory: int) -> None:
    """Give it up, for good: `memory` is the address space in bytes. What a system lacks is left out."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if sys.platform != "win32":
        _lower(resource.RLIMIT_CORE, 0)
        _lower(resource.RLIMIT_AS, memory)


def _lower(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS does not limit the address space
        resource.setrlimit(limit, (value, value))
