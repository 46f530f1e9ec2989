"""The relay worker with real sockets: what passes, what does not, and that it never minds."""

import errno
import os
import time
from itertools import pairwise
from random import Random

import pytest

from ichat_gw.call.media import Side
from ichat_gw.media.gate import Gate, Source
from ichat_gw.media.net.compiled_worker import CompiledWorker
from ichat_gw.media.relay_messages import Adjust, Learning, PartyCounters, Restore, Silent
from ichat_gw.media.relay_session import RelaySession
from ichat_gw.media.rtp import MAX_PACKET, Kind
from ichat_gw.media.stream import HEAD
from tests.media.net.loopback import CALLEE, CALLER, PATIENCE, Call, LoopbackWorker, Party, rtcp, rtp


def test_rtp_and_rtcp_both_ways(worker: LoopbackWorker, call: Call) -> None:
    call.describe()
    for number in range(3):
        call.alice.send(rtp(number), call.to_alice)
        assert call.bob.take() == (rtp(number), call.to_bob)
        call.bob.send(rtp(number, size=12), call.to_bob)
        assert call.alice.take() == (rtp(number, size=12), call.to_alice)
    call.alice_rtcp.send(rtcp(), call.to_alice + 1)
    assert call.bob_rtcp.take() == (rtcp(), call.to_bob + 1)
    call.bob_rtcp.send(rtcp(32), call.to_bob + 1)
    assert call.alice_rtcp.take() == (rtcp(32), call.to_alice + 1)
    caller, callee = worker.counters()
    assert (caller.received, caller.received_octets, caller.sent, caller.sent_octets) == (3, 516, 3, 36)
    assert (callee.received, callee.received_octets, callee.sent, callee.sent_octets) == (3, 36, 3, 516)
    assert (caller.rtcp_received, caller.rtcp_sent, callee.rtcp_received, callee.rtcp_sent) == (1, 1, 1, 1)
    assert caller.source == call.alice.address
    assert caller.silent_for is not None
    assert 0 <= caller.silent_for < PATIENCE


def test_both_parties_have_chosen_the_same_ssrc(worker: LoopbackWorker, call: Call) -> None:
    """RFC 3550 section 8.2. Each hears the other as it is, also when one moves on to another SSRC."""
    call.describe()

    def said(number: int, ssrc: int) -> bytes:
        return HEAD.pack(0x80, 0, number, 160 * number, ssrc) + bytes(160)

    for number in range(3):
        call.alice.send(said(number, 0xAAAA), call.to_alice)
        assert call.bob.take() == (said(number, 0xAAAA), call.to_bob)
        call.bob.send(said(number, 0xAAAA), call.to_bob)
        assert call.alice.take() == (said(number, 0xAAAA), call.to_alice)
    # Alice resolves it, as the RFC wants her to.
    call.alice.send(said(900, 0xBBBB), call.to_alice)
    heard, _ = call.bob.take()
    assert HEAD.unpack_from(heard)[-1] == 0xAAAA
    assert heard[12:] == bytes(160)
    call.bob.send(said(3, 0xAAAA), call.to_bob)
    assert call.alice.take() == (said(3, 0xAAAA), call.to_alice)
    caller, callee = worker.counters()
    assert (caller.received, callee.received, caller.lost, callee.lost) == (4, 4, 0, 0)


def test_one_port_for_rtp_and_rtcp(worker: LoopbackWorker, call: Call) -> None:
    """iChat: `a=rtcp` names its RTP port. What it sends may all go to ours; what it gets comes from there."""
    worker.point(CALLER, call.alice, call.alice)
    worker.point(CALLEE, call.bob, call.bob_rtcp)
    call.alice.send(rtcp(), call.to_alice)
    assert call.bob_rtcp.take() == (rtcp(), call.to_bob + 1)
    call.bob_rtcp.send(rtcp(), call.to_bob + 1)
    assert call.alice.take() == (rtcp(), call.to_alice)
    call.alice.send(rtcp(), call.to_alice + 1)
    assert call.bob_rtcp.take() == (rtcp(), call.to_bob + 1)


