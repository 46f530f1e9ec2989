"""Files: who may read the configuration, and whether we can write what we have to."""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from ichat_gw.app.trials.trial import Trial
from ichat_gw.config.load import Loaded
from ichat_gw.config.table import SETTINGS

SQLITE_SECONDS = 1.0
"""How long somebody else may hold a database."""


def try_files(loaded: Loaded) -> Iterator[Trial]:
    """Try the configuration file, the log file and the databases."""
    yield from _configuration(loaded)
    settings = loaded.settings
    yield _log_file(settings.log_filename)
    for setting in SETTINGS:
        path = getattr(settings, setting.field)
        if setting.row.name.endswith(("Database", "TraceFile")) and isinstance(path, Path):
            yield _database(setting.row.name, path)


def _configuration(loaded: Loaded) -> Iterator[Trial]:
    """A file with passwords in it is for nobody else to read."""
    secret = any(setting.row.kind.secret and setting.field in loaded.places for setting in SETTINGS)
    try:
        mode = loaded.path.stat().st_mode
    except OSError:
        return  # flags alone
    if not secret or os.name != "posix":
        return
    if mode & (stat.S_IRGRP | stat.S_IROTH | stat.S_IWGRP | stat.S_IWOTH):
        everybody = mode & (stat.S_IROTH | stat.S_IWOTH)
        who = "everybody on this machine" if everybody else "the group of the file"
        yield Trial(
            str(loaded.path),
            "warning" if everybody else "ok",
            f"has passwords in it and is open to {who} (mode {stat.S_IMODE(mode):04o})",
            f"chmod 600 {loaded.path}" if everybody else "",
        )
    else:
        yield Trial(str(loaded.path), "ok", "only its owner can read the passwords in it")


def _log_file(path: Path) -> Trial:
    return _writable("LogFilename", path, "choose a file in an existing folder that this user may write to")


def _database(name: str, path: Path) -> Trial:
    """A database that is there is opened and locked, but nothing is written; of another, its folder."""
    written = _writable(name, path, "choose a file in an existing folder that this user may write to")
    if written.outcome != "ok" or not path.exists():
        return written
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with contextlib.closing(sqlite3.connect(uri, SQLITE_SECONDS, uri=True)) as database:
            database.execute("PRAGMA schema_version").fetchone()
    except sqlite3.Error as error:
        return Trial(
            name, "failed", f"{path} is no usable SQLite database: {error}", "move it away, or name another"
        )
    return Trial(name, "ok", f"{path} can be read and written")


def _writable(name: str, path: Path, remedy: str) -> Trial:
    if path.is_dir():
        return Trial(name, "failed", f"{path} is a folder", remedy)
    if path.exists():
        if os.access(path, os.R_OK | os.W_OK):
            return Trial(name, "ok", f"{path} can be written")
        return Trial(name, "failed", f"{path} cannot be written by this user", remedy)
    folder = path.absolute().parent
    if not folder.is_dir():
        return Trial(name, "failed", f"there is no folder {folder}", remedy)
    if not os.access(folder, os.W_OK | os.X_OK):
        return Trial(name, "failed", f"this user may not make files in {folder}", remedy)
    return Trial(name, "ok", f"{path} can be made")
