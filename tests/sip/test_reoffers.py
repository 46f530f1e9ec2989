"""Re-offers of ours (RFC 3261 section 14.1): what they get, what they collide with, how calls end then."""

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
    RefuseReoffer,
    Reoffer,
    ReofferAnswered,
    Reoffered,
    ReofferRefused,
)
from tests.sip.ladder import Ladder, Peer, sdp

PLACE = Place("sip:bob@192.0.2.9", Party("sip:alice@example.com"), sdp("offer"), "alice")
HANG_UP = End(Ending(Cause.HANGUP))
HUNG_UP = Ended(Ending(Cause.HANGUP))
COLLIDED = ReofferRefused(Ending(Cause.REJECTED, 491, "another change of the session was under way"))
MOVE = Reoffer(sdp("new offer"))
MOVED = ReofferAnswered(sdp("new answer"))


def called(chance: float = 0.0, **fields: str) -> tuple[Ladder, Peer, int]:
    """We called."""
    ladder = Ladder(chance=chance)
    phone = ladder.phone()
    call = ladder.place(PLACE)
    phone.answers(phone.gets_request("INVITE"), 200, sdp=sdp("answer"), **fields)
    phone.gets("ACK")
    ladder.hears(call, Answered(sdp("answer")))
    return ladder, phone, call


def caller(chance: float = 0.0, **fields: str) -> tuple[Ladder, Peer, int]:
    """They called."""
    ladder = Ladder(chance=chance)
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"), **fields)
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Answer(sdp("answer")))
    phone.gets(200)
    phone.sends("ACK", seq=1)
    ladder.hears(call, Confirmed())
    return ladder, phone, call


@pytest.mark.parametrize("up", [called, caller])
def test_a_reoffer_is_accepted(up: object) -> None:
    ladder, phone, call = up()  # type: ignore[operator]
    ladder.tell(call, MOVE)
    invite = phone.gets_request("INVITE")
    assert (invite.body, invite.content_type) == (sdp("new offer").encode(), "application/sdp")
    assert invite.headers.get("Contact")
    phone.answers(invite, 100)
    ok = phone.answers(invite, 200, sdp=sdp("new answer"))
    ack = phone.gets_request("ACK")
    phone.throws(ok)
    assert phone.gets_request("ACK").to_bytes() == ack.to_bytes()
    ladder.hears(call, MOVED)
    ladder.tell(call, HANG_UP)
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.ends_empty(call)


def test_one_after_the_other() -> None:
    ladder, phone, call = called()
    for name in ("first", "second"):
        ladder.tell(call, Reoffer(sdp(name)))
        phone.answers(phone.gets_request("INVITE"), 200, sdp=sdp(f"to {name}"))
        phone.gets("ACK")
        ladder.hears(call, ReofferAnswered(sdp(f"to {name}")))


def test_two_at_once_is_one_too_many() -> None:
    ladder, phone, call = called()
    ladder.tell(call, MOVE)
    phone.gets("INVITE")
    ladder.tell(call, Reoffer(sdp("another")))
    ladder.hears(call, COLLIDED)


@pytest.mark.parametrize("status", [488, 403, 500, 606])
def test_a_reoffer_is_refused_and_the_call_goes_on(status: int) -> None:
    ladder, phone, call = called()
    ladder.tell(call, MOVE)
    response = phone.answers(phone.gets_request("INVITE"), status)
    phone.gets("ACK")
    ladder.hears(call, ReofferRefused(Ending.from_status(status, response.reason)))
    hold = phone.sends("INVITE", sdp=sdp("hold"))
    phone.gets(100)
    ladder.hears(call, Reoffered(sdp("hold")))
    ladder.tell(call, AcceptReoffer(sdp("held")))
    phone.gets(200)
    phone.sends("ACK", seq=hold.cseq.number)


def test_an_answer_without_a_description() -> None:
    ladder, phone, call = called()
    ladder.tell(call, MOVE)
    phone.answers(phone.gets_request("INVITE"), 200)
    phone.gets("ACK")
    missing = Ending(Cause.MALFORMED, text="200 to a re-INVITE without a session description")
    ladder.hears(call, ReofferRefused(missing))


