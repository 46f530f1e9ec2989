"""The engine between bridges and a relay worker, as ladders: calls that go well."""

import pytest

from ichat_gw.call.cause import Cause
from ichat_gw.call.media import MediaAnswer, MediaLost, MediaOffer, MediaRelease, MediaReoffer, Side
from ichat_gw.media.engine import CallCounters, FromNode, MediaOver, MediaSettings, PartStatus, Statistics
from ichat_gw.media.negotiation import read_audio
from ichat_gw.media.relay_messages import (
    Adjust,
    Close,
    Learning,
    Open,
    PartyCounters,
    Report,
    Retarget,
    Silent,
    Started,
)
from ichat_gw.media.sdp import SessionDescription
from tests.media.relaying import CALLEE, CALLER, ICHAT, PHONE, SOFTPHONE, Scene, audio_lines, our_port, sdp
from tests.media.test_sdp import VICEROY

# --- calls that go well -----------------------------------------------------------------------------------


def test_sip_calls_ichat() -> None:
    scene = Scene()
    to_ichat = scene.offer(PHONE)
    ours = our_port(to_ichat)
    assert audio_lines(to_ichat) == [
        f"m=audio {ours} RTP/AVP 0 3",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:3 GSM/8000",
        "a=sendrecv",
    ]
    assert scene.drain() == [Open(1, CALLEE, "192.0.2.1", ours)]

    to_phone = scene.answer(ICHAT)
    theirs = our_port(to_phone)
    assert theirs != ours
    assert audio_lines(to_phone) == [f"m=audio {theirs} RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=sendrecv"]
    assert scene.drain() == [
        Open(1, CALLER, "192.0.2.1", theirs),
        Retarget(1, CALLEE, ("192.0.2.20", 16_402), ("192.0.2.20", 16_403), Learning.NOTHING, 0.0),
        Retarget(1, CALLER, ("192.0.2.10", 30_000), ("192.0.2.10", 30_001), Learning.NOTHING, 0.0),
    ]

    scene.ask(MediaRelease())
    assert scene.drain() == [Close(1)]
    assert scene.rest == [MediaOver("a", CallCounters(PartyCounters(received=7), PartyCounters()))]
    assert (scene.engine.open_sessions, scene.engine.ports_in_use, scene.engine.deadline()) == (0, 0, None)
    scene.ask(MediaRelease())
    assert scene.drain() == []


def test_ichat_calls_sip() -> None:
    """iChat says nothing until the phone has answered; then it offers."""
    scene = Scene()
    to_phone = scene.offer(None, "192.0.2.10")
    assert audio_lines(to_phone)[1:] == ["a=rtpmap:0 PCMU/8000", "a=sendrecv"]
    unsent = scene.answer(PHONE, "192.0.2.20")
    scene.drain()
    to_ichat = scene.reoffer(CALLER, VICEROY, "192.168.20.198")
    ours = our_port(unsent)
    assert audio_lines(to_ichat) == [
        f"m=audio {ours} RTP/AVP 0",
        "a=rtpmap:0 PCMU/8000",
        "a=sendrecv",
        "m=video 0 RTP/AVP 123 126 34",
    ]
    assert to_ichat.splitlines()[1] == unsent.splitlines()[1]  # o=: the first that iChat sees
    host = "192.168.20.198"
    assert scene.drain() == [
        Retarget(1, CALLER, (host, 16_402), (host, 16_402), Learning.NOTHING, 0.0),
        Adjust(1, CALLER, receives=True, rates=((105, 22_050),)),
    ]


def test_sip_caller_that_offers_late() -> None:
    scene = Scene()
    scene.offer(None)
    to_phone = scene.answer(ICHAT)
    assert audio_lines(to_phone)[0].endswith("RTP/AVP 0")
    scene.drain()
    assert scene.update(CALLER, PHONE) == ""
    assert scene.drain() == [
        Retarget(1, CALLER, ("192.0.2.10", 30_000), ("192.0.2.10", 30_001), Learning.NOTHING, 0.0)
    ]


