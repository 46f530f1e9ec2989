"""Routing, stopping, and that nothing whatever makes the connector raise or leaves something behind."""

from collections.abc import Callable
from dataclasses import replace
from xml.etree.ElementTree import Element, SubElement

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ichat_gw.ipc.messages import (
    AcceptIChatCall,
    CancelIChatCall,
    CheckSubscription,
    Configure,
    ContinueIChatCall,
    InitiateIChatCall,
    JabberConnection,
    Log,
    Message,
    NotifyChatMessage,
    NotifyChatMessageSent,
    NotifyIChatCallCancelled,
    NotifyIChatCallFailed,
    NotifyIChatCallProceeding,
    NotifyIChatCallRequest,
    ProceedingIChatCall,
    RefuseIChatCall,
    RejectIChatCall,
    SendChatMessage,
    SendSubscriptionResponse,
    SipRegisterJabberUser,
    Stop,
    WithdrawIChatCall,
)
from ichat_gw.jabber import connector, stanza
from ichat_gw.jabber.connector import Connector
from ichat_gw.jabber.events import (
    CloseStream,
    ConnectorCommand,
    Dropped,
    ForgetSubscription,
    Reconnect,
    RememberSubscription,
    SendStanza,
    StanzaReceived,
    StreamDown,
    StreamUp,
    Tell,
)
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
    UP,
    Scene,
    accepts,
    calls,
    cancels,
    declines,
    element,
    is_offline,
    is_online,
    presence_of_control,
    refuses,
    result,
    rings,
    takes,
    vc,
)

# --- what is not for us ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (f"<presence to='{CONTROL}'/>", "stanza from nobody"),
        (f"<presence from='{'x' * 4000}' to='{CONTROL}'/>", "stanza from nobody"),
        (f"<presence from='{MAC}' to='{'x' * 4000}'/>", "stanza from nobody"),
        (f"<presence from='{MAC}'/>", "stanza not for us"),
        (f"<presence from='{MAC}' to='x@elsewhere'/>", "stanza not for us"),
        (f"<presence from='{DIAL}' to='{CONTROL}' type='probe'/>", "stanza from ourselves"),
        (f"<handshake from='{MAC}' to='{CONTROL}'/>", "not a stanza"),
        (f"<presence from='{MAC}' to='{CONTROL}' type='x'/>", "presence of an unknown type"),
        (f"<iq from='{MAC}' to='{CONTROL}' id='1' type='error'/>", "error for no call"),
    ],
)
def test_dropped(xml: str, reason: str) -> None:
    (command,) = Scene().hears(xml)
    assert isinstance(command, Dropped)
    assert command.reason == reason


def test_answers_are_not_answered() -> None:
    scene = Scene()
    scene.hears(f"<iq from='{MAC}' to='{CONTROL}' id='1' type='result'/>", then=[])
    scene.hears(
        f"<presence from='{MAC}' to='{DIAL}' type='error'/>", then=[Dropped("presence to a speed dial")]
    )


def test_stanzas_before_the_stream_is_up() -> None:
    Scene(connected=False).hears(is_online(MAC), then=[Dropped("stanza without a stream")])


def test_messages_that_only_we_send() -> None:
    only_ours = Dropped("message that only we send")
    for message in (Log("INFO", "x"), SipRegisterJabberUser(ALICE), NotifyIChatCallCancelled("x")):
        Scene().is_told(message, then=[only_ours])


def test_an_answer_to_a_call_of_the_other_direction() -> None:
    scene = Scene()
    scene.hears(accepts(MAC, DIAL), then=[result(from_=DIAL), Dropped("answer to no call")])
    scene.hears(declines(MAC, DIAL), then=[result(from_=DIAL), Dropped("answer to no call")])
    scene.hears(vc("cancel", MAC, BOB), then=[result(), Dropped("cancel of no call")])


# --- the stream -----------------------------------------------------------------------------------------


def test_the_gateway_hears_of_the_stream() -> None:
    scene = Scene(connected=False)
    refused = JabberConnection(False, "refused")
    scene.disconnects("refused", then=[refused])
    scene.disconnects("refused", then=[])
    scene.disconnects("wrong password", then=[JabberConnection(False, "wrong password")])
    scene.connects(then=[UP])
    assert scene.connector.connected
    scene.disconnects("refused", then=[refused])
    assert not scene.connector.connected


def test_only_so_much_is_kept_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "MAX_LATER", 1)
    scene = Scene(online=[MAC, BOOK])
    scene.is_told(InitiateIChatCall(ALICE, BOB, "c"))
    text = "there is no connection to the XMPP server"
    full = Dropped("too many stanzas for a stream that is down")
    scene.disconnects(then=[DOWN, NotifyIChatCallFailed("c", 503, text), full])
    scene.connects(then=[UP, cancels(3, MAC)])


