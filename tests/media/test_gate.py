"""One port: who is let in, and what a successor is told."""

import gc
from random import Random

import pytest

from ichat_gw.call.media import Side
from ichat_gw.media.gate import Gate, Source
from ichat_gw.media.relay_messages import GateSnapshot, Learning
from ichat_gw.media.relay_session import RelaySession
from ichat_gw.media.rtp import Kind

CALLER = Side.CALLER
NAMED = ("203.0.113.7", 5004)
SAME_HOST = ("203.0.113.7", 40_000)
OTHER_HOST = ("198.51.100.9", 5004)


def rtp() -> bytearray:
    return bytearray([0x80, 0]) + bytes(170)


# Each row: what may be learnt, then (seconds since the offer/answer, source, let in?) in order; the window
# is 5 s long.
TABLE: list[tuple[str, Learning, list[tuple[float, Source, bool]]]] = [
    (
        "taken at its word",
        Learning.NOTHING,
        [
            (0, OTHER_HOST, False),
            (0, SAME_HOST, False),
            (1, NAMED, True),
            (1, SAME_HOST, False),
            (99, NAMED, True),
        ],
    ),
    (
        "another port of the same host is learnt once",
        Learning.PORT,
        [
            (0, OTHER_HOST, False),
            (1, SAME_HOST, True),
            (2, ("203.0.113.7", 40_001), False),
            (99, SAME_HOST, True),
        ],
    ),
    (
        "any source is learnt once",
        Learning.ADDRESS,
        [(1, OTHER_HOST, True), (1, SAME_HOST, False), (99, OTHER_HOST, True), (99, SAME_HOST, False)],
    ),
    (
        "nothing is learnt after the window",
        Learning.ADDRESS,
        [(5, OTHER_HOST, False), (5, SAME_HOST, False), (60, NAMED, True)],
    ),
    (
        "who has been heard at the address named is not replaced",
        Learning.ADDRESS,
        [(0, NAMED, True), (0, OTHER_HOST, False), (99, NAMED, True)],
    ),
    (
        "the address named overrules what was learnt, inside the window",
        Learning.ADDRESS,
        [(0, OTHER_HOST, True), (4.9, NAMED, True), (4.9, OTHER_HOST, False), (99, NAMED, True)],
    ),
    (
        "but not after it",
        Learning.ADDRESS,
        [(0, OTHER_HOST, True), (5, NAMED, False), (99, OTHER_HOST, True)],
    ),
]


