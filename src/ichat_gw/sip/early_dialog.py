"""A dialog that a provisional response to our INVITE made: one branch of a call that forked, until its 2xx.

It keeps which description of the other end holds (RFC 3261 section 13.2.1, RFC 6337 section 2): the first
that came reliably is the answer, and nothing that a later response brings changes it, only an UPDATE does.
One that came unreliably is a preview, and the 2xx may bring another.
"""

from ichat_gw.call.cause import Ending
from ichat_gw.call.leg import Sdp
from ichat_gw.sip.core import Core
from ichat_gw.sip.dialog import Dialog
from ichat_gw.sip.events import Flow
from ichat_gw.sip.message import Request, Response
from ichat_gw.sip.next_hop import NextHop
from ichat_gw.sip.reliable import RAck, ReliableOrder, rseq_of
from ichat_gw.sip.replies import Replies, sdp_of
from ichat_gw.sip.session import Session
from ichat_gw.sip.transaction import Transaction


class EarlyDialog:
    """One branch. `local_sdp` is our offer in the INVITE, or None when that had none."""

    def __init__(
        self,
        core: Core,
        session: Session,
        dialog: Dialog,
        next_hop: NextHop,
        local_sdp: Sdp | None,
        takes_reliable: bool,
    ) -> None:
        self.dialog = dialog
        self.next_hop = next_hop
        self.local_sdp = local_sdp
        """The description of ours that holds."""
        self.answer: Sdp | None = None
        """The description of theirs that holds, once it does."""
        self.pending: Transaction | None = None
        """An UPDATE of theirs whose offer the bridge has not answered."""
        self.is_told = False
        """The bridge knows `answer`."""
        self._heard_by: Sdp | None = None
        self._takes_reliable = takes_reliable
        self._core = core
        self._session = session
        self._replies = Replies(core.config.name)
        self._order = ReliableOrder()
        self._preview: Sdp | None = None

    def hear(self, response: Response) -> bool:
        """Take a provisional response. False: it is to be ignored, being a copy or out of order."""
        sdp = sdp_of(response)
        rseq = rseq_of(response) if self._takes_reliable else None
        if rseq is None:
            self.dialog.learn(response)
            self._preview = sdp or self._preview
            return True
        if not self._order.is_next(rseq):
            return False
        self.dialog.learn(response)
        rack = RAck(rseq, response.cseq.number, "INVITE")
        self.next_hop.run(lambda flow: self._send_prack(rack, flow))
        if self.answer is None:
            self.answer = sdp
        return True

    def news(self) -> Sdp | None:
        """What the other end can be heard with, reliable or not, if that is new since the last time."""
        early = self.answer or self._preview
        if early == self._heard_by:
            return None
        self._heard_by = early
        return early

    def _send_prack(self, rack: RAck, flow: Flow) -> None:
        prack = self.dialog.request("PRACK", self._core.config.name)
        prack.headers.add("RAck", str(rack))
        self._core.begin(self._session, prack, flow, pinned=self.dialog.pinned)

    def described(self, success: Response) -> Sdp | None:
        """The description of theirs that holds from the 2xx on."""
        return self.answer or sdp_of(success) or self._preview

    # --- UPDATE (RFC 3311) --------------------------------------------------------------------------------

    def objection(self, update: Request) -> Response | None:
        """Refuse an offer that cannot be made now; None if it can."""
        tag = self.dialog.local_tag
        if self.answer is None:
            # Our own offer is still open.
            return self._replies.plain(update, 491, tag)
        if self.pending is not None:
            return self._replies.again_later(update, tag)
        return None

    def accept(self, sdp: Sdp) -> None:
        """Answer the offer in the UPDATE that is pending, if any."""
        if (transaction := self.take_pending()) is not None:
            request = transaction.request
            self.dialog.refresh(request)
            self.answer, self.local_sdp = sdp_of(request), sdp
            self._succeed(transaction, sdp)

    def refuse(self, ending: Ending) -> None:
        """Refuse the offer in the UPDATE that is pending, if any."""
        if (transaction := self.take_pending()) is not None:
            status = 488 if ending.sip_status in (408, 481) else ending.sip_status
            # RFC 3311 section 5.3: who collided with another change tries again.
            status = 491 if ending.status == 491 else status
            extra = self._replies.warning(status, ending)
            self._answer(transaction, status, extra)

    def target_refreshed(self, transaction: Transaction) -> None:
        """Answer an UPDATE without an offer."""
        self.dialog.refresh(transaction.request)
        self._succeed(transaction, None)

    def close(self) -> None:
        """The branch is over: nothing stays unanswered."""
        if (transaction := self.take_pending()) is not None:
            self._answer(transaction, 487)

    def take_pending(self) -> Transaction | None:
        """Hand over the UPDATE that is pending, if any."""
        transaction, self.pending = self.pending, None
        return transaction

    def _succeed(self, transaction: Transaction, sdp: Sdp | None) -> None:
        dialog = self.dialog
        response = self._replies.success(transaction.request, dialog.local_tag, dialog.contact, sdp)
        self._core.respond(transaction, response)

    def _answer(self, transaction: Transaction, status: int, extra: tuple[tuple[str, str], ...] = ()) -> None:
        response = self._replies.plain(transaction.request, status, self.dialog.local_tag, extra=extra)
        self._core.respond(transaction, response)
