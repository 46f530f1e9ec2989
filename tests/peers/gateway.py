"""The program under test: the real `ichat-gw` executable with a configuration and a folder of its own.

gateway = GatewayProcess(directory, prosody, phone_port)
gateway.start()            # returns once it says that it is ready
gateway.events()           # what its JSON log tells so far
gateway.stop()             # SIGTERM; raises unless it exits with 0 and leaves no child
"""

import asyncio
import contextlib
import json
import re
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from peers.ports import LOOPBACK, free_port, free_ports
from peers.program import POLL, Program, ProgramError
from peers.xmpp_server import XmppServer

READY_TIMEOUT = 60.0
"""Seconds; it takes one, but ten on a very busy machine."""
STOP_WITHIN = 5.0
"""Seconds within which SIGTERM must have ended everything."""


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line of the gateway's JSON log."""

    at: float
    """Seconds, as `time.time()`."""
    level: str
    event: str
    """`sip`, `ipc`, `xmpp`, `rtp` for what went over a wire; any other text for the rest."""
    direction: str
    """`in`, `out`, or "" where nothing travelled."""
    peer: str
    summary: str
    call: str
    whole: Mapping[str, object]


class GatewayProcess:
    """`ichat-gw` with its children. Ports are chosen once, so that they survive a restart."""

    def __init__(
        self,
        directory: Path,
        prosody: XmppServer,
        phone_port: int,
        *,
        rules: Sequence[tuple[str, str]] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.sip_port = free_port()
        self.gateway_ipc_port = free_port()
        self.connector_ipc_port = free_port()
        self.media_ports = free_ports(100)
        self.log_file = directory / "ichat-gw.log"
        self.config_file = directory / "ichat-gw.config"
        self.prosody = prosody
        component = prosody.component.replace(".", r"\.")
        self.settings: dict[str, str] = {
            "IPAddress": "127.0.0.1",
            "UDPTCPPort": str(self.sip_port),
            "TLSPort": str(free_port()),
            "HttpPort": str(free_port()),
            "SIPGatewayIdentity": '"iChat-gw" <sip:ichat-gw@127.0.0.1>',
            "RegistrationTime": "0",
            "GatewayIPCPort": str(self.gateway_ipc_port),
            "JabberConnectorIPCPort": str(self.connector_ipc_port),
            "MediaRelayPortRangeMin": str(self.media_ports),
            "MediaRelayPortRangeMax": str(self.media_ports + 99),
            "IChatProceedingTimeout": "1500",
            "JabberServer": "127.0.0.1",
            "JabberComponentName": prosody.component,
            "JabberComponentPassword": prosody.component_secret,
            "JabberComponentPort": str(prosody.component_port),
            "JabberControlUsername": "control",
            "LogLevel": "DEBUG",
            "LogFormat": "json",
            "LogFilename": str(self.log_file),
        } | dict(settings or {})
        self.rules = [
            *rules,
            (f"xmpp:(.*)@{component}$", f"sip:$1@127.0.0.1:{phone_port}"),
            (r"sip:(.*)@127\.0\.0\.1.*", f"xmpp:$1@{prosody.domain}"),
        ]
        executable = Path(sys.executable).parent / "ichat-gw"
        self.program = Program("ichat-gw", [str(executable), "-c", str(self.config_file)], directory)

    @property
    def address(self) -> str:
        """`host:port` of its SIP port."""
        return f"{self.settings.get('IPAddress') or LOOPBACK}:{self.sip_port}"

    def jid(self, user: str) -> str:
        """A gateway JID."""
        return f"{user}@{self.prosody.component}"

    @property
    def control(self) -> str:
        """The control JID."""
        return self.jid(self.settings["JabberControlUsername"])

    # --- life -----------------------------------------------------------------------------------------------

    def start(self, *, ready: bool = True) -> None:
        """Start it and, unless told not to, block until it is ready."""
        self.write_config()
        seen = self._ready_count()
        self.program.spawn()
        if ready:
            self.program.await_ready(lambda: self._ready_count() > seen, READY_TIMEOUT)

    async def start_async(self) -> None:
        """`start`, without blocking the event loop."""
        self.write_config()
        seen = self._ready_count()
        self.program.spawn()
        await self.program.until_ready(lambda: self._ready_count() > seen, READY_TIMEOUT)

    def children(self) -> list[psutil.Process]:
        """Its child processes, and theirs."""
        if not self.program.running:
            return []
        return psutil.Process(self.program.pid).children(recursive=True)

    def connector(self) -> psutil.Process:
        """The Jabber connector's process; raises AssertionError when there is none."""
        for child in self.children():
            if any("ichat-gw-jc" in part for part in _command_line(child)):
                return child
        raise AssertionError(f"no connector among {[_command_line(c) for c in self.children()]}")

    def begin_stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Only send the signal."""
        self.program.signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Stop it in order; returns the seconds it took.

        Raises AssertionError when that takes longer than STOP_WITHIN, when the exit status is not 0, or
        when a child outlives it.
        """
        return asyncio.run(self.stop_async(number))

    async def stop_async(self, number: signal.Signals = signal.SIGTERM) -> float:
        """`stop`, without blocking the event loop."""
        children = self.children()
        begin = time.monotonic()
        self.program.signal(number)
        try:
            status = await self.program.finished(STOP_WITHIN)
        except ProgramError:
            self.destroy()
            raise
        took = time.monotonic() - begin
        if status != 0:
            raise self.program.failed(f"stopped with status {status}")
        self.expect_gone(children)
        return took

    @staticmethod
    def expect_gone(children: Sequence[psutil.Process], within: float = 2.0) -> None:
        """Raise AssertionError when one of these processes is still there after so many seconds."""
        give_up = time.monotonic() + within
        while (alive := [child for child in children if _lives(child)]) and time.monotonic() < give_up:
            time.sleep(POLL)
        left = [_command_line(child) for child in alive]
        for child in alive:
            child.kill()
        assert not left, f"left running: {left}"

    def destroy(self) -> None:
        """Kill it with all its children; for cleaning up."""
        children = self.children()
        if self.program.running:
            self.program.kill()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()

    # --- files ----------------------------------------------------------------------------------------------

    def write_config(self) -> None:
        """Write the configuration file from `settings` and `rules`."""
        lines = ["# Written by tests/peers/gateway.py for one run."]
        lines += [f"{name} = {value}" for name, value in self.settings.items()]
        for pattern, output in self.rules:
            lines += [f"TranslationPattern = {pattern}", f"TranslationOutput = {output}"]
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config_file.write_text("\n".join(lines) + "\n")

    def events(self, since: float = 0.0) -> list[LogEvent]:
        """The lines of the JSON log from `since` (as `time.time()`) on."""
        if not self.log_file.exists():
            return []
        events = []
        for line in self.log_file.read_text(errors="replace").splitlines():
            event = _log_event(line)
            if event and event.at >= since:
                events.append(event)
        return events

    async def until_logged(self, event: str, direction: str, summary: str, peer: str = "") -> None:
        """Wait for a line of the JSON log; "" as `peer` stands for any."""
        wanted = (event, direction, summary)
        await self.program.until_ready(
            lambda: any(
                (e.event, e.direction, e.summary) == wanted and peer in ("", e.peer) for e in self.events()
            ),
            30.0,
        )

    def _ready_count(self) -> int:
        log = self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
        return len(re.findall(r"\bready\b", log + self.program.output))


def _log_event(line: str) -> LogEvent | None:
    try:
        whole = json.loads(line)
    except ValueError:
        return None  # still being written
    if not isinstance(whole, dict):
        return None
    words = {
        key: str(whole.get(key) or "") for key in ("level", "event", "direction", "peer", "summary", "call")
    }
    return LogEvent(_seconds(whole.get("time", 0.0)), **words, whole=whole)


def _seconds(stamp: object) -> float:
    if isinstance(stamp, int | float):
        return float(stamp)
    return datetime.fromisoformat(str(stamp)).timestamp()


def _lives(process: psutil.Process) -> bool:
    """Whether it still does anything; an orphan that nobody has buried yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
