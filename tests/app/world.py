"""A whole small world in memory: gateway, connector, XMPP server, SIP phone, iChat clients, wires, one clock.

Everything of ours in it is the real machine; only the shells are missing. The XMPP server, the relay worker
and the iChat client are simulations, small enough to be seen through. The phone's and iChat's SIP stacks are
our own user agent (others are met in tests/e2e). SIP datagrams can be lost, doubled and delayed.
"""

import heapq
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import count
from xml.etree import ElementTree

from app.relay import MemoryRelay, rtp
from ichat_gw.addressing.translation import TranslationRule, TranslationRules
from ichat_gw.app.call_events import CALL_EVENTS, CallEvent
from ichat_gw.app.events import ConnectorDied, FromConnector, GatewayCommand, GatewayEvent, Note
from ichat_gw.app.gateway import Gateway
from ichat_gw.app.gateway_config import GatewayConfig
from ichat_gw.app.tracing import CallKept, TraceKept, Tracing, TracingCommand
from ichat_gw.call.admission import Limits
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    AcceptReoffer,
    Answer,
    Answered,
    End,
    Ended,
    LegCommand,
    LegEvent,
    Party,
    Place,
    Refuse,
    Refused,
    Reoffered,
    Ring,
)
from ichat_gw.call.transfer_policy import TransferPolicy
from ichat_gw.ipc.messages import Message
from ichat_gw.jabber.connector import Connector
from ichat_gw.jabber.events import ConnectorCommand, SendStanza, StanzaReceived, StreamDown, StreamUp, Tell
from ichat_gw.jabber.ichat.blob import ConnectRecord, encode
from ichat_gw.jabber.ichat.leg import IChatConfig, ToConnector
from ichat_gw.jabber.settings import ConnectorConfig
from ichat_gw.media.engine import FromWorker, Statistics, StatisticsAsked, ToWorker, WorkerLost
from ichat_gw.media.relay_engine import EngineConfig, RelayEngine
from ichat_gw.media.relay_messages import Order, Started, WorkerReply
from ichat_gw.ops.trace import Journal, TraceBook
from ichat_gw.sip.events import (
    AnswerPage,
    Flow,
    FromSession,
    InviteReceived,
    Lookup,
    PageAnswered,
    PageReceived,
    Received,
    Registered,
    RegistrationFailed,
    Resolved,
    Send,
    SessionId,
    ToSession,
    UserAgentCommand,
    UserAgentEvent,
)
from ichat_gw.sip.user_agent import UserAgent, UserAgentConfig

EPOCH = 1_800_000_000.0
"""The UNIX time at which the clock of the world stands at 0."""
COMPONENT = "gw.jabber.localhost"
CONTROL = f"control@{COMPONENT}"
GATEWAY = ("127.0.0.1", 5070)
PHONE = ("127.0.0.2", 5060)
RULES = TranslationRules(
    [
        TranslationRule(rf"^xmpp:(.*)@{re.escape(COMPONENT)}$", "sip:$1@127.0.0.2"),
        TranslationRule(r"^sip:(.*)@127\.0\.0\.1$", "xmpp:$1@jabber.localhost"),
        TranslationRule(r"^xmpp:(.*)@jabber\.localhost$", "sip:$1@registrar.localhost"),
    ]
)
SDP = (
    "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\n"
    "m=audio {1} RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
)

Address = tuple[str, int]


