"""API values for tests of pages."""

from datetime import UTC, datetime, timedelta

from ichat_gw.ops import api

NOW = datetime(2026, 11, 23, 10, 31, 7, 250000, UTC)


def live(number: int = 1, **fields: object) -> api.LiveCall:
    usual: dict[str, object] = {
        "id": f"abc-{number}",
        "state": "talking",
        "caller": api.PartyState(address="sip:100@example.com", network="sip", host="192.0.2.1"),
        "callee": api.PartyState(address="xmpp:juliet@example.com", network="xmpp"),
        "began": NOW,
        "seconds": 65.0,
    }
    return api.LiveCall(**(usual | fields))  # type: ignore[arg-type]


def record(number: int = 1, **fields: object) -> api.CallRecord:
    usual: dict[str, object] = {
        "id": f"abc-{number}",
        "caller": api.PartyRecord(address="sip:100@example.com", network="sip", received=98, lost=2),
        "callee": api.PartyRecord(address="xmpp:juliet@example.com", network="xmpp"),
        "began": NOW - timedelta(minutes=number),
        "ended": NOW,
        "seconds": 60.0,
        "cause": "HANGUP",
        "verdict": "the caller hung up after 60 s.",
        "ended_by": "caller",
    }
    return api.CallRecord(**(usual | fields))  # type: ignore[arg-type]


def status(**fields: object) -> api.Status:
    usual: dict[str, object] = {
        "version": "1.2.3",
        "started": NOW - timedelta(days=3, hours=4),
        "now": NOW,
        "uptime_seconds": 3 * 86400 + 4 * 3600.0,
        "ready": True,
        "jabber": api.JabberState(
            online=True, since=NOW, server="xmpp.example.com:5347", component="gw.example.com"
        ),
        "connector": api.ProcessState(running=True, since=NOW, pid=4711),
    }
    return api.Status(**(usual | fields))  # type: ignore[arg-type]
