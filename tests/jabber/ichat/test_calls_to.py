"""Calls made to iChat users, as ladders."""

from dataclasses import replace

import pytest

from ichat_gw.ipc.messages import (
    CancelIChatCall,
    ContinueIChatCall,
    InitiateIChatCall,
    NotifyIChatCallFailed,
    NotifyIChatCallProceeding,
    NotifyIChatCallRequest,
    SipUnregisterJabberUser,
)
from ichat_gw.jabber.events import Dropped, SendStanza, Tell
from ichat_gw.jabber.ichat import calls_to
from ichat_gw.jabber.ichat.calls_to import TRANSITIONS, Event, State
from jabber.scene import (
    ALICE,
    BLOB,
    BOB,
    BOOK,
    COMPONENT,
    CONFIG,
    CONTROL,
    DIAL,
    DOWN,
    HER_BLOB,
    MAC,
    REGISTER,
    UP,
    Scene,
    accepts,
    calls,
    cancels,
    declines,
    is_offline,
    is_online,
    presence_of_control,
    result,
    rings,
    vc,
)

CALL = InitiateIChatCall(ALICE, BOB, "call-1")
GIVE_UP = CancelIChatCall(ALICE, BOB, "call-1")
PROBE = f"<presence type='probe' to='{ALICE}' from='{CONTROL}'/>"
QUESTION = (
    f"<iq type='get' id='who-call-1' to='{ALICE}' from='{CONTROL}'>"
    "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
)
BUSY = NotifyIChatCallFailed("call-1", 486, "every iChat of the user is in a call or cannot take one")
OFFLINE = NotifyIChatCallFailed("call-1", 404, "the user is offline or unknown")
LEFT = NotifyIChatCallFailed("call-1", 404, "the device went offline")
NONE = NotifyIChatCallFailed("call-1", 408, "no iChat of the user showed up in time")


def rung(number: int, device: str, handle: str = "call-1", caller: str = BOB) -> list[object]:
    """What ringing one device is."""
    return [
        presence_of_control(device),
        rings(number, device, caller),
        NotifyIChatCallProceeding(handle, device),
    ]


def ringing(*devices: str) -> Scene:
    """Some devices of alice ring."""
    scene = Scene(online=devices or (MAC,))
    scene.is_told(CALL)
    return scene


def over(scene: Scene) -> None:
    """Nothing is left of the calls but what lingers after an answer; at last nothing at all."""
    scene.waits(calls_to.LINGER_SECONDS, then=[])
    assert scene.connector.negotiations == 0
    assert scene.connector.deadline() is None or scene.connector.deadline() > scene.now


# --- the flows of the manual ----------------------------------------------------------------------------


def test_established() -> None:
    scene = Scene(online=[MAC])
    scene.is_told(CALL, then=rung(1, MAC))
    scene.hears(accepts(MAC), then=[result(), ContinueIChatCall("call-1", MAC, HER_BLOB)])
    over(scene)


def test_declined_without_data() -> None:
    scene = ringing(MAC)
    scene.hears(declines(MAC), then=[result(), ContinueIChatCall("call-1", MAC, "")])
    assert scene.connector.negotiations == 0


def test_the_caller_gives_up() -> None:
    scene = ringing(MAC)
    scene.is_told(GIVE_UP, then=[cancels(2, MAC)])
    assert scene.connector.negotiations == 0


def test_bad_jid() -> None:
    scene = Scene()
    scene.is_told(CALL, then=[PROBE, QUESTION])
    scene.hears(
        f"<presence from='{ALICE}' to='{CONTROL}' type='error'><error type='cancel'><item-not-found "
        "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
        then=[OFFLINE],
    )
    assert scene.connector.negotiations == 0


# --- what counts as a refusal ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        "<response>1</response>",
        "<response>1</response><connectData/>",
        f"<response>1</response><connectData>{HER_BLOB}</connectData>",
        "<response>0</response>",
        "<response>0</response><connectData/>",
        "<response>0</response><connectData> \n </connectData>",
        f"<connectData>{HER_BLOB}</connectData>",
        f"<response>2</response><connectData>{HER_BLOB}</connectData>",
        f"<response>yes</response><connectData>{HER_BLOB}</connectData>",
        "",
    ],
)
def test_refusals(answer: str) -> None:
    scene = ringing(MAC)
    scene.hears(vc("response", MAC, BOB, answer), then=[result(), ContinueIChatCall("call-1", MAC, "")])
    assert scene.connector.negotiations == 0


