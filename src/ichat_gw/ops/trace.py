"""What happened in a call, on one time line: every message of both networks, and what we made of it.

While a call lives, `TraceBook.add` keeps references to what was sent and received (`Recorded`) and nothing
more: no text is searched, copied or formatted. Only when somebody looks at a call are these turned into
`TraceEntry` values (`Journal.trace`), and that is where secrets are taken out; nothing leaves the room
that has not gone through there. The book forgets the oldest calls that are over when it has too many of
them, or too many bytes; a live call that has too many entries goes on without being written down.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from ichat_gw.errors import GatewayError
from ichat_gw.ops import redact
from ichat_gw.ops.line import timestamp, whole
from ichat_gw.ops.reading import Content, contents, fields_of, summary
from ichat_gw.ops.verdict import Verdict, read_verdict

ENTRY_BYTES = 256
"""What an entry costs beside its content, about."""
SHARE = 4
"""No call has more than this part of the room: who talks much must not make others be forgotten."""


class Protocol(StrEnum):
    """What kind of entry it is."""

    SIP = "sip"
    XMPP = "xmpp"
    CONNECTOR = "connector"
    """A message between the two programs."""
    STATE = "state"
    """Something that the gateway itself noted: where the call stands, what was decided."""
    MEDIA = "media"
    """A session description handed to the relay or made by it, or the relay's counters."""
    RTCP = "rtcp"


class Lane(StrEnum):
    """Who sends or receives: a column of the ladder, in this order."""

    USER = "user"
    """The XMPP user: stanzas of his, and the SIP of his iChat client."""
    CONNECTOR = "connector"
    GATEWAY = "gateway"
    RELAY = "relay"
    PHONE = "phone"
    """The SIP party, or the proxy or registrar in front of it."""
    OTHER = "other"
    """Whoever is to take the SIP party's place, until he has it."""


LANES: dict[Lane, str] = {
    Lane.USER: "XMPP user",
    Lane.CONNECTOR: "connector",
    Lane.GATEWAY: "gateway",
    Lane.RELAY: "relay",
    Lane.PHONE: "SIP party",
    Lane.OTHER: "other SIP party",
}
"""The title of each column."""

_TEXT = (bytes, str)  # made once: a union would be made anew for each of many thousand entries

Address: TypeAlias = tuple[str, int] | None
"""IP address and port."""

