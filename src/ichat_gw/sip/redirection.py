"""Where a call goes when it is redirected (RFC 3261 sections 8.1.3.4, 19.1.5), and what is said in the end.

Only 300, 301 and 302 are followed: 305 wants a proxy of its choice, 380 an alternative that only a person
can choose. Only `sip:` targets are called, each once, the best `q` first, those of a later redirection
before what an earlier one left, and never more than `MAX_DEPTH` redirections deep.
"""

from dataclasses import dataclass

from ichat_gw.addressing.sip_uri import InvalidSipUri, NameAddr, SipUri
from ichat_gw.call.cause import Ending
from ichat_gw.sip.message import Response

FOLLOWED = frozenset({300, 301, 302})
MAX_DEPTH = 5
"""Redirections of redirections."""
MAX_TARGETS = 10
"""Addresses called for one call, the first included."""
DROPPED = frozenset({"method", "ttl"})
"""URI parameters that say how to call, not whom; `maddr` and `transport` say where."""


@dataclass(frozen=True, slots=True)
class _Target:
    uri: str
    depth: int


class Targets:
    """The addresses that one call may still try. `first` is the one that it began with."""

    def __init__(self, first: str) -> None:
        self._seen = [SipUri.parse(first)]
        self._left: list[_Target] = []
        self._depth = 0
        self._best: Ending | None = None

    def redirected(self, response: Response, own: tuple[str, int]) -> None:
        """Take the contacts of a redirection. `own` is our address, which a call must not come back to."""
        if response.status not in FOLLOWED or self._depth >= MAX_DEPTH:
            return
        fresh = []
        for contact in sorted(response.contacts, key=_preference, reverse=True):
            uri = _target(contact)
            if uri is None or (uri.address, uri.port or 5060) == own:
                continue
            if len(self._seen) < MAX_TARGETS and not any(uri.equivalent(seen) for seen in self._seen):
                self._seen.append(uri)
                fresh.append(_Target(str(uri), self._depth + 1))
        self._left = fresh + self._left

    def failed(self, ending: Ending) -> None:
        """Remember how a target refused, if that says more than what was heard so far."""
        if self._best is None or _worth(ending) > _worth(self._best):
            self._best = ending

    def next(self) -> str | None:
        """The next address to call; None when all have failed, or one said that nobody else will do (6xx)."""
        if not self._left or (self._best is not None and (self._best.status or 0) >= 600):
            return None
        target = self._left.pop(0)
        self._depth = target.depth
        return target.uri

    @property
    def best(self) -> Ending:
        """The refusal that stands for all of them (RFC 3261 section 16.7, step 6)."""
        assert self._best is not None
        return self._best


def _target(contact: NameAddr) -> SipUri | None:
    try:
        uri = SipUri.parse(contact.uri)
    except InvalidSipUri:
        return None
    if uri.scheme != "sip":
        return None
    params = tuple(param for param in uri.params if param[0].lower() not in DROPPED)
    return SipUri(uri.scheme, uri.user, uri.password, uri.host, uri.port, params)


def _preference(contact: NameAddr) -> float:
    """The q value, 0 to 1; 1 when there is none or none that can be read."""
    value = contact.param("q") or "1"
    whole, _, digits = value.partition(".")
    if whole in ("", "0") and digits.isascii() and digits.isdigit() and len(digits) <= 3:
        return float(f"0.{digits}")
    return 0.0 if value == "0" else 1.0


def _worth(ending: Ending) -> tuple[int, int]:
    """How much a final status says: 6xx ends everything; else the lowest class, but redirections last."""
    status = ending.status or 503
    if status >= 600:
        return (3, 0)
    if status < 400:
        # It leads nowhere that has not been tried.
        return (0, 0)
    # Nobody can act on 503 or 408 of one target among several.
    return (2 if status < 500 and status != 408 else 1, -(status // 100))
