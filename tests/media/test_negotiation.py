"""Offer/answer (RFC 3264): what is read of a party's description, what is said to it."""

import pytest
from hypothesis import given

from ichat_gw.media.codec import PCMU, Codec
from ichat_gw.media.negotiation import (
    Audio,
    Direction,
    Format,
    LocalSession,
    NotAcceptable,
    accepted,
    common,
    for_ichat,
    offerable,
    read_audio,
    same_family,
)
from ichat_gw.media.sdp import InvalidSdp, Line, SessionDescription
from tests.media.test_sdp import LINES, VICEROY

G711 = (Format(PCMU, 0),)
PCMA = Codec("PCMA", 8_000, static=8)
GSM = Codec("GSM", 8_000, static=3)
ELD = Codec("X-AAC_ELD", 22_050)
OPUS = Codec("opus", 48_000, 2)
DTMF = Codec("telephone-event", 8_000)


def sdp(*lines: str, c: str = "IN IP4 192.0.2.7") -> SessionDescription:
    return SessionDescription.parse(
        "\r\n".join(("v=0", "o=- 1 1 IN IP4 x", "s=-", f"c={c}", "t=0 0", *lines))
    )


def test_ichat_offer() -> None:
    """iChat: PCMU second to its own codec, one port for RTP and RTCP, no direction."""
    audio = read_audio(SessionDescription.parse(VICEROY))
    host = "192.168.20.198"
    assert audio == Audio(
        0, (host, 16402), (host, 16402), Direction.SENDRECV, (Format(ELD, 105), Format(PCMU, 0))
    )


@pytest.mark.parametrize(
    ("lines", "formats"),
    [
        (("m=audio 5004 RTP/AVP 8 0 3",), (Format(PCMA, 8), Format(PCMU, 0), Format(GSM, 3))),
        (("m=audio 5004 RTP/AVP 8 96", "a=rtpmap:96 PCMU/8000"), (Format(PCMA, 8), Format(PCMU, 96))),
        (
            (
                "m=audio 5004 RTP/AVP 111 101 70",
                "a=rtpmap:101 telephone-event/8000",
                "a=rtpmap:111 opus/48000/2",
                "a=rtpmap:70 opus/16000",
                "a=fmtp:111 minptime=10; useinbandfec=1",
                "a=fmtp:111 again",
                "a=fmtp:AAC SamplesPerBlock 480",
            ),
            (Format(OPUS, 111, "minptime=10; useinbandfec=1"), Format(DTMF, 101)),
        ),
        (("m=audio 5004 RTP/AVP 8 0", "a=rtpmap:8 X/8000"), (Format(PCMU, 0),)),
        (("m=audio 5004 RTP/AVP 96 0", "a=rtpmap:96 PCMU/8000", "a=rtpmap:0 PCMU/8000"), (Format(PCMU, 96),)),
        (("m=audio 5004 rtp/avp 0 128 x 0", "a=rtpmap:x y", "a=rtpmap"), (Format(PCMU, 0),)),
    ],
)
def test_usable_formats(lines: tuple[str, ...], formats: tuple[Format, ...]) -> None:
    assert read_audio(sdp(*lines)).formats == formats


def test_the_first_usable_audio_section_is_taken() -> None:
    audio = read_audio(
        sdp(
            "m=video 1 RTP/AVP 34",
            "m=audio 0 RTP/AVP 0",
            "m=audio 2 RTP/SAVP 0",
            "m=audio 3 RTP/AVP 101",
            "a=rtpmap:101 telephone-event/8000",
            "m=Audio 4 RTP/AVP 0",
            "c=IN IP6 2001:db8::4",
            "m=audio 5 RTP/AVP 0",
        )
    )
    assert (audio.section, audio.rtp) == (4, ("2001:db8::4", 4))


