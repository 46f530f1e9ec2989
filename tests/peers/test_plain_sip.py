import pytest

from peers.plain_sip import addr_uri, build, display_name, parameter, parse, sdp_audio


def test_taking_a_message_apart() -> None:
    message = parse(
        b"INVITE sip:user@127.0.0.1:1 SIP/2.0\r\nv: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx;rport\r\n"
        b'To: "5551234@gw" <sip:user@127.0.0.1:1>\r\nf: "alice@x"<sip:user@1.2.3.4>;tag=9\r\n'
        b"CSeq: 7 INVITE\r\n\r\nbody"
    )
    assert (message.kind, message.branch, message.cseq, message.body) == ("SIP INVITE", "z9hG4bKx", 7, "body")
    assert display_name(message["to"]) == "5551234@gw"
    assert addr_uri(message["From"]) == "sip:user@1.2.3.4"
    assert parameter(message["from"], "tag") == "9"


def test_building_a_response() -> None:
    message = parse(build("SIP/2.0 200 OK", [("CSeq", "1 BYE"), ("Via", "a"), ("Via", "b")], "x"))
    assert (message.status, message.kind, message.every("via")) == (200, "SIP 200 BYE", ["a", "b"])
    assert message["content-length"] == "1"


@pytest.mark.parametrize("data", [b"\r\n\r\n", b"\x00\x00", b"hello", b"INVITE x SIP/2.0\r\n"])
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(ValueError, match="not SIP"):
        parse(data)


def test_where_the_audio_goes() -> None:
    sdp = "c=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 105 0\r\nc=IN IP4 10.0.0.2\r\n{}m=video 5 RTP/AVP 1\r\n"
    assert sdp_audio(sdp.format("")) == ("10.0.0.2", 4000, [105, 0], 4001)
    assert sdp_audio(sdp.format("a=rtcp:4000\r\n")) == ("10.0.0.2", 4000, [105, 0], 4000)
