"""Each media engine whole, as the gateway runs it: the machine, its shell, and the real program behind that.

Around it are parties on loopback, IPv4 or IPv6, with a port for RTP and one for RTCP.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from ichat_gw.call.media import (
    MediaAnswer,
    MediaCandidate,
    MediaOffer,
    MediaReady,
    MediaRelease,
    MediaReoffer,
    MediaReplace,
    MediaReply,
    MediaRequest,
    MediaUpdate,
    Side,
)
from ichat_gw.clock import Alarm
from ichat_gw.media.engine import (
    CallCounters,
    EngineCommand,
    EngineEvent,
    MediaEngine,
    MediaFor,
    MediaOver,
    PartChanged,
    Statistics,
    StatisticsAsked,
    ToCall,
    ToNode,
    ToWorker,
)
from ichat_gw.media.net.compiled_worker import is_built
from ichat_gw.media.net.relay import COMMAND, RelayProcess
from ichat_gw.media.net.rtpengine import RtpengineSockets
from ichat_gw.media.relay_engine import EngineConfig, RelayEngine
from ichat_gw.media.rtpengine.engine import RtpEngine, RtpEngineConfig
from ichat_gw.media.sdp import SessionDescription
from peers.ports import free_ports
from peers.rtpengine import PrivateRtpengine
from tests.media.net.loopback import PATIENCE, Party, rtcp, rtp

V4, V6 = "127.0.0.1", "::1"
PYTHON = (*COMMAND[:-1], "ichat_gw.media.net.worker")
KINDS = [
    pytest.param("python", id="python"),
    pytest.param("compiled", id="compiled", marks=pytest.mark.skipif(not is_built(), reason="not built")),
    pytest.param("rtpengine", id="rtpengine", marks=pytest.mark.e2e),
]
TICK = 0.02
"""Seconds between two packets of a party."""
SETTLED = 0.1
"""Seconds for whatever is still under way on loopback to arrive."""


def local_address(host: str) -> str:
    return V6 if ":" in host else V4


class EngineStage:
    """An engine at work, and what the bridges of all calls hear from it."""

    def __init__(self, engine: MediaEngine) -> None:
        loop = asyncio.get_running_loop()
        self.engine = engine
        self.clock = loop.time
        self.alarm = Alarm(loop.call_at, self._wake)
        self.relays: list[RelayProcess] = []
        self.sockets: RtpengineSockets | None = None
        self.replies: asyncio.Queue[tuple[str, MediaReply]] = asyncio.Queue()
        self.over: asyncio.Queue[MediaOver] = asyncio.Queue()
        self.told: asyncio.Queue[Statistics] = asyncio.Queue()
        self.parts: list[PartChanged] = []
        self.numbers = 0

    def hear(self, event: EngineEvent) -> None:
        self._do(self.engine.receive(event, self.clock()))

    def _wake(self) -> None:
        self._do(self.engine.expire(self.clock()))

    def _do(self, commands: list[EngineCommand]) -> None:
        for command in commands:
            match command:
                case ToWorker(order, worker):
                    self.relays[worker].send(order)
                case ToNode(data, node):
                    assert self.sockets is not None
                    self.sockets.send(data, node)
                case ToCall(call, reply):
                    self.replies.put_nowait((call, reply))
                case MediaOver():
                    self.over.put_nowait(command)
                case Statistics():
                    self.told.put_nowait(command)
                case PartChanged():
                    self.parts.append(command)
        self.alarm.set(self.engine.deadline())

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    async def until_ready(self) -> None:
        while not self.engine.ready:  # noqa: ASYNC110 - it is no event of asyncio's
            await asyncio.sleep(0.01)

    async def until_all_up(self) -> None:
        while not all(part.up for part in self.engine.status().parts):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def ask(self, request: MediaRequest, call: str = "a") -> str:
        """Have a request met; the description that comes back."""
        self.hear(MediaFor(call, request))
        reply = await self.reply(call)
        assert isinstance(reply, MediaReady), reply
        # A worker may not have read its orders yet. Between real parties the description takes longer.
        await self.statistics(call)
        return reply.sdp

    async def reply(self, call: str = "a") -> MediaReply:
        said, reply = await self.replies.get()
        assert said == call
        return reply

    async def statistics(self, call: str = "a") -> CallCounters | None:
        self.hear(StatisticsAsked(call, self.number()))
        return (await self.told.get()).counters

    async def release(self, call: str = "a") -> CallCounters | None:
        self.hear(MediaFor(call, MediaRelease()))
        over = await self.over.get()
        assert over.call == call
        return over.counters

    # The requests, each with what a bridge does about its reply: the party is told our port.

    async def offer(self, caller: "Peer", callee: "Peer", call: str = "a") -> None:
        request = MediaOffer(self.number(), Side.CALLER, caller.sdp(), callee.host)
        callee.is_told(await self.ask(request, call))

    async def answer(self, caller: "Peer", callee: "Peer", call: str = "a") -> None:
        request = MediaAnswer(self.number(), Side.CALLEE, callee.sdp(), caller.host)
        caller.is_told(await self.ask(request, call))

    async def call(self, caller: "Peer", callee: "Peer", call: str = "a") -> None:
        await self.offer(caller, callee, call)
        await self.answer(caller, callee, call)

    async def reoffer(self, side: Side, peer: "Peer", call: str = "a", direction: str = "sendrecv") -> str:
        request = MediaReoffer(self.number(), side, peer.sdp(direction), peer.host)
        said = await self.ask(request, call)
        peer.is_told(said)
        return said

    async def update(self, side: Side, peer: "Peer", call: str = "a") -> None:
        assert await self.ask(MediaUpdate(self.number(), side, peer.sdp()), call) == ""

    async def candidate(self, side: Side, peer: "Peer", call: str = "a") -> None:
        peer.is_told(await self.ask(MediaCandidate(self.number(), side, peer.host), call))

    async def replace(self, side: Side, peer: "Peer", call: str = "a") -> None:
        request = MediaReplace(self.number(), side, peer.sdp(), peer.host, answers=True)
        assert await self.ask(request, call) == ""


@contextlib.asynccontextmanager
async def running(
    kind: str, directory: Path, *, media_timeout: float = 0.0, nodes: "list[PrivateRtpengine] | None" = None
) -> AsyncIterator[EngineStage]:
    """The engine of a kind, ready; rtpengines that run already may be given."""
    async with asyncio.timeout(2 * PATIENCE), asyncio.TaskGroup() as tasks:
        with contextlib.ExitStack() as programs:
            if kind == "rtpengine":
                nodes = nodes or [programs.enter_context(PrivateRtpengine(directory))]
                config = RtpEngineConfig([node.control for node in nodes], media_timeout=media_timeout)
                stage = EngineStage(RtpEngine(config, local_address, Random(os.getpid())))
                stage.sockets = RtpengineSockets([(V4, node.port) for node in nodes], stage.hear)
                task = tasks.create_task(stage.sockets.run())
            else:
                first = free_ports(64)
                relay_config = EngineConfig(first, first + 63, port_rest=0.0, media_timeout=media_timeout)
                stage = EngineStage(RelayEngine(relay_config, local_address, Random(os.getpid())))
                command = PYTHON if kind == "python" else COMMAND
                stage.relays = [RelayProcess(stage.hear, command)]
                task = tasks.create_task(stage.relays[0].run())
            stage._do([])
            try:
                await stage.until_ready()
                yield stage
            finally:
                stage.alarm.set(None)
                task.cancel()


@dataclass
class Heard:
    """What a party has heard."""

    rtp: list[bytes] = field(default_factory=list)
    """Without keep-alives."""
    rtcp: list[bytes] = field(default_factory=list)
    keep_alives: list[bytes] = field(default_factory=list)
    """RTP without a payload."""

    @property
    def payloads(self) -> list[bytes]:
        return [packet[12:] for packet in self.rtp]


class Peer:
    """A party: an even port for RTP with its odd twin for RTCP; or one port for both, as iChat has."""

    def __init__(self, host: str = V4, *, ssrc: int = 1, one_port: bool = False) -> None:
        self.host = host
        self.ssrc = ssrc
        self.one_port = one_port
        self.sequence = 100 * ssrc
        self.spoken = 0
        """Packets said so far."""
        self.told = ("", 0)
        """Where it is to send."""
        self.ssrc_heard = b""
        """What the other one's audio came with last."""
        while True:
            self.rtp = Party(host)
            if one_port:
                self.rtcp = self.rtp
                break
            try:
                self.rtcp = Party(host, self.rtp.address[1] + 1)
                break
            except OSError:
                self.rtp.close()

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()

    def sdp(self, direction: str = "sendrecv") -> str:
        family = "IP6" if ":" in self.host else "IP4"
        port = self.rtp.address[1]
        rtcp_line = f"a=rtcp:{port}\r\n" if self.one_port else ""
        return (
            f"v=0\r\no=peer 1 1 IN {family} {self.host}\r\ns=-\r\nc=IN {family} {self.host}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0\r\n{rtcp_line}a={direction}\r\n"
        )

    def is_told(self, sdp: str) -> None:
        description = SessionDescription.parse(sdp)
        assert description.connection is not None
        told = (description.connection.address, description.sections[0].port)
        assert ":" in told[0] if ":" in self.host else ":" not in told[0]
        assert self.told in (("", 0), told), "its ports of ours do not change"
        self.told = told

    def say(self, count: int = 1) -> list[bytes]:
        """Send packets of RTP; their payloads, none like another."""
        said = []
        for _ in range(count):
            payload = f"{self.ssrc}/{self.spoken}".encode().ljust(160, b".")
            head = rtp(self.sequence & 0xFFFF)[:4] + (160 * self.sequence).to_bytes(4, "big")
            self.rtp.send(head + self.ssrc.to_bytes(4, "big") + payload, self.told[1], self.told[0])
            self.sequence += 1
            self.spoken += 1
            said.append(payload)
        return said

    def report(self) -> bytes:
        """Send a packet of RTCP: a sender report."""
        packet = rtcp()[:4] + self.ssrc.to_bytes(4, "big") + rtcp()[8:]
        self.rtcp.send(packet, self.told[1] + (not self.one_port), self.told[0])
        return packet

    async def hears(self, count: int, reports: int = 0) -> Heard:
        """Wait for so many packets of RTP, and of RTCP; whatever else has come by then is in it, too."""
        heard = Heard()
        while len(heard.rtp) < count or len(heard.rtcp) < reports:
            self.listen(heard)
            await asyncio.sleep(0.002)
        return heard

    async def quiet(self) -> Heard:
        """What comes while everything that is under way arrives."""
        await asyncio.sleep(SETTLED)
        return self.listen(Heard())

    def listen(self, heard: Heard) -> Heard:
        for party in dict.fromkeys((self.rtp, self.rtcp)):
            for packet in party.taken():
                if 200 <= packet[1] <= 204:
                    heard.rtcp.append(packet)
                else:
                    (heard.rtp if len(packet) > 12 else heard.keep_alives).append(packet)
                    self.ssrc_heard = packet[8:12]
        return heard


async def talk(one: Peer, other: Peer, packets: int = 10) -> None:
    """Both say something, and hear all of it, in order and as it was said."""
    for _ in range(packets):
        said, answered = one.say(), other.say()
        heard = (await other.hears(1)).payloads
        assert heard == said, heard
        heard = (await one.hears(1)).payloads
        assert heard == answered, heard


@contextlib.contextmanager
def peers(*hosts: str, one_port: int = -1) -> Iterator[list[Peer]]:
    """Parties at these addresses, the first with SSRC 1; the one with that index has one port, as iChat."""
    made = [Peer(host, ssrc=index + 1, one_port=index == one_port) for index, host in enumerate(hosts)]
    try:
        yield made
    finally:
        for peer in made:
            peer.close()
