"""We call somebody: an INVITE from the look-up of its target to the final response (RFC 3261 13.2).

    resolving  the shell looks up where the target is
    calling    INVITE sent, nothing heard; a CANCEL would have to wait (section 9.1)
    ringing    a provisional response came
    answered   a 2xx came and was acknowledged; from here on the `InviteUsage` runs the dialog

One INVITE can be answered several times, by the branches of a forking proxy. The first 2xx is the call;
every other is acknowledged and hung up at once. The same goes for the 2xx that crosses our CANCEL.
"""

from ichat_gw.addressing.sip_uri import NameAddr, SipUri
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    AcceptReoffer,
    Answered,
    End,
    LegCommand,
    Place,
    Rang,
    Refuse,
    Refused,
    RefuseReoffer,
    Sdp,
)
from ichat_gw.errors import GatewayError
from ichat_gw.sip.core import Core
from ichat_gw.sip.dialog import Dialog
from ichat_gw.sip.events import Flow, Resolved, SessionId
from ichat_gw.sip.invite_usage import InviteUsage
from ichat_gw.sip.message import Headers, Request, Response
from ichat_gw.sip.replies import ACCEPT, ALLOW, LANGUAGE, Replies, sdp_of
from ichat_gw.sip.session import Session
from ichat_gw.sip.transaction import Transaction, cancel_for

MAX_FORKS = 16
"""Dialogs that one INVITE may make; what comes from further ones is ignored."""

GIVE_UP = "no final response to a cancelled INVITE"


