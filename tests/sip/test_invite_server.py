"""Somebody calls us, until the answer; what comes after it is in test_invite_usage.py."""

import pytest

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    AcceptReoffer,
    Answer,
    Confirmed,
    End,
    Ended,
    Refuse,
    RefuseReoffer,
    Ring,
)
from ichat_gw.sip.events import Flow, InviteReceived
from ichat_gw.sip.replies import ALLOW
from tests.sip.ladder import OURS, Ladder, Peer, sdp

HUNG_UP = Ended(Ending(Cause.HANGUP))
CANCELLED = Ended(Ending(Cause.CANCELLED))


def ringing() -> tuple[Ladder, Peer, int]:
    ladder = Ladder()
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"))
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Ring())
    phone.gets(180)
    return ladder, phone, call


def test_call_answered_and_hung_up_by_the_caller() -> None:
    ladder, phone, call = ringing()
    ladder.tell(call, Answer(sdp("answer")))
    assert phone.gets(200).body == sdp("answer").encode()
    phone.sends("ACK")
    ladder.hears(call, Confirmed())
    phone.sends("BYE")
    phone.gets(200)
    ladder.hears(call, HUNG_UP)
    ladder.ends_empty(call)


def test_call_answered_and_hung_up_by_us() -> None:
    ladder, phone, call = ringing()
    ladder.tell(call, Answer(sdp("answer")))
    phone.gets(200)
    phone.sends("ACK")
    ladder.hears(call, Confirmed())
    ladder.tell(call, End(Ending(Cause.HANGUP)))
    bye = phone.gets_request("BYE")
    assert bye.uri == "sip:bob@192.0.2.9:5060"
    phone.answers(bye, 200)
    ladder.ends_empty(call)


def test_what_the_bridge_is_told_of_a_call() -> None:
    ladder = Ladder()
    phone = ladder.phone(agent="Viceroy 1.4.1")
    phone.sends(
        "INVITE",
        sdp=sdp("offer"),
        To='"72*123@gw.example" <sip:user@192.0.2.1:5070>',
        From='"scott@example" <sip:user@192.0.2.9:5060>;tag=ft',
    )
    assert ladder.events.popleft() == InviteReceived(
        session=1,
        request_uri="sip:alice@192.0.2.1:5070",
        to_uri="sip:user@192.0.2.1:5070",
        to_name="72*123@gw.example",
        from_uri="sip:user@192.0.2.9:5060",
        from_name="scott@example",
        offer=sdp("offer"),
        flow=Flow("UDP", OURS, ("192.0.2.9", 5060)),
        user_agent="Viceroy 1.4.1",
    )


def test_the_responses_look_like_the_originals() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"))
    call = ladder.call()
    ladder.tell(call, Ring())
    ladder.tell(call, Answer(sdp("answer")))
    trying, ringing, ok = phone.gets(100), phone.gets(180), phone.gets(200)
    assert [name for name, _ in trying.headers] == ["Via", "From", "To", "Call-ID", "CSeq", "Content-Length"]
    assert trying.to.tag is None
    assert [name for name, _ in ringing.headers] == [
        *("Via", "From", "To", "Call-ID", "CSeq", "Contact", "User-Agent", "Content-Length")
    ]
    assert [name for name, _ in ok.headers] == [
        *("Via", "From", "To", "Call-ID", "CSeq", "Contact", "Accept-Language", "Allow"),
        *("Content-Type", "Supported", "User-Agent", "Content-Length"),
    ]
    assert ok.headers.get("Contact") == "<sip:alice@192.0.2.1:5070>"
    assert ok.headers.get("Allow") == ", ".join(ALLOW)
    assert ok.headers.get("User-Agent") == "ichat-gw"
    assert ringing.to.tag == ok.to.tag


def test_contact_without_a_user_when_the_caller_named_none() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"), uri="sip:192.0.2.1:5070")
    ladder.tell(ladder.call(), Ring())
    phone.gets(100)
    assert phone.gets(180).headers.get("Contact") == "<sip:192.0.2.1:5070>"


