"""The SQLite files: whose they are, and what is said when they cannot be used."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from ichat_gw.errors import GatewayError
from ichat_gw.ops import database
from ichat_gw.ops.database import Database, DatabaseError

SCHEMA = "CREATE TABLE t (x UNIQUE)"


def test_it_is_for_its_owner_alone_with_its_side_files(tmp_path: Path) -> None:
    os.umask(0o022)
    path = tmp_path / "x.sqlite"
    path.touch(0o644)
    file = Database(path, SCHEMA, 1)
    file.write(("INSERT INTO t VALUES (?)", [(1,)]))
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}
    assert len(list(tmp_path.iterdir())) == 3
    file.close()


def test_what_is_written_is_read_after_a_restart(tmp_path: Path) -> None:
    file = Database(tmp_path / "x", SCHEMA, 1)
    assert file.write(("INSERT INTO t VALUES (?)", [(1,), (2,)]), ("DELETE FROM t WHERE x = ?", [(1,)])) == 3
    file.close()
    again = Database(tmp_path / "x", SCHEMA, 1)
    assert again.read("SELECT x FROM t") == [(2,)]
    again.close()


def test_all_or_nothing(tmp_path: Path) -> None:
    file = Database(tmp_path / "x", SCHEMA, 1)
    with pytest.raises(DatabaseError):
        file.write(("INSERT INTO t VALUES (?)", [(1,), (1,)]))
    assert file.read("SELECT x FROM t") == []
    file.close()


def test_another_version_is_refused(tmp_path: Path) -> None:
    Database(tmp_path / "x", SCHEMA, 2).close()
    with pytest.raises(DatabaseError, match="is of version 2, made by another release") as caught:
        Database(tmp_path / "x", SCHEMA, 1)
    assert isinstance(caught.value, GatewayError)


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"something else " * 100)
    with pytest.raises(DatabaseError, match="damaged"):
        Database(tmp_path / "x", SCHEMA, 1)
    with pytest.raises(DatabaseError, match="make its folder writable"):
        Database(tmp_path / "missing" / "x", SCHEMA, 1)


def test_a_locked_file_is_waited_for_but_not_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.05)
    file = Database(tmp_path / "x", SCHEMA, 1)
    other = sqlite3.connect(tmp_path / "x")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseError, match="locked"):
        file.write(("INSERT INTO t VALUES (?)", [(1,)]))
    other.rollback()
    other.close()
    assert file.write(("INSERT INTO t VALUES (?)", [(1,)])) == 1
    file.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk(tmp_path: Path) -> None:
    file = Database(tmp_path / "x", SCHEMA, 1)
    file._connection.execute("PRAGMA max_page_count = 4")
    with pytest.raises(DatabaseError, match="full"):
        file.write(("INSERT INTO t VALUES (?)", [("x" * 100_000,)]))
    assert file.write(("INSERT INTO t VALUES (?)", [("x",)])) == 1
    file.close()


def test_text_that_cannot_be_stored(tmp_path: Path) -> None:
    file = Database(tmp_path / "x", SCHEMA, 1)
    for value in ("\ud800", 2**70):
        with pytest.raises(DatabaseError):
            file.write(("INSERT INTO t VALUES (?)", [(value,)]))
    file.close()
