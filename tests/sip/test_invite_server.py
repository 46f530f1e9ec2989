"""Somebody calls us."""

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import Answer, Confirmed, Ended, Ring
from sip.ladder import Ladder, sdp


def test_call_answered_and_hung_up_by_the_caller() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"))
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Ring())
    phone.gets(180)
    ladder.tell(call, Answer(sdp("answer")))
    phone.gets(200)
    phone.sends("ACK")
    ladder.hears(call, Confirmed())
    phone.sends("BYE")
    phone.gets(200)
    ladder.hears(call, Ended(Ending(Cause.HANGUP)))
    ladder.ends_empty(call)
