"""Those who look on while a gateway works: the traces and records of its calls, and the status page.

They are shown what the gateway took and what came of it, after it has been done, and nothing waits for them.
What they want of the gateway is only to be told the counters of a call (`StatisticsAsked`).

What they are shown waits until there is enough of it or somebody asks (`catch_up`): work that is done for
several calls at once costs a third of what it costs when each message brings it into the processor's caches
again.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ichat_gw.app.call_events import MediaAsked
from ichat_gw.app.call_memory import CallMemory
from ichat_gw.app.events import ConnectorDied, FromConnector, GatewayCommand, GatewayEvent
from ichat_gw.app.gateway import Reconfigure
from ichat_gw.app.tracing import CallKept, TraceKept, Tracing, TracingCommand
from ichat_gw.call.media import MediaAnswer, MediaOffer, MediaRelease
from ichat_gw.clock import Alarm
from ichat_gw.config.table import Settings
from ichat_gw.ipc.messages import StanzasSeen
from ichat_gw.media.engine import StatisticsAsked, WorkerLost
from ichat_gw.ops.hep import HepSource
from ichat_gw.ops.logging import get_logger
from ichat_gw.ops.net.hep import HepSender
from ichat_gw.ops.records import CallRecord, Records
from ichat_gw.sip.events import Received, SessionId

if TYPE_CHECKING:
    from ichat_gw.app.http.page import StatusPage

LOOK_SECONDS = 0.5
"""How long what they are shown may wait."""
MOST_WAITING = 100
"""Events that may wait: those of about eight calls, which take some three milliseconds."""

Shown: TypeAlias = (
    tuple[GatewayEvent | Reconfigure | None, SessionId | None, Sequence[GatewayCommand], float, float]
    | StanzasSeen
)
"""As for `Tracing.took`, or what the connector tells."""

_SAY_SOMETHING = frozenset({Received, FromConnector, ConnectorDied, WorkerLost})
"""Events that are looked at even when nothing came of them."""
_OF_SETUP = frozenset({MediaOffer, MediaAnswer, MediaRelease})
"""What is asked of the media engine in every call."""

log = get_logger(__name__)


class Onlookers:
    """The onlookers of one gateway. `ask` asks it for the counters of a call, once it has returned."""

    def __init__(self, ask: Callable[[StatisticsAsked], None], settings: Settings) -> None:
        self.memory = CallMemory(settings)
        self._hep = _hep_sender(settings)
        self.tracing = Tracing(self.memory.book, mirror=self._hep.mirror if self._hep is not None else None)
        self.page: StatusPage | None = None
        """None: HttpPort is 0."""
        self._ask = ask
        self._clock: Callable[[], float] = time.monotonic
        self._alarm: Alarm | None = None
        self._waiting: deque[Shown] = deque()

    @property
    def records(self) -> Records:
        """The records of calls."""
        return self.memory.records

    @property
    def wants_stanzas(self) -> bool:
        """Whether the connector is to tell of the stanzas of calls."""
        return self.memory.keeps_messages or self._hep is not None

    def prepare(self, settings: Settings) -> Callable[[], None]:
        """See `CallMemory.prepare`. Where HEP goes is for the next start to say."""
        return self.memory.prepare(settings)

    async def run(self) -> None:
        """Write what is to be kept, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.memory.run())
            if self._hep is not None:
                group.create_task(self._hep.run())

    def begin(self, clock: Callable[[], float], alarm: Callable[[Callable[[], None]], Alarm]) -> None:
        """The event loop runs: `clock` is its time, and `alarm` makes an alarm that calls what it gets."""
        self._clock = clock
        self._alarm = alarm(self.catch_up)

    def end(self) -> None:
        """The gateway has stopped."""
        self.catch_up()
        if self._alarm is not None:
            self._alarm.set(None)
        if self._hep is not None:
            self._hep.close()
        self.memory.close()

    def took(
        self,
        event: GatewayEvent | Reconfigure | None,
        heard: SessionId | None,
        commands: Sequence[GatewayCommand],
        now: float,
        at: float,
    ) -> None:
        """The gateway took `event` (None: a timer), and this came of it; all else as for `Tracing.took`."""
        if not commands and type(event) not in _SAY_SOMETHING:
            return
        self._wait((event, heard, commands, now, at))
        for command in commands:
            if type(command) is MediaAsked and type(command.request) not in _OF_SETUP:
                # The traces may want to know what was counted before this change.
                self.catch_up()
                break

    def stanzas(self, seen: StanzasSeen) -> None:
        """The connector tells of stanzas."""
        self._wait(seen)

    def catch_up(self) -> None:
        """Look at all that has been shown until now: to be called before any of them is asked."""
        while self._waiting:
            shown = self._waiting.popleft()
            self._survive(lambda shown=shown: self._look(shown))  # type: ignore[misc]
        now = self._clock()
        self._survive(lambda: self._do(self.tracing.expire(now, time.time())))
        if self._alarm is not None:
            deadline = self.tracing.deadline()
            self._alarm.set(None if deadline is None else max(deadline, now + LOOK_SECONDS))

    def _survive(self, look: Callable[[], None]) -> None:
        """Whatever one event or timer does to us: those behind it are looked at, and who asks goes on."""
        try:
            look()
        except Exception:
            log.exception("internal error", while_processing="what is remembered of calls")
            if self.page is not None:
                self.page.tally.failed()

    def call_of(self, session: SessionId | None) -> str:
        """See `Tracing.call_of`."""
        if session is None:
            return ""
        self.catch_up()
        return self.tracing.call_of(session)

    def call_between(self, user: str, contact: str) -> str:
        """See `Tracing.call_between`."""
        self.catch_up()
        return self.tracing.call_between(user, contact)

    def _wait(self, shown: Shown) -> None:
        if not self._waiting and self._alarm is not None:
            self._alarm.set(self._clock() + LOOK_SECONDS)
        self._waiting.append(shown)
        if len(self._waiting) >= MOST_WAITING:
            self.catch_up()

    def _look(self, shown: Shown) -> None:
        if isinstance(shown, StanzasSeen):
            for each in shown.stanzas:
                self.tracing.stanza(each.user, each.contact, each.outgoing, each.xml, each.at)
            return
        event, heard, commands, now, at = shown
        if isinstance(event, Reconfigure):
            event = None
        self._do(self.tracing.took(event, heard, commands, now, at))
        if self.page is not None:
            self.page.took(event, commands, at)

    def _do(self, commands: Sequence[TracingCommand]) -> None:
        for command in commands:
            match command:
                case StatisticsAsked():
                    self._ask(command)
                case CallKept(record):
                    if record.remedy:
                        _log_verdict(record)
                    self.memory.keep(record)
                    if self.page is not None:
                        self.page.kept(record)
                case TraceKept(journal):
                    self.memory.keep_trace(journal)


def _log_verdict(record: CallRecord) -> None:
    """What went wrong, and what to do; of a call that is in order the other lines say enough."""
    text, remedy = record.sentence, record.remedy
    log.info("verdict", call=record.call, code=record.verdict, text=text, remedy=remedy)


def _hep_sender(settings: Settings) -> HepSender | None:
    server, password = settings.hep_server, settings.hep_password
    if server is None:
        return None
    source = HepSource(settings.hep_capture_id, password.get_secret_value() if password is not None else "")
    return HepSender(server.host, server.port, source)
