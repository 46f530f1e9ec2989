"""Play the seven flows and show them. Exit status 0 when all went as the manual says, 1 otherwise.

With --stay: leave servers, gateway, two simulated iChats and a SIP phone running on loopback, to play with.
"""

import argparse
import asyncio
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from demo.ladder import MARGIN, begun_since, draw, rungs
from demo.playground import Playground
from peers.flows import FLOWS, Played
from peers.stage import Stage

FLOW_WITHIN = 20.0
"""Seconds for one flow."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One flow that was played."""

    name: str
    played: Played | None
    reason: str
    """Why it failed; "" when it did not."""
    took: float


class Demo:
    """The demo in one folder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        # The ladder has its own width: a narrow terminal wraps it, a pipe does not matter.
        self.out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 112)
        self.shown: list[Shown] = []
        self.trouble = ""
        """What went wrong outside the flows."""

    async def run(self) -> int:
        """All of it; the exit status."""
        shutil.rmtree(self.directory, ignore_errors=True)
        stage = Stage(self.directory.absolute())
        self.out.print("Starting Prosody and ichat-gw on 127.0.0.1, logging a simulated iChat in ...")
        try:
            await stage.start()
            for number, (name, flow) in enumerate(FLOWS, 1):
                await self._show(stage, number, name, flow)
            took = await stage.gateway.stop_async()
            self.out.print(
                f"\nSIGTERM: the gateway and its child processes were gone after {took:.1f} s, exit status 0."
            )
        except Exception as error:  # whatever it is, the reader is told and nothing is left running
            self.trouble = _first_lines(error, 30)
        finally:
            await stage.clean_up()
        self._summary()
        return 0 if not self.trouble and all(not s.reason for s in self.shown) else 1

    async def _show(
        self, stage: Stage, number: int, name: str, flow: Callable[[Stage], Awaitable[Played]]
    ) -> None:
        """Play one flow and draw what happened, also when it failed."""
        self.out.rule(f"[bold]{number}. {name}", align="left")
        await stage.settle()
        begin, runs_before, calls_before = time.time(), len(stage.phone.runs), len(stage.ichat.sip.calls)
        played, reason = None, ""
        try:
            async with asyncio.timeout(FLOW_WITHIN):
                played = await flow(stage)
        except TimeoutError:
            reason = f"not over after {FLOW_WITHIN:g} s"
        except Exception as error:
            reason = _first_lines(error, 12)
        took = time.time() - begin
        await asyncio.sleep(0.1)  # the last lines of the log
        messages = [m for run in stage.phone.runs[runs_before:] for m in run.messages]
        steps = rungs(stage.ichat.sightings.all, begun_since(begin, stage.gateway.events()), messages)
        self.out.print("\n".join(_coloured(line) for line in draw(steps)))
        if played:
            for sound in played.sound:
                lost = sound.sent - sound.received
                self.out.print(
                    f"{'audio':>{MARGIN - 1}} {sound.sender} sent {sound.sent} packets, "
                    f"{sound.receiver} received {sound.received} of them"
                    + (f" ({lost} under way at the end)" if lost else "")
                )
            self.out.print(f"{'outcome':>{MARGIN - 1}} {played.outcome}")
        else:
            self.out.print(f"[red]{'FAILED':>{MARGIN - 1}}[/] {_plain(reason)}")
            _recover(stage, calls_before)
        self.out.print()
        self.shown.append(Shown(name, played, reason, took))

    def _summary(self) -> None:
        table = Table(title="The seven flows of the manual's appendix A", title_justify="left")
        for heading in ("", "flow", "result", "seconds", "audio: sent/received"):
            table.add_column(heading)
        for number, shown in enumerate(self.shown, 1):
            sound = shown.played.sound if shown.played else ()
            audio = ", ".join(f"{s.sender} {s.sent}/{s.received}" for s in sound)
            result = f"[red]FAILED: {_plain(shown.reason.splitlines()[0])}" if shown.reason else "[green]ok"
            table.add_row(str(number), shown.name, result, f"{shown.took:.1f}", audio)
        self.out.print(table, soft_wrap=False)
        missing = len(FLOWS) - len(self.shown)
        if missing:
            self.out.print(f"[red]{missing} flows were not played.")
        if self.trouble:
            self.out.print(f"[red]{_plain(self.trouble)}")
        self.out.print(f"Logs and messages of this run: {self.directory}/")


def _recover(stage: Stage, calls_before: int) -> None:
    """Leave nothing of a failed flow behind that could disturb the next one."""
    stage.phone.stop()
    if len(stage.ichat.sip.calls) > calls_before and not stage.ichat.sip.call.over:
        stage.ichat.sip.hang_up()


def _first_lines(error: BaseException, count: int) -> str:
    text = str(error) or type(error).__name__
    return "\n".join(text.splitlines()[:count])


def _plain(text: str) -> str:
    """Text that contains no markup."""
    return text.replace("[", r"\[")


def _coloured(line: str) -> str:
    colour = "cyan" if "vc:" in line else "magenta" if "IChatCall" in line else ""
    return f"[{colour}]{_plain(line)}[/]" if colour else _plain(line)


async def _stay(directory: Path, every: float) -> int:
    """The playground until Ctrl-C, which is its proper end; 1 when something could not be started."""
    shutil.rmtree(directory, ignore_errors=True)
    try:
        await Playground(directory, lambda text: print(text, flush=True), every).run()
    except AssertionError as error:
        print(f"\n{_first_lines(error, 30)}", file=sys.stderr)
    return 1


def main() -> int:
    """Play the demo in the folder given, `.demo` unless told otherwise."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument(
        "directory", nargs="?", type=Path, default=Path(".demo"), help="emptied, then filled with logs"
    )
    parser.add_argument("--stay", action="store_true", help="leave everything running, to play with")
    parser.add_argument(
        "--every",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="with --stay: between two calls (default 5)",
    )
    arguments = parser.parse_args()
    # SIGTERM and a closed terminal like Ctrl-C: unwind, so that every program is stopped. A shell that starts
    # us in the background has us ignore Ctrl-C, and then nothing could end us in order.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        if arguments.stay:
            return asyncio.run(_stay(arguments.directory.absolute(), arguments.every))
        return asyncio.run(Demo(arguments.directory).run())
    except KeyboardInterrupt:
        if arguments.stay:
            print("nothing is left running")
            return 0
        print("\nstopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
