"""A user with several devices, iChats and others, that come, go, ring, talk and are removed."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest
from slixmpp.exceptions import IqError

from e2e.conftest import EVERY_SERVER
from peers import flows
from peers.ichat import CAPS_IDLE, SimulatedIChat
from peers.stage import Stage

pytestmark = pytest.mark.e2e
XMPP_SERVERS = EVERY_SERVER
BUSY = CAPS_IDLE.replace(" avavail", "")


@asynccontextmanager
async def second_mac(stage: Stage, **shown: object) -> AsyncIterator[SimulatedIChat]:
    """Alice's other Mac, whose presence the gateway knows."""
    async with SimulatedIChat(stage.prosody, "alice") as other:
        if shown:
            other.show(**shown)  # type: ignore[arg-type]
        await other.query(stage.gateway.control, "http://jabber.org/protocol/disco#info")
        other.forget()
        yield other


async def test_both_ring_and_the_one_that_loses_is_cancelled(stage: Stage) -> None:
    async with second_mac(stage) as other:
        other.on_request = "never answer"
        dialling = stage.phone.dial(stage.gateway.address, "alice", talk=0.2)
        await other.wait_for("vc:request")
        cancel = await other.wait_for("vc:cancel")
        assert cancel.peer == stage.gateway.jid(flows.CALLER_JID_USER)
        await stage.ichat.wait_for("ended")
        await dialling.result()
        assert stage.ichat.sightings.count("vc:cancel") == 0
        assert other.sightings.count("SIP INVITE") == 0


async def test_one_declines_and_the_other_answers(stage: Stage) -> None:
    async with second_mac(stage) as other:
        other.on_request, other.answer_time = "decline", 0.0
        stage.ichat.answer_time = 0.3
        try:
            dialling = stage.phone.dial(stage.gateway.address, "alice", talk=0.2)
            await other.wait_for("vc:request")
            await stage.ichat.wait_for("established")
            await dialling.result()
        finally:
            stage.ichat.answer_time = 0.05


@pytest.mark.parametrize(
    "shown",
    [{"show": "away"}, {"priority": -1}, {"ext": BUSY, "priority": 5}, {"node": "http://psi-im.org/caps"}],
    ids=["away", "less priority", "busy", "no iChat"],
)
async def test_who_is_less_available_does_not_ring(stage: Stage, shown: dict[str, object]) -> None:
    async with second_mac(stage, **shown) as other:
        await flows.sip_calls_established(stage, talk=0.2)
        assert other.sightings.count("vc:request") == 0


async def test_every_mac_is_in_a_call(stage: Stage) -> None:
    stage.ichat.show(ext=BUSY)
    await stage.settle()
    try:
        await stage.phone.dial_and_fail(stage.gateway.address, "alice", 486).result()
        assert stage.ichat.sightings.count("vc:request") == 0
    finally:
        stage.ichat.show()


async def test_it_goes_offline_while_it_rings(stage: Stage) -> None:
    stage.ichat.on_request = "never answer"
    dialling = stage.phone.dial_and_fail(stage.gateway.address, "alice", 404)
    await stage.ichat.wait_for("vc:request")
    stage.ichat.go_offline()
    try:
        await dialling.result()
    finally:
        stage.ichat.show()


async def test_it_goes_offline_while_it_talks(stage: Stage) -> None:
    """The call needs no XMPP any more."""
    dialling = stage.phone.dial(stage.gateway.address, "alice", talk=0.8)
    await stage.ichat.wait_for("established")
    stage.ichat.go_offline()
    await stage.ichat.wait_for("ended")
    result = await dialling.result()
    assert result.echoed >= stage.ichat.sip.call.sent - flows.LOST_AT_THE_EDGES
    stage.ichat.show()


async def test_a_counter_proposal_decides_nothing(stage: Stage) -> None:
    stage.ichat.on_request = "never answer"
    dialling = stage.phone.dial(stage.gateway.address, "alice", talk=0.2)
    request = await stage.ichat.wait_for("vc:request")
    stage.ichat.counter_proposal(request.peer)
    stage.ichat.accept(request.peer)
    await stage.ichat.wait_for("established")
    await dialling.result()


@pytest.mark.parametrize("callee", ["control", ""])
async def test_jids_that_take_no_calls(stage: Stage, callee: str) -> None:
    jid = stage.gateway.control if callee else stage.prosody.component
    stage.ichat.call(jid)
    response = await stage.ichat.wait_for("vc:response", where=lambda s: s.peer == jid)
    assert response.fields["response"] == "1"
    stage.ichat.cancel()
    with pytest.raises(IqError):
        await stage.ichat.query(jid, "urn:example:nonsense")


async def test_the_control_contact_is_removed(stage: Stage) -> None:
    """Removing it from the roster ends both subscriptions (RFC 6121 section 2.5), and so the registration."""
    async with SimulatedIChat(stage.prosody, "carol") as carol:
        control = stage.gateway.control
        await carol.subscribe(control)
        await carol.wait_for("presence", where=lambda s: (s.peer, s.fields["type"]) == (control, "subscribe"))
        await carol.query(control, "http://jabber.org/protocol/disco#info")
        await carol.remove(control)
        await stage.gateway.until_logged("xmpp", "in", "presence unsubscribe", carol.jid)
        await stage.gateway.until_logged("xmpp", "out", "presence unsubscribed", carol.jid)
        await stage.gateway.until_logged("ipc", "in", "sipUnregisterJabberUser")
    await stage.phone.dial_and_fail(stage.gateway.address, "carol", 404).result()


async def test_the_account_is_deleted(own_stage: Stage) -> None:
    stage = own_stage
    carol = SimulatedIChat(stage.prosody, "carol")
    await carol.log_in()
    await carol.subscribe(stage.gateway.control)
    await carol.subscribe(stage.speed_dial)
    await carol.query(stage.gateway.control, "http://jabber.org/protocol/disco#info")
    await carol.delete_account()
    await stage.gateway.until_logged("ipc", "in", "sipUnregisterJabberUser")
    await carol.log_out()
    for _ in range(100):
        if not subscribers(stage) & {carol.jid}:
            break
        await asyncio.sleep(0.05)
    assert subscribers(stage) == {stage.ichat.jid}


def subscribers(stage: Stage) -> set[str]:
    """Whom the gateway will greet after its next start."""
    path = stage.gateway.directory / "ichat-gw.sqlite3"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return {user for (user,) in database.execute("SELECT DISTINCT user FROM subscription")}


async def test_a_break_of_the_stream_is_no_burst_and_unregisters_nobody(own_stage: Stage) -> None:
    stage = own_stage
    await stage.ichat.log_out()
    await stage.prosody.restart_async()
    await stage.ichat.log_in()
    await stage.connected()
    await flows.sip_calls_established(stage, talk=0.2)
    said = [event for event in stage.gateway.events() if event.event == "xmpp" and event.direction == "out"]
    probes = [event for event in said if event.summary == "presence probe"]
    assert len(probes) <= 2 + 1  # one for each connection, one for the call
