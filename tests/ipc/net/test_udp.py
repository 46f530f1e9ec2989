"""The link over real sockets on 127.0.0.1."""

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ichat_gw.ipc.channel import ChannelConfig, ChannelOver, PeerLost
from ichat_gw.ipc.messages import VERSION, Hello, InitiateIChatCall, Log, Message, Stop
from ichat_gw.ipc.net.udp import CannotListen, UdpLink
from ichat_gw.ipc.seal import BadKey, Role

KEY = os.urandom(32)


class End:
    """One program: its link and what came out of it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.lost: list[PeerLost] = []
        self.drops: list[tuple[str, str]] = []
        self.on_message: Callable[[Message], object] = lambda message: None
        self.changed = asyncio.Event()
        self.link: UdpLink

    async def open(self, role: Role, config: ChannelConfig | None) -> None:
        self.link = await UdpLink.open(
            role, 0, 1, on_message=self._message, on_lost=self._lost, on_dropped=self._dropped, config=config
        )

    def _message(self, message: Message) -> None:
        self.messages.append(message)
        self.changed.set()
        self.on_message(message)

    def _lost(self, lost: PeerLost) -> None:
        self.lost.append(lost)
        self.changed.set()

    def _dropped(self, reason: str, text: str) -> None:
        self.drops.append((reason, text))
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def two_ends(config: ChannelConfig | None = None) -> AsyncIterator[tuple[End, End]]:
    gateway, connector = End(), End()
    await gateway.open(Role.GATEWAY, config)
    await connector.open(Role.CONNECTOR, config)
    gateway.link.peer_port = connector.link.local_port
    connector.link.peer_port = gateway.link.local_port
    assert gateway.link.peer_port == connector.link.local_port
    gateway.link.begin(KEY)
    connector.link.begin(KEY)
    try:
        yield gateway, connector
    finally:
        gateway.link.close()
        connector.link.close()
        await asyncio.sleep(0)


def on_loop(test: Callable[[], Any]) -> Callable[[], None]:
    """Run an async test to its end."""

    def run() -> None:
        asyncio.run(test())

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


@on_loop
async def test_messages_go_both_ways() -> None:
    async with two_ends() as (gateway, connector):
        connector.on_message = lambda message: connector.link.send(Log("INFO", "seen"))
        gateway.link.send(Hello(VERSION))
        await gateway.until(lambda: bool(gateway.messages))
        assert connector.messages == [Hello(VERSION)]
        assert gateway.messages == [Log("INFO", "seen")]
        assert await gateway.link.flush(5)
        assert await connector.link.flush(5)
        assert gateway.link.dropped == connector.link.dropped == {}
        assert gateway.link._alarm._when is None  # Nothing wakes an idle program.


@on_loop
async def test_a_burst_of_thousands_arrives_in_order() -> None:
    async with two_ends() as (gateway, connector):
        calls: list[Message] = [InitiateIChatCall("a@b", "c@d", str(number)) for number in range(5000)]
        for call in calls:
            gateway.link.send(call)
        await connector.until(lambda: len(connector.messages) == len(calls))
        assert connector.messages == calls


@on_loop
async def test_the_largest_messages_arrive() -> None:
    async with two_ends() as (gateway, connector):
        large: list[Message] = [Log("INFO", str(number) + "x" * 59_000) for number in range(20)]
        for message in large:
            gateway.link.send(message)
        await connector.until(lambda: connector.messages == large)


@on_loop
async def test_losses_are_repaired_by_the_timer() -> None:
    async with two_ends(ChannelConfig(first_repeat=0.001, longest_repeat=0.01)) as (gateway, connector):
        assert gateway.link._transport is not None
        chance = random.Random(1)
        real = gateway.link._transport.sendto

        def lossy(data: bytes, address: Any) -> None:
            if chance.random() < 0.5:
                real(data, address)

        gateway.link._transport.sendto = lossy  # type: ignore[method-assign,assignment]
        lines: list[Message] = [Log("INFO", str(number)) for number in range(200)]
        for message in lines:
            gateway.link.send(message)
        assert await gateway.link.flush(10)
        assert connector.messages == lines


@on_loop
async def test_what_strangers_and_forgers_send_is_counted() -> None:
    async with two_ends() as (gateway, connector):
        stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stranger.sendto(b"initiateIChatCall\r", ("127.0.0.1", gateway.link.local_port))
        stranger.close()
        assert connector.link._transport is not None
        connector.link._transport.sendto(b"iG" + bytes(100), ("127.0.0.1", gateway.link.local_port))
        connector.link._transport.sendto(b"garbage", ("127.0.0.1", gateway.link.local_port))
        await gateway.until(lambda: len(gateway.drops) == 3)
        assert gateway.link.dropped == {"stranger": 1, "forged": 1, "unknown": 1}
        assert gateway.messages == []


@on_loop
async def test_a_silent_peer_is_lost() -> None:
    async with two_ends(ChannelConfig(give_up=0.1)) as (gateway, connector):
        connector.link.close()
        gateway.link.send(Stop())
        assert not await gateway.link.flush(0.01)
        await gateway.until(lambda: bool(gateway.lost))
        assert gateway.lost == [PeerLost("did not acknowledge a message for 0.1 s", (Stop(),))]
        assert await gateway.link.flush(1)
        with pytest.raises(ChannelOver):
            gateway.link.send(Stop())


@on_loop
async def test_a_new_run_of_the_connector_begins_anew_on_the_same_ports() -> None:
    async with two_ends() as (gateway, connector):
        gateway.link.send(Log("INFO", "old"))
        assert gateway.link.end() == (Log("INFO", "old"),)
        assert gateway.link.end() == ()
        with pytest.raises(ChannelOver, match="not running"):
            gateway.link.send(Stop())
        connector.link.send(Log("INFO", "too late"))
        await gateway.until(lambda: "stale" in gateway.link.dropped)

        gateway.link.begin(new_key := os.urandom(32))
        connector.link.send(Log("INFO", "of the run before"))
        await gateway.until(lambda: "forged" in gateway.link.dropped)
        connector.link.begin(new_key)
        gateway.link.send(Hello(VERSION))
        await connector.until(lambda: Hello(VERSION) in connector.messages)


@on_loop
async def test_a_callback_may_end_the_channel_and_hears_no_more_of_it() -> None:
    async with two_ends() as (gateway, connector):
        connector.on_message = lambda message: connector.link.end()
        held: list[tuple[bytes, Any]] = []
        assert gateway.link._transport is not None
        real = gateway.link._transport.sendto
        gateway.link._transport.sendto = lambda *datagram: held.append(datagram)  # type: ignore[method-assign]
        gateway.link.send(Log("INFO", "1"))
        gateway.link.send(Log("INFO", "2"))
        for datagram in reversed(held):
            real(*datagram)
        await connector.until(lambda: bool(connector.messages))
        assert connector.messages == [Log("INFO", "1")]


@on_loop
async def test_a_bug_in_a_callback_is_reported_and_costs_no_message() -> None:
    async with two_ends() as (gateway, connector):
        reports: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context))

        def wrong(message: Message) -> None:
            raise KeyError("a bug")

        connector.on_message = wrong
        gateway.link.send(Log("INFO", "1"))
        gateway.link.send(Log("INFO", "2"))
        await connector.until(lambda: len(connector.messages) == 2)
        assert [repr(report["exception"]) for report in reports] == ["KeyError('a bug')"] * 2


@on_loop
async def test_a_port_in_use_names_the_setting() -> None:
    async with two_ends() as (gateway, _):
        with pytest.raises(CannotListen, match=r"GatewayIPCPort: cannot bind UDP 127\.0\.0\.1:\d+: Address"):
            await UdpLink.open(
                Role.GATEWAY, gateway.link.local_port, 1, on_message=lambda m: None, on_lost=lambda lost: None
            )


@on_loop
async def test_drops_need_no_listener() -> None:
    link = await UdpLink.open(Role.CONNECTOR, 0, 1, on_message=lambda m: None, on_lost=lambda lost: None)
    link.datagram_received(b"", ("127.0.0.1", 2))
    assert link.dropped == {"stranger": 1}
    link.error_received(OSError("no buffer"))
    link.close()
    link.close()


@on_loop
async def test_a_wrong_key_leaves_the_channel_as_it_is() -> None:
    async with two_ends() as (gateway, connector):
        with pytest.raises(BadKey):
            gateway.link.begin(b"short")
        gateway.link.send(Stop())
        await connector.until(lambda: connector.messages == [Stop()])


@on_loop
async def test_a_failed_socket_is_a_lost_peer() -> None:
    async with two_ends() as (gateway, _):
        gateway.link.send(Stop())
        gateway.link.connection_lost(RuntimeError("broken"))
        assert gateway.lost == [PeerLost("the IPC socket failed: broken", (Stop(),))]
