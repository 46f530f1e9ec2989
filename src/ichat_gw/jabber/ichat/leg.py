"""The iChat leg as the gateway sees it: a negotiation over XMPP, then a plain SIP session with the client.

To its bridge an iChat leg is a leg like any other. Behind it stand the connector, which does the
negotiation (`apple:iq:vc:*`) and is spoken to in the words of `ichat_gw.ipc.messages`, and an *inner* leg:
the SIP session between us and the iChat client, without any proxy.

`CalledIChat` is the leg of a callee: initiateIChatCall, notifyIChatCallProceeding, continueIChatCall, then
our INVITE. `CallingIChat` is the leg of a caller: notifyIChatCallRequest, proceedingIChatCall,
acceptIChatCall, then its INVITE, which must be recognised (`claim`).
"""

from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import TypeAlias

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    AcceptReoffer,
    Answer,
    Answered,
    Confirmed,
    Describe,
    End,
    Ended,
    Info,
    InfoAnswered,
    LegCommand,
    LegEvent,
    Located,
    Party,
    Place,
    Rang,
    Refuse,
    Refused,
    RefuseReoffer,
    Reoffer,
    Reoffered,
    ReofferRefused,
    Sdp,
)
from ichat_gw.ipc.messages import (
    AcceptIChatCall,
    CancelIChatCall,
    ContinueIChatCall,
    InitiateIChatCall,
    Message,
    NotifyIChatCallCancelled,
    NotifyIChatCallFailed,
    NotifyIChatCallProceeding,
    NotifyIChatCallRequest,
    ProceedingIChatCall,
    RejectIChatCall,
)
from ichat_gw.jabber.ichat.blob import ConnectRecord, UnusableBlob, choose, decode

INVITE_SECONDS = 32.0
"""How long an iChat caller may take from our `vc:response` to its INVITE: 64*T1, as for any SIP request."""


@dataclass(frozen=True, slots=True)
class IChatConfig:
    """What is the same for all iChat legs of a gateway."""

    identity: Party
    """SIPGatewayIdentity: From of our INVITEs to iChat. Never displayed there."""
    contact_user: str = "ichat-gw"
    prefer_ipv6: bool = False
    ipv6_available: bool = False
    skip_first: bool = False


# --- in: also `LegCommand` from the bridge and `Message` from the connector --------------------------------


@dataclass(frozen=True, slots=True)
class FromInner:
    """The SIP session with the client speaks."""

    event: LegEvent


@dataclass(frozen=True, slots=True)
class InviteClaimed:
    """The client's INVITE has come (see `CallingIChat.claim`); it is the inner leg from now on."""

    offer: Sdp | None


@dataclass(frozen=True, slots=True)
class ConnectorLost:
    """The connector died: what was being negotiated through it will not come to an end."""


IChatEvent: TypeAlias = LegCommand | Message | FromInner | InviteClaimed | ConnectorLost


# --- out ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToBridge:
    """Tell the bridge."""

    event: LegEvent


@dataclass(frozen=True, slots=True)
class ToInner:
    """Tell the SIP session with the client (`Place` begins it)."""

    command: LegCommand


@dataclass(frozen=True, slots=True)
class ToConnector:
    """Tell the connector."""

    message: Message


IChatCommand: TypeAlias = ToBridge | ToInner | ToConnector


class State(Enum):
    """How far an iChat leg has come."""

    NEW = "new"
    ASKED = "asked"
    """The negotiation runs: `vc:request` is out (called) or in (calling)."""
    ACCEPTED = "accepted"
    """Calling only: we said `vc:response` 0; the client's INVITE is awaited."""
    LOCATED = "located"
    """Called only: the client has accepted and named its address; the offer that suits it is awaited."""
    CONNECTING = "connecting"
    """The INVITE is on its way; no 200 or ACK yet."""
    TALKING = "talking"
    VOID = "void"
    """Calling only: over, but an INVITE may still come and must not be taken for a new call."""
    OVER = "over"


