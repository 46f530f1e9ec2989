"""The engine when somebody new takes a party's place: the other party notices nothing."""

import pytest

from ichat_gw.call.cause import Cause
from ichat_gw.call.media import MediaCandidate, MediaReplace, Side
from ichat_gw.media.relay_messages import Adjust, Learning, Open, Order, Retarget
from tests.media.relaying import CALLEE, CALLER, ICHAT, PHONE, Scene, audio_lines, our_port, sdp

CAROL = sdp("192.0.2.30", 40_000)


def talking() -> tuple[Scene, int]:
    """A phone calls iChat; the port is ours for the phone."""
    scene = Scene()
    scene.offer(PHONE)
    port = our_port(scene.answer(ICHAT))
    scene.drain()
    return scene, port


def candidate(scene: Scene, side: Side = CALLER) -> str:
    return scene.ready(MediaCandidate(scene.number(), side, "192.0.2.30"))


def at(host: str, port: int, side: Side = CALLER) -> Order:
    return Retarget(1, side, (host, port), (host, port + 1), Learning.NOTHING, 0.0)


def origin(text: str) -> str:
    return text.splitlines()[1]


def test_a_candidate_gets_an_offer_of_its_own_and_nothing_changes() -> None:
    scene, port = talking()
    before = scene.reoffer(CALLER, PHONE, "192.0.2.10")
    scene.drain()
    offer = candidate(scene)
    assert audio_lines(offer) == [f"m=audio {port} RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=sendrecv"]
    assert origin(offer).split()[1] != origin(before).split()[1], "another session"
    assert scene.drain() == []
    # The party that is there may still hold, in its own session.
    held = scene.reoffer(CALLER, sdp("192.0.2.10", 30_000, direction="sendonly"), "192.0.2.10")
    assert origin(held).split()[1] == origin(before).split()[1]


@pytest.mark.parametrize("side", [CALLER, CALLEE])
def test_who_answers_the_offer_has_the_place(side: Side) -> None:
    scene, _ = talking()
    offer = candidate(scene, side)
    said = scene.ready(MediaReplace(scene.number(), side, CAROL, "192.0.2.30", answers=True))
    assert said == ""
    assert scene.drain() == [at("192.0.2.30", 40_000, side)]
    # And goes on in the session of that offer.
    again = scene.reoffer(side, CAROL, "192.0.2.30")
    assert origin(again).split()[1] == origin(offer).split()[1]


def test_who_picks_up_before_the_caller_is_known_gets_what_the_phone_was_offered() -> None:
    scene = Scene()
    scene.offer(None)
    taken = MediaReplace(
        scene.number(), CALLEE, sdp("192.0.2.30", 40_000, formats="8 0"), "192.0.2.30", False
    )
    assert audio_lines(scene.ready(taken))[0].endswith("RTP/AVP 0")
    assert audio_lines(scene.answer(sdp("192.0.2.30", 40_000, formats="8 0")))[0].endswith("RTP/AVP 0")


def test_who_picks_up_with_nothing_that_the_phone_was_offered_changes_nothing() -> None:
    scene = Scene()
    scene.offer(None)
    taken = MediaReplace(scene.number(), CALLEE, sdp("192.0.2.30", 40_000, formats="8"), "192.0.2.30", False)
    assert scene.refused(taken).ending.warning == 305
    assert audio_lines(scene.answer(sdp("192.0.2.10", 30_000)))[0].endswith("RTP/AVP 0")


def test_a_party_on_hold_is_replaced_by_one_who_listens() -> None:
    scene, _ = talking()
    scene.reoffer(CALLER, sdp("192.0.2.10", 30_000, direction="sendonly"), "192.0.2.10")
    scene.drain()
    candidate(scene)
    scene.ready(MediaReplace(scene.number(), CALLER, CAROL, "192.0.2.30", answers=True))
    assert scene.drain() == [at("192.0.2.30", 40_000), Adjust(1, CALLER, receives=True)]


