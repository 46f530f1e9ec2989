"""What DNS said, for as long as it may be believed (RFC 1035 section 3.2.1, RFC 2308)."""

from dataclasses import dataclass

from ichat_gw.sip.locating import Question, Record

LONGEST = 86_400.0
"""Seconds that an answer is kept at most, whatever its TTL."""
LONGEST_NEGATIVE = 300.0
"""Seconds that "there is none" is kept at most."""
FAILURE = 5.0
"""Seconds that "nobody answers" is kept: so many callers do not wait for the same silence."""
MAX_ENTRIES = 10_000
"""Answers that are kept; then those asked for longest ago are forgotten."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The records for one question."""

    records: tuple[Record, ...]
    """None when there are none, or when `failed`."""
    failed: str = ""
    """Why nobody could tell; empty when DNS answered."""


class DnsCache:
    """Answers by question."""

    def __init__(self) -> None:
        self._entries: dict[Question, tuple[Answer, float]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, question: Question, now: float) -> Answer | None:
        """Return the answer if it is still good."""
        entry = self._entries.pop(question, None)
        if entry is None or entry[1] <= now:
            return None
        self._entries[question] = entry
        return entry[0]

    def put(self, question: Question, answer: Answer, ttl: float, now: float) -> None:
        """Keep an answer for `ttl` seconds, within the bounds above; 0 or less keeps nothing."""
        longest = FAILURE if answer.failed else LONGEST if answer.records else LONGEST_NEGATIVE
        until = now + min(ttl, longest)
        self._entries.pop(question, None)
        if until > now:
            self._entries[question] = (answer, until)
        if len(self._entries) > MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]
