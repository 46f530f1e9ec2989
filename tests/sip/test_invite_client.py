"""We call somebody."""

import pytest

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    AcceptReoffer,
    Answer,
    Answered,
    EarlyAnswered,
    End,
    Ended,
    Party,
    Place,
    Rang,
    Refused,
    RefuseReoffer,
    Reoffered,
)
from ichat_gw.sip.events import Resolved, SessionGone
from ichat_gw.sip.invite_client import MAX_FORKS
from ichat_gw.sip.message import Request, response_to
from ichat_gw.sip.replies import ALLOW
from ichat_gw.sip.user_agent import UserAgentConfig
from tests.sip.ladder import Ladder, Peer, sdp

ALICE = Party("sip:alice@example.com", "alice")
PLACE = Place("sip:bob@192.0.2.9", ALICE, sdp("offer"), "alice")
GIVE_UP = End(Ending(Cause.CANCELLED))


def calling(place: Place = PLACE) -> tuple[Ladder, Peer, int, Request]:
    ladder = Ladder()
    phone = ladder.phone()
    call = ladder.place(place)
    return ladder, phone, call, phone.gets_request("INVITE")


def test_call_answered_and_hung_up_by_us() -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 100)
    phone.answers(invite, 180)
    ladder.hears(call, Rang())
    phone.answers(invite, 200, sdp=sdp("answer"))
    ladder.hears(call, Answered(sdp("answer")))
    ack = phone.gets_request("ACK")
    assert (ack.uri, str(ack.cseq), ack.to.tag) == ("sip:bob@192.0.2.9:5060", "1 ACK", "pt")
    assert ack.via.branch != invite.via.branch
    ladder.tell(call, End(Ending(Cause.HANGUP)))
    bye = phone.gets_request("BYE")
    assert str(bye.cseq) == "2 BYE"
    phone.answers(bye, 200)
    ladder.ends_empty(call)


def test_call_answered_and_hung_up_by_the_callee() -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 200, sdp=sdp("answer"))
    phone.gets("ACK")
    phone.sends("BYE")
    phone.gets(200)
    ladder.hears(call, Answered(sdp("answer")), Ended(Ending(Cause.HANGUP)))
    ladder.ends_empty(call)


def test_the_requests_look_like_the_originals() -> None:
    """reference/traces/10_ichat_to_sip_established.txt, less what we do not do."""
    ladder, phone, call, invite = calling()
    assert invite.headers.items() == [
        ("Via", "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKt4;rport"),
        ("Max-Forwards", "70"),
        ("Contact", "<sip:alice@192.0.2.1:5070>"),
        ("To", "<sip:bob@192.0.2.9>"),
        ("From", '"alice" <sip:alice@example.com>;tag=t3'),
        ("Call-ID", "t2"),
        ("CSeq", "1 INVITE"),
        ("Session-Expires", "1800"),
        ("Min-SE", "90"),
        ("Accept-Language", "en"),
        ("Allow", ", ".join(ALLOW)),
        ("Content-Type", "application/sdp"),
        ("Supported", "replaces, timer, norefersub, 100rel"),
        ("User-Agent", "ichat-gw"),
        ("Content-Length", str(len(sdp("offer")))),
    ]
    assert invite.body == sdp("offer").encode()
    phone.answers(invite, 200, sdp=sdp("answer"))
    ladder.tell(call, End(Ending(Cause.HANGUP)))
    for request in (phone.gets_request("ACK"), phone.gets_request("BYE")):
        assert request.headers.items()[1:] == [
            ("Max-Forwards", "70"),
            ("Contact", "<sip:alice@192.0.2.1:5070>"),
            ("To", "<sip:bob@192.0.2.9>;tag=pt"),
            ("From", '"alice" <sip:alice@example.com>;tag=t3'),
            ("Call-ID", "t2"),
            ("CSeq", str(request.cseq)),
            ("User-Agent", "ichat-gw"),
            ("Content-Length", "0"),
        ]


