"""The documents made from the table are those in the repository."""

import runpy
import sys
from pathlib import Path

import pytest

from ichat_gw.config import reference as module
from ichat_gw.config.load import load
from ichat_gw.config.reference import MANUAL, REFERENCE, SAMPLE, configuration_page, reference, sample
from ichat_gw.config.table import SETTINGS

ROOT = Path(__file__).parents[2]
REMEDY = "run: python -m ichat_gw.config.reference ."


def test_the_reference_is_up_to_date() -> None:
    assert (ROOT / REFERENCE).read_text(encoding="utf-8") == reference(), REMEDY


def test_the_sample_is_up_to_date() -> None:
    assert (ROOT / SAMPLE).read_text(encoding="utf-8") == sample(), REMEDY


def test_the_manual_page_is_up_to_date() -> None:
    assert (ROOT / MANUAL).read_text(encoding="utf-8") == configuration_page(), REMEDY


def test_all_name_every_setting() -> None:
    for setting in SETTINGS:
        assert f".B {setting.row.name}" in configuration_page()
        for name in setting.names:
            assert f"`{name}`" in reference()
        assert f"\n{setting.row.name} =" in sample()


def test_the_sample_is_a_configuration_without_fault_or_warning() -> None:
    loaded = load(ROOT / SAMPLE)
    assert loaded.warnings == ()
    assert loaded.settings.jabber_component_name == "ichat-gw.jabber.company.com"
    assert len(loaded.settings.translation_rules) == 2


def test_all_are_written_by_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["reference", str(tmp_path)])
    runpy.run_path(module.__file__, run_name="__main__")
    assert (tmp_path / REFERENCE).read_text(encoding="utf-8") == reference()
    assert (tmp_path / SAMPLE).read_text(encoding="utf-8") == sample()
    assert (tmp_path / MANUAL).read_text(encoding="utf-8") == configuration_page()
