"""Chat messages become SIP MESSAGE, and the other way round (RFC 7572)."""

import pytest

from app.world import COMPONENT, GATEWAY, PHONE, World
from ichat_gw.addressing.translation import TranslationRule, TranslationRules
from ichat_gw.app.events import FromConnector, StopGateway
from ichat_gw.app.pages import ANSWER_SECONDS
from ichat_gw.call.admission import Limits
from ichat_gw.call.destinations import Destinations
from ichat_gw.call.leg import Party
from ichat_gw.ipc.messages import (
    JabberConnection,
    NotifyChatMessage,
    NotifyChatMessageSent,
    RejectChatMessage,
    SendChatMessage,
)
from ichat_gw.sip.events import Flow, PageReceived, SendPage

ALICE = "alice@jabber.localhost"
STANZAS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"


@pytest.fixture
def world() -> World:
    return World()


def page(to: str = "alice", text: str = "hello", caller: str = "5551234", **more: str) -> SendPage:
    """What the phone sends."""
    target = f"sip:{to}@{GATEWAY[0]}:{GATEWAY[1]}"
    return SendPage(1, target, Party(f"sip:{caller}@{PHONE[0]}", "Bob"), text, **more)


def notes(world: World) -> list[dict[str, object]]:
    return [dict(note.fields) for note in world.notes if note.event in ("message", "message refused")]


# --- from XMPP to SIP -------------------------------------------------------------------------------------


def test_a_user_writes_to_a_phone(world: World) -> None:
    more = "<subject>Lunch</subject><thread>e0ffe42b-28@x</thread>"
    world.alice.write("5551234", "Hall\u00f6, &lt;Bob&gt;\nTwo lines", more)
    world.run(1.0)
    (got,) = world.phone.pages
    assert got.text == "Hall\u00f6, <Bob>\nTwo lines"
    assert (got.request_uri, got.to_uri) == (f"sip:5551234@{PHONE[0]}",) * 2
    assert (got.from_uri, got.from_name) == ("sip:alice@registrar.localhost", "alice")
    assert (got.subject, got.call_id) == ("Lunch", "e0ffe42b-28@x")
    assert world.alice.messages == []  # XMPP knows no confirmation
    assert notes(world)[-1]["status"] == 200
    world.run(60.0)
    assert world.left_over() == {}


def test_a_user_whom_no_rule_gives_an_address_of_record_is_named_by_his_jid() -> None:
    world = World(
        rules=TranslationRules([TranslationRule(f"^xmpp:(.*)@{COMPONENT}", f"sip:$1@{PHONE[0]}:{PHONE[1]}")])
    )
    world.alice.write("5551234", "x", "<thread>no Call-ID, this</thread>")
    world.run(1.0)
    (got,) = world.phone.pages
    assert got.from_uri == f"sip:{ALICE}"
    assert " " not in got.call_id


@pytest.mark.parametrize(
    ("status", "condition", "type_"),
    [
        (404, "item-not-found", "cancel"),
        (403, "forbidden", "auth"),
        (480, "recipient-unavailable", "wait"),
        (486, "recipient-unavailable", "wait"),
        (415, "not-acceptable", "modify"),
        (513, "policy-violation", "modify"),
        (603, "recipient-unavailable", "wait"),
    ],
)
def test_the_phone_refuses(world: World, status: int, condition: str, type_: str) -> None:
    world.phone.page_status = status
    world.alice.write("5551234", "x")
    world.run(1.0)
    (error,) = world.alice.messages
    assert (error.get("type"), error.get("id"), error.get("from")) == ("error", "m1", f"5551234@{COMPONENT}")
    found = error.find("error")
    assert found is not None
    assert (found.get("type"), found[0].tag) == (type_, STANZAS + condition)
    world.run(60.0)
    assert world.left_over() == {}


def test_nobody_answers(world: World) -> None:
    del world.parties[PHONE]
    world.alice.write("5551234", "x")
    world.run(31.0)
    assert world.alice.messages == []
    world.run(2.0)
    (error,) = world.alice.messages
    assert error.find(f"error/{STANZAS}remote-server-timeout") is not None


@pytest.mark.parametrize("seed", range(4))
def test_a_lossy_wire_delivers_once(seed: int) -> None:
    world = World(seed=seed, loss=0.3)
    for number in range(10):
        world.alice.write("5551234", f"number {number}")
    for _ in range(10):
        world.phone.feed(page())
    world.run(60.0)
    texts = [got.text for got in world.phone.pages]
    assert len(texts) == len(set(texts))
    assert len(texts) + len([m for m in world.alice.messages if m.get("type") == "error"]) >= 10
    assert len([m for m in world.alice.messages if m.get("type") == "normal"]) <= 10
    world.run(60.0)
    assert world.left_over() == {}


