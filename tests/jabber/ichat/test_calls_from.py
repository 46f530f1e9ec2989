"""Calls that iChat users make, as ladders."""

import pytest

from ichat_gw.ipc.messages import (
    AcceptIChatCall,
    CancelIChatCall,
    NotifyIChatCallCancelled,
    NotifyIChatCallRequest,
    ProceedingIChatCall,
    RejectIChatCall,
    SipUnregisterJabberUser,
)
from ichat_gw.jabber.events import Dropped
from ichat_gw.jabber.ichat import calls_from
from ichat_gw.jabber.ichat.calls_from import TRANSITIONS, Event, State
from jabber.scene import (
    ALICE,
    BLOB,
    BOOK,
    COMPONENT,
    CONTROL,
    DIAL,
    DOWN,
    HER_BLOB,
    MAC,
    UP,
    Scene,
    calls,
    cancels,
    is_offline,
    refuses,
    result,
    takes,
    vc,
)

ASKED = NotifyIChatCallRequest(DIAL, MAC, "t00000001", HER_BLOB)
PROCEED = ProceedingIChatCall(DIAL, MAC, "t00000001", "call-1")
ACCEPT = AcceptIChatCall(DIAL, MAC, "call-1")
REJECT = RejectIChatCall(DIAL, MAC, "call-1")
VOID = CancelIChatCall(DIAL, MAC, "call-1")
CANCELLED = NotifyIChatCallCancelled("call-1")
CANCEL = vc("cancel", MAC, DIAL, id_="iChat_2")
ACK = result(MAC, DIAL)
ACK_2 = result(MAC, DIAL, "iChat_2")


def asked() -> Scene:
    """Alice has called, and the gateway has not yet given the call a handle."""
    scene = Scene(online=[MAC])
    scene.hears(calls(), then=[ACK, ASKED])
    return scene


def proceeding() -> Scene:
    scene = asked()
    scene.is_told(PROCEED, then=[])
    return scene


def accepted() -> Scene:
    scene = proceeding()
    scene.is_told(ACCEPT, then=[takes(2)])
    return scene


def over(scene: Scene) -> None:
    assert scene.connector.negotiations == 0
    assert scene.connector.deadline() is None


# --- the flows of the manual ----------------------------------------------------------------------------


def test_established() -> None:
    scene = accepted()
    scene.waits(calls_from.LINGER_SECONDS, then=[])
    over(scene)


def test_the_phone_is_not_reached() -> None:
    scene = proceeding()
    scene.is_told(REJECT, then=[refuses(2)])
    over(scene)


def test_ichat_gives_up() -> None:
    scene = proceeding()
    scene.hears(CANCEL, then=[ACK_2, CANCELLED])
    over(scene)


def test_ichat_gives_up_before_the_handle_is_known() -> None:
    scene = asked()
    scene.hears(CANCEL, then=[ACK_2])
    scene.is_told(PROCEED, then=[CANCELLED])
    over(scene)


def test_cancel_and_acceptance_cross() -> None:
    scene = proceeding()
    scene.hears(CANCEL, then=[ACK_2, CANCELLED])
    scene.is_told(ACCEPT, then=[CANCELLED])
    scene.is_told(VOID, then=[])
    over(scene)


def test_cancel_and_rejection_cross() -> None:
    scene = proceeding()
    scene.hears(CANCEL, then=[ACK_2, CANCELLED])
    scene.is_told(REJECT, then=[])
    over(scene)


def test_ichat_gives_up_after_we_accepted() -> None:
    scene = accepted()
    scene.waits(63.9, then=[])
    scene.hears(CANCEL, then=[ACK_2, CANCELLED])
    scene.hears(CANCEL, then=[ACK_2, Dropped("cancel of no call")])
    over(scene)


@pytest.mark.parametrize("message", [VOID, REJECT])
def test_the_phone_hangs_up_before_the_invite_of_ichat(message: CancelIChatCall | RejectIChatCall) -> None:
    scene = accepted()
    scene.is_told(message, then=[cancels(3, MAC, DIAL)])
    over(scene)


def test_the_gateway_takes_back_what_it_has_not_accepted() -> None:
    scene = proceeding()
    scene.is_told(VOID, then=[refuses(2)])
    over(scene)


def test_the_handle_comes_twice() -> None:
    scene = proceeding()
    scene.is_told(PROCEED, then=[])
    scene.is_told(
        ProceedingIChatCall(DIAL, MAC, "t00000001", "call-9"), then=[NotifyIChatCallCancelled("call-9")]
    )
    scene.is_told(ACCEPT, then=[takes(2)])
    scene.is_told(PROCEED, then=[])
    scene.is_told(ACCEPT, then=[])


def test_a_handle_for_nothing() -> None:
    Scene().is_told(PROCEED, then=[CANCELLED])


# --- refused without asking -----------------------------------------------------------------------------


@pytest.mark.parametrize("contact", [CONTROL, COMPONENT, f"{CONTROL}/x"])
def test_jids_that_take_no_calls(contact: str) -> None:
    scene = Scene()
    bare = contact.partition("/")[0]
    scene.hears(
        calls(to=contact),
        then=[
            result(MAC, contact),
            Dropped("call to a JID that takes none"),
            refuses(1, contact=bare),
        ],
    )
    over(scene)


@pytest.mark.parametrize(
    "blob",
    [
        "",
        "zz",
        BLOB[:-1],
        BLOB[:40],
        BLOB * 65,
        b"bplist00".hex() + "00",
        "0" * 80,
        BLOB[:72] + "00000000",
    ],
)
def test_unusable_connect_data(blob: str) -> None:
    scene = Scene()
    scene.hears(calls(blob=blob), then=[ACK, Dropped("call without usable connect data"), refuses(1)])
    over(scene)


