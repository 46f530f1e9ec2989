"""What outlives a call is written a moment later; a disk that fails hurts nobody."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from ichat_gw.app import call_memory
from ichat_gw.app.call_memory import CallMemory
from ichat_gw.config.table import Settings
from ichat_gw.ops import database
from ichat_gw.ops.records import MemoryRecords, Search
from ichat_gw.ops.records_file import FileRecords
from ichat_gw.ops.trace import Lane, Protocol, Recorded
from ichat_gw.ops.trace_file import TraceFile
from ops.test_records import numbers, record


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_memory, "WRITE_SECONDS", 0.01)
    monkeypatch.setattr(call_memory, "AGAIN_SECONDS", 0.02)
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.01)


def settings(tmp_path: Path, **more: object) -> Settings:
    return Settings.model_validate(
        {
            "jabber_component_name": "gw.example.com",
            "jabber_component_password": "secret",
            "jabber_server": "localhost",
            "jabber_control_username": "control",
            "call_record_database": tmp_path / "calls",
            "trace_file": tmp_path / "traces",
            **more,
        }
    )


def begin(memory: CallMemory, call: str) -> None:
    """A call of which one thing is known, and which is over."""
    memory.book.begin(call, "", "", 0.0)
    memory.book.add(call, Recorded(0.0, Protocol.STATE, Lane.GATEWAY, Lane.GATEWAY, "talking"))
    journal = memory.book.end(call, None, 1.0)
    assert journal is not None
    memory.keep_trace(journal)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never was")


async def test_records_and_traces_are_written_and_read(tmp_path: Path) -> None:
    memory = CallMemory(settings(tmp_path))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(memory.run())
        begin(memory, "n-1")
        memory.keep(record(1, began=4e9))
        await until(lambda: memory.records.count(Search()) == 1)
        task.cancel()
    memory.keep(record(2, began=4e9))
    memory.close()
    again = CallMemory(settings(tmp_path))
    assert again.records.count(Search()) == 2
    trace = await again.find_trace("n-1")
    assert trace is not None
    assert [entry.summary for entry in trace.entries] == ["talking"]
    assert await again.find_trace("n-2") is None
    again.close()


async def test_a_live_call_is_found_in_memory(tmp_path: Path) -> None:
    memory = CallMemory(settings(tmp_path, trace_file=None))
    memory.book.begin("n-1", "sip:a@b", "", 0.0)
    trace = await memory.find_trace("n-1")
    assert trace is not None
    assert trace.caller == "sip:a@b"
    assert await memory.find_trace("n-2") is None
    begin(memory, "n-2")
    memory.close()


async def test_what_is_too_old_is_removed(tmp_path: Path) -> None:
    first = FileRecords(tmp_path / "calls")
    first.add([record(1), record(2, began=86_400.0 * 5)])
    memory = CallMemory(settings(tmp_path, call_record_days=3), wall_clock=lambda: 86_400.0 * 6)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(memory.run())
        await until(lambda: first.count(Search()) == 1)
        task.cancel()
    assert numbers(first.search(Search())) == ["2"]
    first.close()
    memory.close()


async def test_a_locked_file_is_waited_for_and_nothing_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    memory = CallMemory(settings(tmp_path))
    other = [sqlite3.connect(tmp_path / name) for name in ("calls", "traces")]
    async with asyncio.TaskGroup() as group:
        task = group.create_task(memory.run())
        await asyncio.sleep(0.05)
        for each in other:
            each.execute("BEGIN IMMEDIATE")
        memory.keep(record(1, began=4e9))
        begin(memory, "n-1")
        await until(lambda: memory._failing == {"call records", "traces"})
        memory.keep(record(2, began=4e9 + 1))
        for each in other:
            each.rollback()
            each.close()
        await until(lambda: memory.records.count(Search()) == 2 and not memory._failing)
        task.cancel()
    assert numbers(memory.records.search(Search())) == ["2", "1"]
    memory.close()


async def test_of_too_much_that_waits_the_oldest_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_memory, "MOST_UNWRITTEN", 3)
    memory = CallMemory(settings(tmp_path))
    for number in range(5):
        memory.keep(record(number))
    assert memory._given_up == 2
    memory.close()
    kept = FileRecords(tmp_path / "calls")
    assert numbers(kept.search(Search())) == ["4", "3", "2"]
    kept.close()


async def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "calls").write_bytes(b"no database" * 100)
    (tmp_path / "traces").mkdir()
    memory = CallMemory(settings(tmp_path))
    assert isinstance(memory.records, MemoryRecords)
    memory.keep(record(1))
    begin(memory, "n-1")
    assert memory.records.count(Search()) == 1
    assert await memory.find_trace("n-1") is not None
    memory.close()


async def test_a_trace_that_is_damaged_is_as_good_as_none(tmp_path: Path) -> None:
    memory = CallMemory(settings(tmp_path, trace_calls=1))
    begin(memory, "n-1")
    memory._write()
    begin(memory, "n-2")
    file = TraceFile(tmp_path / "traces", 10**6)
    file._file.write(("UPDATE trace SET body = x'00'", [()]))
    assert await memory.find_trace("n-1") is None
    file.close()
    memory.close()


def test_nothing_is_written_when_nothing_is_to_be_kept(tmp_path: Path) -> None:
    memory = CallMemory(settings(tmp_path, call_record_days=0, trace_calls=0))
    memory.keep(record(1))
    memory.close()
    assert not (tmp_path / "calls").exists()
    assert not (tmp_path / "traces").exists()


async def test_what_a_thread_is_writing_is_written_before_the_file_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_SECONDS", 30.0)
    memory = CallMemory(settings(tmp_path))
    other = sqlite3.connect(tmp_path / "calls")
    other.execute("BEGIN IMMEDIATE")
    memory.keep(record(1))
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(memory._write))
        await until(memory._writing.locked)
        memory.keep(record(2))
        other.rollback()
        other.close()
        memory.close()
    kept = FileRecords(tmp_path / "calls")
    assert numbers(kept.search(Search())) == ["2", "1"]
    kept.close()


def test_what_is_put_back_gives_way_to_what_is_newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_memory, "MOST_UNWRITTEN", 3)
    memory = CallMemory(settings(tmp_path))
    waiting = memory._new_records
    waiting.append(record(4))
    assert call_memory._put_back(waiting, [record(1), record(2), record(3)]) == 1
    assert numbers(list(waiting)) == ["2", "3", "4"]
    assert call_memory._put_back(waiting, [record(0)]) == 1
    assert memory._given_up == 0
    memory.close()


def test_old_records_that_cannot_be_removed(tmp_path: Path) -> None:
    memory = CallMemory(settings(tmp_path))
    other = sqlite3.connect(tmp_path / "calls")
    other.execute("BEGIN IMMEDIATE")
    memory._forget(memory.records, 30)
    other.rollback()
    other.close()
    assert memory.may_have_trace("n-1")
    memory.close()


def test_whether_there_may_be_a_trace(tmp_path: Path) -> None:
    memory = CallMemory(settings(tmp_path, trace_file=None))
    assert memory.keeps_messages
    assert not memory.may_have_trace("n-1")
    memory.book.begin("n-1", "", "", 0.0)
    assert memory.may_have_trace("n-1")
    memory.close()


async def test_records_survive_a_reload_that_comes_while_old_ones_are_removed(tmp_path: Path) -> None:
    kept = FileRecords(tmp_path / "calls")
    kept.add([record(1, began=4e9 - 3600.0)])
    kept.close()

    def reload_meanwhile() -> float:
        memory.prepare(settings(tmp_path, call_record_days=0))()
        return 4e9

    memory = CallMemory(settings(tmp_path, call_record_days=30), reload_meanwhile)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(memory.run())
        await until(lambda: isinstance(memory.records, MemoryRecords))
        await asyncio.sleep(0.05)
        task.cancel()
    memory.close()
    again = CallMemory(settings(tmp_path))
    assert again.records.count(Search()) == 1
    again.close()
