"""SIP URIs (RFC 3261 section 19.1) and the addresses with display names that header fields hold."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import unquote_to_bytes

from ichat_gw.addressing.sip_grammar import (
    WS,
    InvalidSyntax,
    Params,
    decimal,
    find_param,
    is_token,
    parse_params,
    quote,
    quoted_end,
    split_outside,
    unquote,
    write_params,
)
from ichat_gw.errors import GatewayError

_USER_PLAIN = "A-Za-z0-9\\-_.!~*'()&=+$,;?/"
_is_user = re.compile(f"(?:[{_USER_PLAIN}]|%[0-9A-Fa-f][0-9A-Fa-f])+").fullmatch
_is_password = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()&=+$,]|%[0-9A-Fa-f][0-9A-Fa-f])*").fullmatch
_is_host_name = re.compile(r"[A-Za-z0-9\-._]+").fullmatch
_is_param_part = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()\[\]/:&+$]|%[0-9A-Fa-f][0-9A-Fa-f])*").fullmatch
_is_headers = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()\[\]/?:+$&=]|%[0-9A-Fa-f][0-9A-Fa-f])+").fullmatch
_has_scheme = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*:[^\x00-\x20\"<>\x7f]+").fullmatch
_to_escape = re.compile(f"[^{_USER_PLAIN}]")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()")
_escapes = re.compile("%[0-9A-Fa-f][0-9A-Fa-f]")


class InvalidSipUri(GatewayError):
    """A text is not a `sip:` or `sips:` URI; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class SipUri:
    """A `sip:` or `sips:` URI, its parts as written.

    Python's `==` compares the spelling; `equivalent` compares as RFC 3261 section 19.1.4 does.
    """

    scheme: str
    """`sip` or `sips`, in lower case."""
    user: str | None
    """With its percent escapes; None when there is no `@`."""
    password: str | None
    """With its percent escapes; None when there is no colon in the user part."""
    host: str
    """A domain name or an IPv4 address as written, or an IPv6 address in square brackets."""
    port: int | None
    """1 to 65535, or None when none is written."""
    params: Params = ()
    """The URI parameters, with their percent escapes."""
    headers: str = ""
    """What follows the question mark, as written; empty when there is none."""

    @classmethod
    def parse(cls, text: str) -> "SipUri":
        """Take a URI apart. Raises InvalidSipUri, also for URIs of other schemes."""
        scheme, colon, rest = text.partition(":")
        scheme = scheme.lower()
        if not colon or scheme not in ("sip", "sips"):
            raise InvalidSipUri("the scheme is not sip or sips")
        user: str | None = None
        password: str | None = None
        # Neither the host nor anything behind it may hold a bare "@", so the last one ends the user part.
        userinfo, at, rest_behind = rest.rpartition("@")
        if at:
            rest = rest_behind
            user, colon, secret = userinfo.partition(":")
            if not _is_user(user):
                raise InvalidSipUri("the user part is empty or holds a character that must be escaped")
            if colon:
                if not _is_password(secret):
                    raise InvalidSipUri("the password holds a character that must be escaped")
                password = secret
        rest, question, headers = rest.partition("?")
        if question and not _is_headers(headers):
            raise InvalidSipUri("the header part is empty or holds a character that must be escaped")
        hostport, semicolon, tail = rest.partition(";")
        host, port = split_host_port(hostport)
        return cls(scheme, user, password, host, port, _uri_params(tail) if semicolon else (), headers)

    @classmethod
    def build(
        cls,
        user: str | None,
        host: str,
        port: int | None = None,
        params: Params = (),
        scheme: str = "sip",
    ) -> "SipUri":
        """Make a URI from a user part that is not escaped yet; an IPv6 `host` may lack its brackets.

        Raises InvalidSipUri when the host or the port cannot be written.
        """
        if ":" in host and not host.startswith("["):
            host = f"[{host}]"
        written = host if port is None else f"{host}:{port}"
        host, port = split_host_port(written)
        return cls(scheme, escape_user(user) if user else None, None, host, port, params)

    def __str__(self) -> str:
        userinfo = ""
        if self.user is not None:
            userinfo = f"{self.user}@" if self.password is None else f"{self.user}:{self.password}@"
        port = "" if self.port is None else f":{self.port}"
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{userinfo}{self.host}{port}{write_params(self.params)}{headers}"

    @property
    def user_decoded(self) -> str:
        """The user part without escapes, as text; empty without a user part.

        Bytes that are not UTF-8 become U+FFFD. May hold any character, NUL included (RFC 4475 section
        3.1.1.4): whoever writes it somewhere else escapes it for there.
        """
        return _decode(self.user or "")

    @property
    def address(self) -> str:
        """The host without the brackets of an IPv6 address."""
        return self.host[1:-1] if self.host.startswith("[") else self.host

    def param(self, name: str) -> str | None:
        """Return a parameter's value without escapes ("" for one without a value), or None.

        `name` is in lower case; escapes in the name on the wire do not hide it.
        """
        for key, value in self.params:
            if key == name or _decode(key).lower() == name:
                return _decode(value or "")
        return None

    def has_param(self, name: str) -> bool:
        """Tell whether the parameter is there, with or without a value. `name` is in lower case."""
        return self.param(name) is not None

    def equivalent(self, other: "SipUri") -> bool:
        """Compare as RFC 3261 section 19.1.4 says, IPv6 addresses by value (RFC 5954).

        A reserved character and its escape are different, any other character and its escape are not.
        A `user`, `ttl`, `method`, `maddr` or `transport` parameter must be in both or in neither; another
        parameter counts only when both have it.
        """
        return (
            self.scheme == other.scheme
            and _plain(self.user) == _plain(other.user)
            and _plain(self.password) == _plain(other.password)
            and _host_key(self.host) == _host_key(other.host)
            and self.port == other.port
            and _params_match(self.params, other.params)
            and _headers_key(self.headers) == _headers_key(other.headers)
        )


