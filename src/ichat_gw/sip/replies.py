"""The responses we give, and what we refuse of any request before looking at what it asks (8.2).

Header fields stand in the order in which the original gateway wrote them: first what is echoed, then
Contact, and User-Agent last but for the length.
"""

from collections.abc import Iterable

from ichat_gw.addressing.sip_grammar import quote
from ichat_gw.addressing.sip_uri import clean_text
from ichat_gw.call.cause import Ending
from ichat_gw.call.leg import Sdp
from ichat_gw.sip import session_timer
from ichat_gw.sip.dialog import is_viceroy
from ichat_gw.sip.message import Request, Response, response_to

ALLOW = (
    *("INVITE", "ACK", "CANCEL", "OPTIONS", "BYE", "REFER", "SUBSCRIBE", "UPDATE", "PRACK"),
    *("INFO", "MESSAGE"),
)
"""The methods that we answer otherwise than with 405."""

EXTENSIONS = ("replaces", "timer", "norefersub", "100rel")
"""The option tags that another may Require of us (RFC 3891, RFC 4028, RFC 4488, RFC 3262)."""

IN_DIALOG = ", ".join(option for option in EXTENSIONS if option != "100rel")
"""Those of them that matter in an established dialog, as Supported says them."""

ONLY_IN_DIALOG = frozenset({"MESSAGE", "REFER", "SUBSCRIBE"})
"""Methods that are answered inside a dialog only; MESSAGE outside one is a page, if we take pages at all.

COMPAT iChat: its MESSAGE, always inside, is a keep-alive ping.
"""

NOT_YET = frozenset({"REFER", "SUBSCRIBE"})
"""Methods that have to wait (491) until the dialog is established."""

ACCEPT = "application/sdp"
LANGUAGE = "en"

_WARNED = (488, 606)

_WITH_SDP = ("INVITE", "UPDATE", "PRACK")
"""The requests whose body is a session description."""

RETRY_AFTER = ("Retry-After", "10")
"""Goes with 503 when it is we who have too much to do: seconds after which a caller may try again."""


