"""SIGTERM and SIGINT in the middle of calls, kill -9, and starts that must not be."""

import asyncio
import signal

import pytest

from peers.gateway import GatewayProcess
from peers.sightings import Sighting
from peers.stage import Stage

pytestmark = pytest.mark.e2e


async def expect_unavailable(stage: Stage) -> None:
    for jid in (stage.gateway.control, stage.speed_dial):

        def gone(sighting: Sighting, jid: str = jid) -> bool:
            return (sighting.peer, sighting.fields["type"]) == (jid, "unavailable")

        await stage.ichat.wait_for("presence", where=gone)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_stopped_while_talking(own_stage: Stage, number: signal.Signals) -> None:
    dialling = own_stage.phone.dial_and_wait(own_stage.gateway.address, "alice")
    await own_stage.ichat.wait_for("established")
    await dialling.until("SIP 200 INVITE")
    await own_stage.gateway.stop_async(number)
    await dialling.result()  # it waits for BYE
    await own_stage.ichat.wait_for("SIP BYE")
    await expect_unavailable(own_stage)


async def test_stopped_while_ichat_is_alerted(own_stage: Stage) -> None:
    own_stage.ichat.on_request = "never answer"
    dialling = own_stage.phone.dial_and_fail(own_stage.gateway.address, "alice", 503)
    await own_stage.ichat.wait_for("vc:request")
    await own_stage.gateway.stop_async()
    await dialling.result()
    await own_stage.ichat.wait_for("vc:cancel")
    await expect_unavailable(own_stage)


async def test_stopped_while_the_phone_rings(own_stage: Stage) -> None:
    ringing = own_stage.phone.ring()
    own_stage.ichat.call(own_stage.speed_dial)
    await ringing.until("SIP 180 INVITE", way="out")
    await own_stage.gateway.stop_async()
    await ringing.result()  # it waits for CANCEL
    response = await own_stage.ichat.wait_for("vc:response")
    assert response.fields["response"] == "1"
    await expect_unavailable(own_stage)


async def test_killed_outright(own_stage: Stage) -> None:
    """After kill -9 no child may live on and hold the component's name or the ports."""
    children = own_stage.gateway.children()
    assert children
    own_stage.gateway.program.kill()
    GatewayProcess.expect_gone(children, within=5.0)
    await own_stage.gateway.start_async()
    await own_stage.connected()


async def test_the_configuration_is_wrong(own_stage: Stage) -> None:
    await own_stage.gateway.stop_async()
    gateway = own_stage.gateway
    gateway.settings |= {"UDPTCPPort": "banana", "LogLevel": "LOUD", "MediaRelayPortRangeMax": "1"}
    gateway.rules.append(("(", "sip:x"))
    gateway.start(ready=False)
    assert await gateway.program.finished(5.0) == 2
    output = gateway.program.output
    lines = gateway.config_file.read_text().splitlines()
    for name in ("UDPTCPPort", "LogLevel"):
        number = next(n for n, line in enumerate(lines, 1) if line.startswith(name))
        assert f"{gateway.config_file}:{number}: {name}: " in output
    assert "TranslationPattern: " in output
    assert "MediaRelayPortRange" in output
    assert "Traceback" not in output


async def test_a_port_that_is_taken(own_stage: Stage) -> None:
    """A second gateway on the same port says so and ends; the first goes on."""
    first = own_stage.gateway
    second = GatewayProcess(first.directory / "second", own_stage.prosody, own_stage.phone.port)
    second.settings["UDPTCPPort"] = str(first.sip_port)
    second.start(ready=False)
    try:
        assert await second.program.finished(10.0) not in (0, None)
        assert str(first.sip_port) in second.program.output
        assert "Traceback" not in second.program.output
    finally:
        second.destroy()
    await asyncio.sleep(0)
    await own_stage.connected()