def test_stranger_before_and_during(worker: LoopbackWorker, call: Call) -> None:
    strange = 0
    for _ in range(5):
        call.mallory.send(rtp(666), call.to_alice)
        call.mallory.send(rtp(666), call.to_bob)
    worker.settled(10)
    call.describe()
    for number in range(10):
        for port in (call.to_alice, call.to_alice + 1, call.to_bob, call.to_bob + 1):
            call.mallory.send(rtp(666) if port % 2 == 0 else rtcp(), port)
            strange += 1
        call.alice.send(rtp(number), call.to_alice)
        assert call.bob.take() == (rtp(number), call.to_bob)
        call.bob.send(rtp(number), call.to_bob)
        assert call.alice.take() == (rtp(number), call.to_alice)
    caller, callee = worker.settled(10 + strange + 20)
    assert (caller.early, callee.early, caller.strangers, callee.strangers) == (5, 5, 20, 20)
    assert (caller.received, caller.sent, callee.received, callee.sent) == (10, 10, 10, 10)
    assert [each.waiting() for each in (call.alice, call.bob, call.bob_rtcp, call.mallory)] == [0, 0, 0, 0]


def test_a_source_behind_nat_is_learnt_once(worker: LoopbackWorker, call: Call) -> None:
    worker.point(CALLER, ("10.255.255.1", 9), ("10.255.255.1", 10), Learning.ADDRESS)
    worker.point(CALLEE, call.bob, call.bob_rtcp)
    call.alice.send(rtp(1), call.to_alice)
    assert call.bob.take() == (rtp(1), call.to_bob)
    call.mallory.send(rtp(666), call.to_alice)
    call.bob.send(rtp(2), call.to_bob)
    assert call.alice.take() == (rtp(2), call.to_alice)
    call.alice_rtcp.send(rtcp(), call.to_alice + 1)
    assert call.bob_rtcp.take() == (rtcp(), call.to_bob + 1)
    caller, _ = worker.settled(4)
    assert (caller.strangers, caller.source) == (1, call.alice.address)
    assert caller.stranger == call.mallory.address


def test_nothing_is_learnt_after_the_window(worker: LoopbackWorker, call: Call) -> None:
    worker.point(CALLER, ("10.255.255.1", 9), None, Learning.ADDRESS, window=0.0)
    worker.point(CALLEE, call.bob)
    call.alice.send(rtp(), call.to_alice)
    assert worker.settled(1)[0].strangers == 1


def test_hold(worker: LoopbackWorker, call: Call) -> None:
    call.describe()
    worker.order(Adjust(1, CALLEE, receives=False))
    worker.counters()
    call.alice.send(rtp(1), call.to_alice)
    call.bob.send(rtp(2), call.to_bob)
    assert call.alice.take() == (rtp(2), call.to_alice)
    assert worker.settled(2)[1].unsent == 1
    worker.order(Adjust(1, CALLEE, receives=True))
    worker.counters()
    call.alice.send(rtp(3), call.to_alice)
    assert call.bob.take() == (rtp(3), call.to_bob)


def test_payload_types_are_renumbered(worker: LoopbackWorker, call: Call) -> None:
    call.describe()
    worker.order(Adjust(1, CALLER, receives=True, renumbered=((96, 0),)))
    worker.counters()
    call.alice.send(rtp(1, 96 | 0x80), call.to_alice)
    assert call.bob.take() == (rtp(1, 0x80), call.to_bob)


def test_a_party_moves(worker: LoopbackWorker, call: Call) -> None:
    call.describe()
    call.alice.send(rtp(1), call.to_alice)
    call.bob.take()
    worker.point(CALLER, call.mallory)  # who is now the caller, by signalling
    call.alice.send(rtp(2), call.to_alice)
    call.mallory.send(rtp(3), call.to_alice)
    assert call.bob.take() == (rtp(3), call.to_bob)
    call.bob.send(rtp(4), call.to_bob)
    assert call.mallory.take() == (rtp(4), call.to_alice)
    assert worker.settled(4)[0].strangers == 1


def test_size_limits(worker: LoopbackWorker, call: Call) -> None:
    call.describe()
    for size in (0, 1, 11, MAX_PACKET + 1, 9_000):
        call.alice.send(rtp(size=max(size, 4))[:size].ljust(size, b"\0"), call.to_alice)
    call.alice.send(rtp(size=MAX_PACKET), call.to_alice)
    assert call.bob.take() == (rtp(size=MAX_PACKET), call.to_bob)
    assert worker.settled(6)[0].malformed == 5


