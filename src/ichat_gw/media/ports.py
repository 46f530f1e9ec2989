"""Port pairs for RTP and RTCP: an even port and its odd twin (RFC 3550 11), out of one range.

Pairs are taken in random order, so that the next one cannot be guessed, and rest after use, so that a
late packet of an old call does not fall into a new one. A pair that could not be bound is set aside; when
no other is left it is tried again sooner, for whoever had it may be gone.
"""

from collections import deque
from random import Random

from ichat_gw.errors import GatewayError


class EmptyPortRange(GatewayError):
    """The range has no room for an even port and its odd twin."""


class NoPortLeft(GatewayError):
    """Every pair is in use, resting or set aside."""


class PortPool:
    """All port pairs of the range; a pair is named by its even port.

    `first` and `last` (1..65535, both included) are MediaRelayPortRangeMin and Max, `rest` and `aside` are
    in seconds: how long a pair rests after use, and after it could not be bound. `again`, too, is: so soon
    one that could not be bound is taken when there is no other; longer than a call waits for its ports, so
    that it does not try one twice. Raises `EmptyPortRange`.
    """

    def __init__(
        self,
        first: int,
        last: int,
        rng: Random,
        *,
        rest: float = 2.0,
        aside: float = 60.0,
        again: float = 3.0,
    ) -> None:
        self._range = _pairs(first, last)
        self._free = list(self._range)
        self._rng = rng
        self._rest = rest
        self._aside = aside
        self._again = again
        self._used: set[int] = set()
        self._resting: deque[tuple[float, int]] = deque()
        self._bad: deque[tuple[float, int]] = deque()

    def resize(self, first: int, last: int) -> None:
        """Take pairs from another range from now on. Raises `EmptyPortRange`, and then nothing is changed.

        Pairs in use stay so until they are given back; one outside the range is then not taken again.
        """
        self._range = _pairs(first, last)
        busy = {*self._used, *(port for queue in (self._resting, self._bad) for _, port in queue)}
        self._free = [port for port in self._range if port not in busy]

    @property
    def in_use(self) -> int:
        """How many pairs are taken."""
        return len(self._used)

    def available(self, now: float) -> int:
        """How many pairs could be taken at `now`, those that are set aside not counted."""
        self._wake(now)
        return len(self._free)

    def take(self, now: float) -> int:
        """A random free pair. Raises `NoPortLeft`."""
        self._wake(now)
        while not self._free and self._bad and self._bad[0][0] - self._aside + self._again <= now:
            self._freed(self._bad.popleft()[1])
        if not self._free:
            raise NoPortLeft(
                f"of the port pairs {len(self._used)} are in use, {len(self._resting)} rest,"
                f" {len(self._bad)} are set aside"
            )
        # The last one fills the gap: taking from the middle of a list would cost its length.
        place = self._rng.randrange(len(self._free))
        port, self._free[place] = self._free[place], self._free[-1]
        self._free.pop()
        self._used.add(port)
        return port

    def give_back(self, port: int, now: float, *, used: bool = True) -> None:
        """`port` is not needed any more; if it was used it rests. Harmless for one that was not taken."""
        if port in self._used:
            self._used.remove(port)
            if used:
                self._resting.append((now + self._rest, port))
            else:
                self._freed(port)

    def set_aside(self, port: int, now: float) -> None:
        """`port` could not be bound, somebody else has it: leave it alone for a while."""
        if port in self._used:
            self._used.remove(port)
            self._bad.append((now + self._aside, port))

    def _wake(self, now: float) -> None:
        for queue in (self._resting, self._bad):
            while queue and queue[0][0] <= now:
                self._freed(queue.popleft()[1])

    def _freed(self, port: int) -> None:
        if port in self._range:
            self._free.append(port)


def _pairs(first: int, last: int) -> range:
    """The even ports of a range whose odd twins are in it, too."""
    pairs = range(first + first % 2, last, 2)
    if not pairs or first < 1 or last > 65_535:
        raise EmptyPortRange(f"no pair of an even and the next odd port from {first} to {last}")
    return pairs
