"""The header values with a structure of their own: Via and CSeq."""

from dataclasses import dataclass

from ichat_gw.addressing.sip_grammar import (
    WS,
    InvalidSyntax,
    Params,
    decimal,
    find_param,
    is_token,
    parse_params,
    write_params,
)
from ichat_gw.addressing.sip_uri import InvalidSipUri, split_host_port

CSEQ_LIMIT = 2**31 - 1
"""RFC 3261 section 8.1.1.5: a sequence number is less than 2**31."""


@dataclass(frozen=True, slots=True)
class Via:
    """One hop that a message took (RFC 3261 section 20.42)."""

    transport: str
    """In upper case: `UDP`, `TCP`, `TLS`, ..."""
    host: str
    """Of sent-by: a name, an IPv4 address, or an IPv6 address in square brackets."""
    port: int | None
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> "Via":
        """Take one Via value apart. Raises InvalidSyntax."""
        sent, semicolon, tail = text.partition(";")
        transport, space, sent_by = sent[8:].partition(" ")
        if not sent.startswith("SIP/2.0/") or not space or not is_token(transport):
            transport, sent_by = _spaced_protocol(sent)
        if " " in sent_by or "\t" in sent_by:
            sent_by = ":".join(piece.strip(WS) for piece in sent_by.split(":"))
        try:
            host, port = split_host_port(sent_by)
        except InvalidSipUri as error:
            raise InvalidSyntax(f"Via: {error}") from None
        return cls(transport.upper(), host, port, parse_params(semicolon + tail))

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {self.host}{port}{write_params(self.params)}"

    @property
    def branch(self) -> str | None:
        """The branch parameter, or None when there is none or it is empty (RFC 2543)."""
        return find_param(self.params, "branch") or None

    @property
    def rport(self) -> int | None:
        """RFC 3581: the port the request came from; 0 when it is asked for but not filled in; or None."""
        value = find_param(self.params, "rport")
        return None if value is None else decimal(value, 65535) or 0

    @property
    def received(self) -> str | None:
        """The address the request came from, when it was noted; without brackets (RFC 5118 section 4.5)."""
        value = find_param(self.params, "received")
        return value.strip("[]") if value else None

    def param(self, name: str) -> str | None:
        """Return a parameter's value ("" for one without a value), or None. `name` is in lower case."""
        return find_param(self.params, name)


def _spaced_protocol(sent: str) -> tuple[str, str]:
    """Take `SIP / 2.0 / UDP host` apart, with any white space around the slashes."""
    name, _, rest = sent.partition("/")
    version, slash, rest = rest.partition("/")
    if not slash or name.strip(WS).upper() != "SIP" or version.strip(WS) != "2.0":
        raise InvalidSyntax("a Via is not of SIP/2.0")
    transport, _, sent_by = rest.replace("\t", " ").strip(" ").partition(" ")
    if not is_token(transport):
        raise InvalidSyntax("a Via has no transport")
    return transport, sent_by


@dataclass(frozen=True, slots=True)
class CSeq:
    """Number and method of a request within its dialog (RFC 3261 section 20.16)."""

    number: int
    """0 to 2**31 - 1."""
    method: str

    @classmethod
    def parse(cls, text: str) -> "CSeq":
        """Take a CSeq value apart. Raises InvalidSyntax."""
        digits, _, method = text.replace("\t", " ").partition(" ")
        method = method.strip(" ")
        number = decimal(digits, CSEQ_LIMIT)
        if number is None:
            raise InvalidSyntax("the CSeq number is not one, or not below 2**31")
        if not is_token(method):
            raise InvalidSyntax("the CSeq method is not a token")
        return cls(number, method)

    def __str__(self) -> str:
        return f"{self.number} {self.method}"
