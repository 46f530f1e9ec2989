"""Reliable provisional responses (RFC 3262), seen from both ends.

The called side (`ReliableSender`) repeats a provisional response until PRACK names it. The calling side
(`ReliableOrder`) takes them one after the other, and says which of them to acknowledge.
"""

from collections import deque
from dataclasses import dataclass

from ichat_gw.addressing.sip_grammar import decimal
from ichat_gw.sip.core import Core, TransactionUser
from ichat_gw.sip.fields import CSEQ_LIMIT
from ichat_gw.sip.message import Request, Response
from ichat_gw.sip.transaction import Transaction

OPTION = "100rel"
LIMIT = 2**32 - 1
"""An RSeq number is 1 to this (section 7.1)."""

REPEAT_1XX = "repeat the 1xx"
NO_PRACK = "no PRACK"
TIMERS = (REPEAT_1XX, NO_PRACK)


def rseq_of(response: Response) -> int | None:
    """The RSeq number of a response that wants PRACK; None for any other."""
    if not 100 < response.status < 200 or OPTION not in response.require:
        return None
    return decimal(response.headers.get("RSeq") or "", LIMIT) or None


@dataclass(frozen=True, slots=True)
class RAck:
    """Which response a PRACK is about: its RSeq, and CSeq and method of the request that it answered."""

    rseq: int
    number: int
    method: str

    @classmethod
    def of(cls, request: Request) -> "RAck | None":
        """Read the RAck of a PRACK; None when it is missing or wrong."""
        words = (request.headers.get("RAck") or "").split()
        if len(words) != 3:
            return None
        rseq, number = decimal(words[0], LIMIT), decimal(words[1], CSEQ_LIMIT)
        return None if not rseq or number is None else cls(rseq, number, words[2])

    def __str__(self) -> str:
        return f"{self.rseq} {self.number} {self.method}"


class ReliableOrder:
    """The calling side, for one early dialog: which reliable response is the next (section 4)."""

    def __init__(self) -> None:
        self._last: int | None = None

    def is_next(self, rseq: int) -> bool:
        """Take a number. False: ignore the response, as a copy or because one before it is missing."""
        if self._last is not None and rseq != self._last + 1:
            return False
        self._last = rseq
        return True


class ReliableSender:
    """The called side, for one INVITE: one response at a time is open (section 3), others wait their turn.

    Its user must pass timers in `TIMERS` on to `woken`.
    """

    def __init__(self, core: Core, user: TransactionUser, invite: Transaction) -> None:
        self._core = core
        self._user = user
        self._invite = invite
        # Section 3 wants a random beginning; the upper half is kept free for counting.
        self._rseq = int(core.chance() * (2**31 - 2))
        self._open: Response | None = None
        self._waiting: deque[Response] = deque()
        self._awaited: RAck | None = None
        self._interval = 0.0

    def send(self, response: Response) -> None:
        """Send a provisional response, again and again until it is acknowledged."""
        if self._awaited is not None:
            self._waiting.append(response)
            return
        self._rseq += 1
        invite = self._invite.request
        response.headers.add("Require", OPTION)
        response.headers.add("RSeq", str(self._rseq))
        self._open = response
        self._awaited = RAck(self._rseq, invite.cseq.number, invite.method)
        self._interval = self._core.times.t1
        self._core.respond(self._invite, response)
        self._core.wake(self._user, REPEAT_1XX, self._interval)
        self._core.wake(self._user, NO_PRACK, self._core.times.give_up)

    def acknowledged(self, rack: RAck) -> bool:
        """Tell whether a PRACK is about the response that waits for one, and then stop repeating that."""
        if rack != self._awaited:
            return False
        self._awaited = None
        self._stop_repeating()
        return True

    def send_next(self) -> None:
        """Send what has waited for the one before, if it has been acknowledged."""
        if self._awaited is None and self._waiting:
            self.send(self._waiting.popleft())

    @property
    def owes_description(self) -> bool:
        """Whether a description that was sent, or is about to be, has not been acknowledged.

        Until it is, a 2xx may not follow (section 3).
        """
        open_ = () if self._open is None else (self._open,)
        return any(response.body for response in (*open_, *self._waiting))

    def stop(self) -> None:
        """Send no more copies: there is a final response. A PRACK that is under way still fits."""
        self._waiting.clear()
        self._stop_repeating()

    def _stop_repeating(self) -> None:
        self._open = None
        for timer in TIMERS:
            self._core.let_sleep(self._user, timer)

    def woken(self, timer: str) -> bool:
        """Send a copy, with doubled intervals. False: nobody acknowledges, 64*T1 long; give up."""
        if timer == NO_PRACK:
            self.stop()
            return False
        assert self._open is not None  # `stop` stops the timers
        self._interval *= 2
        self._core.wake(self._user, REPEAT_1XX, self._interval)
        self._core.respond(self._invite, self._open)
        return True
