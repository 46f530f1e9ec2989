"""What the parts of the user agent share: the transaction layer below them, timers, look-ups, the outbox.

RFC 3261 calls whoever is above the transaction layer a transaction user (TU). Ours are INVITE sessions
and registrations. Each derives from `TransactionUser` and is told through its methods what happens; it
acts through the one `Core`, which puts the results in the order in which they happened.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from ichat_gw.clock import Timers
from ichat_gw.sip.authentication import Trust
from ichat_gw.sip.avoided import Avoided
from ichat_gw.sip.dialog import sip_host
from ichat_gw.sip.events import Flow, Lookup, Resolved, Send, SessionId, UserAgentCommand
from ichat_gw.sip.message import MAX_MESSAGE, Request, Response
from ichat_gw.sip.targets import Targets
from ichat_gw.sip.transaction import (
    MAGIC_COOKIE,
    Failed,
    Gone,
    LayerOutput,
    TimedOut,
    Told,
    Transaction,
    TransactionLayer,
)
from ichat_gw.sip.transaction_table import TransactionTimes


@dataclass(frozen=True, slots=True)
class UserAgentConfig:
    """What an operator decides about the user agent. Times are in seconds."""

    name: str = "ichat-gw"
    """Written into User-Agent."""
    outbound_proxy: str | None = None
    """A SIP URI that requests outside a dialog go through, unless they go to iChat itself."""
    keep_alives: bool = True
    """Send a double CRLF on the flows that registrations use, and on the connections of calls."""
    keep_alive_time: float = 30.0
    """Between keep-alives over UDP, where they keep a NAT's mapping."""
    stream_keep_alive_time: float = 180.0
    """Between keep-alives over TCP and TLS, where they keep a connection from being idle."""
    registration_time: int = 3600
    """Asked for in REGISTER; 0: nobody is registered."""
    registration_retry_time: float = 120.0
    """At most so long after a failure a registration is tried again."""
    registrations_at_once: int = 100
    """REGISTER requests waiting for their response at one time; more wait for their turn."""
    registrar_checks: bool = True
    """Ask each registrar now and then whether it remembers us."""
    session_expires: int = 1800
    """Asked for in Session-Expires (RFC 4028); 0: no session timer unless the other end wants one."""
    max_sessions: int = 2000
    """INVITE sessions at one time, of both directions, those included that are fading out; more get 503."""
    longest_message: int = MAX_MESSAGE
    """Bytes; a longer request gets 513."""
    takes_pages: bool = False
    """Take MESSAGE outside a dialog (RFC 3428)."""
    trust: Trust = field(default_factory=Trust)
    """Passwords, and who may ask for them."""
    times: TransactionTimes = field(default_factory=TransactionTimes)


class TransactionUser:
    """Base of sessions and registrations: what the core tells them, and what is still outstanding."""

    def __init__(self, session: SessionId | None) -> None:
        self.session = session
        self.live = 0
        """Transactions that are not gone."""
        self.waking: set[str] = set()
        """Timers that are set."""

    def told(self, transaction: Transaction, response: Response) -> None:
        """Hear a response."""

    def failed(self, transaction: Transaction, status: int, text: str) -> None:
        """Hear that no response will come: 408 nobody answered, 503 it could not be sent."""

    def woken(self, timer: str) -> None:
        """Hear that a timer set with `Core.wake` is due."""

    def settle(self) -> None:
        """Look whether there is anything left to do; called after everything that may have changed it."""


