"""Whole calls with the phone on TCP, and iChat, as ever, on UDP."""

import asyncio
from collections.abc import Iterator

import pytest

from peers import flows
from peers.stage import Stage

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def shared_tcp_stage(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("stage"))
    component = stage.prosody.component.replace(".", r"\.")
    stage.phone.tcp = True
    stage.gateway.rules.insert(
        0, (f"xmpp:(.*)@{component}$", f"sip:$1@127.0.0.1:{stage.phone.port};transport=tcp")
    )
    try:
        runner.run(stage.start())
        yield stage
    finally:
        runner.run(stage.clean_up())


@pytest.fixture
def tcp_stage(shared_tcp_stage: Stage, runner: asyncio.Runner) -> Stage:
    runner.run(shared_tcp_stage.connected())
    return shared_tcp_stage


async def test_ichat_calls_a_phone_on_tcp(tcp_stage: Stage) -> None:
    played = await flows.ichat_calls_established(tcp_stage, talk=0.5)
    for kind in ("SIP INVITE", "SIP ACK", "SIP BYE"):
        assert "SIP/2.0/TCP" in played.phone.first("in", kind)["via"]
    assert ";transport=tcp" in played.phone.first("in", "SIP INVITE")["contact"]


async def test_a_phone_on_tcp_calls_ichat(tcp_stage: Stage) -> None:
    played = await flows.sip_calls_established(tcp_stage, talk=0.5)
    assert ";transport=tcp" in played.phone.first("in", "SIP 200 INVITE")["contact"]


async def test_a_phone_on_tcp_is_hung_up_on(tcp_stage: Stage) -> None:
    dialling = tcp_stage.phone.dial_and_wait(tcp_stage.gateway.address, "alice")
    tcp_stage.ichat.on_request = "accept"
    await tcp_stage.ichat.wait_for("established")
    await dialling.until("SIP ACK", way="out")
    tcp_stage.ichat.sip.hang_up()
    result = await dialling.result()
    assert "SIP/2.0/TCP" in result.first("in", "SIP BYE")["via"]


async def test_a_phone_that_refuses_tcp_fails_the_call_at_once(tcp_stage: Stage) -> None:
    """Nobody listens: refused within moments, not after 32 seconds."""
    tcp_stage.ichat.call(tcp_stage.speed_dial)
    await tcp_stage.ichat.wait_for("vc:response", within=15)
