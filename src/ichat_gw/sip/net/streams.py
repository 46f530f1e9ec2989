"""SIP over TCP and TLS: connections, made by others and by us, and used again.

A `Send` goes out on the connection that its flow names; if there is none, one is made. Whatever goes wrong
with a connection is reported as `SendFailed` for every flow that was sent on it, so that nobody waits for
answers that cannot come.
"""

import asyncio
import contextlib
import os
import secrets
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from ichat_gw.sip.certificate import speaks_for
from ichat_gw.sip.connection_limits import ConnectionLimits, StreamLimits
from ichat_gw.sip.events import Flow, Received, Send, SendFailed
from ichat_gw.sip.framing import PONG, Fault, Ping, StreamFramer, Whole, refusal
from ichat_gw.sip.net.addresses import WILDCARDS, Neighbourhood, family_of, plain
from ichat_gw.sip.net.tls import TlsContexts
from ichat_gw.sip.net.watching import add_reader, remove_reader
from ichat_gw.sip.stream_replies import alias_port, second_way

Note: TypeAlias = Callable[[str, str, Mapping[str, object]], None]
"""Called with a level, an event and fields, for the log."""

ACCEPT_BATCH = 64
"""Connections accepted before others get their turn on the loop."""
ACCEPT_PAUSE = 1.0
"""Seconds until we accept again when the system has no descriptor left."""
WARN_EVERY = 60.0
"""Seconds between two warnings that connections are refused; the others are noted at DEBUG."""
LINGER = 1.0
"""Seconds that closing waits for what is still unsent."""

_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4), ("TCP_USER_TIMEOUT", 20_000))
"""A peer that vanished is noticed by the kernel: in 20 s when we send, in two minutes when nobody does."""

Key: TypeAlias = tuple[str, tuple[str, int], str]


class Connection(asyncio.Protocol):
    """One connection. Owned by `Streams`; `flow` is how what it carries is called."""

    def __init__(self, owner: "Streams", flow: Flow, *, ours: bool) -> None:
        self.flow = flow
        self.ours = ours
        """We made it; otherwise it was made to us."""
        self.flows = {flow}
        """Every flow that was sent on it."""
        self.certificate: Mapping[str, Any] = {}
        """What the TLS peer proved; empty when nothing."""
        self.transport: asyncio.Transport | None = None
        self.over = False
        self.alias: tuple[str, int] | None = None
        self._owner = owner
        self._framer = StreamFramer(owner.limits.message)
        self._waiting = bytearray()
        self._heard = False

    @property
    def key(self) -> Key:
        """What it is found by."""
        return (self.flow.transport, self.flow.remote, self.flow.name)

    def write(self, data: bytes) -> None:
        """Send, or keep until the connection is made; fail the connection when too much waits."""
        if self.over:
            return
        if self.transport is None:
            self._waiting += data
            waits = len(self._waiting)
        else:
            self.transport.write(data)
            waits = self.transport.get_write_buffer_size()
        if waits > self._owner.limits.unsent:
            self.fail("the other side does not read")

    def fail(self, text: str) -> None:
        """Break it off and report."""
        if not self.over:
            self._owner.lost(self, text)
            if self.transport is not None:
                self.transport.abort()

    # --- asyncio ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Check who it is, and send what has waited."""
        # Not asserted: uvloop's transports do not derive from asyncio's.
        self.transport = cast(asyncio.Transport, transport)
        self._owner.begun(self)
        if self.over:
            self.transport.abort()
            return
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self.certificate = tls.getpeercert() or {}
            if self.ours and not speaks_for(self.certificate, self.flow.name):
                self.fail(f"the certificate is not that of {self.flow.name} (RFC 5922)")
                return
        if self._waiting:
            waiting, self._waiting = bytes(self._waiting), bytearray()
            self.transport.write(waiting)

    def data_received(self, data: bytes) -> None:
        """Deliver whole messages, answer pings, break off at a fault."""
        frames = self._framer.feed(data)
        pings = sum(isinstance(frame, Ping) for frame in frames)
        if pings:
            self.write(PONG * pings)
        whole = any(isinstance(frame, Whole) for frame in frames)
        self._owner.heard(self, whole=whole, partial=self._framer.partial)
        for frame in frames:
            if self.over:
                return
            if isinstance(frame, Whole):
                if not self._heard:
                    self._heard = True
                    self._owner.first_message(self, frame.data)
                self._owner.deliver(Received(frame.data, self.flow))
            elif isinstance(frame, Fault):
                self._break_off(frame)

    def _break_off(self, fault: Fault) -> None:
        answer = refusal(fault, self.flow.remote, secrets.token_hex(8))
        if answer is not None:
            self.write(answer)
        if not self.over and self.transport is not None:
            self._owner.lost(self, f"broken stream: {fault.text}")
            self.transport.close()

    def eof_received(self) -> None:
        """Close as well."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Report, unless it was us who closed it."""
        self._owner.lost(self, _reason(exc) if exc else "closed by the other side")
        self._owner.ended(self)


