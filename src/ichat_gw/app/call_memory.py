"""What outlives a call: its record and its trace, on disk where the settings say so.

The gateway hands over what is to be kept and goes on; a task writes it a moment later, many calls in one
transaction, in a thread of its own. So a disk that is slow, full or locked delays nobody. What cannot be
written is tried again until there is too much of it; then the oldest is given up, and the log says how much.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock
from typing import TypeVar

from ichat_gw.config.table import Settings
from ichat_gw.ops.database import DatabaseError
from ichat_gw.ops.logging import get_logger
from ichat_gw.ops.records import CallRecord, MemoryRecords, Records
from ichat_gw.ops.records_file import FileRecords
from ichat_gw.ops.trace import CallTrace, Journal, TraceBook
from ichat_gw.ops.trace_file import TraceFile

WRITE_SECONDS = 1.0
"""From the end of a call until it is written; what ends meanwhile goes into the same transaction."""
AGAIN_SECONDS = 5.0
"""Until what could not be written is tried again."""
FORGET_SECONDS = 3600.0
"""How often records are looked through for those that are too old."""
MOST_UNWRITTEN = 10_000
"""Records that wait for a disk; of traces a tenth."""
MOST_ENTRIES = 5_000
"""Entries that one call may have in its trace."""
_DAY = 86_400.0

T = TypeVar("T")

log = get_logger(__name__)


class CallMemory:
    """The records and traces of a gateway with these settings. Raises nothing: what fails is logged."""

    def __init__(self, settings: Settings, wall_clock: Callable[[], float] = time.time) -> None:
        self.book = TraceBook()
        self._latest = MemoryRecords()
        """The records of those calls that no file gets."""
        self._file: FileRecords | None = None
        self._traces: TraceFile | None = None
        self._wall_clock = wall_clock
        self._forget_at = 0.0
        self._new_records: deque[CallRecord] = deque(maxlen=MOST_UNWRITTEN)
        self._new_traces: deque[Journal] = deque(maxlen=MOST_UNWRITTEN // 10)
        self._given_up = 0
        self._failing: set[str] = set()
        self._wanted = asyncio.Event()
        self._writing = Lock()
        self._reconfigure(settings)

    def prepare(self, settings: Settings) -> Callable[[], None]:
        """Go by other settings once what this returns is called. Files stay those that are open."""
        return lambda: self._reconfigure(settings)

    def _reconfigure(self, settings: Settings) -> None:
        self._entries = MOST_ENTRIES if settings.trace_calls else 0
        self.book.resize(settings.trace_calls, settings.trace_memory * 2**20, self._entries)
        self._days = settings.call_record_days
        if self._days and self._file is None:
            database = settings.call_record_database
            self._file = _opened(lambda: FileRecords(database), "CallRecordDatabase")
        path = settings.trace_file
        if path is not None and settings.trace_calls and self._traces is None:
            size = settings.trace_file_size * 2**20
            self._traces = _opened(lambda: TraceFile(path, size), "TraceFile")
        # Those that are too old now are removed soon.
        self._forget_at = 0.0
        self._wanted.set()

    @property
    def records(self) -> Records:
        """Those of calls that are over."""
        return self._latest if self._file is None or not self._days else self._file

    @property
    def keeps_messages(self) -> bool:
        """Whether the messages of calls are kept."""
        return self._entries > 0

    def keep(self, record: CallRecord) -> None:
        """A call is over."""
        if self._file is None or not self._days:
            self._latest.add([record])
            return
        self._given_up += len(self._new_records) == MOST_UNWRITTEN
        self._new_records.append(record)
        self._wanted.set()

    def keep_trace(self, journal: Journal) -> None:
        """Nothing more will come of a call that is over."""
        if self._traces is not None and self.keeps_messages:
            self._new_traces.append(journal)
            self._wanted.set()

    def may_have_trace(self, call: str) -> bool:
        """Whether `find_trace` may find something, as far as can be told without looking into the file."""
        return self._traces is not None or self.book.find(call) is not None

    async def find_trace(self, call: str) -> CallTrace | None:
        """The trace of a call, from memory or from the file."""
        if (journal := self.book.find(call)) is not None:
            return journal.trace()
        traces = self._traces
        if traces is None:
            return None
        try:
            return await asyncio.to_thread(traces.find, call)
        except DatabaseError as error:
            log.err("trace cannot be read", text=str(error))
            return None

    async def run(self) -> None:
        """Write what is to be kept, until cancelled; `close` writes the rest."""
        loop = asyncio.get_running_loop()
        while True:
            if self._days and loop.time() >= self._forget_at:
                self._forget_at = loop.time() + FORGET_SECONDS
                if self._file is None:
                    self._forget(self._latest, self._days)
                else:
                    # What is in force now: a reload may come while the thread works.
                    await asyncio.to_thread(self._forget, self._file, self._days)
            try:
                await asyncio.wait_for(
                    self._wanted.wait(), max(0.0, self._forget_at - loop.time()) or FORGET_SECONDS
                )
            except TimeoutError:
                continue
            await asyncio.sleep(WRITE_SECONDS)
            self._wanted.clear()
            if not await asyncio.to_thread(self._write):
                await asyncio.sleep(AGAIN_SECONDS)
                self._wanted.set()

    def close(self) -> None:
        """Write what is left and close the files."""
        self._write()
        if self._file is not None:
            self._file.close()
        if self._traces is not None:
            self._traces.close()

    # --- in a thread --------------------------------------------------------------------------------------

    def _write(self) -> bool:
        # The event loop closes the files when it stops, whatever a thread is doing then.
        with self._writing:
            records, traces = _taken(self._new_records), _taken(self._new_traces)
            file = self._file
            written = file is None or self._written("call records", records, file.add)
            if not written:
                self._given_up += _put_back(self._new_records, records)
            if self._traces is not None:
                add = self._traces.add
                if not self._written("traces", traces, lambda some: add([each.trace() for each in some])):
                    _put_back(self._new_traces, traces)
                    written = False
            return written

    def _written(self, what: str, some: Sequence[T], write: Callable[[Sequence[T]], None]) -> bool:
        if not some:
            return True
        try:
            write(some)
        except DatabaseError as error:
            if what not in self._failing:
                self._failing.add(what)
                log.err(f"{what} cannot be written", waiting=len(some), text=str(error))
            return False
        if what in self._failing:
            self._failing.remove(what)
            log.info(f"{what} are written again", written=len(some), given_up=self._given_up)
            self._given_up = 0
        return True

    def _forget(self, records: Records, days: int) -> None:
        try:
            gone = records.forget(self._wall_clock() - days * _DAY)
        except DatabaseError as error:
            log.err("old call records cannot be removed", text=str(error))
            return
        if gone:
            log.info("old call records removed", records=gone, days=days)


def _taken(waiting: deque[T]) -> list[T]:
    """All that waits, and it waits no more."""
    taken: list[T] = []
    while waiting:
        taken.append(waiting.popleft())
    return taken


def _put_back(waiting: deque[T], some: Sequence[T]) -> int:
    """Have these wait again, before the others; return how many of the oldest there is no room for."""
    assert waiting.maxlen is not None
    room = waiting.maxlen - len(waiting)
    kept = some[-room:] if room else []
    waiting.extendleft(reversed(kept))
    return len(some) - len(kept)


def _opened(make: Callable[[], T], setting: str) -> T | None:
    """What `make` makes; None, and a line in the log, when the file cannot be used."""
    try:
        return make()
    except DatabaseError as error:
        log.err(f"{setting} cannot be used: calls are remembered in memory alone", text=str(error))
        return None
