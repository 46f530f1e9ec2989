"""An established session: the 2xx and its ACK, re-INVITEs, BYE in both directions, and their races."""

import pytest

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    AcceptReoffer,
    Answer,
    Answered,
    Confirmed,
    End,
    Ended,
    Party,
    Place,
    Refuse,
    RefuseReoffer,
    Reoffered,
)
from tests.sip.ladder import Ladder, Peer, sdp

HUNG_UP = Ended(Ending(Cause.HANGUP))
HANG_UP = End(Ending(Cause.HANGUP))


def answered(offer: str | None = "offer") -> tuple[Ladder, Peer, int]:
    """They called, our 200 is out, no ACK yet."""
    ladder = Ladder()
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp(offer) if offer else None)
    call = ladder.call()
    ladder.tell(call, Answer(sdp("answer")))
    assert phone.gets(100)
    phone.gets(200)
    return ladder, phone, call


def talking() -> tuple[Ladder, Peer, int]:
    """They called and the call is up."""
    ladder, phone, call = answered()
    phone.sends("ACK", seq=1)
    ladder.hears(call, Confirmed())
    return ladder, phone, call


def talking_to_callee() -> tuple[Ladder, Peer, int]:
    """We called and the call is up."""
    ladder = Ladder()
    phone = ladder.phone()
    call = ladder.place(Place("sip:bob@192.0.2.9", Party("sip:alice@example.com"), sdp("offer"), "alice"))
    phone.answers(phone.gets_request("INVITE"), 200, sdp=sdp("answer"))
    phone.gets("ACK")
    ladder.hears(call, Answered(sdp("answer")))
    return ladder, phone, call


# --- 200 and ACK ------------------------------------------------------------------------------------------


def test_a_200_is_repeated_until_the_ack_comes() -> None:
    ladder, phone, call = answered()
    ladder.later(3.5)
    assert phone.got() == [200, 200, 200]
    phone.sends("ACK", seq=1)
    phone.sends("ACK", seq=1)
    ladder.hears(call, Confirmed())
    ladder.later(30)
    phone.silent()


def test_without_ack_the_call_is_hung_up() -> None:
    ladder, phone, call = answered()
    ladder.later(31.9)
    assert phone.got() == [200] * 10
    ladder.later(0.1)
    ladder.hears(call, Ended(Ending(Cause.TIMEOUT, text="no ACK to our 200")))
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.ends_empty(call)


def test_ack_of_another_number_or_from_another_is_not_the_ack() -> None:
    ladder, phone, call = answered()
    phone.sends("ACK", seq=2)
    phone.tag = "stranger"
    phone.sends("ACK", seq=1)
    ladder.hears_nothing()
    ladder.tell(call, HANG_UP)
    ladder.ends_empty(call)


def test_late_offer_the_ack_brings_the_answer() -> None:
    ladder, phone, call = answered(None)
    phone.sends("ACK", seq=1, sdp=sdp("late"))
    ladder.hears(call, Confirmed(sdp("late")))


def test_late_offer_without_an_answer_ends_the_call() -> None:
    ladder, phone, call = answered(None)
    phone.sends("ACK", seq=1)
    ladder.hears(call, Ended(Ending(Cause.MALFORMED, text="ACK without the answer to our offer")))
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.ends_empty(call)


def test_hanging_up_before_the_ack_waits_for_the_ack() -> None:
    ladder, phone, call = answered()
    ladder.tell(call, HANG_UP)
    ladder.tell(call, HANG_UP)
    phone.silent()
    assert ladder.agent.unanswered == 1  # the BYE that is owed
    ladder.later(0.5)
    phone.gets(200)
    phone.sends("ACK", seq=1)
    assert ladder.agent.unanswered == 1
    phone.answers(phone.gets_request("BYE"), 200)
    assert ladder.agent.unanswered == 0
    ladder.ends_empty(call)


def test_hanging_up_when_the_ack_never_comes() -> None:
    ladder, phone, call = answered()
    ladder.tell(call, HANG_UP)
    ladder.later(31.9)
    assert set(phone.got()) == {200}
    ladder.later(0.1)
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.ends_empty(call)