@pytest.mark.parametrize(
    ("lines", "c", "why"),
    [
        ((), "IN IP4 192.0.2.7", "no audio"),
        (("m=video 1 RTP/AVP 34",), "IN IP4 192.0.2.7", "no audio"),
        (("m=audio 0 RTP/AVP 0",), "IN IP4 192.0.2.7", "switched off"),
        (("m=audio 1 RTP/SAVP 0",), "IN IP4 192.0.2.7", "RTP/SAVP"),
        (("m=audio 1 RTP/AVP 96 13",), "IN IP4 192.0.2.7", r"none of its audio codecs \(96 13\)"),
        (("m=audio 1 RTP/AVP",), "IN IP4 192.0.2.7", r"\(none\)"),
        (("m=audio 1 RTP/AVP 0", "a=rtpmap:0 X/1"), "IN IP4 192.0.2.7", "none of its audio codecs"),
        (("m=audio 1 RTP/AVP 0",), "IN IP4 phone.example.org", "is a name"),
        (("m=audio 1 RTP/AVP 0",), "IN IP4 224.2.1.1/127", "one host"),
        (("m=audio 1 RTP/AVP 0",), "IN IP4 255.255.255.255", "one host"),
        (("m=audio 1 RTP/AVP 0",), "IN IP6 ff02::1", "one host"),
    ],
)
def test_nothing_usable(lines: tuple[str, ...], c: str, why: str) -> None:
    with pytest.raises(NotAcceptable, match=why):
        read_audio(sdp(*lines, c=c))


def test_filtered_payload_types_are_not_there() -> None:
    """Neither is a codec whose fixed number is filtered, by whatever number a party calls it."""
    lines = ("m=audio 1 RTP/AVP 0 96 8", "a=rtpmap:96 PCMU/8000")
    assert read_audio(sdp(*lines), {0}).formats == (Format(PCMA, 8),)
    assert read_audio(sdp(*lines), {8}).formats == (Format(PCMU, 0),)
    with pytest.raises(NotAcceptable):
        read_audio(sdp(*lines), {0, 8})
    eld = ("m=audio 1 RTP/AVP 105 0", "a=rtpmap:105 X-AAC_ELD/22050")
    assert read_audio(sdp(*eld), {105}).formats == (Format(PCMU, 0),)


def test_an_answer_counts_as_far_as_it_keeps_to_the_offer() -> None:
    audio = read_audio(sdp("m=audio 1 RTP/AVP 110 8 0", "a=rtpmap:110 speex/16000"))
    assert accepted(audio, (Format(PCMU, 0), Format(GSM, 3))).formats == (Format(PCMU, 0),)
    with pytest.raises(NotAcceptable, match="no audio codec in common"):
        accepted(audio, (Format(GSM, 3), Format(DTMF, 101)))


def test_what_both_can_use() -> None:
    """In the order and with the numbers of the offerer, with the parameters of the other."""
    offered = (Format(OPUS, 111, "stereo=1"), Format(PCMA, 8), Format(PCMU, 97), Format(DTMF, 101, "0-15"))
    partner = (Format(DTMF, 96, "0-11"), Format(PCMU, 0), Format(OPUS, 107))
    assert common(offered, partner) == (Format(OPUS, 111), Format(PCMU, 97), Format(DTMF, 101, "0-11"))
    with pytest.raises(NotAcceptable, match="no audio codec in common"):
        common(offered, (Format(DTMF, 101),))


def test_attributes_that_pass() -> None:
    audio = read_audio(
        sdp("m=audio 1 RTP/AVP 0", "a=ptime:30", "a=rtpID:7", "a=maxptime:60", "b=AS:80", "a=sendrecv")
    )
    assert audio.passing == (Line("a", "ptime:30"), Line("a", "maxptime:60"))


def test_rtp_and_rtcp_on_one_port() -> None:
    offer = sdp("m=audio 5004 RTP/AVP 0", "a=rtcp:5007", "a=rtcp-mux")
    audio = read_audio(offer)
    assert audio.mux
    assert audio.rtcp == audio.rtp == ("192.0.2.7", 5004)
    local = LocalSession(7, "127.0.0.1", 18012).answer(offer, audio, G711, Direction.SENDRECV)
    assert "a=rtcp-mux\r\n" in str(local)
    assert "a=rtcp-mux\r\n" in str(local.offer(G711, Direction.SENDRECV))
    plain = sdp("m=audio 5004 RTP/AVP 0")
    local = local.answer(plain, read_audio(plain), G711, Direction.SENDRECV)
    assert "rtcp" not in str(local)


