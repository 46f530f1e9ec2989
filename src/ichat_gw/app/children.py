"""Child processes: started with a document on standard input, started again when they die, always ended.

Standard input stays open as long as we live; its end tells the child that we are gone, whatever happened
to us (`parent` is the child's side). Standard output and error become lines of our log. Each child has a
session of its own, so that Ctrl-C at the terminal reaches us alone and we end the children in order; what a
child leaves running in its session's process group is killed after it.
"""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from ichat_gw.app.backoff import Backoff
from ichat_gw.app.parent import frame_document
from ichat_gw.errors import GatewayError
from ichat_gw.ops.logging import get_logger

LONGEST_LINE = 65_536
"""Characters; longer lines of a child come out in pieces. The connector's are shorter."""
KILL: signal.Signals = getattr(signal, "SIGKILL", signal.SIGTERM)
"""Windows knows one way of ending a process, and calls it SIGTERM."""
LAST_OUTPUT = 0.5
"""Seconds to wait for the rest of a dead child's output."""


@dataclass(frozen=True, slots=True)
class StopTimes:
    """How long each step of stopping a child may take, in seconds; all together below 5."""

    ask: float = 2.5
    """After `ask_to_stop`, before SIGTERM (no wait when there is no such callback)."""
    terminate: float = 1.0
    """After SIGTERM, before SIGKILL."""
    kill: float = 1.0
    """After SIGKILL, before the process is left to the system."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a run of a child ended."""

    pid: int | None
    """None: it could not be started."""
    status: int | None
    """Its exit status, or minus the number of the signal that ended it; None: not known."""
    text: str
    """`exit status 2`, `ended by SIGKILL`, `cannot be started: Permission denied`."""
    lived: float
    """Seconds."""


