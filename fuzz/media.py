"""What comes with a call's media: session descriptions, RTP and RTCP, and what an rtpengine says."""

from random import Random

from ichat_gw.media.negotiation import NotAcceptable, for_ichat, offerable, read_audio
from ichat_gw.media.rtcp import Reports, rewrite_rtcp
from ichat_gw.media.rtp import Kind, classify, second_bytes
from ichat_gw.media.rtpengine.ng import InvalidReply, read_reply
from ichat_gw.media.sdp import InvalidSdp, SessionDescription
from ichat_gw.media.stream import Stream

SDP_SEEDS = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
    b"a=rtcp:4000\r\nm=video 0 RTP/AVP 31\r\n",
    b"v=0\no=a 1 2 IN IP6 ::1\ns= \nc=IN IP6 ::1\nt=0 0\na=sendonly\nm=audio 9 RTP/AVP 96\n"
    b"a=rtpmap:96 opus/48000/2\na=rtcp-mux\na=inactive\n",
)
RTP_SEEDS = (
    bytes.fromhex("80000001000000a0deadbeef") + bytes(160),
    bytes.fromhex("b0e50002000001400000000100000002bede0001aabbccdd") + bytes(20),
    bytes.fromhex("80c80006deadbeef") + bytes(20) + bytes.fromhex("81c90007000000010000000a") + bytes(20),
)
NG_SEEDS = (
    b"cookie d6:result2:ok3:sdp5:v=0\r\ne",
    b"c d7:createdi1e6:resultl1:a1:bd1:ai-7eeee",
)


def sdp(data: bytes) -> None:
    """A session description: only the documented errors, and what is read can be written and read again."""
    try:
        description = SessionDescription.parse(data.decode("latin-1"))
    except InvalidSdp:
        return
    assert SessionDescription.parse(str(description)) == description
    try:
        audio = read_audio(description, frozenset({13}))
        offerable(audio.formats)
        for_ichat(audio.formats)
    except (InvalidSdp, NotAcceptable):
        return


def rtp(data: bytes) -> None:
    """A datagram on a media port: no length in it leads out of it, and its own length never changes."""
    kind = classify(data)
    packet = bytearray(data)
    heard, sent = Stream(Random(1)), Stream(Random(2))
    if kind is Kind.RTP:
        sent.take(packet, 1.0, True, second_bytes(((0, 8),)))
        sent.take(bytearray(data), 1.02, False)
        sent.keep_alive(0, 8000, 3.0)
        sent.take(bytearray(data), 3.1, True)
    elif kind is Kind.RTCP:
        heard.keep_alive(0, 8000, 1.0)
        Reports().read(packet, 1.0, heard, Reports())
        rewrite_rtcp(packet, sent, heard)
    assert len(packet) == len(data)
    if kind is not None:
        assert classify(packet) is kind


def ng(data: bytes) -> None:
    """A reply of an rtpengine: the documented error, or something that can be asked what it says."""
    try:
        reply = read_reply(data)
    except InvalidReply:
        return
    assert isinstance(reply.result, str)
    assert isinstance(reply.reason + reply.sdp, str)
    assert not isinstance(reply.is_full, str)
