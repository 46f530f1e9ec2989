"""Direct media, with the built-in relay behind it: who is told what, and what the relay is left for."""

import pytest

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.media import (
    MediaAnswer,
    MediaCandidate,
    MediaOffer,
    MediaPassedOn,
    MediaReoffer,
    MediaReplace,
    MediaUpdate,
)
from ichat_gw.media.engine import MediaSettings
from tests.media.direct_calls import CALLEE, CALLER, HELD, ICHAT, OURS, PHONE, REFUSED, Scene, local
from tests.media.relaying import audio_lines, sdp
from tests.media.test_sdp import VICEROY

# --- calls from SIP ---------------------------------------------------------------------------------------


def test_each_is_told_the_others_address() -> None:
    scene = Scene()
    to_ichat, to_phone = scene.sip_calls_ichat()
    assert "c=IN IP4 192.0.2.10" in to_ichat
    assert audio_lines(to_ichat) == ["m=audio 30000 RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=sendrecv"]
    assert "c=IN IP4 192.0.2.20" in to_phone
    assert audio_lines(to_phone) == [
        "m=audio 16402 RTP/AVP 0",
        "a=rtpmap:0 PCMU/8000",
        "a=rtcp:16402",
        "a=sendrecv",
    ]
    assert scene.paths == [(True, "")]
    assert scene.engine.ports_in_use == 0
    scene.release()
    assert scene.over == 0


def test_extra_sections_and_unknown_attributes_go_no_further() -> None:
    scene = Scene()
    scene.ready(MediaOffer, CALLER, VICEROY, "192.168.20.100", "192.168.20.198")
    phone = PHONE.replace("192.0.2.10", "192.168.20.100")
    answer = scene.ready(MediaAnswer, CALLEE, phone, "192.168.20.198")
    assert "m=video 0 RTP/AVP" in answer
    assert "rtpID" not in answer
    assert "c=IN IP4 192.168.20.100" in answer


def test_filtered_codecs_are_not_offered() -> None:
    scene = Scene(frozenset({3}))
    phone = sdp("192.0.2.10", 30_000, formats="3 0")
    assert "m=audio 30000 RTP/AVP 0\r\n" in scene.ready(MediaOffer, CALLER, phone, "192.0.2.20")
    scene.release()
    scene._do(scene.engine.receive(MediaSettings(8000, 8099, frozenset(), 0.0), 0.0))
    assert "m=audio 30000 RTP/AVP 3 0\r\n" in scene.ready(MediaOffer, CALLER, phone, "192.0.2.20")


def test_rtcp_elsewhere_and_on_the_same_port() -> None:
    scene = Scene()
    phone = sdp("192.0.2.10", 30_000, extra="a=rtcp:4000 IN IP4 192.0.2.11\r\na=ptime:20\r\n")
    offer = scene.ready(MediaOffer, CALLER, phone, "192.0.2.20")
    assert "a=rtcp:4000 IN IP4 192.0.2.11\r\n" in offer
    assert "a=ptime:20\r\n" in offer
    scene = Scene()
    muxed = sdp("192.0.2.10", 30_000, extra="a=rtcp-mux\r\n")
    assert "a=rtcp-mux" in scene.ready(MediaOffer, CALLER, muxed, "192.0.2.20")
    assert "a=rtcp-mux" not in scene.ready(MediaAnswer, CALLEE, ICHAT, "192.0.2.10")
    both = ICHAT + "a=rtcp-mux\r\n"
    assert "a=rtcp-mux" in scene.ready(MediaAnswer, CALLEE, both, "192.0.2.10")


@pytest.mark.parametrize(
    ("phone", "towards", "source", "why"),
    [
        (PHONE, "2001:db8::20", "192.0.2.10", "IPv4 and IPv6"),
        (PHONE, "127.0.0.1", "192.0.2.10", "cannot reach"),
        (PHONE, "192.0.2.20", "8.8.8.8", "NAT"),
        (
            sdp("192.0.2.10", 30_000, formats="96", extra="a=rtpmap:96 PCMU/8000\r\n"),
            "192.0.2.20",
            "",
            "types",
        ),
        (sdp("0.0.0.0", 30_000), "192.0.2.20", "", "on hold"),
    ],
)
def test_what_cannot_be_direct_is_relayed_from_the_start(
    phone: str, towards: str, source: str, why: str
) -> None:
    scene = Scene()
    offer = scene.ready(MediaOffer, CALLER, phone, towards, source)
    assert f"IN IP{6 if ':' in towards else 4} {local(towards)}" in offer
    ((direct, said),) = scene.paths
    assert not direct
    assert why in said
    answer = sdp("2001:db8::20", 16_402) if ":" in towards else ICHAT
    assert OURS in scene.ready(MediaAnswer, CALLEE, answer, "192.0.2.10")
    # From here on it is the relay's own affair.
    assert OURS in scene.ready(MediaReoffer, CALLER, PHONE.replace("sendrecv", "sendonly"), "192.0.2.10")
    assert scene.refused(MediaPassedOn, CALLEE, PHONE).cause is Cause.MEDIA_FAILED
    scene.release()
    assert scene.over == 1