class Core:
    """The outbox, the clock and the transaction layer, for one call of `receive` or `expire` at a time."""

    def __init__(
        self,
        config: UserAgentConfig,
        token: Callable[[], str],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.config = config
        self.times = config.times
        self.token = token
        self.chance = chance
        """Gives numbers from 0 to 1, for waits that must not be the same at both ends."""
        self.layer = TransactionLayer(config.times)
        self.out: list[UserAgentCommand] = []
        self.now = 0.0
        self.timers: Timers[tuple[TransactionUser, str]] = Timers()
        self.avoided = Avoided()
        self.targets = Targets()
        self._lookups: dict[int, tuple[TransactionUser, Callable[[Resolved], None]]] = {}
        self._lookup_number = 0

    # --- messages -----------------------------------------------------------------------------------------

    def begin(
        self,
        user: TransactionUser,
        request: Request,
        flow: Flow,
        patient: bool = False,
        pinned: bool = False,
    ) -> Transaction:
        """Send a request of ours in a new client transaction, which bears transport errors if `patient`.

        A CANCEL brings the Via of its INVITE; to every other request one is added. What is too large for
        UDP goes by TCP where that is possible (RFC 3261 section 18.1.1), unless it is `pinned` to its flow.
        Raises UnsafeHeader.
        """
        large = None
        if "Via" not in request.headers:
            self._add_via(request, flow)
            large = None if pinned else self._for_large(flow)
        transaction, outputs = self.layer.begin(request, flow, user, user.session, self.now, patient, large)
        user.live += 1
        self.pass_on(outputs)
        return transaction

    def _for_large(self, flow: Flow) -> Flow | None:
        """The flow to the same place for what is too large for this one; None: there is none."""
        if flow.transport != "UDP":
            return None
        tcp = replace(flow, transport="TCP")
        return None if self.avoided.holds(tcp, self.now) else tcp

    def send_ack(self, user: TransactionUser, ack: Request, flow: Flow) -> bytes:
        """Send the ACK to a 2xx, which has no transaction, and return it for sending again."""
        self._add_via(ack, flow)
        data = ack.to_bytes()
        self.send(data, flow, user.session)
        return data

    def _add_via(self, request: Request, flow: Flow) -> None:
        host, port = flow.local
        branch = MAGIC_COOKIE + self.token()
        # RFC 5923: they may send their own requests on the connection on which we proved who we are.
        alias = ";alias" if flow.transport == "TLS" else ""
        request.headers.prepend(
            "Via", f"SIP/2.0/{flow.transport} {sip_host(host)}:{port};branch={branch};rport{alias}"
        )

    def adopt(self, user: TransactionUser, transaction: Transaction) -> None:
        """Make `user` the one who answers in this server transaction."""
        transaction.user, transaction.session = user, user.session
        user.live += 1

    def respond(self, transaction: Transaction, response: Response) -> None:
        """Answer a request. A response that comes too late is not sent."""
        self.pass_on(self.layer.respond(transaction, response, self.now))

    def send(self, data: bytes, flow: Flow, session: SessionId | None) -> None:
        """Put bytes on the wire without a transaction."""
        self.out.append(Send(data, flow, session))

    def tell(self, command: UserAgentCommand) -> None:
        """Say something to whoever owns the user agent."""
        self.out.append(command)

    # --- time and names -----------------------------------------------------------------------------------

    def wake(self, user: TransactionUser, timer: str, seconds: float) -> None:
        """Call `user.woken(timer)` in so many seconds, and not at the time set before."""
        user.waking.add(timer)
        self.timers.set((user, timer), self.now + seconds)

    def let_sleep(self, user: TransactionUser, timer: str) -> None:
        """Do not call `user.woken(timer)`."""
        user.waking.discard(timer)
        self.timers.clear((user, timer))

    @property
    def lookups(self) -> int:
        """How many look-ups are under way."""
        return len(self._lookups)

    def lookup(self, user: TransactionUser, uri: str, then: Callable[[Resolved], None]) -> None:
        """Find the flows for a URI and call `then`, also when nobody answers the look-up in 64*T1."""
        self._lookup_number += 1
        number = self._lookup_number
        self._lookups[number] = (user, then)
        self.wake(user, f"{_LOOKUP}{number}", self.times.give_up)
        self.out.append(Lookup(number, uri))

    def resolved(self, event: Resolved) -> None:
        """Take in the answer to a look-up; a second one for the same look-up is ignored."""
        user, then = self._lookups.pop(event.lookup, (None, None))
        if user is not None and then is not None:
            self.let_sleep(user, f"{_LOOKUP}{event.lookup}")
            then(replace(event, flows=self.avoided.last(event.flows, self.now)))
            user.settle()

    def expire(self) -> None:
        """Let everything happen whose time has come."""
        self.pass_on(self.layer.expire(self.now))
        for user, timer in self.timers.due(self.now):
            # An earlier one of these may have made this one pointless.
            if timer in user.waking:
                user.waking.discard(timer)
                if timer.startswith(_LOOKUP):
                    number = int(timer.removeprefix(_LOOKUP))
                    self.resolved(Resolved(number, (), "the name was not resolved in time"))
                else:
                    user.woken(timer)
                    user.settle()

    def deadline(self) -> float | None:
        """When the next timer is due, here or in the transaction layer."""
        times = [time for time in (self.layer.deadline(), self.timers.deadline()) if time is not None]
        return min(times, default=None)

    def forget(self, user: TransactionUser) -> None:
        """Drop the timers and look-ups of a user that waits for nothing any more."""
        for timer in tuple(user.waking):
            self.let_sleep(user, timer)
            if timer.startswith(_LOOKUP):
                del self._lookups[int(timer.removeprefix(_LOOKUP))]

    def send_failed(self, flow: Flow, text: str) -> None:
        """Fail what is on its way to the other end of `flow`, and go there last from now on."""
        outputs = self.layer.send_failed(flow, text, self.now)
        if outputs or flow.transport != "UDP":
            self._failed(flow)
        self.pass_on(outputs)

    def _failed(self, flow: Flow) -> None:
        self.avoided.failed(flow, self.now)
        self.targets.failed(flow, self.now)

    # --- from the transaction layer -----------------------------------------------------------------------

    def pass_on(self, outputs: Iterable[LayerOutput]) -> None:
        """Give what the transaction layer says to those whom it concerns.

        `Asked` and `Stray` concern the user agent itself, which has taken them out.
        """
        for output in outputs:
            match output:
                case Send():
                    self.out.append(output)
                case Told(transaction, response):
                    if response.status == 503:
                        self._failed(transaction.flow)
                    else:
                        self.avoided.answered(transaction.flow)
                        self.targets.answered(transaction.flow, self.now)
                    _user_of(transaction).told(transaction, response)
                case TimedOut(transaction):
                    if transaction.is_client and transaction.response is None:
                        self._failed(transaction.flow)
                    _user_of(transaction).failed(transaction, 408, "no response in time")
                case Failed(transaction, text):
                    _user_of(transaction).failed(transaction, 503, text)
                case Gone(transaction):
                    user = _user_of(transaction)
                    user.live -= 1
                    user.settle()


_LOOKUP = "look-up "


def _user_of(transaction: Transaction) -> TransactionUser:
    assert isinstance(transaction.user, TransactionUser)
    return transaction.user
