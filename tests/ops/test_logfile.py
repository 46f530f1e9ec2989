"""The log file and its numbered predecessors."""

import errno
import os
from pathlib import Path

import pytest

from ichat_gw.ops.logfile import LogFile, LogFileError


class Site:
    """A folder with a log file, and what its owner is told."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ichat-gw.log"
        self.told: list[str] = []

    def open(self, max_lines: int = 3, count: int = 2) -> LogFile:
        return LogFile(str(self.path), max_lines, count, self.told.append)

    def files(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in sorted(self.path.parent.iterdir())}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def write(log: LogFile, *lines: object) -> None:
    for line in lines:
        log.write(str(line))


def test_old_files_are_numbered_and_the_oldest_removed(site: Site) -> None:
    log = site.open()
    write(log, *range(1, 11))
    log.close()
    assert site.files() == {
        "ichat-gw.log": "10\n",
        "ichat-gw.log.1": "7\n8\n9\n",
        "ichat-gw.log.2": "4\n5\n6\n",
    }
    assert site.told == []


def test_no_old_files_wanted(site: Site) -> None:
    log = site.open(count=0)
    write(log, 1, 2, 3, 4)
    log.close()
    assert site.files() == {"ichat-gw.log": "4\n"}


def test_lines_of_an_earlier_run_count(site: Site) -> None:
    site.path.write_text("old\nolder\nhalf a li")
    log = site.open(max_lines=3, count=1)
    write(log, "new", "next")
    log.close()
    assert site.files() == {"ichat-gw.log": "next\n", "ichat-gw.log.1": "old\nolder\nhalf a li\nnew\n"}


def test_only_the_owner_may_read_it(site: Site) -> None:
    site.open().close()
    assert site.path.stat().st_mode & 0o777 == 0o600


def test_closed_it_opens_again(site: Site) -> None:
    log = site.open()
    log.close()
    log.close()
    write(log, "\ud800 again")
    log.close()
    assert site.files() == {"ichat-gw.log": "\\ud800 again\n"}


@pytest.mark.parametrize(("path", "why"), [("missing/ichat-gw.log", "No such file"), (".", "Is a directory")])
def test_a_file_that_cannot_be_written_names_setting_and_remedy(tmp_path: Path, path: str, why: str) -> None:
    with pytest.raises(LogFileError, match=f"LogFilename: cannot write .*: {why}.*; choose a file"):
        LogFile(str(tmp_path / path), 1, 1, print)


@pytest.mark.parametrize(("max_lines", "count"), [(-1, 1), (1, -1)])
def test_numbers_out_of_range(site: Site, max_lines: int, count: int) -> None:
    with pytest.raises(LogFileError, match="LogFileMaxLines"):
        site.open(max_lines, count)


def test_a_device_is_never_renamed(tmp_path: Path) -> None:
    log = LogFile("/dev/null", 1, 1, print)
    write(log, 1, 2, 3)
    log.close()
    assert Path("/dev/null").is_char_device()
    assert not Path("/dev/null.1").exists()


def test_an_error_while_opening_closes_what_is_open(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fd: int, size: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "read", fail)
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(LogFileError, match="Input/output error"):
        site.open()
    assert len(os.listdir("/dev/fd")) == before


def test_a_full_disk_is_told_once_and_the_file_goes_on_when_there_is_room(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = site.open(max_lines=100)
    real, room = os.write, [4]

    def scarce(fd: int, data: bytes) -> int:
        if room[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = real(fd, data[: room[0]])
        room[0] -= done
        return done

    monkeypatch.setattr(os, "write", scarce)
    write(log, "1", "22222", "3")
    assert site.told == [f"cannot write {str(site.path)!r}: No space left on device"]
    room[0] = 1000
    write(log, "4", "5")
    log.close()
    assert site.path.read_text() == "1\n22\n4\n5\n"


def test_when_old_files_cannot_be_renamed_no_line_is_missing(site: Site) -> None:
    (site.path.parent / "ichat-gw.log.1").mkdir()
    (site.path.parent / "ichat-gw.log.1" / "in the way").touch()
    log = site.open(max_lines=2, count=1)
    write(log, 1, 2, 3, 4, 5)
    log.close()
    assert site.path.read_text() == "1\n2\n3\n4\n5\n"
    assert len(site.told) == 2
    assert "cannot begin a new" in site.told[0]


def test_a_file_that_is_never_begun_anew(site: Site) -> None:
    log = site.open(max_lines=0)
    for number in range(10):
        log.write(str(number))
    log.close()
    assert site.path.read_text().count("\n") == 10
    assert [path.name for path in site.path.parent.iterdir()] == [site.path.name]
