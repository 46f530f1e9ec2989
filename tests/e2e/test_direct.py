"""Audio from party to party (`AlwaysRelayIChatMedia = off`), with phones of others."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.test_sound import check_conversation
from peers import flows
from peers.audio import samples_of, stream_pcmu
from peers.baresip import Baresip
from peers.plain_sip import sdp_audio
from peers.stage import SPEED_DIAL, Stage

pytestmark = pytest.mark.e2e
TALK = 2.0


@pytest.fixture(scope="module")
def shared_stage(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("stage"), settings={"AlwaysRelayIChatMedia": "off"})
    try:
        runner.run(stage.start())
    except BaseException:
        runner.run(stage.clean_up())
        raise
    yield stage
    runner.run(stage.stop())


def path_of_the_last_call(stage: Stage) -> str:
    """What the log says of which way its audio went."""
    said = ("media direct", "media relayed")
    return [event.event for event in stage.gateway.events() if event.event in said][-1]


def ports_held(stage: Stage) -> list[int]:
    first = stage.gateway.media_ports
    return [
        connection.laddr.port
        for process in stage.gateway.children()
        for connection in process.net_connections("udp")
        if first <= connection.laddr.port <= first + 99
    ]


async def test_sipp_calls_ichat(stage: Stage) -> None:
    dialling = stage.phone.dial(stage.gateway.address, "alice", talk=1.0)
    await stage.ichat.wait_for("established")
    assert ports_held(stage) == []
    await stage.ichat.wait_for("ended")
    result = await dialling.result()
    call = stage.ichat.sip.call
    assert sdp_audio(call.remote_sdp)[:2] == ("127.0.0.1", stage.phone.media_port)
    assert sdp_audio(result.first("in", "SIP 200 INVITE").body)[1] == stage.ichat.sip.local[1]
    assert result.echoed >= call.sent - flows.LOST_AT_THE_EDGES
    assert path_of_the_last_call(stage) == "media direct"


async def test_ichat_calls_sipp_which_is_moved(stage: Stage) -> None:
    ringing = stage.phone.play("uas_moved")
    stage.ichat.call(stage.speed_dial)
    await stage.ichat.wait_for("established")
    await asyncio.sleep(1.0)
    assert ports_held(stage) == []
    stage.ichat.sip.hang_up()
    result = await ringing.result()
    first, moved = (m.sip for m in result.messages if m.way == "in" and m.sip.kind == "SIP INVITE")
    assert sdp_audio(first.body)[1] != stage.ichat.sip.local[1]
    assert sdp_audio(moved.body)[1] == stage.ichat.sip.local[1]
    call = stage.ichat.sip.call
    assert sdp_audio(call.remote_sdp)[:2] == ("127.0.0.1", stage.phone.media_port)
    assert result.echoed >= call.sent - flows.LOST_AT_THE_EDGES
    assert path_of_the_last_call(stage) == "media direct"


async def test_ichat_calls_sipp_which_will_not_be_moved(stage: Stage) -> None:
    ringing = stage.phone.play("uas_stays")
    stage.ichat.call(stage.speed_dial)
    await stage.ichat.wait_for("established")
    await asyncio.sleep(1.0)
    assert ports_held(stage) != []
    stage.ichat.sip.hang_up()
    result = await ringing.result()
    call = stage.ichat.sip.call
    assert result.echoed >= call.sent - flows.LOST_AT_THE_EDGES
    assert call.receiver.received == call.receiver.intact(call.stream, call.sent)
    assert path_of_the_last_call(stage) == "media relayed"


async def test_ichat_calls_baresip(stage: Stage, tmp_path: Path) -> None:
    sound = samples_of(stream_pcmu("baresip", 600))
    with Baresip(tmp_path, SPEED_DIAL, sound=sound, port=stage.phone.port) as phone:
        stage.ichat.call(stage.speed_dial)
        await stage.ichat.wait_for("established")
        await asyncio.sleep(TALK)
        assert ports_held(stage) == []
        stage.ichat.sip.hang_up()
        await stage.ichat.wait_for("SIP 200 BYE")
        await asyncio.sleep(0.2)
    assert path_of_the_last_call(stage) == "media direct"
    await check_conversation(stage, phone, "baresip")


async def test_hold_and_resume_from_the_phone(stage: Stage) -> None:
    dialling = stage.phone.dial_and_hold(stage.gateway.address, "alice", talk=0.5, hold=0.5)
    await stage.ichat.wait_for("established")
    await stage.ichat.wait_for("ended")
    result = await dialling.result()
    assert result.kinds.count("in SIP 200 INVITE") == 3
    assert stage.ichat.sightings.count("SIP INVITE") == 1, "an iChat client is sent no re-INVITE"
    assert path_of_the_last_call(stage) == "media direct"