def test_no_connect_data_at_all() -> None:
    scene = Scene()
    refusal = [ACK, Dropped("call without usable connect data"), refuses(1)]
    scene.hears(vc("request", MAC, DIAL), then=refusal)


def test_a_line_feed_and_upper_case() -> None:
    scene = Scene()
    upper = HER_BLOB.upper()
    scene.hears(calls(blob="\n" + upper), then=[ACK, NotifyIChatCallRequest(DIAL, MAC, "t00000001", upper)])


def test_a_caller_that_is_no_device() -> None:
    scene = Scene()
    refusal = [result(ALICE, DIAL), Dropped("call from no device"), refuses(1, caller=ALICE)]
    scene.hears(calls(ALICE), then=refusal)


def test_too_many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_from, "MAX_CALLS", 1)
    scene = asked()
    scene.hears(
        calls(BOOK),
        then=[result(BOOK, DIAL), Dropped("too many calls"), refuses(2, caller=BOOK)],
    )


# --- several at once ------------------------------------------------------------------------------------


def test_two_devices_call_the_same_number() -> None:
    scene = proceeding()
    scene.hears(
        calls(BOOK),
        then=[result(BOOK, DIAL), NotifyIChatCallRequest(DIAL, BOOK, "t00000002", HER_BLOB)],
    )
    scene.is_told(ProceedingIChatCall(DIAL, BOOK, "t00000002", "call-2"))
    scene.is_told(AcceptIChatCall(DIAL, BOOK, "call-2"), then=[takes(3, BOOK)])
    scene.hears(CANCEL, then=[ACK_2, CANCELLED])
    assert scene.connector.negotiations == 1


def test_one_device_calls_two_numbers() -> None:
    scene = proceeding()
    other = f"5559999@{COMPONENT}"
    scene.hears(
        calls(to=other),
        then=[result(MAC, other), NotifyIChatCallRequest(other, MAC, "t00000002", HER_BLOB)],
    )
    scene.hears(is_offline(ALICE), then=[SipUnregisterJabberUser(ALICE), CANCELLED])
    over(scene)


@pytest.mark.parametrize(
    ("stage", "cancelled"), [(asked, []), (proceeding, [CANCELLED]), (accepted, [CANCELLED])]
)
def test_the_same_call_again_supersedes(stage: object, cancelled: list[object]) -> None:
    scene: Scene = stage()  # type: ignore[operator]
    next_ = 3 if stage is accepted else 2
    again = NotifyIChatCallRequest(DIAL, MAC, f"t{next_:08x}", HER_BLOB)
    scene.hears(calls(), then=[ACK, *cancelled, again])
    scene.is_told(PROCEED, then=[CANCELLED])  # that was the handle of the first
    assert scene.connector.negotiations == 1


def test_the_same_call_again_but_unusable_ends_the_first_too() -> None:
    scene = proceeding()
    scene.hears(
        calls(blob=""), then=[ACK, CANCELLED, Dropped("call without usable connect data"), refuses(2)]
    )
    over(scene)


# --- offline, time, the stream --------------------------------------------------------------------------


def test_the_client_goes_offline_while_waiting() -> None:
    scene = proceeding()
    scene.hears(is_offline(BOOK), then=[])
    scene.hears(is_offline(MAC), then=[SipUnregisterJabberUser(ALICE), CANCELLED])
    over(scene)


def test_the_client_goes_offline_before_the_handle_is_known() -> None:
    scene = asked()
    scene.hears(is_offline(MAC), then=[SipUnregisterJabberUser(ALICE)])
    scene.is_told(PROCEED, then=[CANCELLED])
    over(scene)


def test_an_accepted_call_does_not_need_xmpp() -> None:
    scene = accepted()
    scene.hears(is_offline(MAC), then=[SipUnregisterJabberUser(ALICE)])
    over(scene)


def test_presence_to_a_speed_dial_is_nothing() -> None:
    scene = proceeding()
    scene.hears(is_offline(MAC, to=DIAL), then=[Dropped("presence to a speed dial")])
    assert scene.connector.negotiations == 1


def test_the_gateway_does_not_answer() -> None:
    scene = asked()
    scene.waits(calls_from.HANDLE_SECONDS - 0.1, then=[])
    scene.waits(0.1, then=[refuses(2)])
    over(scene)


def test_the_gateway_does_not_decide() -> None:
    scene = proceeding()
    scene.waits(calls_from.ANSWER_SECONDS, then=[CANCELLED, refuses(2)])
    over(scene)


def test_the_stream_breaks_while_waiting() -> None:
    scene = proceeding()
    scene.disconnects(then=[DOWN, CANCELLED])
    scene.waits(5.0, then=[])
    scene.connects(then=[UP, refuses(2)])
    scene.is_told(ACCEPT, then=[CANCELLED])
    assert scene.connector.negotiations == 0


def test_the_stream_breaks_before_the_handle_is_known() -> None:
    scene = asked()
    scene.disconnects(then=[DOWN])
    scene.is_told(PROCEED, then=[CANCELLED])
    scene.connects(then=[UP, refuses(2)])


def test_the_stream_breaks_after_we_accepted() -> None:
    scene = accepted()
    scene.disconnects(then=[DOWN])
    assert scene.connector.negotiations == 1
    scene.is_told(VOID, then=[])
    scene.connects(then=[UP, cancels(3, MAC, DIAL)])


def test_the_table_is_whole() -> None:
    """A cancel, the client's end and time end or change every state; so does a broken stream, but one."""
    for state in State:
        for event in (Event.CANCEL, Event.OFFLINE, Event.OVERDUE):
            assert TRANSITIONS[state, event][0] is None
    assert (State.ACCEPTED, Event.STREAM_DOWN) not in TRANSITIONS
