"""Show how a running gateway and its parts are.

That is whether it can take calls, and if not, what is missing; its connection with the XMPP server, its
processes, the SIP servers that it talks to, and what has been counted since its start. The exit status is 1
when it cannot take calls.
"""

import argparse

from ichat_gw.cli.client import add_connection, client_of
from ichat_gw.cli.configuration import add_json
from ichat_gw.cli.exits import Exit
from ichat_gw.cli.output import duration, moment, say, show_json, table
from ichat_gw.ops.api import Status


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_connection(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> Exit:
    """Ask and show; FAILED when the gateway is not ready."""
    status = client_of(arguments).get("/status", Status)
    if arguments.json:
        show_json(status)
    else:
        for line in lines(status):
            say(line)
    return Exit.OK if status.ready else Exit.FAILED


def lines(status: Status) -> list[str]:
    """The status in words."""
    ready = "ready" if status.ready else f"NOT READY: {', '.join(status.not_ready)}"
    jabber, connector, totals = status.jabber, status.connector, status.totals
    jabber_text = f" ({jabber.text})" if jabber.text else ""
    failed = f", {status.registrations_failed} failed" if status.registrations_failed else ""
    running = f"process {connector.pid}" if connector.running else f"NOT RUNNING {connector.text}".rstrip()
    shown = [
        f"ichat-gw {status.version}, {ready}",
        f"Running since {moment(status.started)} ({duration(status.uptime_seconds)})",
        f"Calls: {status.calls}   Users online: {status.users}   Registered: {status.registered}{failed}",
        f"Since the start: {totals.calls} calls, {totals.answered} answered, {totals.failed} failed, "
        f"{totals.refused} refused",
        f"SIP: {', '.join(status.listening)}",
        f"XMPP: {'online' if jabber.online else 'OFFLINE'} since {moment(jabber.since)}, {jabber.component} "
        f"at {jabber.server}{jabber_text}",
        f"Connector: {running}, since {moment(connector.since)}, started again {connector.restarts} times",
    ]
    if status.turned_away:
        away = ", ".join(f"{each.setting} {each.times}" for each in status.turned_away)
        shown.insert(4, f"Turned away: {away}")
    rows = [
        (
            part.name,
            "works" if part.running else "DOWN",
            moment(part.since),
            str(part.calls),
            str(part.pid or ""),
            part.loop,
            str(part.restarts),
            part.text,
        )
        for part in status.media
    ]
    shown += ["", f"Media engine: {status.media_engine}"]
    shown += table(("part", "state", "since", "calls", "process", "loop", "restarts", ""), rows)
    if status.sip_targets:
        targets = [
            (target.address, "answers" if target.answers else "SILENT", moment(target.since), target.text)
            for target in status.sip_targets
        ]
        shown += ["", "SIP servers and phones:", *table(("address", "state", "since", ""), targets)]
    return shown