Value: TypeAlias = str | int | float | bool | None


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An entry as it is kept: references to what there was anyway."""

    at: float
    """UNIX time in seconds."""
    protocol: Protocol
    source: Lane
    target: Lane
    """The same as `source` for what happens in one place."""
    content: Content
    """SIP: the bytes. XMPP: the stanza as text. Otherwise: a session description, a sentence, or a message
    between the programs."""
    source_address: Address = None
    target_address: Address = None
    transport: str = ""
    """SIP: `UDP`, `TCP` or `TLS`."""
    fields: Iterable[tuple[str, object]] = ()
    """More that is known; a message between the programs brings its own."""
    words: str = ""
    """The summary, where the content does not say it."""


class TraceEntry(msgspec.Struct, frozen=True):
    """An entry as it is shown: secrets are taken out, the content is otherwise as sent."""

    at: float
    """UNIX time in seconds."""
    protocol: Protocol
    source: Lane
    target: Lane
    summary: str
    """A few words, on one line: `INVITE sip:bob@example.com`, `iq set apple:iq:vc:request`."""
    content: bytes = b""
    """SIP and XMPP: what was sent, byte for byte but for secrets, whose bytes are other ones. MEDIA: the
    session description, if there is one. Else empty."""
    source_address: Address = None
    target_address: Address = None
    transport: str = ""
    fields: Mapping[str, Value] = {}
    """What else is known of it."""

    @property
    def text(self) -> str:
        r"""The content as text; what is not UTF-8 as `\xNN`."""
        return self.content.decode("utf-8", "backslashreplace")


def entry_of(recorded: Recorded) -> TraceEntry:
    """What is shown of a recorded entry."""
    return TraceEntry(
        recorded.at,
        recorded.protocol,
        recorded.source,
        recorded.target,
        summary(recorded.words or recorded.content),
        contents(recorded.content),
        recorded.source_address,
        recorded.target_address,
        recorded.transport,
        {name: _value(name, value) for name, value in fields_of(recorded.content) or recorded.fields},
    )


def _value(name: str, value: object) -> Value:
    if redact.is_secret_name(name):
        return redact.REDACTED
    return value if isinstance(value, int | float | None) else redact.text(whole(str(value)))


class CallTrace(msgspec.Struct, frozen=True):
    """One call, as it is shown at one moment."""

    call: str
    """Its handle."""
    caller: str
    """A URI, `sip:` or `xmpp:`."""
    callee: str
    began: float
    """UNIX time in seconds."""
    ended: float | None
    """None while it lives."""
    verdict: Verdict | None
    """None while it lives."""
    entries: tuple[TraceEntry, ...]
    """What happened, in order."""
    left_out: int = 0
    """How many entries there was no room for."""

    @property
    def lanes(self) -> list[Lane]:
        """The columns that something stands in, in their order."""
        used = {lane for entry in self.entries for lane in (entry.source, entry.target)}
        return [lane for lane in Lane if lane in used]


@dataclass(slots=True)
class Journal:
    """What is written down of a call."""

    call: str
    caller: str
    callee: str
    began: float
    ended: float | None = None
    verdict: Verdict | None = None
    left_out: int = 0
    recorded: list[Recorded] = field(default_factory=list)
    size: int = 0
    """About how many bytes of memory it takes."""

    def trace(self) -> CallTrace:
        """What is known by now, to be shown. Costs about 10 us for each entry."""
        return CallTrace(
            self.call,
            whole(self.caller),
            whole(self.callee),
            self.began,
            self.ended,
            self.verdict,
            # Stanzas are told of by the connector a moment after they came and went.
            tuple(map(entry_of, sorted(self.recorded, key=lambda recorded: recorded.at))),
            self.left_out,
        )


class TraceBook:
    """The traces of all live calls and of the last ones that are over.

    `calls` is how many that are over are kept (TraceCalls), `size` how many bytes all may take together, and
    `entries` how many one call may have. With `calls` 0 live calls are kept all the same.
    """

    def __init__(self, calls: int = 200, size: int = 32 * 2**20, entries: int = 5_000) -> None:
        self._calls = calls
        self._size_limit = size
        self._entries = entries
        self._live: dict[str, Journal] = {}
        self._over: OrderedDict[str, Journal] = OrderedDict()
        self._size = 0

    def resize(self, calls: int, size: int, entries: int) -> None:
        """Keep so much from now on; of calls that are over, the oldest are forgotten if that is less."""
        self._calls, self._size_limit, self._entries = calls, size, entries
        self._make_room(0)
        while len(self._over) > calls:
            self._forget_oldest()

    @property
    def size(self) -> int:
        """About how many bytes of memory all traces take."""
        return self._size

    @property
    def live(self) -> Iterable[Journal]:
        """The calls that are not over, oldest first."""
        return self._live.values()

    @property
    def over(self) -> Iterable[Journal]:
        """The calls that are over and still known, newest first."""
        return reversed(self._over.values())

    def find(self, call: str) -> Journal | None:
        """The call with this handle."""
        return self._live.get(call) or self._over.get(call)

    def begin(self, call: str, caller: str, callee: str, at: float) -> Journal:
        """A call begins."""
        trace = self._live[call] = Journal(call, caller, callee, at)
        return trace

    def add(self, call: str, recorded: Recorded) -> None:
        """Something happened in a call. What is said of a call that is not known is not kept."""
        trace = self._live.get(call) or self._over.get(call)
        if trace is None:
            return
        size = ENTRY_BYTES + _length(recorded.content)
        if len(trace.recorded) >= self._entries or trace.size + size > self._size_limit // SHARE:
            trace.left_out += 1
            return
        if self._size + size > self._size_limit:
            self._make_room(size)
            if trace.ended is not None and call not in self._over:
                return  # it was the oldest, and has made room itself
            if self._size + size > self._size_limit:
                trace.left_out += 1
                return
        trace.recorded.append(recorded)
        trace.size += size
        self._size += size

    def end(self, call: str, verdict: Verdict | None, at: float) -> Journal | None:
        """The call is over; None if it is not known. Entries may still come."""
        trace = self._live.pop(call, None)
        if trace is None:
            return None
        trace.ended, trace.verdict = at, verdict
        self._over[call] = trace
        while len(self._over) > self._calls:
            self._forget_oldest()
        return trace

    def _make_room(self, size: int) -> None:
        while self._over and self._size + size > self._size_limit:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, oldest = self._over.popitem(last=False)
        self._size -= oldest.size


def _length(content: Content) -> int:
    """About how many bytes of memory it takes."""
    if isinstance(content, _TEXT):
        return len(content)
    return sum(len(value) for _, value in fields_of(content) if isinstance(value, str))


def entry_json(entry: TraceEntry) -> dict[str, Any]:
    """An entry as JSON.

    `at` (ISO 8601, UTC), `protocol`, `from` and `to` (names of lanes), `summary`; and where there are any
    `from_address` and `to_address` (`192.0.2.7:5060`), `transport`, `text` and `fields` (an object).
    """
    shown: dict[str, Any] = {
        "at": timestamp(entry.at),
        "protocol": entry.protocol.value,
        "from": entry.source.value,
        "to": entry.target.value,
        "summary": entry.summary,
    }
    for name, address in (("from_address", entry.source_address), ("to_address", entry.target_address)):
        if address is not None:
            shown[name] = address_text(address)
    if entry.transport:
        shown["transport"] = entry.transport
    if entry.content:
        shown["text"] = entry.text
    if entry.fields:
        shown["fields"] = dict(entry.fields)
    return shown


def trace_json(trace: CallTrace) -> dict[str, Any]:
    """A trace as JSON.

    `call`, `caller`, `callee`, `began`, `ended` (null while it lives), `verdict` (an object or null),
    `left_out` (a number), `lanes` (an array of `{name, title}`) and `entries` (see `entry_json`).
    """
    return {
        "call": trace.call,
        "caller": trace.caller,
        "callee": trace.callee,
        "began": timestamp(trace.began),
        "ended": None if trace.ended is None else timestamp(trace.ended),
        "verdict": None if trace.verdict is None else trace.verdict.as_json(),
        "left_out": trace.left_out,
        "lanes": [{"name": lane.value, "title": LANES[lane]} for lane in trace.lanes],
        "entries": [entry_json(entry) for entry in trace.entries],
    }


class InvalidTrace(GatewayError):
    """What should be the JSON of a trace is not."""


def read_trace(shown: Any) -> CallTrace:
    """The trace that `trace_json` has written, from the values in its JSON. Raises `InvalidTrace`."""
    try:
        return CallTrace(
            str(shown["call"]),
            str(shown["caller"]),
            str(shown["callee"]),
            _time(shown["began"]),
            None if shown["ended"] is None else _time(shown["ended"]),
            None if shown["verdict"] is None else read_verdict(shown["verdict"]),
            tuple(map(_read_entry, shown["entries"])),
            int(shown["left_out"]),
        )
    except (LookupError, TypeError, ValueError, msgspec.MsgspecError) as error:
        raise InvalidTrace(f"this is not the trace of a call, or of another release: {error}") from error


def _read_entry(shown: Any) -> TraceEntry:
    return TraceEntry(
        _time(shown["at"]),
        Protocol(shown["protocol"]),
        Lane(shown["from"]),
        Lane(shown["to"]),
        str(shown["summary"]),
        str(shown.get("text", "")).encode("utf-8", "surrogatepass"),
        _address(shown.get("from_address")),
        _address(shown.get("to_address")),
        str(shown.get("transport", "")),
        dict(shown.get("fields", {})),
    )


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _address(text: str | None) -> Address:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def address_text(address: tuple[str, int]) -> str:
    """`192.0.2.7:5060`, `[2001:db8::7]:5060`."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
