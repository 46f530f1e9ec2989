"""The shell around the gateway machine: sockets, timers, child processes, signals.

`Server.run` lives as long as the gateway does. What comes in from anywhere is handed to the machine
(`_feed`), what it commands is done (`_do`), and one timer wakes it when it asked to be woken.
"""

import asyncio
import contextlib
import errno
import json
import os
import re
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from ichat_gw import __version__
from ichat_gw.app.backoff import Backoff
from ichat_gw.app.children import Child, Exit, StopTimes
from ichat_gw.app.configs import (
    gateway_config,
    transport_config,
    user_agent_config,
)
from ichat_gw.app.connector_start import ConnectorStart
from ichat_gw.app.events import (
    ConnectorDied,
    FromConnector,
    GatewayCommand,
    GatewayEvent,
    Note,
    StopGateway,
)
from ichat_gw.app.gateway import Gateway, Reconfigure
from ichat_gw.app.local_addresses import usable_addresses
from ichat_gw.app.media import MediaNews, MediaShell, media_engine
from ichat_gw.app.onlookers import Onlookers
from ichat_gw.app.programs import find_program
from ichat_gw.app.reload import Reloader, connector, gateway_machine
from ichat_gw.app.sd_notify import ServiceNotifier
from ichat_gw.app.signals import off_signal, on_signal
from ichat_gw.clock import Alarm
from ichat_gw.config.load import Loaded, load
from ichat_gw.config.table import Settings
from ichat_gw.ipc.channel import PeerLost
from ichat_gw.ipc.messages import VERSION, Hello, Message, NotifyIChatCallRequest, StanzasSeen
from ichat_gw.ipc.net.udp import UdpLink
from ichat_gw.ipc.refusals import instead_of
from ichat_gw.ipc.seal import Role, SendRefused
from ichat_gw.jabber.ichat.leg import ToConnector
from ichat_gw.media.engine import ToNode, ToWorker
from ichat_gw.ops import wire
from ichat_gw.ops.api import ReloadReply
from ichat_gw.ops.logging import DEBUG, get_logger, log_as
from ichat_gw.sip.events import Lookup, Received, Resolved, Send, SendFailed, SessionId
from ichat_gw.sip.net.transports import Transports
from ichat_gw.sip.net.udp import CannotListen
from ichat_gw.sip.user_agent import UserAgent

if TYPE_CHECKING:
    from ichat_gw.app.http.page import StatusPage

GOODBYE_SECONDS = 2.0
"""How long a stopping gateway waits for BYE, CANCEL and REGISTER to be answered."""
CONNECTOR_PAUSE = 15.0
"""At most so many seconds until a connector that keeps dying is started again: half
a minute after its death there are to be calls again, whatever happened before."""
ASK_CONNECTOR = 5.0
"""Seconds between two messages to the connector that want nothing but to be acknowledged."""
CONNECTOR_STOP = StopTimes(ask=1.5, terminate=0.5, kill=0.5)
"""The connector has been told to stop by then; all in all below the five seconds that a stop may take."""

HANG_UP: signal.Signals | None = getattr(signal, "SIGHUP", None)
"""There is none on Windows."""

log = get_logger(__name__)


