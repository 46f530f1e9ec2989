"""Show one call, live or ended, as a ladder.

It has each message of both protocols, what the connector and the gateway said to each other, and the verdict;
at a terminal in its width, and in colours by protocol (unless NO_COLOR is set).
The id of a call is in each line of the log about it, in `ichat-gw calls` and in `ichat-gw records`. With a
file, the same is written as a page for the browser, as a drawing, as JSON, or as a capture for Wireshark.
"""

import argparse
import json
import os
import sys

from ichat_gw.cli.client import Client, NotDone, add_connection, client_of, quoted
from ichat_gw.cli.exits import Exit
from ichat_gw.cli.output import say
from ichat_gw.ops.line import harmless_json
from ichat_gw.ops.trace import read_trace

FORMS = {
    "html": "a page with the ladder and all messages",
    "svg": "the ladder as a drawing",
    "json": "everything that is known, for programs",
    "pcap": "the messages as packets, for Wireshark",
}
"""What it can be written as, by the ending of its address in the API."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("call", metavar="CALL", help="the call's id")
    for form, text in FORMS.items():
        usual: dict[str, object] = {"nargs": "?", "const": "-"} if form == "json" else {}
        parser.add_argument(
            f"--{form}",
            metavar="FILE",
            help=f"write {text} ({'without FILE, or ' if usual else ''}-: to standard output)",
            **usual,  # type: ignore[arg-type]
        )
    add_connection(parser)


def run(arguments: argparse.Namespace) -> Exit:
    """Fetch it in each form that is wanted; in none, show the ladder."""
    client = client_of(arguments)
    path = f"/calls/{quoted(arguments.call)}/trace"
    wanted = {form: getattr(arguments, form) for form in FORMS if getattr(arguments, form) is not None}
    for form, file in wanted.items():
        _write(client, f"{path}.{form}", file)
    if not wanted:
        _show(client, path)
    return Exit.OK


def _show(client: Client, path: str) -> None:
    """The ladder: as wide as the terminal and in colours by protocol, or plain where there is none."""
    if not sys.stdout.isatty():
        say(client.read(f"{path}.txt").decode("utf-8", "replace").rstrip("\n"))
        return
    # It takes long to import, and only a terminal needs it.
    from rich.console import Console

    from ichat_gw.ops.ladder import ladder_rich

    try:
        trace = read_trace(json.loads(client.read(f"{path}.json")))
    except ValueError as error:
        raise NotDone(f"the gateway's answer is no trace of a call: {error}") from error
    console = Console()
    console.print(ladder_rich(trace, console.width), end="")


def _write(client: Client, path: str, file: str) -> None:
    body = client.read(path)
    if file == "-":
        if path.endswith(".json"):
            body = harmless_json(body.decode("utf-8", "replace")).encode()
        sys.stdout.flush()
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
        return
    try:
        # A new one is for its owner alone: it tells who called whom, and what was written.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(body)
    except OSError as error:
        raise NotDone(f"{file} cannot be written: {error.strerror}") from error
