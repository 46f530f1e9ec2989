"""SIPVicious scans and cracks while a call is up: it learns nobody, and the call does not notice."""

import asyncio
import os
import re
import signal
from collections.abc import Coroutine
from pathlib import Path

import pytest

from peers.flows import LOST_AT_THE_EDGES
from peers.ports import free_port
from peers.program import find
from peers.stage import Stage

pytestmark = pytest.mark.e2e
TALK = 9.0
TRIES = 10
NOBODY = [f"nobody{number}" for number in range(40 * TRIES)]
"""Whom the scanner asks for before alice: enough for the XMPP server to say that the first do not exist."""


async def run(directory: Path, tool: str, *arguments: str) -> str:
    """Run one of SIPVicious' tools for some seconds; what it printed. It keeps its sessions below HOME."""
    home = directory / tool
    home.mkdir(parents=True)
    program = await asyncio.create_subprocess_exec(
        find(tool, "sipvicious"),
        *arguments,
        cwd=home,
        env=os.environ | {"HOME": str(home)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    talking = asyncio.ensure_future(program.communicate())  # noqa: TID251
    try:
        # One that gets no answers any more would go on asking for ever.
        await asyncio.wait([talking], timeout=6.0)
        if program.returncode is None:
            program.send_signal(signal.SIGINT)
            await asyncio.wait([talking], timeout=6.0)
    finally:
        if program.returncode is None:
            program.kill()
    output, _ = await talking
    return output.decode(errors="replace")


class Nat(asyncio.DatagramProtocol):
    """Has what one of the tools sends come from an address of its own: they always send from 127.0.0.1."""

    def __init__(self, source: str, gateway: str) -> None:
        self.source = source
        host, _, port = gateway.rpartition(":")
        self.gateway = host, int(port)
        self.inside: asyncio.DatagramTransport | None = None
        self.outside: asyncio.DatagramTransport | None = None
        self.tool: tuple[str, int] | None = None

    async def open(self) -> list[str]:
        """Begin; the tool's arguments that lead here."""
        loop = asyncio.get_running_loop()
        port = free_port()
        self.inside, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", port))
        self.outside, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self.source, 0))
        return ["-P", str(free_port()), "-p", str(port), "127.0.0.1"]

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        assert self.inside is not None
        assert self.outside is not None
        if source != self.gateway:
            self.tool = source
            self.outside.sendto(data, self.gateway)
        elif self.tool is not None:
            self.inside.sendto(data, self.tool)

    def close(self) -> None:
        for transport in (self.inside, self.outside):
            if transport is not None:
                transport.close()


async def test_scanning_and_cracking(tmp_path: Path) -> None:
    names = tmp_path / "names"
    names.write_text("\n".join([*NOBODY, "alice", "nobody"]) + "\n")
    passwords = tmp_path / "passwords"
    passwords.write_text("\n".join(f"secret{number}" for number in range(100)) + "\n")
    async with Stage(tmp_path / "stage", settings={"IgnoreAfter": str(TRIES)}) as stage:
        remote = stage.gateway.address
        dialling = stage.phone.dial(remote, "alice", talk=TALK)
        await stage.ichat.wait_for("established")

        async def attack(source: str, tool: str, *arguments: str) -> str:
            nat = Nat(source, remote)
            try:
                return await run(tmp_path / source, tool, *arguments, *await nat.open())
            finally:
                nat.close()

        def scan(source: str, method: str) -> Coroutine[None, None, str]:
            options = ("--force", "--maximumtime=3", "-m", method, "-d", str(names))
            return attack(source, "svwar", *options)

        invites, registers, options, cracked, mapped = await asyncio.gather(
            scan("127.0.0.61", "INVITE"),
            scan("127.0.0.62", "REGISTER"),
            scan("127.0.0.63", "OPTIONS"),
            attack("127.0.0.64", "svcrack", "-u", "alice", "-d", str(passwords)),
            attack("127.0.0.65", "svmap"),
        )
        await stage.ichat.wait_for("ended", within=TALK + 30)
        phone = await dialling.result()

        for said in (invites, registers, options):
            told = dict(re.findall(r"^\| (\w+) +\| ([^|]+?) *\|$", said, re.MULTILINE))
            assert told.get("alice") == told.get("nobody"), said
        assert "secret" not in cracked, cracked
        assert "Traceback" not in mapped, mapped
        ignored = {
            event.whole["source"] for event in stage.gateway.events() if event.event == "ignored from now on"
        }
        # Some of the other tools give up by themselves: everybody gets the same answer.
        assert "127.0.0.61" in ignored
        assert "127.0.0.1" not in ignored
        assert stage.ichat.sip.calls == [stage.ichat.sip.call], "nobody rang alice"

        call = stage.ichat.sip.call
        assert phone.echoed >= call.sent - LOST_AT_THE_EDGES
        assert call.receiver.intact(call.stream, call.sent) >= phone.echoed - LOST_AT_THE_EDGES
