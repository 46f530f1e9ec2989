"""The commands of `ichat-gw`, by name.

Only the table: the module of a command is imported when the command is asked for. Nothing here may cost the
start of the gateway anything.
"""

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from ichat_gw.cli.exits import Exit
from ichat_gw.errors import GatewayError


@dataclass(frozen=True, slots=True)
class Command:
    """One command: the module `ichat_gw.cli.<module>` with the members of `CommandModule`."""

    name: str
    summary: str
    """What it does, as the beginning of a sentence, without a full stop."""
    module: str = ""
    """Where it differs from the name."""


class CommandModule(Protocol):
    """What the module of a command has. Its docstring is the description of the command."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the command takes."""

    def run(self, arguments: argparse.Namespace) -> Exit:
        """Do it. May raise GatewayError, which is then shown, with status 1."""


COMMANDS = (
    Command("init", "write a configuration, and the lines for the XMPP server"),
    Command("check", "find what is wrong with a configuration, and try what can be tried"),
    Command("translate", "show what the translation rules make of an address"),
    Command("status", "show how a running gateway and its parts are"),
    Command("calls", "show the calls that are up, and follow them"),
    Command("trace", "show one call as a ladder, or write it as a page, a drawing, JSON or a capture"),
    Command("records", "show the calls that have ended, or write them as CSV"),
    Command("users", "show who is online, and how they are registered"),
    Command("reload", "have the running gateway read its configuration again"),
    Command("completion", "print the shell's completion of these commands"),
)
"""In the order of a gateway's life."""

BY_NAME = {command.name: command for command in COMMANDS}


def module_of(command: Command) -> CommandModule:
    """Import the module of a command."""
    return cast(CommandModule, importlib.import_module(f"ichat_gw.cli.{command.module or command.name}"))


def parser_of(command: Command) -> argparse.ArgumentParser:
    """The parser of one command."""
    from ichat_gw.config.source import FlagFormatter  # the gateway imports it later than this module

    module = module_of(command)
    parser = argparse.ArgumentParser(
        f"ichat-gw {command.name}",
        description=description_of(module),
        formatter_class=FlagFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    add_help(parser)
    module.add_arguments(parser)
    return parser


def add_help(parser: argparse.ArgumentParser) -> None:
    """Add `--help` in all its spellings; `-?` is the original's."""
    parser.add_argument("-?", "-h", "--help", action="help", help="show this and exit")


def description_of(module: CommandModule) -> str:
    """What a command does, in plain text."""
    return (module.__doc__ or "").strip()


def is_command(arguments: Sequence[str]) -> bool:
    """Whether a command line names a command, or something that is none but no flag either."""
    return bool(arguments) and not arguments[0].startswith("-")


def run_command(arguments: Sequence[str]) -> int:
    """Run the command that `arguments` begin with; returns the exit status."""
    name, *rest = arguments
    command = BY_NAME.get(name)
    if command is None:
        near = difflib.get_close_matches(name, BY_NAME, 1)
        hint = f"did you mean {near[0]}?" if near else f"commands: {', '.join(BY_NAME)}"
        return _sorry(f"there is no command {name!r}; {hint}", Exit.WRONG)
    try:
        parsed = parser_of(command).parse_args(rest)
        status = module_of(command).run(parsed)
        sys.stdout.flush()
        return status
    except GatewayError as error:
        return _sorry(str(error), getattr(error, "exit", Exit.FAILED))
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Who read our output has seen enough. Python would complain once more when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK


def _sorry(text: str, status: Exit) -> Exit:
    for line in text.splitlines():
        print(f"ichat-gw: {line}", file=sys.stderr)
    return status
