"""A phone transfers its call: REFER, 202, NOTIFY; and a call that takes the place of another."""

import pytest

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    AcceptTransfer,
    Answer,
    Answered,
    Confirmed,
    End,
    Ended,
    Party,
    Place,
    Refuse,
    RefuseTransfer,
    Ring,
    TransferAsked,
    TransferProgress,
)
from ichat_gw.sip.events import InviteReceived
from ichat_gw.sip.message import Request
from tests.sip.ladder import Ladder, Peer, sdp
from tests.sip.test_info import talking

CAROL = "sip:carol@192.0.2.30"
ASKED = TransferAsked(CAROL)


def refer(phone: Peer, to: str = f"<{CAROL}>", **fields: str) -> Request:
    return phone.sends("REFER", Refer_To=to, **fields)


def notify(phone: Peer, status: str, state: str, event: str = "refer", answer: int = 200) -> Request:
    request = phone.gets_request("NOTIFY")
    assert request.headers.get("Event") == event
    assert request.headers.get("Content-Type") == "message/sipfrag;version=2.0"
    assert request.body == f"SIP/2.0 {status}\r\n".encode()
    assert (request.headers.get("Subscription-State") or "").startswith(state)
    if answer:
        phone.answers(request, answer, tag=phone.tag)
    return request


def following(**fields: str) -> tuple[Ladder, Peer, int]:
    ladder, phone, call = talking()
    refer(phone, **fields)
    ladder.hears(call, ASKED)
    ladder.tell(call, AcceptTransfer())
    return ladder, phone, call


def test_a_transfer_that_goes_well() -> None:
    ladder, phone, call = following()
    accepted = phone.gets_response(202)
    assert accepted.headers.get("Refer-Sub") is None
    assert accepted.headers.get("Contact") == "<sip:alice@192.0.2.1:5070>"
    first = notify(phone, "100 Trying", "active;expires=240")
    assert first.uri == phone.uri
    ladder.later(5)
    ladder.tell(call, TransferProgress(180))
    notify(phone, "180 Ringing", "active;expires=235")
    ladder.tell(call, TransferProgress(200))
    ladder.tell(call, End(Ending(Cause.TRANSFERRED)))
    notify(phone, "200 OK", "terminated;reason=noresource")
    bye = phone.gets_request("BYE")
    phone.answers(bye, 200, tag=phone.tag)
    ladder.ends_empty(call)


def test_a_transfer_that_fails_and_another_that_does_not_subscribe() -> None:
    ladder, phone, call = following()
    phone.gets(202)
    notify(phone, "100 Trying", "active")
    ladder.tell(call, TransferProgress(486))
    notify(phone, "486 Busy Here", "terminated;reason=noresource")
    # The call goes on as it was, and the next REFER is known by its number.
    second = refer(phone, Refer_Sub="false", Supported="norefersub")
    ladder.hears(call, ASKED)
    ladder.tell(call, AcceptTransfer())
    assert phone.gets(202).headers.get("Refer-Sub") == "false"
    ladder.tell(call, TransferProgress(180))
    ladder.tell(call, TransferProgress(404))
    phone.silent()
    third = refer(phone)
    assert third.cseq.number > second.cseq.number
    ladder.hears(call, ASKED)
    ladder.tell(call, AcceptTransfer())
    phone.gets(202)
    notify(phone, "100 Trying", "active", event=f"refer;id={third.cseq.number}")
    ladder.tell(call, TransferProgress(603))
    notify(phone, "603 Decline", "terminated", event=f"refer;id={third.cseq.number}")


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (Ending(Cause.FORBIDDEN), 403),
        (Ending(Cause.DECLINED), 603),
        (Ending(Cause.REJECTED, 491), 491),
        (Ending(Cause.TIMEOUT), 480),
    ],
)
def test_a_transfer_that_is_not_tried(ending: Ending, status: int) -> None:
    ladder, phone, call = talking()
    refer(phone)
    ladder.hears(call, ASKED)
    ladder.tell(call, RefuseTransfer(ending))
    phone.gets(status)
    ladder.tell(call, TransferProgress(200))
    ladder.tell(call, AcceptTransfer())
    ladder.tell(call, RefuseTransfer(ending))
    phone.silent()


