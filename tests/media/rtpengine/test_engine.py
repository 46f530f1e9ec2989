"""The engine between bridges and rtpengines, as ladders: calls that go well."""

import pytest

from ichat_gw.call.cause import Cause
from ichat_gw.call.media import (
    MediaAnswer,
    MediaCandidate,
    MediaOffer,
    MediaPassedOn,
    MediaReady,
    MediaReoffer,
    MediaReplace,
    MediaRequest,
    MediaUpdate,
)
from ichat_gw.media.engine import MediaOver, MediaSettings, Statistics
from ichat_gw.media.rtpengine.transactions import REPEATS
from tests.media.relaying import ICHAT, PHONE, audio_lines, our_port, sdp
from tests.media.rtpengine.in_memory import CALLEE, CALLER, CAROL, ICHAT_AT, MOVED, NOWHERE, PHONE_AT, Scene

# --- requests ---------------------------------------------------------------------------------------------


def test_sip_calls_ichat() -> None:
    scene = Scene()
    offer = scene.offer()
    assert audio_lines(offer)[0] == "m=audio 20000 RTP/AVP 0 3"
    assert "c=IN IP4 192.0.2.100" in offer.splitlines()
    # Nothing passes before the answer: both are nowhere.
    assert scene.told() == [("offer", NOWHERE), ("answer", NOWHERE)]
    answer = scene.answer()
    assert audio_lines(answer)[0] == "m=audio 20002 RTP/AVP 0"
    assert scene.told() == [("offer", PHONE_AT), ("answer", ICHAT_AT)]
    assert scene.engine.ports_in_use == 2
    scene.nodes[0].counts = {"caller": 7, "callee": 6}
    statistics = scene.query("a", 1)
    assert statistics.counters is not None
    assert (statistics.counters.caller.received, statistics.counters.caller.sent) == (7, 6)
    scene.release()
    (over,) = scene.rest
    assert isinstance(over, MediaOver)
    assert over.counters == statistics.counters
    assert scene.told() == [("query", ""), ("delete", "")]
    assert (scene.engine.open_sessions, scene.engine.ports_in_use, scene.nodes[0].calls) == (0, 0, {})
    scene.release()
    assert scene.query("a", 2) == Statistics("a", 2, None)


def test_ichat_calls_sip_and_describes_itself_last() -> None:
    scene = Scene()
    scene.offer(None, "192.0.2.10")
    assert scene.told() == [("offer", NOWHERE), ("answer", NOWHERE)]
    scene.answer(PHONE, "2001:db8::5")
    # By now it is known that iChat is on IPv6.
    assert scene.nodes[0].asked[0][b"address-family"] == b"IP4"
    assert scene.nodes[0].asked[1][b"address-family"] == b"IP6"
    assert scene.told() == [("offer", ":::9"), ("answer", PHONE_AT)]
    answer = scene.reoffer(CALLER, sdp("2001:db8::5", 16_402))
    assert "c=IN IP6 2001:db8::e" in answer.splitlines()
    assert scene.told() == [("offer", "2001:db8::5:16402"), ("answer", PHONE_AT)]


def test_a_late_offer_is_answered_by_an_update() -> None:
    scene = Scene()
    scene.offer(None)
    scene.answer(ICHAT)
    scene.told()
    assert scene.ready(MediaUpdate(9, CALLER, PHONE)) == ""
    assert scene.told() == [("offer", PHONE_AT), ("answer", ICHAT_AT)]


def test_hold_and_a_party_that_moves() -> None:
    scene = Scene()
    scene.talking()
    scene.reoffer(CALLER, sdp("192.0.2.10", 30_000, direction="sendonly"))
    assert b"a=sendonly" in scene.nodes[0].asked[0][b"sdp"]
    assert scene.told() == [("offer", PHONE_AT), ("answer", ICHAT_AT)]
    # Without an address it stays where it was.
    scene.reoffer(CALLER, sdp("0.0.0.0", 30_000))
    assert b"a=sendonly" in scene.nodes[0].asked[0][b"sdp"]
    assert scene.told() == [("offer", PHONE_AT), ("answer", ICHAT_AT)]
    assert our_port(scene.reoffer(CALLER, MOVED)) == 20_002
    assert scene.told() == [("offer", "192.0.2.11:31000"), ("answer", ICHAT_AT)]
    # We are asked for an offer: it is nothing to rtpengine.
    assert "a=sendrecv" in scene.reoffer(CALLER, None)
    assert scene.told() == []


def test_a_phone_that_calls_while_it_holds() -> None:
    scene = Scene()
    scene.offer(sdp("0.0.0.0", 30_000))
    scene.answer()
    assert scene.told()[2:] == [("offer", NOWHERE), ("answer", ICHAT_AT)]


