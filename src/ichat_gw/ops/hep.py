"""HEP version 3, also called EEP: what a Homer server is sent of each message (sipcapture.org, HEP3 rev. 12).

A packet is `HEP3`, its length in two bytes, and chunks: a vendor (0: the specification), a type, its own
length, and a value, numbers in network order.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from struct import Struct

from ichat_gw.ops.reading import contents
from ichat_gw.ops.trace import Address, Lane, Protocol, Recorded

_HEAD = Struct("!4sH")
_CHUNK = Struct("!HHH")
LONGEST = 60_000
"""Bytes of a message that are sent; more does not fit into a datagram."""

FAMILY, TRANSPORT, SOURCE_V4, TARGET_V4, SOURCE_V6, TARGET_V6 = 1, 2, 3, 4, 5, 6
SOURCE_PORT, TARGET_PORT, SECONDS, MICROSECONDS, KIND, CAPTURE_ID = 7, 8, 9, 10, 11, 12
PASSWORD, PAYLOAD, CORRELATION = 14, 15, 17

_INET, _INET6 = 2, 10
"""The families as Linux numbers them, which is what the specification means."""
_TCP, _UDP = 6, 17
_KINDS = {Protocol.SIP: 1, Protocol.XMPP: 2}
_XMPP_SERVER: Address = ("127.0.0.1", 5222)
_CONNECTOR: Address = ("127.0.0.1", 5347)
"""Stanzas of a component stream have no addresses of their own; these stand for its two ends."""


@dataclass(frozen=True, slots=True)
class HepSource:
    """What is the same in all packets of a gateway."""

    capture_id: int
    """HEPCaptureID."""
    password: str = ""
    """HEPPassword."""

    def packet(self, recorded: Recorded, call: str) -> bytes | None:
        """The packet for a message of a call ("": of none), without secrets; None: HEP is not for that."""
        kind = _KINDS.get(recorded.protocol)
        content = contents(recorded.content)[:LONGEST]
        if kind is None or not content:
            return None
        source, target = recorded.source_address, recorded.target_address
        if recorded.protocol is Protocol.XMPP:
            ends = (_XMPP_SERVER, _CONNECTOR)
            source, target = ends if recorded.source is Lane.USER else reversed(ends)
        chunks = _addresses(source, target)
        if chunks is None:
            return None
        seconds = int(recorded.at)
        chunks += [
            _number(TRANSPORT, 1, _TCP if recorded.transport in ("TCP", "TLS") or kind == 2 else _UDP),
            _number(SECONDS, 4, seconds & 0xFFFFFFFF),
            _number(MICROSECONDS, 4, int((recorded.at - seconds) * 1e6)),
            _number(KIND, 1, kind),
            _number(CAPTURE_ID, 4, self.capture_id),
        ]
        if self.password:
            chunks.append(_chunk(PASSWORD, self.password.encode()))
        if call:
            chunks.append(_chunk(CORRELATION, call.encode()))
        body = b"".join((*chunks, _chunk(PAYLOAD, content)))
        return _HEAD.pack(b"HEP3", _HEAD.size + len(body)) + body


def _addresses(source: Address, target: Address) -> list[bytes] | None:
    if source is None or target is None:
        return None
    try:
        ends = ip_address(source[0]), ip_address(target[0])
    except ValueError:
        return None
    if ends[0].version != ends[1].version:
        return None
    v4 = ends[0].version == 4
    return [
        _number(FAMILY, 1, _INET if v4 else _INET6),
        _chunk(SOURCE_V4 if v4 else SOURCE_V6, ends[0].packed),
        _chunk(TARGET_V4 if v4 else TARGET_V6, ends[1].packed),
        _number(SOURCE_PORT, 2, source[1]),
        _number(TARGET_PORT, 2, target[1]),
    ]


def _number(kind: int, size: int, value: int) -> bytes:
    return _chunk(kind, value.to_bytes(size, "big"))


def _chunk(kind: int, value: bytes) -> bytes:
    return _CHUNK.pack(0, kind, _CHUNK.size + len(value)) + value
