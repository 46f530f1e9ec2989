"""The responses we give, and what we refuse of any request before looking at what it asks (8.2).

Header fields stand in the order in which the original gateway wrote them: first what is echoed, then
Contact, and User-Agent last but for the length.
"""

from ichat_gw.call.leg import Sdp
from ichat_gw.sip.message import Request, Response, response_to

ALLOW = ("INVITE", "ACK", "CANCEL", "OPTIONS", "BYE", "INFO", "MESSAGE")
"""The methods that we answer otherwise than with 405."""

ONLY_IN_DIALOG = frozenset({"MESSAGE"})
"""Methods that are answered inside a dialog only. COMPAT iChat: its MESSAGE is a keep-alive ping."""

ACCEPT = "application/sdp"
LANGUAGE = "en"

RETRY_AFTER = ("Retry-After", "10")
"""Goes with 503 when it is we who have too much to do: seconds after which a caller may try again."""


class Replies:
    """Makes responses in the name of one user agent."""

    def __init__(self, user_agent: str) -> None:
        self._user_agent = user_agent

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

    def with_sdp(self, request: Request, tag: str, contact: str, sdp: Sdp) -> Response:
        """200 to an INVITE."""
        extra = (
            ("Accept-Language", LANGUAGE),
            ("Allow", ", ".join(ALLOW)),
            ("Content-Type", ACCEPT),
        )
        response = self.plain(request, 200, tag, contact=contact, extra=extra)
        response.body = sdp.encode("utf-8", "replace")
        return response

    def capabilities(self, request: Request, tag: str, contact: str | None = None) -> Response:
        """200 to OPTIONS (section 11.2)."""
        extra = (
            ("Accept", ACCEPT),
            ("Accept-Encoding", "identity"),
            ("Accept-Language", LANGUAGE),
            ("Allow", ", ".join(ALLOW)),
        )
        return self.plain(request, 200, tag, contact=contact, extra=extra)

    def objection(self, request: Request, tag: str) -> Response | None:
        """Refuse what we cannot take whatever it asks: method, scheme, extension, content; or None.

        The order is that of RFC 3261 sections 8.2.1 to 8.2.3.
        """
        inside = request.to.tag is not None
        if request.method not in ALLOW or (request.method in ONLY_IN_DIALOG and not inside):
            allowed = (name for name in ALLOW if inside or name not in ONLY_IN_DIALOG)
            return self.plain(request, 405, tag, extra=(("Allow", ", ".join(allowed)),))
        # `sips` wants TLS on every hop, up to us.
        if not inside and request.uri.partition(":")[0].lower() != "sip":
            return self.plain(request, 416, tag)
        if request.require:
            unknown = ", ".join(request.require)
            return self.plain(request, 420, tag, extra=(("Unsupported", unknown),))
        if request.method == "INVITE":
            return self._content_objection(request, tag)
        return None

    def _content_objection(self, request: Request, tag: str) -> Response | None:
        if not _takes_sdp(request):
            return self.plain(request, 406, tag)
        if not request.body:
            return None
        if (request.headers.get("Content-Encoding") or "identity").lower() != "identity":
            return self.plain(request, 415, tag, extra=(("Accept-Encoding", "identity"),))
        if request.content_type != ACCEPT:
            return self.plain(request, 415, tag, extra=(("Accept", ACCEPT),))
        return None


def _takes_sdp(request: Request) -> bool:
    """Tell whether we may answer with SDP: without Accept always (section 20.1)."""
    accepted = ",".join(request.headers.get_all("Accept")).lower()
    return not accepted or any(kind in accepted for kind in (ACCEPT, "application/*", "*/*"))


def sdp_of(message: Request | Response) -> Sdp | None:
    """Return the session description in the body, or None when there is none that we read."""
    if not message.body or message.content_type != ACCEPT:
        return None
    return message.body.decode("utf-8", "replace")
