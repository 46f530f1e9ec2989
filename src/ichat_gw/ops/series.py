"""What the charts show: a few measurements for each interval of time, and a bounded number of intervals.

`Chart` fills one interval after the other from what it is told, and keeps the last ones. Two of them make
the page's charts: the last hour in steps of ten seconds, the last day in steps of five minutes.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import fmean, median

from ichat_gw.ops.api import Series, SeriesPoint

MOST_DELAYS = 1000
"""Set-up delays of one interval that its median is made of; the others are not looked at."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How things are at one moment."""

    calls: int
    """Live ones."""
    received: int = 0
    """RTP packets since the last sample, of all parties."""
    lost: int = 0
    """RTP packets that did not come since the last sample."""
    jitters_ms: tuple[float, ...] = ()
    """Of each party that sends."""


@dataclass(slots=True)
class _Interval:
    began: int = 0
    ended: int = 0
    delays: list[float] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    received: int = 0
    lost: int = 0
    jitter_sum: float = 0.0
    jitters: int = 0

    def point(self, at: float, calls_before: float) -> SeriesPoint:
        packets = self.received + self.lost
        return SeriesPoint(
            at=datetime.fromtimestamp(at, UTC),
            calls=round(fmean(self.calls), 2) if self.calls else calls_before,
            begun=self.began,
            ended=self.ended,
            setup_seconds=round(median(self.delays), 4) if self.delays else None,
            loss=round(self.lost / packets, 6) if packets else None,
            jitter_ms=round(self.jitter_sum / self.jitters, 2) if self.jitters else None,
        )


class Chart:
    """The last `keep` intervals of `seconds` each; `now` is UNIX time."""

    def __init__(self, seconds: float, keep: int, now: float) -> None:
        self.seconds = seconds
        self.points: deque[SeriesPoint] = deque(maxlen=keep)
        self._interval = _Interval()
        self._ends = _after(now, seconds)

    def began(self) -> None:
        """A call began."""
        self._interval.began += 1

    def ended(self) -> None:
        """A call ended."""
        self._interval.ended += 1

    def set_up(self, seconds: float) -> None:
        """A called party rang, or answered, after this delay."""
        if len(self._interval.delays) < MOST_DELAYS:
            self._interval.delays.append(seconds)

    def sample(self, sample: Sample) -> None:
        """What is so now."""
        interval = self._interval
        interval.calls.append(sample.calls)
        interval.received += sample.received
        interval.lost += sample.lost
        interval.jitter_sum += sum(sample.jitters_ms)
        interval.jitters += len(sample.jitters_ms)

    def turn(self, now: float) -> SeriesPoint | None:
        """Close the interval if it is over, and return its point; also when the clock was set meanwhile."""
        if self._ends - self.seconds <= now < self._ends:
            return None
        before = self.points[-1].calls if self.points else 0.0
        point = self._interval.point(self._ends if now >= self._ends else now, before)
        if not self.points or point.at > self.points[-1].at:
            self.points.append(point)
        else:
            self.points.clear()  # The clock was set back: what was measured before has no place any more.
            self.points.append(point)
        self._interval = _Interval()
        self._ends = _after(now, self.seconds)
        return point

    def series(self) -> Series:
        """All of it."""
        return Series(seconds=self.seconds, points=tuple(self.points))


def _after(now: float, seconds: float) -> float:
    """The next end of an interval: they lie at whole multiples, so that restarts do not shift them."""
    return (now // seconds + 1) * seconds