def test_who_calls_to_take_the_place_gets_an_answer() -> None:
    scene, port = talking()
    answer = scene.ready(MediaReplace(scene.number(), CALLER, CAROL, "192.0.2.30", answers=False))
    assert audio_lines(answer)[0] == f"m=audio {port} RTP/AVP 0"
    assert scene.drain() == [at("192.0.2.30", 40_000)]


def test_who_calls_without_an_offer_gets_one_and_answers_it() -> None:
    scene, port = talking()
    offer = scene.ready(MediaReplace(scene.number(), CALLER, None, "192.0.2.30", answers=False))
    assert audio_lines(offer) == [f"m=audio {port} RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=sendrecv"]
    assert scene.drain() == []
    assert scene.update(CALLER, CAROL) == ""
    assert scene.drain() == [at("192.0.2.30", 40_000)]


def test_an_answer_to_no_offer_changes_nothing() -> None:
    scene, _ = talking()
    refused = scene.refused(MediaReplace(scene.number(), CALLER, CAROL, "192.0.2.30", answers=True))
    assert refused.ending.cause is Cause.MEDIA_FAILED
    assert scene.drain() == []
    assert audio_lines(scene.reoffer(CALLER, PHONE, "192.0.2.10"))


@pytest.mark.parametrize("text", [sdp("192.0.2.30", 40_000, formats="18"), "nonsense", sdp("::1", 40_000)])
@pytest.mark.parametrize("answers", [True, False])
def test_who_cannot_be_talked_to_does_not_get_the_place(text: str, answers: bool) -> None:
    scene, _ = talking()
    candidate(scene)
    scene.refused(MediaReplace(scene.number(), CALLER, text, "192.0.2.30", answers=answers))
    assert scene.drain() == []
    # Another may still have it.
    scene.ready(MediaReplace(scene.number(), CALLER, CAROL, "192.0.2.30", answers=True))
    assert scene.drain() == [at("192.0.2.30", 40_000)]


def test_a_place_can_only_be_given_where_its_ports_are() -> None:
    scene = Scene(local=lambda host: "192.0.2.1" if host.startswith("192.0.2.") else "198.51.100.1")
    scene.talking()
    scene.drain()
    refused = scene.refused(MediaCandidate(scene.number(), CALLER, "198.51.100.9"))
    assert refused.ending.cause is Cause.NOT_ACCEPTABLE
    assert "cannot be reached from 192.0.2.1" in refused.ending.text
    refused = scene.refused(MediaReplace(scene.number(), CALLER, CAROL, "198.51.100.9", answers=False))
    assert refused.ending.cause is Cause.NOT_ACCEPTABLE


def test_before_there_are_ports_there_is_no_place() -> None:
    scene = Scene()
    scene.offer(PHONE)
    assert [type(order) for order in scene.drain()] == [Open]
    assert (
        scene.refused(MediaCandidate(scene.number(), CALLER, "192.0.2.30")).ending.cause is Cause.MEDIA_FAILED
    )


def test_a_partner_who_has_not_described_himself_is_offered_with_what_we_carry() -> None:
    scene = Scene()
    scene.offer(None)
    scene.answer(ICHAT)
    offer = scene.ready(MediaCandidate(scene.number(), CALLEE, "192.0.2.30"))
    assert audio_lines(offer)[0].endswith("AVP 0")


def test_whoever_comes_is_offered_only_what_the_partners_session_has() -> None:
    """The partner can do PCMA and G722 as well, but has been told of PCMU alone, and is not asked again."""
    partner = sdp("192.0.2.20", 16_402, formats="0 8 9")
    scene = Scene()
    scene.offer(sdp("192.0.2.10", 30_000, formats="0"))
    scene.answer(ICHAT)
    scene.reoffer(CALLEE, partner, "192.0.2.20")
    assert audio_lines(candidate(scene))[0].endswith("RTP/AVP 0")
    new = sdp("192.0.2.30", 40_000, formats="8 9 0")
    answer = scene.ready(MediaReplace(scene.number(), CALLER, new, "192.0.2.30", answers=False))
    assert audio_lines(answer)[0].endswith("RTP/AVP 0")