def test_an_unusable_blob_is_passed_on_and_can_be_taken_back() -> None:
    scene = ringing(MAC)
    plist = b"bplist00".hex() + "d1"
    scene.hears(accepts(MAC, blob=plist), then=[result(), ContinueIChatCall("call-1", MAC, plist)])
    scene.is_told(GIVE_UP, then=[cancels(2, MAC)])
    assert scene.connector.negotiations == 0


def test_an_endless_blob_is_cut_and_still_unusable() -> None:
    scene = ringing(MAC)
    scene.hears(
        accepts(MAC, blob=BLOB * 2000), then=[result(), ContinueIChatCall("call-1", MAC, BLOB * 64 + "0")]
    )


def test_a_counter_proposal_decides_nothing() -> None:
    scene = ringing(MAC)
    proposal = vc("counterProposal", MAC, BOB, f"<connectData>{HER_BLOB}</connectData>")
    scene.hears(proposal, then=[result(), Dropped("counter proposal")])
    scene.hears(accepts(MAC), then=[result(), ContinueIChatCall("call-1", MAC, HER_BLOB)])


# --- several devices ------------------------------------------------------------------------------------


def test_two_ring_one_answers() -> None:
    scene = Scene(online=[BOOK, MAC])
    scene.is_told(CALL, then=[*rung(1, BOOK), *rung(2, MAC)])
    scene.hears(accepts(MAC), then=[result(), ContinueIChatCall("call-1", MAC, HER_BLOB), cancels(3, BOOK)])
    scene.hears(declines(BOOK), then=[result(BOOK), Dropped("answer to no call")])
    over(scene)


def test_the_last_refusal_counts() -> None:
    scene = ringing(MAC, BOOK)
    scene.hears(declines(MAC), then=[result()])
    scene.hears(declines(MAC), then=[result(), Dropped("answer to no call")])
    scene.hears(declines(BOOK), then=[result(BOOK), ContinueIChatCall("call-1", BOOK, "")])


def test_a_refusal_outweighs_a_failure() -> None:
    scene = ringing(MAC, BOOK)
    scene.hears(declines(MAC), then=[result()])
    scene.hears(is_offline(BOOK), then=[ContinueIChatCall("call-1", MAC, "")])


def test_one_goes_offline_the_other_answers() -> None:
    scene = ringing(MAC, BOOK)
    scene.hears(is_offline(MAC), then=[])
    scene.hears(accepts(BOOK), then=[result(BOOK), ContinueIChatCall("call-1", BOOK, HER_BLOB)])


def test_all_go_offline() -> None:
    scene = ringing(MAC, BOOK)
    scene.hears(is_offline(MAC), then=[])
    scene.hears(is_offline(BOOK), then=[SipUnregisterJabberUser(ALICE), LEFT])
    assert scene.connector.negotiations == 0


def test_the_user_goes_offline() -> None:
    scene = ringing(MAC, BOOK)
    scene.hears(is_offline(ALICE), then=[SipUnregisterJabberUser(ALICE), OFFLINE])
    assert scene.connector.negotiations == 0


def test_the_user_goes_into_hiding() -> None:
    scene = ringing(MAC)
    scene.hears(
        f"<presence from='{ALICE}' to='{CONTROL}' type='unsubscribed'/>",
        then=[SipUnregisterJabberUser(ALICE), OFFLINE],
    )


def test_a_device_that_does_not_ring_goes_offline() -> None:
    scene = Scene(online=[MAC])
    scene.hears(is_online(BOOK, show="away"))
    scene.is_told(CALL, then=rung(1, MAC))
    scene.hears(is_offline(BOOK), then=[])
    scene.hears(is_offline(f"{ALICE}/phone"), then=[])
    assert scene.connector.negotiations == 1


