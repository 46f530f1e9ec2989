"""What we ask of an established session: to go on (RFC 4028 section 10), or to be another (RFC 3261 14.1).

A refresh is an UPDATE without a body where the other end takes UPDATE, else a re-INVITE with the description
that we gave last, unchanged to its version. When nobody refreshes the session it ends. A re-offer is a
re-INVITE with a new description, and refreshes the session besides.

One of these is under way at a time. They can collide with requests of theirs. Then 491 says so, and both ends
wait, not equally long: 2.1 to 4 seconds who chose the Call-ID, up to 2 seconds the other (section 14.1). A
re-offer that has had 491 twice is given up, and so is one that waits when theirs comes: whose it was may
try again.

    a re-offer gets            the bridge hears
    2xx                        ReofferAnswered
    408, 481, or no answer     Ended: nobody is there any more (section 12.2.1.2)
    any other refusal          ReofferRefused, and the session goes on as it was (section 14.1)

One that has only provisional answers for `PATIENCE` seconds is cancelled. What its INVITE gets then counts.
"""

from typing import Protocol
from weakref import proxy

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import ReofferAnswered, ReofferRefused, Sdp
from ichat_gw.sip.core import Core, TransactionUser
from ichat_gw.sip.dialog import Dialog
from ichat_gw.sip.events import Flow
from ichat_gw.sip.message import Request, Response
from ichat_gw.sip.next_hop import NextHop
from ichat_gw.sip.replies import ACCEPT, ALLOW, IN_DIALOG, sdp_of
from ichat_gw.sip.session_timer import SessionTimer
from ichat_gw.sip.transaction import Transaction, cancel_for

REFRESH = "refresh the session"
EXPIRED = "session expired"
NO_ANSWER = "no final response to a re-INVITE"
REOFFER = "re-offer after a collision"
TIMERS = (REFRESH, EXPIRED, NO_ANSWER, REOFFER)

BUSY_SECONDS = 1.0
"""How long a refresh waits for a request of theirs to come to its end."""
PATIENCE = 8.0
"""How long a re-offer may go with nothing but provisional responses, as somebody waits for what it brings."""
TRIES = 2
"""How often a re-offer is sent when it collides."""
MARGIN = 32.0
"""Seconds before the end at which a session that nobody refreshed is hung up, or a third of its life."""

COLLIDED = Ending(Cause.REJECTED, 491, "another change of the session was under way")


class Refreshed(Protocol):
    """The session, as its refresh sees it."""

    sdp: Sdp
    """The description that we gave last."""

    @property
    def is_quiet(self) -> bool:
        """Whether no request of theirs is open, and none of our 2xx waits for its ACK."""

    @property
    def has_asked(self) -> bool:
        """Whether a request of theirs is open."""

    def tell(self, event: ReofferAnswered | ReofferRefused) -> None:
        """Tell the bridge."""

    def lost(self, ending: Ending) -> None:
        """End the session: the other end is gone, or silent."""

    def answered_again(self, sdp: Sdp) -> None:
        """Take their answer to our description."""

    def changed(self, ours: Sdp, theirs: Sdp) -> None:
        """Take that both ends have new descriptions."""


