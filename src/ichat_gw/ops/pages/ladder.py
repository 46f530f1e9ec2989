"""A call's messages as a ladder of HTML: a column for each who speaks, a row for each message, in order.

It is a list, so that it can be read aloud, and each message opens to show all of it, without a script. The
columns are drawn with classes alone: the page allows no styles of its own.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from ichat_gw.ops.pages.figures import clock, plural
from ichat_gw.ops.pages.html import NOTHING, Html, fill, joined
from ichat_gw.ops.trace import LANES, CallTrace, Lane, TraceEntry, address_text

MOST_ROWS = 1_000
"""Entries that the page shows, the last ones; the files have all."""

_ROW = """\
<li class="row {protocol}" data-key="{key}">
<span class="at">{clock}<span class="milli">{milli}</span></span>
<details class="lanes">
<summary class="hop {hop}"><span class="unseen">{spoken}: </span>\
<span class="words">{summary}</span></summary>
<div class="inside">{meta}{content}</div>
</details>
</li>
"""


def ladder(trace: CallTrace) -> Html:
    """All entries of the trace."""
    lanes = trace.lanes
    if not lanes:
        return fill('<p class="empty" id="rows">Nothing has been said yet.</p>')
    heads = joined(fill('<span class="head">{title}</span>', title=LANES[lane]) for lane in lanes)
    shown = trace.entries[-MOST_ROWS:]
    hidden = len(trace.entries) - len(shown)
    rows = joined(_row(key, entry, lanes) for key, entry in zip(_keys(shown), shown, strict=True))
    earlier = (
        fill(
            '<p class="quiet">{entries} before these: see the downloads.</p>',
            entries=plural(hidden, "more entry", "more entries"),
        )
        if hidden
        else NOTHING
    )
    left_out = (
        fill('<p class="quiet">{number} more entries were not kept.</p>', number=trace.left_out)
        if trace.left_out
        else NOTHING
    )
    return fill(
        '{earlier}<div class="ladder of-{columns}"><div class="heads" aria-hidden="true">{heads}</div>'
        '<ol id="rows">{rows}</ol></div>{left_out}',
        earlier=earlier,
        columns=len(lanes),
        heads=heads,
        rows=rows,
        left_out=left_out,
    )


def _keys(entries: Sequence[TraceEntry]) -> Iterator[str]:
    """A name for each entry that stays its own when others, heard of later, come before it."""
    seen: Counter[str] = Counter()
    for entry in entries:
        name = f"{entry.at:.6f}-{entry.protocol.value}-{entry.source.value}-{entry.target.value}"
        seen[name] += 1
        yield f"{name}-{seen[name]}"


def _row(key: str, entry: TraceEntry, lanes: list[Lane]) -> Html:
    at = datetime.fromtimestamp(entry.at, UTC)
    source, target = lanes.index(entry.source), lanes.index(entry.target)
    if source == target:
        hop, spoken = f"at-{source}", LANES[entry.source]
    else:
        first, last = sorted((source, target))
        way = "right" if target > source else "left"
        hop, spoken = f"from-{first} to-{last} {way}", f"{LANES[entry.source]} to {LANES[entry.target]}"
    return fill(
        _ROW,
        protocol=entry.protocol.value,
        key=key,
        clock=clock(at),
        milli=f".{at.microsecond // 1000:03}",
        hop=hop,
        spoken=spoken,
        summary=entry.summary,
        meta=_meta(entry),
        content=fill("<pre>{content}</pre>", content=entry.text) if entry.content else NOTHING,
    )


def _meta(entry: TraceEntry) -> Html:
    words = [
        entry.protocol.value.upper()
        if entry.protocol.value in ("sip", "xmpp", "rtcp")
        else entry.protocol.value
    ]
    words += [entry.transport] if entry.transport else []
    for word, address in (("from", entry.source_address), ("to", entry.target_address)):
        if address is not None:
            words.append(f"{word} {address_text(address)}")
    words += [f"{name} {value}" for name, value in entry.fields.items() if value is not None]
    return fill('<p class="quiet">{words}</p>', words=", ".join(words))