class SipParty:
    """A SIP user agent at an address of its own; `heard` is all that its sessions told it."""

    def __init__(self, world: "World", address: Address, name: str) -> None:
        self.world = world
        self.address = address
        self.agent = UserAgent(UserAgentConfig(name=name, takes_pages=True), world.token)
        self.pages: list[PageReceived] = []
        self.page_status = 200
        """How a message is answered."""
        self.pages_answered: list[int] = []
        self.heard: list[LegEvent | InviteReceived] = []
        self.live: set[SessionId] = set()
        self.sdp = SDP.format(*address)
        world.parties[address] = self

    def feed(self, event: UserAgentEvent) -> None:
        self.obey(self.agent.receive(event, self.world.now))

    def obey(self, commands: list[UserAgentCommand]) -> None:
        for command in commands:
            match command:
                case Send(data, flow):
                    self.world.carry(self.outgoing(data), self.address, flow.remote)
                case Lookup(lookup, uri):
                    host, _, port = uri.partition("@")[2].partition(":")
                    flow = Flow("UDP", self.address, (host, int(port or 5060)))
                    self.feed(Resolved(lookup, (flow,)))
                case InviteReceived():
                    self.heard.append(command)
                    self.live.add(command.session)
                    self.invited(command)
                case FromSession(session, event):
                    self.heard.append(event)
                    if isinstance(event, Ended | Refused):
                        self.live.discard(session)
                    if isinstance(event, Reoffered):
                        self.tell(session, AcceptReoffer(self.sdp))
                    self.spoken(session, event)
                case PageReceived(number):
                    self.pages.append(command)
                    self.feed(AnswerPage(number, self.page_status))
                case PageAnswered(status=status):
                    self.pages_answered.append(status)
                case _:
                    pass

    def tell(self, session: SessionId, command: LegCommand) -> None:
        if isinstance(command, End | Refuse):
            self.live.discard(session)
        self.feed(ToSession(session, command))

    def call(self, place: Place) -> SessionId:
        session = self.agent.new_session()
        self.live.add(session)
        self.tell(session, place)
        return session

    def hang_up(self) -> None:
        """End every session, whether it is answered or not."""
        for session in sorted(self.live):
            self.tell(session, End(Ending(Cause.HANGUP)))

    def outgoing(self, data: bytes) -> bytes:
        return data

    def invited(self, invite: InviteReceived) -> None:
        raise NotImplementedError

    def spoken(self, session: SessionId, event: LegEvent) -> None:
        pass


class Phone(SipParty):
    """A SIP phone. `manner` is "answer", "ring", or the status with which it refuses."""

    def __init__(self, world: "World") -> None:
        super().__init__(world, PHONE, "phone")
        self.manner: str | int = "answer"
        self.answer_after = 0.5

    def dial(self, user: str, caller: str = "15551234567", offer: bool = True) -> SessionId:
        place = Place(
            f"sip:{user}@{GATEWAY[0]}:{GATEWAY[1]}",
            Party(f"sip:{caller}@{self.address[0]}", "Bob"),
            self.sdp if offer else None,
            contact_user=caller,
        )
        return self.call(place)

    def invited(self, invite: InviteReceived) -> None:
        if isinstance(self.manner, int):
            self.tell(invite.session, Refuse(Ending.from_status(self.manner)))
            return
        self.tell(invite.session, Ring())
        if self.manner == "answer":
            self.world.after(self.answer_after, lambda: self.tell(invite.session, Answer(self.sdp)))


