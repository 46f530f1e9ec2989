"""The media engine that the settings name, and what is behind it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ichat_gw.app.media import MediaNews, MediaShell, media_engine
from ichat_gw.call.media import MediaOffer, MediaReady, Side
from ichat_gw.config.kinds import HostPort, MediaEngineName
from ichat_gw.config.table import Settings
from ichat_gw.media.direct import DirectMedia
from ichat_gw.media.engine import EngineCommand, FromWorker, MediaFor, ToCall, ToNode, ToWorker, WorkerLost
from ichat_gw.media.relay_engine import RelayEngine
from ichat_gw.media.rtpengine.engine import RtpEngine
from peers.rtpengine import PrivateRtpengine
from tests.media.relaying import sdp


def settings(**more: Any) -> Settings:
    return Settings(
        jabber_server="jabber.company.com",
        jabber_component_name="ichat-gw.jabber.company.com",
        jabber_component_password=SecretStr("geheim"),
        jabber_control_username="control",
        ip_address="127.0.0.1",
        **more,
    )


def rtpengine_at(*ports: int) -> dict[str, Any]:
    addresses = tuple(HostPort("127.0.0.1", port) for port in ports)
    return {"media_engine": MediaEngineName.RTPENGINE, "rtpengine_address": addresses}


def test_the_engine_that_is_named() -> None:
    assert isinstance(media_engine(settings()), RelayEngine)
    engine = media_engine(settings(**rtpengine_at(2223, 2224)))
    assert isinstance(engine, RtpEngine)
    assert [part.name for part in engine.status().parts] == [
        "rtpengine 127.0.0.1:2223",
        "rtpengine 127.0.0.1:2224",
    ]
    direct = media_engine(settings(**rtpengine_at(2223), always_relay_ichat_media=False))
    assert isinstance(direct, DirectMedia)
    assert direct.status().engine == "rtpengine"


class Shell:
    """An engine and its shell, as the server has them."""

    def __init__(self, of: Settings) -> None:
        self.engine = media_engine(of)
        self.shell = MediaShell(of, self.hear)
        self.clock = asyncio.get_running_loop().time
        self.replies: asyncio.Queue[ToCall] = asyncio.Queue()
        self.heard: list[MediaNews] = []

    def hear(self, event: Any) -> None:
        self.heard.append(event)
        self.do(self.engine.receive(event, self.clock()))

    def do(self, commands: list[EngineCommand]) -> None:
        for command in commands:
            match command:
                case ToWorker() | ToNode():
                    self.shell.send(command)
                case ToCall():
                    self.replies.put_nowait(command)

    async def offers(self) -> None:
        """Wait until it is ready, and have an offer made."""
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            task = group.create_task(self.shell.run())
            while not self.engine.ready:
                self.do(self.engine.expire(self.clock()))
                await asyncio.sleep(0.05)
            offer = MediaOffer(1, Side.CALLER, sdp("127.0.0.1", 30_000), "127.0.0.1")
            self.hear(MediaFor("a", offer))
            assert isinstance((await self.replies.get()).reply, MediaReady)
            self.shell.stopping()
            task.cancel()


async def test_relay_workers() -> None:
    shell = Shell(settings(media_relay_workers=2))
    await shell.offers()
    assert {event.worker for event in shell.heard if isinstance(event, FromWorker)} == {0, 1}


@pytest.mark.e2e
async def test_rtpengine(tmp_path: Path) -> None:
    with PrivateRtpengine(tmp_path) as rtpengine:
        await Shell(settings(**rtpengine_at(rtpengine.port))).offers()


@pytest.mark.parametrize("stopping", [False, True])
async def test_a_worker_that_ends(stopping: bool, caplog: pytest.LogCaptureFixture) -> None:
    """It is an error, unless everything is being stopped: then somebody may have told it to end, too."""
    shell = Shell(settings(media_relay_workers=1))
    if stopping:
        shell.shell.stopping()
    shell.shell._relay_said(WorkerLost("process 7 ended with status -9"))
    assert shell.heard == [WorkerLost("process 7 ended with status -9")]
    assert ("relay lost" in caplog.messages) is not stopping
