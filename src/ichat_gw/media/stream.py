"""RTP of one party as the other one gets it: one stream that never breaks (RFC 3550).

What a party sends may stop, may come from another source (SSRC) after a transfer, and may start anywhere
in its numbers. The receiver sees one SSRC, with sequence numbers and timestamps that go on: as long as the
sender does nothing of that kind its packets pass as they are, afterwards they are shifted. Where nothing
comes, keep-alives fill the gap: empty packets, without which iChat ends the call.

On the way, losses, late packets and jitter of the sender are counted. RTCP is rewritten to match.
"""

from random import Random
from struct import Struct

HEAD = Struct("!BBHII")
"""The first twelve bytes of RTP: version and the like, marker and payload type, sequence, timestamp, SSRC."""
KEEP_ALIVE_AFTER = 1.0
"""Seconds without a packet until keep-alives begin, as the original did it."""
KEEP_ALIVE_EVERY = 0.02
"""Seconds between keep-alives."""
USUAL_RATE = 8_000
MAX_DROPOUT = 3_000
"""A sequence number so much further counts as loss, more as a new beginning (RFC 3550 A.1)."""
MAX_MISORDER = 100
"""A sequence number so much behind is a late packet, more is a new beginning."""

_REPORTS = (200, 201)
_FEEDBACK = (205, 206)


class Stream:
    """What one party sends, and what becomes of it. Slots without underscore are the worker's short cut."""

    __slots__ = (
        "_begun",
        "_paused",
        "_rates",
        "_rng",
        "at",
        "jitter",
        "late",
        "lost",
        "next",
        "rate",
        "second",
        "second_out",
        "shift",
        "ssrc",
        "stamp",
    )

    def __init__(self, rng: Random) -> None:
        self.ssrc = -1
        """The sender's SSRC; -1 before its first packet."""
        self.next = 0
        """The sequence number that its next packet should have."""
        self.stamp = 0
        """The timestamp of its newest packet."""
        self.at = 0.0
        """When that came."""
        self.second = -1
        """The second byte of that; -1 where the next packet must be looked at in full."""
        self.second_out = 0
        """What the second byte became."""
        self.rate = USUAL_RATE
        """Ticks of the timestamp in a second."""
        self.jitter = 0.0
        """Interarrival jitter (RFC 3550 6.4.1), in ticks."""
        self.lost = self.late = 0
        self.shift: tuple[int, int, int] | None = None
        """To be added to sequence number and timestamp, and the SSRC that the receiver knows."""
        self._begun = False
        """The receiver has got something."""
        self._paused: tuple[int, int, float] | None = None
        """Where the receiver's stream stands while nothing of the sender's is in it: sequence number,
        timestamp, and when that was."""
        self._rates: dict[int, int] = {}
        self._rng = rng

    def clock(self, rates: tuple[tuple[int, int], ...]) -> None:
        """Know the clock rate of payload types; the others have `USUAL_RATE`."""
        self._rates = dict(rates)
        self.second = -1

    @property
    def jitter_ms(self) -> float:
        """The jitter in milliseconds."""
        return self.jitter / self.rate * 1e3

    def take(self, packet: bytearray | memoryview, now: float, forward: bool) -> None:
        """Count a packet of the sender, and if it goes `forward` shift it in place."""
        _, second, sequence, stamp, ssrc = HEAD.unpack_from(packet)
        rate = self._rates.get(second & 0x7F, USUAL_RATE)
        ahead = (sequence - self.next) & 0xFFFF
        if not forward:
            self._pause()
        if self.ssrc < 0:
            ahead = 0
        elif ssrc != self.ssrc or MAX_DROPOUT <= ahead <= 0xFFFF - MAX_MISORDER:
            self._pause()
        elif ahead >= MAX_DROPOUT:
            self.late += 1
            self.lost -= self.lost > 0
            self.write(packet, sequence, stamp)
            return
        else:
            self.lost += ahead
            off = (now - self.at) * rate - _signed(stamp - self.stamp)
            # All packets of a tone bear one timestamp: they say nothing about the way here.
            if rate == self.rate and stamp != self.stamp:
                self.jitter += (abs(off) - self.jitter) / 16
        self.ssrc, self.next, self.stamp, self.at = ssrc, (sequence + 1) & 0xFFFF, stamp, now
        self.second, self.rate = second, rate
        if not forward:
            self.second = -1
            return
        self._begun = True
        if self._paused is not None:
            self._resume(sequence, stamp, now)
        self.write(packet, sequence, stamp)

    def keep_alive(self, payload_type: int, rate: int, now: float) -> bytes:
        """The next packet for a receiver that gets nothing."""
        if not self._begun:
            self._begun = True
            self.shift = 0, 0, self._rng.getrandbits(32)
            self._paused = self._rng.getrandbits(16), self._rng.getrandbits(32), now - KEEP_ALIVE_EVERY
        self._pause()
        assert self._paused is not None
        sequence, stamp = self._following(self._paused, rate, now)
        self._paused = sequence, stamp, now
        return HEAD.pack(0x80, payload_type, sequence, stamp, self.ssrc_out)

    @property
    def ssrc_out(self) -> int:
        """The SSRC that the receiver knows; -1 before it got anything."""
        if not self._begun:
            return -1
        return self.ssrc if self.shift is None else self.shift[2]

    def _pause(self) -> None:
        """The receiver's stream does not go on with the sender's next packet."""
        self.second = -1
        if self._begun and self._paused is None:
            sequence, stamp, ssrc = self.shift or (0, 0, self.ssrc)
            self.shift = sequence, stamp, ssrc
            self._paused = (self.next - 1 + sequence) & 0xFFFF, (self.stamp + stamp) & 0xFFFFFFFF, self.at

    def _resume(self, sequence: int, stamp: int, now: float) -> None:
        """It does go on, with this packet."""
        assert self._paused is not None
        assert self.shift is not None
        goal = self._following(self._paused, self.rate, now)
        self.shift = (goal[0] - sequence) & 0xFFFF, (goal[1] - stamp) & 0xFFFFFFFF, self.shift[2]
        self._paused = None

    def _following(self, last: tuple[int, int, float], rate: int, now: float) -> tuple[int, int]:
        """The sequence number and timestamp after `last`, in whole steps of 20 ms."""
        sequence, stamp, at = last
        steps = max(1, round((now - at) / KEEP_ALIVE_EVERY))
        ticks = steps * round(rate * KEEP_ALIVE_EVERY)
        return (sequence + 1) & 0xFFFF, (stamp + ticks) & 0xFFFFFFFF

    def write(self, packet: bytearray | memoryview, sequence: int, stamp: int) -> None:
        """Shift a packet in place."""
        if self.shift is not None:
            add, ticks, ssrc = self.shift
            HEAD.pack_into(
                packet,
                0,
                packet[0],
                packet[1],
                (sequence + add) & 0xFFFF,
                (stamp + ticks) & 0xFFFFFFFF,
                ssrc,
            )


