"""A party asks us to call somebody else for the one it talks to: REFER in a session, NOTIFY back (RFC 3515).

    idle       nothing is asked
    asked      a REFER waits for the bridge
    following  it was accepted; unless Refer-Sub: false (RFC 4488) the party has subscribed to how it goes

NOTIFY carries the status of the new call as message/sipfrag. One that comes to no good ends the subscription
and nothing else. A second REFER has to wait until the first has come to its end (491).
"""

from enum import Enum

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import TransferAsked
from ichat_gw.sip.authentication import CHALLENGES
from ichat_gw.sip.core import Core, TransactionUser
from ichat_gw.sip.dialog import Dialog
from ichat_gw.sip.events import Flow
from ichat_gw.sip.message import Request, Response, reason_phrase
from ichat_gw.sip.next_hop import NextHop
from ichat_gw.sip.refer import Refer, Unreferable
from ichat_gw.sip.replies import Replies
from ichat_gw.sip.session import Session
from ichat_gw.sip.transaction import Transaction

METHODS = ("REFER", "SUBSCRIBE")

LIFETIME = 240
"""Seconds that a subscription lasts: longer than the new call may ring."""
PATIENCE = 20.0
"""Seconds within which a REFER is answered whatever happens: its sender gives up after 32."""
SIPFRAG = "message/sipfrag;version=2.0"

_DECIDE = "decide on the REFER"


class _State(Enum):
    IDLE = "idle"
    ASKED = "asked"
    FOLLOWING = "following"