@pytest.mark.parametrize("status", [408, 481])
def test_a_phone_that_has_forgotten_the_call(status: int) -> None:
    ladder, phone, call = called()
    ladder.tell(call, MOVE)
    response = phone.answers(phone.gets_request("INVITE"), status)
    phone.gets("ACK")
    ladder.hears(call, Ended(Ending(Cause.TIMEOUT, status, response.reason)))
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.ends_empty(call)


def test_nobody_answers_a_reoffer() -> None:
    ladder, phone, call = called()
    ladder.tell(call, MOVE)
    ladder.later(31.9)
    ladder.hears_nothing()
    assert set(phone.got()) == {"INVITE"}
    ladder.later(0.2)
    ladder.hears(call, Ended(Ending(Cause.TIMEOUT, 408, "no response in time")))
    ladder.ends_empty(call)


def test_a_reoffer_that_cannot_be_sent() -> None:
    ladder, phone, call = called()
    ladder.tell(call, MOVE)
    phone.gets("INVITE")
    ladder.fail(phone.address)
    ladder.hears(call, ReofferRefused(Ending(Cause.UNREACHABLE, 503, "refused")))


def test_a_reoffer_that_somebody_thinks_about_is_cancelled() -> None:
    ladder, phone, call = called()
    ladder.tell(call, MOVE)
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 180)
    ladder.later(7.9)
    phone.silent()
    ladder.later(0.1)
    phone.answers(phone.gets_request("CANCEL"), 200)
    ladder.hears_nothing()
    phone.answers(invite, 487)
    phone.gets("ACK")
    ladder.hears(call, ReofferRefused(Ending(Cause.CANCELLED, 487, "Request Terminated")))


@pytest.mark.parametrize("is_over", [False, True])
def test_who_thinks_about_a_reoffer_may_be_heard_late(is_over: bool) -> None:
    """What he said was lost on the way, until our INVITE had been repeated some times."""
    ladder, phone, call = called()
    ladder.tell(call, MOVE)
    invite = phone.gets_request("INVITE")
    ladder.later(10.0)
    assert set(phone.got()) == {"INVITE"}
    if is_over:
        ladder.tell(call, End(Ending(Cause.HANGUP)))
        phone.answers(phone.gets_request("BYE"), 200)
        phone.answers(invite, 100)
        ladder.later(32.0)
        ladder.ends_empty(call)
        return
    phone.answers(invite, 100)
    phone.answers(phone.gets_request("CANCEL"), 200)
    phone.answers(invite, 487)
    phone.gets("ACK")
    ladder.hears(call, ReofferRefused(Ending(Cause.CANCELLED, 487, "Request Terminated")))


def test_the_answer_crosses_our_cancel() -> None:
    ladder, phone, call = called()
    ladder.tell(call, MOVE)
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 100)
    ladder.later(8)
    cancel = phone.gets_request("CANCEL")
    phone.answers(invite, 200, sdp=sdp("new answer"))
    phone.gets("ACK")
    phone.answers(cancel, 481)
    ladder.hears(call, MOVED)


def test_a_phone_that_answers_neither_the_reoffer_nor_its_cancel() -> None:
    ladder, phone, call = called()
    ladder.tell(call, MOVE)
    phone.answers(phone.gets_request("INVITE"), 100)
    ladder.later(8)
    phone.answers(phone.gets_request("CANCEL"), 200)
    ladder.later(32)
    text = "no final response to a cancelled re-INVITE"
    ladder.hears(call, Ended(Ending(Cause.TIMEOUT, text=text)))
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.ends_empty(call)


