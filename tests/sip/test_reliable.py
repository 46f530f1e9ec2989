"""100rel and PRACK (RFC 3262), as caller and as called, with what a network can do to them."""

import pytest

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    Answer,
    Answered,
    Confirmed,
    EarlyAnswered,
    End,
    Ended,
    Party,
    Place,
    Rang,
    Refuse,
    Ring,
)
from ichat_gw.sip.message import Request, Response
from ichat_gw.sip.reliable import RAck
from tests.sip.ladder import Ladder, Peer, sdp

PLACE = Place("sip:bob@192.0.2.9", Party("sip:alice@example.com"), sdp("offer"), "alice")
HANG_UP = End(Ending(Cause.HANGUP))

# --- they call and require it -----------------------------------------------------------------------------


def ringing(chance: float = 0.0, **fields: str) -> tuple[Ladder, Peer, int, Response]:
    ladder = Ladder(chance=chance)
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"), **({"Require": "100rel"} | fields))
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Ring())
    return ladder, phone, call, phone.gets_response(180)


def test_180_is_reliable_for_who_requires_that() -> None:
    ladder, phone, call, ring = ringing()
    assert (ring.headers.get("Require"), ring.headers.get("RSeq")) == ("100rel", "1")
    phone.sends("PRACK", RAck="1 1 INVITE")
    ok = phone.gets_response(200)
    assert (ok.body, ok.cseq.method) == (b"", "PRACK")
    ladder.later(60)
    phone.silent()
    ladder.tell(call, Answer(sdp("answer")))
    assert phone.gets_response(200).body == sdp("answer").encode()
    phone.sends("ACK", seq=1)
    ladder.hears(call, Confirmed())
    ladder.tell(call, HANG_UP)
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.ends_empty(call)


def test_the_first_rseq_is_chance() -> None:
    assert ringing(chance=1.0)[3].headers.get("RSeq") == str(2**31 - 1)


def test_supported_is_not_required() -> None:
    ladder, phone, _call, ring = ringing(Require="", Supported="100rel, timer")
    assert (ring.headers.get("Require"), ring.headers.get("RSeq")) == (None, None)
    phone.sends("PRACK", RAck="1 1 INVITE")
    phone.gets(481)
    ladder.later(60)
    phone.silent()


def test_180_is_repeated_with_doubled_waits_until_prack() -> None:
    ladder, phone, _call, _ = ringing()
    ladder.later(7.6)
    assert phone.got() == [180] * 4  # after 0.5, 1.5, 3.5 and 7.5 s
    prack = phone.sends("PRACK", RAck="1 1 INVITE")
    phone.throws(prack)
    assert phone.got() == [200, 200]
    ladder.later(30)
    phone.silent()
    # Another PRACK for the same response finds nothing to acknowledge.
    phone.sends("PRACK", RAck="1 1 INVITE")
    phone.gets(481)


def test_lost_180_and_lost_200_to_prack() -> None:
    ladder = Ladder(chance=0.0)
    phone = ladder.phone()
    ladder.lose(180)
    phone.sends("INVITE", sdp=sdp("offer"), Require="100rel")
    phone.gets(100)
    ladder.tell(ladder.call(), Ring())
    phone.silent()
    ladder.lose()
    ladder.later(0.5)
    phone.gets(180)
    ladder.lose(200)
    prack = phone.sends("PRACK", RAck="1 1 INVITE")
    phone.silent()
    ladder.lose()
    phone.throws(prack)
    phone.gets(200)


def test_without_prack_the_call_fails() -> None:
    ladder, phone, call, _ = ringing()
    ladder.later(31.9)
    assert set(phone.got()) == {180}
    ladder.later(0.1)
    phone.gets(504)
    ladder.hears(call, Ended(Ending(Cause.TIMEOUT, text="no PRACK to our provisional response")))
    ladder.ends_empty(call)


@pytest.mark.parametrize(
    ("rack", "status"),
    [
        ("2 1 INVITE", 481),
        ("1 2 INVITE", 481),
        ("1 1 UPDATE", 481),
        ("0 1 INVITE", 400),
        ("1 1", 400),
        ("x 1 INVITE", 400),
        ("1 99999999999 INVITE", 400),
        ("", 400),
    ],
)
def test_prack_that_matches_nothing(rack: str, status: int) -> None:
    ladder, phone, call, _ = ringing()
    phone.sends("PRACK", RAck=rack)
    phone.gets(status)
    ladder.later(0.5)
    phone.gets(180)
    ladder.tell(call, Refuse(Ending(Cause.BUSY)))
    phone.gets(486)
    ladder.ends_empty(call)


