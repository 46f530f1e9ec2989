"""Supervision of real child processes."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvloop

from ichat_gw.app.backoff import Backoff
from ichat_gw.app.children import LONGEST_LINE, Child, Exit, StopTimes, _how, _signal_group
from ichat_gw.errors import GatewayError

SOURCE = Path(__file__).parents[2] / "src"
PYTHON = os.path.realpath(sys.executable)
SECRET = "component-password-5f3a"

# What a well-behaved child does: read the document, watch the parent, end on SIGTERM.
GOOD_CHILD = f"""
import sys; sys.path[:0] = {[str(SOURCE), *sys.path]!r}
import asyncio, os, signal
from ichat_gw.app.parent import parent_gone, read_start_document
document = read_start_document(dict)
async def main():
    def terminate():
        print("SIGTERM", flush=True)
        os._exit(0)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    print("has", sorted(document), flush=True)
    await parent_gone()
    print("parent gone", flush=True)
asyncio.run(main())
"""


class Site:
    """A child of the test, and what it did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.starts: list[int] = []
        self.exits: list[Exit] = []
        self.changed = asyncio.Event()

    @asynccontextmanager
    async def child(self, script: str, **options: Any) -> AsyncIterator[Child]:
        """Run `script` as a child, and stop it in the end."""
        child = self.make([PYTHON, "-I", str(self.write("child.py", script))], **options)
        async with asyncio.TaskGroup() as group:
            group.create_task(child.run())
            try:
                yield child
            finally:
                await asyncio.wait_for(child.stop(), 30)

    def make(self, command: list[str], **options: Any) -> Child:
        options.setdefault("document", lambda: {"key": os.urandom(32), "password": SECRET})
        options.setdefault("on_line", self._note(self.lines))
        options.setdefault("backoff", Backoff(first=0.01, longest=0.02))
        return Child(
            "test", command, on_started=self._note(self.starts), on_exited=self._note(self.exits), **options
        )

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def _note(self, where: list[Any]) -> Callable[[Any], None]:
        def note(what: Any) -> None:
            where.append(what)
            self.changed.set()

        return note

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


def gone(pid: int) -> bool:
    """True when the process is dead, even when nobody has collected it yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def until_gone(pid: int) -> None:
    """Wait for the death of a process that is not our child."""
    async with asyncio.timeout(30):
        while not gone(pid):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


def on_loops(test: Callable[[Site], Awaitable[None]]) -> Callable[..., None]:
    """Run an async test on asyncio's own loop and on uvloop."""

    @pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
    def both(run: Callable[[Any], None], tmp_path: Path) -> None:
        async def once() -> None:
            await test(Site(tmp_path))

        run(once())

    both.__name__ = test.__name__
    both.__doc__ = test.__doc__
    wrapped: Callable[..., None] = both
    return wrapped


@on_loops
async def test_a_child_gets_its_document_and_its_output_comes_back(site: Site) -> None:
    async with site.child(GOOD_CHILD) as child:
        await site.until(lambda: site.lines)
        assert child.pid == site.starts[0]
        assert site.lines == ["has ['key', 'password']"]
    assert site.lines[1:] == ["SIGTERM"]
    assert [(exit_.pid, exit_.status, exit_.text) for exit_ in site.exits] == [
        (site.starts[0], 0, "exit status 0")
    ]
    child.kill()  # Nothing there: nothing happens.


@on_loops
async def test_no_secret_in_arguments_or_environment(site: Site) -> None:
    async with site.child(GOOD_CHILD) as child:
        await site.until(lambda: site.lines)
        process = psutil.Process(child.pid)
        shown = " ".join(process.cmdline()) + repr(process.environ())
        assert "child.py" in shown
        assert SECRET not in shown


@on_loops
async def test_a_child_has_a_session_of_its_own(site: Site) -> None:
    async with site.child(GOOD_CHILD) as child:
        await site.until(lambda: site.lines)
        assert child.pid is not None
        assert os.getsid(child.pid) == os.getpgid(child.pid) == child.pid


@on_loops
async def test_a_child_that_dies_is_started_again_each_time_with_a_new_document(site: Site) -> None:
    documents: list[dict[str, int]] = []

    def document() -> dict[str, int]:
        documents.append({"run": len(documents) + 1})
        return documents[-1]

    script = GOOD_CHILD + "\n"
    async with site.child(script.replace("sorted(document)", "document"), document=document) as child:
        for run in (1, 2, 3):
            await site.until(lambda run=run: len(site.lines) == run)  # type: ignore[misc]
            assert site.lines[-1] == f"has {{'run': {run}}}"
            if run == 2:
                child.kill()
            elif run == 1:
                os.kill(site.starts[-1], signal.SIGKILL)
    assert [exit_.text for exit_ in site.exits] == ["ended by SIGKILL", "ended by SIGKILL", "exit status 0"]
    assert len(set(site.starts)) == 3
    assert all(gone(pid) for pid in site.starts)


