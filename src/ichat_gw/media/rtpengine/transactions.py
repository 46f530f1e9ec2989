"""Requests that wait for a reply: repeated until it comes, given up after some seconds."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

from ichat_gw.clock import Timers
from ichat_gw.media.rtpengine.ng import Reply, Request, datagram, read_reply

REPEATS = (0.25, 0.5, 0.75)
"""Seconds between one sending and the next; a reply takes less than a millisecond in one network."""
LAST_WAIT = 1.0
"""Seconds from the last sending until the request is given up."""

W = TypeVar("W")


@dataclass(slots=True)
class _Pending(Generic[W]):
    node: int
    data: bytes
    what: W
    sent: int = 1


class Transactions(Generic[W]):
    """The requests that are under way. `what` says to their owner what each is about.

    `send(data, node)` puts a datagram on the wire. Cookies begin with a number from `rng`, so that a reply to
    an earlier run of the program fits nothing.
    """

    def __init__(self, send: Callable[[bytes, int], None], rng: Random) -> None:
        self._send = send
        self._prefix = f"{rng.getrandbits(48):012x}"
        self._last = 0
        self._pending: dict[str, _Pending[W]] = {}
        self._timers: Timers[str] = Timers()

    def __len__(self) -> int:
        return len(self._pending)

    def ask(self, node: int, request: Request, what: W, now: float) -> None:
        """Send a request, and go on until there is a reply."""
        self._last += 1
        cookie = f"{self._prefix}_{self._last}"
        data = datagram(cookie, request)
        self._pending[cookie] = _Pending(node, data, what)
        self._timers.set(cookie, now + REPEATS[0])
        self._send(data, node)

    def hear(self, node: int, data: bytes) -> tuple[W, Reply] | None:
        """A datagram has come from `node`: the request that it answers, and how. None: none that waits.

        Raises `InvalidReply`.
        """
        reply = read_reply(data)
        pending = self._pending.get(reply.cookie)
        if pending is None or pending.node != node:
            return None
        self._forget(reply.cookie)
        return pending.what, reply

    def give_up(self, node: int) -> list[W]:
        """Nobody is there at `node`: wait no longer. What its requests were about."""
        cookies = [cookie for cookie, pending in self._pending.items() if pending.node == node]
        return [self._forget(cookie) for cookie in cookies]

    def deadline(self) -> float | None:
        """When something is to be repeated or given up."""
        return self._timers.deadline()

    def expire(self, now: float) -> list[tuple[int, W]]:
        """Repeat what it is time for. The requests that are given up: whom they were for, and about what."""
        given_up: list[tuple[int, W]] = []
        for cookie in self._timers.due(now):
            pending = self._pending[cookie]
            if pending.sent > len(REPEATS):
                given_up.append((pending.node, self._forget(cookie)))
                continue
            wait = REPEATS[pending.sent] if pending.sent < len(REPEATS) else LAST_WAIT
            pending.sent += 1
            self._timers.set(cookie, now + wait)
            self._send(pending.data, pending.node)
        return given_up

    def _forget(self, cookie: str) -> W:
        self._timers.clear(cookie)
        return self._pending.pop(cookie).what