def test_one_180_is_enough() -> None:
    ladder, phone, call = ringing()
    ladder.tell(call, Ring())
    phone.silent()
    ladder.tell(call, Answer(sdp("answer")))
    phone.gets(200)
    ladder.tell(call, Ring())
    phone.silent()


def test_copies_of_the_invite_are_answered_by_the_latest_response() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    invite = phone.sends("INVITE", sdp=sdp("offer"))
    call = ladder.call()
    phone.throws(invite)
    assert phone.got() == [100, 100]
    ladder.tell(call, Ring())
    phone.throws(invite)
    assert phone.got() == [180, 180]
    ladder.tell(call, Answer(sdp("answer")))
    phone.throws(invite)
    assert phone.got() == [200]
    ladder.hears_nothing()


@pytest.mark.parametrize(
    ("agent", "ending", "status"),
    [
        ("phone", Ending.from_status(404), 404),
        ("phone", Ending.from_status(302), 480),
        ("phone", Ending(Cause.NOT_ONLINE), 408),
        ("phone", Ending(Cause.HANGUP), 487),
        ("Viceroy 1.3", Ending.from_status(404), 603),
        ("Viceroy 1.3", Ending.from_status(600), 486),
        ("Viceroy 1.3", Ending(Cause.CANCELLED), 487),
    ],
)
@pytest.mark.parametrize("command", [Refuse, End])
def test_refused_with_the_code_that_the_caller_understands(
    agent: str, ending: Ending, status: int, command: type[Refuse] | type[End]
) -> None:
    ladder = Ladder()
    phone = ladder.phone(agent=agent)
    invite = phone.sends("INVITE", sdp=sdp("offer"))
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, command(ending))
    refusal = phone.gets_response(status)
    assert refusal.to.tag
    # Too late for all this.
    for late in (Ring(), Answer(sdp("answer")), Refuse(ending), End(ending)):
        ladder.tell(call, late)
    phone.silent()
    phone.throws(invite)
    phone.gets(status)
    ladder.later(0.5)
    phone.gets(status)
    phone.sends("ACK", branch=invite.via.branch)
    phone.throws(invite)
    ladder.later(20)
    phone.silent()
    ladder.ends_empty(call)


def test_caller_gives_up_in_time() -> None:
    ladder, phone, call = ringing()
    invite = phone.asked
    assert invite is not None
    phone.to_tag = ""
    phone.sends("CANCEL", branch=invite.via.branch, seq=1)
    ok = phone.gets(200)
    terminated = phone.gets(487)
    assert ok.to.tag == terminated.to.tag
    ladder.hears(call, CANCELLED)
    phone.sends("ACK", branch=invite.via.branch, seq=1)
    ladder.tell(call, Answer(sdp("answer")))
    phone.silent()
    ladder.ends_empty(call)


def test_caller_gives_up_too_late() -> None:
    ladder, phone, call = ringing()
    invite = phone.asked
    assert invite is not None
    ladder.tell(call, Answer(sdp("answer")))
    phone.gets(200)
    phone.to_tag = ""
    phone.sends("CANCEL", branch=invite.via.branch, seq=1)
    phone.gets(200)
    phone.silent()
    ladder.hears_nothing()
    phone.sends("ACK")
    ladder.hears(call, Confirmed())
    phone.sends("BYE")
    phone.gets(200)
    ladder.hears(call, HUNG_UP)
    ladder.ends_empty(call)


def test_caller_gives_up_after_the_refusal() -> None:
    ladder, phone, call = ringing()
    invite = phone.asked
    assert invite is not None
    ladder.tell(call, Refuse(Ending(Cause.BUSY)))
    phone.gets(486)
    phone.to_tag = ""
    phone.sends("CANCEL", branch=invite.via.branch, seq=1)
    phone.gets(200)
    ladder.hears_nothing()
    ladder.ends_empty(call)