class Child:
    """Keeps one child process running, from the call of `run` until `stop`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        document: Callable[[], object],
        on_started: Callable[[int], None] = lambda pid: None,
        on_exited: Callable[[Exit], None] = lambda exit_: None,
        on_line: Callable[[str], None] | None = None,
        ask_to_stop: Callable[[], None] | None = None,
        backoff: Backoff | None = None,
        stop_times: StopTimes | None = None,
    ) -> None:
        """`command` is the path of the executable (see `programs`) and arguments that anybody may see.

        `document` is called before each start; what it returns (anything msgspec encodes) is the start
        document: the place for a new IPC key and for secrets. `on_started` is told the process id after
        each start, `on_exited` the end of each run and each failed start. `on_line` gets each line of the
        child's output instead of the log. `ask_to_stop` tells the child by its own means to end; when it
        raises a GatewayError, SIGTERM follows at once.
        """
        self.name = name
        self._command = tuple(command)
        self._document = document
        self._on_started = on_started
        self._on_exited = on_exited
        self._on_line = on_line or self._log_line
        self._ask_to_stop = ask_to_stop
        self._backoff = backoff or Backoff()
        self._times = stop_times or StopTimes()
        self._log = get_logger(__name__, child=name)
        self._stop = asyncio.Event()
        self._stopped = asyncio.Event()
        self._transport: asyncio.SubprocessTransport | None = None

    @property
    def pid(self) -> int | None:
        """The process id, None when it does not run."""
        return None if self._transport is None else self._transport.get_pid()

    async def run(self) -> None:
        """Start the child, again and again, until `stop`; to be run as a task of the caller's group, once.

        Cancelled, it kills the child at once.
        """
        try:
            while not self._stop.is_set():
                over = await self._live()
                self._on_exited(over)
                if self._stop.is_set():
                    self._log.info("child stopped", pid=over.pid, reason=over.text)
                    break
                wait = self._backoff.after(over.lived)
                self._log.err("child died", pid=over.pid, reason=over.text, restart_in=round(wait, 1))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), wait)
        finally:
            self._stopped.set()

    async def stop(self) -> None:
        """End the child in order and do not start it again; returns when it is gone.

        Takes at most the sum of `StopTimes` and half a second. Only while `run` runs.
        """
        self._stop.set()
        await self._stopped.wait()

    def kill(self) -> None:
        """Kill the child at once, because it does not answer; it is started again as after any death."""
        if self._transport is not None and self._transport.get_returncode() is None:
            _signal_group(self._transport.get_pid(), KILL)

    def _log_line(self, line: str) -> None:
        self._log.info("child says", text=line)

    # --- one run ---

    async def _live(self) -> Exit:
        loop = asyncio.get_running_loop()
        document = frame_document(self._document())
        begun = loop.time()
        try:
            transport, life = await loop.subprocess_exec(
                lambda: _Life(self._on_line),
                *self._command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return Exit(None, None, f"cannot be started: {error.strerror or error}", 0.0)
        self._transport = transport
        pid = transport.get_pid()
        try:
            # Not waited for: a child that does not read must not hold us up.
            with contextlib.suppress(RuntimeError, OSError):  # COMPAT uvloop: when it has ended already
                cast(asyncio.WriteTransport, transport.get_pipe_transport(0)).write(document)
            self._log.info("child started", pid=pid)
            self._on_started(pid)
            async with asyncio.TaskGroup() as group:
                stopping = group.create_task(self._end_when_asked(transport))
                ended = group.create_task(life.exited.wait())
                await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
                lived = loop.time() - begun
                stopping.cancel()
                ended.cancel()
            _signal_group(pid, KILL)  # What it left running.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(life.output_over.wait(), LAST_OUTPUT)
        finally:
            # Also when we were cancelled in the middle of it.
            if not life.exited.is_set():
                _signal_group(pid, KILL)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(life.exited.wait(), self._times.kill)
            transport.close()
            self._transport = None
        status = transport.get_returncode()
        return Exit(pid, status, _how(status), lived)

    async def _end_when_asked(self, transport: asyncio.SubprocessTransport) -> None:
        """Wait for `stop`, then ask, demand, and kill; returns when even that did not help in time."""
        await self._stop.wait()
        pid = transport.get_pid()
        if self._ask_to_stop is not None:
            try:
                self._ask_to_stop()
            except GatewayError as error:
                self._log.warning("child cannot be asked to stop", pid=pid, reason=str(error))
            else:
                await asyncio.sleep(self._times.ask)
                self._log.warning("child does not stop", pid=pid, next="SIGTERM")
        _signal_group(pid, signal.SIGTERM)
        await asyncio.sleep(self._times.terminate)
        self._log.warning("child does not stop", pid=pid, next="SIGKILL")
        _signal_group(pid, KILL)
        await asyncio.sleep(self._times.kill)


class _Life(asyncio.SubprocessProtocol):
    """What asyncio tells of one run of a child.

    Not asyncio's `Process`: its `wait` may not return while a grandchild holds the output open.
    """

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self.exited = asyncio.Event()
        self.output_over = asyncio.Event()
        self._on_line = on_line
        self._rest = b""

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Output of the child."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)
        while len(self._rest) > LONGEST_LINE:
            self._line(self._rest[:LONGEST_LINE])
            self._rest = self._rest[LONGEST_LINE:]

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """The child closed its input (fd 0) or its output (fd 1)."""
        if fd == 1:
            if self._rest:
                self._line(self._rest)
            self.output_over.set()

    def process_exited(self) -> None:
        """The child is dead and collected."""
        self.exited.set()

    def _line(self, line: bytes) -> None:
        text = line.decode("utf-8", "backslashreplace").rstrip("\r")
        for start in range(0, len(text) or 1, LONGEST_LINE):
            self._on_line(text[start : start + LONGEST_LINE])


def _signal_group(pid: int, number: signal.Signals) -> None:
    """Signal the child's process group, which has its number; nothing left there is fine."""
    # macOS refuses (EPERM) when only a zombie is left. Windows has no groups, and refuses in many words.
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)
    else:
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def _how(status: int | None) -> str:
    if status is None:
        return "does not end, not even by SIGKILL"
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"ended by signal {-status}"