@on_loops
async def test_the_waits_between_starts_grow(site: Site) -> None:
    class Noting(Backoff):
        held: list[float] = []  # noqa: RUF012

        def after(self, held: float) -> float:
            self.held.append(held)
            return super().after(0)

    backoff = Noting(first=0.01, longest=0.04, chance=lambda: 0.5)
    async with site.child("import sys; sys.exit(3)", backoff=backoff):
        await site.until(lambda: len(site.exits) == 4)
    assert {exit_.text for exit_ in site.exits[:4]} == {"exit status 3"}
    assert all(held > 0 for held in Noting.held)


@on_loops
async def test_a_wait_for_the_next_start_ends_with_stop(site: Site) -> None:
    async with site.child("import sys; sys.exit(3)", backoff=Backoff(first=1000, longest=1000)):
        await site.until(lambda: site.exits)
    assert len(site.starts) == 1


@on_loops
async def test_what_cannot_be_started_is_told_and_tried_again(site: Site) -> None:
    async with asyncio.TaskGroup() as group:
        child = site.make([str(site.folder / "missing")])
        group.create_task(child.run())
        await site.until(lambda: len(site.exits) == 2)
        await child.stop()
    assert site.starts == []
    assert site.exits[0] == Exit(None, None, "cannot be started: No such file or directory", 0.0)


@on_loops
async def test_a_child_that_ends_before_it_has_read_anything_is_one_that_died(site: Site) -> None:
    """uvloop refuses to write to its input when it already knows of its end."""
    async with asyncio.TaskGroup() as group:
        child = site.make(["/bin/false"])
        group.create_task(child.run())
        await site.until(lambda: len(site.exits) == 20)
        await child.stop()
    assert {exit_.text for exit_ in site.exits} == {"exit status 1"}


# --- stopping ---------------------------------------------------------------------------------------------


@on_loops
async def test_a_child_is_asked_first(site: Site) -> None:
    asked = site.folder / "asked"
    script = f"""
import os, time
print("up", flush=True)
while not os.path.exists({str(asked)!r}): time.sleep(0.01)
"""
    async with site.child(script, ask_to_stop=asked.touch, stop_times=StopTimes(ask=10)):
        await site.until(lambda: site.lines)
    assert site.exits[0].text == "exit status 0"


@on_loops
async def test_a_child_that_cannot_be_asked_gets_a_signal(site: Site) -> None:
    def ask() -> None:
        raise GatewayError("the channel is over")

    async with site.child(GOOD_CHILD, ask_to_stop=ask, stop_times=StopTimes(ask=100)):
        await site.until(lambda: site.lines)
    assert "SIGTERM" in site.lines


@on_loops
async def test_a_child_that_does_not_listen_gets_a_signal(site: Site) -> None:
    async with site.child(GOOD_CHILD, ask_to_stop=lambda: None, stop_times=StopTimes(ask=0.01)):
        await site.until(lambda: site.lines)
    assert "SIGTERM" in site.lines


STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
while True: time.sleep(1)
"""


@on_loops
async def test_a_child_that_ignores_all_is_killed_within_five_seconds(site: Site) -> None:
    async with site.child(STUBBORN, ask_to_stop=lambda: None) as child:
        await site.until(lambda: site.lines)
        begun = time.monotonic()
        await child.stop()
        assert time.monotonic() - begun < 5
    assert site.exits[0].text == "ended by SIGKILL"


@on_loops
async def test_a_stopped_process_is_killed_too(site: Site) -> None:
    async with site.child(GOOD_CHILD, stop_times=StopTimes(terminate=0.05)) as child:
        await site.until(lambda: site.lines)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGSTOP)
    assert site.exits[0].text == "ended by SIGKILL"


@on_loops
async def test_a_cancelled_run_leaves_no_child(site: Site) -> None:
    child = site.make([PYTHON, "-I", str(site.write("child.py", STUBBORN))])
    async with asyncio.TaskGroup() as group:
        task = group.create_task(child.run())
        await site.until(lambda: site.lines)
        task.cancel()
    assert gone(site.starts[0])


@on_loops
async def test_stop_before_the_first_start(site: Site) -> None:
    child = site.make([PYTHON, "-c", ""])
    async with asyncio.TaskGroup() as group:
        stopping = group.create_task(child.stop())
        await asyncio.sleep(0)
        group.create_task(child.run())
        await stopping
    assert site.starts == []


# --- what a child leaves behind ---------------------------------------------------------------------------

WITH_GRANDCHILD = """
import subprocess, sys
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=%s)
print(grandchild.pid, flush=True)
"""


@on_loops
async def test_what_a_dead_child_left_running_is_killed(site: Site) -> None:
    """As when the connector's path is a shell script around it."""
    async with site.child(WITH_GRANDCHILD % False, backoff=Backoff(first=1000, longest=1000)):
        await site.until(lambda: site.exits)
        grandchild = int(site.lines[0])
        await until_gone(grandchild)
    assert site.exits[0].text == "exit status 0"


