"""Stopping while children hang, while it is being started, and while somebody is impatient."""

import asyncio
import signal

import pytest

from peers.gateway import GatewayProcess
from peers.stage import Stage

pytestmark = pytest.mark.e2e


async def test_children_that_hang(own_stage: Stage) -> None:
    """Connector and relay both have to be killed: at the same time, not one after the other."""
    children = own_stage.gateway.children()
    assert len(children) == 2
    for child in children:
        child.suspend()
    took = await own_stage.gateway.stop_async()
    assert took < 4.0


async def test_an_impatient_operator(own_stage: Stage) -> None:
    """Every further signal changes nothing, up to the last moment: the exit status is that of the first."""
    program = own_stage.gateway.program
    children = own_stage.gateway.children()
    while program.running:
        own_stage.gateway.begin_stop()
        own_stage.gateway.begin_stop(signal.SIGINT)
        await asyncio.sleep(0.01)
    assert program.exit_status == 0
    assert "Traceback" not in program.output
    GatewayProcess.expect_gone(children)


@pytest.mark.parametrize("event", ["starting", "child started", "relay started"])
async def test_stopped_while_it_starts(own_stage: Stage, event: str) -> None:
    gateway = own_stage.gateway
    await gateway.stop_async()
    seen = gateway.program.output.count(f'"{event}"')
    gateway.start(ready=False)
    await gateway.program.until_ready(lambda: gateway.program.output.count(f'"{event}"') > seen, 30.0)
    await gateway.stop_async(signal.SIGINT)
    assert "Traceback" not in gateway.program.output
