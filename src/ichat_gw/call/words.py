"""What goes into a bridge and what comes out of it."""

from dataclasses import dataclass
from typing import TypeAlias

from ichat_gw.call.cause import Ending
from ichat_gw.call.leg import LegCommand, LegEvent, Place, Sdp
from ichat_gw.call.media import MediaReply, MediaRequest, Side

# --- in ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FromLeg:
    """One of the two legs speaks. What it says of a transfer goes to who decides about that, not here."""

    side: Side
    event: LegEvent


@dataclass(frozen=True, slots=True)
class FromCandidate:
    """The leg speaks that is about to take the place of another."""

    event: LegEvent


@dataclass(frozen=True, slots=True)
class TransferTo:
    """`side` asked for a transfer, and may: call `place` at `host` for the other side, to replace `side`."""

    side: Side
    place: Place
    host: str


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Somebody at `host` calls to take the place of `side`, with this offer, if any; he is the candidate.

    Only while the bridge is `settled`; or while it is `ringing`, to take the callee's place, with an offer.
    """

    side: Side
    offer: Sdp | None
    host: str


@dataclass(frozen=True, slots=True)
class FromMedia:
    """The media engine answers a request of ours, or says that the media is lost."""

    reply: MediaReply


@dataclass(frozen=True, slots=True)
class StopCall:
    """Somebody other than the two parties ends the call: the operator, a limit, a shutdown."""

    ending: Ending


BridgeEvent: TypeAlias = FromLeg | FromCandidate | TransferTo | TakeOver | FromMedia | StopCall


# --- out --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToLeg:
    """Tell one of the two legs."""

    side: Side
    command: LegCommand


@dataclass(frozen=True, slots=True)
class ToCandidate:
    """Tell the leg that is about to take the place of another; `Place` begins it."""

    command: LegCommand


@dataclass(frozen=True, slots=True)
class LegReplaced:
    """The candidate is the leg of `side` from now on; who was it has been told to end, or is gone."""

    side: Side


@dataclass(frozen=True, slots=True)
class ToMedia:
    """Ask the media engine."""

    request: MediaRequest


@dataclass(frozen=True, slots=True)
class CallOver:
    """The call has ended, and this is why. Comes exactly once, last."""

    ending: Ending
    ended_by: Side | None
    """The party whose leg ended or refused; None when it was neither."""


BridgeCommand: TypeAlias = ToLeg | ToCandidate | LegReplaced | ToMedia | CallOver
