"""An established session: 2xx until ACK, re-INVITE, BYE (RFC 3261 sections 13.3.1.4, 14, 15).

RFC 5057 calls this the INVITE usage of a dialog. It is the same for caller and callee. It begins with
the 2xx to the first INVITE, sent or received, and ends with BYE, sent or received.

    open      the session is up
    closing   we want to say BYE, but one of our 2xx waits for its ACK: section 15 forbids it until then
    closed    BYE has been sent or received

Only one offer of theirs is open at a time, in an INVITE or an UPDATE (RFC 3311). It is pending until the
bridge answers it; then the 2xx to an INVITE is repeated until the ACK. The offers of our own are those in a
2xx to an INVITE without one, and those of `session_refresh`: refreshes, and what the bridge proposes.

    theirs comes while                          INVITE               UPDATE with offer   UPDATE without
    an offer of theirs is pending               500 Retry-After      500 Retry-After     200
    an offer of ours waits for its answer       491                  491                 200
    our 2xx with an answer waits for its ACK    takes it for one     takes it for one    200
"""

from dataclasses import dataclass
from enum import Enum

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    AcceptTransfer,
    Confirmed,
    Ended,
    Info,
    InfoAnswered,
    LegCommand,
    RefuseTransfer,
    Reoffer,
    ReofferAnswered,
    Reoffered,
    ReofferRefused,
    Sdp,
    TransferProgress,
)
from ichat_gw.sip import session_refresh
from ichat_gw.sip.core import Core
from ichat_gw.sip.dialog import Dialog
from ichat_gw.sip.events import Flow
from ichat_gw.sip.info import InfoExchange
from ichat_gw.sip.message import Request, Response
from ichat_gw.sip.next_hop import NextHop
from ichat_gw.sip.reason_header import ending_of, reason_for
from ichat_gw.sip.referral import Referral
from ichat_gw.sip.replies import Replies, sdp_of
from ichat_gw.sip.session import Session
from ichat_gw.sip.session_refresh import SessionRefresh
from ichat_gw.sip.session_timer import SessionTimer
from ichat_gw.sip.transaction import Transaction

REPEAT = "repeat the 2xx"
NO_ACK = "no ACK"
KEEP_ALIVE = "keep-alive"


class _Phase(Enum):
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


@dataclass(slots=True)
class _Unacknowledged:
    """A 2xx of ours for which no ACK has come."""

    transaction: Transaction
    response: Response
    wants_answer: bool
    """It carried an offer: the ACK has to bring the answer."""
    is_first: bool
    """It answers the INVITE that began the session."""
    interval: float


