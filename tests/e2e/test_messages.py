"""Chat messages become SIP MESSAGE and the other way round (RFC 7572), through real XMPP servers and SIPp."""

from pathlib import Path

import pytest

from e2e.conftest import EVERY_SERVER
from peers.ichat import SimulatedIChat
from peers.stage import SPEED_DIAL, Stage

pytestmark = pytest.mark.e2e
XMPP_SERVERS = EVERY_SERVER

NAMES = [
    ("72*123", "72*123", "72*123"),
    ("+15551234567", "+15551234567", "+15551234567"),
    (r"o\27malley", "o'malley", "o'malley"),
    ("tsch\u00fcss", "tsch%C3%BCss", "tsch%C3%BCss"),
]
"""As a JID writes them, as we write them in SIP, and as the phone does."""

NORMAL = ("normal", "")
"""Prosody leaves the type that we write, ejabberd leaves it out."""


async def test_a_user_writes_to_a_phone(stage: Stage) -> None:
    reading = stage.phone.read()
    stage.ichat.say(stage.speed_dial, "Hall\u00f6, <Bob> & co.\r")
    result = await reading.result()
    message = result.first("in", "SIP MESSAGE")
    assert message.start.split()[1].startswith(f"sip:{SPEED_DIAL}@127.0.0.1")
    assert message["from"].startswith(f'"alice" <sip:alice@{stage.prosody.domain}>;tag=')
    assert message["content-type"] == "text/plain;charset=UTF-8"
    assert message.body.startswith("Hall\u00f6, <Bob> & co.")
    await stage.settle()
    assert stage.ichat.sightings.count("message") == 0


@pytest.mark.parametrize(("status", "condition"), [(404, "item-not-found"), (486, "recipient-unavailable")])
async def test_the_phone_refuses(stage: Stage, status: int, condition: str) -> None:
    reading = stage.phone.read(status, "No")
    stage.ichat.say(stage.speed_dial, "hello")
    await reading.result()
    error = await stage.ichat.wait_for("message", where=lambda s: s.fields["type"] == "error")
    assert error.peer == stage.speed_dial
    assert error.fields["error"].split()[0] == condition


async def test_nobody_is_at_the_phone(stage: Stage) -> None:
    stage.ichat.say(stage.speed_dial, "hello")
    error = await stage.ichat.wait_for("message", where=lambda s: s.fields["type"] == "error")
    assert error.fields["error"].split()[0] == "internal-server-error"


async def test_a_phone_writes_to_a_user(stage: Stage) -> None:
    await stage.phone.write(stage.gateway.address, "alice", "Hall\u00f6, <Alice> & co.").result()
    message = await stage.ichat.wait_for("message")
    assert message.peer == stage.gateway.jid("15551234567")
    assert message.fields["type"] in NORMAL
    assert message.fields["body"].strip() == "Hall\u00f6, <Alice> & co."
    assert message.fields["subject"] == "From SIP"
    assert message.fields["thread"]
    await stage.settle()
    assert stage.ichat.sightings.count("message") == 0


async def test_what_is_no_text(stage: Stage) -> None:
    run = stage.phone.write(stage.gateway.address, "alice", "<p>hello</p>", 415, kind="text/html")
    result = await run.result()
    assert result.first("in", "SIP 415 MESSAGE")["accept"] == "text/plain"


async def test_there_is_no_such_user(stage: Stage) -> None:
    await stage.phone.write(stage.gateway.address, "nobody", "hello", 480).result()


async def test_a_user_who_is_offline(stage: Stage) -> None:
    """Whether it is kept for him is the XMPP server's decision; both are set up to keep it."""
    run = stage.phone.write(stage.gateway.address, "bob", "for later")
    await run.result()
    async with SimulatedIChat(stage.prosody, "bob") as bob:
        message = await bob.wait_for("message")
        assert message.fields["body"].strip() == "for later"


@pytest.mark.parametrize(("local", "ours", "theirs"), NAMES)
async def test_names_come_back_as_they_left(stage: Stage, local: str, ours: str, theirs: str) -> None:
    """A message to the contact, and the phone's answer; both with the same JID at the user's end."""
    reading = stage.phone.read()
    stage.ichat.say(stage.gateway.jid(local), "hello")
    result = await reading.result()
    uri = result.first("in", "SIP MESSAGE").start.split()[1]
    assert uri == f"sip:{ours}@127.0.0.1:{stage.phone.port}"
    await stage.phone.write(stage.gateway.address, "alice", "hello", caller=theirs).result()
    message = await stage.ichat.wait_for("message", where=lambda s: s.fields["type"] in NORMAL)
    assert message.peer == stage.gateway.jid(local)


@pytest.mark.parametrize(("local", "ours", "theirs"), NAMES)
async def test_names_of_calls(stage: Stage, local: str, ours: str, theirs: str) -> None:
    """The contact can be added, says that it can be called, is called; and calls with the name it has."""
    contact = stage.gateway.jid(local)
    assert (await stage.ichat.subscribe(contact)).fields["caps node"] == "apple:ichat:caps"
    refusing = stage.phone.refuse(486, "Busy Here")
    stage.ichat.call(contact)
    await stage.ichat.wait_for("vc:response", where=lambda s: s.peer == contact)
    uri = (await refusing.result()).first("in", "SIP INVITE").start.split()[1]
    assert uri == f"sip:{ours}@127.0.0.1:{stage.phone.port}"
    stage.ichat.on_request = "decline"
    await stage.phone.dial_and_fail(stage.gateway.address, "alice", 603, caller=theirs).result()
    request = await stage.ichat.wait_for("vc:request", where=lambda s: s.way == "in")
    expected = local if len(local) <= 10 else local[:10]
    assert request.peer == stage.gateway.jid(expected)
    stage.ichat.unsubscribe(contact)


async def test_switched_off(tmp_path: Path) -> None:
    """With one XMPP server: none has a part in it."""
    async with Stage(tmp_path, settings={"SIPMessages": "Off"}) as stage:
        stage.ichat.say(stage.speed_dial, "hello")
        message = await stage.ichat.wait_for("message")
        assert message.fields["body"] == "You have reached the iChat gateway"
        await stage.phone.write(stage.gateway.address, "alice", "hello", 405).result()