class Server:
    """One running gateway, with the configuration `loaded`.

    `read` reads it again, with the flags of the command line, for a reload; None: the file alone is read.
    """

    def __init__(
        self, loaded: Loaded, read: Callable[[], Loaded] | None = None, *, is_all: bool = False
    ) -> None:
        settings = loaded.settings
        self._is_all = is_all
        """Nothing of this process comes after us."""
        self._directory = loaded.path.parent
        self._onlookers = Onlookers(self._feed_soon, settings)
        self.reloader = Reloader(
            loaded,
            read or (lambda: load(loaded.path)),
            (
                self._prepare_transports,
                gateway_machine(self._feed),
                connector(self._tell_connector, self._start_connector_again, lambda: self.reloader.settings),
                self._prepare_page,
                self._onlookers.prepare,
            ),
        )
        self._ends_with_terminal = _has_terminal()
        self._connector_path = find_program(settings.ichat_jabber_connector_path, "IchatJabberConnectorPath")
        self._gateway = _machine(settings)
        self._stop = asyncio.Event()
        self._idle = asyncio.Event()
        """Set when the gateway is stopping and everybody has been told."""
        self._transports: Transports | None = None
        self._link: UdpLink | None = None
        self._media = MediaShell(settings, self._media_said)
        self._said_ready = False
        self._notifier = ServiceNotifier()
        self._connector = Child(
            "ichat-gw-jc",
            [self._connector_path],
            document=self._start_document,
            on_started=self._connector_started,
            on_exited=self._connector_exited,
            on_line=lambda line: _connector_line(line, self._onlookers.call_between),
            ask_to_stop=lambda: None,  # by `Stop`, which the machine sends last of all
            backoff=Backoff(longest=CONNECTOR_PAUSE),
            stop_times=CONNECTOR_STOP,
        )

    def stop(self) -> None:
        """End `run`, in order; may be called again."""
        self._stop.set()

    def reload(self) -> ReloadReply:
        """Read the configuration again; what may change while calls are up is in force when it returns."""
        self._notifier.reloading()
        reply = self.reloader.reload()
        self._notifier.ready()
        return reply

    def _hang_up(self) -> None:
        """SIGHUP: reload, as a daemon does; but when the terminal that we were started at is gone, leave."""
        if self._ends_with_terminal and not _has_terminal():
            self.stop()
        else:
            self.reload()

    async def run(self) -> None:
        """Serve until `stop` or SIGTERM or SIGINT. Raises GatewayError when a port cannot be had."""
        settings = self.reloader.settings
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._alarm = Alarm(loop.call_at, self._wake)
        self._asking = Alarm(loop.call_at, self._ask_connector)
        self._onlookers.begin(loop.time, lambda wake: Alarm(loop.call_at, wake))
        log.info("starting", version=__version__, connector=self._connector_path)
        for number in (signal.SIGTERM, signal.SIGINT):
            on_signal(loop, number, self.stop)
        try:
            try:
                self._transports = await Transports.open(transport_config(settings), self._sip, _note)
            except CannotListen as error:
                raise _explained(error) from error
            self._link = await UdpLink.open(
                Role.GATEWAY,
                settings.gateway_ipc_port,
                settings.jabber_connector_ipc_port,
                on_message=self._connector_said,
                on_lost=self._connector_lost,
                on_dropped=lambda reason, text: log.debug("ipc datagram dropped", reason=reason, text=text),
            )
            if HANG_UP is not None:
                on_signal(loop, HANG_UP, self._hang_up)
            async with asyncio.TaskGroup() as group:
                media = group.create_task(self._media.run())
                connector = group.create_task(self._connector.run())
                watched = group.create_task(self._stay_watched())
                remembering = group.create_task(self._onlookers.run())
                page = await self._open_page()
                telling = group.create_task(page.run()) if page is not None else None
                await self._stop.wait()
                self._notifier.stopping()
                self._media.stopping()
                stopping = group.create_task(self._connector.stop())
                await self._say_goodbye()
                media.cancel()
                await stopping
                await connector
                watched.cancel()
                remembering.cancel()
                if telling is not None:
                    telling.cancel()
        finally:
            self._alarm.set(None)
            self._asking.set(None)
            if self._onlookers.page is not None:
                await self._onlookers.page.close()
            self._onlookers.end()
            if self._link is not None:
                self._link.close()
            if self._transports is not None:
                await self._transports.close()
            for number in (signal.SIGTERM, signal.SIGINT):
                # Everything is over; a second signal must not make another end of an orderly one.
                off_signal(loop, number, ignore=self._is_all)
            if HANG_UP is not None:
                off_signal(loop, HANG_UP)
            self._notifier.close()
        log.info("stopped")

    async def _stay_watched(self) -> None:
        """Tell a service manager with a watchdog that this loop turns; one that hangs is ended by it."""
        if (within := self._notifier.watchdog) is not None:
            while True:
                self._notifier.alive()
                await asyncio.sleep(within / 2)

    async def _open_page(self) -> "StatusPage | None":
        """Serve the status page, if it is to be served; aiohttp is loaded for nothing else."""
        settings = self.reloader.settings
        if not settings.http_port:
            return None
        from ichat_gw.app.http.page import open_page

        transports, onlookers = self._transports, self._onlookers
        assert transports is not None
        onlookers.page = await open_page(
            self._gateway,
            onlookers,
            self.reloader,
            self.reload,
            lambda: tuple(transports.listening),
            self._feed,
        )
        if (process := self._connector.pid) is not None:
            onlookers.page.tally.connector_started(process, time.time())
        return onlookers.page

    def _prepare_page(self, settings: Settings) -> Callable[[], None]:
        page = self._onlookers.page
        return (lambda: None) if page is None else (lambda: page.reconfigure(settings))

    def _prepare_transports(self, settings: Settings) -> Callable[[], None]:
        assert self._transports is not None
        return self._transports.prepare(transport_config(settings))

    async def _say_goodbye(self) -> None:
        log.info("stopping", calls=len(self._gateway.calls))
        self._feed(StopGateway())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), GOODBYE_SECONDS)

    # --- in -----------------------------------------------------------------------------------------------

    def _feed(self, event: GatewayEvent | Reconfigure) -> None:
        # The time at which it came, so that what is done about it stands behind it in a trace.
        now, at = self._loop.time(), time.time()
        with self._surviving(type(event).__name__):
            commands = self._gateway.receive(event, now)
            self._do(commands)
            self._onlookers.took(event, self._gateway.user_agent.heard, commands, now, at)

    def _feed_soon(self, event: GatewayEvent) -> None:
        self._loop.call_soon(self._feed, event)

    def _keep_time(self) -> None:
        if self._gateway.door.stopping and self._gateway.idle:
            self._idle.set()
        self._alarm.set(self._gateway.deadline())

    def _wake(self) -> None:
        now, at = self._loop.time(), time.time()
        with self._surviving("timer"):
            commands = self._gateway.expire(now)
            self._do(commands)
            self._onlookers.took(None, None, commands, now, at)

    @contextlib.contextmanager
    def _surviving(self, what: str) -> Iterator[None]:
        """Whatever one event does to us, the clock goes on and so do all other calls."""
        try:
            yield
        except Exception:
            log.exception("internal error", while_processing=what)
            if self._onlookers.page is not None:
                self._onlookers.page.tally.failed()
        self._keep_time()

    def _sip(self, event: Received | SendFailed | Resolved) -> None:
        if not (isinstance(event, Received) and log.enabled(DEBUG)):
            self._feed(event)
            return
        now, at = self._loop.time(), time.time()
        with self._surviving("SIP message"):
            commands = self._gateway.receive(event, now)
            agent = self._gateway.user_agent
            _log_sip("in", event.data, event.flow.remote, self._call_of(agent.heard))
            self._do(commands)
            self._onlookers.took(event, agent.heard, commands, now, at)

    def _media_said(self, event: MediaNews) -> None:
        before = self._gateway.engine.ready
        self._feed(event)
        if self._gateway.engine.ready and not before:
            self._say_ready()

    def _say_ready(self) -> None:
        if self._said_ready or not self._gateway.engine.ready:
            return
        if not self._gateway.door.jabber_online:
            # A service manager need not wait for it, nor start us again because it is away.
            settings = self.reloader.settings
            where = f"{settings.jabber_server}:{settings.jabber_component_port}"
            self._notifier.ready(f"waiting for the XMPP server at {where}")
            return
        self._said_ready = True
        assert self._transports is not None
        listening = ", ".join(self._transports.listening)
        log.info("ready", sip=listening)
        self._notifier.ready(f"serving; SIP at {listening}")

    # --- the connector ------------------------------------------------------------------------------------

    def _start_document(self) -> ConnectorStart:
        """A new key for each run, so that nothing said in the last one means anything in this."""
        settings = self.reloader.settings
        key = secrets.token_bytes(32)
        assert self._link is not None
        self._link.begin(key)
        return ConnectorStart(
            version=VERSION,
            key=key,
            gateway_ipc_port=settings.gateway_ipc_port,
            connector_ipc_port=settings.jabber_connector_ipc_port,
            component=settings.jabber_component_name,
            password=settings.jabber_component_password.get_secret_value(),
            server=settings.jabber_server,
            port=settings.jabber_component_port,
            control_user=settings.jabber_control_username,
            addresses=[(address, settings.udp_tcp_port) for address in usable_addresses(settings.ip_address)],
            proceeding_timeout_ms=settings.ichat_proceeding_timeout,
            ping_seconds=settings.jabber_server_ping_duration,
            messages=settings.sip_messages,
            numbers_reachable=settings.numbers_reachable,
            longest_stanza=settings.max_stanza_size,
            traces=self._onlookers.wants_stanzas,
            database=str(settings.subscription_database),
            userdb=str(self._directory / "ichat-gw.userdb"),
            log_level=settings.log_level.value,
        )

    def _connector_said(self, message: Message) -> None:
        if isinstance(message, StanzasSeen):
            self._onlookers.stanzas(message)
            return
        begins = isinstance(message, NotifyIChatCallRequest)
        wire.ipc(log, "in", message, "connector", self._gateway.work.next_handle if begins else "")
        if isinstance(message, Hello):
            if message.version != VERSION:
                log.err(
                    "the connector is of another release",
                    theirs=message.version,
                    ours=VERSION,
                    remedy="install both programs from one release, or set IchatJabberConnectorPath",
                )
                self._connector.kill()
                return
            self._tell_connector(Hello(VERSION))
            self._ask_again()
            return
        self._feed(FromConnector(message))
        self._say_ready()

    def _ask_again(self) -> None:
        self._asking.set(self._loop.time() + ASK_CONNECTOR)

    def _ask_connector(self) -> None:
        """One that stands still acknowledges nothing, and is found out although nobody calls (`PeerLost`)."""
        assert self._link is not None
        with contextlib.suppress(SendRefused):  # it is gone, or has too much to do just now
            self._link.send(Hello(VERSION))
        self._ask_again()

    def _connector_lost(self, lost: PeerLost) -> None:
        log.err("the connector does not answer", text=lost.text, undelivered=len(lost.undelivered))
        self._connector.kill()

    def _start_connector_again(self) -> None:
        log.info("the connector is started again, to connect in another way")
        self._connector.kill()

    def _connector_started(self, process: int) -> None:
        if self._onlookers.page is not None:
            self._onlookers.page.tally.connector_started(process, time.time())

    def _connector_exited(self, exit_: Exit) -> None:
        if self._onlookers.page is not None:
            self._onlookers.page.tally.connector_ended(exit_.text, time.time())
        self._asking.set(None)
        if self._link is not None:
            self._link.end()
        self._feed(ConnectorDied())

    def _tell_connector(self, message: Message) -> None:
        assert self._link is not None
        wire.ipc(log, "out", message, "connector")
        try:
            self._link.send(message)
        except SendRefused as error:
            log.warning("message to the connector refused", message=type(message).__name__, text=str(error))
            for answer in instead_of(message, str(error)):
                self._loop.call_soon(self._feed, FromConnector(answer))

    # --- out ----------------------------------------------------------------------------------------------

    def _call_of(self, session: SessionId | None) -> str:
        """The call of a session for the log, also when this was its last message."""
        return self._gateway.call_of(session) or self._onlookers.call_of(session)

    def _do(self, commands: list[GatewayCommand]) -> None:
        assert self._transports is not None
        for command in commands:
            match command:
                case Send(data, flow, session):
                    if log.enabled(DEBUG):
                        _log_sip("out", data, flow.remote, self._call_of(session))
                    self._transports.send(command)
                case Lookup():
                    self._transports.lookup(command)
                case ToConnector(message):
                    self._tell_connector(message)
                case ToWorker() | ToNode():
                    self._media.send(command)
                case Note(level, event, call, fields):
                    bound = {"call": call, **dict(fields)} if call else dict(fields)
                    log_as(log, level, event, **bound)


