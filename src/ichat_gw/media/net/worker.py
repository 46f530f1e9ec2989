"""A relay worker: the process that moves RTP and RTCP, and does nothing else.

Started by `python -m ichat_gw.media.net.worker_start`, or by the name of this module for the plain loop in
any case. Orders come in on standard input, replies go out on standard output, framed as in `relay_messages`.
When standard input ends, so does the process: it never outlives its parent, however that died. SIGINT is
ignored: on a terminal it is the parent that decides.

The loop is level-triggered with one `recvfrom_into` per event, on unconnected sockets with small
buffers; what a descriptor needs is bound to it beforehand. RTP from the accepted source that goes on where
its last packet was, with the same payload type, takes the short cut in `run`; all else is judged by
`Gate.route`. No datagram whatever makes the worker raise.
"""

import contextlib
import errno
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from random import SystemRandom
from struct import Struct
from typing import TypeAlias

from ichat_gw.call.media import Side
from ichat_gw.clock import Timers
from ichat_gw.media.gate import Gate, Source
from ichat_gw.media.net.poll import IN, OUT, Pipe, do_not_block, new_poll
from ichat_gw.media.relay_messages import (
    Adjust,
    Alive,
    Ask,
    BindFault,
    Close,
    Closed,
    FrameCutter,
    InvalidFrame,
    Open,
    Opened,
    OpenFailed,
    Order,
    PartyCounters,
    Query,
    Report,
    Restore,
    Retarget,
    Silent,
    Snapshot,
    Started,
    WorkerReply,
    frame,
    read_order,
)
from ichat_gw.media.relay_session import RelaySession
from ichat_gw.media.rtp import MAX_PACKET, Kind
from ichat_gw.media.stream import Stream

SNAPSHOT_EVERY = 5.0
"""Seconds until a successor's knowledge of a call is renewed although nothing but counters has changed."""
AT_ONCE = 16
"""How many parties are looked after between two looks at the sockets."""
RECEIVE_BUFFER = 16_384
"""SO_RCVBUF in bytes: some tenths of a second of audio. A longer queue would only be delay."""

_RESOURCE_ERRORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PORT_ERRORS = frozenset({errno.EADDRINUSE, errno.EACCES})

_Send: TypeAlias = Callable[[memoryview, Source], int]
_Bound: TypeAlias = tuple[Callable[[bytearray], tuple[int, Source]], Gate, Gate, Stream, _Send, RelaySession]
"""What the loop needs for a socket: how to receive, the gates in and out, the stream, how to send."""
_HEAD = Struct("!HHII")
"""Twelve bytes of RTP: what the packets of a stream begin with, sequence number, timestamp, SSRC."""


