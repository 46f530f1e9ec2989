"""The status page of a running gateway: its view, its HTTP server, and the clock that both need.

`StatusPage` is what `ichat_gw.app.serve` sees of this room. It shows the view what happens, and has a task of
its own: every half a second it tells who listens what has changed, every second it measures for the charts.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec.structs import replace

from ichat_gw import __version__
from ichat_gw.app.events import GatewayCommand, GatewayEvent
from ichat_gw.app.gateway import Gateway
from ichat_gw.app.http.answers import Answers
from ichat_gw.app.http.feed import Feed
from ichat_gw.app.http.server import CannotServe, HttpServer
from ichat_gw.app.http.source import Source
from ichat_gw.app.loop import settle_garbage_collector
from ichat_gw.app.onlookers import Onlookers
from ichat_gw.app.reload import Reloader
from ichat_gw.app.view import About, View
from ichat_gw.config.table import Settings
from ichat_gw.media.engine import StatisticsAsked
from ichat_gw.ops.access import Access
from ichat_gw.ops.api import (
    CallRecord,
    Calls,
    LiveCall,
    Records,
    ReloadReply,
    RuleTrial,
    Series,
    SettingValues,
    Status,
    Users,
    encode,
)
from ichat_gw.ops.logging import get_logger
from ichat_gw.ops.past_calls import told
from ichat_gw.ops.records import CallRecord as KeptRecord
from ichat_gw.ops.records import MemoryRecords, Search, csv_lines
from ichat_gw.ops.records import Records as RecordStore
from ichat_gw.ops.rule_trial import try_rules
from ichat_gw.ops.setting_values import setting_values
from ichat_gw.ops.trace import CallTrace

TELL_SECONDS = 0.5
TICKS = 2
"""Of these until the next measurement."""
MOST_IN_CSV = 10_000
"""Records that one table has at most."""
RECENT = 200
"""Records that are known before they are written."""

log = get_logger(__name__)


class Memory(Protocol):
    """What outlives calls: see `ichat_gw.app.call_memory`."""

    @property
    def records(self) -> RecordStore:
        """The records."""

    async def find_trace(self, call: str) -> CallTrace | None:
        """The messages of a call."""

    def may_have_trace(self, call: str) -> bool:
        """Whether `find_trace` may find something."""


class GatewaySource(Source):
    """A running gateway as the source of answers."""

    def __init__(
        self,
        view: View,
        memory: Memory,
        reloader: Reloader,
        reload: Callable[[], ReloadReply],
        version: str,
        clock: Callable[[], float] = time.time,
        catch_up: Callable[[], None] = lambda: None,
    ) -> None:
        self.version = version
        self._catch_up = catch_up
        self._clock = clock
        self._view = view
        self._memory = memory
        self._recent = MemoryRecords(RECENT)
        """Those that may not have got into a file yet."""
        self._reloader = reloader
        self._reload = reload

    def catch_up(self) -> None:
        """See `Source`, here and below."""
        self._catch_up()

    def status(self) -> Status:
        """How the gateway is."""
        return self._view.status(self._clock())

    def ready(self) -> tuple[str, ...]:
        """What is missing."""
        return self._view.ready()

    def calls(self) -> Calls:
        """The live calls."""
        return self._view.calls(self._clock())

    def call(self, call: str) -> LiveCall | None:
        """One of them."""
        return self._view.call(call, self._clock())

    def users(self) -> Users:
        """Who is online."""
        return self._view.users(self._clock())

    def series(self, span: str) -> Series:
        """The charts."""
        return self._view.series(span)

    def settings(self) -> SettingValues:
        """The settings in force."""
        reloader = self._reloader
        return SettingValues(
            file=str(reloader.path),
            loaded=reloader.when,
            settings=setting_values(reloader.settings, reloader.places),
        )

    def translate(self, address: str) -> RuleTrial:
        """Try the rules in force."""
        return try_rules(self._reloader.settings.translation_rules, address)

    def metrics(self, accept: str) -> tuple[bytes, str]:
        """The metrics."""
        return self._view.expose(accept, self._clock())

    async def records(self, search: Search) -> Records:
        """Ended calls."""
        found = await self._search(replace(search, limit=search.limit + 1))
        return Records(records=tuple(map(self.told, found[: search.limit])), more=len(found) > search.limit)

    async def record(self, call: str) -> CallRecord | None:
        """The ended call with this handle."""
        found = await self._search(Search(text=call, limit=MOST_IN_CSV))
        return next((self.told(record) for record in found if record.call == call), None)

    async def csv(self, search: Search) -> bytes:
        """Ended calls as a table."""
        found = await self._search(replace(search, limit=MOST_IN_CSV))
        return await asyncio.to_thread(lambda: "".join(csv_lines(found)).encode())

    async def _search(self, search: Search) -> list[KeptRecord]:
        """What the file has, and what is still to be written into it."""
        recent = self._recent.search(search)
        written = await asyncio.to_thread(self._memory.records.search, search)
        found = {record.call: record for record in (*recent, *written)}
        return sorted(found.values(), key=lambda record: record.began, reverse=True)[: search.limit]

    async def trace(self, call: str) -> CallTrace | None:
        """The messages of a call."""
        return await self._memory.find_trace(call)

    def kept(self, record: KeptRecord) -> None:
        """A call is over."""
        self._recent.add([record])

    def reload(self) -> ReloadReply:
        """Read the configuration again."""
        return self._reload()

    def told(self, record: KeptRecord) -> CallRecord:
        """A record as the API tells it."""
        return told(record, has_trace=self._memory.may_have_trace(record.call))


class StatusPage:
    """The page, while the gateway runs. `ask` asks the gateway for the counters of a call."""

    def __init__(
        self, view: View, source: GatewaySource, settings: Settings, ask: Callable[[StatisticsAsked], None]
    ) -> None:
        self.tally = view.tally
        self._view = view
        self._source = source
        self._ask = ask
        self._feed = Feed()
        self._answers = Answers(source, access_of(settings))
        self._http = HttpServer(self._answers, self._feed)

    async def open(self, address: str, port: int) -> None:
        """Listen; when that cannot be, the log says why, and calls go on without a page."""
        try:
            await self._http.open(address, port)
        except CannotServe as error:
            log.err("the status page is not served", text=str(error))
        else:
            log.info("status page", url=f"http://{_written(address)}:{self._http.port}/")

    async def close(self) -> None:
        """Stop serving."""
        await self._http.close()

    async def run(self) -> None:
        """Tell and measure, until cancelled."""
        turn = 0
        while True:
            await asyncio.sleep(TELL_SECONDS)
            try:
                if self._feed:
                    self._source.catch_up()
                turn = (turn + 1) % TICKS
                if not turn:
                    for question in self._view.tick(time.time(), looked_at=bool(self._feed)):
                        self._ask(question)
                self._tell()
            except Exception:
                log.exception("internal error", while_processing="status page")

    def reconfigure(self, settings: Settings) -> None:
        """Go by another password and other names from now on; who listens has to ask again."""
        self._answers.access = access_of(settings)
        self._view.jabber_server = jabber_server(settings)
        self._feed.close()

    # --- what happens -------------------------------------------------------------------------------------

    def took(self, event: GatewayEvent | None, commands: Sequence[GatewayCommand], at: float) -> None:
        """The gateway took `event`, and this came of it, `at` this UNIX time."""
        self.tally.took(event, commands, at)

    def kept(self, record: KeptRecord) -> None:
        """A call is over, and this is its record."""
        self.tally.kept(record)
        self._source.kept(record)
        if self._feed:
            self._feed.publish("record", encode(self._source.told(record)))

    def _tell(self) -> None:
        changed, self.tally.changed = self.tally.changed, set()
        if not self._feed:
            return
        for name, value in self._answers.snapshots(changed):
            self._feed.publish(name, value)
        if "series" in changed and (point := self._view.last_point()) is not None:
            self._feed.publish("series", encode(point))


async def open_page(
    gateway: Gateway,
    onlookers: Onlookers,
    reloader: Reloader,
    reload: Callable[[], ReloadReply],
    listening: Callable[[], tuple[str, ...]],
    ask: Callable[[StatisticsAsked], None],
) -> StatusPage:
    """The status page of a gateway that runs, at HttpAddress and HttpPort of the settings in force."""
    settings = reloader.settings
    began = time.monotonic()
    about = About(__version__, jabber_server(settings), listening, lambda: time.monotonic() - began)
    view = View(gateway, onlookers.tracing, about, time.time())
    source = GatewaySource(view, onlookers.memory, reloader, reload, __version__, catch_up=onlookers.catch_up)
    page = StatusPage(view, source, settings, ask)
    await page.open(settings.http_address, settings.http_port)
    # What has been imported for it, some ten thousand objects, is not looked through again and again.
    settle_garbage_collector()
    return page


def jabber_server(settings: Settings) -> str:
    """Where the XMPP server is, as `host:port`."""
    return f"{settings.jabber_server}:{settings.jabber_component_port}"


def access_of(settings: Settings) -> Access:
    """Who may read the page, as the settings say."""
    password = settings.http_auth_pwd.get_secret_value() if settings.http_auth else None
    return Access(password, settings.http_hosts)


def _written(address: str) -> str:
    return f"[{address}]" if ":" in address else address
