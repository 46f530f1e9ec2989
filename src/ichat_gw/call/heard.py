"""What a leg, the media engine or the operator says, in the terms of the bridge's table."""

from dataclasses import dataclass
from typing import TypeAlias

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    Answered,
    Confirmed,
    EarlyAnswered,
    Ended,
    Info,
    InfoAnswered,
    Located,
    Rang,
    Refused,
    ReofferAnswered,
    Reoffered,
    ReofferRefused,
    Sdp,
)
from ichat_gw.call.media import Side

Said: TypeAlias = (
    Rang
    | Located
    | EarlyAnswered
    | Answered
    | Refused
    | Confirmed
    | Reoffered
    | ReofferAnswered
    | ReofferRefused
    | Ended
    | Info
    | InfoAnswered
)
"""What a leg says to its bridge, but for what concerns transfers."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An event in the terms of the table: who, what, and its content."""

    side: Side | None = None
    sdp: Sdp | None = None
    ending: Ending | None = None
    info: Info | InfoAnswered | None = None
    host: str = ""

    @property
    def why(self) -> Ending:
        """The ending; that somebody hung up, if none was named."""
        return self.ending if self.ending is not None else Ending(Cause.HANGUP)


def named(side: Side, event: Said) -> tuple[str, Heard]:
    """A leg's event as the table calls it."""
    who = side.value
    match event:
        case Rang():
            return f"{who} rang", Heard(side)
        case Located(host):
            return f"{who} located", Heard(side, host=host)
        case EarlyAnswered(sdp):
            return f"{who} early", Heard(side, sdp=sdp)
        case Answered(sdp):
            return f"{who} answered", Heard(side, sdp=sdp)
        case Refused(ending):
            return f"{who} refused", Heard(side, ending=ending)
        case Confirmed(sdp):
            return f"{who} confirmed", Heard(side, sdp=sdp)
        case Reoffered(sdp):
            return f"{who} reoffered", Heard(side, sdp=sdp)
        case ReofferAnswered(sdp):
            return f"{who} agreed", Heard(side, sdp=sdp)
        case ReofferRefused(ending):
            return f"{who} disagreed", Heard(side, ending=ending)
        case Info():
            return f"{who} info", Heard(side, info=event)
        case InfoAnswered():
            return f"{who} informed", Heard(side, info=event)
    return f"{who} ended", Heard(side, ending=event.ending)