# --- collisions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("up", "chance", "wait"), [(called, 0.0, 2.1), (called, 1.0, 4.0), (caller, 0.5, 1.0), (caller, 1.0, 2.0)]
)
def test_both_reoffer_at_once(up: object, chance: float, wait: float) -> None:
    """Section 14.1: who chose the Call-ID waits longer. Here nobody else has a go meanwhile."""
    ladder, phone, call = up(chance=chance)  # type: ignore[operator]
    ladder.tell(call, MOVE)
    ours = phone.gets_request("INVITE")
    theirs = phone.sends("INVITE", sdp=sdp("theirs"), branch="z9hG4bK-theirs")
    phone.gets(491)
    phone.sends("ACK", seq=theirs.cseq.number, branch="z9hG4bK-theirs")
    phone.answers(ours, 491)
    phone.gets("ACK")
    ladder.later(wait - 0.01)
    phone.silent()
    ladder.later(0.01)
    again = phone.gets_request("INVITE")
    assert (again.body, again.cseq.number) == (ours.body, ours.cseq.number + 1)
    phone.answers(again, 200, sdp=sdp("new answer"))
    phone.gets("ACK")
    ladder.hears(call, MOVED)


def test_ours_gives_way_when_theirs_comes_first() -> None:
    ladder, phone, call = called()
    ladder.tell(call, MOVE)
    phone.answers(phone.gets_request("INVITE"), 491)
    phone.gets("ACK")
    ladder.later(1.0)
    phone.sends("INVITE", sdp=sdp("theirs"))
    phone.gets(100)
    ladder.hears(call, COLLIDED, Reoffered(sdp("theirs")))
    ladder.tell(call, AcceptReoffer(sdp("to theirs")))
    phone.gets(200)
    phone.sends("ACK", seq=1)
    ladder.later(20)
    phone.silent()


def test_a_second_491_is_the_last() -> None:
    ladder, phone, call = called()
    ladder.tell(call, MOVE)
    for wait in (2.1, 0.0):
        phone.answers(phone.gets_request("INVITE"), 491)
        phone.gets("ACK")
        ladder.later(wait)
    ladder.hears(call, ReofferRefused(Ending(Cause.REJECTED, 491, "Request Pending")))
    ladder.later(20)
    phone.silent()


def test_theirs_is_open_already() -> None:
    ladder, phone, call = called()
    phone.sends("INVITE", sdp=sdp("theirs"))
    phone.gets(100)
    ladder.hears(call, Reoffered(sdp("theirs")))
    ladder.tell(call, MOVE)
    phone.silent()
    ladder.hears(call, COLLIDED)


def test_that_the_far_side_was_busy_is_passed_on_as_491() -> None:
    ladder, phone, call = called()
    phone.sends("INVITE", sdp=sdp("theirs"))
    phone.gets(100)
    ladder.hears(call, Reoffered(sdp("theirs")))
    ladder.tell(call, RefuseReoffer(COLLIDED.ending))
    phone.gets(491)


def test_the_ack_to_our_answer_is_awaited_first() -> None:
    """Section 14.1: no INVITE while another is under way in either direction."""
    ladder = Ladder()
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"))
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Answer(sdp("answer")))
    phone.gets(200)
    ladder.tell(call, MOVE)
    phone.silent()
    phone.sends("ACK", seq=1)
    phone.answers(phone.gets_request("INVITE"), 200, sdp=sdp("new answer"))
    phone.gets("ACK")
    ladder.hears(call, Confirmed(), MOVED)


# --- session timers ---------------------------------------------------------------------------------------


def test_a_reoffer_refreshes_the_session_and_a_refresh_repeats_it() -> None:
    ladder, phone, call = called(Session_Expires="90;refresher=uac")
    ladder.later(40)
    ladder.tell(call, MOVE)
    invite = phone.gets_request("INVITE")
    assert invite.headers.get("Session-Expires") == "90;refresher=uac"
    phone.answers(invite, 200, sdp=sdp("new answer"), Session_Expires="90;refresher=uac")
    phone.gets("ACK")
    ladder.hears(call, MOVED)
    ladder.later(44)
    phone.silent()
    ladder.later(1)
    refresh = phone.gets_request("INVITE")
    assert refresh.body == sdp("new offer").encode()
    phone.answers(refresh, 200, sdp=sdp("new answer"), Session_Expires="90;refresher=uac")
    phone.gets("ACK")
    ladder.hears_nothing()


