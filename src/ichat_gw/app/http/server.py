"""The HTTP server: aiohttp's parser on a socket of ours, with bounds that no client can talk it out of.

It lives in the loop that carries the calls, so nothing here waits for a client without a limit, and nothing
grows with what one sends: connections, the size of heads, the time for a head, for an answer and between two
requests are all bounded, and bodies are not read.
"""

import asyncio
import contextlib
import logging
import time
from typing import cast

from aiohttp import web

from ichat_gw.app.http.answers import PROBES, Answer, Answers, Question
from ichat_gw.app.http.feed import Feed, TooManyListeners
from ichat_gw.errors import GatewayError
from ichat_gw.ops.access import Asked
from ichat_gw.ops.api import ErrorReply, encode
from ichat_gw.ops.api_routes import ASKING_HEADER, BASE
from ichat_gw.ops.logging import get_logger

MAX_CONNECTIONS = 128
"""Open connections; one more is closed at once."""
IDLE_SECONDS = 15.0
"""How long a connection may take to send the head of a request, and may be idle between two."""
ANSWER_SECONDS = 20.0
"""How long a client may take to read an answer, or what is new on a stream."""
QUIET_SECONDS = 15.0
"""After how long a stream on which nothing happens gets a comment, so that nobody takes it for dead."""
LONGEST_LINE = 8190
"""Bytes of the request line, and of each header."""
MOST_HEADERS = 64
SHARE = 0.2
"""The share of the time that answers may take, however many ask for the most costly ones."""
BACKLOG = 64

log = get_logger(__name__)

# aiohttp tells of each bad request with a stack; what is worth a line, we say.
_silent = logging.getLogger("ichat_gw.http.silent")
_silent.disabled = True


class CannotServe(GatewayError):
    """The status page cannot be served; the text says why and what to do."""


class HttpServer:
    """Serves `answers` and `feed` at one socket, until `close`."""

    def __init__(self, answers: Answers, feed: Feed) -> None:
        self._answers = answers
        self._feed = feed
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None
        self._turn = asyncio.Lock()
        self._free_at = 0.0
        self._http = web.Server(
            self._handle,
            access_log=None,
            logger=_silent,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=0.0,
            max_line_size=LONGEST_LINE,
            max_field_size=LONGEST_LINE,
            max_headers=MOST_HEADERS,
            handler_cancellation=True,
        )

    async def open(self, address: str, port: int) -> None:
        """Listen. Raises CannotServe."""
        try:
            self._server = await self._loop.create_server(self._connected, address, port, backlog=BACKLOG)
        except OSError as error:
            reason = error.strerror or str(error)
            raise CannotServe(
                f"HttpPort: cannot listen at {address} port {port}: {reason}; choose a free port, or 0"
            ) from error

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop, streams and requests included; takes a second at most."""
        if self._server is not None:
            self._server.close()
        self._feed.close()
        await self._http.shutdown(0.5)
        if self._server is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._server.wait_closed(), 0.5)

    def _connected(self) -> asyncio.Protocol:
        if len(self._http.connections) >= MAX_CONNECTIONS:
            return _Full()
        return self._http()

    # --- requests -----------------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            question = _question(request)
            answer = self._answers.turned_away(question, self._loop.time())
            if answer is None and (question.method, question.path) == ("GET", f"{BASE}/events"):
                return await self._stream(request)
            if answer is None and question.path in PROBES:
                answer = await self._answers.answer(question)
            elif answer is None:
                answer = await self._in_turn(question)
        except Exception:
            log.exception("internal error", while_processing="HTTP request")
            body = encode(ErrorReply(error="an error in the gateway", remedy="its log tells more"))
            answer = Answer(500, body)
        return await self._send(request, answer)

    async def _in_turn(self, question: Question) -> Answer:
        """Answer, one question after the other, and not before the last answer has been paid for.

        An answer that took a millisecond is followed by four in which none is begun: calls come first.
        """
        async with self._turn:
            wait = self._free_at - self._loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            began = time.process_time()
            try:
                return await self._answers.answer(question)
            finally:
                # What calls did while a file was read is counted, too: then there is the more reason to wait.
                spent = time.process_time() - began
                self._free_at = self._loop.time() + spent * (1 / SHARE - 1)

    async def _send(self, request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        response = web.Response(body=answer.body, status=answer.status, headers=_headers(answer))
        if len(answer.body) > 4096:
            response.enable_compression()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            _drop(request)
        return response

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        """The events, until the client or we leave."""
        try:
            listener = self._feed.listen()
        except TooManyListeners:
            body = encode(ErrorReply(error="too many streams are open", remedy="try again later"))
            return await self._send(request, Answer(503, body, headers=(("Retry-After", "10"),)))
        try:
            for event in self._answers.greeting():
                listener.put(event)
            response = web.StreamResponse(headers=_headers(Answer(200, b"", "text/event-stream")))
            response.enable_chunked_encoding()
            response.force_close()
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await response.prepare(request)
                while not listener.closed:
                    events = await listener.next(QUIET_SECONDS)
                    async with asyncio.timeout(ANSWER_SECONDS):
                        await response.write(events)
                async with asyncio.timeout(ANSWER_SECONDS):
                    await response.write_eof()
            except TimeoutError:
                _drop(request)
            except ConnectionError:
                pass  # he has left
            return response
        finally:
            self._feed.leave(listener)


class _Full(asyncio.Protocol):
    """Closes a connection for which there is no room."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it, without a word: whoever reads none of ours must not be waited for."""
        cast(asyncio.Transport, transport).abort()


def _question(request: web.BaseRequest) -> Question:
    headers = request.headers
    query: dict[str, str] = {}
    for name, value in request.rel_url.query.items():
        query.setdefault(name, value)
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    head = Asked(
        source=str(peer[0]) if peer else "0.0.0.0",
        host=headers.get("Host", ""),
        authorization=headers.get("Authorization", ""),
        origin=headers.get("Origin", ""),
        fetch_site=headers.get("Sec-Fetch-Site", ""),
        fetch_mode=headers.get("Sec-Fetch-Mode", ""),
        asking=headers.get(ASKING_HEADER, ""),
    )
    return Question(
        request.method,
        request.rel_url.path,
        query,
        head,
        accept=headers.get("Accept", ""),
        known=headers.get("If-None-Match", ""),
    )


def _headers(answer: Answer) -> dict[str, str]:
    return {"Server": "ichat-gw", **answer.all_headers()}


def _drop(request: web.BaseRequest) -> None:
    """End a connection whose client does not read."""
    if request.transport is not None:
        request.transport.abort()
