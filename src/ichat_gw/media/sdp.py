"""Session descriptions (RFC 8866) as values: read tolerantly, written exactly, order kept.

A description is a list of `type=value` lines. Only what the gateway acts on is taken apart: the media
lines (`m=`), the connection lines (`c=`) and, on demand, attributes (`a=`). All else is kept as it came.

Tolerated: lines ended by LF alone, empty lines, missing `o=`, `s=` and `t=`, unknown types, several
spaces for one, an `m=` line without formats. Refused, with `InvalidSdp`: what is larger than the limits
below, lines that are not `type=value`, control characters, broken `m=` and `c=` lines.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from ichat_gw.errors import GatewayError

MAX_LENGTH = 32_768
"""The longest description read, in characters; real ones have 150 to 6,000."""
MAX_LINES = 1_000
MAX_SECTIONS = 32
MAX_FORMATS = 128


class InvalidSdp(GatewayError):
    """Not a session description that can be used."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not `m=`: its one-letter type and what stands after the equals sign."""

    type: str
    value: str

    def __str__(self) -> str:
        return f"{self.type}={self.value}"


@dataclass(frozen=True, slots=True)
class Connection:
    """Where media is to be sent (RFC 8866 5.7): an IP address in canonical form, or a host name."""

    address: str

    @classmethod
    def parse(cls, value: str) -> "Connection":
        """Read the value of a `c=` line. The TTL and count of multicast addresses are dropped."""
        fields = value.split()
        if len(fields) != 3 or fields[0].upper() != "IN" or fields[1].upper() not in ("IP4", "IP6"):
            raise InvalidSdp(f"c={value!r}: expected `IN IP4 address` or `IN IP6 address`")
        host = fields[2].partition("/")[0]
        if not host or not host.isascii() or "%" in host:
            raise InvalidSdp(f"c={value!r}: not an address")
        ip = numeric(host)
        return cls(host.lower() if ip is None else str(ip))

    @property
    def ip(self) -> IPv4Address | IPv6Address | None:
        """The address as a number, or None for a host name."""
        return numeric(self.address)

    def __str__(self) -> str:
        return f"IN {address_type(self.address)} {self.address}"


@dataclass(frozen=True, slots=True)
class MediaSection:
    """An `m=` line with the lines that belong to it (RFC 8866 5.14). Port 0: refused or disabled."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    lines: tuple[Line, ...] = ()
    port_count: int = 1

    @classmethod
    def parse(cls, value: str) -> "MediaSection":
        """Read the value of an `m=` line; its other lines are not there yet."""
        fields = value.split()
        if len(fields) < 3 or not value.isascii():
            raise InvalidSdp(f"m={value!r}: expected `kind port protocol formats`")
        if len(fields) > 3 + MAX_FORMATS:
            raise InvalidSdp(f"an m= line has {len(fields) - 3} formats; at most {MAX_FORMATS} are read")
        port, slash, count = fields[1].partition("/")
        return cls(
            kind=fields[0],
            port=_number(port, 0, 65_535, value),
            port_count=_number(count, 1, 32_767, value) if slash else 1,
            protocol=fields[2],
            formats=tuple(fields[3:]),
        )

    @property
    def connection(self) -> Connection | None:
        """The section's own `c=` line, if any."""
        return _connection(self.lines)

    def attributes(self, name: str) -> Iterator[str]:
        """The values of all `a=name` lines, in order; "" where there is none. Case matters."""
        return _attributes(self.lines, name)

    def __str__(self) -> str:
        port = str(self.port) if self.port_count == 1 else f"{self.port}/{self.port_count}"
        first = " ".join(("m=" + self.kind, port, self.protocol, *self.formats))
        return "".join(f"{line}\r\n" for line in (first, *self.lines))


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description: the lines of the session level, `v=` first, then the media sections."""

    lines: tuple[Line, ...]
    sections: tuple[MediaSection, ...]

    @classmethod
    def parse(cls, text: str) -> "SessionDescription":
        """Read `text`. Raises `InvalidSdp`, and nothing else, for whatever is not usable."""
        if len(text) > MAX_LENGTH:
            raise InvalidSdp(f"{len(text)} characters; at most {MAX_LENGTH} are read")
        # Not splitlines(): it also cuts at characters that are ordinary text in SDP (U+2028, form feed).
        rows = [row for row in (raw.removesuffix("\r") for raw in text.split("\n")) if row.strip(" \t")]
        if len(rows) > MAX_LINES:
            raise InvalidSdp(f"{len(rows)} lines; at most {MAX_LINES} are read")
        session: list[Line] = []
        sections: list[MediaSection] = []
        bodies: list[list[Line]] = []
        for row in rows:
            line = _line(row)
            if line.type == "m":
                if len(sections) == MAX_SECTIONS:
                    raise InvalidSdp(f"more than {MAX_SECTIONS} media sections")
                sections.append(MediaSection.parse(line.value))
                bodies.append([])
                continue
            if line.type == "c":
                Connection.parse(line.value)
            (bodies[-1] if bodies else session).append(line)
        if not session or session[0] != Line("v", "0"):
            raise InvalidSdp("a session description begins with v=0")
        return cls(
            tuple(session),
            tuple(
                MediaSection(m.kind, m.port, m.protocol, m.formats, tuple(body), m.port_count)
                for m, body in zip(sections, bodies, strict=True)
            ),
        )

    @property
    def connection(self) -> Connection | None:
        """The `c=` line of the session level, if any; it holds for sections that have none."""
        return _connection(self.lines)

    def attributes(self, name: str) -> Iterator[str]:
        """The values of all `a=name` lines of the session level, in order. Case matters."""
        return _attributes(self.lines, name)

    def __str__(self) -> str:
        return "".join(f"{line}\r\n" for line in self.lines) + "".join(map(str, self.sections))


def numeric(host: str) -> IPv4Address | IPv6Address | None:
    """The IP address that `host` is, or None when it is a name. IPv4 inside IPv6 counts as IPv4."""
    try:
        ip = ip_address(host)
    except ValueError:
        return None
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip


def address_type(host: str) -> str:
    """`IP4` or `IP6`, as `o=` and `c=` lines name it; names count as `IP4`."""
    return "IP6" if ":" in host else "IP4"


def _line(row: str) -> Line:
    if len(row) < 2 or row[1] != "=" or not (row[0].isascii() and row[0].isalpha()):
        raise InvalidSdp(f"{row[:40]!r}: expected `type=value`")
    value = row[2:].strip(" \t")
    if any((ord(char) < 32 and char != "\t") or ord(char) == 127 for char in value):
        raise InvalidSdp(f"{row[:40]!r}: control characters")
    return Line(row[0], value)


def _number(text: str, low: int, high: int, line: str) -> int:
    if not (text.isdecimal() and len(text) <= 5 and low <= int(text) <= high):
        raise InvalidSdp(f"m={line!r}: {text!r} is not a number from {low} to {high}")
    return int(text)


def _connection(lines: tuple[Line, ...]) -> Connection | None:
    return next((Connection.parse(line.value) for line in lines if line.type == "c"), None)


def _attributes(lines: tuple[Line, ...], name: str) -> Iterator[str]:
    for line in lines:
        if line.type == "a":
            this, _, value = line.value.partition(":")
            if this == name:
                yield value.strip()
