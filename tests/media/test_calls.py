"""Requests that are refused, or wait for others; where our addresses are. Shown with the built-in engine."""

from ichat_gw.call.cause import Cause
from ichat_gw.call.media import (
    MediaAnswer,
    MediaOffer,
    MediaPassedOn,
    MediaReady,
    MediaRelease,
    MediaReoffer,
    MediaUpdate,
)
from ichat_gw.errors import GatewayError
from ichat_gw.media.engine import MediaOver
from ichat_gw.media.relay_messages import Opened, Retarget
from tests.media.relaying import CALLEE, CALLER, ICHAT, PHONE, Scene, our_port, sdp

# --- addresses --------------------------------------------------------------------------------------------


def test_our_address_is_the_one_that_leads_to_the_party() -> None:
    ours = {"phone": "192.0.2.1", "ichat": "198.51.100.1"}
    scene = Scene(local=ours.__getitem__)
    assert "c=IN IP4 198.51.100.1\r\n" in scene.offer(PHONE, "ichat")
    assert "c=IN IP4 192.0.2.1\r\n" in scene.answer(ICHAT, "phone")


def test_host_of_the_description_decides_where_signalling_is_unknown() -> None:
    ours = {"phone": "192.0.2.1", "": "198.51.100.1", "192.0.2.10": "192.0.2.3"}
    scene = Scene(local=ours.__getitem__)
    assert "c=IN IP4 198.51.100.1\r\n" in scene.offer(PHONE, "")
    assert "c=IN IP4 192.0.2.3\r\n" in scene.answer(ICHAT, "")


def test_ipv6_media_of_a_caller_that_signals_over_ipv4() -> None:
    ours = {"ichat": "192.0.2.1", "phone": "192.0.2.1", "2001:db8::10": "2001:db8::1"}
    scene = Scene(local=ours.__getitem__)
    scene.offer(sdp("2001:db8::10", 5004), "ichat")
    assert "c=IN IP6 2001:db8::1\r\n" in scene.answer(ICHAT, "phone")
    assert isinstance(scene.orders[-1], Retarget)
    assert scene.orders[-1].rtp == ("2001:db8::10", 5004)


def test_a_party_of_another_family() -> None:
    scene = Scene()
    scene.offer(PHONE)
    refusal = scene.refused(MediaAnswer(2, CALLEE, sdp("2001:db8::20", 9), ""))
    assert refusal.ending.cause is Cause.NOT_ACCEPTABLE
    assert refusal.ending.text == "its address 2001:db8::20 cannot be reached from 192.0.2.1"


def test_a_caller_of_another_family() -> None:
    scene = Scene()
    scene.offer(sdp("2001:db8::10", 9))
    refusal = scene.refused(MediaAnswer(2, CALLEE, ICHAT, "phone"))
    assert "2001:db8::10 cannot be reached" in refusal.ending.text


def test_no_address_leads_there() -> None:
    def local(host: str) -> str:
        raise GatewayError("no route to Mars")

    scene = Scene(local=local)
    refusal = scene.refused(MediaOffer(1, CALLER, PHONE, "mars"))
    assert (refusal.ending.cause, refusal.ending.text) == (Cause.MEDIA_FAILED, "no route to Mars")
    assert scene.engine.ports_in_use == 0


def test_media_that_would_go_round_in_a_circle() -> None:
    """Two calls whose callees are each other are in order; if their callers were, too, that is a circle."""
    scene = Scene()
    one = our_port(scene.offer(PHONE, call="a"))
    two = our_port(scene.offer(PHONE, call="b"))
    scene.answer(sdp("192.0.2.1", two), call="a")
    towards_caller = our_port(scene.answer(sdp("192.0.2.1", one), call="b"))
    for port in (towards_caller, towards_caller + 1):
        refusal = scene.refused(MediaReoffer(scene.number(), CALLER, sdp("192.0.2.1", port), ""), "a")
        assert refusal.ending.cause is Cause.NOT_ACCEPTABLE
        assert "round in a circle" in refusal.ending.text


def test_a_call_that_comes_back_to_us_before_it_is_described_there() -> None:
    scene = Scene()
    scene.offer(PHONE, call="a")
    two = our_port(scene.offer(None, call="b"))
    scene.answer(sdp("192.0.2.1", two), call="a")


# --- refusals ---------------------------------------------------------------------------------------------


