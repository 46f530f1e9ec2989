"""A relay worker on a thread of the test, and UDP parties around it, all on loopback."""

import os
import select
import socket
import threading
import time
from collections import deque
from types import TracebackType

from ichat_gw.call.media import Side
from ichat_gw.media.net.worker import Worker
from ichat_gw.media.relay_messages import (
    Alive,
    Ask,
    FrameCutter,
    Learning,
    Open,
    Opened,
    Order,
    PartyCounters,
    Query,
    Report,
    Retarget,
    Snapshot,
    WorkerReply,
    frame,
    read_reply,
)
from peers.ports import free_ports

CALLER, CALLEE = Side.CALLER, Side.CALLEE
PATIENCE = 30.0
"""Seconds until a test gives up waiting for what should come at once."""


def rtp(number: int = 0, payload_type: int = 0, size: int = 172) -> bytes:
    return bytes([0x80, payload_type]) + number.to_bytes(2, "big") + bytes(size - 4)


def rtcp(size: int = 28) -> bytes:
    return bytes([0x80, 200]) + (size // 4 - 1).to_bytes(2, "big") + bytes(size - 4)


class Party:
    """A UDP socket, on a free port of its own unless one is named."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.bind((host, port))
        except OSError:
            self.socket.close()
            raise
        self.socket.settimeout(PATIENCE)
        self.last = b""
        """The packet taken last."""
        self.address: tuple[str, int] = self.socket.getsockname()[:2]

    def send(self, packet: bytes, port: int, host: str | None = None) -> None:
        self.socket.sendto(packet, (host or self.address[0], port))

    def take(self) -> tuple[bytes, int]:
        """The next packet, and the port that it came from."""
        self.last, source = self.socket.recvfrom(4096)
        return self.last, source[1]

    def taken(self) -> list[bytes]:
        """Take whatever is there."""
        packets = []
        while select.select([self.socket], [], [], 0)[0]:
            self.take()
            packets.append(self.last)
        return packets

    def waiting(self) -> int:
        """Take whatever is there; how many packets that was."""
        return len(self.taken())

    def close(self) -> None:
        self.socket.close()


class LoopbackWorker:
    """Runs a `Worker` on a thread; orders and replies go through real pipes."""

    def __init__(self, worker_type: type[Worker] = Worker) -> None:
        orders, self.to_worker = os.pipe()
        self.from_worker, replies = os.pipe()
        self.worker = worker_type(orders, replies)
        self.ends = [orders, replies]
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run)
        self.cutter = FrameCutter()
        self.replies: deque[WorkerReply | Alive] = deque()
        self.snapshots: list[Snapshot] = []
        self.queries = 0

    def _run(self) -> None:
        try:
            self.worker.run()
        except Exception as error:
            self.error = error
        finally:
            self.worker.close()
            for end in self.ends:
                os.close(end)

    def __enter__(self) -> "LoopbackWorker":
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_orders()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        self.end_replies()
        if kind is None and self.error is not None:
            raise self.error

    def end_orders(self) -> None:
        if self.to_worker >= 0:
            os.close(self.to_worker)
            self.to_worker = -1

    def end_replies(self) -> None:
        if self.from_worker >= 0:
            os.close(self.from_worker)
            self.from_worker = -1

    def order(self, *orders: Order | Ask) -> None:
        os.write(self.to_worker, b"".join(map(frame, orders)))

    def reply(self) -> WorkerReply | Alive:
        while not self.replies:
            assert select.select([self.from_worker], [], [], PATIENCE)[0], "no reply"
            for reply in map(read_reply, self.cutter.feed(os.read(self.from_worker, 65_536))):
                if isinstance(reply, Snapshot):
                    self.snapshots.append(reply)
                else:
                    self.replies.append(reply)
        return self.replies.popleft()

    def counters(self, session: int = 1) -> tuple[PartyCounters, PartyCounters]:
        self.queries += 1
        self.order(Query(session, self.queries))
        report = self.reply()
        assert isinstance(report, Report)
        assert report.query == self.queries
        return report.caller, report.callee

    def settled(self, packets: int, session: int = 1) -> tuple[PartyCounters, PartyCounters]:
        """The counters once that many packets in all have been judged."""
        until = time.monotonic() + PATIENCE
        while True:
            both = self.counters(session)
            judged = sum(
                each.received + each.rtcp_received + each.strangers + each.malformed + each.early
                for each in both
            )
            if judged == packets:
                return both
            assert judged < packets, both
            assert time.monotonic() < until, f"{judged} of {packets} packets arrived: {both}"

    def open(self, side: Side, host: str = "127.0.0.1", session: int = 1) -> int:
        """Open a free port pair for `side`; its RTP port."""
        port = free_ports(2)
        self.order(Open(session, side, host, port))
        assert self.reply() == Opened(session, side)
        return port

    def point(
        self,
        side: Side,
        main: Party | tuple[str, int],
        control: Party | tuple[str, int] | None = None,
        learning: Learning = Learning.NOTHING,
        session: int = 1,
        window: float = 60.0,
    ) -> None:
        """Point the relay at a party, and wait until it has been."""
        rtp_at = main.address if isinstance(main, Party) else main
        rtcp_at = control.address if isinstance(control, Party) else control
        self.order(Retarget(session, side, rtp_at, rtcp_at, learning, window))
        self.counters(session)


class Call:
    """A call with both parties described, their RTP and RTCP sockets, and a stranger."""

    def __init__(self, worker: LoopbackWorker, caller: str = "127.0.0.1", callee: str = "127.0.0.1") -> None:
        self.worker = worker
        self.alice, self.alice_rtcp = Party(caller), Party(caller)
        self.bob, self.bob_rtcp = Party(callee), Party(callee)
        self.mallory = Party(caller)
        self.to_alice = worker.open(CALLER, caller)
        self.to_bob = worker.open(CALLEE, callee)

    def describe(self) -> None:
        self.worker.point(CALLER, self.alice, self.alice_rtcp)
        self.worker.point(CALLEE, self.bob, self.bob_rtcp)

    def close(self) -> None:
        for party in (self.alice, self.alice_rtcp, self.bob, self.bob_rtcp, self.mallory):
            party.close()