@pytest.mark.parametrize(
    ("others", "who"),
    [
        ([is_online(BOOK, show="away")], [MAC]),
        ([is_online(BOOK, show="xa")], [MAC]),
        ([is_online(BOOK, show="dnd")], [MAC]),
        ([is_online(BOOK, show="chat")], [BOOK]),
        ([is_online(BOOK, priority=-1)], [MAC]),
        ([is_online(BOOK, priority=5)], [BOOK]),
        ([is_online(BOOK, priority=5, show="away")], [MAC]),
        ([is_online(BOOK)], [MAC, BOOK]),
        ([is_online(BOOK, ext="avcap audio")], [MAC]),
        ([is_online(BOOK, ext=None)], [MAC]),
        ([is_online(BOOK, show="rubbish", priority=0)], [MAC, BOOK]),
        ([is_online(BOOK), is_online(MAC, ext="avcap audio")], [BOOK]),
    ],
)
def test_who_is_rung(others: list[str], who: list[str]) -> None:
    scene = Scene(online=[MAC])
    for xml in others:
        scene.hears(xml, then=[])
    scene.is_told(CALL, then=[line for n, device in enumerate(who, 1) for line in rung(n, device)])


def test_nobody_is_free() -> None:
    scene = Scene()
    scene.hears(is_online(MAC, ext="avcap audio"), then=[REGISTER])
    scene.is_told(CALL, then=[BUSY])
    assert scene.connector.negotiations == 0


# --- one device by name ---------------------------------------------------------------------------------


def test_a_call_to_one_device() -> None:
    scene = Scene(online=[MAC, BOOK])
    scene.is_told(InitiateIChatCall(BOOK, BOB, "call-1"), then=rung(1, BOOK))


def test_a_call_to_one_device_that_is_busy() -> None:
    scene = Scene(online=[MAC])
    scene.hears(is_online(BOOK, ext=""))
    scene.is_told(InitiateIChatCall(BOOK, BOB, "call-1"), then=[BUSY])


def test_a_call_to_one_device_that_is_not_known() -> None:
    scene = Scene(online=[MAC])
    scene.is_told(InitiateIChatCall(BOOK, BOB, "call-1"), then=[PROBE, QUESTION])
    scene.hears(is_online(f"{ALICE}/third"), then=[])
    scene.hears(is_online(BOOK), then=rung(1, BOOK))


# --- looking for the user -------------------------------------------------------------------------------


def test_found_after_a_probe() -> None:
    scene = Scene()
    scene.is_told(CALL, then=[PROBE, QUESTION])
    scene.waits(1.0, then=[])
    scene.hears(is_online(BOOK), then=[REGISTER, *rung(1, BOOK)])
    scene.hears(is_online(BOOK), then=[])
    scene.hears(is_online(MAC, show="away"), then=rung(2, MAC))
    scene.waits(4.0, then=[])
    scene.hears(is_online(f"{ALICE}/late"), then=[])
    scene.hears(accepts(MAC), then=[result(), ContinueIChatCall("call-1", MAC, HER_BLOB), cancels(3, BOOK)])
    over(scene)


def test_found_and_answered_while_still_looking() -> None:
    scene = Scene()
    scene.is_told(CALL)
    scene.hears(is_online(MAC))
    scene.hears(accepts(MAC), then=[result(), ContinueIChatCall("call-1", MAC, HER_BLOB)])
    scene.hears(is_online(BOOK), then=[])
    over(scene)


def test_found_and_declined_while_still_looking() -> None:
    scene = Scene()
    scene.is_told(CALL)
    scene.hears(is_online(MAC))
    scene.hears(is_online(BOOK))
    scene.hears(declines(MAC), then=[result()])
    scene.hears(declines(BOOK), then=[result(BOOK), ContinueIChatCall("call-1", BOOK, "")])
    assert scene.connector.negotiations == 0


def test_found_and_given_up_while_still_looking() -> None:
    scene = Scene()
    scene.is_told(CALL)
    scene.hears(is_online(MAC))
    scene.is_told(GIVE_UP, then=[cancels(2, MAC)])
    assert scene.connector.negotiations == 0


def test_found_and_gone_while_still_looking() -> None:
    scene = Scene()
    scene.is_told(CALL)
    scene.hears(is_online(MAC))
    scene.hears(is_offline(ALICE), then=[SipUnregisterJabberUser(ALICE), OFFLINE])


def test_a_device_that_fails_at_once_is_not_the_last_word() -> None:
    scene = Scene()
    scene.is_told(CALL)
    scene.hears(is_online(MAC))
    scene.hears(request_error(1, MAC, "<item-not-found/>"), then=[])
    scene.hears(is_online(MAC), then=[])
    scene.hears(is_online(BOOK), then=rung(2, BOOK))