def test_a_refer_on_which_nobody_decides() -> None:
    ladder, phone, call = talking()
    refer(phone)
    ladder.hears(call, ASKED)
    ladder.later(20.1)
    phone.gets(480)


def test_a_refer_that_cannot_be_followed() -> None:
    ladder, phone, _ = talking()
    phone.sends("REFER")
    phone.gets(400)
    refer(phone, "<tel:+1555>")
    phone.gets(603)
    ladder.hears_nothing()


def test_one_transfer_at_a_time() -> None:
    ladder, phone, call = talking()
    refer(phone)
    ladder.hears(call, ASKED)
    refer(phone)
    phone.gets(491)
    ladder.tell(call, AcceptTransfer())
    phone.gets(202)
    notify(phone, "100 Trying", "active")
    refer(phone)
    phone.gets(491)


def test_ichat_transfers_nobody() -> None:
    ladder, ichat, _ = talking("Viceroy 1.4.1")
    refer(ichat)
    ichat.gets(603)
    ladder.hears_nothing()


def test_before_the_call_is_up_a_refer_has_to_wait() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"))
    call = ladder.call()
    ladder.tell(call, Ring())
    phone.gets(100)
    phone.gets(180)
    refer(phone)
    phone.gets(491)


def test_a_callee_that_rings_has_to_wait_too() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    ladder.place(Place("sip:bob@192.0.2.9", Party("sip:alice@example.com"), sdp("offer"), "alice"))
    phone.answers(phone.gets_request("INVITE"), 180)
    refer(phone)
    phone.gets(491)


# --- NOTIFY -----------------------------------------------------------------------------------------------


def test_news_wait_for_the_answer_to_the_last_notify_but_the_last_word_does_not() -> None:
    ladder, phone, call = following()
    phone.gets(202)
    first = notify(phone, "100 Trying", "active", answer=0)
    ladder.tell(call, TransferProgress(180))
    phone.silent()
    phone.answers(first, 200, tag=phone.tag)
    second = notify(phone, "180 Ringing", "active", answer=0)
    ladder.tell(call, TransferProgress(200))
    notify(phone, "200 OK", "terminated")
    phone.answers(second, 200, tag=phone.tag)
    phone.silent()


def test_the_last_word_is_not_taken_back_by_news_that_nobody_answered() -> None:
    ladder, phone, call = following()
    phone.gets(202)
    notify(phone, "100 Trying", "active", answer=0)
    ladder.lose("NOTIFY")
    ladder.later(5)
    ladder.lose()
    ladder.tell(call, TransferProgress(200))
    notify(phone, "200 OK", "terminated")
    ladder.lose("NOTIFY")
    ladder.later(32.1)
    ladder.lose()
    ladder.tell(call, End(Ending(Cause.TRANSFERRED)))
    phone.answers(phone.gets_request("BYE"), 200, tag=phone.tag)
    ladder.ends_empty(call)


@pytest.mark.parametrize("status", [481, 405, 500])
def test_a_notify_that_is_refused_is_the_last(status: int) -> None:
    ladder, phone, call = following()
    phone.gets(202)
    first = notify(phone, "100 Trying", "active", answer=0)
    ladder.tell(call, TransferProgress(180))
    phone.answers(first, status, tag=phone.tag)
    ladder.tell(call, TransferProgress(200))
    phone.silent()


def test_a_notify_that_is_not_answered_is_the_last() -> None:
    ladder, phone, call = following()
    phone.gets(202)
    ladder.lose("NOTIFY")
    ladder.later(32.1)
    ladder.lose()
    phone.got()
    ladder.tell(call, TransferProgress(200))
    phone.silent()