def test_caller_hangs_up_its_early_dialog() -> None:
    ladder, phone, call = ringing()
    phone.sends("BYE")
    assert phone.got() == [200, 487]
    ladder.hears(call, CANCELLED)
    phone.sends("INFO")
    phone.gets(481)
    ladder.ends_empty(call)


def test_requests_in_the_early_dialog() -> None:
    ladder, phone, call = ringing()
    phone.sends("INVITE", sdp=sdp("other"))
    assert phone.gets(500).headers.get("Retry-After") == "5"
    phone.sends("OPTIONS")
    assert phone.gets(200).headers.get("Contact") == "<sip:alice@192.0.2.1:5070>"
    phone.sends("INFO")
    phone.gets(200)
    phone.sends("INFO", seq=1)
    phone.gets(500)
    phone.tag = "somebody-else"
    phone.sends("INFO")
    phone.gets(481)
    ladder.hears_nothing()
    ladder.tell(call, Refuse(Ending(Cause.DECLINED)))
    ladder.ends_empty(call)


def test_ack_before_the_answer_and_reoffers_that_were_never_made_change_nothing() -> None:
    ladder, phone, call = ringing()
    phone.sends("ACK", seq=1)
    ladder.tell(call, AcceptReoffer(sdp("x")))
    ladder.tell(call, RefuseReoffer(Ending(Cause.NOT_ACCEPTABLE)))
    phone.silent()
    ladder.hears_nothing()


def test_all_responses_belong_to_the_session_in_traces() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"))
    assert ladder.agent.heard == 1
    call = ladder.call()
    assert ladder.agent.session_of(phone.call_id) == call
    ladder.tell(call, Ring())
    ladder.tell(call, Refuse(Ending(Cause.BUSY)))
    assert list(phone.sessions) == [call, call, call]


def test_rfc_2543_caller_without_tag_and_contact() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("o"), From="<sip:bob@192.0.2.9>", Via="SIP/2.0/UDP 192.0.2.9", Contact="")
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Answer(sdp("a")))
    phone.gets(200)
    phone.sends("ACK", From="<sip:bob@192.0.2.9>", Via="SIP/2.0/UDP 192.0.2.9")
    ladder.hears(call, Confirmed())
    ladder.tell(call, End(Ending(Cause.HANGUP)))
    bye = phone.gets_request("BYE")
    assert (bye.uri, bye.headers.get("To")) == ("sip:bob@192.0.2.9", "<sip:bob@192.0.2.9>")
    phone.answers(bye, 200)
    ladder.ends_empty(call)


def test_ichat_is_answered_where_its_invite_came_from() -> None:
    """COMPAT iChat: whatever its Contact and the proxies say."""
    ladder = Ladder()
    ichat = ladder.phone("198.51.100.7", 16402, agent="Viceroy 1.4.1", user="user")
    ichat.sends(
        "INVITE",
        sdp=sdp("offer"),
        uri="sip:user@192.0.2.1:5070",
        Via="SIP/2.0/UDP 10.0.0.5:16402;branch=z9hG4bK15325fd03549ca85;rport",
        Contact="<sip:user@10.0.0.5:16402>;isfocus",
        Record_Route="<sip:10.0.0.1;lr>",
    )
    ichat.gets(100)
    call = ladder.call()
    ladder.tell(call, Answer(sdp("answer")))
    assert ichat.gets(200).headers.get("Contact") == "<sip:user@192.0.2.1:5070>"
    ichat.sends("ACK")
    ichat.sends("MESSAGE")
    ichat.gets(200)
    ladder.hears(call, Confirmed())
    ladder.tell(call, End(Ending(Cause.HANGUP)))
    bye = ichat.gets_request("BYE")
    assert (bye.uri, list(bye.routes)) == ("sip:user@198.51.100.7:16402", [])
    ichat.answers(bye, 200)
    ladder.ends_empty(call)