@on_loops
async def test_a_grandchild_in_a_session_of_its_own_does_not_hold_us_up(site: Site) -> None:
    async with site.child(WITH_GRANDCHILD % True, backoff=Backoff(first=1000, longest=1000)):
        await site.until(lambda: site.exits)
    os.kill(int(site.lines[0]), signal.SIGKILL)


PARENT = f"""
import sys; sys.path[:0] = {[str(SOURCE), *sys.path]!r}
import asyncio
from ichat_gw.app.children import Child
child = Child("c", [sys.executable, "-I", sys.argv[1]], document=lambda: {{"key": b"k"}},
              on_started=lambda pid: print(pid, flush=True), on_line=lambda line: print(line, flush=True))
asyncio.run(child.run())
"""

# Reads the document, then never lets its event loop run again.
STUCK_CHILD = GOOD_CHILD.replace(
    "await parent_gone()",
    """
    def stick():
        print("stuck", flush=True)
        __import__("time").sleep(600)
    asyncio.get_running_loop().call_later(0.1, stick)
    await parent_gone(grace=0.2)""",
)


@pytest.mark.parametrize(("script", "ready"), [(GOOD_CHILD, "has ['key']"), (STUCK_CHILD, "stuck")])
def test_sigkill_of_the_parent_leaves_no_child(tmp_path: Path, script: str, ready: str) -> None:
    (tmp_path / "child.py").write_text(script)
    (tmp_path / "parent.py").write_text(PARENT)

    async def scene() -> None:
        parent = await asyncio.create_subprocess_exec(
            PYTHON,
            "-I",
            str(tmp_path / "parent.py"),
            str(tmp_path / "child.py"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert parent.stdout is not None
        async with asyncio.timeout(30):
            pid = int(await parent.stdout.readline())
            while (await parent.stdout.readline()).decode().strip() != ready:
                pass
            assert not gone(pid)
            parent.kill()
            await parent.wait()
            await until_gone(pid)

    asyncio.run(scene())


# --- output -----------------------------------------------------------------------------------------------


@on_loops
async def test_lines_of_both_outputs_of_any_form_are_forwarded(site: Site) -> None:
    script = f"""
import os
os.write(1, b"out\\r\\n")
os.write(2, b"err\\n\\n")
os.write(2, b"\\xff\\n")
os.write(1, b"x" * {2 * LONGEST_LINE + 1} + b"\\n")
os.write(1, b"no end" * {LONGEST_LINE})
"""
    async with site.child(script, backoff=Backoff(first=1000, longest=1000)):
        await site.until(lambda: site.exits)
    assert site.lines[:4] == ["out", "err", "", "\\xff"]
    assert "".join(site.lines[4:7]) == "x" * (2 * LONGEST_LINE + 1)
    assert "".join(site.lines[7:]) == "no end" * LONGEST_LINE
    assert max(map(len, site.lines)) == LONGEST_LINE


@on_loops
async def test_without_a_listener_lines_go_to_the_log(site: Site) -> None:
    child = Child("quiet", [PYTHON, "-c", "print('hello')"], document=lambda: None)
    async with asyncio.TaskGroup() as group:
        group.create_task(child.run())
        child._log_line("hello")
        await asyncio.sleep(0)
        await child.stop()


@on_loops
async def test_a_child_that_does_not_read_its_document_holds_nothing_up(site: Site) -> None:
    async with site.child(STUBBORN, document=lambda: bytes(1_000_000), stop_times=StopTimes(terminate=0.05)):
        await site.until(lambda: site.lines)


def test_ends_in_words() -> None:
    assert _how(None) == "does not end, not even by SIGKILL"
    assert _how(0) == "exit status 0"
    assert _how(-9) == "ended by SIGKILL"
    assert _how(-63) == "ended by signal 63"


def test_stop_times_are_below_five_seconds() -> None:
    times = StopTimes()
    assert times.ask + times.terminate + times.kill < 5


async def test_where_there_are_no_process_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "killpg")
    _signal_group(2**22 + 1, signal.SIGTERM)  # nobody there: harmless
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(60)")
    _signal_group(process.pid, signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGTERM
