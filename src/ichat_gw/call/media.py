"""What a bridge and the media engine say to each other.

Shaped like rtpengine's ng protocol, so that engine can stand in for ours: a description goes in with the
side it came from, and the description to hand to the other side comes out. Each request is answered by
`MediaReady` or `MediaRefused` that names it by `request`, except `MediaRelease`, which always works. A change
that the other side has to agree to first is answered by `MediaPassOn`, and goes on with `MediaPassedOn`.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from ichat_gw.call.cause import Ending
from ichat_gw.call.leg import Sdp


class Side(Enum):
    """Which of a call's two legs."""

    CALLER = "caller"
    CALLEE = "callee"

    @property
    def other(self) -> "Side":
        """The side opposite."""
        return Side.CALLEE if self is Side.CALLER else Side.CALLER


@dataclass(frozen=True, slots=True)
class MediaOffer:
    """Reserve media for a new call, and make the offer for the side opposite `side`.

    `sdp` is the offer that `side` made; None when it has made none yet (a late offer, or an iChat caller,
    whose description comes with its INVITE after the answer): then the engine offers what it can carry.
    `towards` names the host that the new offer goes to, so that the right local address stands in it;
    `source` the host that `sdp` came from ("" when there is none). `to_ichat`: who gets the offer is an iChat
    client, which has only ever seen offers of codecs that it has.

    `reserve` False: nobody knows yet whether there is anybody to get the offer. Nothing is reserved, and the
    reply only says whether the offer could be made now: it is "" if so.
    """

    request: int
    side: Side
    sdp: Sdp | None
    towards: str
    source: str = ""
    to_ichat: bool = False
    reserve: bool = True


@dataclass(frozen=True, slots=True)
class MediaAnswer:
    """`side` answered the offer made for it; make the answer for the other side.

    Said again for each further answer to the same offer: early ones, which may come from several devices, and
    the last. The latest holds.
    """

    request: int
    side: Side
    sdp: Sdp
    towards: str


@dataclass(frozen=True, slots=True)
class MediaReoffer:
    """`side` proposes another description (None: asks for ours) and gets its answer from us, locally.

    Also how a caller whose first offer comes after the answer is connected.
    """

    request: int
    side: Side
    sdp: Sdp | None
    towards: str


@dataclass(frozen=True, slots=True)
class MediaUpdate:
    """`side` answered an offer of ours that was its `Answer` or `AcceptReoffer`: connect it, reply with "".

    Nothing is handed on: the other side's description does not change.
    """

    request: int
    side: Side
    sdp: Sdp


@dataclass(frozen=True, slots=True)
class MediaPassedOn:
    """`side` was offered what the last `MediaPassOn` wanted; `sdp` is its answer, None if it said no.

    The reply is that of the request which was passed on: `MediaReady`, or `MediaRefused` if it cannot be met
    without that side. `ending` is how that side refused.
    """

    request: int
    side: Side
    sdp: Sdp | None
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class MediaCandidate:
    """Somebody new may take the place of `side`: make an offer for them.

    What goes on between the two sides goes on, until `MediaReplace` or for good.
    """

    request: int
    side: Side
    towards: str


@dataclass(frozen=True, slots=True)
class MediaReplace:
    """Somebody new is at `side` from now on, and who was there is not.

    `answers` True: `sdp` is the answer to the offer of the last `MediaCandidate`; the reply is "". False:
    `sdp` is their offer, and the reply our answer; or it is None, and the reply our offer.
    """

    request: int
    side: Side
    sdp: Sdp | None
    towards: str
    answers: bool


@dataclass(frozen=True, slots=True)
class MediaRelease:
    """The call is over: give everything back. Needs no reply and may be said twice."""


MediaRequest: TypeAlias = (
    MediaOffer
    | MediaAnswer
    | MediaReoffer
    | MediaUpdate
    | MediaPassedOn
    | MediaCandidate
    | MediaReplace
    | MediaRelease
)


@dataclass(frozen=True, slots=True)
class MediaReady:
    """The description that request number `request` asked for."""

    request: int
    sdp: Sdp


@dataclass(frozen=True, slots=True)
class MediaPassOn:
    """Request number `request`, a `MediaReoffer` or `MediaUpdate`, concerns the other side: offer it `sdp`.

    Wants a `MediaPassedOn`, and nothing else of that request's side before.
    """

    request: int
    sdp: Sdp


@dataclass(frozen=True, slots=True)
class MediaRefused:
    """Request number `request` cannot be met: no common codec, no free port, not SDP, worker gone."""

    request: int
    ending: Ending


@dataclass(frozen=True, slots=True)
class MediaLost:
    """The media of an established call is gone for good (its worker died)."""

    ending: Ending


MediaReply: TypeAlias = MediaReady | MediaPassOn | MediaRefused | MediaLost