def _not_taken(info: Info) -> IChatCommand:
    """An iChat client takes no application data; what has no body only asks whether it is there."""
    return ToBridge(InfoAnswered(info.number, 415 if info.body else 200))


def _not_understood(event: Info | Reoffer) -> list[IChatCommand]:
    """What an iChat client is never sent.

    COMPAT iChat: no re-INVITE was ever sent to one, not even for a phone's hold; nobody knows what it does.
    """
    if isinstance(event, Info):
        return [_not_taken(event)]
    unsafe = Ending(Cause.NOT_ACCEPTABLE, 488, "an iChat client cannot be told of other media during a call")
    return [ToBridge(ReofferRefused(unsafe))]


def _pass_on(event: IChatEvent) -> list[IChatCommand]:
    """While both SIP dialogs stand, the leg only passes on."""
    match event:
        case AcceptReoffer() | RefuseReoffer() | End() | InfoAnswered():
            return [ToInner(event)]
        case FromInner(Reoffered() | Confirmed() | Ended() | Info() as inner):
            return [ToBridge(inner)]
        case _:
            return []


class CalledIChat:
    """The leg of an iChat user who is called."""

    def __init__(self, handle: str, user: str, calling_jid: str, config: IChatConfig) -> None:
        self.state = State.NEW
        self.handle = handle
        self._user = user
        self._calling_jid = calling_jid
        self._config = config
        self._target = ""
        self._hops = 70
        self._rang = False

    def deadline(self) -> float | None:
        """None: the bridge watches over how long the user may take."""
        return None

    def expire(self, now: float) -> list[IChatCommand]:
        """Nothing to do."""
        return []

    def receive(self, event: IChatEvent, now: float) -> list[IChatCommand]:
        """Hear the bridge, the connector or the inner session."""
        if isinstance(event, Info | Reoffer):
            return _not_understood(event)
        match self.state:
            case State.NEW:
                return self._begin(event)
            case State.ASKED:
                return self._negotiate(event)
            case State.LOCATED:
                return self._invite(event)
            case State.CONNECTING:
                return self._connect(event)
            case State.TALKING:
                if isinstance(event, End) or (
                    isinstance(event, FromInner) and isinstance(event.event, Ended)
                ):
                    self.state = State.OVER
                return _pass_on(event)
            case _:
                return []

    def _begin(self, event: IChatEvent) -> list[IChatCommand]:
        match event:
            case Place(max_forwards=hops):
                self._hops = hops
                self.state = State.ASKED
                return [ToConnector(InitiateIChatCall(self._user, self._calling_jid, self.handle))]
            case End():
                self.state = State.OVER
        return []

    def _negotiate(self, event: IChatEvent) -> list[IChatCommand]:
        match event:
            case NotifyIChatCallProceeding():
                if self._rang:
                    return []  # another of the user's devices
                self._rang = True
                return [ToBridge(Rang())]
            case ContinueIChatCall(blob=""):
                return self._refused(Ending(Cause.DECLINED))
            case ContinueIChatCall(blob=blob):
                return self._locate(blob)
            case NotifyIChatCallFailed(status=status, text=text):
                return self._refused(Ending.from_status(status, text))
            case ConnectorLost():
                return self._refused(Ending(Cause.CONNECTOR_LOST))
            case End():
                self.state = State.OVER
                return [self._cancel()]
        return []

    def _locate(self, blob: str) -> list[IChatCommand]:
        try:
            record = choose(
                decode(blob),
                prefer_ipv6=self._config.prefer_ipv6,
                ipv6_available=self._config.ipv6_available,
                skip_first=self._config.skip_first,
            )
        except UnusableBlob as error:
            return [self._cancel(), *self._refused(Ending(Cause.NO_USABLE_ADDRESS, text=str(error)))]
        if record is None:
            return [self._cancel(), *self._refused(Ending(Cause.NO_USABLE_ADDRESS))]
        self.state = State.LOCATED
        self._target = _uri_of(record)
        return [ToBridge(Located(str(record.address)))]

    def _invite(self, event: IChatEvent) -> list[IChatCommand]:
        match event:
            case Describe(offer):
                self.state = State.CONNECTING
                place = Place(
                    target=self._target,
                    caller=self._config.identity,
                    offer=offer,
                    contact_user=self._config.contact_user,
                    pinned=True,
                    max_forwards=self._hops,
                )
                return [ToInner(place)]
            case End():
                self.state = State.OVER
                return [self._cancel()]
        return []

    def _connect(self, event: IChatEvent) -> list[IChatCommand]:
        match event:
            case FromInner(Answered() as inner):
                self.state = State.TALKING
                return [ToBridge(inner)]
            case FromInner(Refused(ending) | Ended(ending)):
                unheard = ending.cause in (Cause.TIMEOUT, Cause.UNREACHABLE)
                return [*([self._cancel()] if unheard else []), *self._refused(ending)]
            case End():
                # A client that has not seen our INVITE will see no CANCEL either.
                self.state = State.OVER
                return [ToInner(event), self._cancel()]
        return []

    def _refused(self, ending: Ending) -> list[IChatCommand]:
        self.state = State.OVER
        return [ToBridge(Refused(ending))]

    def _cancel(self) -> IChatCommand:
        return ToConnector(CancelIChatCall(self._user, self._calling_jid, self.handle))


