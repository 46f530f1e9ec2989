"""Print what makes a shell complete the commands and flags of ichat-gw, and the names of files.

For bash:  ichat-gw completion bash | sudo tee /etc/bash_completion.d/ichat-gw >/dev/null
For zsh:   ichat-gw completion zsh  | sudo tee /usr/local/share/zsh/site-functions/_ichat-gw >/dev/null
"""

import argparse
import sys
from typing import Any

from ichat_gw.cli.exits import Exit

SHELLS = ("bash", "zsh")

_FILE_WORDS = ("FILE",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("shell", choices=SHELLS, help="for which shell")


def run(arguments: argparse.Namespace) -> Exit:
    """Print it."""
    sys.stdout.write(completion(arguments.shell) + "\n")
    return Exit.OK


def completion(shell: str) -> str:
    """The script for `shell`, one of `SHELLS`."""
    # Only here are they needed.
    import shtab

    from ichat_gw.cli.whole import whole_parser

    parser = whole_parser()
    _complete_files(parser, shtab.FILE)
    return str(shtab.complete(parser, shell))


def _complete_files(parser: argparse.ArgumentParser, names_of_files: Any) -> None:
    """Offer the names of files where one is wanted."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                _complete_files(sub, names_of_files)
        elif action.metavar in _FILE_WORDS:
            action.complete = names_of_files  # type: ignore[attr-defined]
