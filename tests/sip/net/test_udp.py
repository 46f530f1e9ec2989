"""The UDP socket, on loopback."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ichat_gw.sip.events import Flow, Received, Send, SendFailed
from ichat_gw.sip.net import addresses, udp
from ichat_gw.sip.net.addresses import Neighbourhood, source_towards
from ichat_gw.sip.net.udp import UdpEndpoint, bound_socket
from peers.ports import free_port
from tests.sip.net.wire import Ear


@asynccontextmanager
async def endpoint(host: str = "127.0.0.1") -> AsyncIterator[tuple[UdpEndpoint, Ear]]:
    ear = Ear()
    opened = UdpEndpoint(bound_socket(host, 0, socket.SOCK_DGRAM), ear.heard.put_nowait, Neighbourhood())
    try:
        yield opened, ear
    finally:
        opened.close()
        opened.close()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "::1"), ("::", "::1")],
)
async def test_datagrams_both_ways(host: str, loopback: str) -> None:
    async with endpoint(loopback) as (one, one_hears), endpoint(host) as (two, two_hears):
        to_two = Flow("UDP", one.address, (loopback, two.address[1]))
        one.send(Send(b"hello", to_two))
        received = await two_hears.next()
        # Bound to all addresses, but it is told which one the peer talks to.
        flow = Flow("UDP", (loopback, two.address[1]), one.address)
        assert received == Received(b"hello", flow)
        two.send(Send(b"hello yourself", flow))
        assert await one_hears.next() == Received(b"hello yourself", to_two)


async def test_who_has_no_way_back_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()

    def no_route(remote: tuple[str, int], zone: int) -> str:
        asked.set()
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    async with endpoint("0.0.0.0") as (one, ear), endpoint() as (two, _):
        to_one = Flow("UDP", two.address, ("127.0.0.1", one.address[1]))
        monkeypatch.setattr(addresses, "source_towards", no_route)
        two.send(Send(b"lost", to_one))
        async with asyncio.timeout(30):
            await asked.wait()
        monkeypatch.setattr(addresses, "source_towards", source_towards)
        two.send(Send(b"heard", to_one))
        assert (await ear.received()).data == b"heard"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_closed_port_is_reported_and_others_are_served(host: str) -> None:
    closed = (host, free_port())
    async with endpoint(host) as (one, ear), endpoint(host) as (two, two_hears):
        dead, alive = Flow("UDP", one.address, closed), Flow("UDP", one.address, two.address)
        for _ in range(20):
            one.send(Send(b"x", dead))
            one.send(Send(b"y", alive))
        for _ in range(20):
            assert (await two_hears.received()).data == b"y"
        assert await ear.next() == SendFailed(dead, "Connection refused")


async def test_without_an_error_queue_no_datagram_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS and Windows: there the bit of MSG_ERRQUEUE would take a datagram away."""
    monkeypatch.setattr(udp, "_MSG_ERRQUEUE", None)
    async with endpoint() as (one, ear), endpoint() as (two, _):
        for number in range(20):
            one.send(Send(b"x", Flow("UDP", one.address, ("127.0.0.1", 1))))
            two.send(Send(b"%d" % number, Flow("UDP", two.address, one.address)))
        assert [(await ear.received()).data for _ in range(20)] == [b"%d" % number for number in range(20)]


def test_uvloop_goes_on_listening_after_an_icmp_error() -> None:
    """COMPAT uvloop: left to itself it would never read from the socket again."""
    uvloop = pytest.importorskip("uvloop")

    async def ladder() -> None:
        async with endpoint() as (one, ear), endpoint() as (two, _):
            for _ in range(3):
                one.send(Send(b"x", dead := Flow("UDP", one.address, ("127.0.0.1", 1))))
                assert await ear.next() == SendFailed(dead, "Connection refused")
                two.send(Send(b"y", Flow("UDP", two.address, one.address)))
                assert isinstance(await ear.next(), Received)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ladder())


def test_uvloop_goes_on_listening_after_errors_that_no_queue_had_room_for() -> None:
    """In a flood the receive buffer is full, and with it the error queue."""
    uvloop = pytest.importorskip("uvloop")

    async def ladder() -> None:
        async with endpoint() as (one, ear), endpoint() as (two, _):
            one._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            for _ in range(200):  # more than it has room for, and the loop has no turn yet
                two.send(Send(b"flood", Flow("UDP", two.address, one.address)))
            for _ in range(5):
                one.send(Send(b"x", Flow("UDP", one.address, ("127.0.0.1", 1))))
            await asyncio.sleep(0.1)
            while not ear.heard.empty():  # until nothing more of it comes
                while not ear.heard.empty():
                    ear.heard.get_nowait()
                await asyncio.sleep(0.1)
            for number in range(3):
                two.send(Send(b"%d" % number, Flow("UDP", two.address, one.address)))
                assert (await ear.received()).data == b"%d" % number

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ladder())


async def test_what_the_kernel_refuses_to_send() -> None:
    async with endpoint() as (one, ear):
        flow = Flow("UDP", one.address, ("127.0.0.1", 9))
        one.send(Send(bytes(70_000), flow))
        assert await ear.next() == SendFailed(flow, "Message too long")


@pytest.mark.parametrize(
    ("host", "port"),
    [("192.0.2.1", 5070), ("no-such-host.invalid", 5070), ("a..b", 5070), ("127.0.0.1", 70_000)],
)
def test_what_cannot_be_bound(host: str, port: int) -> None:
    with pytest.raises(OSError):  # noqa: PT011  the text is the kernel's
        bound_socket(host, port, socket.SOCK_DGRAM)


async def test_closing_in_the_middle_of_things() -> None:
    async with endpoint() as (one, ear), endpoint() as (two, _):
        one._deliver = lambda event: one.close()
        for _ in range(3):
            two.send(Send(b"x", Flow("UDP", two.address, one.address)))
        await asyncio.sleep(0.05)
        one.send(Send(b"x", Flow("UDP", one.address, two.address)))
    assert ear.heard.empty()
