"""`scripts/demo --stay`, without its set-up: calls are made, bob obeys, and Ctrl-C leaves nothing behind."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest
import slixmpp

pytestmark = pytest.mark.e2e


class Playground:
    """The program, and what it has said."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.said = ""

    async def until(self, pattern: str, count: int = 1) -> None:
        """Read on until it has said that so often."""
        assert self.process.stdout is not None
        async with asyncio.timeout(40):
            while len(re.findall(pattern, self.said)) < count:
                line = await self.process.stdout.readline()
                assert line, f"it ended:\n{self.said}"
                self.said += line.decode()


@asynccontextmanager
async def playground(directory: Path, *before: str) -> AsyncIterator[Playground]:
    process = await asyncio.create_subprocess_exec(
        *before, sys.executable, "-m", "demo", "--stay", "--every", "0.2", str(directory),
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}, stdout=PIPE, stderr=STDOUT,
    )  # fmt: skip
    try:
        yield Playground(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def living_in(directory: Path) -> list[str]:
    """The command lines of processes that know of a folder, or work in it."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and (
                process.cwd().startswith(str(directory)) or str(directory) in " ".join(process.cmdline())
            ):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


async def until_written(file: Path, text: str) -> None:
    async with asyncio.timeout(30):
        while text not in file.read_text():  # noqa: ASYNC110, ASYNC240 - another program writes it
            await asyncio.sleep(0.05)


async def ask_bob(client_port: int, words: str) -> str:
    """Write to bob as carol, with a client of today; his answer."""
    client = slixmpp.ClientXMPP("carol@jabber.localhost/today", "carol-password")
    client.enable_starttls = client.enable_direct_tls = False
    client.enable_plaintext = True
    client.plugin["feature_mechanisms"].unencrypted_scram = True
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    client.add_event_handler("message", lambda message: answer.set_result(message["body"]))
    client.add_event_handler(
        "session_start",
        lambda _: client.send_message(mto="bob@jabber.localhost", mbody=words, mtype="chat"),
    )
    client.connect("127.0.0.1", client_port)
    try:
        async with asyncio.timeout(30):
            return await answer
    finally:
        await client.disconnect()
        await asyncio.sleep(0.01)


async def test_it_calls_obeys_and_ends(tmp_path: Path) -> None:
    directory = tmp_path / "stay"
    async with playground(directory) as ground:
        await ground.until("Ctrl-C ends it all")
        for word in ("sip:bob@127.0.0.1:", "carol@jabber.localhost"):
            assert word in ground.said
        await ground.until(r"\d\d:\d\d:\d\d  .*: 200, ", count=2)
        assert "went wrong" not in ground.said
        (port,) = re.findall(r"127\.0\.0\.1, port (\d+)", ground.said)
        (page,) = re.findall(r"Status page +(http\S+)", ground.said)
        async with aiohttp.ClientSession() as browser, browser.get(page) as answer:
            assert "<html" in await answer.text()
        assert await ask_bob(int(port), "call 100") == "calling 100"
        await until_written(directory / "phone" / "baresip.out", "Call established")
        assert len(living_in(directory)) >= 4
        ground.process.send_signal(signal.SIGINT)
        await ground.until("nothing is left running")
        assert await ground.process.wait() == 0
    assert living_in(directory) == []


async def test_in_the_background_it_ends_when_told_to(tmp_path: Path) -> None:
    """There a shell has it ignore Ctrl-C."""
    directory = tmp_path / "stay"
    async with playground(directory, "sh", "-c", "trap '' INT; exec \"$@\"", "sh") as ground:
        await ground.until("Ctrl-C ends it all")
        ground.process.terminate()
        await ground.until("nothing is left running")
        assert await ground.process.wait() == 0
    assert living_in(directory) == []