def rewrite_rtcp(packet: bytearray | memoryview, sent: Stream, heard: Stream) -> None:
    """Make RTCP of a party match the streams as both ends know them, in place.

    `sent` is what the party sends, `heard` what it hears. SSRCs and the numbers of sender and receiver
    reports are changed; what is not understood stays. Never raises, whatever the packet is.
    """
    if sent.shift is None and heard.shift is None:
        return
    place = 0
    while place + 8 <= len(packet):
        kind, size = packet[place + 1], 4 * (int.from_bytes(packet[place + 2 : place + 4], "big") + 1)
        end = min(place + size, len(packet))
        if sent.shift is not None and _long(packet, place + 4) == sent.ssrc:
            _put_long(packet, place + 4, sent.shift[2])
            if kind == 200 and place + 20 <= end:
                _put_long(packet, place + 16, _long(packet, place + 16) + sent.shift[1])
        if kind in _REPORTS:
            _rewrite_blocks(packet, place + (28 if kind == 200 else 8), end, heard)
        elif kind in _FEEDBACK and place + 12 <= end:
            _put_heard(packet, place + 8, heard)
        place += size


def _rewrite_blocks(packet: bytearray | memoryview, place: int, end: int, heard: Stream) -> None:
    """Report blocks about what the receiver knows as one stream: about the sender's for the sender."""
    while place + 24 <= end:
        if _put_heard(packet, place, heard):
            assert heard.shift is not None
            _put_long(packet, place + 8, _long(packet, place + 8) - heard.shift[0])
        place += 24


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


def _signed(ticks: int) -> int:
    """The difference of two timestamps, which are counted in 32 bits."""
    return (ticks + 0x80000000 & 0xFFFFFFFF) - 0x80000000
