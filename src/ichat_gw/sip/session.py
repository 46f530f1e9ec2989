"""What both kinds of INVITE session share: a session is one leg of a call.

`ServerSession` (somebody calls us) and `ClientSession` (we call somebody) bring the dialog about. From
the 2xx on an `InviteUsage` runs it. The bridge speaks through `command`, the session through `say`.
"""

from abc import ABC, abstractmethod

from ichat_gw.call.leg import Ended, LegCommand, LegEvent, Refused
from ichat_gw.sip.core import Core, TransactionUser
from ichat_gw.sip.events import FromSession, SessionGone, SessionId
from ichat_gw.sip.message import Request, Response
from ichat_gw.sip.transaction import Transaction


class Session(TransactionUser, ABC):
    """Base of the two kinds of sessions."""

    def __init__(self, core: Core, session: SessionId, call_id: str, local_tag: str) -> None:
        super().__init__(session)
        self.core = core
        self.number = session
        self.call_id = call_id
        self.local_tag = local_tag
        self.over = False
        """The bridge has been told, or has told us, that this leg is over: say nothing more."""
        self.gone = False
        """Nothing is left: no transaction, no timer."""

    @property
    @abstractmethod
    def remote(self) -> str:
        """The IP address of the other end, as far as known; ""."""

    @property
    @abstractmethod
    def owes_bye(self) -> bool:
        """Whether the session has still to say BYE, when it may."""

    @abstractmethod
    def command(self, command: LegCommand) -> None:
        """Do what the bridge says; what comes too late or does not fit is ignored."""

    @abstractmethod
    def asked(self, transaction: Transaction, request: Request) -> None:
        """Answer a request inside the dialog; the transaction is this session's already."""

    @abstractmethod
    def is_established_with(self, remote_tag: str) -> bool | None:
        """Whether the dialog with that tag of the other end has had its 2xx; None: no such dialog."""

    @abstractmethod
    def acknowledged(self, ack: Request) -> None:
        """Hear an ACK to one of our 2xx."""

    def cancelled(self, transaction: Transaction, cancel: Request) -> None:
        """Hear that a CANCEL came for a request of this session; it has been answered."""

    def rings_at(self, remote_tag: str) -> bool:
        """Whether this is a call of ours that rings, and can be picked up, in the dialog with that tag."""
        return False

    def challenged(
        self, transaction: Transaction, response: Response, user: TransactionUser
    ) -> Transaction | None:
        """Send a request of `user` in the dialog again, with the password that the response asks for.

        None: it may not have one. Only who calls has credentials for whom it calls.
        """
        return None

    def has_sent(self, invite: Request) -> bool:
        """Tell whether this INVITE, which bears our tag in From, goes where we sent it."""
        return False

    def say(self, event: LegEvent) -> None:
        """Tell the bridge, unless the leg is over."""
        if not self.over:
            self.over = isinstance(event, Ended | Refused)
            self.core.tell(FromSession(self.number, event))

    def settle(self) -> None:
        """Notice that nothing is left."""
        if self.over and not self.live and not self.waking and not self.gone:
            self.gone = True
            self.core.tell(SessionGone(self.number))

    def let_go(self) -> None:
        """Forget all that only one kind of session has, when it is gone.

        Its parts refer back to it. As a cycle they would wait for the garbage collector, which comes seldom:
        for thousands of calls.
        """
        own = vars(self)
        for name in own.keys() - _OF_ALL:
            del own[name]


_OF_ALL = frozenset({"call_id", "core", "gone", "live", "local_tag", "number", "over", "session", "waking"})
"""What a session that is gone still has, for parts whose last request is not answered yet."""
