"""How many connections there may be, and how long one may say nothing or leave a message unfinished.

Pure: whoever owns the connections says what happens to them, and closes those that `expire` returns.
"""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ichat_gw.clock import Timers
from ichat_gw.sip.message import MAX_MESSAGE

C = TypeVar("C", bound=Hashable)


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """The bounds of TCP and TLS. Times are in seconds."""

    connections: int = 2_000
    """Open at one time, both directions together."""
    per_address: int = 200
    """Accepted from one address at one time; a proxy needs one, a NAT one for each phone behind it."""
    message: int = MAX_MESSAGE
    """Bytes in a message, headers and body together."""
    unfinished: float = 20.0
    """From accepting (or from a message's first byte) to the end of the message."""
    idle: float = 900.0
    """Without a byte in either direction; keep-alives count."""
    connect: float = 5.0
    """For connecting, TLS handshake included."""
    unsent: int = 524_288
    """Bytes that wait until the connection is made, or because the other side does not read."""


class ConnectionLimits(Generic[C]):
    """Applies `StreamLimits` to connections of any hashable kind."""

    def __init__(self, limits: StreamLimits) -> None:
        self._limits = limits
        self._open: dict[C, str] = {}
        self._accepted: Counter[str] = Counter()
        self._unfinished: Timers[C] = Timers()
        self._idle: Timers[C] = Timers()

    def __len__(self) -> int:
        return len(self._open)

    def accept(self, connection: C, address: str, now: float) -> str:
        """Take in a connection that was made to us; "" or why it must be closed at once."""
        if len(self._open) >= self._limits.connections:
            return "too many connections"
        if self._accepted[address] >= self._limits.per_address:
            return "too many connections from one address"
        self._accepted[address] += 1
        self._open[connection] = address
        self._unfinished.set(connection, now + self._limits.unfinished)
        self._idle.set(connection, now + self._limits.idle)
        return ""

    def connect(self, connection: C, now: float) -> str:
        """Take in a connection that we make; "" or why it must not be made."""
        if len(self._open) >= self._limits.connections:
            return "too many connections"
        self._open[connection] = ""
        self._idle.set(connection, now + self._limits.idle)
        return ""

    def heard(self, connection: C, now: float, *, whole: bool, partial: bool) -> None:
        """Note that bytes came: whether they completed a message, and whether one is unfinished now."""
        if connection not in self._open:
            return
        self._idle.set(connection, now + self._limits.idle)
        if whole:
            self._unfinished.clear(connection)
        if partial and connection not in self._unfinished:
            self._unfinished.set(connection, now + self._limits.unfinished)

    def said(self, connection: C, now: float) -> None:
        """Note that bytes were sent."""
        if connection in self._open:
            self._idle.set(connection, now + self._limits.idle)

    def closed(self, connection: C) -> None:
        """Forget it. Harmless when it is forgotten already."""
        address = self._open.pop(connection, None)
        if address is None:
            return
        self._unfinished.clear(connection)
        self._idle.clear(connection)
        if address:
            self._accepted[address] -= 1
            if not self._accepted[address]:
                del self._accepted[address]

    def deadline(self) -> float | None:
        """When the next one is to be closed, or None."""
        times = [time for time in (self._unfinished.deadline(), self._idle.deadline()) if time is not None]
        return min(times, default=None)

    def expire(self, now: float) -> list[tuple[C, str]]:
        """Return which are to be closed now, and why."""
        late = [
            (connection, "a message was not finished in time") for connection in self._unfinished.due(now)
        ]
        return late + [(connection, "nothing was said for long") for connection in self._idle.due(now)]
