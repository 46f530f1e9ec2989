"""The subscriptions in an SQLite file, safe against a crash at any moment.

Every change is one transaction in a write-ahead log, on disk before the call returns (synchronous=FULL):
that takes milliseconds, and people subscribe rarely. A change that cannot be written (disk full, file locked)
is kept, and written with the next one, or by `flush`. The file is readable by its owner only.
"""

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ichat_gw.jabber.store import StoreError, parse_userdb

SCHEMA_VERSION = 1

LOCK_SECONDS = 5.0
"""How long opening waits for another process that has the file locked."""
WRITE_LOCK_SECONDS = 0.25
"""How long a change does, for the whole connector waits with it; none while earlier changes wait already."""

_SCHEMA = """
CREATE TABLE subscription (user TEXT NOT NULL, contact TEXT NOT NULL, PRIMARY KEY (user, contact))
WITHOUT ROWID;
CREATE TABLE imported (path TEXT PRIMARY KEY) WITHOUT ROWID;
"""

_log = logging.getLogger(__name__)


class SqliteStore:
    """A `SubscriptionStore` in the file `path`, made if it is missing.

    `userdb` is a file of the original to be imported; that is done once, when it is first seen, and the
    file is left as it is. Raises StoreError when the database cannot be used.
    """

    def __init__(self, path: Path, userdb: Path | None = None) -> None:
        self._path = path
        self._unwritten: dict[tuple[str, str], bool] = {}
        """By user and contact: whether they are to be there."""
        self._database = self._open()
        try:
            with self._explained():
                self._prepare()
            if userdb is not None:
                self._import(userdb)
            self._wait_for_locks(WRITE_LOCK_SECONDS)
        except BaseException:
            self.close()
            raise

    def load(self) -> list[tuple[str, str]]:
        """Every subscription, in order."""
        with self._explained():
            rows = self._database.execute("SELECT user, contact FROM subscription ORDER BY user, contact")
            return [(str(user), str(contact)) for user, contact in rows]

    def remember(self, user: str, contact: str) -> None:
        """Add a subscription. When that raises StoreError for the disk's or a lock's sake, see `flush`."""
        self._change(user, contact, there=True)

    def forget(self, user: str, contact: str) -> None:
        """Remove a subscription; as `remember`."""
        self._change(user, contact, there=False)

    @property
    def unwritten(self) -> int:
        """How many changes wait because they could not be written."""
        return len(self._unwritten)

    def flush(self) -> None:
        """Try again what could not be written; raises StoreError when it still cannot be, and it waits on."""
        if not self._unwritten:
            return
        added = [pair for pair, there in self._unwritten.items() if there]
        removed = [pair for pair, there in self._unwritten.items() if not there]
        with self._explained(), self._database:
            self._database.executemany("INSERT OR IGNORE INTO subscription VALUES (?, ?)", added)
            self._database.executemany("DELETE FROM subscription WHERE user = ? AND contact = ?", removed)
        self._unwritten.clear()
        self._wait_for_locks(WRITE_LOCK_SECONDS)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # --- inside -----------------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        try:
            # Before SQLite makes it with the permissions that the umask leaves; its side files copy ours.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            if self._path.stat().st_mode & 0o077:
                self._path.chmod(0o600)
        except OSError as error:
            raise StoreError(
                f"SubscriptionDatabase: {self._path} cannot be opened ({error.strerror}); name a file in a "
                "folder that this user may write to"
            ) from error
        with self._explained():
            return sqlite3.connect(self._path, timeout=LOCK_SECONDS)

    def _prepare(self) -> None:
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        version = int(self._database.execute("PRAGMA user_version").fetchone()[0])
        if version == 0:
            self._database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        elif version != SCHEMA_VERSION:
            raise StoreError(
                f"{self._path}: is of version {version}, made by a newer ichat-gw; this one reads version "
                f"{SCHEMA_VERSION}: install the newer one again, or move the file away"
            )

    def _import(self, userdb: Path) -> None:
        source = str(userdb.absolute())
        with self._explained():
            if self._database.execute("SELECT 1 FROM imported WHERE path = ?", (source,)).fetchone():
                return
        try:
            read = parse_userdb(userdb.read_bytes())
        except FileNotFoundError:
            return
        except OSError as error:
            _log.warning("%s: not imported (%s); make it readable for this user", userdb, error.strerror)
            return
        for warning in read.warnings:
            _log.warning("%s: %s", userdb, warning)
        with self._explained(), self._database:
            self._database.executemany("INSERT OR IGNORE INTO subscription VALUES (?, ?)", read.subscriptions)
            self._database.execute("INSERT INTO imported VALUES (?)", (source,))
        _log.info("%s: %d subscriptions imported", userdb, len(read.subscriptions))

    def _change(self, user: str, contact: str, *, there: bool) -> None:
        with self._explained():
            f"{user}{contact}".encode()  # what is no text would keep all others waiting
        self._unwritten[user, contact] = there
        try:
            self.flush()
        except StoreError:
            self._wait_for_locks(0.0)
            raise

    def _wait_for_locks(self, seconds: float) -> None:
        with self._explained():
            self._database.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite raises into a StoreError."""
        try:
            yield
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise StoreError(
                f"{self._path}: {error}; look whether the disk is full, another gateway uses the file, or "
                "it is damaged (then move it away: users will be asked to subscribe again)"
            ) from error
