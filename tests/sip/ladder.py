"""A small language for SIP tests: a user agent, scripted peers, a virtual clock and a network between.

    ladder = Ladder()
    phone = ladder.phone()
    invite = phone.sends("INVITE", sdp="offer")
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Ring())
    phone.gets(180)

`gets` takes the next message that the peer received and checks what it is; `silent` checks that there is
none. `ladder.hears(call, ...)` checks what the session told its bridge. `ladder.later(seconds)` lets time
pass and timers fire at the very times that they ask for. `ladder.lose(...)` loses what fits.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterator

from ichat_gw.call.leg import LegCommand, LegEvent
from ichat_gw.sip.events import (
    Dropped,
    Flow,
    FromSession,
    InviteReceived,
    Lookup,
    Received,
    Registered,
    RegistrationFailed,
    Resolved,
    Send,
    SendFailed,
    SessionGone,
    ToSession,
    UserAgentCommand,
    UserAgentEvent,
)
from ichat_gw.sip.message import Headers, MalformedMessage, NotSip, Request, Response, parse, response_to
from ichat_gw.sip.user_agent import UserAgent, UserAgentConfig

OURS = ("192.0.2.1", 5070)
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


def tokens(prefix: str = "t") -> Callable[[], str]:
    """Tokens that are easy to read."""
    numbers = itertools.count(1)
    return lambda: f"{prefix}{next(numbers)}"


def sdp(name: str) -> str:
    """A session description that can be told from another."""
    return SDP.replace("s=-", f"s={name}")


class Ladder:
    def __init__(self, config: UserAgentConfig | None = None, chance: float = 0.0, auto: bool = True) -> None:
        self.now = 1000.0
        self.agent = UserAgent(config or UserAgentConfig(), tokens(), lambda: chance)
        self.auto = auto
        self.peers: dict[tuple[str, int], Peer] = {}
        self.routes: dict[str, list[tuple[str, int]]] = {}
        self.events: deque[UserAgentCommand] = deque()
        self.lookups: deque[Lookup] = deque()
        self.raw: list[bytes] = []
        self.losing: Callable[[Request | Response], bool] = lambda message: False

    def phone(self, host: str = "192.0.2.9", port: int = 5060, **fields: str) -> "Peer":
        peer = Peer(self, (host, port), **fields)
        self.peers[host, port] = peer
        return peer

    # --- the owner's side ---

    def act(self, event: UserAgentEvent) -> None:
        self.take(self.agent.receive(event, self.now))

    def tell(self, session: int, command: LegCommand) -> None:
        self.act(ToSession(session, command))

    def place(self, command: LegCommand) -> int:
        session = self.agent.new_session()
        self.tell(session, command)
        return session

    def resolve(self, *addresses: tuple[str, int], text: str = "") -> None:
        lookup = self.lookups.popleft()
        self.act(Resolved(lookup.lookup, tuple(self._flow(to) for to in addresses), text))

    def _flow(self, to: tuple[str, int]) -> Flow:
        peer = self.peers.get(to)
        return Flow(peer.transport if peer else "UDP", OURS, to)

    def fail(self, address: tuple[str, int], text: str = "refused", transport: str = "UDP") -> None:
        self.act(SendFailed(Flow(transport, OURS, address), text))

    def take(self, commands: list[UserAgentCommand]) -> None:
        for command in commands:
            match command:
                case Send(data, flow, _):
                    peer = self.peers.get(flow.remote)
                    try:
                        message = parse(data)
                    except (NotSip, MalformedMessage):
                        # Keep-alives, and answers that have to echo something malformed.
                        self.raw.append(data)
                        if peer:
                            peer.pings += data == b"\r\n\r\n"
                        continue
                    if peer and not self.losing(message):
                        peer.inbox.append(message)
                        peer.sessions.append(command.session)
                        peer.transports.append(flow.transport)
                case Lookup(_, uri):
                    self.lookups.append(command)
                    if self.auto:
                        self.resolve(*self._addresses(uri))
                case _:
                    self.events.append(command)

    def _addresses(self, uri: str) -> list[tuple[str, int]]:
        hostport = uri.partition(";")[0].rpartition("@")[2].removeprefix("sip:")
        if hostport in self.routes:
            return self.routes[hostport]
        host, _, port = hostport.partition(":")
        return [(host, int(port or 5060))]

    def call(self) -> int:
        """The session that a peer has just opened."""
        event = self.events.popleft()
        assert isinstance(event, InviteReceived), event
        return event.session

    def hears(self, session: int, *events: LegEvent) -> None:
        heard = [e for e in self.events if isinstance(e, FromSession)]
        assert heard == [FromSession(session, event) for event in events]
        self.events = deque(e for e in self.events if not isinstance(e, FromSession))

    def hears_nothing(self) -> None:
        assert not self.events, list(self.events)

    def drops(self, reason: str) -> None:
        event = self.events.popleft()
        assert isinstance(event, Dropped), event
        assert event.reason == reason

    def registered(self) -> list[tuple[str, float]]:
        """What was said of registrations: AOR with seconds granted, or with the failure's status."""
        said = [e for e in self.events if isinstance(e, Registered | RegistrationFailed)]
        self.events = deque(e for e in self.events if e not in said)
        return [(e.aor, e.seconds if isinstance(e, Registered) else -e.status) for e in said]

    # --- time ---

    def later(self, seconds: float) -> None:
        end = self.now + seconds
        while (when := self.agent.deadline()) is not None and when <= end:
            self.now = max(when, self.now)
            self.take(self.agent.expire(self.now))
        self.now = end

    def lose(self, *what: str | int) -> None:
        """Lose what we send of these methods and statuses from now on."""
        self.losing = lambda m: (m.method if isinstance(m, Request) else m.status) in what

    def ends_empty(self, *sessions: int) -> None:
        """After enough time nothing is left, and it was said of each session once."""
        self.later(300)
        assert list(self.events) == [SessionGone(session) for session in sessions]
        assert (self.agent.sessions, self.agent.transactions, self.agent.running_timers) == (0, 0, 0)
        assert self.agent.unanswered == 0
        assert self.agent.idle