def test_hold_and_resume() -> None:
    scene = Scene()
    scene.talking()
    scene.drain()
    held = scene.reoffer(CALLER, sdp("192.0.2.10", 30_000, direction="sendonly"), "192.0.2.10")
    assert audio_lines(held)[-1] == "a=recvonly"
    where = Retarget(1, CALLER, ("192.0.2.10", 30_000), ("192.0.2.10", 30_001), Learning.NOTHING, 0.0)
    assert scene.drain() == [where, Adjust(1, CALLER, receives=False)]
    again = scene.reoffer(CALLER, PHONE, "192.0.2.10")
    assert audio_lines(again)[-1] == "a=sendrecv"
    assert scene.drain() == [where, Adjust(1, CALLER, receives=True)]
    versions = [int(text.splitlines()[1].split()[2]) for text in (held, again)]
    assert versions[1] == versions[0] + 1


def test_hold_by_address_leaves_the_relay_where_it_was() -> None:
    scene = Scene()
    scene.talking()
    scene.drain()
    held = scene.reoffer(CALLER, sdp("0.0.0.0", 30_000), "192.0.2.10")
    assert audio_lines(held)[-1] == "a=recvonly"
    assert scene.drain() == [Adjust(1, CALLER, receives=False, controlled=False)]


def test_reinvite_without_description() -> None:
    scene = Scene()
    scene.offer(PHONE)
    first = scene.answer(ICHAT)
    scene.drain()
    assert scene.reoffer(CALLER, None, "192.0.2.10") == first
    assert scene.drain() == []
    scene.update(CALLER, sdp("192.0.2.10", 31_000))
    assert scene.drain() == [
        Retarget(1, CALLER, ("192.0.2.10", 31_000), ("192.0.2.10", 31_001), Learning.NOTHING, 0.0)
    ]


def test_reinvite_without_description_keeps_refused_video() -> None:
    scene = Scene()
    scene.offer(None, "192.0.2.10")
    scene.answer(PHONE, "192.168.20.198")
    said = scene.reoffer(CALLER, VICEROY, "192.168.20.198")
    assert scene.reoffer(CALLER, None, "192.168.20.198") == said


def test_direction_of_both_is_told_to_each() -> None:
    scene = Scene()
    assert audio_lines(scene.offer(sdp("192.0.2.10", 9, direction="sendonly")))[-1] == "a=sendonly"
    assert audio_lines(scene.answer(sdp("192.0.2.20", 9, direction="recvonly")))[-1] == "a=recvonly"
    scene = Scene()
    scene.offer(PHONE)
    assert audio_lines(scene.answer(sdp("192.0.2.20", 9, direction="inactive")))[-1] == "a=inactive"


def test_a_number_of_its_own_for_pcmu() -> None:
    """The caller calls PCMU 97, the callee knows it by its fixed number."""
    scene = Scene()
    to_ichat = scene.offer(sdp("192.0.2.10", 9, formats="97 8", extra="a=rtpmap:97 PCMU/8000\r\n"))
    assert audio_lines(to_ichat)[1] == "a=rtpmap:0 PCMU/8000"
    assert audio_lines(scene.answer(ICHAT))[1] == "a=rtpmap:97 PCMU/8000"
    assert scene.drain()[-2:] == [
        Adjust(1, CALLER, receives=True, renumbered=((97, 0),), keep_alive=(97, 8_000)),
        Adjust(1, CALLEE, receives=True, renumbered=((0, 97),)),
    ]
    offer = SessionDescription.parse(scene.reoffer(CALLER, None))
    assert [(each.number, each.codec.name) for each in read_audio(offer).formats] == [(97, "PCMU")]


def test_an_answer_with_a_number_of_its_own() -> None:
    """Sloppy but seen: what it sends may bear its own number or ours."""
    scene = Scene()
    scene.offer(PHONE)
    scene.answer(sdp("192.0.2.20", 9, formats="97", extra="a=rtpmap:97 PCMU/8000\r\n"))
    assert scene.drain()[-2:] == [
        Adjust(1, CALLER, receives=True, renumbered=((0, 97),)),
        Adjust(1, CALLEE, receives=True, renumbered=((97, 0),), keep_alive=(97, 8_000)),
    ]


def test_filtered_codecs_are_taken_out_of_offers() -> None:
    scene = Scene(filtered=frozenset({0, 3}))
    assert audio_lines(scene.offer(PHONE))[0].endswith("RTP/AVP 8")
    refusal = scene.refused(MediaOffer(2, CALLER, None, ""), "b")
    assert refusal.ending.text == "CodecIdFilterList leaves no codec to offer"
    only = sdp("192.0.2.10", 9, formats="0 97", extra="a=rtpmap:97 PCMU/8000\r\n")
    assert scene.refused(MediaOffer(3, CALLER, only, ""), "c").ending.cause is Cause.NOT_ACCEPTABLE
    assert scene.engine.open_sessions == 1


