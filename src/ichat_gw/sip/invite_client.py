"""We call somebody: an INVITE from the look-up of its target to the final response (RFC 3261 13.2).

    resolving  the shell looks up where the target is
    calling    INVITE sent, nothing heard; a CANCEL would have to wait (section 9.1); sent once more when a
               password is asked for (section 22.2)
    ringing    a provisional response came
    answered   a 2xx came and was acknowledged; from here on the `InviteUsage` runs the dialog

One INVITE can be answered several times, by the branches of a forking proxy. The first 2xx is the call;
every other is acknowledged and hung up at once. The same goes for the 2xx that crosses our CANCEL.

A call that is redirected, or refused because its session interval is too small, begins again with the next
CSeq number and the same Call-ID and From tag; `redirection` says where it goes.
"""

from contextlib import suppress

from ichat_gw.addressing.sip_uri import NameAddr, SipUri, clean_text
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    AcceptReoffer,
    Answered,
    Confirmed,
    EarlyAnswered,
    End,
    LegCommand,
    Place,
    Rang,
    Refuse,
    Refused,
    RefuseReoffer,
    Reoffered,
    Sdp,
)
from ichat_gw.errors import GatewayError
from ichat_gw.sip.authentication import CHALLENGES, Authentication, Unanswerable
from ichat_gw.sip.core import Core, TransactionUser
from ichat_gw.sip.dialog import Dialog, contact_uri
from ichat_gw.sip.early_dialog import EarlyDialog
from ichat_gw.sip.events import Flow, Resolved, SessionId
from ichat_gw.sip.invite_usage import InviteUsage
from ichat_gw.sip.message import Headers, Request, Response
from ichat_gw.sip.next_hop import NextHop
from ichat_gw.sip.outbound import Outbound, asker, user_of
from ichat_gw.sip.reason_header import reason_for
from ichat_gw.sip.redirection import Targets
from ichat_gw.sip.replies import ACCEPT, ALLOW, EXTENSIONS, IN_DIALOG, LANGUAGE, NOT_YET, Replies, sdp_of
from ichat_gw.sip.session import Session
from ichat_gw.sip.session_timer import SessionTimer
from ichat_gw.sip.transaction import Transaction, cancel_for

MAX_FORKS = 16
"""Dialogs that one INVITE may make; what comes from further ones is ignored."""

GIVE_UP = "no final response to a cancelled INVITE"


