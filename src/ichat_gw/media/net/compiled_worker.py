"""A relay worker whose short cut is compiled (`_fastloop`): the same orders, rules and counters.

The compiled loop waits on the same epoll descriptor as the plain one, moves RTP from one socket to the
other and drops what strangers send, all by itself. What it cannot decide it hands over here, where the same
code as ever judges it. The truth about a stream is on one side at a time: `_pull` brings it here before
anything is judged or asked, `_push` gives it back.
"""

import time
from contextlib import suppress

from ichat_gw.call.media import Side
from ichat_gw.media.gate import Gate
from ichat_gw.media.net.worker import Worker
from ichat_gw.media.relay_session import RelaySession
from ichat_gw.media.rtp import Kind

with suppress(ImportError):
    # It is not there where no compiler was when this was installed.
    from ichat_gw.media.net import _fastloop


def is_built() -> bool:
    """Whether the compiled loop is there."""
    return "_fastloop" in globals()


class CompiledWorker(Worker):
    """The worker with the compiled loop. To be made only where it `is_built`."""

    loop = "compiled"

    def __init__(self, orders: int, replies: int) -> None:
        super().__init__(orders, replies)
        self._loop = _fastloop.Loop(self._poll.fileno())
        self._paths: dict[Gate, _fastloop.Path] = {}

    def run(self) -> None:
        """Serve until the orders end. Raises `InvalidFrame` when they are not orders."""
        clock = time.monotonic
        while self._running:
            alarm = self._timers.deadline()
            packets, pipes = self._loop.wait(-1.0 if alarm is None else max(0.0, alarm - clock()))
            now = clock()
            if alarm is not None and now >= alarm:
                self._wake(now)
            touched: dict[int, RelaySession] = {}
            for descriptor, packet, source in packets:
                bound = self._bound[descriptor]
                assert bound is not None
                _, gate, _, _, _, session = bound
                if session.number not in touched:
                    touched[session.number] = session
                    self._pull(session)
                self._judge(session, gate, memoryview(packet), source, now)
            for session in touched.values():
                self._push(session)
            for descriptor in pipes:
                self._serve_pipe(descriptor)

    def _open(self, session: RelaySession, side: Side, address: str, port: int) -> None:
        super()._open(session, side, address, port)
        for kind in Kind:
            gate = session.gate(side, kind)
            self._paths[gate] = self._loop.open(self._sockets[gate].fileno(), kind is Kind.RTCP)

    def _shut(self, session: RelaySession, side: Side) -> None:
        for kind in Kind:
            gate = session.gate(side, kind)
            if (sock := self._sockets.get(gate)) is not None:
                self._loop.close(sock.fileno())
                self._paths.pop(gate, None)
        super()._shut(session, side)

    def _pull_gate(self, gate: Gate) -> None:
        if (path := self._paths.get(gate)) is None:
            return
        stream, out = gate.stream, gate.opposite
        following, stamp, jitter, at, lost, stranger, *passed = path.state()
        packets, octets, late, sent, sent_octets, errors, *dropped = passed
        if packets:
            stream.next, stream.stamp, stream.jitter, stream.at = following, stamp, jitter, at
            stream.lost = lost
        gate.packets += packets
        gate.octets += octets
        stream.late += late
        gate.strangers += dropped[0]
        if dropped[0]:
            gate.stranger = stranger
        gate.malformed += dropped[1]
        gate.early += dropped[2]
        out.sent += sent
        out.sent_octets += sent_octets
        out.errors += errors

    def _push_gate(self, gate: Gate) -> None:
        if (path := self._paths.get(gate)) is None:
            return
        stream, out = gate.stream, gate.opposite
        sock = self._sockets.get(out)
        add, ticks, ssrc = stream.shift or (0, 0, stream.ssrc)
        path.load(
            -1 if sock is None else sock.fileno(),
            gate.accepted,
            gate.named,
            out.target,
            gate.window_ends,
            stream.ssrc,
            stream.next,
            stream.stamp,
            stream.start,
            stream.second_out,
            stream.rate,
            stream.jitter,
            stream.at,
            add,
            ticks,
            ssrc,
            stream.lost,
        )