class Worker:
    """The loop between one pipe of orders, one of replies, and the sockets of many calls."""

    loop = "python"
    """What the log and the status say of it."""

    def __init__(self, orders: int, replies: int) -> None:
        """`orders` and `replies` are file descriptors; both are made non-blocking."""
        self._orders = Pipe(orders)
        self._replies = replies
        do_not_block(replies)
        self._cutter = FrameCutter()
        self._unwritten = bytearray()
        self._sessions: dict[int, RelaySession] = {}
        self._sockets: dict[Gate, socket.socket] = {}
        self._poll = new_poll()
        self._bound: list[_Bound | None] = [None] * (max(self._orders.fileno(), replies) + 1)
        """By descriptor, the sockets of calls; None: it is not one."""
        self._pipes: dict[int, Callable[[], None]] = {}
        """By descriptor, what is to be done when a pipe is ready."""
        self._running = True
        self._rng = SystemRandom()
        self._timers: Timers[tuple[int, Side]] = Timers()
        """Parties whose silence must be looked at."""
        self._watch(self._orders.fileno(), IN, self._read_orders)

    def run(self) -> None:
        """Serve until the orders end. Raises `InvalidFrame` when they are not orders."""
        buffer = bytearray(MAX_PACKET + 1)
        view = memoryview(buffer)
        # Made beforehand: to cut one for each packet takes longer than to judge it.
        parts = [view[:size] for size in range(len(buffer) + 1)]
        clock = time.monotonic
        wait = self._poll.poll
        head = _HEAD.unpack_from
        sockets = self._bound
        longest = MAX_PACKET
        timers = self._timers
        while self._running:
            alarm = timers.deadline()
            ready = wait(None if alarm is None else max(0.0, alarm - clock()))
            now = clock()
            if alarm is not None and now >= alarm:
                self._wake(now)
            for descriptor, _ in ready:
                bound = sockets[descriptor]
                if bound is None:
                    self._serve_pipe(descriptor)
                    continue
                receive, gate, out, stream, send, session = bound
                try:
                    size, source = receive(buffer)
                except OSError as error:
                    self._cannot_receive(gate, error)
                    continue
                start, sequence, stamp, ssrc = head(buffer)
                target = out.target
                ticks = stamp - stream.stamp
                if (
                    sequence == stream.next
                    and start == stream.start
                    and ssrc == stream.ssrc
                    and source == gate.accepted
                    and ticks > 0
                    and target is not None
                    and 12 <= size <= longest
                ):
                    off = (now - stream.at) * stream.rate - ticks
                    stream.jitter += ((off if off > 0.0 else -off) - stream.jitter) * 0.0625
                    stream.next = (sequence + 1) & 0xFFFF
                    stream.stamp = stamp
                    stream.at = now
                    stream.passed += 1
                    stream.octets += size
                    if stream.altered:
                        stream.alter(buffer, stream.second_out, sequence, stamp)
                    try:
                        send(parts[size], target)
                    except OSError:
                        out.errors += 1
                        out.sent -= 1
                        out.sent_octets -= size
                else:
                    self._judge(session, gate, parts[size], source, now)

    def close(self) -> None:
        """Close every socket; the two pipes stay as they are."""
        for session in self._sessions.values():
            for side in Side:
                self._shut(session, side)
        self._sessions.clear()
        self._poll.close()
        self._orders.close()

    def _watch(self, pipe: int, events: int, then: Callable[[], None]) -> None:
        self._poll.register(pipe, events)
        self._pipes[pipe] = then

    def _serve_pipe(self, descriptor: int) -> None:
        # It may also be a socket that was closed by an order read in this very round.
        if (then := self._pipes.get(descriptor)) is not None:
            then()

    def _cannot_receive(self, gate: Gate, error: OSError) -> None:
        if error.errno != errno.EAGAIN:  # a wake-up for nothing
            gate.errors += 1

    def _pull(self, session: RelaySession) -> None:
        """All that is known of a call is needed here."""
        for gate in session.gates:
            self._pull_gate(gate)

    def _push(self, session: RelaySession) -> None:
        """What is known of a call has changed here."""
        for gate in session.gates:
            self._push_gate(gate)

    def _pull_gate(self, gate: Gate) -> None:
        """Count what has taken the short cut from this gate."""
        stream, out = gate.stream, gate.opposite
        gate.packets += stream.passed
        gate.octets += stream.octets
        out.sent += stream.passed
        out.sent_octets += stream.octets
        stream.passed = stream.octets = 0

    def _push_gate(self, gate: Gate) -> None:
        """For a worker whose short cut keeps some of what is known: let it be known there."""

    def _judge(
        self, session: RelaySession, gate: Gate, packet: memoryview, source: Source, now: float
    ) -> None:
        """Let the rules decide about a packet off the short cut, and send it if they let it pass."""
        out = gate.route(packet, source, now)
        if out is None or out.target is None:
            return
        try:
            self._sender(out)(packet, out.target)
        except OSError:
            out.errors += 1
        else:
            out.sent += 1
            out.sent_octets += len(packet)
        if session.changed:
            self._tell(session, now)

    def _tell(self, session: RelaySession, now: float) -> None:
        """Say what a successor would have to know, unless nobody listens just now."""
        if not self._unwritten:
            self._pull(session)
            self.reply(Snapshot(session.number, *session.snapshot(now)))

    def _wake(self, now: float) -> None:
        """See to the parties that may have been silent for too long."""
        for number, side in self._timers.due(now, AT_ONCE):
            session = self._sessions[number]
            gate = session.gate(side, Kind.RTP)
            self._pull_gate(gate)
            packet, fill_at = gate.fill(now)
            if packet is not None:
                out = gate.opposite
                assert out.target is not None
                try:
                    self._sender(out)(memoryview(packet), out.target)
                except OSError:
                    out.errors += 1
                else:
                    out.keep_alives += 1
                self._push_gate(gate)
            silent, ask_at = gate.times_out(now)
            if silent:
                self.reply(Silent(number, side))
            again = [when for when in (fill_at, ask_at) if when is not None]
            if again:
                self._timers.set((number, side), min(again))
            if session.changed or now - session.told_at >= SNAPSHOT_EVERY:
                self._tell(session, now)

    # --- sockets ------------------------------------------------------------------------------------------

    def _open(self, session: RelaySession, side: Side, address: str, port: int) -> None:
        """Open the two sockets of `side`. Raises OSError; nothing of that side is open then."""
        self._shut(session, side)
        try:
            for kind, number in ((Kind.RTP, port), (Kind.RTCP, port + 1)):
                gate = session.gate(side, kind)
                self._sockets[gate] = sock = _bind(address, number)
                self._poll.register(sock.fileno(), IN)
                self._prepare(session, gate)
                self._prepare(session, gate.opposite)
        except OSError:
            self._shut(session, side)
            raise

    def _prepare(self, session: RelaySession, gate: Gate) -> None:
        """Have ready all that a packet needs that comes in at this gate, if it is open."""
        if (sock := self._sockets.get(gate)) is not None:
            out, descriptor = gate.opposite, sock.fileno()
            self._bound += [None] * (descriptor + 1 - len(self._bound))
            bound = sock.recvfrom_into, gate, out, gate.stream, self._sender(out), session
            self._bound[descriptor] = bound

    def _sender(self, gate: Gate) -> _Send:
        sock = self._sockets.get(gate.companion if gate.muxed else gate)
        return _not_open if sock is None else sock.sendto

    def _shut(self, session: RelaySession, side: Side) -> None:
        """Close the sockets of `side`, those that are open."""
        for kind in Kind:
            sock = self._sockets.pop(session.gate(side, kind), None)
            if sock is not None:
                self._bound[sock.fileno()] = None
                sock.close()  # which also ends the watching

    # --- orders -------------------------------------------------------------------------------------------

    def _read_orders(self) -> None:
        try:
            chunk = self._orders.read()
        except BlockingIOError:
            return
        if not chunk:
            self._running = False
        for body in self._cutter.feed(chunk):
            order = read_order(body)
            if isinstance(order, Ask):
                self.reply(Alive())
            else:
                self._obey(order)

    def _obey(self, order: Order) -> None:
        now = time.monotonic()
        session = self._sessions.get(order.session)
        if session is not None:
            self._pull(session)
        self._do(order, session, now)
        if (session := self._sessions.get(order.session)) is not None:
            self._push(session)

    def _do(self, order: Order, session: RelaySession | None, now: float) -> None:
        match order:
            case Open(number, side, address, port):
                if session is None:
                    session = self._sessions[number] = RelaySession(self._rng, number)
                try:
                    self._open(session, side, address, port)
                except OSError as error:
                    text = error.strerror or str(error)
                    self.reply(OpenFailed(number, side, _fault(error.errno), text))
                else:
                    self.reply(Opened(number, side))
            case Retarget(_, side, rtp, rtcp, learning, window):
                if session is not None:
                    session.retarget(side, _source(rtp), _source(rtcp), learning, now + window)
                    self._look_at(order.session, now)
            case Adjust():
                if session is not None:
                    session.adjust(order, now)
                    self._look_at(order.session, now)
            case Restore(_, caller, callee):
                if session is not None:
                    session.restore(Side.CALLER, caller, now)
                    session.restore(Side.CALLEE, callee, now)
            case Close(number):
                self.reply(Closed(number, *_counters(session, now)))
                if session is not None:
                    del self._sessions[number]
                    for side in Side:
                        self._timers.clear((number, side))
                        self._shut(session, side)
                    session.let_go()
            case Query(number, query):
                self.reply(Report(number, query, *_counters(session, now)))

    def _look_at(self, number: int, now: float) -> None:
        for side in Side:
            self._timers.set((number, side), now)

    # --- replies ------------------------------------------------------------------------------------------

    def reply(self, message: WorkerReply | Alive) -> None:
        """Send `message` to whoever started us, later if its pipe is full."""
        waiting = bool(self._unwritten)
        self._unwritten += frame(message)
        if not waiting:
            self._write()
            if self._unwritten:
                self._watch(self._replies, OUT, self._write_rest)

    def _write(self) -> None:
        try:
            written = os.write(self._replies, self._unwritten)
        except BlockingIOError:
            return
        except OSError:
            # Nobody reads any more, so nobody is there to relay for.
            self._running = False
            self._unwritten.clear()
            return
        del self._unwritten[:written]

    def _write_rest(self) -> None:
        self._write()
        if not self._unwritten:
            self._poll.unregister(self._replies)
            del self._pipes[self._replies]