class ClientSession(Session):
    """A call that we place."""

    def __init__(
        self, core: Core, session: SessionId, place: Place, service_route: tuple[str, ...] = ()
    ) -> None:
        super().__init__(core, session, core.token(), core.token())
        self._place = place
        self._way = Outbound(core.config, place.aor, service_route, place.pinned)
        self._number = 1
        """The CSeq number of the INVITE."""
        self._target = place.target
        """Whom it calls: `place.target`, until the call is redirected."""
        self._targets: Targets | None = None
        # COMPAT iChat: knows neither session timers nor reliable provisional responses.
        wanted = 0 if place.pinned else core.config.session_expires
        self._timer = SessionTimer(wanted, owns_call_id=True)
        # Without an offer of ours a reliable response would bring one, to be answered before the callee is.
        self._takes_reliable = not place.pinned and place.offer is not None
        self._may_ask: set[tuple[bool, tuple[str, int]]] = set()
        """Who is answered when they ask for a password, by transport and address: see `authentication.py`."""
        self._authentication = Authentication(core.config.trust.credentials, user_of(place.aor), core.token)
        self._replies = Replies(core.config.name)
        self._flows: list[Flow] = []
        self._invite: Transaction | None = None
        self._heard = False
        """A provisional response came for the INVITE that is under way."""
        self._rang = False
        """The callee has been reached."""
        self._alerted = False
        """The bridge knows that it rings."""
        self._cancelled = False
        self._ending = Ending(Cause.CANCELLED)
        """Why it is cancelled, if it is."""
        self._branches: dict[str, EarlyDialog] = {}
        """Early and confirmed dialogs, by the other end's tag."""
        self._acks: dict[str, tuple[bytes, Flow] | None] = {}
        """The ACK sent for each 2xx, by tag; None while it waits for its flow or for our answer."""
        self._usage: InviteUsage | None = None
        self._owed_ack: Dialog | None = None
        """The dialog whose 2xx made an offer that the bridge has not answered yet."""

    def begin(self) -> None:
        """Look up where the call goes."""
        try:
            self._targets = Targets(self._place.target)
        except GatewayError as error:
            self.say(Refused(Ending(Cause.MALFORMED, text=f"the address cannot be called: {error}")))
            return
        self.core.lookup(self, self._way.next_hop(self._target), self._resolved)

    def _resolved(self, answer: Resolved) -> None:
        self._flows = list(answer.flows)
        if self._way.may_ask(self._target):
            self._may_ask = {asker(flow) for flow in self._flows}
        if self._flows:
            self._try_next()
        else:
            self._target_failed(Ending(Cause.UNREACHABLE, text=answer.text))

    def _try_next(self) -> None:
        """Send the INVITE to the next flow: the same request in a new transaction (RFC 3263 4.3)."""
        self._heard = False
        self._authentication.begin()
        flow = self._flows.pop(0)
        try:
            # COMPAT iChat: its address may refuse until its own pinhole datagram has opened the way.
            pinned, invite = self._place.pinned, self._request(flow)
            if self._number > 1 and asker(flow) in self._may_ask:
                self._authentication.sign(invite)
            self._invite = self.core.begin(self, invite, flow, patient=pinned, pinned=pinned)
        except GatewayError as error:
            self.say(Refused(Ending(Cause.MALFORMED, text=f"the call cannot be written as SIP: {error}")))

    def _request(self, flow: Flow) -> Request:
        place, config = self._place, self.core.config
        caller = NameAddr(place.caller.display_name, _as_sip(place.caller.address))
        headers = Headers([("Max-Forwards", str(place.max_forwards))])
        for route in self._way.routes:
            headers.add("Route", route)
        headers.add("Contact", self._contact(flow))
        headers.add("To", f"<{place.target}>")
        headers.add("From", str(caller.with_tag(self.local_tag)))
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", f"{self._number} INVITE")
        if place.referred_by:
            headers.add("Referred-By", place.referred_by)
        if place.replaces:
            headers.add("Replaces", place.replaces)
            headers.add("Require", "replaces")
        for name, value in self._timer.ask():
            headers.add(name, value)
        headers.add("Accept-Language", LANGUAGE)
        headers.add("Allow", ", ".join(ALLOW))
        if place.offer is not None:
            headers.add("Content-Type", ACCEPT)
        if not place.pinned:
            headers.add("Supported", ", ".join(EXTENSIONS) if self._takes_reliable else IN_DIALOG)
        headers.add("User-Agent", config.name)
        return Request("INVITE", self._target, headers, (place.offer or "").encode("utf-8", "replace"))

    def _contact(self, flow: Flow) -> str:
        secure = SipUri.parse(self._target).scheme == "sips"
        return f"<{contact_uri(self._place.contact_user or None, flow, secure=secure)}>"

    # --- the bridge's side --------------------------------------------------------------------------------

    @property
    def remote(self) -> str:
        """The IP address of the other end."""
        return self._invite.flow.remote[0] if self._invite is not None else ""

    @property
    def owes_bye(self) -> bool:
        """Whether the session has still to say BYE, when it may."""
        return self._usage is not None and self._usage.owes_bye

    def command(self, command: LegCommand) -> None:
        """End, or answer an offer of the other side."""
        if self.over:
            return
        match command:
            case End(ending) | Refuse(ending):
                self._end(ending)
            case AcceptReoffer(sdp) if self._owed_ack is not None:
                dialog, self._owed_ack = self._owed_ack, None
                assert self._usage is not None
                self._usage.sdp = sdp
                self._acknowledge(dialog, sdp)
            case AcceptReoffer(sdp) if self._usage is not None:
                self._usage.accept_reoffer(sdp)
            case RefuseReoffer(ending) if self._usage is not None and self._owed_ack is None:
                self._usage.refuse_reoffer(ending)
            case AcceptReoffer(sdp) if self._usage is None:
                for branch in self._branches.values():
                    branch.accept(sdp)
            case RefuseReoffer(ending) if self._usage is None:
                for branch in self._branches.values():
                    branch.refuse(ending)
            case _ if self._usage is not None:
                self._usage.command(command)
            case _:
                pass

    def _end(self, ending: Ending) -> None:
        self.over = True
        self._ending = ending
        self._close_branches()
        if self._usage is not None:
            if self._owed_ack is not None:
                # There is no way to refuse an offer in an ACK.
                self._acknowledge(self._owed_ack, None)
                self._owed_ack = None
            self._usage.end(ending)
        elif self._invite is None:
            self.core.forget(self)
        else:
            self._cancelled = True
            self._flows.clear()
            if self._heard:
                self._send_cancel()

    def _send_cancel(self) -> None:
        assert self._invite is not None
        cancel = cancel_for(self._invite.request, self.core.config.name)
        if not self._place.pinned and (reason := reason_for(self._ending)) is not None:
            cancel.headers.add("Reason", reason)
        self.core.begin(self, cancel, self._invite.flow)
        # Section 9.1: a server of RFC 2543 may never send the 487.
        self.core.wake(self, GIVE_UP, self.core.times.give_up)

    # --- the called side ----------------------------------------------------------------------------------

    def told(self, transaction: Transaction, response: Response) -> None:
        """Hear a response to our INVITE, or to a request in a dialog.

        If somebody asks for a password who may, the request is sent again.
        """
        if transaction is not self._invite:
            again = None
            if response.status in CHALLENGES:
                again = self.challenged(transaction, response, self)
            if self._usage is not None and again is None:
                self._usage.told(transaction, response)
            elif self._usage is not None and again is not None:
                self._usage.resent(transaction, again)
        elif response.status in CHALLENGES and not self.over:
            self._challenged(transaction, response)
        elif response.status < 200:
            self._hear_provisional(response)
        elif response.status < 300:
            self._hear_success(transaction, response)
        else:
            self._hear_refusal(transaction, response)

    def _challenged(self, transaction: Transaction, response: Response) -> None:
        """Send the INVITE again, or give the call up."""
        self._heard = False
        try:
            if self._rang:
                # A server asks before it passes the call on: this is the callee, or somebody near it.
                raise Unanswerable("asked for a password when the call was ringing already")
            invite = self._signed(transaction, response, self._number + 1)
            self._number += 1
            self._invite = self.core.begin(self, invite, transaction.flow)
        except GatewayError as error:
            self._target_failed(Ending.from_status(response.status, str(error)))

    def challenged(
        self, transaction: Transaction, response: Response, user: TransactionUser
    ) -> Transaction | None:
        """Send a request in the dialog again; None if it may not be."""
        # Once it is gone there are no branches, nor anything else of its own.
        branch = None if self.gone else self._branches.get(transaction.request.to.tag or "")
        if branch is None or transaction.request.method == "CANCEL":
            return None
        if not any(name in transaction.request.headers for name in ("Authorization", "Proxy-Authorization")):
            # Asked for the first time for this request, though perhaps not in this call.
            self._authentication.begin()
        with suppress(GatewayError):
            request = self._signed(transaction, response, branch.dialog.local_seq + 1)
            branch.dialog.next_number()
            return self.core.begin(user, request, transaction.flow)
        return None

    def _signed(self, transaction: Transaction, response: Response, number: int) -> Request:
        """Answer a challenge. Raises Unanswerable."""
        flow = transaction.flow
        if asker(flow) not in self._may_ask:
            raise Unanswerable("asked for a password; only OutboundProxy and the caller's registrar get one")
        return self._authentication.again(transaction.request, response, number)

    def _hear_provisional(self, response: Response) -> None:
        first, self._heard = not self._heard, True
        if self._cancelled:
            if first:
                self._send_cancel()
            return
        if response.status == 100:
            return
        if response.to.tag:
            branch = self._branch_of(response)
            if branch is not None and not branch.hear(response):
                return
            if branch is not None and response.status == 199:
                # It will not answer any more (RFC 6228); nobody waits for it.
                branch.close()
                del self._branches[response.to.tag]
        if response.status != 199:
            self._rang = True
            self._tell_progress(response)

    def _tell_progress(self, response: Response) -> None:
        """Say that the callee rings, or can be heard; 183 with a description means the latter alone."""
        branch = self._branches.get(response.to.tag or "")
        early = branch.news() if branch is not None and self._place.offer is not None else None
        if early is not None:
            self.say(EarlyAnswered(early))
        if not self._alerted and (response.status != 183 or sdp_of(response) is None):
            self._alerted = True
            self.say(Rang())

    def _close_branches(self) -> None:
        for branch in self._branches.values():
            branch.close()

    def _hear_refusal(self, transaction: Transaction, response: Response) -> None:
        self.core.let_sleep(self, GIVE_UP)
        if response.status == 503 and self._flows:
            self._try_next()
        elif response.status == 422 and not self.over and self._timer.ask_longer(response):
            self._flows.insert(0, transaction.flow)
            self._begin_again()
            self._try_next()
        else:
            warning = response.headers.get("Warning")
            text = f"{response.reason}; {clean_text(warning)}" if warning else response.reason
            self._target_failed(Ending.from_status(response.status, text), response)

    def _begin_again(self) -> None:
        """Let the INVITE be another one; the early dialogs of the one before are over."""
        self._number += 1
        self._close_branches()
        self._branches.clear()

    def _target_failed(self, ending: Ending, response: Response | None = None) -> None:
        """Call whom the response redirects to, or whom an earlier one named; or say that nobody answers."""
        assert self._targets is not None
        target = None
        if not self._place.pinned and not self.over:
            self._targets.failed(ending)
            if response is not None and self._invite is not None:
                self._targets.redirected(response, self._invite.flow.local)
            target = self._targets.next()
            ending = self._targets.best
        self._close_branches()
        if target is None:
            self.say(Refused(ending))
            return
        self._target = target
        self._invite = None
        self._may_ask.clear()
        self._begin_again()
        self.core.lookup(self, self._way.next_hop(self._target), self._resolved)

    def failed(self, transaction: Transaction, status: int, text: str) -> None:
        """Try the next flow, or give up."""
        if transaction is self._invite:
            if self._flows:
                self._try_next()
            else:
                self._target_failed(Ending.from_status(status, text))
        elif self._usage is not None:
            self._usage.failed(transaction, status, text)

    def _hear_success(self, transaction: Transaction, response: Response) -> None:
        self.core.let_sleep(self, GIVE_UP)
        # The password was right: a request in the dialog may be asked for it again.
        self._authentication.begin()
        tag = response.to.tag or ""
        if tag in self._acks:
            if (sent := self._acks[tag]) is not None:
                self.core.send(*sent, self.session)
            return
        branch = self._branch_of(response)
        if branch is None:
            return
        branch.dialog.learn(response)
        dialog = branch.dialog
        self._acks[tag] = None
        if self._usage is not None:
            unwanted = SessionTimer(0, owns_call_id=True)
            usage = InviteUsage(self.core, self, dialog, branch.next_hop, unwanted)
            self._acknowledge(dialog, None, usage)
            usage.end(Ending(Cause.ANSWERED_ELSEWHERE))
            return
        usage = self._usage = InviteUsage(self.core, self, dialog, branch.next_hop, self._timer)
        usage.learn(response)
        usage.keep_alive()
        sdp, pending = branch.described(response), branch.take_pending()
        self._close_branches()
        if self.over:
            self._acknowledge(dialog, None)
            usage.end(self._ending)
        elif sdp is None:
            self._acknowledge(dialog, None)
            missing = Ending(Cause.MALFORMED, text="200 without a session description")
            self.say(Refused(missing))
            usage.end(missing)
        else:
            usage.established(response, branch.local_sdp or "", sdp, pending)
            if self._place.offer is None:
                self._owed_ack = dialog
            else:
                self._acknowledge(dialog, None)
            self.say(Answered(sdp))

    def _branch_of(self, response: Response) -> EarlyDialog | None:
        """Find or make the dialog that a response belongs to; None when there are too many."""
        assert self._invite is not None
        tag = response.to.tag or ""
        branch = self._branches.get(tag)
        if branch is None and len(self._branches) < MAX_FORKS:
            flow, place = self._invite.flow, self._place
            dialog = Dialog.of_client(self._invite.request, response, self._contact(flow), place.pinned)
            next_hop = NextHop(self.core, self, dialog, flow)
            branch = EarlyDialog(self.core, self, dialog, next_hop, place.offer, self._takes_reliable)
            self._branches[tag] = branch
        return branch

    def _acknowledge(self, dialog: Dialog, sdp: Sdp | None, usage: InviteUsage | None = None) -> None:
        """Send the ACK to a 2xx as soon as its way is known, and keep it for repeated 2xx."""
        usage = usage or self._usage
        assert usage is not None
        ack = dialog.ack(self._number, self.core.config.name)
        if sdp is not None:
            ack.headers.add("Content-Type", ACCEPT)
            ack.body = sdp.encode("utf-8", "replace")

        def send(flow: Flow) -> None:
            self._add_credentials(ack, flow)
            self._acks[dialog.remote_tag] = (self.core.send_ack(self, ack, flow), flow)

        usage.next_hop.run(send)

    def _add_credentials(self, ack: Request, flow: Flow) -> None:
        """Section 22.1: an ACK cannot be asked for a password, so it brings what the INVITE brought.

        But only to who asked: without Record-Route it goes past them, straight to the callee.
        """
        assert self._invite is not None
        if asker(flow) in self._may_ask:
            for name in ("Authorization", "Proxy-Authorization"):
                for value in self._invite.request.headers.get_all(name):
                    ack.headers.add(name, value)

    def asked(self, transaction: Transaction, request: Request) -> None:
        """Answer a request of the other end, in the dialog of the call or in one that is still early."""
        tag = self.local_tag
        branch = self._branches.get(request.from_.tag or "")
        dialog = branch.dialog if branch is not None else None
        usage = self._usage
        is_ours = usage is not None and dialog is usage.dialog
        if branch is None or dialog is None or (not is_ours and (self.over or usage is not None)):
            self.core.respond(transaction, self._replies.plain(request, 481, tag))
        elif not dialog.in_order(request):
            self.core.respond(transaction, self._replies.plain(request, 500, tag))
        elif (objection := self._replies.objection(request, tag)) is not None:
            self.core.respond(transaction, objection)
        elif usage is not None:
            usage.asked(transaction, request)
        elif request.method == "INVITE":
            # Section 14.2: our own INVITE is under way.
            self.core.respond(transaction, self._replies.plain(request, 491, tag))
        elif request.method == "OPTIONS":
            self.core.respond(transaction, self._replies.capabilities(request, tag, dialog.contact))
        elif request.method == "UPDATE":
            self._hear_update(branch, transaction, request)
        else:
            # The called side may not say BYE before it has answered (section 15), and we send no 1xx.
            early = 491 if request.method in NOT_YET else 200
            status = 481 if request.method in ("BYE", "PRACK") else early
            self.core.respond(transaction, self._replies.plain(request, status, tag))

    def is_established_with(self, remote_tag: str) -> bool | None:
        """Tell whether this dialog may be replaced, or not yet, or is none."""
        if self._place.pinned or remote_tag not in self._branches:
            return None
        return self._usage is not None and self._usage.dialog.remote_tag == remote_tag

    def rings_at(self, remote_tag: str) -> bool:
        """Whether this early dialog may be replaced: it is ours by RFC 3891 section 3, as we have called."""
        unanswered = self._usage is None and not self.over
        return unanswered and not self._place.pinned and remote_tag in self._branches

    def _hear_update(self, branch: EarlyDialog, transaction: Transaction, update: Request) -> None:
        """RFC 3311 section 5.2, before the call is answered.

        The bridge knows of one called party only, so one branch at a time can change what it described.
        """
        offer = sdp_of(update)
        if offer is None:
            branch.target_refreshed(transaction)
        elif (objection := branch.objection(update)) is not None:
            self.core.respond(transaction, objection)
        elif sum(other.answer is not None for other in self._branches.values()) > 1:
            self.core.respond(transaction, self._replies.again_later(update, self.local_tag))
        else:
            branch.pending = transaction
            if not branch.is_told:
                branch.is_told = True
                self.say(Confirmed(branch.answer))
            self.say(Reoffered(offer))

    def has_sent(self, invite: Request) -> bool:
        """Tell whether this INVITE, which bears our tag in From, goes where we sent it."""
        return invite.sip_uri.equivalent(SipUri.parse(self._target))

    def acknowledged(self, ack: Request) -> None:
        """Hear an ACK to our 2xx to a re-INVITE."""
        if self._usage is not None and (ack.from_.tag or "") == self._usage.dialog.remote_tag:
            self._usage.acknowledged(ack)

    def woken(self, timer: str) -> None:
        """Hear a timer: of a cancelled INVITE, or of the usage."""
        if timer == GIVE_UP:
            assert self._invite is not None
            self.core.pass_on(self.core.layer.abandon(self._invite))
        else:
            assert self._usage is not None
            self._usage.woken(timer)


def _as_sip(address: str) -> str:
    """The caller's address as a SIP URI: a bare JID is written as one (RFC 7247 section 4)."""
    scheme, _, rest = address.partition(":")
    uri = f"sip:{rest}" if scheme.lower() == "xmpp" else address
    return str(SipUri.parse(uri))