def test_no_rule() -> None:
    world = World(rules=TranslationRules())
    world.alice.write("5551234", "x")
    world.run(1.0)
    (error,) = world.alice.messages
    assert error.find(f"error/{STANZAS}item-not-found") is not None
    (note,) = notes(world)
    assert "TranslationPattern" in str(note["why"])


def test_who_may_not_call_may_not_write() -> None:
    world = World(limits=Limits(domains=frozenset({"elsewhere"})))
    world.alice.write("5551234", "x")
    world.run(1.0)
    (error,) = world.alice.messages
    assert error.find(f"error/{STANZAS}forbidden") is not None
    assert world.phone.pages == []
    assert "turned away" in [note.event for note in world.notes]


def test_where_users_may_not_call_they_may_not_write() -> None:
    world = World(limits=Limits(destinations=Destinations(denied=("555",))))
    world.alice.write("5551234", "x")
    world.run(1.0)
    (error,) = world.alice.messages
    assert error.find(f"error/{STANZAS}forbidden") is not None
    assert world.phone.pages == []


def test_too_many_messages() -> None:
    world = World(limits=Limits(requests_per_source=3))
    for _ in range(5):
        world.alice.write("5551234", "x")
    world.run(1.0)
    assert len(world.phone.pages) == 3
    assert [m.get("type") for m in world.alice.messages] == ["error", "error"]


def test_calls_do_not_keep_a_user_from_writing() -> None:
    world = World(limits=Limits(calls=1, calls_per_user=1, calls_per_source=1))
    world.alice.dial("5551234")
    world.run(2.0)
    world.alice.write("5551234", "x")
    world.phone.feed(page())
    world.run(1.0)
    assert len(world.phone.pages) == 1
    assert world.phone.pages_answered == [202]


# --- from SIP to XMPP -------------------------------------------------------------------------------------


def test_a_phone_writes_to_a_user(world: World) -> None:
    world.phone.feed(page(text="Hall\u00f6, <Alice>", subject="Lunch", call_id="a84b4c@pc", language="de"))
    world.run(1.0)
    (message,) = world.alice.messages
    assert message.findtext("body") == "Hall\u00f6, <Alice>"
    assert message.findtext("subject") == "Lunch"
    assert message.findtext("thread") == "a84b4c@pc"
    assert message.get("type") == "normal"
    assert message.get("{http://www.w3.org/XML/1998/namespace}lang") == "de"
    assert (message.get("to"), message.get("from")) == (ALICE, f"5551234@{COMPONENT}")
    assert world.phone.pages_answered == [202]
    world.run(60.0)
    assert world.left_over() == {}


def test_an_answer_goes_to_who_wrote(world: World) -> None:
    world.phone.feed(page(caller="5551234"))
    world.run(1.0)
    (message,) = world.alice.messages
    world.alice.write(message.get("from", "").partition("@")[0], "back")
    world.run(1.0)
    assert [got.text for got in world.phone.pages] == ["back"]


@pytest.mark.parametrize(
    ("sip", "jid"),
    [
        (f"sip:5551234@{PHONE[0]}", "5551234"),
        (f"sip:5551234@{PHONE[0]}:5099;user=phone", "5551234"),
        (f"sip:o%27malley@{PHONE[0]}", "o\\27malley"),
        (f"sip:o'malley@{PHONE[0]}", "o\\27malley"),
        (f"sip:tsch%C3%BCss@{PHONE[0]}", "tsch\u00fcss"),
        (f"sip:+15551234567@{PHONE[0]}", "+15551234567"),
        ("sip:5551234@stranger.example", "5551234\\40stranger.example"),
        ("sip:alice@[2001:db8::1]", "alice\\40[2001\\3adb8\\3a\\3a1]"),
        ("sip:gateway.example", "gateway.example"),
        ("tel:+15551234567;phone-context=x", "+15551234567"),
        ("sip:" + "x" * 2000 + "@example.com", None),
        ("mailto:x", "x"),
        ("sip:", "anonymous"),
    ],
)
def test_the_jid_that_stands_for_a_sip_address(world: World, sip: str, jid: str | None) -> None:
    found = world.gateway.pages.jid_of(sip)
    assert found.endswith(f"@{COMPONENT}")
    assert jid is None or found == f"{jid}@{COMPONENT}"


