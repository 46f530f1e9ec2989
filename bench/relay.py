"""What a relayed packet costs: our two loops beside the floor, a C loop that checks nothing.

All run interleaved on the same load: each party of each call sends a packet of G.711 every 20 ms, or as
many as this program can send, if that is less (then the relay is as good as saturated: both cores are).
`python -m bench.relay [CALLS [SECONDS]]` prints a table.
"""

import contextlib
import resource
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from ichat_gw.call.media import Side
from ichat_gw.media.net.compiled_worker import is_built
from ichat_gw.media.relay_messages import (
    FrameCutter,
    Learning,
    Open,
    Order,
    Query,
    Report,
    Retarget,
    WorkerReply,
    frame,
    read_reply,
)
from ichat_gw.media.stream import HEAD

HOST = "127.0.9.9"
INTERVAL = 0.02
"""Seconds of audio in a packet of G.711."""
SIZE = 172
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: who relayed, CPU time of the relay per packet in us, loss, delay in ms."""

    relay: str
    cpu: float
    lost: float
    p50: float
    p99: float
    memory: float
    """Resident memory of the relay process in MB at the end."""


class Parties:
    """Two sockets per call. Party s sends to `first + step * s` and is on port `self.port + s`."""

    def __init__(self, calls: int) -> None:
        self.port = 20_000
        self.sent = 0
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2 * calls)]
        self.selector = selectors.DefaultSelector()
        for number, sock in enumerate(self.sockets):
            sock.bind((HOST, self.port + number))
            sock.setblocking(False)
            self.selector.register(sock, selectors.EVENT_READ)

    def close(self) -> None:
        self.selector.close()
        for sock in self.sockets:
            sock.close()

    def talk(self, to: list[int], seconds: float) -> tuple[int, list[float]]:
        """Send for so long; the packets sent and the delays (s) of those that arrived."""
        delays: list[float] = []
        clock = time.perf_counter_ns
        ticks = round(seconds / INTERVAL)
        began = time.perf_counter()
        for tick in range(ticks):
            # Spread over the interval, as independent parties are.
            self.sent += 1
            head = HEAD.pack(0x80, 0, self.sent & 0xFFFF, 160 * self.sent, 0x01020304)
            for number, sock in enumerate(self.sockets):
                packet = head + clock().to_bytes(8, "big")
                sock.sendto(packet.ljust(SIZE, b"\0"), (HOST, to[number]))
                if number % 8 == 7:
                    self._hear(delays, 0)
            while (left := began + (tick + 1) * INTERVAL - time.perf_counter()) > 0:
                self._hear(delays, left)
        until = time.perf_counter() + 0.5
        while time.perf_counter() < until and len(delays) < ticks * len(self.sockets):
            self._hear(delays, 0.1)
        return ticks * len(self.sockets), delays

    def _hear(self, delays: list[float], timeout: float) -> None:
        for key, _ in self.selector.select(timeout):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            with contextlib.suppress(BlockingIOError):
                packet = sock.recv(2048)
                if len(packet) != SIZE:
                    continue  # a keep-alive
                delays.append((time.perf_counter_ns() - int.from_bytes(packet[12:20], "big")) / 1e9)


@contextlib.contextmanager
def c_floor(program: Path, calls: int, parties: Parties) -> Iterator[tuple[psutil.Process, list[int]]]:
    """The C loop: the process, and the port that each party sends to."""
    first = 23_000
    command = [str(program), str(first), str(calls), str(parties.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield psutil.Process(process.pid), [first + number for number in range(2 * calls)]
        process.stdin.close()


@contextlib.contextmanager
def our_worker(loop: str, calls: int, parties: Parties) -> Iterator[tuple[psutil.Process, list[int]]]:
    """Our relay worker with the `python` or the `compiled` loop, told of all calls."""
    first = 26_000
    module = "worker_start" if loop == "compiled" else "worker"
    command = [sys.executable, "-m", f"ichat_gw.media.net.{module}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        orders: list[Order] = []
        to: list[int] = []
        for call in range(calls):
            for number, side in enumerate(Side):
                port = first + 2 * len(to)
                party = parties.port + 2 * call + number
                orders += (
                    Open(call, side, HOST, port),
                    Retarget(call, side, (HOST, party), None, Learning.NOTHING, 0.0),
                )
                to.append(port)
        for order in (*orders, Query(0, 1)):
            process.stdin.write(frame(order))
        process.stdin.flush()
        cutter = FrameCutter()
        reply: WorkerReply | None = None
        while not isinstance(reply, Report):
            for body in cutter.feed(process.stdout.read1(65_536)):  # type: ignore[attr-defined]
                reply = read_reply(body)
        yield psutil.Process(process.pid), to
        process.stdin.close()


def _run(
    name: str,
    relay: contextlib.AbstractContextManager[tuple[psutil.Process, list[int]]],
    parties: Parties,
    seconds: float,
) -> Measured:
    with relay as (process, to):
        before = process.cpu_times()
        sent, delays = parties.talk(to, seconds)
        after = process.cpu_times()
        memory = process.memory_info().rss / 1e6
    spent = after.user + after.system - before.user - before.system
    ordered = sorted(delays) or [float("nan")]
    return Measured(
        name,
        cpu=spent / max(1, len(delays)) * 1e6,
        lost=1 - len(delays) / sent,
        p50=ordered[len(ordered) // 2] * 1e3,
        p99=ordered[len(ordered) * 99 // 100] * 1e3,
        memory=memory,
    )


def measure(calls: int = 50, seconds: float = 3.0) -> list[Measured]:
    """`ROUNDS` runs of each, interleaved; the median of each figure. Without a C compiler: ours alone."""
    runs: dict[str, list[Measured]] = {}
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    parties = Parties(calls)
    with tempfile.TemporaryDirectory() as folder:
        program = _compile(Path(folder))
        for _ in range(ROUNDS):
            if program is not None:
                runs.setdefault("C floor", []).append(
                    _run("C floor", c_floor(program, calls, parties), parties, seconds)
                )
            for loop in ("compiled", "python") if is_built() else ("python",):
                name = f"ichat-gw {loop}"
                runs.setdefault(name, []).append(
                    _run(name, our_worker(loop, calls, parties), parties, seconds)
                )
    parties.close()
    return [
        Measured(
            name, *(statistics.median(getattr(run, field) for run in of) for field in Measured.__slots__[1:])
        )
        for name, of in runs.items()
    ]


def _compile(folder: Path) -> Path | None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    program = folder / "floor"
    subprocess.run([compiler, "-O2", "-o", program, Path(__file__).with_name("floor.c")], check=True)
    return program


def report(calls: int = 50, seconds: float = 3.0) -> str:
    """The table, as text."""
    measured = measure(calls, seconds)
    floor = measured[0].cpu if measured[0].relay == "C floor" else None
    rows = [f"{calls} calls, each party 50 packets/s, {seconds:g} s, median of {ROUNDS} interleaved runs"]
    rows.append(
        f"{'relay':<16}{'CPU/packet':>12}{'x floor':>9}{'lost':>8}{'p50':>10}{'p99':>10}{'memory':>10}"
    )
    for each in measured:
        times = f"{each.cpu / floor:.2f}" if floor else "-"
        rows.append(
            f"{each.relay:<16}{each.cpu:>9.1f} us{times:>9}{each.lost:>8.2%}"
            f"{each.p50:>7.2f} ms{each.p99:>7.2f} ms{each.memory:>7.1f} MB"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    print(report(*(int(text) for text in sys.argv[1:3])))
