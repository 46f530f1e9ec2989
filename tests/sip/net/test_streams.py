"""TCP and TLS on loopback: framing, reuse, limits, and failures told at once."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from ichat_gw.sip.connection_limits import StreamLimits
from ichat_gw.sip.events import Flow, Received, Send, SendFailed
from ichat_gw.sip.net import streams
from ichat_gw.sip.net.tls import TlsFiles
from tests.sip.net.certificates import Authority
from tests.sip.net.wire import request, response, transports


def out(host: str, port: int, to: int, transport: str = "TCP", name: str = "") -> Flow:
    return Flow(transport, (host, port), (host, to), name)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_request_and_its_response_on_one_connection(host: str) -> None:
    async with transports(host) as (a, a_hears), transports(host) as (b, b_hears):
        there = out(host, a.address[1], b.address[1])
        for number in range(3):
            a.send(Send(request(number), there))
        for number in range(3):
            got = await b_hears.received()
            assert got.data == request(number)
            assert got.flow.local == b.address
            b.send(Send(response(got.data), got.flow))
        for number in range(3):
            assert await a_hears.next() == Received(response(request(number)), there)
        assert (a.connections, b.connections) == (1, 1)


async def test_a_refused_connection_fails_the_flow_at_once() -> None:
    async with transports() as (a, ear):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            dead = out("127.0.0.1", a.address[1], sock.getsockname()[1])
            a.send(Send(request(), dead))
            a.send(Send(request(2), dead))
            failed = await ear.failed()
        assert failed.flow == dead
        assert "refused" in failed.text
        assert ear.heard.empty()
        assert a.connections == 0


async def test_a_connection_that_takes_too_long() -> None:
    async with transports(limits=StreamLimits(connect=0.05)) as (a, ear):
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            # The backlog is filled, so that the next SYN is not answered.
            with socket.create_connection(full.getsockname()), socket.socket() as second:
                second.setblocking(False)
                second.connect_ex(full.getsockname())
                slow = out("127.0.0.1", a.address[1], full.getsockname()[1])
                a.send(Send(request(), slow))
                assert await ear.next() == SendFailed(slow, "no connection in time")


async def test_a_broken_connection_fails_the_flow_at_once() -> None:
    async with transports() as (a, ear):
        gone = asyncio.Event()

        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.close()
            await writer.wait_closed()
            gone.set()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        async with server:
            there = out("127.0.0.1", a.address[1], server.sockets[0].getsockname()[1])
            a.send(Send(request(), there))
            assert await ear.next() == SendFailed(there, "closed by the other side")
            await gone.wait()
        assert a.connections == 0


async def test_a_response_finds_another_way_when_its_connection_is_gone() -> None:
    async with transports() as (a, a_hears), transports() as (b, b_hears):
        _, writer = await asyncio.open_connection(*b.address)
        writer.write(request(port=a.address[1]))
        got = await b_hears.received()
        writer.close()
        await writer.wait_closed()
        assert (await b_hears.failed()).flow == got.flow
        b.send(Send(response(got.data), got.flow))
        assert (await a_hears.received()).data == response(got.data)
        assert a.connections == b.connections == 1
        # What is no response to anybody goes nowhere, and a keep-alive opens nothing.
        b.send(Send(b"SIP/2.0 200 OK\r\n\r\n", got.flow))
        b.send(Send(b"\r\n\r\n", got.flow))
        b.send(Send(response(got.data, 180), got.flow))
        assert (await a_hears.received()).data == response(got.data, 180)
        assert a.connections == b.connections == 1


async def test_pings_are_answered_and_noise_is_refused() -> None:
    async with transports() as (b, ear):
        reader, writer = await asyncio.open_connection(*b.address)
        writer.write(b"\r\n\r\n\r\n\r\n")
        assert await reader.readexactly(4) == b"\r\n\r\n"
        writer.write(
            request()
            + b"OPTIONS sip:b SIP/2.0\r\n"
            + request().partition(b"\r\n")[2].replace(b"Content-Length: 0\r\n", b"")
        )
        assert (await ear.received()).data == request()
        answer = await reader.read()
        assert answer.startswith(b"SIP/2.0 400 Missing Content-Length Header\r\n")
        assert "broken stream" in (await ear.failed()).text
        writer.close()
        reader, writer = await asyncio.open_connection(*b.address)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.read() == b""
        writer.close()


async def test_who_says_nothing_or_never_finishes_is_closed() -> None:
    async with transports(limits=StreamLimits(unfinished=0.1)) as (b, ear):
        reader, writer = await asyncio.open_connection(*b.address)
        assert await reader.read() == b""
        writer.close()
        assert (await ear.failed()).text == "a message was not finished in time"
        reader, writer = await asyncio.open_connection(*b.address)
        writer.write(request() + b"OPTIONS")
        await ear.received()
        assert await reader.read() == b""
        writer.close()
        assert (await ear.failed()).text == "a message was not finished in time"
        reader, writer = await asyncio.open_connection(*b.address)
        writer.write(request())
        await ear.received()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.2)
        writer.close()


async def test_a_silent_connection_is_closed_after_long() -> None:
    async with transports(limits=StreamLimits(idle=0.1)) as (a, a_hears), transports() as (b, b_hears):
        a.send(Send(request(), out("127.0.0.1", a.address[1], b.address[1])))
        await b_hears.received()
        assert (await a_hears.failed()).text == "nothing was said for long"


async def test_floods_are_bounded() -> None:
    limits = StreamLimits(connections=3, per_address=2)
    async with transports(limits=limits) as (b, ear):
        held = [await asyncio.open_connection(*b.address) for _ in range(2)]
        for _, writer in held:
            writer.write(request())
            await ear.received()
        for _ in range(2):
            reader, writer = await asyncio.open_connection(*b.address)
            assert await reader.read() == b""
            writer.close()
        assert ear.noted("connection refused")[0]["text"] == "too many connections from one address"
        assert [level for level, event, _ in ear.notes if event == "connection refused"] == [
            "WARNING",
            "DEBUG",
        ]
        async with transports() as (c, c_hears):
            b.send(Send(request(), out("127.0.0.1", b.address[1], c.address[1])))
            await c_hears.received()
            dead = out("127.0.0.1", b.address[1], 1)
            b.send(Send(request(), dead))
            assert await ear.next() == SendFailed(dead, "too many connections")
        assert (await ear.failed()).text == "closed by the other side"
        for _, writer in held:
            writer.close()


async def test_a_slow_reader_is_dropped() -> None:
    async with transports(limits=StreamLimits(unsent=100_000)) as (b, ear):
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(b.address)
            slow.sendall(request())
            got = await ear.received()
            for _ in range(4000):
                b.send(Send(response(got.data) + bytes(8000), got.flow))
                if b.connections == 0:
                    break
            assert await ear.next() == SendFailed(got.flow, "the other side does not read")
            # From now on there is no connection; what still comes for it looks for another way, in vain.


async def test_too_much_for_a_connection_that_is_being_made() -> None:
    async with transports(limits=StreamLimits(unsent=1000)) as (a, ear):
        dead = out("127.0.0.1", a.address[1], 1)
        a.send(Send(request(body=bytes(2000)), dead))
        assert await ear.next() == SendFailed(dead, "the other side does not read")


async def test_without_descriptors_accepting_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "ACCEPT_PAUSE", 0.05)
    async with transports() as (b, ear):
        listener = b._streams._listeners[0]

        class Full:
            def accept(self) -> None:
                raise OSError(24, "Too many open files")

            def fileno(self) -> int:
                return listener.fileno()

        b._streams._accept(Full(), "TCP")  # type: ignore[arg-type]
        assert ear.noted("cannot accept") == [{"transport": "TCP", "text": "Too many open files"}]
        await asyncio.sleep(0.1)
        _, writer = await asyncio.open_connection(*b.address)
        b._streams._loop.remove_reader(listener)
        b._streams._loop.add_reader(listener, b._streams._accept, listener, "TCP")
        writer.write(request())
        assert (await ear.received()).data == request()
        writer.close()


async def test_closing_sends_what_is_unsent_and_reports_nothing() -> None:
    async with transports() as (b, b_hears):
        async with transports() as (a, a_hears):
            a.send(Send(request(), out("127.0.0.1", a.address[1], b.address[1])))
            await b_hears.received()
            a.send(Send(request(2), out("127.0.0.1", a.address[1], b.address[1])))
            a.send(Send(request(3), out("127.0.0.1", a.address[1], 1)))
        assert (await b_hears.received()).data == request(2)
        a.send(Send(request(4), out("127.0.0.1", a.address[1], b.address[1])))
        assert (await b_hears.failed()).text == "closed by the other side"
        assert a_hears.heard.empty()


# --- TLS ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("tls"))
    made.sign("a.example", "a.example")
    made.sign("b.example", "sip:b.example", "127.0.0.1")
    made.sign("old.example", "old.example", days=0)
    return made


def files(authority: Authority, domain: str, *, require: bool = False) -> TlsFiles:
    return TlsFiles(
        domain, ca_file=authority.root, directory=authority.directory, require_client_certificate=require
    )


def tls_out(a: int, b: int, name: str) -> Flow:
    return Flow("TLS", ("127.0.0.1", a), ("127.0.0.1", b), name)


@pytest.mark.parametrize("name", ["b.example", "127.0.0.1"])
async def test_tls_to_whom_we_mean(authority: Authority, name: str) -> None:
    async with (
        transports(tls=files(authority, "a.example")) as (a, a_hears),
        transports(tls=files(authority, "b.example")) as (b, b_hears),
    ):
        assert a.tls_port
        assert b.tls_port
        there = tls_out(a.tls_port, b.tls_port, name)
        a.send(Send(request(transport="TLS"), there))
        got = await b_hears.received()
        assert (got.flow.transport, got.flow.local, got.flow.name) == ("TLS", ("127.0.0.1", b.tls_port), "")
        b.send(Send(response(got.data), got.flow))
        assert await a_hears.next() == Received(response(got.data), there)


@pytest.mark.parametrize("name", ["c.example", "example", "sip.b.example", ""])
async def test_tls_to_somebody_else(authority: Authority, name: str) -> None:
    async with (
        transports(tls=files(authority, "a.example")) as (a, a_hears),
        transports(tls=files(authority, "b.example")) as (b, b_hears),
    ):
        there = tls_out(a.tls_port or 0, b.tls_port or 0, name)
        a.send(Send(request(transport="TLS"), there))
        failed = await a_hears.failed()
        assert failed.flow == there
        assert "RFC 5922" in failed.text or not name
        while not b_hears.heard.empty():
            assert not isinstance(b_hears.heard.get_nowait(), Received)


@pytest.mark.parametrize(("server", "text"), [("old.example", "expired"), ("stranger", "issuer|self")])
async def test_tls_to_a_certificate_that_is_not_good(
    authority: Authority, tmp_path: Path, server: str, text: str
) -> None:
    theirs = files(authority, server)
    if server == "stranger":
        other = Authority(tmp_path)
        other.sign("stranger", "stranger")
        theirs = files(other, server)
    async with (
        transports(tls=files(authority, "a.example")) as (a, a_hears),
        transports(tls=theirs) as (b, _),
    ):
        there = tls_out(a.tls_port or 0, b.tls_port or 0, server)
        a.send(Send(request(transport="TLS"), there))
        failed = await a_hears.failed()
        assert failed.flow == there
        assert "the certificate is not good" in failed.text


async def test_a_client_without_certificate_where_one_is_required(authority: Authority) -> None:
    async with transports(tls=files(authority, "b.example", require=True)) as (b, ear):
        context = ssl.create_default_context(cafile=str(authority.root))
        context.check_hostname = False
        with pytest.raises(OSError):  # noqa: PT011, PT012  which one depends on timing
            reader, writer = await asyncio.open_connection("127.0.0.1", b.tls_port, ssl=context)
            writer.write(request())
            try:
                await reader.readexactly(1)
            except asyncio.IncompleteReadError:
                raise ConnectionResetError from None
            finally:
                writer.close()
        while b.connections:
            await ear.failed()


async def test_one_connection_both_ways_by_who_proved_who_it_is(authority: Authority) -> None:
    """RFC 5923: b sends its own requests to a.example on the connection that a made."""
    async with (
        transports(tls=files(authority, "a.example")) as (a, a_hears),
        transports(tls=files(authority, "b.example", require=True)) as (b, b_hears),
    ):
        assert a.tls_port
        a.send(
            Send(
                request(transport="TLS", port=a.tls_port, via=";alias"),
                tls_out(a.tls_port, b.tls_port or 0, "b.example"),
            )
        )
        await b_hears.received()
        back = tls_out(b.tls_port or 0, a.tls_port, "a.example")
        b.send(Send(request(7), back))
        assert (await a_hears.received()).data == request(7)
        assert (a.connections, b.connections) == (1, 1)
        # But not for another domain: that needs a connection of its own, and a cannot prove to be it.
        b.send(Send(request(8), tls_out(b.tls_port or 0, a.tls_port, "other.example")))
        assert "RFC 5922" in (await b_hears.failed()).text


async def test_without_tls_nothing_goes_by_tls() -> None:
    async with transports() as (a, ear):
        there = tls_out(5071, 1, "b.example")
        a.send(Send(request(), there))
        assert await ear.next() == SendFailed(there, "TLS is not open here")


async def test_a_client_that_never_finishes_the_handshake(authority: Authority) -> None:
    async with transports(tls=files(authority, "b.example"), limits=StreamLimits(unfinished=0.1)) as (b, ear):
        reader, writer = await asyncio.open_connection("127.0.0.1", b.tls_port)
        assert await reader.read() == b""
        writer.close()
        await ear.failed()
        assert b.connections == 0


def test_the_same_under_uvloop(authority: Authority) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def ladder() -> None:
        for host in ("127.0.0.1", "::1"):
            await test_a_request_and_its_response_on_one_connection(host)
        await test_a_refused_connection_fails_the_flow_at_once()
        await test_a_broken_connection_fails_the_flow_at_once()
        await test_a_slow_reader_is_dropped()
        await test_pings_are_answered_and_noise_is_refused()
        await test_who_says_nothing_or_never_finishes_is_closed()
        await test_tls_to_whom_we_mean(authority, "b.example")
        await test_tls_to_somebody_else(authority, "c.example")
        await test_a_client_that_never_finishes_the_handshake(authority)
        await test_closing_sends_what_is_unsent_and_reports_nothing()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ladder())
