"""A call as a ladder: four columns, an arrow per message, with its time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from peers.gateway import LogEvent
from peers.sightings import Sighting
from peers.sip_phone import PhoneMessage

COLUMNS = ("iChat user", "connector", "gateway", "SIP user")
ICHAT, CONNECTOR, GATEWAY, PHONE = range(4)
GAP = 30
"""Characters from one column to the next."""
MARGIN = 11
"""Characters before the first column: the time."""

_REASONS = {100: "Trying", 180: "Ringing", 200: "OK", 404: "Not Found", 486: "Busy Here",
            487: "Request Terminated", 603: "Decline"}  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Rung:
    """One message on its way from one column to another."""

    at: float
    """Seconds, as `time.time()`."""
    source: int
    target: int
    label: str


def rungs(
    sightings: Iterable[Sighting], events: Iterable[LogEvent], phone: Iterable[PhoneMessage]
) -> list[Rung]:
    """What travelled, in order: what iChat saw, IPC as the gateway logged it, SIP as the phone saw it."""
    found = [
        *(rung for s in sightings for rung in _of_ichat(s)),
        *(rung for e in events for rung in _of_gateway(e)),
        *(rung for m in phone for rung in _of_phone(m)),
    ]
    return sorted(found, key=lambda rung: rung.at)


def begun_since(begin: float, events: Sequence[LogEvent]) -> list[LogEvent]:
    """What was logged from `begin` on, but for what concerns a call of the time before.

    Of such a call there can still be something to say, as when the same iChat calls the same number again.
    """
    earlier = {event.call for event in events if event.call and event.at < begin}
    return [event for event in events if event.at >= begin and event.call not in earlier]


def _of_ichat(sighting: Sighting) -> list[Rung]:
    if sighting.kind.startswith("SIP "):
        other, label = GATEWAY, _sip_label(sighting.kind)
    elif sighting.kind.startswith("vc:"):
        other, label = CONNECTOR, _exchange_label(sighting)
    else:
        return []
    ends = (ICHAT, other) if sighting.way == "out" else (other, ICHAT)
    return [Rung(sighting.at, *ends, label)]


def _of_gateway(event: LogEvent) -> list[Rung]:
    if event.event != "ipc" or "Call" not in event.summary:
        return []
    ends = (CONNECTOR, GATEWAY) if event.direction == "in" else (GATEWAY, CONNECTOR)
    return [Rung(event.at, *ends, event.summary)]


def _of_phone(message: PhoneMessage) -> list[Rung]:
    ends = (PHONE, GATEWAY) if message.way == "out" else (GATEWAY, PHONE)
    return [Rung(message.at, *ends, _sip_label(message.sip.kind))]


def _exchange_label(sighting: Sighting) -> str:
    if sighting.kind != "vc:response":
        return sighting.kind
    data = "data" if sighting.fields.get("connectData") else "no data"
    return f"vc:response {sighting.fields.get('response')} ({data})"


def _sip_label(kind: str) -> str:
    words = kind.split()[1:]
    if len(words) == 1:
        return words[0]
    status, method = words
    reason = _REASONS.get(int(status), "")
    return f"{status} {reason}" if method == "INVITE" else f"{status} {reason} ({method})"


def draw(steps: list[Rung]) -> list[str]:
    """The lines of text, with a head; times count from the first message."""
    if not steps:
        return ["(no message travelled)"]
    begin = steps[0].at
    head = "".join(name.center(GAP) for name in COLUMNS)
    # The head is centred over its columns, which begin half a gap further left.
    lines = [head[GAP // 2 - MARGIN :]]
    lines += [f"{f'+{step.at - begin:.3f} s':>{MARGIN - 1}} {_arrow(step)}" for step in steps]
    return [line.rstrip() for line in lines]


def _arrow(step: Rung) -> str:
    row = [" "] * (GAP * (len(COLUMNS) - 1) + 1)
    for column in range(len(COLUMNS)):
        row[column * GAP] = "│"
    left, right = sorted((step.source, step.target))
    first, last = left * GAP + 1, right * GAP - 1
    for place in range(first, last + 1):
        row[place] = "┼" if place % GAP == 0 else "─"
    if step.target > step.source:
        row[last] = "▶"
    else:
        row[first] = "◀"
    # A label on a long arrow stands beside the column that the arrow passes, not on it.
    label = f" {step.label} "[: GAP - 4]
    middle = first + (GAP - len(label)) // 2 - 1
    if step.target < step.source and right - left > 1:
        middle += (right - left - 1) * GAP
    row[middle : middle + len(label)] = label
    return "".join(row)
