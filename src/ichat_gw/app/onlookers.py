"""Those who look on while a gateway works: the traces and records of its calls, and the status page.

They are shown what the gateway took and what came of it, after it has been done, and nothing waits for them.
What they want of the gateway is only to be told the counters of a call (`StatisticsAsked`).
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ichat_gw.app.call_memory import CallMemory
from ichat_gw.app.events import GatewayCommand, GatewayEvent
from ichat_gw.app.gateway import Reconfigure
from ichat_gw.app.tracing import CallKept, TraceKept, Tracing, TracingCommand
from ichat_gw.clock import Alarm
from ichat_gw.config.table import Settings
from ichat_gw.ipc.messages import StanzasSeen
from ichat_gw.media.engine import StatisticsAsked
from ichat_gw.ops.hep import HepSource
from ichat_gw.ops.logging import get_logger
from ichat_gw.ops.net.hep import HepSender
from ichat_gw.ops.records import CallRecord, Records
from ichat_gw.sip.events import SessionId

if TYPE_CHECKING:
    from ichat_gw.app.http.page import StatusPage

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

    @property
    def records(self) -> Records:
        """The records of calls."""
        return self.memory.records

    @property
    def wants_stanzas(self) -> bool:
        """Whether the connector is to tell of the stanzas of calls."""
        return self.memory.keeps_messages or self._hep is not None

    async def run(self) -> None:
        """Write what is to be kept, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.memory.run())
            if self._hep is not None:
                group.create_task(self._hep.run())

    def begin(self, clock: Callable[[], float], alarm: Callable[[Callable[[], None]], Alarm]) -> None:
        """The event loop runs: `clock` is its time, and `alarm` makes an alarm that calls what it gets."""
        self._clock = clock
        self._alarm = alarm(self._wake)

    def end(self) -> None:
        """The gateway has stopped."""
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
        seen = None if isinstance(event, Reconfigure) else event
        wanted = self.tracing.took(seen, heard, commands, now, at)
        if wanted or commands:
            self._do(wanted)
        if self.page is not None:
            self.page.took(seen, commands)

    def stanzas(self, seen: StanzasSeen) -> None:
        """The connector tells of stanzas."""
        for each in seen.stanzas:
            self.tracing.stanza(each.user, each.contact, each.outgoing, each.xml, each.at)

    def _wake(self) -> None:
        self._do(self.tracing.expire(self._clock(), time.time()))

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
        if self._alarm is not None:
            self._alarm.set(self.tracing.deadline())


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