# --- after the death of the connector before ------------------------------------------------------------


def test_what_the_connector_before_rang_is_cancelled() -> None:
    scene = Scene()
    scene.is_told(WithdrawIChatCall(MAC, BOB), then=[cancels(1, MAC)])
    scene.is_told(RefuseIChatCall(DIAL, MAC), then=[refuses(2)])


@pytest.mark.parametrize(("to", "from_"), [("@", BOB), (MAC, "@"), (MAC, "bob@elsewhere"), (COMPONENT, BOB)])
def test_a_withdrawal_that_makes_no_sense(to: str, from_: str) -> None:
    Scene().is_told(
        WithdrawIChatCall(to, from_), then=[Dropped("withdrawal between nobody", f"{to} {from_}")]
    )


# --- stopping -------------------------------------------------------------------------------------------


def test_an_orderly_stop() -> None:
    scene = Scene(subscriptions=[(ALICE, CONTROL), (ALICE, DIAL)], online=[MAC])
    scene.is_told(InitiateIChatCall(ALICE, BOB, "out"))
    scene.hears(calls(BOOK))
    scene.is_told(ProceedingIChatCall(DIAL, BOOK, "t00000002", "in"))
    scene.hears(calls(MAC))
    scene.is_told(ProceedingIChatCall(DIAL, MAC, "t00000003", "in-2"))
    scene.is_told(AcceptIChatCall(DIAL, MAC, "in-2"), then=[takes(4)])
    scene.is_told(InitiateIChatCall("carol@x", BOB, "out-2"))
    scene.hears(is_online("carol@x/1"))
    scene.hears(accepts("carol@x/1"))
    scene.is_told(
        Stop(),
        then=[
            NotifyIChatCallCancelled("in"),
            refuses(6, BOOK),
            NotifyIChatCallFailed("out", 503, "there is no connection to the XMPP server"),
            cancels(7, MAC),
            f"<presence type='unavailable' to='{ALICE}' from='{DIAL}'/>",
            f"<presence type='unavailable' to='{ALICE}' from='{CONTROL}'/>",
            CloseStream(),
        ],
    )
    assert scene.connector.negotiations == 0
    assert scene.connector.deadline() is None
    scene.is_told(Stop(), then=[])
    scene.hears(calls(), then=[])
    scene.disconnects(then=[])


def test_a_stop_without_a_stream_says_nothing() -> None:
    scene = Scene(subscriptions=[(ALICE, CONTROL)], connected=False)
    scene.is_told(Stop(), then=[CloseStream()])


# --- the traces of the original, as one story -----------------------------------------------------------


def test_trace_00_subscribe_and_register() -> None:
    """What the original sent, letter for letter (its disco answers are in test_capabilities)."""
    scene = Scene()
    caps = (
        "<c xmlns='http://jabber.org/protocol/caps' node='apple:ichat:caps' ver='448' "
        "ext='avavail avcap audio'/>"
    )
    scene.hears(
        f"<presence xml:lang='en' from='{ALICE}' to='{CONTROL}' type='subscribe'/>",
        then=[
            RememberSubscription(ALICE, CONTROL),
            f"<presence type='subscribed' to='{ALICE}' from='{CONTROL}'/>",
            f"<presence to='{ALICE}' from='{CONTROL}'><priority>0</priority></presence>",
            f"<presence type='subscribe' to='{ALICE}' from='{CONTROL}'/>",
        ],
    )
    scene.hears(f"<presence from='{ALICE}' to='{CONTROL}' type='subscribed'/>", then=[])
    delayed = (
        "<delay from='jabber.localhost' xmlns='urn:xmpp:delay' stamp='2026-11-22T20:07:31Z'/></presence>"
    )
    scene.hears(is_online(MAC).replace("</presence>", delayed), then=[SipRegisterJabberUser(ALICE)])
    scene.hears(f"<presence from='{ALICE}' to='{CONTROL}' type='probe'/>", then=[presence_of_control(ALICE)])
    scene.hears(
        f"<presence xml:lang='en' from='{ALICE}' to='{DIAL}' type='subscribe'/>",
        then=[CheckSubscription(DIAL, ALICE)],
    )
    scene.is_told(
        SendSubscriptionResponse(DIAL, ALICE, True),
        then=[
            RememberSubscription(ALICE, DIAL),
            f"<presence type='subscribed' to='{ALICE}' from='{DIAL}'/>",
            f"<presence to='{ALICE}' from='{DIAL}'><priority>0</priority>{caps}</presence>",
            f"<presence type='subscribe' to='{ALICE}' from='{CONTROL}'/>",
        ],
    )
    scene.hears(is_online(MAC), then=[])


