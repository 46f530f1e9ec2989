"""Who is listened to, and where packets go."""

from dataclasses import dataclass
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.call.media import Side
from ichat_gw.media.gate import Source
from ichat_gw.media.relay_messages import Adjust, Learning, PartyCounters
from ichat_gw.media.relay_session import RelaySession, learning_for
from ichat_gw.media.rtp import MAX_PACKET, Kind
from ichat_gw.media.stream import HEAD

CALLER, CALLEE = Side.CALLER, Side.CALLEE
NAMED = ("203.0.113.7", 5004)
NAMED_RTCP = ("203.0.113.7", 5005)
SAME_HOST = ("203.0.113.7", 40_000)
OTHER_HOST = ("198.51.100.9", 5004)
PARTNER = ("192.0.2.1", 6000)
PARTNER_RTCP = ("192.0.2.1", 6001)


def rtp(payload_type: int = 0, size: int = 172) -> bytearray:
    return bytearray([0x80, payload_type]) + bytes(size - 2)


def numbered(sequence: int, stamp: int) -> bytearray:
    return bytearray(HEAD.pack(0x80, 0, sequence, stamp, 0)) + bytes(160)


def head(packet: bytes | bytearray | None) -> tuple[int, ...]:
    assert packet is not None
    return HEAD.unpack_from(packet)


def rtcp() -> bytearray:
    return bytearray([0x80, 200, 0, 6]) + bytes(24)


@pytest.mark.parametrize(
    ("host", "signalled_from", "learning"),
    [
        ("127.0.0.1", "", Learning.NOTHING),
        ("127.9.9.9", "192.0.2.1", Learning.NOTHING),
        ("::1", "", Learning.NOTHING),
        ("10.1.2.3", "10.1.2.3", Learning.NOTHING),
        ("10.1.2.3", "203.0.113.7", Learning.ADDRESS),
        ("172.16.0.1", "pbx.example.org", Learning.ADDRESS),
        ("192.168.20.198", "", Learning.ADDRESS),
        ("100.64.0.1", "", Learning.ADDRESS),
        ("169.254.1.1", "", Learning.ADDRESS),
        ("fd00::1", "", Learning.ADDRESS),
        ("fe80::1", "", Learning.ADDRESS),
        ("8.8.8.8", "", Learning.PORT),
        ("8.8.8.8", "8.8.8.8", Learning.PORT),
        ("2a00:1450::1", "", Learning.PORT),
    ],
)
def test_how_far_a_description_is_believed(host: str, signalled_from: str, learning: Learning) -> None:
    assert learning_for(host, signalled_from) is learning


def test_the_same_description_again_while_nobody_was_heard_opens_the_window() -> None:
    gate = RelaySession().gate(CALLER, Kind.RTP)
    gate.retarget(NAMED, Learning.ADDRESS, 5.0)
    gate.retarget(NAMED, Learning.ADDRESS, 105.0)
    assert gate.admits(OTHER_HOST, 101.0)


def test_another_address_moves_the_stream() -> None:
    gate = RelaySession().gate(CALLER, Kind.RTP)
    gate.retarget(NAMED, Learning.NOTHING, 0.0)
    assert gate.admits(NAMED, 1.0)
    gate.retarget(OTHER_HOST, Learning.NOTHING, 0.0)
    assert not gate.admits(NAMED, 2.0)
    assert gate.admits(OTHER_HOST, 2.0)
    assert gate.target == OTHER_HOST


def test_rtcp_is_learnt_only_from_the_host_of_rtp() -> None:
    session = RelaySession()
    session.retarget(CALLER, NAMED, NAMED_RTCP, Learning.ADDRESS, 5.0)
    main, control = session.gate(CALLER, Kind.RTP), session.gate(CALLER, Kind.RTCP)
    assert not control.admits(("198.51.100.9", 7), 1.0)
    assert main.admits(OTHER_HOST, 1.0)
    assert not control.admits(SAME_HOST, 1.0)
    assert control.admits(("198.51.100.9", 7), 1.0)
    # Who was taken for the party was not: it loses RTCP, too.
    assert main.admits(NAMED, 2.0)
    assert not control.admits(("198.51.100.9", 7), 2.0)
    assert control.target == NAMED_RTCP
    assert control.admits(NAMED_RTCP, 2.0)


