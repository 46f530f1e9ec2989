"""What REFER says: Refer-To, Referred-By and Refer-Sub (RFC 3515, 3892, 4488), and Replaces (RFC 3891)."""

from dataclasses import dataclass, replace
from urllib.parse import unquote

from ichat_gw.addressing.sip_grammar import InvalidSyntax, find_param, is_token, parse_params
from ichat_gw.addressing.sip_uri import InvalidSipUri, NameAddr, SipUri
from ichat_gw.errors import GatewayError
from ichat_gw.sip.message import Request

MAX_REFERRED_BY = 1_000
"""Characters of a Referred-By that is passed on."""


class Unreferable(GatewayError):
    """A REFER that cannot be followed; `status` answers it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Replaces:
    """Names a dialog at whoever gets this: the call that a new one takes the place of (RFC 3891)."""

    call_id: str
    to_tag: str
    """The tag of who gets this."""
    from_tag: str
    """The tag of the other end."""
    early_only: bool = False

    @classmethod
    def parse(cls, text: str) -> "Replaces":
        """Take a Replaces value apart. Raises InvalidSyntax."""
        call_id, semicolon, tail = text.partition(";")
        call_id = call_id.strip()
        if (
            not call_id
            or not call_id.isascii()
            or any(not "!" <= char <= "~" or char == "," for char in call_id)
        ):
            raise InvalidSyntax("Replaces has no Call-ID")
        params = parse_params(semicolon + tail)
        to_tag, from_tag = find_param(params, "to-tag"), find_param(params, "from-tag")
        if not to_tag or not from_tag or not is_token(to_tag) or not is_token(from_tag):
            raise InvalidSyntax("Replaces lacks a tag")
        return cls(call_id, to_tag, from_tag, find_param(params, "early-only") is not None)

    def __str__(self) -> str:
        early = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{early}"


@dataclass(frozen=True, slots=True)
class Refer:
    """A REFER that can be followed."""

    target: str
    """The URI to call, without headers."""
    referred_by: str
    """Of the INVITE to it, as a header value; "" when nothing was said."""
    replaces: str
    """The same for Replaces."""
    subscribes: bool
    """Whether the sender wants to be told how it goes."""

    @classmethod
    def read(cls, request: Request) -> "Refer":
        """Read a REFER. Raises Unreferable."""
        values = request.headers.get_all("Refer-To")
        if len(values) != 1:
            raise Unreferable(400, "not exactly one Refer-To")
        uri = _refer_to(values[0])
        method = uri.param("method")
        if method is not None and method.upper() != "INVITE":
            raise Unreferable(603, f"asked to send {method[:20]!r}, not INVITE")
        if uri.has_param("maddr"):
            raise Unreferable(603, "the target leads elsewhere than its host says")
        kept = tuple(param for param in uri.params if param[0].lower() != "method")
        refer_sub = (request.headers.get("Refer-Sub") or "true").partition(";")[0].strip().lower()
        return cls(
            str(replace(uri, params=kept, headers="")),
            _referred_by(request),
            _replaces(uri),
            refer_sub != "false",
        )


def _refer_to(value: str) -> SipUri:
    try:
        # COMPAT phones that leave out the angle brackets that a URI with a question mark needs.
        return NameAddr.parse(value if "<" in value else f"<{value}>").sip_uri
    except (InvalidSyntax, InvalidSipUri):
        if value.lstrip('<" \t')[:4].lower() in ("tel:", "http", "xmpp", "mail"):
            raise Unreferable(603, "the target is no SIP URI") from None
        raise Unreferable(400, "Refer-To cannot be read") from None


def _referred_by(request: Request) -> str:
    """RFC 3892 section 2.1: passed on, without what could only be checked with the body that came along."""
    value = request.headers.get("Referred-By") or ""
    try:
        address = NameAddr.parse(value)
    except InvalidSyntax:
        return ""
    written = str(NameAddr(address.display_name, address.uri))
    return written if len(written) <= MAX_REFERRED_BY else ""


def _replaces(uri: SipUri) -> str:
    """The one header in the URI that means something to us; the others are not ours to write."""
    for pair in uri.headers.split("&"):
        name, _, value = pair.partition("=")
        if unquote(name).lower() == "replaces":
            try:
                return str(Replaces.parse(unquote(value)))
            except InvalidSyntax as error:
                raise Unreferable(400, str(error)) from None
    return ""
