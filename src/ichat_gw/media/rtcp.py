"""RTCP of a call (RFC 3550 6): made to match the streams as both ends know them, and read for its reports.

A party's reports say how well it hears the other one: what share of the packets was lost on the way to it,
and their jitter there. From the time that a sender report passed here to the time that a report naming it
comes back is the round trip to the party, without what the party itself took (RFC 3550 6.4.1): between the
party and this relay, not between the two parties.

Nothing here raises, whatever the packet is.
"""

from collections import deque
from collections.abc import Iterator

from ichat_gw.media.relay_messages import PartyCounters
from ichat_gw.media.stream import Stream

SENDER_REPORT = 200
RECEIVER_REPORT = 201
_FEEDBACK = (205, 206)
_BLOCK = 24
"""A report block in bytes."""


class Reports:
    """What one party's RTCP has said so far of what it hears."""

    __slots__ = ("_passed", "count", "jitter", "loss", "lost", "round_trip")

    def __init__(self) -> None:
        self.count = 0
        """How many report blocks there were about the other party."""
        self.loss: float | None = None
        """The share of packets lost on the way to the party in the last report, 0..1."""
        self.lost: int | None = None
        """Packets lost on the way to it in all, says the last report; doubles count against."""
        self.jitter: float | None = None
        """In milliseconds, in the last report."""
        self.round_trip: float | None = None
        """Between us and the party, in milliseconds, when it could last be told."""
        self._passed: deque[tuple[int, float]] = deque(maxlen=8)
        """The last sender reports of the party: the middle of their time stamp, and when they passed here."""

    def restore(self, before: PartyCounters) -> None:
        """Go on from what was known of the party."""
        self.count, self.loss, self.lost = before.reports, before.reported_loss, before.reported_lost
        self.jitter, self.round_trip = before.reported_jitter, before.round_trip

    def read(self, packet: bytearray | memoryview, now: float, heard: Stream, other: "Reports") -> None:
        """A packet of the party, as it came. It hears the stream `heard`, whose sender's are `other`."""
        for kind, place, end in _parts(packet):
            if kind == SENDER_REPORT and place + 16 <= end:
                # A report names it by the middle 32 bits of its NTP time stamp.
                self._passed.append((_long(packet, place + 10), now))
            if heard.ssrc_out < 0:
                continue
            for block in _blocks(packet, place, end):
                if _long(packet, block) == heard.ssrc_out:
                    self._read_block(packet, block, now, heard.rate, other)

    def _read_block(
        self, packet: bytearray | memoryview, block: int, now: float, rate: int, other: "Reports"
    ) -> None:
        self.count += 1
        self.loss = packet[block + 4] / 256
        lost = _long(packet, block + 4) & 0xFFFFFF
        self.lost = lost - 0x1000000 if lost & 0x800000 else lost
        self.jitter = _long(packet, block + 12) / rate * 1e3
        named, held = _long(packet, block + 16), _long(packet, block + 20) / 65_536
        for stamp, passed in other._passed:
            if named and stamp == named and now - passed >= held:
                self.round_trip = (now - passed - held) * 1e3


def rewrite_rtcp(packet: bytearray | memoryview, sent: Stream, heard: Stream) -> None:
    """Make RTCP of a party match the streams as both ends know them, in place.

    `sent` is what the party sends, `heard` what it hears. SSRCs and the numbers of sender and receiver
    reports are changed; what is not understood stays.
    """
    if sent.shift is None and heard.shift is None:
        return
    for kind, place, end in _parts(packet):
        if sent.shift is not None and _long(packet, place + 4) == sent.ssrc:
            _put_long(packet, place + 4, sent.shift[2])
            if kind == SENDER_REPORT and place + 20 <= end:
                _put_long(packet, place + 16, _long(packet, place + 16) + sent.shift[1])
        for block in _blocks(packet, place, end):
            # About what the receiver knows as one stream: about the sender's for the sender.
            if _put_heard(packet, block, heard):
                assert heard.shift is not None
                _put_long(packet, block + 8, _long(packet, block + 8) - heard.shift[0])
        if kind in _FEEDBACK and place + 12 <= end:
            _put_heard(packet, place + 8, heard)


def _parts(packet: bytearray | memoryview) -> Iterator[tuple[int, int, int]]:
    """The RTCP packets of a compound one: type, where it begins, where it ends. The last may be cut off."""
    place = 0
    while place + 8 <= len(packet):
        size = 4 * (int.from_bytes(packet[place + 2 : place + 4], "big") + 1)
        yield packet[place + 1], place, min(place + size, len(packet))
        place += size


def _blocks(packet: bytearray | memoryview, place: int, end: int) -> Iterator[int]:
    """Where the report blocks of an RTCP packet begin, as many as it says there are."""
    kind, count = packet[place + 1], packet[place] & 0x1F
    if kind in (SENDER_REPORT, RECEIVER_REPORT):
        first = place + (28 if kind == SENDER_REPORT else 8)
        yield from range(first, min(first + count * _BLOCK, end - _BLOCK + 1), _BLOCK)


def _put_heard(packet: bytearray | memoryview, place: int, heard: Stream) -> bool:
    """Where the SSRC stands that the receiver knows put the sender's. False: it stands not there."""
    if heard.shift is None or heard.ssrc < 0 or _long(packet, place) != heard.shift[2]:
        return False
    _put_long(packet, place, heard.ssrc)
    return True


def _long(packet: bytearray | memoryview, place: int) -> int:
    return int.from_bytes(packet[place : place + 4], "big")


def _put_long(packet: bytearray | memoryview, place: int, value: int) -> None:
    packet[place : place + 4] = (value & 0xFFFFFFFF).to_bytes(4, "big")
