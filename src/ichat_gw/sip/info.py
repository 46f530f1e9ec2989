"""INFO and MESSAGE inside a session: across the bridge and back (RFC 6086 "legacy" INFO, RFC 3428 section 4).

What one party sends is told to the bridge, and answered as the other party answers it. Their request has no
timer of its own that would end it (RFC 3261 figure 8), so it is answered here if the bridge takes too long.

COMPAT iChat: its MESSAGE is a keep-alive ping and answered at once; nobody is to read it.
"""

from ichat_gw.addressing.sip_grammar import InvalidSyntax
from ichat_gw.call.leg import Info, InfoAnswered
from ichat_gw.errors import GatewayError
from ichat_gw.sip.authentication import CHALLENGES
from ichat_gw.sip.core import Core, TransactionUser
from ichat_gw.sip.dialog import Dialog
from ichat_gw.sip.events import Flow
from ichat_gw.sip.message import Request, Response
from ichat_gw.sip.next_hop import NextHop
from ichat_gw.sip.replies import Replies
from ichat_gw.sip.session import Session
from ichat_gw.sip.transaction import Transaction

METHODS = ("INFO", "MESSAGE")

MAX_BODY = 16_384
"""Bytes in a body that is passed on."""
MAX_PENDING = 8
"""Requests of one party that wait for their answer at one time."""
PATIENCE = 20.0
"""Seconds that the other side may take to answer: less than the 32 after which a sender gives up."""

_NUMBERS_PER_SESSION = 1_000_000
_OURS = frozenset({401, 407, 408, 481, 503})
"""What the other dialog's state is between us and that party; to this party it would say something else."""


class InfoExchange(TransactionUser):
    """Passes INFO and MESSAGE for one dialog."""

    def __init__(self, core: Core, session: Session, dialog: Dialog, next_hop: NextHop) -> None:
        super().__init__(session.session)
        self._core = core
        self._session = session
        self._dialog = dialog
        self._next_hop = next_hop
        self._replies = Replies(core.config.name)
        self._numbers = 0
        self._theirs: dict[int, Transaction] = {}
        """Their requests that wait for the bridge, by the number it knows them by."""
        self._ours: dict[Transaction, int] = {}
        """Our requests that wait for their answer."""
        self._allows: frozenset[str] = frozenset()

    def learn(self, message: Request | Response) -> None:
        """Take from an INVITE or a 2xx to one what the other end understands (its Allow)."""
        try:
            allowed = message.headers.values("Allow")
        except InvalidSyntax:
            return
        if allowed:
            self._allows = frozenset(allowed)

    # --- from the other end -------------------------------------------------------------------------------

    def asked(self, transaction: Transaction, request: Request) -> None:
        """Hear an INFO or a MESSAGE."""
        headers = request.headers
        if self._dialog.pinned and request.method == "MESSAGE":
            self._answer(transaction, 200)
        elif "Info-Package" in headers:
            # RFC 6086 section 4.2.2: we have told of no package that we would take.
            self._answer(transaction, 469, ("Recv-Info", ""))
        elif (headers.get("Content-Encoding") or "identity").lower() != "identity":
            self._answer(transaction, 415, ("Accept-Encoding", "identity"))
        elif len(request.body) > MAX_BODY:
            self._answer(transaction, 413)
        elif len(self._theirs) >= MAX_PENDING:
            self._answer(transaction, 500, ("Retry-After", "1"))
        else:
            self._numbers += 1
            number = self._session.number * _NUMBERS_PER_SESSION + self._numbers
            self._theirs[number] = transaction
            self._core.wake(self, str(number), PATIENCE)
            kind = headers.get("Content-Type") or ""
            self._session.say(Info(number, request.method, kind if request.body else "", request.body))

    def answered(self, answer: InfoAnswered) -> None:
        """Answer theirs as the other party did."""
        transaction = self._theirs.pop(answer.number, None)
        if transaction is None:
            return
        self._core.let_sleep(self, str(answer.number))
        accept = (("Accept", "application/sdp"),) if answer.status == 415 else ()
        self._answer(transaction, answer.status, *accept)

    def woken(self, timer: str) -> None:
        """Answer what the other side has left unanswered."""
        self.answered(InfoAnswered(int(timer), 504))

    # --- to the other end ---------------------------------------------------------------------------------

    def send(self, info: Info) -> None:
        """Pass on what the other party has sent, if this one understands it."""
        if info.method not in self._allows:
            self._session.say(InfoAnswered(info.number, not_taken(info)))
        else:
            self._next_hop.run(lambda flow: self._send(info, flow))

    def _send(self, info: Info, flow: Flow) -> None:
        request = self._dialog.request(info.method, self._core.config.name)
        if info.body:
            request.headers.add("Content-Type", info.content_type)
            request.body = info.body
        try:
            transaction = self._core.begin(self, request, flow, pinned=self._dialog.pinned)
        except GatewayError:
            # Its Content-Type cannot be written.
            self._session.say(InfoAnswered(info.number, 415))
        else:
            self._ours[transaction] = info.number

    def told(self, transaction: Transaction, response: Response) -> None:
        """Hear the answer to ours; one that asks for a password may get it."""
        again = None
        if response.status in CHALLENGES and transaction in self._ours:
            again = self._session.challenged(transaction, response, self)
        if again is not None:
            self._ours[again] = self._ours.pop(transaction)
        elif response.status >= 200:
            status = response.status
            self._say_answer(transaction, 500 if status in _OURS or 300 <= status < 400 else status)

    def failed(self, transaction: Transaction, status: int, text: str) -> None:
        """Hear that there will be none."""
        self._say_answer(transaction, 500)

    def _say_answer(self, transaction: Transaction, status: int) -> None:
        number = self._ours.pop(transaction, None)
        if number is not None:
            self._session.say(InfoAnswered(number, status))

    # --- both ---------------------------------------------------------------------------------------------

    def close(self) -> None:
        """The session ends: what is open of theirs has no call any more."""
        for number in list(self._theirs):
            self.answered(InfoAnswered(number, 481))
        self._ours.clear()

    def _answer(self, transaction: Transaction, status: int, *extra: tuple[str, str]) -> None:
        contact = self._dialog.contact if status < 300 else None
        response = self._replies.plain(
            transaction.request, status, self._dialog.local_tag, contact=contact, extra=extra
        )
        self._core.respond(transaction, response)


def not_taken(info: Info) -> int:
    """What the sender of what nobody takes is told: 200 if it has no body and only asks whether we live."""
    return 415 if info.body else 200
