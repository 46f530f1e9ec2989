"""RTP of one party as the other one gets it: one stream that never breaks (RFC 3550).

What a party sends may stop, may come from another source (SSRC) after a transfer, and may start anywhere
in its numbers. The receiver sees one SSRC, with sequence numbers and timestamps that go on: as long as the
sender does nothing of that kind its packets pass as they are, afterwards they are shifted. Where nothing
comes, keep-alives fill the gap: empty packets, without which iChat ends the call.

On the way, losses, late packets and jitter of the sender are counted. `rtcp` makes RTCP match.
"""

from random import Random
from struct import Struct

from ichat_gw.media.relay_messages import StreamSnapshot
from ichat_gw.media.rtp import UNCHANGED

HEAD = Struct("!BBHII")
"""The first twelve bytes of RTP: version and the like, marker and payload type, sequence, timestamp, SSRC."""
_NUMBERS = Struct("!HII")
"""The last ten of them."""
KEEP_ALIVE_AFTER = 1.0
"""Seconds without a packet until keep-alives begin, as the original did it."""
KEEP_ALIVE_EVERY = 0.02
"""Seconds between keep-alives."""
USUAL_RATE = 8_000
MAX_DROPOUT = 3_000
"""A sequence number so much further counts as loss, more as a new beginning (RFC 3550 A.1)."""
MAX_MISORDER = 100
"""A sequence number so much behind is a late packet, more is a new beginning."""


class Stream:
    """What one party sends, and what becomes of it. Slots without underscore are the worker's short cut."""

    __slots__ = (
        "_begun",
        "_paused",
        "_rates",
        "_rng",
        "_unknown",
        "altered",
        "at",
        "changed",
        "jitter",
        "late",
        "lost",
        "next",
        "octets",
        "passed",
        "rate",
        "second_out",
        "shift",
        "ssrc",
        "stamp",
        "start",
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
        self.start = -1
        """The first two bytes of that; -1 where the next packet must be looked at in full."""
        self.second_out = 0
        """What its second byte became."""
        self.altered = False
        """Its receiver gets other bytes than were sent."""
        self.rate = USUAL_RATE
        """Ticks of the timestamp in a second."""
        self.jitter = 0.0
        """Interarrival jitter (RFC 3550 6.4.1), in ticks."""
        self.lost = self.late = 0
        self.passed = self.octets = 0
        """Packets, and their bytes, that took the short cut and stand in no other counter yet."""
        self.shift: tuple[int, int, int] | None = None
        """To be added to sequence number and timestamp, and the SSRC that the receiver knows."""
        self.changed = False
        """`shift`, or whose it is, has changed since somebody who wanted to know cleared this."""
        self._unknown = 0
        """How many packets a predecessor may have sent after it told us of this stream, at most."""
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
        self.start = -1

    @property
    def jitter_ms(self) -> float:
        """The jitter in milliseconds."""
        return self.jitter / self.rate * 1e3

    def take(
        self, packet: bytearray | memoryview, now: float, forward: bool, becomes: bytes = UNCHANGED
    ) -> None:
        """Count a packet of the sender, and change it in place to what the receiver gets.

        `becomes` says what second byte it then has. Not `forward`: the receiver gets none.
        """
        first, second, sequence, stamp, ssrc = HEAD.unpack_from(packet)
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
            self._begun = self._begun or forward
            self.alter(packet, becomes[second], sequence, stamp)
            return
        else:
            # What came between the last snapshot and now is not known.
            self.lost += 0 if self._unknown else ahead
            off = (now - self.at) * rate - _signed(stamp - self.stamp)
            # All packets of a tone bear one timestamp: they say nothing about the way here.
            if rate == self.rate and stamp != self.stamp:
                self.jitter += (abs(off) - self.jitter) / 16
        self._unknown = 0
        self.changed = self.changed or ssrc != self.ssrc
        self.ssrc, self.next, self.stamp, self.at = ssrc, (sequence + 1) & 0xFFFF, stamp, now
        self.rate = rate
        if forward:
            self._begun = True
            if self._paused is not None:
                self._resume(sequence, stamp, now)
            self.start = 0x8000 | second if first == 0x80 else -1
            self.second_out = becomes[second]
            self.altered = self.shift is not None or self.second_out != second
        self.alter(packet, becomes[second], sequence, stamp)

    def snapshot(self) -> StreamSnapshot:
        """What a successor must know to go on, so that the receiver notices nothing."""
        return StreamSnapshot(
            self.ssrc,
            self.next,
            self.stamp,
            self.at,
            self.shift,
            self._begun,
            self._paused,
            self.rate,
            self.jitter,
        )

    def restore(self, snapshot: StreamSnapshot, now: float) -> None:
        """Go on where a predecessor was, or later: nothing that it may have sent meanwhile is sent again."""
        self.ssrc, self.next, self.stamp, self.at = snapshot.ssrc, snapshot.next, snapshot.stamp, snapshot.at
        self.shift, self._begun, self._paused = snapshot.shift, snapshot.begun, snapshot.paused
        self.rate, self.jitter = snapshot.rate, snapshot.jitter
        self.start = -1
        since = self.at if self._paused is None else self._paused[2]
        # No codec that we know sends more than 100 packets a second.
        self._unknown = 1 + round(max(0.0, now - since) * 100) if self._begun else 0
        if self._paused is not None:
            sequence, stamp, at = self._paused
            self._paused = (sequence + self._unknown) & 0xFFFF, stamp, at

    def keep_alive(self, payload_type: int, rate: int, now: float) -> bytes:
        """The next packet for a receiver that gets nothing."""
        if not self._begun:
            self._begun = True
            self.shift = 0, 0, self._rng.getrandbits(32)
            self.changed = True
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
        self.start = -1
        if self._begun and self._paused is None:
            sequence, stamp, ssrc = self.shift or (0, 0, self.ssrc)
            self.shift = sequence, stamp, ssrc
            self.changed = True
            newest = self.next - 1 + self._unknown
            self._paused = (newest + sequence) & 0xFFFF, (self.stamp + stamp) & 0xFFFFFFFF, self.at

    def _resume(self, sequence: int, stamp: int, now: float) -> None:
        """It does go on, with this packet."""
        assert self._paused is not None
        assert self.shift is not None
        goal = self._following(self._paused, self.rate, now)
        self.shift = (goal[0] - sequence) & 0xFFFF, (goal[1] - stamp) & 0xFFFFFFFF, self.shift[2]
        self._paused = None
        self.changed = True

    def _following(self, last: tuple[int, int, float], rate: int, now: float) -> tuple[int, int]:
        """The sequence number and timestamp after `last`, in whole steps of 20 ms."""
        sequence, stamp, at = last
        steps = max(1, round((now - at) / KEEP_ALIVE_EVERY))
        ticks = steps * round(rate * KEEP_ALIVE_EVERY)
        return (sequence + 1) & 0xFFFF, (stamp + ticks) & 0xFFFFFFFF

    def alter(self, packet: bytearray | memoryview, second: int, sequence: int, stamp: int) -> None:
        """Give a packet this second byte, and shift its numbers, in place."""
        packet[1] = second
        if self.shift is not None:
            add, ticks, ssrc = self.shift
            _NUMBERS.pack_into(packet, 2, (sequence + add) & 0xFFFF, (stamp + ticks) & 0xFFFFFFFF, ssrc)


def _signed(ticks: int) -> int:
    """The difference of two timestamps, which are counted in 32 bits."""
    return (ticks + 0x80000000 & 0xFFFFFFFF) - 0x80000000