def test_what_the_worker_must_know_of_codecs() -> None:
    """Clock rates, and with what to keep a party alive: the first codec that both talk with."""
    scene = Scene()
    scene.offer(SOFTPHONE)
    scene.answer(sdp("192.0.2.20", 9, formats="101 9 111", extra=SOFTPHONE.partition("sendrecv\r\n")[2]))
    caller, callee = [order for order in scene.drain() if isinstance(order, Adjust)]
    assert (caller.rates, caller.keep_alive) == (((111, 48_000),), (111, 48_000))
    assert (callee.rates, callee.keep_alive) == (((111, 48_000),), (9, 8_000))


def test_rtcp_on_the_port_of_rtp() -> None:
    scene = Scene()
    muxing = sdp("192.0.2.10", 30_000, extra="a=rtcp-mux\r\n")
    assert "rtcp-mux" not in scene.offer(muxing)
    assert "a=rtcp-mux" in audio_lines(scene.answer(ICHAT))
    assert scene.drain()[-2:] == [
        Retarget(1, CALLER, ("192.0.2.10", 30_000), ("192.0.2.10", 30_000), Learning.NOTHING, 0.0),
        Adjust(1, CALLER, receives=True, mux=True),
    ]


def test_a_party_that_is_silent_for_too_long() -> None:
    """Only where both may talk: a call on hold may be silent."""
    scene = Scene(media_timeout=60.0)
    scene.talking()
    assert scene.drain()[-2:] == [Adjust(1, side, receives=True, timeout=60.0) for side in Side]
    scene.reoffer(CALLER, sdp("192.0.2.10", 30_000, direction="sendonly"), "192.0.2.10")
    assert scene.drain()[-2:] == [Adjust(1, CALLER, receives=False), Adjust(1, CALLEE, receives=True)]
    scene.reoffer(CALLER, PHONE, "192.0.2.10")
    assert scene.drain()[-2:] == [Adjust(1, side, receives=True, timeout=60.0) for side in Side]

    scene.say(Silent(1, CALLEE))
    call, reply = scene.replies.pop()
    assert call == "a"
    assert isinstance(reply, MediaLost)
    assert reply.ending.cause is Cause.MEDIA_TIMEOUT
    assert reply.ending.text == "nothing from the callee for 60 s"
    scene.obedient = False
    scene.ask(MediaRelease())
    scene.say(Silent(1, CALLER))
    scene.say(Silent(9, CALLER))
    assert scene.replies == []


def test_all_that_both_can_use_is_agreed_on() -> None:
    """In the offerer's order; each party keeps the numbers that it knows."""
    scene = Scene()
    offered = audio_lines(scene.offer(SOFTPHONE))
    assert offered[0].endswith("RTP/AVP 111 9 101")
    assert offered[1:] == [
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 stereo=0",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=maxptime:60",
        "a=sendrecv",
    ]
    answer = sdp(
        "192.0.2.20",
        5004,
        formats="96 107 105",
        extra="a=rtpmap:107 opus/48000/2\r\na=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-11\r\n"
        "a=rtpmap:105 X-AAC_ELD/22050\r\na=ptime:40\r\n",
    )
    assert audio_lines(scene.answer(answer))[1:] == [
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-11",
        "a=ptime:40",
        "a=sendrecv",
    ]
    renumbered = {order.side: order.renumbered for order in scene.drain() if isinstance(order, Adjust)}
    assert renumbered[CALLER] == ((101, 96), (111, 107))
    assert renumbered[CALLEE] == ((96, 101), (107, 111))


def test_ichat_callee_that_can_only_pcmu() -> None:
    scene = Scene()
    offered = scene.offer(SOFTPHONE.replace("111 9 101", "111 9 0 101"))
    assert audio_lines(offered)[0].endswith("RTP/AVP 0")
    answer = sdp("192.0.2.20", 16_402, formats="0 105", extra="a=rtpmap:105 X-AAC_ELD/22050\r\n")
    assert audio_lines(scene.answer(answer))[1:] == ["a=rtpmap:0 PCMU/8000", "a=sendrecv"]


