"""A network of a test's own: a thread in a network namespace, and whatever it starts.

    run_apart(lambda: asyncio.run(scene()))     # inside: loopback, and what `plug_in` puts there

It needs root (CAP_SYS_ADMIN), and is gone when the thread and its programs are.
"""

import ctypes
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from peers.program import find

_CLONE_NEWNET = 0x40000000
CARD, SWITCH = "card", "switch"


def can_run_apart() -> bool:
    """Whether we may make network namespaces, and cards in them."""
    card = f"PATH=$PATH:/usr/sbin:/sbin ip link add {CARD} type veth peer name {SWITCH}"
    tried = subprocess.run(["unshare", "--net", "sh", "-c", card], check=False, capture_output=True)
    return tried.returncode == 0


def run_apart(scene: Callable[[], None]) -> None:
    """Run `scene` in a thread with a network of its own, where loopback is up; raises what it raises."""
    with ThreadPoolExecutor(1, initializer=_leave_network) as thread:
        thread.submit(scene).result()


def plug_in(address: str) -> None:
    """Add a network card that has this address."""
    _ip("link", "add", CARD, "type", "veth", "peer", "name", SWITCH)
    _ip("address", "add", f"{address}/24", "dev", CARD)
    for end in (SWITCH, CARD):
        _ip("link", "set", end, "up")


def pull_out() -> None:
    """Remove it with its cable, its address and its routes."""
    _ip("link", "delete", CARD)


def _leave_network() -> None:
    """A namespace belongs to a thread, and is inherited by the threads and processes that it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    _ip("link", "set", "lo", "up")


def _ip(*words: str) -> None:
    subprocess.run([find("ip", "iproute2"), *words], check=True)
