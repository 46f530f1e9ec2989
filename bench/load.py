"""What a whole call costs us, and how many of them a second we complete.

SIPp places calls (set up, 200, BYE) to a simulated iChat on a real Prosody; it accepts each at once. Ours is
the CPU time of `ichat-gw`, its connector and its relay worker together, from the operating system. The floor
beside it is what Python's bare UDP costs: a process that sends each datagram back, as many of them as a call
has SIP messages on our side.
"""

import asyncio
import multiprocessing
import re
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psutil

from peers.gateway import GatewayProcess
from peers.ichat import SimulatedIChat
from peers.plain_sip import build, parse
from peers.ports import free_port
from peers.program import Program, find
from peers.prosody import PrivateProsody

SCENARIO = Path(__file__).with_name("uac.xml")
MESSAGES = 14
"""SIP messages that the gateway receives and sends for such a call, both legs."""
STEADY_RATE = 20
SECONDS = 8
RATES = (30, 50, 70, 90, 120, 150, 200)


class EagerIChat(SimulatedIChat):
    """A simulation that, unlike any iChat, takes every call at once and stays available."""

    async def log_in(self) -> None:
        await super().log_in()
        await self.sip.close()
        loop = asyncio.get_running_loop()
        self.answers, _ = await loop.create_datagram_endpoint(_Answers, local_addr=self.sip.local)

    async def _react(self, caller: str, fields: dict[str, str]) -> None:
        self.accept(caller)

    def _note_in(self, stanza: object) -> object:
        return stanza

    _note_out = _note_in


class _Answers(asyncio.DatagramProtocol):
    """iChat's SIP, at its least: 200 to everything but ACK."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        host, port = transport.get_extra_info("sockname")[:2]
        self.contact = ("Contact", f"<sip:user@{host}:{port}>")
        self.sdp = (
            f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        )

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not data[:1].isalpha():
            return
        request = parse(data)
        if not request.is_request or request.method == "ACK":
            return
        tag = "" if ";tag=" in request["to"] else ";tag=bench"
        invite = request.method == "INVITE"
        headers = [
            *(("Via", via) for via in request.every("via")),
            ("From", request["from"]),
            ("To", request["to"] + tag),
            ("Call-ID", request["call-id"]),
            ("CSeq", request["cseq"]),
            self.contact,
            ("User-Agent", "Viceroy 1.4.1"),
            *([("Content-Type", "application/sdp")] if invite else []),
        ]
        self.transport.sendto(build("SIP/2.0 200 OK", headers, self.sdp if invite else ""), addr)  # type: ignore[attr-defined]


def cpu(process: psutil.Process) -> float:
    """CPU seconds of a process and its children, user and system."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        times = one.cpu_times()
        total += times.user + times.system
    return total


def _wait_for(program: Program) -> None:
    while program.running:
        time.sleep(0.1)


async def play(folder: Path, name: str, target: int, rate: int, scenario: Path = SCENARIO) -> tuple[int, int]:
    """Place calls at `rate` for `SECONDS`; returns how many there were and how many failed."""
    total = rate * SECONDS
    sipp = Program(
        name,
        [
            find("sipp", "sip-tester"), f"127.0.0.1:{target}", "-i", "127.0.0.1", "-p", str(free_port()),
            "-sf", str(scenario), "-r", str(rate), "-m", str(total), "-l", "5000",
            "-recv_timeout", "8000", "-timeout", str(SECONDS + 20), "-nostdin",
        ],
        folder,
    )  # fmt: skip
    sipp.spawn()
    await asyncio.to_thread(_wait_for, sipp)
    done = re.search(r"Successful call\s*\|[^|]*\|\s*(\d+)", sipp.output.rpartition("Statistics Screen")[2])
    good = int(done.group(1)) if done else 0
    return total, total - good