def test_an_answer_with_all_there_may_be() -> None:
    offer = sdp("m=audio 5004 RTP/AVP 111 0", "a=rtpmap:111 opus/48000/2")
    formats = (Format(OPUS, 111, "useinbandfec=1"), Format(PCMU, 0))
    local = LocalSession(7, "127.0.0.1", 18012).answer(
        offer, read_audio(offer), formats, Direction.SENDRECV, (Line("a", "ptime:20"),)
    )
    assert str(local).partition("t=0 0\r\n")[2] == (
        "m=audio 18012 RTP/AVP 111 0\r\n"
        "a=rtpmap:111 opus/48000/2\r\n"
        "a=fmtp:111 useinbandfec=1\r\n"
        "a=rtpmap:0 PCMU/8000\r\n"
        "a=ptime:20\r\n"
        "a=sendrecv\r\n"
    )


def test_audio_without_address() -> None:
    with pytest.raises(InvalidSdp, match="no c= line"):
        read_audio(SessionDescription.parse("v=0\r\nm=audio 1 RTP/AVP 0"))


@pytest.mark.parametrize(
    ("lines", "rtcp"),
    [
        (("m=audio 5004 RTP/AVP 0",), ("192.0.2.7", 5005)),
        (("m=audio 5004 RTP/AVP 0", "a=rtcp:5004"), ("192.0.2.7", 5004)),
        (("m=audio 5004 RTP/AVP 0", "a=rtcp:9 IN IP4 192.0.2.8"), ("192.0.2.8", 9)),
        (("m=audio 5004 RTP/AVP 0", "a=rtcp:9 IN IP4 224.0.0.1"), ("192.0.2.7", 5005)),
        (("m=audio 5004 RTP/AVP 0", "a=rtcp:9 IN IP4"), ("192.0.2.7", 5005)),
        (("m=audio 5004 RTP/AVP 0", "a=rtcp:0"), ("192.0.2.7", 5005)),
        (("m=audio 5004 RTP/AVP 0", "a=rtcp:x"), ("192.0.2.7", 5005)),
        (("m=audio 5004 RTP/AVP 0", "a=rtcp"), ("192.0.2.7", 5005)),
        (("m=audio 65535 RTP/AVP 0",), None),
    ],
)
def test_where_rtcp_goes(lines: tuple[str, ...], rtcp: tuple[str, int] | None) -> None:
    assert read_audio(sdp(*lines)).rtcp == rtcp


@pytest.mark.parametrize(
    ("session", "media", "direction"),
    [
        (None, None, Direction.SENDRECV),
        ("sendonly", None, Direction.SENDONLY),
        ("sendonly", "recvonly", Direction.RECVONLY),
        (None, "inactive", Direction.INACTIVE),
        (None, "sendonly:no", Direction.SENDRECV),
    ],
)
def test_direction(session: str | None, media: str | None, direction: Direction) -> None:
    lines = [f"a={session}"] if session else []
    lines += ["m=audio 5004 RTP/AVP 0"] + ([f"a={media}"] if media else [])
    assert read_audio(sdp(*lines)).direction is direction


@pytest.mark.parametrize(
    ("said", "meant"),
    [("sendrecv", Direction.SENDONLY), ("recvonly", Direction.INACTIVE), ("inactive", Direction.INACTIVE)],
)
@pytest.mark.parametrize("c", ["IN IP4 0.0.0.0", "IN IP6 ::"])
def test_hold_by_address(said: str, meant: Direction, c: str) -> None:
    audio = read_audio(sdp("m=audio 5004 RTP/AVP 0", f"a={said}", c=c))
    assert (audio.rtp, audio.rtcp, audio.direction) == (None, None, meant)


def test_direction_mirrored_and_limited() -> None:
    sendrecv, sendonly, recvonly, inactive = Direction
    assert [each.mirrored for each in Direction] == [sendrecv, recvonly, sendonly, inactive]
    assert [each.within(sendonly) for each in Direction] == [sendonly, sendonly, inactive, inactive]
    assert [each.within(recvonly) for each in Direction] == [recvonly, inactive, recvonly, inactive]


# --- what we say ------------------------------------------------------------------------------------------


def test_first_offer_is_that_of_the_original() -> None:
    local = LocalSession(1795912504, "127.0.0.1", 18012).offer(G711, Direction.SENDRECV)
    assert str(local) == (
        "v=0\r\n"
        "o=iChat-gw 1795912504 1795912504 IN IP4 127.0.0.1\r\n"
        "s=-\r\n"
        "c=IN IP4 127.0.0.1\r\n"
        "t=0 0\r\n"
        "m=audio 18012 RTP/AVP 0\r\n"
        "a=rtpmap:0 PCMU/8000\r\n"
        "a=sendrecv\r\n"
    )