def test_the_answer_does_not_wait_for_prack() -> None:
    """RFC 3262 section 3: it would only if the 180 had brought a session description."""
    ladder, phone, call, _ = ringing()
    ladder.tell(call, Answer(sdp("answer")))
    phone.gets(200)
    ladder.later(0.5)
    phone.gets(200)  # repeated, but no 180 any more
    phone.sends("PRACK", RAck="1 1 INVITE")
    assert phone.gets_response(200).cseq.method == "PRACK"
    phone.sends("PRACK", RAck="1 1 INVITE")
    phone.gets(481)
    phone.sends("ACK", seq=1)
    ladder.hears(call, Confirmed())
    ladder.tell(call, HANG_UP)
    ladder.ends_empty(call)


def test_an_offer_in_prack_is_out_of_turn() -> None:
    """Our 180 has not answered theirs."""
    ladder, phone, _call, _ = ringing()
    phone.sends("PRACK", RAck="1 1 INVITE", sdp=sdp("other"))
    phone.gets(488)
    ladder.later(20)
    phone.silent()
    ladder.hears_nothing()


def test_no_180_for_a_late_offer_that_requires_it() -> None:
    """The first reliable response would have to make our offer, and there is none yet."""
    ladder = Ladder()
    phone = ladder.phone()
    phone.sends("INVITE", Require="100rel")
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Ring())
    phone.silent()
    ladder.tell(call, Answer(sdp("ours")))
    phone.gets(200)


def test_cancel_stops_the_repetition() -> None:
    ladder, phone, call, _ = ringing()
    invite = phone.asked
    assert invite is not None
    phone.to_tag = ""
    phone.sends("CANCEL", branch=invite.via.branch, seq=1)
    assert phone.got() == [200, 487]
    phone.sends("ACK", branch=invite.via.branch, seq=1)
    ladder.hears(call, Ended(Ending(Cause.CANCELLED)))
    ladder.later(40)
    phone.silent()
    ladder.ends_empty(call)


# --- we call ----------------------------------------------------------------------------------------------


def calling(place: Place = PLACE) -> tuple[Ladder, Peer, int, Request]:
    ladder = Ladder(chance=0.0)
    phone = ladder.phone()
    call = ladder.place(place)
    return ladder, phone, call, phone.gets_request("INVITE")


def reliable(phone: Peer, invite: Request, status: int, rseq: int, **fields: str | None) -> Response:
    return phone.answers(invite, status, Require="100rel", RSeq=str(rseq), **fields)  # type: ignore[arg-type]


def test_reliable_responses_are_acknowledged_in_the_early_dialog() -> None:
    ladder, phone, call, invite = calling()
    reliable(phone, invite, 180, 7, Contact="<sip:bob@192.0.2.9:5060;x=y>")
    prack = phone.gets_request("PRACK")
    assert (prack.headers.get("RAck"), str(prack.cseq), prack.uri, prack.to.tag, prack.body) == (
        *("7 1 INVITE", "2 PRACK", "sip:bob@192.0.2.9:5060;x=y", "pt", b""),
    )
    phone.answers(prack, 200)
    ladder.hears(call, Rang())
    reliable(phone, invite, 183, 8)
    assert phone.gets_request("PRACK").headers.get("RAck") == "8 1 INVITE"
    phone.answers(invite, 200, sdp=sdp("answer"))
    assert str(phone.gets_request("ACK").cseq) == "1 ACK"
    ladder.hears(call, Answered(sdp("answer")))
    ladder.tell(call, HANG_UP)
    bye = phone.gets_request("BYE")
    assert bye.cseq.number == 4
    phone.answers(bye, 200)
    ladder.ends_empty(call)


def test_copies_and_what_overtook_are_not_acknowledged() -> None:
    ladder, phone, call, invite = calling()
    first = reliable(phone, invite, 183, 1, sdp=sdp("first"))
    phone.answers(phone.gets_request("PRACK"), 200)
    phone.throws(first)
    reliable(phone, invite, 183, 3, sdp=sdp("third"), Contact="<sip:elsewhere@192.0.2.66>")
    phone.silent()
    reliable(phone, invite, 183, 2)
    assert phone.gets_request("PRACK").headers.get("RAck") == "2 1 INVITE"
    reliable(phone, invite, 183, 3)
    assert phone.gets_request("PRACK").headers.get("RAck") == "3 1 INVITE"
    ladder.hears(call, EarlyAnswered(sdp("first")), Rang())
    phone.answers(invite, 200)
    ladder.hears(call, Answered(sdp("first")))


