import logging
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ichat_gw.jabber.net import store
from ichat_gw.jabber.net.store import SqliteStore
from ichat_gw.jabber.store import StoreError, SubscriptionStore

ALICE = "alice@jabber.localhost"
DIAL = "5551234@ichat-gw.jabber.localhost"
CONTROL = "control@ichat-gw.jabber.localhost"
BOTH = [(ALICE, DIAL), (ALICE, CONTROL)]


def test_it_remembers_and_forgets(tmp_path: Path) -> None:
    path = tmp_path / "ichat-gw.db"
    first: SubscriptionStore = SqliteStore(path)
    assert first.load() == []
    first.remember(*BOTH[1])
    first.remember(*BOTH[0])
    first.remember(*BOTH[0])
    first.close()
    first.close()
    second = SqliteStore(path)
    assert second.load() == BOTH
    second.forget(*BOTH[0])
    second.forget(*BOTH[0])
    assert second.load() == BOTH[1:]
    second.close()


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    path = tmp_path / "ichat-gw.db"
    path.touch(0o644)
    database = SqliteStore(path)
    database.remember(*BOTH[0])
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == {"ichat-gw.db": 0o600, "ichat-gw.db-wal": 0o600, "ichat-gw.db-shm": 0o600}
    database.close()


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ichat-gw.db"
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from ichat_gw.jabber.net.store import SqliteStore\n"
        "store = SqliteStore(Path(sys.argv[1]))\n"
        "[store.remember('alice@a', f'{n}@gw') for n in range(20)]\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(store.__file__).parents[3])}
    command = [sys.executable, "-c", program, str(path)]
    assert subprocess.run(command, env=environment, check=False).returncode == -9
    database = SqliteStore(path)
    assert len(database.load()) == 20
    database.close()


# --- the file of the original ---------------------------------------------------------------------------


def test_import_once_and_leave_the_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path, userdb = tmp_path / "ichat-gw.db", tmp_path / "ichat-gw.userdb"
    SqliteStore(path, userdb).close()
    text = f"v1\n{ALICE}\n\t{DIAL}\n\t{CONTROL}\n\tnobody\n"
    userdb.write_text(text)
    database = SqliteStore(path, userdb)
    assert database.load() == BOTH
    assert userdb.read_text() == text
    assert "line 5" in caplog.text
    assert "2 subscriptions imported" in caplog.text
    database.forget(*BOTH[0])
    database.close()
    again = SqliteStore(path, userdb)
    assert again.load() == BOTH[1:]
    again.close()


def test_an_unreadable_import_is_no_obstacle(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    userdb = tmp_path / "ichat-gw.userdb"
    userdb.mkdir()
    database = SqliteStore(tmp_path / "ichat-gw.db", userdb)
    assert database.load() == []
    assert "make it readable" in caplog.text
    database.close()


# --- what cannot be used --------------------------------------------------------------------------------


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"SubscriptionDatabase: .* name a file in a folder"):
        SqliteStore(tmp_path / "missing" / "ichat-gw.db")


def test_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "ichat-gw.db"
    path.write_text("this is no database, but it is long enough to be read as one" * 20)
    with pytest.raises(StoreError, match="damaged"):
        SqliteStore(path)


def test_of_a_newer_version(tmp_path: Path) -> None:
    path = tmp_path / "ichat-gw.db"
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 7")
    database.close()
    with pytest.raises(StoreError, match="made by a newer"):
        SqliteStore(path)


def test_locked_when_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LOCK_SECONDS", 0.05)
    other = sqlite3.connect(tmp_path / "ichat-gw.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="another gateway"):
        SqliteStore(tmp_path / "ichat-gw.db")
    other.close()


def test_what_could_not_be_written_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "WRITE_LOCK_SECONDS", 0.05)
    path = tmp_path / "ichat-gw.db"
    database = SqliteStore(path)
    database.remember(*BOTH[0])
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another gateway"):
        database.remember(*BOTH[1])
    with pytest.raises(StoreError):
        database.forget(*BOTH[0])
    with pytest.raises(StoreError):
        database.flush()
    assert database.unwritten == 2
    assert database.load() == [BOTH[0]]
    other.close()
    database.flush()
    assert database.unwritten == 0
    assert database.load() == [BOTH[1]]
    database.flush()
    database.close()


@pytest.mark.parametrize("last", [True, False])
def test_of_changes_of_one_subscription_the_last_counts(tmp_path: Path, last: bool) -> None:
    path = tmp_path / "ichat-gw.db"
    database = SqliteStore(path)
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    for there in (not last, last):
        with pytest.raises(StoreError):
            (database.remember if there else database.forget)(*BOTH[0])
    other.close()
    database.flush()
    assert database.load() == ([BOTH[0]] if last else [])
    database.close()


def test_text_that_is_none(tmp_path: Path) -> None:
    database = SqliteStore(tmp_path / "ichat-gw.db")
    with pytest.raises(StoreError):
        database.remember("\ud800@a", DIAL)
    assert database.unwritten == 0
    database.close()
