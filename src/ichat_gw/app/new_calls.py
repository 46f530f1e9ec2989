"""What begins a call: an INVITE from a phone, or an iChat user who calls one; and whether it may."""

from ichat_gw.addressing.jid import InvalidJid, Jid
from ichat_gw.app.callees import Callees
from ichat_gw.app.calls import Call, Calls, NegotiatedLeg, SessionLeg
from ichat_gw.app.door import Door
from ichat_gw.app.gateway_config import GatewayConfig
from ichat_gw.app.names import calling_user, is_viceroy, party_of, plain
from ichat_gw.app.transfers import Transfers
from ichat_gw.app.users import Users
from ichat_gw.app.work import Work
from ichat_gw.call.admission import source_of
from ichat_gw.call.bridge import Bridge, CallPlan
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import Party, Place, Refuse
from ichat_gw.call.media import Side
from ichat_gw.call.routing import Network, Route, route
from ichat_gw.call.transfer_policy import host_of
from ichat_gw.ipc.messages import NotifyIChatCallRequest
from ichat_gw.jabber.ichat.leg import CalledIChat, CallingIChat, bare
from ichat_gw.sip.events import InviteReceived


class NewCalls:
    """Says to whom a call goes, and makes it; `config` is what is in force."""

    def __init__(
        self,
        config: GatewayConfig,
        work: Work,
        door: Door,
        calls: Calls,
        callees: Callees,
        users: Users,
        transfers: Transfers,
    ) -> None:
        self.config = config
        self._work = work
        self._door = door
        self._calls = calls
        self._callees = callees
        self._users = users
        self._transfers = transfers

    def invited(self, invite: InviteReceived) -> None:
        """A new INVITE: iChat's after a negotiation, one that replaces another, or a call to somebody."""
        if invite.replaces is not None:
            self._transfers.take_over(invite)
            return
        if is_viceroy(invite.user_agent):
            if (call := self._calls.claim(invite)) is not None:
                self._calls.attach(call, invite)
                return
            # Nothing was negotiated: a call like any other, and iChat means its parties by their names.
            # What came over SIP stays SIP to the router, whatever it calls itself: names prove nothing.
            called, caller = f"xmpp:{invite.to_name}", Party(f"xmpp:{invite.from_name}")
        else:
            called, caller = self._callees.address_of(invite), Party(invite.from_uri, invite.from_name)
        address = invite.flow.remote[0]
        refusal = self._door.admission.may_call(address) or self._door.cannot_take(source_of(address))
        routed = refusal or self._callees.route(called, invite.request_uri)
        if isinstance(routed, Route):
            self._call_ichat(invite, routed, caller)
        else:
            self._door.refuse_invite(invite, called, routed)

    def _call_ichat(self, invite: InviteReceived, routed: Route, caller: Party) -> None:
        try:
            user = Jid.parse(routed.target.partition(":")[2]).bare
        except InvalidJid as error:
            self._door.refuse_invite(invite, routed.target, Ending(Cause.NOT_FOUND, text=str(error)))
            return
        source = source_of(invite.flow.remote[0])
        if (too_many := self._door.admission.call(source, str(user))) is not None:
            self._door.refuse_invite(invite, routed.target, too_many)
            return
        handle = self._work.new_handle()
        calling = f"{calling_user(caller.address)}@{self.config.component}"
        # One hop less, as a proxy would count: what goes round in circles comes to an end.
        place = Place(routed.target, caller, None, max_forwards=min(70, invite.max_forwards) - 1)
        call = Call(
            handle,
            Bridge(CallPlan(place, invite.offer, invite.flow.remote[0], to_ichat=True)),
            {
                Side.CALLER: SessionLeg(invite.session),
                Side.CALLEE: NegotiatedLeg(CalledIChat(handle, str(user), calling, self.config.ichat)),
            },
            caller.address,
            routed.target,
            self._work.now,
            str(user),
            {Side.CALLER: invite.flow.remote[0]},
            calling,
        )
        self._calls.begin(call, source, str(user))

    def asked_by_ichat(self, request: NotifyIChatCallRequest) -> None:
        """An iChat user calls a SIP phone."""
        handle = self._work.new_handle()
        machine = CallingIChat(handle, request)
        user = bare(request.from_)
        refusal = self._door.cannot_dial_out(user)
        if refusal is None and not machine.usable:
            refusal = Ending(Cause.NO_USABLE_ADDRESS)
        routed = refusal or route(f"xmpp:{bare(request.to)}", Network.XMPP, self.config.rules)
        if isinstance(routed, Route):
            routed = self._door.admission.destination(routed.target, user) or routed
        for command in machine.begin():
            self._work.push(None, [command])
        if not isinstance(routed, Route):
            ending = self._door.refuse_call(
                handle, request.from_, request.to, routed, user=user, contact=bare(request.to)
            )
            self._work.push(None, machine.receive(Refuse(ending), self._work.now))
            return
        party = party_of(user)
        place = Place(
            routed.target, party, None, contact_user=party.display_name, aor=self._users.aor_of(user)
        )
        call = Call(
            handle,
            Bridge(CallPlan(place, None, callee_host=plain(routed.target)[1])),
            {Side.CALLER: NegotiatedLeg(machine), Side.CALLEE: SessionLeg()},
            f"xmpp:{user}",
            routed.target,
            self._work.now,
            user,
            {Side.CALLEE: host_of(routed.target)},
            bare(request.to),
        )
        self._calls.begin(call, user, user)
