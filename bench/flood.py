"""What a flood does to calls that are up: INVITEs at ten times the highest rate of calls that we measured.

Once from one loopback address, once from many. Beside it, in the same run, the same call without a flood:
what audio it loses is the baseline. CPU and memory are those of all our processes, from the operating system.
"""

import asyncio
import contextlib
import multiprocessing
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.load import cpu
from peers.stage import Stage

RATE = 2000
"""INVITEs in a second: ten times the calls a second that the load bench has seen us complete."""
FLOOD, REST, QUIET = 60.0, 45.0, 10.0
"""Seconds of flood, of waiting afterwards (transactions live 32 s), and without any."""
MANY = 200


@dataclass(frozen=True)
class Seen:
    """What one call and the gateway went through."""

    name: str
    sent: int
    lost_to_phone: int
    lost_to_ichat: int
    busy: float
    """CPU seconds of ours in a second, during the flood."""
    afterwards: float
    """The same in the five seconds after it."""
    before_mib: float
    after_mib: float


def _blast(port: int, addresses: list[str], seconds: float, alive: str) -> None:
    """Send at `RATE`, turn by turn from each address; nobody reads the answers."""
    socks = []
    for address in addresses:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((address, 0))
        sock.setblocking(False)
        sock.connect(("127.0.0.1", port))
        socks.append((sock, address, sock.getsockname()[1]))
    begun, number = time.monotonic(), 0
    while (now := time.monotonic()) < begun + seconds:
        while number < (now - begun) * RATE:
            sock, address, local = socks[number % len(socks)]
            number += 1
            invite = (
                f"INVITE sip:nobody{number}@127.0.0.1 SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {address}:{local};branch=z9hG4bK{alive}{number};rport\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:f@{address}>;tag={number}\r\n"
                f"To: <sip:nobody{number}@127.0.0.1>\r\nCall-ID: {alive}{number}@{address}\r\n"
                f"CSeq: 1 INVITE\r\nContact: <sip:f@{address}:{local}>\r\nContent-Length: 0\r\n\r\n"
            )
            with contextlib.suppress(OSError):  # its buffer is full, or the gateway's
                sock.send(invite.encode())
        time.sleep(0.002)


async def _one(stage: Stage, name: str, addresses: list[str], flood: float, rest: float) -> Seen:
    process = psutil.Process(stage.gateway.program.pid)
    before = _memory(process)
    dialling = stage.phone.dial(stage.gateway.address, "alice", talk=flood + 5)
    await stage.ichat.wait_for("established")
    blaster = multiprocessing.get_context("spawn").Process(
        target=_blast, args=(stage.gateway.sip_port, addresses, flood, name.replace(" ", ""))
    )
    if addresses:
        blaster.start()
    began, spent = time.monotonic(), cpu(process)
    await asyncio.sleep(flood)
    busy = (cpu(process) - spent) / (time.monotonic() - began)
    if addresses:
        blaster.join()
    spent = cpu(process)
    await stage.ichat.wait_for("ended", within=20)
    afterwards = (cpu(process) - spent) / 5.0
    phone = await dialling.result()
    call = stage.ichat.sip.call
    heard = call.receiver.intact(call.stream, call.sent)
    await stage.settle()
    await asyncio.sleep(rest)
    return Seen(
        name, call.sent, call.sent - phone.echoed, phone.echoed - heard, busy, afterwards, before,
        _memory(process),
    )  # fmt: skip


def _memory(process: psutil.Process) -> float:
    family = [process, *process.children(recursive=True)]
    return sum(each.memory_full_info().uss for each in family) / 2**20


async def measure(flood: float = FLOOD, rest: float = REST) -> list[Seen]:
    """The call alone, then under a flood from one address, then from many."""
    many = [f"127.0.{1 + number // 100}.{1 + number % 100}" for number in range(MANY)]
    with tempfile.TemporaryDirectory(prefix="ichat-gw-bench-") as folder:
        # At INFO, as sites run it.
        async with Stage(Path(folder), settings={"LogLevel": "INFO"}) as stage:
            await _one(stage, "warm up", ["127.0.3.1"], 5.0, 5.0)
            return [
                await _one(stage, "no flood", [], QUIET, 1.0),
                await _one(stage, "one address", ["127.0.3.2"], flood, rest),
                await _one(stage, f"{MANY} addresses", many, flood, rest),
                # What the first has taken for its transactions must do for the second.
                await _one(stage, "the same again", many, flood, rest),
            ]


def report() -> str:
    """Run it and say what came out."""
    lines = [
        f"a call with {RATE} INVITEs a second around it, for {FLOOD:.0f} s:",
        "                  packets   lost to phone   to iChat   CPU during   after   memory before   after",
    ]
    for seen in asyncio.run(measure()):
        lines.append(
            f"  {seen.name:14s} {seen.sent:8d} {seen.lost_to_phone:15d} {seen.lost_to_ichat:10d}"
            f" {seen.busy * 100:10.1f} % {seen.afterwards * 100:6.1f} %"
            f" {seen.before_mib:11.1f} MiB {seen.after_mib:5.1f} MiB"
        )
    lines.append("  aim: no loss beyond that without a flood; CPU falls back; memory within 5 %")
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())
