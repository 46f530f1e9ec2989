"""What a relayed packet costs: our two loops and rtpengine, beside a C loop that checks nothing.

All run interleaved on the same load, on one core; the parties (`parties.c`) have another. Each party of a
call sends a packet of G.711 every 20 ms.

`python -m bench relay` prints a table for each load; `python -m bench.relay [CALLS [SECONDS [US]]]` one,
where a party sends every US microseconds.
"""

import contextlib
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
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
    frame,
    read_reply,
)
from ichat_gw.media.rtpengine.bencode import Encodable, decode, encode
from ichat_gw.media.sdp import SessionDescription
from peers.rtpengine import PrivateRtpengine

HOST = "127.0.9.9"
FIRST = 20_000
"""The port of the first party; the others follow."""
RELAY = 26_000
"""The first port of the relay."""
INTERVAL = 20_000
"""Between two packets of a party, in us."""
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: who relayed, CPU time of the relay per packet in us, loss, delay in ms."""

    relay: str
    cpu: float
    lost: float
    p50: float
    p99: float
    busy: float
    """Which share of a core the relay used."""
    memory: float
    """Resident memory of the relay process for each call in kB: what there is more than without calls."""


Running = Iterator[tuple[psutil.Process, list[int], int]]
"""The process of a relay, the port that each party is to send to, and the memory it had without calls."""


@contextlib.contextmanager
def c_floor(program: Path, calls: int) -> Running:
    """The C loop."""
    command = [str(program), str(RELAY), str(calls), str(FIRST)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        measured = psutil.Process(process.pid)
        yield measured, [RELAY + number for number in range(2 * calls)], measured.memory_info().rss
        process.stdin.close()


@contextlib.contextmanager
def our_worker(loop: str, calls: int) -> Running:
    """Our relay worker with the `python` or the `compiled` loop, told of all calls."""
    module = "worker_start" if loop == "compiled" else "worker"
    command = [sys.executable, "-m", f"ichat_gw.media.net.{module}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        cutter = FrameCutter()

        def told(*orders: Order) -> None:
            """Give these orders, and wait until they have been carried out."""
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"".join(map(frame, (*orders, Query(0, 1)))))
            process.stdin.flush()
            done = False
            while not done:
                bodies = cutter.feed(process.stdout.read1(65_536))  # type: ignore[attr-defined]
                done = any(isinstance(read_reply(body), Report) for body in bodies)

        told()
        measured = psutil.Process(process.pid)
        before = measured.memory_info().rss
        to = [RELAY + 2 * number for number in range(2 * calls)]
        for call in range(calls):
            for number, side in enumerate(Side, 2 * call):
                named = (HOST, FIRST + number), (HOST, FIRST + 2 * calls + number)
                told(Open(call, side, HOST, to[number]), Retarget(call, side, *named, Learning.NOTHING, 0.0))
        yield measured, to, before
        process.stdin.close()


@contextlib.contextmanager
def rtpengine(folder: Path, calls: int) -> Running:
    """rtpengine without its kernel module, told of all calls."""
    with (
        PrivateRtpengine(
            folder, ports=4 * calls + 100, first_port=RELAY, log_level=3, interfaces=[HOST]
        ) as engine,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control,
    ):
        control.connect(("127.0.0.1", engine.port))
        control.settimeout(5.0)
        measured = psutil.Process(engine.program.pid)
        before = measured.memory_info().rss
        to: list[int] = []
        for call in range(calls):
            party = FIRST + 2 * call
            tags = {
                "call-id": f"call {call}",
                "from-tag": "a",
                "flags": ["trust-address"],
                "replace": ["origin"],
            }
            to_callee = _asked(control, {"command": "offer", "sdp": _described(party), **tags})
            answer = {"command": "answer", "sdp": _described(party + 1), "to-tag": "b", **tags}
            to += (_asked(control, answer), to_callee)
        yield measured, to, before


def _described(port: int) -> str:
    return f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"


def _asked(control: socket.socket, command: Mapping[str, Encodable]) -> int:
    """Give rtpengine a command; the port in the description that comes back."""
    # A command with the cookie of another is taken for that one, repeated.
    cookie = f"{command['call-id']} {command['command']}".replace(" ", "-")
    control.send(cookie.encode() + b" " + encode(command))
    reply = decode(control.recv(65_536).partition(b" ")[2])
    assert isinstance(reply, dict)
    sdp = reply[b"sdp"]
    assert isinstance(sdp, bytes)
    return SessionDescription.parse(sdp.decode()).sections[0].port


def _cpu(process: psutil.Process) -> float:
    """CPU seconds of all its threads, more exactly than the clock ticks that `cpu_times` counts."""
    tasks = Path(f"/proc/{process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _prefer(pid: int) -> None:
    """Let other programs disturb a process less, and what it starts from now on, if we may."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, -15)
        # Sessions share the processor first, then the processes of each.
        Path(f"/proc/{pid}/autogroup").write_text("-15")


