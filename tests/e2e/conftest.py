"""One XMPP server and one gateway for all tests of a file, with alice logged in and subscribed."""

import asyncio
from collections.abc import Iterator

import pytest

from peers.ejabberd import PrivateEjabberd
from peers.prosody import PrivateProsody
from peers.stage import Stage
from peers.xmpp_server import XmppServer

EVERY_SERVER = (PrivateProsody, PrivateEjabberd)
"""For `XMPP_SERVERS` of a file whose tests are worth playing on every XMPP server; others take Prosody."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Play the tests of a file on the servers that it names."""
    if "xmpp_server" in metafunc.fixturenames:
        servers = getattr(metafunc.module, "XMPP_SERVERS", (PrivateProsody,))
        ids = [server.name for server in servers]
        metafunc.parametrize("xmpp_server", servers, ids=ids, scope="module")


@pytest.fixture(scope="module")
def shared_stage(
    xmpp_server: type[XmppServer],
    runner: asyncio.Runner,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Stage]:
    """Started before the first test of a file, with its `SETTINGS`, stopped in order after the last."""
    settings = getattr(request.module, "SETTINGS", None)
    stage = Stage(tmp_path_factory.mktemp("stage"), server=xmpp_server, settings=settings)
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
    runner.run(shared_stage.hang_up())


@pytest.fixture
def own_stage(
    xmpp_server: type[XmppServer], runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """A stage for one test that stops or breaks things."""
    stage = Stage(tmp_path_factory.mktemp("stage"), server=xmpp_server)
    try:
        runner.run(stage.start())
        yield stage
    finally:
        runner.run(stage.clean_up())