def _bind(address: str, port: int) -> socket.socket:
    """A non-blocking UDP socket of our own on this address and port. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # Refuses names, for which bind() would ask the DNS and keep all calls waiting.
    socket.inet_pton(family, address)
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        if family is socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def _not_open(packet: memoryview, target: Source) -> int:
    raise OSError(errno.EBADF, "this side has no port yet")


def _fault(number: int | None) -> BindFault:
    if number in _PORT_ERRORS:
        return BindFault.PORT
    return BindFault.RESOURCES if number in _RESOURCE_ERRORS else BindFault.ADDRESS


def _source(address: tuple[str, int] | None) -> Source | None:
    """A socket address as `recvfrom` gives it, which for IPv6 has a flow label and a scope, too."""
    if address is None or ":" not in address[0]:
        return address
    return (*address, 0, 0)


def _counters(session: RelaySession | None, now: float) -> tuple[PartyCounters, PartyCounters]:
    if session is None:
        return PartyCounters(), PartyCounters()
    return session.counters(Side.CALLER, now), session.counters(Side.CALLEE, now)


def _raise_descriptor_limit() -> None:
    """Allow as many descriptors as we may; a call needs four."""
    try:
        import resource
    except ImportError:  # Windows has none
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(worker_type: type[Worker] = Worker) -> int:
    """Relay until standard input ends; the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Whatever writes to standard output now goes to standard error, not between the replies.
    replies = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    worker = worker_type(sys.stdin.fileno(), replies)
    _raise_descriptor_limit()
    try:
        worker.reply(Started(os.getpid(), worker.loop))
        worker.run()
    except InvalidFrame as error:
        print(f"ichat-gw relay worker: {error}", file=sys.stderr)
        return 1
    finally:
        worker.close()
        os.close(replies)
    return 0


if __name__ == "__main__":
    sys.exit(main())