def test_ipv6_offer() -> None:
    local = LocalSession(7, "2001:db8::1", 18012).offer(G711, Direction.SENDONLY)
    assert "o=iChat-gw 7 7 IN IP6 2001:db8::1\r\n" in str(local)
    assert "c=IN IP6 2001:db8::1\r\n" in str(local)


def test_answer_to_ichat_refuses_video_in_its_place() -> None:
    offer = SessionDescription.parse(VICEROY)
    local = LocalSession(7, "127.0.0.1", 18012).answer(offer, read_audio(offer), G711, Direction.SENDRECV)
    assert str(local).partition("t=0 0\r\n")[2] == (
        "m=audio 18012 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\nm=video 0 RTP/AVP 123 126 34\r\n"
    )


def test_answer_keeps_the_number_of_the_offerer() -> None:
    offer = sdp(
        "m=video 1 RTP/AVP 34", "m=audio 5004 RTP/AVP 96", "a=rtpmap:96 PCMU/8000", "m=image 9 udptl t38"
    )
    audio = read_audio(offer)
    local = LocalSession(7, "127.0.0.1", 18012).answer(offer, audio, audio.formats, Direction.RECVONLY)
    assert str(local).partition("t=0 0\r\n")[2] == (
        "m=video 0 RTP/AVP 34\r\n"
        "m=audio 18012 RTP/AVP 96\r\n"
        "a=rtpmap:96 PCMU/8000\r\n"
        "a=recvonly\r\n"
        "m=image 0 udptl t38\r\n"
    )


def test_version_goes_up_with_every_change_and_only_then() -> None:
    offer = SessionDescription.parse(VICEROY)
    audio = read_audio(offer)
    local = LocalSession(7, "127.0.0.1", 18012).answer(offer, audio, G711, Direction.SENDRECV)
    assert local.version == 7
    local = local.answer(offer, audio, G711, Direction.SENDRECV)
    assert local.version == 7
    local = local.answer(offer, audio, G711, Direction.RECVONLY)
    assert local.version == 8
    assert "o=iChat-gw 7 8 IN" in str(local)


def test_a_later_offer_keeps_all_sections() -> None:
    offer = sdp("m=video 1 RTP/AVP 34", "m=audio 5004 RTP/AVP 0")
    local = LocalSession(7, "127.0.0.1", 18012).answer(offer, read_audio(offer), G711, Direction.RECVONLY)
    again = local.offer(G711, Direction.SENDRECV)
    assert again.version == local.version + 1
    assert [(section.kind, section.port) for section in again.sections] == [("video", 0), ("audio", 18012)]


def test_offerable_formats_have_their_fixed_numbers() -> None:
    formats = (Format(OPUS, 111, "stereo=1"), Format(PCMU, 96, "x"))
    assert offerable(formats) == (Format(OPUS, 111, "stereo=1"), Format(PCMU, 0, "x"))


def test_ichat_is_offered_what_it_has_or_else_everything() -> None:
    phone = (Format(OPUS, 111), Format(PCMA, 8), Format(PCMU, 0), Format(DTMF, 101))
    assert for_ichat(phone) == (Format(PCMU, 0),)
    assert for_ichat((Format(GSM, 3), Format(ELD, 105))) == (Format(GSM, 3), Format(ELD, 105))
    assert for_ichat(phone[:2]) == phone[:2]


def test_same_family() -> None:
    assert same_family("192.0.2.1", "10.0.0.1")
    assert same_family("::1", "2001:db8::1")
    assert not same_family("::1", "10.0.0.1")
    assert not same_family("localhost", "10.0.0.1")
    assert not same_family("10.0.0.1", "localhost")


@given(LINES)
def test_any_description_is_refused_or_can_be_answered(lines: list[str]) -> None:
    try:
        offer = SessionDescription.parse(
            "\r\n".join(["v=0", "c=IN IP4 192.0.2.7", "m=audio 9 RTP/AVP 0", *lines])
        )
        audio = read_audio(offer)
    except (InvalidSdp, NotAcceptable):
        return
    local = LocalSession(7, "127.0.0.1", 18012).answer(offer, audio, audio.formats, audio.direction.mirrored)
    answer = SessionDescription.parse(str(local))
    assert len(answer.sections) == len(offer.sections)
    assert [section.port for section in answer.sections].count(18012) == 1
    assert read_audio(answer).formats == audio.formats
    assert read_audio(answer).section == audio.section