def test_rtcp_from_the_address_named_stays_when_rtp_is_corrected() -> None:
    session = RelaySession()
    session.retarget(CALLER, NAMED, NAMED_RTCP, Learning.ADDRESS, 5.0)
    main, control = session.gate(CALLER, Kind.RTP), session.gate(CALLER, Kind.RTCP)
    assert control.admits(NAMED_RTCP, 1.0)
    assert main.admits(OTHER_HOST, 1.0)
    assert main.admits(NAMED, 1.0)
    assert control.accepted == NAMED_RTCP


# --- a whole session --------------------------------------------------------------------------------------


@dataclass
class Call:
    """A session with both parties at addresses that are taken at their word."""

    session: RelaySession
    now: float = 10.0

    def send(self, side: Side, packet: bytearray, source: Source, kind: Kind = Kind.RTP) -> Source | None:
        """A packet comes in at a port of `side`; where it goes."""
        out = self.session.gate(side, kind).route(packet, source, self.now)
        return None if out is None else out.target


@pytest.fixture
def call() -> Call:
    session = RelaySession()
    session.retarget(CALLER, NAMED, NAMED_RTCP, Learning.NOTHING, 0.0)
    session.retarget(CALLEE, PARTNER, PARTNER_RTCP, Learning.NOTHING, 0.0)
    return Call(session)


def test_both_ways(call: Call) -> None:
    assert call.send(CALLER, rtp(), NAMED) == PARTNER
    assert call.send(CALLEE, rtp(), PARTNER) == NAMED
    assert call.send(CALLER, rtcp(), NAMED_RTCP, Kind.RTCP) == PARTNER_RTCP
    assert call.send(CALLEE, rtcp(), PARTNER_RTCP, Kind.RTCP) == NAMED_RTCP
    assert call.session.counters(CALLER, 12.0) == PartyCounters(
        received=1, received_octets=172, rtcp_received=1, silent_for=2.0, source=NAMED
    )


def test_ichat_sends_rtcp_to_the_rtp_port(call: Call) -> None:
    assert call.send(CALLER, rtcp(), NAMED) == PARTNER_RTCP
    assert call.send(CALLER, rtcp(), NAMED_RTCP) is None
    counters = call.session.counters(CALLER, 10.0)
    assert counters.rtcp_received == 1
    assert (counters.strangers, counters.stranger) == (1, NAMED_RTCP)


def test_rtcp_is_not_how_rtp_is_learnt() -> None:
    session = RelaySession()
    session.retarget(CALLER, NAMED, NAMED_RTCP, Learning.ADDRESS, 5.0)
    assert session.gate(CALLER, Kind.RTP).route(rtcp(), OTHER_HOST, 1.0) is None
    assert session.gate(CALLER, Kind.RTP).accepted is None


@pytest.mark.parametrize(
    ("packet", "kind"),
    [
        (bytearray(), Kind.RTP),
        (bytearray(b"\r\n\r\n"), Kind.RTP),
        (bytearray(172), Kind.RTP),
        (rtp(70), Kind.RTP),
        (rtp(size=MAX_PACKET + 1), Kind.RTP),
        (rtp(), Kind.RTCP),
        (bytearray(172), Kind.RTCP),
    ],
)
def test_what_does_not_belong_here_is_dropped(call: Call, packet: bytearray, kind: Kind) -> None:
    source = NAMED if kind is Kind.RTP else NAMED_RTCP
    assert call.send(CALLER, packet, source, kind) is None
    assert call.session.counters(CALLER, 10.0).malformed == 1
    assert call.session.counters(CALLER, 10.0).received == 0


