"""The SIP user agent: one pure machine that turns datagrams into legs of calls, and back.

It owns the sessions and the registrations. What arrives goes through the transaction layer, which
absorbs repetitions; what is left is matched to a session by Call-ID and our tag, or opens one, or is
answered here.
"""

import hashlib
import random
from collections.abc import Callable, Iterable
from enum import Enum

from ichat_gw.addressing.sip_grammar import InvalidSyntax
from ichat_gw.call.leg import Place
from ichat_gw.sip.core import Core, TransactionUser, UserAgentConfig
from ichat_gw.sip.events import (
    Dropped,
    Flow,
    PageAnswered,
    Received,
    Resolved,
    SendFailed,
    SendPage,
    SessionGone,
    SessionId,
    StartRegistration,
    StopRegistration,
    ToSession,
    UserAgentCommand,
    UserAgentEvent,
)
from ichat_gw.sip.invite_client import ClientSession
from ichat_gw.sip.invite_server import ServerSession
from ichat_gw.sip.message import MalformedMessage, NotSip, Request, Response, is_keep_alive, parse, stamp_via
from ichat_gw.sip.pager_client import PagerClient
from ichat_gw.sip.pager_server import PagerServer
from ichat_gw.sip.refer import Replaces
from ichat_gw.sip.registrations import Registrations
from ichat_gw.sip.replies import RETRY_AFTER, Replies
from ichat_gw.sip.session import Session
from ichat_gw.sip.targets import Target
from ichat_gw.sip.transaction import Asked, LayerOutput, Stray, Transaction, reply_flow

__all__ = ["UserAgent", "UserAgentConfig"]

MAX_PAGES = 1_000
"""Pages that may be on their way to others at one time; more fail with 503."""


class Verdict(Enum):
    """What becomes of a request that would begin something."""

    TAKE = "it is taken"
    BUSY = "it gets 503 with Retry-After (RFC 3261 section 21.5.4), or, if it is malformed, nothing"
    IGNORE = "it gets no answer at all"


