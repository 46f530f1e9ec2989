"""Show the calls that are up, or being set up: who with whom, how long, and how the audio is.

With --watch the list stays on the screen and follows the calls until Ctrl-C. Loss and jitter are those of
what each party sends, as the relay sees it.
"""

import argparse
import sys
import time

from ichat_gw.cli.client import Client, add_connection, client_of
from ichat_gw.cli.configuration import add_json
from ichat_gw.cli.exits import Exit
from ichat_gw.cli.output import duration, say, show_json, show_json_line, table
from ichat_gw.ops.api import Calls, LiveCall, MediaState

HEAD = ("call", "state", "time", "caller", "called", "codec", "loss", "jitter")
EVERY = 1.0
"""Seconds between two looks."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("-w", "--watch", action="store_true", help="follow the calls until Ctrl-C")
    add_connection(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> Exit:
    """Show them, once or again and again."""
    client = client_of(arguments)
    if arguments.watch:
        try:
            _watch(client, arguments.json)
        except KeyboardInterrupt:
            return Exit.OK
    calls = client.get("/calls", Calls)
    if arguments.json:
        show_json(calls)
    else:
        for line in lines(calls):
            say(line)
    return Exit.OK


def lines(calls: Calls) -> list[str]:
    """The calls as a table."""
    if not calls.calls:
        return ["No calls."]
    return table(HEAD, [row(call) for call in calls.calls])


def row(call: LiveCall) -> tuple[str, ...]:
    """A call as a row under `HEAD`; in the last three columns the caller first."""
    sides = (call.caller.media, call.callee.media)
    return (
        call.id,
        call.state,
        duration(call.seconds),
        call.caller.address,
        call.callee.address,
        " / ".join(dict.fromkeys(side.codec for side in sides if side is not None and side.codec)),
        " / ".join(_loss(side) for side in sides),
        " / ".join(f"{side.jitter_ms:.0f} ms" if side is not None else "-" for side in sides),
    )


def _loss(side: MediaState | None) -> str:
    return f"{side.loss:.1%}" if side is not None else "-"


def _watch(client: Client, as_json: bool) -> None:
    """Until Ctrl-C, or until the gateway is gone (GatewayError)."""
    if as_json or not sys.stdout.isatty():
        while True:
            calls = client.get("/calls", Calls)
            if as_json:
                show_json_line(calls)
            else:
                for line in (*lines(calls), ""):
                    say(line)
            sys.stdout.flush()
            time.sleep(EVERY)
    # It takes long to import, and only a terminal needs it.
    from rich.live import Live
    from rich.text import Text

    with Live(Text(""), auto_refresh=False, screen=True) as live:
        while True:
            shown = [*lines(client.get("/calls", Calls)), "", "Ctrl-C ends this."]
            live.update(Text("\n".join(shown), no_wrap=True, overflow="ellipsis"), refresh=True)
            time.sleep(EVERY)
