"""The gateway as one pure machine: SIP user agent, calls, iChat legs and media engine, wired together.

Nothing here touches a socket or a clock, so a whole gateway, with both its networks, runs inside a test.
The shell around it (`ichat_gw.app.serve`) owns the sockets, the connector process and the relay process,
and does what the commands say.

How a word travels: everything that comes in is handed to the machine it is for; what that machine
commands is put at the end of one queue, and the queue is worked off until nothing is left but commands
for the shell. So nothing overtakes anything.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from ichat_gw.addressing.jid import InvalidJid, Jid
from ichat_gw.addressing.translation import TranslationRules
from ichat_gw.app.names import calling_user, is_viceroy, party_of, plain
from ichat_gw.app.users import Users
from ichat_gw.call.admission import Admission, Limits, Refusal, source_of
from ichat_gw.call.bridge import Bridge, CallPlan, State
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    End,
    Ended,
    LegCommand,
    LegEvent,
    Party,
    Place,
    Refuse,
    Refused,
    RefuseTransfer,
    TransferAsked,
)
from ichat_gw.call.media import Side
from ichat_gw.call.routing import Network, Route, route
from ichat_gw.call.transfer_policy import TransferPolicy, host_of, transfer_refused
from ichat_gw.call.words import (
    BridgeEvent,
    CallOver,
    FromCandidate,
    FromLeg,
    FromMedia,
    LegReplaced,
    StopCall,
    TakeOver,
    ToCandidate,
    ToLeg,
    ToMedia,
    TransferTo,
)
from ichat_gw.clock import Timers
from ichat_gw.ipc.messages import (
    CheckSubscription,
    ContinueIChatCall,
    JabberConnection,
    Log,
    Message,
    NotifyIChatCallCancelled,
    NotifyIChatCallFailed,
    NotifyIChatCallProceeding,
    NotifyIChatCallRequest,
    SendSubscriptionResponse,
    SipRegisterJabberUser,
    SipUnregisterJabberUser,
    Stop,
)
from ichat_gw.jabber.ichat.leg import (
    CalledIChat,
    CallingIChat,
    ConnectorLost,
    FromInner,
    IChatCommand,
    IChatConfig,
    IChatEvent,
    IChatLeg,
    InviteClaimed,
    ToBridge,
    ToConnector,
    bare,
    name_key,
)
from ichat_gw.media.engine import (
    FromWorker,
    MediaFor,
    MediaOver,
    RelayEngine,
    Statistics,
    StatisticsAsked,
    ToCall,
    ToWorker,
    WorkerLost,
)
from ichat_gw.sip.events import (
    Dropped,
    Flow,
    FromSession,
    InviteReceived,
    Lookup,
    Received,
    Registered,
    RegistrationFailed,
    Resolved,
    Send,
    SendFailed,
    SessionGone,
    SessionId,
    StartRegistration,
    StopRegistration,
    ToSession,
)
from ichat_gw.sip.user_agent import UserAgent

# --- in: also the SIP events Received, SendFailed, Resolved, and what the relay worker says -----------------


@dataclass(frozen=True, slots=True)
class FromConnector:
    """The connector says something."""

    message: Message


@dataclass(frozen=True, slots=True)
class ConnectorDied:
    """The connector process is gone; what it was negotiating will not come to an end."""


@dataclass(frozen=True, slots=True)
class StopGateway:
    """End everything: calls by BYE or CANCEL, registrations, the connector. Nothing new is taken."""


GatewayEvent: TypeAlias = (
    Received
    | SendFailed
    | Resolved
    | FromConnector
    | ConnectorDied
    | StopGateway
    | FromWorker
    | WorkerLost
    | StatisticsAsked
)


# --- out: also the SIP commands Send and Lookup, ToConnector, and orders for the relay worker ---------------


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a line in the log: `level` and `event` as in `ichat_gw.ops.logging`."""

    level: str
    event: str
    call: str | None = None
    fields: tuple[tuple[str, object], ...] = ()