def test_a_reoffer_waits_for_a_refresh() -> None:
    ladder, phone, call = called(Session_Expires="90;refresher=uac", Allow="INVITE, UPDATE")
    ladder.later(45)
    update = phone.gets_request("UPDATE")
    ladder.tell(call, MOVE)
    phone.silent()
    phone.answers(update, 200, Session_Expires="90;refresher=uac")
    phone.answers(phone.gets_request("INVITE"), 200, sdp=sdp("new answer"))
    phone.gets("ACK")
    ladder.hears(call, MOVED)


@pytest.mark.parametrize("outcome", ["refused", "failed"])
def test_a_reoffer_waits_for_a_refresh_that_goes_wrong(outcome: str) -> None:
    ladder, phone, call = called(Session_Expires="1800;refresher=uac", Allow="INVITE, UPDATE")
    ladder.later(900)
    update = phone.gets_request("UPDATE")
    ladder.tell(call, MOVE)
    if outcome == "refused":
        phone.answers(update, 500)
    else:
        ladder.fail(phone.address)
    phone.answers(phone.gets_request("INVITE"), 200, sdp=sdp("new answer"))
    phone.gets("ACK")
    ladder.hears(call, MOVED)


def test_a_refresh_waits_for_a_reoffer_that_is_refused_then() -> None:
    ladder, phone, call = called(Session_Expires="90;refresher=uac")
    ladder.later(44.5)
    ladder.tell(call, MOVE)
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 100)
    ladder.later(1)
    phone.silent()
    response = phone.answers(invite, 488)
    phone.gets("ACK")
    ladder.hears(call, ReofferRefused(Ending.from_status(488, response.reason)))
    ladder.later(1)
    assert phone.gets_request("INVITE").body == sdp("offer").encode()


def test_422_to_a_reoffer() -> None:
    ladder, phone, call = called(Session_Expires="90;refresher=uac")
    ladder.tell(call, MOVE)
    phone.answers(phone.gets_request("INVITE"), 422, Min_SE="600")
    phone.gets("ACK")
    again = phone.gets_request("INVITE")
    assert (again.headers.get("Min-SE"), again.body) == ("600", sdp("new offer").encode())
    phone.answers(again, 200, sdp=sdp("new answer"))
    phone.gets("ACK")
    ladder.hears(call, MOVED)


# --- ends -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("final", [200, 487, None])
@pytest.mark.parametrize("who", ["we", "they"])
def test_the_call_ends_while_a_reoffer_is_open(who: str, final: int | None) -> None:
    ladder, phone, call = called()
    ladder.tell(call, MOVE)
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 100)
    if who == "we":
        ladder.tell(call, HANG_UP)
        phone.answers(phone.gets_request("BYE"), 200)
    else:
        phone.sends("BYE")
        phone.gets(200)
        ladder.hears(call, HUNG_UP)
    if final is not None:
        phone.answers(invite, final, sdp=sdp("new answer") if final == 200 else None)
        phone.gets("ACK")
    ladder.ends_empty(call)


def test_the_call_ends_while_a_reoffer_waits_after_a_collision() -> None:
    ladder, phone, call = called()
    ladder.tell(call, MOVE)
    phone.answers(phone.gets_request("INVITE"), 491)
    phone.gets("ACK")
    ladder.tell(call, HANG_UP)
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.tell(call, MOVE)
    ladder.ends_empty(call)


def test_a_call_that_is_lost_is_reoffered_nothing() -> None:
    """A BYE of ours that waits for the ACK."""
    ladder = Ladder()
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"))
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Answer(sdp("answer")))
    phone.gets(200)
    ladder.tell(call, MOVE)
    ladder.tell(call, HANG_UP)
    phone.sends("ACK", seq=1)
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.ends_empty(call)


def test_the_call_ends_while_the_way_of_a_reoffer_is_looked_up() -> None:
    ladder, phone, call = called()
    phone.sends("UPDATE", Contact="<sip:bob@elsewhere.example.com>")
    phone.gets(200)
    ladder.auto = False
    ladder.tell(call, MOVE)
    ladder.tell(call, HANG_UP)
    ladder.resolve(phone.address)
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.ends_empty(call)
