"""The gateway's door: whether a message is heard and a call taken, and what a caller hears who is refused."""

from ichat_gw.app.call_events import CallRefused, Joined
from ichat_gw.app.events import Note
from ichat_gw.app.work import Work
from ichat_gw.call.admission import Admission, Refusal, source_of
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import Refuse
from ichat_gw.ops.trace import Lane
from ichat_gw.sip.events import Flow, InviteReceived, ToSession
from ichat_gw.sip.user_agent import UserAgent, Verdict

_FORBIDDING = frozenset(
    {
        "AllowedSIPNetworks",
        "AllowedXMPPDomains",
        "AllowedTransferDomains",
        "AllowedDestinations",
        "DeniedDestinations",
    }
)
"""Settings about who may call at all; the others say how much at once."""

_FOR_REGISTRARS = frozenset({"REGISTER", "SUBSCRIBE", "PUBLISH"})
"""What scanners try passwords with. Phones do not mistake us for their registrar for long."""


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

    def hears(self, address: str) -> bool:
        """Whether a SIP message from this IP address is read."""
        refusal = self.admission.hears(address, self._work.now)
        if refusal is not None:
            self.turn_away(refusal)
        return refusal is None

    def admit(self, method: str, flow: Flow) -> Verdict:
        """What becomes of a SIP request that belongs to nothing we know."""
        address = flow.remote[0]
        if self.admission.ignores(address, self._work.now):
            return Verdict.IGNORE
        if method in _FOR_REGISTRARS:
            self.misdeed(address, f"{method} where there is no registrar")
        refusal = self.admission.sip_request(address, self._work.now, opens_call=method == "INVITE")
        if refusal is not None:
            self.turn_away(refusal)
            if refusal.setting == "MaxRequestsPerSecondPerSource":
                self.misdeed(address, "too many requests")
            return Verdict.BUSY
        most = self.admission.limits.transactions
        if most and self._user_agent.transactions >= most:
            self.turn_away(Refusal("MaxTransactions", source_of(address)))
            return Verdict.BUSY
        return Verdict.TAKE

    def misdeed(self, address: str, what: str) -> None:
        """Somebody at this IP address did what honest peers hardly ever do."""
        if self.admission.misdeed(address, self._work.now):
            self._work.note(
                "WARNING",
                "ignored from now on",
                source=source_of(address),
                seconds=self.admission.limits.ignore_time,
                why=f"more than IgnoreAfter = {self.admission.limits.ignore_after} misdeeds in a minute",
                latest=what,
                remedy="a peer that is to be heard in any case belongs into TrustedSIPNetworks",
            )

    def cannot_pass(self) -> Ending | None:
        """Why nothing new can be passed on to XMPP now; None when it can."""
        if self.stopping:
            return Ending(Cause.SHUTDOWN)
        return None if self.jabber_online else Ending(Cause.CONNECTOR_LOST)

    def cannot_take(self, source: str) -> Ending | Refusal | None:
        """Why no new call can be taken from there now, whoever it is for; None when it can."""
        return self.cannot_pass() or self.admission.call(source)

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

    def refused(
        self,
        caller: str,
        callee: str,
        why: Ending | Refusal,
        call: str | None = None,
        *,
        what: str = "call",
    ) -> Ending:
        """Log that a call (or `what` it is) is refused; return what its caller is told."""
        if isinstance(why, Refusal):
            self.turn_away(why)
            return Ending(Cause.FORBIDDEN if why.setting in _FORBIDDING else Cause.OVERLOADED, text=str(why))
        self._work.note("INFO", f"{what} refused", call, caller=caller, callee=callee, why=str(why))
        return why

    def refuse_invite(self, invite: InviteReceived, address: str, why: Ending | Refusal) -> None:
        """Refuse a call to `address`, and log it."""
        if isinstance(why, Ending) and why.cause in (Cause.NOT_FOUND, Cause.NO_ROUTE):
            self.misdeed(invite.flow.remote[0], "called what does not exist")
        call = self._work.new_handle()
        ending = self.refuse_call(call, invite.from_uri, address, why)
        self._work.send(Joined(invite.session, call, Lane.PHONE))
        self._work.push(
            None, self._user_agent.receive(ToSession(invite.session, Refuse(ending)), self._work.now)
        )

    def cannot_write(self, user: str) -> Ending | Refusal | None:
        """Why this XMPP user cannot write to a SIP phone now; None when he can."""
        return (
            self.admission.dial_out(user)
            or self.admission.request(user, self._work.now)
            or self.cannot_pass()
        )

    def cannot_dial_out(self, user: str) -> Ending | Refusal | None:
        """Why this XMPP user cannot call a SIP phone now; None when he can."""
        return (
            self.admission.dial_out(user)
            or self.admission.request(user, self._work.now)
            or self.cannot_take(user)
            or self.admission.call(user, user)
        )
