"""UPDATE before the call is answered (RFC 3311), in both directions."""

import pytest

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    AcceptReoffer,
    Answer,
    Answered,
    Confirmed,
    EarlyAnswered,
    End,
    Party,
    Place,
    Refused,
    RefuseReoffer,
    Reoffered,
    Ring,
)
from ichat_gw.sip.message import Request
from tests.sip.ladder import Ladder, Peer, sdp

PLACE = Place("sip:bob@192.0.2.9", Party("sip:alice@example.com"), sdp("offer"), "alice")


def agreed(tag: str = "pt") -> tuple[Ladder, Peer, int, Request]:
    """We call; a reliable 183 has brought the answer."""
    ladder = Ladder(chance=0.0)
    phone = ladder.phone()
    call = ladder.place(PLACE)
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 183, tag=tag, Require="100rel", RSeq="1", sdp=sdp("early"))
    phone.answers(phone.gets_request("PRACK"), 200, tag=tag)
    ladder.hears(call, EarlyAnswered(sdp("early")))
    return ladder, phone, call, invite


def test_the_callee_changes_media_before_it_answers() -> None:
    ladder, phone, call, invite = agreed()
    phone.sends("UPDATE", sdp=sdp("moved"), Contact="<sip:media@192.0.2.9:5060>")
    ladder.hears(call, Confirmed(sdp("early")), Reoffered(sdp("moved")))
    phone.silent()
    ladder.tell(call, AcceptReoffer(sdp("to moved")))
    ok = phone.gets_response(200)
    assert (ok.body, ok.content_type, ok.headers.get("Contact")) == (
        sdp("to moved").encode(),
        "application/sdp",
        "<sip:alice@192.0.2.1:5070>",
    )
    phone.sends("UPDATE", sdp=sdp("again"))
    ladder.hears(call, Reoffered(sdp("again")))
    ladder.tell(call, AcceptReoffer(sdp("to again")))
    phone.gets(200)
    # What holds is what the last UPDATE said, whatever the 200 repeats.
    phone.answers(invite, 200, sdp=sdp("early"))
    assert phone.gets_request("ACK").uri == "sip:bob@192.0.2.9:5060"
    ladder.hears(call, Answered(sdp("again")))


def test_a_new_target_before_the_answer() -> None:
    ladder, phone, _call, invite = agreed()
    moved = ladder.phone("192.0.2.77")
    phone.sends("UPDATE", Contact="<sip:bob@192.0.2.77>")
    phone.gets(200)
    ladder.hears_nothing()
    phone.answers(invite, 183, Require="100rel", RSeq="2", Contact="")
    moved.gets("PRACK")


def test_the_offer_is_refused() -> None:
    ladder, phone, call, invite = agreed()
    for ending, status in (
        (Ending(Cause.NOT_ACCEPTABLE, warning=305), 488),
        (Ending(Cause.TIMEOUT), 488),
        (Ending(Cause.REJECTED, 491), 491),
    ):
        phone.sends("UPDATE", sdp=sdp("odd"))
        ladder.tell(call, RefuseReoffer(ending))
        phone.gets(status)
    ladder.tell(call, RefuseReoffer(Ending(Cause.NOT_ACCEPTABLE)))
    ladder.tell(call, AcceptReoffer(sdp("late")))
    phone.silent()
    ladder.hears(call, Confirmed(sdp("early")), *[Reoffered(sdp("odd"))] * 3)
    phone.answers(invite, 200)
    ladder.hears(call, Answered(sdp("early")))


def test_one_offer_at_a_time() -> None:
    ladder, phone, call, _invite = agreed()
    phone.sends("UPDATE", sdp=sdp("one"))
    phone.sends("UPDATE", sdp=sdp("two"))
    assert phone.gets(500).headers.get("Retry-After") == "1"
    ladder.hears(call, Confirmed(sdp("early")), Reoffered(sdp("one")))


