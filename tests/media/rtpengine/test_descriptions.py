"""What rtpengine is told of a party, and where it says that it is itself."""

import pytest

from ichat_gw.media.negotiation import Audio, read_audio
from ichat_gw.media.rtpengine.descriptions import address_in, description, nowhere
from ichat_gw.media.sdp import InvalidSdp, SessionDescription
from tests.media.relaying import sdp
from tests.media.test_sdp import VICEROY


def audio(text: str) -> Audio:
    return read_audio(SessionDescription.parse(text))


def told(text: str, partner: str = "") -> list[str]:
    return description(audio(text), audio(partner) if partner else None).splitlines()


def test_nowhere() -> None:
    assert nowhere("IP4").splitlines() == [
        *("v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "c=IN IP4 0.0.0.0", "t=0 0"),
        *("m=audio 9 RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=inactive"),
    ]
    assert "c=IN IP6 ::" in nowhere("IP6").splitlines()


def test_a_phone() -> None:
    phone = sdp("192.0.2.10", 30_000, formats="0 8", direction="sendonly", extra="a=ptime:20\r\na=foo\r\n")
    assert told(phone) == [
        *("v=0", "o=- 1 1 IN IP4 192.0.2.10", "s=-", "c=IN IP4 192.0.2.10", "t=0 0"),
        *("m=audio 30000 RTP/AVP 0 8", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000"),
        *("a=sendonly", "a=rtcp:30001 IN IP4 192.0.2.10"),
    ]
    SessionDescription.parse("\r\n".join(told(phone)))


def test_only_codecs_that_the_partner_has_with_each_ones_numbers() -> None:
    dynamic = "a=rtpmap:96 PCMU/8000\r\na=rtpmap:97 opus/48000/2\r\n"
    phone = sdp("2001:db8::1", 30_000, formats="96 97", extra=dynamic)
    other = sdp("192.0.2.20", 40_000, formats="0 8")
    assert "m=audio 30000 RTP/AVP 96" in told(phone, other)
    assert "m=audio 40000 RTP/AVP 0" in told(other, phone)


def test_one_port_for_rtp_and_rtcp() -> None:
    """iChat says so by a=rtcp alone."""
    assert "a=rtcp:16402 IN IP4 192.168.20.198" in told(VICEROY)
    assert "a=rtcp-mux" in told(VICEROY)
    assert "a=rtcp-mux" not in told(sdp("192.0.2.10", 30_000))


def test_a_phone_without_rtcp() -> None:
    assert not [line for line in told(sdp("192.0.2.10", 65_535)) if line.startswith("a=rtcp")]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (sdp("192.0.2.1", 20_000), ("192.0.2.1", 20_000)),
        (sdp("2001:DB8::1", 20_000), ("2001:db8::1", 20_000)),
    ],
)
def test_where_rtpengine_is(text: str, at: tuple[str, int]) -> None:
    assert address_in(text) == at


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "v=0"),
        ("v=0\r\n", "no audio port"),
        (sdp("192.0.2.1", 0), "no audio port"),
        (sdp("192.0.2.1", 20_000).replace("m=audio", "m=video"), "no audio port"),
        (sdp("0.0.0.0", 20_000), "no address"),
        (sdp("media.example.com", 20_000), "no address"),
        ("v=0\r\nm=audio 20000 RTP/AVP 0\r\n", "no address"),
    ],
)
def test_where_it_does_not_say_so(text: str, why: str) -> None:
    with pytest.raises(InvalidSdp, match=why):
        address_in(text)
