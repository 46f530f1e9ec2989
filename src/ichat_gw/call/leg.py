"""What a bridge and its legs say to each other.

A leg is one party's half of a call. It may be a SIP dialog, an iChat client (a negotiation over XMPP,
then a SIP dialog) or, one day, a Jingle session; the bridge cannot tell. Session descriptions travel as
SDP text that neither reads: only the media engine does.
"""

from dataclasses import dataclass
from typing import TypeAlias

from ichat_gw.call.cause import Ending

Sdp: TypeAlias = str


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody a call is from: an address as a URI (`sip:` or `xmpp:`) and a name to show."""

    address: str
    display_name: str = ""


# --- what a bridge tells a leg ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Call `target` (a URI) on behalf of `caller`, offering `offer` (None: let the other side offer).

    `contact_user` is the user part of our Contact. `pinned`: send every request of the dialog to the
    host and port of `target`, whatever Contact, Record-Route and OutboundProxy say, as iChat needs it.
    `aor` is the SIP address that the caller is registered as, or would be: its registrar may say which way
    the call goes and ask for its password. "": the caller has none. `max_forwards` is how many hops the call
    may still make, 0 to 70: a call that is passed on has one less than it came with.

    A call that somebody is transferred to has `referred_by`, who asked for it (the value of RFC 3892's
    header, "" if unknown), and perhaps `replaces`: the call at the target that it takes the place of (the
    value of RFC 3891's header).
    """

    target: str
    caller: Party
    offer: Sdp | None
    contact_user: str = ""
    pinned: bool = False
    aor: str = ""
    max_forwards: int = 70
    referred_by: str = ""
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Describe:
    """The offer for who is where `Located` said; it takes the place of that in `Place`."""

    offer: Sdp


@dataclass(frozen=True, slots=True)
class Ring:
    """Tell the caller that the other side rings."""


@dataclass(frozen=True, slots=True)
class EarlyAnswer:
    """The other side can be heard before it answers: `sdp` is the answer to the caller's offer for now."""

    sdp: Sdp


@dataclass(frozen=True, slots=True)
class Answer:
    """The other side has answered; `sdp` is the answer to the caller's offer, or an offer if it made none."""

    sdp: Sdp


@dataclass(frozen=True, slots=True)
class Refuse:
    """The call will not be; tell the caller why."""

    ending: Ending


@dataclass(frozen=True, slots=True)
class End:
    """End this leg, however far it has come: CANCEL or BYE in SIP."""

    ending: Ending


@dataclass(frozen=True, slots=True)
class AcceptReoffer:
    """`sdp` is the answer to the offer in the `Reoffered` just received (or an offer if it had none)."""

    sdp: Sdp


@dataclass(frozen=True, slots=True)
class RefuseReoffer:
    """The new offer cannot be met; the session goes on as it was."""

    ending: Ending


@dataclass(frozen=True, slots=True)
class Reoffer:
    """Propose another session description to the party of an established leg.

    Wants `ReofferAnswered` or `ReofferRefused`, and no second one before that.
    """

    sdp: Sdp


@dataclass(frozen=True, slots=True)
class AcceptTransfer:
    """Whom `TransferAsked` named is called for the other party; `TransferProgress` tells how that goes."""


@dataclass(frozen=True, slots=True)
class RefuseTransfer:
    """The transfer will not be tried; the call goes on as it was."""

    ending: Ending


@dataclass(frozen=True, slots=True)
class TransferProgress:
    """How the new call goes, as a SIP status from 100 to 699; from 200 on it is the last word."""

    status: int


# --- what goes either way -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Info:
    """Application data inside an established call: INFO or MESSAGE of SIP. Wants an `InfoAnswered`.

    From a leg: its party has sent it. To a leg: its party shall get it.
    """

    number: int
    """Names it in the answer. Never used twice."""
    method: str
    """`INFO` or `MESSAGE`."""
    content_type: str
    """With its parameters; "" when there is no body."""
    body: bytes


@dataclass(frozen=True, slots=True)
class InfoAnswered:
    """What became of an `Info`, as a SIP status from 200 to 699."""

    number: int
    status: int


LegCommand: TypeAlias = (
    Place
    | Describe
    | Ring
    | EarlyAnswer
    | Answer
    | Refuse
    | End
    | AcceptReoffer
    | RefuseReoffer
    | Reoffer
    | AcceptTransfer
    | RefuseTransfer
    | TransferProgress
    | Info
    | InfoAnswered
)


# --- what a leg tells its bridge ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rang:
    """The called party is being alerted."""


@dataclass(frozen=True, slots=True)
class Located:
    """The called party is at `host` (an IP address), and is to be offered what suits that: wants `Describe`.

    Only from a leg that does not know where its party is when it is placed.
    """

    host: str


@dataclass(frozen=True, slots=True)
class EarlyAnswered:
    """The called party can be heard before it answers; `sdp` answers our offer.

    May come several times, also from several devices; what `Answered` brings may differ from all of them.
    """

    sdp: Sdp


@dataclass(frozen=True, slots=True)
class Answered:
    """The called party accepted; `sdp` answers our offer (or offers, if `Place` had none)."""

    sdp: Sdp


@dataclass(frozen=True, slots=True)
class Refused:
    """The called party will not be reached by this leg; the leg is over."""

    ending: Ending


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The caller's side of the handshake is complete (ACK); `sdp` is its answer if our `Answer` offered."""

    sdp: Sdp | None = None


@dataclass(frozen=True, slots=True)
class Reoffered:
    """A party proposes another session description (None: asks us to propose one). Wants an answer."""

    sdp: Sdp | None


@dataclass(frozen=True, slots=True)
class ReofferAnswered:
    """The party accepts what `Reoffer` proposed; `sdp` is its answer."""

    sdp: Sdp


@dataclass(frozen=True, slots=True)
class ReofferRefused:
    """The party does not accept it, or it could not be proposed now (status 491); all is as it was."""

    ending: Ending


@dataclass(frozen=True, slots=True)
class Ended:
    """A party ended the leg: gave up before the answer, or hung up after it. The leg is over."""

    ending: Ending


@dataclass(frozen=True, slots=True)
class TransferAsked:
    """A party wants the other party to talk to `target` (a URI) instead; see `Place` for the rest.

    Wants `AcceptTransfer` or `RefuseTransfer`.
    """

    target: str
    referred_by: str = ""
    replaces: str = ""


LegEvent: TypeAlias = (
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
    | TransferAsked
    | Info
    | InfoAnswered
)
