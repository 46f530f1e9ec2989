"""The transaction layer: matches messages to transactions and runs the tables of `transaction_table`.

Pure: messages, the user's words and the time go in; what is to be sent and told comes out, in order.
The layer never decides what a request means; that is its user's business (`ichat_gw.sip.core`).
"""

from dataclasses import dataclass
from typing import TypeAlias

from ichat_gw.clock import Timers
from ichat_gw.sip.events import Flow, Send, SessionId
from ichat_gw.sip.message import Headers, Request, Response, stamp_via
from ichat_gw.sip.transaction_table import (
    REPEATING,
    RUNNING,
    TABLES,
    Do,
    Input,
    Kind,
    State,
    Timer,
    TransactionTimes,
)

MAGIC_COOKIE = "z9hG4bK"
"""How every branch made by RFC 3261 begins (section 8.1.1.7)."""

DEFAULT_PORT = 5060

LARGE = 1300
"""Bytes. A larger request may not fit into one packet (RFC 3261 section 18.1.1)."""

Key: TypeAlias = tuple[str | int | None, ...]


class Transaction:
    """One transaction. Made by the layer; its user may read everything and set `user` and `session`."""

    __slots__ = (
        "data",
        "fallback",
        "flow",
        "key",
        "kind",
        "patient",
        "request",
        "response",
        "session",
        "state",
        "user",
        "waits",
    )

    def __init__(self, kind: Kind, key: Key, request: Request, flow: Flow) -> None:
        self.kind = kind
        self.key = key
        self.request = request
        """The request that began it."""
        self.flow = flow
        """Where requests (client) or responses (server) are sent."""
        self.fallback: Flow | None = None
        """The flow to use instead if nobody takes the request there; None: there is no other."""
        self.state = State.NEW
        self.data = b""
        """The request (client) or the latest response (server) as bytes, to be sent again."""
        self.response: Response | None = None
        """The latest response: received (client) or given (server)."""
        self.waits: dict[Timer, float] = {}
        """Running timers, and how long each of them waits at the moment."""
        self.patient = False
        """Bear transport errors, and repeat the request until timer B or F."""
        self.user: object | None = None
        """Who is told; the layer does not look at it."""
        self.session: SessionId | None = None
        """The session that the messages belong to, if any."""

    def __repr__(self) -> str:
        return f"<{self.kind.value} transaction, {self.request.method}, {self.state.value}>"

    @property
    def is_client(self) -> bool:
        """Tell whether we asked."""
        return self.kind in (Kind.INVITE_CLIENT, Kind.CLIENT)

    @property
    def finished(self) -> bool:
        """Tell whether the final response has been given or received (or never will be)."""
        return self.state not in (State.NEW, State.CALLING, State.TRYING, State.PROCEEDING)


# --- out --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """A request arrived for the first time; or an ACK to a 2xx, every copy, with or without transaction."""

    transaction: Transaction | None
    request: Request
    flow: Flow


@dataclass(frozen=True, slots=True)
class Told:
    """A response arrived that the user of `transaction` should know."""

    transaction: Transaction
    response: Response


@dataclass(frozen=True, slots=True)
class TimedOut:
    """No response came in time; or no ACK to our 3xx to 6xx."""

    transaction: Transaction


