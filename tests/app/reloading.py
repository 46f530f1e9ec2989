"""A world whose gateway goes by a configuration file that can be changed and read again."""

from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from app.world import COMPONENT, CONTROL, GATEWAY, Address, SipParty, World
from ichat_gw.addressing.sip_uri import SipUri
from ichat_gw.app.call_memory import CallMemory
from ichat_gw.app.events import FromConnector
from ichat_gw.app.reload import Reloader, connector, gateway_machine
from ichat_gw.config.load import load
from ichat_gw.ipc.messages import SipRegisterJabberUser
from ichat_gw.media.engine import ToWorker
from ichat_gw.ops.api import ReloadReply
from ichat_gw.sip.events import Flow, InviteReceived, Lookup, Received, Resolved, UserAgentEvent
from ichat_gw.sip.message import Headers, Request, Response, parse

BOB = "bob@jabber.localhost"
REGISTRAR = ("127.0.0.5", 5060)

LINES = {
    "JabberServer": "127.0.0.1",
    "JabberComponentName": COMPONENT,
    "JabberComponentPassword": "component password",
    "JabberControlUsername": "control",
    "IPAddress": "127.0.0.1",
    "SIPGatewayIdentity": '"iChat-gw" <sip:ichat-gw@127.0.0.1>',
    "AllowedXMPPDomains": "jabber.localhost",
    "MediaRelayPortRangeMin": "8000",
    "MediaRelayPortRangeMax": "8099",
    "CallRecordDays": "0",
}
"""What the file says, unless a test says otherwise; each changed line is one setting."""

RULES = (
    (r"^xmpp:(.*)@gw\.jabber\.localhost$", "sip:$1@127.0.0.2"),
    (r"^sip:(.*)@127\.0\.0\.1$", "xmpp:$1@jabber.localhost"),
    (r"^xmpp:(.*)@jabber\.localhost$", "sip:$1@127.0.0.5"),
)


class Registrar(SipParty):
    """Takes down who registers. `status`: what it refuses everybody with; `realm`: asks for a password."""

    def __init__(self, world: World, address: Address = REGISTRAR) -> None:
        super().__init__(world, address, "registrar")
        self.status = 0
        self.realm = ""
        self.asked: list[Request] = []

    def feed(self, event: UserAgentEvent) -> None:
        if not isinstance(event, Received) or not event.data.strip():
            return
        request = parse(event.data)
        if not isinstance(request, Request) or request.method != "REGISTER":
            return
        self.asked.append(request)
        status = self.status or (401 if self.realm and "Authorization" not in request.headers else 200)
        headers = Headers(
            (name, value)
            for name in ("Via", "From", "To", "Call-ID", "CSeq")
            for value in request.headers.get_all(name)
        )
        if status == 401:
            headers.add("WWW-Authenticate", f'Digest realm="{self.realm}", nonce="abc", algorithm=MD5')
        if status == 200 and request.contact is not None and request.expires:
            headers.add("Contact", f"<{request.contact.uri}>;expires={request.expires}")
        reply = Response(status, "So be it", headers).to_bytes()
        self.world.carry(reply, self.address, event.flow.remote)

    def invited(self, invite: InviteReceived) -> None:
        raise AssertionError("nobody calls it")


