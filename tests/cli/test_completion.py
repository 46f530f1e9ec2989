"""The shells' completion: made from the parsers, so it knows every command and flag."""

import subprocess
from pathlib import Path

import pytest

from ichat_gw.cli.commands import COMMANDS, run_command
from ichat_gw.cli.exits import Exit


def completed(script: Path, *words: str) -> list[str]:
    """What bash offers for the last of `words`."""
    quoted = " ".join(f"'{word}'" for word in words)
    code = (
        f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
        '_shtab_ichat_gw; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    found = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    return found.stdout.split()


def test_bash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["completion", "bash"]) == Exit.OK
    script = tmp_path / "ichat-gw.bash"
    script.write_text(capsys.readouterr().out)
    assert set(completed(script, "ichat-gw", "")) >= {command.name for command in COMMANDS}
    assert completed(script, "ichat-gw", "tr") in (
        ["translate"],
        ["translate", "trace"],
        ["trace", "translate"],
    )
    assert completed(script, "ichat-gw", "--udp") == ["--udp-tcp-port"]
    assert "--json" in completed(script, "ichat-gw", "check", "--js")
    assert completed(script, "ichat-gw", "-c", str(script)[:-2]) == [str(script)]


def test_zsh(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["completion", "zsh"]) == Exit.OK
    script = capsys.readouterr().out
    assert script.startswith("#compdef ichat-gw")
    assert all(f"{command.name}:" in script for command in COMMANDS)


def test_another_shell(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run_command(["completion", "fish"])
    assert left.value.code == Exit.WRONG
    assert "invalid choice: 'fish'" in capsys.readouterr().err
