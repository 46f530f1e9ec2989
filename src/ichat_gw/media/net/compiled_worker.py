"""A relay worker whose short cut is compiled (`_fastloop`): the same orders, rules and counters.

The compiled loop waits on the same epoll descriptor as the plain one and moves RTP from one socket to the
other by itself. What it cannot decide it hands over here, where the same code as ever judges it. The truth
about a stream is on one side at a time: `_pull` brings it here before anything is judged or asked, `_push`
gives it back.
"""

import time
from contextlib import suppress

from ichat_gw.call.media import Side
from ichat_gw.media.net.worker import Worker
from ichat_gw.media.relay_session import Gate, RelaySession
from ichat_gw.media.rtp import MAX_PACKET, Kind

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
        self._loop = _fastloop.Loop(self._selector.fileno())
        self._paths: dict[Gate, _fastloop.Path] = {}
        self._at: dict[int, tuple[RelaySession, Gate]] = {}

    def run(self) -> None:
        """Serve until the orders end. Raises `InvalidFrame` when they are not orders."""
        clock = time.monotonic
        buffer = bytearray(MAX_PACKET + 1)
        view = memoryview(buffer)
        while self._running:
            alarm = self._timers.deadline()
            packets, descriptors = self._loop.wait(-1.0 if alarm is None else max(0.0, alarm - clock()))
            now = clock()
            if alarm is not None and now >= alarm:
                self._wake(now)
            touched: dict[int, RelaySession] = {}
            for descriptor, packet, source in packets:
                session, gate = self._at[descriptor]
                if id(session) not in touched:
                    touched[id(session)] = session
                    self._pull(session)
                self._judge(gate, memoryview(packet), source, now)
            for session in touched.values():
                self._push(session)
            for descriptor in descriptors:
                self._look_after(descriptor, buffer, view, now)

    def _look_after(self, descriptor: int, buffer: bytearray, view: memoryview, now: float) -> None:
        """A descriptor that is not the beginning of a path: RTCP, or a pipe."""
        key = self._selector.get_map().get(descriptor)
        if key is None:
            return  # closed by an order read in this very round
        if type(key.data) is not tuple:
            key.data()
            return
        receive, gate, *_ = key.data
        try:
            size, source = receive(buffer)
        except OSError as error:
            self._cannot_receive(gate, error)
            return
        session, _ = self._at[descriptor]
        self._pull(session)
        self._judge(gate, view[:size], source, now)
        self._push(session)

    def _open(self, session: RelaySession, side: Side, address: str, port: int) -> None:
        super()._open(session, side, address, port)
        for kind in Kind:
            gate = session.gate(side, kind)
            descriptor = self._sockets[gate].fileno()
            self._at[descriptor] = session, gate
            if kind is Kind.RTP:
                self._paths[gate] = self._loop.open(descriptor)

    def _shut(self, session: RelaySession, side: Side) -> None:
        for kind in Kind:
            gate = session.gate(side, kind)
            if (sock := self._sockets.get(gate)) is not None:
                self._loop.close(sock.fileno())
                self._at.pop(sock.fileno(), None)
                self._paths.pop(gate, None)
        super()._shut(session, side)

    def _pull(self, session: RelaySession) -> None:
        for side in Side:
            gate = session.gate(side, Kind.RTP)
            if (path := self._paths.get(gate)) is None:
                continue
            stream, out = gate.stream, gate.opposite
            following, stamp, jitter, at, packets, octets, sent, sent_octets, errors = path.state()
            if packets:
                stream.next, stream.stamp, stream.jitter, stream.at = following, stamp, jitter, at
            gate.packets += packets
            gate.octets += octets
            out.sent += sent
            out.sent_octets += sent_octets
            out.errors += errors

    def _push(self, session: RelaySession) -> None:
        for side in Side:
            gate = session.gate(side, Kind.RTP)
            if (path := self._paths.get(gate)) is None:
                continue
            stream, out = gate.stream, gate.opposite
            sock = self._sockets.get(out)
            add, ticks, ssrc = stream.shift or (0, 0, stream.ssrc)
            path.load(
                -1 if sock is None else sock.fileno(),
                gate.accepted,
                out.target,
                stream.ssrc,
                stream.next,
                stream.stamp,
                stream.second,
                stream.second_out,
                stream.rate,
                stream.jitter,
                stream.at,
                add,
                ticks,
                ssrc,
            )
