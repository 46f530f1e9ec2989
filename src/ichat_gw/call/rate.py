"""How often something may be done: token buckets, and the requests of each source and in all."""

from collections import OrderedDict

SOURCES = 10_000
"""Sources whose rate is remembered; beyond that the one not heard of for longest is forgotten."""


class Bucket:
    """A token bucket: `rate` tokens per second, at most `burst` saved up; full at the beginning."""

    __slots__ = ("_burst", "_rate", "_then", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._then = now

    def has(self, now: float) -> bool:
        """Whether there is a token to take."""
        self._tokens = min(self._burst, self._tokens + (now - self._then) * self._rate)
        self._then = now
        return self._tokens >= 1.0

    def take(self, now: float) -> bool:
        """Take a token; False when there is none."""
        if not self.has(now):
            return False
        self._tokens -= 1.0
        return True


class Rate:
    """Requests per second, for each source and in all. Up to one second's worth may come at once."""

    def __init__(self, each: int, in_all: int) -> None:
        self._each = each
        self._sources: OrderedDict[str, Bucket] = OrderedDict()
        self._all = Bucket(in_all, in_all, 0.0) if in_all else None

    def __len__(self) -> int:
        return len(self._sources)

    def refuses(self, source: str, now: float, *, in_all: bool = True) -> str | None:
        """Count a request; the name of the setting that refuses it, or None.

        One that its source has too many of takes nothing from the others; `in_all` False leaves the limit
        for all out.
        """
        if self._each:
            bucket = self._sources.get(source)
            if bucket is None:
                if len(self._sources) >= SOURCES:
                    self._sources.popitem(last=False)
                bucket = self._sources[source] = Bucket(self._each, self._each, now)
            self._sources.move_to_end(source)
            if not bucket.take(now):
                return "MaxRequestsPerSecondPerSource"
        if in_all and self._all is not None and not self._all.take(now):
            return "MaxRequestsPerSecond"
        return None
