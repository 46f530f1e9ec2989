"""An SQLite file of ours: for its owner alone, safe against a crash at any moment, asked from any thread.

Changes are transactions in a write-ahead log. They may be lost when the machine (not the program) goes down
(synchronous=NORMAL), and then all of a transaction is: the file itself is always whole.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias

from ichat_gw.errors import GatewayError

LOCK_SECONDS = 2.0
"""How long to wait for another process that has the file locked."""

Statement: TypeAlias = tuple[str, Iterable[Sequence[Any]]]
"""An SQL statement, and the rows that it is executed with, one after the other."""


class DatabaseError(GatewayError):
    """The file cannot be read or written; the text names it and says what to do."""


class Database:
    """The file `path`, made if it is missing, with the tables of `schema` (an SQL script).

    `version` is that of the schema, 1 or more: a file of another version is refused. Raises DatabaseError,
    here and in every method.
    """

    def __init__(self, path: Path, schema: str, version: int) -> None:
        self.path = path
        self._lock = Lock()
        try:
            # Before SQLite makes it with the permissions that the umask leaves; its side files copy ours.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)
        except OSError as error:
            raise DatabaseError(
                f"{path}: cannot be opened ({error.strerror}); make its folder writable for this user"
            ) from error
        with self._explained():
            self._connection = sqlite3.connect(path, timeout=LOCK_SECONDS, check_same_thread=False)
        try:
            with self._explained():
                self._prepare(schema, version)
        except BaseException:
            self.close()
            raise

    def _prepare(self, schema: str, version: int) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        found = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        if found == 0:
            self._connection.executescript(f"BEGIN; {schema}; PRAGMA user_version = {version}; COMMIT;")
        elif found != version:
            raise DatabaseError(
                f"{self.path}: is of version {found}, made by another release of ichat-gw; this one reads "
                f"version {version}: install that release again, or move the file away"
            )

    def read(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows that a query finds."""
        with self._lock, self._explained():
            return self._connection.execute(query, values).fetchall()

    def write(self, *statements: Statement) -> int:
        """Execute all of these, or none; return how many rows were changed."""
        changed = 0
        with self._lock, self._explained(), self._connection:
            for statement, rows in statements:
                changed += self._connection.executemany(statement, rows).rowcount
        return changed

    def close(self) -> None:
        """Close the file, once nobody is at work on it."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeEncodeError, OverflowError) as error:
            raise DatabaseError(
                f"{self.path}: {error}; look whether the disk is full, another program has the file locked, "
                "or it is damaged (then move it away)"
            ) from error
