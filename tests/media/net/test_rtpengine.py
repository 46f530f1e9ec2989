"""The ways to real rtpengines: several of them, full ones, one that hangs, one that dies."""

import asyncio
import socket
from pathlib import Path

import pytest

from ichat_gw.call.cause import Cause
from ichat_gw.call.media import MediaLost, MediaOffer, MediaRefused, Side
from ichat_gw.media.engine import FromNode, MediaFor, NodeUnreachable
from ichat_gw.media.net import rtpengine as module
from ichat_gw.media.net.rtpengine import RtpengineSockets
from ichat_gw.media.rtpengine import engine, nodes
from peers.ports import free_port
from peers.rtpengine import PrivateRtpengine
from tests.media.net.engines import V4, V6, Peer, peers, running, talk
from tests.media.net.loopback import PATIENCE

real = pytest.mark.e2e


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """All in a fraction of the time, but no rtpengine that is only slow is taken for dead."""
    monkeypatch.setattr(nodes, "PING_EVERY", 0.5)
    monkeypatch.setattr(nodes, "PING_AGAIN", 0.1)
    monkeypatch.setattr(nodes, "GRACE", 1.5)
    monkeypatch.setattr(module, "PAUSE", 0.1)


@pytest.fixture
def no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who hears nothing for a second is played no silence, which would come between what is said."""
    monkeypatch.setattr(engine, "LOOK_AFTER", 600.0)


def node(tmp_path: Path, name: str, **more: object) -> PrivateRtpengine:
    return PrivateRtpengine(tmp_path / name, name=name, **more)  # type: ignore[arg-type]


def is_at(peer: Peer, daemon: PrivateRtpengine) -> bool:
    return daemon.first_port <= peer.told[1] <= daemon.last_port


@real
@pytest.mark.usefixtures("hasty", "no_silence")
async def test_one_of_two_dies(tmp_path: Path) -> None:
    """Its call is lost, the other's goes on, and so do new ones; when it is back it has its share again."""
    with node(tmp_path, "one") as one, node(tmp_path, "two") as two:
        async with running("rtpengine", tmp_path, nodes=[one, two]) as stage:
            await stage.until_all_up()
            with peers(V4, V4, V4, V4, V4, V4) as (alice, bob, carol, dave, erin, frank):
                await stage.call(alice, bob, "a")
                await stage.call(carol, dave, "b")
                assert [is_at(bob, one), is_at(dave, two)] == [True, True]
                one.kill()
                lost = await stage.reply("a")
                assert isinstance(lost, MediaLost)
                assert lost.ending.cause is Cause.MEDIA_FAILED
                assert f"rtpengine {one.control} is gone" in lost.ending.text
                assert (await stage.over.get()).counters is None
                await talk(carol, dave)
                await stage.call(erin, frank, "c")
                assert is_at(erin, two)
                await talk(erin, frank)
                one.start()
                await stage.until_all_up()
                name = f"rtpengine {one.control}"
                assert [(part.name, part.up) for part in stage.parts[2:]] == [(name, False), (name, True)]
                alice.told = bob.told = ("", 0)
                await stage.call(alice, bob, "d")
                assert is_at(bob, one)
                await talk(alice, bob)


@real
@pytest.mark.usefixtures("hasty")
async def test_one_that_is_started_anew_has_forgotten_its_calls(tmp_path: Path) -> None:
    with node(tmp_path, "one") as one:
        async with running("rtpengine", tmp_path, nodes=[one]) as stage:
            with peers(V4, V4) as (alice, bob):
                await stage.call(alice, bob)
                one.kill()
                while stage.engine.ready:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                one.start()
                lost = await stage.reply()
                assert isinstance(lost, MediaLost)
                await stage.over.get()


@real
@pytest.mark.usefixtures("no_silence")
async def test_one_that_hangs_for_a_moment(tmp_path: Path) -> None:
    with node(tmp_path, "one") as one:
        async with running("rtpengine", tmp_path, nodes=[one]) as stage:
            with peers(V4, V4) as (alice, bob):
                await stage.call(alice, bob)
                one.pause()
                stage.hear(MediaFor("b", MediaOffer(stage.number(), Side.CALLER, alice.sdp(), V4)))
                await asyncio.sleep(0.4)
                assert stage.replies.empty()
                one.resume()
                await stage.reply("b")
                await talk(alice, bob)


@real
@pytest.mark.usefixtures("no_silence")
@pytest.mark.parametrize("settings", [{"settings": ["--max-sessions=1"]}, {"ports": 4}])
async def test_one_that_has_no_room(tmp_path: Path, settings: dict[str, object]) -> None:
    with node(tmp_path, "one", **settings) as one, node(tmp_path, "two", **settings) as two:
        async with running("rtpengine", tmp_path, nodes=[one, two]) as stage:
            await stage.until_all_up()
            with peers(V4, V4, V4, V4, V4) as (alice, bob, carol, dave, erin):
                stage.engine._nodes[1].calls += 1  # type: ignore[attr-defined]
                await stage.call(alice, bob, "a")
                assert is_at(alice, one)
                stage.engine._nodes[1].calls += 1  # type: ignore[attr-defined]
                # It has fewer calls than the other one, but no room.
                await stage.call(carol, dave, "b")
                assert is_at(carol, two)
                await talk(alice, bob)
                await talk(carol, dave)
                stage.hear(MediaFor("c", MediaOffer(stage.number(), Side.CALLER, erin.sdp(), V4)))
                refused = await stage.reply("c")
                assert isinstance(refused, MediaRefused)
                assert refused.ending.cause is Cause.NO_RESOURCES


async def heard(queue: "asyncio.Queue[FromNode | NodeUnreachable]") -> FromNode | NodeUnreachable:
    async with asyncio.timeout(PATIENCE):
        return await queue.get()


@pytest.mark.usefixtures("hasty")
async def test_sockets() -> None:
    """Datagrams go and come; when nobody is there we hear of it, and when somebody is there again, too."""
    port = free_port()
    queue: asyncio.Queue[FromNode | NodeUnreachable] = asyncio.Queue()
    sockets = RtpengineSockets([("localhost", free_port()), (V6, port)], queue.put_nowait)
    sockets.send(b"lost", 1)
    task = asyncio.get_running_loop().create_task(sockets.run())
    while queue.empty():
        sockets.send(b"nobody there", 1)
        await asyncio.sleep(0.02)
    assert await heard(queue) == NodeUnreachable("Connection refused", 1)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as there:
        there.bind((V6, port))
        there.setblocking(False)
        data = b""
        async with asyncio.timeout(PATIENCE):
            while not data:
                sockets.send(b"hello", 1)
                await asyncio.sleep(0.02)
                try:
                    data, source = there.recvfrom(100)
                except BlockingIOError:
                    continue
        there.sendto(b"hello yourself", source)
        assert await heard(queue) == FromNode(b"hello yourself", 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.usefixtures("hasty")
async def test_a_name_that_nobody_knows() -> None:
    queue: asyncio.Queue[FromNode | NodeUnreachable] = asyncio.Queue()
    sockets = RtpengineSockets([("rtpengine.invalid", 2223)], queue.put_nowait)
    task = asyncio.get_running_loop().create_task(sockets.run())
    for _ in range(2):
        event = await heard(queue)
        assert isinstance(event, NodeUnreachable)
        assert event.text.startswith("no way to it: ")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