def test_bye_before_the_ack() -> None:
    ladder, phone, call = answered()
    phone.sends("BYE")
    phone.gets(200)
    ladder.hears(call, HUNG_UP)
    ladder.later(10)
    phone.silent()
    phone.sends("ACK", seq=1)
    ladder.ends_empty(call)


def test_bye_of_theirs_while_ours_waits_for_the_ack() -> None:
    ladder, phone, call = answered()
    ladder.tell(call, HANG_UP)
    phone.sends("BYE")
    phone.gets(200)
    phone.sends("ACK", seq=1)
    phone.silent()
    ladder.ends_empty(call)


# --- BYE --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("up", [talking, talking_to_callee])
def test_bye_crosses_bye(up: object) -> None:
    ladder, phone, call = up()  # type: ignore[operator]
    ladder.tell(call, HANG_UP)
    bye = phone.gets_request("BYE")
    phone.sends("BYE")
    phone.gets(200)
    phone.answers(bye, 481)
    phone.sends("BYE")
    phone.gets(481)
    ladder.ends_empty(call)


def test_copies_of_bye_get_the_same_answer() -> None:
    ladder, phone, call = talking()
    bye = phone.sends("BYE")
    phone.throws(bye)
    ladder.later(10)
    phone.throws(bye)
    assert phone.got() == [200, 200, 200]
    ladder.hears(call, HUNG_UP)
    ladder.tell(call, HANG_UP)
    phone.silent()
    ladder.ends_empty(call)


def test_bye_that_nobody_answers_is_given_up() -> None:
    ladder, phone, call = talking()
    ladder.tell(call, HANG_UP)
    ladder.later(32)
    assert phone.got() == ["BYE"] * 11
    ladder.ends_empty(call)


def test_after_bye_there_is_no_dialog() -> None:
    ladder, phone, call = talking()
    ladder.tell(call, HANG_UP)
    bye = phone.gets_request("BYE")
    phone.sends("INVITE", sdp=sdp("hold"))
    phone.gets(481)
    phone.answers(bye, 200)
    ladder.ends_empty(call)


# --- re-INVITE --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("up", [talking, talking_to_callee])
def test_hold_and_resume(up: object) -> None:
    ladder, phone, call = up()  # type: ignore[operator]
    for wish in ("hold", "resume"):
        invite = phone.sends("INVITE", sdp=sdp(wish))
        phone.gets(100)
        ladder.hears(call, Reoffered(sdp(wish)))
        phone.throws(invite)
        phone.gets(100)
        ladder.tell(call, AcceptReoffer(sdp(f"to {wish}")))
        assert phone.gets(200).body == sdp(f"to {wish}").encode()
        ladder.later(0.5)
        phone.gets(200)
        phone.sends("ACK", seq=invite.cseq.number)
        ladder.later(5)
        phone.silent()
        ladder.hears_nothing()
    phone.sends("BYE")
    phone.gets(200)
    ladder.hears(call, HUNG_UP)
    ladder.ends_empty(call)


def test_they_ask_for_our_offer() -> None:
    ladder, phone, call = talking()
    phone.sends("INVITE")
    phone.gets(100)
    ladder.hears(call, Reoffered(None))
    ladder.tell(call, AcceptReoffer(sdp("ours")))
    phone.gets(200)
    # While our offer is open there cannot be another one.
    phone.sends("INVITE", sdp=sdp("other"))
    phone.gets(491)
    phone.sends("ACK", seq=2, sdp=sdp("theirs"))
    ladder.hears(call, Confirmed(sdp("theirs")))


def test_reinvite_refused_and_the_call_goes_on() -> None:
    ladder, phone, call = talking()
    for ending, status in (
        (Ending(Cause.NOT_ACCEPTABLE), 488),
        (Ending(Cause.TIMEOUT), 488),
        (Ending(Cause.MEDIA_FAILED), 500),
    ):
        invite = phone.sends("INVITE", sdp=sdp("odd"))
        ladder.hears(call, Reoffered(sdp("odd")))
        ladder.tell(call, RefuseReoffer(ending))
        assert phone.got() == [100, status]
        phone.sends("ACK", seq=invite.cseq.number, branch=invite.via.branch)
        ladder.tell(call, RefuseReoffer(ending))
        ladder.tell(call, AcceptReoffer(sdp("late")))
        phone.silent()
    phone.sends("OPTIONS")
    phone.gets(200)


