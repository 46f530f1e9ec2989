"""SIP requests and responses: from bytes, and to bytes.

`parse` refuses what an RFC 3261 element must not act on, and says how to answer it; everything it lets
through has typed accessors that cannot fail. They parse on first use and remember. Values are kept as they
were written, so a response echoes Via, From, To, Call-ID and CSeq byte for byte.
"""

import re
from collections.abc import Callable
from typing import TypeVar

from ichat_gw.addressing.sip_grammar import WS, InvalidSyntax, decimal, is_token
from ichat_gw.addressing.sip_uri import InvalidSipUri, NameAddr, SipUri
from ichat_gw.errors import GatewayError
from ichat_gw.sip.fields import CSeq, Via
from ichat_gw.sip.headers import Headers, UnsafeHeader
from ichat_gw.sip.reasons import REASONS, reason_phrase

__all__ = [
    "MAX_HEADERS",
    "MAX_MESSAGE",
    "MAX_VALUE",
    "REASONS",
    "CSeq",
    "Headers",
    "MalformedMessage",
    "Message",
    "NameAddr",
    "NotSip",
    "Request",
    "Response",
    "UnsafeHeader",
    "Via",
    "parse",
    "reason_phrase",
    "response_to",
    "stamp_via",
]

MAX_MESSAGE = 65_535
"""Bytes in a whole message: what a UDP datagram can carry."""
MAX_HEADERS = 256
"""Header lines in a message."""
MAX_VALUE = 8_192
"""Characters in one header value or start line, unfolded."""

T = TypeVar("T")


class NotSip(GatewayError):
    """These bytes are no attempt at a SIP message: keep-alives, iChat's pinhole datagrams, STUN, RTP."""


class MalformedMessage(GatewayError):
    """These bytes are meant as SIP, and are wrong. The text is a fixed phrase, fit for a reason phrase."""

    def __init__(self, text: str, status: int | None = 400, request: "Request | None" = None) -> None:
        super().__init__(text)
        self.text = text
        """What is wrong, in a few words of ours (nothing of the sender's), fit for a Reason-Phrase."""
        self.status = status
        """The status to answer with, or None: drop it (a response, an ACK, nobody to answer)."""
        self.request = request
        """Enough of the request for `response_to`, when `status` is not None. Its accessors may raise."""


class Message:
    """What requests and responses share. Use `Request` and `Response`."""

    __slots__ = ("body", "headers")

    headers: Headers
    body: bytes

    def _start_line(self) -> str:
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        """Write the message, with a Content-Length of its own. Raises UnsafeHeader."""
        return self.headers.write(self._start_line(), len(self.body)) + self.body

    # Every accessor below raises MalformedMessage when its header does not parse. On a message that
    # came from `parse` they never do: it has called them all.

    def _typed(self, key: str, read: Callable[[Headers], T]) -> T:
        cache = self.headers.typed
        try:
            return cache[key]  # type: ignore[return-value]
        except KeyError:
            pass
        try:
            value = read(self.headers)
        except (InvalidSyntax, InvalidSipUri):
            raise MalformedMessage(f"Bad {_SPELLING[key]} Header") from None
        cache[key] = value
        return value

    @property
    def via(self) -> Via:
        """The topmost Via value."""
        return self._typed("via", _read_via)

    @property
    def from_(self) -> NameAddr:
        """From."""
        return self._typed("from", _read_from)

    @property
    def to(self) -> NameAddr:
        """To."""
        return self._typed("to", _read_to)

    @property
    def cseq(self) -> CSeq:
        """CSeq."""
        return self._typed("cseq", _read_cseq)

    @property
    def call_id(self) -> str:
        """Call-ID."""
        return self._typed("call-id", _read_call_id)

    @property
    def contacts(self) -> list[NameAddr]:
        """All Contact values, except `*`."""
        return self._typed("contact", _read_contacts)

    @property
    def contact(self) -> NameAddr | None:
        """The first Contact value, or None."""
        contacts = self.contacts
        return contacts[0] if contacts else None

    @property
    def max_forwards(self) -> int | None:
        """Max-Forwards, 0 to 255; None when it is missing, as RFC 2543 allowed."""
        return self._typed("max-forwards", _read_max_forwards)

    @property
    def expires(self) -> int | None:
        """Expires in seconds, at most 2**32 - 1; None when it is missing or not a number."""
        return self._typed("expires", _read_expires)

    @property
    def content_type(self) -> str:
        """The media type of Content-Type in lower case, without parameters (`application/sdp`), or ""."""
        return self._typed("content-type", _read_content_type)

    @property
    def require(self) -> list[str]:
        """The option tags of Require, in lower case."""
        return self._typed("require", _read_require)

    @property
    def supported(self) -> list[str]:
        """The option tags of Supported, in lower case."""
        return self._typed("supported", _read_supported)

    @property
    def routes(self) -> list[NameAddr]:
        """All Route values, topmost first."""
        return self._typed("route", _read_routes)

    @property
    def record_routes(self) -> list[NameAddr]:
        """All Record-Route values, topmost first."""
        return self._typed("record-route", _read_record_routes)


