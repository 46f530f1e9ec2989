"""The HTTP server on a real socket: what aiohttp makes of bytes, and what bounds hold against bad clients."""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.http.test_answers import Scene
from ichat_gw.app.http import server as server_module
from ichat_gw.app.http.feed import MAX_LISTENERS, Feed
from ichat_gw.app.http.server import MAX_CONNECTIONS, SHARE, CannotServe, HttpServer
from ichat_gw.ops.access import Access


class Client:
    def __init__(self, port: int) -> None:
        self.port = port
        self.writers: list[asyncio.StreamWriter] = []

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def raw(self, data: bytes, within: float = 5.0) -> bytes:
        """All that comes back until the server closes."""
        reader, writer = await self.open()
        try:
            writer.write(data)
            async with asyncio.timeout(within):
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def get(self, path: str, *headers: str, method: str = "GET") -> bytes:
        head = "".join(f"{line}\r\n" for line in ("Host: localhost", "Connection: close", *headers))
        return await self.raw(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1"))


@contextlib.asynccontextmanager
async def served(directory: Path) -> AsyncIterator[tuple[Client, Scene, Feed]]:
    scene, feed = Scene(directory), Feed()
    server = HttpServer(scene.answers, feed)
    await server.open("127.0.0.1", 0)
    client = Client(server.port)
    try:
        yield client, scene, feed
    finally:
        await server.close()
        await client.close()


async def test_a_page_and_its_headers(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _, _):
        answer = await client.get("/")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\nServer: ichat-gw\r\n" in head
        assert b"Content-Security-Policy: default-src 'none'" in head
        assert body.startswith(b"<!doctype html>")
        packed = await client.get("/", "Accept-Encoding: gzip")
        assert b"Content-Encoding: gzip" in packed
        assert len(packed) < len(answer)
        head_only = await client.get("/", method="HEAD")
        assert head_only.startswith(b"HTTP/1.1 200")
        assert head_only.endswith(b"\r\n\r\n")


async def test_names_and_queries_are_decoded_once(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _, _):
        answer = await client.get("/api/v1/translate?address=sip:al%69ce%40127.0.0.1&address=other")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["output"] == "xmpp:alice@jabber.localhost"
        assert b" 404 " in await client.get("/static/%2e%2e/layout.py")


async def test_who_may_not_is_turned_away(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, scene, _):
        scene.answers.access = Access("sesam")
        assert b" 401 " in await client.get("/")
        assert b" 401 " in await client.get("/api/v1/events")
        assert b" 200 " in await client.get("/", "Authorization: Basic bWU6c2VzYW0=")
        assert b" 421 " in await client.raw(
            b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        )
        assert b" 403 " in await client.get(
            "/api/v1/reload", "Authorization: Basic bWU6c2VzYW0=", method="POST"
        )
        assert scene.source.reloads == 0


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost : b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: a\r\n" % number for number in range(1000)) + b"\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /%ff%fe?a=%ff&%00 HTTP/1.1\r\nHost: \xff\xfe\r\nConnection: close\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_answered_or_closed(tmp_path: Path, data: bytes) -> None:
    async with served(tmp_path) as (client, _, _):
        answer = await client.raw(data)
        assert answer == b"" or answer.split()[1][:1] == b"4", answer[:100]
        assert b" 200 " in await client.get("/healthz")


async def test_a_body_is_not_read(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, scene, _):
        head = b"POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nX-Ichat-Gw: 1\r\n"
        answer = await client.raw(head + b"Content-Length: 1000000000\r\n\r\n" + b"x" * 100_000)
        assert b" 200 " in answer
        assert scene.source.reloads == 1


async def test_an_error_of_our_own_is_told_without_its_insides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path) as (client, scene, _):

        def breaks() -> None:
            raise RuntimeError("the inside")

        monkeypatch.setattr(scene.source, "status", breaks)
        answer = await client.get("/api/v1/status")
        assert b" 500 " in answer
        assert b"inside" not in answer


# --- bounds -----------------------------------------------------------------------------------------------


async def test_connections_are_bounded(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _, _):
        idle = [await client.open() for _ in range(MAX_CONNECTIONS)]
        assert await client.get("/healthz") == b""
        for _, writer in idle:
            writer.close()
        for _ in range(2000):
            if b" 200 " in await client.get("/healthz"):
                break
            await asyncio.sleep(0.01)
        else:
            raise AssertionError("still full")


async def test_costly_answers_leave_the_loop_to_the_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path) as (client, scene, _):
        real = scene.source.status
        moments: list[tuple[float, float]] = []

        def costly() -> object:
            begun = time.process_time()
            started = asyncio.get_running_loop().time()
            while time.process_time() < begun + 0.02:
                pass
            moments.append((started, asyncio.get_running_loop().time()))
            return real()

        monkeypatch.setattr(scene.source, "status", costly)
        await asyncio.gather(*(client.get("/api/v1/status") for _ in range(5)))
        pauses = [later[0] - earlier[1] for earlier, later in itertools.pairwise(moments)]
        assert len(moments) == 5
        assert min(pauses) >= 0.02 * (1 / SHARE - 1) * 0.9
        assert b" 200 " in await client.get("/healthz")


async def test_who_never_ends_his_head_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "IDLE_SECONDS", 0.2)
    async with served(tmp_path) as (client, _, _):
        reader, writer = await client.open()
        writer.write(b"GET / HTTP/1.1\r\nHost: local")
        async with asyncio.timeout(30.0):
            assert await reader.read() == b""
        writer.close()


async def test_who_does_not_read_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "ANSWER_SECONDS", 0.2)
    async with served(tmp_path) as (client, _, feed):
        reader, writer = await client.open()
        writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(30.0):
            await reader.readuntil(b"event: status")
        writer.transport.pause_reading()
        for _ in range(2000):
            feed.publish("calls", b"x" * 1_000_000)
            await asyncio.sleep(0.01)
            if not feed:
                break
        assert not feed
        writer.close()


# --- events -----------------------------------------------------------------------------------------------


async def listening(client: Client) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await client.open()
    writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    async with asyncio.timeout(30.0):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Content-Type: text/event-stream" in head
        await reader.readuntil(b"event: status\n")
    return reader, writer


async def test_a_stream_tells_what_happens_and_ends_with_the_server(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _, feed):
        reader, writer = await listening(client)
        feed.publish("record", b'{"id":"x"}')
        async with asyncio.timeout(30.0):
            await reader.readuntil(b'event: record\ndata: {"id":"x"}\n\n')
            feed.close()
            assert (await reader.read()).endswith(b"0\r\n\r\n")
        writer.close()
        for _ in range(2000):
            if not feed:
                break
            await asyncio.sleep(0.01)
        assert not feed


async def test_who_leaves_is_forgotten(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _, feed):
        _, writer = await listening(client)
        assert len(feed) == 1
        writer.transport.abort()
        for _ in range(2000):
            feed.publish("calls", b"{}")
            await asyncio.sleep(0.01)
            if not feed:
                break
        assert not feed


async def test_streams_are_bounded(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _, feed):
        for _ in range(MAX_LISTENERS):
            feed.listen()
        answer = await client.get("/api/v1/events")
        assert b" 503 " in answer
        assert b"Retry-After: 10" in answer


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, scene, _):
        other = HttpServer(scene.answers, Feed())
        with pytest.raises(CannotServe, match="HttpPort: cannot listen at"):
            await other.open("127.0.0.1", client.port)
        await other.close()
