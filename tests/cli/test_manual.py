"""The manual pages and the reference of the commands are those in the repository, and can be read."""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ichat_gw.cli import manual as module
from ichat_gw.cli.commands import COMMANDS
from ichat_gw.cli.exits import MEANING
from ichat_gw.cli.manual import MAN, PAGES, commands_page, gateway_page
from ichat_gw.config.reference import MANUAL

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_it_is_up_to_date(path: Path) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == PAGES[path](), "run: python -m ichat_gw.cli.manual ."


def test_nothing_is_left_out() -> None:
    for command in COMMANDS:
        assert f"\n## {command.name}\n" in commands_page()
        assert f"ichat\\-gw {command.name}" in gateway_page()
    for status in MEANING:
        assert f"| {status.value} |" in commands_page()
        assert f"\n.B {status.value}\n" in gateway_page()


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
@pytest.mark.parametrize("path", [MANUAL, *(path for path in PAGES if path.parent == MAN)], ids=str)
def test_groff_finds_no_fault(path: Path) -> None:
    words = ["groff", "-man", "-Tutf8", "-ww", "-rCHECKSTYLE=1", str(ROOT / path)]
    found = subprocess.run(words, capture_output=True, text=True, check=True)
    assert found.stderr == ""
    assert "ichat-gw" in found.stdout


def test_all_are_written_by_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["manual", str(tmp_path)])
    runpy.run_path(module.__file__, run_name="__main__")
    for path, page in PAGES.items():
        assert (tmp_path / path).read_text(encoding="utf-8") == page()
