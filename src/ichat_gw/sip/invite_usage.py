"""An established session: 2xx until ACK, re-INVITE, BYE (RFC 3261 sections 13.3.1.4, 14, 15).

RFC 5057 calls this the INVITE usage of a dialog. It is the same for caller and callee. It begins with
the 2xx to the first INVITE, sent or received, and ends with BYE, sent or received.

    open      the session is up
    closing   we want to say BYE, but one of our 2xx waits for its ACK: section 15 forbids it until then
    closed    BYE has been sent or received

Only one INVITE of theirs is open at a time. It is pending until the bridge answers it, then its 2xx is
repeated until the ACK. We send no re-INVITE of our own, so both ends can never be at it at once.
"""

from dataclasses import dataclass
from enum import Enum

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import Confirmed, Ended, Reoffered, Sdp
from ichat_gw.sip.core import Core
from ichat_gw.sip.dialog import Dialog
from ichat_gw.sip.events import Flow
from ichat_gw.sip.message import Request, Response
from ichat_gw.sip.next_hop import NextHop
from ichat_gw.sip.replies import Replies, sdp_of
from ichat_gw.sip.session import Session
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
        self, core: Core, session: Session, dialog: Dialog, flow: Flow, direct: bool = False
    ) -> None:
        self.dialog = dialog
        self.next_hop = NextHop(core, session, dialog, flow, direct)
        self._flow = flow
        self._keeps_alive = False
        self._core = core
        self._session = session
        self._replies = Replies(core.config.name)
        self._phase = _Phase.OPEN
        self._unacknowledged: _Unacknowledged | None = None
        self._pending: Transaction | None = None
        self._said_bye = False

    @property
    def owes_bye(self) -> bool:
        """Whether BYE is still to be said, once our 2xx has been acknowledged."""
        return self._phase is _Phase.CLOSING

    # --- the bridge's side --------------------------------------------------------------------------------

    def accept(self, transaction: Transaction, sdp: Sdp, *, is_first: bool) -> None:
        """Answer an INVITE of theirs with 200, and repeat that until the ACK comes."""
        request = transaction.request
        self.dialog.confirmed = True
        self.dialog.refresh(request)
        response = self._replies.with_sdp(request, self.dialog.local_tag, self.dialog.contact, sdp)
        t1 = self._core.times.t1
        self._unacknowledged = _Unacknowledged(transaction, response, sdp_of(request) is None, is_first, t1)
        self._core.respond(transaction, response)
        self._core.wake(self._session, REPEAT, t1)
        self._core.wake(self._session, NO_ACK, self._core.times.give_up)

    def accept_reoffer(self, sdp: Sdp) -> None:
        """Answer the re-INVITE that is pending, if any."""
        if (transaction := self._take_pending()) is not None:
            self.accept(transaction, sdp, is_first=False)

    def refuse_reoffer(self, ending: Ending) -> None:
        """Refuse the re-INVITE that is pending, if any; the session goes on."""
        if (transaction := self._take_pending()) is not None:
            status = ending.sip_status
            # These two would end the dialog for the other side (section 12.2.1.2).
            self._answer(transaction, 488 if status in (408, 481) else status)

    def end(self) -> None:
        """Hang up an open session: BYE now, or as soon as section 15 allows it."""
        self._refuse_pending()
        if self._unacknowledged is None:
            self._say_bye()
        else:
            self._close(_Phase.CLOSING)

    def keep_alive(self) -> None:
        """Keep the connection of the INVITE, if it is one, from being idle for as long as the call lasts."""
        config = self._core.config
        if config.keep_alives and self._flow.transport != "UDP":
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
            case "OPTIONS":
                contact, tag = self.dialog.contact, self.dialog.local_tag
                self._core.respond(transaction, self._replies.capabilities(request, tag, contact))
            case _:
                # INFO, and MESSAGE (COMPAT iChat: keep-alive pings; nobody is to read them).
                self._answer(transaction, 200)

    def acknowledged(self, ack: Request) -> None:
        """Take the ACK to our 2xx; any other ACK says nothing new."""
        waiting = self._unacknowledged
        if waiting is None or ack.cseq.number != waiting.transaction.request.cseq.number:
            return
        self._stop_repeating()
        if self._phase is _Phase.CLOSING:
            self._say_bye()
        elif not waiting.wants_answer:
            if waiting.is_first:
                self._session.say(Confirmed())
        elif (answer := sdp_of(ack)) is not None:
            self._session.say(Confirmed(answer))
        else:
            self._session.say(Ended(Ending(Cause.MALFORMED, text="ACK without the answer to our offer")))
            self._say_bye()

    def woken(self, timer: str) -> None:
        """Repeat the 2xx, or give up waiting for its ACK."""
        if timer == KEEP_ALIVE:
            self._core.send(b"\r\n\r\n", self._flow, None)
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
            self._session.say(Ended(Ending(Cause.TIMEOUT, text="no ACK to our 200")))
            self._refuse_pending()
            self._say_bye()

    def _close(self, phase: _Phase) -> None:
        self._phase = phase
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
        self._session.say(Ended(Ending(Cause.HANGUP)))

    def _hear_invite(self, transaction: Transaction, request: Request) -> None:
        waiting = self._unacknowledged
        if self._phase is not _Phase.OPEN:
            self._answer(transaction, 481)
        elif self._pending is not None:
            # Section 14.2; the wait is "randomly chosen between 0 and 10": ours is over in an instant.
            self._answer(transaction, 500, ("Retry-After", "1"))
        elif waiting is not None and waiting.wants_answer:
            # An offer of ours is open (RFC 5407 section 3.1.5).
            self._answer(transaction, 491)
        else:
            if waiting is not None:
                # They would not ask had they not received our 2xx: its ACK was lost or is behind this.
                self._stop_repeating()
                if waiting.is_first:
                    self._session.say(Confirmed())
            self._core.respond(transaction, self._replies.trying(request))
            self._pending = transaction
            self._session.say(Reoffered(sdp_of(request)))

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
        self._core.begin(
            self._session, self.dialog.request("BYE", self._core.config.name), flow, pinned=self.dialog.pinned
        )

    def _answer(self, transaction: Transaction, status: int, *extra: tuple[str, str]) -> None:
        contact = self.dialog.contact if status < 300 else None
        response = self._replies.plain(
            transaction.request, status, self.dialog.local_tag, contact=contact, extra=extra
        )
        self._core.respond(transaction, response)