@dataclass(frozen=True, slots=True)
class Failed:
    """The request could not be sent."""

    transaction: Transaction
    text: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The transaction is over and forgotten. Comes exactly once for each, last."""

    transaction: Transaction


@dataclass(frozen=True, slots=True)
class Stray:
    """A response matched nothing we ever asked, or something long over."""

    flow: Flow


LayerOutput: TypeAlias = Send | Asked | Told | TimedOut | Failed | Gone | Stray


class TransactionLayer:
    """All transactions of one user agent. `len` tells how many there are."""

    def __init__(self, times: TransactionTimes) -> None:
        self._times = times
        self._clients: dict[Key, Transaction] = {}
        self._servers: dict[Key, Transaction] = {}
        self._clients_of: dict[Flow, set[Transaction]] = {}
        self._first_copies: dict[Key, Transaction] = {}
        self._timers: Timers[tuple[Transaction, Timer]] = Timers()
        self._unanswered = 0

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    @property
    def running_timers(self) -> int:
        """How many timers are set."""
        return len(self._timers)

    @property
    def unanswered(self) -> int:
        """How many requests of ours still wait for their final response."""
        return self._unanswered

    # --- the user's side ----------------------------------------------------------------------------------

    def begin(
        self,
        request: Request,
        flow: Flow,
        user: object,
        session: SessionId | None,
        now: float,
        patient: bool = False,
        large: Flow | None = None,
    ) -> tuple[Transaction, list[LayerOutput]]:
        """Send a request in a client transaction of its own. Its top Via has a branch never used before.

        A `patient` one bears transport errors. `large` is the flow to try first if the request has more
        than `LARGE` bytes (RFC 3261 section 18.1.1). Raises UnsafeHeader when it cannot be written.
        """
        kind = Kind.INVITE_CLIENT if request.method == "INVITE" else Kind.CLIENT
        data = request.to_bytes()
        fallback = None
        if large is not None and len(data) > LARGE:
            fallback, flow = flow, large
            _change_transport(request, flow.transport)
            data = request.to_bytes()
        via = request.via
        transaction = Transaction(kind, (via.branch, request.method), request, flow)
        transaction.user, transaction.session, transaction.patient = user, session, patient
        transaction.data, transaction.fallback = data, fallback
        self._clients[transaction.key] = transaction
        self._clients_of.setdefault(flow, set()).add(transaction)
        self._unanswered += 1
        return transaction, self._step(transaction, Input.BEGIN, now)

    def respond(self, transaction: Transaction, response: Response, now: float) -> list[LayerOutput]:
        """Answer in a server transaction. A response for which it is too late is not sent.

        Raises UnsafeHeader when the response cannot be written.
        """
        said = _class_of(response.status, Input.SAY_1XX, Input.SAY_2XX, Input.SAY_3XX)
        row = TABLES[transaction.kind].get((transaction.state, said))
        if row is None or Do.SEND not in row[1]:
            return []
        if transaction.response is not response:
            transaction.data = response.to_bytes()
            transaction.response = response
        return self._step(transaction, said, now)

    def abandon(self, transaction: Transaction) -> list[LayerOutput]:
        """Forget a transaction for which nobody waits any longer."""
        if transaction.state is State.TERMINATED:
            return []
        self._enter(transaction, State.TERMINATED, 0.0)
        return [Gone(transaction)]

    def cancelled_by(self, cancel: Request) -> Transaction | None:
        """Find the INVITE server transaction that a CANCEL is about (RFC 3261 section 9.2)."""
        return self._servers.get(_server_key(cancel, "INVITE"))

    def knows(self, request: Request) -> bool:
        """Tell whether a request has come before, or is the CANCEL of one that has."""
        keys = (request.method, "INVITE") if request.method == "CANCEL" else (request.method,)
        return any(_server_key(request, method) in self._servers for method in keys)

    def is_merged(self, transaction: Transaction) -> bool:
        """Tell whether its request came here before by another path (RFC 3261 section 8.2.2.2: 482)."""
        return self._first_copies.get(_copy_key(transaction.request), transaction) is not transaction

    # --- the network's side -------------------------------------------------------------------------------

    def receive(self, message: Request | Response, flow: Flow, now: float) -> list[LayerOutput]:
        """Take in a message; its top Via is stamped with where it came from."""
        if isinstance(message, Response):
            return self._receive_response(message, flow, now)
        return self._receive_request(message, flow, now)

    def send_failed(self, flow: Flow, text: str, now: float) -> list[LayerOutput]:
        """Fail the client transactions that are trying to reach the other end of `flow`."""
        outputs: list[LayerOutput] = []
        for transaction in list(self._clients_of.get(flow, ())):
            if transaction.fallback is not None and not transaction.finished and not transaction.response:
                outputs.append(self._fall_back(transaction, transaction.fallback, now))
            elif not transaction.patient:
                outputs += self._step(transaction, Input.ERROR, now, text=text)
        return outputs

    def _fall_back(self, transaction: Transaction, flow: Flow, now: float) -> Send:
        """Go on over another transport as if this one had been meant from the beginning (section 18.1.1).

        Nobody has seen the request yet, so it keeps its branch.
        """
        self._leave_flow(transaction)
        transaction.flow, transaction.fallback = flow, None
        self._clients_of.setdefault(flow, set()).add(transaction)
        _change_transport(transaction.request, flow.transport)
        transaction.data = transaction.request.to_bytes()
        self._start_timers(transaction, now)
        return Send(transaction.data, flow, transaction.session)

    def deadline(self) -> float | None:
        """When the earliest timer is due."""
        return self._timers.deadline()

    def expire(self, now: float) -> list[LayerOutput]:
        """Let the timers fire whose time has come."""
        outputs: list[LayerOutput] = []
        for transaction, timer in self._timers.due(now):
            # A timer that fired a moment ago in this loop may have ended the transaction of this one.
            last = transaction.waits.pop(timer, None)
            if last is None:
                continue
            outputs += self._step(transaction, timer, now)
            if timer in REPEATING and transaction.state is not State.TERMINATED:
                again = self._times.again(timer, last, transaction.state)
                transaction.waits[timer] = again
                self._timers.set((transaction, timer), now + again)
        return outputs

    def _receive_response(self, response: Response, flow: Flow, now: float) -> list[LayerOutput]:
        via = response.via
        transaction = self._clients.get((via.branch, response.cseq.method))
        # RFC 3261 section 18.1.2: only what carries our own sent-by, and 8.1.3.3: nobody else's below it.
        vias = response.headers.get_all("Via")
        if transaction is None or len(vias) != 1 or "," in vias[0]:
            return [Stray(flow)]
        ours = transaction.request.via
        if (via.host.lower(), via.port) != (ours.host.lower(), ours.port):
            return [Stray(flow)]
        got = _class_of(response.status, Input.GET_1XX, Input.GET_2XX, Input.GET_3XX)
        return self._step(transaction, got, now, response)

    def _receive_request(self, request: Request, flow: Flow, now: float) -> list[LayerOutput]:
        is_ack = request.method == "ACK"
        key = _server_key(request, "INVITE" if is_ack else request.method)
        transaction = self._servers.get(key)
        if is_ack:
            if transaction is None or not _is_acknowledged_by(transaction, request):
                return [Asked(None, request, flow)]
            return self._step(transaction, Input.ACK, now, request, flow)
        if transaction is None:
            stamp_via(request, *flow.remote)
            kind = Kind.INVITE_SERVER if request.method == "INVITE" else Kind.SERVER
            transaction = Transaction(kind, key, request, reply_flow(request, flow))
            self._servers[key] = transaction
            if request.to.tag is None:
                self._first_copies.setdefault(_copy_key(request), transaction)
        return self._step(transaction, Input.REQUEST, now, request, flow)

    # --- the machine --------------------------------------------------------------------------------------

    def _step(
        self,
        transaction: Transaction,
        what: Input | Timer,
        now: float,
        message: Request | Response | None = None,
        flow: Flow | None = None,
        text: str = "",
    ) -> list[LayerOutput]:
        state, actions = TABLES[transaction.kind][transaction.state, what]
        if isinstance(message, Response):
            transaction.response = message
        if state is not transaction.state:
            self._enter(transaction, state, now)
        outputs: list[LayerOutput] = []
        for action in actions:
            match action:
                case Do.SEND:
                    # A repeated request can arrive before its user has answered anything.
                    if transaction.data:
                        outputs.append(Send(transaction.data, transaction.flow, transaction.session))
                case Do.ACK:
                    assert isinstance(message, Response)
                    ack = ack_for(transaction.request, message)
                    outputs.append(Send(ack.to_bytes(), transaction.flow, transaction.session))
                case Do.TELL if isinstance(message, Response):
                    outputs.append(Told(transaction, message))
                case Do.TELL:
                    assert isinstance(message, Request)
                    assert flow is not None
                    outputs.append(Asked(transaction, message, flow))
                case Do.TIMEOUT:
                    outputs.append(TimedOut(transaction))
                case _:  # Do.FAIL
                    outputs.append(Failed(transaction, text))
        if state is State.TERMINATED:
            outputs.append(Gone(transaction))
        return outputs

    def _enter(self, transaction: Transaction, state: State, now: float) -> None:
        was_finished = transaction.finished
        transaction.state = state
        if transaction.is_client and transaction.finished and not was_finished:
            self._unanswered -= 1
        running = RUNNING.get((transaction.kind, state), ())
        for timer in [timer for timer in transaction.waits if timer not in running]:
            del transaction.waits[timer]
            self._timers.clear((transaction, timer))
        self._start_timers(transaction, now)
        if state is State.TERMINATED:
            self._forget(transaction)

    def _start_timers(self, transaction: Transaction, now: float) -> None:
        """Start those that belong to the state and do not run yet."""
        for timer in RUNNING.get((transaction.kind, transaction.state), ()):
            wait = self._times.first(timer, transaction.flow.transport != "UDP")
            if timer not in transaction.waits and wait is not None:
                transaction.waits[timer] = wait
                self._timers.set((transaction, timer), now + wait)

    def _forget(self, transaction: Transaction) -> None:
        if not transaction.is_client:
            del self._servers[transaction.key]
            copy = _copy_key(transaction.request)
            if self._first_copies.get(copy) is transaction:
                del self._first_copies[copy]
            return
        del self._clients[transaction.key]
        self._leave_flow(transaction)

    def _leave_flow(self, transaction: Transaction) -> None:
        others = self._clients_of[transaction.flow]
        others.discard(transaction)
        if not others:
            del self._clients_of[transaction.flow]


# --- matching ---------------------------------------------------------------------------------------------


def _class_of(status: int, provisional: Input, success: Input, failure: Input) -> Input:
    if status < 200:
        return provisional
    return success if status < 300 else failure


def _server_key(request: Request, method: str) -> Key:
    """What tells one server transaction from another (RFC 3261 section 17.2.3)."""
    via = request.via
    branch = via.branch
    if branch and branch.startswith(MAGIC_COOKIE) and len(branch) > len(MAGIC_COOKIE):
        return (branch, via.host.lower(), via.port or DEFAULT_PORT, method)
    # RFC 2543, which had no branch to rely on. The To tag is left out: an ACK has that of the response,
    # not that of the INVITE (see `_is_acknowledged_by`). `received` and the port behind `rport` are ours.
    params = [(name, value) for name, value in via.params if name.lower() not in ("received", "rport")]
    return (
        "",
        request.uri,
        request.from_.tag,
        request.call_id,
        request.cseq.number,
        via.transport,
        via.host.lower(),
        via.port,
        str(params),
        method,
    )


def _copy_key(request: Request) -> Key:
    """What all copies of a request outside a dialog have in common, whichever path they took."""
    return (request.from_.tag, request.call_id, request.cseq.number, request.method)


def _is_acknowledged_by(transaction: Transaction, ack: Request) -> bool:
    """Tell whether an ACK with the right key is meant: by RFC 2543 the To tag has to fit as well."""
    if transaction.key[0] or transaction.response is None:
        return True
    return ack.to.tag == transaction.response.to.tag


def reply_flow(request: Request, flow: Flow) -> Flow:
    """Where the responses to a request go (RFC 3261 section 18.2.2, RFC 3581 section 4).

    Always to the address that it came from; `maddr` would let a stranger aim our responses at others.
    """
    if flow.transport != "UDP" or request.via.rport:
        return flow
    return Flow(flow.transport, flow.local, (flow.remote[0], request.via.port or DEFAULT_PORT))


def _change_transport(request: Request, transport: str) -> None:
    """Write another transport into the top Via, which is ours."""
    _, _, rest = (request.headers.get("Via") or "").partition(" ")
    request.headers.replace_first("Via", f"SIP/2.0/{transport} {rest}")


# --- the requests that repeat parts of another ------------------------------------------------------------


def ack_for(invite: Request, response: Response) -> Request:
    """Make the ACK to a 3xx to 6xx (RFC 3261 section 17.1.1.3): part of the INVITE's transaction."""
    return _sibling(invite, "ACK", response.headers.get("To") or "")


def cancel_for(invite: Request, user_agent: str) -> Request:
    """Make the CANCEL of an INVITE (RFC 3261 section 9.1)."""
    cancel = _sibling(invite, "CANCEL", invite.headers.get("To") or "")
    cancel.headers.add("User-Agent", user_agent)
    return cancel


def _sibling(invite: Request, method: str, to: str) -> Request:
    """Make the request that shares the INVITE's branch, Request-URI, Route, identities and number."""
    headers = Headers()
    headers.add("Via", invite.headers.get("Via") or "")
    headers.add("Max-Forwards", "70")
    for route in invite.headers.get_all("Route"):
        headers.add("Route", route)
    headers.add("To", to)
    headers.add("From", invite.headers.get("From") or "")
    headers.add("Call-ID", invite.call_id)
    headers.add("CSeq", f"{invite.cseq.number} {method}")
    return Request(method, invite.uri, headers)