@pytest.mark.parametrize(("learning", "packets"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_who_is_let_in(learning: Learning, packets: list[tuple[float, Source, bool]]) -> None:
    gate = RelaySession().gate(CALLER, Kind.RTP)
    gate.retarget(NAMED, learning, 5.0)
    for now, source, admitted in packets:
        assert gate.admits(source, now) is admitted, f"{source} after {now} s"
        assert gate.target in (NAMED, gate.accepted)


def test_nobody_is_let_in_before_the_description() -> None:
    gate = RelaySession().gate(CALLER, Kind.RTP)
    assert not gate.admits(NAMED, 0.0)
    assert gate.target is None


def test_the_same_description_again_changes_nothing() -> None:
    gate = RelaySession().gate(CALLER, Kind.RTP)
    gate.retarget(NAMED, Learning.ADDRESS, 5.0)
    assert gate.admits(OTHER_HOST, 1.0)
    gate.retarget(NAMED, Learning.ADDRESS, 105.0)
    assert not gate.admits(SAME_HOST, 101.0)
    assert not gate.admits(NAMED, 101.0)
    assert gate.target == OTHER_HOST


def learnt() -> Gate:
    """A gate that has learnt a source other than the one named."""
    gate = RelaySession(Random(1)).gate(CALLER, Kind.RTP)
    gate.retarget(NAMED, Learning.ADDRESS, 5.0)
    gate.changed = False
    assert gate.admits(OTHER_HOST, 1.0)
    return gate


def test_a_successor_lets_in_whom_its_predecessor_had_learnt_and_nobody_else() -> None:
    before = learnt()
    assert before.changed
    after = RelaySession(Random(1)).gate(CALLER, Kind.RTP)
    after.restore(before.snapshot())
    after.retarget(NAMED, Learning.ADDRESS, 5.0)
    assert after.target == OTHER_HOST
    assert after.admits(OTHER_HOST, 2.0)
    assert not after.admits(SAME_HOST, 2.0)


def test_what_was_learnt_is_void_when_the_party_has_moved_meanwhile() -> None:
    after = RelaySession(Random(1)).gate(CALLER, Kind.RTP)
    after.restore(learnt().snapshot())
    after.retarget(SAME_HOST, Learning.NOTHING, 0.0)
    assert after.accepted == SAME_HOST


def test_a_party_that_was_not_heard_may_still_be_learnt_by_the_successor() -> None:
    after = RelaySession(Random(1)).gate(CALLER, Kind.RTP)
    after.restore(GateSnapshot(NAMED, None, 5.0))
    assert not after.admits(OTHER_HOST, 3.0)  # nobody, until it is known that anybody may
    after.retarget(NAMED, Learning.ADDRESS, 5.0)
    assert after.admits(OTHER_HOST, 4.0)


def test_a_successor_opens_no_new_window() -> None:
    after = RelaySession(Random(1)).gate(CALLER, Kind.RTP)
    after.restore(GateSnapshot(NAMED, None, 5.0))
    after.retarget(NAMED, Learning.ADDRESS, 55.0)
    assert not after.admits(OTHER_HOST, 51.0)
    after.retarget(NAMED, Learning.ADDRESS, 105.0)  # but a new offer or answer does
    assert after.admits(OTHER_HOST, 101.0)


def test_a_successor_hears_who_is_where_the_description_says() -> None:
    after = RelaySession(Random(1)).gate(CALLER, Kind.RTP)
    after.restore(GateSnapshot(NAMED, None, 5.0))
    after.retarget(NAMED, Learning.ADDRESS, 55.0)
    assert after.admits(NAMED, 51.0)


def test_a_description_that_names_another_address_is_something_to_tell() -> None:
    gate = RelaySession().gate(CALLER, Kind.RTP)
    assert not gate.changed
    gate.retarget(NAMED, Learning.ADDRESS, 5.0)
    assert gate.changed
    assert gate.snapshot() == GateSnapshot(NAMED, None, 5.0)


def test_every_packet_that_is_dropped_is_counted() -> None:
    session = RelaySession()
    gate = session.gate(CALLER, Kind.RTP)
    for count in (1, 2):
        assert gate.route(rtp(), NAMED, 0.0) is None
        assert gate.early == count
    gate.retarget(NAMED, Learning.NOTHING, 0.0)
    for count in (1, 2):
        assert gate.route(bytearray(b"no RTP"), NAMED, 1.0) is None
        assert gate.route(rtp(), NAMED, 1.0) is None  # nobody is described at the other end
        assert gate.route(rtp(), OTHER_HOST, 1.0) is None
        assert (gate.malformed, gate.opposite.unsent, gate.strangers) == (count, count, count)
        assert (gate.packets, gate.octets) == (count, count * 172)


def test_another_source_of_rtcp_says_nothing_of_that_of_rtp() -> None:
    session = RelaySession()
    main, control = session.gate(CALLER, Kind.RTP), session.gate(CALLER, Kind.RTCP)
    session.retarget(CALLER, NAMED, (NAMED[0], 5005), Learning.ADDRESS, 5.0)
    assert main.admits(OTHER_HOST, 1.0)
    assert control.admits((OTHER_HOST[0], 5005), 1.0)
    assert control.admits((NAMED[0], 5005), 2.0)
    assert main.accepted == OTHER_HOST
    assert main.admits(NAMED, 3.0)
    assert control.accepted == (NAMED[0], 5005)


def test_a_party_that_is_expected_from_the_start_and_for_less_than_a_second() -> None:
    gate = RelaySession().gate(CALLER, Kind.RTP)
    gate.expect(0.5, 0.0)
    assert gate.times_out(0.4) == (False, 0.5)
    assert gate.times_out(0.5) == (True, None)
    assert gate.times_out(9.0) == (False, None)


def gates() -> int:
    """How many there are in memory."""
    return sum(type(each) is Gate for each in gc.get_objects())


def test_gates_that_are_parted_leave_nothing_for_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        before = gates()
        session = RelaySession()
        assert gates() == before + 4
        session.let_go()
        del session
        assert gates() == before
    finally:
        gc.enable()