class Referral(TransactionUser):
    """Follows the REFERs of one dialog, one after the other."""

    def __init__(self, core: Core, session: Session, dialog: Dialog, next_hop: NextHop) -> None:
        super().__init__(session.session)
        self._core = core
        self._session = session
        self._dialog = dialog
        self._next_hop = next_hop
        self._replies = Replies(core.config.name)
        self._state = _State.IDLE
        self._asked: Transaction | None = None
        self._event = "refer"
        """The Event of our NOTIFY."""
        self._count = 0
        self._subscribed = False
        self._expires_at = 0.0
        self._last_status = 100
        self._notifying: Transaction | None = None
        """A NOTIFY that waits for its answer; news that come meanwhile wait, too."""
        self._news = False

    # --- from the other end -------------------------------------------------------------------------------

    def asked(self, transaction: Transaction, request: Request) -> None:
        """Hear a REFER, or a SUBSCRIBE that is about one."""
        if request.method == "SUBSCRIBE":
            self._hear_subscribe(transaction, request)
        elif self._dialog.pinned:
            # iChat has no such thing; whoever it is, an XMPP user dials by XMPP.
            self._answer(transaction, 603)
        elif self._state is not _State.IDLE:
            self._answer(transaction, 491)
        else:
            self._hear_refer(transaction, request)

    def _hear_refer(self, transaction: Transaction, request: Request) -> None:
        try:
            refer = Refer.read(request)
        except Unreferable as error:
            self._answer(transaction, error.status)
            return
        self._count += 1
        # RFC 3515 section 2.4.6: from the second on they are told apart by their numbers.
        self._event = "refer" if self._count == 1 else f"refer;id={request.cseq.number}"
        self._state, self._asked, self._subscribed = _State.ASKED, transaction, refer.subscribes
        self._core.wake(self, _DECIDE, PATIENCE)
        self._session.say(TransferAsked(refer.target, refer.referred_by, refer.replaces))

    def _hear_subscribe(self, transaction: Transaction, request: Request) -> None:
        """Refresh or end the subscription that a REFER has made (RFC 3515 section 2.4.4)."""
        event = "".join((request.headers.get("Event") or "").split())
        if event.partition(";")[0].lower() != "refer":
            self._answer(transaction, 489, ("Allow-Events", "refer"))
        elif self._state is not _State.FOLLOWING or not self._subscribed:
            self._answer(transaction, 481)
        elif request.expires == 0:
            self._answer(transaction, 200, ("Expires", "0"))
            self._notify("terminated;reason=timeout")
            self._subscribed = False
        else:
            self._answer(transaction, 200, ("Expires", str(self._remaining)))
            self._tell(self._last_status)

    def told(self, transaction: Transaction, response: Response) -> None:
        """Hear the answer to a NOTIFY; one that asks for a password may get it."""
        if response.status < 200 or transaction is not self._notifying:
            return
        again = None
        if response.status in CHALLENGES:
            again = self._session.challenged(transaction, response, self)
        if again is not None:
            self._notifying = again
        else:
            self._notified(good=response.status < 300)

    def failed(self, transaction: Transaction, status: int, text: str) -> None:
        """Hear that there will be none."""
        if transaction is self._notifying:
            self._notified(good=False)

    def _notified(self, *, good: bool) -> None:
        self._notifying = None
        self._subscribed = self._subscribed and good
        if self._news and self._subscribed:
            self._tell(self._last_status)
        self._news = False

    # --- from the bridge ----------------------------------------------------------------------------------

    def accept(self) -> None:
        """Follow the REFER: 202, and the first NOTIFY."""
        transaction = self._decided()
        if transaction is None:
            return
        self._state, self._last_status = _State.FOLLOWING, 100
        extra = () if self._subscribed else (("Refer-Sub", "false"),)
        self._answer(transaction, 202, *extra)
        self._expires_at = self._core.now + LIFETIME
        self._tell(100)

    def refuse(self, ending: Ending) -> None:
        """Do not follow it."""
        transaction = self._decided()
        if transaction is not None:
            self._state = _State.IDLE
            status = (
                ending.status if ending.status is not None and ending.status >= 400 else ending.sip_status
            )
            # These two would end the dialog for the other side (RFC 3261 section 12.2.1.2).
            self._answer(transaction, 480 if status in (408, 481) else status)

    def progress(self, status: int) -> None:
        """Tell how the new call goes."""
        if self._state is not _State.FOLLOWING:
            return
        self._last_status = status
        if status >= 200:
            self._state = _State.IDLE
        self._tell(status)

    def close(self) -> None:
        """The session ends, and with it the dialog for us: nothing more is told."""
        self.refuse(Ending(Cause.HANGUP, 487))
        self._state = _State.IDLE
        self._subscribed = False

    def woken(self, timer: str) -> None:
        """Answer a REFER that nobody has decided upon."""
        self.refuse(Ending(Cause.REJECTED, 480))

    # --- parts --------------------------------------------------------------------------------------------

    def _decided(self) -> Transaction | None:
        transaction, self._asked = self._asked, None
        self._core.let_sleep(self, _DECIDE)
        return transaction

    @property
    def _remaining(self) -> int:
        return max(1, round(self._expires_at - self._core.now))

    def _tell(self, status: int) -> None:
        if not self._subscribed:
            return
        if status >= 200:
            self._notify("terminated;reason=noresource")
            self._subscribed = False
        elif self._notifying is not None:
            self._news = True
        else:
            self._notify(f"active;expires={self._remaining}")

    def _notify(self, state: str) -> None:
        event, status = self._event, self._last_status
        self._next_hop.run(lambda flow: self._send(event, state, status, flow))

    def _send(self, event: str, state: str, status: int, flow: Flow) -> None:
        request = self._dialog.request("NOTIFY", self._core.config.name)
        headers = request.headers
        headers.add("Event", event)
        headers.add("Subscription-State", state)
        headers.add("Content-Type", SIPFRAG)
        request.body = f"SIP/2.0 {status} {reason_phrase(status)}\r\n".encode()
        self._notifying = self._core.begin(self, request, flow, pinned=self._dialog.pinned)

    def _answer(self, transaction: Transaction, status: int, *extra: tuple[str, str]) -> None:
        contact = self._dialog.contact if status < 300 else None
        response = self._replies.plain(
            transaction.request, status, self._dialog.local_tag, contact=contact, extra=extra
        )
        self._core.respond(transaction, response)