def test_cancel_looks_like_the_originals() -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 180)
    ladder.tell(call, GIVE_UP)
    cancel = phone.gets_request("CANCEL")
    assert [name for name, _ in cancel.headers] == [
        *("Via", "Max-Forwards", "To", "From", "Call-ID", "CSeq", "User-Agent", "Content-Length")
    ]
    assert cancel.via == invite.via


def test_a_jid_as_caller_is_written_as_a_sip_uri() -> None:
    _, _, _, invite = calling(Place("sip:bob@192.0.2.9", Party("xmpp:al@example.com"), sdp("offer")))
    assert (invite.from_.uri, invite.headers.get("Contact")) == (
        "sip:al@example.com",
        "<sip:192.0.2.1:5070>",
    )


def test_names_cannot_break_out_of_their_header() -> None:
    caller = Party("sip:a@example.com", 'Eve"\r\nX-Evil: 1\r\n\\')
    _, _, _, invite = calling(Place("sip:bob@192.0.2.9", caller, sdp("offer"), 'e"v\r\ne@x'))
    assert invite.headers.get("X-Evil") is None
    assert invite.from_.display_name == 'Eve"X-Evil: 1\\'
    assert invite.headers.get("Contact") == "<sip:e%22v%0D%0Ae%40x@192.0.2.1:5070>"


# --- nobody there -----------------------------------------------------------------------------------------


def test_nobody_answers_the_invite() -> None:
    ladder, phone, call, _ = calling()
    ladder.later(32)
    assert phone.got() == ["INVITE"] * 6
    ladder.hears(call, Refused(Ending(Cause.TIMEOUT, 408, "no response in time")))
    ladder.ends_empty(call)


def test_the_kernel_refuses_to_send() -> None:
    ladder, phone, call, _ = calling()
    ladder.fail(phone.address, "connection refused")
    ladder.hears(call, Refused(Ending(Cause.UNREACHABLE, 503, "connection refused")))
    ladder.ends_empty(call)


def test_the_name_leads_nowhere() -> None:
    ladder = Ladder(auto=False)
    call = ladder.place(PLACE)
    ladder.resolve(text="no such name")
    ladder.hears(call, Refused(Ending(Cause.UNREACHABLE, text="no such name")))
    ladder.ends_empty(call)


def test_nobody_answers_the_lookup() -> None:
    ladder = Ladder(auto=False)
    phone = ladder.phone()
    call = ladder.place(PLACE)
    ladder.later(32)
    ladder.hears(call, Refused(Ending(Cause.UNREACHABLE, text="the name was not resolved in time")))
    ladder.resolve(phone.address)
    ladder.act(Resolved(99, ()))
    phone.silent()
    ladder.ends_empty(call)


@pytest.mark.parametrize("target", ["tel:+15551234", "sip:bob smith@example.com", "nonsense"])
def test_a_target_that_is_no_sip_uri(target: str) -> None:
    ladder = Ladder()
    call = ladder.place(Place(target, ALICE, sdp("offer")))
    said, gone = ladder.events
    assert said.event.ending.cause is Cause.MALFORMED  # type: ignore[union-attr]
    assert gone == SessionGone(call)


def test_a_caller_that_cannot_be_written() -> None:
    ladder = Ladder()
    ladder.phone()
    call = ladder.place(Place("sip:bob@192.0.2.9", Party("mailto:a@b"), sdp("offer")))
    said, gone = ladder.events
    assert said.event.ending.cause is Cause.MALFORMED  # type: ignore[union-attr]
    assert gone == SessionGone(call)
    assert ladder.agent.sessions == 0