def _has_terminal() -> bool:
    """Whether there is a terminal that somebody who started us by hand sits at, and not with nohup."""
    if HANG_UP is None or signal.getsignal(HANG_UP) is signal.SIG_IGN:
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _machine(settings: Settings) -> Gateway:
    """The pure machine that the settings describe."""
    agent = UserAgent(user_agent_config(settings), lambda: secrets.token_hex(12))
    return Gateway(gateway_config(settings), agent, media_engine(settings))


def _explained(error: CannotListen) -> CannotListen:
    """Name the setting and the remedy."""
    if error.number == errno.EADDRNOTAVAIL:
        return CannotListen(f"IPAddress: cannot bind {error}; write an address of this machine", error.number)
    setting = "TLSPort" if str(error).startswith("TLS") else "UDPTCPPort"
    remedy = "is another ichat-gw running? Otherwise choose a free port"
    return CannotListen(f"{setting}: cannot bind {error}; {remedy}", error.number)


def _note(level: str, event: str, fields: Mapping[str, object]) -> None:
    log_as(log, level, event, **fields)


def _log_sip(direction: wire.Direction, data: bytes, peer: tuple[str, int], call: str) -> None:
    """A SIP message in the log: its first line, with the method that a response is for."""
    text = data.decode("utf-8", "replace")
    first, _, rest = text.partition("\r\n")
    words = first.split(" ", 2)
    if len(words) < 3:
        summary = "not SIP"
    elif words[0] == "SIP/2.0" and re.fullmatch("[0-9]{3}", words[1]):
        method = ""
        for line in rest.split("\r\n\r\n", 1)[0].split("\r\n"):
            if line[:5].lower() == "cseq:":
                method = line.rpartition(" ")[2]
        summary = wire.response_summary(int(words[1]), words[2], method)
    elif words[2] == "SIP/2.0":
        summary = wire.request_summary(words[0], words[1])
    else:
        summary = "not SIP"
    wire.wire(log, "sip", direction, f"{peer[0]}:{peer[1]}", summary, call=call, message=text)


def _connector_line(line: str, call_between: Callable[[str, str], str] = lambda user, contact: "") -> None:
    """A line of the connector's output: JSON when it comes from its log, anything when it dies.

    The connector knows no handles of calls; `call_between` gives that of a user and a JID of ours.
    """
    try:
        fields = json.loads(line)
        level, event = fields["level"], fields["event"]
    except (ValueError, KeyError, TypeError, RecursionError):
        log.warning("connector output", text=line)
        return
    for name in ("level", "event", "time"):
        fields.pop(name, None)
    if event == "xmpp" and (call := call_between(str(fields.get("peer")), str(fields.get("ours")))):
        fields["call"] = call
    log_as(log, str(level), str(event), **{str(name): value for name, value in fields.items()})