def test_a_stranger_is_dropped(call: Call) -> None:
    assert call.send(CALLER, rtp(), PARTNER) is None
    assert call.send(CALLER, rtp(), SAME_HOST) is None
    assert call.session.counters(CALLER, 10.0).strangers == 2
    assert call.session.counters(CALLER, 10.0).silent_for is None


def test_before_the_description() -> None:
    session = RelaySession()
    assert session.gate(CALLER, Kind.RTP).route(rtp(), NAMED, 1.0) is None
    assert session.counters(CALLER, 1.0).early == 1


def test_before_the_partner_is_known() -> None:
    session = RelaySession()
    session.retarget(CALLER, NAMED, None, Learning.NOTHING, 0.0)
    assert session.gate(CALLER, Kind.RTP).route(rtp(), NAMED, 1.0) is None
    assert session.counters(CALLEE, 1.0).unsent == 1
    assert session.counters(CALLER, 1.0).received == 1


def test_hold_keeps_audio_from_the_holder_but_not_rtcp(call: Call) -> None:
    call.session.adjust(Adjust(1, CALLEE, receives=False), 0.0)
    assert call.send(CALLER, rtp(), NAMED) is None
    assert call.session.counters(CALLEE, 10.0).unsent == 1
    assert call.send(CALLEE, rtp(), PARTNER) == NAMED  # music
    assert call.send(CALLER, rtcp(), NAMED_RTCP, Kind.RTCP) == PARTNER_RTCP
    call.session.adjust(Adjust(1, CALLEE, receives=True), 0.0)
    assert call.send(CALLER, rtp(), NAMED) == PARTNER
    call.session.adjust(Adjust(1, CALLEE, receives=False, controlled=False), 0.0)
    assert call.send(CALLER, rtcp(), NAMED_RTCP, Kind.RTCP) is None


def test_payload_types_are_renumbered(call: Call) -> None:
    call.session.adjust(Adjust(1, CALLER, receives=True, renumbered=((96, 0),)), 0.0)
    for before, after in ((96, 0), (96 | 0x80, 0x80), (8, 8)):
        packet = rtp(before)
        assert call.send(CALLER, packet, NAMED) == PARTNER
        assert packet[1] == after
    report = rtcp()
    assert call.send(CALLER, report, NAMED) == PARTNER_RTCP
    assert report == rtcp()


def test_rtcp_beside_rtp_on_one_port(call: Call) -> None:
    """RTCP goes where RTP goes, even where that was learnt."""
    call.session.retarget(CALLEE, OTHER_HOST, OTHER_HOST, Learning.ADDRESS, 20.0)
    call.session.adjust(Adjust(1, CALLEE, receives=True, mux=True), 0.0)
    rtcp_gate = call.session.gate(CALLEE, Kind.RTCP)
    assert rtcp_gate.target == OTHER_HOST
    assert call.send(CALLEE, rtp(), PARTNER) == NAMED
    assert rtcp_gate.target == PARTNER
    call.session.adjust(Adjust(1, CALLEE, receives=False, mux=True), 0.0)
    assert rtcp_gate.target == PARTNER
    call.session.adjust(Adjust(1, CALLEE, receives=False, controlled=False, mux=True), 0.0)
    assert rtcp_gate.target is None


# --- silence ----------------------------------------------------------------------------------------------


def test_keep_alives_after_a_second_every_20_ms_until_there_is_audio(call: Call) -> None:
    source = call.session.gate(CALLER, Kind.RTP)
    assert source.fill(10.0) == (None, 11.0)
    call.now = 10.5
    assert call.send(CALLER, numbered(100, 16_000), NAMED) == PARTNER
    assert source.fill(11.0) == (None, 11.5)
    first, again = source.fill(11.5)
    assert head(first) == (0x80, 0, 101, 16_000 + 8_000, 0)
    assert again == pytest.approx(11.52)
    second, again = source.fill(11.521)  # a millisecond late does not add up
    assert head(second) == (0x80, 0, 102, 16_000 + 8_160, 0)
    assert again == pytest.approx(11.54)
    assert source.fill(11.7)[1] == pytest.approx(11.72)  # much too late: not all at once
    call.now = 11.72
    packet = numbered(101, 30_000)
    assert call.send(CALLER, packet, NAMED) == PARTNER
    assert head(packet) == (0x80, 0, 104, 16_000 + 9_760, 0)
    assert source.fill(11.74) == (None, 12.72)


