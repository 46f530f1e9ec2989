"""A call's messages as a ladder of HTML: a column for each who speaks, a row for each message, in order.

It is a list, so that it can be read aloud, and each message opens to show all of it, without a script. The
columns are drawn with classes alone: the page allows no styles of its own.
"""

from datetime import UTC, datetime

from ichat_gw.ops.pages.figures import clock
from ichat_gw.ops.pages.html import NOTHING, Html, fill, joined
from ichat_gw.ops.trace import LANES, CallTrace, Lane, TraceEntry, address_text

_ROW = """\
<li class="row {protocol}" data-key="{number}">
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
    rows = joined(_row(number, entry, lanes) for number, entry in enumerate(trace.entries))
    left_out = (
        fill('<p class="quiet">{number} more entries were not kept.</p>', number=trace.left_out)
        if trace.left_out
        else NOTHING
    )
    return fill(
        '<div class="ladder of-{columns}"><div class="heads" aria-hidden="true">{heads}</div>'
        '<ol id="rows">{rows}</ol></div>{left_out}',
        columns=len(lanes),
        heads=heads,
        rows=rows,
        left_out=left_out,
    )


def _row(number: int, entry: TraceEntry, lanes: list[Lane]) -> Html:
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
        number=number,
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
