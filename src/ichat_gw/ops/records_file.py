"""Call records in an SQLite file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from ichat_gw.ops.database import Database
from ichat_gw.ops.line import whole
from ichat_gw.ops.records import FIELDS, MOST_FOUND, CallRecord, Search

VERSION = 1
_TEXTS = ("call", "caller", "callee", "user", "phone", "sentence")
_CODES = ("verdict", "end_code", "audio_from_caller", "audio_from_callee")
_SCHEMA = f"""
CREATE TABLE record (number INTEGER PRIMARY KEY, {", ".join(FIELDS)});
CREATE INDEX record_began ON record (began);
CREATE INDEX record_call ON record (call);
"""
_ADD = f"INSERT INTO record ({', '.join(FIELDS)}) VALUES ({', '.join('?' * len(FIELDS))})"


class FileRecords:
    """`Records` in the file `path`, made if it is missing. May be asked from any thread.

    Raises `DatabaseError`, here and in every method.
    """

    def __init__(self, path: Path) -> None:
        self._file = Database(path, _SCHEMA, VERSION)

    def add(self, records: Sequence[CallRecord]) -> None:
        """Keep these, all or none."""
        self._file.write((_ADD, [_row(record) for record in records]))

    def search(self, search: Search) -> list[CallRecord]:
        """Those that are wanted, newest first."""
        where, values = _where(search)
        rows = self._file.read(
            f"SELECT {', '.join(FIELDS)} FROM record{where} ORDER BY began DESC, number DESC "
            "LIMIT ? OFFSET ?",
            (*values, min(search.limit, MOST_FOUND), search.skip),
        )
        return [CallRecord(*row) for row in rows]

    def count(self, search: Search) -> int:
        """How many those are, `limit` and `skip` aside."""
        where, values = _where(search)
        return int(self._file.read(f"SELECT count(*) FROM record{where}", values)[0][0])

    def forget(self, before: float) -> int:
        """Remove those that began before this time; return how many there were."""
        return self._file.write(("DELETE FROM record WHERE began < ?", [(before,)]))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _row(record: CallRecord) -> list[Any]:
    """A record as it is stored: one that could not be would keep all that come with it from being stored."""
    values = msgspec.structs.astuple(record)
    return [whole(value) if isinstance(value, str) else value for value in values]


def _where(search: Search) -> tuple[str, list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []

    def wanted(condition: str, *more: Any) -> None:
        conditions.append(condition)
        values.extend(more)

    if search.text:
        like = "%" + "".join(f"\\{each}" if each in "%_\\" else each for each in search.text) + "%"
        wanted(" OR ".join(f"{name} LIKE ? ESCAPE '\\'" for name in _TEXTS), *[like] * len(_TEXTS))
    if search.since is not None:
        wanted("began >= ?", search.since)
    if search.until is not None:
        wanted("began < ?", search.until)
    if search.verdict:
        wanted(" OR ".join(f"{name} = ?" for name in _CODES), *[search.verdict] * len(_CODES))
    if search.user:
        wanted("user = ?", search.user)
    return " WHERE " + " AND ".join(f"({each})" for each in conditions) if conditions else "", values
