"""SIP requests and responses: from bytes, and to bytes.

`parse` refuses what an RFC 3261 element must not act on, and says how to answer it; everything it lets
through has typed accessors that cannot fail. They parse on first use and remember. Values are kept as they
were written, so a response echoes Via, From, To, Call-ID and CSeq byte for byte.
"""

import re
from collections.abc import Callable
from typing import TypeVar

from ichat_gw.addressing.sip_grammar import WS, InvalidSyntax, decimal, is_token, split_outside, write_params
from ichat_gw.addressing.sip_uri import InvalidSipUri, NameAddr, SipUri
from ichat_gw.errors import GatewayError
from ichat_gw.sip import typed
from ichat_gw.sip.fields import CSeq, Via
from ichat_gw.sip.headers import Headers, UnsafeHeader, header_key, holds_bare_nul
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
    "is_keep_alive",
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

_LONGEST_KEEP_ALIVE = 4
_STUN_BINDING, _STUN_COOKIE = b"\0\1", bytes.fromhex("2112a442")

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
            raise MalformedMessage(f"Bad {typed.SPELLING[key]} Header") from None
        cache[key] = value
        return value

    @property
    def via(self) -> Via:
        """The topmost Via value."""
        return self._typed("via", typed.read_via)

    @property
    def from_(self) -> NameAddr:
        """From."""
        return self._typed("from", typed.read_from)

    @property
    def to(self) -> NameAddr:
        """To."""
        return self._typed("to", typed.read_to)

    @property
    def cseq(self) -> CSeq:
        """CSeq."""
        return self._typed("cseq", typed.read_cseq)

    @property
    def call_id(self) -> str:
        """Call-ID."""
        return self._typed("call-id", typed.read_call_id)

    @property
    def contacts(self) -> tuple[NameAddr, ...]:
        """All Contact values, except `*`."""
        return self._typed("contact", typed.read_contacts)

    @property
    def contact(self) -> NameAddr | None:
        """The first Contact value, or None."""
        contacts = self.contacts
        return contacts[0] if contacts else None

    @property
    def max_forwards(self) -> int | None:
        """Max-Forwards, 0 to 255; None when it is missing, as RFC 2543 allowed."""
        return self._typed("max-forwards", typed.read_max_forwards)

    @property
    def expires(self) -> int | None:
        """Expires in seconds, at most 2**32 - 1; None when it is missing or not a number."""
        return self._typed("expires", typed.read_expires)

    @property
    def content_type(self) -> str:
        """The media type of Content-Type in lower case, without parameters (`application/sdp`), or ""."""
        return self._typed("content-type", typed.read_content_type)

    @property
    def require(self) -> tuple[str, ...]:
        """The option tags of Require, in lower case."""
        return self._typed("require", typed.read_require)

    @property
    def supported(self) -> tuple[str, ...]:
        """The option tags of Supported, in lower case."""
        return self._typed("supported", typed.read_supported)

    @property
    def routes(self) -> tuple[NameAddr, ...]:
        """All Route values, topmost first."""
        return self._typed("route", typed.read_routes)

    @property
    def record_routes(self) -> tuple[NameAddr, ...]:
        """All Record-Route values, topmost first."""
        return self._typed("record-route", typed.read_record_routes)


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

    @property
    def sip_uri(self) -> SipUri:
        """The Request-URI taken apart. Raises InvalidSipUri when it is of another scheme."""
        return SipUri.parse(self.uri)

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


# --- from bytes -------------------------------------------------------------------------------------------

_begins_request = re.compile(rb"[A-Za-z0-9\-.!%*_+`'~]{1,64} ").match
_join_folds = re.compile(r"\r\n[ \t]+").sub
_is_version = re.compile(r"[Ss][Ii][Pp]/[0-9]+\.[0-9]+").fullmatch
_is_absolute_uri = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*:[^\x00-\x20\"<>\\^`{|}\x7f]+").fullmatch

_SINGLE_NAMES = """
    from to call-id cseq max-forwards content-length content-type expires event refer-to replaces
    session-expires rseq rack
"""
_SINGLE = frozenset(_SINGLE_NAMES.split())
"""Headers that must not stand twice in a message, because acting on either would be a guess."""


def is_keep_alive(data: bytes) -> bool:
    """Whether what is no SIP is what honest peers send to keep a NAT's way open.

    Nothing, line breaks (RFC 5626 section 3.5.1, RFC 3261 section 7.5), up to four zero bytes, as proxies
    send, or a STUN binding request (RFC 5626 section 3.5.2).
    """
    if len(data) <= _LONGEST_KEEP_ALIVE:
        return not data.strip(b"\r\n\0")
    return data.startswith(_STUN_BINDING) and data[4:8] == _STUN_COOKIE


def parse(data: bytes) -> Request | Response:
    """Make a message of one datagram (RFC 3261 sections 7 and 18.3).

    Bytes behind the end that Content-Length gives are ignored; white space behind the version and line
    breaks before the start line are borne. Raises NotSip or MalformedMessage. What is returned can always
    be written again: its `to_bytes`, and that of a response to it, do not raise.
    """
    if data[:1] in (b"\r", b"\n"):  # section 7.5; a datagram of nothing else is a keep-alive
        data = data.lstrip(b"\r\n")
    first = data[: data.find(b"\r\n") + 1]
    is_response = first[:4].upper() == b"SIP/"
    if not is_response and not (b" SIP/" in first.upper() and _begins_request(first)):
        raise NotSip("no SIP start line")
    if len(data) > MAX_MESSAGE:
        raise MalformedMessage("Message Too Large", None)
    head, empty, body = data.partition(b"\r\n\r\n")
    text = head.decode("utf-8", "surrogateescape")
    if b"\r\n " in head or b"\r\n\t" in head:
        text = _join_folds(" ", text)
    start_line, *lines = text.split("\r\n")
    if is_response:
        return _parse_response(start_line, lines, bool(empty), body)
    return _parse_request(start_line, lines, bool(empty), body)