def test_one_reinvite_at_a_time() -> None:
    ladder, phone, call = talking()
    phone.sends("INVITE", sdp=sdp("first"))
    phone.gets(100)
    ladder.hears(call, Reoffered(sdp("first")))
    phone.sends("INVITE", sdp=sdp("second"))
    assert phone.gets(500).headers.get("Retry-After") == "1"
    ladder.hears_nothing()
    ladder.tell(call, AcceptReoffer(sdp("answer")))
    phone.gets(200)


def test_reinvite_overtakes_the_ack() -> None:
    """They have our 200, or they would not ask: RFC 5407 section 3.1.4."""
    ladder, phone, call = answered()
    phone.sends("INVITE", sdp=sdp("hold"))
    phone.gets(100)
    ladder.hears(call, Confirmed(), Reoffered(sdp("hold")))
    phone.sends("ACK", seq=1)
    ladder.later(5)
    phone.silent()
    ladder.tell(call, AcceptReoffer(sdp("held")))
    phone.gets(200)
    # The same with the ACK to a re-INVITE: nothing is confirmed twice.
    phone.sends("INVITE", sdp=sdp("resume"))
    phone.gets(100)
    ladder.hears(call, Reoffered(sdp("resume")))
    ladder.tell(call, AcceptReoffer(sdp("resumed")))
    phone.gets(200)
    phone.sends("ACK", seq=3)
    phone.sends("BYE")
    phone.gets(200)
    ladder.hears(call, HUNG_UP)
    ladder.ends_empty(call)


def test_reinvite_without_ack_ends_the_call() -> None:
    ladder, phone, call = talking()
    phone.sends("INVITE", sdp=sdp("hold"))
    ladder.hears(call, Reoffered(sdp("hold")))
    ladder.tell(call, AcceptReoffer(sdp("held")))
    ladder.later(32)
    ladder.hears(call, Ended(Ending(Cause.TIMEOUT, text="no ACK to our 200")))
    assert phone.got()[-1] == "BYE"
    ladder.ends_empty(call)


def test_bye_overtakes_the_answer_to_a_reinvite() -> None:
    ladder, phone, call = talking()
    phone.sends("INVITE", sdp=sdp("hold"))
    phone.gets(100)
    phone.sends("BYE")
    assert phone.got() == [200, 487]
    ladder.hears(call, Reoffered(sdp("hold")), HUNG_UP)
    ladder.tell(call, AcceptReoffer(sdp("held")))
    phone.silent()
    ladder.ends_empty(call)


def test_we_hang_up_while_a_reinvite_is_pending() -> None:
    ladder, phone, call = talking()
    invite = phone.sends("INVITE", sdp=sdp("hold"))
    ladder.hears(call, Reoffered(sdp("hold")))
    ladder.tell(call, HANG_UP)
    assert [m for m in phone.got() if m != 100] == [487, "BYE"]
    phone.sends("ACK", seq=invite.cseq.number, branch=invite.via.branch)
    ladder.ends_empty(call)


def test_we_hang_up_while_the_200_to_a_reinvite_waits_for_its_ack() -> None:
    ladder, phone, call = talking()
    phone.sends("INVITE", sdp=sdp("hold"))
    ladder.hears(call, Reoffered(sdp("hold")))
    ladder.tell(call, AcceptReoffer(sdp("held")))
    ladder.tell(call, HANG_UP)
    assert phone.got() == [100, 200]
    phone.sends("INVITE", sdp=sdp("again"))
    phone.gets(481)
    phone.sends("ACK", seq=2)
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.ends_empty(call)


def test_reinvite_pending_when_the_first_ack_never_came() -> None:
    ladder, phone, call = answered()
    phone.sends("INVITE", sdp=sdp("hold"))
    ladder.hears(call, Confirmed(), Reoffered(sdp("hold")))
    ladder.later(60)
    assert set(phone.got()) == {100}
    ladder.hears_nothing()


