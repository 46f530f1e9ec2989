"""Targets that failed lately: tried last for a while, never dropped (RFC 3263 section 4.3).

A server that is down must not cost every call a timeout, and a server that is the only one must still be
asked.
"""

from collections.abc import Iterable

from ichat_gw.sip.events import Flow

AVOID_SECONDS = 60.0
"""How long a target that failed is tried after the others."""
MAX_AVOIDED = 1000
"""Targets that are remembered; then the one that failed first is forgotten."""


class Avoided:
    """Remembers, by transport and address, what failed when."""

    def __init__(self, seconds: float = AVOID_SECONDS) -> None:
        self._seconds = seconds
        self._until: dict[tuple[str, tuple[str, int]], float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def failed(self, flow: Flow, now: float) -> None:
        """Avoid the other end of `flow` from now on."""
        key = (flow.transport, flow.remote)
        self._until.pop(key, None)
        self._until[key] = now + self._seconds
        if len(self._until) > MAX_AVOIDED:
            del self._until[next(iter(self._until))]

    def answered(self, flow: Flow) -> None:
        """Trust the other end of `flow` again."""
        self._until.pop((flow.transport, flow.remote), None)

    def holds(self, flow: Flow, now: float) -> bool:
        """Tell whether the other end of `flow` failed lately."""
        return self._rank(flow, now) > 0.0

    def last(self, flows: Iterable[Flow], now: float) -> tuple[Flow, ...]:
        """Put what failed lately behind the rest, what failed longest ago first of it."""
        return tuple(sorted(flows, key=lambda flow: self._rank(flow, now)))

    def _rank(self, flow: Flow, now: float) -> float:
        until = self._until.get((flow.transport, flow.remote), 0.0)
        if until <= now:
            self.answered(flow)
            return 0.0
        return until
