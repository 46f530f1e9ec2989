"""Session timers in a call (RFC 4028): refreshes both ways, their collisions, and calls that run out."""

import pytest
from pydantic import SecretStr

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
    Refused,
    Reoffered,
)
from ichat_gw.config.credentials import SipCredentials
from ichat_gw.sip.authentication import Trust
from ichat_gw.sip.message import Request
from ichat_gw.sip.user_agent import UserAgentConfig
from tests.sip.ladder import Ladder, Peer, sdp

PLACE = Place("sip:bob@192.0.2.9", Party("sip:alice@example.com"), sdp("offer"), "alice")
HANG_UP = End(Ending(Cause.HANGUP))
UPDATES = "INVITE, ACK, BYE, UPDATE"
RAN_OUT = Ended(Ending(Cause.TIMEOUT, text="nobody refreshed the session in time"))


def called(
    expires: str = "90;refresher=uac", allow: str = UPDATES, chance: float = 0.0
) -> tuple[Ladder, Peer, int]:
    """We called, and the 200 said this about session timers."""
    ladder = Ladder(chance=chance)
    phone = ladder.phone()
    call = ladder.place(PLACE)
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 200, sdp=sdp("answer"), Session_Expires=expires, Allow=allow)
    phone.gets("ACK")
    ladder.hears(call, Answered(sdp("answer")))
    return ladder, phone, call


def caller(
    expires: str = "90;refresher=uas", allow: str = UPDATES, supported: str = "timer", chance: float = 0.0
) -> tuple[Ladder, Peer, int]:
    """They called, and their INVITE said this about session timers."""
    ladder = Ladder(chance=chance)
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"), Session_Expires=expires, Supported=supported, Allow=allow)
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Answer(sdp("answer")))
    ok = phone.gets_response(200)
    phone.sends("ACK", seq=1)
    ladder.hears(call, Confirmed())
    assert ok.headers.get("Session-Expires")
    return ladder, phone, call


# --- the first INVITE -------------------------------------------------------------------------------------


def test_422_is_answered_by_a_longer_interval() -> None:
    ladder = Ladder(UserAgentConfig(session_expires=120))
    phone = ladder.phone()
    call = ladder.place(PLACE)
    first = phone.gets_request("INVITE")
    assert first.headers.get("Session-Expires") == "120"
    phone.answers(first, 422, Min_SE="3600")
    phone.gets("ACK")
    again = phone.gets_request("INVITE")
    assert (again.headers.get("Session-Expires"), again.headers.get("Min-SE")) == ("3600", "3600")
    assert (again.call_id, again.from_.tag, again.cseq.number) == (first.call_id, first.from_.tag, 2)
    assert again.body == first.body
    # A server that does not know when to stop.
    phone.answers(again, 422, Min_SE="3600")
    phone.gets("ACK")
    ladder.hears(call, Refused(Ending(Cause.REJECTED, 422, "Session Interval Too Small")))
    ladder.ends_empty(call)


def test_422_after_we_gave_up() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    call = ladder.place(PLACE)
    invite = phone.gets_request("INVITE")
    ladder.tell(call, HANG_UP)
    phone.answers(invite, 422, Min_SE="3600")
    assert phone.got() == ["ACK"]
    ladder.ends_empty(call)


def test_too_small_an_interval_of_theirs() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"), Session_Expires="60", Supported="timer")
    assert phone.gets_response(422).headers.get("Min-SE") == "90"


def test_ichat_is_asked_for_nothing() -> None:
    ladder = Ladder()
    ichat = ladder.phone("192.0.2.9", 16402, agent="Viceroy 1.4.1")
    ladder.place(Place("sip:user@192.0.2.9:16402", Party("sip:a@b"), sdp("offer"), pinned=True))
    invite = ichat.gets_request("INVITE")
    assert not {"Session-Expires", "Min-SE", "Supported"} & {name for name, _ in invite.headers}
    ichat.sends("INVITE", sdp=sdp("offer"), Supported="timer")
    ichat.gets(100)
    ladder.tell(ladder.call(), Answer(sdp("answer")))
    ok = ichat.gets_response(200)
    assert not {"Session-Expires", "Require", "Supported"} & {name for name, _ in ok.headers}


