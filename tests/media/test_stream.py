"""One stream for the receiver, whatever the sender does."""

from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ichat_gw.media.stream import HEAD, MAX_DROPOUT, Stream

A, B = 0xAAAA, 0xBBBB


def sent(
    stream: Stream,
    sequence: int,
    stamp: int,
    now: float,
    *,
    ssrc: int = A,
    forward: bool = True,
    kind: int = 0,
) -> tuple[int, int, int]:
    """Sequence number, timestamp and SSRC of a packet as it leaves."""
    packet = bytearray(HEAD.pack(0x80, kind, sequence & 0xFFFF, stamp & 0xFFFFFFFF, ssrc)) + b"audio"
    stream.take(packet, now, forward)
    first, second, *rest = HEAD.unpack_from(packet)
    assert (first, second, packet[12:]) == (0x80, kind, b"audio")
    return (rest[0], rest[1], rest[2])


def kept_alive(stream: Stream, now: float, kind: int = 0, rate: int = 8_000) -> tuple[int, int, int]:
    first, second, *rest = HEAD.unpack(stream.keep_alive(kind, rate, now))
    assert (first, second) == (0x80, kind)
    return (rest[0], rest[1], rest[2])


def test_an_orderly_sender_passes_as_it_is() -> None:
    stream = Stream(Random(1))
    for number in range(65_530, 65_545):
        expected = number & 0xFFFF, 160 * number, A
        assert sent(stream, number, 160 * number, number * 0.02) == expected
    assert stream.shift is None
    assert (stream.lost, stream.late) == (0, 0)
    assert stream.jitter_ms == pytest.approx(0.0, abs=1e-3)
    assert stream.ssrc_out == A


def test_another_source_goes_on_where_the_first_ended() -> None:
    stream = Stream(Random(1))
    sent(stream, 10, 1_600, 1.0)
    assert sent(stream, 7_000, 90_000, 1.1, ssrc=B) == (11, 1_600 + 800, A)
    assert sent(stream, 7_001, 90_160, 1.12, ssrc=B) == (12, 1_600 + 960, A)
    assert sent(stream, 7_003, 90_480, 1.16, ssrc=B) == (14, 1_600 + 1_280, A)  # a loss stays one
    assert sent(stream, 11, 1_760, 1.2) == (15, 1_600 + 1_600, A)  # and back again
    assert stream.lost == 1


def test_a_sender_that_begins_anew() -> None:
    stream = Stream(Random(1))
    sent(stream, 10, 1_600, 1.0)
    assert sent(stream, 10 + MAX_DROPOUT + 1, 9, 1.02) == (11, 1_760, A)
    assert stream.lost == 0


def test_gaps_late_packets_and_doubles() -> None:
    stream = Stream(Random(1))
    for number in (1, 2, 5, 3, 5, 6):
        assert sent(stream, number, 160 * number, 0.02 * number)[0] == number
    assert (stream.lost, stream.late, stream.next) == (0, 2, 7)  # a double hides a loss (RFC 3550 A.3)
    sent(stream, 6, 960, 0.2)
    assert (stream.lost, stream.late) == (0, 3)


def test_keep_alives_and_back() -> None:
    stream = Stream(Random(1))
    sent(stream, 65_534, 0xFFFFFFFF, 1.0)
    assert kept_alive(stream, 2.0) == (65_535, 7_999, A)
    assert kept_alive(stream, 2.021) == (0, 8_159, A)
    assert sent(stream, 65_535, 20_000, 2.04) == (1, 8_319, A)
    assert sent(stream, 0, 20_160, 2.06) == (2, 8_479, A)
    assert sent(stream, 65_535, 20_000, 2.07) == (1, 8_319, A)
    assert stream.lost == 0


def test_keep_alives_first() -> None:
    stream = Stream(Random(1))
    assert stream.ssrc_out == -1
    sequence, stamp, ssrc = kept_alive(stream, 1.0, 105, 22_050)
    assert stream.ssrc_out == ssrc
    assert kept_alive(stream, 1.02, 105, 22_050) == (sequence + 1, stamp + 441, ssrc)
    assert sent(stream, 10, 1_600, 1.04) == (sequence + 2, stamp + 441 + 160, ssrc)


def test_what_was_not_forwarded_leaves_no_gap() -> None:
    """Before anything was: the first that is passes as it is. On hold: goes on where it was."""
    stream = Stream(Random(1))
    for number in (1, 2):
        sent(stream, number, 160 * number, 0.02 * number, forward=False)
    assert stream.start == -1
    assert sent(stream, 3, 480, 0.06) == (3, 480, A)
    assert stream.start == 0x8000
    for number in (4, 5):
        sent(stream, number, 160 * number, 0.02 * number, forward=False)
    assert sent(stream, 6, 960, 0.12) == (4, 960, A)


