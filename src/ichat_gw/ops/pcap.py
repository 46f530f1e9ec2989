"""A trace as a capture file that Wireshark opens: SIP and stanzas as sent, in frames made up around them.

The format is libpcap's with microseconds, the link type raw IP (101). SIP over UDP is a datagram between the
addresses of the trace. SIP over TCP and TLS is a TCP stream with a handshake of its own for each pair of
addresses; what went over TLS is shown in the clear, and port 5061 as 5060, because Wireshark would look for
TLS there. Stanzas are a TCP stream between 127.0.0.2 and port 5222 of 127.0.0.1: in truth they share one
stream with those of everybody else. Audio, session descriptions by themselves and notes are left out.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct

from ichat_gw.ops.trace import Address, CallTrace, Lane, Protocol, TraceEntry

RAW_IP = 101
SEGMENT = 16_000
"""Bytes of a message in one TCP segment."""
LONGEST = 65_000
"""Bytes of a datagram that are written."""

_FILE = Struct("<IHHiIII")
_FRAME = Struct("<IIII")
_V4 = Struct("!BBHHHBBH4s4s")
_UDP = Struct("!HHHH")
_TCP = Struct("!HHIIBBHHH")
_SYN, _ACK, _PUSH = 0x02, 0x10, 0x08
_SIP, _SIPS, _XMPP = 5060, 5061, 5222

_IP = IPv4Address | IPv6Address
_End = tuple[_IP, int]


def pcap(trace: CallTrace) -> bytes:
    """The capture file."""
    frames = _Frames()
    for entry in trace.entries:
        if entry.protocol is Protocol.SIP and entry.content:
            source, target = _ends(entry)
            if entry.transport in ("TCP", "TLS"):
                frames.stream(entry.at, _in_the_clear(source), _in_the_clear(target), entry.content)
            else:
                frames.datagram(entry.at, source, target, entry.content[:LONGEST])
        elif entry.protocol is Protocol.XMPP and entry.content:
            ours, server = (ip_address("127.0.0.2"), 49_152), (ip_address("127.0.0.1"), _XMPP)
            ends = (server, ours) if entry.source is Lane.USER else (ours, server)
            frames.stream(entry.at, *ends, entry.content)
    return frames.file()


def _ends(entry: TraceEntry) -> tuple[_End, _End]:
    source, target = _end(entry.source_address, 2), _end(entry.target_address, 1)
    if source[0].version != target[0].version:
        # Cannot be in one packet: the ports at least are right.
        return (ip_address("127.0.0.2"), source[1]), (ip_address("127.0.0.1"), target[1])
    return source, target


def _end(address: Address, last: int) -> _End:
    try:
        host, port = address or ("", _SIP)
        return ip_address(host), port & 0xFFFF
    except ValueError:
        return ip_address(f"127.0.0.{last}"), _SIP


def _in_the_clear(end: _End) -> _End:
    return end[0], _SIP if end[1] == _SIPS else end[1]


@dataclass(slots=True)
class _Frames:
    """What has been written, and the next sequence number of each direction of each stream."""

    _written: list[bytes] = field(default_factory=list)
    _next: dict[tuple[_End, _End], int] = field(default_factory=dict)
    _number: int = 0

    def file(self) -> bytes:
        return _FILE.pack(0xA1B2C3D4, 2, 4, 0, 0, 0xFFFF, RAW_IP) + b"".join(self._written)

    def datagram(self, at: float, source: _End, target: _End, content: bytes) -> None:
        length = _UDP.size + len(content)
        head = _UDP.pack(source[1], target[1], length, 0)
        total = checksum(_pseudo(source[0], target[0], 17, length) + head + content) or 0xFFFF
        self._packet(at, source[0], target[0], 17, _UDP.pack(source[1], target[1], length, total) + content)

    def stream(self, at: float, source: _End, target: _End, content: bytes) -> None:
        if (source, target) not in self._next:
            self._segment(at, source, target, _SYN)
            self._segment(at, target, source, _SYN | _ACK)
            self._segment(at, source, target, _ACK)
        for start in range(0, len(content), SEGMENT):
            self._segment(at, source, target, _ACK | _PUSH, content[start : start + SEGMENT])
            self._segment(at, target, source, _ACK)

    def _segment(self, at: float, source: _End, target: _End, flags: int, content: bytes = b"") -> None:
        sequence = self._next.get((source, target), 0)
        heard = self._next.get((target, source), 0) if flags & _ACK else 0
        self._next[source, target] = (sequence + len(content) + bool(flags & _SYN)) & 0xFFFFFFFF
        fields = source[1], target[1], sequence, heard, 5 << 4, flags, 0xFFFF
        unsummed = _TCP.pack(*fields, 0, 0) + content
        total = checksum(_pseudo(source[0], target[0], 6, len(unsummed)) + unsummed)
        self._packet(at, source[0], target[0], 6, _TCP.pack(*fields, total, 0) + content)

    def _packet(self, at: float, source: _IP, target: _IP, protocol: int, content: bytes) -> None:
        self._number += 1
        if source.version == 4:
            length = _V4.size + len(content)
            fields = 0x45, 0, length, self._number & 0xFFFF, 0x4000, 64, protocol
            total = checksum(_V4.pack(*fields, 0, source.packed, target.packed))
            head = _V4.pack(*fields, total, source.packed, target.packed)
        else:
            head = bytes((0x60, 0, 0, 0)) + len(content).to_bytes(2, "big") + bytes((protocol, 64))
            head += source.packed + target.packed
        frame = head + content
        seconds = int(at)
        micro = int((at - seconds) * 1e6)
        self._written.append(_FRAME.pack(seconds, micro, len(frame), len(frame)) + frame)


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(int.from_bytes(data[place : place + 2], "big") for place in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _pseudo(source: _IP, target: _IP, protocol: int, length: int) -> bytes:
    """What is summed up although it is not there (RFC 768, RFC 9293, RFC 8200 8.1)."""
    if source.version == 4:
        return source.packed + target.packed + bytes((0, protocol)) + length.to_bytes(2, "big")
    return source.packed + target.packed + length.to_bytes(4, "big") + bytes((0, 0, 0, protocol))