def escape_user(text: str) -> str:
    """Return `text` with every character that a user part cannot hold as percent escapes of its UTF-8."""
    return _to_escape.sub(_percent, text)


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found.group().encode("utf-8", "replace"))


def _decode(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "replace") if "%" in text else text


def split_host_port(text: str) -> tuple[str, int | None]:
    """Take `host`, `host:port`, `[IPv6]` or `[IPv6]:port` apart; an IPv6 address keeps its brackets.

    Raises InvalidSipUri when it is none of these, or the port is not 1 to 65535.
    """
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or ipv6_address(host) is None:
            raise InvalidSipUri("what stands in brackets is not an IPv6 address")
        host = f"[{host}]"
        if port and port[0] != ":":
            raise InvalidSipUri("something other than a port follows the IPv6 address")
        colon, port = port[:1], port[1:]
    else:
        host, colon, port = text.partition(":")
        if not _is_host_name(host):
            raise InvalidSipUri("the host is empty or holds a character that no host has")
    if not colon:
        return host, None
    number = decimal(port, 65535)
    if not number:
        raise InvalidSipUri("the port is not a number from 1 to 65535")
    return host, number


def _uri_params(text: str) -> Params:
    params: list[tuple[str, str | None]] = []
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if not name or not _is_param_part(name) or not _is_param_part(value):
            raise InvalidSipUri("a URI parameter is empty or holds a character that must be escaped")
        params.append((name, value if equals else None))
    return tuple(params)


def ipv6_address(text: str) -> IPv6Address | None:
    """Return the IPv6 address that `text` (without brackets) writes, or None.

    Three colons before an embedded IPv4 address count as two: the grammar of RFC 3261 asks for the third,
    and RFC 5118 section 4.10 asks to bear it. A zone (`fe80::1%eth0`) is not known to SIP.
    """
    before, three, behind = text.partition(":::")
    if three and "." in behind:
        text = f"{before}::{behind}"
    try:
        return None if "%" in text else IPv6Address(text)
    except AddressValueError:
        return None


def _plain(text: str | None) -> str | None:
    """Decode the escapes of unreserved characters, and write the others in upper case."""
    return text if text is None or "%" not in text else _escapes.sub(_unescape_unreserved, text)


def _unescape_unreserved(found: re.Match[str]) -> str:
    char = chr(int(found.group()[1:], 16))
    return char if char in _UNRESERVED else found.group().upper()


def _folded(text: str) -> str:
    return (_plain(text) or "").lower()


def _host_key(host: str) -> str:
    return str(ipv6_address(host[1:-1])) if host.startswith("[") else host.lower()


_SIGNIFICANT = ("user", "ttl", "method", "maddr", "transport")


