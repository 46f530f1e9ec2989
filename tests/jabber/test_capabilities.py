"""The answers are those of the original (trace 00), where it gave any."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ichat_gw.jabber.connector import Connector
from ichat_gw.jabber.events import SendStanza, StanzaReceived, StreamUp
from jabber.scene import COMPONENT, CONFIG, CONTROL, DIAL, MAC, Scene, canonical, element

INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
DISCO = f"<feature var='{INFO}'/><feature var='{ITEMS}'/>"
GATEWAY = "jabber:iq:gateway"
MANNERS = DISCO + "".join(
    f"<feature var='{feature}'/>"
    for feature in ("jabber:iq:version", "urn:xmpp:ping", "jabber:iq:last", "urn:xmpp:time", "vcard-temp")
)


def asked(payload: str, contact: str = DIAL, type_: str = "get", scene: Scene | None = None) -> str:
    """What the connector answers, in canonical form."""
    iq = f"<iq from='{MAC}' to='{contact}' id='q1' xml:lang='en' type='{type_}'>{payload}</iq>"
    (command,) = (scene or Scene()).hears(iq)
    assert isinstance(command, SendStanza)
    return canonical(command.xml)


def answer(payload: str, contact: str = DIAL) -> str:
    return canonical(f"<iq to='{MAC}' from='{contact}' id='q1' type='result'>{payload}</iq>")


def error(condition: str, type_: str = "cancel") -> str:
    return canonical(
        f"<iq to='{MAC}' from='{DIAL}' id='q1' type='error'><error type='{type_}'><{condition} "
        "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    )


@pytest.mark.parametrize(
    ("node", "features"),
    [
        ("avavail", f"<feature var='apple:iq:vc:available'/>{DISCO}"),
        ("audio", f"<feature var='apple:iq:vc:audio'/>{DISCO}"),
        ("avcap", f"<feature var='apple:iq:vc:capable'/>{DISCO}"),
        ("448", f"{DISCO}<feature var='jabber:iq:version'/>"),
    ],
)
@pytest.mark.parametrize("contact", [DIAL, CONTROL])
def test_nodes(node: str, features: str, contact: str) -> None:
    query = f"<query xmlns='{INFO}' node='apple:ichat:caps#{node}'"
    assert asked(f"{query}/>", contact) == answer(f"{query}>{features}</query>", contact)


@pytest.mark.parametrize("pstn", [False, True])
def test_the_component(pstn: bool) -> None:
    scene = Scene(replace(CONFIG, numbers_reachable=pstn))
    telephone = "<identity category='gateway' type='pstn' name='ichat-gw'/>" if pstn else ""
    assert asked(f"<query xmlns='{INFO}'/>", COMPONENT, scene=scene) == answer(
        f"<query xmlns='{INFO}'><identity category='server' type='ichat-gw' name='ichat-gw'/>"
        f"<identity category='gateway' type='sip' name='ichat-gw'/>{telephone}{MANNERS}"
        f"<feature var='{GATEWAY}'/></query>",
        COMPONENT,
    )


@pytest.mark.parametrize("contact", [DIAL, f"{DIAL}/x"])
def test_what_the_nodes_say_is_true(contact: str) -> None:
    """XEP-0115: the features of the version and of all its bundles are those of who advertises them."""
    whole = set(re.findall(r'var="([^"]*)"', asked(f"<query xmlns='{INFO}'/>", contact)))
    bundles = set()
    for node in ("448", "avavail", "avcap", "audio"):
        query = f"<query xmlns='{INFO}' node='apple:ichat:caps#{node}'/>"
        bundles |= set(re.findall(r'var="([^"]*)"', asked(query, contact)))
    assert bundles < whole


def test_a_speed_dial_can_be_called() -> None:
    said = asked(f"<query xmlns='{INFO}'/>")
    assert '<identity category="client" name="5551234" type="phone">' in said
    for feature in ("available", "audio", "capable"):
        assert f'var="apple:iq:vc:{feature}"' in said


def test_the_control_jid_cannot() -> None:
    assert "apple:iq" not in asked(f"<query xmlns='{INFO}'/>", CONTROL)


def test_an_unknown_node() -> None:
    assert asked(f"<query xmlns='{INFO}' node='x&lt;'/>") == error("item-not-found")


def test_items() -> None:
    assert asked(f"<query xmlns='{ITEMS}'/>") == answer(f"<query xmlns='{ITEMS}'/>")
    assert asked(f"<query xmlns='{ITEMS}' node='n'/>", COMPONENT) == answer(
        f"<query xmlns='{ITEMS}' node='n'/>", COMPONENT
    )
    assert asked(f"<query xmlns='{ITEMS}'/>", COMPONENT) == answer(
        f"<query xmlns='{ITEMS}'><item jid='{CONTROL}' name='ichat-gw'/></query>", COMPONENT
    )


@pytest.mark.parametrize(("contact", "seconds"), [(COMPONENT, 61), (CONTROL, 0), (DIAL, 0)])
def test_last_activity(contact: str, seconds: int) -> None:
    scene = Scene()
    scene.waits(61.5)
    assert asked("<query xmlns='jabber:iq:last'/>", contact, scene=scene) == answer(
        f"<query xmlns='jabber:iq:last' seconds='{seconds}'/>", contact
    )


def test_time() -> None:
    assert asked("<time xmlns='urn:xmpp:time'/>", COMPONENT) == answer(
        "<time xmlns='urn:xmpp:time'><tzo>-03:30</tzo><utc>2026-11-23T15:00:05Z</utc></time>", COMPONENT
    )


def test_the_clock_is_the_computers() -> None:
    connector = Connector(CONFIG, "t")
    connector.receive(StreamUp(), 0.0)
    iq = f"<iq from='{MAC}' to='{DIAL}' id='q1' type='get'><time xmlns='urn:xmpp:time'/></iq>"
    (command,) = connector.receive(StanzaReceived(element(iq)), 0.0)
    assert isinstance(command, SendStanza)
    found = re.search("<tzo>([+-]..:..)</tzo><utc>(.*)</utc>", command.xml)
    assert found
    assert abs(datetime.now(UTC) - datetime.fromisoformat(found[2])) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("contact", "name"),
    [
        (DIAL, "5551234"),
        (f"72*123@{COMPONENT}", "72*123"),
        (f"o\\27malley@{COMPONENT}", "o&apos;malley"),
        (f"bob\\40sip.example@{COMPONENT}", "bob@sip.example"),
    ],
)
def test_the_card_of_a_speed_dial(contact: str, name: str) -> None:
    assert asked("<vCard xmlns='vcard-temp'/>", contact) == answer(
        f"<vCard xmlns='vcard-temp'><FN>{name}</FN><JABBERID>{contact}</JABBERID></vCard>", contact
    )


@pytest.mark.parametrize("contact", [COMPONENT, CONTROL])
def test_our_own_card(contact: str) -> None:
    said = asked("<vCard xmlns='vcard-temp'/>", contact)
    assert "<FN>ichat-gw</FN>" in said
    assert "<DESC>ichat-gw: calls between iChat and SIP</DESC>" in said


def test_the_prompt_of_the_gateway() -> None:
    said = asked(f"<query xmlns='{GATEWAY}'/>", COMPONENT)
    assert "<desc>Enter a phone number or a SIP address" in said
    assert "<prompt></prompt>" in said


@pytest.mark.parametrize(
    ("typed", "localpart"),
    [
        ("5551234", "5551234"),
        (" +1 (555) 123-45.67 ", "+15551234567"),
        ("tel:+1-555", "+1555"),
        ("72*123", "72*123"),
        ("bob@sip.example.com", "bob\\40sip.example.com"),
        ("SIP:Bob@sip.example.com", "bob\\40sip.example.com"),
        ("sips: bob@sip.example.com", "bob\\40sip.example.com"),
        ("o&apos;malley", "o\\27malley"),
        ("Jürgen", "jürgen"),
        ("a:b", "a\\3ab"),
    ],
)
def test_what_a_user_types_and_the_jid_of_it(typed: str, localpart: str) -> None:
    query = f"<query xmlns='{GATEWAY}'><prompt>{typed}</prompt></query>"
    assert asked(query, COMPONENT, "set") == answer(
        f"<query xmlns='{GATEWAY}'><jid>{localpart}@{COMPONENT}</jid></query>", COMPONENT
    )


@pytest.mark.parametrize(
    "prompt", ["", "<prompt/>", "<prompt>sip:</prompt>", f"<prompt>{'x' * 1024}</prompt>"]
)
def test_what_has_no_jid(prompt: str) -> None:
    said = asked(f"<query xmlns='{GATEWAY}'>{prompt}</query>", COMPONENT, "set")
    assert "not-acceptable" in said


def test_version() -> None:
    assert asked("<query xmlns='jabber:iq:version'/>") == answer(
        "<query xmlns='jabber:iq:version'><name>ichat-gw</name><version>1.2.3</version></query>"
    )


def test_ping() -> None:
    assert asked("<ping xmlns='urn:xmpp:ping'/>", COMPONENT) == answer("", COMPONENT)


@pytest.mark.parametrize(
    ("payload", "type_"),
    [
        ("<query xmlns='jabber:iq:roster'/>", "get"),
        ("<query xmlns='jabber:iq:gateway'/>", "get"),
        ("<query xmlns='jabber:iq:gateway'><prompt>1</prompt></query>", "set"),
        ("<vCard xmlns='vcard-temp'><FN>me</FN></vCard>", "set"),
        ("<query xmlns='jabber:iq:version'/>", "set"),
        ("<ping xmlns='urn:xmpp:ping'/>", "set"),
        ("<query xmlns='apple:iq:vc:request'/>", "get"),
        ("<query xmlns='apple:iq:vc:other'/>", "set"),
    ],
)
def test_everything_else(payload: str, type_: str) -> None:
    assert asked(payload, DIAL, type_) == error("service-unavailable")


@pytest.mark.parametrize("type_", ["get", "set"])
def test_nothing_in_it(type_: str) -> None:
    assert asked("", DIAL, type_) == error("bad-request", "modify")


def test_a_type_that_there_is_not() -> None:
    assert asked("<ping xmlns='urn:xmpp:ping'/>", DIAL, "got") == error("bad-request", "modify")


@pytest.mark.parametrize("query", ["<ping xmlns='urn:xmpp:ping'/>", "<query xmlns='apple:iq:vc:cancel'/>"])
def test_a_question_without_an_id(query: str) -> None:
    (command,) = Scene().hears(f"<iq from='{MAC}' to='{DIAL}' type='set'>{query}</iq>")
    assert isinstance(command, SendStanza)
    assert "bad-request" in command.xml
