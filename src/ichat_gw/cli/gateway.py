"""`ichat-gw`: runs the gateway, or with the name of a command first (`ichat-gw check`), that command.

The exit statuses are in `exits`.
"""

import signal
import sys
from collections.abc import Sequence
from types import FrameType

from ichat_gw.cli.commands import is_command, run_command

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main(argv: Sequence[str] | None = None) -> int:
    """Do what `argv` (default: the command line) says; returns the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    if is_command(arguments):
        return run_command(arguments)
    for number in STOP_SIGNALS:
        signal.signal(number, _leave)  # until `Server.run` takes them
    # Who started us with nohup wants SIGHUP to do nothing bad when the terminal is closed; the server asks.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _not_yet)
    # A command needs none of this; and the signals are ours before the longest part of the start.
    from ichat_gw.cli.run import run_gateway

    return run_gateway(arguments)


def _leave(number: int, frame: FrameType | None) -> None:
    """Stopped before anything has begun: there is nothing to end in order."""
    raise SystemExit(0)


def _not_yet(number: int, frame: FrameType | None) -> None:
    """Asked to reload what is only being loaded."""


if __name__ == "__main__":
    sys.exit(main())
