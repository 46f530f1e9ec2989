import pytest

from ichat_gw.jabber import auto_reply
from ichat_gw.jabber.events import Dropped
from jabber.scene import ALICE, BOOK, COMPONENT, CONTROL, DIAL, MAC, Scene, element

NONE = Dropped("message that wants no answer")
OFTEN = Dropped("too many messages")


def message(
    inside: str = "<body>hello</body>", type_: str = "chat", sender: str = MAC, to: str = DIAL
) -> str:
    return f"<message xml:lang='en' from='{sender}' to='{to}' type='{type_}'>{inside}</message>"


def reply(to: str = MAC, from_: str = DIAL) -> str:
    body = "<body>You have reached the iChat gateway</body>"
    return f"<message to='{to}' from='{from_}' type='normal'>{body}</message>"


@pytest.mark.parametrize("contact", [CONTROL, DIAL, COMPONENT])
def test_every_jid_answers(contact: str) -> None:
    Scene().hears(message(to=contact), then=[reply(from_=contact)])


def test_a_carriage_return_does_no_harm() -> None:
    Scene().hears(message("<body>a&#13;\rb</body>"), then=[reply()])


@pytest.mark.parametrize(
    ("inside", "type_"),
    [
        ("<body>hello</body>", "normal"),
        ("<body>hello</body>", "headline"),
        ("<body>hello</body>", "groupchat"),
        ("", "chat"),
        ("<body/>", "chat"),
        ("<body> \n</body>", "chat"),
        ("<composing xmlns='http://jabber.org/protocol/chatstates'/>", "chat"),
        ("<body>x</body><received xmlns='urn:xmpp:receipts' id='1'/>", "chat"),
    ],
)
def test_no_answer(inside: str, type_: str) -> None:
    Scene().hears(message(inside, type_), then=[NONE])


def test_a_message_without_a_type_is_normal() -> None:
    Scene().hears(message().replace(" type='chat'", ""), then=[NONE])


@pytest.mark.parametrize("sender", ["jabber.localhost", "other-gw.example.org/x"])
def test_servers_and_gateways_get_none(sender: str) -> None:
    Scene().hears(message(sender=sender), then=[NONE])


def test_we_do_not_answer_ourselves() -> None:
    Scene().hears(message(sender=CONTROL), then=[Dropped("stanza from ourselves", CONTROL)])


@pytest.mark.parametrize(
    "delay",
    ["<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/>", "<x xmlns='jabber:x:delay' stamp='x'/>"],
)
def test_kept_back(delay: str) -> None:
    Scene().hears(message(f"<body>x</body>{delay}"), then=[Dropped("message that was kept back")])


def test_once_a_second() -> None:
    scene = Scene()
    scene.hears(message(), then=[reply()])
    scene.hears(message(sender=BOOK, to=CONTROL), then=[OFTEN])
    scene.hears(message(sender="bob@jabber.localhost/x"), then=[reply("bob@jabber.localhost/x")])
    scene.waits(0.9, then=[])
    scene.hears(message(), then=[OFTEN])
    scene.waits(0.1, then=[])
    assert scene.connector.deadline() is None
    scene.hears(message(sender=ALICE), then=[reply(ALICE)])


def test_not_everybody_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto_reply, "MAX_USERS", 1)
    scene = Scene()
    scene.hears(message(), then=[reply()])
    scene.hears(message(sender="bob@jabber.localhost/x"), then=[OFTEN])


def test_it_forgets() -> None:
    replies = auto_reply.AutoReply()
    replies.answer(element(message()), 1.0)
    assert len(replies) == 1
    assert replies.expire(2.0) == []
    assert len(replies) == 0
