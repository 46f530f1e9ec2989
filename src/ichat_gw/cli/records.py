"""Show the calls that have ended, the latest first: when, who with whom, how long, and what became of them.

With --csv all of them are written as a table for other programs.
"""

import argparse
import re
import sys

from ichat_gw.cli.client import add_connection, client_of
from ichat_gw.cli.configuration import add_json
from ichat_gw.cli.exits import Exit
from ichat_gw.cli.output import duration, moment, say, show_json, table
from ichat_gw.ops.api import Records
from ichat_gw.ops.api_routes import MAX_RECORDS

HEAD = ("call", "began", "talked", "caller", "called", "cause", "verdict")
USUAL = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("search", nargs="?", default="", help="only calls in which this text occurs")
    parser.add_argument(
        "-n", "--limit", type=_limit, default=USUAL, metavar="NUMBER", help=f"how many at most ({USUAL})"
    )
    parser.add_argument("--csv", action="store_true", help="write all of them as CSV")
    add_connection(parser)
    add_json(parser)


def _limit(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_RECORDS:
        raise argparse.ArgumentTypeError(f"a number from 1 to {MAX_RECORDS} is needed")
    return int(text)


def run(arguments: argparse.Namespace) -> Exit:
    """Ask and show."""
    client = client_of(arguments)
    if arguments.csv:
        sys.stdout.flush()
        sys.stdout.buffer.write(client.read("/records.csv", search=arguments.search))
        sys.stdout.buffer.flush()
        return Exit.OK
    records = client.get("/records", Records, search=arguments.search, limit=str(arguments.limit))
    if arguments.json:
        show_json(records)
        return Exit.OK
    rows = [
        (
            record.id,
            moment(record.began),
            duration(record.talk_seconds),
            record.caller.address,
            record.callee.address,
            record.cause,
            record.verdict,
        )
        for record in records.records
    ]
    nothing = (
        "In no call that has ended does this text occur." if arguments.search else "No calls have ended."
    )
    for line in table(HEAD, rows) if rows else [nothing]:
        say(line)
    if records.more:
        say(f"There are older ones; -n up to {MAX_RECORDS} shows more, --csv all.")
    return Exit.OK
