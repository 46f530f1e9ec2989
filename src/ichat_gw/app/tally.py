"""Counts what happens, for the status page, the API and the metrics.

A machine that nobody depends on, beside `tracing`: it is shown what the gateway took and what came of it, and
keeps what nobody could look up later. `view` tells of it. `at` is UNIX time in seconds.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ichat_gw.app.call_events import CallBegan, CallEnded, CallRefused, Moved
from ichat_gw.app.events import ConnectorDied, FromConnector, GatewayCommand, GatewayEvent
from ichat_gw.app.tracing import Tracing
from ichat_gw.call.bridge import State
from ichat_gw.call.media import Side
from ichat_gw.ipc.messages import JabberConnection
from ichat_gw.media.engine import CallCounters, MediaOver, Statistics, WorkerLost
from ichat_gw.media.relay_messages import PartyCounters
from ichat_gw.ops import metrics as m
from ichat_gw.ops.records import CallRecord
from ichat_gw.ops.series import Chart, Sample
from ichat_gw.sip.events import Registered, RegistrationFailed

HOUR, DAY = (10.0, 360), (300.0, 288)
"""The charts: seconds of an interval, and how many are kept."""
MOST_FADING = 1_000
"""Calls that are over and whose last counters are waited for; more are not, because some have none."""


@dataclass(slots=True)
class Part:
    """Since when something is as it is, and how often it was lost."""

    up: bool
    since: float
    lost: int = 0
    text: str = ""
    pid: int | None = None

    def turn(self, up: bool, at: float, text: str = "") -> bool:
        """It is up, or is not; returns whether it was otherwise before."""
        changed = up != self.up
        if changed:
            self.up, self.since = up, at
            self.lost += not up
        self.text = text or self.text
        return changed


@dataclass(frozen=True, slots=True)
class Answer:
    """What a registrar said last of an address of record."""

    at: float
    outcome: Registered | RegistrationFailed


class Tally:
    """What was counted in `metrics`, and is known beside. Never raises for anything that it is shown."""

    def __init__(self, tracing: Tracing, metrics: m.Metrics, jabber_online: bool, at: float) -> None:
        self._tracing = tracing
        self._at = at
        self.metrics = metrics
        self.changed: set[str] = set()
        """The events of the API for which there is a reason; whoever tells of them takes them out."""
        self.hour, self.day = Chart(*HOUR, at), Chart(*DAY, at)
        self.jabber = Part(jabber_online, at)
        self.connector = Part(False, at)
        self.parts: dict[str, Part] = {}
        """Of the media engine, by name."""
        self.answers: dict[str, Answer] = {}
        """By address of record; none of one that was taken back."""
        self.directions: dict[str, str] = {}
        """Of live calls: `to_sip` or `to_xmpp`."""
        self._fading: OrderedDict[str, str] = OrderedDict()
        """The same of calls that are over, whose last counters may be still to come."""
        self.setup: dict[str, float] = {}
        """The set-up delay of live calls, in seconds."""
        self.counters: dict[str, CallCounters] = {}
        """The last known ones of live calls."""
        self._since_sample = (0, 0)
        """RTP packets that came, and that did not, since the last sample of the charts."""
        self.totals: Counter[str] = Counter()
        """Calls: `calls` that began, `answered`, `failed`, and `refused` before they began."""
        self._hears: dict[type[Any], Callable[[Any], None]] = {
            Moved: self._moved,
            Statistics: self._statistics,
            CallBegan: self._began,
            CallRefused: self._refused,
            CallEnded: self._ended,
            MediaOver: self._media_over,
            Registered: self._registration,
            RegistrationFailed: self._registration,
        }

    # --- what is heard ------------------------------------------------------------------------------------

    def took(self, event: GatewayEvent | None, commands: Sequence[GatewayCommand], at: float) -> None:
        """The gateway took `event` (None: a timer), and this is what came of it; the traces know already."""
        self._at = at
        if isinstance(event, FromConnector):
            if isinstance(event.message, JabberConnection):
                self._jabber_connection(event.message.online, event.message.text)
            self.changed.add("users")
        elif isinstance(event, ConnectorDied):
            self._jabber_connection(False, "the connector is gone")
        elif isinstance(event, WorkerLost):
            self._lost(f"relay worker {event.worker}", event.text)
        for command in commands:
            # Most commands are messages, and nothing to us: they must cost next to nothing.
            hear = self._hears.get(type(command))
            if hear is not None:
                hear(command)

    def kept(self, record: CallRecord) -> None:
        """A call is over, and this is its record."""
        self.metrics.count(m.VERDICTS, record.verdict)
        self.changed.add("status")

    def connector_started(self, process: int, at: float) -> None:
        """The connector runs."""
        self.connector.turn(True, at)
        self.connector.pid = process
        self.changed.add("status")

    def connector_ended(self, text: str, at: float) -> None:
        """The connector has ended; `text` says how."""
        self.connector.turn(False, at, text)
        self.connector.pid = None
        self.changed.add("status")

    def failed(self) -> None:
        """There was an error of our own."""
        self.metrics.count(m.ERRORS)

    def _jabber_connection(self, online: bool, text: str) -> None:
        if self.jabber.turn(online, self._at, text) and not online:
            self.metrics.count(m.JABBER_LOST)
        self.changed.add("status")

    def _lost(self, name: str, text: str) -> None:
        """A part of the media engine is gone; one that comes back between two looks was gone, too."""
        part = self.parts.setdefault(name, Part(True, self._at))
        part.turn(False, self._at, text)
        self.changed.add("status")

    def _registration(self, outcome: Registered | RegistrationFailed) -> None:
        if isinstance(outcome, RegistrationFailed):
            result = "failed"
        else:
            result = "registered" if outcome.seconds else "unregistered"
        self.metrics.count(m.REGISTERED, result)
        if result == "unregistered":
            self.answers.pop(outcome.aor, None)
        else:
            self.answers[outcome.aor] = Answer(self._at, outcome)
        self.changed |= {"users", "status"}

    # --- calls --------------------------------------------------------------------------------------------

    def _began(self, began: CallBegan) -> None:
        direction = "to_sip" if began.user_side is Side.CALLER else "to_xmpp"
        self.directions[began.call] = direction
        self.totals["calls"] += 1
        self.metrics.count(m.CALLS_STARTED, direction)
        for chart in self._charts:
            chart.began()
        self.changed |= {"calls", "status"}

    def _refused(self, refused: CallRefused) -> None:
        self.totals["refused"] += 1
        self.metrics.count(m.CALLS_REFUSED, refused.ending.cause.name.lower(), refused.setting)
        self.changed.add("status")

    def _moved(self, moved: Moved) -> None:
        call, state = moved.call, moved.state
        self.changed.add("calls")
        watched = self._tracing.watched(call)
        if state not in _SET_UP or call in self.setup or watched is None:
            return
        seconds = self.setup[call] = max(0.0, self._at - watched.began)
        self.metrics.observe(m.SETUP, self.directions.get(call, ""), value=seconds)
        for chart in self._charts:
            chart.set_up(seconds)

    def _ended(self, ended: CallEnded) -> None:
        direction = self._fading[ended.call] = self.directions.pop(ended.call, "")
        if len(self._fading) > MOST_FADING:
            self._fading.popitem(last=False)
        self.setup.pop(ended.call, None)
        watched = self._tracing.watched(ended.call)
        answered = watched.answered if watched is not None else None
        self.totals["answered" if answered is not None else "failed"] += 1
        if answered is not None:
            self.metrics.observe(m.DURATION, direction, value=max(0.0, self._at - answered))
        self.metrics.count(
            m.CALLS_ENDED,
            direction,
            "no" if answered is None else "yes",
            ended.ending.cause.name.lower(),
            ended.by.value if ended.by is not None else "gateway",
        )
        for chart in self._charts:
            chart.ended()
        self.changed |= {"calls", "status"}

    @property
    def _charts(self) -> tuple[Chart, Chart]:
        return self.hour, self.day

    # --- what the relay has counted -----------------------------------------------------------------------

    def _statistics(self, statistics: Statistics) -> None:
        if statistics.counters is not None:
            self._counted(statistics.call, statistics.counters)

    def _counted(self, call: str, counters: CallCounters) -> None:
        """Add what is new to the counters of all calls."""
        before = self.counters.get(call)
        networks = self._networks(call)
        for side, now, then in (
            (Side.CALLER, counters.caller, before.caller if before is not None else _NOTHING),
            (Side.CALLEE, counters.callee, before.callee if before is not None else _NOTHING),
        ):
            self._add(networks[side], now, then)
        if call in self.directions:
            self.counters[call] = counters
            self.changed.add("calls")

    def _add(self, network: str, now: PartyCounters, then: PartyCounters) -> None:
        received, lost = _grown(now.received, then.received), _grown(now.lost, then.lost)
        for metric, labels, by in (
            (m.RTP_PACKETS, (network, "received"), received),
            (m.RTP_PACKETS, (network, "sent"), _grown(now.sent, then.sent)),
            (m.RTP_BYTES, (network, "received"), _grown(now.received_octets, then.received_octets)),
            (m.RTP_BYTES, (network, "sent"), _grown(now.sent_octets, then.sent_octets)),
            (m.RTP_LOST, (network,), lost),
            (m.RTP_DROPPED, ("stranger",), _grown(now.strangers, then.strangers)),
            (m.RTP_DROPPED, ("malformed",), _grown(now.malformed, then.malformed)),
            (m.RTP_DROPPED, ("early",), _grown(now.early, then.early)),
        ):
            if by:
                self.metrics.count(metric, *labels, by=by)
        self._since_sample = self._since_sample[0] + received, self._since_sample[1] + lost

    def _media_over(self, over: MediaOver) -> None:
        call, counters = over.call, over.counters
        if counters is not None:
            networks = self._networks(call)
            self._counted(call, counters)
            for side, party in ((Side.CALLER, counters.caller), (Side.CALLEE, counters.callee)):
                if party.received:
                    loss = party.lost / (party.received + party.lost)
                    self.metrics.observe(m.LOSS, networks[side], value=loss)
                    self.metrics.observe(m.JITTER, networks[side], value=party.jitter / 1000)
        self.counters.pop(call, None)
        self._fading.pop(call, None)

    def _networks(self, call: str) -> dict[Side, str]:
        """Which network each party is on."""
        direction = self.directions.get(call) or self._fading.get(call, "")
        user = Side.CALLER if direction == "to_sip" else Side.CALLEE
        return {user: "xmpp", user.other: "sip"}

    # --- time ---------------------------------------------------------------------------------------------

    def sample(self, at: float) -> None:
        """To be called about every second: measure for the charts."""
        received, lost = self._since_sample
        self._since_sample = (0, 0)
        jitters = tuple(
            party.jitter
            for counters in self.counters.values()
            for party in (counters.caller, counters.callee)
            if party.received
        )
        sample = Sample(len(self.directions), received, lost, jitters)
        for chart in self._charts:
            chart.sample(sample)
            if chart.turn(at) is not None and chart is self.hour:
                self.changed.add("series")

    def part(self, name: str, up: bool, at: float) -> Part:
        """A part of the media engine was seen to be up, or not; returns what is remembered of it."""
        part = self.parts.get(name)
        if part is None:
            part = self.parts[name] = Part(up, at)
        elif part.turn(up, at):
            self.changed.add("status")
        return part


_NOTHING = PartyCounters()
_SET_UP = frozenset({State.RINGING, State.CONNECTING, State.ANSWERED, State.TALKING})


def _grown(now: int, then: int) -> int:
    """What is new. A worker that died has begun at 0 again."""
    return now - then if now >= then else now
