"""Subscriptions, presence and capabilities as an iChat client sees them (trace 00)."""

from xml.etree import ElementTree

import pytest

from e2e.conftest import EVERY_SERVER
from peers.ichat import SimulatedIChat
from peers.stage import Stage

pytestmark = pytest.mark.e2e
XMPP_SERVERS = EVERY_SERVER
DISCO = "http://jabber.org/protocol/disco#info"
CAPS = {"caps node": "apple:ichat:caps", "caps ver": "448", "caps ext": "avavail avcap audio"}


def features(query: ElementTree.Element) -> set[str]:
    return {child.get("var", "") for child in query if child.tag.endswith("feature")}


async def test_subscribing_to_the_control_jid(stage: Stage) -> None:
    async with SimulatedIChat(stage.prosody, "bob") as bob:
        presence = await bob.subscribe(stage.gateway.control)
        assert presence.fields == {"type": "available", "priority": "0"}
        # The gateway wants to see bob too; slixmpp says yes by itself, as its user would.
        await bob.wait_for(
            "presence",
            where=lambda s: (s.peer, s.fields["type"]) == (stage.gateway.control, "subscribe"),
        )
        # Prosody does not hand on what is no news to the user, so the answer is seen in the log alone.
        bob.unsubscribe(stage.gateway.control)
        await stage.gateway.until_logged("xmpp", "out", "presence unsubscribed", bob.jid)


async def test_a_speed_dial_can_be_called(stage: Stage) -> None:
    async with SimulatedIChat(stage.prosody, "carol") as carol:
        presence = await carol.subscribe(stage.gateway.jid("72*123"))
        assert presence.fields == {"type": "available", "priority": "0", **CAPS}
        await carol.wait_for(
            "presence",
            where=lambda s: (s.peer, s.fields["type"]) == (stage.gateway.control, "subscribe"),
        )


async def test_a_probe_is_answered(stage: Stage) -> None:
    stage.ichat.probe(stage.speed_dial)
    presence = await stage.ichat.wait_for("presence", where=lambda s: s.peer == stage.speed_dial)
    assert presence.fields == {"type": "available", "priority": "0", **CAPS}


@pytest.mark.parametrize(
    ("node", "feature"),
    [
        ("avavail", "apple:iq:vc:available"),
        ("audio", "apple:iq:vc:audio"),
        ("avcap", "apple:iq:vc:capable"),
        ("448", "jabber:iq:version"),
    ],
)
async def test_capabilities(stage: Stage, node: str, feature: str) -> None:
    query = await stage.ichat.query(stage.speed_dial, DISCO, f"apple:ichat:caps#{node}")
    assert query.get("node") == f"apple:ichat:caps#{node}"
    assert feature in features(query)
    others = {f for f in features(query) if f.startswith("apple:")} - {feature}
    assert others == set()
    assert [child.tag for child in query if child.tag.endswith("identity")] == []


async def test_the_component_introduces_itself(stage: Stage) -> None:
    query = await stage.ichat.query(stage.prosody.component, DISCO)
    identities = [child for child in query if child.tag.endswith("identity")]
    assert [(one.get("category"), one.get("type")) for one in identities] == [
        ("server", "ichat-gw"), ("gateway", "sip"),
    ]  # fmt: skip
    assert "jabber:iq:version" in features(query)
    version = await stage.ichat.query(stage.speed_dial, "jabber:iq:version")
    assert version[0].text == "ichat-gw"


async def test_a_chat_message_is_answered(stage: Stage) -> None:
    stage.ichat.say(stage.gateway.control, "hello\r")
    message = await stage.ichat.wait_for("message")
    assert message.peer == stage.gateway.control
    assert message.fields["body"] == "You have reached the iChat gateway"


async def test_restart_and_stop_are_told_to_every_subscriber(own_stage: Stage) -> None:
    gateway, ichat = own_stage.gateway, own_stage.ichat
    await gateway.stop_async()
    for jid in (gateway.control, own_stage.speed_dial):
        await ichat.wait_for("presence", where=lambda s: (s.peer, s.fields["type"]) == (jid, "unavailable"))  # noqa: B023
    await gateway.start_async()
    for jid in (gateway.control, own_stage.speed_dial):
        await ichat.wait_for("presence", where=lambda s: (s.peer, s.fields["type"]) == (jid, "available"))  # noqa: B023