def test_no_keep_alives_to_who_holds(call: Call) -> None:
    call.session.adjust(Adjust(1, CALLEE, receives=False), 0.0)
    assert call.session.gate(CALLER, Kind.RTP).fill(100.0) == (None, None)
    call.session.adjust(Adjust(1, CALLEE, receives=True), 0.0)
    assert call.session.gate(CALLER, Kind.RTP).fill(100.0) == (None, 101.0)


def test_keep_alives_come_first_on_ipv6() -> None:
    session = RelaySession(Random(1))
    session.retarget(CALLEE, ("2001:db8::1", 9, 0, 0), None, Learning.NOTHING, 0.0)
    session.adjust(Adjust(1, CALLEE, receives=True, keep_alive=(105, 22_050)), 0.0)
    packet, again = session.gate(CALLER, Kind.RTP).fill(3.0)
    assert packet is not None
    assert (packet[1], len(packet), again) == (105, 12, pytest.approx(3.02))


def test_who_is_silent_for_too_long(call: Call) -> None:
    gate = call.session.gate(CALLER, Kind.RTP)
    assert gate.times_out(99.0) == (False, None)
    call.session.adjust(Adjust(1, CALLER, receives=True, timeout=60.0), 5.0)
    assert gate.times_out(10.0) == (False, 65.0)
    assert call.send(CALLER, rtp(), NAMED) is not None
    assert gate.times_out(65.0) == (False, 70.0)
    call.now = 20.0
    assert call.send(CALLER, rtcp(), NAMED_RTCP, Kind.RTCP) is not None
    assert gate.times_out(70.0) == (False, 80.0)
    assert gate.times_out(80.0) == (True, None)
    assert gate.times_out(81.0) == (False, None)


def test_losses_are_counted(call: Call) -> None:
    for number in (1, 2, 5, 4):
        call.now += 0.02
        call.send(CALLER, numbered(number, 160 * number), NAMED)
    counters = call.session.counters(CALLER, call.now)
    assert (counters.received, counters.lost, counters.late) == (4, 1, 1)
    assert counters.jitter > 0


# --- one port for both ------------------------------------------------------------------------------------


def test_who_names_one_port_gets_rtcp_from_our_rtp_port() -> None:
    """COMPAT iChat: `a=rtcp` names its only port, and a NAT lets nothing else in."""
    session = RelaySession()
    rtcp_gate = session.gate(CALLER, Kind.RTCP)
    session.adjust(Adjust(1, CALLER, receives=True), 0.0)
    assert not rtcp_gate.muxed
    session.retarget(CALLER, NAMED, NAMED, Learning.ADDRESS, 5.0)
    session.adjust(Adjust(1, CALLER, receives=True), 0.0)
    assert rtcp_gate.muxed
    assert rtcp_gate.target == NAMED
    assert session.gate(CALLER, Kind.RTP).admits(OTHER_HOST, 1.0)
    assert rtcp_gate.target == OTHER_HOST
    session.retarget(CALLER, PARTNER, PARTNER_RTCP, Learning.NOTHING, 0.0)
    assert not rtcp_gate.muxed


# --- another worker goes on -------------------------------------------------------------------------------


def report_about(ssrc: int) -> bytearray:
    longs = 7, ssrc, 64 << 24 | 5, 0, 80, 0, 0
    return bytearray([0x81, 201, 0, 7]) + b"".join(long.to_bytes(4, "big") for long in longs)


