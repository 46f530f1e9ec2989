"""Show one call, live or ended, as a ladder.

It has each message of both protocols, what the connector and the gateway said to each other, and the verdict.
The id of a call is in each line of the log about it, in `ichat-gw calls` and in `ichat-gw records`. With a
file, the same is written as a page for the browser, as a drawing, as JSON, or as a capture for Wireshark.
"""

import argparse
import sys
from pathlib import Path

from ichat_gw.cli.client import Client, NotDone, add_connection, client_of, quoted
from ichat_gw.cli.exits import Exit
from ichat_gw.cli.output import say

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
        say(client.read(f"{path}.txt").decode("utf-8", "replace").rstrip("\n"))
    return Exit.OK


def _write(client: Client, path: str, file: str) -> None:
    body = client.read(path)
    if file == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
        return
    try:
        Path(file).write_bytes(body)
    except OSError as error:
        raise NotDone(f"{file} cannot be written: {error.strerror}") from error