class CallingIChat:
    """The leg of an iChat user who calls."""

    def __init__(self, handle: str, request: NotifyIChatCallRequest) -> None:
        self.state = State.NEW
        self.handle = handle
        self._request = request
        self.names = (name_key(request.from_), name_key(request.to))
        """Caller and callee as the client's INVITE will name them, ready to be compared."""
        self._give_up_at: float | None = None
        try:
            self._records = decode(request.blob)
        except UnusableBlob:
            self._records = ()

    @property
    def usable(self) -> bool:
        """Whether the request named an address that the client's INVITE can come from."""
        return bool(self._records)

    @property
    def addresses(self) -> frozenset[str]:
        """The IP addresses that the client named: its INVITE comes from one of them."""
        return frozenset(str(record.address) for record in self._records)

    @property
    def awaits_invite(self) -> bool:
        """Whether the client's INVITE is wanted; one that a VOID leg claims is refused."""
        return self.state is State.ACCEPTED

    def begin(self) -> list[IChatCommand]:
        """Give the connector the call's handle; before anything else."""
        self.state = State.ASKED
        request = self._request
        return [ToConnector(ProceedingIChatCall(request.to, request.from_, request.request, self.handle))]

    def claim(self, from_name: str, to_name: str, source: tuple[str, int]) -> int:
        """How well an INVITE fits this call: 0 not at all, 1 by names and address, 2 by the port too.

        Names alone prove nothing, anybody can write them; the address must be one that the client named in
        its `vc:request`. Two clients behind one address differ by port. A leg that is VOID still claims
        its INVITE, so that it can be refused instead of beginning a new call.
        """
        if self.state not in (State.ACCEPTED, State.VOID):
            return 0
        if (name_key(from_name), name_key(to_name)) != self.names:
            return 0
        address = ip_address(source[0])
        ports = [record.port for record in self._records if record.address == address]
        if not ports:
            return 0
        return 2 if source[1] in ports else 1

    def deadline(self) -> float | None:
        """When the client's INVITE is overdue, or a VOID leg may be forgotten."""
        return self._give_up_at

    def expire(self, now: float) -> list[IChatCommand]:
        """Give up waiting for the INVITE if it is time."""
        if self._give_up_at is None or now < self._give_up_at:
            return []
        self._give_up_at = None
        was, self.state = self.state, State.OVER
        if was is State.VOID:
            return []
        overdue = Ending(Cause.TIMEOUT, text="iChat did not send its INVITE after the call was answered")
        return [self._cancel(), ToBridge(Ended(overdue))]

    def receive(self, event: IChatEvent, now: float) -> list[IChatCommand]:
        """Hear the bridge, the connector or the inner session."""
        if isinstance(event, Info | Reoffer):
            return _not_understood(event)
        match self.state:
            case State.ASKED:
                return self._asked(event, now)
            case State.ACCEPTED:
                return self._accepted(event, now)
            case State.CONNECTING:
                return self._connect(event)
            case State.TALKING:
                if isinstance(event, End) or (
                    isinstance(event, FromInner) and isinstance(event.event, Ended)
                ):
                    self.state = State.OVER
                return _pass_on(event)
            case State.VOID:
                if isinstance(event, InviteClaimed):
                    self._give_up_at = None
                    self.state = State.OVER
                    return [
                        ToInner(Refuse(Ending(Cause.CANCELLED, text="the call was over before its INVITE")))
                    ]
        return []

    def _asked(self, event: IChatEvent, now: float) -> list[IChatCommand]:
        request = self._request
        match event:
            case Answer():
                self.state = State.ACCEPTED
                self._give_up_at = now + INVITE_SECONDS
                return [ToConnector(AcceptIChatCall(request.to, request.from_, self.handle))]
            case Refuse() | End():
                self.state = State.OVER
                return [ToConnector(RejectIChatCall(request.to, request.from_, self.handle))]
            case NotifyIChatCallCancelled():
                self.state = State.OVER
                return [ToBridge(Ended(Ending(Cause.CANCELLED)))]
            case ConnectorLost():
                self.state = State.OVER
                return [ToBridge(Ended(Ending(Cause.CONNECTOR_LOST)))]
        return []

    def _accepted(self, event: IChatEvent, now: float) -> list[IChatCommand]:
        match event:
            case InviteClaimed(offer):
                self.state = State.CONNECTING
                self._give_up_at = None
                return [ToBridge(Reoffered(offer))]
            case End() | Refuse():
                # The phone hung up before iChat's INVITE came: too late to refuse, so take it back.
                self._void(now)
                return [self._cancel()]
            case NotifyIChatCallCancelled():
                self._void(now)
                return [ToBridge(Ended(Ending(Cause.CANCELLED)))]
        return []

    def _connect(self, event: IChatEvent) -> list[IChatCommand]:
        match event:
            case AcceptReoffer(sdp):
                return [ToInner(Answer(sdp))]
            case RefuseReoffer(ending):
                self.state = State.OVER
                return [ToInner(Refuse(ending)), ToBridge(Ended(ending))]
            case FromInner(Confirmed() as inner):
                self.state = State.TALKING
                return [ToBridge(inner)]
            case FromInner(Ended() as inner):
                self.state = State.OVER
                return [ToBridge(inner)]
            case End() | Refuse():
                self.state = State.OVER
                return [ToInner(End(event.ending))]
            case NotifyIChatCallCancelled():
                self.state = State.OVER
                cancelled = Ending(Cause.CANCELLED)
                return [ToInner(End(cancelled)), ToBridge(Ended(cancelled))]
        return []

    def _void(self, now: float) -> None:
        self.state = State.VOID
        self._give_up_at = now + INVITE_SECONDS

    def _cancel(self) -> IChatCommand:
        return ToConnector(CancelIChatCall(self._request.to, self._request.from_, self.handle))


IChatLeg: TypeAlias = CalledIChat | CallingIChat


def bare(jid: str) -> str:
    """A JID without its resource."""
    return jid.partition("/")[0]


def name_key(name: str) -> str:
    """A JID, or a display name that is one, so that two that mean the same account are equal."""
    return bare(name).strip().casefold()


def _uri_of(record: ConnectRecord) -> str:
    """Where a client's SIP stack listens; the user part is `user` in every URI of iChat's."""
    host = f"[{record.address}]" if record.address.version == 6 else str(record.address)
    return f"sip:user@{host}:{record.port}"