class InviteUsage:
    """Runs one dialog of a session from its 2xx to the end."""

    def __init__(
        self, core: Core, session: Session, dialog: Dialog, next_hop: NextHop, timer: SessionTimer
    ) -> None:
        self.dialog = dialog
        self.next_hop = next_hop
        self.sdp: Sdp = ""
        """The description that we gave last."""
        self._remote_sdp: Sdp | None = None
        """The description of theirs that was told to the bridge last."""
        self._timer = timer
        self._refresh = SessionRefresh(core, session, self, dialog, next_hop, timer)
        self._keeps_alive = False
        self._core = core
        self._session = session
        self._replies = Replies(core.config.name)
        self._info = InfoExchange(core, session, dialog, self.next_hop)
        self._referral = Referral(core, session, dialog, self.next_hop)
        self._phase = _Phase.OPEN
        self._unacknowledged: _Unacknowledged | None = None
        self._pending: Transaction | None = None
        self._said_bye = False
        self._reason: str | None = None
        """What our BYE says of why."""

    @property
    def owes_bye(self) -> bool:
        """Whether BYE is still to be said, once our 2xx has been acknowledged."""
        return self._phase is _Phase.CLOSING

    # --- the bridge's side --------------------------------------------------------------------------------

    def accept(self, transaction: Transaction, sdp: Sdp, *, is_first: bool) -> None:
        """Answer an INVITE of theirs with 200, and repeat that until the ACK comes; or an UPDATE, once."""
        request = transaction.request
        self.learn(request)
        self.dialog.confirmed = True
        if not is_first:
            # The first INVITE made the dialog; an UPDATE may have moved its target since.
            self.dialog.refresh(request)
        self.sdp, self._remote_sdp = sdp, sdp_of(request)
        response = self._success(request, sdp)
        if request.method == "UPDATE":
            self._core.respond(transaction, response)
            return
        t1 = self._core.times.t1
        self._unacknowledged = _Unacknowledged(transaction, response, sdp_of(request) is None, is_first, t1)
        self._core.respond(transaction, response)
        self._core.wake(self._session, REPEAT, t1)
        self._core.wake(self._session, NO_ACK, self._core.times.give_up)

    def established(self, response: Response, sdp: Sdp, remote_sdp: Sdp, pending: Transaction | None) -> None:
        """Begin with their 2xx, which has been acknowledged, and what was agreed on so far.

        `pending` is an UPDATE of theirs whose offer the bridge has not answered yet.
        """
        self.sdp, self._remote_sdp, self._pending = sdp, remote_sdp, pending
        self._timer.hear_answer(response)
        self._refresh.start()

    def accept_reoffer(self, sdp: Sdp) -> None:
        """Answer the re-INVITE or UPDATE that is pending, if any."""
        if (transaction := self._take_pending()) is not None:
            self.accept(transaction, sdp, is_first=False)

    def refuse_reoffer(self, ending: Ending) -> None:
        """Refuse the re-INVITE or UPDATE that is pending, if any; the session goes on."""
        if (transaction := self._take_pending()) is not None:
            status = ending.sip_status
            # These two would end the dialog for the other side (section 12.2.1.2).
            status = 488 if status in (408, 481) else status
            if ending.status == 491:
                # What they asked collided at the far side: they know what to do then (section 14.1).
                status = 491
            self._answer(transaction, status, *self._replies.warning(status, ending))

    def end(self, ending: Ending) -> None:
        """Hang up an open session: BYE now, or as soon as section 15 allows it."""
        self._reason = None if self.dialog.pinned else reason_for(ending)
        self._refuse_pending()
        if self._unacknowledged is None:
            self._say_bye()
        else:
            self._close(_Phase.CLOSING)

    def learn(self, message: Request | Response) -> None:
        """Take from their INVITE, or their 2xx to ours, what they understand."""
        self._info.learn(message)

    def command(self, command: LegCommand) -> None:
        """Do what is neither the answer to an offer of theirs nor the end."""
        match command:
            case Reoffer(sdp):
                self._refresh.reoffer(sdp)
            case Info():
                self._info.send(command)
            case InfoAnswered():
                self._info.answered(command)
            case AcceptTransfer():
                self._referral.accept()
            case RefuseTransfer(ending):
                self._referral.refuse(ending)
            case TransferProgress(status):
                self._referral.progress(status)
            case _:
                pass

    def keep_alive(self) -> None:
        """Keep the connection of the INVITE, if it is one, from being idle for as long as the call lasts."""
        config = self._core.config
        if config.keep_alives and self.next_hop.first.transport != "UDP":
            self._keeps_alive = True
            self._core.wake(self._session, KEEP_ALIVE, config.stream_keep_alive_time)

    # --- the other end ------------------------------------------------------------------------------------

    def asked(self, transaction: Transaction, request: Request) -> None:
        """Answer a request in this dialog that is known to be in order and free of objections."""
        match request.method:
            case "BYE":
                self._hear_bye(transaction)
            case "INVITE":
                self._hear_invite(transaction, request)
            case "UPDATE":
                self._hear_update(transaction, request)
            case "PRACK":
                # Nothing that is sent inside a session wants one; the INVITE's own are its session's.
                self._answer(transaction, 481)
            case "OPTIONS":
                contact, tag = self.dialog.contact, self.dialog.local_tag
                self._core.respond(transaction, self._replies.capabilities(request, tag, contact))
            case _ if self._phase is not _Phase.OPEN:
                self._answer(transaction, 481)
            case "REFER" | "SUBSCRIBE":
                self._referral.asked(transaction, request)
            case _:
                self._info.asked(transaction, request)

    def acknowledged(self, ack: Request) -> None:
        """Take the ACK to our 2xx; any other ACK says nothing new."""
        waiting = self._unacknowledged
        if waiting is None or ack.cseq.number != waiting.transaction.request.cseq.number:
            return
        self._stop_repeating()
        if self._phase is _Phase.CLOSING:
            self._say_bye()
            return
        if not waiting.wants_answer:
            if waiting.is_first:
                self._session.say(Confirmed())
        elif (answer := sdp_of(ack)) is not None:
            self._remote_sdp = answer
            self._session.say(Confirmed(answer))
        else:
            self.lost(Ending(Cause.MALFORMED, text="ACK without the answer to our offer"))
        self._refresh.go_on()

    def told(self, transaction: Transaction, response: Response) -> None:
        """Hear a response to a request of ours in this dialog."""
        self._refresh.told(transaction, response)

    def failed(self, transaction: Transaction, status: int, text: str) -> None:
        """Hear that a request of ours in this dialog has failed."""
        self._refresh.failed(transaction, status, text)

    def resent(self, before: Transaction, after: Transaction) -> None:
        """Hear that a request of ours in this dialog was sent again, with a password."""
        self._refresh.resent(before, after)

    def woken(self, timer: str) -> None:
        """Repeat the 2xx, give up waiting for its ACK, refresh the session, or keep its connection."""
        if timer in session_refresh.TIMERS:
            self._refresh.woken(timer)
            return
        if timer == KEEP_ALIVE:
            self._core.send(b"\r\n\r\n", self.next_hop.first, None)
            self.keep_alive()
            return
        waiting = self._unacknowledged
        assert waiting is not None  # `_stop_repeating` stops both timers
        if timer == REPEAT:
            waiting.interval = min(2 * waiting.interval, self._core.times.t2)
            self._core.wake(self._session, REPEAT, waiting.interval)
            self._core.respond(waiting.transaction, waiting.response)
        else:
            self._stop_repeating()
            self.lost(Ending(Cause.TIMEOUT, text="no ACK to our 200"))

    # --- for the refresh ----------------------------------------------------------------------------------

    @property
    def is_quiet(self) -> bool:
        """Whether no request of theirs is open, and none of our 2xx waits for its ACK."""
        return self._pending is None and self._unacknowledged is None

    @property
    def has_asked(self) -> bool:
        """Whether a request of theirs is open."""
        return self._pending is not None

    def tell(self, event: ReofferAnswered | ReofferRefused) -> None:
        """Tell the bridge how a re-offer ended."""
        self._session.say(event)

    def changed(self, ours: Sdp, theirs: Sdp) -> None:
        """Take that a re-offer has changed both descriptions."""
        self.sdp, self._remote_sdp = ours, theirs

    def lost(self, ending: Ending) -> None:
        """End the session from this side, though nobody here hung up."""
        self._session.say(Ended(ending))
        self.end(ending)

    def answered_again(self, sdp: Sdp) -> None:
        """Take their answer to the description that our refresh repeated; tell only what is new."""
        if sdp != self._remote_sdp:
            self._remote_sdp = sdp
            self._session.say(Confirmed(sdp))

    def _close(self, phase: _Phase) -> None:
        self._phase = phase
        self._info.close()
        self._referral.close()
        self._refresh.stop()
        if self._keeps_alive:
            self._keeps_alive = False
            self._core.let_sleep(self._session, KEEP_ALIVE)

    # --- parts --------------------------------------------------------------------------------------------

    def _hear_bye(self, transaction: Transaction) -> None:
        # A BYE that crosses ours is answered as if ours did not exist; a second one finds no dialog.
        if self._phase is _Phase.CLOSED and not self._said_bye:
            self._answer(transaction, 481)
            return
        self._answer(transaction, 200)
        self._close(_Phase.CLOSED)
        self._said_bye = False
        self._refuse_pending()
        self._stop_repeating()
        self._session.say(Ended(ending_of(transaction.request, Cause.HANGUP)))

    def _hear_invite(self, transaction: Transaction, request: Request) -> None:
        if self._is_open_for(transaction):
            self._core.respond(transaction, self._replies.trying(request))
            self._pending = transaction
            self._session.say(Reoffered(sdp_of(request)))

    def _hear_update(self, transaction: Transaction, request: Request) -> None:
        """RFC 3311 section 5.2: a new target, a new description, or only a sign of life."""
        if (offer := sdp_of(request)) is not None:
            if self._is_open_for(transaction):
                self._pending = transaction
                self._session.say(Reoffered(offer))
        elif self._phase is not _Phase.OPEN:
            self._answer(transaction, 481)
        else:
            self.dialog.refresh(request)
            self._core.respond(transaction, self._success(request))

    def _is_open_for(self, transaction: Transaction) -> bool:
        """Whether a request of theirs may begin another offer and answer; if not, it is answered so."""
        waiting = self._unacknowledged
        if self._phase is not _Phase.OPEN:
            self._answer(transaction, 481)
        elif self._pending is not None:
            self._core.respond(
                transaction, self._replies.again_later(transaction.request, self.dialog.local_tag)
            )
        elif self._refresh.is_offering or (waiting is not None and waiting.wants_answer):
            # An offer of ours is open (RFC 5407 section 3.1.5).
            self._answer(transaction, 491)
        else:
            if waiting is not None:
                # They would not ask had they not received our 2xx: its ACK was lost or is behind this.
                self._stop_repeating()
                if waiting.is_first:
                    self._session.say(Confirmed())
            self._refresh.give_way()
            return True
        return False

    def _success(self, request: Request, sdp: Sdp | None = None) -> Response:
        """The 200 to an INVITE or UPDATE; the life of the session begins anew."""
        timer = self._timer.answer(request)
        self._refresh.start()
        return self._replies.success(request, self.dialog.local_tag, self.dialog.contact, sdp, timer)

    def _take_pending(self) -> Transaction | None:
        transaction, self._pending = self._pending, None
        return transaction

    def _refuse_pending(self) -> None:
        """Section 15.1.2: what is open when the session ends gets 487."""
        if (transaction := self._take_pending()) is not None:
            self._answer(transaction, 487)

    def _stop_repeating(self) -> None:
        self._unacknowledged = None
        self._core.let_sleep(self._session, REPEAT)
        self._core.let_sleep(self._session, NO_ACK)

    def _say_bye(self) -> None:
        self._close(_Phase.CLOSED)
        self._said_bye = True
        # Numbered when it leaves, so that requests queued before it keep the lower numbers.
        self.next_hop.run(self._send_bye)

    def _send_bye(self, flow: Flow) -> None:
        bye = self.dialog.request("BYE", self._core.config.name)
        if self._reason is not None:
            bye.headers.add("Reason", self._reason)
        self._core.begin(self._session, bye, flow, pinned=self.dialog.pinned)

    def _answer(self, transaction: Transaction, status: int, *extra: tuple[str, str]) -> None:
        contact = self.dialog.contact if status < 300 else None
        response = self._replies.plain(
            transaction.request, status, self.dialog.local_tag, contact=contact, extra=extra
        )
        self._core.respond(transaction, response)