def test_somebody_new_takes_a_place() -> None:
    scene = Scene()
    scene.talking()
    candidate = scene.ready(MediaCandidate(8, CALLER, "192.0.2.30"))
    assert our_port(candidate) == 20_002
    assert scene.told() == [], "nothing changes yet"
    assert scene.ready(MediaReplace(9, CALLER, CAROL, "192.0.2.30", answers=True)) == ""
    assert scene.told() == [("offer", "192.0.2.30:40000"), ("answer", ICHAT_AT)]
    # And somebody who offers nothing himself: whoever was there stays until he has answered.
    assert our_port(scene.ready(MediaReplace(10, CALLER, None, "192.0.2.10", answers=False))) == 20_002
    assert scene.told() == []
    scene.reoffer(CALLEE, ICHAT)
    assert scene.told() == [("offer", "192.0.2.30:40000"), ("answer", ICHAT_AT)]
    assert scene.ready(MediaUpdate(11, CALLER, PHONE)) == ""
    assert scene.told() == [("offer", PHONE_AT), ("answer", ICHAT_AT)]
    other_family = MediaCandidate(12, CALLER, "2001:db8::9")
    assert scene.refused(other_family).ending.cause is Cause.NOT_ACCEPTABLE


def test_whether_an_offer_could_be_made_is_answered_without_a_word_to_rtpengine() -> None:
    scene = Scene()
    asked = len(scene.nodes[0].asked)
    scene.ask(MediaOffer(1, CALLER, PHONE, "", reserve=False))
    assert scene.replies[-1] == ("a", MediaReady(1, ""))
    assert (scene.engine.open_sessions, len(scene.nodes[0].asked)) == (0, asked)


def test_a_source_that_may_be_learnt() -> None:
    """A phone behind a NAT: its description names an address that is not where it signals from."""
    scene = Scene()
    scene.offer(sdp("10.0.0.7", 30_000))
    scene.answer(towards="198.51.100.7")
    flags = [request[b"flags"] for request in scene.nodes[0].asked[-2:]]
    assert b"endpoint-learning-heuristic" in flags[0]
    assert all(b"strict-source" in each for each in flags)


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (MediaAnswer(1, CALLEE, PHONE, ""), "no media is reserved for this call"),
        (MediaPassedOn(1, CALLEE, PHONE), "nothing was to be passed on"),
        (MediaOffer(1, CALLER, "rubbish", "192.0.2.20"), "expected"),
        (MediaOffer(1, CALLER, sdp("192.0.2.10", 0), "192.0.2.20"), "switched off"),
        (MediaOffer(1, CALLER, PHONE, "nowhere"), "no way to it"),
    ],
)
def test_what_cannot_be_met(request_: MediaRequest, why: str) -> None:
    scene = Scene()
    assert why in scene.refused(request_).ending.text
    assert scene.engine.open_sessions == 0
    assert scene.nodes[0].calls == {}


def test_media_that_would_go_round_in_a_circle() -> None:
    scene = Scene()
    scene.offer()
    ours = sdp("192.0.2.100", 20_000)
    assert "circle" in scene.refused(MediaReoffer(2, CALLER, ours, "192.0.2.10")).ending.text


def test_requests_of_one_call_are_met_one_after_the_other() -> None:
    scene = Scene()
    scene.talking()
    scene.nodes[0].silent = True
    scene.ask(MediaReoffer(7, CALLER, MOVED, "192.0.2.10"))
    scene.ask(MediaReoffer(8, CALLER, PHONE, "192.0.2.10"))
    assert scene.told() == [("offer", "192.0.2.11:31000")]
    scene.nodes[0].silent = False
    scene.wait(REPEATS[0])
    assert [reply.request for _, reply in scene.replies if isinstance(reply, MediaReady)] == [7, 8]
    assert [at for _, at in scene.told()] == ["192.0.2.11:31000", ICHAT_AT, PHONE_AT, ICHAT_AT]


def test_a_codec_less_after_a_reload() -> None:
    scene = Scene()
    scene._do(scene.engine.receive(MediaSettings(0, 0, frozenset({3}), 0.0), scene.now))
    assert audio_lines(scene.offer())[0] == "m=audio 20000 RTP/AVP 0"


def test_no_codec_is_left_to_offer() -> None:
    scene = Scene(filtered=frozenset({0}))
    refused = scene.refused(MediaOffer(1, CALLER, None, "192.0.2.20"))
    assert refused.ending.text == "CodecIdFilterList leaves no codec to offer"
    assert (scene.engine.open_sessions, scene.nodes[0].calls) == (0, {})
