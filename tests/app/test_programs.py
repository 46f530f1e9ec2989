"""The look-up of executables."""

import os
import sys
from pathlib import Path

import pytest

from ichat_gw.app.programs import ProgramNotFound, find_program

SETTING = "IchatJabberConnectorPath"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`bin/ichat-gw` runs, with the Python in `python/`; PATH is `path/`; we stand in `here/`."""
    for name in ("bin", "python", "path", "here", "real"):
        (tmp_path / name).mkdir()
    executable(tmp_path / "bin" / "ichat-gw")
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "bin" / "ichat-gw")])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python" / "python3"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def executable(path: Path) -> str:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_a_bare_name_is_looked_for_in_three_places_in_order(site: Path) -> None:
    for place in ("path", "python", "bin"):
        here = executable(site / place / "ichat-gw-jc")
        assert find_program("ichat-gw-jc", SETTING) == here


def test_beside_the_file_behind_a_symbolic_link(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable(site / "real" / "ichat-gw")
    connector = executable(site / "real" / "ichat-gw-jc")
    (site / "path" / "ichat-gw").symlink_to(site / "real" / "ichat-gw")
    monkeypatch.setattr(sys, "argv", ["ichat-gw"])  # As found on PATH.
    assert find_program("ichat-gw-jc", SETTING) == connector


def test_not_in_the_current_directory(site: Path) -> None:
    executable(site / "here" / "ichat-gw-jc")
    with pytest.raises(ProgramNotFound) as told:
        find_program("ichat-gw-jc", SETTING)
    for word in (SETTING, "'ichat-gw-jc'", site / "bin", site / "python", site / "path", "install it"):
        assert str(word) in str(told.value)


def test_a_path_is_absolute_or_relative_to_the_current_directory(site: Path) -> None:
    other = executable(site / "real" / "other-jc")
    assert find_program(other, SETTING) == other
    mine = executable(site / "here" / "my-jc")
    assert find_program("./my-jc", SETTING) == mine


def test_a_path_to_nothing(site: Path) -> None:
    with pytest.raises(ProgramNotFound, match=rf"{SETTING}: there is no file '{site}/here/no"):
        find_program("./no", SETTING)


def test_a_file_that_may_not_be_executed(site: Path) -> None:
    (site / "here" / "text").touch(0o644)
    with pytest.raises(ProgramNotFound, match=r"not executable.*chmod"):
        find_program("./text", SETTING)


@pytest.mark.parametrize("name", ["", "no\0thing"])
def test_a_name_that_is_none(site: Path, name: str) -> None:
    with pytest.raises(ProgramNotFound, match=SETTING):
        find_program(name, SETTING)


def test_without_path(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATH")
    monkeypatch.setattr(os, "defpath", "/nonexistent")
    with pytest.raises(ProgramNotFound, match=SETTING):
        find_program("ichat-gw-jc", SETTING)