def test_cancel_of_a_reinvite_does_not_stop_it() -> None:
    ladder, phone, call = talking()
    invite = phone.sends("INVITE", sdp=sdp("hold"))
    phone.gets(100)
    ladder.hears(call, Reoffered(sdp("hold")))
    phone.sends("CANCEL", seq=invite.cseq.number, branch=invite.via.branch)
    phone.gets(200)
    ladder.hears_nothing()
    ladder.tell(call, AcceptReoffer(sdp("held")))
    phone.gets(200)


def test_reinvite_moves_the_remote_target_when_it_is_accepted() -> None:
    ladder, phone, call = talking()
    moved = ladder.phone("192.0.2.77", 5088)
    phone.sends("INVITE", sdp=sdp("a"), Contact="<sip:elsewhere@192.0.2.66>")
    ladder.tell(call, RefuseReoffer(Ending(Cause.NOT_ACCEPTABLE)))
    phone.sends("INVITE", sdp=sdp("b"), Contact="<sip:bob@192.0.2.77:5088>")
    ladder.tell(call, AcceptReoffer(sdp("c")))
    phone.sends("ACK", seq=3)
    ladder.hears(call, Reoffered(sdp("a")), Reoffered(sdp("b")))
    ladder.tell(call, HANG_UP)
    assert moved.gets_request("BYE").uri == "sip:bob@192.0.2.77:5088"


def test_reinvite_pending_when_the_ack_to_the_one_before_never_comes() -> None:
    """The BYE that follows ends what is pending."""
    ladder, phone, call = answered(None)
    phone.sends("INVITE", sdp=sdp("hold"))
    phone.gets(491)
    ladder.later(32)
    ladder.hears(call, Ended(Ending(Cause.TIMEOUT, text="no ACK to our 200")))
    assert phone.got()[-1] == "BYE"
    ladder.ends_empty(call)


# --- everything else --------------------------------------------------------------------------------------


def test_questions_inside_the_dialog() -> None:
    ladder, phone, call = talking()
    phone.sends("OPTIONS")
    options = phone.gets(200)
    assert options.headers.get("Accept") == "application/sdp"
    assert options.headers.get("Contact") == "<sip:alice@192.0.2.1:5070>"
    for method in ("NOTIFY", "FROBNICATE"):
        phone.sends(method)
        phone.gets(405)
    phone.sends("INFO", Require="timer, 100rel, precondition")
    assert phone.gets(420).headers.get("Unsupported") == "precondition"
    phone.sends("INFO", seq=3)
    phone.gets(500)
    ladder.hears_nothing()
    ladder.tell(call, Answer(sdp("again")))
    ladder.tell(call, Refuse(Ending(Cause.HANGUP)))
    phone.gets("BYE")


def test_reinvite_with_a_body_that_is_no_session_description() -> None:
    ladder, phone, _ = talking()
    phone.throws(phone.request("INVITE", sdp="<xml/>", Content_Type="text/xml"))
    assert phone.gets(415).headers.get("Accept") == "application/sdp"
    ladder.hears_nothing()


# --- UPDATE (RFC 3311) ------------------------------------------------------------------------------------


@pytest.mark.parametrize("up", [talking, talking_to_callee])
def test_hold_and_resume_by_update(up: object) -> None:
    ladder, phone, call = up()  # type: ignore[operator]
    for wish in ("hold", "resume"):
        update = phone.sends("UPDATE", sdp=sdp(wish))
        phone.silent()
        ladder.hears(call, Reoffered(sdp(wish)))
        phone.throws(update)
        phone.silent()
        ladder.tell(call, AcceptReoffer(sdp(f"to {wish}")))
        ok = phone.gets_response(200)
        assert (ok.body, ok.content_type) == (sdp(f"to {wish}").encode(), "application/sdp")
        assert ok.headers.get("Contact") == "<sip:alice@192.0.2.1:5070>"
        # There is no ACK to UPDATE, so nothing is repeated unless the UPDATE is.
        ladder.later(5)
        phone.silent()
        phone.throws(update)
        assert phone.gets_response(200).body == ok.body
    ladder.hears_nothing()
    phone.sends("BYE")
    phone.gets(200)
    ladder.hears(call, HUNG_UP)
    ladder.ends_empty(call)