def test_without_rules_the_whole_address_stands_for_it() -> None:
    world = World(rules=TranslationRules([TranslationRule("^xmpp:", "sip:not a uri")]))
    assert world.gateway.pages.jid_of("sip:bob@x.example") == f"bob\\40x.example@{COMPONENT}"
    world = World(rules=TranslationRules())
    assert world.gateway.pages.jid_of("sip:bob@x.example") == f"bob\\40x.example@{COMPONENT}"


def test_the_server_keeps_it_for_a_user_who_is_offline(world: World) -> None:
    world.ichats.clear()
    world.server_keeps_messages = True
    world.phone.feed(page())
    world.run(1.0)
    assert world.phone.pages_answered == [202]


def test_the_server_does_not_keep_it(world: World) -> None:
    world.ichats.clear()
    world.phone.feed(page())
    world.run(1.0)
    assert world.phone.pages_answered == [480]


def test_nobody_is_meant() -> None:
    world = World(
        rules=TranslationRules(
            [TranslationRule("^sip:bad@", "xmpp:@"), TranslationRule("^sip:b2@", "xmpp:x y@jabber.localhost")]
        )
    )
    for to, status in (("nobody", 404), ("bad", 404)):
        world.phone.feed(page(to))
        world.run(1.0)
        assert world.phone.pages_answered.pop() == status


def test_a_message_that_a_rule_leads_back_to_sip() -> None:
    world = World(rules=TranslationRules([TranslationRule("^sip:(.*)", "sip:$1")]))
    world.phone.feed(page())
    world.run(1.0)
    assert world.phone.pages_answered == [403]


def test_who_may_not_be_heard(world: World) -> None:
    received = PageReceived(
        7, "sip:x@h", "sip:x@h", "sip:y@z", "", "hi", "", "c", "", Flow("UDP", GATEWAY, ("203.0.113.9", 5060))
    )
    world.gateway.admission.may_call = lambda address: world.gateway.admission.dial_out("x@y")  # type: ignore[method-assign]
    world.gateway.pages.received(received)
    assert len(world.gateway.pages) == 0


def test_while_there_is_no_connection(world: World) -> None:
    world.gateway_hears(FromConnector(JabberConnection(False, "gone")))
    world.phone.feed(page())
    world.run(1.0)
    assert world.phone.pages_answered == [503]


def test_while_the_gateway_is_stopping(world: World) -> None:
    world.gateway_hears(StopGateway())
    world.phone.feed(page())
    world.gateway_hears(FromConnector(NotifyChatMessage(f"5551234@{COMPONENT}", f"{ALICE}/x", "m", "hi")))
    world.run(1.0)
    assert world.phone.pages_answered == [503]
    assert world.phone.pages == []
    assert [m.status for m in world.said if isinstance(m, RejectChatMessage)] == [503]


def test_the_connector_dies_with_a_message(world: World) -> None:
    world._server_delivers = lambda xml: None  # type: ignore[method-assign]
    world.phone.feed(page())
    world.run(0.5)
    assert [type(m) for m in world.said[-1:]] == [SendChatMessage]
    world.connector_dies()
    world.run(0.5)
    assert world.phone.pages_answered == [504]


def test_a_connector_that_does_not_answer(world: World) -> None:
    world._connector_hears = lambda message: None  # type: ignore[method-assign]
    world.phone.feed(page())
    world.run(ANSWER_SECONDS - 0.1)
    assert world.phone.pages_answered == []
    world.run(0.2)
    assert world.phone.pages_answered == [504]
    (message,) = [m for m in world.said if isinstance(m, SendChatMessage)]
    world.gateway_hears(FromConnector(NotifyChatMessageSent(message.handle, 202)))
    world.run(60.0)
    assert world.phone.pages_answered == [504]
    assert world.left_over() == {}


# --- no loops ---------------------------------------------------------------------------------------------


def test_what_came_from_sip_does_not_go_back(world: World) -> None:
    """Another gateway of ours stands behind the JID that a rule leads to."""
    world.phone.feed(page())
    world.run(1.0)
    (message,) = world.alice.messages
    header = message.find("{http://jabber.org/protocol/shim}headers")
    assert header is not None
    world.alice.write(
        "5551234",
        "x",
        "<headers xmlns='http://jabber.org/protocol/shim'><header name='Max-Forwards'>0</header></headers>",
    )
    world.run(1.0)
    assert world.phone.pages == []
    assert len(world.alice.messages) == 1


def test_errors_are_not_answered(world: World) -> None:
    world.alice.write("5551234", "x", type_="error")
    world.alice.write("control", "x", type_="error")
    world.run(1.0)
    assert world.phone.pages == []
    assert world.alice.messages == []
