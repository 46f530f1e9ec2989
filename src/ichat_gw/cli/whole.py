"""All of `ichat-gw`'s command line as one parser: for the shell's completion and the documents.

Nothing is parsed with it: the gateway and each command have a parser of their own.
"""

import argparse

from ichat_gw.cli.commands import COMMANDS, add_help, module_of
from ichat_gw.config.source import flag_parser


def whole_parser() -> argparse.ArgumentParser:
    """The gateway's flags, and the commands with theirs."""
    parser = flag_parser()
    subparsers = parser.add_subparsers(metavar="COMMAND", required=False)
    for command in COMMANDS:
        module = module_of(command)
        sub = subparsers.add_parser(
            command.name,
            help=command.summary,
            description=command.summary,
            add_help=False,
            allow_abbrev=False,
        )
        add_help(sub)
        module.add_arguments(sub)
    return parser
