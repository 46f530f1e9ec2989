"""Whom we have sent requests to lately, and whether they answered: for people who ask what is down."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from ichat_gw.sip.events import Flow

MAX_TARGETS = 200
"""Targets that are remembered; then the one that was heard of longest ago is forgotten."""


@dataclass(frozen=True, slots=True)
class Target:
    """A SIP server or phone."""

    flow: Flow
    """How it was reached last."""
    answers: bool
    since: float
    """When that was seen first without a change since."""


class Targets:
    """Remembers, by transport and address, how the last request went."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, tuple[str, int]], Target] = OrderedDict()

    def __iter__(self) -> Iterator[Target]:
        return iter(self._known.values())

    def answered(self, flow: Flow, now: float) -> None:
        """The other end of `flow` answers."""
        self._note(flow, True, now)

    def failed(self, flow: Flow, now: float) -> None:
        """The other end of `flow` does not answer, or cannot serve (503)."""
        self._note(flow, False, now)

    def _note(self, flow: Flow, answers: bool, now: float) -> None:
        key = (flow.transport, flow.remote)
        known = self._known.get(key)
        if known is None or known.answers != answers:
            self._known[key] = Target(flow, answers, now)
        self._known.move_to_end(key)
        if len(self._known) > MAX_TARGETS:
            self._known.popitem(last=False)
