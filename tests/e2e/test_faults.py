"""What breaks below a gateway with a call up: processes, disk, descriptors, ports, clock, network.

Each test says what the call notices of it, that nothing is left of it, and that the next call works. The
table in docs/reference/faults.md was measured with these tests. That connector and XMPP server die is in
test_trouble.py, and that anything dies at any moment in test_chaos.py.

FAULT_PAUSE says for how many seconds processes stand still, 3 unless it is set.
"""

import asyncio
import contextlib
import json
import os
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from itertools import count
from pathlib import Path

import psutil
import pytest

from peers import flows
from peers.ichat import SimulatedIChat
from peers.namespace import can_run_apart, plug_in, pull_out, run_apart
from peers.sip_phone import SippPhone
from peers.stage import Stage
from peers.talk import Talk, ask, relay_worker, talking

pytestmark = pytest.mark.e2e
PAUSE = float(os.environ.get("FAULT_PAUSE", "3"))
GONE = 2.0
"""For how many seconds the network card is gone."""
WORKER_PATIENCE = 5.0
"""Seconds after which a relay worker that does not answer is killed."""
PORTS_AGAIN = 3.0
"""Seconds after which ports that somebody else had are tried again when there are no others."""
SUBSCRIPTIONS, RECORDS, TRACES = "ichat-gw.sqlite3", "ichat-gw-calls.sqlite3", "traces.sqlite3"
SETTINGS = {"TraceFile": TRACES}


def measured(what: str, talk: Talk) -> None:
    """For the table in docs/reference/faults.md; shown by `pytest -rP`."""
    print(f"{what}: {talk.lost} packets lost, {talk.longest_silence:.2f} s of silence at most")


async def calls_work(stage: Stage) -> None:
    """The next calls go as ever, in both directions."""
    await stage.connected()
    await flows.sip_calls_established(stage, talk=0.1)
    await flows.ichat_calls_established(stage, talk=0.1)


async def until(true: Callable[[], bool], within: float, what: str) -> float:
    """Wait; the seconds it took."""
    begin = time.monotonic()
    while not true():
        assert time.monotonic() - begin < within, what
        await asyncio.sleep(0.1)
    return time.monotonic() - begin


def every_process(stage: Stage) -> list[psutil.Process]:
    """The gateway, the connector and the relay worker."""
    return [psutil.Process(stage.gateway.program.pid), stage.gateway.connector(), relay_worker(stage)]


@contextlib.contextmanager
def standing_still(processes: list[psutil.Process]) -> Iterator[None]:
    """By SIGSTOP; those that are there at the end go on."""
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


# --- processes --------------------------------------------------------------------------------------------


async def test_the_relay_worker_dies(stage: Stage) -> None:
    async with talking(stage) as talk:
        worker = relay_worker(stage)
        worker.kill()
        await talk.heard()
        assert relay_worker(stage).pid != worker.pid
    measured("the relay worker dies", talk)
    await calls_work(stage)


@pytest.mark.parametrize("which", ["gateway", "connector", "worker", "all"])
async def test_a_process_stands_still(stage: Stage, which: str) -> None:
    """Only the worker carries sound. Nobody is taken for dead who stands still with the gateway; what came
    meanwhile is done afterwards."""
    gateway, connector, worker = every_process(stage)
    processes = {"gateway": [gateway], "connector": [connector], "worker": [worker]}
    async with talking(stage) as talk:
        with standing_still(processes.get(which, [gateway, connector, worker])):
            await asyncio.sleep(PAUSE)
    measured(f"the {which} stands still for {PAUSE:g} s", talk)
    if which in ("worker", "all"):
        assert talk.longest_silence >= min(PAUSE, WORKER_PATIENCE) * 0.9
    else:
        assert talk.lost <= flows.LOST_AT_THE_EDGES
    if which in ("gateway", "all"):
        assert every_process(stage) == [gateway, connector, worker]
    begin = time.monotonic()
    await calls_work(stage)
    print(f"two more calls took {time.monotonic() - begin:.2f} s")


async def test_the_relay_worker_stands_still_for_ever(stage: Stage) -> None:
    """It is killed, and another one goes on with its calls."""
    async with talking(stage) as talk:
        worker = relay_worker(stage)
        worker.suspend()
        await talk.heard(within=30.0)
        assert relay_worker(stage).pid != worker.pid
    measured("the relay worker stands still for ever", talk)
    assert "it had not answered for 5 s and was killed" in stage.gateway.log_file.read_text()
    await calls_work(stage)


async def test_the_connector_stands_still_for_ever(stage: Stage) -> None:
    """Nobody calls, so nothing is to be said to it; it is killed all the same, and another one started."""
    async with talking(stage) as talk:
        connector = stage.gateway.connector()
        connector.suspend()
        took = await until(lambda: not connector.is_running(), 30.0, "is still there")
        print(f"it is killed after {took:.1f} s")
        await stage.connected()
    measured("the connector stands still for ever", talk)
    assert talk.lost <= flows.LOST_AT_THE_EDGES
    await calls_work(stage)