def test_prack_is_repeated_until_it_is_answered() -> None:
    ladder, phone, call, invite = calling()
    reliable(phone, invite, 180, 1)
    ladder.later(3.4)
    assert phone.got() == ["PRACK"] * 3
    ladder.later(60)
    phone.got()
    ladder.hears(call, Rang())
    phone.answers(invite, 200, sdp=sdp("answer"))
    phone.gets("ACK")
    ladder.hears(call, Answered(sdp("answer")))


def test_the_answer_that_came_reliably_holds() -> None:
    """RFC 3261 section 13.2.1: whatever later responses bring."""
    ladder, phone, call, invite = calling()
    phone.answers(invite, 183, sdp=sdp("preview"))
    reliable(phone, invite, 183, 1, sdp=sdp("answer"))
    reliable(phone, invite, 183, 2, sdp=sdp("not an answer"))
    phone.answers(invite, 200, sdp=sdp("neither"))
    ladder.hears(call, EarlyAnswered(sdp("preview")), EarlyAnswered(sdp("answer")), Answered(sdp("answer")))


def test_each_fork_counts_for_itself() -> None:
    ladder, phone, call, invite = calling()
    reliable(phone, invite, 183, 5, tag="one", sdp=sdp("one"))
    reliable(phone, invite, 183, 900, tag="two", sdp=sdp("two"))
    pracks = [phone.gets_request("PRACK"), phone.gets_request("PRACK")]
    assert [(p.to.tag, p.headers.get("RAck"), p.cseq.number) for p in pracks] == [
        ("one", "5 1 INVITE", 2),
        ("two", "900 1 INVITE", 2),
    ]
    phone.answers(invite, 200, tag="two")
    ladder.hears(call, EarlyAnswered(sdp("one")), EarlyAnswered(sdp("two")), Answered(sdp("two")))


@pytest.mark.parametrize("rseq", ["", "0", "x", "4294967296"])
def test_a_number_that_is_none_makes_it_unreliable(rseq: str) -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 183, Require="100rel", RSeq=rseq, sdp=sdp("preview"))
    phone.silent()
    phone.answers(invite, 200, sdp=sdp("answer"))
    ladder.hears(call, EarlyAnswered(sdp("preview")), Answered(sdp("answer")))


@pytest.mark.parametrize(
    "place",
    [
        Place("sip:user@192.0.2.9:5060", Party("sip:a@example.com"), sdp("offer"), pinned=True),
        Place("sip:bob@192.0.2.9", Party("sip:a@example.com"), None),
    ],
)
def test_nothing_is_acknowledged_that_we_did_not_offer_to(place: Place) -> None:
    ladder, phone, call, invite = calling(place)
    assert "100rel" not in invite.supported
    reliable(phone, invite, 183, 1)
    phone.silent()
    ladder.hears(call, Rang())


def test_199_ends_a_branch() -> None:
    """RFC 6228."""
    ladder, phone, call, invite = calling()
    reliable(phone, invite, 183, 1, tag="one", sdp=sdp("one"))
    phone.gets("PRACK")
    phone.answers(invite, 199, tag="one")
    phone.answers(invite, 199, tag="never heard of")
    phone.tag = "one"
    phone.sends("INFO")
    phone.gets(481)
    ladder.hears(call, EarlyAnswered(sdp("one")))
    # It should not, but may answer all the same.
    phone.answers(invite, 200, tag="one", sdp=sdp("after all"))
    phone.gets("ACK")
    ladder.hears(call, Answered(sdp("after all")))


def test_no_prack_after_cancel() -> None:
    ladder, phone, call, invite = calling()
    reliable(phone, invite, 180, 1)
    phone.gets("PRACK")
    ladder.hears(call, Rang())
    ladder.tell(call, HANG_UP)
    phone.gets("CANCEL")
    reliable(phone, invite, 180, 2)
    phone.silent()
    phone.answers(invite, 487)
    phone.gets("ACK")
    ladder.ends_empty(call)


def test_rack_is_written_as_it_is_read() -> None:
    assert str(RAck(3, 4, "INVITE")) == "3 4 INVITE"
