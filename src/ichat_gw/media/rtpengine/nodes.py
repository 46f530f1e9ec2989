"""The rtpengines that there are: which of them live, and which has least to do.

Each is asked for a sign of life every few seconds, sooner when it gave none. One that is lost has some time
to come back before its calls are lost, too.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from enum import Enum

from ichat_gw.clock import Timers

PING_EVERY = 2.0
"""Seconds between two questions whether an rtpengine lives."""
PING_AGAIN = 1.0
"""The same for one that did not answer."""
GRACE = 3.0
"""Seconds that calls wait for an rtpengine that does not answer."""
FULL_FOR = 5.0
"""Seconds for which one that had no room is asked after all others."""


class Life(Enum):
    """What is known of an rtpengine. The order is that in which they are asked."""

    UP = 0
    UNKNOWN = 1
    """Not heard of yet; may be asked."""
    DOWN = 2


@dataclass(slots=True)
class Node:
    """One rtpengine."""

    address: str
    """`host:port`, as it is configured."""
    life: Life = Life.UNKNOWN
    calls: int = 0
    """How many calls of ours it has."""
    full_until: float = 0.0
    lost_by: str = ""
    """Why it is down."""

    @property
    def name(self) -> str:
        """What logs call it."""
        return f"rtpengine {self.address}"


class Nodes:
    """All of them, numbered from 0."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._nodes = [Node(address) for address in addresses]
        self._pings: Timers[int] = Timers()
        self._graces: Timers[int] = Timers()
        for number in range(len(self._nodes)):
            self._pings.set(number, 0.0)

    def __getitem__(self, number: int) -> Node:
        return self._nodes[number]

    def __len__(self) -> int:
        return len(self._nodes)

    @property
    def any_up(self) -> bool:
        """Whether one at least lives."""
        return any(node.life is Life.UP for node in self._nodes)

    def choose(self, now: float, without: Container[int] = ()) -> int | None:
        """The one for a new call: it lives, has room, and has the fewest calls. None: none lives."""
        numbers = [
            number
            for number, node in enumerate(self._nodes)
            if node.life is not Life.DOWN and number not in without
        ]

        def rank(number: int) -> tuple[bool, int, int, int]:
            node = self._nodes[number]
            return now < node.full_until, node.life.value, node.calls, number

        return min(numbers, key=rank, default=None)

    def lives(self, number: int) -> bool:
        """It has answered. Returns whether that is news."""
        node = self._nodes[number]
        news, node.life = node.life is not Life.UP, Life.UP
        self._graces.clear(number)
        return news

    def pinged(self, number: int, now: float) -> None:
        """It has answered the question whether it lives, and is asked again in a while."""
        self._pings.set(number, now + PING_EVERY)

    def lost(self, number: int, text: str, now: float) -> bool:
        """It does not answer, for a reason; ask it again soon. Returns whether that is news."""
        node = self._nodes[number]
        news, node.life, node.lost_by = node.life is not Life.DOWN, Life.DOWN, text
        self._pings.set(number, now + PING_AGAIN)
        if news:
            self._graces.set(number, now + GRACE)
        return news

    def deadline(self) -> float | None:
        """When it is time to ask one, or to wait for one no longer."""
        times = (self._pings.deadline(), self._graces.deadline())
        return min((time for time in times if time is not None), default=None)

    def to_ping(self, now: float) -> list[int]:
        """Those that it is time to ask."""
        return self._pings.due(now)

    def gone(self, now: float) -> list[int]:
        """Those that were lost and have not come back in time."""
        return self._graces.due(now)

    def full(self, number: int, now: float) -> None:
        """It had no room for a call."""
        self._nodes[number].full_until = now + FULL_FOR

    def __str__(self) -> str:
        return ", ".join(node.address for node in self._nodes)
