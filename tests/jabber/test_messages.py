"""Chat messages between users and SIP phones, as the connector sees them (RFC 7572)."""

from dataclasses import replace

import pytest

from ichat_gw.ipc.messages import (
    NotifyChatMessage,
    NotifyChatMessageSent,
    RejectChatMessage,
    SendChatMessage,
    Stop,
)
from ichat_gw.jabber.events import CloseStream, Dropped
from ichat_gw.jabber.messages import ANSWER_SECONDS, MAX_BYTES, MAX_NAME, MAX_SUBJECT
from jabber.scene import ALICE, COMPONENT, CONFIG, CONTROL, DIAL, DOWN, MAC, Outcome, Scene

ON = replace(CONFIG, messages=True)
NO_PERSON = Dropped("message for no person")
SHIM = "http://jabber.org/protocol/shim"


def chat(
    inside: str = "<body>hello</body>", more: str = " type='chat' id='m1'", sender: str = MAC, to: str = DIAL
) -> str:
    return f"<message xml:lang='en' from='{sender}' to='{to}'{more}>{inside}</message>"


def noted(**fields: str) -> NotifyChatMessage:
    known = {"to": DIAL, "from_": MAC, "id": "m1", "body": "hello", "language": "en"} | fields
    return NotifyChatMessage(**known)


def page(
    number: int, inside: str = "<body>hi</body>", more: str = "", to: str = ALICE, from_: str = DIAL
) -> str:
    return (
        f"<message to='{to}' from='{from_}' id='t{number:08x}' type='normal'{more}>{inside}"
        f"<headers xmlns='{SHIM}'><header name='Max-Forwards'>0</header></headers></message>"
    )


