"""Files that are tried: who may read the configuration, what can be written."""

import os
import sqlite3
from pathlib import Path

import pytest

from app.trials.conftest import Configure
from ichat_gw.app.trials.files import try_files
from ichat_gw.app.trials.trial import Trial
from ichat_gw.config.load import load
from ichat_gw.config.source import flag_parser, overrides_of


def tried(configure: Configure, **lines: object) -> dict[str, Trial]:
    return {trial.subject: trial for trial in try_files(configure(**lines))}


def test_all_is_well(configure: Configure, tmp_path: Path) -> None:
    found = tried(configure)
    assert {trial.outcome for trial in found.values()} == {"ok"}
    assert found["LogFilename"].text == "gw.log can be made"
    assert "can be made" in found["SubscriptionDatabase"].text
    assert {path.name for path in tmp_path.iterdir()} == {"ichat-gw.config"}, "nothing is changed"


@pytest.mark.parametrize(("mode", "outcome"), [(0o604, "warning"), (0o644, "warning"), (0o640, "ok")])
def test_a_configuration_that_others_can_read(configure: Configure, mode: int, outcome: str) -> None:
    loaded = configure()
    loaded.path.chmod(mode)
    trial = next(iter(try_files(loaded)))
    assert trial.outcome == outcome
    assert f"(mode {mode:04o})" in trial.text
    assert trial.remedy == (f"chmod 600 {loaded.path}" if outcome == "warning" else "")


def test_flags_alone_have_no_file(tmp_path: Path, configure: Configure) -> None:
    loaded = configure()
    loaded.path.unlink()
    assert not any(trial.subject == str(loaded.path) for trial in try_files(loaded))


def test_a_file_without_a_secret_may_be_read(configure: Configure, tmp_path: Path) -> None:
    loaded = configure()
    places = {name: place for name, place in loaded.places.items() if "password" not in name}
    plain = type(loaded)(loaded.settings, (), loaded.path, places)
    loaded.path.chmod(0o644)
    assert not any(trial.subject == str(loaded.path) for trial in try_files(plain))


def test_a_log_file_that_cannot_be(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    trial = tried(configure, LogFilename="folder")["LogFilename"]
    assert (trial.outcome, trial.text) == ("failed", "folder is a folder")
    trial = tried(configure, LogFilename="no/such.log")["LogFilename"]
    assert (trial.outcome, trial.text) == ("failed", f"there is no folder {tmp_path / 'no'}")


def test_files_and_folders_that_this_user_may_not_write(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gw.log").write_text("")
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = tried(configure)
    assert found["LogFilename"].text == "gw.log cannot be written by this user"
    assert "may not make files in" in found["SubscriptionDatabase"].text


def test_databases(configure: Configure, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.sqlite3", tmp_path / "bad.sqlite3"
    with sqlite3.connect(good) as database:
        database.execute("CREATE TABLE t (x)")
    database.close()
    bad.write_text("this is no database" * 100)
    trial = tried(configure, SubscriptionDatabase=good)["SubscriptionDatabase"]
    assert (trial.outcome, trial.text) == ("ok", f"{good} can be read and written")
    trial = tried(configure, SubscriptionDatabase=bad)["SubscriptionDatabase"]
    assert trial.outcome == "failed"
    assert "is no usable SQLite database: file is not a database" in trial.text


def test_a_configuration_of_flags_is_loaded_without_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c").write_text("JabberComponentPassword = geheim\nJabberServer = a\n")
    flags = flag_parser().parse_args(["--jabber-component-name", "g.a", "--jabber-control-username", "c"])
    assert load("c", overrides_of(flags)).places["jabber_component_name"] == (
        "command line: --jabber-component-name",
    )
