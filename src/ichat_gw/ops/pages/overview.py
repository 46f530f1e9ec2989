"""The first page: is all well, and what is going on."""

from collections.abc import Iterator

from ichat_gw.ops.api import Records, Series, SipTargetState, Status
from ichat_gw.ops.pages.chart import charts
from ichat_gw.ops.pages.figures import address, count, moment, plural, span
from ichat_gw.ops.pages.html import NOTHING, Html, fill, joined, path
from ichat_gw.ops.pages.layout import Column, Page, pill, section, table
from ichat_gw.ops.pages.records import outcome

SPANS = (("hour", "the last hour"), ("day", "the last day"))
"""What the charts can show: word in the query, and words for people."""

MOST_TARGETS = 20
"""SIP targets that are shown, those that do not answer first."""


def overview(status: Status, series: Series, latest: Records, chosen: str) -> Page:
    """`chosen`: a word of `SPANS`."""
    words = dict(SPANS)[chosen]
    body = joined(
        [
            _lead(status),
            _tiles(status),
            section("charts", "Over time", _choice(chosen), charts(series, words)),
            section("health", "Health", _health(status)),
            section("turned-away", "Turned away by limits", _turned_away(status)),
            section("latest", "Ended last", _latest(latest)),
        ],
        "\n",
    )
    return Page("Overview", body, "", "status calls record series")


def _lead(status: Status) -> Html:
    if status.ready:
        words = fill("{pill} Calls can be made.", pill=pill("good", "Ready"))
    else:
        words = fill(
            "{pill} New calls are refused: {why}.",
            pill=pill("bad", "Not ready"),
            why=", ".join(status.not_ready),
        )
    return fill(
        '<p class="lead" id="lead">{words} <span class="quiet">Up for {up}, since {started}.</span></p>',
        words=words,
        up=span(status.uptime_seconds),
        started=moment(status.started),
    )


def _tiles(status: Status) -> Html:
    totals = status.totals
    tiles = (
        ("calls", "Live calls", status.calls, path("calls"), NOTHING),
        ("users", "Users online", status.users, path("users"), NOTHING),
        (
            "registered",
            "Registered",
            status.registered,
            path("users"),
            plural(status.registrations_failed, "failure") if status.registrations_failed else NOTHING,
        ),
        (
            "total",
            "Calls since the start",
            totals.calls,
            path("records"),
            fill(
                "{answered} answered, {failed} not, {refused} refused",
                answered=count(totals.answered),
                failed=count(totals.failed),
                refused=count(totals.refused),
            ),
        ),
    )
    return fill(
        '<ul class="tiles">{tiles}</ul>',
        tiles=joined(
            fill(
                '<li><a href="{href}"><span class="name">{name}</span> <b id="tile-{key}">{value}</b> '
                '<span class="quiet">{more}</span></a></li>',
                href=href,
                name=name,
                key=key,
                value=count(value),
                more=more,
            )
            for key, name, value, href, more in tiles
        ),
    )


def _choice(chosen: str) -> Html:
    links = (
        fill(
            '<a href="{href}"{current}>{words}</a>',
            href=path("", span=word),
            current=Html(' aria-current="true"') if word == chosen else NOTHING,
            words=words[:1].upper() + words[1:],
        )
        for word, words in SPANS
    )
    return fill('<p class="choice">{links}</p>', links=joined(links, " "))


def _health(status: Status) -> Html:
    columns = (Column("Part"), Column("State"), Column("Since"), Column("Detail", "wide"))
    return table(
        "health-table", "Health of the gateway's parts", columns, _parts(status), "Nothing is known yet."
    )


def _parts(status: Status) -> Iterator[tuple[str, tuple[object, ...]]]:
    jabber, connector = status.jabber, status.connector
    online = pill("good", "online") if jabber.online else pill("bad", "offline")
    yield "jabber", ("XMPP server", online, moment(jabber.since), _jabber(status))
    runs = pill("good", "running") if connector.running else pill("bad", "not running")
    yield (
        "connector",
        (
            "Connector",
            runs,
            moment(connector.since),
            joined(_process(connector.pid, connector.restarts, connector.text), ", "),
        ),
    )
    for part in status.media:
        runs = pill("good", "running") if part.running else pill("bad", "not running")
        does = [plural(part.calls, "call")] + ([fill("{loop} loop", loop=part.loop)] if part.loop else [])
        detail = joined([*does, *_process(part.pid, part.restarts, part.text)], ", ")
        yield part.name, (part.name[:1].upper() + part.name[1:], runs, moment(part.since), detail)
    yield (
        "sip",
        (
            "SIP sockets",
            pill("good", "open") if status.listening else pill("bad", "closed"),
            moment(status.started),
            ", ".join(status.listening),
        ),
    )
    for target in sorted(status.sip_targets, key=_rank)[:MOST_TARGETS]:
        answers = pill("good", "answers") if target.answers else pill("bad", "does not answer")
        yield f"target-{target.address}", (target.address, answers, moment(target.since), target.text)


def _rank(target: SipTargetState) -> tuple[bool, float]:
    """Those that do not answer first, then what has changed last."""
    return target.answers, -target.since.timestamp()


def _jabber(status: Status) -> Html:
    jabber = status.jabber
    return fill(
        "{component} at {server}{text}",
        component=jabber.component,
        server=jabber.server,
        text="" if jabber.online or not jabber.text else f": {jabber.text}",
    )


def _process(pid: int | None, restarts: int, text: str) -> list[Html]:
    words = [fill("process {pid}", pid=pid)] if pid is not None else []
    if restarts:
        words.append(fill("started again {times}", times=plural(restarts, "time")))
    if text:
        words.append(fill("last: {text}", text=text))
    return words


def _turned_away(status: Status) -> Html:
    columns = (Column("Setting"), Column("Times since the start", "num"))
    rows = ((each.setting, (each.setting, count(each.times))) for each in status.turned_away)
    return table(
        "turned-away-table", "What limits have turned away", columns, rows, "Nothing was turned away."
    )


def _latest(latest: Records) -> Html:
    columns = (Column("Began"), Column("Caller"), Column("Callee"), Column("What became of it", "wide"))
    rows = (
        (
            record.id,
            (
                fill(
                    '<a href="{href}">{began}</a>', href=path("calls", record.id), began=moment(record.began)
                ),
                address(record.caller.address),
                address(record.callee.address),
                outcome(record),
            ),
        )
        for record in latest.records
    )
    return table("latest-table", "Calls that ended last", columns, rows, "No call has ended yet.")
