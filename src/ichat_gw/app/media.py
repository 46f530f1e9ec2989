"""The media engine that the settings name, and the shell behind it: relay workers, or ways to rtpengines."""

import asyncio
from collections.abc import Callable
from random import SystemRandom
from typing import TypeAlias

from ichat_gw.app.configs import engine_config, relay_workers, rtpengine_config
from ichat_gw.app.local_addresses import address_towards
from ichat_gw.config.kinds import MediaEngineName
from ichat_gw.config.table import Settings
from ichat_gw.media.direct import DirectMedia
from ichat_gw.media.engine import (
    FromNode,
    FromWorker,
    MediaEngine,
    NodeUnreachable,
    ToNode,
    ToWorker,
    WorkerLost,
)
from ichat_gw.media.net.relay import RelayProcess
from ichat_gw.media.net.rtpengine import RtpengineSockets
from ichat_gw.media.relay_engine import RelayEngine
from ichat_gw.media.relay_messages import Started
from ichat_gw.media.rtpengine.engine import RtpEngine
from ichat_gw.ops.logging import get_logger

MediaNews: TypeAlias = FromWorker | WorkerLost | FromNode | NodeUnreachable
"""What comes from behind the engine."""

log = get_logger(__name__)


def media_engine(settings: Settings) -> MediaEngine:
    """The machine."""
    bound = settings.ip_address

    def local_address(host: str) -> str:
        return address_towards(host, bound)

    rng = SystemRandom()
    engine: MediaEngine
    if settings.media_engine is MediaEngineName.RTPENGINE:
        engine = RtpEngine(rtpengine_config(settings), local_address, rng)
    else:
        engine = RelayEngine(engine_config(settings), local_address, rng)
    if settings.always_relay_ichat_media:
        return engine
    return DirectMedia(engine, rng, frozenset(settings.codec_id_filter_list))


class MediaShell:
    """What the engine gives its orders to, until `run` is cancelled.

    `deliver` gets what comes back; it is called from the event loop, never inside `send`.
    """

    def __init__(self, settings: Settings, deliver: Callable[[MediaNews], None]) -> None:
        self._deliver = deliver
        self._stopping = False
        self._relays: list[RelayProcess] = []
        self._rtpengines: RtpengineSockets | None = None
        if settings.media_engine is MediaEngineName.RTPENGINE:
            addresses = [(each.host, each.port) for each in settings.rtpengine_address]
            self._rtpengines = RtpengineSockets(addresses, deliver)
        else:
            numbers = range(relay_workers(settings))
            self._relays = [RelayProcess(self._relay_said, number=number) for number in numbers]

    def send(self, command: ToWorker | ToNode) -> None:
        """Do what the engine says."""
        match command:
            case ToWorker(order, worker):
                self._relays[worker].send(order)
            case ToNode(data, node):
                assert self._rtpengines is not None
                self._rtpengines.send(data, node)

    async def run(self) -> None:
        """Keep it all going. To be run in a task of the caller's group; cancel it to stop."""
        # Each may have to be killed; all together that must not take longer than one.
        async with asyncio.TaskGroup() as group:
            for relay in self._relays:
                group.create_task(relay.run())
            if self._rtpengines is not None:
                group.create_task(self._rtpengines.run())

    def stopping(self) -> None:
        """From now on it is in order that workers end."""
        self._stopping = True

    def _relay_said(self, event: FromWorker | WorkerLost) -> None:
        if isinstance(event, WorkerLost):
            if not self._stopping:
                log.err("relay lost", worker=event.worker, text=event.text)
        elif isinstance(event.reply, Started):
            reply = event.reply
            log.info("relay started", worker=event.worker, pid=reply.process, loop=reply.loop)
        self._deliver(event)
