"""A trace as a drawing (SVG 1.1), and as a page by itself (HTML) that has the drawing and every message.

Nothing in them is run and nothing is fetched from anywhere; whatever text came from outside is escaped, and
what XML cannot hold is shown as an escape.
"""

from html import escape

from ichat_gw.ops.ladder import clock, label
from ichat_gw.ops.line import escaped, timestamp
from ichat_gw.ops.trace import LANES, CallTrace, Lane, Protocol, TraceEntry, address_text

TIME_WIDTH = 110
LANE_WIDTH = 230
HEAD = 40
ROW = 24
LONGEST_LABEL = 34
"""Characters over an arrow; all of it is in its title."""

_COLOURS = {
    Protocol.SIP: "#0b5394",
    Protocol.XMPP: "#2e6b12",
    Protocol.CONNECTOR: "#4b4b4b",
    Protocol.STATE: "#1a1a1a",
    Protocol.MEDIA: "#8a1c7c",
    Protocol.RTCP: "#8a1c7c",
}


def text(value: str) -> str:
    """`value` as text of XML or HTML, or as the value of an attribute."""
    return escape(escaped(value), quote=True)


def block(value: str) -> str:
    """Lines as lines: `value` for a `<pre>`."""
    return "\n".join(text(line) for line in value.replace("\r\n", "\n").split("\n"))


def ladder_svg(trace: CallTrace) -> str:
    """The ladder as one `<svg>` element."""
    lanes = trace.lanes or [Lane.GATEWAY]
    place = {lane: TIME_WIDTH + LANE_WIDTH // 2 + LANE_WIDTH * number for number, lane in enumerate(lanes)}
    width = TIME_WIDTH + LANE_WIDTH * len(lanes)
    height = HEAD + ROW * (len(trace.entries) + 1)
    title = text(f"Call {trace.call} from {trace.caller} to {trace.callee}")
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" font-family="sans-serif" font-size="12">',
        f"<title>{title}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for lane, x in place.items():
        drawn.append(
            f'<text x="{x}" y="20" text-anchor="middle" font-weight="bold" fill="#1a1a1a">{text(LANES[lane])}'
            f'</text><line x1="{x}" y1="{HEAD - 10}" x2="{x}" y2="{height - 6}" stroke="#b0b0b0"/>'
        )
    for number, entry in enumerate(trace.entries):
        drawn.append(_drawn(entry, place, HEAD + ROW * (number + 1), width))
    return "\n".join((*drawn, "</svg>\n"))


def _drawn(entry: TraceEntry, place: dict[Lane, int], y: int, width: int) -> str:
    colour = _COLOURS[entry.protocol]
    words = label(entry)
    time = f'<text x="6" y="{y}" fill="#5a5a5a">{clock(entry.at)}</text>'
    start, end = place[entry.source], place[entry.target]
    title = f"<title>{text(words)}</title>"
    if start == end or (entry.fields and entry.protocol in (Protocol.MEDIA, Protocol.RTCP)):
        start = min(start, end)
        longest = (width - start) // 7
        mark = f'<circle cx="{start}" cy="{y - 4}" r="4" fill="{colour}"/>'
        shown = f'<text x="{start + 10}" y="{y}" fill="{colour}">{text(_cut(words, longest))}</text>'
        return f"<g>{title}{time}{mark}{shown}</g>"
    step = 7 if end > start else -7
    longest = LONGEST_LABEL * abs(end - start) // LANE_WIDTH
    return (
        f'<g>{title}{time}<text x="{(start + end) // 2}" y="{y - 5}" text-anchor="middle" fill="{colour}">'
        f'{text(_cut(words, longest))}</text><line x1="{start}" y1="{y}" x2="{end}" y2="{y}" '
        f'stroke="{colour}"/><path d="M{end} {y}l{-step} -4v8z" fill="{colour}"/></g>'
    )


def _cut(words: str, length: int) -> str:
    return words if len(words) <= length else words[: max(0, length - 1)] + "…"


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>Call {call}</title>
<style>
body {{ font-family: sans-serif; margin: 1rem; color: #1a1a1a; background: #ffffff; }}
pre {{ background: #f2f2f2; padding: 0.5rem; overflow-x: auto; }}
.ladder {{ overflow-x: auto; }}
</style>
</head>
<body>
<h1>Call {call}</h1>
<p>From {caller} to {callee}, {began}.</p>
{verdict}
<h2>Ladder</h2>
<div class="ladder" tabindex="0">
{svg}</div>
<h2>Entries</h2>
{entries}
</body>
</html>
"""


def ladder_html(trace: CallTrace) -> str:
    """The whole trace as a page: its verdict, its ladder, and each entry with all that is known of it."""
    verdict = ""
    if trace.verdict is not None:
        verdict = f"<p><strong>{text(trace.verdict.sentence)}</strong></p>"
        if trace.verdict.remedy:
            verdict += f"\n<p>What to do: {text(trace.verdict.remedy)}.</p>"
    return _PAGE.format(
        call=text(trace.call),
        caller=text(trace.caller),
        callee=text(trace.callee),
        began=text(timestamp(trace.began)),
        verdict=verdict,
        svg=ladder_svg(trace),
        entries="\n".join(map(_entry, trace.entries)),
    )


def _entry(entry: TraceEntry) -> str:
    ways = [f"{LANES[entry.source]} to {LANES[entry.target]}"]
    if entry.source is entry.target:
        ways = [LANES[entry.source]]
    if entry.source_address is not None and entry.target_address is not None:
        ways.append(f"{address_text(entry.source_address)} to {address_text(entry.target_address)}")
    head = f"{clock(entry.at)} {', '.join((*ways, *filter(None, [entry.transport])))}: {entry.summary}"
    inside = ""
    if entry.fields:
        inside += (
            f"<pre>{block(chr(10).join(f'{name}: {value}' for name, value in entry.fields.items()))}</pre>"
        )
    if entry.content:
        inside += f"<pre>{block(entry.text)}</pre>"
    if not inside:
        return f"<p>{text(head)}</p>"
    return f"<details><summary>{text(head)}</summary>{inside}</details>"