class UserAgent:
    """All SIP sessions and registrations of one gateway.

    `token` gives texts that nobody can guess and that never come twice, of letters and digits, at least
    64 bits: branches, tags and Call-IDs are made of them. `chance` gives numbers from 0 to 1 that spread
    what would otherwise happen all at once.

    A session is opened by an INVITE (`InviteReceived` names it) or by the owner, who sends `ToSession`
    with a number from `new_session` and a `Place`.
    """

    def __init__(
        self,
        config: UserAgentConfig,
        token: Callable[[], str],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._core = Core(config, token, chance)
        self._replies = Replies(config.name, takes_pages=config.takes_pages)
        self._sessions: dict[SessionId, Session] = {}
        self._by_dialog: dict[tuple[str, str], Session] = {}
        self._by_call_id: dict[str, Session] = {}
        self._next_session = 1
        self._nobody = TransactionUser(None)
        self._registrations = Registrations(self._core, chance)
        self._pager = PagerServer(self._core, self._replies)
        self._pages: dict[tuple[str, str], PagerClient] = {}
        """Those on their way, by Call-ID and our tag."""
        self._salt = token().encode()
        self.admit: Callable[[str, Flow], Verdict] = lambda method, flow: Verdict.TAKE
        """Asked, before anything is kept of it, about each request that belongs to nothing we know (its
        method and flow): what becomes of it."""
        self.heard: SessionId | None = None
        """The session that the latest `Received` belonged to, if any: for traces."""

    # --- the three verbs ----------------------------------------------------------------------------------

    def receive(self, event: UserAgentEvent, now: float) -> list[UserAgentCommand]:
        """Take in one event; return what is to be done, in order. Never raises for what others sent."""
        core = self._core
        core.now = now
        match event:
            case Received(data, flow):
                self._receive(data, flow)
            case SendFailed(flow, text):
                core.send_failed(flow, text)
            case Resolved():
                core.resolved(event)
            case ToSession(number, Place() as place):
                self._place(number, place)
            case ToSession(number, command):
                if (session := self._sessions.get(number)) is not None:
                    session.command(command)
                    session.settle()
            case StartRegistration(aor):
                self._registrations.start(aor)
            case StopRegistration(aor):
                self._registrations.stop(aor)
            case SendPage():
                self._send_page(event)
            case _:  # AnswerPage
                self._pager.answer(event)
        return self._drain()

    def deadline(self) -> float | None:
        """When `expire` next has something to do, or None."""
        return self._core.deadline()

    def expire(self, now: float) -> list[UserAgentCommand]:
        """Do what is due."""
        self._core.now = now
        self._core.expire()
        return self._drain()

    @property
    def config(self) -> UserAgentConfig:
        """The configuration in force."""
        return self._core.config

    @property
    def targets(self) -> Iterable[Target]:
        """Whom we have sent requests to lately, and whether they answered."""
        return self._core.targets

    def reconfigure(self, config: UserAgentConfig, now: float) -> list[UserAgentCommand]:
        """Go by another configuration from now on; calls that are up go on as they began.

        Registrations that it makes stale are renewed. `name`, `times` and `max_sessions` count for what is
        new.
        """
        self._core.now = now
        before, self._core.config = self._core.config, config
        self._replies.take_pages(config.takes_pages)
        self._registrations.reconfigured(before)
        return self._drain()

    # --- for the owner ------------------------------------------------------------------------------------

    def new_session(self) -> SessionId:
        """Give a number for a session that the owner is about to open with `Place`."""
        number = self._next_session
        self._next_session += 1
        return number

    def session_of(self, call_id: str) -> SessionId | None:
        """Find the session with this Call-ID, for traces."""
        session = self._by_call_id.get(call_id)
        return session.number if session is not None else None

    def remote_of(self, session: SessionId) -> str:
        """The IP address of the other end of a session, as far as known; ""."""
        found = self._sessions.get(session)
        return found.remote if found is not None else ""

    def aor_of(self, request_uri: str) -> str | None:
        """Find the address of record whose registered Contact this Request-URI is."""
        return self._registrations.aor_of(request_uri)

    @property
    def sessions(self) -> int:
        """How many sessions there are, those included that are fading out."""
        return len(self._sessions)

    @property
    def transactions(self) -> int:
        """How many transactions there are."""
        return len(self._core.layer)

    @property
    def running_timers(self) -> int:
        """How many timers are set, look-ups under way included."""
        return self._core.layer.running_timers + len(self._core.timers)

    @property
    def unanswered(self) -> int:
        """How many requests of ours are still to be sent, looked up or answered."""
        owed = sum(session.owes_bye for session in self._sessions.values())
        return self._core.layer.unanswered + self._core.lookups + owed

    @property
    def idle(self) -> bool:
        """Whether `unanswered` is 0; asked after every message while many thousand say goodbye."""
        if self._core.layer.unanswered or self._core.lookups:
            return False
        return not any(session.owes_bye for session in self._sessions.values())

    @property
    def pages(self) -> int:
        """How many pages are on their way, or wait for their answer."""
        return len(self._pages) + len(self._pager)

    @property
    def registrations(self) -> int:
        """How many addresses of record are registered or about to be."""
        return len(self._registrations)

    # --- what arrives -------------------------------------------------------------------------------------

    def _receive(self, data: bytes, flow: Flow) -> None:
        self.heard = None
        try:
            message = parse(data)
        except NotSip:
            self._core.tell(Dropped("keep-alive" if is_keep_alive(data) else "not SIP", flow))
            return
        except MalformedMessage as error:
            self._refuse_malformed(error, data, flow)
            return
        self.heard = self.session_of(message.call_id)
        if len(data) > self._core.config.longest_message:
            self._refuse_long(message, data, flow)
            return
        if isinstance(message, Request) and self._is_new(message):
            verdict = self.admit(message.method, flow)
            if verdict is Verdict.BUSY:
                self._answer_without_state(message, 503, data, flow, extra=(RETRY_AFTER,))
            elif verdict is Verdict.IGNORE:
                self._core.tell(Dropped("ignored", flow))
            if verdict is not Verdict.TAKE:
                return
        self._pass_on(self._core.layer.receive(message, flow, self._core.now))

    def _pass_on(self, outputs: list[LayerOutput]) -> None:
        for output in outputs:
            match output:
                case Asked(transaction, request, flow) if transaction is None or request.method == "ACK":
                    self._acknowledged(request, flow)
                case Asked(transaction, request, flow):
                    assert transaction is not None
                    self._asked(transaction, request, flow)
                case Stray(flow):
                    self._core.tell(Dropped("response to nothing", flow))
                case _:
                    self._core.pass_on((output,))

    def _refuse_malformed(self, error: MalformedMessage, data: bytes, flow: Flow) -> None:
        """Answer without a transaction: there may not be enough of the request to make one."""
        self._core.tell(Dropped("malformed", flow))
        request = error.request
        if error.status is None or request is None or self.admit(request.method, flow) is not Verdict.TAKE:
            return
        self._answer_without_state(request, error.status, data, flow, reason=error.text)

    def _refuse_long(self, message: Request | Response, data: bytes, flow: Flow) -> None:
        self._core.tell(Dropped("too long", flow))
        if not isinstance(message, Request) or message.method == "ACK":
            return
        if not self._is_new(message) or self.admit(message.method, flow) is Verdict.TAKE:
            self._answer_without_state(message, 513, data, flow)

    def _is_new(self, request: Request) -> bool:
        """Tell whether a request would begin something; ACK never does."""
        return not (
            request.method == "ACK"
            or (request.call_id, request.to.tag or "") in self._by_dialog
            or self._core.layer.knows(request)
        )

    def _answer_without_state(
        self,
        request: Request,
        status: int,
        data: bytes,
        flow: Flow,
        *,
        extra: tuple[tuple[str, str], ...] = (),
        reason: str | None = None,
    ) -> None:
        # Section 8.2.7: the same tag for every copy of the request.
        tag = hashlib.blake2s(data, key=self._salt[:32], digest_size=8).hexdigest()
        stamp_via(request, *flow.remote)
        response = self._replies.plain(request, status, tag, extra=extra, reason=reason)
        try:
            back = reply_flow(request, flow)
        except MalformedMessage:
            back = flow  # A Via that says nothing: where it came from is the best guess.
        self._core.send(response.to_bytes(), back, None)

    def _acknowledged(self, ack: Request, flow: Flow) -> None:
        session = self._by_dialog.get((ack.call_id, ack.to.tag or ""))
        if session is None:
            self._core.tell(Dropped("ACK to nothing", flow))
            return
        session.acknowledged(ack)
        session.settle()

    def _asked(self, transaction: Transaction, request: Request, flow: Flow) -> None:
        session = self._by_dialog.get((request.call_id, request.to.tag or ""))
        if request.method == "CANCEL":
            self._cancel(transaction, request)
        elif session is not None:
            self._core.adopt(session, transaction)
            session.asked(transaction, request)
            session.settle()
        else:
            self._core.adopt(self._nobody, transaction)
            self._outside(transaction, request, flow)

    def _outside(self, transaction: Transaction, request: Request, flow: Flow) -> None:
        """Answer a request that belongs to no dialog of ours."""
        core, replies, tag = self._core, self._replies, self._core.token()
        if core.layer.is_merged(transaction):
            core.respond(transaction, replies.plain(request, 482, tag))
        elif (objection := replies.objection(request, tag)) is not None:
            core.respond(transaction, objection)
        elif request.to.tag is not None or request.method in ("BYE", "INFO", "PRACK", "UPDATE"):
            core.respond(transaction, replies.plain(request, 481, tag))
        elif request.method == "OPTIONS":
            core.respond(transaction, replies.capabilities(request, tag))
        elif self._is_loop(request):
            core.respond(transaction, replies.plain(request, 482, tag))
        elif request.max_forwards == 0:
            # A user agent may ignore the count, but a call that we pass on has made its last hop here.
            core.respond(transaction, replies.plain(request, 483, tag))
        elif request.method == "MESSAGE":
            self._pager.hear(transaction, request, flow)
        elif len(self._sessions) >= core.config.max_sessions:
            core.respond(transaction, replies.plain(request, 503, tag, extra=(RETRY_AFTER,)))
        else:
            replaced, status = self._replaced_by(request)
            if status:
                core.respond(transaction, replies.plain(request, status, tag))
                return
            self._nobody.live -= 1
            session = ServerSession(core, self.new_session(), transaction, flow, replaced)
            self._open(session)
            self.heard = session.number
            session.begin()

    def _replaced_by(self, invite: Request) -> tuple[SessionId | None, int]:
        """The session whose place an INVITE is to take, if any; or the status that refuses it (RFC 3891 3).

        Either one that is up, or one of ours that rings: then it is picked up. Who calls us and hears it ring
        cannot be replaced (481).
        """
        value = invite.headers.get("Replaces")
        if value is None:
            return None, 0
        try:
            replaces = Replaces.parse(value)
        except InvalidSyntax:
            return None, 400
        session = self._by_dialog.get((replaces.call_id, replaces.to_tag))
        established = session.is_established_with(replaces.from_tag) if session is not None else None
        if session is not None and session.rings_at(replaces.from_tag):
            return session.number, 0
        if session is None or not established:
            return None, 481
        if session.over:
            return None, 603
        return (None, 486) if replaces.early_only else (session.number, 0)

    def _is_loop(self, request: Request) -> bool:
        """Tell whether an INVITE or a page of ours has come back as it was (RFC 5393 section 4.2).

        A proxy would look for its own Via; a back-to-back user agent puts no other's Via into what it sends,
        but its Call-ID and From tag stay what they are on the way, and nobody can guess them. One that
        has come back to another Request-URI is no loop but a spiral: one of our users calls another of our
        users by way of their registrar. Where another B2BUA stands in between, the two calls have nothing
        in common but Max-Forwards, and the limits on calls.
        """
        sent = (request.call_id, request.from_.tag or "")
        session = self._by_dialog.get(sent)
        return sent in self._pages or (session is not None and session.has_sent(request))

    def _cancel(self, transaction: Transaction, request: Request) -> None:
        """Answer a CANCEL, and tell the session whose INVITE it is about (section 9.2)."""
        invite = self._core.layer.cancelled_by(request)
        if invite is None:
            self._core.adopt(self._nobody, transaction)
            self._core.respond(transaction, self._replies.plain(request, 481, self._core.token()))
            return
        session = invite.user
        if not isinstance(session, Session):
            # An INVITE that was refused at once.
            self._core.adopt(self._nobody, transaction)
            self._core.respond(transaction, self._replies.plain(request, 200, self._core.token()))
            return
        self._core.adopt(session, transaction)
        self._core.respond(transaction, self._replies.plain(request, 200, session.local_tag))
        session.cancelled(invite, request)
        session.settle()

    # --- sessions -----------------------------------------------------------------------------------------

    def _place(self, number: SessionId, place: Place) -> None:
        if number not in self._sessions:
            service_route = self._registrations.service_route(place.aor)
            session = ClientSession(self._core, number, place, service_route)
            self._open(session)
            session.begin()
            session.settle()

    # --- pages --------------------------------------------------------------------------------------------

    def _send_page(self, page: SendPage) -> None:
        if len(self._pages) >= MAX_PAGES:
            self._core.tell(PageAnswered(page.number, 503, "too many messages are on their way"))
            return
        service_route = self._registrations.service_route(page.aor)
        client = PagerClient(self._core, page, service_route, self._forget_page)
        self._pages[client.call_id, client.tag] = client
        client.begin()

    def _forget_page(self, client: PagerClient) -> None:
        self._pages.pop((client.call_id, client.tag), None)

    def _open(self, session: Session) -> None:
        self._sessions[session.number] = session
        self._by_dialog[session.call_id, session.local_tag] = session
        self._by_call_id[session.call_id] = session

    def _drain(self) -> list[UserAgentCommand]:
        out, self._core.out = self._core.out, []
        for command in out:
            if isinstance(command, SessionGone):
                self._forget(self._sessions.pop(command.session))
        return out

    def _forget(self, session: Session) -> None:
        del self._by_dialog[session.call_id, session.local_tag]
        if self._by_call_id.get(session.call_id) is session:
            del self._by_call_id[session.call_id]
        session.let_go()
