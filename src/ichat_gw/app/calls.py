"""The live calls: each a bridge between two legs, and whose session is which.

A leg is a SIP session, or an iChat machine around one. What a leg, a session or the media engine says is
brought to the bridge here, and what the bridge commands is brought to its leg.
"""

from dataclasses import dataclass

from ichat_gw.app.call_events import CallBegan, Joined, Moved
from ichat_gw.app.names import plain
from ichat_gw.app.work import Work
from ichat_gw.call.admission import Admission
from ichat_gw.call.bridge import Bridge, State
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import End, Ended, LegCommand, LegEvent, Place, Refuse, Refused, TransferAsked
from ichat_gw.call.media import Side
from ichat_gw.call.words import BridgeEvent, FromCandidate, FromLeg, StopCall
from ichat_gw.clock import Timers
from ichat_gw.jabber.ichat.leg import (
    CallingIChat,
    FromInner,
    IChatCommand,
    IChatEvent,
    IChatLeg,
    InviteClaimed,
    ToBridge,
    ToConnector,
    name_key,
)
from ichat_gw.ops.trace import Lane
from ichat_gw.sip.events import InviteReceived, SessionId, ToSession
from ichat_gw.sip.user_agent import UserAgent


@dataclass(slots=True)
class SessionLeg:
    """A leg that is nothing but a SIP session; a callee's begins when it is placed."""

    session: SessionId | None = None


@dataclass(slots=True)
class NegotiatedLeg:
    """A leg that is an iChat client; its session exists only when an INVITE does."""

    machine: IChatLeg
    session: SessionId | None = None


@dataclass(slots=True)
class Call:
    """A live call: the bridge, its two legs, and what is shown of it."""

    handle: str
    bridge: Bridge
    legs: dict[Side, SessionLeg | NegotiatedLeg]
    caller: str
    callee: str
    since: float
    user: str
    """The bare JID of the XMPP party."""
    hosts: dict[Side, str]
    """Where the SIP party is, as far as known: an address or a domain."""
    contact: str = ""
    """The bare JID of the gateway's that the user talks to."""
    candidate: SessionId | None = None
    """The session with who is about to take the SIP party's place, if anybody is."""
    candidate_host: str = ""
    """Where he is."""
    until: float | None = None
    """When it has lasted long enough."""

    @property
    def user_side(self) -> Side:
        """Which of the two parties the XMPP user is."""
        return Side.CALLER if isinstance(self.legs[Side.CALLER], NegotiatedLeg) else Side.CALLEE


