"""Hearing that a socket can be read, also on event loops that cannot watch one (Windows' proactor).

There a thread waits in `select` for it, tells the loop, and waits on when that has been done.
"""

import asyncio
import contextlib
import select
import threading
from collections.abc import Callable
from typing import Protocol
from weakref import WeakKeyDictionary

LOOK = 1.0
"""Seconds after which a thread notices that its socket is closed or nobody wants to know any more."""

_threads: "WeakKeyDictionary[Readable, _Watch]" = WeakKeyDictionary()


class Readable(Protocol):
    """A socket, or something else with a descriptor."""

    def fileno(self) -> int:
        """Its descriptor; -1 when it is closed."""

    def close(self) -> None:
        """Give it back."""


def add_reader(
    loop: asyncio.AbstractEventLoop, sock: Readable, callback: Callable[..., object], *args: object
) -> None:
    """Call `callback` from the loop whenever the socket can be read; level-triggered."""
    try:
        loop.add_reader(sock, callback, *args)
    except NotImplementedError:
        remove_reader(loop, sock)
        _threads[sock] = _Watch(loop, sock, lambda: callback(*args))


def remove_reader(loop: asyncio.AbstractEventLoop, sock: Readable) -> None:
    """Call nobody any more. Before the socket is closed; harmless when nobody was called."""
    try:
        loop.remove_reader(sock)
    except NotImplementedError:
        watch = _threads.pop(sock, None)
        if watch is not None:
            watch.wanted = False


class _Watch:
    """One thread for one socket."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: Readable, callback: Callable[[], object]
    ) -> None:
        self.wanted = True
        self._loop = loop
        self._sock = sock
        self._callback = callback
        self._told = threading.Event()
        threading.Thread(target=self._wait, name="socket", daemon=True).start()

    def _wait(self) -> None:
        # The socket may be closed while we wait for it (OSError, ValueError), or the loop (RuntimeError).
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            while self.wanted:
                readable, _, _ = select.select([self._sock], [], [], LOOK)
                if readable:
                    self._told.clear()
                    self._loop.call_soon_threadsafe(self._tell)
                    while not self._told.wait(LOOK) and self.wanted:
                        pass

    def _tell(self) -> None:
        try:
            if self.wanted:
                self._callback()
        finally:
            self._told.set()