class IChat(SipParty):
    """A simulated iChat client: XMPP negotiation and the SIP behaviour that follows it.

    `manner` is "answer", "decline", "ignore" (the XMPP request), or "busy" (accepts, then 486).
    """

    def __init__(self, world: "World", jid: str, address: Address) -> None:
        super().__init__(world, address, "Viceroy 1.4.1")
        self.jid = jid
        self.manner = "answer"
        self.answer_after = 0.3
        self.stanzas: list[ElementTree.Element] = []
        self.blob = encode([ConnectRecord("en0", ip_address(address[0]), address[1])])
        self._called = ""
        world.ichats[jid] = self

    @property
    def bare(self) -> str:
        return self.jid.partition("/")[0]

    def presence(self, kind: str = "") -> None:
        available = (
            "<priority>0</priority>"
            "<c xmlns='http://jabber.org/protocol/caps' node='apple:ichat:caps' ver='800'"
            " ext='avavail audio'/>"
        )
        self.world.to_connector(
            f"<presence from='{self.jid}' to='{CONTROL}'"
            + (f" type='{kind}'/>" if kind else f">{available}</presence>")
        )

    def vc(self, to: str, kind: str, content: str) -> None:
        self.world.to_connector(
            f"<iq type='set' id='i{next(self.world.numbers)}' from='{self.jid}' to='{to}'>"
            f"<query xmlns='apple:iq:vc:{kind}'>{content}"
            "<VCProtocolVersion>1</VCProtocolVersion></query></iq>"
        )

    def dial(self, number: str) -> None:
        self._called = f"{number}@{COMPONENT}"
        content = f"<VCNewCallerIPPortData>{self.blob}</VCNewCallerIPPortData><isAudioOnly>1</isAudioOnly>"
        self.vc(self._called, "request", content)

    def write(self, to: str, body: str, more: str = "", type_: str = "chat") -> None:
        """A chat message to a gateway contact."""
        self.world.to_connector(
            f"<message from='{self.jid}' to='{to}@{COMPONENT}' type='{type_}' id='m1'>"
            f"<body>{body}</body>{more}</message>"
        )

    @property
    def messages(self) -> list[ElementTree.Element]:
        """The messages that came, errors too."""
        return [element for element in self.stanzas if element.tag.endswith("message")]

    def give_up(self) -> None:
        """What the user's click on "cancel" does, however far the call is."""
        if self._called:
            self.vc(self._called, "cancel", "")
            self._called = ""
        self.hang_up()

    def told(self, element: ElementTree.Element) -> None:
        self.stanzas.append(element)
        if element.tag.endswith("iq") and element.get("type") == "set":
            query = element[0]
            sender = element.get("from", "")
            if query.tag == "{apple:iq:vc:request}query":
                self._requested(sender)
            elif query.tag == "{apple:iq:vc:response}query" and sender == self._called:
                self._responded(query)

    def _requested(self, caller: str) -> None:
        if self.manner in ("answer", "busy"):
            accept = f"<response>0</response><connectData>{self.blob}</connectData>"
            self.world.after(self.answer_after, lambda: self.vc(caller, "response", accept))
        elif self.manner == "decline":
            self.world.after(
                self.answer_after, lambda: self.vc(caller, "response", "<response>1</response><connectData/>")
            )

    def _responded(self, query: ElementTree.Element) -> None:
        if query.findtext("{apple:iq:vc:response}response") == "0":
            caller = Party(f"sip:user@{self.address[0]}:{self.address[1]}", self.bare)
            target = f"sip:user@{GATEWAY[0]}:{GATEWAY[1]}"
            self.call(Place(target, caller, self.sdp, contact_user="user", pinned=True))
        else:
            self._called = ""

    def outgoing(self, data: bytes) -> bytes:
        """Our user agent has no display name for To; iChat's identity is just that."""
        if self._called:
            return data.replace(b"\r\nTo: <sip:user@", b'\r\nTo: "%s" <sip:user@' % self._called.encode(), 1)
        return data

    def invited(self, invite: InviteReceived) -> None:
        self.tell(invite.session, Ring())
        if self.manner == "busy":
            self.tell(invite.session, Refuse(Ending.from_status(486)))
        else:
            self.tell(invite.session, Answer(self.sdp))

    def spoken(self, session: SessionId, event: LegEvent) -> None:
        if isinstance(event, Ended | Refused):
            self._called = ""