@dataclass
class Site:
    """A world, its configuration file, and what is seen of it from outside."""

    directory: Path
    lines: dict[str, str] = field(default_factory=LINES.copy)

    def __post_init__(self) -> None:
        self.file = self.directory / "ichat-gw.config"
        self.extra: list[str] = []
        self.rules = RULES
        self.write()
        self.world = World()
        self.registrar = Registrar(self.world)
        self.sent: list[tuple[bytes, Address]] = []
        self.stanzas: list[str] = []
        self.lookups: list[str] = []
        self.orders: list[object] = []
        self.starts = 0
        """Of the connector, after the first."""
        self._listen()
        loaded = load(self.file)
        self.memory = CallMemory(loaded.settings)
        parts = (
            gateway_machine(self.world.gateway_hears),
            connector(self.world._connector_hears, self._count_start, lambda: self.reloader.settings),
            self.memory.prepare,
        )
        self.reloader = Reloader(loaded, lambda: load(self.file), parts)
        for part in parts:
            part(loaded.settings)()
        self.world.run(1.0)

    def _listen(self) -> None:
        """Note what the gateway and the connector do, before it is done."""
        carry, gateway, jabber = (
            self.world.carry,
            self.world._gateway_does,
            self.world._server_delivers,
        )

        def carried(data: bytes, source: Address, target: Address) -> None:
            if source == GATEWAY:
                self.sent.append((data, target))
            if data.strip():
                carry(data, source, target)

        def done(commands: list[object]) -> None:
            for command in commands:
                if isinstance(command, Lookup):
                    self.lookups.append(command.uri)
                    self._look_up(command)
                elif isinstance(command, ToWorker):
                    self.orders.append(command.order)
            gateway([command for command in commands if not isinstance(command, Lookup)])  # type: ignore[arg-type, misc]

        def delivered(xml: str) -> None:
            self.stanzas.append(xml)
            jabber(xml)

        self.world.carry = carried  # type: ignore[method-assign]
        self.world._gateway_does = done  # type: ignore[method-assign, assignment]
        self.world._server_delivers = delivered  # type: ignore[method-assign]

    def _count_start(self) -> None:
        """The connector is to be started again."""
        self.starts += 1
        self.world.connector_dies()

    def _look_up(self, command: Lookup) -> None:
        """Every host is an address, and its port 5060 unless the URI says another."""
        uri = SipUri.parse(command.uri)
        flow = Flow("UDP", GATEWAY, (uri.host.strip("[]"), uri.port or 5060))
        self.world.after(0.001, lambda: self.world.gateway_hears(Resolved(command.lookup, (flow,))))

    # --- the file -------------------------------------------------------------------------------------------

    def write(self) -> None:
        text = [f"{name} = {value}" for name, value in self.lines.items()] + self.extra
        for pattern, output in self.rules:
            text += [f"TranslationPattern = {pattern}", f"TranslationOutput = {output}"]
        self.file.write_text("\n".join(text) + "\n")

    def reload(self, **lines: str) -> ReloadReply:
        """Change lines of the file (blank: the default) and read it again; what is wrong with it fails."""
        self.lines |= lines
        self.write()
        reply = self.reloader.reload()
        assert reply.problems == ()
        assert reply.done
        assert reply.needs_restart == ()
        assert {change.name for change in reply.changed} >= set(lines)
        self.world.run(0.5)
        return reply

    # --- what is seen ---------------------------------------------------------------------------------------

    def online(self, user: str = BOB) -> None:
        """Somebody comes online."""
        self.world.gateway_hears(FromConnector(SipRegisterJabberUser(user)))
        self.world.run(1.0)

    def requests(self, method: str, to: Address | None = None) -> list[Request]:
        """The requests of the gateway so far."""
        parsed = [(parse(data), target) for data, target in self.sent if data.strip()]
        return [
            message
            for message, target in parsed
            if isinstance(message, Request) and message.method == method and to in (None, target)
        ]

    def keep_alives(self) -> int:
        return sum(data == b"\r\n\r\n" for data, _ in self.sent)

    def quiet(self) -> None:
        """Begin to look anew."""
        for seen in (self.sent, self.stanzas, self.lookups, self.orders, self.registrar.asked):
            seen.clear()  # type: ignore[attr-defined]

    def asks(self, xml: str, contact: str = COMPONENT) -> ElementTree.Element:
        """What the component answers to a query of alice's."""
        self.stanzas.clear()
        alice = self.world.alice.jid
        self.world.to_connector(f"<iq type='get' id='q' from='{alice}' to='{contact}'>{xml}</iq>")
        self.world.run(0.1)
        return ElementTree.fromstring(f"<w>{''.join(self.stanzas)}</w>")[0]


__all__ = ["BOB", "COMPONENT", "CONTROL", "GATEWAY", "REGISTRAR", "Registrar", "Site"]
