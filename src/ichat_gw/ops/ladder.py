"""A trace as a ladder of text: a column for each party, an arrow for each message.

10:31:07.123  XMPP user                connector                 gateway
                  |                        |                        |
10:31:07.123      |---iq set apple:iq:vc:request-->|                |
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from rich.text import Text

from ichat_gw.ops.line import escaped
from ichat_gw.ops.trace import LANES, CallTrace, Lane, Protocol, TraceEntry, address_text

TIME = 14
"""Characters of the time and the blanks behind it."""
NARROWEST = 14
"""Characters from one column to the next, at the least."""

_STYLES = {
    Protocol.SIP: "cyan",
    Protocol.XMPP: "green",
    Protocol.CONNECTOR: "blue",
    Protocol.STATE: "bold",
    Protocol.MEDIA: "magenta",
    Protocol.RTCP: "magenta",
}


@dataclass(frozen=True, slots=True)
class Rung:
    """One line of a ladder."""

    text: str
    protocol: Protocol | None = None
    """None: no entry, but a heading or the like."""


def clock(at: float) -> str:
    """The time of day in UTC: `10:31:07.123`."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:12]


def label(entry: TraceEntry) -> str:
    """What an arrow says: the summary, and the fields of what has no other content; no control character."""
    words = escaped(entry.summary)
    if entry.protocol in (Protocol.STATE, Protocol.MEDIA, Protocol.RTCP) and entry.fields:
        shown = (f"{name}={value}" for name, value in entry.fields.items() if value not in ("", None))
        words += " " + escaped(" ".join(shown))
    return words.rstrip()


def rungs(trace: CallTrace, width: int = 120) -> list[Rung]:
    """The ladder in lines of at most `width` characters (or what its columns need, if that is more)."""
    lanes = trace.lanes or [Lane.GATEWAY]
    gap = max(NARROWEST, (width - TIME - 8) // max(1, len(lanes) - 1)) if len(lanes) > 1 else NARROWEST
    gap = min(gap, 34)
    place = {lane: TIME + 4 + gap * number for number, lane in enumerate(lanes)}
    width = max(width, place[lanes[-1]] + 4)
    found = [Rung(_headings(place, gap)), *_addresses(trace, place, gap, width)]
    for entry in trace.entries:
        found.append(Rung(_rung(entry, place, width), entry.protocol))
    if trace.left_out:
        found.append(Rung(f"{' ' * TIME}{trace.left_out} entries were left out: the call had too many"))
    if trace.verdict is not None:
        found.append(Rung(""))
        found += [Rung(escaped(line)) for line in (trace.verdict.sentence, trace.verdict.remedy) if line]
    return found


def ladder(trace: CallTrace, width: int = 120) -> str:
    """The ladder as plain text, each line with its end."""
    return "".join(rung.text + "\n" for rung in rungs(trace, width))


def ladder_rich(trace: CallTrace, width: int = 120) -> Text:
    """The ladder for a terminal, in colours by protocol."""
    shown = Text(no_wrap=True, overflow="crop")
    for rung in rungs(trace, width):
        shown.append(rung.text + "\n", style=_STYLES[rung.protocol] if rung.protocol is not None else "")
    return shown


def _headings(place: dict[Lane, int], gap: int) -> str:
    return _centred({lane: LANES[lane] for lane in place}, place, gap)


def _centred(words: dict[Lane, str], place: dict[Lane, int], gap: int) -> str:
    line = ""
    for lane, text in words.items():
        text = _cut(text, gap - 1)
        start = max(place[lane] - len(text) // 2, len(line) + 1 if line else 0)
        line = line.ljust(start) + text
    return line.rstrip()


def _addresses(trace: CallTrace, place: dict[Lane, int], gap: int, width: int) -> list[Rung]:
    """Where each party's SIP comes from, when all of it comes from one place."""
    seen: dict[Lane, set[str]] = {}
    for entry in trace.entries:
        for lane, address in ((entry.source, entry.source_address), (entry.target, entry.target_address)):
            if address is not None and lane in place and lane is not Lane.GATEWAY:
                seen.setdefault(lane, set()).add(address_text(address))
    words = {lane: escaped(next(iter(seen[lane]))) for lane in place if len(seen.get(lane, ())) == 1}
    return [Rung(_centred(words, place, gap))] if words else []


def _rung(entry: TraceEntry, place: dict[Lane, int], width: int) -> str:
    line = [" "] * (max(place.values()) + 1)
    for column in place.values():
        line[column] = "|"
    line[: TIME - 2] = clock(entry.at)
    words = label(entry)
    start, end = place[entry.source], place[entry.target]
    if start == end or (entry.fields and entry.protocol in (Protocol.MEDIA, Protocol.RTCP)):
        # What happens in one place, and numbers, may run on over the columns to the right.
        start = min(start, end)
        text = "* " + _cut(words, width - start - 2)
        line[start : start + len(text)] = text
        return "".join(line).rstrip()
    left, right = min(start, end), max(start, end)
    text = _cut(words, right - left - 4)
    arrow = list(text.center(right - left - 1, "-"))
    arrow[-1 if end > start else 0] = ">" if end > start else "<"
    line[left + 1 : right] = arrow
    return "".join(line).rstrip()


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: max(0, length - 1)] + "…"