class Replies:
    """Makes responses in the name of one user agent."""

    def __init__(self, user_agent: str, *, takes_pages: bool = False) -> None:
        """`takes_pages`: MESSAGE is answered outside a dialog too."""
        self._user_agent = user_agent
        self.take_pages(takes_pages)

    def take_pages(self, takes_pages: bool) -> None:
        """Whether MESSAGE is answered outside a dialog too, from now on."""
        self.takes_pages = takes_pages
        self._only_inside = ONLY_IN_DIALOG - {"MESSAGE"} if takes_pages else ONLY_IN_DIALOG
        self._accept = f"{ACCEPT}, text/plain" if takes_pages else ACCEPT

    def trying(self, request: Request) -> Response:
        """100: we have it, do not send it again (8.2.6.1). No tag, no name."""
        return response_to(request, 100)

    def plain(
        self,
        request: Request,
        status: int,
        tag: str,
        *,
        contact: str | None = None,
        extra: tuple[tuple[str, str], ...] = (),
        reason: str | None = None,
    ) -> Response:
        """A response without a body. `tag` is added to a To that has none."""
        response = response_to(request, status, reason, tag)
        if contact is not None:
            response.headers.add("Contact", contact)
        for name, value in extra:
            response.headers.add(name, value)
        response.headers.add("User-Agent", self._user_agent)
        return response

    def success(
        self,
        request: Request,
        tag: str,
        contact: str,
        sdp: Sdp | None = None,
        timer: Iterable[tuple[str, str]] = (),
    ) -> Response:
        """200 to an INVITE or an UPDATE; `timer` is what it says about session timers."""
        extra = [*timer, ("Accept-Language", LANGUAGE), ("Allow", ", ".join(ALLOW))]
        if sdp is not None:
            extra.append(("Content-Type", ACCEPT))
        # COMPAT iChat: knows no extension, and is told of none.
        if not is_viceroy(request):
            extra.append(("Supported", IN_DIALOG))
        response = self.plain(request, 200, tag, contact=contact, extra=tuple(extra))
        response.body = (sdp or "").encode("utf-8", "replace")
        return response

    def capabilities(self, request: Request, tag: str, contact: str | None = None) -> Response:
        """200 to OPTIONS (section 11.2)."""
        extra = (
            ("Accept", self._accept),
            ("Accept-Encoding", "identity"),
            ("Accept-Language", LANGUAGE),
            ("Allow", ", ".join(ALLOW)),
            ("Supported", ", ".join(EXTENSIONS)),
        )
        return self.plain(request, 200, tag, contact=contact, extra=extra)

    def again_later(self, request: Request, tag: str, seconds: int = 1) -> Response:
        """500 with Retry-After: another offer of theirs is being answered (section 14.2, RFC 3311 5.2).

        The wait is "randomly chosen between 0 and 10" by the RFCs; what we are at is over in an instant.
        """
        return self.plain(request, 500, tag, extra=(("Retry-After", str(seconds)),))

    def warning(self, status: int, ending: Ending) -> tuple[tuple[str, str], ...]:
        """Return what a refusal of a session description says of why (section 20.43), if it is known."""
        if status not in _WARNED or ending.warning is None:
            return ()
        return (("Warning", f"{ending.warning} {self._user_agent} {quote(clean_text(ending.text))}"),)

    def objection(self, request: Request, tag: str) -> Response | None:
        """Refuse what we cannot take whatever it asks: method, scheme, extension, content; or None.

        The order is that of RFC 3261 sections 8.2.1 to 8.2.3.
        """
        inside = request.to.tag is not None
        if request.method == "REFER" and not inside:
            # Nobody is called because a stranger asks for it.
            return self.plain(request, 403, tag)
        if request.method not in ALLOW or (request.method in self._only_inside and not inside):
            allowed = (name for name in ALLOW if inside or name not in self._only_inside)
            return self.plain(request, 405, tag, extra=(("Allow", ", ".join(allowed)),))
        # `sips` wants TLS on every hop, up to us.
        if not inside and request.uri.partition(":")[0].lower() != "sip":
            return self.plain(request, 416, tag)
        if unknown := ", ".join(option for option in request.require if option not in EXTENSIONS):
            return self.plain(request, 420, tag, extra=(("Unsupported", unknown),))
        if request.method in ("INVITE", "UPDATE") and session_timer.too_small(request):
            return self.plain(request, 422, tag, extra=(("Min-SE", str(session_timer.MIN_SE)),))
        if request.method in _WITH_SDP:
            return self._content_objection(request, tag)
        return None

    def _content_objection(self, request: Request, tag: str) -> Response | None:
        if request.method != "PRACK" and not _takes_sdp(request):
            return self.plain(request, 406, tag)
        if not request.body or _may_be_ignored(request):
            return None
        if (request.headers.get("Content-Encoding") or "identity").lower() != "identity":
            return self.plain(request, 415, tag, extra=(("Accept-Encoding", "identity"),))
        if request.content_type != ACCEPT:
            return self.plain(request, 415, tag, extra=(("Accept", ACCEPT),))
        return None


def _may_be_ignored(request: Request) -> bool:
    """Tell whether a body that we do not understand is no reason to refuse (section 20.11)."""
    disposition = (request.headers.get("Content-Disposition") or "").lower().replace(" ", "")
    return "handling=optional" in disposition.split(";") and request.content_type != ACCEPT


def _takes_sdp(request: Request) -> bool:
    """Tell whether we may answer with SDP: without Accept always (section 20.1)."""
    accepted = ",".join(request.headers.get_all("Accept")).lower()
    return not accepted or any(kind in accepted for kind in (ACCEPT, "application/*", "*/*"))


def sdp_of(message: Request | Response) -> Sdp | None:
    """Return the session description in the body, or None when there is none that we read."""
    if not message.body or message.content_type != ACCEPT:
        return None
    return message.body.decode("utf-8", "replace")