def test_no_offer_while_ours_is_open() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    call = ladder.place(PLACE)
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 183, sdp=sdp("preview"))
    ladder.hears(call, EarlyAnswered(sdp("preview")))
    phone.sends("UPDATE", sdp=sdp("other"))
    phone.gets(491)
    phone.sends("UPDATE")
    phone.gets(200)
    ladder.hears_nothing()


def test_no_offer_while_several_branches_have_answered() -> None:
    ladder, phone, call, invite = agreed("one")
    phone.answers(invite, 183, tag="two", Require="100rel", RSeq="1", sdp=sdp("two"))
    phone.gets("PRACK")
    ladder.hears(call, EarlyAnswered(sdp("two")))
    phone.tag = "one"
    phone.sends("UPDATE", sdp=sdp("other"))
    phone.gets(500)
    ladder.hears_nothing()


@pytest.mark.parametrize("end", ["200", "486", "our CANCEL", "199", "another answers"])
def test_the_call_goes_on_or_ends_before_the_offer_is_answered(end: str) -> None:
    ladder, phone, call, invite = agreed()
    phone.sends("UPDATE", sdp=sdp("moved"))
    ladder.hears(call, Confirmed(sdp("early")), Reoffered(sdp("moved")))
    match end:
        case "200":
            phone.answers(invite, 200)
            phone.gets("ACK")
            ladder.hears(call, Answered(sdp("early")))
            ladder.tell(call, AcceptReoffer(sdp("to moved")))
            assert phone.gets_response(200).body == sdp("to moved").encode()
            ladder.tell(call, End(Ending(Cause.HANGUP)))
            phone.gets("BYE")
        case "486":
            phone.answers(invite, 486)
            assert phone.got() == ["ACK", 487]
            ladder.hears(call, Refused(Ending(Cause.BUSY, 486, "Busy Here")))
        case "our CANCEL":
            ladder.tell(call, End(Ending(Cause.CANCELLED)))
            assert phone.got() == [487, "CANCEL"]
            phone.answers(invite, 487)
        case "199":
            phone.answers(invite, 199)
            phone.gets(487)
            phone.answers(invite, 404)
            ladder.hears(call, Refused(Ending(Cause.NOT_FOUND, 404, "Not Found")))
        case _:
            phone.answers(invite, 200, tag="other", sdp=sdp("other"))
            assert sorted(map(str, phone.got())) == ["487", "ACK"]
            ladder.hears(call, Answered(sdp("other")))
            ladder.tell(call, End(Ending(Cause.HANGUP)))
    ladder.ends_empty(call)


# --- they call --------------------------------------------------------------------------------------------


def test_the_caller_moves_before_the_answer() -> None:
    ladder = Ladder()
    phone, moved = ladder.phone(), ladder.phone("192.0.2.77")
    phone.sends("INVITE", sdp=sdp("offer"))
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Ring())
    phone.gets(180)
    phone.sends("UPDATE", Contact="<sip:bob@192.0.2.77>", Session_Expires="1800", Supported="timer")
    ok = phone.gets_response(200)
    assert ok.headers.get("Contact") == "<sip:alice@192.0.2.1:5070>"
    # Session timers begin with the 200 to INVITE.
    assert ok.headers.get("Session-Expires") is None
    phone.sends("UPDATE", sdp=sdp("too early"))
    assert phone.gets(500).headers.get("Retry-After") == "5"
    ladder.hears_nothing()
    ladder.tell(call, Answer(sdp("answer")))
    phone.gets(200)
    phone.sends("ACK", seq=1)
    ladder.tell(call, End(Ending(Cause.HANGUP)))
    moved.gets("BYE")


def test_update_with_a_body_that_is_no_session_description() -> None:
    ladder, phone, _call, _invite = agreed()
    phone.throws(phone.request("UPDATE", sdp="<xml/>", Content_Type="text/xml"))
    assert phone.gets(415).headers.get("Accept") == "application/sdp"
    phone.throws(
        phone.request(
            "UPDATE", sdp="<xml/>", Content_Type="text/xml", Content_Disposition="x; Handling = optional"
        )
    )
    phone.gets(200)
    ladder.hears_nothing()
