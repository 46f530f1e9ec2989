"""Somebody calls us: an INVITE from its arrival to the final response (RFC 3261 section 13.3).

waiting   100 sent, perhaps 180, perhaps 183 with an answer that lets the callee be heard; the bridge decides
answered  200 sent; from here on the `InviteUsage` runs the dialog
refused   3xx to 6xx sent; only the transaction lives on
"""

from dataclasses import replace

from ichat_gw.addressing.sip_uri import SipUri
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    AcceptReoffer,
    Answer,
    EarlyAnswer,
    End,
    Ended,
    LegCommand,
    Refuse,
    RefuseReoffer,
    Reoffer,
    ReofferRefused,
    Ring,
    Sdp,
)
from ichat_gw.sip import reliable
from ichat_gw.sip.core import Core
from ichat_gw.sip.dialog import Dialog, contact_uri, is_viceroy, sip_host
from ichat_gw.sip.events import Flow, InviteReceived, SessionId
from ichat_gw.sip.invite_usage import InviteUsage
from ichat_gw.sip.message import Request, Response
from ichat_gw.sip.next_hop import NextHop
from ichat_gw.sip.reason_header import ending_of
from ichat_gw.sip.reliable import RAck, ReliableSender
from ichat_gw.sip.replies import ACCEPT, NOT_YET, RETRY_AFTER, Replies, sdp_of
from ichat_gw.sip.session import Session
from ichat_gw.sip.session_refresh import COLLIDED
from ichat_gw.sip.session_timer import SessionTimer
from ichat_gw.sip.transaction import Transaction