def _params_match(ours: Params, theirs: Params) -> bool:
    a = {_folded(name): _folded(value or "") for name, value in ours}
    b = {_folded(name): _folded(value or "") for name, value in theirs}
    if any(a[name] != b[name] for name in a.keys() & b.keys()):
        return False
    return all((name in a) == (name in b) for name in _SIGNIFICANT)


def _headers_key(headers: str) -> list[tuple[str, str]]:
    pairs = (header.partition("=") for header in headers.split("&"))
    return sorted((_folded(name), _plain(value) or "") for name, _, value in pairs)


_UNFIT: dict[int, str | None] = {
    **dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)]),
    **dict.fromkeys([*range(0xD800, 0xE000), 0xFFFE, 0xFFFF], "\ufffd"),
    ord("\t"): " ",
}


def clean_text(text: str) -> str:
    """Return `text` without control characters, and with U+FFFD for bytes that were not UTF-8.

    What is left can be shown, logged, and written into SIP or XML.
    """
    return text if text.isprintable() else text.translate(_UNFIT)


# The grammar wants tokens or a quoted string; without quotes, parentheses, "@" and letters of other languages
# are common and not ambiguous. What separates something somewhere is refused (RFC 4475 section 3.1.2.15).
_is_phrase = re.compile(r"[^\x00-\x08\x0a-\x1f\"<>,:;\\\x7f]*").fullmatch


@dataclass(frozen=True, slots=True)
class NameAddr:
    """The value of From, To, Contact, Route and their like: a display name, a URI, parameters."""

    display_name: str
    """Unquoted, as people read it, without control characters; empty when there is none."""
    uri: str
    """The URI as written, of any scheme."""
    params: Params = ()
    """The header parameters (those behind the angle brackets)."""

    @classmethod
    def parse(cls, text: str) -> "NameAddr":
        """Take one `"name" <uri>;params` or `uri;params` apart. Raises InvalidSyntax."""
        text = text.strip(WS)
        name = ""
        if text.startswith('"'):
            end = quoted_end(text, 0)
            name = unquote(text[: end + 1])
            rest = text[end + 1 :].lstrip(WS)
            if not rest.startswith("<"):
                raise InvalidSyntax("no angle bracket follows the display name")
        else:
            before, _, behind = text.partition("<")
            if len(before) == len(text) or not _is_phrase(before):
                return cls._parse_bare(text)
            name = before.rstrip(WS)
            rest = "<" + behind
        uri, closed, tail = rest[1:].partition(">")
        if not closed:
            raise InvalidSyntax("an angle bracket is not closed")
        if not _has_scheme(uri):
            raise InvalidSyntax("what stands in angle brackets is not a URI")
        return cls(clean_text(name), uri, parse_params(tail))

    @classmethod
    def _parse_bare(cls, text: str) -> "NameAddr":
        uri, semicolon, tail = text.partition(";")
        uri = uri.rstrip(WS)
        # RFC 3261 section 20: a URI with a comma, a question mark or a semicolon needs angle brackets.
        if not _has_scheme(uri) or "," in uri or "?" in uri:
            raise InvalidSyntax("an address is neither a URI nor a name with one in angle brackets")
        return cls("", uri, parse_params(semicolon + tail))

    @classmethod
    def parse_list(cls, text: str) -> "list[NameAddr]":
        """Take a comma list of addresses apart. Raises InvalidSyntax, also for an empty member."""
        return [cls.parse(part) for part in split_outside(text, ",")]

    def __str__(self) -> str:
        name = clean_text(self.display_name)
        return f"{quote(name) + ' ' if name else ''}<{self.uri}>{write_params(self.params)}"

    @property
    def tag(self) -> str | None:
        """The tag parameter, or None when there is none or it is empty."""
        return find_param(self.params, "tag") or None

    @property
    def sip_uri(self) -> SipUri:
        """The URI taken apart. Raises InvalidSipUri when it is of another scheme or malformed."""
        return SipUri.parse(self.uri)

    def param(self, name: str) -> str | None:
        """Return a parameter's value, unquoted ("" for none), or None. `name` is in lower case."""
        return find_param(self.params, name)

    def with_tag(self, tag: str) -> "NameAddr":
        """Return the same address with this tag instead of any it had. Raises InvalidSyntax."""
        if not is_token(tag):
            raise InvalidSyntax("a tag must be a token")
        kept: Iterable[tuple[str, str | None]] = (p for p in self.params if p[0].lower() != "tag")
        return replace(self, params=(*kept, ("tag", tag)))