def test_trace_54_two_resources() -> None:
    scene = Scene(online=[BOOK, MAC])
    scene.is_told(
        InitiateIChatCall(ALICE, BOB, "h"),
        then=[
            presence_of_control(BOOK),
            rings(1, BOOK),
            NotifyIChatCallProceeding("h", BOOK),
            presence_of_control(MAC),
            rings(2, MAC),
            NotifyIChatCallProceeding("h", MAC),
        ],
    )
    scene.hears(accepts(MAC), then=[result(), ContinueIChatCall("h", MAC, HER_BLOB), cancels(3, BOOK)])


# --- anything at all ------------------------------------------------------------------------------------

PEOPLE = [ALICE, MAC, BOOK, "bob@jabber.localhost/x", "jabber.localhost", CONTROL, "", "@", "/", "a@b@c/d/e"]
CONTACTS = [CONTROL, DIAL, BOB, COMPONENT, f"{DIAL}/x", "x@elsewhere", ""]
SPACES = [
    "jabber:component:accept",
    "apple:iq:vc:request",
    "apple:iq:vc:response",
    "apple:iq:vc:cancel",
    "apple:iq:vc:counterProposal",
    "http://jabber.org/protocol/caps",
    "http://jabber.org/protocol/disco#info",
    "http://jabber.org/protocol/disco#items",
    "jabber:iq:version",
    "urn:xmpp:ping",
    "urn:ietf:params:xml:ns:xmpp-stanzas",
    "http://jabber.org/protocol/shim",
]
NAMES = [
    "presence", "iq", "message", "query", "error", "c", "show", "priority", "response", "connectData",
    "VCNewCallerIPPortData", "body", "ping", "text", "item-not-found", "gone", "delay", "header", "subject",
    "thread",
]  # fmt: skip
TYPES = [
    "get", "set", "result", "error", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe",
    "unavailable", "chat", "normal", "x",
]  # fmt: skip
VALUES = (
    st.sampled_from(
        [
            "0",
            "1",
            "t00000002",
            "t00000003",
            "Max-Forwards",
            HER_BLOB,
            "away",
            "404",
            "apple:ichat:caps",
            "avavail",
        ]
    )
    | st.text()
)
TAGS = st.builds("{{{}}}{}".format, st.sampled_from(SPACES), st.sampled_from(NAMES))


@st.composite
def elements(draw: st.DrawFn, depth: int = 2) -> Element:
    root = Element(
        draw(TAGS) if depth < 2 else "{jabber:component:accept}" + draw(st.sampled_from(NAMES[:3]))
    )
    if depth == 2:
        attributes = {
            "from": st.sampled_from(PEOPLE),
            "to": st.sampled_from(CONTACTS),
            "type": st.sampled_from(TYPES),
            "id": VALUES,
        }
    else:
        attributes = {"node": VALUES, "ext": VALUES, "code": VALUES, "type": VALUES}
    for name, values in attributes.items():
        if draw(st.booleans() if depth < 2 else st.integers(0, 9)):
            root.set(name, draw(values))
    if draw(st.booleans()):
        root.text = draw(VALUES)
    if depth:
        for child in draw(st.lists(elements(depth - 1), max_size=3)):
            root.append(child)
    return root


@settings(max_examples=300, deadline=None)
@given(st.lists(elements(), max_size=8))
def test_any_stanzas(stanzas: list[Element]) -> None:
    scene = Scene(replace(CONFIG, messages=True), online=[MAC])
    scene.is_told(InitiateIChatCall(ALICE, BOB, "c"))
    scene.is_told(SendChatMessage(ALICE, DIAL, "m", "hi"))
    for stanza_ in stanzas:
        for command in scene.happens(StanzaReceived(stanza_)):
            assert not isinstance(command, (Reconnect, CloseStream))


# --- any order ------------------------------------------------------------------------------------------

USERS = [ALICE, "carol@jabber.localhost"]
DEVICES = [MAC, BOOK, "carol@jabber.localhost/1"]
GATEWAY_JIDS = [DIAL, BOB]


