"""The UDP socket, on loopback."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ichat_gw.sip.events import Flow, Lookup, Received, Resolved, Send, SendFailed
from ichat_gw.sip.net import udp
from ichat_gw.sip.net.udp import CannotListen, UdpEndpoint, source_towards

Heard = Received | SendFailed | Resolved


class Ear:
    def __init__(self) -> None:
        self.heard: asyncio.Queue[Heard] = asyncio.Queue()

    async def next(self) -> Heard:
        return await asyncio.wait_for(self.heard.get(), 5)


@asynccontextmanager
async def endpoint(host: str = "127.0.0.1") -> AsyncIterator[tuple[UdpEndpoint, Ear]]:
    ear = Ear()
    opened = await UdpEndpoint.open(host, 0, ear.heard.put_nowait)
    try:
        yield opened, ear
    finally:
        await opened.close()
        await opened.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "", "0.0.0.0"])
async def test_datagrams_both_ways(host: str) -> None:
    async with endpoint() as (one, one_hears), endpoint(host) as (two, two_hears):
        to_two = Flow("UDP", one.address, ("127.0.0.1", two.address[1]))
        one.send(Send(b"hello", to_two))
        received = await two_hears.next()
        # Bound to all addresses, but it is told which one the peer talks to.
        flow = Flow("UDP", ("127.0.0.1", two.address[1]), one.address)
        assert received == Received(b"hello", flow)
        two.send(Send(b"hello yourself", flow))
        assert await one_hears.next() == Received(b"hello yourself", to_two)


async def test_lookups() -> None:
    async with endpoint("0.0.0.0") as (one, ear):
        ours = ("127.0.0.1", one.address[1])
        one.lookup(Lookup(1, "sip:a@127.0.0.2:5099"))
        assert ear.heard.empty()
        assert await ear.next() == Resolved(1, (Flow("UDP", ours, ("127.0.0.2", 5099)),))
        one.lookup(Lookup(2, "sip:a@localhost"))
        assert await ear.next() == Resolved(2, (Flow("UDP", ours, ("127.0.0.1", 5060)),))
        one.lookup(Lookup(3, "sips:a@127.0.0.1"))
        nowhere = await ear.next()
        assert isinstance(nowhere, Resolved)
        assert (nowhere.flows, "TLS" in nowhere.text) == ((), True)
        one.lookup(Lookup(4, "sip:a@no-such-host.invalid"))
        nowhere = await ear.next()
        assert isinstance(nowhere, Resolved)
        assert nowhere.flows == ()
        assert "no-such-host.invalid" in nowhere.text


async def test_a_number_without_a_route(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_route(remote: tuple[str, int]) -> str:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(udp, "source_towards", no_route)
    async with endpoint("0.0.0.0") as (one, ear), endpoint() as (two, _):
        one.lookup(Lookup(1, "sip:a@192.0.2.1"))
        assert await ear.next() == Resolved(1, (), "192.0.2.1: Network is unreachable")
        # What comes from where we cannot answer is not heard, and what comes after it is.
        two.send(Send(b"lost", Flow("UDP", two.address, ("127.0.0.1", one.address[1]))))
        await asyncio.sleep(0.05)
        monkeypatch.setattr(udp, "source_towards", source_towards)
        two.send(Send(b"heard", Flow("UDP", two.address, ("127.0.0.1", one.address[1]))))
        received = await ear.next()
        assert isinstance(received, Received)
        assert received.data == b"heard"


async def test_closed_port_is_reported_and_others_are_served() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        closed = sock.getsockname()
    async with endpoint() as (one, ear), endpoint() as (two, two_hears):
        dead, alive = Flow("UDP", one.address, closed), Flow("UDP", one.address, two.address)
        for _ in range(20):
            one.send(Send(b"x", dead))
            one.send(Send(b"y", alive))
        for _ in range(20):
            received = await two_hears.next()
            assert isinstance(received, Received)
            assert received.data == b"y"
        failed = await ear.next()
        assert failed == SendFailed(dead, "Connection refused")


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


async def test_what_the_kernel_refuses_to_send() -> None:
    async with endpoint() as (one, ear):
        flow = Flow("UDP", one.address, ("127.0.0.1", 9))
        one.send(Send(bytes(70_000), flow))
        assert await ear.next() == SendFailed(flow, "Message too long")


async def test_an_address_that_is_not_ours_or_a_port_that_is_taken() -> None:
    async with endpoint() as (one, ear):
        with pytest.raises(CannotListen, match=f"127.0.0.1:{one.address[1]}: Address already in use"):
            await UdpEndpoint.open(*one.address, ear.heard.put_nowait)
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1:5070"):
        await UdpEndpoint.open("192.0.2.1", 5070, ear.heard.put_nowait)
    for host, port in (("no-such-host.invalid", 5070), ("a..b", 5070), ("127.0.0.1", 70_000)):
        with pytest.raises(CannotListen, match=f"UDP {host}:{port}: "):
            await UdpEndpoint.open(host, port, ear.heard.put_nowait)


async def test_closing_in_the_middle_of_things() -> None:
    async with endpoint() as (one, ear), endpoint() as (two, _):
        one._deliver = lambda event: (one._loop.remove_reader(one._sock), one._sock.close())
        for _ in range(3):
            two.send(Send(b"x", Flow("UDP", two.address, one.address)))
        one.lookup(Lookup(1, "sip:a@localhost"))
        await asyncio.sleep(0.05)
        one.send(Send(b"x", Flow("UDP", one.address, two.address)))
    assert ear.heard.empty()


async def test_only_so_many_peers_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "MAX_SOURCES", 3)
    async with endpoint("0.0.0.0") as (one, ear):
        for last in range(1, 20):
            one.lookup(Lookup(last, f"sip:a@127.0.0.{last}"))
            await ear.next()
            assert len(one._sources) <= 3