def test_every_device_that_showed_up_failed() -> None:
    scene = Scene()
    scene.is_told(CALL)
    scene.hears(is_online(MAC))
    scene.hears(request_error(1, MAC, "<recipient-unavailable/>"), then=[])
    scene.waits(5.0, then=[NotifyIChatCallFailed("call-1", 480, "recipient-unavailable")])
    assert scene.connector.negotiations == 0


def test_nobody_shows_up() -> None:
    scene = Scene(replace(CONFIG, proceeding_timeout_ms=2500))
    scene.is_told(CALL, then=[PROBE, QUESTION])
    scene.waits(2.49, then=[])
    scene.waits(0.01, then=[NONE])
    assert scene.connector.negotiations == 0


def denial(from_: str = ALICE, id_: str = "who-call-1") -> str:
    """The server knows no such user, or lets us see nothing of it."""
    return (
        f"<iq from='{from_}' to='{CONTROL}' id='{id_}' type='error'><error type='cancel'>"
        "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    )


UNKNOWN = NotifyIChatCallFailed("call-1", 404, "the user does not exist, or has not added the control JID")


def test_a_server_that_answers_no_probe_for_a_user_who_does_not_exist() -> None:
    """Prosody is one."""
    scene = Scene()
    scene.is_told(CALL, then=[PROBE, QUESTION])
    scene.hears(denial(), then=[])
    scene.waits(calls_to.UNKNOWN_SECONDS, then=[UNKNOWN])
    assert scene.connector.negotiations == 0


def test_a_denial_does_not_lengthen_the_search() -> None:
    scene = Scene(replace(CONFIG, proceeding_timeout_ms=100))
    scene.is_told(CALL)
    scene.hears(denial())
    scene.waits(0.1, then=[UNKNOWN])


def test_an_old_server_denies_a_user_who_is_online() -> None:
    scene = Scene()
    scene.is_told(CALL)
    scene.hears(is_online(MAC), then=[REGISTER, *rung(1, MAC)])
    scene.hears(denial(), then=[])
    scene.hears(accepts(MAC), then=[result(), ContinueIChatCall("call-1", MAC, HER_BLOB)])


def test_a_denial_comes_a_moment_before_the_presence() -> None:
    scene = Scene()
    scene.is_told(CALL)
    scene.hears(denial())
    scene.waits(0.1, then=[])
    scene.hears(is_online(MAC), then=[REGISTER, *rung(1, MAC)])


def test_a_denial_of_another_user_or_call() -> None:
    scene = Scene()
    scene.is_told(CALL)
    scene.hears(denial(from_="mallory@jabber.localhost"), then=[Dropped("error for no call")])
    scene.hears(denial(id_="who-call-2"), then=[Dropped("error for no call")])
    scene.waits(4.9, then=[])


def test_only_busy_devices_show_up() -> None:
    scene = Scene()
    scene.is_told(CALL)
    scene.hears(is_online(MAC, ext="avcap"), then=[REGISTER])
    scene.waits(5.0, then=[BUSY])


@pytest.mark.parametrize("who", [ALICE, f"{ALICE}/phone"])
def test_offline_is_the_answer_to_the_probe(who: str) -> None:
    scene = Scene()
    scene.is_told(CALL)
    scene.hears(is_offline(who), then=[OFFLINE])
    assert scene.connector.negotiations == 0


def test_another_device_goes_offline_while_a_busy_one_is_known() -> None:
    scene = Scene()
    scene.is_told(CALL)
    scene.hears(is_online(MAC, ext="avcap"))
    scene.hears(is_offline(f"{ALICE}/phone"), then=[])
    scene.hears(is_online(MAC), then=rung(1, MAC))


def test_given_up_while_looking() -> None:
    scene = Scene()
    scene.is_told(CALL)
    scene.is_told(GIVE_UP, then=[])
    assert scene.connector.negotiations == 0


# --- errors ---------------------------------------------------------------------------------------------


def request_error(number: int, device: str, condition: str, query: str = "", caller: str = BOB) -> str:
    named = condition.replace("/>", " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>")
    return (
        f"<iq from='{device}' to='{caller}' id='t{number:08x}' type='error'>{query}"
        f"<error type='cancel'>{named}</error></iq>"
    )


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("<item-not-found/>", 404),
        ("<service-unavailable/>", 403),
        ("<recipient-unavailable/>", 480),
        ("<remote-server-timeout/>", 408),
        ("<not-authorized/>", 403),
    ],
)
def test_the_request_fails(condition: str, status: int) -> None:
    scene = ringing(MAC)
    text = condition.strip("</>")
    scene.hears(request_error(1, MAC, condition), then=[NotifyIChatCallFailed("call-1", status, text)])
    assert scene.connector.negotiations == 0


