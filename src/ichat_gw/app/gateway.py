"""The gateway as one pure machine: SIP user agent, calls, iChat legs and media engine, wired together.

Nothing here touches a socket or a clock, so a whole gateway, with both its networks, runs inside a test.
The shell around it (`ichat_gw.app.serve`) owns the sockets, the connector process and the relay process,
and does what the commands say.

How a word travels: everything that comes in is handed to the machine it is for; what that machine
commands is put at the end of one queue, and the queue is worked off until nothing is left but commands
for the shell. So nothing overtakes anything.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ichat_gw.app.call_events import CallEnded, MediaAsked, MediaSaid
from ichat_gw.app.callees import Callees
from ichat_gw.app.calls import Call, Calls, NegotiatedLeg, SessionLeg
from ichat_gw.app.door import Door
from ichat_gw.app.events import (
    ConnectorDied,
    FromConnector,
    GatewayCommand,
    GatewayEvent,
    Note,
    StopGateway,
)
from ichat_gw.app.gateway_config import GatewayConfig
from ichat_gw.app.negotiations import Negotiations
from ichat_gw.app.new_calls import NewCalls
from ichat_gw.app.pages import Pages
from ichat_gw.app.transfers import Transfers
from ichat_gw.app.users import Users
from ichat_gw.app.work import Work
from ichat_gw.call.admission import Admission
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import TransferAsked
from ichat_gw.call.media import Side
from ichat_gw.call.routing import Network, Route, route
from ichat_gw.call.words import (
    CallOver,
    FromLeg,
    FromMedia,
    LegReplaced,
    StopCall,
    ToCandidate,
    ToLeg,
    ToMedia,
)
from ichat_gw.ipc.messages import (
    CheckSubscription,
    ContinueIChatCall,
    JabberConnection,
    Log,
    Message,
    NotifyChatMessage,
    NotifyChatMessageSent,
    NotifyIChatCallCancelled,
    NotifyIChatCallFailed,
    NotifyIChatCallProceeding,
    NotifyIChatCallRequest,
    SendSubscriptionResponse,
    SipRegisterJabberUser,
    SipUnregisterJabberUser,
    Stop,
)
from ichat_gw.jabber.ichat.leg import ConnectorLost, ToConnector, bare
from ichat_gw.media.engine import (
    MediaEngine,
    MediaFor,
    MediaOver,
    MediaPath,
    MediaSettings,
    PartChanged,
    Statistics,
    ToCall,
    ToNode,
    ToWorker,
)
from ichat_gw.sip.events import (
    Dropped,
    FromSession,
    InviteReceived,
    Lookup,
    PageAnswered,
    PageReceived,
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
)
from ichat_gw.sip.user_agent import UserAgent, UserAgentConfig


@dataclass(frozen=True, slots=True)
class Reconfigure:
    """Go by other settings from now on. Calls that are up stay up, as they began."""

    config: GatewayConfig
    """`component`, `local_hosts` and `node` are not taken from it."""
    user_agent: UserAgentConfig
    media: MediaSettings


_OF_OUR_CHOICE = (b"REGISTER ", b"INVITE ")
"""How requests begin that go where the settings, or who called there before, have sent us."""
_MISDEEDS = frozenset({"not SIP", "malformed"})
"""For what reasons something is dropped that no honest peer sends."""


class Gateway:
    """The three verbs for a whole gateway. Never raises for anything that comes from a network."""

    def __init__(self, config: GatewayConfig, user_agent: UserAgent, engine: MediaEngine) -> None:
        self.config = config
        self.user_agent = user_agent
        self.engine = engine
        self.work = Work(config.node)
        self.admission = Admission(config.limits)
        self.door = Door(self.work, user_agent, self.admission)
        user_agent.admit = self.door.admit
        self.users = Users(config.rules)
        self.calls = Calls(self.work, user_agent, self.admission)
        self.negotiations = Negotiations()
        self.callees = Callees(config.rules, config.local_hosts, user_agent, self.users)
        self.pages = Pages(config.component, self.work, user_agent, self.door, self.users, self.callees)
        self.transfers = Transfers(self.work, self.calls, self.door, self.users, config.transfers)
        self.new_calls = NewCalls(
            config, self.work, self.door, self.calls, self.callees, self.users, self.transfers
        )

    # --- the three verbs ----------------------------------------------------------------------------------

    def receive(self, event: GatewayEvent | Reconfigure, now: float) -> list[GatewayCommand]:
        """Take one event from the shell; return everything the shell has to do because of it."""
        self.work.now = now
        match event:
            case FromConnector(message):
                self._hear_connector(message)
            case ConnectorDied():
                self._connector_died()
            case Reconfigure():
                self._reconfigure(event)
            case StopGateway():
                self._stop()
                # What the ends of the calls have to say to the connector comes first; to un-register many
                # thousand users can take longer than there is time, and comes last.
                commands = [*self._finish(), ToConnector(Stop())]
                self._register(self.users.all_went())
                return [*commands, *self._finish()]
            case Received(flow=flow) if not self.door.hears(flow.remote[0]):
                pass
            case Received() | SendFailed() | Resolved():
                self.work.push(None, self.user_agent.receive(event, now))
            case _:
                self.work.push(None, self.engine.receive(event, now))
        return self._finish()

    def deadline(self) -> float | None:
        """When the next timer of any part is due."""
        times = (
            self.user_agent.deadline(),
            self.engine.deadline(),
            self.calls.deadline(),
            self.users.deadline(),
            self.pages.deadline(),
        )
        return min((time for time in times if time is not None), default=None)

    def expire(self, now: float) -> list[GatewayCommand]:
        """Run every timer that is due."""
        self.work.now = now
        self.work.push(None, self.user_agent.expire(now))
        self.work.push(None, self.engine.expire(now))
        self.calls.expire(now)
        self._register(self.users.expire(now))
        self.pages.expire(now)
        return self._finish()

    @property
    def idle(self) -> bool:
        """Whether everybody we told something has answered: what a stopping gateway waits for."""
        return self.user_agent.idle

    def call_of(self, session: SessionId | None) -> str:
        """The handle of the call that a SIP session belongs to, or "": for logs and traces."""
        found = self.calls.of_session(session) if session is not None else None
        return found[0].handle if found else ""

    # --- the queue ----------------------------------------------------------------------------------------

    def _finish(self) -> list[GatewayCommand]:
        while self.work.queue:
            call, command = self.work.queue.popleft()
            match command:
                case ToConnector(message):
                    self.negotiations.tell(message)
                    self.work.send(command)
                case Send(data, flow):
                    if data.startswith(_OF_OUR_CHOICE):
                        self.admission.vouch(flow.remote[0])
                    self.work.send(command)
                case Lookup() | Note():
                    self.work.send(command)
                case ToLeg(side, leg_command):
                    assert call is not None
                    self.calls.tell(call, side, leg_command)
                case ToCandidate(leg_command):
                    assert call is not None
                    self.calls.tell_candidate(call, leg_command)
                case LegReplaced(side):
                    assert call is not None
                    self.calls.replace_leg(call, side)
                case ToMedia(request):
                    assert call is not None
                    self.work.send(MediaAsked(call.handle, request))
                    self.work.push(None, self.engine.receive(MediaFor(call.handle, request), self.work.now))
                case CallOver():
                    assert call is not None
                    self._note_over(call, command)
                case FromLeg(side, TransferAsked() as asked):
                    assert call is not None
                    self.transfers.ask(call, side, asked)
                case FromSession(session, leg_event):
                    self.calls.hear_session(session, leg_event)
                case InviteReceived():
                    self.new_calls.invited(command)
                case PageReceived():
                    self.pages.received(command)
                case PageAnswered():
                    self.pages.answered(command)
                case SessionGone(session):
                    self.calls.forget_session(session)
                    self.work.send(command)
                case ToCall(handle, reply):
                    if (of := self.calls.live.get(handle)) is not None:
                        self.work.send(MediaSaid(handle, reply))
                        self.calls.hear(of, FromMedia(reply))
                case MediaOver():
                    self._note_media(command)
                    self.work.send(command)
                case MediaPath(handle, direct, why):
                    fields = {"why": why} if why else {}
                    self.work.note("INFO", "media direct" if direct else "media relayed", handle, **fields)
                    self.work.send(command)
                case Registered() | RegistrationFailed():
                    self._note_registration(command)
                    self.work.send(command)
                case Dropped(reason, flow):
                    if reason in _MISDEEDS:
                        self.door.misdeed(flow.remote[0], reason)
                    self.work.note(
                        "DEBUG", "dropped", reason=reason, peer=f"{flow.remote[0]}:{flow.remote[1]}"
                    )
                case PartChanged(name, up, text):
                    self.work.note(
                        "INFO" if up else "ERR", "media up" if up else "media lost", part=name, text=text
                    )
                case ToWorker() | ToNode() | Statistics():
                    self.work.send(command)
                case _:
                    raise AssertionError(f"nobody is there for {command!r}")
        return self.work.take()

    # --- the connector ------------------------------------------------------------------------------------

    def _hear_connector(self, message: Message) -> None:
        self.negotiations.hear(message)
        match message:
            case NotifyIChatCallRequest():
                self.new_calls.asked_by_ichat(message)
            case (
                NotifyIChatCallProceeding(handle=handle)
                | ContinueIChatCall(handle=handle)
                | NotifyIChatCallFailed(handle=handle)
            ):
                self._tell_ichat_of(handle, Side.CALLEE, message)
            case NotifyIChatCallCancelled(handle=handle):
                self._tell_ichat_of(handle, Side.CALLER, message)
            case NotifyChatMessage():
                self.pages.wrote(message)
            case NotifyChatMessageSent():
                self.pages.sent(message)
            case SipRegisterJabberUser(jid=user):
                if not self.door.stopping:
                    self._came_online(user)
            case SipUnregisterJabberUser(jid=user):
                self._register(self.users.went(user))
            case CheckSubscription(to=to, from_=user):
                allowed = isinstance(route(f"xmpp:{bare(to)}", Network.XMPP, self.config.rules), Route)
                self.work.push(None, [ToConnector(SendSubscriptionResponse(to, user, allowed))])
            case JabberConnection():
                self._jabber_connection(message)
            case Log(level=level, text=text):
                self.work.note(level, "connector", text=text)
            case _:
                self.work.note(
                    "WARNING", "the connector sent a message that is not its to send", message=str(message)
                )

    def _tell_ichat_of(self, handle: str, side: Side, message: Message) -> None:
        """Pass a message about a call to its iChat leg; one that is over already needs none."""
        call = self.calls.live.get(handle)
        if call is not None and isinstance(call.legs[side], NegotiatedLeg):
            self.calls.tell_ichat(call, side, message)

    def _connector_died(self) -> None:
        self._jabber_connection(JabberConnection(False, "the connector is gone"))
        self.users.connector_died()
        self.negotiations.connector_died(self.work.now)
        self.pages.connector_died()
        for call in list(self.calls.live.values()):
            for side, leg in call.legs.items():
                if isinstance(leg, NegotiatedLeg):
                    self.calls.tell_ichat(call, side, ConnectorLost())

    def _jabber_connection(self, now: JabberConnection) -> None:
        if now.online:
            self.users.connected(self.work.now, now.known_in)
            self.work.push(None, map(ToConnector, self.negotiations.connected(self.work.now)))
        else:
            self.users.disconnected()
        self.work.note(
            "INFO" if now.online else "WARNING", "jabber connection", online=now.online, text=now.text
        )
        self.door.jabber_online = now.online

    # --- registrations ------------------------------------------------------------------------------------

    def _came_online(self, user: str) -> None:
        self._register(self.users.came(user))
        if not self.users.aor_of(user):
            self.work.note(
                "DEBUG", "user not registered", user=user, why="no rule leads from the user to SIP"
            )

    def _register(self, commands: Iterable[StartRegistration | StopRegistration]) -> None:
        for command in commands:
            self.work.push(None, self.user_agent.receive(command, self.work.now))

    def _note_registration(self, outcome: Registered | RegistrationFailed) -> None:
        if isinstance(outcome, Registered):
            self.work.note("INFO", "registered" if outcome.seconds else "un-registered", aor=outcome.aor)
        else:
            self.work.note(
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
            self.work.note(
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

    # --- other settings -----------------------------------------------------------------------------------

    def _reconfigure(self, new: Reconfigure) -> None:
        if self.door.stopping:
            return
        before = self.config
        self.config = replace(
            new.config, component=before.component, local_hosts=before.local_hosts, node=before.node
        )
        self.new_calls.config = self.config
        if new.config.limits.networks != before.limits.networks:
            self.calls.keep_hearing()
        self.admission.reconfigure(new.config.limits)
        self.callees.rules = new.config.rules
        self.transfers.reconfigure(new.config.transfers)
        # Who has to leave leaves in the old way, and who comes comes in the new one.
        moved = self.users.reconfigure(new.config.rules)
        self._register(command for command in moved if isinstance(command, StopRegistration))
        self.work.push(None, self.user_agent.reconfigure(new.user_agent, self.work.now))
        self._register(command for command in moved if isinstance(command, StartRegistration))
        # Those who were not registered before, because RegistrationTime was 0.
        self._register(StartRegistration(aor) for aor in self.users.aors)
        self.work.push(None, self.engine.receive(new.media, self.work.now))

    # --- the end ------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        self.door.stopping = True
        for call in list(self.calls.live.values()):
            self.calls.hear(call, StopCall(Ending(Cause.SHUTDOWN)))

    def _note_over(self, call: Call, over: CallOver) -> None:
        self.admission.live.end(call.handle)
        if over.ending.cause is Cause.NOT_FOUND and isinstance(call.legs[Side.CALLER], SessionLeg):
            self.door.misdeed(call.hosts[Side.CALLER], "called who does not exist")
        self.work.send(CallEnded(call.handle, over.ending, over.ended_by))
        self.work.note(
            "INFO",
            "call over",
            call.handle,
            caller=call.caller,
            callee=call.callee,
            seconds=round(self.work.now - call.since, 3),
            by=over.ended_by.value if over.ended_by else "gateway",
            cause=over.ending.cause.name,
            why=str(over.ending),
        )
