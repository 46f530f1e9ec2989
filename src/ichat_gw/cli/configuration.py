"""What several commands have in common: `-c FILE` and the flags, and the configuration that they name."""

import argparse

from ichat_gw.cli.exits import Exit
from ichat_gw.config.load import Loaded, load
from ichat_gw.config.problem import ConfigError
from ichat_gw.config.source import DEFAULT_FILE, add_flags, overrides_of
from ichat_gw.errors import GatewayError


class WrongConfiguration(GatewayError):
    """The configuration cannot be used; the text is all that is wrong with it."""

    exit = Exit.WRONG


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add `-c FILE` alone."""
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help=f"the configuration file ({DEFAULT_FILE} in the current directory)",
    )


def add_config_and_flags(parser: argparse.ArgumentParser) -> None:
    """Add `-c FILE` and every flag of the gateway, which override the file here as they do there."""
    add_flags(parser)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="write JSON, for programs")


def configuration(arguments: argparse.Namespace) -> Loaded:
    """Read what `arguments` name. Raises WrongConfiguration."""
    try:
        return load(arguments.config, overrides_of(arguments))
    except ConfigError as error:
        raise WrongConfiguration(str(error)) from error
