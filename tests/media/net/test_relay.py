"""The relay process: an engine and a real worker on loopback, and what happens when one of them dies."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from random import Random

import psutil
import pytest

from ichat_gw.call.media import (
    MediaAnswer,
    MediaOffer,
    MediaReady,
    MediaRelease,
    MediaReply,
    MediaRequest,
    Side,
)
from ichat_gw.media import watch
from ichat_gw.media.engine import (
    EngineCommand,
    EngineEvent,
    FromWorker,
    MediaFor,
    MediaOver,
    Statistics,
    StatisticsAsked,
    ToCall,
    ToWorker,
    WorkerLost,
)
from ichat_gw.media.net import relay as module
from ichat_gw.media.net.relay import RelayProcess
from ichat_gw.media.relay_engine import EngineConfig, RelayEngine
from ichat_gw.media.relay_messages import Close, Started, frame
from ichat_gw.media.sdp import SessionDescription
from ichat_gw.media.stream import HEAD
from peers.ports import free_ports
from tests.media.net.loopback import PATIENCE, Party, rtcp, rtp


class Gateway:
    """What the app does with the two: events in, commands out."""

    def __init__(self) -> None:
        # A pair that somebody else has is passed over.
        first = free_ports(64)
        self.engine = RelayEngine(
            EngineConfig(first, first + 63, port_rest=0.0), lambda host: "127.0.0.1", Random(os.getpid())
        )
        self.relay = RelayProcess(self.hear)
        self.clock = asyncio.get_running_loop().time
        self.replies: asyncio.Queue[MediaReply] = asyncio.Queue()
        self.over: asyncio.Queue[MediaOver] = asyncio.Queue()
        self.told: asyncio.Queue[Statistics] = asyncio.Queue()
        self.started: asyncio.Queue[Started] = asyncio.Queue()

    def hear(self, event: EngineEvent) -> None:
        if isinstance(event, FromWorker) and isinstance(event.reply, Started):
            self.started.put_nowait(event.reply)
        self._do(self.engine.receive(event, self.clock()))

    def _do(self, commands: list[EngineCommand]) -> None:
        for command in commands:
            match command:
                case ToWorker(order):
                    self.relay.send(order)
                case ToCall(_, reply):
                    self.replies.put_nowait(reply)
                case MediaOver():
                    self.over.put_nowait(command)
                case Statistics():
                    self.told.put_nowait(command)

    async def ask(self, call: str, request: MediaRequest) -> int:
        """Have a request met; our port in the description that comes back."""
        self.hear(MediaFor(call, request))
        reply = await self.replies.get()
        assert isinstance(reply, MediaReady), reply
        # The worker may not have read its orders yet; in a real call the description takes longer than that.
        self.hear(StatisticsAsked(call, 0))
        await self.told.get()
        return SessionDescription.parse(reply.sdp).sections[0].port

    async def call(self, name: str, alice: Party, bob: Party) -> tuple[int, int]:
        """Set up a call from `alice` to `bob`; the ports that they are to send to."""
        to_bob = await self.ask(name, MediaOffer(1, Side.CALLER, described(alice), "127.0.0.1"))
        to_alice = await self.ask(name, MediaAnswer(2, Side.CALLEE, described(bob), "127.0.0.1"))
        return to_alice, to_bob

    async def release(self, name: str) -> MediaOver:
        self.hear(MediaFor(name, MediaRelease()))
        return await self.over.get()


def described(party: Party, host: str = "127.0.0.1") -> str:
    port = party.address[1]
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0\r\na=rtcp:{port}\r\n"
    )


@contextlib.asynccontextmanager
async def running(relay: RelayProcess) -> AsyncIterator[None]:
    async with asyncio.timeout(4 * PATIENCE), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(relay.run())
        try:
            yield
        finally:
            task.cancel()


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone_in_time(pid: int) -> bool:
    until = time.monotonic() + PATIENCE
    while alive(pid):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


async def take(party: Party) -> tuple[bytes, int]:
    return await asyncio.to_thread(party.take)


def test_a_call() -> None:
    async def scenario() -> None:
        gateway = Gateway()
        alice, bob, mallory = Party(), Party(), Party()
        async with running(gateway.relay):
            to_bob = await gateway.ask("a", MediaOffer(1, Side.CALLER, described(alice), "127.0.0.1"))
            for _ in range(10):
                mallory.send(rtp(666), to_bob)
            to_alice = await gateway.ask("a", MediaAnswer(2, Side.CALLEE, described(bob), "127.0.0.1"))
            for number in range(20):
                for port in (to_alice, to_alice + 1, to_bob, to_bob + 1):
                    mallory.send(rtp(666), port)
                    mallory.send(rtcp(), port)
                alice.send(rtp(number), to_alice)
                bob.send(rtp(number), to_bob)
                assert await take(bob) == (rtp(number), to_bob)
                assert await take(alice) == (rtp(number), to_alice)
            # Each has one port for both, so RTCP comes to it from where RTP does.
            alice.send(rtcp(), to_alice + 1)
            assert await take(bob) == (rtcp(), to_bob)
            bob.send(rtcp(), to_bob)
            assert await take(alice) == (rtcp(), to_alice)
            over = await gateway.release("a")
        assert over.counters is not None
        for each in (over.counters.caller, over.counters.callee):
            assert each.received == 20
            assert each.sent == 20
            assert (each.rtcp_received, each.rtcp_sent) == (1, 1)
            assert each.strangers > 0
        assert mallory.waiting() == 0
        for party in (alice, bob, mallory):
            party.close()

    asyncio.run(scenario())


def test_ports_are_released() -> None:
    """Many calls, one after the other, in a range for few."""

    async def scenario() -> None:
        gateway = Gateway()
        alice, bob = Party(), Party()
        async with running(gateway.relay):
            for number in range(40):
                to_alice, _ = await gateway.call(str(number), alice, bob)
                assert to_alice > 0
                await gateway.release(str(number))
            assert gateway.engine.ports_in_use == 0
        alice.close()
        bob.close()

    asyncio.run(scenario())


def test_a_killed_worker_is_followed_by_one_that_goes_on_where_it_was() -> None:
    """Same ports, same stream to the receiver, same source let in, same counters."""

    async def scenario() -> None:
        gateway = Gateway()
        alice, bob, mallory = Party(), Party(), Party()
        async with running(gateway.relay):
            offer = described(alice, "10.255.255.1")  # behind NAT, so her source is learnt
            to_bob = await gateway.ask("a", MediaOffer(1, Side.CALLER, offer, "127.0.0.1"))
            to_alice = await gateway.ask("a", MediaAnswer(2, Side.CALLEE, described(bob), "127.0.0.1"))
            first = await gateway.started.get()
            assert first.process == gateway.relay.pid
            number = 100

            async def talk(ssrc: int) -> tuple[tuple[int, ...], int]:
                """alice sends until bob hears her; the head of what he hears, and her number for it."""
                nonlocal number
                while not bob.waiting():
                    number += 1
                    if ssrc == 8:  # by now alice has been heard
                        mallory.send(HEAD.pack(0x80, 0, number, 160 * number, 66), to_alice)
                    head = HEAD.pack(0x80, 0, number, 160 * number, ssrc)
                    alice.send(head + number.to_bytes(4) + bytes(156), to_alice)
                    await asyncio.sleep(0.02)
                return HEAD.unpack_from(bob.last), int.from_bytes(bob.last[HEAD.size : HEAD.size + 4])

            assert (await talk(7))[0][4] == 7
            bob.waiting()
            number = 5_000
            before, given = await talk(8)
            shift = before[2] - given
            assert before[4] == 7
            os.kill(first.process, signal.SIGKILL)
            second = await gateway.started.get()
            assert second.process != first.process
            bob.waiting()
            after, given = await talk(8)
            assert (after[2], after[4]) == (given + shift & 0xFFFF, 7)
            # So soon that a receiver takes the gap for a loss, not for a new stream (RFC 3550 appendix A.1).
            assert 0 < after[2] - before[2] < 3000
            alice.waiting()
            bob.send(rtp(1), to_bob)
            await take(alice)
            assert mallory.waiting() == 0
            counters = (await gateway.release("a")).counters
            assert counters is not None
            assert counters.caller.source == alice.address
            assert counters.caller.received >= 3
            assert gateway.replies.empty()
        assert not alive(second.process)
        assert gateway.relay.pid is None
        for party in (alice, bob, mallory):
            party.close()

    asyncio.run(scenario())


def test_a_worker_that_stands_still_is_killed_and_followed() -> None:
    async def scenario() -> None:
        gateway = Gateway()
        alice, bob = Party(), Party()
        async with running(gateway.relay):
            to_alice, _ = await gateway.call("a", alice, bob)
            first = await gateway.started.get()
            os.kill(first.process, signal.SIGSTOP)
            second = await gateway.started.get()
            assert second.process != first.process
            assert not alive(first.process)
            number = 0
            while not bob.waiting():
                number += 1
                alice.send(rtp(number), to_alice)
                await asyncio.sleep(0.02)
            assert gateway.replies.empty()
        for party in (alice, bob):
            party.close()

    asyncio.run(scenario())


PARENT = """
import asyncio
from ichat_gw.media.engine import FromWorker
from ichat_gw.media.net.relay import RelayProcess

