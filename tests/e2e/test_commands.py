"""The commands on a real gateway, from init to reload, and SIGHUP."""

import asyncio
import contextlib
import io
import json
import os
import pty
import signal
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ichat_gw.cli.commands import run_command
from ichat_gw.cli.exits import Exit
from peers import flows
from peers.gateway import LogEvent
from peers.ports import free_port, free_ports
from peers.program import Program
from peers.prosody import PrivateProsody
from peers.stage import Stage

pytestmark = pytest.mark.e2e

EXECUTABLE = Path(sys.executable).parent / "ichat-gw"


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        return dict(json.loads(self.out))


async def command(*words: str | Path, cwd: Path | None = None) -> Done:
    process = await asyncio.create_subprocess_exec(
        str(EXECUTABLE),
        *map(str, words),
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert "Traceback" not in err.decode()
    return Done(process.returncode or 0, out.decode(), err.decode())


async def becomes_true(so: Callable[[], bool], within: float = 20.0) -> bool:
    """Wait until it is so; False when it is not so in time."""
    for _ in range(int(within / 0.05)):
        if so():
            return True
        await asyncio.sleep(0.05)
    return False


# --- from nothing -----------------------------------------------------------------------------------------


async def test_from_init_to_a_gateway_that_runs(tmp_path: Path) -> None:
    config, port = tmp_path / "gw.config", free_port()
    begun = await command(
        *("init", "--yes", "--json", "-o", config, "--server-lines", tmp_path / "lines.lua"),
        *("--xmpp-domain", "jabber.localhost", "--component", "gw.jabber.localhost"),
        *("--component-port", str(port), "--sip-domain", "127.0.0.1:5999", "--register", "off"),
        *("--ip-address", "127.0.0.1"),
    )
    assert begun.status == Exit.OK, begun.err
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    media = free_ports(20)
    with config.open("a") as file:
        for name in ("UDPTCPPort", "TLSPort", "GatewayIPCPort", "JabberConnectorIPCPort", "HttpPort"):
            file.write(f"{name} = {free_port()}\n")
        file.write(f"MediaRelayPortRangeMin = {media}\nMediaRelayPortRangeMax = {media + 19}\n")
        file.write(f"LogFilename = {tmp_path / 'gw.log'}\n")
    secret = (tmp_path / "lines.lua").read_text().partition('component_secret = "')[2].partition('"')[0]
    away = await command("check", "-c", config)
    assert away.status == Exit.FAILED
    assert f"nobody answers at 127.0.0.1, port {port}" in away.out
    assert (await command("status", "-c", config)).status == Exit.UNREACHABLE

    server = PrivateProsody(
        tmp_path / "prosody",
        component="gw.jabber.localhost",
        component_secret=secret,
        component_port=port,
    )
    async with server:
        checked = await command("check", "-c", config, "--json")
        trials = [(each["subject"], each["outcome"]) for each in checked.json["trials"]]  # type: ignore[attr-defined]
        assert checked.status == Exit.OK, checked.out
        assert ("JabberComponentPassword", "ok") in trials
        gateway = Program("ichat-gw", [str(EXECUTABLE), "-c", str(config)], tmp_path)
        gateway.spawn()
        try:
            for _ in range(100):
                status = await command("status", "-c", config)
                if status.status == Exit.OK:
                    break
                await asyncio.sleep(0.1)
            assert ", ready" in status.out, status
            again = await command("check", "-c", config)
            assert again.status == Exit.OK, again.out
            assert "which runs already" in again.out
            assert "not tried while the gateway is connected with it" in again.out
            refused = await command("status", "-c", config, "--password-file", config)
            assert refused.status == Exit.REFUSED
        finally:
            assert gateway.stop() == 0
        assert secret not in (tmp_path / "gw.log").read_text()


# --- a terminal that is closed ----------------------------------------------------------------------------


@pytest.mark.parametrize("nohup", [False, True])
async def test_a_gateway_whose_terminal_is_closed(tmp_path: Path, nohup: bool) -> None:
    """It ends in order, as it would without a reload; with nohup it goes on. No XMPP server is needed."""
    port = free_port()
    begun = await command(
        *("init", "--yes", "--ip-address", "127.0.0.1", "--component-port", str(free_port())),
        *("--xmpp-domain", "a.example", "--sip-domain", "b.example", "--server-lines", "lines"),
        cwd=tmp_path,
    )
    assert begun.status == Exit.OK, begun.err
    media = free_ports(20)
    with (tmp_path / "ichat-gw.config").open("a") as file:
        for name in ("TLSPort", "GatewayIPCPort", "JabberConnectorIPCPort", "HttpPort"):
            file.write(f"{name} = {free_port()}\n")
        file.write(f"UDPTCPPort = {port}\n")
        file.write(f"MediaRelayPortRangeMin = {media}\nMediaRelayPortRangeMax = {media + 19}\n")
    words = [*(["nohup"] if nohup else []), str(EXECUTABLE)]
    process, terminal = pty.fork()
    if not process:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where these tests themselves run under nohup
        os.chdir(tmp_path)
        os.execvp(words[0], words)
    log = tmp_path / "ichat-gw.log"
    try:
        assert await becomes_true(lambda: log.exists() and "relay started" in log.read_text())
        os.close(terminal)
        assert await becomes_true(lambda: ("reloaded" if nohup else "stopped") in log.read_text())
        if nohup:
            os.kill(process, signal.SIGTERM)
        _, status = await asyncio.wait_for(asyncio.to_thread(os.waitpid, process, 0), 20.0)
        assert os.waitstatus_to_exitcode(status) == 0
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        raise


# --- while calls are made ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stage(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("stage"), settings={"HttpAuth": "on", "HttpAuthPwd": "open sesame"})
    try:
        runner.run(stage.start())
    except BaseException:
        runner.run(stage.clean_up())
        raise
    yield stage
    runner.run(stage.stop())


async def ask(stage: Stage, *words: str) -> Done:
    """A command, run in this process: that saves a second or two each time."""
    out, err = io.StringIO(), io.StringIO()
    arguments = [*words, "-c", str(stage.gateway.config_file)]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = await asyncio.to_thread(run_command, arguments)
    return Done(status, out.getvalue(), err.getvalue())


async def hang_up(stage: Stage) -> list[Mapping[str, object]]:
    """SIGHUP; the lines of the log about it, up to the last one."""
    began = len(stage.gateway.events())

    def lines() -> list[LogEvent]:
        return [event for event in stage.gateway.events()[began:] if event.event.startswith("reload")]

    stage.gateway.program.signal(signal.SIGHUP)
    last = ("reloaded", "reload: nothing was changed")
    await stage.gateway.program.until_ready(lambda: any(line.event in last for line in lines()), 30.0)
    return [line.whole for line in lines()]


async def test_a_call_is_seen_and_traced(stage: Stage, tmp_path: Path) -> None:
    ringing = stage.phone.answer(ring=0.1)
    stage.ichat.call(stage.speed_dial)
    await stage.ichat.wait_for("established")
    (call,) = (await ask(stage, "calls", "--json")).json["calls"]  # type: ignore[misc]
    assert (call["caller"]["address"], call["callee"]["network"]) == ("xmpp:alice@jabber.localhost", "sip")
    assert call["id"] in (await ask(stage, "calls")).out
    assert "alice@jabber.localhost" in (await ask(stage, "users")).out
    status = await ask(stage, "status")
    assert status.status == Exit.OK
    assert "Calls: 1   Users online: 1" in status.out

    for _ in range(100):
        ladder = await ask(stage, "trace", call["id"])
        if "apple:iq:vc:" in ladder.out:  # the connector tells of stanzas now and then
            break
        await asyncio.sleep(0.1)
    assert ladder.status == Exit.OK, ladder.err
    for message in ("apple:iq:vc:", "notifyIChatCallRequ", "INVITE sip:5551234", "180 Ringing", "* talking"):
        assert message in ladder.out, ladder.out
    files = {form: tmp_path / f"call.{form}" for form in ("html", "svg", "json", "pcap")}
    words = [word for form, file in files.items() for word in (f"--{form}", str(file))]
    assert (await ask(stage, "trace", call["id"], *words)).status == Exit.OK
    assert files["html"].read_text().lower().startswith("<!doctype html>")
    assert "<svg" in files["svg"].read_text()
    assert json.loads(files["json"].read_text())
    assert files["pcap"].stat().st_size > 1000

    # A reload in the middle of it, with other rules: the call goes on.
    stage.gateway.settings["MaxCalls"] = "7"
    stage.gateway.rules.insert(0, (r"^xmpp:110@", "sip:1100@127.0.0.1:9"))
    stage.gateway.write_config()
    reloaded = await ask(stage, "reload")
    assert reloaded.status == Exit.OK, reloaded.err
    assert "MaxCalls: 1000 -> 7" in reloaded.out
    assert "+ ^xmpp:110@ -> sip:1100@127.0.0.1:9" in reloaded.out
    before = stage.ichat.sip.call.received
    assert "reaches sip:1100@127.0.0.1:9" in (await ask(stage, "translate", "xmpp:110@x")).out

    assert await becomes_true(lambda: stage.ichat.sip.call.received > before + 10)
    stage.ichat.sip.hang_up()
    await ringing.result()
    for _ in range(50):
        records = await ask(stage, "records")
        if call["id"] in records.out:
            break
        await asyncio.sleep(0.1)
    assert call["id"] in records.out
    csv = await command("records", "--csv", "-c", stage.gateway.config_file)
    assert call["id"] in csv.out


async def test_a_call_that_nobody_knows(stage: Stage) -> None:
    unknown = await ask(stage, "trace", "no-such-call")
    assert unknown.status == Exit.NOT_FOUND
    assert unknown.out == ""


async def test_a_wrong_file_changes_nothing(stage: Stage) -> None:
    right = stage.gateway.config_file.read_text()
    stage.gateway.config_file.write_text(f"{right}LogLevel = loud\nMaxCallsPerUser = 1\n")
    line = right.count("\n") + 1
    try:
        refused = await ask(stage, "reload")
        assert refused.status == Exit.WRONG
        assert f":{line}: LogLevel: 'loud' is none of the words" in refused.err
        assert "nothing was changed" in refused.err
        logged = (await hang_up(stage))[-1]
        assert logged["event"] == "reload: nothing was changed"
        assert f":{line}: LogLevel: 'loud'" in str(logged["text"])
    finally:
        stage.gateway.config_file.write_text(right)
    await flows.sip_calls_established(stage, talk=0.2)


async def test_sighup_puts_in_force_what_can_and_names_the_rest(stage: Stage) -> None:
    stage.gateway.settings |= {"IChatProceedingTimeout": "300", "UDPTCPPort": "5"}
    stage.gateway.write_config()
    told = [each for each in await hang_up(stage) if each["event"] != "reload: warning"]
    assert [(each["event"], each.get("setting")) for each in told] == [
        ("reload: changed", "IChatProceedingTimeout"),
        ("reload: needs a restart", "UDPTCPPort"),
        ("reloaded", None),
    ]
    stage.gateway.settings["UDPTCPPort"] = str(stage.gateway.sip_port)


async def test_another_address_of_the_xmpp_server_costs_no_call(stage: Stage) -> None:
    ringing = stage.phone.answer(ring=0.1)
    stage.ichat.call(stage.speed_dial)
    await stage.ichat.wait_for("established")
    before = stage.gateway.connector().pid
    stage.gateway.settings["JabberServer"] = "localhost"
    stage.gateway.write_config()
    assert "JabberServer: 127.0.0.1 -> localhost" in (await ask(stage, "reload")).out
    for _ in range(100):
        status = await ask(stage, "status")
        if status.status == Exit.OK and f"process {before}," not in status.out:
            break
        await asyncio.sleep(0.1)
    assert f"at localhost:{stage.prosody.component_port}" in status.out
    assert stage.gateway.connector().pid != before
    assert "Calls: 1" in status.out
    stage.ichat.sip.hang_up()
    await ringing.result()
    await stage.connected()
    await flows.sip_calls_established(stage, talk=0.2)


async def test_another_password_takes_effect(stage: Stage) -> None:
    stage.gateway.settings["HttpAuthPwd"] = "another"
    stage.gateway.write_config()
    refused = await ask(stage, "status")
    assert refused.status == Exit.REFUSED
    assert "wants another password" in refused.err
    told = await hang_up(stage)
    assert ("reload: changed", "HttpAuthPwd") in [(each["event"], each.get("setting")) for each in told]
    assert (await ask(stage, "status")).status == Exit.OK
