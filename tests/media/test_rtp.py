"""RTP, RTCP, or neither."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.media.rtp import MAX_PACKET, NEVER_RTP, NOT_RTP, UNCHANGED, Kind, classify, second_bytes


def packet(first: int, second: int, size: int, words: int = 1) -> bytes:
    return bytes([first, second]) + words.to_bytes(2, "big") + bytes(size - 4)


@pytest.mark.parametrize(
    ("datagram", "kind"),
    [
        (packet(0x80, 0, 172), Kind.RTP),
        (packet(0x80, 0x80, 172), Kind.RTP),
        (packet(0x80, 0, 12), Kind.RTP),
        (packet(0x80, 0, 11), None),
        (packet(0x80, 127, 172), Kind.RTP),
        (packet(0x80, 63, 172), Kind.RTP),
        (packet(0x80, 64, 172), None),
        (packet(0x80, 95, 172), None),
        (packet(0x80, 96, 172), Kind.RTP),
        (packet(0x80, 191, 172), Kind.RTP),
        (packet(0x80, 224, 172), Kind.RTP),
        (packet(0xB0, 0, MAX_PACKET), Kind.RTP),
        (packet(0x80, 0, MAX_PACKET + 1), None),
        (packet(0x00, 0, 172), None),  # version 0: STUN begins like that
        (packet(0x40, 0, 172), None),
        (packet(0xC0, 0, 172), None),
        (packet(0x82, 0, 20), Kind.RTP),  # two CSRCs
        (packet(0x82, 0, 19), None),
        (packet(0x90, 0, 16), Kind.RTP),  # an empty extension
        (packet(0x90, 0, 15), None),
        (packet(0x90, 0, 14)[:12] + b"\0\0\0\1" + bytes(4), Kind.RTP),  # one of one word
        (packet(0x90, 0, 14)[:12] + b"\0\0\0\1" + bytes(3), None),
        (packet(0x80, 200, 8), Kind.RTCP),
        (packet(0x80, 192, 8), Kind.RTCP),
        (packet(0x80, 223, 8), Kind.RTCP),
        (packet(0x80, 200, 8, words=2), None),
        (packet(0x80, 200, 12, words=2), Kind.RTCP),
        (packet(0x80, 203, 7), None),
        (b"", None),
        (b"\r\n\r\n", None),
        (b"INVITE sip:x SIP/2.0\r\n\r\n", None),
    ],
)
def test_classify(datagram: bytes, kind: Kind | None) -> None:
    assert classify(datagram) is kind


@given(st.binary(max_size=64))
def test_classify_takes_anything(datagram: bytes) -> None:
    kind = classify(datagram)
    if kind is not None:
        assert datagram[0] >> 6 == 2
        assert (UNCHANGED[datagram[1]] != NOT_RTP) == (kind is Kind.RTP)


def test_second_bytes() -> None:
    assert all(UNCHANGED[byte] in (byte, NOT_RTP) for byte in range(256))
    table = second_bytes(((0, 96), (96, 0)))
    assert (table[0], table[0x80], table[96], table[96 | 0x80]) == (96, 96 | 0x80, 0, 0x80)
    assert (table[8], table[70], table[200]) == (8, NOT_RTP, NOT_RTP)
    assert set(NEVER_RTP) == {NOT_RTP}