class Streams:
    """All TCP and TLS connections, and the sockets that accept them.

    `deliver` is called with what comes in; it must not raise.
    """

    def __init__(
        self,
        deliver: Callable[[Received | SendFailed], None],
        note: Note,
        neighbourhood: Neighbourhood,
        limits: StreamLimits,
        tls: TlsContexts | None,
    ) -> None:
        self.deliver = deliver
        self.limits = limits
        self._note = note
        self._neighbourhood = neighbourhood
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._guard: ConnectionLimits[Connection] = ConnectionLimits(limits)
        self._by_key: dict[Key, Connection] = {}
        self._aliases: dict[tuple[str, int], Connection] = {}
        self._open: set[Connection] = set()
        """Those with a transport that has not ended yet."""
        self._listeners: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = 0.0
        """When `_timer` is due. COMPAT uvloop: its handle does not know for a moment in the past."""
        self._pauses: set[asyncio.TimerHandle] = set()
        self._quiet_until = 0.0
        self._closed = False
        self._quiet = asyncio.Event()
        """Set when the last transport has ended; looked at by `close` alone."""

    def __len__(self) -> int:
        return len(self._guard)

    # --- accepting ----------------------------------------------------------------------------------------

    def listen(self, sock: socket.socket, transport: str) -> None:
        """Accept connections at a bound socket. Raises OSError."""
        sock.listen(256)
        self._listeners.append(sock)
        add_reader(self._loop, sock, self._accept, sock, transport)

    def _accept(self, listener: socket.socket, transport: str) -> None:
        for _ in range(ACCEPT_BATCH):
            try:
                sock, peer = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # No descriptor is free, say. It stays readable, so pause instead of spinning.
                self._note("ERR", "cannot accept", {"transport": transport, "text": _reason(error)})
                remove_reader(self._loop, listener)
                self._pauses.add(self._loop.call_later(ACCEPT_PAUSE, self._go_on, listener, transport))
                return
            self._admit(sock, peer, listener, transport)

    def _go_on(self, listener: socket.socket, transport: str) -> None:
        if listener.fileno() >= 0:
            add_reader(self._loop, listener, self._accept, listener, transport)

    def _admit(self, sock: socket.socket, peer: Any, listener: socket.socket, transport: str) -> None:
        remote = self._neighbourhood.heard(peer)
        local = (plain(sock.getsockname())[0], listener.getsockname()[1])
        connection = Connection(self, Flow(transport, local, remote), ours=False)
        why = self._guard.accept(connection, remote[0], self._loop.time())
        if why:
            sock.close()
            self._note_refusal({"peer": _written(remote), "text": why})
            return
        # A peer that dialled twice from one port: the latest is the live one.
        self._by_key[connection.key] = connection
        self._keep_time()
        self._begin(self._welcome(connection, sock), f"accept {_written(remote)}")

    def _note_refusal(self, fields: Mapping[str, object]) -> None:
        """Warn once in a while; who floods us must not flood the log as well."""
        now = self._loop.time()
        level = "WARNING" if now >= self._quiet_until else "DEBUG"
        if level == "WARNING":
            self._quiet_until = now + WARN_EVERY
        self._note(level, "connection refused", fields)

    async def _welcome(self, connection: Connection, sock: socket.socket) -> None:
        context = self._tls.server if self._tls and connection.flow.transport == "TLS" else None
        try:
            sock.setblocking(False)
            _keep_alive(sock)
            async with asyncio.timeout(self.limits.unfinished):
                await self._loop.connect_accepted_socket(lambda: connection, sock, ssl=context)
        except (OSError, ValueError) as error:
            sock.close()
            self.lost(connection, _reason(error))
        except asyncio.CancelledError:
            sock.close()
            raise

    def use(self, tls: TlsContexts) -> None:
        """Show another certificate, and trust other roots, on connections that are made from now on."""
        self._tls = tls

    # --- connecting ---------------------------------------------------------------------------------------

    def send(self, command: Send) -> None:
        """Send on the connection of a flow, or on a new one. Failures are reported from the event loop."""
        if self._closed:
            return
        flow = command.flow
        connection = self._find(flow)
        if connection is None:
            if not command.data.strip():
                return  # a keep-alive for what is gone
            way: Flow | None = flow
            if command.data.startswith(b"SIP/2.0 "):
                way = second_way(command.data, flow)
            connection = self._connect(way, flow) if way is not None else None
            if connection is None:
                return
        connection.flows.add(flow)
        connection.write(command.data)
        self._guard.said(connection, self._loop.time())

    def _find(self, flow: Flow) -> Connection | None:
        """Find the connection of a flow, or one made to us by whom the flow wants (RFC 5923)."""
        connection = self._by_key.get((flow.transport, flow.remote, flow.name))
        if connection is None and flow.name:
            connection = self._by_key.get((flow.transport, flow.remote, "")) or self._aliases.get(flow.remote)
            if connection is not None and not speaks_for(connection.certificate, flow.name):
                return None
        return connection

    def _connect(self, way: Flow, flow: Flow) -> Connection | None:
        connection = self._by_key.get((way.transport, way.remote, way.name))
        if connection is not None:
            return connection
        context = self._tls.client if self._tls is not None and way.transport == "TLS" else None
        if way.transport == "TLS" and (context is None or not way.name):
            text = "TLS is not open here" if context is None else "nobody knows who should be there"
            self._loop.call_soon(self.deliver, SendFailed(flow, text))
            return None
        connection = Connection(self, way, ours=True)
        why = self._guard.connect(connection, self._loop.time())
        if why:
            self._loop.call_soon(self.deliver, SendFailed(flow, why))
            return None
        self._by_key[connection.key] = connection
        self._keep_time()
        self._begin(self._dial(connection, context), f"connect {_written(way.remote)}")
        return connection

    async def _dial(self, connection: Connection, context: ssl.SSLContext | None) -> None:
        flow = connection.flow
        sock = socket.socket(family_of(flow.remote[0]), socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            _keep_alive(sock)
            if flow.local[0] not in WILDCARDS:
                sock.bind((flow.local[0], 0))
            async with asyncio.timeout(self.limits.connect):
                await self._loop.sock_connect(sock, self._neighbourhood.sockaddr(flow.remote))
                await self._loop.create_connection(
                    lambda: connection,
                    sock=sock,
                    ssl=context,
                    server_hostname=flow.name if context else None,
                )
        except (OSError, ValueError) as error:
            sock.close()
            self.lost(connection, _reason(error))
        except asyncio.CancelledError:
            sock.close()
            raise

    def _begin(self, work: Any, name: str) -> None:
        task = asyncio.Task(work, loop=self._loop, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- said by connections ------------------------------------------------------------------------------

    def heard(self, connection: Connection, *, whole: bool, partial: bool) -> None:
        """Count what came."""
        self._guard.heard(connection, self._loop.time(), whole=whole, partial=partial)
        self._keep_time()

    def first_message(self, connection: Connection, data: bytes) -> None:
        """Let a TLS client that proved who it is use this connection both ways, if it says so (RFC 5923)."""
        if connection.certificate and not connection.ours:
            port = alias_port(data)
            if port is not None:
                connection.alias = (connection.flow.remote[0], port)
                self._aliases[connection.alias] = connection

    def lost(self, connection: Connection, text: str) -> None:
        """Forget a connection and report it to all who use it; once."""
        if connection.over:
            return
        connection.over = True
        self._guard.closed(connection)
        if self._by_key.get(connection.key) is connection:
            del self._by_key[connection.key]
        if connection.alias is not None and self._aliases.get(connection.alias) is connection:
            del self._aliases[connection.alias]
        self._note("DEBUG", "connection over", {"peer": _peer(connection), "text": text})
        if not self._closed:
            for flow in connection.flows:
                # Not from here: whoever sends is in the middle of something.
                self._loop.call_soon(self.deliver, SendFailed(flow, text))

    def begun(self, connection: Connection) -> None:
        """Note that it has a transport."""
        self._open.add(connection)

    def ended(self, connection: Connection) -> None:
        """Note that its transport is gone."""
        self._open.discard(connection)
        if not self._open:
            self._quiet.set()

    # --- time ---------------------------------------------------------------------------------------------

    def _keep_time(self) -> None:
        deadline = self._guard.deadline()
        if deadline is None or (self._timer is not None and self._wakes_at <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._wake)
        self._wakes_at = deadline

    def _wake(self) -> None:
        self._timer = None
        for connection, text in self._guard.expire(self._loop.time()):
            connection.fail(text)
        self._keep_time()

    # --- the end ------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Close everything; what is still unsent gets a moment. Harmless when closed already."""
        self._closed = True
        for listener in self._listeners:
            remove_reader(self._loop, listener)
            listener.close()
        self._listeners.clear()
        for handle in (self._timer, *self._pauses):
            if handle is not None:
                handle.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(self._by_key.values()):
            if connection.transport is None:
                self.lost(connection, "we are closing")
        for connection in self._open:
            if connection.transport is not None:
                connection.transport.close()
        if self._open:
            self._quiet.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._quiet.wait(), LINGER)
        for connection in list(self._open):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)


def _keep_alive(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):  # not on every system
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not good: {error.verify_message}"
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.errno:
        return os.strerror(error.errno)
    return str(getattr(error, "reason", None) or error or type(error).__name__)


def _written(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _peer(connection: Connection) -> str:
    return f"{connection.flow.transport} {_written(connection.flow.remote)}"