def test_no_common_codec() -> None:
    scene = Scene()
    refusal = scene.refused(MediaOffer(1, CALLER, sdp("192.0.2.10", 9, formats="13 96"), ""))
    assert (refusal.request, refusal.ending.sip_status) == (1, 488)
    assert (scene.engine.open_sessions, scene.engine.ports_in_use) == (0, 0)
    assert scene.drain() == []
    assert scene.rest == [MediaOver("a", None)]
    scene.offer(PHONE)  # ports that were not used need not rest


def test_not_a_description() -> None:
    scene = Scene()
    assert scene.refused(MediaOffer(1, CALLER, "hello", "")).ending.cause is Cause.MALFORMED


def test_a_refused_reoffer_changes_nothing() -> None:
    scene = Scene()
    scene.offer(PHONE)
    first = scene.answer(ICHAT)
    scene.drain()
    refusal = scene.refused(MediaReoffer(3, CALLER, sdp("192.0.2.10", 9, formats="8"), ""))
    assert refusal.ending.cause is Cause.NOT_ACCEPTABLE
    assert scene.drain() == []
    scene.requests = 3
    assert scene.reoffer(CALLER, None) == first


def test_requests_without_a_call() -> None:
    scene = Scene()
    for request in (
        MediaAnswer(1, CALLEE, ICHAT, ""),
        MediaReoffer(2, CALLEE, ICHAT, ""),
        MediaUpdate(3, CALLEE, ICHAT),
    ):
        assert scene.refused(request).ending.cause is Cause.MEDIA_FAILED


def test_a_call_is_offered_once() -> None:
    scene = Scene()
    scene.offer(PHONE)
    assert scene.refused(MediaOffer(2, CALLER, PHONE, "")).ending.cause is Cause.MEDIA_FAILED
    assert scene.engine.open_sessions == 1


def test_whether_an_offer_could_be_made_reserves_nothing() -> None:
    scene = Scene(ports=3)
    for offer in (PHONE, None):
        assert scene.ready(MediaOffer(scene.number(), CALLER, offer, "", reserve=False)) == ""
    for offer in ("hello", sdp("192.0.2.10", 9, formats="13 96")):
        scene.refused(MediaOffer(scene.number(), CALLER, offer, "", reserve=False))
    scene.offer(PHONE, call="b")
    full = scene.refused(MediaOffer(scene.number(), CALLER, PHONE, "", reserve=False))
    assert full.ending.cause is Cause.NO_RESOURCES
    assert (scene.engine.open_sessions, scene.engine.ports_in_use) == (1, 2)


def test_nothing_is_passed_on_here() -> None:
    scene = Scene()
    scene.talking()
    assert scene.refused(MediaPassedOn(3, CALLEE, ICHAT)).ending.cause is Cause.MEDIA_FAILED


def test_answers_to_offers_never_made() -> None:
    scene = Scene()
    scene.offer(PHONE)
    for request in (MediaAnswer(2, CALLER, PHONE, ""), MediaUpdate(3, CALLER, PHONE)):
        assert scene.refused(request).ending.text == "the caller was offered no media"


def test_range_exhausted() -> None:
    scene = Scene(ports=3)
    scene.offer(PHONE, call="a")
    refusal = scene.refused(MediaOffer(9, CALLER, PHONE, ""), "b")
    assert refusal.ending.sip_status == 503
    assert scene.engine.ports_in_use == 2
    scene.requests = 9
    scene.answer(ICHAT, call="a")  # established calls are not touched


def test_ports_rest_after_use() -> None:
    scene = Scene(ports=2, port_rest=2.0)
    scene.offer(PHONE)
    scene.ask(MediaRelease())
    scene.now = 1.9
    assert scene.refused(MediaOffer(2, CALLER, PHONE, "")).ending.cause is Cause.NO_RESOURCES
    scene.now = 2.0
    scene.requests = 2
    scene.offer(PHONE)


def test_requests_wait_for_each_other() -> None:
    scene = Scene()
    scene.offer(None)
    scene.obedient = False
    scene.ask(MediaAnswer(2, CALLEE, ICHAT, ""))
    scene.ask(MediaUpdate(3, CALLER, PHONE))
    assert scene.replies == []
    scene.say(Opened(1, CALLER))
    assert [reply.request for _, reply in scene.replies if isinstance(reply, MediaReady)] == [2, 3]


def test_a_refused_answer_whose_ports_are_open_already() -> None:
    """Offered IPv4, the phone's own media turns out to be IPv6 when iChat answers."""
    scene = Scene()
    scene.offer(None, "192.0.2.10")
    scene.answer(PHONE)
    refusal = scene.refused(MediaReoffer(3, CALLER, sdp("2001:db8::1", 9), ""))
    assert refusal.ending.cause is Cause.NOT_ACCEPTABLE
