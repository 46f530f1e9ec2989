"""Which payload types mean a codec that is carried."""

import pytest

from ichat_gw.media.codec import CARRIED, PCMU, Codec, codec_of


@pytest.mark.parametrize(
    ("number", "rtpmap", "codec"),
    [
        (0, None, PCMU),
        (0, "PCMU/8000", PCMU),
        (0, "pcmu/8000/1", PCMU),
        (96, "PCMU/8000", PCMU),
        (96, None, None),
        (8, None, None),
        (0, "PCMA/8000", None),
        (0, "PCMU/16000", None),
        (0, "PCMU/8000/2", None),
        (0, "PCMU", None),
        (0, "PCMU/x", None),
        (0, "PCMU/8000/x", None),
        (0, "PCMU/" + "8" * 5000, None),
        (0, "", None),
    ],
)
def test_codec_of(number: int, rtpmap: str | None, codec: Codec | None) -> None:
    assert codec_of(number, rtpmap) == codec


def test_rtpmap() -> None:
    assert PCMU.rtpmap == "PCMU/8000"
    assert Codec("opus", 48_000, 2).rtpmap == "opus/48000/2"


def test_every_codec_is_found_by_its_own_rtpmap() -> None:
    for codec in CARRIED:
        assert codec_of(96, codec.rtpmap) == codec
