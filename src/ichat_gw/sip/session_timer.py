"""Session timers (RFC 4028): how long a session lives without being refreshed, and who refreshes it.

The values that both ends agree on travel in the INVITE, the UPDATE and their 2xx. `SessionTimer` keeps what
one of our sessions wants and has agreed on; the clocks are those of `session_refresh`.
"""

from dataclasses import dataclass

from ichat_gw.addressing.sip_grammar import InvalidSyntax, decimal, find_param, parse_params
from ichat_gw.sip.message import Headers, Request, Response

OPTION = "timer"
MIN_SE = 90
"""Seconds: the shortest interval that RFC 4028 section 5 lets anybody ask for."""
FLOOR = 10
"""Seconds: what the other end decides below this is taken for this, or it could keep us busy."""
LIMIT = 2**31 - 1
MAX_ROUNDS = 3
"""How often one request is sent again with the longer interval that a 422 asks for."""


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """The value of Session-Expires."""

    seconds: int
    refresher: str
    """`uac`, `uas` or "": the sender of the request, the sender of the response, or not said."""


def session_expires(headers: Headers) -> SessionExpires | None:
    """Read Session-Expires; None when it is missing or says nothing that can be understood."""
    seconds, _, tail = (headers.get("Session-Expires") or "").partition(";")
    number = decimal(seconds.strip(), LIMIT)
    if number is None:
        return None
    try:
        refresher = (find_param(parse_params(f";{tail}"), "refresher") or "").lower() if tail else ""
    except InvalidSyntax:
        refresher = ""
    return SessionExpires(number, refresher if refresher in ("uac", "uas") else "")


def min_se(headers: Headers) -> int:
    """Read Min-SE in seconds: at least `MIN_SE`, also when it is missing or no number."""
    seconds, _, _ = (headers.get("Min-SE") or "").partition(";")
    number = decimal(seconds.strip(), LIMIT)
    return max(MIN_SE, number or 0)


def too_small(request: Request) -> bool:
    """Tell whether a request asks for an interval that is answered 422 (section 9)."""
    wish = session_expires(request.headers)
    return wish is not None and wish.seconds < MIN_SE and OPTION in request.supported


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both ends hold to until the next INVITE or UPDATE."""

    seconds: int
    """How long the session lives from the latest 2xx."""
    we_refresh: bool


class SessionTimer:
    """The wishes and the agreement of one session. `wanted` is in seconds; 0: ask for none.

    Whoever asks for a timer gets it also when we want none: it is the other end's session too. The session's
    Call-ID is ours (`owns_call_id`) when we called: who chose it waits longer when two refreshes collide.
    """

    def __init__(self, wanted: int, *, owns_call_id: bool) -> None:
        self.owns_call_id = owns_call_id
        self._wanted = max(wanted, MIN_SE) if wanted else 0
        self._min_se = MIN_SE
        self._rounds = 0
        self.agreed: Agreement | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether our requests name an interval."""
        return self._wanted > 0 or self.agreed is not None

    # --- our requests -------------------------------------------------------------------------------------

    def ask(self) -> list[tuple[str, str]]:
        """Return what an INVITE or UPDATE of ours says of it, before Supported (section 7.1 and 7.4)."""
        if not self.is_wanted:
            return []
        if self.agreed is None:
            wish = str(max(self._wanted, self._min_se))
        else:
            # The other end of a session that is up knows who refreshes it; in our request "uac" is us.
            refresher = "uac" if self.agreed.we_refresh else "uas"
            wish = f"{max(self.agreed.seconds, self._min_se)};refresher={refresher}"
        return [("Session-Expires", wish), ("Min-SE", str(self._min_se))]

    def ask_longer(self, refusal: Response) -> bool:
        """Take what a 422 wants (section 7.3). False: there is no sense in asking again."""
        wants = min_se(refusal.headers)
        self._rounds += 1
        if not self.is_wanted or wants <= self._min_se or self._rounds > MAX_ROUNDS:
            return False
        self._min_se = wants
        return True

    def hear_answer(self, response: Response) -> None:
        """Take the agreement from a 2xx to a request of ours (section 7.2)."""
        self._rounds = 0
        decided = session_expires(response.headers)
        self.agreed = (
            Agreement(max(FLOOR, decided.seconds), decided.refresher != "uas")
            if decided is not None and self.is_wanted
            else None
        )

    # --- their requests -----------------------------------------------------------------------------------

    def answer(self, request: Request) -> list[tuple[str, str]]:
        """Agree in our 2xx to their INVITE or UPDATE, and return what it says (section 9, table 2)."""
        wish = session_expires(request.headers)
        supports = OPTION in request.supported or OPTION in request.require
        # Somebody on the way may have asked for more before, by 422 or in an earlier request.
        least = self._min_se = max(self._min_se, min_se(request.headers))
        kept = self.agreed
        if wish is not None:
            seconds = max(min(wish.seconds, self._wanted or wish.seconds), min(least, wish.seconds))
        elif supports and self._wanted:
            seconds = max(self._wanted, least)
        elif kept is not None and kept.we_refresh:
            seconds = kept.seconds
        else:
            self.agreed = None
            return []
        if not supports:
            we_refresh = True
        elif wish is not None and wish.refresher:
            we_refresh = wish.refresher == "uas"
        else:
            we_refresh = kept.we_refresh if kept is not None else True
        self.agreed = Agreement(max(FLOOR, seconds), we_refresh)
        lines = [("Session-Expires", f"{seconds};refresher={'uas' if we_refresh else 'uac'}")]
        return [("Require", OPTION), *lines] if supports else lines