def test_ipv4_to_ipv6(worker: LoopbackWorker) -> None:
    try:
        Party("::1").close()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    call = Call(worker, "127.0.0.1", "::1")
    try:
        call.describe()
        # COMPAT iChat: it waits for a packet on IPv6, so there is one at once.
        keep_alive, port = call.bob.take()
        assert (len(keep_alive), port) == (12, call.to_bob)
        call.alice.send(rtp(1), call.to_alice)
        packet = keep_alive
        while len(packet) == 12:
            before, (packet, _) = packet, call.bob.take()
        assert packet[12:] == rtp(1)[12:]
        assert packet[8:12] == keep_alive[8:12]
        assert int.from_bytes(packet[2:4], "big") == (int.from_bytes(before[2:4], "big") + 1) & 0xFFFF
        call.bob.send(rtp(2), call.to_bob)
        assert call.alice.take() == (rtp(2), call.to_alice)
        assert worker.counters()[1].source == call.bob.address
    finally:
        call.close()


def test_what_cannot_be_sent_is_counted(worker: LoopbackWorker, call: Call) -> None:
    """A broadcast address: the system refuses it, on the short cut and off it."""
    worker.point(CALLER, call.alice, call.alice_rtcp)
    worker.point(CALLEE, ("255.255.255.255", 9), ("255.255.255.255", 9))
    for number in range(3):
        call.alice.send(rtp(number), call.to_alice)
    call.alice_rtcp.send(rtcp(), call.to_alice + 1)
    callee = worker.settled(4)[1]
    assert (callee.errors, callee.sent, callee.sent_octets, callee.rtcp_sent) == (4, 0, 0, 0)


def test_a_side_without_ports(worker: LoopbackWorker) -> None:
    alice, bob = Party(), Party()
    to_alice = worker.open(CALLER)
    worker.point(CALLER, alice)
    worker.point(CALLEE, bob)
    alice.send(rtp(), to_alice)
    assert worker.settled(1)[1].errors == 1
    alice.close()
    bob.close()


@pytest.mark.parametrize("worker", ["python"], indirect=True)
def test_errors_of_receiving_are_counted(worker: LoopbackWorker, call: Call) -> None:
    """Nothing on loopback makes `recvfrom` fail, so what the plain loop calls is made to."""
    call.describe()
    gate = worker.worker._sessions[1].gate(CALLER, Kind.RTCP)
    sock = worker.worker._sockets[gate]
    failures = iter([errno.EAGAIN, errno.ENETDOWN])

    def receive(buffer: bytearray) -> tuple[int, tuple[str | int, ...]]:
        number = next(failures, None)
        if number is not None:
            raise OSError(number, os.strerror(number))
        return sock.recvfrom_into(buffer)

    bound = worker.worker._bound[sock.fileno()]
    assert bound is not None
    worker.worker._bound[sock.fileno()] = (receive, *bound[1:])
    call.alice_rtcp.send(rtcp(), call.to_alice + 1)
    assert call.bob_rtcp.take() == (rtcp(), call.to_bob + 1)
    assert worker.counters()[0].errors == 1


def test_a_stream_with_gaps_and_another_source(worker: LoopbackWorker, call: Call) -> None:
    """What bob hears is one stream, also where it is shifted on the short cut."""
    call.describe()
    heads = []
    for ssrc, numbers in ((7, range(10, 15)), (8, range(900, 905))):
        for number in numbers:
            call.alice.send(HEAD.pack(0x80, 0, number, 160 * number, ssrc) + b"audio", call.to_alice)
            packet, _ = call.bob.take()
            assert packet[12:] == b"audio"
            heads.append(HEAD.unpack_from(packet))
    assert [head[2] for head in heads] == list(range(10, 20))
    assert {head[4] for head in heads} == {7}
    steps = [after[3] - before[3] for before, after in pairwise(heads)]
    assert all(step > 0 and step % 160 == 0 for step in steps)
    assert (worker.counters()[0].received, worker.counters()[0].lost) == (10, 0)


def test_silence_is_filled_and_told(worker: LoopbackWorker, call: Call) -> None:
    call.describe()
    worker.order(Adjust(1, CALLER, receives=True, timeout=0.2))
    assert worker.reply() == Silent(1, CALLER)
    heads = [HEAD.unpack_from(call.bob.take()[0]) for _ in range(5)]
    assert {head[2] - heads[0][2] & 0xFFFF for head in heads} == set(range(5))
    assert {head[1] for head in heads} == {0}
    assert worker.counters()[1].keep_alives >= 5
    assert worker.counters()[1].sent == 0


def test_keep_alives_that_cannot_be_sent_are_counted(worker: LoopbackWorker, call: Call) -> None:
    worker.point(CALLEE, ("255.255.255.255", 9))
    until = time.monotonic() + PATIENCE
    while not worker.counters()[1].errors:
        assert time.monotonic() < until
    assert worker.counters()[1].keep_alives == 0


