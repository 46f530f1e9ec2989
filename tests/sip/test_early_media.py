"""Early media: answers in provisional responses, heard and said (RFC 3261 13.2.1, RFC 3262, RFC 3960)."""

import pytest

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    Answer,
    Answered,
    Confirmed,
    EarlyAnswer,
    EarlyAnswered,
    End,
    Ended,
    Party,
    Place,
    Rang,
    Refuse,
    Reoffer,
    ReofferRefused,
    Ring,
)
from ichat_gw.sip.message import Response
from ichat_gw.sip.session_refresh import COLLIDED
from tests.sip.ladder import Ladder, Peer, sdp

PLACE = Place("sip:bob@192.0.2.9", Party("sip:alice@example.com"), sdp("offer"), "alice")
HANG_UP = End(Ending(Cause.HANGUP))


# --- we call ----------------------------------------------------------------------------------------------


def calling(place: Place = PLACE) -> tuple[Ladder, Peer, int]:
    ladder = Ladder(chance=0.0)
    return ladder, ladder.phone(), ladder.place(place)


def test_a_phone_plays_something_then_rings_then_answers() -> None:
    ladder, phone, call = calling()
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 183, sdp=sdp("early"))
    ladder.hears(call, EarlyAnswered(sdp("early")))
    phone.answers(invite, 183, sdp=sdp("early"))
    phone.answers(invite, 180, sdp=sdp("early"))
    ladder.hears(call, Rang())
    phone.answers(invite, 200, sdp=sdp("early"))
    phone.gets("ACK")
    ladder.hears(call, Answered(sdp("early")))


def test_180_with_a_description_rings_and_is_heard() -> None:
    ladder, phone, call = calling()
    phone.answers(phone.gets_request("INVITE"), 180, sdp=sdp("early"))
    ladder.hears(call, EarlyAnswered(sdp("early")), Rang())


def test_183_without_a_description_is_a_ring() -> None:
    ladder, phone, call = calling()
    phone.answers(phone.gets_request("INVITE"), 183)
    ladder.hears(call, Rang())


def test_several_devices_are_heard_and_another_answers() -> None:
    ladder, phone, call = calling()
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 183, tag="one", sdp=sdp("one"))
    phone.answers(invite, 183, tag="two", sdp=sdp("two"))
    phone.answers(invite, 183, tag="one", sdp=sdp("one"))
    ladder.hears(call, EarlyAnswered(sdp("one")), EarlyAnswered(sdp("two")))
    phone.answers(invite, 200, tag="three", sdp=sdp("three"))
    phone.gets("ACK")
    ladder.hears(call, Answered(sdp("three")))


def test_without_an_offer_of_ours_nothing_is_an_answer() -> None:
    ladder, phone, call = calling(Place("sip:bob@192.0.2.9", Party("sip:alice@example.com"), None, "alice"))
    phone.answers(phone.gets_request("INVITE"), 183, sdp=sdp("odd"))
    ladder.hears(call)


# --- they call --------------------------------------------------------------------------------------------


def called(**fields: str) -> tuple[Ladder, Peer, int]:
    ladder = Ladder(chance=0.0)
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"), **fields)
    phone.gets(100)
    return ladder, phone, ladder.call()


def check(progress: Response) -> None:
    assert (progress.body, progress.content_type) == (sdp("early").encode(), "application/sdp")
    assert progress.headers.get("Contact")
    assert progress.to.tag


def test_a_caller_that_knows_no_prack_is_told_once() -> None:
    ladder, phone, call = called()
    ladder.tell(call, EarlyAnswer(sdp("early")))
    progress = phone.gets_response(183)
    check(progress)
    assert progress.headers.get("RSeq") is None
    ladder.tell(call, Ring())
    assert phone.gets_response(180).body == b""
    ladder.tell(call, Answer(sdp("early")))
    ok = phone.gets_response(200)
    assert (ok.to.tag, ok.body) == (progress.to.tag, sdp("early").encode())
    phone.sends("ACK", seq=1)
    ladder.hears(call, Confirmed())
    ladder.tell(call, EarlyAnswer(sdp("too late")))
    phone.silent()


