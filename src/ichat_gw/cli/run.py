"""The gateway itself: reads the configuration, opens the log and serves until it is stopped."""

import asyncio
import os
import sys
from collections.abc import Iterable, Sequence

from ichat_gw.app.loop import loop_factory, settle_garbage_collector
from ichat_gw.app.reload import configure_log
from ichat_gw.app.serve import Server
from ichat_gw.cli.commands import COMMANDS
from ichat_gw.cli.exits import Exit
from ichat_gw.config.load import load
from ichat_gw.config.problem import ConfigError, Problem
from ichat_gw.config.source import flag_parser, overrides_of
from ichat_gw.errors import GatewayError
from ichat_gw.ops import logging


def run_gateway(arguments: Sequence[str]) -> int:
    """Run the gateway with these flags; returns the exit status."""
    flags = flag_parser(commands=[(command.name, command.summary) for command in COMMANDS]).parse_args(
        arguments
    )
    overrides = overrides_of(flags)
    try:
        loaded = load(flags.config, overrides)
    except ConfigError as error:
        _warn(error.warnings)
        for line in str(error).splitlines():
            print(line, file=sys.stderr)
        return Exit.WRONG
    _warn(loaded.warnings)
    try:
        configure_log(loaded.settings)
    except GatewayError as error:
        print(f"ichat-gw: {error}", file=sys.stderr)
        return Exit.FAILED
    log = logging.get_logger(__name__)
    try:
        settle_garbage_collector()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(Server(loaded, lambda: load(flags.config, overrides), is_all=True).run())
    except GatewayError as error:
        log.crit("the gateway cannot go on", text=str(error))
        print(f"ichat-gw: {error}", file=sys.stderr)
        return Exit.FAILED
    except Exception:
        # A bug; who looks for the reason looks into the log.
        log.crit("the gateway cannot go on", exc_info=True)
        return Exit.FAILED
    finally:
        logging.shutdown()
        _let_go_of_terminal()
    return Exit.OK


def _let_go_of_terminal() -> None:
    """What cannot be written any more, because the terminal is closed, is no failure (Python: status 120)."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except ValueError:
            pass  # closed already


def _warn(warnings: Iterable[Problem]) -> None:
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
