"""Those who look on while a gateway works: the traces and records of its calls, and the status page.

They are shown what the gateway took and what came of it, after it has been done, and nothing waits for them.
What they want of the gateway is only to be told the counters of a call (`StatisticsAsked`).
"""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ichat_gw.app.events import GatewayCommand, GatewayEvent
from ichat_gw.app.gateway import Reconfigure
from ichat_gw.app.tracing import CallKept, Tracing, TracingCommand
from ichat_gw.clock import Alarm
from ichat_gw.media.engine import StatisticsAsked
from ichat_gw.ops.records import MemoryRecords, Records
from ichat_gw.ops.trace import TraceBook
from ichat_gw.sip.events import SessionId

if TYPE_CHECKING:
    from ichat_gw.app.http.page import StatusPage


class Onlookers:
    """The onlookers of one gateway. `ask` asks it for the counters of a call, once it has returned."""

    def __init__(self, ask: Callable[[StatisticsAsked], None]) -> None:
        self.tracing = Tracing(TraceBook())
        self.records: Records = MemoryRecords()
        self.page: StatusPage | None = None
        """None: HttpPort is 0."""
        self._ask = ask
        self._clock: Callable[[], float] = time.monotonic
        self._alarm: Alarm | None = None

    def begin(self, clock: Callable[[], float], alarm: Callable[[Callable[[], None]], Alarm]) -> None:
        """The event loop runs: `clock` is its time, and `alarm` makes an alarm that calls what it gets."""
        self._clock = clock
        self._alarm = alarm(self._wake)

    def end(self) -> None:
        """The gateway has stopped."""
        if self._alarm is not None:
            self._alarm.set(None)
        self.records.close()

    def took(
        self,
        event: GatewayEvent | Reconfigure | None,
        heard: SessionId | None,
        commands: Sequence[GatewayCommand],
    ) -> None:
        """The gateway took `event` (None: a timer), and this came of it; `heard` as for `Tracing.took`."""
        seen = None if isinstance(event, Reconfigure) else event
        self._do(self.tracing.took(seen, heard, commands, self._clock(), time.time()))
        if self.page is not None:
            self.page.took(seen, commands)

    def _wake(self) -> None:
        self._do(self.tracing.expire(self._clock(), time.time()))

    def _do(self, commands: Sequence[TracingCommand]) -> None:
        for command in commands:
            match command:
                case StatisticsAsked():
                    self._ask(command)
                case CallKept(record):
                    self.records.add([record])
                    if self.page is not None:
                        self.page.kept(record)
                case _:
                    pass  # a trace that is complete: kept in memory
        if self._alarm is not None:
            self._alarm.set(self.tracing.deadline())