class ClientSession(Session):
    """A call that we place."""

    def __init__(self, core: Core, session: SessionId, place: Place) -> None:
        super().__init__(core, session, core.token(), core.token())
        self._place = place
        self._replies = Replies(core.config.name)
        self._flows: list[Flow] = []
        self._invite: Transaction | None = None
        self._heard = False
        """A provisional response came for the INVITE that is under way."""
        self._rang = False
        self._cancelled = False
        self._dialogs: dict[str, Dialog] = {}
        """Early and confirmed, by the other end's tag."""
        self._early_sdp: dict[str, Sdp] = {}
        self._acks: dict[str, tuple[bytes, Flow] | None] = {}
        """The ACK sent for each 2xx, by tag; None while it waits for its flow or for our answer."""
        self._usage: InviteUsage | None = None
        self._owed_ack: Dialog | None = None
        """The dialog whose 2xx made an offer that the bridge has not answered yet."""

    def begin(self) -> None:
        """Look up where the call goes."""
        place, proxy = self._place, self.core.config.outbound_proxy
        try:
            SipUri.parse(place.target)
        except GatewayError as error:
            self.say(Refused(Ending(Cause.MALFORMED, text=f"the address cannot be called: {error}")))
            return
        uri = proxy if proxy and not place.pinned else place.target
        self.core.lookup(self, uri, self._resolved)

    def _resolved(self, answer: Resolved) -> None:
        self._flows = list(answer.flows)
        if self._flows:
            self._try_next()
        else:
            self.say(Refused(Ending(Cause.UNREACHABLE, text=answer.text)))

    def _try_next(self) -> None:
        """Send the INVITE to the next flow: the same request in a new transaction (RFC 3263 4.3)."""
        self._heard = False
        flow = self._flows.pop(0)
        try:
            # COMPAT iChat: its address may refuse until its own pinhole datagram has opened the way.
            self._invite = self.core.begin(self, self._request(flow), flow, patient=self._place.pinned)
        except GatewayError as error:
            self.say(Refused(Ending(Cause.MALFORMED, text=f"the call cannot be written as SIP: {error}")))

    def _request(self, flow: Flow) -> Request:
        place, config = self._place, self.core.config
        caller = NameAddr(place.caller.display_name, _as_sip(place.caller.address))
        headers = Headers([("Max-Forwards", "70")])
        proxy = config.outbound_proxy
        if proxy and not place.pinned and SipUri.parse(proxy).has_param("lr"):
            headers.add("Route", f"<{proxy}>")
        headers.add("Contact", self._contact(flow))
        headers.add("To", f"<{place.target}>")
        headers.add("From", str(caller.with_tag(self.local_tag)))
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", "1 INVITE")
        headers.add("Accept-Language", LANGUAGE)
        headers.add("Allow", ", ".join(ALLOW))
        if place.offer is not None:
            headers.add("Content-Type", ACCEPT)
        headers.add("User-Agent", config.name)
        return Request("INVITE", place.target, headers, (place.offer or "").encode("utf-8", "replace"))

    def _contact(self, flow: Flow) -> str:
        return f"<{SipUri.build(self._place.contact_user or None, *flow.local)}>"

    # --- the bridge's side --------------------------------------------------------------------------------

    def command(self, command: LegCommand) -> None:
        """End, or answer an offer of the other side."""
        if self.over:
            return
        match command:
            case End() | Refuse():
                self._end()
            case AcceptReoffer(sdp) if self._owed_ack is not None:
                dialog, self._owed_ack = self._owed_ack, None
                self._acknowledge(dialog, sdp)
            case AcceptReoffer(sdp) if self._usage is not None:
                self._usage.accept_reoffer(sdp)
            case RefuseReoffer(ending) if self._usage is not None and self._owed_ack is None:
                self._usage.refuse_reoffer(ending)
            case _:
                pass

    def _end(self) -> None:
        self.over = True
        if self._usage is not None:
            if self._owed_ack is not None:
                # There is no way to refuse an offer in an ACK.
                self._acknowledge(self._owed_ack, None)
                self._owed_ack = None
            self._usage.end()
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
        self.core.begin(self, cancel, self._invite.flow)
        # Section 9.1: a server of RFC 2543 may never send the 487.
        self.core.wake(self, GIVE_UP, self.core.times.give_up)

    # --- the called side ----------------------------------------------------------------------------------

    def told(self, transaction: Transaction, response: Response) -> None:
        """Hear a response to our INVITE; what comes to CANCEL and BYE changes nothing."""
        if transaction is not self._invite:
            return
        if response.status < 200:
            self._hear_provisional(response)
        elif response.status < 300:
            self._hear_success(transaction, response)
        else:
            self._hear_refusal(response)

    def _hear_provisional(self, response: Response) -> None:
        first, self._heard = not self._heard, True
        if self._cancelled:
            if first:
                self._send_cancel()
            return
        if response.status == 100:
            return
        tag, sdp = response.to.tag, sdp_of(response)
        if tag and self._dialog_of(response) is not None and sdp is not None:
            self._early_sdp[tag] = sdp
        # 199 tells of a branch that will not ring any more (RFC 6228).
        if not self._rang and response.status != 199:
            self._rang = True
            self.say(Rang())

    def _hear_refusal(self, response: Response) -> None:
        self.core.let_sleep(self, GIVE_UP)
        if response.status == 503 and self._flows:
            self._try_next()
        else:
            self.say(Refused(Ending.from_status(response.status, response.reason)))

    def failed(self, transaction: Transaction, status: int, text: str) -> None:
        """Try the next flow, or give up."""
        if transaction is self._invite:
            if self._flows:
                self._try_next()
            else:
                self.say(Refused(Ending.from_status(status, text)))

    def _hear_success(self, transaction: Transaction, response: Response) -> None:
        self.core.let_sleep(self, GIVE_UP)
        tag = response.to.tag or ""
        if tag in self._acks:
            if (sent := self._acks[tag]) is not None:
                self.core.send(*sent, self.session)
            return
        dialog = self._dialog_of(response)
        if dialog is None:
            return
        self._acks[tag] = None
        usage = InviteUsage(self.core, self, dialog, transaction.flow)
        sdp = sdp_of(response) or self._early_sdp.get(tag)
        if self._usage is not None:
            self._acknowledge(dialog, None, usage)
            usage.end()
            return
        self._usage = usage
        self._early_sdp.clear()
        if self.over:
            self._acknowledge(dialog, None)
            usage.end()
        elif sdp is None:
            self._acknowledge(dialog, None)
            self.say(Refused(Ending(Cause.MALFORMED, text="200 without a session description")))
            usage.end()
        else:
            if self._place.offer is None:
                self._owed_ack = dialog
            else:
                self._acknowledge(dialog, None)
            self.say(Answered(sdp))

    def _dialog_of(self, response: Response) -> Dialog | None:
        """Make or update the dialog that a response belongs to; None when there are too many."""
        assert self._invite is not None
        tag = response.to.tag or ""
        dialog = self._dialogs.get(tag)
        if dialog is not None:
            dialog.learn(response)
        elif len(self._dialogs) < MAX_FORKS:
            contact = self._contact(self._invite.flow)
            dialog = Dialog.of_client(self._invite.request, response, contact, self._place.pinned)
            self._dialogs[tag] = dialog
        return dialog

    def _acknowledge(self, dialog: Dialog, sdp: Sdp | None, usage: InviteUsage | None = None) -> None:
        """Send the ACK to a 2xx as soon as its way is known, and keep it for repeated 2xx."""
        usage = usage or self._usage
        assert usage is not None
        ack = dialog.ack(1, self.core.config.name)
        if sdp is not None:
            ack.headers.add("Content-Type", ACCEPT)
            ack.body = sdp.encode("utf-8", "replace")

        def send(flow: Flow) -> None:
            self._acks[dialog.remote_tag] = (self.core.send_ack(self, ack, flow), flow)

        usage.next_hop.run(send)

    def asked(self, transaction: Transaction, request: Request) -> None:
        """Answer a request of the other end, in the dialog of the call or in one that is still early."""
        tag = self.local_tag
        dialog = self._dialogs.get(request.from_.tag or "")
        usage = self._usage
        is_ours = usage is not None and dialog is usage.dialog
        if dialog is None or (not is_ours and (self.over or usage is not None)):
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
        else:
            # The called side may not say BYE before it has answered (section 15).
            status = 481 if request.method == "BYE" else 200
            self.core.respond(transaction, self._replies.plain(request, status, tag))

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
