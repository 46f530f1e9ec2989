"""A world whose gateway is watched by the status page's read model, as the shell does it."""

import csv
import io
from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families

from app.world import EPOCH, World
from ichat_gw.app.events import GatewayCommand, GatewayEvent
from ichat_gw.app.http.page import GatewaySource
from ichat_gw.app.reload import Reloader
from ichat_gw.app.tracing import CallKept, TracingCommand
from ichat_gw.app.view import About, View
from ichat_gw.config.load import Loaded, load
from ichat_gw.ops.api import ReloadReply
from ichat_gw.ops.records import MemoryRecords
from ichat_gw.ops.trace import CallTrace

CONFIG = """\
JabberServer = jabber.company.com
JabberComponentName = ichat-gw.jabber.company.com
JabberComponentPassword = geheim
JabberControlUsername = control
HttpAuth = on
HttpAuthPwd = sesam
TranslationPattern = ^xmpp:(.*)@gw\\.jabber\\.localhost$
TranslationOutput = sip:$1@127.0.0.2
TranslationPattern = ^sip:(.*)@127\\.0\\.0\\.1$
TranslationOutput = xmpp:$1@jabber.localhost
"""


class WatchedWorld(World):
    """Beside the world: `view`, `store`, and what the view wants to know of the relay is asked for."""

    def __post_init__(self) -> None:
        self.view: View | None = None
        self.store = MemoryRecords()
        super().__post_init__()

    def watch(self) -> View:
        began = self.now
        about = About(
            "1.2.3", "jabber.localhost:5347", lambda: ("UDP 127.0.0.1:5070",), lambda: self.now - began
        )
        self.view = View(self.gateway, self.tracing, about, self.at)
        return self.view

    @property
    def at(self) -> float:
        return EPOCH + self.now

    def _traced(self, event: GatewayEvent | None, commands: list[GatewayCommand]) -> None:
        super()._traced(event, commands)
        if self.view is None:
            self.watch()
        self.seen.tally.took(event, commands, self.at)

    def _tracing_does(self, commands: list[TracingCommand]) -> None:
        super()._tracing_does(commands)
        for command in commands:
            if isinstance(command, CallKept):
                self.store.add([command.record])
                if self.view is not None:
                    self.view.tally.kept(command.record)

    @property
    def seen(self) -> View:
        assert self.view is not None
        return self.view

    def metrics(self) -> dict[str, float]:
        """The metrics as `name label label`."""
        text, _ = self.seen.expose("", self.at)
        return {
            " ".join([sample.name, *(sample.labels[name] for name in sorted(sample.labels))]): sample.value
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
        }

    def tick(self, *, looked_at: bool = False) -> None:
        for question in self.seen.tick(self.at, looked_at=looked_at):
            self.gateway_hears(question)


class WorldMemory:
    """What outlives the calls of a world."""

    def __init__(self, world: WatchedWorld) -> None:
        self.records = world.store
        self._book = world.tracing.book

    async def find_trace(self, call: str) -> CallTrace | None:
        journal = self._book.find(call)
        return None if journal is None else journal.trace()

    def may_have_trace(self, call: str) -> bool:
        return self._book.find(call) is not None


class WorldSource(GatewaySource):
    """What the page tells of a world, by its clock."""

    def __init__(self, world: WatchedWorld, loaded: Loaded) -> None:
        self.reloads = 0
        reloader = Reloader(loaded, lambda: load(loaded.path), ())
        super().__init__(world.seen, WorldMemory(world), reloader, self._count, "1.2.3", lambda: world.at)

    def _count(self) -> ReloadReply:
        self.reloads += 1
        return ReloadReply(done=self.reloads != 2, problems=("wrong",) if self.reloads == 2 else ())


def day(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def rows(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode())))
