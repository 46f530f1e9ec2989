"""The connector: takes stanzas and the gateway's messages, and hands each to the part it concerns.

What comes in is never trusted: a stanza that makes no sense is counted and dropped, an IQ of type get or
set that makes no sense is refused (RFC 6120 8.2.3), answers and errors are never answered. Only presence
sent to the control JID counts, because only that one subscribes to users: what a client tells a speed dial
(to hide from it, say) is not what it tells the gateway.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from xml.etree.ElementTree import Element

from ichat_gw.ipc.messages import (
    AcceptIChatCall,
    CancelIChatCall,
    Configure,
    Hello,
    InitiateIChatCall,
    JabberConnection,
    Message,
    ProceedingIChatCall,
    RefuseIChatCall,
    RejectChatMessage,
    RejectIChatCall,
    SendChatMessage,
    SendSubscriptionResponse,
    Stop,
    WithdrawIChatCall,
)
from ichat_gw.jabber import jid, stanza, stanza_error
from ichat_gw.jabber.auto_reply import AutoReply
from ichat_gw.jabber.capabilities import Capabilities
from ichat_gw.jabber.events import (
    CloseStream,
    ConnectorCommand,
    ConnectorEvent,
    Dropped,
    SendStanza,
    StanzaReceived,
    StreamDown,
    StreamUp,
    Tell,
)
from ichat_gw.jabber.ichat import exchange
from ichat_gw.jabber.ichat.calls_from import CallsFromIChat
from ichat_gw.jabber.ichat.calls_to import CallsToIChat
from ichat_gw.jabber.ids import Ids
from ichat_gw.jabber.keepalive import Keepalive
from ichat_gw.jabber.messages import Messages
from ichat_gw.jabber.presence import CONFIRM, Users, read_device
from ichat_gw.jabber.settings import ConnectorConfig
from ichat_gw.jabber.subscriptions import Subscriptions

LATER_SECONDS = 64.0
"""How long what could not be said for want of a stream, such as a `vc:cancel`, is still worth saying."""

MAX_LATER = 10_000
"""Most stanzas that are kept for that."""


class Connector:
    """The whole XMPP side as one machine."""

    def __init__(
        self,
        config: ConnectorConfig,
        token: str,
        subscriptions: Iterable[tuple[str, str]] = (),
        *,
        wall_clock: Callable[[], datetime] = lambda: datetime.now().astimezone(),
        now: float = 0.0,
    ) -> None:
        """Begin without a stream, at the monotonic time `now`.

        `token` makes our stanza ids unlike those of any other run: some random hex digits.
        `subscriptions` are those that the store remembers, as (user, contact). `wall_clock` is for who asks
        us what time it is.
        """
        ids = Ids(token)
        self._domain = config.domain
        self._control = config.control
        self._users = Users()
        self._subscriptions = Subscriptions(config, subscriptions)
        self._capabilities = Capabilities(config, wall_clock, now)
        self._auto_reply = AutoReply()
        self._passes_messages = config.messages
        self._messages = Messages(config, ids)
        self._keepalive = Keepalive(config, ids)
        self._calls_from = CallsFromIChat(config, ids)
        self._calls_to = CallsToIChat(config, ids, self._users)
        self._parts = (
            self._users,
            self._subscriptions,
            self._auto_reply,
            self._messages,
            self._keepalive,
            self._calls_from,
            self._calls_to,
        )
        self._connected = False
        self._stopped = False
        self._trouble = ""
        self._later: list[tuple[float, SendStanza]] = []

    # --- the three verbs --------------------------------------------------------------------------------

    def receive(self, event: ConnectorEvent, now: float) -> list[ConnectorCommand]:
        """Take an event at the monotonic time `now` (seconds); returns what is to be done, in order."""
        if self._stopped:
            return []
        match event:
            case StanzaReceived(element):
                commands = self._stanza(element, now)
            case StreamUp():
                commands = self._stream_up(now)
            case StreamDown(text):
                commands = self._stream_down(text, now)
            case _:
                commands = self._message(event, now)
        return commands if self._connected else self._keep_stanzas(commands, now)

    def deadline(self) -> float | None:
        """When `expire` next wants to be called."""
        times = [time for part in self._parts if (time := part.deadline()) is not None]
        return min(times, default=None)

    def expire(self, now: float) -> list[ConnectorCommand]:
        """Do what is due."""
        commands: list[ConnectorCommand] = []
        for part in self._parts:
            commands += part.expire(now)
        return commands if self._connected else self._keep_stanzas(commands, now)

    # --- for the status page and for tests --------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether there is a stream."""
        return self._connected

    @property
    def users_online(self) -> int:
        """How many users have an iChat online."""
        return len(self._users)

    @property
    def users_subscribed(self) -> int:
        """How many users are subscribed to something here."""
        return len(self._subscriptions)

    @property
    def negotiations(self) -> int:
        """How many calls are being negotiated, or have been until a moment ago."""
        return len(self._calls_from) + len(self._calls_to)

    @property
    def open_messages(self) -> int:
        """How many messages from SIP the XMPP server has not taken yet."""
        return len(self._messages)

    @property
    def open_checks(self) -> int:
        """How many subscriptions wait for the gateway's verdict."""
        return self._subscriptions.checks

    # --- the stream -------------------------------------------------------------------------------------

    def _stream_up(self, now: float) -> list[ConnectorCommand]:
        self._connected = True
        self._trouble = ""
        later = [command for until, command in self._later if now < until]
        self._later.clear()
        self._keepalive.stream_up(now)
        self._users.stream_up(now + self._subscriptions.greeting_seconds)
        return [Tell(self._connection), *later, *self._subscriptions.stream_up(now)]

    def _stream_down(self, text: str, now: float) -> list[ConnectorCommand]:
        if not self._connected:
            if text == self._trouble:
                return []
            self._trouble = text
            return [Tell(self._connection)]
        self._connected = False
        self._trouble = text
        self._keepalive.stream_down()
        self._users.stream_down(now)
        self._subscriptions.stream_down()
        return [
            Tell(self._connection),
            *self._calls_from.stream_down(now),
            *self._calls_to.stream_down(now),
            *self._messages.stream_down(),
        ]

    def _keep_stanzas(self, commands: list[ConnectorCommand], now: float) -> list[ConnectorCommand]:
        """There is no stream: keep the stanzas among `commands` until there is, return the rest."""
        rest: list[ConnectorCommand] = []
        for command in commands:
            if not isinstance(command, SendStanza):
                rest.append(command)
            elif len(self._later) < MAX_LATER:
                self._later.append((now + LATER_SECONDS, command))
            else:
                rest.append(Dropped("too many stanzas for a stream that is down"))
        return rest

    # --- the gateway ------------------------------------------------------------------------------------

    def _message(self, message: Message, now: float) -> list[ConnectorCommand]:
        match message:
            case InitiateIChatCall():
                return self._calls_to.initiate(message, self._connected, now)
            case CancelIChatCall():
                return self._calls_to.cancel(message, now) or self._calls_from.voided(message, now)
            case ProceedingIChatCall():
                return self._calls_from.proceeding(message, now)
            case AcceptIChatCall():
                return self._calls_from.accepted(message, now)
            case RejectIChatCall():
                return self._calls_from.rejected(message, now)
            case WithdrawIChatCall(to=to, from_=from_):
                return self._calls_to.withdraw(to, from_)
            case RefuseIChatCall(to=to, from_=from_):
                return self._calls_from.refuse(to, from_)
            case SendSubscriptionResponse(to=to, from_=from_, allowed=allowed):
                return self._subscriptions.checked(from_, to, allowed)
            case SendChatMessage():
                return self._messages.send(message, self._connected, now)
            case RejectChatMessage():
                return self._messages.rejected(message)
            case Hello():
                return self._greet_gateway()
            case Configure():
                self._keepalive.reconfigure(message.ping_seconds, now)
                self._capabilities.reconfigure(message.numbers_reachable)
                self._calls_to.reconfigure(message.proceeding_timeout_ms)
                self._passes_messages = message.messages
                return []
            case Stop():
                return self._stop(now)
            case _:
                return [Dropped("message that only we send")]

    def _greet_gateway(self) -> list[ConnectorCommand]:
        """The gateway has just come, or come back: it must hear what it would otherwise know."""
        return [Tell(self._connection), *self._users.registered()]

    @property
    def _connection(self) -> JabberConnection:
        if not self._connected:
            return JabberConnection(False, self._trouble)
        return JabberConnection(True, known_in=int(self._subscriptions.greeting_seconds + CONFIRM))

    def _stop(self, now: float) -> list[ConnectorCommand]:
        commands = [
            *self._calls_from.stop(now),
            *self._calls_to.stop(now),
            *self._messages.stream_down(),
            *self._subscriptions.stop(),
        ]
        self._users.stop()
        self._keepalive.stream_down()
        self._stopped = True
        return [*commands, CloseStream()]

    # --- stanzas ----------------------------------------------------------------------------------------

    def _stanza(self, element: Element, now: float) -> list[ConnectorCommand]:
        if not self._connected:
            return [Dropped("stanza without a stream")]
        self._keepalive.heard(now)
        sender, contact = element.get("from", ""), jid.bare(element.get("to", ""))
        if not sender or max(len(sender), len(contact)) > jid.MAX_CHARACTERS:
            return [Dropped("stanza from nobody")]
        if jid.domain(contact) != self._domain:
            return [Dropped("stanza not for us", contact)]
        if jid.domain(sender) == self._domain:
            return [Dropped("stanza from ourselves", sender)]
        match element.tag.rpartition("}")[2]:
            case "presence":
                return self._presence(element, sender, contact, now)
            case "iq":
                return self._iq(element, sender, contact, now)
            case "message":
                return self._message_stanza(element, sender, contact, now)
            case _:
                return [Dropped("not a stanza")]

    def _message_stanza(
        self, element: Element, sender: str, contact: str, now: float
    ) -> list[ConnectorCommand]:
        if element.get("type") == "error":
            return self._messages.bounced(element, sender)
        if self._passes_messages and contact != self._control and jid.localpart(contact):
            return self._messages.wrote(element, sender, contact)
        return self._auto_reply.answer(element, now)

    def _presence(self, element: Element, sender: str, contact: str, now: float) -> list[ConnectorCommand]:
        user = jid.bare(sender)
        match element.get("type"):
            case None:
                return self._available(element, sender, contact, now)
            case "unavailable":
                return self._offline(sender, contact, now)
            case "error":
                if stanza_error.condition(element) == "gone":
                    return [*self._offline(user, self._control, now), *self._subscriptions.deleted(user)]
                return self._offline(sender, contact, now)
            case "unsubscribed":
                # The user does not want to be seen by the control JID any more.
                return self._offline(user, contact, now)
            case "subscribe":
                return self._subscriptions.subscribe(user, contact, now)
            case "unsubscribe":
                return self._subscriptions.unsubscribe(user, contact)
            case "probe":
                return self._subscriptions.probe(user, contact)
            case "subscribed":
                return []
            case _:
                return [Dropped("presence of an unknown type")]

    def _available(self, element: Element, sender: str, contact: str, now: float) -> list[ConnectorCommand]:
        if contact != self._control or not jid.resource(sender):
            return [Dropped("presence to a speed dial")]
        device = read_device(element)
        if device is None:
            return self._users.offline(sender)
        commands = self._users.online(sender, device)
        if device.free:
            commands += self._calls_to.appeared(sender, now)
        return commands

    def _offline(self, sender: str, contact: str, now: float) -> list[ConnectorCommand]:
        """`sender` (a user, or one device) cannot be seen any more."""
        if contact != self._control:
            return [Dropped("presence to a speed dial")]
        commands = self._users.offline(sender) if jid.resource(sender) else self._users.gone(sender)
        commands += self._calls_to.offline(sender, now)
        commands += self._calls_from.offline(sender, now)
        return commands

    def _iq(self, element: Element, sender: str, contact: str, now: float) -> list[ConnectorCommand]:
        query = next((child for child in element if not child.tag.endswith("}error")), None)
        match element.get("type"):
            case "result":
                return self._messages.answered(sender, element.get("id", "")) or []
            case "error":
                return self._messages.answered(sender, element.get("id", "")) or self._iq_error(
                    element, query, sender, contact, now
                )
            case "set" if element.get("id") and query is not None and (said := exchange.read(query)):
                return [self._result(element), *self._exchange(said, sender, contact, now)]
            case _:
                # Also what has no id, no payload or no such type: everything that asks gets an answer.
                return [SendStanza(self._capabilities.answer(element, query, now))]

    def _result(self, element: Element) -> SendStanza:
        """Every set gets a result (RFC 6120 8.2.3). The original gave none; iChat does not mind."""
        to, from_, id_ = element.get("from", ""), element.get("to", ""), element.get("id", "")
        return SendStanza(stanza.result(to, from_, id_))

    def _exchange(
        self, said: exchange.Exchange, sender: str, contact: str, now: float
    ) -> list[ConnectorCommand]:
        match said:
            case exchange.Request(data):
                return self._calls_from.requested(sender, contact, data, now)
            case exchange.Cancel():
                return self._calls_from.cancelled(sender, contact, now)
            case exchange.Accepted(data):
                return self._calls_to.accepted(sender, contact, data, now)
            case exchange.Declined():
                return self._calls_to.declined(sender, contact, now)
            case _:
                # COMPAT iChat: some versions make a counter proposal first. Their `vc:response` decides.
                return [Dropped("counter proposal")]

    def _iq_error(
        self, element: Element, query: Element | None, sender: str, contact: str, now: float
    ) -> list[ConnectorCommand]:
        status, text = stanza_error.sip_status(element), stanza_error.text(element)
        # Without the returned request only the id tells what failed; with it, the two JIDs do as well.
        caller = contact if query is not None and exchange.is_request(query) else ""
        return self._calls_to.failed(sender, caller, element.get("id", ""), status, text, now)