def test_one_request_fails_the_other_rings() -> None:
    scene = ringing(MAC, BOOK)
    scene.hears(request_error(1, MAC, "<item-not-found/>"), then=[])
    scene.hears(
        request_error(2, BOOK, "<service-unavailable/>"),
        then=[NotifyIChatCallFailed("call-1", 404, "item-not-found")],
    )


def test_an_error_with_a_foreign_id_is_known_by_the_request_it_returns() -> None:
    scene = ringing(MAC)
    query = "<query xmlns='apple:iq:vc:request'/>"
    scene.hears(request_error(99, MAC, "<item-not-found/>"), then=[Dropped("error for no call")])
    scene.hears(
        request_error(99, MAC, "<item-not-found/>", query),
        then=[NotifyIChatCallFailed("call-1", 404, "item-not-found")],
    )


def test_an_error_from_somebody_else_is_nothing() -> None:
    scene = ringing(MAC)
    scene.hears(request_error(1, BOOK, "<item-not-found/>"), then=[Dropped("error for no call")])
    scene.hears(
        request_error(1, "mallory@jabber.localhost/x", "<item-not-found/>"),
        then=[Dropped("error for no call")],
    )
    assert scene.connector.negotiations == 1


def test_an_answer_from_somebody_else_is_nothing() -> None:
    scene = ringing(MAC)
    mallory = "mallory@jabber.localhost/x"
    scene.hears(accepts(mallory), then=[result(mallory), Dropped("answer to no call")])
    scene.hears(accepts(BOOK), then=[result(BOOK), Dropped("answer to no call")])
    scene.hears(accepts(MAC, to=DIAL), then=[result(from_=DIAL), Dropped("answer to no call")])
    assert scene.connector.negotiations == 1


# --- two calls ------------------------------------------------------------------------------------------


def test_a_second_call_between_the_same_two_is_busy_and_harms_nothing() -> None:
    scene = ringing(MAC)
    second = InitiateIChatCall(ALICE, BOB, "call-2")
    busy = NotifyIChatCallFailed("call-2", 486, "another call between these two waits for its answer")
    scene.is_told(second, then=[busy])
    scene.hears(accepts(MAC), then=[result(), ContinueIChatCall("call-1", MAC, HER_BLOB)])
    scene.is_told(second, then=rung(2, MAC, "call-2"))
    scene.is_told(GIVE_UP, then=[])  # the first, too late: vc:cancel would end the second
    scene.hears(declines(MAC), then=[result(), ContinueIChatCall("call-2", MAC, "")])
    over(scene)


def test_two_callers_ring_the_same_user() -> None:
    scene = ringing(MAC)
    carol = f"carol@{COMPONENT}"
    scene.is_told(InitiateIChatCall(ALICE, carol, "call-2"), then=rung(2, MAC, "call-2", carol))
    scene.hears(declines(MAC, to=carol), then=[result(from_=carol), ContinueIChatCall("call-2", MAC, "")])
    scene.hears(accepts(MAC), then=[result(), ContinueIChatCall("call-1", MAC, HER_BLOB)])


def test_two_callers_look_for_the_same_user() -> None:
    scene = Scene()
    carol = f"carol@{COMPONENT}"
    scene.is_told(CALL)
    scene.is_told(
        InitiateIChatCall(ALICE, carol, "call-2"), then=[PROBE, QUESTION.replace("call-1", "call-2")]
    )
    scene.hears(is_online(MAC), then=[REGISTER, *rung(1, MAC), *rung(2, MAC, "call-2", carol)])
    scene.hears(declines(MAC, to=carol), then=[result(from_=carol), ContinueIChatCall("call-2", MAC, "")])
    scene.hears(declines(MAC), then=[result(), ContinueIChatCall("call-1", MAC, "")])
    assert scene.connector.negotiations == 0


def test_glare() -> None:
    """Each calls the other at the same moment: two calls, of which the people will take one."""
    scene = Scene(online=[MAC])
    scene.is_told(InitiateIChatCall(ALICE, DIAL, "call-1"))
    scene.hears(
        calls(MAC, DIAL), then=[result(from_=DIAL), NotifyIChatCallRequest(DIAL, MAC, "t00000002", HER_BLOB)]
    )
    scene.hears(declines(MAC, to=DIAL), then=[result(from_=DIAL), ContinueIChatCall("call-1", MAC, "")])
    assert scene.connector.negotiations == 1