def hear(event):
    print(event.reply.process, flush=True)

asyncio.run(RelayProcess(hear).run())
"""


def test_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert alive(worker)
        parent.kill()
        parent.wait(PATIENCE)
    assert gone_in_time(worker)


def test_orders_without_a_worker_are_lost() -> None:
    async def scenario() -> None:
        RelayProcess(lambda event: None).send(Close(1))

    asyncio.run(scenario())


async def first_losses(command: list[str], count: int = 1) -> list[str]:
    """What is said of the first lives of a worker that is this command."""
    heard: asyncio.Queue[EngineEvent] = asyncio.Queue()
    async with running(RelayProcess(heard.put_nowait, command)):
        losses: list[str] = []
        while len(losses) < count:
            event = await heard.get()
            if isinstance(event, WorkerLost):
                losses.append(event.text)
        return losses


def test_worker_that_cannot_be_started(tmp_path: object) -> None:
    (text,) = asyncio.run(first_losses([f"{tmp_path}/absent"]))
    assert text.startswith("it cannot be started: ")


def test_worker_that_says_nonsense() -> None:
    (text,) = asyncio.run(first_losses([sys.executable, "-c", "print('\\0\\0\\0\\1x', end='')"]))
    assert "ended with status 0 after it had said something that is not a reply" in text


def test_worker_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", 0.05)
    sleeper = "import os, time; os.close(1); time.sleep(600)"
    (text,) = asyncio.run(first_losses([sys.executable, "-c", sleeper]))
    assert "ended with status -9" in text


@pytest.mark.parametrize("first", [b"", frame(Started(1))])
def test_worker_that_loops_for_ever(monkeypatch: pytest.MonkeyPatch, first: bytes) -> None:
    """Whether it has said something before or not."""
    monkeypatch.setattr(watch, "ASK_EVERY", 0.02)
    looper = f"import os\nos.write(1, {first!r})\nwhile True: pass"
    (text,) = asyncio.run(first_losses([sys.executable, "-S", "-c", looper]))
    assert "ended with status -9: it had not answered for " in text
    assert text.endswith(" s and was killed")


def test_pauses_between_starts_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    monkeypatch.setattr(module.asyncio, "sleep", note)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.4)
    asyncio.run(first_losses([sys.executable, "-S", "-c", ""], 5))
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.4]


def test_pause_is_short_again_after_a_steady_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """None at all after the steady life itself."""
    monkeypatch.setattr(module, "STEADY", 0.0)
    monkeypatch.setattr(module, "FIRST_PAUSE", 600.0)
    assert len(asyncio.run(first_losses([sys.executable, "-S", "-c", ""], 3))) == 3
