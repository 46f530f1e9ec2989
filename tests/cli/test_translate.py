"""`ichat-gw translate`: which rule, which groups, and who is reached, both ways."""

import json
from pathlib import Path

import pytest

from ichat_gw.cli.commands import run_command
from ichat_gw.cli.exits import Exit

CONFIG = r"""
JabberServer = 127.0.0.1
JabberComponentName = gw.example
JabberComponentPassword = geheim
JabberControlUsername = control
TranslationPattern = ^xmpp:(0)?([0-9]+)@gw\.example$
TranslationOutput = sip:$2@phones.example
TranslationPattern = ^xmpp:(.*)@gw\.example$
TranslationOutput = sip:$1@phones.example
TranslationPattern = ^sip:(.*)@phones\.example$
TranslationOutput = xmpp:$1@jabber.example
TranslationPattern = ^sip:loop@
TranslationOutput = sip:round@phones.example
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ichat-gw.config").write_text(CONFIG)


def test_the_rule_the_groups_and_who_is_reached(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["translate", "xmpp:72123@gw.example"]) == Exit.OK
    assert capsys.readouterr().out.splitlines() == [
        "xmpp:72123@gw.example, called by an iChat user:",
        "  rule 1 (line 6): matched",
        r"    ^xmpp:(0)?([0-9]+)@gw\.example$  ->  sip:$2@phones.example",
        "    $1 = (took no part)",
        "    $2 = 72123",
        "    makes sip:72123@phones.example",
        "  rule 2 (line 8): matched, but rule 1 comes first",
        r"    ^xmpp:(.*)@gw\.example$  ->  sip:$1@phones.example",
        "    $1 = 72123",
        "    makes sip:72123@phones.example",
        "  rule 3 (line 10): not matched",
        r"    ^sip:(.*)@phones\.example$  ->  xmpp:$1@jabber.example",
        "  rule 4 (line 12): not matched",
        "    ^sip:loop@  ->  sip:round@phones.example",
        "  reaches sip:72123@phones.example",
    ]


def test_without_a_scheme_it_is_tried_from_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["translate", "bob@phones.example", "--json"]) == Exit.OK
    xmpp, sip = json.loads(capsys.readouterr().out)["results"]
    assert (xmpp["caller"], xmpp["called"], xmpp["trial"]["winner"]) == ("xmpp", None, None)
    assert "no TranslationPattern matches xmpp:bob@phones.example" in xmpp["why"]
    assert (sip["caller"], sip["called"], sip["why"]) == ("sip", "xmpp:bob@jabber.example", "")
    assert (sip["trial"]["winner"], sip["trial"]["rules"][2]["groups"]) == (3, ["bob"])
    run_command(["translate", "bob@phones.example"])
    assert "\n\nsip:bob@phones.example, called by a SIP phone:" in capsys.readouterr().out


def test_a_number_is_the_speed_dial_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["translate", "072*1", "--json"]) == Exit.OK
    (found,) = json.loads(capsys.readouterr().out)["results"]
    assert (found["trial"]["address"], found["called"]) == (
        "xmpp:072*1@gw.example",
        "sip:072*1@phones.example",
    )


def test_a_sip_address_as_the_rules_see_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["translate", "sip:bob@phones.example:5070;user=phone"]) == Exit.OK
    assert "reaches xmpp:bob@jabber.example" in capsys.readouterr().out


def test_who_reaches_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["translate", "sip:loop@elsewhere.example"]) == Exit.NOT_FOUND
    assert "reaches nobody: the gateway does not connect these two parties" in capsys.readouterr().out


def test_no_rule_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    Path("ichat-gw.config").write_text(CONFIG.partition("Translation")[0])
    assert run_command(["translate", "xmpp:1@gw.example"]) == Exit.NOT_FOUND
    assert "there is no rule" in capsys.readouterr().out


def test_what_would_move_the_cursor_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    run_command(["translate", "xmpp:\x1b[2J@gw.example"])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\\u001b[2J" in shown


def test_a_wrong_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["translate", "xmpp:1@gw.example", "-c", "nowhere"]) == Exit.WRONG
    assert "there is no such file" in capsys.readouterr().err