# --- we refresh -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("up", [called, caller])
def test_we_refresh_by_update_as_long_as_the_call_lasts(up: object) -> None:
    ladder, phone, call = up()  # type: ignore[operator]
    for _ in range(3):
        ladder.later(44.9)
        phone.silent()
        ladder.later(0.1)
        update = phone.gets_request("UPDATE")
        assert (update.body, update.headers.get("Session-Expires"), update.headers.get("Min-SE")) == (
            *(b"", "90;refresher=uac", "90"),
        )
        assert "timer" in update.supported
        phone.answers(update, 200, Session_Expires="90;refresher=uac")
    ladder.hears_nothing()
    ladder.tell(call, HANG_UP)
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.ends_empty(call)


@pytest.mark.parametrize(("up", "ours"), [(called, "offer"), (caller, "answer")])
def test_without_update_we_refresh_by_the_same_description(up: object, ours: str) -> None:
    ladder, phone, call = up(allow="")  # type: ignore[operator]
    ladder.later(45)
    invite = phone.gets_request("INVITE")
    assert (invite.body, invite.content_type) == (sdp(ours).encode(), "application/sdp")
    phone.answers(invite, 100)
    theirs = "answer" if ours == "offer" else "offer"
    ok = phone.answers(invite, 200, sdp=sdp(theirs), Session_Expires="90;refresher=uac")
    ack = phone.gets_request("ACK")
    assert (ack.cseq.number, ack.body) == (invite.cseq.number, b"")
    phone.throws(ok)
    assert phone.gets_request("ACK").to_bytes() == ack.to_bytes()
    ladder.hears_nothing()
    # The next refresh brings news.
    ladder.later(45)
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 200, sdp=sdp("moved"), Session_Expires="90;refresher=uac")
    phone.gets("ACK")
    ladder.hears(call, Confirmed(sdp("moved")))
    ladder.tell(call, HANG_UP)
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.ends_empty(call)


def test_the_description_that_we_gave_last_is_repeated() -> None:
    ladder, phone, call = called(allow="")
    hold = phone.sends("INVITE", sdp=sdp("hold"), Supported="timer", Session_Expires="90;refresher=uas")
    phone.gets(100)
    ladder.hears(call, Reoffered(sdp("hold")))
    ladder.tell(call, AcceptReoffer(sdp("held")))
    ok = phone.gets_response(200)
    assert (ok.headers.get("Session-Expires"), ok.require) == ("90;refresher=uas", ("timer",))
    phone.sends("ACK", seq=hold.cseq.number)
    ladder.later(45)
    assert phone.gets_request("INVITE").body == sdp("held").encode()


@pytest.mark.parametrize("status", [405, 501])
def test_update_that_is_not_known_after_all(status: int) -> None:
    ladder, phone, _call = called()
    ladder.later(45)
    phone.answers(phone.gets_request("UPDATE"), status)
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 200, sdp=sdp("answer"), Session_Expires="90;refresher=uac")
    phone.gets("ACK")
    ladder.later(45)
    phone.gets("INVITE")


def test_lost_refreshes_are_repeated() -> None:
    ladder, phone, call = called()
    ladder.lose("UPDATE")
    ladder.later(46)
    phone.silent()
    ladder.lose()
    ladder.later(2)
    update = phone.gets_request("UPDATE")
    phone.answers(update, 200, Session_Expires="90;refresher=uac")
    phone.throws(update)  # nonsense: our own request
    ladder.later(40)
    ladder.hears(call)


def test_a_dead_phone_is_noticed() -> None:
    """The refresh is answered by nobody; the session ends before the refresh does."""
    ladder, phone, call = called()
    ladder.later(59.9)
    ladder.hears_nothing()
    ladder.later(0.1)
    ladder.hears(call, RAN_OUT)
    assert "BYE" in phone.got()
    ladder.ends_empty(call)


def test_a_dead_phone_is_noticed_sooner_when_the_interval_is_long() -> None:
    ladder, phone, call = called("1800;refresher=uac")
    ladder.later(900 + 31.9)
    ladder.hears_nothing()
    ladder.later(0.1)
    ladder.hears(call, Ended(Ending(Cause.TIMEOUT, 408, "no response in time")))
    bye = [m for m in phone.inbox if isinstance(m, Request)][-1]
    assert bye.headers.get("Reason") == 'SIP;cause=408;text="the other side did not respond"'
    ladder.ends_empty(call)


@pytest.mark.parametrize("status", [408, 481])
def test_a_phone_that_has_forgotten_the_call(status: int) -> None:
    ladder, phone, call = called()
    ladder.later(45)
    response = phone.answers(phone.gets_request("UPDATE"), status)
    ladder.hears(call, Ended(Ending(Cause.TIMEOUT, status, response.reason)))
    phone.gets("BYE")
    ladder.ends_empty(call)


