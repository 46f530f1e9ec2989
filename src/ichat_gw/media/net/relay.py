"""The relay worker as the gateway sees it: a child process that is started, talked to and kept alive.

It is asked every second whether it lives. One that stands still is killed, and followed like one that died.
"""

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence

from ichat_gw.clock import Alarm
from ichat_gw.media.engine import FromWorker, WorkerLost
from ichat_gw.media.relay_messages import Alive, Ask, FrameCutter, InvalidFrame, Order, frame, read_reply
from ichat_gw.media.watch import Step, Watch

COMMAND = (sys.executable, "-P", "-m", "ichat_gw.media.net.worker_start")
"""`-P`: the folder that the gateway was started in must not be searched for modules."""
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
"""Seconds before a worker is started again; doubled each time until one has lived `STEADY` seconds. That is
followed at once: its calls are waiting."""
STEADY = 10.0
GRACE = 2.0
"""Seconds that a worker may take to end before it is killed."""


class RelayProcess:
    """One relay worker, started again whenever it ends, until `run` is cancelled.

    `deliver` gets `FromWorker` for every reply and `WorkerLost` whenever a worker is gone or could not be
    started, both with `number`; it is called from the event loop, never from inside `send`.
    """

    def __init__(
        self,
        deliver: Callable[[FromWorker | WorkerLost], None],
        command: Sequence[str] = COMMAND,
        number: int = 0,
    ) -> None:
        self._deliver = deliver
        self._number = number
        self._command = tuple(command)
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the worker that lives now."""
        return None if self._process is None else self._process.pid

    def send(self, order: Order | Ask) -> None:
        """Give an order. Lost when no worker lives: the engine hears of that by `WorkerLost`."""
        process = self._process
        if process is not None and process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write(frame(order))

    async def run(self) -> None:
        """Keep a worker alive. To be run in a task of the caller's group; cancel it to stop the worker."""
        clock = asyncio.get_running_loop().time
        pause = FIRST_PAUSE
        while True:
            began = clock()
            text = await self._one_life()
            self._deliver(WorkerLost(text, self._number))
            if clock() - began >= STEADY:
                pause = FIRST_PAUSE
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    async def _one_life(self) -> str:
        """Start a worker and hear it until it ends; says how it ended."""
        try:
            process = await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE)
        except OSError as error:
            return f"it cannot be started: {error}"
        self._process = process
        life = _Life(process, self)
        trouble = ""
        try:
            await self._hear(process, life)
        except InvalidFrame as error:
            trouble = f" after it had said something that is {error}"
        finally:
            life.over()
            self._process = None
            await _end(process)
        return f"process {process.pid} ended with status {process.returncode}{trouble or life.trouble}"

    async def _hear(self, process: Process, life: "_Life") -> None:
        """Deliver what the worker says until it says no more. Raises `InvalidFrame`."""
        assert process.stdout is not None
        cutter = FrameCutter()
        while chunk := await process.stdout.read(65_536):
            life.watch.heard()
            for body in cutter.feed(chunk):
                reply = read_reply(body)
                if not isinstance(reply, Alive):
                    self._deliver(FromWorker(reply, self._number))


class _Life:
    """Watches one run of a worker, and ends it when it does not answer."""

    def __init__(self, process: Process, relay: RelayProcess) -> None:
        self._process = process
        self._relay = relay
        loop = asyncio.get_running_loop()
        self._clock = loop.time
        self._alarm = Alarm(loop.call_at, self._wake)
        self.watch = Watch(self._clock())
        self.trouble = ""
        """Why it was killed, if it was."""
        self._alarm.set(self.watch.deadline())

    def over(self) -> None:
        """Watch no more."""
        self._alarm.set(None)

    def _wake(self) -> None:
        match self.watch.expire(self._clock()):
            case Step.ASK:
                self._relay.send(Ask())
            case Step.GIVE_UP:
                self.trouble = f": it had not answered for {self.watch.patience:g} s and was killed"
                _kill(self._process)
        self._alarm.set(self.watch.deadline())


async def _end(process: Process) -> None:
    """See to it that the worker ends: its standard input does, and if that does not help it is killed."""
    assert process.stdin is not None
    process.stdin.close()
    # Not `asyncio.timeout`: we may be in a task that is being cancelled, and there that of Debian 12 (Python
    # 3.11.2) never says that the time is up.
    killing = asyncio.get_running_loop().call_later(GRACE, _kill, process)
    try:
        await process.wait()
    finally:
        killing.cancel()


def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