class Request(Message):
    """A SIP request."""

    __slots__ = ("method", "uri")

    def __init__(self, method: str, uri: str, headers: Headers | None = None, body: bytes = b"") -> None:
        self.method = method
        self.uri = uri
        """The Request-URI as written, of any scheme."""
        self.headers = Headers() if headers is None else headers
        self.body = body

    def __repr__(self) -> str:
        return f"<{self.method} {self.uri}>"

    def _start_line(self) -> str:
        if not is_token(self.method) or not self.uri or " " in self.uri:
            raise UnsafeHeader("the method is not a token, or the Request-URI is empty or holds a space")
        return f"{self.method} {self.uri} SIP/2.0"


class Response(Message):
    """A SIP response."""

    __slots__ = ("reason", "status")

    def __init__(
        self, status: int, reason: str | None = None, headers: Headers | None = None, body: bytes = b""
    ) -> None:
        self.status = status
        """100 to 699."""
        self.reason = reason_phrase(status) if reason is None else reason
        self.headers = Headers() if headers is None else headers
        self.body = body

    def __repr__(self) -> str:
        return f"<{self.status} {self.reason}>"

    def _start_line(self) -> str:
        return f"SIP/2.0 {self.status:03} {self.reason}"


# --- header values ----------------------------------------------------------------------------------------

_SPELLING = {
    "via": "Via",
    "from": "From",
    "to": "To",
    "cseq": "CSeq",
    "call-id": "Call-ID",
    "contact": "Contact",
    "max-forwards": "Max-Forwards",
    "expires": "Expires",
    "content-type": "Content-Type",
    "require": "Require",
    "supported": "Supported",
    "route": "Route",
    "record-route": "Record-Route",
}


def _needed(headers: Headers, name: str) -> str:
    value = headers.get(name)
    if not value:
        raise InvalidSyntax("missing or empty")
    return value


def _read_via(headers: Headers) -> Via:
    value = _needed(headers, "via")
    return Via.parse(value if "," not in value else headers.values("via")[0])


def _read_from(headers: Headers) -> NameAddr:
    return NameAddr.parse(_needed(headers, "from"))


def _read_to(headers: Headers) -> NameAddr:
    return NameAddr.parse(_needed(headers, "to"))


def _read_cseq(headers: Headers) -> CSeq:
    return CSeq.parse(_needed(headers, "cseq"))


def _read_call_id(headers: Headers) -> str:
    return _needed(headers, "call-id")


def _read_addresses(headers: Headers, key: str) -> list[NameAddr]:
    return [address for value in headers.get_all(key) if value for address in NameAddr.parse_list(value)]


def _read_contacts(headers: Headers) -> list[NameAddr]:
    return [] if headers.get("contact") == "*" else _read_addresses(headers, "contact")


def _read_routes(headers: Headers) -> list[NameAddr]:
    return _read_addresses(headers, "route")


def _read_record_routes(headers: Headers) -> list[NameAddr]:
    return _read_addresses(headers, "record-route")


def _read_max_forwards(headers: Headers) -> int | None:
    value = headers.get("max-forwards")
    if value is None:
        return None
    number = decimal(value, 255)
    if number is None:
        raise InvalidSyntax("not a number up to 255")
    return number


def _read_expires(headers: Headers) -> int | None:
    value = headers.get("expires")
    if value is None or not (value.isascii() and value.isdigit()):
        return None
    number = decimal(value, 2**32 - 1)
    return 2**32 - 1 if number is None else number


def _read_content_type(headers: Headers) -> str:
    value = headers.get("content-type")
    if not value:
        return ""
    kind, _, subtype = value.partition(";")[0].partition("/")
    kind, subtype = kind.strip(WS), subtype.strip(WS)
    if not is_token(kind) or not is_token(subtype):
        raise InvalidSyntax("not a media type")
    return f"{kind}/{subtype}".lower()


def _read_require(headers: Headers) -> list[str]:
    return _read_options(headers, "require")