@pytest.mark.parametrize("how", ["timeout", "failed", "503"])
def test_the_next_address_is_tried(how: str) -> None:
    ladder = Ladder()
    one, two = ladder.phone("192.0.2.8"), ladder.phone("192.0.2.9")
    ladder.routes["example.com"] = [one.address, two.address]
    call = ladder.place(Place("sip:bob@example.com", ALICE, sdp("offer")))
    first = one.gets_request("INVITE")
    match how:
        case "timeout":
            ladder.later(32)
        case "failed":
            ladder.fail(one.address)
        case _:
            one.answers(first, 503)
    second = two.gets_request("INVITE")
    assert first.via.branch != second.via.branch
    assert (first.call_id, first.cseq) == (second.call_id, second.cseq)
    two.answers(second, 503)
    two.gets("ACK")
    ladder.hears(call, Refused(Ending(Cause.UNREACHABLE, 503, "Service Unavailable")))
    ladder.ends_empty(call)


# --- refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (302, Cause.REJECTED),
        (404, Cause.NOT_FOUND),
        (486, Cause.BUSY),
        (500, Cause.REJECTED),
        (603, Cause.DECLINED),
    ],
)
def test_refused(status: int, cause: Cause) -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 180)
    ladder.hears(call, Rang())
    refusal = phone.answers(invite, status)
    ack = phone.gets_request("ACK")
    assert (ack.via, ack.to.tag) == (invite.via, "pt")
    ladder.hears(call, Refused(Ending(cause, status, refusal.reason)))
    phone.throws(refusal)
    phone.gets("ACK")
    ladder.tell(call, GIVE_UP)
    phone.silent()
    ladder.ends_empty(call)


# --- ringing ----------------------------------------------------------------------------------------------


def test_it_rings_once_whatever_rings() -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 100)
    ladder.hears_nothing()
    phone.answers(invite, 199, tag="gone")
    ladder.hears_nothing()
    for status in (183, 180, 180, 182):
        phone.answers(invite, status)
    ladder.hears(call, Rang())
    phone.answers(invite, 180, tag="other-fork")
    ladder.hears_nothing()


def test_ringing_lasts_as_long_as_the_bridge_allows() -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 180)
    ladder.hears(call, Rang())
    ladder.later(100_000)
    phone.silent()
    ladder.hears_nothing()


def test_the_answer_of_the_183_counts_when_the_200_brings_none() -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 183, sdp=sdp("early"))
    phone.answers(invite, 200)
    ladder.hears(call, EarlyAnswered(sdp("early")), Answered(sdp("early")))


def test_a_200_without_any_session_description() -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 200)
    ladder.hears(call, Refused(Ending(Cause.MALFORMED, text="200 without a session description")))
    phone.gets("ACK")
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.ends_empty(call)


def test_requests_of_the_callee_before_it_answers() -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 180)
    ladder.hears(call, Rang())
    for method, status in (("INFO", 200), ("OPTIONS", 200), ("INVITE", 491), ("BYE", 481), ("PRACK", 481)):
        phone.sends(method)
        phone.gets(status)
    phone.sends("INFO", seq=1)
    phone.gets(500)
    phone.tag = "nobody"
    phone.sends("INFO")
    phone.gets(481)
    phone.sends("ACK")
    ladder.hears_nothing()
    assert ladder.agent.sessions == 1


# --- CANCEL -----------------------------------------------------------------------------------------------


def test_given_up_while_ringing() -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 180)
    ladder.hears(call, Rang())
    ladder.tell(call, GIVE_UP)
    phone.answers(phone.gets_request("CANCEL"), 200)
    phone.answers(invite, 180)
    phone.answers(invite, 487)
    phone.gets("ACK")
    ladder.hears_nothing()
    ladder.ends_empty(call)


def test_given_up_before_anything_was_heard() -> None:
    ladder, phone, call, invite = calling()
    ladder.tell(call, GIVE_UP)
    ladder.tell(call, GIVE_UP)
    phone.silent()
    phone.answers(invite, 100)
    phone.answers(phone.gets_request("CANCEL"), 200)
    phone.answers(invite, 487)
    phone.gets("ACK")
    ladder.ends_empty(call)


