"""One Prosody and one gateway for all tests of a file, with alice logged in and subscribed."""

import asyncio
from collections.abc import Iterator

import pytest

from peers.stage import Stage


@pytest.fixture(scope="module")
def shared_stage(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Started before the first test of a file, stopped in order after the last."""
    stage = Stage(tmp_path_factory.mktemp("stage"))
    try:
        runner.run(stage.start())
    except BaseException:
        runner.run(stage.clean_up())
        raise
    yield stage
    runner.run(stage.stop())


@pytest.fixture
def stage(shared_stage: Stage, runner: asyncio.Runner) -> Iterator[Stage]:
    """The stage with nothing going on and a new page of sightings."""
    ichat = shared_stage.ichat
    ichat.on_request, ichat.sip.manner = "accept", "answer"
    runner.run(shared_stage.connected())
    yield shared_stage
    shared_stage.phone.stop()
    if ichat.sip.calls and not ichat.sip.call.over:
        ichat.sip.hang_up()


@pytest.fixture
def own_stage(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage for one test that stops or breaks things."""
    stage = Stage(tmp_path_factory.mktemp("stage"))
    try:
        runner.run(stage.start())
        yield stage
    finally:
        runner.run(stage.clean_up())