@dataclass
class World:
    """The clock, the wires and everybody."""

    seed: int = 0
    loss: float = 0.0
    now: float = 0.0
    parties: dict[Address, SipParty] = field(default_factory=dict)
    ichats: dict[str, IChat] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    said: list[Message] = field(default_factory=list)
    """What the gateway told the connector."""
    told: list[Message] = field(default_factory=list)
    """What the connector told the gateway."""
    events: list[CallEvent] = field(default_factory=list)
    wire: Counter[str] = field(default_factory=Counter)
    port_range: tuple[int, int] = (8000, 8099)
    rules: TranslationRules = RULES
    limits: Limits = field(default_factory=Limits)
    transfer_hosts: frozenset[str] = frozenset()
    media_timeout: float = 0.0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.numbers = count(1)
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self.connector_runs = 0
        self.relay_runs = 0
        self.server_keeps_messages = False
        """Whether what is for nobody online is kept; otherwise it comes back."""
        ichat = IChatConfig(Party("sip:ichat-gw@127.0.0.1", "iChat-gw"))
        self.gateway = Gateway(
            GatewayConfig(
                self.rules,
                COMPONENT,
                ichat,
                frozenset({GATEWAY[0]}),
                "n",
                self.limits,
                TransferPolicy(self.transfer_hosts, frozenset({GATEWAY[0]})),
            ),
            UserAgent(UserAgentConfig(takes_pages=True), self.token),
            RelayEngine(
                EngineConfig(*self.port_range, port_rest=0.0, media_timeout=self.media_timeout),
                lambda host: GATEWAY[0],
                self.rng,
            ),
        )
        self.epoch = EPOCH
        """The time of day when `now` was 0."""
        self.tracing = Tracing(TraceBook(), sample_seconds=5.0)
        self.records: list[CallKept] = []
        self.saved: list[Journal] = []
        self._spoken: Counter[Address] = Counter()
        self.relay = MemoryRelay(self.rng, self.after)
        self.relay_up()
        self.connector_up()
        self.phone = Phone(self)
        self.alice = IChat(self, "alice@jabber.localhost/iChat", ("127.0.1.1", 16402))
        self.subscriptions = [("alice@jabber.localhost", CONTROL)]
        self.alice.presence()
        self.run(1.0)

    def token(self) -> str:
        return f"{self.rng.getrandbits(64):016x}"

    # --- time -----------------------------------------------------------------------------------------------

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + seconds, next(self.numbers), what))

    def run(self, seconds: float) -> None:
        """Let time pass; everything that is due happens at its moment, in order."""
        end = self.now + seconds
        for _ in range(200_000):
            moments = [
                self._queue[0][0] if self._queue else None,
                self.gateway.deadline(),
                self.tracing.deadline(),
                self.connector.deadline(),
                *(party.agent.deadline() for party in self.parties.values()),
            ]
            moment = min((m for m in moments if m is not None), default=end + 1)
            if moment > end:
                self.now = end
                return
            self.now = max(self.now, moment)
            if self._queue and self._queue[0][0] <= self.now:
                heapq.heappop(self._queue)[2]()
            self._traced(None, self.gateway.expire(self.now))
            self._tracing_does(self.tracing.expire(self.now, self.epoch + self.now))
            self._connector_does(self.connector.expire(self.now))
            for party in self.parties.values():
                party.obey(party.agent.expire(self.now))
        raise AssertionError("the world never comes to rest")

    # --- wires ----------------------------------------------------------------------------------------------

    def carry(self, data: bytes, source: Address, target: Address) -> None:
        """A datagram travels, perhaps; perhaps twice."""
        first_line = data.split(b"\r\n", 1)[0].decode("utf-8", "replace")
        self.wire[first_line.split()[0] if not first_line.startswith("SIP/") else first_line.split()[1]] += 1
        copies = 1 + (self.rng.random() < self.loss / 2)
        for _ in range(copies):
            if self.rng.random() >= self.loss:
                delay = 0.001 + self.rng.random() * 0.02 * bool(self.loss)
                self.after(delay, lambda: self._arrive(data, source, target))

    def _arrive(self, data: bytes, source: Address, target: Address) -> None:
        if target == GATEWAY:
            self.gateway_hears(Received(data, Flow("UDP", GATEWAY, source)))
        elif target in self.parties:
            self.parties[target].feed(Received(data, Flow("UDP", target, source)))

    def _gateway_does(self, commands: list[GatewayCommand]) -> None:
        for command in commands:
            match command:
                case Send(data, flow):
                    self.carry(data, GATEWAY, flow.remote)
                case Lookup(lookup, uri):
                    host, _, port = uri.partition("@")[2].partition(":")
                    known = re.fullmatch(r"[0-9.]+", host) is not None
                    flows = (Flow("UDP", GATEWAY, (host, int(port or 5060))),) if known else ()
                    answer = Resolved(lookup, flows, "" if known else "no such host")
                    self.after(0.001, lambda answer=answer: self.gateway_hears(answer))  # type: ignore[misc]
                case ToConnector(message):
                    self.said.append(message)
                    self.after(0.001, lambda message=message: self._connector_hears(message))  # type: ignore[misc]
                case ToWorker(order):
                    self._relay_does(order)
                case Note():
                    self.notes.append(command)
                case Statistics() | Registered() | RegistrationFailed():
                    pass
                case _ if isinstance(command, CALL_EVENTS):
                    self.events.append(command)
                case _:
                    raise AssertionError(command)

    def gateway_hears(self, event: GatewayEvent) -> None:
        self._traced(event, self.gateway.receive(event, self.now))

    def _traced(self, event: GatewayEvent | None, commands: list[GatewayCommand]) -> None:
        heard = self.gateway.user_agent.heard
        self._tracing_does(self.tracing.took(event, heard, commands, self.now, self.epoch + self.now))
        self._gateway_does(commands)

    def _tracing_does(self, commands: list[TracingCommand]) -> None:
        for command in commands:
            match command:
                case StatisticsAsked():
                    self.gateway_hears(command)
                case CallKept():
                    self.records.append(command)
                case TraceKept(journal):
                    self.saved.append(journal)

    # --- connector and XMPP server --------------------------------------------------------------------------

    def connector_up(self) -> None:
        self.connector_runs += 1
        config = ConnectorConfig(COMPONENT, "control", [GATEWAY], version="0", messages=True)
        stored = [("alice@jabber.localhost", CONTROL)]
        self.connector = Connector(config, self.token(), stored)
        self._connector_does(self.connector.receive(StreamUp(), self.now))

    def connector_dies(self, back_after: float = 1.0) -> None:
        """Killed; what it was about to say is lost with it. It is started again a little later."""
        self.connector_runs += 1
        self.connector = Connector(ConnectorConfig(COMPONENT, "control", [GATEWAY]), "dead")
        self.gateway_hears(ConnectorDied())
        self.after(back_after, self.connector_up)

    def stream_breaks(self, back_after: float = 1.0) -> None:
        """The XMPP server is started again; the connector lives."""
        self._connector_does(self.connector.receive(StreamDown("gone"), self.now))
        self.after(back_after, lambda: self._connector_does(self.connector.receive(StreamUp(), self.now)))

    def _connector_hears(self, message: Message) -> None:
        self._connector_does(self.connector.receive(message, self.now))

    def _connector_does(self, commands: list[ConnectorCommand]) -> None:
        run = self.connector_runs
        for command in commands:
            match command:
                case Tell(message):
                    self.told.append(message)

                    def tell(message: Message = message) -> None:
                        if run == self.connector_runs:
                            self.gateway_hears(FromConnector(message))

                    self.after(0.001, tell)
                case SendStanza(xml):
                    self.after(0.001, lambda xml=xml: self._server_delivers(xml))  # type: ignore[misc]
                case _:
                    pass

    def to_connector(self, xml: str) -> None:
        element = ElementTree.fromstring(f"<w xmlns='jabber:component:accept'>{xml}</w>")[0]
        self.after(
            0.001, lambda: self._connector_does(self.connector.receive(StanzaReceived(element), self.now))
        )

    def _server_delivers(self, xml: str) -> None:
        for element in ElementTree.fromstring(f"<w>{xml}</w>"):
            to = element.get("to", "")
            if element.tag == "presence" and element.get("type") == "probe":
                for ichat in self.ichats.values():
                    if ichat.bare == to:
                        ichat.presence()
            elif to in self.ichats:
                self.ichats[to].told(element)
            elif element.tag == "message":
                self._server_delivers_message(element)
            elif element.tag == "iq" and not element.get("id", "").startswith("who-"):
                # A question to a user is answered by the server, here with an error: we may not know.
                self.to_connector(
                    f"<iq type='error' from='{to}' to='{element.get('from')}' id='{element.get('id')}'/>"
                )

    def _server_delivers_message(self, message: ElementTree.Element) -> None:
        to = message.get("to", "")
        devices = [ichat for ichat in self.ichats.values() if ichat.bare == to]
        for ichat in devices:
            ichat.told(message)
        if not devices and not self.server_keeps_messages:
            self.to_connector(
                f"<message type='error' from='{to}' to='{message.get('from')}' id='{message.get('id')}'>"
                "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                "</error></message>"
            )

    # --- relay ----------------------------------------------------------------------------------------------

    def relay_up(self) -> None:
        self.relay_lives = True
        self.gateway_hears(FromWorker(Started(1)))

    def relay_dies(self, back_after: float = 1.0) -> None:
        """Killed; what it was about to say is lost with it. It is started again a little later."""
        if self.relay_lives:
            self.relay_lives = False
            self.relay_runs += 1
            self.relay.sessions.clear()
            self.gateway_hears(WorkerLost("killed"))
            self.after(back_after, self.relay_up)

    def _relay_does(self, order: Order) -> None:
        run = self.relay_runs

        def tell(reply: WorkerReply) -> None:
            if self.relay_lives and run == self.relay_runs:
                self.gateway_hears(FromWorker(reply))

        if self.relay_lives:
            self.relay.obey(order, self.now, lambda reply: self.after(0.001, lambda: tell(reply)))

    def talk(
        self,
        party: "SipParty",
        seconds: float,
        *,
        source: Address | None = None,
        every: int = 1,
        jitter: float = 0.0,
        packet: bytes | None = None,
    ) -> None:
        """`party` sends audio to the port of ours that it was told, from where it announced or `source`.

        Of the packets only one in `every` leaves; each is late by up to `jitter` seconds; `packet` is sent
        in place of RTP.
        """
        packets, first = round(seconds * 50), self._spoken[party.address]
        self._spoken[party.address] += packets
        for number in range(0, packets, every):
            data = packet or rtp(first + number)
            delay = number * 0.02 + self.rng.random() * jitter
            self.after(delay, lambda data=data: self._rtp(party, data, source))  # type: ignore[misc]

    def _rtp(self, party: "SipParty", data: bytes, source: Address | None) -> None:
        if self.relay.sessions:
            self.relay.carry(data, source or party.address, self.relay.gate(party.address), self.now)

    # --- what is left ---------------------------------------------------------------------------------------

    def left_over(self) -> dict[str, int]:
        """What should be nothing once all calls are over and a while has passed."""
        agent = self.gateway.user_agent
        left = {
            "calls": len(self.gateway.calls),
            "negotiations that a successor must know": len(self.gateway.negotiations),
            "messages": len(self.gateway.pages),
            "pages": agent.pages,
            "messages at the connector": self.connector.open_messages,
            "calling": len(self.gateway.calls._calling),
            "sessions of calls": len(self.gateway.calls._of_session),
            "calls counted": len(self.gateway.admission.live),
            "clients expected": self.gateway.admission.expected,
            "sessions with clients": len(self.gateway.calls._client_of),
            "call timers": len(self.gateway.calls._timers),
            "sessions": agent.sessions,
            "transactions": agent.transactions,
            "media sessions": self.gateway.engine.open_sessions,
            "ports": self.gateway.engine.ports_in_use,
            "negotiations": self.connector.negotiations,
        }
        left |= {f"sessions at {party.address[0]}": party.agent.sessions for party in self.parties.values()}
        return {what: number for what, number in left.items() if number}

    def heard_by(self, party: SipParty, kind: type[LegEvent]) -> list[LegEvent]:
        return [event for event in party.heard if isinstance(event, kind)]  # type: ignore[misc]

    def vc_at(self, ichat: IChat) -> list[str]:
        """The vc stanzas that an iChat saw, by the last part of their namespace."""
        found = []
        for element in ichat.stanzas:
            if element.tag.endswith("iq") and len(element) and element[0].tag.startswith("{apple:iq:vc:"):
                found.append(element[0].tag.removeprefix("{apple:iq:vc:").removesuffix("}query"))
        return found

    def said_kinds(self) -> list[str]:
        return [type(message).__name__ for message in self.said]

    def told_kinds(self) -> list[str]:
        return [type(message).__name__ for message in self.told]


__all__ = ["Answered", "IChat", "Phone", "World"]
