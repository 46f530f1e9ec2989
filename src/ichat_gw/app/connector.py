"""The shell around the connector machine: the XMPP stream, the store, the link to the gateway."""

import asyncio
import contextlib
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ichat_gw import __version__
from ichat_gw.app.connector_start import ConnectorStart
from ichat_gw.app.parent import parent_gone
from ichat_gw.app.signals import on_signal
from ichat_gw.app.stanza_witness import StanzaWitness
from ichat_gw.clock import Alarm
from ichat_gw.ipc.channel import PeerLost
from ichat_gw.ipc.messages import VERSION, Configure, Hello, Log, Message, Stop
from ichat_gw.ipc.net.udp import UdpLink
from ichat_gw.ipc.refusals import instead_of
from ichat_gw.ipc.seal import Role, SendRefused
from ichat_gw.jabber.connector import Connector
from ichat_gw.jabber.events import (
    CloseStream,
    ConnectorCommand,
    ConnectorEvent,
    Dropped,
    ForgetSubscription,
    Reconnect,
    RememberSubscription,
    SendStanza,
    StanzaReceived,
    StreamDown,
    StreamUp,
    Tell,
)
from ichat_gw.jabber.net.component import ComponentStream
from ichat_gw.jabber.net.store import SqliteStore
from ichat_gw.jabber.settings import ConnectorConfig
from ichat_gw.jabber.store import StoreError
from ichat_gw.ops import wire
from ichat_gw.ops.logging import DEBUG, configure, get_logger

TELL_SECONDS = 0.5
"""How long stanzas of calls are collected before the gateway is told of them."""
FLUSH_SECONDS = 0.5
"""How long the last messages to the gateway may take."""
STORE_AGAIN_SECONDS = 5.0
"""Until subscriptions that could not be stored are tried again."""

LONGEST_LOGGED = 8_000
"""Characters of a stanza that are logged, so that a line stays one line (`children.LONGEST_LINE`): in JSON
each may take six."""

log = get_logger(__name__)


