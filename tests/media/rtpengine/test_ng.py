"""The datagrams of the ng protocol."""

import io
import wave

import pytest

from ichat_gw.media.relay_messages import Learning
from ichat_gw.media.rtpengine import ng
from ichat_gw.media.rtpengine.bencode import decode, encode


def reply(**body: object) -> ng.Reply:
    named = {name.replace("_", "-"): value for name, value in body.items()}
    return ng.read_reply(b"c_1 " + encode(named))  # type: ignore[arg-type]


def test_requests() -> None:
    assert ng.datagram("5323_1", ng.ping()) == b"5323_1 d7:command4:pinge"
    offer = ng.offer("7-1", "v=0", Learning.NOTHING, "IP6")
    assert offer["flags"] == ["trust-address", "strict-source", "port-latching", "endpoint-learning-off"]
    assert (offer["command"], offer["from-tag"], offer["address-family"]) == ("offer", "caller", "IP6")
    assert offer["supports"] == ["load limit"]
    answer = ng.answer("7-1", "v=0", Learning.ADDRESS, "IP4")
    assert answer["flags"] == [
        *("trust-address", "strict-source", "port-latching", "endpoint-learning-heuristic")
    ]
    assert (answer["command"], answer["to-tag"]) == ("answer", "callee")
    assert "supports" not in answer
    assert ng.delete("7-1")["delete-delay"] == 0
    assert ng.query("7-1") == {"command": "query", "call-id": "7-1"}
    assert decode(ng.datagram("c", offer).partition(b" ")[2])


def test_silence_is_a_wav_file_that_fits_into_a_packet() -> None:
    play = ng.play_silence("7-1", "callee")
    blob = play["blob"]
    assert isinstance(blob, bytes)
    with wave.open(io.BytesIO(blob)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (8000, 1, 480)
        assert not any(file.readframes(480))
    assert len(ng.datagram("0123456789ab_1234567", play)) < 1400
    assert (play["command"], play["from-tag"]) == ("play media", "callee")
    assert ng.stop_playing("7-1", "callee")["command"] == "stop media"


def test_replies() -> None:
    pong = ng.read_reply(b"5323_1 d6:result4:ponge")
    assert (pong.cookie, pong.result, pong.sdp) == ("5323_1", "pong", "")
    assert reply(result="ok", sdp="v=0\r\n").sdp == "v=0\r\n"
    unknown = reply(result="error", error_reason="Unknown call-id")
    assert (unknown.is_unknown_call, unknown.is_full, unknown.reason) == (True, False, "Unknown call-id")
    assert not reply(result="ok").is_unknown_call
    full = reply(result="load limit", message="Parallel session limit reached")
    assert (full.is_full, full.reason) == (True, "Parallel session limit reached")
    assert reply(result="error", error_reason="Ran out of ports").is_full
    assert reply(result="load limit").reason == "load limit"
    assert reply(result=1).result == ""


def test_what_it_says_may_stand_in_a_log() -> None:
    text = reply(result="error", error_reason=b"no\r\nway\x1b[1m \xff" + b"!" * 1000).reason
    assert text.startswith("no  way [1m \N{REPLACEMENT CHARACTER}!!")
    assert len(text) == ng.MAX_TEXT


@pytest.mark.parametrize(
    "data", [b"", b"c_1", b"c_1 ", b"c_1 i1e", b"c_1 d6:result", b"\xff d6:result4:ponge"]
)
def test_what_is_no_reply(data: bytes) -> None:
    with pytest.raises(ng.InvalidReply):
        ng.read_reply(data)
