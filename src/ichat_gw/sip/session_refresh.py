"""Keeps an established session alive (RFC 4028 section 10): refreshes it, or ends it when nobody does.

A refresh is an UPDATE without a body where the other end takes UPDATE, else a re-INVITE with the description
that we gave last, unchanged to its version. It is the only request of ours that can collide with one of
theirs. Then 491 says so, and both ends wait, not equally long: 2.1 to 4 seconds who chose the Call-ID, up
to 2 seconds the other (RFC 3261 section 14.1).
"""

from typing import Protocol

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import Sdp
from ichat_gw.sip.core import Core, TransactionUser
from ichat_gw.sip.dialog import Dialog
from ichat_gw.sip.events import Flow
from ichat_gw.sip.message import Request, Response
from ichat_gw.sip.next_hop import NextHop
from ichat_gw.sip.replies import ACCEPT, ALLOW, IN_DIALOG, sdp_of
from ichat_gw.sip.session_timer import SessionTimer
from ichat_gw.sip.transaction import Transaction

REFRESH = "refresh the session"
EXPIRED = "session expired"
NO_ANSWER = "no final response to a re-INVITE"
TIMERS = (REFRESH, EXPIRED, NO_ANSWER)

BUSY_SECONDS = 1.0
"""How long a refresh waits for a request of theirs to come to its end."""
MARGIN = 32.0
"""Seconds before the end at which a session that nobody refreshed is hung up, or a third of its life."""


class Refreshed(Protocol):
    """The session, as its refresh sees it."""

    sdp: Sdp
    """The description that we gave last."""

    @property
    def is_quiet(self) -> bool:
        """Whether no request of theirs is open, and none of our 2xx waits for its ACK."""

    def lost(self, ending: Ending) -> None:
        """End the session: the other end is gone, or silent."""

    def answered_again(self, sdp: Sdp) -> None:
        """Take their answer to our description."""


class SessionRefresh:
    """The clocks and the refreshes of one session. Its user must pass timers in `TIMERS` on to `woken`."""

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
        self._session = session
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

    @property
    def is_offering(self) -> bool:
        """Whether an offer of ours is open."""
        return self._asking is not None and self._asking.request.method == "INVITE"

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
        self._sleep(REFRESH)
        self._sleep(EXPIRED)
        if self.is_offering:
            # Section 15.1.2 has it answered 487 now; a peer that never does must not keep us.
            self._core.wake(self._user, NO_ANSWER, self._core.times.give_up)

    def woken(self, timer: str) -> None:
        """Refresh, or give up."""
        if timer == REFRESH:
            self._next_hop.run(self._send)
        elif timer == EXPIRED:
            self._session.lost(Ending(Cause.TIMEOUT, text="nobody refreshed the session in time"))
        else:
            assert self._asking is not None
            self._core.pass_on(self._core.layer.abandon(self._asking))

    def _sleep(self, timer: str) -> None:
        self._core.let_sleep(self._user, timer)

    # --- our request --------------------------------------------------------------------------------------

    def _send(self, flow: Flow) -> None:
        if self._stopped or self._asking is not None:
            return
        if not self._session.is_quiet:
            self._core.wake(self._user, REFRESH, BUSY_SECONDS)
            return
        by_update = self._by_update and self._dialog.allows_update
        request = self._dialog.request("UPDATE" if by_update else "INVITE", self._core.config.name)
        for name, value in self._timer.ask():
            request.headers.add(name, value)
        request.headers.add("Allow", ", ".join(ALLOW))
        request.headers.add("Supported", IN_DIALOG)
        if not by_update:
            request.headers.add("Content-Type", ACCEPT)
            request.body = self._session.sdp.encode("utf-8", "replace")
        self._asking = self._core.begin(self._user, request, flow, pinned=self._dialog.pinned)

    def resent(self, before: Transaction, after: Transaction) -> None:
        """Follow a request that was sent again with a password."""
        if before is self._asking:
            self._asking = after

    # --- its answer ---------------------------------------------------------------------------------------

    def told(self, transaction: Transaction, response: Response) -> None:
        """Hear a response to any request of the session's; only those to a refresh matter."""
        if transaction is self._acked:
            if self._ack is not None:
                self._core.send(*self._ack, self._user.session)
        elif transaction is self._asking and response.status >= 200:
            self._asking = None
            self._sleep(NO_ANSWER)
            if response.status < 300:
                self._succeeded(transaction, response)
            elif not self._stopped:
                self._refused(transaction.request, response)

    def failed(self, transaction: Transaction, status: int, text: str) -> None:
        """Hear that a refresh was not answered (408), or could not be sent (503)."""
        if transaction is self._asking:
            self._asking = None
            self._sleep(NO_ANSWER)
            if self._stopped:
                return
            if status == 408:
                self._session.lost(Ending(Cause.TIMEOUT, status, text))
            else:
                self._try_later()

    def _succeeded(self, transaction: Transaction, response: Response) -> None:
        self._dialog.refresh(response)
        is_invite = transaction.request.method == "INVITE"
        if is_invite:
            self._acknowledge(transaction)
        if self._stopped:
            return
        self._timer.hear_answer(response)
        self.start()
        if is_invite and (sdp := sdp_of(response)) is not None:
            self._session.answered_again(sdp)

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
        status, chance = response.status, self._core.chance()
        if status in (408, 481):
            # Section 10 of RFC 4028, section 12.2.1.2 of RFC 3261: nobody is there any more.
            self._session.lost(Ending(Cause.TIMEOUT, status, response.reason))
        elif status == 422 and self._timer.ask_longer(response):
            self._next_hop.run(self._send)
        elif status == 491:
            wait = round(2.1 + chance * 1.9 if self._timer.owns_call_id else chance * 2.0, 2)
            self._core.wake(self._user, REFRESH, wait)
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
