"""A whole gateway whose audio rtpengine moves: calls both ways, hold, and an rtpengine that dies."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from peers import flows
from peers.rtpengine import PrivateRtpengine
from peers.stage import Stage
from peers.talk import ask

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def rtpengine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRtpengine]:
    with PrivateRtpengine(tmp_path_factory.mktemp("rtpengine"), ports=60) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def shared_stage(
    rtpengine: PrivateRtpengine, runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """As that of the other files, with the other engine."""
    settings = {"MediaEngine": "rtpengine", "RtpengineAddress": rtpengine.control}
    stage = Stage(tmp_path_factory.mktemp("stage"), settings=settings)
    try:
        runner.run(stage.start())
    except BaseException:
        runner.run(stage.clean_up())
        raise
    yield stage
    runner.run(stage.stop())


def media_over(stage: Stage) -> dict[str, object]:
    """What the log says of the last call's packets."""
    return dict([event for event in stage.gateway.events() if event.event == "media over"][-1].whole)


def ups(stage: Stage) -> int:
    """How often an rtpengine has come (back)."""
    return sum(event.event == "media up" for event in stage.gateway.events())


async def test_ichat_calls_and_both_are_heard(stage: Stage, rtpengine: PrivateRtpengine) -> None:
    played = await flows.ichat_calls_established(stage, talk=0.5)
    assert [sound.received >= sound.sent - flows.LOST_AT_THE_EDGES for sound in played.sound] == [True, True]
    call = stage.ichat.sip.call
    ports = {port for _, port in call.receiver.senders}
    assert all(rtpengine.first_port <= port <= rtpengine.last_port for port in ports)
    assert ports
    assert len([1 for event in stage.gateway.events() if event.event == "relay started"]) == 0
    assert int(str(media_over(stage)["from_caller"])) >= 20


async def test_a_phone_calls_and_both_are_heard(stage: Stage) -> None:
    played = await flows.sip_calls_established(stage, talk=0.5)
    assert [sound.received >= sound.sent - flows.LOST_AT_THE_EDGES for sound in played.sound] == [True, True]


async def test_hold_and_resume_from_the_phone(stage: Stage) -> None:
    dialling = stage.phone.dial_and_hold(stage.gateway.address, "alice", talk=0.5, hold=0.5)
    await stage.ichat.wait_for("established")
    await stage.ichat.wait_for("ended")
    result = await dialling.result()
    assert result.kinds.count("in SIP 200 INVITE") == 3
    assert result.echoed >= 0.8 * 50


async def test_rtpengine_dies(stage: Stage, rtpengine: PrivateRtpengine, tmp_path: Path) -> None:
    """Its call ends, the next one is refused at once with 503, and when it is back all is well."""
    dialling = stage.phone.dial(stage.gateway.address, "alice", talk=20.0)
    await dialling.until("SIP 200 INVITE")
    await asyncio.sleep(0.3)
    rtpengine.kill()
    await stage.ichat.wait_for("ended")
    dialling.stop()
    events = stage.gateway.events()
    (lost,) = [event for event in events if event.event == "media lost"]
    assert (lost.level, lost.whole["part"]) == ("ERR", f"rtpengine {rtpengine.control}")
    (over,) = [event for event in events if event.whole.get("cause") == "MEDIA_FAILED"]
    assert "is gone: Connection refused" in str(over.whole["why"])
    refused = stage.phone.dial(stage.gateway.address, "alice", talk=0.1)
    assert "in SIP 503 INVITE" in (await refused.outcome()).kinds
    rtpengine.start()
    await stage.gateway.program.until_ready(lambda: ups(stage) == 2, 30.0)
    stage.ichat.forget()
    await flows.sip_calls_established(stage, talk=0.3)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[PrivateRtpengine]]:
    """Two rtpengines; the first call is at the first."""
    with contextlib.ExitStack() as daemons:
        yield [
            daemons.enter_context(PrivateRtpengine(tmp_path / name, ports=40, name=name))
            for name in ("one", "two")
        ]


@pytest.mark.parametrize(
    ("trouble", "why"),
    [(PrivateRtpengine.kill, "Connection refused"), (PrivateRtpengine.pause, "it does not answer")],
    ids=["killed", "hangs"],
)
async def test_one_of_two_is_gone_for_good(
    pair: list[PrivateRtpengine], tmp_path: Path, trouble: Callable[[PrivateRtpengine], None], why: str
) -> None:
    """Its calls end for both parties, with a sentence that says why; new ones go to the other at once."""
    control = ", ".join(each.control for each in pair)
    async with Stage(
        tmp_path / "stage", settings={"MediaEngine": "rtpengine", "RtpengineAddress": control}
    ) as stage:
        phone = stage.phone.dial_and_wait(stage.gateway.address, "alice")
        await stage.ichat.wait_for("established")
        call = stage.ichat.sip.call
        await asyncio.sleep(0.3)
        assert {pair[0].first_port <= port <= pair[0].last_port for _, port in call.receiver.senders} == {
            True
        }
        trouble(pair[0])
        begin = time.monotonic()
        await stage.ichat.wait_for("ended", within=30)
        print(f"{trouble.__name__}: the call ends after {time.monotonic() - begin:.1f} s")
        assert "in SIP BYE" in " ".join((await phone.outcome()).kinds)
        while not (records := (await ask(stage, "records"))["records"]):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        assert records[0]["code"] == "relay-failed"
        assert f"rtpengine {pair[0].control} is gone: {why}" in records[0]["verdict"]
        stage.ichat.forget()
        await flows.sip_calls_established(stage, talk=0.3)
        await flows.ichat_calls_established(stage, talk=0.3)


async def test_one_that_hangs_for_two_seconds_keeps_its_calls(
    stage: Stage, rtpengine: PrivateRtpengine
) -> None:
    phone = stage.phone.dial_and_wait(stage.gateway.address, "alice")
    await stage.ichat.wait_for("established")
    call = stage.ichat.sip.call
    rtpengine.pause()
    await asyncio.sleep(2.0)
    rtpengine.resume()
    heard = call.received
    while call.received <= heard + 50:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    stage.ichat.sip.hang_up()
    await stage.ichat.wait_for("SIP 200 BYE")
    await phone.result()