class Peer:
    """A SIP phone that does just what the test says."""

    def __init__(
        self,
        ladder: Ladder,
        address: tuple[str, int],
        agent: str = "phone",
        user: str = "bob",
        tag: str = "ft",
    ) -> None:
        self.ladder = ladder
        self.address = address
        self.agent = agent
        self.user = user
        self.inbox: deque[Request | Response] = deque()
        self.sessions: deque[int | None] = deque()
        self.transport = "UDP"
        """By which it sends, and by which a look-up leads to it."""
        self.transports: list[str] = []
        """By which each message came."""
        self.pings = 0
        self.tag = tag
        self.to_tag = ""
        self.seq = 0
        self.call_id = f"call-{address[0]}-{address[1]}"
        self.branches: Iterator[int] = itertools.count(1)
        self.asked: Request | None = None

    @property
    def uri(self) -> str:
        return f"sip:{self.user}@{self.address[0]}:{self.address[1]}"

    # --- what it sends ---

    def request(
        self,
        method: str,
        *,
        sdp: str | None = None,
        seq: int | None = None,
        branch: str | None = None,
        uri: str = "sip:alice@192.0.2.1:5070",
        **fields: str,
    ) -> Request:
        """A request, in the dialog if there is one. Fields by name, `_` for `-`; "" leaves one out."""
        if seq is None:
            self.seq += method not in ("ACK", "CANCEL")
            seq = self.seq
        host, port = self.address
        branch = branch or f"z9hG4bK-{host}-{port}-{next(self.branches)}"
        known = {
            "Via": f"SIP/2.0/{self.transport} {host}:{port};branch={branch};rport",
            "Max-Forwards": "70",
            "From": f'"Bob B" <sip:{self.user}@{host}:{port}>;tag={self.tag}',
            "To": f"<{uri}>" + (f";tag={self.to_tag}" if self.to_tag else ""),
            "Call-ID": self.call_id,
            "CSeq": f"{seq} {method}",
            "Contact": f"<{self.uri}>",
            "User-Agent": self.agent,
        }
        if sdp is not None:
            known["Content-Type"] = "application/sdp"
        known |= {name.replace("_", "-"): value for name, value in fields.items()}
        headers = Headers([(name, value) for name, value in known.items() if value])
        return Request(method, uri, headers, (sdp or "").encode())

    def sends(self, method: str, **fields: str | int | None) -> Request:
        request = self.request(method, **fields)  # type: ignore[arg-type]
        if method != "ACK":
            self.asked = request
        self.throws(request)
        return request

    def throws(self, message: Request | Response | bytes) -> None:
        data = message if isinstance(message, bytes) else message.to_bytes()
        self.ladder.act(Received(data, Flow(self.transport, OURS, self.address)))

    def answers(
        self, request: Request, status: int, *, tag: str = "pt", sdp: str | None = None, **fields: str
    ) -> Response:
        response = response_to(request, status, to_tag=tag if status > 100 else None)
        known = {} if status == 100 or status >= 300 else {"Contact": f"<{self.uri}>"}
        if sdp is not None:
            known["Content-Type"] = "application/sdp"
        for name, value in (known | {n.replace("_", "-"): v for n, v in fields.items()}).items():
            if value:
                response.headers.add(name, value)
        response.body = (sdp or "").encode()
        # A peer that was called talks in the dialog with the identities the other way round.
        if status > 100:
            self.to_tag = request.from_.tag or ""
            self.tag = tag
            self.call_id = request.call_id
        self.throws(response)
        return response

    # --- what it gets ---

    def gets(self, what: str | int) -> Request | Response:
        assert self.inbox, f"nothing came; wanted {what}"
        message = self.inbox.popleft()
        self.sessions.popleft()
        got = message.method if isinstance(message, Request) else message.status
        assert got == what, f"got {message!r}, wanted {what}"
        if isinstance(message, Response) and message.to.tag:
            self.to_tag = message.to.tag
        return message

    def gets_request(self, method: str) -> Request:
        message = self.gets(method)
        assert isinstance(message, Request)
        return message

    def gets_response(self, status: int) -> Response:
        message = self.gets(status)
        assert isinstance(message, Response)
        return message

    def got(self) -> list[str | int]:
        """Everything that came, and the inbox is empty again."""
        all_of_it = [m.method if isinstance(m, Request) else m.status for m in self.inbox]
        self.inbox.clear()
        self.sessions.clear()
        return all_of_it

    def silent(self) -> None:
        assert not self.inbox, f"got {list(self.inbox)}"
