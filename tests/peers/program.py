"""A foreign program run for a test: in its own folder, with its output in a file, gone when the test is."""

import asyncio
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

POLL = 0.02
"""Seconds between two looks at whether a program is ready."""


class ProgramError(AssertionError):
    """A program is missing, ended early or was not ready in time; the message shows its last output."""


def find(name: str, package: str) -> str:
    """The path of an installed program; raises ProgramError that names the Debian package otherwise."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin")
    if path is None:
        raise ProgramError(f"{name} is not installed (Debian package {package}; scripts/setup installs it)")
    return path


class Program:
    """One process. Its standard output and error go to `<directory>/<name>.out`, appended at a restart."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        directory: Path,
        *,
        env: Mapping[str, str] | None = None,
        die_with_us: bool = True,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.directory = directory
        self.output_file = directory / f"{name}.out"
        self.env = env
        """Its environment from the next start on; None: ours."""
        self._die_with_us = die_with_us
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; raises ProgramError before `spawn`."""
        return self._started().pid

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self.output_file.read_text(errors="replace") if self.output_file.exists() else ""

    @property
    def exit_status(self) -> int | None:
        """Its exit status (negative: the signal that ended it), None while it runs or was never started."""
        return self._process.poll() if self._process else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def spawn(self) -> None:
        """Start it and return at once."""
        if self.running:
            raise ProgramError(f"{self.name} runs already")
        self.directory.mkdir(parents=True, exist_ok=True)
        # The kernel kills it when we die, however we die; setpriv (util-linux) is on every Debian.
        leash = ["setpriv", "--pdeathsig", "KILL", "--"] if self._die_with_us else []
        with self._open_output() as output:
            self._process = subprocess.Popen(
                leash + self.command,
                cwd=self.directory,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; we stop our programs in order
            )

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; harmless when it is gone."""
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self, timeout: float = 5.0) -> int:
        """SIGTERM, then SIGKILL after `timeout` seconds; returns the exit status."""
        process = self._started()
        process.terminate()
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """SIGKILL; returns the exit status once it is gone."""
        process = self._started()
        process.kill()
        return process.wait()

    def wait(self, timeout: float) -> int:
        """Wait for its end; raises ProgramError when it still runs after `timeout` seconds."""
        try:
            return self._started().wait(timeout)
        except subprocess.TimeoutExpired:
            raise self.failed(f"still runs after {timeout:g} s") from None

    def await_ready(self, ready: Callable[[], bool], timeout: float) -> None:
        """Block until `ready()`; raises ProgramError when it ends or `timeout` seconds pass before."""
        give_up = time.monotonic() + timeout
        while not ready():
            self._check(give_up, timeout)
            time.sleep(POLL)

    async def until_ready(self, ready: Callable[[], bool], within: float) -> None:
        """The same, without blocking the event loop."""
        give_up = time.monotonic() + within
        while not ready():
            self._check(give_up, within)
            await asyncio.sleep(POLL)

    async def finished(self, within: float) -> int:
        """Wait for its end without blocking the event loop; returns the exit status."""
        give_up = time.monotonic() + within
        while self.running:
            if time.monotonic() > give_up:
                raise self.failed(f"still runs after {within:g} s")
            await asyncio.sleep(POLL)
        return self._started().wait()

    def failed(self, why: str) -> ProgramError:
        """An error to raise about this program, with the last lines it printed."""
        tail = "\n".join(self.output.splitlines()[-25:])
        return ProgramError(f"{self.name} {why}\n--- {self.output_file}\n{tail}")

    def _check(self, give_up: float, timeout: float) -> None:
        if not self.running:
            raise self.failed(f"ended with status {self.exit_status} before it was ready")
        if time.monotonic() > give_up:
            raise self.failed(f"is not ready after {timeout:g} s")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ProgramError(f"{self.name} was never started")
        return self._process

    def _open_output(self) -> BinaryIO:
        return self.output_file.open("ab")
