"""Time for pure machines: it is passed in, never read.

Every machine of this program has the same three verbs:

    receive(event, now) -> list of commands
    deadline() -> when it next wants to be woken, or None
    expire(now) -> list of commands

`now` is a monotonic time in seconds, as a float. `Timers` is the small queue that a machine with many
timers keeps, so that `deadline` and `expire` cost next to nothing.
"""

import heapq
import sys
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)


class Timers(Generic[K]):
    """One pending wake-up per key; setting a key again moves it, clearing a missing key is harmless."""

    def __init__(self) -> None:
        self._when: dict[K, float] = {}
        self._order = 0
        # Entries whose time no longer stands in `_when` are stale and skipped: cheaper than a search.
        self._heap: list[tuple[float, int, K]] = []

    def __len__(self) -> int:
        return len(self._when)

    def __contains__(self, key: K) -> bool:
        return key in self._when

    def set(self, key: K, when: float) -> None:
        """Wake for `key` at `when` (seconds, monotonic), and no longer at the time set before."""
        self._when[key] = when
        self._order += 1
        heapq.heappush(self._heap, (when, self._order, key))
        if len(self._heap) > 64 and len(self._heap) > 4 * len(self._when):
            self._heap = [entry for entry in self._heap if self._when.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)

    def clear(self, key: K) -> None:
        """Do not wake for `key`."""
        self._when.pop(key, None)

    def deadline(self) -> float | None:
        """The earliest time set, or None when there is none."""
        while self._heap:
            when, _, key = self._heap[0]
            if self._when.get(key) == when:
                return when
            heapq.heappop(self._heap)
        return None

    def due(self, now: float, most: int = sys.maxsize) -> list[K]:
        """Remove and return the keys whose time has come, earliest first, at `most` so many of them."""
        keys: list[K] = []
        while self._heap and self._heap[0][0] <= now and len(keys) < most:
            when, _, key = heapq.heappop(self._heap)
            if self._when.get(key) == when:
                del self._when[key]
                keys.append(key)
        return keys


class _Cancellable(Protocol):
    def cancel(self) -> None: ...


class Alarm:
    """What a shell wakes its machine with: one call of `wake` at the time set last.

    `call_at` is the event loop's.
    """

    def __init__(
        self, call_at: Callable[[float, Callable[[], None]], _Cancellable], wake: Callable[[], None]
    ) -> None:
        self._call_at = call_at
        self._wake = wake
        self._when: float | None = None
        self._pending: _Cancellable | None = None

    def set(self, when: float | None) -> None:
        """Wake at `when` and at no other time; None: not at all. Cheap when nothing changes."""
        # The time is kept here: the handle that uvloop gives for a time in the past does not know it.
        if when == self._when:
            return
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
        self._when = when
        if when is not None:
            self._pending = self._call_at(when, self._ring)

    def _ring(self) -> None:
        self._pending = self._when = None
        self._wake()