def test_nothing_is_kept_of_a_question_whether_an_offer_could_be_made() -> None:
    scene = Scene()
    for phone, towards in ((PHONE, "192.0.2.20"), (PHONE, "2001:db8::20"), (None, "192.0.2.20")):
        assert scene.ready(MediaOffer, CALLER, phone, towards, reserve=False) == ""
        assert (scene.engine.calls, scene.engine.ports_in_use, scene.paths) == (0, 0, [])


def test_a_call_is_offered_once() -> None:
    scene = Scene()
    scene.ready(MediaOffer, CALLER, PHONE, "192.0.2.20")
    assert "already" in scene.refused(MediaOffer, CALLER, PHONE, "192.0.2.20").text
    scene.release()


@pytest.mark.parametrize("host", ["2001:db8::20", "127.0.0.1"])
def test_an_answer_from_where_nobody_thought(host: str) -> None:
    """iChat was offered the phone's address, and cannot be offered another: the call fails, and says why."""
    scene = Scene()
    scene.ready(MediaOffer, CALLER, PHONE, "192.0.2.20")
    ending = scene.refused(MediaAnswer, CALLEE, sdp(host, 16_402), "192.0.2.10")
    assert ending.sip_status == 488
    assert "AlwaysRelayIChatMedia = on" in ending.text
    scene.release()


def test_an_answer_from_behind_a_nat() -> None:
    scene = Scene()
    scene.ready(MediaOffer, CALLER, sdp("8.8.8.8", 30_000), "1.1.1.1")
    assert "cannot reach" in scene.refused(MediaAnswer, CALLEE, ICHAT, "8.8.8.8").text


def test_several_early_answers_and_the_last() -> None:
    scene = Scene()
    scene.ready(MediaOffer, CALLER, PHONE, "192.0.2.20")
    for host in ("192.0.2.20", "192.0.2.21", "192.0.2.20"):
        answer = sdp(host, 16_402)
        assert f"c=IN IP4 {host}" in scene.ready(MediaAnswer, CALLEE, answer, "192.0.2.10")
    assert scene.paths == [(True, "")]
    assert scene.refused(MediaOffer, CALLER, PHONE, "").cause is Cause.MEDIA_FAILED


# --- calls from iChat -------------------------------------------------------------------------------------


def test_a_call_is_moved_from_the_relay() -> None:
    scene = Scene()
    to_phone, to_ichat = scene.moved()
    assert "c=IN IP4 192.0.2.20" in to_phone
    assert audio_lines(to_phone)[0] == "m=audio 16402 RTP/AVP 0"
    assert "a=rtcp:16402" in to_phone
    assert f"IN IP4 {OURS}" in to_phone.partition("\r\nc=")[0]
    assert "c=IN IP4 192.0.2.10" in to_ichat
    assert scene.paths == [(True, "")]
    assert (scene.engine.ports_in_use, scene.over) == (0, 1)
    scene.release()
    assert scene.over == 1


def test_the_phone_will_not_have_it() -> None:
    scene = Scene()
    scene.ichat_calls_sip()
    scene.passes_on(MediaReoffer, CALLER, ICHAT, "192.0.2.20")
    to_ichat = scene.ready(MediaPassedOn, CALLEE, None, REFUSED)
    assert f"c=IN IP4 {OURS}" in to_ichat
    ((direct, why),) = scene.paths
    assert not direct
    assert "488" in why
    # It is not asked again.
    assert OURS in scene.ready(MediaReoffer, CALLER, HELD, "192.0.2.20")
    assert scene.ready(MediaReoffer, CALLEE, PHONE, "192.0.2.10")
    scene.release()


def test_a_phone_that_answers_from_another_network() -> None:
    scene = Scene()
    scene.ichat_calls_sip()
    scene.passes_on(MediaReoffer, CALLER, ICHAT, "192.0.2.20")
    assert "directly" in scene.refused(MediaPassedOn, CALLEE, sdp("127.0.0.1", 4000)).text
    scene.release()