def test_given_up_and_nothing_is_ever_heard() -> None:
    ladder = Ladder()
    one, two = ladder.phone("192.0.2.8"), ladder.phone("192.0.2.9")
    ladder.routes["example.com"] = [one.address, two.address]
    call = ladder.place(Place("sip:bob@example.com", ALICE, sdp("offer")))
    ladder.tell(call, GIVE_UP)
    ladder.later(100)
    assert set(one.got()) == {"INVITE"}
    two.silent()
    ladder.ends_empty(call)


def test_given_up_during_the_lookup() -> None:
    ladder = Ladder(auto=False)
    phone = ladder.phone()
    call = ladder.place(PLACE)
    ladder.tell(call, GIVE_UP)
    assert ladder.events.popleft() == SessionGone(call)
    assert ladder.agent.running_timers == 0
    ladder.resolve(phone.address)
    phone.silent()


def test_the_answer_crosses_the_cancel() -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 180)
    ladder.hears(call, Rang())
    ladder.tell(call, GIVE_UP)
    cancel = phone.gets_request("CANCEL")
    ok = phone.answers(invite, 200, sdp=sdp("answer"))
    phone.answers(cancel, 200)
    phone.gets("ACK")
    bye = phone.gets_request("BYE")
    phone.throws(ok)
    phone.gets("ACK")
    phone.answers(bye, 200)
    ladder.hears_nothing()
    ladder.ends_empty(call)


def test_the_answer_comes_when_the_cancel_is_still_held() -> None:
    ladder, phone, call, invite = calling()
    ladder.tell(call, GIVE_UP)
    phone.answers(invite, 200, sdp=sdp("answer"))
    assert phone.got() == ["ACK", "BYE"]
    ladder.hears_nothing()
    ladder.ends_empty(call)


def test_a_cancelled_invite_without_final_response_is_forgotten() -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 180)
    ladder.hears(call, Rang())
    ladder.tell(call, GIVE_UP)
    phone.answers(phone.gets_request("CANCEL"), 200)
    ladder.later(31.9)
    assert ladder.agent.sessions == 1
    ladder.ends_empty(call)


def test_cancel_that_nobody_answers() -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 180)
    ladder.hears(call, Rang())
    ladder.tell(call, GIVE_UP)
    ladder.later(40)
    assert set(phone.got()) == {"CANCEL"}
    ladder.ends_empty(call)


# --- 2xx --------------------------------------------------------------------------------------------------


def test_lost_ack_every_copy_of_the_200_is_acknowledged() -> None:
    ladder, phone, call, invite = calling()
    ladder.lose("ACK")
    ok = phone.answers(invite, 200, sdp=sdp("answer"))
    phone.silent()
    ladder.lose()
    for _ in range(3):
        phone.throws(ok)
        phone.gets("ACK")
    ladder.hears(call, Answered(sdp("answer")))
    ladder.later(40)
    phone.throws(ok)
    ladder.drops("response to nothing")


def test_several_forks_answer_the_first_is_the_call() -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 180, tag="one")
    phone.answers(invite, 180, tag="two")
    phone.answers(invite, 200, tag="two", sdp=sdp("two"))
    ladder.hears(call, Rang(), Answered(sdp("two")))
    assert phone.gets("ACK").to.tag == "two"
    late = phone.answers(invite, 200, tag="one", sdp=sdp("one"))
    assert phone.gets("ACK").to.tag == "one"
    bye = phone.gets_request("BYE")
    assert (bye.to.tag, bye.cseq.number) == ("one", 2)
    phone.throws(late)
    assert phone.gets("ACK").to.tag == "one"
    # The other end may still say something in the dialog that we hang up.
    phone.sends("INFO")
    phone.gets(481)
    phone.answers(bye, 200, tag="one")
    ladder.hears_nothing()
    phone.tag = "two"
    phone.sends("BYE")
    phone.gets(200)
    ladder.hears(call, Ended(Ending(Cause.HANGUP)))
    ladder.ends_empty(call)


