"""The log file: a new one after so many lines, the old ones numbered."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from ichat_gw.errors import GatewayError

_AS_IT_IS = getattr(os, "O_BINARY", 0)
"""Windows: line ends are not changed. (That children do not get the descriptor is Python's own rule.)"""


class LogFileError(GatewayError):
    """The log file cannot be opened; the text names the setting and what to do."""


class LogFile:
    """Appends lines to `path`; when it has `max_lines`, it becomes `path.1`, `path.1` becomes `path.2`, ...

    With `max_lines` 0 that never happens. `count` old files are kept (0: none), older ones are removed. Lines
    already in the file are counted in.

    A line is in the hands of the system when `write` returns. When writing or renaming fails later on (disk
    full, folder gone), lines are missing, `on_trouble` is told once, and each new line is a new attempt.
    """

    def __init__(self, path: str, max_lines: int, count: int, on_trouble: Callable[[str], None]) -> None:
        if max_lines < 0 or count < 0:
            raise LogFileError("LogFileMaxLines and LogFileCount must be 0 or more")
        self._path = Path(path)
        self._max_lines = max_lines
        self._count = count
        self._on_trouble = on_trouble
        self._in_trouble = False
        self._fd: int | None = None
        self._is_file = False
        self._lines = 0
        self._torn = False
        try:
            self._open()
        except OSError as error:
            self.close()
            raise LogFileError(
                f"LogFilename: cannot write {path!r}: {error.strerror or error}; "
                "choose a file in an existing folder that this user may write to"
            ) from error

    def _open(self) -> None:
        # Read and write for the owner alone: the log tells who called whom.
        fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _AS_IT_IS, 0o600)
        self._fd = fd
        self._lines = 0
        self._torn = False
        # What is no file (/dev/null, a pipe) has no lines to count and must never be renamed.
        self._is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        # From the beginning, where it is opened; what is written goes to the end all the same.
        while self._is_file and (piece := os.read(fd, 1 << 20)):
            self._lines += piece.count(b"\n")
            self._torn = not piece.endswith(b"\n")

    def write(self, line: str) -> None:
        """Append `line` (without its line end); never raises."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        try:
            if self._fd is None:
                self._open()
            if self._lines >= self._max_lines > 0 and self._is_file:
                self._rotate()
            if self._torn:
                data = b"\n" + data
            self._append(data)
        except OSError as error:
            self._trouble(f"cannot write {str(self._path)!r}: {error.strerror or error}")
            return
        self._lines += 1
        self._in_trouble = False

    def _append(self, data: bytes) -> None:
        assert self._fd is not None
        while data:
            done = os.write(self._fd, data)
            data = data[done:]
            self._torn = bool(data)

    def _trouble(self, text: str) -> None:
        if not self._in_trouble:
            self._in_trouble = True
            self._on_trouble(text)

    def _rotate(self) -> None:
        self.close()
        try:
            for number in range(self._count, 0, -1):
                source = self._numbered(number - 1)
                if source.exists():
                    source.replace(self._numbered(number))
            if self._count == 0:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            # Better a long file than missing lines; tried again after as many lines.
            self._trouble(f"cannot begin a new {str(self._path)!r}: {error.strerror or error}")
        self._open()
        self._lines = 0

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path

    def close(self) -> None:
        """Close the file; a later `write` opens it again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