@pytest.mark.parametrize(
    ("ichat", "why"),
    [
        (sdp("2001:db8::20", 16_402), "IPv4 and IPv6"),
        (sdp("192.0.2.20", 16_402, formats="96", extra="a=rtpmap:96 PCMU/8000\r\n"), "payload types"),
    ],
)
def test_an_ichat_that_cannot_be_direct(ichat: str, why: str) -> None:
    scene = Scene()
    scene.ichat_calls_sip()
    towards = "2001:db8::20" if "2001" in ichat else "192.0.2.20"
    assert local(towards) in scene.ready(MediaReoffer, CALLER, ichat, towards)
    assert why in scene.paths[0][1]
    assert scene.engine.ports_in_use == 2
    scene.release()


def test_numbers_that_the_phones_session_uses_for_something_else() -> None:
    """RFC 3264 8.3.2: what a number means must not change."""
    scene = Scene()
    scene.ready(MediaOffer, CALLER, None, "192.0.2.10")
    # The phone proposes codecs of its own before iChat describes itself.
    opus = sdp("192.0.2.10", 30_000, formats="0 97", extra="a=rtpmap:97 opus/48000/2\r\n")
    scene.ready(MediaAnswer, CALLEE, PHONE, "")
    scene.ready(MediaReoffer, CALLEE, opus, "192.0.2.10")
    ichat = sdp("192.0.2.20", 16_402, formats="97 0", extra="a=rtpmap:97 speex/16000\r\n")
    assert "m=audio 16402 RTP/AVP 0\r\n" in scene.passes_on(MediaReoffer, CALLER, ichat, "192.0.2.20")


def test_a_phone_that_was_not_understood_is_not_moved() -> None:
    scene = Scene()
    scene.ready(MediaOffer, CALLER, None, "192.0.2.10")
    assert scene.refused(MediaAnswer, CALLEE, "nonsense", "").cause is Cause.MALFORMED
    assert scene.ready(MediaReoffer, CALLER, ICHAT, "192.0.2.20")
    assert scene.paths == []
    scene.release()


def test_a_caller_that_answers_our_offer_last_of_all() -> None:
    scene = Scene()
    scene.ready(MediaOffer, CALLER, None, "192.0.2.20")
    scene.ready(MediaAnswer, CALLEE, ICHAT, "192.0.2.10")
    assert scene.ready(MediaUpdate, CALLER, PHONE.replace("0 8", "0")) == ""
    assert scene.paths == [(False, "the caller described itself last of all")]
    assert scene.ready(MediaUpdate, CALLER, PHONE.replace("0 8", "0")) == ""
    scene.release()


def test_a_party_that_is_replaced_before_both_are_known() -> None:
    scene = Scene()
    scene.ichat_calls_sip()
    assert OURS in scene.ready(MediaCandidate, CALLEE, "192.0.2.30")
    assert scene.paths == [(False, "a party was replaced before both were known")]
    assert scene.ready(MediaReplace, CALLEE, sdp("192.0.2.30", 5000), "192.0.2.30", True) == ""
    assert OURS in scene.ready(MediaReoffer, CALLER, ICHAT, "192.0.2.20")
    scene.release()


# --- changes ----------------------------------------------------------------------------------------------


def test_a_repeated_description_is_answered_here() -> None:
    scene = Scene()
    _, before = scene.sip_calls_ichat()
    assert scene.ready(MediaReoffer, CALLER, PHONE, "192.0.2.10") == before
    # Fewer codecs, as long as those in use stay.
    assert scene.ready(MediaReoffer, CALLER, PHONE.replace("0 8", "0"), "192.0.2.10") == before


@pytest.mark.parametrize("hold", ["a=sendonly", "a=inactive", "c=IN IP4 0.0.0.0"])
def test_a_hold_that_the_other_party_may_know(hold: str) -> None:
    scene = Scene()
    scene.sip_calls_ichat()
    held = PHONE.replace("c=IN IP4 192.0.2.10", hold) if hold[0] == "c" else PHONE.replace("a=sendrecv", hold)
    offer = scene.passes_on(MediaReoffer, CALLER, held, "192.0.2.10")
    assert "c=IN IP4 192.0.2.10" in offer
    assert ("a=inactive" if "inactive" in hold else "a=sendonly") in offer
    agreed = ICHAT.replace("sendrecv", "inactive" if "inactive" in hold else "recvonly")
    answer = scene.ready(MediaPassedOn, CALLEE, agreed)
    assert ("a=inactive" if "inactive" in hold else "a=recvonly") in answer
    # And back.
    assert "a=sendrecv" in scene.passes_on(MediaReoffer, CALLER, PHONE, "192.0.2.10")
    assert "a=sendrecv" in scene.ready(MediaPassedOn, CALLEE, ICHAT)


def test_a_hold_that_the_other_party_does_not_take() -> None:
    scene = Scene()
    scene.sip_calls_ichat()
    scene.passes_on(MediaReoffer, CALLER, PHONE.replace("sendrecv", "sendonly"), "192.0.2.10")
    assert "a=recvonly" in scene.ready(MediaPassedOn, CALLEE, None, REFUSED)
    scene.passes_on(MediaReoffer, CALLER, PHONE, "192.0.2.10")
    assert "a=sendrecv" in scene.ready(MediaPassedOn, CALLEE, None, REFUSED)