# --- what the system has too little of ----------------------------------------------------------------------


@contextlib.contextmanager
def limited(processes: list[psutil.Process], what: int, *limits: int) -> Iterator[None]:
    """Lower a limit of processes that run; what was is again afterwards, which needs no rights."""
    before = [process.rlimit(what) for process in processes]
    try:
        for process, limit, (_, hard) in zip(processes, limits, before, strict=True):
            process.rlimit(what, (limit, hard))
        yield
    finally:
        for process, (soft, hard) in zip(processes, before, strict=True):
            process.rlimit(what, (soft, hard))


@contextlib.asynccontextmanager
async def bob_online(stage: Stage) -> AsyncIterator[None]:
    """Somebody else who can be called."""
    async with SimulatedIChat(stage.prosody, "bob") as bob:
        await bob.subscribe(stage.gateway.control)
        yield


async def refused(stage: Stage, directory: Path) -> None:
    """A call to bob is refused with 503."""
    phone = SippPhone(directory)
    await phone.dial_and_fail(stage.gateway.address, "bob", 503, caller="15550000001").result()


def lowest_free(process: psutil.Process) -> int:
    """The number that the next file descriptor of a process will have."""
    taken = {int(each) for each in os.listdir(f"/proc/{process.pid}/fd")}
    return next(number for number in count() if number not in taken)


async def test_no_file_descriptor_is_left(stage: Stage, tmp_path: Path) -> None:
    """The next call is refused with 503; connections wait, and are served when there is one again."""
    processes = [psutil.Process(stage.gateway.program.pid), relay_worker(stage)]
    async with talking(stage) as talk, bob_online(stage):
        with (
            limited(processes, psutil.RLIMIT_NOFILE, *map(lowest_free, processes)),
            socket.create_connection(("127.0.0.1", stage.gateway.sip_port)),
        ):
            await refused(stage, tmp_path)
            await talk.heard()
        with socket.create_connection(("127.0.0.1", stage.gateway.sip_port)) as connection:
            connection.sendall(b"\r\n\r\n")
            connection.settimeout(30)
            assert await asyncio.to_thread(connection.recv, 2) == b"\r\n"
    measured("no file descriptor is left", talk)
    assert talk.lost <= flows.LOST_AT_THE_EDGES
    await calls_work(stage)


async def test_no_media_port_is_left(stage: Stage, tmp_path: Path) -> None:
    """The next call is refused with 503."""
    async with talking(stage) as talk, bob_online(stage):
        with contextlib.ExitStack() as others:
            taken = 0
            for port in range(stage.gateway.media_ports, stage.gateway.media_ports + 100):
                other = others.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                with contextlib.suppress(OSError):
                    other.bind(("127.0.0.1", port))
                    taken += 1
            assert taken == 100 - 4, "all but those of the call"
            await refused(stage, tmp_path)
        await asyncio.sleep(PORTS_AGAIN)
    measured("no media port is left", talk)
    assert talk.lost <= flows.LOST_AT_THE_EDGES
    await calls_work(stage)


# --- disk -------------------------------------------------------------------------------------------------


def database(stage: Stage, name: str) -> Path:
    """One of the gateway's databases."""
    return stage.gateway.directory / name


def stored(stage: Stage, contact: str) -> bool:
    """Whether the subscription of alice to `contact` is on disk."""
    with contextlib.closing(sqlite3.connect(database(stage, SUBSCRIPTIONS))) as file:
        query = "SELECT 1 FROM subscription WHERE contact = ?"
        return bool(file.execute(query, (contact,)).fetchall())


def remembered(stage: Stage) -> int:
    """How many calls are on disk, both in the records and in the traces."""
    counts = []
    for name, table in ((RECORDS, "record"), (TRACES, "trace")):
        with contextlib.closing(sqlite3.connect(database(stage, name))) as file:
            counts.append(int(file.execute(f"SELECT count(*) FROM {table}").fetchone()[0]))
    return min(counts)


async def calls_without_disk(stage: Stage, number: str) -> str:
    """A contact is added, and two calls are made; the contact."""
    contact = stage.gateway.jid(number)
    await stage.ichat.subscribe(contact)
    await flows.sip_calls_established(stage, talk=0.3)
    await flows.ichat_calls_established(stage, talk=0.3)
    assert not stored(stage, contact)
    return contact


async def all_stored(stage: Stage, contact: str, calls: int) -> None:
    """What could not be written is there after all, and the log goes on in whole lines."""
    took = await until(lambda: stored(stage, contact) and remembered(stage) >= calls, 25.0, "is not stored")
    print(f"all is stored after {took:.1f} s")
    lines = stage.gateway.log_file.read_bytes().splitlines()
    assert all(json.loads(line) for line in lines if line)
    assert "internal error" not in stage.gateway.log_file.read_text()