@contextmanager
def _echo() -> Iterator[tuple[psutil.Process, int]]:
    """A process that sends each datagram back."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))

    def run() -> None:
        while True:
            data, addr = sock.recvfrom(4096)
            sock.sendto(data, addr)

    process = multiprocessing.get_context("fork").Process(target=run, daemon=True)
    process.start()
    try:
        yield psutil.Process(process.pid), sock.getsockname()[1]
    finally:
        process.kill()
        process.join()
        sock.close()


def _echo_floor() -> float:
    """CPU seconds that the echo takes for the datagrams of one call."""
    calls = 1500
    with _echo() as (process, port), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(2.0)
        payload = b"x" * 600
        before = cpu(process)
        for _ in range(calls * MESSAGES // 2):
            sock.sendto(payload, ("127.0.0.1", port))
            sock.recv(4096)
        return (cpu(process) - before) / calls


@asynccontextmanager
async def stage(
    prepare: Callable[[GatewayProcess], None] | None = None,
) -> AsyncIterator[tuple[Path, GatewayProcess]]:
    """A folder, and a gateway on a real Prosody with an iChat that takes every call.

    `prepare` may change the gateway before it is started.
    """
    with tempfile.TemporaryDirectory(prefix="ichat-gw-bench-") as name:
        folder = Path(name)
        prosody = PrivateProsody(folder / "prosody")
        await prosody.start_async()
        settings = {
            "LogLevel": "INFO",
            "MediaRelayPortRangeMin": "33000",
            "MediaRelayPortRangeMax": "60999",
            # One source and one user stand for many here.
            "MaxRequestsPerSecond": "10000",
            "MaxRequestsPerSecondPerSource": "10000",
            "MaxCalls": "5000",
            "MaxCallsPerSource": "5000",
            "MaxCallsPerUser": "5000",
        }
        gateway = GatewayProcess(folder / "gateway", prosody, free_port(), settings=settings)
        if prepare is not None:
            prepare(gateway)
        ichat = EagerIChat(prosody, "alice")
        try:
            await gateway.start_async()
            await ichat.log_in()
            await ichat.query(gateway.control, "http://jabber.org/protocol/disco#info")
            ichat.subscribe_unheard(gateway.control)
            await asyncio.sleep(1.0)
            yield folder, gateway
        finally:
            await ichat.log_out()
            await gateway.stop_async()
            await prosody.stop_async()


async def measure() -> tuple[float, dict[int, tuple[int, int]]]:
    """CPU seconds per call at a steady rate, and (calls, failures) by rate."""
    async with stage() as (folder, gateway):
        process = psutil.Process(gateway.program.pid)
        await play(folder, "warm-up", gateway.sip_port, 10)
        before = cpu(process)
        calls, failed = await play(folder, "steady", gateway.sip_port, STEADY_RATE)
        each = (cpu(process) - before) / calls
        rates = {STEADY_RATE: (calls, failed)}
        for rate in RATES:
            rates[rate] = await play(folder, f"rate{rate}", gateway.sip_port, rate)
            if rates[rate][1]:
                break
        return each, rates


def report() -> str:
    """Run it and say what came out."""
    begun = time.monotonic()
    each, rates = asyncio.run(measure())
    floor = _echo_floor()
    whole = max((rate for rate, (_, failed) in rates.items() if not failed), default=0)
    lines = [
        "whole calls (set up, 200, BYE) from SIPp to a simulated iChat on Prosody, all on this machine:",
        f"  CPU of all our processes together      {each * 1000:6.2f} ms a call at {STEADY_RATE} calls/s",
        f"  floor: a bare UDP echo, {MESSAGES} datagrams   {floor * 1000:6.2f} ms; we: {each / floor:.1f} x",
        f"  highest rate at which none failed      {whole:6d} calls/s, of those tried:",
        *(f"    {rate:4d}/s: {calls} calls, {failed} failed" for rate, (calls, failed) in rates.items()),
        "  aim: at most 4 ms a call (the original: 3.7 ms, failing above 30 calls/s)",
        f"  ({time.monotonic() - begun:.0f} s; SIPp, Prosody and the simulation share the machine with us)",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())