class Calls:
    """All live calls of a gateway, by handle; their words travel through `work`."""

    def __init__(self, work: Work, user_agent: UserAgent, admission: Admission) -> None:
        self.live: dict[str, Call] = {}
        self._work = work
        self._user_agent = user_agent
        self._admission = admission
        self._timers: Timers[str] = Timers()
        self._of_session: dict[SessionId, tuple[Call, Side | None]] = {}
        """Whose session it is; None: the candidate's."""
        self._client_of: dict[SessionId, str] = {}
        """The IP addresses of iChat clients, by the session with each."""
        self._calling: dict[tuple[str, str], list[Call]] = {}
        """The calls of iChat callers, by the names that their INVITEs will carry."""

    def __len__(self) -> int:
        return len(self.live)

    def deadline(self) -> float | None:
        """When the next timer of any call is due."""
        return self._timers.deadline()

    def expire(self, now: float) -> None:
        """Run every timer that is due."""
        for handle in self._timers.due(now):
            call = self.live[handle]
            if call.until is not None and call.until <= now:
                call.until = None
                self.hear(call, StopCall(Ending(Cause.TOO_LONG)))
            before = call.bridge.state
            commands = call.bridge.expire(now)
            self._tell_move(call, before)
            self._work.push(call, commands)
            for side, leg in call.legs.items():
                if isinstance(leg, NegotiatedLeg):
                    self._hear_ichat(call, side, leg.machine.expire(now))
            self.touch(call)

    # --- beginning ----------------------------------------------------------------------------------------

    def begin(self, call: Call, source: str, user: str) -> None:
        """Begin a call that came from `source` and has the XMPP user `user` at one end."""
        self.live[call.handle] = call
        side = call.user_side
        host = call.hosts.get(side.other, "")
        self._work.send(CallBegan(call.handle, call.caller, call.callee, call.user, call.contact, side, host))
        for side, leg in call.legs.items():
            if leg.session is not None:
                self._join(call, side, leg, leg.session)
        caller = call.legs[Side.CALLER]
        if isinstance(caller, NegotiatedLeg) and isinstance(caller.machine, CallingIChat):
            self._calling.setdefault(caller.machine.names, []).append(call)
            for address in caller.machine.addresses:
                self._admission.expect(address)
        self._admission.live.begin(call.handle, source, user)
        if seconds := self._admission.limits.seconds:
            call.until = self._work.now + seconds
        self._work.note("INFO", "call began", call.handle, caller=call.caller, callee=call.callee)
        self._work.push(call, call.bridge.begin(self._work.now))
        self.touch(call)

    def claim(self, invite: InviteReceived) -> Call | None:
        """The call whose iChat caller sends this INVITE: best fit, then one that wants it, then the oldest.

        A client that calls again soon after a call that is void fits both.
        """
        best, best_fit = None, (0, False)
        for call in self._calling.get((name_key(invite.from_name), name_key(invite.to_name)), ()):
            leg = call.legs[Side.CALLER]
            assert isinstance(leg, NegotiatedLeg)
            assert isinstance(leg.machine, CallingIChat)
            score = leg.machine.claim(invite.from_name, invite.to_name, invite.flow.remote)
            fit = (score, leg.machine.awaits_invite)
            if score and fit > best_fit:
                best, best_fit = call, fit
        return best

    def attach(self, call: Call, invite: InviteReceived) -> None:
        """An iChat caller has sent the INVITE that was announced."""
        leg = call.legs[Side.CALLER]
        assert isinstance(leg, NegotiatedLeg)
        leg.session = invite.session
        self._join(call, Side.CALLER, leg, invite.session)
        self._expect_client(invite.session, invite.flow.remote[0])
        self.tell_ichat(call, Side.CALLER, InviteClaimed(invite.offer))

    # --- ending --------------------------------------------------------------------------------------------

    def touch(self, call: Call) -> None:
        """Keep the call's timer right, and forget the call when nothing of it is left to wait for."""
        if call.handle not in self.live:
            return  # forgotten, and its last words are being passed on
        times = [call.bridge.deadline(), None if call.bridge.state is State.OVER else call.until]
        times += [leg.machine.deadline() for leg in call.legs.values() if isinstance(leg, NegotiatedLeg)]
        when = min((time for time in times if time is not None), default=None)
        if when is not None:
            self._timers.set(call.handle, when)
            return
        self._timers.clear(call.handle)
        if call.bridge.state is State.OVER:
            del self.live[call.handle]
            self._no_longer_calling(call)

    def _no_longer_calling(self, call: Call) -> None:
        leg = call.legs[Side.CALLER]
        if isinstance(leg, NegotiatedLeg) and isinstance(leg.machine, CallingIChat):
            waiting = self._calling[leg.machine.names]
            waiting.remove(call)
            if not waiting:
                del self._calling[leg.machine.names]
            for address in leg.machine.addresses:
                self._admission.release(address)

    def forget_session(self, session: SessionId) -> None:
        """Nothing more will be heard of a session."""
        self._of_session.pop(session, None)
        if (client := self._client_of.pop(session, None)) is not None:
            self._admission.release(client)

    # --- words --------------------------------------------------------------------------------------------

    def hear(self, call: Call, event: BridgeEvent) -> None:
        """The bridge of `call` hears something."""
        before = call.bridge.state
        commands = call.bridge.receive(event, self._work.now)
        self._tell_move(call, before)
        self._work.push(call, commands)
        self.touch(call)

    def _tell_move(self, call: Call, before: State) -> None:
        if call.bridge.state is before:
            return
        self._work.send(Moved(call.handle, call.bridge.state))
        if call.bridge.state is State.TALKING and isinstance(call.legs[Side.CALLER], SessionLeg):
            # Its ACK bears a tag of ours, so its address is not forged.
            self._admission.vouch(call.hosts[Side.CALLER])

    def _join(self, call: Call, side: Side, leg: SessionLeg | NegotiatedLeg, session: SessionId) -> None:
        """`session` is that of `leg` from now on."""
        self._of_session[session] = (call, side)
        lane = Lane.USER if isinstance(leg, NegotiatedLeg) else Lane.PHONE
        self._work.send(Joined(session, call.handle, lane))

    def tell(self, call: Call, side: Side, command: LegCommand) -> None:
        """The bridge of `call` tells a leg something."""
        leg = call.legs[side]
        if isinstance(leg, NegotiatedLeg):
            self.tell_ichat(call, side, command)
        else:
            self._tell_session(call, side, leg, command)

    def _tell_session(
        self, call: Call, side: Side, leg: SessionLeg | NegotiatedLeg, command: LegCommand
    ) -> None:
        if leg.session is None:
            if not isinstance(command, Place):
                return  # who was here has gone before anything was said to him
            leg.session = self._user_agent.new_session()
            self._join(call, side, leg, leg.session)
            if isinstance(leg, NegotiatedLeg):
                self._expect_client(leg.session, plain(command.target)[1].strip("[]"))
        self._work.push(None, self._user_agent.receive(ToSession(leg.session, command), self._work.now))

    def tell_ichat(self, call: Call, side: Side, event: IChatEvent) -> None:
        """The iChat machine at `side` hears something: from its bridge, its session, or the connector."""
        leg = call.legs[side]
        assert isinstance(leg, NegotiatedLeg)
        self._hear_ichat(call, side, leg.machine.receive(event, self._work.now))
        self.touch(call)

    def _hear_ichat(self, call: Call, side: Side, commands: list[IChatCommand]) -> None:
        leg = call.legs[side]
        assert isinstance(leg, NegotiatedLeg)
        for command in commands:
            match command:
                case ToBridge(event):
                    self.hear(call, FromLeg(side, event))
                case ToConnector():
                    self._work.push(call, [command])
                case _:
                    self._tell_session(call, side, leg, command.command)

    def of_session(self, session: SessionId) -> tuple[Call, Side | None] | None:
        """The call that a SIP session belongs to, and which side; None for the side: a candidate's."""
        return self._of_session.get(session)

    def hear_session(self, session: SessionId, event: LegEvent) -> None:
        """A SIP session says something to whoever it belongs to."""
        found = self._of_session.get(session)
        if found is None:
            return
        call, side = found
        if side is None:
            self._hear_candidate(call, session, event)
        elif isinstance(call.legs[side], NegotiatedLeg):
            self.tell_ichat(call, side, FromInner(event))
        elif isinstance(event, TransferAsked):
            self._work.push(call, [FromLeg(side, event)])
        else:
            self.hear(call, FromLeg(side, event))

    def keep_hearing(self) -> None:
        """Hear the parties of live calls to the end, whatever networks are allowed from now on."""
        for call in self.live.values():
            for leg in call.legs.values():
                if leg.session is not None and leg.session not in self._client_of:
                    address = self._user_agent.remote_of(leg.session)
                    if address:
                        self._expect_client(leg.session, address)

    def _expect_client(self, session: SessionId, address: str) -> None:
        """Hear an iChat client as long as there is a session with it."""
        self._client_of[session] = address
        self._admission.expect(address)

    # --- who is about to take a SIP party's place ---------------------------------------------------------

    def set_candidate(self, call: Call, session: SessionId) -> None:
        """`session` is with who is about to take the SIP party's place."""
        call.candidate = session
        self._of_session[session] = (call, None)
        self._work.send(Joined(session, call.handle, Lane.OTHER))

    def tell_candidate(self, call: Call, command: LegCommand) -> None:
        """The bridge tells the candidate something; to place a call makes one."""
        if isinstance(command, Place):
            self.set_candidate(call, self._user_agent.new_session())
        session = call.candidate
        if session is not None:
            if isinstance(command, End | Refuse):
                self._forget_candidate(call, session)
            self._work.push(None, self._user_agent.receive(ToSession(session, command), self._work.now))

    def _hear_candidate(self, call: Call, session: SessionId, event: LegEvent) -> None:
        if isinstance(event, Ended | Refused):
            self._forget_candidate(call, session)
        if not isinstance(event, TransferAsked):
            self.hear(call, FromCandidate(event))

    def _forget_candidate(self, call: Call, session: SessionId) -> None:
        """What else he says, he says to nobody."""
        call.candidate = None
        del self._of_session[session]

    def replace_leg(self, call: Call, side: Side) -> None:
        """The candidate has the place from now on."""
        old = call.legs[side]
        if old.session is not None:
            self._of_session.pop(old.session, None)
            self._work.send(Joined(old.session, call.handle, Lane.OTHER))
        session, call.candidate = call.candidate, None
        leg = call.legs[side] = SessionLeg(session)
        call.hosts[side] = call.candidate_host
        if session is not None:
            self._join(call, side, leg, session)
        self._work.note("INFO", "party replaced", call.handle, party=side.value)
