"""The rtpengines that there are: which of them live, and which has least to do."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from enum import Enum

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
        return news

    def lost(self, number: int, text: str) -> bool:
        """It does not answer, for a reason. Returns whether that is news."""
        node = self._nodes[number]
        news, node.life, node.lost_by = node.life is not Life.DOWN, Life.DOWN, text
        return news

    def full(self, number: int, now: float) -> None:
        """It had no room for a call."""
        self._nodes[number].full_until = now + FULL_FOR

    def __str__(self) -> str:
        return ", ".join(node.address for node in self._nodes)