def test_jitter() -> None:
    """Every packet 5 ms off the last one's time: the estimate goes there. Tones say nothing about it."""
    stream = Stream(Random(1))
    stream.clock(((111, 48_000),))
    for number in range(500):
        sent(stream, number, 960 * number, 0.02 * number + 0.005 * (number % 2), kind=111)
    assert stream.jitter_ms == pytest.approx(5.0, rel=0.01)
    before = stream.jitter
    sent(stream, 500, 960 * 499, 11.0, kind=111)
    sent(stream, 501, 960 * 500, 11.0, kind=101)
    assert stream.jitter == before


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("keep alive"), st.floats(0.02, 3.0)),
            st.tuples(st.sampled_from([A, B]), st.integers(0, 65_535), st.integers(0, 2**32 - 1)),
            st.tuples(st.just("next"), st.booleans()),
        ),
        max_size=40,
    )
)
@example([("next", False), (A, 0, 0), ("keep alive", 1.0)])
def test_the_receiver_hears_one_source_whose_newest_number_never_goes_back(
    steps: list[tuple[object, ...]],
) -> None:
    stream = Stream(Random(1))
    now, position, ssrc, newest = 0.0, (0, 0, A), None, None
    for step in steps:
        now += 0.02
        late = stream.late
        if step[0] == "keep alive":
            assert isinstance(step[1], float)
            now += step[1]
            out = kept_alive(stream, now)
        else:
            if step[0] == "next":
                position = (position[0] + 1) & 0xFFFF, (position[1] + 160) & 0xFFFFFFFF, position[2]
            else:
                position = int(str(step[1])), int(str(step[2])), int(str(step[0]))
            forward = step[0] != "next" or bool(step[1])
            out = sent(stream, position[0], position[1], now, ssrc=position[2], forward=forward)
            if not forward:
                continue
        ssrc = out[2] if ssrc is None else ssrc
        assert out[2] == ssrc
        if stream.late == late:
            assert newest is None or 0 < (out[0] - newest & 0xFFFF) <= MAX_DROPOUT
            newest = out[0]


# --- another worker goes on -------------------------------------------------------------------------------


def successor(stream: Stream, now: float) -> Stream:
    after = Stream(Random(2))
    after.restore(stream.snapshot(), now)
    return after


def test_a_successor_goes_on_with_the_same_shift() -> None:
    """What came between the last snapshot and the death counts neither as come nor as lost."""
    stream = Stream(Random(1))
    sent(stream, 10, 1_600, 1.0)
    assert sent(stream, 7_000, 90_000, 1.1, ssrc=B) == (11, 2_400, A)
    after = successor(stream, 5.0)
    assert sent(after, 7_200, 90_000 + 200 * 160, 5.1, ssrc=B) == (211, 2_400 + 200 * 160, A)
    assert after.lost == 0
    assert sent(after, 7_202, 90_000 + 202 * 160, 5.14, ssrc=B) == (213, 2_400 + 202 * 160, A)
    assert after.lost == 1


def test_a_successor_that_hears_somebody_else_repeats_no_number() -> None:
    """The predecessor may have sent 100 packets a second since the snapshot."""
    stream = Stream(Random(1))
    sent(stream, 10, 1_600, 1.0)
    assert sent(successor(stream, 5.0), 7_000, 90_000, 5.1, ssrc=B) == (412, 1_600 + 205 * 160, A)


def test_a_successor_goes_on_with_keep_alives() -> None:
    stream = Stream(Random(1))
    sent(stream, 10, 1_600, 1.0)
    assert kept_alive(stream, 2.0) == (11, 9_600, A)
    after = successor(stream, 2.5)
    assert kept_alive(stream, 2.02) == (12, 9_760, A)
    assert kept_alive(after, 2.52) == (63, 9_600 + 26 * 160, A)
    assert sent(after, 11, 1_760, 2.54) == (64, 9_600 + 27 * 160, A)


def test_a_successor_of_a_stream_that_never_began() -> None:
    assert sent(successor(Stream(Random(1)), 9.0), 10, 1_600, 1.0) == (10, 1_600, A)


def test_what_a_successor_must_be_told_of() -> None:
    stream = Stream(Random(1))
    told = []
    for step in (
        lambda: sent(stream, 10, 1_600, 1.0),
        lambda: sent(stream, 11, 1_760, 1.02),
        lambda: kept_alive(stream, 2.0),
        lambda: kept_alive(stream, 2.02),
        lambda: sent(stream, 12, 1_920, 2.04),
        lambda: sent(stream, 13, 2_080, 2.06),
        lambda: sent(stream, 7_000, 0, 2.08, ssrc=B),
    ):
        stream.changed = False
        step()
        told.append(stream.changed)
    assert told == [True, False, True, False, True, False, True]