def test_a_refresh_refused_for_another_reason_is_tried_again_and_then_it_ends() -> None:
    ladder, phone, call = called()
    ladder.later(45)
    phone.answers(phone.gets_request("UPDATE"), 500)  # 15 s are left
    ladder.later(7.5)
    phone.answers(phone.gets_request("UPDATE"), 503, Retry_After="5 (soon);duration=3")
    ladder.later(5)
    ladder.fail(phone.address)
    phone.gets("UPDATE")
    ladder.later(1.25)
    phone.answers(phone.gets_request("UPDATE"), 500)  # 1.25 s are left
    ladder.later(1.25)
    ladder.hears(call, RAN_OUT)
    phone.gets("BYE")
    ladder.ends_empty(call)


def test_retry_after_the_end_is_not_waited_for() -> None:
    ladder, phone, call = called()
    ladder.later(45)
    phone.answers(phone.gets_request("UPDATE"), 500, Retry_After="3600")
    ladder.later(15)
    ladder.hears(call, RAN_OUT)


def test_422_to_a_refresh() -> None:
    ladder, phone, _call = called()
    ladder.later(45)
    phone.answers(phone.gets_request("UPDATE"), 422, Min_SE="400")
    update = phone.gets_request("UPDATE")
    assert update.headers.get("Session-Expires") == "400;refresher=uac"
    phone.answers(update, 200, Session_Expires="400;refresher=uac")
    ladder.later(200)
    phone.gets("UPDATE")


def test_the_answer_to_a_refresh_ends_the_timers() -> None:
    ladder, phone, _call = called()
    ladder.later(45)
    phone.answers(phone.gets_request("UPDATE"), 200)
    ladder.later(1000)
    phone.silent()
    ladder.hears_nothing()


def test_a_refresh_moves_the_target() -> None:
    ladder, phone, _call = called()
    moved = ladder.phone("192.0.2.77")
    ladder.later(45)
    phone.answers(
        phone.gets_request("UPDATE"), 200, Session_Expires="90;refresher=uac", Contact="<sip:bob@192.0.2.77>"
    )
    ladder.later(45)
    moved.gets("UPDATE")


# --- they refresh -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("up", "mine"), [(called, "uac"), (caller, "uac")])
def test_they_refresh(up: object, mine: str) -> None:
    ladder, phone, call = up("90;refresher=uas" if up is called else "90;refresher=uac")  # type: ignore[operator]
    for _ in range(3):
        ladder.later(59)
        phone.sends("UPDATE", Session_Expires="90;refresher=uac", Supported="timer")
        ok = phone.gets_response(200)
        assert (ok.headers.get("Session-Expires"), ok.body) == ("90;refresher=uac", b"")
        assert ok.require == ("timer",)
    ladder.hears_nothing()
    ladder.later(60)
    ladder.hears(call, RAN_OUT)
    assert phone.gets_request("BYE").headers.get("Reason")
    ladder.ends_empty(call)


def test_they_refresh_by_reinvite() -> None:
    ladder, phone, call = called("90;refresher=uas")
    ladder.later(59)
    invite = phone.sends("INVITE", sdp=sdp("answer"), Session_Expires="90;refresher=uac", Supported="timer")
    phone.gets(100)
    ladder.hears(call, Reoffered(sdp("answer")))
    ladder.tell(call, AcceptReoffer(sdp("offer")))
    assert phone.gets_response(200).headers.get("Session-Expires") == "90;refresher=uac"
    phone.sends("ACK", seq=invite.cseq.number)
    ladder.later(59)
    ladder.hears_nothing()
    ladder.later(1)
    ladder.hears(call, RAN_OUT)


def test_a_caller_that_knows_no_timers_is_refreshed_because_a_proxy_wants_it() -> None:
    ladder, phone, _call = caller("90", allow="", supported="")
    ladder.later(45)
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 200, sdp=sdp("offer"), Session_Expires="90;refresher=uac")
    phone.gets("ACK")
    ladder.hears_nothing()


def test_a_session_that_runs_out_before_the_ack() -> None:
    """Section 15 of RFC 3261: BYE waits for the ACK, or for its time to be over."""
    ladder = Ladder()
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"), Session_Expires="10;refresher=uac")
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Answer(sdp("answer")))
    phone.gets(200)
    ladder.later(6.7)
    ladder.hears(call, RAN_OUT)
    assert set(phone.got()) == {200}
    phone.sends("ACK", seq=1)
    phone.gets("BYE")
    ladder.ends_empty(call)


