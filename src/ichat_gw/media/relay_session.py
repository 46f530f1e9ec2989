"""The four gates of a call as one, as the orders of the engine speak of them (`gate` has the rules)."""

from collections.abc import Iterable
from ipaddress import ip_address
from random import Random

from ichat_gw.call.media import Side
from ichat_gw.media.gate import Gate, Source
from ichat_gw.media.relay_messages import Adjust, Learning, PartyCounters, PartySnapshot
from ichat_gw.media.rtp import UNCHANGED, Kind, second_bytes


def learning_for(host: str, signalled_from: str) -> Learning:
    """How far a description that names `host`, sent by `signalled_from`, may be off the mark.

    - Loopback: nothing stands between; taken at its word.
    - Private and the like (RFC 1918, RFC 6598 carrier NAT, unique local, link-local): no NAT stands between
      when signalling comes from the same address, so it is taken at its word; else any source may be learnt.
    - Public: the host is taken at its word, its port not: a NAT that gives each flow a port of its own cannot
      be known to the party behind it.

    `host` is numeric; `signalled_from` may be a name, which equals no address.
    """
    ip = ip_address(host)
    if ip.is_loopback:
        return Learning.NOTHING
    if ip.is_global:
        return Learning.PORT
    return Learning.NOTHING if host == signalled_from else Learning.ADDRESS


class RelaySession:
    """The four gates of a call."""

    __slots__ = ("_gates", "_mux", "number", "told_at")

    def __init__(self, rng: Random | None = None, number: int = 0) -> None:
        """`rng` gives the SSRC and first numbers of streams that begin with a keep-alive.

        `number` is what the engine calls the session.
        """
        rng = rng or Random()
        self.number = number
        self.told_at = 0.0
        """When the engine last got a snapshot."""
        self._mux = dict.fromkeys(Side, False)
        """Who has agreed to rtcp-mux."""
        self._gates = {(side, kind): Gate(kind, rng) for side in Side for kind in Kind}
        for (side, kind), gate in self._gates.items():
            gate.opposite = self._gates[side.other, kind]
            gate.companion = self._gates[side, Kind.RTCP if kind is Kind.RTP else Kind.RTP]

    def let_go(self) -> None:
        """Part the gates, which refer to each other: nothing is left then for the garbage collector."""
        for gate in self._gates.values():
            del gate.opposite, gate.companion

    @property
    def gates(self) -> Iterable[Gate]:
        """All four."""
        return self._gates.values()

    def gate(self, side: Side, kind: Kind) -> Gate:
        """The gate of `side` for `kind`."""
        return self._gates[side, kind]

    def retarget(
        self, side: Side, rtp: Source | None, rtcp: Source | None, learning: Learning, window_ends: float
    ) -> None:
        """`side` has offered or answered: it is at these addresses."""
        main, control = self._gates[side, Kind.RTP], self._gates[side, Kind.RTCP]
        main.retarget(rtp, learning, window_ends)
        control.retarget(rtcp, learning, window_ends)
        control.share(self._has_one_port(side))

    def adjust(self, order: Adjust, now: float) -> None:
        """Treat packets from and to a party as `order` says."""
        rtp, rtcp = self._gates[order.side, Kind.RTP], self._gates[order.side, Kind.RTCP]
        self._mux[order.side] = order.mux
        rtcp.share(self._has_one_port(order.side))
        rtp.mute(not order.receives)
        rtcp.mute(not order.controlled)
        rtp.second = second_bytes(order.renumbered) if order.renumbered else UNCHANGED
        rtp.stream.clock(order.rates)
        rtp.keep_alive = order.keep_alive
        rtp.expect(order.timeout, now)

    def _has_one_port(self, side: Side) -> bool:
        named = self._gates[side, Kind.RTP].named
        return self._mux[side] or (named is not None and named == self._gates[side, Kind.RTCP].named)

    @property
    def changed(self) -> bool:
        """Whether a successor would have to be told something new; see `snapshot`."""
        return any(gate.changed or gate.stream.changed for gate in self._gates.values())

    def snapshot(self, now: float) -> tuple[PartySnapshot, PartySnapshot]:
        """What packets alone have told, of both parties, for a successor. Nothing has `changed` then."""
        for gate in self._gates.values():
            gate.changed = gate.stream.changed = False
        self.told_at = now
        caller, callee = (
            PartySnapshot(
                self._gates[side, Kind.RTP].snapshot(),
                self._gates[side, Kind.RTCP].snapshot(),
                self._gates[side, Kind.RTP].stream.snapshot(),
                self.counters(side, now),
            )
            for side in Side
        )
        return caller, callee

    def restore(self, side: Side, snapshot: PartySnapshot, now: float) -> None:
        """Go on where a predecessor was. To be said before `retarget`."""
        rtp, rtcp = self._gates[side, Kind.RTP], self._gates[side, Kind.RTCP]
        rtp.restore(snapshot.rtp)
        rtcp.restore(snapshot.rtcp)
        rtp.stream.restore(snapshot.stream, now)
        before = snapshot.counters
        rtp.packets, rtp.octets = before.received, before.received_octets
        rtp.sent, rtp.sent_octets = before.sent, before.sent_octets
        rtcp.packets, rtcp.sent = before.rtcp_received, before.rtcp_sent
        rtp.strangers, rtp.malformed, rtp.early = before.strangers, before.malformed, before.early
        rtp.stranger = before.stranger
        rtp.unsent, rtp.errors, rtp.keep_alives = before.unsent, before.errors, before.keep_alives
        rtp.stream.lost, rtp.stream.late = before.lost, before.late
        rtp.reports.restore(before)

    def counters(self, side: Side, now: float) -> PartyCounters:
        """What has passed at the gates of `side` so far."""
        rtp, rtcp = self._gates[side, Kind.RTP], self._gates[side, Kind.RTCP]
        last = max((gate.heard for gate in (rtp, rtcp) if gate.heard is not None), default=None)
        return PartyCounters(
            received=rtp.packets,
            received_octets=rtp.octets,
            sent=rtp.sent,
            sent_octets=rtp.sent_octets,
            rtcp_received=rtcp.packets,
            rtcp_sent=rtcp.sent,
            strangers=rtp.strangers + rtcp.strangers,
            stranger=_plain(rtp.stranger or rtcp.stranger),
            malformed=rtp.malformed + rtcp.malformed,
            early=rtp.early + rtcp.early,
            unsent=rtp.unsent + rtcp.unsent,
            errors=rtp.errors + rtcp.errors,
            lost=rtp.stream.lost,
            late=rtp.stream.late,
            jitter=rtp.stream.jitter_ms,
            keep_alives=rtp.keep_alives,
            reports=rtp.reports.count,
            reported_loss=rtp.reports.loss,
            reported_lost=rtp.reports.lost,
            reported_jitter=rtp.reports.jitter,
            round_trip=rtp.reports.round_trip,
            silent_for=None if last is None else now - last,
            source=_plain(rtp.accepted),
        )


def _plain(source: Source | None) -> tuple[str, int] | None:
    """Host and port alone."""
    return None if source is None else (str(source[0]), int(source[1]))
