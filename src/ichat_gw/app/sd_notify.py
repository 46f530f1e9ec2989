"""What we tell the service manager that started us: systemd's notification protocol, `sd_notify(3)`.

A datagram of `NAME=value` lines to the socket that NOTIFY_SOCKET names. Without that variable, as when
somebody starts us by hand, nothing is sent; so there is nothing here that only systemd's systems have.
"""

import os
import socket
import time
from collections.abc import Mapping


class ServiceNotifier:
    """The socket of the service manager, or none. Nothing here raises or blocks."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """`environment`: where NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID stand; ours by default."""
        variables = os.environ if environment is None else environment
        self._address = _address(variables.get("NOTIFY_SOCKET", ""))
        self._socket: socket.socket | None = None
        self.watchdog: float | None = _watchdog(variables) if self._address else None
        """Seconds within which `alive` must be called again and again; None: nobody watches us."""

    def ready(self, status: str = "") -> None:
        """Start-up, or a reload, is over: we serve."""
        self._tell("READY=1", status)

    def reloading(self) -> None:
        """The configuration is read again; `ready` follows."""
        self._tell("RELOADING=1", "", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """We are on our way out."""
        self._tell("STOPPING=1", "stopping")

    def status(self, text: str) -> None:
        """One line on how things are, for `systemctl status`."""
        self._tell("", text)

    def alive(self) -> None:
        """The event loop turns; see `watchdog`."""
        self._tell("WATCHDOG=1", "")

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, state: str, status: str, *more: str) -> None:
        if self._address is None:
            return
        told = f"STATUS={' '.join(status.split())}" if status else ""
        text = "\n".join(line for line in (state, told, *more) if line)
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.setblocking(False)
            self._socket.sendto(text.encode("utf-8", "replace"), self._address)
        except OSError:
            pass  # Nobody listens any more, or its queue is full: calls go on all the same.


def _address(text: str) -> str | None:
    """The socket's address; None: there is none, or it is of a kind that we or this system do not have."""
    if not hasattr(socket, "AF_UNIX") or text[:1] not in ("/", "@"):
        return None
    # A name in the abstract name space begins with NUL, written as @.
    return "\0" + text[1:] if text[0] == "@" else text


def _watchdog(variables: Mapping[str, str]) -> float | None:
    """The watchdog's time in seconds; None when there is none, or it is meant for another process."""
    try:
        for_whom = int(variables.get("WATCHDOG_PID", "") or os.getpid())
        microseconds = int(variables.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return microseconds / 1e6 if for_whom == os.getpid() and microseconds > 0 else None