def test_a_successor_has_all_counters(call: Call) -> None:
    for number in (1, 2, 5, 4):
        call.now += 0.02
        call.send(CALLER, numbered(number, 160 * number), NAMED)
    call.send(CALLER, numbered(6, 0), OTHER_HOST)
    call.send(CALLER, bytearray(3), NAMED)
    call.send(CALLEE, report_about(0), PARTNER_RTCP, Kind.RTCP)
    assert call.session.changed
    caller, callee = call.session.snapshot(call.now)
    assert not call.session.changed
    assert (callee.counters.reported_loss, callee.counters.reported_lost) == (0.25, 5)
    assert callee.counters.reported_jitter == 10.0
    after = RelaySession()
    for side, snapshot, at in ((CALLER, caller, NAMED), (CALLEE, callee, PARTNER)):
        after.restore(side, snapshot, call.now)
        after.retarget(side, at, (at[0], at[1] + 1), Learning.NOTHING, 0.0)
    for side, snapshot in ((CALLER, caller), (CALLEE, callee)):
        restored = msgspec.structs.replace(
            after.counters(side, call.now), silent_for=snapshot.counters.silent_for
        )
        assert restored == snapshot.counters


# --- no sequence of packets ... ---------------------------------------------------------------------------

STRANGERS = [SAME_HOST, OTHER_HOST, PARTNER, PARTNER_RTCP, ("198.51.100.9", 1), NAMED_RTCP]
PACKETS = st.one_of(
    st.just(rtp()),
    st.just(rtcp()),
    st.just(rtp(96)),
    st.binary(max_size=40).map(bytearray),
    st.just(bytearray()),
)
ATTACK = st.lists(
    st.tuples(st.sampled_from(list(Kind)), PACKETS, st.sampled_from(STRANGERS), st.floats(0, 4)), max_size=25
)


@given(ATTACK)
def test_a_stranger_never_passes_where_descriptions_are_believed(
    attack: list[tuple[Kind, bytearray, Source, float]],
) -> None:
    session = RelaySession()
    session.retarget(CALLER, NAMED, NAMED_RTCP, Learning.NOTHING, 0.0)
    session.retarget(CALLEE, PARTNER, PARTNER_RTCP, Learning.NOTHING, 0.0)
    now = 0.0
    for kind, packet, source, pause in attack:
        now += pause
        gate = session.gate(CALLER, kind)
        if kind is Kind.RTCP and source == NAMED_RTCP:
            continue  # that is the party
        assert gate.route(bytearray(packet), source, now) is None
        assert (gate.accepted, gate.target) == (
            (NAMED, NAMED) if kind is Kind.RTP else (NAMED_RTCP, NAMED_RTCP)
        )
    assert session.gate(CALLER, Kind.RTP).route(rtp(), NAMED, now) is session.gate(CALLEE, Kind.RTP)


@given(st.sampled_from([Learning.PORT, Learning.ADDRESS]), ATTACK, ATTACK, st.booleans())
def test_a_stranger_never_moves_a_party_that_has_been_heard(
    learning: Learning,
    inside: list[tuple[Kind, bytearray, Source, float]],
    after: list[tuple[Kind, bytearray, Source, float]],
    named_speaks_first: bool,
) -> None:
    """Whatever happens in the window: when it is over, who has been accepted stays, and nobody joins."""
    session = RelaySession()
    session.retarget(CALLER, NAMED, NAMED_RTCP, learning, 5.0)
    session.retarget(CALLEE, PARTNER, PARTNER_RTCP, Learning.NOTHING, 0.0)
    main = session.gate(CALLER, Kind.RTP)
    if named_speaks_first:
        assert main.route(rtp(), NAMED, 0.0) is not None
    for kind, packet, source, _ in inside:
        session.gate(CALLER, kind).route(bytearray(packet), source, 1.0)
        if named_speaks_first:
            assert main.accepted == NAMED
        assert main.target in (NAMED, main.accepted)
        if learning is Learning.PORT:
            assert main.accepted is None or main.accepted[0] == NAMED[0]
    settled = {kind: session.gate(CALLER, kind).accepted for kind in Kind}
    now = 5.0
    for kind, packet, source, pause in after:
        now += pause
        gate = session.gate(CALLER, kind)
        out = gate.route(bytearray(packet), source, now)
        assert gate.accepted in (settled[kind], NAMED if kind is Kind.RTP else NAMED_RTCP)
        if settled[kind] is not None:
            assert gate.accepted == settled[kind]
        if out is not None:
            assert source in (settled[kind], NAMED_RTCP)