def _parse_response(start_line: str, lines: list[str], complete: bool, body: bytes) -> Response:
    try:
        version, _, rest = start_line.partition(" ")
        code, _, reason = rest.partition(" ")
        status = decimal(code, 699)
        if version.upper() != "SIP/2.0" or len(code) != 3 or status is None or status < 100:
            raise MalformedMessage("Bad Status Line")
        if "\r" in reason or "\n" in reason or "\0" in reason:
            raise MalformedMessage("Bad Reason Phrase")
        response = Response(status, reason, _parse_headers(lines, complete))
        _check_headers(response)
        response.body = _cut_body(response.headers, body)
    except MalformedMessage as error:
        raise MalformedMessage(error.text, None) from None
    return response


def _parse_request(start_line: str, lines: list[str], complete: bool, body: bytes) -> Request:
    method, _, rest = start_line.partition(" ")
    uri, _, version = rest.rstrip(WS).rpartition(" ")
    try:
        _check_request_line(uri, version)
        request = Request(method, uri, _parse_headers(lines, complete))
        _check_headers(request)
        if request.cseq.method != method:
            raise MalformedMessage("CSeq Does Not Match The Method")
        request.body = _cut_body(request.headers, body)
    except MalformedMessage as error:
        echo = _to_echo(lines)
        if method == "ACK" or "via" not in echo:
            raise MalformedMessage(error.text, None) from None
        raise MalformedMessage(error.text, error.status, Request(method, uri, echo)) from None
    return request


def _check_request_line(uri: str, version: str) -> None:
    if version != "SIP/2.0" and version.upper() != "SIP/2.0":
        if _is_version(version):
            raise MalformedMessage("Version Not Supported", 505)
        raise MalformedMessage("Bad Request Line")
    if len(uri) > MAX_VALUE:
        raise MalformedMessage("Request-URI Too Long", 414)
    if not _is_absolute_uri(uri):
        raise MalformedMessage("Bad Request-URI")
    if uri.partition(":")[0].lower() in ("sip", "sips"):
        try:
            # RFC 3261 section 19.1.1 forbids headers in a Request-URI; RFC 4475 section 3.1.2.11.
            forbidden = SipUri.parse(uri).headers
        except InvalidSipUri:
            raise MalformedMessage("Bad Request-URI") from None
        if forbidden:
            raise MalformedMessage("Headers In The Request-URI")


def _parse_headers(lines: list[str], complete: bool) -> Headers:
    if not complete:
        raise MalformedMessage("No Empty Line Behind The Headers")
    if len(lines) > MAX_HEADERS:
        raise MalformedMessage("Too Many Headers", 513)
    entries = []
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.rstrip(WS)
        if not colon or not is_token(name):
            raise MalformedMessage("Header Without A Name")
        if len(value) > MAX_VALUE:
            raise MalformedMessage("Header Too Long", 513)
        if "\r" in value or "\n" in value or ("\0" in value and holds_bare_nul(value)):
            raise MalformedMessage("Line Break Or NUL In A Header")
        entries.append((header_key(name), name, value.strip(WS)))
    return Headers.of_entries(entries)


def _check_headers(message: Message) -> None:
    keys = message.headers.keys()
    present = set(keys)
    if len(present) != len(keys):
        for key in present & _SINGLE:
            if keys.count(key) > 1:
                raise MalformedMessage("A Header Stands Twice")
    for key, read in typed.MANDATORY:
        if key not in present:
            raise MalformedMessage(f"Missing {typed.SPELLING[key]} Header")
        message._typed(key, read)
    for key, read in typed.OPTIONAL:
        if key in present:
            message._typed(key, read)


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


def _to_echo(lines: list[str]) -> Headers:
    """Return the headers that a refusal echoes, as far as there are any that can be written."""
    echo = Headers()
    for line in lines[:MAX_HEADERS]:
        name, colon, value = line.partition(":")
        name = name.strip(WS)
        key = header_key(name)
        if colon and key in _ECHOED and len(value) <= MAX_VALUE and (key == "via" or name not in echo):
            # Neutralised rather than left out: without it, the answer would not be recognised.
            echo.add(name, value.strip(WS).replace("\r", " ").replace("\n", " ").replace("\0", " "))
    return echo


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
    A Via that does not parse (on the request of a MalformedMessage) is left alone.
    """
    try:
        via = request.via
    except MalformedMessage:
        return
    first, *others = split_outside(request.headers.get("via") or "", ",")
    address = address.partition("%")[0]
    wants_rport = via.rport is not None
    params: list[tuple[str, str | None]] = []
    for name, value in via.params:
        key = name.lower()
        if key == "rport":
            params.append((name, str(port)))
        elif key != "received":
            params.append((name, value))
    if wants_rport or via.host.strip("[]") != address:
        params.append(("received", address))
    if tuple(params) != via.params:
        stamped = first.partition(";")[0].rstrip(WS) + write_params(tuple(params))
        request.headers.replace_first("via", ", ".join([stamped, *others]))