def test_answer_without_anything_that_was_offered() -> None:
    scene = Scene()
    scene.offer(sdp("192.0.2.10", 30_000, formats="8"))
    refusal = scene.refused(MediaAnswer(2, CALLEE, ICHAT, ""))
    assert refusal.ending.cause is Cause.NOT_ACCEPTABLE
    assert refusal.ending.text == "the two parties have no audio codec in common"


def test_reoffer_without_a_common_codec_changes_nothing() -> None:
    scene = Scene()
    scene.offer(PHONE)
    first = scene.answer(ICHAT)
    scene.drain()
    refusal = scene.refused(MediaReoffer(scene.number(), CALLER, sdp("192.0.2.11", 9, formats="8"), ""))
    assert refusal.ending.cause is Cause.NOT_ACCEPTABLE
    assert scene.drain() == []
    assert scene.reoffer(CALLER, PHONE) == first


@pytest.mark.parametrize(
    ("host", "towards", "learning", "window"),
    [
        ("10.0.0.5", "203.0.113.9", Learning.ADDRESS, 5.0),
        ("10.0.0.5", "10.0.0.5", Learning.NOTHING, 0.0),
        ("8.8.4.4", "203.0.113.9", Learning.PORT, 5.0),
    ],
)
def test_learning(host: str, towards: str, learning: Learning, window: float) -> None:
    scene = Scene()
    scene.offer(PHONE, towards)
    scene.answer(sdp(host, 5004))
    assert Retarget(1, CALLEE, (host, 5004), (host, 5005), learning, window) in scene.drain()


def test_private_caller_that_signals_from_there() -> None:
    """Where the caller signals from is known when it is answered."""
    scene = Scene()
    scene.offer(sdp("10.0.0.5", 5004))
    scene.answer(ICHAT, "10.0.0.5")
    assert scene.drain()[-1] == Retarget(
        1, CALLER, ("10.0.0.5", 5004), ("10.0.0.5", 5005), Learning.NOTHING, 0.0
    )


# --- counters ---------------------------------------------------------------------------------------------


def test_statistics() -> None:
    scene = Scene()
    scene.offer(PHONE)
    scene.query("a", 5)
    assert scene.rest == [Statistics("a", 5, CallCounters(PartyCounters(received=3), PartyCounters()))]
    scene.say(Report(1, 5, PartyCounters(), PartyCounters()))
    assert len(scene.rest) == 1


def test_statistics_of_an_unknown_call_and_of_a_lost_one() -> None:
    scene = Scene()
    scene.query("x", 1)
    scene.offer(PHONE)
    scene.obedient = False
    scene.query("a", 2)
    scene.die()
    assert [each for each in scene.rest if isinstance(each, Statistics)] == [
        Statistics("x", 1, None),
        Statistics("a", 2, None),
    ]


# --- beside calls --------------------------------------------------------------------------------------


def test_how_the_workers_are() -> None:
    scene = Scene(up=False)
    assert scene.engine.status().parts == (PartStatus("relay worker 0", False, 0),)
    scene.say(Started(77, "compiled"))
    scene.offer(PHONE)
    status = scene.engine.status()
    assert status.parts == (PartStatus("relay worker 0", True, 1, "compiled", 77),)
    assert (status.engine, status.ports_in_use) == ("builtin", 2)
    scene.die()
    assert scene.engine.status().parts == (PartStatus("relay worker 0", False, 1),)


def test_other_settings_hold_from_the_next_description_on() -> None:
    scene = Scene(ports=2)
    scene.offer(PHONE)
    same = MediaSettings(8000, 8003, frozenset(), 60.0)
    assert scene.engine.receive(same, scene.now) == []
    assert scene.engine._ports.in_use == 2
    scene._do(scene.engine.receive(MediaSettings(9000, 9003, frozenset({8}), 0.0), scene.now))
    answer = scene.offer(PHONE, call="b")
    port = int(answer.split("m=audio ")[1].split()[0])
    assert port in (9000, 9002)
    assert " 8" not in answer.split("m=audio ")[1].split("\r\n")[0].partition("RTP/AVP")[2]


def test_what_an_rtpengine_says_is_nothing_to_the_workers_engine() -> None:
    scene = Scene()
    assert scene.engine.receive(FromNode(b"1_1 d6:result4:ponge"), 0.0) == []
