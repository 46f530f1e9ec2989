"""Show the XMPP users who have an iChat online, and the SIP addresses that they are registered as."""

import argparse

from ichat_gw.cli.client import add_connection, client_of
from ichat_gw.cli.configuration import add_json
from ichat_gw.cli.exits import Exit
from ichat_gw.cli.output import moment, say, show_json, table
from ichat_gw.ops.api import RegistrationState, Users

HEAD = ("user", "online since", "calls", "registered as", "state", "")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_connection(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> Exit:
    """Ask and show."""
    users = client_of(arguments).get("/users", Users)
    if arguments.json:
        show_json(users)
        return Exit.OK
    rows = [
        (
            user.jid,
            moment(user.since),
            str(user.calls or ""),
            user.aor or "(no rule makes an address)",
            user.registration.state if user.registration else "",
            _explained(user.registration),
        )
        for user in users.users
    ]
    for line in table(HEAD, rows) if rows else ["Nobody is online."]:
        say(line)
    return Exit.OK


def _explained(registration: RegistrationState | None) -> str:
    if registration is None:
        return ""
    if registration.state == "failed":
        status = f"{registration.status} " if registration.status else ""
        retry = f"; again at {moment(registration.retry)}" if registration.retry else ""
        return f"{status}{registration.text}{retry}"
    return f"until {moment(registration.expires)}" if registration.expires else ""