# --- glare ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("up", "chance", "wait"),
    [(called, 0.0, 2.1), (called, 1.0, 4.0), (caller, 0.0, 0.0), (caller, 1.0, 2.0), (caller, 0.5, 1.0)],
)
def test_491_waits_longer_at_who_chose_the_call_id(up: object, chance: float, wait: float) -> None:
    ladder, phone, _call = up(allow="", chance=chance)  # type: ignore[operator]
    ladder.later(45)
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 491)
    phone.gets("ACK")
    if wait:
        ladder.later(wait - 0.01)
        phone.silent()
    ladder.later(0.02)
    again = phone.gets_request("INVITE")
    assert (again.cseq.number, again.body) == (invite.cseq.number + 1, invite.body)
    phone.answers(again, 200, sdp=sdp("answer" if up is called else "offer"), Session_Expires="90")
    phone.gets("ACK")
    ladder.hears_nothing()


def test_their_offers_while_ours_is_open() -> None:
    ladder, phone, call = called(allow="")
    ladder.later(45)
    invite = phone.gets_request("INVITE")
    refused = phone.sends("INVITE", sdp=sdp("theirs"))
    phone.gets(491)
    phone.sends("ACK", seq=refused.cseq.number, branch=refused.via.branch)
    phone.sends("UPDATE", sdp=sdp("theirs"))
    phone.gets(491)
    phone.sends("UPDATE")
    phone.gets(200)
    ladder.hears_nothing()
    phone.answers(invite, 491)
    phone.gets("ACK")
    # Their turn now; ours waits until it is over.
    theirs = phone.sends("INVITE", sdp=sdp("theirs"), Session_Expires="90;refresher=uas", Supported="timer")
    phone.gets(100)
    ladder.hears(call, Reoffered(sdp("theirs")))
    ladder.later(3)
    ladder.tell(call, AcceptReoffer(sdp("ours")))
    phone.gets(200)
    ladder.later(0.4)
    phone.sends("ACK", seq=theirs.cseq.number)
    ladder.later(44.6)
    assert phone.gets_request("INVITE").body == sdp("ours").encode()


def test_a_refresh_waits_for_what_is_pending() -> None:
    ladder, phone, call = called()
    ladder.later(44)
    phone.sends("UPDATE", sdp=sdp("theirs"))
    ladder.hears(call, Reoffered(sdp("theirs")))
    ladder.later(3.5)
    phone.silent()
    ladder.tell(call, AcceptReoffer(sdp("ours")))
    ok = phone.gets_response(200)
    # It did not say that it knows timers any more; we were the refresher, and go on.
    assert ok.headers.get("Session-Expires") == "90;refresher=uas"
    ladder.later(45)
    phone.gets("UPDATE")


def test_refreshes_that_cross() -> None:
    ladder, phone, _call = called()
    ladder.later(45)
    ours = phone.gets_request("UPDATE")
    phone.sends("UPDATE", Session_Expires="90", Supported="timer")
    phone.gets(200)
    phone.answers(ours, 200, Session_Expires="90;refresher=uac")
    ladder.hears_nothing()


# --- the end of it ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["we", "they"])
def test_a_call_that_ends_during_a_refresh(who: str) -> None:
    ladder, phone, call = called(allow="")
    ladder.later(45)
    invite = phone.gets_request("INVITE")
    if who == "we":
        ladder.tell(call, HANG_UP)
        phone.answers(phone.gets_request("BYE"), 200)
    else:
        phone.sends("BYE")
        phone.gets(200)
        ladder.hears(call, Ended(Ending(Cause.HANGUP)))
    phone.answers(invite, 487)
    phone.gets("ACK")
    ladder.ends_empty(call)


def test_a_refresh_that_is_answered_after_the_end_is_acknowledged_all_the_same() -> None:
    ladder, phone, call = called(allow="")
    ladder.later(45)
    invite = phone.gets_request("INVITE")
    ladder.tell(call, HANG_UP)
    phone.gets("BYE")
    phone.answers(invite, 200, sdp=sdp("answer"), Session_Expires="90")
    phone.gets("ACK")
    ladder.ends_empty(call)


@pytest.mark.parametrize("final", [None, 200])
def test_a_refresh_without_final_response_does_not_keep_the_session(final: int | None) -> None:
    ladder, phone, call = called(allow="")
    ladder.later(45)
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 100)
    ladder.later(15)
    ladder.hears(call, RAN_OUT)
    phone.answers(phone.gets_request("BYE"), 200)
    if final:
        ladder.later(10)
        phone.answers(invite, final, sdp=sdp("answer"))
        phone.gets("ACK")
    ladder.ends_empty(call)