def test_a_second_fork_answers_when_the_call_was_given_up() -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 180)
    ladder.hears(call, Rang())
    ladder.tell(call, GIVE_UP)
    phone.gets("CANCEL")
    for tag in ("one", "two"):
        phone.answers(invite, 200, tag=tag, sdp=sdp(tag))
        assert phone.gets("ACK").to.tag == tag
        phone.answers(phone.gets_request("BYE"), 200, tag=tag)
    ladder.hears_nothing()
    ladder.ends_empty(call)


def test_a_flood_of_forks_is_bounded() -> None:
    ladder, phone, call, invite = calling()
    for fork in range(40):
        phone.answers(invite, 200, tag=f"fork{fork}", sdp=sdp("x"))
    assert phone.got() == ["ACK", *["ACK", "BYE"] * 15]
    ladder.hears(call, Answered(sdp("x")))
    phone.answers(invite, 180, tag="another")
    ladder.hears_nothing()


def test_a_flood_of_early_dialogs_is_bounded() -> None:
    ladder, phone, call, invite = calling()
    for fork in range(40):
        phone.answers(invite, 183, tag=f"fork{fork}", sdp=sdp("x"))
    ladder.hears(call, *([EarlyAnswered(sdp("x"))] * MAX_FORKS))
    phone.answers(invite, 200, tag="fork39", sdp=sdp("x"))
    phone.silent()
    phone.answers(invite, 200, tag="fork3")
    ladder.hears(call, Answered(sdp("x")))


# --- offers the other way round ---------------------------------------------------------------------------


def test_we_call_without_an_offer() -> None:
    ladder, phone, call, invite = calling(Place("sip:bob@192.0.2.9", ALICE, None))
    assert (invite.body, invite.headers.get("Content-Type")) == (b"", None)
    ok = phone.answers(invite, 200, sdp=sdp("their offer"))
    ladder.hears(call, Answered(sdp("their offer")))
    phone.throws(ok)
    ladder.tell(call, RefuseReoffer(Ending(Cause.NOT_ACCEPTABLE)))
    ladder.tell(call, Answer(sdp("not so")))
    phone.silent()
    ladder.tell(call, AcceptReoffer(sdp("our answer")))
    ack = phone.gets_request("ACK")
    assert (ack.body, ack.content_type) == (sdp("our answer").encode(), "application/sdp")
    phone.throws(ok)
    assert phone.gets_request("ACK").to_bytes() == ack.to_bytes()
    phone.sends("INVITE", sdp=sdp("hold"))
    phone.gets(100)
    ladder.hears(call, Reoffered(sdp("hold")))
    ladder.tell(call, RefuseReoffer(Ending(Cause.NOT_ACCEPTABLE)))
    phone.gets(488)


def test_we_called_without_an_offer_and_give_up() -> None:
    ladder, phone, call, invite = calling(Place("sip:bob@192.0.2.9", ALICE, None))
    phone.answers(invite, 200, sdp=sdp("their offer"))
    ladder.hears(call, Answered(sdp("their offer")))
    ladder.tell(call, GIVE_UP)
    assert phone.got() == ["ACK", "BYE"]
    ladder.ends_empty(call)


# --- which way --------------------------------------------------------------------------------------------


def test_requests_follow_contact_and_record_route() -> None:
    ladder, phone, call, invite = calling()
    proxy = ladder.phone("192.0.2.50", 5062)
    ladder.routes["p1.example.com;lr"] = ladder.routes["p1.example.com"] = [proxy.address]
    phone.answers(
        invite,
        200,
        sdp=sdp("answer"),
        Contact="<sip:bob@10.1.1.1>",
        Record_Route="<sip:p2.example.com;lr>, <sip:p1.example.com;lr>",
    )
    ladder.tell(call, End(Ending(Cause.HANGUP)))
    for request in (proxy.gets_request("ACK"), proxy.gets_request("BYE")):
        assert request.uri == "sip:bob@10.1.1.1"
        assert [route.uri for route in request.routes] == ["sip:p1.example.com;lr", "sip:p2.example.com;lr"]
    phone.silent()


