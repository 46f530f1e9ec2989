"""RTCP made to match the streams, and read for what it reports."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.media.relay_messages import PartyCounters
from ichat_gw.media.rtcp import Reports, rewrite_rtcp
from ichat_gw.media.stream import Stream

A, B = 0xAAAA, 0xBBBB


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


def test_both_parties_have_chosen_the_same_ssrc() -> None:
    """Who speaks and whom it speaks of are told apart by their place, however their numbers collide."""
    sends, hears = shifted(A, (5, 1_000, 1)), shifted(A, (7, 2_000, A))
    packet = bytearray(sender_report(A, 10, report_block(A, 70_000)))
    rewrite_rtcp(packet, sends, hears)
    assert packet == sender_report(1, 1_010, report_block(A, 70_000 - 7))
    reports = Reports(), Reports()
    reports[0].read(bytearray(sender_report(A, 0, block(A, loss=64))), 1.0, heard_as(A), reports[1])
    assert (reports[0].count, reports[0].loss, reports[1].count) == (1, 0.25, 0)


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


# --- reports ----------------------------------------------------------------------------------------------


def block(
    about: int, *, loss: int = 0, lost: int = 0, jitter: int = 0, named: int = 0, held: int = 0
) -> bytes:
    longs = about, loss << 24 | lost & 0xFFFFFF, 0, jitter, named, held
    return b"".join(long.to_bytes(4, "big") for long in longs)


def stamped(ssrc: int, ntp: int, *blocks: bytes) -> bytes:
    """A sender report with this NTP time stamp."""
    report = sender_report(ssrc, 0, *blocks)
    return report[:8] + ntp.to_bytes(8, "big") + report[16:]


def receiver_report(ssrc: int, *blocks: bytes) -> bytes:
    body = ssrc.to_bytes(4, "big") + b"".join(blocks)
    return bytes([0x80 | len(blocks), 201]) + (len(body) // 4).to_bytes(2, "big") + body


def heard_as(ssrc: int, rate: int = 8_000) -> Stream:
    """A stream that its receiver knows by this SSRC."""
    stream = shifted(A, (0, 0, ssrc))
    stream._begun, stream.rate = True, rate
    return stream


def test_what_a_report_says() -> None:
    bob, alice = Reports(), Reports()
    assert (bob.count, bob.loss, bob.lost, bob.jitter, bob.round_trip) == (0, None, None, None, None)
    report = receiver_report(B, block(3, loss=9), block(2, loss=64, lost=-2, jitter=480))
    bob.read(bytearray(report), 1.0, heard_as(2, 48_000), alice)
    assert (bob.count, bob.loss, bob.lost, bob.jitter, bob.round_trip) == (1, 0.25, -2, 10.0, None)


def test_a_report_about_a_stream_that_has_not_begun() -> None:
    bob = Reports()
    bob.read(bytearray(receiver_report(B, block(0))), 1.0, Stream(Random(1)), Reports())
    assert bob.count == 0


def test_round_trip_between_us_and_each_party() -> None:
    """alice's sender report passes at 10 s; bob holds it 2 s; his report passes at 12.25 s: 250 ms to bob."""
    alice, bob = Reports(), Reports()
    alice.read(bytearray(stamped(A, 0x1111_22223333_4444)), 10.0, Stream(Random(1)), bob)
    alice.read(bytearray(stamped(A, 0x5555_66667777_8888)), 11.0, Stream(Random(1)), bob)
    report = stamped(B, 0x9999_AAAABBBB_CCCC, block(2, named=0x22223333, held=2 * 65_536))
    bob.read(bytearray(report), 12.25, heard_as(2), alice)
    assert bob.round_trip == pytest.approx(250.0)
    assert alice.round_trip is None
    alice.read(bytearray(receiver_report(A, block(1, named=0xAAAABBBB, held=0))), 12.5, heard_as(1), bob)
    assert alice.round_trip == pytest.approx(250.0)


@pytest.mark.parametrize(("named", "held"), [(0, 0), (7, 0), (0x22223333, 9 * 65_536)])
def test_no_round_trip_from_a_report_that_names_no_sender_report_or_lies(named: int, held: int) -> None:
    alice, bob = Reports(), Reports()
    alice.read(bytearray(stamped(A, 0x1111_22223333_4444)), 10.0, Stream(Random(1)), bob)
    bob.read(bytearray(receiver_report(B, block(2, named=named, held=held))), 12.0, heard_as(2), alice)
    assert (bob.count, bob.round_trip) == (1, None)


def test_only_as_many_blocks_are_read_as_it_says_there_are() -> None:
    report = bytearray(receiver_report(B, block(2, loss=1), block(2, loss=2)))
    report[0] = 0x81
    bob = Reports()
    bob.read(report, 1.0, heard_as(2), Reports())
    assert (bob.count, bob.loss) == (1, 1 / 256)


def test_reports_are_restored() -> None:
    reports = Reports()
    reports.restore(
        PartyCounters(reports=3, reported_loss=0.5, reported_lost=7, reported_jitter=1.5, round_trip=80.0)
    )
    kept = reports.count, reports.loss, reports.lost, reports.jitter, reports.round_trip
    assert kept == (3, 0.5, 7, 1.5, 80.0)


@given(st.binary(max_size=120), st.integers(0, 31))
def test_no_rtcp_makes_reading_raise(packet: bytes, count: int) -> None:
    report = bytearray(b"\x80\xc9" + packet)
    report[0] |= count
    reports = Reports()
    reports.read(report, 1.0, heard_as(0), Reports())
    reports.read(bytearray(packet), 1.0, heard_as(0), reports)