def test_the_same_order_twice() -> None:
    scene = ringing(MAC)
    scene.is_told(CALL, then=[Dropped("call that is being made already")])


# --- what cannot be ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "to", ["", "alice", "@jabber.localhost", "a b@jabber.localhost", f"{ALICE}/", f"x@{COMPONENT}", "a@b\n"]
)
def test_calls_to_nobody(to: str) -> None:
    scene = Scene()
    text = "the called JID is not one of an XMPP user"
    scene.is_told(InitiateIChatCall(to, BOB, "c"), then=[NotifyIChatCallFailed("c", 404, text)])


@pytest.mark.parametrize(
    "from_", ["", COMPONENT, f"a b@{COMPONENT}", "bob@elsewhere", f"{BOB}/x", f"<bob>@{COMPONENT}"]
)
def test_calls_from_nobody(from_: str) -> None:
    scene = Scene()
    text = "the calling JID is not one of this gateway"
    scene.is_told(InitiateIChatCall(ALICE, from_, "c"), then=[NotifyIChatCallFailed("c", 400, text)])


def test_upper_case_is_no_difference() -> None:
    scene = Scene(online=[MAC])
    scene.is_told(
        InitiateIChatCall(ALICE.upper(), "Bob@" + COMPONENT.upper(), "call-1"),
        then=rung(1, MAC, caller=f"bob@{COMPONENT}"),
    )


def test_too_many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_to, "MAX_CALLS", 1)
    scene = ringing(MAC)
    text = "too many calls are being negotiated"
    scene.is_told(
        InitiateIChatCall("carol@jabber.localhost", BOB, "call-2"),
        then=[NotifyIChatCallFailed("call-2", 503, text)],
    )


def test_cancel_of_nothing() -> None:
    Scene().is_told(GIVE_UP, then=[])


# --- time and the stream --------------------------------------------------------------------------------


def test_ringing_does_not_last_for_ever() -> None:
    scene = ringing(MAC)
    commands = scene.waits(calls_to.RING_SECONDS)
    assert scene.connector.negotiations == 0
    assert commands == [
        Tell(NotifyIChatCallFailed("call-1", 480, "nobody answered")),
        SendStanza(cancels(2, MAC)),
    ]


def test_the_stream_breaks() -> None:
    scene = ringing(MAC)
    failed = NotifyIChatCallFailed("call-1", 503, "there is no connection to the XMPP server")
    scene.disconnects(then=[DOWN, failed])
    scene.is_told(
        InitiateIChatCall(ALICE, BOB, "c"),
        then=[NotifyIChatCallFailed("c", 503, "there is no connection to the XMPP server")],
    )
    scene.waits(10.0, then=[])
    scene.connects(then=[UP, cancels(2, MAC)])
    assert scene.connector.negotiations == 0


def test_the_stream_breaks_while_looking() -> None:
    scene = Scene()
    scene.is_told(CALL)
    failed = NotifyIChatCallFailed("call-1", 503, "there is no connection to the XMPP server")
    scene.disconnects(then=[DOWN, failed])
    assert scene.connector.negotiations == 0


def test_the_stream_breaks_while_looking_and_ringing() -> None:
    scene = Scene()
    scene.is_told(CALL)
    scene.hears(is_online(MAC))
    failed = NotifyIChatCallFailed("call-1", 503, "there is no connection to the XMPP server")
    scene.disconnects(then=[DOWN, failed])
    scene.waits(65.0)
    scene.connects(then=[UP])


def test_the_stream_breaks_after_the_answer() -> None:
    scene = ringing(MAC)
    scene.hears(accepts(MAC))
    scene.disconnects(then=[DOWN])
    scene.is_told(GIVE_UP, then=[])
    scene.connects(then=[UP, cancels(2, MAC)])


# --- the table ------------------------------------------------------------------------------------------


def test_the_table_is_whole() -> None:
    """Whatever state a call is in, giving up ends it, and every state but the last ends by itself."""
    for state in State:
        assert TRANSITIONS[state, Event.CANCELLED][0] is None
        assert (state, Event.TIME) in TRANSITIONS
    for state in (State.COLLECTING, State.RINGING):
        for event in set(Event) - {Event.FOUND}:
            assert (state, event) in TRANSITIONS
