"""`ichat-gw check`: what is wrong, what was tried, what is in force."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ichat_gw.app.trials import all as trials
from ichat_gw.app.trials.trial import Trial
from ichat_gw.cli.commands import run_command
from ichat_gw.cli.exits import Exit
from ichat_gw.config.table import SETTINGS

GOOD = """\
JabberServer = 127.0.0.1
JabberComponentName = gw.example
JabberComponentPassword = geheim
JabberControlUsername = control
TranslationPattern = ^xmpp:(.*)@gw\\.example$
TranslationOutput = sip:$1@phones.example
"""


@pytest.fixture(autouse=True)
def outcomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Trial]:
    """What the trials find; the real ones have tests of their own."""
    monkeypatch.chdir(tmp_path)
    Path("ichat-gw.config").write_text(GOOD)
    found = [Trial("UDPTCPPort", "ok", "it is free")]

    def tried(_: object) -> Iterator[Trial]:
        yield from found

    monkeypatch.setattr(trials, "try_all", tried)
    return found


def test_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["check"]) == Exit.OK
    caught = capsys.readouterr()
    assert caught.err == ""
    assert caught.out.splitlines() == [
        "ichat-gw.config: no fault",
        "",
        "Tried:",
        "  ok       UDPTCPPort: it is free",
        "",
        "Settings in force, except for defaults (--all shows those, too):",
        "  JabberServer = 127.0.0.1   (ichat-gw.config:1)",
        "  JabberComponentName = gw.example   (ichat-gw.config:2)",
        "  JabberComponentPassword = (set)   (ichat-gw.config:3)",
        "  JabberControlUsername = control   (ichat-gw.config:4)",
        "  TranslationPattern = ^xmpp:(.*)@gw\\.example$ -> sip:$1@phones.example   (ichat-gw.config:5)",
        "",
        "Everything is fine.",
    ]


def test_all_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["check", "--all", "--no-trials", "-sp", "5099"]) == Exit.OK
    shown = capsys.readouterr().out
    assert "Tried" not in shown
    assert "  UDPTCPPort = 5099   (command line: -sp)\n" in shown
    for setting in SETTINGS:
        assert f"  {setting.row.name} = " in shown
    assert "geheim" not in shown


def test_something_does_not_work(outcomes: list[Trial], capsys: pytest.CaptureFixture[str]) -> None:
    outcomes += [
        Trial("JabberServer", "failed", "nobody answers", "start it"),
        Trial("TLSCertificate", "warning", "ends soon", "renew it"),
    ]
    assert run_command(["check"]) == Exit.FAILED
    shown = capsys.readouterr().out
    assert "  failed   JabberServer: nobody answers; start it\n" in shown
    assert shown.endswith("Failed: 1. Warnings: 1.\n")


def test_warnings_alone_are_no_failure(outcomes: list[Trial], capsys: pytest.CaptureFixture[str]) -> None:
    Path("ichat-gw.config").write_text(f"{GOOD}Colour = blue\n")
    assert run_command(["check"]) == Exit.OK
    caught = capsys.readouterr()
    assert (
        caught.err
        == "ichat-gw: warning: ichat-gw.config:7: Colour: there is no such setting; it is ignored\n"
    )
    assert caught.out.endswith("Failed: 0. Warnings: 1.\n")


def test_every_fault_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    Path("ichat-gw.config").write_text(f"{GOOD}UDPTCPPort = 0\nLogLevel = loud\nColour = blue\n")
    assert run_command(["check"]) == Exit.WRONG
    caught = capsys.readouterr()
    assert caught.out == ""
    assert [line.partition(";")[0] for line in caught.err.splitlines()] == [
        "ichat-gw: warning: ichat-gw.config:9: Colour: there is no such setting",
        "ichat-gw: ichat-gw.config:7: UDPTCPPort: 0 is out of range",
        "ichat-gw: ichat-gw.config:8: LogLevel: 'loud' is none of the words",
    ]


def test_json(outcomes: list[Trial], capsys: pytest.CaptureFixture[str]) -> None:
    outcomes.append(Trial("JabberServer", "failed", "nobody answers", "start it"))
    assert run_command(["check", "--json"]) == Exit.FAILED
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"ok", "problems", "warnings", "trials", "settings"}
    assert (found["ok"], found["problems"], len(found["settings"])) == (False, [], len(SETTINGS))
    assert found["trials"][1] == {
        "subject": "JabberServer",
        "outcome": "failed",
        "text": "nobody answers",
        "remedy": "start it",
    }
    password = next(each for each in found["settings"] if each["name"] == "JabberComponentPassword")
    assert (password["value"], password["secret"], password["place"]) == ("(set)", True, "ichat-gw.config:3")


def test_json_of_a_wrong_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    Path("ichat-gw.config").write_text(f"{GOOD}UDPTCPPort = 0\n")
    assert run_command(["check", "--json"]) == Exit.WRONG
    found = json.loads(capsys.readouterr().out)
    assert found["problems"] == [
        {
            "place": "ichat-gw.config:7",
            "line": 7,
            "setting": "UDPTCPPort",
            "what": "0 is out of range",
            "allowed": "allowed: a whole number from 1 to 65535",
        }
    ]


def test_flags_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["check", "-c", "nowhere"]) == Exit.WRONG
    assert "there is no such file" in capsys.readouterr().err
