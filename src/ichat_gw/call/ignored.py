"""Sources that misbehave are ignored for a while, as Kamailio's pike does.

A misdeed is what a faulty or a hostile peer does, and an honest one hardly ever: messages that are no SIP,
more requests than it may send, calls to who does not exist, registrations where there is no registrar. Who
commits more than `after` of them in about a minute is ignored for `seconds`: nothing of his is read, so a
scan costs next to nothing and learns no more. Behind one address there may be a PBX with many people, who
dial wrong numbers all together: who has shown to be no scanner is exempt.

Memory is bounded: of the sources whose misdeeds are remembered, and of those that are ignored, the one that
was heard of least recently is forgotten first.
"""

from collections import OrderedDict

from ichat_gw.call.rate import SOURCES, Bucket

MINUTE = 60.0


class Ignored:
    """Who is ignored, and who is about to be. Sources are what `source_of` gives."""

    def __init__(self, after: int, seconds: float) -> None:
        self._after = after
        self._seconds = seconds
        self._suspects: OrderedDict[str, Bucket] = OrderedDict()
        self._until: OrderedDict[str, float] = OrderedDict()
        self._exempt: OrderedDict[str, None] = OrderedDict()

    def __bool__(self) -> bool:
        """Whether anybody is ignored: what is asked for each datagram."""
        return bool(self._until)

    def reconfigure(self, after: int, seconds: float) -> None:
        """Go by other settings: `after` misdeeds in a minute (0: nobody is ignored), `seconds` of silence."""
        if after != self._after:
            self._suspects.clear()
        if not after:
            self._until.clear()
        self._after, self._seconds = after, seconds

    def exempt(self, source: str) -> None:
        """Never ignore this source."""
        self._exempt[source] = None
        self._exempt.move_to_end(source)
        if len(self._exempt) > SOURCES:
            self._exempt.popitem(last=False)
        self._until.pop(source, None)

    def misdeed(self, source: str, now: float) -> bool:
        """Count a misdeed; True when this is the one that was too much."""
        if not self._after or source in self._exempt or self.contains(source, now):
            return False
        bucket = self._suspects.pop(source, None) or Bucket(self._after / MINUTE, self._after, now)
        if bucket.take(now):
            self._suspects[source] = bucket
            if len(self._suspects) > SOURCES:
                self._suspects.popitem(last=False)
            return False
        self._until[source] = now + self._seconds
        if len(self._until) > SOURCES:
            self._until.popitem(last=False)
        return True

    def contains(self, source: str, now: float) -> bool:
        """Whether this source is ignored now."""
        until = self._until.get(source)
        if until is None:
            return False
        if now < until:
            return True
        del self._until[source]
        return False

    def sources(self, now: float) -> dict[str, float]:
        """Who is ignored, and for how many seconds yet."""
        return {source: until - now for source, until in self._until.items() if now < until}
