"""The Reason header, both ways."""

from dataclasses import replace

import pytest

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import Answer, Confirmed, End, Ended, Party, Place, Ring
from ichat_gw.sip.message import Headers, Request
from ichat_gw.sip.reason_header import LONGEST, ending_of, reason_for
from tests.sip.ladder import Ladder, sdp


@pytest.mark.parametrize(
    ("ending", "value"),
    [
        (Ending(Cause.HANGUP), None),
        (Ending(Cause.CANCELLED), None),
        (Ending(Cause.ANSWERED_ELSEWHERE), 'SIP;cause=200;text="Call completed elsewhere"'),
        (Ending(Cause.TIMEOUT, text="secret"), 'SIP;cause=408;text="the other side did not respond"'),
        (Ending(Cause.HANGUP, 503), 'SIP;cause=503;text="one of the parties hung up"'),
        (Ending(Cause.SHUTDOWN), 'SIP;cause=503;text="the gateway is being stopped"'),
    ],
)
def test_what_is_sent(ending: Ending, value: str | None) -> None:
    assert reason_for(ending) == value


@pytest.mark.parametrize(
    ("values", "ending"),
    [
        ((), Ending(Cause.CANCELLED)),
        (("SIP;cause=200",), Ending(Cause.ANSWERED_ELSEWHERE)),
        (('sip ;cause=600;text="Busy"',), Ending(Cause.CANCELLED, 600, "Busy")),
        (('Q.850;cause=16;text="Normal"',), Ending(Cause.CANCELLED, None, "Q.850 16 Normal")),
        (("SIP;cause=486, Q.850;cause=17",), Ending(Cause.CANCELLED, 486, "Q.850 17")),
        (("SIP;cause=486", 'X;text="y'), Ending(Cause.CANCELLED, 486)),
        (("SIP;cause=abc", ";"), Ending(Cause.CANCELLED)),
        (("SIP;cause=99",), Ending(Cause.CANCELLED)),
        ((f'SIP;cause=486;text="{"x" * 500}"',), Ending(Cause.CANCELLED, 486, "x" * LONGEST)),
    ],
)
def test_what_is_understood(values: tuple[str, ...], ending: Ending) -> None:
    request = Request("CANCEL", "sip:a@b", Headers([("Reason", value) for value in values]))
    assert ending_of(request, Cause.CANCELLED) == ending


def test_a_call_that_was_up_was_hung_up_whatever_else_they_say() -> None:
    request = Request("BYE", "sip:a@b", Headers([("Reason", 'SIP;cause=200;text="Moved"')]))
    assert ending_of(request, Cause.HANGUP) == Ending(Cause.HANGUP, None, "Moved")


# --- in a call --------------------------------------------------------------------------------------------

PLACE = Place("sip:bob@192.0.2.9", Party("sip:alice@example.com"), sdp("offer"), "alice")
ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"'


@pytest.mark.parametrize("pinned", [False, True])
def test_our_cancel_says_why_unless_it_goes_to_ichat(pinned: bool) -> None:
    ladder = Ladder()
    phone = ladder.phone()
    call = ladder.place(replace(PLACE, pinned=pinned))
    phone.answers(phone.gets_request("INVITE"), 180)
    ladder.tell(call, End(Ending(Cause.ANSWERED_ELSEWHERE)))
    assert phone.gets_request("CANCEL").headers.get("Reason") == (None if pinned else ELSEWHERE)


@pytest.mark.parametrize("pinned", [False, True])
def test_our_bye_says_why_unless_it_goes_to_ichat(pinned: bool) -> None:
    ladder = Ladder()
    phone = ladder.phone()
    call = ladder.place(replace(PLACE, pinned=pinned))
    phone.answers(phone.gets_request("INVITE"), 200, sdp=sdp("answer"))
    phone.gets("ACK")
    ladder.tell(call, End(Ending(Cause.MEDIA_FAILED)))
    wanted = None if pinned else 'SIP;cause=500;text="the media relay failed"'
    assert phone.gets_request("BYE").headers.get("Reason") == wanted


def test_forks_that_answer_too_late_are_told_so() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    ladder.place(PLACE)
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 200, tag="one", sdp=sdp("one"))
    phone.gets("ACK")
    phone.answers(invite, 200, tag="two", sdp=sdp("two"))
    phone.gets("ACK")
    assert phone.gets_request("BYE").headers.get("Reason") == ELSEWHERE


def test_their_cancel_and_their_byes_say_why() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    invite = phone.sends("INVITE", sdp=sdp("offer"))
    phone.gets(100)
    call = ladder.call()
    phone.sends("CANCEL", seq=1, branch=invite.via.branch, Reason="SIP;cause=200")
    assert phone.got() == [200, 487]
    ladder.hears(call, Ended(Ending(Cause.ANSWERED_ELSEWHERE)))
    phone.call_id = "another"
    phone.sends("INVITE", seq=1, sdp=sdp("offer"))
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Ring())
    phone.gets(180)
    phone.sends("BYE", seq=2, Reason='Q.850;cause=27;text="Destination out of order"')
    assert phone.got() == [200, 487]
    early = Ending(Cause.CANCELLED, None, "Q.850 27 Destination out of order")
    ladder.hears(call, Ended(early))
    phone.call_id, phone.to_tag = "a third", ""
    phone.sends("INVITE", seq=1, sdp=sdp("offer"))
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Answer(sdp("answer")))
    phone.gets(200)
    phone.sends("ACK", seq=1)
    phone.sends("BYE", seq=2, Reason='SIP;cause=503;text="Overload"')
    phone.gets(200)
    ladder.hears(call, Confirmed(), Ended(Ending(Cause.HANGUP, 503, "Overload")))