COMPAT_ICHAT = Place("sip:user@192.0.2.9:16402", ALICE, sdp("offer"), "ichat-gw", pinned=True)


def test_ichat_gets_every_request_where_the_invite_went() -> None:
    ladder = Ladder(UserAgentConfig(outbound_proxy="sip:proxy.example.com;lr"))
    ichat = ladder.phone(port=16402, agent="Viceroy 1.4.1")
    call = ladder.place(COMPAT_ICHAT)
    invite = ichat.gets_request("INVITE")
    assert (invite.uri, list(invite.routes)) == ("sip:user@192.0.2.9:16402", [])
    ichat.answers(
        invite,
        200,
        sdp=sdp("answer"),
        Contact="<sip:user@10.0.0.1:16402>;isfocus",
        Record_Route="<sip:p.example.com;lr>",
    )
    assert ichat.gets_request("ACK").uri == "sip:user@192.0.2.9:16402"
    ichat.sends("MESSAGE")
    ichat.gets(200)
    ladder.tell(call, End(Ending(Cause.HANGUP)))
    bye = ichat.gets_request("BYE")
    assert (bye.uri, list(bye.routes)) == ("sip:user@192.0.2.9:16402", [])


def test_ichat_may_refuse_at_first() -> None:
    ladder = Ladder()
    ichat = ladder.phone(port=16402, agent="Viceroy 1.4.1")
    call = ladder.place(COMPAT_ICHAT)
    invite = ichat.gets_request("INVITE")
    ladder.fail(ichat.address)
    ladder.hears_nothing()
    ladder.later(0.5)
    assert ichat.gets_request("INVITE").to_bytes() == invite.to_bytes()
    ladder.later(31.5)
    ladder.hears(call, Refused(Ending(Cause.TIMEOUT, 408, "no response in time")))


@pytest.mark.parametrize(
    ("proxy", "routes"),
    [("sip:192.0.2.50:5062", []), ("sip:192.0.2.50:5062;lr", ["sip:192.0.2.50:5062;lr"])],
)
def test_other_calls_go_through_the_outbound_proxy(proxy: str, routes: list[str]) -> None:
    ladder = Ladder(UserAgentConfig(outbound_proxy=proxy))
    at_proxy = ladder.phone("192.0.2.50", 5062)
    ladder.place(PLACE)
    invite = at_proxy.gets_request("INVITE")
    assert (invite.uri, [route.uri for route in invite.routes]) == ("sip:bob@192.0.2.9", routes)
    cancelled = ladder.agent.session_of(invite.call_id)
    assert cancelled is not None
    at_proxy.answers(invite, 100)
    ladder.tell(cancelled, GIVE_UP)
    assert [route.uri for route in at_proxy.gets_request("CANCEL").routes] == routes


def test_an_outbound_proxy_that_is_no_sip_uri_refuses_calls_and_breaks_nothing() -> None:
    ladder = Ladder(UserAgentConfig(outbound_proxy="nonsense"))
    ladder.routes["nonsense"] = [("192.0.2.9", 5060)]
    call = ladder.place(PLACE)
    assert [type(event).__name__ for event in ladder.events] == ["FromSession", "SessionGone"]
    assert call == 1


def test_a_session_is_placed_once() -> None:
    ladder, phone, call, _ = calling()
    ladder.tell(call, PLACE)
    phone.silent()


def test_ringing_without_a_tag_makes_no_dialog() -> None:
    """RFC 2543."""
    ladder, phone, call, invite = calling()
    ringing = response_to(invite, 180)
    phone.throws(ringing)
    ladder.hears(call, Rang())