GatewayCommand: TypeAlias = Send | Lookup | ToConnector | ToWorker | Statistics | Note


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """What a gateway must know, in its own terms."""

    rules: TranslationRules
    component: str
    """JabberComponentName: the domain of the gateway's JIDs."""
    ichat: IChatConfig
    local_hosts: frozenset[str]
    """Host names (in lower case) and addresses that mean this gateway in a Request-URI."""
    node: str
    """Distinguishes the call handles of this gateway from those of others, and of its own last run."""
    limits: Limits = field(default_factory=Limits)
    """Who may call, how often, and how many calls at once."""
    transfers: TransferPolicy = field(default_factory=TransferPolicy)
    """To whom SIP phones may transfer their calls."""


@dataclass(slots=True)
class _SipLeg:
    """A leg that is nothing but a SIP session; a callee's begins when it is placed."""

    session: SessionId | None = None


@dataclass(slots=True)
class _IChatLeg:
    """A leg that is an iChat client; its session exists only when an INVITE does."""

    machine: IChatLeg
    session: SessionId | None = None


@dataclass(slots=True)
class Call:
    """A live call: the bridge, its two legs, and what is shown of it."""

    handle: str
    bridge: Bridge
    legs: dict[Side, _SipLeg | _IChatLeg]
    caller: str
    callee: str
    since: float
    user: str
    """The bare JID of the XMPP party."""
    hosts: dict[Side, str]
    """Where the SIP party is, as far as known: an address or a domain."""
    candidate: SessionId | None = None
    """The session with who is about to take the SIP party's place, if anybody is."""
    candidate_host: str = ""
    """Where he is."""


_FORBIDDING = frozenset({"AllowedSIPNetworks", "AllowedXMPPDomains", "AllowedTransferDomains"})
"""Settings about who may call at all; the others say how much at once."""


