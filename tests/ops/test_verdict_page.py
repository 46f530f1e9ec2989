"""The troubleshooting page says what the tables say, of settings that exist."""

import re
import sys
from pathlib import Path

import pytest

from ichat_gw.config.table import SETTINGS
from ichat_gw.ops.verdict_audio import AUDIO
from ichat_gw.ops.verdict_ends import ENDS
from ichat_gw.ops.verdict_judge import CODES
from ichat_gw.ops.verdict_page import PAGE, main, page

ROOT = Path(__file__).parents[2]
_NO_SETTING = {"TranslationPattern", "LimitNOFILE", "INVITE", "iChat"}


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / PAGE).read_text() == page(), "run .venv/bin/python -m ichat_gw.ops.verdict_page ."


def test_every_row_has_a_heading() -> None:
    assert sorted(re.findall("^### (.*)$", page(), re.MULTILINE)) == sorted(CODES)


def test_remedies_name_settings_that_exist() -> None:
    names = {name for setting in SETTINGS for name in setting.names}
    for row in (*AUDIO, *ENDS):
        words = set(re.findall(r"\b(?:[A-Z]+[a-z0-9]+){2,}[A-Z]*\b", row.remedy))
        assert words <= names | _NO_SETTING, row.code


def test_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / PAGE).parent.mkdir(parents=True)
    monkeypatch.setattr(sys, "argv", ["verdict_page", str(tmp_path)])
    assert main() == 0
    assert (tmp_path / PAGE).read_text() == page()