def test_update_refused_and_the_call_goes_on() -> None:
    ladder, phone, call = talking()
    phone.sends("UPDATE", sdp=sdp("odd"))
    unfit = Ending(Cause.NOT_ACCEPTABLE, text='none of its audio codecs ("9") can be used', warning=305)
    ladder.tell(call, RefuseReoffer(unfit))
    warning = '305 ichat-gw "none of its audio codecs (\\"9\\") can be used"'
    assert phone.gets_response(488).headers.get("Warning") == warning
    ladder.hears(call, Reoffered(sdp("odd")))
    phone.sends("UPDATE")
    phone.gets(200)


def test_update_without_offer_moves_the_target_and_is_nobodys_business() -> None:
    ladder, phone, call = talking()
    moved = ladder.phone("192.0.2.77", 5088)
    phone.sends("UPDATE", Contact="<sip:bob@192.0.2.77:5088>")
    assert phone.gets_response(200).body == b""
    ladder.hears_nothing()
    ladder.tell(call, HANG_UP)
    moved.gets("BYE")


def test_one_offer_at_a_time_whichever_way_it_comes() -> None:
    for first, second in (("INVITE", "UPDATE"), ("UPDATE", "INVITE"), ("UPDATE", "UPDATE")):
        ladder, phone, call = talking()
        phone.sends(first, sdp=sdp("first"))
        ladder.hears(call, Reoffered(sdp("first")))
        phone.sends(second, sdp=sdp("second"))
        assert phone.got()[-1] == 500
        phone.sends("UPDATE")
        phone.gets(200)
        ladder.hears_nothing()


def test_no_update_with_an_offer_while_ours_waits_for_its_answer() -> None:
    ladder, phone, call = answered(None)
    phone.sends("UPDATE", sdp=sdp("theirs"))
    phone.gets(491)
    phone.sends("UPDATE")
    phone.gets(200)
    phone.sends("ACK", seq=1, sdp=sdp("late"))
    ladder.hears(call, Confirmed(sdp("late")))


def test_update_overtakes_the_ack() -> None:
    ladder, phone, call = answered()
    phone.sends("UPDATE", sdp=sdp("hold"))
    ladder.hears(call, Confirmed(), Reoffered(sdp("hold")))
    phone.sends("ACK", seq=1)
    ladder.hears_nothing()
    ladder.tell(call, AcceptReoffer(sdp("held")))
    phone.gets(200)


def test_update_when_the_call_is_over() -> None:
    ladder, phone, call = answered()
    ladder.tell(call, HANG_UP)
    for fields in ({}, {"sdp": sdp("x")}):
        phone.sends("UPDATE", **fields)
        phone.gets(481)
    ladder.ends_empty(call)


def test_bye_overtakes_the_answer_to_an_update() -> None:
    ladder, phone, call = talking()
    phone.sends("UPDATE", sdp=sdp("hold"))
    phone.sends("BYE")
    assert phone.got() == [200, 487]
    ladder.hears(call, Reoffered(sdp("hold")), HUNG_UP)
    ladder.ends_empty(call)


def test_update_with_an_interval_that_is_too_small() -> None:
    _, phone, _ = talking()
    phone.sends("UPDATE", Session_Expires="30", Supported="timer")
    assert phone.gets(422).headers.get("Min-SE") == "90"


def test_prack_in_an_established_session() -> None:
    _, phone, _ = talking_to_callee()
    phone.sends("PRACK", RAck="1 1 INVITE")
    phone.gets(481)


def test_late_offer_refused_with_a_warning() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("odd"))
    phone.gets(100)
    refusal = Ending(Cause.NOT_ACCEPTABLE, text="it has no audio", warning=304)
    ladder.tell(ladder.call(), Refuse(refusal))
    assert phone.gets_response(488).headers.get("Warning") == '304 ichat-gw "it has no audio"'
