"""Who listens to server-sent events, and what is still to be sent to each."""

import asyncio
from collections import deque

MAX_LISTENERS = 32
"""Open streams at once; one more is told to come later."""
MAX_WAITING = 256
"""Events that wait for a listener who reads slowly; with one more he is dropped."""


class TooManyListeners(Exception):
    """There are `MAX_LISTENERS` already."""


class Listener:
    """One open stream: what is to be sent on it."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._something = asyncio.Event()
        self.closed = False
        """Nothing more will come; what was waiting is dropped."""

    def put(self, event: bytes) -> None:
        """Send this, later; or close, when too much is waiting already."""
        if len(self._waiting) >= MAX_WAITING:
            self.close()
        else:
            self._waiting.append(event)
            self._something.set()

    def close(self) -> None:
        """End the stream."""
        self.closed = True
        self._waiting.clear()
        self._something.set()

    async def next(self, within: float) -> bytes:
        """All that waits; a comment when nothing comes for so many seconds, so that the stream stays open."""
        if not self._something.is_set():
            # Not `asyncio.wait_for`: that would make a task for each event.
            alarm = asyncio.get_running_loop().call_later(within, self._something.set)
            try:
                await self._something.wait()
            finally:
                alarm.cancel()
        self._something.clear()
        events = b"".join(self._waiting) or b": nothing new\n\n"
        self._waiting.clear()
        return events


class Feed:
    """All listeners."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()

    def __len__(self) -> int:
        return len(self._listeners)

    def listen(self) -> Listener:
        """A new listener. Raises TooManyListeners."""
        if len(self._listeners) >= MAX_LISTENERS:
            raise TooManyListeners
        listener = Listener()
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """He is gone."""
        self._listeners.discard(listener)

    def publish(self, name: str, body: bytes) -> None:
        """Send an event to all; `body` is JSON, and so has no line ends."""
        event = written(name, body)
        for listener in self._listeners:
            listener.put(event)

    def close(self) -> None:
        """End all streams."""
        for listener in self._listeners:
            listener.close()


def written(name: str, body: bytes) -> bytes:
    """An event as it is sent (HTML, section 9.2.5: event stream)."""
    return b"event: " + name.encode() + b"\ndata: " + body + b"\n\n"