def question(number: int, to: str = ALICE, from_: str = DIAL) -> str:
    return (
        f"<iq type='get' id='t{number:08x}' to='{to}' from='{from_}'>"
        "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    )


def answer(number: int, sender: str = ALICE, type_: str = "error") -> str:
    return f"<iq type='{type_}' id='t{number:08x}' from='{sender}' to='{DIAL}'/>"


def error(number: int, condition: str, sender: str = ALICE) -> str:
    return (
        f"<message type='error' id='t{number:08x}' from='{sender}' to='{DIAL}'><error type='cancel'>"
        f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )


SEND = SendChatMessage(ALICE, DIAL, "h1", "hi")

# --- from a user ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [" type='chat' id='m1'", " type='normal' id='m1'", " id='m1'"])
def test_a_user_writes(more: str) -> None:
    Scene(ON).hears(chat(more=more), then=[noted()])


def test_with_everything() -> None:
    inside = (
        "<subject> Lunch&#10;today </subject><html xmlns='http://jabber.org/protocol/xhtml-im'/>"
        "<body> </body><body xml:lang='de-CH'>Hall\u00f6&#13;</body><thread>t 1</thread>"
    )
    Scene(ON).hears(
        chat(inside),
        then=[noted(body="Hall\u00f6\r", subject="Lunch today", thread="t 1", language="de-CH")],
    )


@pytest.mark.parametrize(
    ("inside", "more"),
    [
        ("<body>x</body>", " type='headline'"),
        ("<body>x</body>", " type='groupchat'"),
        ("<body>x</body>", " type='x'"),
        ("", " type='chat'"),
        ("<body/>", " type='chat'"),
        ("<body> </body>", " type='chat'"),
        ("<composing xmlns='http://jabber.org/protocol/chatstates'/>", " type='chat'"),
        ("<body>x</body><received xmlns='urn:xmpp:receipts' id='1'/>", " type='chat'"),
    ],
)
def test_what_no_person_wrote(inside: str, more: str) -> None:
    Scene(ON).hears(chat(inside, more), then=[NO_PERSON])


@pytest.mark.parametrize("sender", ["jabber.localhost", "other-gw.example.org/x"])
def test_servers_and_gateways(sender: str) -> None:
    Scene(ON).hears(chat(sender=sender), then=[NO_PERSON])


@pytest.mark.parametrize(
    ("name", "hops", "taken"),
    [
        ("Max-Forwards", "0", False),
        ("max-forwards", " 0 ", False),
        ("Max-Forwards", "1", True),
        ("Keywords", "0", True),
    ],
)
def test_what_another_gateway_brought(name: str, hops: str, taken: bool) -> None:
    header = f"<headers xmlns='{SHIM}'><header name='{name}'>{hops}</header></headers>"
    Scene(ON).hears(
        chat("<body>hello</body>" + header),
        then=[noted() if taken else Dropped("message of another gateway")],
    )


def test_the_control_jid_and_the_component_answer_themselves() -> None:
    scene = Scene(ON)
    text = "<body>You have reached the iChat gateway</body>"
    for number, contact in enumerate((CONTROL, COMPONENT)):
        sender = f"user{number}@jabber.localhost/x"
        reply = f"<message to='{sender}' from='{contact}' type='normal'>{text}</message>"
        scene.hears(chat(to=contact, sender=sender), then=[reply])


def test_switched_off_every_jid_answers_itself() -> None:
    text = "<body>You have reached the iChat gateway</body>"
    Scene(CONFIG).hears(chat(), then=[f"<message to='{MAC}' from='{DIAL}' type='normal'>{text}</message>"])


def test_long_things() -> None:
    scene = Scene(ON)
    long = "x" * (MAX_NAME + 1)
    inside = f"<subject>{'s' * (MAX_SUBJECT + 1)}</subject><body>b</body><thread>{long}</thread>"
    scene.hears(
        chat(inside, f" type='chat' id='{long}'"),
        then=[noted(id="", body="b", subject="s" * MAX_SUBJECT)],
    )
    most = "\u00fc" * (MAX_BYTES // 2)
    scene.hears(chat(f"<body>{most}</body>"), then=[noted(body=most)])
    (refused,) = scene.hears(chat(f"<body>{most}x</body>"))
    assert "policy-violation" in str(refused)


@pytest.mark.parametrize("language", ["", "x_y", "123456789", "a-b-c-d-e-f"])
def test_no_language(language: str) -> None:
    Scene(ON).hears(chat().replace("xml:lang='en'", f"xml:lang='{language}'"), then=[noted(language="")])


def test_what_was_not_delivered_comes_back_once() -> None:
    Scene(ON).is_told(
        RejectChatMessage(DIAL, MAC, "m1", 404, "no <rule>"),
        then=[
            f"<message to='{MAC}' from='{DIAL}' id='m1' type='error'><error type='cancel'>"
            "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
            "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>no &lt;rule&gt;</text>"
            "</error></message>"
        ],
    )


def test_one_without_an_id_and_without_words() -> None:
    Scene(ON).is_told(
        RejectChatMessage(DIAL, MAC, "", 480),
        then=[
            f"<message to='{MAC}' from='{DIAL}' type='error'><error type='wait'>"
            "<recipient-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        ],
    )


# --- to a user --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", ["error", "result"])
def test_the_server_takes_it(type_: str) -> None:
    scene = Scene(ON)
    scene.is_told(SEND, then=[page(1), question(2)])
    assert scene.connector.open_messages == 1
    scene.hears(answer(2, type_=type_), then=[NotifyChatMessageSent("h1", 202)])
    assert scene.connector.open_messages == 0
    assert scene.connector.deadline() is None
    scene.hears(answer(2, type_="result"), then=[])


def test_with_subject_thread_and_language() -> None:
    inside = "<subject>a&amp;b</subject><body>hi</body><thread>c@x</thread>"
    message = SendChatMessage(ALICE, DIAL, "h1", "hi", "a&b", "c@x", "de")
    Scene(ON).is_told(message, then=[page(1, inside, " xml:lang='de'"), question(2)])


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("item-not-found", 404),
        ("service-unavailable", 480),
        ("recipient-unavailable", 480),
        ("forbidden", 403),
        ("remote-server-not-found", 404),
        ("remote-server-timeout", 408),
        ("policy-violation", 403),
    ],
)
def test_it_comes_back(condition: str, status: int) -> None:
    scene = Scene(ON)
    scene.is_told(SEND)
    scene.hears(error(1, condition), then=[NotifyChatMessageSent("h1", status, condition)])
    assert answer_is_nobodys(scene)


def answer_is_nobodys(scene: Scene) -> bool:
    return scene.hears(answer(2)) == [Dropped("error for no call")]


@pytest.mark.parametrize("sender", ["bob@jabber.localhost", "jabber.localhost"])
def test_nobody_else_can_answer(sender: str) -> None:
    scene = Scene(ON)
    scene.is_told(SEND)
    scene.hears(error(1, "item-not-found", sender), then=[Dropped("error for no message")])
    scene.hears(answer(2, sender, "result"), then=[])
    scene.hears(answer(1, ALICE, "result"), then=[])  # the id of the message, not of the question
    assert scene.connector.open_messages == 1


def test_a_server_that_does_not_answer_questions() -> None:
    scene = Scene(ON)
    scene.is_told(SEND)
    scene.waits(ANSWER_SECONDS, then=[NotifyChatMessageSent("h1", 202)])
    scene.hears(error(1, "item-not-found"), then=[Dropped("error for no message")])


def test_the_stream_breaks() -> None:
    scene = Scene(ON)
    scene.is_told(SEND)
    lost = NotifyChatMessageSent("h1", 503, "the connection to the XMPP server was lost")
    scene.disconnects(then=[DOWN, lost])
    scene.is_told(SEND, then=[NotifyChatMessageSent("h1", 503, "there is no connection to the XMPP server")])


def test_a_stop() -> None:
    scene = Scene(ON)
    scene.is_told(SEND)
    lost = NotifyChatMessageSent("h1", 503, "the connection to the XMPP server was lost")
    scene.is_told(Stop(), then=[lost, CloseStream()])


def test_too_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ichat_gw.jabber.messages.MAX_WAITING", 1)
    scene = Scene(ON)
    scene.is_told(SEND)
    scene.is_told(SEND, then=[NotifyChatMessageSent("h1", 503, "too many messages")])


def test_the_same_one_twice() -> None:
    scene = Scene(ON)
    scene.is_told(SEND)
    scene.is_told(SEND, then=[Dropped("message that is being delivered already")])


@pytest.mark.parametrize(
    ("to", "from_"), [("jabber.localhost", DIAL), (DIAL, DIAL), (ALICE, "bob@elsewhere")]
)
def test_between_whom_it_makes_no_sense(to: str, from_: str) -> None:
    no: list[Outcome] = [NotifyChatMessageSent("h1", 404, "not between a gateway JID and a user")]
    Scene(ON).is_told(SendChatMessage(to, from_, "h1", "hi"), then=no)
