"""How long to wait before trying again: longer after each failure, and not all at the same moment."""

import random
from collections.abc import Callable


class Backoff:
    """Waits of `first` seconds, doubling up to `longest`, each changed by up to a quarter by chance.

    What held for `healthy` seconds or more was no failure to start: then the waits begin anew. A wait is
    never shorter than `first` nor longer than `longest`. `chance` returns numbers in 0 to 1.
    """

    def __init__(
        self,
        first: float = 1.0,
        longest: float = 60.0,
        healthy: float = 10.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first = first
        self._longest = longest
        self._healthy = healthy
        self._chance = chance
        self._next = first

    def after(self, held: float) -> float:
        """Seconds to wait after something held for `held` seconds (0: it never began)."""
        if held >= self._healthy:
            self._next = self._first
        wait = self._next * (0.75 + 0.5 * self._chance())
        self._next = min(2 * self._next, self._longest)
        return min(max(wait, self._first), self._longest)