def test_a_party_that_moves() -> None:
    scene = Scene()
    scene.sip_calls_ichat()
    there = PHONE.replace("192.0.2.10", "192.0.2.11")
    assert "c=IN IP4 192.0.2.11" in scene.passes_on(MediaReoffer, CALLER, there, "192.0.2.10")
    assert "c=IN IP4 192.0.2.20" in scene.ready(MediaPassedOn, CALLEE, ICHAT)


def test_a_move_that_the_other_party_does_not_take() -> None:
    scene = Scene()
    scene.sip_calls_ichat()
    there = PHONE.replace("192.0.2.10", "192.0.2.11")
    scene.passes_on(MediaReoffer, CALLER, there, "192.0.2.10")
    ending = scene.refused(MediaPassedOn, CALLEE, None, REFUSED)
    assert (ending.status, "AlwaysRelayIChatMedia" in ending.text) == (488, True)
    # All is as it was.
    assert scene.ready(MediaReoffer, CALLER, PHONE, "192.0.2.10")


@pytest.mark.parametrize(
    ("ending", "status"), [(Ending(Cause.REJECTED, 491), 491), (Ending(Cause.TIMEOUT), 488), (None, 488)]
)
def test_how_a_refusal_is_told(ending: Ending | None, status: int) -> None:
    scene = Scene()
    scene.sip_calls_ichat()
    scene.passes_on(MediaReoffer, CALLER, PHONE.replace("30000", "30002"), "192.0.2.10")
    assert scene.refused(MediaPassedOn, CALLEE, None, ending).status == status


def test_a_move_to_where_nothing_is_direct() -> None:
    scene = Scene()
    scene.sip_calls_ichat()
    assert scene.refused(MediaReoffer, CALLER, sdp("2001:db8::10", 4000), "").status is None
    scene.passes_on(MediaReoffer, CALLER, PHONE.replace("30000", "30002"), "192.0.2.10")
    assert "directly" in scene.refused(MediaPassedOn, CALLEE, sdp("2001:db8::20", 4000)).text


def test_fewer_codecs_than_the_other_party_uses() -> None:
    scene = Scene()
    scene.moved()
    both = sdp("192.0.2.20", 16_402, formats="0 8", extra="a=rtcp:16402\r\n")
    assert "m=audio 16402 RTP/AVP 0 8" not in scene.ready(MediaReoffer, CALLER, both, "192.0.2.20")
    # Only what nobody has agreed to.
    assert scene.refused(MediaReoffer, CALLER, sdp("192.0.2.20", 16_402, formats="9"), "").warning == 305
    scene = Scene()
    two = sdp("192.0.2.10", 30_000, formats="0 3")
    scene.sip_calls_ichat(two, sdp("192.0.2.20", 16_402, formats="0 3"))
    offer = scene.passes_on(MediaReoffer, CALLER, two.replace("0 3", "3"), "192.0.2.10")
    assert "m=audio 30000 RTP/AVP 3\r\n" in offer
    assert scene.ready(MediaPassedOn, CALLEE, ICHAT.replace("AVP 0", "AVP 3"))


def test_a_party_that_asks_for_an_offer() -> None:
    scene = Scene()
    scene.sip_calls_ichat()
    offer = scene.ready(MediaReoffer, CALLER, None, "192.0.2.10")
    assert "c=IN IP4 192.0.2.20" in offer
    assert scene.ready(MediaUpdate, CALLER, PHONE.replace("0 8", "0")) == ""
    # Its answer moves it: the other party has to know, and if it will not, media goes where it can.
    scene.ready(MediaReoffer, CALLER, None, "192.0.2.10")
    there = sdp("192.0.2.11", 30_000)
    assert "192.0.2.11" in scene.passes_on(MediaUpdate, CALLER, there)
    assert scene.ready(MediaPassedOn, CALLEE, ICHAT) == ""
    scene.passes_on(MediaUpdate, CALLER, sdp("192.0.2.12", 30_000))
    assert scene.ready(MediaPassedOn, CALLEE, None, REFUSED) == ""


@pytest.mark.parametrize("kind", [MediaCandidate, MediaReplace])
def test_nobody_new_comes_into_a_direct_call(kind: type) -> None:
    scene = Scene()
    scene.sip_calls_ichat()
    more = (None, "192.0.2.30", False) if kind is MediaReplace else ("192.0.2.30",)
    ending = scene.refused(kind, CALLER, *more)
    assert ending.sip_status == 488
    assert "AlwaysRelayIChatMedia = on" in ending.text