class ConnectorServer:
    """One run of the connector."""

    def __init__(self, start: ConnectorStart) -> None:
        self._start = start
        self._store = SqliteStore(Path(start.database), Path(start.userdb))
        config = ConnectorConfig(
            component=start.component,
            control_user=start.control_user,
            addresses=start.addresses,
            proceeding_timeout_ms=start.proceeding_timeout_ms,
            ping_seconds=start.ping_seconds,
            version=__version__,
            messages=start.messages,
            numbers_reachable=start.numbers_reachable,
        )
        self._machine = Connector(
            config, secrets.token_hex(8), self._store.load(), now=asyncio.get_running_loop().time()
        )
        self._witness = StanzaWitness(time.time) if start.traces else None
        self._telling = False
        """The witness is about to be heard."""
        self._storing_again: asyncio.TimerHandle | None = None
        """Subscriptions wait for the disk."""
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Serve until the gateway says `Stop` or is gone. Raises GatewayError when the IPC port is taken."""
        start = self._start
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._loop.call_at, self._wake)
        for number in (signal.SIGTERM, signal.SIGINT):
            on_signal(self._loop, number, self._end)
        self._link = await UdpLink.open(
            Role.CONNECTOR,
            start.connector_ipc_port,
            start.gateway_ipc_port,
            on_message=self._gateway_said,
            on_lost=self._gateway_lost,
            on_dropped=lambda reason, text: log.debug("ipc datagram dropped", reason=reason, text=text),
        )
        self._link.begin(start.key)
        self._tell(Hello(VERSION))
        self._stream = ComponentStream(
            start.server,
            start.port,
            start.component,
            start.password,
            on_up=lambda: self._feed(StreamUp()),
            on_down=lambda text: self._feed(StreamDown(text)),
            on_stanza=self._stanza,
            longest_stanza=start.longest_stanza,
        )
        try:
            async with asyncio.TaskGroup() as group:
                stream = group.create_task(self._stream.run())
                parent = group.create_task(self._leave_with_parent())
                await self._stop.wait()
                await self._stream.close()
                await stream
                await self._link.flush(FLUSH_SECONDS)
                parent.cancel()
        finally:
            self._alarm.set(None)
            self._link.close()
            self._store_last()

    async def _leave_with_parent(self) -> None:
        await parent_gone()
        self._end()

    def _end(self) -> None:
        """Say `unavailable` to everybody, then leave: what the gateway's `Stop` asks for too."""
        self._feed(Stop())
        self._stop.set()

    # --- in -----------------------------------------------------------------------------------------------

    def _feed(self, event: ConnectorEvent) -> None:
        with self._surviving(type(event).__name__):
            self._do(self._machine.receive(event, self._loop.time()))

    def _wake(self) -> None:
        with self._surviving("timer"):
            self._do(self._machine.expire(self._loop.time()))

    @contextlib.contextmanager
    def _surviving(self, what: str) -> Iterator[None]:
        """Whatever one event does to us, the clock goes on and so does all the rest."""
        try:
            yield
        except Exception:
            log.exception("internal error", while_processing=what)
        self._alarm.set(self._machine.deadline())

    def _stanza(self, element: Element) -> None:
        if log.enabled(DEBUG):
            _log_stanzas("in", [element])
        if self._witness is not None:
            self._witness.received(element)
            self._tell_seen()
        self._feed(StanzaReceived(element))

    def _gateway_said(self, message: Message) -> None:
        if isinstance(message, Hello):
            if message.version != VERSION:
                log.err("the gateway is of another release", theirs=message.version, ours=VERSION)
                self._stop.set()
            return
        if isinstance(message, Configure):
            configure(message.log_level, form="json", console=sys.stdout)
            if message.traces != (self._witness is not None):
                self._witness = StanzaWitness(time.time) if message.traces else None
        if self._witness is not None:
            self._witness.expect(message)
        self._feed(message)

    def _gateway_lost(self, lost: PeerLost) -> None:
        log.err("the gateway does not answer", text=lost.text, undelivered=len(lost.undelivered))
        self._end()

    # --- out ----------------------------------------------------------------------------------------------

    def _do(self, commands: Sequence[ConnectorCommand]) -> None:
        # The stanzas last: if we are killed in between, a subscription that a user hears of is stored, and
        # the gateway knows of the device that rings.
        for command in commands:
            match command:
                case SendStanza(xml):
                    if self._witness is not None:
                        self._witness.sent(xml)
                        self._tell_seen()
                case Tell(message):
                    self._tell(message)
                case RememberSubscription(user, contact):
                    self._stored(lambda user=user, contact=contact: self._store.remember(user, contact))  # type: ignore[misc]
                case ForgetSubscription(user, contact):
                    self._stored(lambda user=user, contact=contact: self._store.forget(user, contact))  # type: ignore[misc]
                case Dropped(reason, detail):
                    log.debug("dropped", reason=reason, detail=detail)
                case Reconnect(text):
                    self._stream.reconnect(text)
                case CloseStream():
                    self._stop.set()
        # In one write: stanzas that belong together (presence, then `vc:request`) then travel together, where
        # two small writes would make TCP hold back the second for the acknowledgement of the first (40 ms).
        stanzas = "".join(command.xml for command in commands if isinstance(command, SendStanza))
        if stanzas:
            if log.enabled(DEBUG):
                _log_stanzas("out", ElementTree.fromstring(f"<s>{stanzas}</s>"))
            self._stream.send(stanzas)

    def _tell_seen(self) -> None:
        """Tell what the witness saw in a moment, all at once: nothing of a call waits for it."""
        if not self._telling:
            self._telling = True
            self._loop.call_later(TELL_SECONDS, self._tell_witnessed)

    def _tell_witnessed(self) -> None:
        self._telling = False
        if self._witness is not None:
            for seen in self._witness.take():
                self._tell(seen)

    def _stored(self, write: Callable[[], None]) -> None:
        """A full disk or a locked file must end no calls: the subscription holds, and is stored later."""
        try:
            write()
        except StoreError as error:
            if self._storing_again is None:
                self._tell(Log("ERR", f"subscription not stored: {error}"))
            self._store_later()

    def _store_later(self) -> None:
        if self._store.unwritten and self._storing_again is None:
            loop = asyncio.get_running_loop()
            self._storing_again = loop.call_later(STORE_AGAIN_SECONDS, self._store_again)

    def _store_again(self) -> None:
        self._storing_again = None
        try:
            self._store.flush()
        except StoreError:
            self._store_later()
        else:
            log.info("subscriptions are stored again")

    def _store_last(self) -> None:
        """We end: what could not be stored is tried for the last time."""
        if self._storing_again is not None:
            self._storing_again.cancel()
        try:
            self._store.flush()
        except StoreError as error:
            log.err("subscriptions are lost", number=self._store.unwritten, text=str(error))
        self._store.close()

    def _tell(self, message: Message) -> None:
        try:
            self._link.send(message)
        except SendRefused as error:
            log.warning("message to the gateway refused", message=type(message).__name__, text=str(error))
            for answer in instead_of(message, str(error)):
                self._loop.call_soon(self._feed, answer)


def _shortened(text: str) -> str:
    more = len(text) - LONGEST_LOGGED
    return text if more <= 0 else f"{text[:LONGEST_LOGGED]} ... and {more} characters more"


def _log_stanzas(direction: wire.Direction, elements: Iterable[Element]) -> None:
    """Each stanza as a line of the wire log."""
    for element in elements:
        kind = element.tag.rpartition("}")[2]
        namespace = (
            element[0].tag.partition("}")[0].removeprefix("{") if kind == "iq" and len(element) else ""
        )
        ends = element.get("from", ""), element.get("to", "")
        peer, ours = ends if direction == "in" else reversed(ends)
        summary = wire.stanza_summary(kind, element.get("type", ""), namespace)
        text = _shortened(ElementTree.tostring(element, encoding="unicode"))
        wire.wire(log, "xmpp", direction, peer, summary, message=text, ours=ours)