def test_rtcp_mux(worker: LoopbackWorker, call: Call) -> None:
    call.describe()
    worker.point(CALLEE, call.bob, call.bob)
    worker.order(Adjust(1, CALLEE, receives=True, mux=True))
    worker.counters()
    call.alice_rtcp.send(rtcp(), call.to_alice + 1)
    assert call.bob.take() == (rtcp(), call.to_bob)
    call.bob.send(rtcp(), call.to_bob)
    assert call.alice_rtcp.take() == (rtcp(), call.to_alice + 1)


# --- strangers, and bytes that are no media ---------------------------------------------------------------


def test_a_flood_at_ten_times_the_rate_costs_the_parties_nothing(
    worker: LoopbackWorker, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On every port, before the call and during it. The compiled loop bothers Python with none of it."""
    judged: list[bytes] = []
    judge = worker.worker._judge

    def count(session: RelaySession, gate: Gate, packet: memoryview, source: Source, now: float) -> None:
        judged.append(bytes(packet))
        judge(session, gate, packet, source, now)

    monkeypatch.setattr(worker.worker, "_judge", count)
    ports = [call.to_alice, call.to_alice + 1, call.to_bob, call.to_bob + 1]
    flood = [rtp(666), rtcp(), b"hello", bytes(12), rtp(666, 96)]

    def burst() -> None:
        for port in ports:
            for packet in flood * 2:
                call.mallory.send(packet, port)

    burst()
    worker.settled(40)
    call.describe()
    for number in range(50):
        burst()
        call.alice.send(rtp(number), call.to_alice)
        assert call.bob.take() == (rtp(number), call.to_bob)
        call.bob.send(rtp(number), call.to_bob)
        assert call.alice.take() == (rtp(number), call.to_alice)
    parties = worker.settled(40 + 50 * 42)
    for each in parties:
        assert (each.received, each.sent, each.lost, each.late) == (50, 50, 0, 0)
        # Neither RTP nor RTCP, or RTP at the port for RTCP: 4 and 8 of the 10 in a burst.
        assert (each.malformed, each.strangers, each.early) == (51 * 12, 50 * 8, 8)
        assert each.stranger == call.mallory.address
    parties_alone = [call.alice, call.alice_rtcp, call.bob, call.bob_rtcp, call.mallory]
    assert [party.waiting() for party in parties_alone] == [0] * 5
    if isinstance(worker.worker, CompiledWorker):
        assert judged == [rtp(0), rtp(0)]


def test_no_bytes_whatever_disturb_a_call(worker: LoopbackWorker, call: Call) -> None:
    """From a party's own sockets and from a stranger's, to every port; then the call goes on."""
    rng = Random(7)
    call.describe()
    ports = [call.to_alice, call.to_alice + 1, call.to_bob, call.to_bob + 1]
    sent = 0
    for sent in range(1, 1_001):
        start = bytes([rng.choice([0x80, 0x80, 0x90, 0x8F, 0x9F, rng.randrange(256)])])
        kind = bytes([rng.choice([0, 101, 200, 201, 202, 205, rng.randrange(256)])])
        size = rng.choice(
            [0, 1, 2, 6, 10, 26, 60, rng.randrange(MAX_PACKET), MAX_PACKET - 2, MAX_PACKET, 2_500]
        )
        packet = (start + kind + rng.randbytes(size))[: max(size, 1) + rng.randrange(2)]
        sender = rng.choice([call.alice, call.alice_rtcp, call.bob, call.bob_rtcp, call.mallory])
        sender.send(packet, rng.choice(ports))
        if sent % 5 == 0:
            worker.settled(sent)
    for party in (call.alice, call.alice_rtcp, call.bob, call.bob_rtcp):
        party.waiting()
    call.alice.send(rtp(1), call.to_alice)
    assert call.bob.take()[0][12:] == rtp(1)[12:]
    assert call.mallory.waiting() == 0
    caller, callee = worker.settled(sent + 1)
    assert min(caller.strangers, callee.strangers, caller.malformed, callee.malformed) > 0


# --- one worker goes on where another was -----------------------------------------------------------------


def test_a_successor_goes_on(worker: LoopbackWorker, call: Call) -> None:
    """It is told the last snapshot: alice's source, which was learnt, and how her stream was shifted."""
    worker.point(CALLER, ("10.255.255.1", 9), ("10.255.255.1", 10), Learning.ADDRESS)
    worker.point(CALLEE, call.bob, call.bob_rtcp)
    for ssrc, number in ((7, 10), (8, 900), (8, 901)):
        call.alice.send(HEAD.pack(0x80, 0, number, 160 * number, ssrc) + b"audio", call.to_alice)
        before = HEAD.unpack_from(call.bob.take()[0])
    assert before[2:] == (12, before[3], 7)
    worker.counters()
    last = worker.snapshots[-1]
    with LoopbackWorker(type(worker.worker)) as successor:
        successor.order(Restore(9, last.caller, last.callee))  # of a call that has ended meanwhile
        to_alice, to_bob = successor.open(CALLER), successor.open(CALLEE)
        successor.order(Restore(1, last.caller, last.callee))
        successor.counters()
        call.mallory.send(rtp(1), to_alice)
        successor.point(CALLER, ("10.255.255.1", 9), ("10.255.255.1", 10), Learning.ADDRESS)
        successor.point(CALLEE, call.bob, call.bob_rtcp)
        call.mallory.send(rtp(1), to_alice)
        for number in (903, 904):
            call.alice.send(HEAD.pack(0x80, 0, number, 160 * number, 8) + b"audio", to_alice)
            packet, port = call.bob.take()
            after = HEAD.unpack_from(packet)
            assert (port, after[2], after[3] - before[3], after[4]) == (
                to_bob,
                number - 889,
                160 * (number - 901),
                7,
            )
        caller, _ = successor.counters()
        assert (caller.received, caller.strangers, caller.lost) == (last.caller.counters.received + 2, 2, 0)
        assert caller.source == call.alice.address


# --- the short cut does what the rules do -----------------------------------------------------------------


def test_short_cut_and_rules_agree(worker: LoopbackWorker, call: Call) -> None:
    """The same random packets through the worker and through the pure rules: the same counters."""
    rng = Random(4)
    rules = RelaySession()
    rules.retarget(CALLER, call.alice.address, call.alice_rtcp.address, Learning.NOTHING, 0.0)
    rules.retarget(CALLEE, call.bob.address, call.bob_rtcp.address, Learning.NOTHING, 0.0)
    call.describe()
    senders = [call.alice, call.alice_rtcp, call.bob, call.bob_rtcp, call.mallory]
    ports = [(CALLER, Kind.RTP), (CALLER, Kind.RTCP), (CALLEE, Kind.RTP), (CALLEE, Kind.RTCP)]
    sent = 0
    number, stamp = 0, 0
    for step in range(600):
        if step % 100 == 50:
            side, receives = rng.choice(list(Side)), rng.random() < 0.5
            renumbered = rng.choice([(), ((0, 96),)])
            order = Adjust(1, side, receives, renumbered)
            rules.adjust(order, 0.0)
            worker.settled(sent)
            worker.order(order)
            worker.counters()
        sender, (side, kind) = rng.choice(senders), rng.choice(ports)
        if rng.random() < 0.6:  # mostly where it belongs
            side = CALLER if sender in (call.alice, call.alice_rtcp) else CALLEE
            kind = Kind.RTP if sender in (call.alice, call.bob) else Kind.RTCP
        first = rng.choice([0x80, 0x80, 0x80, 0x90, 0x81, 0x00, 0xC0])
        second = rng.choice([0, 0, 0x80, 96, 200, 201, 72, rng.randrange(256)])
        number += rng.choice([1, 1, 1, 1, 0, 2, -1])
        stamp += rng.choice([160, 160, 160, 160, 0])
        length = number & 0xFFFF if second not in (200, 201) else 6
        ssrc = 7 if rng.random() < 0.95 else 8
        packet = HEAD.pack(first, second, length, stamp, ssrc) + bytes(rng.choice([0, 8, 24, 160]))
        packet = packet if rng.random() < 0.9 else packet[: rng.choice([4, 8, 11])]
        port = (call.to_alice if side is CALLER else call.to_bob) + (kind is Kind.RTCP)
        sender.send(packet, port)
        sent += 1
        out = rules.gate(side, kind).route(bytearray(packet), sender.address, 0.0)
        if out is not None:
            out.sent += 1
            out.sent_octets += len(packet)
        if sent % 5 == 0:
            worker.settled(sent)
    for side, counted in zip(Side, worker.settled(sent), strict=True):
        expected = rules.counters(side, 0.0)
        for name in PartyCounters.__struct_fields__:
            if name not in ("silent_for", "jitter", "keep_alives"):
                assert getattr(counted, name) == getattr(expected, name), name
    assert min(worker.counters()[0].strangers, worker.counters()[0].malformed) > 0
