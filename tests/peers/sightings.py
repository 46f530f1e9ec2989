"""What a peer saw and did, with times, and a way to wait for what it will see."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

WITHIN = 30.0
"""Seconds that `wait_for` waits unless told otherwise: on a busy machine a second's work takes many."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One thing that came in or went out."""

    at: float
    """Seconds, from `time.time()`, so that several programs can be put side by side."""
    way: str
    """`in` or `out`."""
    kind: str
    """`vc:request`, `presence`, `message`, `iq`, `SIP INVITE`, `SIP 200 INVITE`, `established`, ..."""
    peer: str
    """Who sent it or gets it: a JID or `host:port`."""
    text: str
    """The whole stanza or SIP message, as on the wire."""
    fields: dict[str, str] = field(default_factory=dict)
    """For stanzas of a call the children of the query; for presence `type`, `caps`; and so on."""


class NotSeenError(AssertionError):
    """Something awaited did not come; the message lists what came instead."""


class Sightings:
    """A log that can be waited on. Each sighting satisfies one `wait_for` only."""

    def __init__(self, who: str) -> None:
        self.who = who
        self.all: list[Sighting] = []
        self._open: list[Sighting] = []
        self._news = asyncio.Event()

    def note(
        self, way: str, kind: str, peer: str = "", text: str = "", fields: dict[str, str] | None = None
    ) -> Sighting:
        """Write something down."""
        sighting = Sighting(time.time(), way, kind, peer, text, fields or {})
        self.all.append(sighting)
        if way == "in":
            self._open.append(sighting)
            self._news.set()
        return sighting

    def forget(self) -> None:
        """Start a new page: what came so far satisfies no later `wait_for`."""
        self.all.clear()
        self._open.clear()

    def count(self, kind: str, way: str = "in") -> int:
        """How many of this kind there are on this page."""
        return sum(s.kind == kind and s.way == way for s in self.all)

    async def wait_for(
        self, kind: str, within: float = WITHIN, where: Callable[[Sighting], bool] = lambda _: True
    ) -> Sighting:
        """The first incoming sighting of `kind` for which `where` is true and that nobody waited for yet.

        Raises NotSeenError when it does not come `within` so many seconds.
        """
        give_up = time.monotonic() + within
        while True:
            for sighting in self._open:
                if sighting.kind == kind and where(sighting):
                    self._open.remove(sighting)
                    return sighting
            self._news.clear()
            try:
                async with asyncio.timeout(give_up - time.monotonic()):
                    await self._news.wait()
            except TimeoutError:
                seen = ", ".join(f"{s.way} {s.kind}" for s in self.all) or "nothing"
                raise NotSeenError(f"{self.who} saw no {kind} within {within:g} s; it saw: {seen}") from None

    async def expect_none(self, kind: str, during: float) -> None:
        """Raise AssertionError when `kind` comes in during so many seconds."""
        try:
            sighting = await self.wait_for(kind, during)
        except NotSeenError:
            return
        raise AssertionError(f"{self.who} saw {kind}, which must not be: {sighting.text}")