def _read_supported(headers: Headers) -> list[str]:
    return _read_options(headers, "supported")


def _read_options(headers: Headers, key: str) -> list[str]:
    tags = headers.values(key)
    if not all(is_token(tag) for tag in tags):
        raise InvalidSyntax("an option tag is not a token")
    return [tag.lower() for tag in tags]


# --- from bytes -------------------------------------------------------------------------------------------

_join_folds = re.compile(r"\r\n[ \t]+").sub
_is_version = re.compile(r"[Ss][Ii][Pp]/[0-9]+\.[0-9]+").fullmatch
_begins_request = re.compile(rb"[A-Za-z0-9\-.!%*_+`'~]{1,64}[ \t]").match
_is_absolute_uri = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*:[^\x00-\x20\"<>\\^`{|}\x7f]+").fullmatch

_SINGLE_NAMES = """
    from to call-id cseq max-forwards content-length content-type expires subject date user-agent
    server event organization priority reply-to session-expires min-se min-expires timestamp rack rseq
    mime-version content-disposition refer-to referred-by replaces retry-after subscription-state
"""
_SINGLE = frozenset(_SINGLE_NAMES.split())


def parse(data: bytes) -> Request | Response:
    """Make a message of one datagram (RFC 3261 sections 7 and 18.3).

    Bytes behind the end that Content-Length gives are ignored. Raises NotSip or MalformedMessage.
    """
    if len(data) > MAX_MESSAGE:
        raise MalformedMessage("Message Too Large", None)
    while data.startswith(b"\r\n"):  # keep-alives, or white space before the start line (section 7.5)
        data = data[2:]
    is_response = data.startswith(b"SIP/")
    if not is_response and not _begins_request(data):
        raise NotSip("no SIP start line")
    head, empty, body = data.partition(b"\r\n\r\n")
    text = head.decode("utf-8", "surrogateescape")
    if b"\r\n " in head or b"\r\n\t" in head:
        text = _join_folds(" ", text)
    lines = text.split("\r\n")
    message: Request | Response
    fault: MalformedMessage | None = None
    if is_response:
        message = _status_line(lines[0])
    else:
        message, fault = _request_line(lines[0])
    try:
        if fault:
            raise fault
        if not empty:
            raise MalformedMessage("No Empty Line Behind The Headers")
        _read_headers(message.headers, lines)
        _check(message)
        message.body = _cut_body(message.headers, body)
    except MalformedMessage as error:
        raise _answerable(error, message, lines) from None
    return message


def _status_line(line: str) -> Response:
    version, _, rest = line.partition(" ")
    code, _, reason = rest.partition(" ")
    status = decimal(code, 699)
    if version.upper() != "SIP/2.0" or len(code) != 3 or status is None or status < 100:
        raise MalformedMessage("Bad Status Line", None)
    return Response(status, reason)


def _request_line(line: str) -> tuple[Request, MalformedMessage | None]:
    method, _, rest = line.partition(" ")
    uri, _, version = rest.rstrip(WS).rpartition(" ")
    request = Request(method, uri)
    if version != "SIP/2.0" and version.upper() != "SIP/2.0":
        if not _is_version(version):
            raise NotSip("no SIP version at the end of the first line")
        return request, MalformedMessage("Version Not Supported", 505)
    if len(uri) > MAX_VALUE:
        return request, MalformedMessage("Request-URI Too Long", 414)
    if not _is_absolute_uri(uri) or not is_token(method):
        return request, MalformedMessage("Bad Request Line")
    if uri[:4].lower() in ("sip:", "sips"):
        try:
            SipUri.parse(uri)
        except InvalidSipUri:
            return request, MalformedMessage("Bad Request-URI")
    return request, None


def _read_headers(headers: Headers, lines: list[str]) -> None:
    if len(lines) - 1 > MAX_HEADERS:
        raise MalformedMessage("Too Many Headers", 513)
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise MalformedMessage("Header Without Colon")
        if len(value) > MAX_VALUE:
            raise MalformedMessage("Header Too Long", 513)
        if "\r" in value or "\n" in value:
            raise MalformedMessage("Stray Line Break In Header")
        name = name.rstrip(WS)
        if not is_token(name):
            raise MalformedMessage("Bad Header Name")
        headers.add(name, value.strip(WS))