def test_an_update_that_fails_after_the_end() -> None:
    ladder, phone, call = called()
    ladder.later(45)
    phone.gets("UPDATE")
    ladder.tell(call, HANG_UP)
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.later(40)
    assert set(phone.got()) == {"UPDATE"}
    ladder.ends_empty(call)


def test_the_call_ends_while_the_way_of_a_refresh_is_looked_up() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    ladder.routes["far.example.com"] = [phone.address]
    call = ladder.place(PLACE)
    ladder.auto = True
    invite = phone.gets_request("INVITE")
    phone.answers(
        invite,
        200,
        sdp=sdp("answer"),
        Session_Expires="90;refresher=uac",
        Allow=UPDATES,
        Contact="<sip:bob@far.example.com>",
    )
    phone.gets("ACK")
    phone.sends("UPDATE", Contact="<sip:bob@elsewhere.example.com>", Session_Expires="90", Supported="timer")
    phone.gets(200)
    ladder.auto = False
    ladder.later(45)
    ladder.tell(call, HANG_UP)
    ladder.resolve(phone.address)
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.hears(call, Answered(sdp("answer")))
    ladder.ends_empty(call)


# --- passwords, and ways that must be found first ---------------------------------------------------------


@pytest.mark.parametrize("allow", [UPDATES, ""])
def test_a_refresh_is_asked_for_a_password(allow: str) -> None:
    trust = Trust((SipCredentials("*", "alice", SecretStr("secret")),), frozenset({"192.0.2.9"}))
    ladder = Ladder(UserAgentConfig(trust=trust), chance=0.0)
    phone = ladder.phone()
    caller = Party("sip:alice@192.0.2.9")
    call = ladder.place(Place("sip:bob@192.0.2.9", caller, sdp("offer"), aor="sip:alice@192.0.2.9"))
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 200, sdp=sdp("answer"), Session_Expires="90;refresher=uac", Allow=allow)
    phone.gets("ACK")
    ladder.hears(call, Answered(sdp("answer")))
    ladder.later(45)
    method = "UPDATE" if allow else "INVITE"
    phone.answers(phone.gets_request(method), 407, Proxy_Authenticate='Digest realm="r", nonce="n"')
    if method == "INVITE":
        phone.gets("ACK")
    again = phone.gets_request(method)
    assert again.headers.get("Proxy-Authorization")
    phone.answers(again, 200, sdp=None if allow else sdp("answer"), Session_Expires="90;refresher=uac")
    if method == "INVITE":
        assert phone.gets_request("ACK").headers.get("Proxy-Authorization")
    ladder.hears_nothing()
    ladder.later(45)
    phone.gets(method)


def test_a_stranger_who_asks_for_a_password_gets_none() -> None:
    ladder, phone, call = called()
    ladder.later(45)
    phone.answers(phone.gets_request("UPDATE"), 407, Proxy_Authenticate='Digest realm="r", nonce="n"')
    phone.silent()
    ladder.later(7.5)
    phone.gets("UPDATE")
    ladder.later(7.5)
    ladder.hears(call, RAN_OUT)


def test_a_200_that_is_repeated_while_the_way_of_its_ack_is_looked_up() -> None:
    ladder, phone, _ = called(allow="")
    ladder.later(45)
    invite = phone.gets_request("INVITE")
    ladder.auto = False
    moved = "<sip:bob@far.example.com>"
    ok = phone.answers(invite, 200, sdp=sdp("answer"), Session_Expires="90;refresher=uac", Contact=moved)
    phone.throws(ok)
    phone.silent()
    other = ladder.phone("192.0.2.78")
    ladder.resolve(other.address)
    assert other.gets_request("ACK").uri == "sip:bob@far.example.com"
    phone.throws(ok)
    other.gets("ACK")


def test_the_next_refresh_is_due_while_the_last_is_pending() -> None:
    ladder, phone, _call = called(allow="")
    ladder.later(45)
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 100)
    phone.sends("UPDATE", Session_Expires="90;refresher=uas", Supported="timer")
    phone.gets(200)
    ladder.later(46)
    phone.silent()
    phone.answers(invite, 200, sdp=sdp("answer"), Session_Expires="90;refresher=uac")
    phone.gets("ACK")
    ladder.later(45)
    phone.gets("INVITE")
    ladder.hears_nothing()
