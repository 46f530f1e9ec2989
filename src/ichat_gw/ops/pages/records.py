"""The records of ended calls, with a search."""

from datetime import datetime

from ichat_gw.ops.api import CallRecord, Records
from ichat_gw.ops.pages.figures import address, delay, moment, sentence, share, span
from ichat_gw.ops.pages.html import NOTHING, Html, fill, joined, path
from ichat_gw.ops.pages.layout import Column, Page, pill, table

_FORM = """\
<form class="ask" method="get" action="/records" role="search">
<label for="search">Search</label>
<input id="search" name="search" type="search" value="{search}" maxlength="200" autocomplete="off"
 placeholder="an address, a cause, words of the verdict">
<button>Search</button>
<a class="button" href="{csv}">CSV</a>
</form>
"""


def records_page(records: Records, search: str, before: datetime | None) -> Page:
    """`search` and `before` as they were asked for."""
    columns = (
        Column("Began"),
        Column("Caller"),
        Column("Callee"),
        Column("Talk", "num"),
        Column("Set-up", "num"),
        Column("Loss", "num"),
        Column("What became of it", "wide"),
    )
    rows = (
        (
            record.id,
            (
                fill(
                    '<a href="{href}">{began}</a>', href=path("calls", record.id), began=moment(record.began)
                ),
                address(record.caller.address),
                address(record.callee.address),
                span(record.talk_seconds) if record.answered else NOTHING,
                delay(record.setup_seconds),
                share(worst_loss(record)),
                outcome(record),
            ),
        )
        for record in records.records
    )
    empty = "No call is like that." if search or before else "No call has ended yet."
    body = joined(
        [
            fill(_FORM, search=search, csv=path("api", "v1", "records.csv", search=search)),
            table("records-table", "Ended calls, the latest first", columns, rows, empty),
            _pages(records, search, before),
        ],
        "\n",
    )
    return Page("Records", body, "records", "" if before else "record")


def outcome(record: CallRecord) -> Html:
    """How a call ended: a word at a glance, and the verdict."""
    if record.answered is not None:
        word = pill("good", "talked") if not record.remedy else pill("busy", "trouble")
    else:
        word = pill("idle", "not answered") if not record.remedy else pill("bad", "failed")
    return fill("{word} {verdict}", word=word, verdict=sentence(record.verdict))


def worst_loss(record: CallRecord) -> float | None:
    """The share of packets that did not come, of the direction where that was worse."""
    shares = [
        party.lost / (party.received + party.lost)
        for party in (record.caller, record.callee)
        if party.received + party.lost
    ]
    return max(shares) if shares else None


def _pages(records: Records, search: str, before: datetime | None) -> Html:
    links = []
    if before:
        links.append(fill('<a href="{href}">The latest</a>', href=path("records", search=search)))
    if records.more:
        oldest = records.records[-1].began.isoformat()
        links.append(
            fill('<a rel="next" href="{href}">Older</a>', href=path("records", search=search, before=oldest))
        )
    return fill('<p class="choice">{links}</p>', links=joined(links, " ")) if links else NOTHING