def _check(message: Request | Response) -> None:
    keys = message.headers.keys()
    present = set(keys)
    if len(present) != len(keys):
        seen: set[str] = set()
        for key in keys:
            if key in seen and key in _SINGLE:
                raise MalformedMessage("A Header Appears Twice")
            seen.add(key)
    for key in ("via", "from", "to", "call-id", "cseq"):
        if key not in present:
            raise MalformedMessage(f"Missing {_SPELLING[key]} Header")
    _ = message.via, message.from_, message.to, message.call_id
    cseq = message.cseq
    if isinstance(message, Request) and cseq.method != message.method:
        raise MalformedMessage("CSeq Does Not Match The Method")
    for key, read in _OPTIONAL:
        if key in present:
            message._typed(key, read)


_OPTIONAL: tuple[tuple[str, Callable[[Headers], object]], ...] = (
    ("contact", _read_contacts),
    ("max-forwards", _read_max_forwards),
    ("content-type", _read_content_type),
    ("require", _read_require),
    ("supported", _read_supported),
    ("route", _read_routes),
    ("record-route", _read_record_routes),
)


def _cut_body(headers: Headers, body: bytes) -> bytes:
    value = headers.get("content-length")
    if value is None:
        return body
    length = decimal(value, MAX_MESSAGE)
    if length is None:
        raise MalformedMessage("Bad Content-Length Header")
    if length > len(body):
        raise MalformedMessage("Body Shorter Than Content-Length")
    return body[:length]


_ECHOED = ("via", "from", "to", "call-id", "cseq")


def _answerable(error: MalformedMessage, message: Request | Response, lines: list[str]) -> MalformedMessage:
    """Return the error with the status to answer with, and a request to answer, if there is to be one."""
    if isinstance(message, Response) or message.method == "ACK":
        return MalformedMessage(error.text, None)
    echo = Headers()
    for line in lines[1 : MAX_HEADERS + 1]:
        name, colon, value = line.partition(":")
        name, value = name.strip(WS), value.strip(WS)
        # A value with a stray line break cannot be echoed; an over-long one is not worth it.
        if not colon or "\r" in line or "\n" in line or len(value) > MAX_VALUE or "\0" in line:
            continue
        entry = Headers([(name, value)])
        if entry.keys()[0] in _ECHOED and (entry.keys()[0] == "via" or name not in echo):
            echo.add(name, value)
    if "via" not in echo:
        return MalformedMessage(error.text, None)
    return MalformedMessage(error.text, error.status, Request(message.method, message.uri, echo))


# --- answers ----------------------------------------------------------------------------------------------

_MAKES_DIALOG = frozenset(("INVITE", "SUBSCRIBE", "REFER", "NOTIFY"))


def response_to(
    request: Request, status: int, reason: str | None = None, to_tag: str | None = None
) -> Response:
    """Make the response to a request (RFC 3261 section 8.2.6.2), without a body.

    Echoes Via, From, To, Call-ID and CSeq as they were written; Record-Route in what may make a dialog
    (101 to 299, section 12.1.1); Timestamp in a 100. `to_tag` is added to a To that parses and has no tag
    yet. Works on the request of a MalformedMessage: what is missing there is missing here.
    """
    response = Response(status, reason)
    headers = response.headers
    with_route = 100 < status < 300 and request.method in _MAKES_DIALOG
    for key, name, value in request.headers.entries():
        if key in _ECHOED or (with_route and key == "record-route") or (status == 100 and key == "timestamp"):
            if key == "to" and to_tag:
                value = _with_tag(value, to_tag)
            headers.add(name, value)
    return response


def _with_tag(to: str, tag: str) -> str:
    try:
        return to if NameAddr.parse(to).tag else f"{to};tag={tag}"
    except InvalidSyntax:
        return to


def stamp_via(request: Request, address: str, port: int) -> None:
    """Note in the topmost Via where the request really came from.

    RFC 3261 section 18.2.1: `received` when the sent-by host is not the source `address`. RFC 3581
    section 4: when there is an `rport` parameter, it gets the source `port`, and `received` is always
    added. A `received` that the sender wrote itself is replaced: only our word counts.
    """
    via = request.via
    params = [(name, value) for name, value in via.params if name.lower() != "received"]
    wants_rport = any(name.lower() == "rport" for name, _ in params)
    params = [(name, str(port) if name.lower() == "rport" else value) for name, value in params]
    host = via.host[1:-1] if via.host.startswith("[") else via.host
    if wants_rport or host != address:
        params.append(("received", address))
    params_now = tuple(params)
    if params_now == via.params:
        return
    stamped = str(Via(via.transport, via.host, via.port, params_now))
    line = request.headers.get("via") or ""
    others = Headers([("Via", line)]).values("via")[1:]
    request.headers.replace_first("Via", ", ".join([stamped, *others]))