async def test_the_disk_is_full(stage: Stage) -> None:
    """RLIMIT_FSIZE of 0: no file can grow, not even the log."""
    before = remembered(stage)
    processes = [psutil.Process(stage.gateway.program.pid), stage.gateway.connector()]
    with limited(processes, psutil.RLIMIT_FSIZE, 0, 0):
        async with talking(stage) as talk:
            await asyncio.sleep(0.5)
        measured("the disk is full", talk)
        assert talk.lost <= flows.LOST_AT_THE_EDGES
        contact = await calls_without_disk(stage, "5550001")
        await asyncio.sleep(2.0)  # until the calls would have been written
        assert remembered(stage) == before
    await all_stored(stage, contact, before + 3)


async def test_the_databases_are_locked(stage: Stage) -> None:
    """Another process, a backup say, has all three locked."""
    before = remembered(stage)
    with contextlib.ExitStack() as locks:
        for name in (SUBSCRIPTIONS, RECORDS, TRACES):
            other = locks.enter_context(contextlib.closing(sqlite3.connect(database(stage, name))))
            other.execute("BEGIN IMMEDIATE")
        async with talking(stage) as talk:
            begin = time.monotonic()
            contact = stage.gateway.jid("5550002")
            await stage.ichat.subscribe(contact)
            print(f"adding a contact took {time.monotonic() - begin:.2f} s")
        measured("the databases are locked", talk)
        assert talk.lost <= flows.LOST_AT_THE_EDGES
        contact = await calls_without_disk(stage, "5550003")
    await all_stored(stage, contact, before + 3)


# --- clock ------------------------------------------------------------------------------------------------


class WallClock:
    """The time of day as the gateway's processes see it, which libfaketime (Debian) steps while they run."""

    def __init__(self, stage: Stage, directory: Path) -> None:
        self._file = directory / "clock"
        self.set("+0")
        libraries = list(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not libraries:
            verdict = pytest.fail if os.environ.get("CI") else pytest.skip
            verdict("not installed: libfaketime; scripts/setup installs it")
        stage.gateway.program.env = os.environ | {
            "LD_PRELOAD": str(libraries[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            # What timers go by is not stepped, as on a real machine.
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, difference: str) -> None:
        """`+3600`: an hour ahead of the true time."""
        new = self._file.with_suffix(".new")
        new.write_text(difference)
        new.replace(self._file)


async def test_the_clock_is_stepped_by_an_hour(tmp_path: Path) -> None:
    """Forward, and back by two, during a call: nothing but the times written down goes by the time of day."""
    stage = Stage(tmp_path, settings=SETTINGS | {"SessionExpires": "90", "JabberServerPingDuration": "2"})
    clock = WallClock(stage, tmp_path)
    async with stage:
        async with talking(stage) as talk:
            for difference in (3600, -3600):
                clock.set(f"{difference:+d}")
                await asyncio.sleep(0.6)
                now = datetime.fromisoformat((await ask(stage, "status"))["now"]).timestamp()
                assert abs(now - time.time() - difference) < 60, "the clock was not stepped"
        measured("the clock is stepped by an hour", talk)
        assert talk.lost <= flows.LOST_AT_THE_EDGES
        await calls_work(stage)
        clock.set("+0")
        connector = (await ask(stage, "status"))["connector"]
        assert connector["restarts"] == 0
        records = (await ask(stage, "records"))["records"]
        assert len(records) == 3
        for record in records:
            assert 0.0 <= record["seconds"] < 60.0, record
            assert record["talk_seconds"] <= record["seconds"], record


# --- network ----------------------------------------------------------------------------------------------

ADDRESS = "192.0.2.1"


@pytest.mark.root
@pytest.mark.skipif(not can_run_apart(), reason="needs root: a network namespace with a network card")
def test_the_network_card_is_gone_for_a_while(tmp_path: Path) -> None:
    """With the address that SIP and media go by. Nobody has to be started again."""
    run_apart(lambda: asyncio.run(network_card_gone(tmp_path)))


async def network_card_gone(directory: Path) -> None:
    plug_in(ADDRESS)
    rule = (r"sip:(.*)@192\.0\.2\.1.*", "xmpp:$1@jabber.localhost")
    settings = SETTINGS | {"IPAddress": ADDRESS, "MediaTimeout": "30"}
    async with Stage(directory, settings=settings, rules=[rule]) as stage:
        async with talking(stage) as talk:
            pull_out()
            await asyncio.sleep(GONE)
            heard = talk.call.received
            plug_in(ADDRESS)
            await talk.heard()
            assert talk.call.received > heard
        measured(f"the network card is gone for {GONE:g} s", talk)
        assert talk.longest_silence >= GONE * 0.9

        # A call that is tried meanwhile fails, and costs nothing afterwards.
        pull_out()
        stage.ichat.call(stage.speed_dial)
        response = await stage.ichat.wait_for("vc:response")
        assert response.fields["response"] == "1"
        plug_in(ADDRESS)
        await calls_work(stage)
        assert "internal error" not in stage.gateway.log_file.read_text()
