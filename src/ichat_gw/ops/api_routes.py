"""Where the JSON API says what: its paths and events, from which the reference is written."""

from dataclasses import dataclass
from typing import Any, Literal

from ichat_gw.ops.api import (
    CallDetail,
    CallRecord,
    Calls,
    Records,
    ReloadReply,
    RuleTrial,
    Series,
    SeriesPoint,
    SettingValues,
    Status,
    Users,
)

BASE = "/api/v1"
"""The beginning of every path of the API."""

ASKING_HEADER = "X-Ichat-Gw"
"""The header, with any value, that each POST must have: no other site's page can make a browser send it."""

DEFAULT_RECORDS = 50
"""How many records are given when the request names no number."""
MAX_RECORDS = 500
"""How many records are given at most at once."""


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that can be asked for."""

    method: Literal["GET", "POST"]
    path: str
    """Behind `BASE`; `{id}` stands for a call's handle."""
    answer: type[Any] | str
    """The value that it answers with, as JSON, or the content type of another answer."""
    sentence: str
    parameters: tuple[tuple[str, str], ...] = ()
    """Of the query: name and meaning."""


_SEARCH = (
    ("search", "text that must occur in the id, an address, a host or the verdict, in any case"),
    ("before", "a time: only calls that began earlier"),
    ("limit", f"how many at most: 1 to {MAX_RECORDS}, otherwise {DEFAULT_RECORDS}"),
)

ROUTES = (
    Route("GET", "/status", Status, "How the gateway and its parts are."),
    Route("GET", "/calls", Calls, "The live calls."),
    Route("GET", "/calls/{id}", CallDetail, "One call, live or ended."),
    Route("GET", "/calls/{id}/trace", "application/json", "Everything that is known of a call, in order."),
    Route("GET", "/calls/{id}/trace.json", "application/json", "The same, as a file."),
    Route(
        "GET", "/calls/{id}/trace.txt", "text/plain; charset=utf-8", "The call as a ladder, for a terminal."
    ),
    Route("GET", "/calls/{id}/trace.svg", "image/svg+xml", "The call as a ladder, drawn."),
    Route("GET", "/calls/{id}/trace.html", "text/html; charset=utf-8", "Ladder and messages on one page."),
    Route("GET", "/calls/{id}/trace.pcap", "application/vnd.tcpdump.pcap", "The messages, for Wireshark."),
    Route("GET", "/records", Records, "Ended calls, the latest first.", _SEARCH),
    Route("GET", "/records.csv", "text/csv; charset=utf-8", "The same as a table, all at once.", _SEARCH[:1]),
    Route("GET", "/users", Users, "Who is online, and how they are registered."),
    Route(
        "GET",
        "/series",
        Series,
        "Calls, set-up delay, packet loss and jitter over time.",
        (("span", "`hour`: the last hour, in steps of 10 s; `day`: the last day, in steps of 5 minutes"),),
    ),
    Route("GET", "/settings", SettingValues, "The settings in force; secrets are hidden."),
    Route(
        "GET",
        "/translate",
        RuleTrial,
        "What the translation rules do with an address; nobody is called.",
        (("address", "with its scheme: `xmpp:...` or `sip:...`"),),
    ),
    Route("POST", "/reload", ReloadReply, "Read the configuration again, as SIGHUP does."),
    Route("GET", "/events", "text/event-stream", "What changes, while it changes: server-sent events."),
)
"""The API. A POST must carry `ASKING_HEADER`. A GET changes nothing."""

EVENTS = (
    ("status", Status, "each time something of it changes, at most twice a second"),
    ("calls", Calls, "each time a call begins, ends or changes, and every second while there are calls"),
    ("users", Status, "each time somebody comes, goes, or is registered; `/users` says who"),
    ("record", CallRecord, "when a call has ended"),
    ("series", SeriesPoint, "each time an interval is over"),
)
"""The server-sent events: name, what their data is, and when they come."""
