"""Which codec a payload type means."""

import pytest

from ichat_gw.media.codec import OFFERED, PCMU, Codec, codec_of


@pytest.mark.parametrize(
    ("number", "rtpmap", "codec"),
    [
        (0, None, PCMU),
        (0, "PCMU/8000", PCMU),
        (0, "pcmu/8000/1", PCMU),
        (96, "PCMU/8000", PCMU),
        (96, None, None),
        (8, None, Codec("PCMA", 8_000, static=8)),
        (9, "g722/8000", Codec("G722", 8_000, static=9)),
        (97, "PCMU/16000", Codec("PCMU", 16_000)),
        (97, "pcmu/8000/2", Codec("PCMU", 8_000, 2)),
        (111, "OPUS/48000/2", Codec("opus", 48_000, 2)),
        (101, "Telephone-Event/8000", Codec("telephone-event", 8_000)),
        (105, "X-AAC_ELD/22050", Codec("X-AAC_ELD", 22_050)),
        (105, "x-unheard-of/90000", Codec("X-UNHEARD-OF", 90_000)),
        (99, "red/8000", None),
        (99, "rtx/90000", None),
        (99, "x/999", None),
        (99, "x/384001", None),
        (99, "x/8000/0", None),
        (99, "x/8000/65", None),
        (99, "a b/8000", None),
        (99, "é/8000", None),
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


def test_what_carries_speech() -> None:
    assert PCMU.carries_speech
    assert Codec("X-AAC_ELD", 22_050).carries_speech
    assert not Codec("telephone-event", 8_000).carries_speech
    assert not Codec("CN", 8_000).carries_speech


def test_what_is_offered_has_a_fixed_number() -> None:
    for codec in OFFERED:
        assert codec_of(96, codec.rtpmap) == codec
        assert codec.static is not None
