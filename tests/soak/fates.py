"""What becomes of a call of the soak: drawn once, then played by both parties."""

from dataclasses import dataclass, field
from enum import Enum
from random import Random


class Fate(Enum):
    """How a call is to end."""

    CALLER_HANGS_UP = "caller hangs up"
    CALLEE_HANGS_UP = "callee hangs up"
    BOTH_HANG_UP = "both hang up at once"
    CANCELLED = "cancelled at any moment"
    DECLINED = "declined"
    BUSY = "busy"
    UNKNOWN = "unknown user"


WEIGHTS = {
    Fate.CALLER_HANGS_UP: 5,
    Fate.CALLEE_HANGS_UP: 5,
    Fate.BOTH_HANG_UP: 1,
    Fate.CANCELLED: 4,
    Fate.DECLINED: 2,
    Fate.BUSY: 2,
    Fate.UNKNOWN: 1,
}


@dataclass(slots=True)
class Planned:
    """One call, and what came of it."""

    number: int
    to_sip: bool
    """iChat calls the phone; otherwise the phone calls iChat."""
    fate: Fate
    answer_after: float
    """Seconds until the callee answers."""
    over_after: float
    """Seconds from the answer, or from the start of one that is cancelled, to the end."""
    seen: list[str] = field(default_factory=list)
    """What the parties saw, such as `200`, `BYE`, `486`."""
    over: bool = False

    @classmethod
    def draw(cls, number: int, chance: Random) -> "Planned":
        """Any of them."""
        fate = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        to_sip = chance.random() < 0.5
        return cls(number, to_sip, fate, chance.random() * 0.3, chance.random() * 0.5)

    @property
    def as_planned(self) -> bool:
        """Whether it ended, and as it was to.

        A call that is cancelled may have been answered meanwhile. A callee may hang up before the caller
        has heard of the answer: the caller is then told of a failure.
        """
        answered = "200" in self.seen
        match self.fate:
            case Fate.CALLER_HANGS_UP:
                return self.over and answered
            case Fate.CALLEE_HANGS_UP | Fate.BOTH_HANG_UP | Fate.CANCELLED:
                return self.over and "gave up" not in self.seen
            case _:
                return self.over and not answered
