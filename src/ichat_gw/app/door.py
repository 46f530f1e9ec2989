"""The gateway's door: whether a message is heard and a call taken, and what a caller hears who is refused."""

from ichat_gw.app.call_events import CallRefused, Joined
from ichat_gw.app.events import Note
from ichat_gw.app.work import Work
from ichat_gw.call.admission import Admission, Refusal
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import Refuse
from ichat_gw.ops.trace import Lane
from ichat_gw.sip.events import Flow, InviteReceived, ToSession
from ichat_gw.sip.user_agent import UserAgent

_FORBIDDING = frozenset({"AllowedSIPNetworks", "AllowedXMPPDomains", "AllowedTransferDomains"})
"""Settings about who may call at all; the others say how much at once."""


class Door:
    """Asks the rules of admission; says and logs what they refuse."""

    def __init__(self, work: Work, user_agent: UserAgent, admission: Admission) -> None:
        self.admission = admission
        self.stopping = False
        """Nothing new is taken any more."""
        self.jabber_online = False
        """Whether the XMPP server can be reached."""
        self._work = work
        self._user_agent = user_agent

    def admit(self, method: str, flow: Flow) -> bool:
        """Whether there is time for a SIP request that belongs to nothing we know."""
        refusal = self.admission.sip_request(flow.remote[0], self._work.now, opens_call=method == "INVITE")
        if refusal is not None:
            self.turn_away(refusal)
        return refusal is None

    def cannot_take(self, source: str) -> Ending | Refusal | None:
        """Why no new call can be taken from there now, whoever it is for; None when it can."""
        if self.stopping:
            return Ending(Cause.SHUTDOWN)
        if not self.jabber_online:
            return Ending(Cause.CONNECTOR_LOST)
        return self.admission.call(source)

    def turn_away(self, refusal: Refusal) -> None:
        """A line in the log, unless there have been many of late."""
        before = self.admission.line(refusal, self._work.now)
        if before is not None:
            fields = {"setting": refusal.setting, "source": refusal.source, "not_logged": before}
            self._work.send(Note("WARNING", "turned away", fields=tuple(fields.items())))

    def refuse_call(
        self,
        call: str,
        caller: str,
        callee: str,
        why: Ending | Refusal,
        *,
        user: str = "",
        contact: str = "",
    ) -> Ending:
        """Log and tell that there will be no call `call`; return what its caller is told."""
        ending = self.refused(caller, callee, why, call)
        setting = why.setting if isinstance(why, Refusal) else ""
        self._work.send(CallRefused(call, caller, callee, user, contact, ending, setting))
        return ending

    def refused(self, caller: str, callee: str, why: Ending | Refusal, call: str | None = None) -> Ending:
        """Log that a call is refused; return what its caller is told."""
        if isinstance(why, Refusal):
            self.turn_away(why)
            return Ending(Cause.FORBIDDEN if why.setting in _FORBIDDING else Cause.OVERLOADED, text=str(why))
        self._work.note("INFO", "call refused", call, caller=caller, callee=callee, why=str(why))
        return why

    def refuse_invite(self, invite: InviteReceived, address: str, why: Ending | Refusal) -> None:
        """Refuse a call to `address`, and log it."""
        call = self._work.new_handle()
        ending = self.refuse_call(call, invite.from_uri, address, why)
        self._work.send(Joined(invite.session, call, Lane.PHONE))
        self._work.push(
            None, self._user_agent.receive(ToSession(invite.session, Refuse(ending)), self._work.now)
        )

    def cannot_dial_out(self, user: str) -> Ending | Refusal | None:
        """Why this XMPP user cannot call a SIP phone now; None when he can."""
        return (
            self.admission.dial_out(user)
            or self.admission.request(user, self._work.now)
            or self.cannot_take(user)
            or self.admission.call(user, user)
        )
