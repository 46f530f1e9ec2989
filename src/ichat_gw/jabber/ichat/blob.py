"""The connect data of iChat: the addresses at which a client takes SIP and RTP, as hex text.

The text is a run of records of 40 bytes, each written as 80 hex digits:

    offset  size
         0     2  zero
         2     2  family, little-endian: 0 is IPv4, anything else IPv6
         4    16  interface name, padded with NUL (`eth0`, `en1`); a `~` at its end marks the un-mapped
                  twin of an address that a NAT maps
        20    16  address; IPv4 uses the first four bytes
        36     2  port, network byte order
        38     2  zero
"""

import ipaddress
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ichat_gw.errors import GatewayError

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_RECORDS = 64
"""More addresses than this are not a client's; the limit also keeps the text inside one datagram."""

MAX_DIGITS = MAX_RECORDS * 80
"""The longest text, without white space around it, that can be usable."""

_RECORD = struct.Struct("<2xH16s16s2s2x")
_HEX = re.compile("[0-9a-fA-F]*")
_PROPERTY_LIST = ("bplist", b"bplist".hex())


class UnusableBlob(GatewayError):
    """Connect data that cannot be read; the call it belongs to is refused (603)."""


@dataclass(frozen=True, slots=True)
class ConnectRecord:
    """One address of a client.

    `name` is that of its interface, up to 16 bytes of Latin-1 without NUL; `port` is 0..65535.
    """

    name: str
    address: IPAddress
    port: int

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.address.version

    @property
    def unmapped(self) -> bool:
        """Whether this is the private twin of an address that a NAT maps."""
        return self.name.endswith("~")

    @property
    def usable(self) -> bool:
        """Whether a datagram can be sent there at all.

        Not without a port, to nobody or to everybody; nor to a link-local IPv6 address, for the record
        does not say on which link.
        """
        address = self.address
        if self.port == 0 or address.is_unspecified or address.is_multicast:
            return False
        if isinstance(address, ipaddress.IPv6Address):
            return not address.is_link_local
        return address != _BROADCAST


_BROADCAST = ipaddress.IPv4Address("255.255.255.255")


def decode(text: str) -> tuple[ConnectRecord, ...]:
    """The records in `text`, usable or not; none for the empty text.

    White space around the digits is skipped (iChat puts a line feed before them). Raises `UnusableBlob`
    for anything that is not whole records in hex, and for more than `MAX_RECORDS`.
    """
    digits = text.strip()
    if len(digits) > MAX_DIGITS:
        raise UnusableBlob(f"connect data of {len(digits)} characters; at most {MAX_DIGITS} are allowed")
    if digits[:12].lower().startswith(_PROPERTY_LIST):
        raise UnusableBlob("connect data is a binary property list, of an iChat that wants to use ICE")
    if not _HEX.fullmatch(digits):
        raise UnusableBlob("connect data is not hexadecimal text")
    if len(digits) % 80:
        raise UnusableBlob(f"connect data of {len(digits)} hex digits; whole records have 80 each")
    return tuple(_decode_record(*fields) for fields in _RECORD.iter_unpack(bytes.fromhex(digits)))


def _decode_record(family: int, name: bytes, address: bytes, port: bytes) -> ConnectRecord:
    where: IPAddress
    where = ipaddress.IPv6Address(address) if family else ipaddress.IPv4Address(address[:4])
    return ConnectRecord(name.partition(b"\0")[0].decode("latin-1"), where, int.from_bytes(port, "big"))


def encode(records: Iterable[ConnectRecord]) -> str:
    """The text for `records`, in lower case. Names are cut to 16 bytes, foreign characters become `?`."""
    return "".join(
        _RECORD.pack(
            0 if record.family == 4 else 1,
            record.name.encode("latin-1", "replace"),
            record.address.packed,
            record.port.to_bytes(2, "big"),
        ).hex()
        for record in records
    )


def choose(
    records: Sequence[ConnectRecord],
    *,
    prefer_ipv6: bool = False,
    ipv6_available: bool = False,
    skip_first: bool = False,
) -> ConnectRecord | None:
    """The record to send to, or None when there is none: the first usable IPv4 one.

    With `prefer_ipv6`, where IPv6 is available here, usable IPv6 ones come first. `skip_first`
    (SkipFirstIChatAddress, for testing) takes the second candidate instead.
    """
    usable = [record for record in records if record.usable]
    candidates = [record for record in usable if record.family == 4]
    if prefer_ipv6 and ipv6_available:
        candidates = [record for record in usable if record.family == 6] + candidates
    if skip_first:
        candidates = candidates[1:]
    return candidates[0] if candidates else None
