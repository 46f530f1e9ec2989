"""What the user agent asks before it begins something new, and what it never asks about."""

import pytest

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import Answer, End
from ichat_gw.sip.events import Flow
from ichat_gw.sip.user_agent import UserAgentConfig, Verdict
from tests.sip.ladder import OURS, Ladder, Peer, sdp


class Door:
    """Lets in as many as it is told to, and remembers who asked."""

    def __init__(self, ladder: Ladder, admits: int = 0) -> None:
        self.admits = admits
        self.otherwise = Verdict.BUSY
        self.asked: list[tuple[str, Flow]] = []
        ladder.agent.admit = self.admit

    def admit(self, method: str, flow: Flow) -> Verdict:
        self.asked.append((method, flow))
        self.admits -= 1
        return Verdict.TAKE if self.admits >= 0 else self.otherwise


def established(ladder: Ladder, phone: Peer) -> int:
    phone.sends("INVITE", sdp=sdp("offer"))
    session = ladder.call()
    ladder.tell(session, Answer(sdp("answer")))
    phone.gets(100)
    phone.gets(200)
    return session


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REGISTER", "BYE", "CANCEL", "MESSAGE"])
def test_what_is_not_admitted_gets_503_and_nothing_is_kept_of_it(method: str) -> None:
    ladder = Ladder()
    phone = ladder.phone()
    door = Door(ladder)
    sent = phone.sends(method)
    first = phone.gets_response(503)
    assert first.headers.get("Retry-After") == "10"
    phone.throws(sent)
    again = phone.gets_response(503)
    assert first.to.tag
    assert first.to.tag == again.to.tag, "section 8.2.7: the same tag for every copy"
    assert first.headers.get("Via") == again.headers.get("Via")
    assert ladder.agent.transactions == ladder.agent.sessions == 0
    assert door.asked == [(method, Flow("UDP", OURS, phone.address))] * 2
    ladder.hears_nothing()
    ladder.ends_empty()


def test_what_is_too_long_gets_513_where_it_is_admitted() -> None:
    ladder = Ladder(UserAgentConfig(longest_message=1500))
    phone = ladder.phone()
    door = Door(ladder, admits=1)
    for method in ("OPTIONS", "OPTIONS", "ACK"):
        phone.sends(method, sdp="x" * 1500)
        ladder.drops("too long")
    phone.gets(513)
    phone.silent()
    assert [method for method, _ in door.asked] == ["OPTIONS", "OPTIONS"]
    assert ladder.agent.transactions == 0
    ladder.ends_empty()


def test_a_response_that_is_too_long_is_dropped() -> None:
    ladder = Ladder(UserAgentConfig(longest_message=1500))
    ladder.phone().throws(
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\n"
        b"To: <sip:a@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n" + bytes(1500)
    )
    ladder.drops("too long")
    ladder.ends_empty()


def test_who_is_ignored_gets_no_answer() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    Door(ladder).otherwise = Verdict.IGNORE
    phone.sends("INVITE", sdp=sdp("offer"))
    phone.silent()
    ladder.drops("ignored")
    ladder.ends_empty()


def test_the_ack_to_such_a_503_is_not_asked_about() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    door = Door(ladder)
    invite = phone.sends("INVITE", sdp=sdp("offer"))
    phone.gets(503)
    phone.sends("ACK", seq=1, branch=invite.via.branch)
    phone.silent()
    ladder.drops("ACK to nothing")
    assert len(door.asked) == 1


def test_a_copy_of_what_was_admitted_and_its_cancel_are_not_asked_about() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    door = Door(ladder, admits=1)
    invite = phone.sends("INVITE", sdp=sdp("offer"))
    session = ladder.call()
    phone.throws(invite)
    assert phone.got() == [100, 100]
    cancel = phone.sends("CANCEL", seq=1, branch=invite.via.branch)
    assert phone.got() == [200, 487]
    phone.throws(cancel)
    assert phone.got() == [200]
    assert [method for method, _ in door.asked] == ["INVITE"]
    ladder.events.clear()
    ladder.ends_empty(session)


def test_what_is_inside_a_dialog_is_not_asked_about() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    door = Door(ladder, admits=1)
    session = established(ladder, phone)
    phone.sends("ACK", seq=1)
    phone.sends("OPTIONS")
    phone.gets(200)
    phone.sends("REFER")
    phone.gets(400)
    phone.sends("INVITE", sdp=sdp("hold"))
    phone.gets(100)
    ladder.tell(session, End(Ending(Cause.HANGUP)))
    assert phone.got() == [487, "BYE"]
    phone.sends("BYE")
    phone.gets(200)
    assert len(door.asked) == 1


def test_a_response_is_not_asked_about() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    door = Door(ladder)
    phone.answers(phone.request("OPTIONS"), 200)
    ladder.drops("response to nothing")
    assert door.asked == []


def test_what_is_malformed_and_not_admitted_is_not_even_answered() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    Door(ladder, admits=1)
    phone.throws(phone.request("OPTIONS", Max_Forwards="many"))
    phone.gets(400)
    ladder.drops("malformed")
    phone.throws(phone.request("OPTIONS", Max_Forwards="many"))
    phone.silent()
    ladder.drops("malformed")