class AnyOrder(RuleBasedStateMachine):
    """Requests, responses, cancels, presence, handles and breaks of the stream, in any order.

    Checked all the time: each call of the gateway gets at most one final word, and none after it gave up.
    Checked at the end: even if nobody says anything any more, after some time nothing is left.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene(replace(CONFIG, messages=True), subscriptions=[(ALICE, CONTROL)], online=DEVICES)
        self.last = 0
        self.asked: dict[str, NotifyIChatCallRequest] = {}
        self.handles: dict[str, NotifyIChatCallRequest] = {}
        self.made: dict[str, InitiateIChatCall] = {}
        self.rung: list[tuple[str, str]] = []
        self.final: set[str] = set()
        self.given_up: set[str] = set()
        self.open_messages: set[str] = set()
        self.ids: list[tuple[str, str]] = []
        """Of the stanzas sent to users: who, and the id."""

    def note(self, commands: list[ConnectorCommand]) -> None:
        for command in commands:
            match command:
                case SendStanza(xml):
                    assert self.scene.connector.connected
                    sent = element(xml)
                    self.ids.append((sent.get("to", ""), sent.get("id", "")))
                case Tell(NotifyChatMessageSent(handle=handle)):
                    self.open_messages.remove(handle)
                case Tell(NotifyChatMessage(from_=user, to=contact)):
                    assert user in DEVICES
                    assert contact in GATEWAY_JIDS
                case Tell(NotifyIChatCallRequest() as message):
                    self.asked[message.request] = message
                case Tell(NotifyIChatCallProceeding(handle=handle, resource=device)):
                    assert handle not in self.final | self.given_up
                    self.rung.append((device, self.made[handle].from_))
                case Tell(ContinueIChatCall(handle=handle) | NotifyIChatCallFailed(handle=handle)):
                    assert handle not in self.final | self.given_up
                    self.final.add(handle)
                case Tell(NotifyIChatCallCancelled(handle=handle)):
                    assert handle in self.handles
                case Tell() | Dropped() | RememberSubscription() | ForgetSubscription():
                    pass
                case _:
                    raise AssertionError(command)

    def tell(self, message: Message) -> None:
        self.note(self.scene.is_told(message))

    def handle(self) -> str:
        self.last += 1
        return f"h{self.last}"

    @rule(user=st.sampled_from(USERS + DEVICES), caller=st.sampled_from(GATEWAY_JIDS))
    def initiate(self, user: str, caller: str) -> None:
        handle = self.handle()
        self.made[handle] = InitiateIChatCall(user, caller, handle)
        self.tell(self.made[handle])

    @rule(user=st.sampled_from(USERS), contact=st.sampled_from(GATEWAY_JIDS))
    def phone_writes(self, user: str, contact: str) -> None:
        handle = self.handle()
        self.open_messages.add(handle)
        self.tell(SendChatMessage(user, contact, handle, "hi"))

    @rule(device=st.sampled_from(DEVICES), contact=st.sampled_from([*GATEWAY_JIDS, CONTROL]))
    def user_writes(self, device: str, contact: str) -> None:
        chat = f"<message from='{device}' to='{contact}' type='chat'><body>hi</body></message>"
        self.note(self.scene.hears(chat))

    @precondition(lambda self: self.ids)
    @rule(
        data=st.data(),
        kind=st.sampled_from(["iq", "message"]),
        type_=st.sampled_from(["result", "error"]),
        contact=st.sampled_from(GATEWAY_JIDS),
    )
    def server_answers(self, data: st.DataObject, kind: str, type_: str, contact: str) -> None:
        user, id_ = data.draw(st.sampled_from(self.ids[-6:]))
        self.note(self.scene.hears(f"<{kind} from='{user}' to='{contact}' id='{id_}' type='{type_}'/>"))

    @precondition(lambda self: self.made)
    @rule(data=st.data(), really=st.integers(0, 3))
    def give_up(self, data: st.DataObject, really: int) -> None:
        if really:
            return
        handle = data.draw(st.sampled_from(sorted(self.made)))
        call = self.made.pop(handle)
        self.given_up.add(handle)
        self.tell(CancelIChatCall(call.to, call.from_, handle))

    @precondition(lambda self: self.rung)
    @rule(data=st.data(), say=st.sampled_from([accepts, accepts, declines]))
    def answers(self, data: st.DataObject, say: Callable[[str, str], str]) -> None:
        device, caller = data.draw(st.sampled_from(self.rung[-4:]))
        self.note(self.scene.hears(say(device, caller)))

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), answered=st.booleans())
    def proceed(self, data: st.DataObject, answered: bool) -> None:
        request = data.draw(st.sampled_from(list(self.asked)[-3:]))
        asked = self.asked.pop(request)
        handle = self.handle()
        self.handles[handle] = asked
        self.tell(ProceedingIChatCall(asked.to, asked.from_, request, handle))
        if answered:
            self.tell(AcceptIChatCall(asked.to, asked.from_, handle))

    @precondition(lambda self: self.handles)
    @rule(data=st.data(), kind=st.sampled_from([AcceptIChatCall, RejectIChatCall, CancelIChatCall]))
    def decide(self, data: st.DataObject, kind: type[AcceptIChatCall]) -> None:
        handle = data.draw(st.sampled_from(list(self.handles)[-3:]))
        asked = self.handles[handle]
        self.tell(kind(asked.to, asked.from_, handle))

    @rule(
        device=st.sampled_from(DEVICES),
        contact=st.sampled_from([*GATEWAY_JIDS, CONTROL]),
        say=st.sampled_from(
            [
                calls,
                lambda device, contact: calls(device, contact, blob="ff"),
                lambda device, contact: vc("cancel", device, contact),
                lambda device, contact: vc("counterProposal", device, contact),
                accepts,
                declines,
                lambda device, contact: (
                    f"<iq type='error' from='{device}' to='{contact}' id='x'>"
                    "<query xmlns='apple:iq:vc:request'/><error code='404'/></iq>"
                ),
            ]
        ),
    )
    def says(self, device: str, contact: str, say: Callable[[str, str], str]) -> None:
        self.note(self.scene.hears(say(device, contact)))

    @rule(
        device=st.sampled_from(DEVICES),
        show=st.sampled_from(["", "away", "dnd"]),
        ext=st.sampled_from(["avavail", "avcap"]),
    )
    def online(self, device: str, show: str, ext: str) -> None:
        self.note(self.scene.hears(is_online(device, ext, show)))

    @rule(device=st.sampled_from(DEVICES), contact=st.sampled_from(GATEWAY_JIDS))
    def calls(self, device: str, contact: str) -> None:
        self.note(self.scene.hears(calls(device, contact)))

    @rule(who=st.sampled_from(USERS + DEVICES))
    def offline(self, who: str) -> None:
        self.note(self.scene.hears(is_offline(who)))

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.1, 3.0, 5.0, 40.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.note(self.scene.waits(seconds))

    @rule(seconds=st.sampled_from([None, 0.0, 30.0, 100.0]))
    def the_stream_breaks(self, seconds: float | None) -> None:
        if seconds is None:
            return
        self.note(self.scene.happens(StreamDown("gone")))
        self.note(self.scene.waits(seconds))

    @precondition(lambda self: not self.scene.connector.connected)
    @rule()
    def the_stream_is_back(self) -> None:
        self.note(self.scene.happens(StreamUp()))
        for device in DEVICES[:2]:
            self.note(self.scene.hears(is_online(device)))

    @invariant()
    def a_timer_for_every_negotiation(self) -> None:
        if self.scene.connector.negotiations:
            assert self.scene.connector.deadline() is not None

    def teardown(self) -> None:
        self.note(self.scene.waits(2000.0))
        assert not self.open_messages
        assert self.scene.connector.open_messages == 0
        assert_empty(self.scene.connector)


def assert_empty(connector: Connector) -> None:
    """Nothing is left of any call, and nobody will wake up for one."""
    assert connector.negotiations == 0
    to, from_ = connector._calls_to, connector._calls_from
    for table in (
        to._by_handle, to._by_pair, to._by_user, to._by_id,
        from_._calls, from_._by_request, from_._by_handle,
    ):  # fmt: skip
        assert not table
    assert len(to._timers) == len(from_._timers) == 0


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)


def test_presence_is_cheap() -> None:
    """A presence stanza that changes nothing makes no command at all."""
    scene = Scene(online=[MAC])
    again = Element("{jabber:component:accept}presence", {"from": MAC, "to": CONTROL})
    SubElement(again, "{http://jabber.org/protocol/caps}c", {"node": "apple:ichat:caps", "ext": "avavail"})
    assert scene.happens(StanzaReceived(again)) == []
    assert stanza.escape(BLOB) is BLOB


def test_the_gateway_has_been_configured_anew() -> None:
    scene = Scene(online=[MAC])
    scene.is_told(Configure(250, 10.0, True, True, False, "INFO"), then=[])
    assert scene.connector.deadline() == scene.now + 10.0
    info = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
    (answer,) = scene.hears(f"<iq from='{MAC}' to='{COMPONENT}' id='q1' type='get'>{info}</iq>")
    assert isinstance(answer, SendStanza)
    assert "pstn" in answer.xml
    scene.is_told(InitiateIChatCall("nobody@jabber.localhost", BOB, "call-1"))
    assert scene.connector.deadline() == scene.now + 0.25