def _run(
    name: str,
    relay: contextlib.AbstractContextManager[tuple[psutil.Process, list[int], int]],
    parties: Path,
    interval: int,
    seconds: float,
) -> Measured:
    with relay as (process, to, bare):
        cores = sorted(os.sched_getaffinity(0))
        for thread in process.threads():
            os.sched_setaffinity(thread.id, cores[-1:])
        for pid in (process.pid, os.getpid()):
            _prefer(pid)
        before = _cpu(process)
        command = [parties, HOST, str(FIRST), str(len(to)), str(interval), str(seconds)]
        output = subprocess.run(
            list(map(str, command)),
            input=" ".join(map(str, to)).encode(),
            stdout=subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(0, cores[:-1] or cores),
            check=True,
        ).stdout
        sent, received, p50, p99 = map(int, output.split())
        spent = _cpu(process) - before
        memory = process.memory_info().rss - bare
    return Measured(
        name,
        cpu=spent / max(1, received) * 1e6,
        lost=1 - received / sent,
        p50=p50 / 1e3,
        p99=p99 / 1e3,
        busy=spent / seconds,
        memory=memory / (len(to) / 2) / 1e3,
    )


def measure(calls: int = 50, seconds: float = 3.0, interval: int = INTERVAL) -> list[Measured]:
    """`ROUNDS` runs of each, interleaved; the median of each figure. What is not installed is left out."""
    runs: dict[str, list[Measured]] = {}
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        floor, parties = _compile("floor", folder), _compile("parties", folder)
        for _ in range(ROUNDS):
            relays = {
                "C floor": c_floor(floor, calls),
                **({"ichat-gw compiled": our_worker("compiled", calls)} if is_built() else {}),
                "ichat-gw python": our_worker("python", calls),
                **({"rtpengine": rtpengine(folder, calls)} if shutil.which("rtpengine") else {}),
            }
            for relay, running in relays.items():
                measured = _run(relay, running, parties, interval, seconds)
                runs.setdefault(relay, []).append(measured)
    return [
        Measured(
            name, *(statistics.median(getattr(run, field) for run in of) for field in Measured.__slots__[1:])
        )
        for name, of in runs.items()
    ]


def _compile(name: str, folder: Path) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SystemExit(
            "the relay is measured by programs in C: install a C compiler (Debian: gcc libc6-dev)"
        )
    program = folder / name
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run([compiler, "-O2", "-o", program, source], check=True)
    return program


def report(calls: int = 50, seconds: float = 3.0, interval: int = INTERVAL) -> str:
    """The table, as text."""
    measured = measure(calls, seconds, interval)
    floor = measured[0].cpu
    rows = [
        f"{calls} calls, each party {1_000_000 / interval:g} packets/s,"
        f" {seconds:g} s, median of {ROUNDS} interleaved runs; load of the machine {os.getloadavg()[0]:.1f}",
        f"{'relay':<18}{'CPU/packet':>11}{'x floor':>9}{'core':>7}{'lost':>8}{'p50':>10}{'p99':>11}"
        f"{'for a call':>12}",
    ]
    rows += (
        f"{each.relay:<18}{each.cpu:>8.1f} us{each.cpu / floor:>9.2f}{each.busy:>7.0%}{each.lost:>8.2%}"
        f"{each.p50:>7.2f} ms{each.p99:>8.2f} ms{each.memory:>9.1f} kB"
        for each in measured
    )
    return "\n".join(rows)


if __name__ == "__main__":
    print(report(*(int(text) for text in sys.argv[1:4])))
