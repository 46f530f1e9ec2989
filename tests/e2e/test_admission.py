"""Who may call, with the real executables and a flood from another address."""

import asyncio
from pathlib import Path

import pytest

from peers.flood import Flood
from peers.flows import LOST_AT_THE_EDGES
from peers.ports import free_ports
from peers.stage import Stage

pytestmark = pytest.mark.e2e
TALK = 3.0
FLOODER, STRANGER = "127.0.0.66", "127.0.0.67"
SETTINGS = {
    "AllowedSIPNetworks": f"127.0.0.1, {FLOODER}",
    "MaxRequestsPerSecondPerSource": "5",
    "IgnoreAfter": "0",
}


async def test_a_flood_is_turned_away_and_an_established_call_keeps_its_audio(tmp_path: Path) -> None:
    async with Stage(tmp_path, settings=SETTINGS) as stage:
        dialling = stage.phone.dial(stage.gateway.address, "alice", talk=TALK)
        await stage.ichat.wait_for("established")
        flood, strangers = Flood(tmp_path, FLOODER), Flood(tmp_path, STRANGER)
        flood.begin(stage.gateway.address, "nosuchuser", rate=100, calls=200)
        strangers.begin(stage.gateway.address, "nosuchuser", rate=100, calls=100, patience=0.5)
        answers, silence = await asyncio.gather(flood.end(), strangers.end())
        await stage.ichat.wait_for("ended", within=TALK + 30)
        phone = await dialling.result()

        assert set(answers) == {404, 503}
        assert answers[503] >= 180
        assert answers.total() == 200
        assert silence.total() == 0

        call = stage.ichat.sip.call
        assert call.sent >= TALK * 50 * 0.8
        assert phone.echoed >= call.sent - LOST_AT_THE_EDGES
        assert call.receiver.intact(call.stream, call.sent) >= phone.echoed - LOST_AT_THE_EDGES

        lines = [event for event in stage.gateway.events() if event.event == "turned away"]
        said = {(event.whole["setting"], event.whole["source"]) for event in lines}
        assert said == {("MaxRequestsPerSecondPerSource", FLOODER), ("AllowedSIPNetworks", STRANGER)}
        assert len(lines) <= 2 * 12, "the log is not flooded"

        # And the phone calls again at once.
        await stage.settle()
        again = stage.phone.dial(stage.gateway.address, "alice", talk=0.2)
        await stage.ichat.wait_for("established")
        await again.result()


async def test_a_flood_of_calls_to_who_does_not_exist_takes_no_media_ports(tmp_path: Path) -> None:
    """There is room for the media of two calls, and a dozen wait for the XMPP server's answer at any time."""
    ports = free_ports(9)
    settings = {"MediaRelayPortRangeMin": str(ports), "MediaRelayPortRangeMax": str(ports + 8)}
    settings |= {"MaxRequestsPerSecondPerSource": "0", "MaxCallsPerUser": "0"}
    async with Stage(tmp_path, settings=SETTINGS | settings) as stage:
        flood = Flood(tmp_path, FLOODER)
        flood.begin(stage.gateway.address, "nosuchuser", rate=25, calls=50)
        dialling = stage.phone.dial(stage.gateway.address, "alice", talk=0.5)
        await stage.ichat.wait_for("established")
        await dialling.result()
        assert await flood.end() == {404: 50}


async def test_a_user_has_only_so_many_calls_and_a_foreigner_none(tmp_path: Path) -> None:
    settings = SETTINGS | {"AllowedXMPPDomains": "example.com", "MaxCallsPerUser": "1"}
    async with Stage(tmp_path, settings=settings) as stage:
        dialling = stage.phone.dial_and_wait(stage.gateway.address, "alice")
        await stage.ichat.wait_for("established")
        flood = Flood(tmp_path, FLOODER)
        flood.begin(stage.gateway.address, "alice", rate=10, calls=1)
        assert await flood.end() == {503: 1}
        stage.ichat.sip.hang_up()
        await dialling.result()
        stage.ichat.call(stage.speed_dial)
        response = await stage.ichat.wait_for("vc:response")
        assert response.fields["response"] == "1"
        said = [event.whole for event in stage.gateway.events() if event.event == "turned away"]
        assert [line["setting"] for line in said] == ["MaxCallsPerUser", "AllowedXMPPDomains"]
        assert said[1]["source"] == stage.ichat.jid