class Gateway:
    """The three verbs for a whole gateway. Never raises for anything that comes from a network."""

    def __init__(self, config: GatewayConfig, user_agent: UserAgent, engine: RelayEngine) -> None:
        self.config = config
        self.user_agent = user_agent
        self.engine = engine
        self.admission = Admission(config.limits)
        user_agent.admit = self._admit
        self.calls: dict[str, Call] = {}
        self.stopping = False
        self.jabber_online = False
        self._of_session: dict[SessionId, tuple[Call, Side | None]] = {}
        """Whose session it is; None: the candidate's."""
        self._client_of: dict[SessionId, str] = {}
        """The IP addresses of iChat clients, by the session with each."""
        self._handles = 0
        self._timers: Timers[str] = Timers()
        self.users = Users(config.rules)
        self._calling: dict[tuple[str, str], list[Call]] = {}
        self._queue: deque[tuple[Call | None, object]] = deque()
        self._out: list[GatewayCommand] = []
        self._now = 0.0

    # --- the three verbs ----------------------------------------------------------------------------------

    def receive(self, event: GatewayEvent, now: float) -> list[GatewayCommand]:
        """Take one event from the shell; return everything the shell has to do because of it."""
        self._now = now
        match event:
            case FromConnector(message):
                self._hear_connector(message)
            case ConnectorDied():
                self._connector_died()
            case StopGateway():
                self._stop()
                # Last of all: what the ends of the calls have to say to the connector comes first.
                return [*self._work(), ToConnector(Stop())]
            case Received(flow=flow) if not self.admission.hears(flow.remote[0]):
                self._turn_away(Refusal("AllowedSIPNetworks", flow.remote[0]))
            case Received() | SendFailed() | Resolved():
                self._push(None, self.user_agent.receive(event, now))
            case _:
                self._push(None, self.engine.receive(event, now))
        return self._work()

    def deadline(self) -> float | None:
        """When the next timer of any part is due."""
        times = (
            self.user_agent.deadline(),
            self.engine.deadline(),
            self._timers.deadline(),
            self.users.deadline(),
        )
        return min((time for time in times if time is not None), default=None)

    def expire(self, now: float) -> list[GatewayCommand]:
        """Run every timer that is due."""
        self._now = now
        self._push(None, self.user_agent.expire(now))
        self._push(None, self.engine.expire(now))
        for handle in self._timers.due(now):
            call = self.calls[handle]
            self._push(call, call.bridge.expire(now))
            for side, leg in call.legs.items():
                if isinstance(leg, _IChatLeg):
                    self._hear_ichat(call, side, leg.machine.expire(now))
            self._touch(call)
        self._register(self.users.expire(now))
        return self._work()

    @property
    def idle(self) -> bool:
        """Whether everybody we told something has answered: what a stopping gateway waits for."""
        return self.user_agent.unanswered == 0

    def call_of(self, session: SessionId | None) -> str:
        """The handle of the call that a SIP session belongs to, or "": for logs and traces."""
        found = self._of_session.get(session) if session is not None else None
        return found[0].handle if found else ""

    # --- the queue ----------------------------------------------------------------------------------------

    def _push(self, call: Call | None, commands: Iterable[object]) -> None:
        self._queue.extend((call, command) for command in commands)

    def _work(self) -> list[GatewayCommand]:
        while self._queue:
            call, command = self._queue.popleft()
            match command:
                case Send() | Lookup() | Note() | ToConnector():
                    self._out.append(command)
                case ToLeg(side, leg_command):
                    assert call is not None
                    self._tell_leg(call, side, leg_command)
                case ToCandidate(leg_command):
                    assert call is not None
                    self._tell_candidate(call, leg_command)
                case LegReplaced(side):
                    assert call is not None
                    self._replace_leg(call, side)
                case ToMedia(request):
                    assert call is not None
                    self._push(None, self.engine.receive(MediaFor(call.handle, request), self._now))
                case CallOver():
                    assert call is not None
                    self._note_over(call, command)
                case FromSession(session, leg_event):
                    self._hear_session(session, leg_event)
                case InviteReceived():
                    self._hear_invite(command)
                case SessionGone(session):
                    self._forget_session(session)
                case ToCall(handle, reply):
                    if (of := self.calls.get(handle)) is not None:
                        self._hear(of, FromMedia(reply))
                case MediaOver():
                    self._note_media(command)
                case Registered() | RegistrationFailed():
                    self._note_registration(command)
                case Dropped(reason, flow):
                    self._note("DEBUG", "dropped", reason=reason, peer=f"{flow.remote[0]}:{flow.remote[1]}")
                case ToWorker() | Statistics():
                    self._out.append(command)
                case _:
                    raise AssertionError(f"nobody is there for {command!r}")
        out, self._out = self._out, []
        return out

    def _note(self, level: str, event: str, call: str | None = None, **fields: object) -> None:
        self._out.append(Note(level, event, call, tuple(fields.items())))

    # --- calls and their legs -----------------------------------------------------------------------------

    def _hear(self, call: Call, event: BridgeEvent) -> None:
        self._push(call, call.bridge.receive(event, self._now))
        self._touch(call)

    def _tell_leg(self, call: Call, side: Side, command: LegCommand) -> None:
        leg = call.legs[side]
        if isinstance(leg, _IChatLeg):
            self._tell_ichat(call, side, command)
        else:
            self._tell_session(call, side, leg, command)

    def _tell_session(self, call: Call, side: Side, leg: "_SipLeg | _IChatLeg", command: LegCommand) -> None:
        if leg.session is None:
            if not isinstance(command, Place):
                return  # who was here has gone before anything was said to him
            leg.session = self.user_agent.new_session()
            self._of_session[leg.session] = (call, side)
            if isinstance(leg, _IChatLeg):
                self._expect_client(leg.session, plain(command.target)[1].strip("[]"))
        self._push(None, self.user_agent.receive(ToSession(leg.session, command), self._now))

    def _tell_ichat(self, call: Call, side: Side, event: IChatEvent) -> None:
        leg = call.legs[side]
        assert isinstance(leg, _IChatLeg)
        self._hear_ichat(call, side, leg.machine.receive(event, self._now))
        self._touch(call)

    def _hear_ichat(self, call: Call, side: Side, commands: list[IChatCommand]) -> None:
        leg = call.legs[side]
        assert isinstance(leg, _IChatLeg)
        for command in commands:
            match command:
                case ToBridge(event):
                    self._hear(call, FromLeg(side, event))
                case ToConnector():
                    self._push(call, [command])
                case _:
                    self._tell_session(call, side, leg, command.command)

    def _hear_session(self, session: SessionId, event: LegEvent) -> None:
        found = self._of_session.get(session)
        if found is None:
            return
        call, side = found
        if side is None:
            self._hear_candidate(call, session, event)
        elif isinstance(call.legs[side], _IChatLeg):
            self._tell_ichat(call, side, FromInner(event))
        elif isinstance(event, TransferAsked):
            self._transfer(call, side, event)
        else:
            self._hear(call, FromLeg(side, event))

    def _forget_session(self, session: SessionId) -> None:
        self._of_session.pop(session, None)
        if (client := self._client_of.pop(session, None)) is not None:
            self.admission.release(client)

    def _expect_client(self, session: SessionId, address: str) -> None:
        """Hear an iChat client as long as there is a session with it."""
        self._client_of[session] = address
        self.admission.expect(address)

    def _touch(self, call: Call) -> None:
        """Keep the call's timer right, and forget the call when nothing of it is left to wait for."""
        if call.handle not in self.calls:
            return  # forgotten, and its last words are being passed on
        times = [call.bridge.deadline()]
        times += [leg.machine.deadline() for leg in call.legs.values() if isinstance(leg, _IChatLeg)]
        when = min((time for time in times if time is not None), default=None)
        if when is not None:
            self._timers.set(call.handle, when)
            return
        self._timers.clear(call.handle)
        if call.bridge.state is State.OVER:
            del self.calls[call.handle]
            self._no_longer_calling(call)

    def _begin(self, call: Call, source: str, user: str) -> None:
        """Begin a call that came from `source` and has the XMPP user `user` at one end."""
        self.calls[call.handle] = call
        self.admission.live.begin(call.handle, source, user)
        self._note("INFO", "call began", call.handle, caller=call.caller, callee=call.callee)
        self._push(call, call.bridge.begin(self._now))
        self._touch(call)

    def _new_handle(self) -> str:
        self._handles += 1
        return f"{self.config.node}-{self._handles}"

    # --- somebody takes a SIP party's place ---------------------------------------------------------------

    def _transfer(self, call: Call, side: Side, asked: TransferAsked) -> None:
        """A phone wants the XMPP user to talk to somebody else."""
        phone = call.hosts[side]
        refused = (
            Ending(Cause.SHUTDOWN)
            if self.stopping
            else self.admission.request(source_of(phone), self._now)
            or transfer_refused(asked.target, phone, self.config.transfers)
        )
        if refused is not None:
            ending = self._note_refused(f"{phone} (transfer)", asked.target, refused)
            self._tell_leg(call, side, RefuseTransfer(ending))
            return
        self._note("INFO", "transfer began", call.handle, to=asked.target, by=side.value)
        party = party_of(call.user)
        place = Place(
            asked.target,
            party,
            None,
            contact_user=party.display_name,
            aor=self.users.aor_of(call.user),
            referred_by=asked.referred_by,
            replaces=asked.replaces,
        )
        call.candidate_host = host_of(asked.target)
        self._hear(call, TransferTo(side, place, call.candidate_host))

    def _take_over(self, invite: InviteReceived) -> None:
        """An INVITE that is to take the place of a SIP party (RFC 3891)."""
        assert invite.replaces is not None
        call, side = self._of_session.get(invite.replaces, (None, None))
        address = invite.flow.remote[0]
        refused = self.admission.may_call(address) or (Ending(Cause.SHUTDOWN) if self.stopping else None)
        if refused is None and (call is None or side is None or not call.bridge.settled):
            refused = Ending(
                Cause.REJECTED, text="the call to be replaced is not up, or is being transferred"
            )
        if refused is not None or call is None or side is None:
            assert refused is not None
            self._refuse_invite(invite, invite.to_uri, refused)
            return
        self._note("INFO", "takeover began", call.handle, by=invite.from_uri)
        call.candidate_host = address
        self._set_candidate(call, invite.session)
        self._hear(call, TakeOver(side, invite.offer, address))

    def _set_candidate(self, call: Call, session: SessionId) -> None:
        call.candidate = session
        self._of_session[session] = (call, None)

    def _tell_candidate(self, call: Call, command: LegCommand) -> None:
        if isinstance(command, Place):
            self._set_candidate(call, self.user_agent.new_session())
        session = call.candidate
        if session is not None:
            if isinstance(command, End | Refuse):
                self._forget_candidate(call, session)
            self._push(None, self.user_agent.receive(ToSession(session, command), self._now))

    def _hear_candidate(self, call: Call, session: SessionId, event: LegEvent) -> None:
        if isinstance(event, Ended | Refused):
            self._forget_candidate(call, session)
        if not isinstance(event, TransferAsked):
            self._hear(call, FromCandidate(event))

    def _forget_candidate(self, call: Call, session: SessionId) -> None:
        """What else he says, he says to nobody."""
        call.candidate = None
        del self._of_session[session]

    def _replace_leg(self, call: Call, side: Side) -> None:
        """The candidate has the place from now on."""
        old = call.legs[side]
        if old.session is not None:
            self._of_session.pop(old.session, None)
        session, call.candidate = call.candidate, None
        call.legs[side] = _SipLeg(session)
        call.hosts[side] = call.candidate_host
        if session is not None:
            self._of_session[session] = (call, side)
        self._note("INFO", "party replaced", call.handle, party=side.value)

    # --- SIP calls ----------------------------------------------------------------------------------------

    def _hear_invite(self, invite: InviteReceived) -> None:
        """A new INVITE: iChat's after a negotiation, one that replaces another, or a call to somebody."""
        if invite.replaces is not None:
            self._take_over(invite)
            return
        if is_viceroy(invite.user_agent):
            if (call := self._claim(invite)) is not None:
                self._attach(call, invite)
                return
            # Nothing was negotiated: a call like any other, and iChat means its parties by their names.
            # What came over SIP stays SIP to the router, whatever it calls itself: names prove nothing.
            called, caller = f"xmpp:{invite.to_name}", Party(f"xmpp:{invite.from_name}")
        else:
            called, caller = self._called_address(invite), Party(invite.from_uri, invite.from_name)
        address = invite.flow.remote[0]
        refusal = self.admission.may_call(address) or self._cannot_take(source_of(address))
        routed = refusal or self._route_from_sip(called, invite)
        if isinstance(routed, Route):
            self._call_ichat(invite, routed, caller)
        else:
            self._refuse_invite(invite, called, routed)

    def _route_from_sip(self, called: str, invite: InviteReceived) -> Route | Ending:
        """A Request-URI that is a Contact we registered means that user; otherwise the rules decide."""
        if (aor := self.user_agent.aor_of(invite.request_uri)) is not None:
            user = self.users.at(aor)
            if user is not None:
                return Route(Network.XMPP, f"xmpp:{user}")
        return route(called, Network.SIP, self.config.rules)

    def _called_address(self, invite: InviteReceived) -> str:
        """Which address of an INVITE the rules see.

        The Request-URI, unless its host is ours: then it says no more than that the call came here, and the
        To URI says for whom.
        """
        address, host = plain(invite.request_uri)
        if host in self.config.local_hosts or host == invite.flow.local[0].lower():
            address, _ = plain(invite.to_uri)
        return address

    def _admit(self, method: str, flow: Flow) -> bool:
        """Whether there is time for a SIP request that belongs to nothing we know."""
        refusal = self.admission.sip_request(flow.remote[0], self._now, opens_call=method == "INVITE")
        if refusal is not None:
            self._turn_away(refusal)
        return refusal is None

    def _cannot_take(self, source: str) -> Ending | Refusal | None:
        """Why no new call can be taken from there now, whoever it is for; None when it can."""
        if self.stopping:
            return Ending(Cause.SHUTDOWN)
        if not self.jabber_online:
            return Ending(Cause.CONNECTOR_LOST)
        return self.admission.call(source)

    def _turn_away(self, refusal: Refusal) -> None:
        """A line in the log, unless there have been many of late."""
        before = self.admission.line(refusal, self._now)
        if before is not None:
            fields = {"setting": refusal.setting, "source": refusal.source, "not_logged": before}
            self._out.append(Note("WARNING", "turned away", fields=tuple(fields.items())))

    def _note_refused(self, caller: str, callee: str, why: Ending | Refusal) -> Ending:
        """Log that a call is refused; return what its caller is told."""
        if isinstance(why, Refusal):
            self._turn_away(why)
            return Ending(Cause.FORBIDDEN if why.setting in _FORBIDDING else Cause.OVERLOADED, text=str(why))
        self._note("INFO", "call refused", caller=caller, callee=callee, why=str(why))
        return why

    def _refuse_invite(self, invite: InviteReceived, address: str, why: Ending | Refusal) -> None:
        ending = self._note_refused(invite.from_uri, address, why)
        self._push(None, self.user_agent.receive(ToSession(invite.session, Refuse(ending)), self._now))

    def _call_ichat(self, invite: InviteReceived, routed: Route, caller: Party) -> None:
        try:
            user = Jid.parse(routed.target.partition(":")[2]).bare
        except InvalidJid as error:
            self._refuse_invite(invite, routed.target, Ending(Cause.NOT_FOUND, text=str(error)))
            return
        source = source_of(invite.flow.remote[0])
        if (too_many := self.admission.call(source, str(user))) is not None:
            self._refuse_invite(invite, routed.target, too_many)
            return
        handle = self._new_handle()
        calling = f"{calling_user(caller.address)}@{self.config.component}"
        # One hop less, as a proxy would count: what goes round in circles comes to an end.
        place = Place(routed.target, caller, None, max_forwards=min(70, invite.max_forwards) - 1)
        call = Call(
            handle,
            Bridge(CallPlan(place, invite.offer, invite.flow.remote[0])),
            {
                Side.CALLER: _SipLeg(invite.session),
                Side.CALLEE: _IChatLeg(CalledIChat(handle, str(user), calling, self.config.ichat)),
            },
            caller.address,
            routed.target,
            self._now,
            str(user),
            {Side.CALLER: invite.flow.remote[0]},
        )
        self._of_session[invite.session] = (call, Side.CALLER)
        self._begin(call, source, str(user))

    # --- iChat calls --------------------------------------------------------------------------------------

    def _call_sip(self, request: NotifyIChatCallRequest) -> None:
        handle = self._new_handle()
        machine = CallingIChat(handle, request)
        user = bare(request.from_)
        refusal = self._cannot_dial_out(user)
        if refusal is None and not machine.usable:
            refusal = Ending(Cause.NO_USABLE_ADDRESS)
        routed = refusal or route(f"xmpp:{bare(request.to)}", Network.XMPP, self.config.rules)
        for command in machine.begin():
            self._push(None, [command])
        if not isinstance(routed, Route):
            ending = self._note_refused(request.from_, request.to, routed)
            self._push(None, machine.receive(Refuse(ending), self._now))
            return
        party = party_of(user)
        place = Place(
            routed.target, party, None, contact_user=party.display_name, aor=self.users.aor_of(user)
        )
        call = Call(
            handle,
            Bridge(CallPlan(place, None, callee_host=plain(routed.target)[1])),
            {Side.CALLER: _IChatLeg(machine), Side.CALLEE: _SipLeg()},
            f"xmpp:{user}",
            routed.target,
            self._now,
            user,
            {Side.CALLEE: host_of(routed.target)},
        )
        self._calling.setdefault(machine.names, []).append(call)
        for address in machine.addresses:
            self.admission.expect(address)
        self._begin(call, user, user)

    def _cannot_dial_out(self, user: str) -> Ending | Refusal | None:
        """Why this XMPP user cannot call a SIP phone now; None when he can."""
        return (
            self.admission.dial_out(user)
            or self.admission.request(user, self._now)
            or self._cannot_take(user)
            or self.admission.call(user, user)
        )

    def _claim(self, invite: InviteReceived) -> Call | None:
        """The call whose iChat caller sends this INVITE: best fit, then one that wants it, then the oldest.

        A client that calls again soon after a call that is void fits both.
        """
        best, best_fit = None, (0, False)
        for call in self._calling.get((name_key(invite.from_name), name_key(invite.to_name)), ()):
            leg = call.legs[Side.CALLER]
            assert isinstance(leg, _IChatLeg)
            assert isinstance(leg.machine, CallingIChat)
            score = leg.machine.claim(invite.from_name, invite.to_name, invite.flow.remote)
            fit = (score, leg.machine.awaits_invite)
            if score and fit > best_fit:
                best, best_fit = call, fit
        return best

    def _no_longer_calling(self, call: Call) -> None:
        leg = call.legs[Side.CALLER]
        if isinstance(leg, _IChatLeg) and isinstance(leg.machine, CallingIChat):
            waiting = self._calling[leg.machine.names]
            waiting.remove(call)
            if not waiting:
                del self._calling[leg.machine.names]
            for address in leg.machine.addresses:
                self.admission.release(address)

    def _attach(self, call: Call, invite: InviteReceived) -> None:
        leg = call.legs[Side.CALLER]
        assert isinstance(leg, _IChatLeg)
        leg.session = invite.session
        self._of_session[invite.session] = (call, Side.CALLER)
        self._expect_client(invite.session, invite.flow.remote[0])
        self._tell_ichat(call, Side.CALLER, InviteClaimed(invite.offer))

    # --- the connector ------------------------------------------------------------------------------------

    def _hear_connector(self, message: Message) -> None:
        match message:
            case NotifyIChatCallRequest():
                self._call_sip(message)
            case (
                NotifyIChatCallProceeding(handle=handle)
                | ContinueIChatCall(handle=handle)
                | NotifyIChatCallFailed(handle=handle)
            ):
                self._tell_ichat_of(handle, Side.CALLEE, message)
            case NotifyIChatCallCancelled(handle=handle):
                self._tell_ichat_of(handle, Side.CALLER, message)
            case SipRegisterJabberUser(jid=user):
                if not self.stopping:
                    self._came_online(user)
            case SipUnregisterJabberUser(jid=user):
                self._register(self.users.went(user))
            case CheckSubscription(to=to, from_=user):
                allowed = isinstance(route(f"xmpp:{bare(to)}", Network.XMPP, self.config.rules), Route)
                self._push(None, [ToConnector(SendSubscriptionResponse(to, user, allowed))])
            case JabberConnection(online=online, text=text):
                self._jabber_connection(online, text)
            case Log(level=level, text=text):
                self._note(level, "connector", text=text)
            case _:
                self._note(
                    "WARNING", "the connector sent a message that is not its to send", message=str(message)
                )

    def _tell_ichat_of(self, handle: str, side: Side, message: Message) -> None:
        """Pass a message about a call to its iChat leg; one that is over already needs none."""
        call = self.calls.get(handle)
        if call is not None and isinstance(call.legs[side], _IChatLeg):
            self._tell_ichat(call, side, message)

    def _connector_died(self) -> None:
        self._jabber_connection(False, "the connector is gone")
        for call in list(self.calls.values()):
            for side, leg in call.legs.items():
                if isinstance(leg, _IChatLeg):
                    self._tell_ichat(call, side, ConnectorLost())

    def _jabber_connection(self, online: bool, text: str) -> None:
        if online:
            self.users.connected(self._now)
        else:
            self.users.disconnected()
        self._note("INFO" if online else "WARNING", "jabber connection", online=online, text=text)
        self.jabber_online = online

    # --- registrations ------------------------------------------------------------------------------------

    def _came_online(self, user: str) -> None:
        self._register(self.users.came(user))
        if not self.users.aor_of(user):
            self._note("DEBUG", "user not registered", user=user, why="no rule leads from the user to SIP")

    def _register(self, commands: Iterable[StartRegistration | StopRegistration]) -> None:
        for command in commands:
            self._push(None, self.user_agent.receive(command, self._now))

    def _note_registration(self, outcome: Registered | RegistrationFailed) -> None:
        if isinstance(outcome, Registered):
            self._note("INFO", "registered" if outcome.seconds else "un-registered", aor=outcome.aor)
        else:
            self._note(
                "WARNING",
                "registration failed",
                aor=outcome.aor,
                status=outcome.status,
                text=outcome.text,
                retry_in=round(outcome.retry_in),
            )

    def _note_media(self, over: MediaOver) -> None:
        if over.counters is not None:
            caller, callee = over.counters.caller, over.counters.callee
            self._note(
                "INFO",
                "media over",
                over.call,
                from_caller=caller.received,
                to_caller=caller.sent,
                from_callee=callee.received,
                to_callee=callee.sent,
                strangers=caller.strangers + callee.strangers,
                lost_from_caller=caller.lost,
                lost_from_callee=callee.lost,
                jitter_ms_from_caller=round(caller.jitter, 1),
                jitter_ms_from_callee=round(callee.jitter, 1),
            )

    # --- the end ------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        self.stopping = True
        for call in list(self.calls.values()):
            self._hear(call, StopCall(Ending(Cause.SHUTDOWN)))
        self._register(self.users.all_went())

    def _note_over(self, call: Call, over: CallOver) -> None:
        self.admission.live.end(call.handle)
        self._note(
            "INFO",
            "call over",
            call.handle,
            caller=call.caller,
            callee=call.callee,
            seconds=round(self._now - call.since, 3),
            by=over.ended_by.value if over.ended_by else "gateway",
            cause=over.ending.cause.name,
            why=str(over.ending),
        )
