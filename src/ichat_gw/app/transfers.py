"""Somebody takes a SIP party's place: by a REFER (RFC 3515), or by an INVITE that replaces (RFC 3891)."""

from ichat_gw.app.calls import Call, Calls
from ichat_gw.app.door import Door
from ichat_gw.app.names import party_of
from ichat_gw.app.users import Users
from ichat_gw.app.work import Work
from ichat_gw.call.admission import source_of
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import Place, RefuseTransfer, TransferAsked
from ichat_gw.call.media import Side
from ichat_gw.call.transfer_policy import TransferPolicy, host_of, transfer_refused
from ichat_gw.call.words import TakeOver, TransferTo
from ichat_gw.sip.events import InviteReceived


class Transfers:
    """Decides who may; the bridge does the rest."""

    def __init__(self, work: Work, calls: Calls, door: Door, users: Users, policy: TransferPolicy) -> None:
        self._work = work
        self._calls = calls
        self._door = door
        self._users = users
        self._policy = policy

    def reconfigure(self, policy: TransferPolicy) -> None:
        """Go by another policy from now on."""
        self._policy = policy

    def ask(self, call: Call, side: Side, asked: TransferAsked) -> None:
        """A phone wants the XMPP user to talk to somebody else."""
        phone = call.hosts[side]
        refused = (
            Ending(Cause.SHUTDOWN)
            if self._door.stopping
            else self._door.admission.request(source_of(phone), self._work.now)
            or transfer_refused(asked.target, phone, self._policy)
            or self._door.admission.destination(asked.target, call.user)
        )
        if refused is not None:
            ending = self._door.refused(f"{phone} (transfer)", asked.target, refused)
            self._calls.tell(call, side, RefuseTransfer(ending))
            return
        self._work.note("INFO", "transfer began", call.handle, to=asked.target, by=side.value)
        party = party_of(call.user)
        place = Place(
            asked.target,
            party,
            None,
            contact_user=party.display_name,
            aor=self._users.aor_of(call.user),
            referred_by=asked.referred_by,
            replaces=asked.replaces,
        )
        call.candidate_host = host_of(asked.target)
        self._calls.hear(call, TransferTo(side, place, call.candidate_host))

    def take_over(self, invite: InviteReceived) -> None:
        """An INVITE that is to take the place of a SIP party (RFC 3891)."""
        assert invite.replaces is not None
        call, side = self._calls.of_session(invite.replaces) or (None, None)
        address = invite.flow.remote[0]
        refused = self._door.admission.may_call(address) or (
            Ending(Cause.SHUTDOWN) if self._door.stopping else None
        )
        if refused is None and (call is None or side is None or not _replaceable(call, side)):
            refused = Ending(
                Cause.REJECTED, text="the call to be replaced is over, or is changing already; try again"
            )
        if refused is None and call is not None and call.bridge.ringing and invite.offer is None:
            refused = Ending(Cause.NOT_ACCEPTABLE, text="who picks up a call that rings has to make an offer")
        if refused is not None or call is None or side is None:
            assert refused is not None
            self._door.refuse_invite(invite, invite.to_uri, refused)
            return
        self._work.note("INFO", "takeover began", call.handle, by=invite.from_uri)
        call.candidate_host = address
        self._calls.set_candidate(call, invite.session)
        self._calls.hear(call, TakeOver(side, invite.offer, address))


def _replaceable(call: Call, side: Side) -> bool:
    """Whether that party can be replaced now: the call is up, or rings at that party."""
    return call.bridge.settled or (side is Side.CALLEE and call.bridge.ringing)
