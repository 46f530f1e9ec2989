"""Waiting for sockets and pipes: by epoll where there is one, elsewhere by something that looks like it.

Linux has epoll. macOS has kqueue, which `selectors` speaks. Windows has select, for sockets alone; there a
thread carries what comes through a pipe into a socket.
"""

import contextlib
import os
import select
import selectors
import socket
import threading
from typing import Protocol

IN: int = getattr(select, "EPOLLIN", 1)
OUT: int = getattr(select, "EPOLLOUT", 4)
CHUNK = 65_536
"""Bytes read from a pipe at once."""
PIPES_BLOCK = os.name == "nt"
"""Whether pipes can neither be waited for nor be read without waiting."""


class Poll(Protocol):
    """What is used of `select.epoll`. Descriptors that are closed are forgotten by themselves."""

    def register(self, fd: int, eventmask: int) -> None:
        """Watch a descriptor."""

    def unregister(self, fd: int) -> None:
        """Watch it no more."""

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        """Wait for at most `timeout` seconds (None: for ever); the descriptors that are ready."""

    def fileno(self) -> int:
        """The descriptor of the poll itself; -1 when it is no epoll."""

    def close(self) -> None:
        """Give it back."""


class SelectorPoll:
    """The same, made of `selectors`."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def register(self, fd: int, eventmask: int) -> None:
        """Watch a descriptor, also one that has the number of one that was closed."""
        self.unregister(fd)
        events = (selectors.EVENT_READ if eventmask & IN else 0) | (
            selectors.EVENT_WRITE if eventmask & OUT else 0
        )
        self._selector.register(fd, events)

    def unregister(self, fd: int) -> None:
        """Watch it no more; harmless when it was not watched."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(fd)

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        """Wait; see `Poll`."""
        try:
            ready = self._selector.select(timeout)
        except (OSError, ValueError):  # select, of a descriptor that was closed
            self._forget_closed()
            return []
        return [(key.fd, events) for key, events in ready]

    def _forget_closed(self) -> None:
        for key in list(self._selector.get_map().values()):
            try:
                select.select([key.fd], [], [], 0)
            except (OSError, ValueError):
                self.unregister(key.fd)

    def fileno(self) -> int:
        """No epoll."""
        return -1

    def close(self) -> None:
        """Give it back."""
        self._selector.close()


def new_poll() -> Poll:
    """An epoll, or what comes nearest."""
    return select.epoll() if hasattr(select, "epoll") else SelectorPoll()


class Pipe:
    """A pipe to be watched and read without waiting."""

    def __init__(self, fd: int) -> None:
        """`fd` stays the caller's to close."""
        self._fd = fd
        self._socket: socket.socket | None = None
        if PIPES_BLOCK:
            self._socket, other = socket.socketpair()
            self._socket.setblocking(False)
            threading.Thread(target=_carry, args=(fd, other), name="pipe", daemon=True).start()
        else:
            os.set_blocking(fd, False)

    def fileno(self) -> int:
        """What to watch."""
        return self._fd if self._socket is None else self._socket.fileno()

    def read(self) -> bytes:
        """What has come; b"" at the end of the pipe. Raises BlockingIOError when nothing has."""
        return os.read(self._fd, CHUNK) if self._socket is None else self._socket.recv(CHUNK)

    def close(self) -> None:
        """Give back what was taken."""
        if self._socket is not None:
            self._socket.close()


def _carry(fd: int, to: socket.socket) -> None:
    with to, contextlib.suppress(OSError):
        while data := os.read(fd, CHUNK):
            to.sendall(data)


def do_not_block(fd: int) -> None:
    """Have a pipe take what it can and no more; where that is not to be had, writing waits for the reader."""
    if not PIPES_BLOCK:
        os.set_blocking(fd, False)
