"""Whether a process that we talk to still does anything: it is asked again and again, and must answer.

How long it may take is counted in our own questions, each asked a second after the last. So nobody is taken
for dead because we ourselves stood still, or the whole machine: then one question more has been asked, no
matter for how long, and there is time to answer it.
"""

from enum import Enum

ASK_EVERY = 1.0
"""Seconds between two questions."""
UNANSWERED = 5
"""How many questions in a row may go unanswered."""
STARTING = 30
"""The same for a process that has not said anything yet: on a busy machine it takes its time to start."""


class Step(Enum):
    """What is to be done now."""

    ASK = "ask"
    GIVE_UP = "give up"


class Watch:
    """Watches one process, from its start (`now`, monotonic, in seconds) until it is given up."""

    def __init__(self, now: float) -> None:
        self._most = STARTING
        self._asked = 0
        self._when: float | None = now + ASK_EVERY

    @property
    def patience(self) -> float:
        """For how many seconds it has been waited when it is given up."""
        return self._most * ASK_EVERY

    def heard(self) -> None:
        """It has said something, whatever that is."""
        self._most = UNANSWERED
        self._asked = 0

    def deadline(self) -> float | None:
        """When there is something to be done; None: it has been given up."""
        return self._when

    def expire(self, now: float) -> Step | None:
        """What it is time for."""
        if self._when is None or now < self._when:
            return None
        if self._asked == self._most:
            self._when = None
            return Step.GIVE_UP
        self._asked += 1
        self._when = now + ASK_EVERY
        return Step.ASK