class SessionRefresh:
    """The clocks, refreshes and re-offers of one session.

    Its user must pass timers in `TIMERS` on to `woken`, and call `go_on` when the session has become quiet.
    """

    def __init__(
        self,
        core: Core,
        user: TransactionUser,
        session: Refreshed,
        dialog: Dialog,
        next_hop: NextHop,
        timer: SessionTimer,
    ) -> None:
        self._core = core
        self._user = user
        self._session: Refreshed = proxy(session)  # no cycle, see `Session.let_go`
        self._dialog = dialog
        self._next_hop = next_hop
        self._timer = timer
        self._by_update = True
        self._expires_at = 0.0
        self._asking: Transaction | None = None
        """The refresh that has no final response yet."""
        self._acked: Transaction | None = None
        self._ack: tuple[bytes, Flow] | None = None
        """The ACK to the 2xx of `_acked`; None while it waits for its way."""
        self._stopped = False
        self._offer: Sdp | None = None
        """What is to be re-offered, until the bridge knows how that ended."""
        self._tries = 0
        self._carries_offer = False
        """`_asking` is the re-offer."""
        self._provisional = False
        """It has had a provisional response, so that it can be cancelled (section 9.1)."""
        self._cancelled = False

    @property
    def is_offering(self) -> bool:
        """Whether an offer of ours is open."""
        return self._asking is not None and self._asking.request.method == "INVITE"

    # --- re-offers ----------------------------------------------------------------------------------------

    def reoffer(self, sdp: Sdp) -> None:
        """Propose another description, as soon as nothing else is open. Not after `stop`."""
        if self._offer is not None or self._session.has_asked:
            self._session.tell(ReofferRefused(COLLIDED))
            return
        self._offer, self._tries = sdp, 0
        self._next_hop.run(self._send_offer)

    def give_way(self) -> None:
        """Their offer has come: one of ours that is not on its way is given up."""
        if self._offer is not None and not self._carries_offer:
            self._refuse_offer(COLLIDED)

    def go_on(self) -> None:
        """What a re-offer may have waited for is over."""
        if self._offer is not None and REOFFER not in self._user.waking:
            self._next_hop.run(self._send_offer)

    def _send_offer(self, flow: Flow) -> None:
        if self._stopped or self._offer is None or self._asking is not None or not self._session.is_quiet:
            return
        self._tries += 1
        self._carries_offer, self._provisional, self._cancelled = True, False, False
        self._core.wake(self._user, NO_ANSWER, PATIENCE)
        self._ask("INVITE", self._offer, flow)

    def _refuse_offer(self, ending: Ending) -> None:
        self._offer = None
        self._sleep(REOFFER)
        self._session.tell(ReofferRefused(ending))

    def _cancel(self, asking: Transaction) -> None:
        self._cancelled = True
        self._core.begin(self._user, cancel_for(asking.request, self._core.config.name), asking.flow)
        # Section 9.1: a server of RFC 2543 may never send the 487.
        self._core.wake(self._user, NO_ANSWER, self._core.times.give_up)

    # --- clocks -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Set the clocks as agreed: an INVITE or UPDATE has just been answered, by us or by them."""
        self._sleep(REFRESH)
        self._sleep(EXPIRED)
        agreed = self._timer.agreed
        if agreed is not None and not self._stopped:
            life = agreed.seconds - min(MARGIN, agreed.seconds / 3)
            self._expires_at = self._core.now + life
            self._core.wake(self._user, EXPIRED, life)
            if agreed.we_refresh:
                self._core.wake(self._user, REFRESH, agreed.seconds / 2)

    def stop(self) -> None:
        """The session is over, or will be when our BYE may leave."""
        self._stopped = True
        self._offer = None
        self._sleep(REFRESH)
        self._sleep(EXPIRED)
        self._sleep(REOFFER)
        if self.is_offering:
            # Section 15.1.2 has it answered 487 now; a peer that never does must not keep us.
            self._core.wake(self._user, NO_ANSWER, self._core.times.give_up)

    def woken(self, timer: str) -> None:
        """Refresh, or give up."""
        if timer == REFRESH:
            self._next_hop.run(self._send)
        elif timer == EXPIRED:
            self._session.lost(Ending(Cause.TIMEOUT, text="nobody refreshed the session in time"))
        elif timer == REOFFER:
            self._next_hop.run(self._send_offer)
        else:
            self._unanswered()

    def _unanswered(self) -> None:
        """A re-INVITE has had no final response for long."""
        asking = self._asking
        assert asking is not None
        if self._stopped:
            self._core.pass_on(self._core.layer.abandon(asking))
        elif self._cancelled:
            self._core.pass_on(self._core.layer.abandon(asking))
            self._asking = None
            self._session.lost(Ending(Cause.TIMEOUT, text="no final response to a cancelled re-INVITE"))
        elif self._provisional:
            self._cancel(asking)
        # Else nobody has been heard at all: the transaction itself ends with that.

    def _sleep(self, timer: str) -> None:
        self._core.let_sleep(self._user, timer)

    # --- our request --------------------------------------------------------------------------------------

    def _send(self, flow: Flow) -> None:
        if self._stopped or (self._asking is not None and not self._carries_offer):
            return
        if self._asking is not None or not self._session.is_quiet:
            self._core.wake(self._user, REFRESH, BUSY_SECONDS)
            return
        if self._by_update and self._dialog.allows_update:
            self._ask("UPDATE", None, flow)
        else:
            self._ask("INVITE", self._session.sdp, flow)

    def _ask(self, method: str, sdp: Sdp | None, flow: Flow) -> None:
        request = self._dialog.request(method, self._core.config.name)
        for name, value in self._timer.ask():
            request.headers.add(name, value)
        request.headers.add("Allow", ", ".join(ALLOW))
        request.headers.add("Supported", IN_DIALOG)
        if sdp is not None:
            request.headers.add("Content-Type", ACCEPT)
            request.body = sdp.encode("utf-8", "replace")
        self._asking = self._core.begin(self._user, request, flow, pinned=self._dialog.pinned)

    def resent(self, before: Transaction, after: Transaction) -> None:
        """Follow a request that was sent again with a password."""
        if before is self._asking:
            self._asking = after

    # --- its answer ---------------------------------------------------------------------------------------

    def told(self, transaction: Transaction, response: Response) -> None:
        """Hear a response to any request of the session's; only those to ours matter."""
        if transaction is self._acked:
            if self._ack is not None:
                self._core.send(*self._ack, self._user.session)
        elif transaction is not self._asking:
            return
        elif response.status < 200:
            self._provisional = True
            if self._carries_offer and NO_ANSWER not in self._user.waking:
                # Heard for the first time, when all its patience was over already.
                self._unanswered()
        elif response.status < 300:
            self._succeeded(transaction, response, self._settled())
            self.go_on()
        elif self._settled() and not self._stopped:
            self._offer_refused(response)
        elif not self._stopped:
            self._refused(transaction.request, response)
            self.go_on()

    def _settled(self) -> bool:
        """What was asked has its answer. Whether it was the re-offer."""
        carried, self._carries_offer = self._carries_offer, False
        self._asking = None
        self._sleep(NO_ANSWER)
        return carried

    def failed(self, transaction: Transaction, status: int, text: str) -> None:
        """Hear that what we asked was not answered (408), or could not be sent (503)."""
        if transaction is not self._asking:
            return
        carried = self._settled()
        if self._stopped:
            return
        if status == 408:
            self._session.lost(Ending(Cause.TIMEOUT, status, text))
        elif carried:
            self._refuse_offer(Ending.from_status(status, text))
        else:
            self._try_later()
            self.go_on()

    def _succeeded(self, transaction: Transaction, response: Response, carried_offer: bool) -> None:
        self._dialog.refresh(response)
        is_invite = transaction.request.method == "INVITE"
        if is_invite:
            self._acknowledge(transaction)
        if self._stopped:
            return
        self._timer.hear_answer(response)
        self.start()
        theirs = sdp_of(response)
        if carried_offer:
            ours, self._offer = self._offer, None
            assert ours is not None
            if theirs is None:
                missing = Ending(Cause.MALFORMED, text="200 to a re-INVITE without a session description")
                self._session.tell(ReofferRefused(missing))
            else:
                self._session.changed(ours, theirs)
                self._session.tell(ReofferAnswered(theirs))
        elif is_invite and theirs is not None:
            self._session.answered_again(theirs)

    def _offer_refused(self, response: Response) -> None:
        status = response.status
        if status in (408, 481):
            self._session.lost(Ending(Cause.TIMEOUT, status, response.reason))
        elif status == 422 and self._timer.ask_longer(response):
            self._next_hop.run(self._send_offer)
        elif status == 491 and self._tries < TRIES:
            self._core.wake(self._user, REOFFER, self._after_collision())
        else:
            self._refuse_offer(Ending.from_status(status, response.reason))

    def _after_collision(self) -> float:
        chance = self._core.chance()
        return round(2.1 + chance * 1.9 if self._timer.owns_call_id else chance * 2.0, 2)

    def _acknowledge(self, transaction: Transaction) -> None:
        self._acked, self._ack = transaction, None
        invite = transaction.request
        ack = self._dialog.ack(invite.cseq.number, self._core.config.name)

        def send(flow: Flow) -> None:
            if flow == transaction.flow:
                # Section 22.1: an ACK brings the password that its INVITE brought, and to nobody else.
                for name in ("Authorization", "Proxy-Authorization"):
                    for value in invite.headers.get_all(name):
                        ack.headers.add(name, value)
            self._ack = self._core.send_ack(self._user, ack, flow), flow

        self._next_hop.run(send)

    def _refused(self, request: Request, response: Response) -> None:
        status = response.status
        if status in (408, 481):
            # Section 10 of RFC 4028, section 12.2.1.2 of RFC 3261: nobody is there any more.
            self._session.lost(Ending(Cause.TIMEOUT, status, response.reason))
        elif status == 422 and self._timer.ask_longer(response):
            self._next_hop.run(self._send)
        elif status == 491:
            self._core.wake(self._user, REFRESH, self._after_collision())
        elif status in (405, 501) and request.method == "UPDATE":
            self._by_update = False
            self._next_hop.run(self._send)
        else:
            self._try_later(_retry_after(response))

    def _try_later(self, seconds: float | None = None) -> None:
        """Try again before the session ends, if there is time."""
        left = self._expires_at - self._core.now
        wait = left / 2 if seconds is None else seconds
        if 1.0 <= wait < left:
            self._core.wake(self._user, REFRESH, wait)


def _retry_after(response: Response) -> float | None:
    """Seconds that Retry-After names, at least one; None without one that can be read."""
    seconds = (response.headers.get("Retry-After") or "").partition(";")[0].partition("(")[0].strip()
    return max(1.0, float(seconds)) if seconds.isascii() and seconds.isdigit() and len(seconds) < 8 else None