def test_a_new_session() -> None:
    session = RelaySession(number=7)
    assert (session.number, session.told_at, session.changed) == (7, 0.0, False)
    assert [gate.kind for gate in session.gates] == [Kind.RTP, Kind.RTCP] * 2
    session.retarget(CALLER, NAMED, NAMED_RTCP, Learning.ADDRESS, 5.0)
    assert session.changed
    session.snapshot(3.5)
    assert (session.told_at, session.changed) == (3.5, False)


def test_streams_begin_where_the_source_of_chance_says() -> None:
    def first_keep_alive(seed: int) -> bytes | None:
        session = RelaySession(Random(seed))
        session.retarget(CALLEE, PARTNER, PARTNER_RTCP, Learning.NOTHING, 0.0)
        gate = session.gate(CALLER, Kind.RTP)
        return gate.fill(0.0)[0] or gate.fill(100.0)[0]

    assert first_keep_alive(1) == first_keep_alive(1)
    assert first_keep_alive(1) != first_keep_alive(2)


COUNTED = PartyCounters(
    received=1,
    received_octets=2,
    sent=3,
    sent_octets=4,
    rtcp_received=5,
    rtcp_sent=6,
    strangers=7,
    stranger=("192.0.2.9", 9),
    malformed=8,
    early=9,
    unsent=10,
    errors=11,
    lost=12,
    late=13,
    keep_alives=14,
    reports=15,
    reported_loss=0.25,
    reported_lost=16,
    reported_jitter=17.0,
    round_trip=18.0,
)


def test_a_successor_counts_on_where_its_predecessor_was() -> None:
    session = RelaySession()
    caller, _ = session.snapshot(0.0)
    session.restore(CALLER, msgspec.structs.replace(caller, counters=COUNTED), 1.0)
    assert session.counters(CALLER, 1.0) == COUNTED
    assert session.counters(CALLEE, 1.0) == PartyCounters()


def test_what_is_dropped_of_rtp_and_of_rtcp_is_counted_together() -> None:
    session = RelaySession()
    for kind, packet in ((Kind.RTP, rtp()), (Kind.RTCP, rtcp())):
        session.gate(CALLER, kind).route(packet, NAMED, 0.0)
    session.retarget(CALLER, NAMED, NAMED_RTCP, Learning.NOTHING, 0.0)
    for kind, packet, at in ((Kind.RTP, rtp(), NAMED), (Kind.RTCP, rtcp(), NAMED_RTCP)):
        gate = session.gate(CALLER, kind)
        gate.route(bytearray(b"nonsense"), at, 1.0)
        gate.route(packet, OTHER_HOST, 1.0)
        gate.route(packet, at, 1.0)
        gate.errors += 1
    counted = session.counters(CALLER, 1.0)
    assert (counted.early, counted.malformed, counted.strangers, counted.errors) == (2, 2, 2, 2)
    assert session.counters(CALLEE, 1.0).unsent == 2


def test_rtcp_for_a_party_with_one_port_by_its_word_goes_where_its_rtp_goes() -> None:
    session = RelaySession()
    session.retarget(CALLER, NAMED, NAMED_RTCP, Learning.NOTHING, 0.0)
    session.adjust(Adjust(0, CALLER, True, mux=True), 0.0)
    assert session.gate(CALLER, Kind.RTCP).target == NAMED
    session.retarget(CALLER, NAMED, NAMED_RTCP, Learning.NOTHING, 0.0)
    assert session.gate(CALLER, Kind.RTCP).target == NAMED
    session.adjust(Adjust(0, CALLER, True), 0.0)
    assert session.gate(CALLER, Kind.RTCP).target == NAMED_RTCP
