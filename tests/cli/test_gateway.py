"""The first look at the command line: the gateway's flags, or a command."""

import subprocess
import sys
from pathlib import Path

import pytest

from ichat_gw.cli import completion, gateway
from ichat_gw.cli.commands import BY_NAME, COMMANDS, Command, module_of, parser_of
from ichat_gw.cli.exits import MEANING, Exit


def test_an_unknown_command_is_named_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert gateway.main(["chek"]) == Exit.WRONG
    assert "there is no command 'chek'; did you mean check?" in capsys.readouterr().err


def test_a_word_that_is_like_no_command_gets_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert gateway.main(["frobnicate"]) == Exit.WRONG
    said = capsys.readouterr().err
    assert all(name in said for name in BY_NAME)


def test_the_help_of_the_gateway_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        gateway.main(["--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"ichat-gw {command.name}" in shown for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_command_has_help(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert module_of(command).__doc__
    with pytest.raises(SystemExit) as left:
        parser_of(command).parse_args(["-?"])
    assert left.value.code == 0
    assert f"ichat-gw {command.name}" in capsys.readouterr().out


def test_every_exit_status_is_explained() -> None:
    assert set(MEANING) == set(Exit)
    assert all(sentence.endswith(".") for sentence in MEANING.values())


def test_the_table_of_commands_costs_the_gateways_start_nothing() -> None:
    code = (
        "import sys, ichat_gw.cli.gateway\n"
        "print(*(name for name in ('rich', 'aiohttp', 'pydantic', 'slixmpp', 'asyncio', 'http.client')"
        " if name in sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_the_gateway_imports_no_command() -> None:
    code = (
        "import sys, ichat_gw.cli.run\n"
        "print(*sorted(name for name in sys.modules if name.startswith('ichat_gw.cli.')))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["ichat_gw.cli.commands", "ichat_gw.cli.exits", "ichat_gw.cli.run"]


def test_ctrl_c_and_a_reader_who_has_seen_enough(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def raises(error: type[BaseException]) -> int:
        def run(_: object) -> Exit:
            raise error

        monkeypatch.setattr(completion, "run", run)
        return gateway.main(["completion", "bash"])

    assert raises(KeyboardInterrupt) == Exit.INTERRUPTED
    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr("sys.stdout", out)
        assert raises(BrokenPipeError) == Exit.OK


def test_a_pipe_that_is_closed_early_is_no_error() -> None:
    words = f"{sys.executable} -m ichat_gw.cli.gateway completion bash | head -1"
    found = subprocess.run(["sh", "-c", words], capture_output=True, text=True, check=True)
    assert found.stderr == ""
    assert found.stdout.count("\n") == 1
