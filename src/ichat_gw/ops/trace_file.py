"""Traces in an SQLite file: those of the last calls, as many as there is room for."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ichat_gw.ops.database import Database, DatabaseError
from ichat_gw.ops.trace import CallTrace

VERSION = 1
_SCHEMA = """
CREATE TABLE trace
(number INTEGER PRIMARY KEY, call TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, body BLOB NOT NULL)
"""

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[CallTrace] = msgspec.msgpack.Decoder(CallTrace)


class TraceFile:
    """The traces in the file `path`, made if it is missing. May be asked from any thread.

    When all together have more than `size` bytes (compressed), the oldest are removed. Raises
    `DatabaseError`, here and in every method.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._size = size
        self._file = Database(path, _SCHEMA, VERSION)

    def add(self, traces: Sequence[CallTrace]) -> None:
        """Keep these, all or none."""
        bodies = [(trace.call, zlib.compress(_encoder.encode(trace), 1)) for trace in traces]
        self._file.write(
            (
                "INSERT OR REPLACE INTO trace (call, size, body) VALUES (?, ?, ?)",
                [(call, len(body), body) for call, body in bodies],
            ),
            (
                "DELETE FROM trace WHERE number <= (SELECT number FROM (SELECT number, sum(size) OVER "
                "(ORDER BY number DESC) AS so_far FROM trace) WHERE so_far > ? ORDER BY number DESC LIMIT 1)",
                [(self._size,)],
            ),
        )

    def find(self, call: str) -> CallTrace | None:
        """The trace of the call with this handle."""
        found = self._file.read("SELECT body FROM trace WHERE call = ?", (call,))
        if not found:
            return None
        try:
            return _decoder.decode(zlib.decompress(found[0][0]))
        except (zlib.error, msgspec.MsgspecError) as error:
            raise DatabaseError(
                f"{self._file.path}: the trace of {call} is damaged, or of another release: {error}"
            ) from error

    def calls(self) -> list[str]:
        """The handles of the calls that it has, newest first."""
        return [str(call) for (call,) in self._file.read("SELECT call FROM trace ORDER BY number DESC")]

    def close(self) -> None:
        """Close the file."""
        self._file.close()