@pytest.mark.parametrize("how", ["Supported", "Require"])
def test_a_caller_that_knows_prack_is_told_until_it_has_heard(how: str) -> None:
    ladder, phone, call = called(**{how: "100rel"})
    ladder.tell(call, EarlyAnswer(sdp("early")))
    progress = phone.gets_response(183)
    check(progress)
    assert (progress.require, progress.headers.get("RSeq")) == (("100rel",), "1")
    ladder.later(0.5)
    check(phone.gets_response(183))
    phone.sends("PRACK", RAck="1 1 INVITE")
    phone.gets(200)
    ladder.later(10)
    phone.silent()
    ladder.tell(call, Answer(sdp("early")))
    phone.gets(200)


def test_the_200_waits_for_the_prack_to_a_description() -> None:
    """RFC 3262 section 3."""
    ladder, phone, call = called(Supported="100rel")
    ladder.tell(call, EarlyAnswer(sdp("early")))
    phone.gets(183)
    ladder.tell(call, Answer(sdp("early")))
    phone.silent()
    ladder.tell(call, Reoffer(sdp("new")))
    ladder.hears(call, ReofferRefused(COLLIDED))
    phone.sends("PRACK", RAck="7 1 INVITE")
    phone.gets(481)
    phone.sends("PRACK", RAck="1 1 INVITE")
    assert phone.got() == [200, 200]
    phone.sends("ACK", seq=1)
    ladder.hears(call, Confirmed())
    ladder.tell(call, HANG_UP)
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.ends_empty(call)


def test_one_reliable_response_after_the_other() -> None:
    ladder, phone, call = called(Require="100rel")
    ladder.tell(call, Ring())
    ladder.tell(call, EarlyAnswer(sdp("early")))
    assert phone.gets_response(180).headers.get("RSeq") == "1"
    phone.silent()
    ladder.tell(call, Answer(sdp("early")))
    phone.silent()
    phone.sends("PRACK", RAck="1 1 INVITE")
    phone.gets(200)
    assert phone.gets_response(183).headers.get("RSeq") == "2"
    phone.sends("PRACK", RAck="2 1 INVITE")
    assert phone.got() == [200, 200]


def test_three_reliable_responses() -> None:
    ladder, phone, call = called(Require="100rel")
    ladder.tell(call, EarlyAnswer(sdp("early")))
    ladder.tell(call, Ring())
    ladder.tell(call, EarlyAnswer(sdp("early")))
    for number, status in ((1, 183), (2, 180), (3, 183)):
        assert phone.gets_response(status).headers.get("RSeq") == str(number)
        phone.sends("PRACK", RAck=f"{number} 1 INVITE")
        phone.gets(200)
    phone.silent()


def test_nobody_acknowledges_the_description() -> None:
    ladder, phone, call = called(Supported="100rel")
    ladder.tell(call, EarlyAnswer(sdp("early")))
    ladder.tell(call, Answer(sdp("early")))
    ladder.later(32)
    assert phone.got()[-1] == 504
    ladder.hears(call, Ended(Ending(Cause.TIMEOUT, text="no PRACK to our provisional response")))
    ladder.ends_empty(call)


@pytest.mark.parametrize("end", ["we end", "we refuse", "they cancel"])
def test_the_call_ends_while_the_200_waits(end: str) -> None:
    ladder, phone, call = called(Supported="100rel")
    invite = phone.asked
    assert invite is not None
    ladder.tell(call, EarlyAnswer(sdp("early")))
    phone.gets(183)
    ladder.tell(call, Answer(sdp("early")))
    if end == "they cancel":
        branch = (invite.headers.get("Via") or "").partition("branch=")[2].partition(";")[0]
        phone.to_tag = ""
        phone.sends("CANCEL", seq=1, branch=branch)
        assert phone.got() == [200, 487]
    else:
        ladder.tell(call, HANG_UP if end == "we end" else Refuse(Ending(Cause.BUSY, 486)))
        assert phone.got() == [487 if end == "we end" else 486]
    phone.to_tag = phone.to_tag or "x"
    phone.sends("PRACK", RAck="1 1 INVITE")
    assert 481 in phone.got()


def test_ichat_is_told_nothing_early() -> None:
    ladder = Ladder()
    phone = ladder.phone(agent="Viceroy 1.4.1")
    phone.sends("INVITE", sdp=sdp("offer"))
    phone.gets(100)
    ladder.tell(ladder.call(), EarlyAnswer(sdp("early")))
    phone.silent()
