"""A relay worker in memory: the real rules and counters (`RelaySession`), wires that a test decides about."""

from collections.abc import Callable
from random import Random

from ichat_gw.call.media import Side
from ichat_gw.media.gate import Gate, Source
from ichat_gw.media.relay_messages import (
    Adjust,
    BindFault,
    Close,
    Closed,
    Open,
    Opened,
    OpenFailed,
    Order,
    Query,
    Report,
    Restore,
    Retarget,
    Silent,
    WorkerReply,
)
from ichat_gw.media.relay_session import RelaySession
from ichat_gw.media.rtp import Kind
from ichat_gw.media.stream import HEAD

Address = tuple[str, int]


class MemoryRelay:
    """Obeys the engine's orders. `silent` is told when a party has been silent for too long.

    `unreachable`: addresses to which the operating system refuses to send. `fault` makes every port fail.
    """

    def __init__(self, rng: Random, after: Callable[[float, Callable[[], None]], None]) -> None:
        self.sessions: dict[int, RelaySession] = {}
        self.unreachable: set[str] = set()
        self.fault: BindFault | None = None
        self._rng = rng
        self._after = after

    def obey(self, order: Order, now: float, tell: Callable[[WorkerReply], None]) -> None:
        match order:
            case Open(number, side) if self.fault is not None:
                tell(OpenFailed(number, side, self.fault, "as the test wants it"))
            case Open(number, side):
                if number not in self.sessions:
                    self.sessions[number] = RelaySession(self._rng, number)
                tell(Opened(number, side))
            case Close(number):
                session = self.sessions.pop(number, None) or RelaySession(self._rng)
                tell(Closed(number, session.counters(Side.CALLER, now), session.counters(Side.CALLEE, now)))
                session.let_go()
            case Query(number, query):
                session = self.sessions.get(number) or RelaySession(self._rng)
                counters = (session.counters(side, now) for side in Side)
                tell(Report(number, query, *counters))
            case Retarget(number) | Adjust(number) | Restore(number) if number not in self.sessions:
                pass
            case Retarget(number, side, rtp, rtcp, learning, window):
                self.sessions[number].retarget(side, rtp, rtcp, learning, now + window)
            case Adjust(number, side):
                self.sessions[number].adjust(order, now)
                self._watch(number, side, order.timeout, now, tell)
            case Restore(number, caller, callee):
                self.sessions[number].restore(Side.CALLER, caller)
                self.sessions[number].restore(Side.CALLEE, callee)

    def _watch(
        self, number: int, side: Side, wait: float, now: float, tell: Callable[[WorkerReply], None]
    ) -> None:
        def look() -> None:
            if (session := self.sessions.get(number)) is None:
                return
            moment = now + wait
            silent, again = session.gate(side, Kind.RTP).times_out(moment)
            if silent:
                tell(Silent(number, side))
            elif again is not None:
                self._watch(number, side, again - moment, moment, tell)

        if wait:
            self._after(wait, look)

    def gate(self, party: Address, kind: Kind = Kind.RTP) -> Gate:
        """Our port of the party that announced this address."""
        found = [
            gate
            for session in self.sessions.values()
            for side in Side
            if (gate := session.gate(side, kind)).named == party
        ]
        assert len(found) == 1, f"{len(found)} parties announced {party}"
        return found[0]

    def carry(self, packet: bytes, source: Source, gate: Gate, now: float) -> None:
        """A packet comes in at one of our ports."""
        out = gate.route(bytearray(packet), source, now)
        if out is None or out.target is None:
            return
        if str(out.target[0]) in self.unreachable:
            out.errors += 1
        else:
            out.sent += 1
            out.sent_octets += len(packet)


def rtp(number: int, ssrc: int = 1) -> bytes:
    """The packet with this number of a stream of PCMU, 20 ms each."""
    return HEAD.pack(0x80, 0, number & 0xFFFF, number * 160, ssrc) + bytes(160)
