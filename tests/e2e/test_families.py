"""A phone with IPv4 and an iChat with IPv6: the relay stands between them, whatever the settings say."""

import asyncio
from collections.abc import Iterator

import pytest

from peers import flows
from peers.ichat import data_blob
from peers.plain_sip import sdp_audio
from peers.stage import Stage

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def shared_stage(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    settings = {"AlwaysRelayIChatMedia": "off", "PreferIPv6": "on"}
    stage = Stage(tmp_path_factory.mktemp("stage"), settings=settings)
    del stage.gateway.settings["IPAddress"]
    sip = stage.ichat.sip
    sip.local = ("::1", sip.local[1])
    stage.ichat.blob = data_blob(("127.0.0.1", sip.local[1]), sip.local)
    try:
        runner.run(stage.start())
    except BaseException:
        runner.run(stage.clean_up())
        raise
    yield stage
    runner.run(stage.stop())


async def test_a_phone_with_ipv4_calls_an_ichat_with_ipv6(stage: Stage) -> None:
    dialling = stage.phone.dial(stage.gateway.address, "alice", talk=1.0)
    await stage.ichat.wait_for("established")
    await stage.ichat.wait_for("ended")
    result = await dialling.result()
    call = stage.ichat.sip.call
    assert sdp_audio(call.remote_sdp)[0] == "::1"
    assert sdp_audio(result.first("in", "SIP 200 INVITE").body)[0] == "127.0.0.1"
    assert result.echoed >= call.sent - flows.LOST_AT_THE_EDGES
    assert call.receiver.intact(call.stream, call.sent) >= result.echoed - flows.LOST_AT_THE_EDGES
    (relayed,) = [event for event in stage.gateway.events() if event.event == "media relayed"]
    assert "IPv4 and IPv6" in str(relayed.whole["why"])
