"""What the commands write to a terminal, whatever the network has put into it."""

import json

import pytest

from ichat_gw.cli.output import say, show_json, show_json_line, table, warn

EVIL = "\x1b[2J\x9b2J\r\x07\u202eevil\u2066\u2028\udcff\\x"


@pytest.mark.parametrize("show", [show_json, show_json_line])
def test_json_does_not_drive_the_terminal(show: object, capsys: pytest.CaptureFixture[str]) -> None:
    show({"caller": EVIL, "callee": "Zo\u00eb"})  # type: ignore[operator]
    shown = capsys.readouterr().out
    assert json.loads(shown) == {"caller": EVIL, "callee": "Zo\u00eb"}
    assert not any(each in shown for each in "\x1b\x9b\r\x07\u202e\u2066\u2028")
    assert "Zo\u00eb" in shown


def test_words_do_not_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for line in table(("call",), [(EVIL,)]):
        say(line)
    warn(EVIL)
    said = capsys.readouterr()
    for shown in (said.out, said.err):
        assert "evil" in shown
        assert not any(each in shown for each in "\x1b\x9b\r\x07\u202e\u2066\u2028")