class ServerSession(Session):
    """A call that came in."""

    def __init__(
        self,
        core: Core,
        session: SessionId,
        transaction: Transaction,
        flow: Flow,
        replaces: SessionId | None = None,
    ) -> None:
        invite = transaction.request
        super().__init__(core, session, invite.call_id, core.token())
        self._invite = transaction
        self._flow = flow
        self._replaces = replaces
        self._replies = Replies(core.config.name)
        self._is_viceroy = is_viceroy(invite)
        # COMPAT iChat: requests go to where its INVITE came from, and every user part is `user`.
        pinned_to = f"sip:user@{_written(flow.remote)}" if self._is_viceroy else None
        self._dialog = Dialog.of_server(invite, self.local_tag, _contact(invite, flow), pinned_to)
        self._rung = False
        self._held: Sdp | None = None
        """The answer of the 200, which waits for the PRACK to a description."""
        self._usage: InviteUsage | None = None
        # COMPAT iChat: knows no session timers; it gets one if it asks, though.
        wanted = 0 if self._is_viceroy else core.config.session_expires
        self._timer = SessionTimer(wanted, owns_call_id=False)
        self._reliable = ReliableSender(core, self, transaction)

    def begin(self) -> None:
        """Say 100 to the caller, and announce the call."""
        self.core.adopt(self, self._invite)
        invite = self._invite.request
        self.core.respond(self._invite, self._replies.trying(invite))
        self.core.tell(
            InviteReceived(
                session=self.number,
                request_uri=invite.uri,
                to_uri=invite.to.uri,
                to_name=invite.to.display_name,
                from_uri=invite.from_.uri,
                from_name=invite.from_.display_name,
                offer=sdp_of(invite),
                flow=self._flow,
                user_agent=invite.headers.get("User-Agent") or "",
                replaces=self._replaces,
                max_forwards=70 if invite.max_forwards is None else invite.max_forwards,
            )
        )

    # --- the bridge's side --------------------------------------------------------------------------------

    @property
    def remote(self) -> str:
        """The IP address of the other end."""
        return self._flow.remote[0]

    @property
    def owes_bye(self) -> bool:
        """Whether the session has still to say BYE, when it may."""
        return self._usage is not None and self._usage.owes_bye

    def command(self, command: LegCommand) -> None:
        """Ring, answer, refuse, end, or answer a re-offer."""
        if self.over:
            return
        usage = self._usage
        match command:
            case Ring() if usage is None and not self._rung:
                self._rung = True
                self._ring()
            case EarlyAnswer(sdp) if usage is None:
                self._answer_early(sdp)
            case Answer(sdp) if usage is None and self._reliable.owes_description:
                self._held = sdp
            case Answer(sdp) if usage is None:
                self._answer(sdp)
            case Refuse(ending) | End(ending) if usage is None:
                self._refuse(ending)
            case Refuse(ending) | End(ending) if usage is not None:
                self.over = True
                usage.end(ending)
            case Reoffer() if usage is None:
                self.say(ReofferRefused(COLLIDED))
            case AcceptReoffer(sdp) if usage is not None:
                usage.accept_reoffer(sdp)
            case RefuseReoffer(ending) if usage is not None:
                usage.refuse_reoffer(ending)
            case _ if usage is not None:
                usage.command(command)
            case _:
                pass

    def _ring(self) -> None:
        """Say 180: reliably to who Requires that (RFC 3262), so not to who merely supports it.

        A reliable response to an INVITE without an offer would have to bring ours (section 5 there), and
        there is none before the called party has answered; then nothing is said but 100 and 200.
        """
        invite = self._invite.request
        ringing = self._replies.plain(invite, 180, self.local_tag, contact=self._dialog.contact)
        if reliable.OPTION not in invite.require:
            self.core.respond(self._invite, ringing)
        elif sdp_of(invite) is not None:
            self._reliable.send(ringing)

    def _answer_early(self, sdp: Sdp) -> None:
        """Say 183 with an answer: reliably where the caller can, as it is worth nothing if it is lost.

        The 200 must bring the same (section 13.3.1.1, RFC 6337 section 2.1); the bridge sees to that.
        """
        invite = self._invite.request
        if self._is_viceroy:
            return  # COMPAT iChat: has never been answered otherwise than by 200.
        contact, kind = self._dialog.contact, ("Content-Type", ACCEPT)
        progress = self._replies.plain(invite, 183, self.local_tag, contact=contact, extra=(kind,))
        progress.body = sdp.encode("utf-8", "replace")
        if reliable.OPTION in invite.require or reliable.OPTION in invite.supported:
            self._reliable.send(progress)
        else:
            self.core.respond(self._invite, progress)

    def _answer(self, sdp: Sdp) -> None:
        self._reliable.stop()
        direct = _is_direct(self._invite.request)
        next_hop = NextHop(self.core, self, self._dialog, self._flow, direct)
        self._usage = InviteUsage(self.core, self, self._dialog, next_hop, self._timer)
        self._usage.keep_alive()
        self._usage.accept(self._invite, sdp, is_first=True)

    def _refuse(self, ending: Ending) -> None:
        self.over = True
        status = ending.ichat_status if self._is_viceroy else ending.sip_status
        # Not for what others answered: it would keep a proxy from us although we have time (21.5.4).
        again = (RETRY_AFTER,) if ending.cause is Cause.OVERLOADED else ()
        self._reply(status, extra=(*again, *self._replies.warning(status, ending)))

    def _reply(self, status: int, extra: tuple[tuple[str, str], ...] = ()) -> None:
        self._reliable.stop()
        response = self._replies.plain(self._invite.request, status, self.local_tag, extra=extra)
        self.core.respond(self._invite, response)

    # --- the caller's side --------------------------------------------------------------------------------

    def cancelled(self, transaction: Transaction, cancel: Request) -> None:
        """End the call if it is the first INVITE that is cancelled, and in time.

        A re-INVITE goes on although section 9.2 says SHOULD: it is answered within milliseconds, and the
        media may have moved already, so one outcome that both ends know is better than two.
        """
        if transaction is self._invite and not self._invite.finished:
            self._reply(487)
            self.say(Ended(ending_of(cancel, Cause.CANCELLED)))

    def asked(self, transaction: Transaction, request: Request) -> None:
        """Answer a request inside the dialog, early or established."""
        contact, tag = self._dialog.contact, self.local_tag
        if (request.from_.tag or "") != self._dialog.remote_tag or (self.over and self._usage is None):
            self.core.respond(transaction, self._replies.plain(request, 481, tag))
        elif not self._dialog.in_order(request):
            self.core.respond(transaction, self._replies.plain(request, 500, tag))
        elif (objection := self._replies.objection(request, tag)) is not None:
            self.core.respond(transaction, objection)
        elif request.method == "PRACK":
            self._hear_prack(transaction, request)
        elif self._usage is not None:
            self._usage.asked(transaction, request)
        elif request.method == "INVITE" or (request.method == "UPDATE" and request.body):
            # Section 14.2, and RFC 3311 section 5.2: the first INVITE and its offer are not answered yet.
            self.core.respond(transaction, self._replies.again_later(request, tag, seconds=5))
        elif request.method == "OPTIONS":
            self.core.respond(transaction, self._replies.capabilities(request, tag, contact))
        elif request.method in NOT_YET:
            self.core.respond(transaction, self._replies.plain(request, 491, tag))
        elif request.method == "UPDATE":
            self._dialog.refresh(request)
            self.core.respond(transaction, self._replies.success(request, tag, contact))
        else:
            self.core.respond(transaction, self._replies.plain(request, 200, tag, contact=contact))
            if request.method == "BYE":
                # Section 15.1.2: a caller may end its early dialog by BYE; the INVITE gets 487.
                self._reply(487)
                self.say(Ended(ending_of(request, Cause.CANCELLED)))

    def _hear_prack(self, transaction: Transaction, prack: Request) -> None:
        """RFC 3262 section 3: 200 to the one that is waited for, 481 to any other.

        An offer in it is out of turn, as the INVITE's own is not answered before the 200: then 488, but it
        has said that our response arrived.
        """
        rack = RAck.of(prack)
        if rack is None:
            status = 400
        elif not self._reliable.acknowledged(rack):
            status = 481
        else:
            status = 488 if prack.body else 200
        self.core.respond(transaction, self._replies.plain(prack, status, self.local_tag))
        self._reliable.send_next()
        if self._held is not None and self._usage is None and not self._reliable.owes_description:
            self._answer(self._held)

    def is_established_with(self, remote_tag: str) -> bool | None:
        """Tell whether this dialog may be replaced, or not yet, or is none."""
        if self._is_viceroy or remote_tag != self._dialog.remote_tag:
            return None
        return self._usage is not None

    def acknowledged(self, ack: Request) -> None:
        """Hear an ACK to a 2xx."""
        if self._usage is not None and (ack.from_.tag or "") == self._dialog.remote_tag:
            self._usage.acknowledged(ack)

    def told(self, transaction: Transaction, response: Response) -> None:
        """Hear a response to a request of ours: only a usage sends any."""
        assert self._usage is not None
        self._usage.told(transaction, response)

    def failed(self, transaction: Transaction, status: int, text: str) -> None:
        """Hear that a request of the usage has failed; that nobody acknowledges a refusal is no matter."""
        if self._usage is not None:
            self._usage.failed(transaction, status, text)

    def woken(self, timer: str) -> None:
        """Hear a timer: of a reliable response, or of the usage."""
        if timer in reliable.TIMERS:
            if not self._reliable.woken(timer):
                # RFC 3262 section 3: "SHOULD reject the original request with a 5xx response".
                self._reply(504)
                self.say(Ended(Ending(Cause.TIMEOUT, text="no PRACK to our provisional response")))
        else:
            assert self._usage is not None
            self._usage.woken(timer)


def _written(address: tuple[str, int]) -> str:
    host, port = address
    return f"{sip_host(host)}:{port}"


def _contact(invite: Request, flow: Flow) -> str:
    """Our Contact: the user whom the caller asked for, at the address where the call came in."""
    secure = flow.transport == "TLS" and _wants_sips(invite)
    # The user part has its escapes already.
    return f"<{replace(contact_uri(None, flow, secure=secure), user=SipUri.parse(invite.uri).user)}>"


def _wants_sips(invite: Request) -> bool:
    """Section 12.1.1: the top Record-Route, or without any the Contact, decides."""
    routes = invite.record_routes
    uri = routes[0].uri if routes else invite.contact.uri if invite.contact else ""
    return uri.partition(":")[0].lower() == "sips"


def _is_direct(invite: Request) -> bool:
    """Tell whether the caller sent its INVITE to us itself: no proxy has added a Via."""
    vias = invite.headers.get_all("Via")
    return len(vias) == 1 and "," not in vias[0]
