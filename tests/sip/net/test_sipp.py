"""The user agent against SIPp 3.6.1 with the scenarios that come with it, also on a lossy network."""

import asyncio
import shutil
from pathlib import Path

import pytest

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import Answered, Confirmed, End, Ended, Party, Place
from ichat_gw.sip.core import UserAgentConfig
from ichat_gw.sip.events import FromSession, ToSession
from ichat_gw.sip.transaction_table import TransactionTimes
from peers.ports import free_port, tcp_is_bound, udp_is_bound
from tests.sip.ladder import sdp
from tests.sip.net.shell import Shell

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed"),
]

QUICK = UserAgentConfig(times=TransactionTimes(t1=0.05, t2=0.4, t4=0.5, d=1.0))


async def sipp(directory: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *("sipp", "-nostdin", "-trace_err"),
        *arguments,
        cwd=directory,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def empty(shell: Shell) -> None:
    """Wait until nothing is left."""
    async with asyncio.timeout(20):
        # Nothing tells when the last timer has fired.
        while shell.agent.sessions or shell.agent.transactions or shell.agent.running_timers:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def ended(process: asyncio.subprocess.Process) -> int:
    try:
        return await asyncio.wait_for(process.wait(), 60)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


WAYS = [("u1", "127.0.0.1"), ("t1", "127.0.0.1"), ("tn", "127.0.0.1"), ("u1", "[::1]"), ("t1", "[::1]")]
"""SIPp's transports: UDP, TCP with one connection, TCP with one for each call. Debian's has no TLS."""


@pytest.mark.parametrize(("way", "host", "loss"), [*((*way, "0") for way in WAYS), ("u1", "127.0.0.1", "20")])
async def test_sipp_calls_us(tmp_path: Path, way: str, host: str, loss: str) -> None:
    shell = await Shell(QUICK).open(host=host.strip("[]"))
    try:
        port = shell.endpoint.address[1]
        process = await sipp(
            tmp_path,
            *("-sn", "uac", f"{host}:{port}", "-i", host, "-t", way, "-p", str(free_port()), "-s", "alice"),
            *("-m", "10", "-r", "10", "-lost", loss, "-d", "100", "-max_socket", "1000"),
        )
        status = await ended(process)
        assert status == 0 or loss != "0"
        # SIPp does not repeat everything that it should when its own `-lost` loses it, and then gives up;
        # what we started ends all the same.
        await empty(shell)
        said = [type(said.event) for said in shell.said]
        assert said.count(Ended) == shell.calls
        assert said.count(Confirmed) > 0
        assert loss != "0" or said.count(Confirmed) == shell.calls == 10
    finally:
        await shell.close()


# Not on a lossy network: its callee takes a copy of the INVITE that comes after its 200 for a mistake.
@pytest.mark.parametrize(("way", "host"), [way for way in WAYS if way[0] != "tn"])
async def test_we_call_sipp(tmp_path: Path, way: str, host: str) -> None:
    shell = await Shell(QUICK).open(host=host.strip("[]"))
    port = free_port()
    process = await sipp(tmp_path, *("-sn", "uas", "-i", host, "-t", way, "-p", str(port), "-m", "10"))
    said: list[type] = []

    def hear(event: FromSession) -> None:
        said.append(type(event.event))
        if isinstance(event.event, Answered):
            hang_up = ToSession(event.session, End(Ending(Cause.HANGUP)))
            asyncio.get_running_loop().call_later(0.1, shell.act, hang_up)

    shell.on_event = hear
    try:
        is_bound = tcp_is_bound if way == "t1" else udp_is_bound
        async with asyncio.timeout(20):
            while not is_bound(port, host.strip("[]")):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        transport = ";transport=tcp" if way == "t1" else ""
        place = Place(
            f"sip:bob@{host}:{port}{transport}", Party("sip:alice@example.com"), sdp("offer"), "alice"
        )
        for _ in range(10):
            shell.act(ToSession(shell.agent.new_session(), place))
        assert await ended(process) == 0
        assert said.count(Answered) == 10
        await empty(shell)
    finally:
        await shell.close()
