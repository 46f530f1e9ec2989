"""The four transaction machines of RFC 3261 section 17, with RFC 6026, as tables.

A transaction is one request and everything that is sent because of it. It repeats what may have been
lost, absorbs what was repeated, and ends by itself. There are four machines: INVITE or anything else,
seen from the side that asks (client) or answers (server). INVITE is different because a person may take
minutes to answer it: a provisional response stops the repetition of the request, and the final response
is repeated until an ACK comes.

Each table maps (state, input) to (next state, actions). Inputs are what arrives, what the transaction
user says, and timers. A timer is not started or stopped by rows but belongs to states (`RUNNING`): it
starts when a state is entered that has it, goes on while the next state has it too, and is stopped by
a state that has not. So timer F, started in Trying, bounds Proceeding as well.

A row without actions that stays in its state absorbs its input; it is written out so that a missing row
is a mistake (`tests/sip/test_transaction.py` checks that none is missing).

What RFC 6026 changed: a 2xx to INVITE no longer ends the transaction at once. Both sides wait in
Accepted, for 64*T1: the server so that a late copy of the INVITE is not taken for a new call, the
client so that 2xx from several forks and repeated 2xx reach the user. 2xx are repeated, and
acknowledged, by the transaction users, end to end. Also, a transport error no longer ends a server
transaction, nor a client transaction that has its final response.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class Kind(Enum):
    """Which of the four machines."""

    INVITE_CLIENT = "INVITE client"
    CLIENT = "non-INVITE client"
    INVITE_SERVER = "INVITE server"
    SERVER = "non-INVITE server"


class State(Enum):
    """The states of RFC 3261 figures 5 to 8 and RFC 6026; NEW is before the first input."""

    NEW = "new"
    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Input(Enum):
    """What can happen to a transaction, besides its timers."""

    # To a client transaction:
    BEGIN = "the user sends a request"
    GET_1XX = "1xx arrives"
    GET_2XX = "2xx arrives"
    GET_3XX = "3xx to 6xx arrives"
    # To a server transaction:
    REQUEST = "the request arrives, or arrives again"
    ACK = "ACK arrives"
    SAY_1XX = "the user answers 1xx"
    SAY_2XX = "the user answers 2xx"
    SAY_3XX = "the user answers 3xx to 6xx"
    # To any:
    ERROR = "the transport failed"


class Timer(Enum):
    """The timers, by the letters of RFC 3261 table 4 and RFC 6026."""

    A = "repeat INVITE"
    B = "no response to INVITE"
    D = "absorb repeated 3xx to 6xx to INVITE"
    E = "repeat request"
    F = "no final response"
    G = "repeat 3xx to 6xx to INVITE"
    H = "no ACK"
    I = "absorb repeated ACK"  # noqa: E741  its name in the RFC
    J = "absorb repeated request"
    K = "absorb repeated response"
    L = "absorb repeated INVITE after 2xx"
    M = "take more 2xx to INVITE"


class Do(Enum):
    """What a row asks for."""

    SEND = "send the request, or the latest response"
    ACK = "send the ACK that belongs to the 3xx to 6xx"
    TELL = "hand the message to the transaction user"
    TIMEOUT = "tell the user that nothing came"
    FAIL = "tell the user that the transport failed"


Table: TypeAlias = Mapping[tuple[State, Input | Timer], tuple[State, tuple[Do, ...]]]

_S = State
_I = Input
_T = Timer

# RFC 3261 figure 5, RFC 6026 section 7.2. In Proceeding no error can be ours: nothing is being sent.
_INVITE_CLIENT: Table = {
    (_S.NEW, _I.BEGIN): (_S.CALLING, (Do.SEND,)),
    #
    (_S.CALLING, _I.GET_1XX): (_S.PROCEEDING, (Do.TELL,)),
    (_S.CALLING, _I.GET_2XX): (_S.ACCEPTED, (Do.TELL,)),
    (_S.CALLING, _I.GET_3XX): (_S.COMPLETED, (Do.ACK, Do.TELL)),
    (_S.CALLING, _I.ERROR): (_S.TERMINATED, (Do.FAIL,)),
    (_S.CALLING, _T.A): (_S.CALLING, (Do.SEND,)),
    (_S.CALLING, _T.B): (_S.TERMINATED, (Do.TIMEOUT,)),
    #
    (_S.PROCEEDING, _I.GET_1XX): (_S.PROCEEDING, (Do.TELL,)),
    (_S.PROCEEDING, _I.GET_2XX): (_S.ACCEPTED, (Do.TELL,)),
    (_S.PROCEEDING, _I.GET_3XX): (_S.COMPLETED, (Do.ACK, Do.TELL)),
    (_S.PROCEEDING, _I.ERROR): (_S.PROCEEDING, ()),
    #
    (_S.ACCEPTED, _I.GET_1XX): (_S.ACCEPTED, ()),
    (_S.ACCEPTED, _I.GET_2XX): (_S.ACCEPTED, (Do.TELL,)),
    (_S.ACCEPTED, _I.GET_3XX): (_S.ACCEPTED, ()),
    (_S.ACCEPTED, _I.ERROR): (_S.ACCEPTED, ()),
    (_S.ACCEPTED, _T.M): (_S.TERMINATED, ()),
    #
    (_S.COMPLETED, _I.GET_1XX): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.GET_2XX): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.GET_3XX): (_S.COMPLETED, (Do.ACK,)),
    (_S.COMPLETED, _I.ERROR): (_S.COMPLETED, ()),
    (_S.COMPLETED, _T.D): (_S.TERMINATED, ()),
}

# RFC 3261 figure 6.
_CLIENT: Table = {
    (_S.NEW, _I.BEGIN): (_S.TRYING, (Do.SEND,)),
    #
    (_S.TRYING, _I.GET_1XX): (_S.PROCEEDING, (Do.TELL,)),
    (_S.TRYING, _I.GET_2XX): (_S.COMPLETED, (Do.TELL,)),
    (_S.TRYING, _I.GET_3XX): (_S.COMPLETED, (Do.TELL,)),
    (_S.TRYING, _I.ERROR): (_S.TERMINATED, (Do.FAIL,)),
    (_S.TRYING, _T.E): (_S.TRYING, (Do.SEND,)),
    (_S.TRYING, _T.F): (_S.TERMINATED, (Do.TIMEOUT,)),
    #
    (_S.PROCEEDING, _I.GET_1XX): (_S.PROCEEDING, (Do.TELL,)),
    (_S.PROCEEDING, _I.GET_2XX): (_S.COMPLETED, (Do.TELL,)),
    (_S.PROCEEDING, _I.GET_3XX): (_S.COMPLETED, (Do.TELL,)),
    (_S.PROCEEDING, _I.ERROR): (_S.TERMINATED, (Do.FAIL,)),
    (_S.PROCEEDING, _T.E): (_S.PROCEEDING, (Do.SEND,)),
    (_S.PROCEEDING, _T.F): (_S.TERMINATED, (Do.TIMEOUT,)),
    #
    (_S.COMPLETED, _I.GET_1XX): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.GET_2XX): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.GET_3XX): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.ERROR): (_S.COMPLETED, ()),
    (_S.COMPLETED, _T.K): (_S.TERMINATED, ()),
}

# RFC 3261 figure 7, RFC 6026 section 7.1. An ACK in Accepted is the user's: it ends the repetition of 2xx.
_INVITE_SERVER: Table = {
    (_S.NEW, _I.REQUEST): (_S.PROCEEDING, (Do.TELL,)),
    #
    (_S.PROCEEDING, _I.REQUEST): (_S.PROCEEDING, (Do.SEND,)),
    (_S.PROCEEDING, _I.ACK): (_S.PROCEEDING, ()),
    (_S.PROCEEDING, _I.SAY_1XX): (_S.PROCEEDING, (Do.SEND,)),
    (_S.PROCEEDING, _I.SAY_2XX): (_S.ACCEPTED, (Do.SEND,)),
    (_S.PROCEEDING, _I.SAY_3XX): (_S.COMPLETED, (Do.SEND,)),
    (_S.PROCEEDING, _I.ERROR): (_S.PROCEEDING, ()),
    #
    (_S.ACCEPTED, _I.REQUEST): (_S.ACCEPTED, ()),
    (_S.ACCEPTED, _I.ACK): (_S.ACCEPTED, (Do.TELL,)),
    (_S.ACCEPTED, _I.SAY_1XX): (_S.ACCEPTED, ()),
    (_S.ACCEPTED, _I.SAY_2XX): (_S.ACCEPTED, (Do.SEND,)),
    (_S.ACCEPTED, _I.SAY_3XX): (_S.ACCEPTED, ()),
    (_S.ACCEPTED, _I.ERROR): (_S.ACCEPTED, ()),
    (_S.ACCEPTED, _T.L): (_S.TERMINATED, ()),
    #
    (_S.COMPLETED, _I.REQUEST): (_S.COMPLETED, (Do.SEND,)),
    (_S.COMPLETED, _I.ACK): (_S.CONFIRMED, ()),
    (_S.COMPLETED, _I.SAY_1XX): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.SAY_2XX): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.SAY_3XX): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.ERROR): (_S.COMPLETED, ()),
    (_S.COMPLETED, _T.G): (_S.COMPLETED, (Do.SEND,)),
    (_S.COMPLETED, _T.H): (_S.TERMINATED, (Do.TIMEOUT,)),
    #
    (_S.CONFIRMED, _I.REQUEST): (_S.CONFIRMED, ()),
    (_S.CONFIRMED, _I.ACK): (_S.CONFIRMED, ()),
    (_S.CONFIRMED, _I.SAY_1XX): (_S.CONFIRMED, ()),
    (_S.CONFIRMED, _I.SAY_2XX): (_S.CONFIRMED, ()),
    (_S.CONFIRMED, _I.SAY_3XX): (_S.CONFIRMED, ()),
    (_S.CONFIRMED, _I.ERROR): (_S.CONFIRMED, ()),
    (_S.CONFIRMED, _T.I): (_S.TERMINATED, ()),
}

# RFC 3261 figure 8. ACK cannot be matched to a transaction that is not INVITE's.
_SERVER: Table = {
    (_S.NEW, _I.REQUEST): (_S.TRYING, (Do.TELL,)),
    #
    (_S.TRYING, _I.REQUEST): (_S.TRYING, ()),
    (_S.TRYING, _I.SAY_1XX): (_S.PROCEEDING, (Do.SEND,)),
    (_S.TRYING, _I.SAY_2XX): (_S.COMPLETED, (Do.SEND,)),
    (_S.TRYING, _I.SAY_3XX): (_S.COMPLETED, (Do.SEND,)),
    (_S.TRYING, _I.ERROR): (_S.TRYING, ()),
    #
    (_S.PROCEEDING, _I.REQUEST): (_S.PROCEEDING, (Do.SEND,)),
    (_S.PROCEEDING, _I.SAY_1XX): (_S.PROCEEDING, (Do.SEND,)),
    (_S.PROCEEDING, _I.SAY_2XX): (_S.COMPLETED, (Do.SEND,)),
    (_S.PROCEEDING, _I.SAY_3XX): (_S.COMPLETED, (Do.SEND,)),
    (_S.PROCEEDING, _I.ERROR): (_S.PROCEEDING, ()),
    #
    (_S.COMPLETED, _I.REQUEST): (_S.COMPLETED, (Do.SEND,)),
    (_S.COMPLETED, _I.SAY_1XX): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.SAY_2XX): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.SAY_3XX): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.ERROR): (_S.COMPLETED, ()),
    (_S.COMPLETED, _T.J): (_S.TERMINATED, ()),
}

TABLES: Mapping[Kind, Table] = {
    Kind.INVITE_CLIENT: _INVITE_CLIENT,
    Kind.CLIENT: _CLIENT,
    Kind.INVITE_SERVER: _INVITE_SERVER,
    Kind.SERVER: _SERVER,
}

RUNNING: Mapping[tuple[Kind, State], tuple[Timer, ...]] = {
    (Kind.INVITE_CLIENT, _S.CALLING): (_T.A, _T.B),
    (Kind.INVITE_CLIENT, _S.ACCEPTED): (_T.M,),
    (Kind.INVITE_CLIENT, _S.COMPLETED): (_T.D,),
    (Kind.CLIENT, _S.TRYING): (_T.E, _T.F),
    (Kind.CLIENT, _S.PROCEEDING): (_T.E, _T.F),
    (Kind.CLIENT, _S.COMPLETED): (_T.K,),
    (Kind.INVITE_SERVER, _S.ACCEPTED): (_T.L,),
    (Kind.INVITE_SERVER, _S.COMPLETED): (_T.G, _T.H),
    (Kind.INVITE_SERVER, _S.CONFIRMED): (_T.I,),
    (Kind.SERVER, _S.COMPLETED): (_T.J,),
}
"""Which timers run in which state; none where there is no entry."""

REPEATING = frozenset({Timer.A, Timer.E, Timer.G})
"""Timers that send again, each time after a longer wait; not needed where the transport is reliable."""

LINGERING = frozenset({Timer.D, Timer.I, Timer.J, Timer.K})
"""Timers that only absorb repetitions: no wait where the transport is reliable."""


@dataclass(frozen=True, slots=True)
class TransactionTimes:
    """The times behind the timers, in seconds (RFC 3261 table 4)."""

    t1: float = 0.5
    """Estimate of the round trip."""
    t2: float = 4.0
    """Longest wait between two copies of a request that is not INVITE, or of a final response."""
    t4: float = 5.0
    """Longest time a message stays in the network."""
    d: float = 32.0
    """How long a repeated final response to INVITE is acknowledged again."""

    @property
    def give_up(self) -> float:
        """64*T1: after this time without what was awaited the other side counts as gone."""
        return 64 * self.t1

    def first(self, timer: Timer, reliable: bool) -> float | None:
        """How long `timer` runs when it is started; None when it is not used over that transport."""
        if timer in REPEATING:
            return None if reliable else self.t1
        if timer in LINGERING and reliable:
            return 0.0
        if timer is Timer.D:
            return self.d
        if timer in (Timer.I, Timer.K):
            return self.t4
        return self.give_up

    def again(self, timer: Timer, last: float, state: State) -> float:
        """How long a repeating timer waits next, after it has waited `last`."""
        if timer is Timer.A:
            return 2 * last
        if timer is Timer.E and state is State.PROCEEDING:
            return self.t2
        return min(2 * last, self.t2)
