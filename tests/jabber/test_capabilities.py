"""The answers are those of the original (trace 00), where it gave any."""

import pytest

from ichat_gw.jabber.events import SendStanza
from jabber.scene import COMPONENT, CONTROL, DIAL, MAC, Scene, canonical

INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
DISCO = f"<feature var='{INFO}'/><feature var='{ITEMS}'/>"


def asked(payload: str, contact: str = DIAL, type_: str = "get") -> str:
    """What the connector answers, in canonical form."""
    iq = f"<iq from='{MAC}' to='{contact}' id='q1' xml:lang='en' type='{type_}'>{payload}</iq>"
    (command,) = Scene().hears(iq)
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


def test_the_component() -> None:
    assert asked(f"<query xmlns='{INFO}'/>", COMPONENT) == answer(
        f"<query xmlns='{INFO}'><identity category='server' type='ichat-gw' name='ichat-gw'/>{DISCO}"
        "<feature var='jabber:iq:version'/><feature var='urn:xmpp:ping'/></query>",
        COMPONENT,
    )


def test_a_speed_dial_can_be_called() -> None:
    said = asked(f"<query xmlns='{INFO}'/>")
    assert 'category="client" type="phone"' in said
    for feature in ("available", "audio", "capable"):
        assert f'var="apple:iq:vc:{feature}"' in said


def test_the_control_jid_cannot() -> None:
    assert "apple:iq" not in asked(f"<query xmlns='{INFO}'/>", CONTROL)


def test_an_unknown_node() -> None:
    assert asked(f"<query xmlns='{INFO}' node='x&lt;'/>") == error("item-not-found")


def test_items() -> None:
    assert asked(f"<query xmlns='{ITEMS}'/>") == answer(f"<query xmlns='{ITEMS}'/>")
    assert asked(f"<query xmlns='{ITEMS}' node='n'/>") == answer(f"<query xmlns='{ITEMS}' node='n'/>")


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
