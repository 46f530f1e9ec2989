"""Have the running gateway read its configuration again, without touching a call.

A configuration that is wrong changes nothing, and what is wrong is shown with file and line. What has changed
is shown, and what takes effect only when the gateway is started again. SIGHUP does the same, and says it in
the log.
"""

import argparse

from ichat_gw.cli.client import add_connection, client_of
from ichat_gw.cli.configuration import add_json
from ichat_gw.cli.exits import Exit
from ichat_gw.cli.output import say, show_json, warn
from ichat_gw.ops.api import ReloadReply, SettingChange


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_connection(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> Exit:
    """Ask for it; WRONG when the configuration is, and nothing was changed."""
    reply = client_of(arguments).post("/reload", ReloadReply)
    if arguments.json:
        show_json(reply)
    else:
        _show(reply)
    return Exit.OK if reply.done else Exit.WRONG


def _show(reply: ReloadReply) -> None:
    for warning in reply.warnings:
        warn(f"warning: {warning}")
    for problem in reply.problems:
        warn(problem)
    if not reply.done:
        warn("nothing was changed")
        return
    if not reply.changed and not reply.needs_restart:
        say("Reloaded; no setting has changed.")
    if reply.changed:
        say("In force now:")
        for change in reply.changed:
            _show_change(change)
    if reply.needs_restart:
        say("In force when the gateway is started again:")
        for change in reply.needs_restart:
            _show_change(change)


def _show_change(change: SettingChange) -> None:
    if "\n" in change.before or "\n" in change.after:
        say(f"  {change.name}:")
        before, after = change.before.splitlines(), change.after.splitlines()
        for sign, only, other in (("-", before, after), ("+", after, before)):
            for line in only:
                if line not in other:
                    say(f"    {sign} {line}")
    else:
        say(f"  {change.name}: {change.before or '(none)'} -> {change.after or '(none)'}")
