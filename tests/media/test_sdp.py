"""SDP text in, values out, and back (RFC 8866)."""

from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ichat_gw.media.sdp import (
    MAX_FORMATS,
    MAX_LENGTH,
    MAX_LINES,
    MAX_SECTIONS,
    Connection,
    InvalidSdp,
    Line,
    MediaSection,
    SessionDescription,
    address_type,
    numeric,
)

# The body of an INVITE from a real iChat (Viceroy 1.4.1).
VICEROY = """v=0
o=thiago 0 0 IN IP4 192.168.20.198
s=1021
c=IN IP4 192.168.20.198
b=AS:250
t=0 0
a=FLS;VRA:0;RVRA:1;AS:2
a=hwi:17412:2:2800
a=multipoint:1
a=iChatEncryption:YES
a=bandwidthDetection:NO
m=audio 16402 RTP/AVP 105 0
a=rtcp:16402
a=rtpmap:105 X-AAC_ELD/22050
a=rtpmap:0 PCMU/8000
a=rtpID:1261706994
a=fmtp:AAC SamplesPerBlock 480
m=video 16402 RTP/AVP 123 126 34
a=rtcp:16402
a=rtpmap:123 H264/90000
a=rtpmap:126 X-H264/90000
a=rtpmap:34 H263/90000
a=fmtp:34 imagesize 0
a=framerate:15
a=RTCP:AUDIO 16402 VIDEO 16402
a=fmtp:126 imagesize 0 rules 15:320:240:320:240:15
a=fmtp:123 imagesize 0 rules 15:320:240:320:240:15
a=rtpID:1085110790
""".replace("\n", "\r\n")


def test_ichat_description() -> None:
    description = SessionDescription.parse(VICEROY)
    assert str(description) == VICEROY
    assert description.connection == Connection("192.168.20.198")
    assert list(description.attributes("multipoint")) == ["1"]
    audio, video = description.sections
    assert (audio.kind, audio.port, audio.protocol, audio.formats) == (
        "audio",
        16402,
        "RTP/AVP",
        ("105", "0"),
    )
    assert (video.kind, video.port, video.formats) == ("video", 16402, ("123", "126", "34"))
    assert list(audio.attributes("rtpmap")) == ["105 X-AAC_ELD/22050", "0 PCMU/8000"]
    assert list(video.attributes("rtcp")) == ["16402"]  # a=RTCP is another attribute
    assert audio.connection is None


def test_what_is_tolerated() -> None:
    description = SessionDescription.parse(
        "\nv=0\n\na=sendonly\nx=whatever \u2028\n \nm=audio  5004/2   RTP/AVP\nc=in ip4 203.0.113.1/127\n"
    )
    assert description.lines == (Line("v", "0"), Line("a", "sendonly"), Line("x", "whatever \u2028"))
    (section,) = description.sections
    assert section.port == 5004
    assert section.port_count == 2
    assert section.formats == ()
    assert section.connection == Connection("203.0.113.1")
    assert list(description.attributes("sendonly")) == [""]
    assert str(section) == "m=audio 5004/2 RTP/AVP\r\nc=in ip4 203.0.113.1/127\r\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "v=1\r\n",
        "s=-\r\nv=0\r\n",
        "m=audio 1 RTP/AVP 0\r\n",
        "v=0\r\nnonsense\r\n",
        "v=0\r\n=x\r\n",
        "v=0\r\n1=x\r\n",
        "v=0\r\nv\r\n",
        "v=0\r\ns=a\x00b\r\n",
        "v=0\r\ns=a\rb\r\n",
        "v=0\r\ns=a\x7fb\r\n",
        "v=0\r\nc=IN IP4\r\n",
        "v=0\r\nc=IN IP4 1.2.3.4 5\r\n",
        "v=0\r\nc=ATM IP4 1.2.3.4\r\n",
        "v=0\r\nc=IN IP5 1.2.3.4\r\n",
        "v=0\r\nc=IN IP4 /127\r\n",
        "v=0\r\nc=IN IP6 fe80::1%eth0\r\n",
        "v=0\r\nc=IN IP4 h\u00e9te\r\n",
        "v=0\r\nm=audio\r\n",
        "v=0\r\nm=audio x RTP/AVP 0\r\n",
        "v=0\r\nm=audio -1 RTP/AVP 0\r\n",
        "v=0\r\nm=audio 65536 RTP/AVP 0\r\n",
        "v=0\r\nm=audio 123456 RTP/AVP 0\r\n",
        "v=0\r\nm=audio 5004/ RTP/AVP 0\r\n",
        "v=0\r\nm=audio 5004/0 RTP/AVP 0\r\n",
        "v=0\r\nm=audio \u0661 RTP/AVP 0\r\n",
        "v=0\r\nm=audio 1 RTP/AVP" + " 0" * (MAX_FORMATS + 1) + "\r\n",
        "v=0\r\n" + "m=audio 0 RTP/AVP 0\r\n" * (MAX_SECTIONS + 1),
        "v=0\r\n" + "a=x\r\n" * MAX_LINES,
        "v=0\r\ns=" + "x" * MAX_LENGTH + "\r\n",
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(InvalidSdp):
        SessionDescription.parse(text)


def test_limits_can_be_reached() -> None:
    text = "v=0\r\n" + f"m=audio 0 RTP/AVP{' 0' * MAX_FORMATS}\r\n" * MAX_SECTIONS
    assert len(SessionDescription.parse(text).sections) == MAX_SECTIONS
    assert len(SessionDescription.parse("v=0\n" + "a=x\n" * (MAX_LINES - 1)).lines) == MAX_LINES


@pytest.mark.parametrize(
    ("value", "address", "ip"),
    [
        ("IN IP4 192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("IN IP6 2001:DB8:0::1", "2001:db8::1", "2001:db8::1"),
        ("IN IP6 ::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("IN IP4 Phone.Example.ORG", "phone.example.org", None),
        ("IN IP4 224.2.1.1/127/3", "224.2.1.1", "224.2.1.1"),
    ],
)
def test_connection(value: str, address: str, ip: str | None) -> None:
    connection = Connection.parse(value)
    assert connection.address == address
    assert connection.ip == (None if ip is None else ip_address(ip))


def test_connection_is_written_with_its_address_type() -> None:
    assert str(Connection("192.0.2.1")) == "IN IP4 192.0.2.1"
    assert str(Connection("2001:db8::1")) == "IN IP6 2001:db8::1"
    assert address_type("phone.example.org") == "IP4"
    assert numeric("010.0.0.1") is None  # whether that is octal nobody knows


def test_an_m_line_alone() -> None:
    assert str(MediaSection.parse("audio 5004 RTP/AVP 0 8")) == "m=audio 5004 RTP/AVP 0 8\r\n"


LINES = st.lists(
    st.one_of(
        st.sampled_from(VICEROY.split("\r\n")),
        st.sampled_from(["c=IN IP6 2001:db8::1", "m=audio 1/2 RTP/AVP 0", "a=sendonly", "m=x 0 y", "v=0"]),
        st.text(max_size=20),
        st.text(max_size=20).map(lambda text: f"a={text}"),
    ),
    max_size=12,
)


@given(LINES, st.sampled_from(["\r\n", "\n"]))
@example(["m=audio 1 \x1c 0"], "\n")
@example(["a=\ud800"], "\n")
def test_any_text_is_refused_or_survives_a_round_trip(lines: list[str], end: str) -> None:
    try:
        description = SessionDescription.parse(end.join(["v=0", *lines]))
    except InvalidSdp:
        return
    assert SessionDescription.parse(str(description)) == description
