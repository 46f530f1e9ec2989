"""Call records: one row for each call, kept long after its trace is gone."""

import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec

from ichat_gw.errors import GatewayError
from ichat_gw.ops.line import timestamp

Row: TypeAlias = tuple[object, ...]

MOST_FOUND = 10_000
"""Records that one search may give."""


class RecordsError(GatewayError):
    """The records cannot be read or written; the text says why and what to do."""


class CallRecord(msgspec.Struct, frozen=True, gc=False):
    """One call that is over. Times are UNIX times in seconds."""

    call: str
    """Its handle."""
    began: float
    answered: float | None
    """When both parties were connected; None: never."""
    ended: float
    caller: str
    """A URI, `sip:` or `xmpp:`."""
    callee: str
    user: str
    """The bare JID of the XMPP party."""
    phone: str
    """Where the SIP party was, as far as known: an address or a domain."""
    ended_by: str
    """`caller`, `callee` or `gateway`."""
    cause: str
    """A name of `ichat_gw.call.cause.Cause`."""
    status: int | None
    """The SIP status as received, if one came."""
    verdict: str
    """The code of the verdict (see `ichat_gw.ops.verdict`)."""
    sentence: str
    remedy: str = ""
    end_code: str = ""
    """The code of the verdict's end alone."""
    audio_from_caller: str = ""
    """The code of the verdict on this direction; "" when the call was never up."""
    audio_from_callee: str = ""
    codec: str = ""
    """The names of the codecs that both could use, the first one first: `PCMU, PCMA`."""
    rang: float | None = None
    """When the callee was alerted; None: never."""
    packets_from_caller: int | None = None
    """RTP packets; None for a call without media, or whose relay died."""
    packets_to_caller: int | None = None
    packets_from_callee: int | None = None
    packets_to_callee: int | None = None
    lost_from_caller: int | None = None
    lost_from_callee: int | None = None
    jitter_ms_from_caller: float | None = None
    jitter_ms_from_callee: float | None = None
    strangers: int | None = None
    """RTP packets that were dropped because they came from nobody's address."""
    transfers: int = 0
    """How often the SIP party was replaced."""

    @property
    def seconds(self) -> float:
        """How long both parties were connected."""
        return 0.0 if self.answered is None else self.ended - self.answered


FIELDS: tuple[str, ...] = CallRecord.__struct_fields__
"""The columns, in their order."""
TIMES = frozenset({"began", "rang", "answered", "ended"})
"""Those of them that are times."""


class Search(msgspec.Struct, frozen=True):
    """Which records are wanted, newest first."""

    text: str = ""
    """Stands somewhere in call, caller, callee, user, phone or sentence, in any case of ASCII letters."""
    since: float | None = None
    """Began at this time or later."""
    until: float | None = None
    """Began before this time."""
    verdict: str = ""
    """This code, of the verdict or of one of its findings."""
    user: str = ""
    """This bare JID."""
    limit: int = 100
    """So many at most, 1 to `MOST_FOUND`."""
    skip: int = 0
    """Leave out so many first."""


class Records(Protocol):
    """Where records are kept. May block for a moment: not for the event loop. Raises RecordsError."""

    def add(self, records: Sequence[CallRecord]) -> None:
        """Keep these, all or none."""

    def search(self, search: Search) -> list[CallRecord]:
        """Those that are wanted, newest first."""

    def count(self, search: Search) -> int:
        """How many those are, `limit` and `skip` aside."""

    def forget(self, before: float) -> int:
        """Remove those that began before this time; return how many there were."""

    def close(self) -> None:
        """Nothing more will be asked."""


class MemoryRecords:
    """The last `most` records, until the gateway ends."""

    def __init__(self, most: int = 1_000) -> None:
        self._records: deque[CallRecord] = deque(maxlen=most)

    def add(self, records: Sequence[CallRecord]) -> None:
        """Keep these."""
        self._records.extend(records)

    def search(self, search: Search) -> list[CallRecord]:
        """Those that are wanted, newest first."""
        return self._wanted(search)[search.skip : search.skip + min(search.limit, MOST_FOUND)]

    def count(self, search: Search) -> int:
        """How many those are, `limit` and `skip` aside."""
        return len(self._wanted(search))

    def forget(self, before: float) -> int:
        """Remove those that began before this time; return how many there were."""
        kept = [record for record in self._records if record.began >= before]
        gone = len(self._records) - len(kept)
        self._records = deque(kept, self._records.maxlen)
        return gone

    def close(self) -> None:
        """Nothing to do."""

    def _wanted(self, search: Search) -> list[CallRecord]:
        found = [record for record in self._records if _matches(record, search)]
        return sorted(found, key=lambda record: record.began, reverse=True)


def _matches(record: CallRecord, search: Search) -> bool:
    words = search.text.lower()
    codes = (record.verdict, record.end_code, record.audio_from_caller, record.audio_from_callee)
    return (
        (search.since is None or record.began >= search.since)
        and (search.until is None or record.began < search.until)
        and (not search.verdict or search.verdict in codes)
        and (not search.user or search.user == record.user)
        and any(
            words in text.lower()
            for text in (
                record.call,
                record.caller,
                record.callee,
                record.user,
                record.phone,
                record.sentence,
            )
        )
    )


def record_json(record: CallRecord) -> dict[str, Any]:
    """A record as JSON: its fields, times as ISO 8601 in UTC, and `seconds`."""
    shown: dict[str, Any] = msgspec.to_builtins(record)
    for name in TIMES:
        if shown[name] is not None:
            shown[name] = timestamp(shown[name])
    shown["seconds"] = round(record.seconds, 3)
    return shown


# With what a formula begins: wide forms too, and behind blanks, which some spreadsheets take away.
_FORMULA = re.compile(r"\s*[=+\-@|%\uff1d\uff0b\uff0d\uff20\t\r\n]")
# Where commas are for decimals, a spreadsheet takes the semicolon for the end of a cell, quoted or not.
_CELL_OF_OTHERS = re.compile(r"(;[\s\"']*)(?=[=+\-@|%\uff1d\uff0b\uff0d\uff20])")


def csv_lines(records: Iterable[CallRecord]) -> Iterator[str]:
    """The records as CSV (RFC 4180), a line at a time with its CR LF, names of columns first.

    What is text and begins with a character that makes a spreadsheet calculate gets an apostrophe before it,
    also where only a spreadsheet that separates cells by semicolons would see a beginning; line ends within a
    text become blanks.
    """
    yield _csv_line([*FIELDS, "seconds"])
    for record in records:
        cells = [_cell(name, getattr(record, name)) for name in FIELDS]
        yield _csv_line([*cells, str(round(record.seconds, 3))])


def _csv_line(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if name in TIMES and isinstance(value, float):
        return timestamp(value)
    if not isinstance(value, str):
        return str(value)
    text = "".join(character if character.isprintable() else " " for character in value)
    text = _CELL_OF_OTHERS.sub(r"\1'", text)
    return f"'{text}" if _FORMULA.match(text) or value[:1] in ("\t", "\r", "\n") else text