def test_a_subscription_is_refreshed_and_ended() -> None:
    ladder, phone, call = following()
    phone.gets(202)
    notify(phone, "100 Trying", "active")
    ladder.later(40)
    phone.sends("SUBSCRIBE", Event="refer", Expires="300")
    assert phone.gets(200).headers.get("Expires") == "200"
    notify(phone, "100 Trying", "active;expires=200")
    phone.sends("SUBSCRIBE", Event="refer", Expires="0")
    phone.gets(200)
    notify(phone, "100 Trying", "terminated;reason=timeout")
    phone.sends("SUBSCRIBE", Event="refer")
    phone.gets(481)
    ladder.tell(call, TransferProgress(200))
    phone.silent()


def test_nothing_else_can_be_subscribed_to() -> None:
    ladder, phone, _ = talking()
    phone.sends("SUBSCRIBE", Event="presence")
    assert phone.gets(489).headers.get("Allow-Events") == "refer"
    phone.sends("SUBSCRIBE")
    phone.gets(489)
    phone.sends("SUBSCRIBE", Event="refer;id=1")
    phone.gets(481)
    ladder.hears_nothing()


def test_the_phone_hangs_up_before_it_is_decided() -> None:
    ladder, phone, call = talking()
    refer(phone)
    phone.sends("BYE")
    assert sorted(map(str, phone.got())) == ["200", "487"]
    ladder.hears(call, ASKED, Ended(Ending(Cause.HANGUP)))
    ladder.ends_empty(call)


def test_the_phone_hangs_up_while_the_new_call_rings() -> None:
    ladder, phone, call = following()
    phone.gets(202)
    notify(phone, "100 Trying", "active")
    phone.sends("BYE")
    phone.gets(200)
    ladder.tell(call, TransferProgress(200))
    phone.silent()
    ladder.hears(call, Ended(Ending(Cause.HANGUP)))
    ladder.ends_empty(call)


# --- the new call -----------------------------------------------------------------------------------------


def test_the_new_call_says_who_asked_for_it_and_what_it_replaces() -> None:
    ladder = Ladder()
    carol = ladder.phone("192.0.2.30")
    place = Place(CAROL, Party("sip:alice@example.com"), sdp("offer"), "alice")
    ladder.place(place)
    plain = carol.gets_request("INVITE")
    assert (plain.headers.get("Referred-By"), plain.headers.get("Replaces")) == (None, None)
    replaces = "1@x;to-tag=2;from-tag=3"
    place = Place(
        CAROL, Party("sip:alice@example.com"), sdp("offer"), referred_by="<sip:bob@b>", replaces=replaces
    )
    ladder.place(place)
    invite = carol.gets_request("INVITE")
    assert invite.headers.get("Referred-By") == "<sip:bob@b>"
    assert invite.headers.get("Replaces") == replaces
    assert invite.require == ("replaces",)


# --- INVITE with Replaces ---------------------------------------------------------------------------------


def replacing(phone: Peer, replaces: str) -> None:
    phone.sends("INVITE", sdp=sdp("instead"), Replaces=replaces, Require="replaces")


def dialog_of(phone: Peer) -> str:
    """The call with this phone, as a Replaces that is sent to us says it."""
    return f"{phone.call_id};to-tag={phone.to_tag};from-tag={phone.tag}"


def up(called: bool) -> tuple[Ladder, Peer, int]:
    if not called:
        return talking()
    ladder = Ladder()
    phone = ladder.phone()
    call = ladder.place(Place("sip:bob@192.0.2.9", Party("sip:alice@example.com"), sdp("offer"), "alice"))
    phone.answers(phone.gets_request("INVITE"), 200, sdp=sdp("answer"))
    phone.gets("ACK")
    ladder.hears(call, Answered(sdp("answer")))
    return ladder, phone, call


