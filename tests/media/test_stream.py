"""One stream for the receiver, whatever the sender does."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.media.stream import HEAD, MAX_DROPOUT, Stream, rewrite_rtcp

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
    assert stream.second == -1
    assert sent(stream, 3, 480, 0.06) == (3, 480, A)
    assert stream.second == 0
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


# --- RTCP -------------------------------------------------------------------------------------------------


def report_block(about: int, highest: int) -> bytes:
    return about.to_bytes(4, "big") + bytes(4) + highest.to_bytes(4, "big") + bytes(12)


def sender_report(ssrc: int, stamp: int, *blocks: bytes) -> bytes:
    body = ssrc.to_bytes(4, "big") + bytes(8) + stamp.to_bytes(4, "big") + bytes(8) + b"".join(blocks)
    return bytes([0x80 | len(blocks), 200]) + (len(body) // 4).to_bytes(2, "big") + body


def packet_of(kind: int, *longs: int) -> bytes:
    body = b"".join(long.to_bytes(4, "big") for long in longs)
    return bytes([0x81, kind]) + (len(body) // 4).to_bytes(2, "big") + body


def shifted(ssrc: int, shift: tuple[int, int, int]) -> Stream:
    stream = Stream(Random(1))
    stream.ssrc, stream.shift = ssrc, shift
    return stream


def test_rtcp_of_orderly_streams_stays() -> None:
    packet = bytearray(sender_report(A, 7))
    rewrite_rtcp(packet, Stream(Random(1)), Stream(Random(1)))
    assert packet == sender_report(A, 7)


def test_rtcp_is_rewritten_both_ways() -> None:
    """A sends as 1 and hears B as 2: reports of A name 1, and B where A says 2."""
    sends, hears = shifted(A, (5, 1_000, 1)), shifted(B, (0xFFFF, 7, 2))
    packet = bytearray(
        sender_report(A, 0xFFFFFFFF, report_block(2, 70_000), report_block(3, 8))
        + packet_of(201, A, *(int.from_bytes(report_block(2, 9)[i : i + 4], "big") for i in range(0, 24, 4)))
        + packet_of(202, A, 0x01026869)
        + packet_of(205, A, 2)
        + packet_of(206, A, 3)
        + packet_of(203, A)
    )
    rewrite_rtcp(packet, sends, hears)
    assert packet == (
        sender_report(1, 999, report_block(B, 70_000 - 0xFFFF), report_block(3, 8))
        + packet_of(
            201,
            1,
            *(
                int.from_bytes(report_block(B, 9 - 0xFFFF & 0xFFFFFFFF)[i : i + 4], "big")
                for i in range(0, 24, 4)
            ),
        )
        + packet_of(202, 1, 0x01026869)
        + packet_of(205, 1, B)
        + packet_of(206, 1, 3)
        + packet_of(203, 1)
    )


def test_rtcp_about_keep_alives_alone() -> None:
    """There is no sender yet that the report could be about."""
    packet = bytearray(sender_report(A, 7, report_block(2, 9)) + packet_of(205, A, 2))
    before = bytes(packet)
    rewrite_rtcp(packet, Stream(Random(1)), shifted(-1, (0, 0, 2)))
    assert packet == before


@given(st.binary(max_size=120), st.booleans(), st.booleans())
def test_no_rtcp_makes_it_raise(packet: bytes, one: bool, other: bool) -> None:
    changed = bytearray(packet)
    rewrite_rtcp(
        changed,
        shifted(0, (1, 1, 1)) if one else Stream(Random(1)),
        shifted(0, (1, 1, 0)) if other else Stream(Random(1)),
    )
    assert len(changed) == len(packet)


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