@pytest.mark.parametrize("called", [True, False])
def test_a_call_that_is_to_take_the_place_of_another(called: bool) -> None:
    ladder, phone, call = up(called)
    carol = ladder.phone("192.0.2.30", user="carol", tag="carols")
    replacing(carol, dialog_of(phone))
    carol.gets(100)
    (invite,) = ladder.events
    assert isinstance(invite, InviteReceived)
    assert invite.replaces == call
    ladder.events.clear()
    ladder.tell(invite.session, Answer(sdp("welcome")))
    ladder.tell(call, End(Ending(Cause.REPLACED)))
    carol.gets(200)
    carol.sends("ACK", seq=1)
    phone.gets("BYE")
    ladder.hears(invite.session, Confirmed())


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda dialog: dialog + ";early-only", 486),
        (lambda dialog: "other" + dialog, 481),
        (lambda dialog: dialog.replace("to-tag=", "to-tag=x"), 481),
        (lambda dialog: dialog.replace("from-tag=", "from-tag=x"), 481),
        (lambda dialog: dialog.partition(";")[0], 400),
    ],
)
@pytest.mark.parametrize("called", [True, False])
def test_what_cannot_be_replaced(called: bool, change: object, status: int) -> None:
    ladder, phone, _ = up(called)
    carol = ladder.phone("192.0.2.30", user="carol", tag="carols")
    replacing(carol, change(dialog_of(phone)))  # type: ignore[operator]
    carol.gets(status)
    ladder.hears_nothing()


def test_a_call_that_is_over_cannot_be_replaced() -> None:
    ladder, phone, call = talking()
    dialog = dialog_of(phone)
    ladder.tell(call, End(Ending(Cause.HANGUP)))
    carol = ladder.phone("192.0.2.30", user="carol", tag="carols")
    replacing(carol, dialog)
    carol.gets(603)


@pytest.mark.parametrize("early_only", ["", ";early-only"])
def test_a_call_of_ours_that_rings_is_picked_up(early_only: str) -> None:
    ladder = Ladder()
    phone = ladder.phone()
    call = ladder.place(Place("sip:bob@192.0.2.9", Party("sip:alice@example.com"), sdp("offer"), "alice"))
    phone.answers(phone.gets_request("INVITE"), 180)
    ladder.events.clear()
    carol = ladder.phone("192.0.2.30", user="carol", tag="carols")
    replacing(carol, dialog_of(phone) + early_only)
    carol.gets(100)
    (invite,) = ladder.events
    assert isinstance(invite, InviteReceived)
    assert invite.replaces == call
    ladder.tell(call, Refuse(Ending(Cause.CANCELLED)))


@pytest.mark.parametrize("what", ["another branch", "one that we have given up"])
def test_a_call_of_ours_that_does_not_ring_there(what: str) -> None:
    ladder = Ladder()
    phone = ladder.phone()
    call = ladder.place(Place("sip:bob@192.0.2.9", Party("sip:alice@example.com"), sdp("offer"), "alice"))
    phone.answers(phone.gets_request("INVITE"), 180)
    dialog = dialog_of(phone)
    if what == "another branch":
        dialog = dialog.replace("from-tag=", "from-tag=x")
    else:
        ladder.tell(call, Refuse(Ending(Cause.CANCELLED)))
    carol = ladder.phone("192.0.2.30", user="carol", tag="carols")
    replacing(carol, dialog)
    carol.gets(481)


def test_a_call_to_us_that_rings_is_not_picked_up() -> None:
    """RFC 3891 section 3: only an early dialog that we have begun."""
    ladder = Ladder()
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"))
    phone.gets(100)
    ladder.tell(ladder.call(), Ring())
    phone.gets(180)
    carol = ladder.phone("192.0.2.30", user="carol", tag="carols")
    replacing(carol, dialog_of(phone))
    carol.gets(481)


@pytest.mark.parametrize("pinned", [True, False])
def test_ichats_side_of_a_call_is_nobodys_to_take(pinned: bool) -> None:
    if pinned:
        ladder = Ladder()
        ichat = ladder.phone(port=16402, agent="Viceroy 1.4.1")
        ladder.place(
            Place("sip:user@192.0.2.9:16402", Party("sip:gw@example.com"), sdp("offer"), pinned=True)
        )
        ichat.answers(ichat.gets_request("INVITE"), 200, sdp=sdp("answer"))
        ichat.gets("ACK")
        ladder.events.clear()
    else:
        ladder, ichat, _ = talking("Viceroy 1.4.1")
    carol = ladder.phone("192.0.2.30", user="carol", tag="carols")
    replacing(carol, dialog_of(ichat))
    carol.gets(481)
