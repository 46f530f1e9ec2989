"""The running gateway as the status page, the API and the metrics tell of it: a read model.

A machine that nobody depends on, beside `tracing`: it is shown what the gateway took and what came of it, and
counts. All else it looks up in the gateway when somebody asks, so that nothing is kept twice and a call
costs nothing while nobody looks. `at` is UNIX time in seconds.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from ichat_gw.app.call_events import CallBegan, CallEnded, CallRefused, Moved
from ichat_gw.app.call_facts import Watched
from ichat_gw.app.calls import Call
from ichat_gw.app.events import ConnectorDied, FromConnector, GatewayCommand, GatewayEvent
from ichat_gw.app.gateway import Gateway
from ichat_gw.app.tracing import Tracing
from ichat_gw.call.bridge import State
from ichat_gw.call.media import MediaAnswer, MediaOffer, MediaReoffer, MediaReplace, MediaUpdate, Side
from ichat_gw.errors import GatewayError
from ichat_gw.ipc.messages import JabberConnection
from ichat_gw.media.engine import (
    CallCounters,
    MediaOver,
    PartStatus,
    Statistics,
    StatisticsAsked,
    WorkerLost,
)
from ichat_gw.media.negotiation import read_audio
from ichat_gw.media.relay_messages import PartyCounters
from ichat_gw.media.sdp import SessionDescription
from ichat_gw.ops import metrics as m
from ichat_gw.ops.api import (
    Calls,
    JabberState,
    LiveCall,
    MediaPartState,
    MediaState,
    PartyState,
    ProcessState,
    RegistrationState,
    Series,
    SeriesPoint,
    SipTargetState,
    Status,
    Totals,
    TurnedAway,
    Users,
    UserState,
)
from ichat_gw.ops.records import CallRecord
from ichat_gw.ops.series import Chart, Sample
from ichat_gw.ops.trace import address_text
from ichat_gw.sip.events import Registered, RegistrationFailed

HOUR, DAY = (10.0, 360), (300.0, 288)
"""The charts: seconds of an interval, and how many are kept."""
MOST_FADING = 1_000
"""Calls that are over and whose last counters are waited for; more are not, because some have none."""
QUERIES_AT_ONCE = 25
"""Calls whose counters are asked for at one `tick`: a page that is read must not cost many calls much."""


@dataclass(frozen=True, slots=True)
class About:
    """What the view cannot see in the gateway machine."""

    version: str
    jabber_server: str
    """`host:port`."""
    listening: Callable[[], tuple[str, ...]]
    """The SIP sockets."""
    uptime: Callable[[], float]
    """For how many seconds it runs, whatever the time of day was set to."""


@dataclass(slots=True)
class _Part:
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
class _Answer:
    """What a registrar said last of an address of record."""

    at: float
    outcome: Registered | RegistrationFailed


class View:
    """The read model of `gateway`. Never raises for anything that it is shown."""

    def __init__(self, gateway: Gateway, tracing: Tracing, about: About, at: float) -> None:
        self._gateway = gateway
        self._tracing = tracing
        self._about = about
        self.jabber_server = about.jabber_server
        """Where the connector connects to; may change."""
        self._started = at
        self._at = at
        self.metrics = m.Metrics(self._readings)
        self.changed: set[str] = set()
        """The events of the API for which there is a reason; whoever tells of them takes them out."""
        self._hour, self._day = Chart(*HOUR, at), Chart(*DAY, at)
        self._jabber = _Part(gateway.door.jabber_online, at)
        self._connector = _Part(False, at)
        self._parts: dict[str, _Part] = {}
        self._online_since: dict[str, float] = {}
        self._answers: dict[str, _Answer] = {}
        self._directions: dict[str, str] = {}
        """Of live calls: `to_sip` or `to_xmpp`."""
        self._fading: OrderedDict[str, str] = OrderedDict()
        """The same of calls that are over, whose last counters may be still to come."""
        self._setup: dict[str, float] = {}
        """The set-up delay of live calls, in seconds."""
        self._counters: dict[str, CallCounters] = {}
        """The last known ones of live calls."""
        self._since_sample = (0, 0)
        """RTP packets that came, and that did not, since the last sample of the charts."""
        self._codecs: dict[str, tuple[int, str]] = {}
        """Of live calls that somebody looked at: the codec, and of how many descriptions it was made."""
        self._queries = count(1)
        """Positive, so that they are not those of the traces."""
        self._turn = 0
        self._totals: Counter[str] = Counter()
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
        self._connector.turn(True, at)
        self._connector.pid = process
        self.changed.add("status")

    def connector_ended(self, text: str, at: float) -> None:
        """The connector has ended; `text` says how."""
        self._connector.turn(False, at, text)
        self._connector.pid = None
        self.changed.add("status")

    def failed(self) -> None:
        """There was an error of our own."""
        self.metrics.count(m.ERRORS)

    def _jabber_connection(self, online: bool, text: str) -> None:
        if self._jabber.turn(online, self._at, text) and not online:
            self.metrics.count(m.JABBER_LOST)
        self.changed.add("status")

    def _lost(self, name: str, text: str) -> None:
        """A part of the media engine is gone; one that comes back between two looks was gone, too."""
        part = self._parts.setdefault(name, _Part(True, self._at))
        part.turn(False, self._at, text)
        self.changed.add("status")

    def _registration(self, outcome: Registered | RegistrationFailed) -> None:
        if isinstance(outcome, RegistrationFailed):
            result = "failed"
        else:
            result = "registered" if outcome.seconds else "unregistered"
        self.metrics.count(m.REGISTERED, result)
        if result == "unregistered":
            self._answers.pop(outcome.aor, None)
        else:
            self._answers[outcome.aor] = _Answer(self._at, outcome)
        self.changed |= {"users", "status"}

    # --- calls --------------------------------------------------------------------------------------------

    def _began(self, began: CallBegan) -> None:
        direction = "to_sip" if began.user_side is Side.CALLER else "to_xmpp"
        self._directions[began.call] = direction
        self._totals["calls"] += 1
        self.metrics.count(m.CALLS_STARTED, direction)
        for chart in self._charts:
            chart.began()
        self.changed |= {"calls", "status"}

    def _refused(self, refused: CallRefused) -> None:
        self._totals["refused"] += 1
        self.metrics.count(m.CALLS_REFUSED, refused.ending.cause.name.lower(), refused.setting)
        self.changed.add("status")

    def _moved(self, moved: Moved) -> None:
        call, state = moved.call, moved.state
        self.changed.add("calls")
        watched = self._tracing.watched(call)
        if state not in _SET_UP or call in self._setup or watched is None:
            return
        seconds = self._setup[call] = max(0.0, self._at - watched.began)
        self.metrics.observe(m.SETUP, self._directions.get(call, ""), value=seconds)
        for chart in self._charts:
            chart.set_up(seconds)

    def _ended(self, ended: CallEnded) -> None:
        direction = self._fading[ended.call] = self._directions.pop(ended.call, "")
        if len(self._fading) > MOST_FADING:
            self._fading.popitem(last=False)
        self._setup.pop(ended.call, None)
        self._codecs.pop(ended.call, None)
        watched = self._tracing.watched(ended.call)
        answered = watched.answered if watched is not None else None
        self._totals["answered" if answered is not None else "failed"] += 1
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
        return self._hour, self._day

    # --- what the relay has counted -----------------------------------------------------------------------

    def _statistics(self, statistics: Statistics) -> None:
        if statistics.counters is not None:
            self._counted(statistics.call, statistics.counters)

    def _counted(self, call: str, counters: CallCounters) -> None:
        """Add what is new to the counters of all calls."""
        before = self._counters.get(call)
        networks = self._networks(call)
        for side, now, then in (
            (Side.CALLER, counters.caller, before.caller if before is not None else _NOTHING),
            (Side.CALLEE, counters.callee, before.callee if before is not None else _NOTHING),
        ):
            self._add(networks[side], now, then)
        if call in self._directions:
            self._counters[call] = counters
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
        self._counters.pop(call, None)
        self._fading.pop(call, None)

    def _networks(self, call: str) -> dict[Side, str]:
        """Which network each party is on."""
        direction = self._directions.get(call) or self._fading.get(call, "")
        user = Side.CALLER if direction == "to_sip" else Side.CALLEE
        return {user: "xmpp", user.other: "sip"}

    # --- time ---------------------------------------------------------------------------------------------

    def tick(self, at: float, *, looked_at: bool) -> list[StatisticsAsked]:
        """To be called about every second: measure for the charts.

        `looked_at`: somebody reads the page, and wants the counters of live calls newer than the traces ask
        for them; returns what the gateway is to be asked.
        """
        self._at = at
        received, lost = self._since_sample
        self._since_sample = (0, 0)
        jitters = tuple(
            party.jitter
            for counters in self._counters.values()
            for party in (counters.caller, counters.callee)
            if party.received
        )
        sample = Sample(len(self._directions), received, lost, jitters)
        for chart in self._charts:
            chart.sample(sample)
            if chart.turn(at) is not None and chart is self._hour:
                self.changed.add("series")
        self._see_parts()
        self._see_users()
        if not looked_at:
            return []
        if self._directions:
            self.changed.add("calls")
        return self._ask()

    def _ask(self) -> list[StatisticsAsked]:
        """Ask for the counters of some calls; of the others next time."""
        talking = [watched.call for watched in self._tracing.calls if watched.answered and not watched.ended]
        begin = self._turn if self._turn < len(talking) else 0
        chosen = talking[begin : begin + QUERIES_AT_ONCE]
        self._turn = begin + len(chosen)
        return [StatisticsAsked(call, next(self._queries)) for call in chosen]

    def _see_parts(self) -> list[tuple[PartStatus, _Part]]:
        """The parts of the media engine, with what is remembered of each."""
        seen = []
        for status in self._gateway.engine.status().parts:
            part = self._parts.get(status.name)
            if part is None:
                part = self._parts[status.name] = _Part(status.up, self._at)
            elif part.turn(status.up, self._at):
                self.changed.add("status")
            seen.append((status, part))
        return seen

    # --- what is told -------------------------------------------------------------------------------------

    def status(self, at: float) -> Status:
        """How the gateway is."""
        self._at = at
        gateway, about = self._gateway, self._about
        missing = self.ready()
        states = Counter(self._registration_states())
        uptime = about.uptime()
        return Status(
            version=about.version,
            started=_time(at - uptime),
            now=_time(at),
            uptime_seconds=round(uptime, 1),
            ready=not missing,
            not_ready=missing,
            calls=len(self._directions),
            users=len(list(gateway.users.online)),
            registered=states["registered"],
            registrations_failed=states["failed"],
            listening=about.listening(),
            jabber=JabberState(
                online=self._jabber.up,
                since=_time(self._jabber.since),
                server=self.jabber_server,
                component=gateway.config.component,
                text=self._jabber.text,
            ),
            connector=ProcessState(
                running=self._connector.up,
                since=_time(self._connector.since),
                pid=self._connector.pid,
                restarts=self._connector.lost,
                text=self._connector.text,
            ),
            media_engine=gateway.engine.status().engine,
            media=tuple(
                MediaPartState(
                    name=status.name,
                    running=status.up,
                    since=_time(part.since),
                    pid=status.process,
                    loop=status.loop,
                    calls=status.calls,
                    restarts=part.lost,
                    text=part.text,
                )
                for status, part in self._see_parts()
            ),
            sip_targets=tuple(
                SipTargetState(
                    address=f"{target.flow.transport} {address_text(target.flow.remote)}",
                    answers=target.answers,
                    since=_time(at - (self._gateway.work.now - target.since)),
                    text="" if target.answers else "no answer, or 503",
                )
                for target in gateway.user_agent.targets
            ),
            totals=Totals(
                calls=self._totals["calls"],
                answered=self._totals["answered"],
                failed=self._totals["failed"],
                refused=self._totals["refused"],
            ),
            turned_away=tuple(
                TurnedAway(setting=setting, times=times)
                for setting, times in gateway.admission.refused.most_common()
            ),
        )

    def ready(self) -> tuple[str, ...]:
        """What is missing for calls to be taken; nothing: they are."""
        return tuple(self._missing())

    def _missing(self) -> Iterator[str]:
        if self._gateway.door.stopping:
            yield "the gateway is being stopped"
        if not self._connector.up:
            yield "the connector does not run"
        if not self._jabber.up:
            yield "not connected to the XMPP server"
        for part in self._gateway.engine.status().parts:
            if not part.up:
                yield f"{part.name} does not work"

    def calls(self, at: float) -> Calls:
        """The live calls, the oldest first."""
        found = (self._live(handle, at) for handle in self._gateway.calls.live)
        return Calls(calls=tuple(call for call in found if call is not None))

    def call(self, handle: str, at: float) -> LiveCall | None:
        """One of them."""
        return self._live(handle, at) if handle in self._gateway.calls.live else None

    def _live(self, handle: str, at: float) -> LiveCall | None:
        call = self._gateway.calls.live[handle]
        watched = self._tracing.watched(handle)
        if watched is None or watched.ended is not None:
            return None
        counters = self._counters.get(handle)
        codec = self._codec(watched)
        caller, callee = (counters.caller, counters.callee) if counters is not None else (None, None)
        return LiveCall(
            id=handle,
            state=call.bridge.state.value,
            caller=_party(call, watched, Side.CALLER, caller, codec),
            callee=_party(call, watched, Side.CALLEE, callee, codec),
            began=_time(watched.began),
            seconds=round(max(0.0, at - watched.began), 3),
            setup_seconds=_rounded(self._setup.get(handle)),
            answered=_time(watched.answered) if watched.answered is not None else None,
        )

    def _codec(self, watched: Watched) -> str:
        """The codec that a live call uses; its descriptions are read again only when there are new ones."""
        known = self._codecs.get(watched.call)
        if known is None or known[0] != len(watched.media):
            known = self._codecs[watched.call] = len(watched.media), _codec_of(watched)
        return known[1]

    def users(self, at: float) -> Users:
        """Who is online."""
        self._at = at
        gateway = self._gateway
        calls = Counter(call.user for call in gateway.calls.live.values())
        self._see_users()
        return Users(
            users=tuple(
                UserState(
                    jid=user,
                    since=_time(since),
                    aor=(aor := gateway.users.registered_as(user)),
                    registration=self._registration_of(aor),
                    calls=calls[user],
                )
                for user, since in sorted(self._online_since.items())
            )
        )

    def _see_users(self) -> None:
        """Note who is online, so that it can be told since when."""
        known = self._online_since
        self._online_since = {user: known.get(user, self._at) for user in self._gateway.users.online}

    def _registration_of(self, aor: str) -> RegistrationState | None:
        if not aor or not self._gateway.user_agent.config.registration_time:
            return None
        answer = self._answers.get(aor)
        if answer is None:
            return RegistrationState(aor=aor, state="asking", since=_time(self._started))
        at, outcome = answer.at, answer.outcome
        if isinstance(outcome, Registered):
            return RegistrationState(
                aor=aor, state="registered", since=_time(at), expires=_time(at + outcome.seconds)
            )
        return RegistrationState(
            aor=aor,
            state="failed",
            since=_time(at),
            status=outcome.status,
            text=outcome.text,
            retry=_time(at + outcome.retry_in) if outcome.retry_in else None,
        )

    def _registration_states(self) -> Iterator[str]:
        for aor in self._gateway.users.aors:
            state = self._registration_of(aor)
            if state is not None:
                yield state.state

    def series(self, span: str = "hour") -> Series:
        """The charts: of the last `hour` or `day`."""
        return (self._day if span == "day" else self._hour).series()

    def last_point(self) -> SeriesPoint | None:
        """What was measured last, in the finer of the charts."""
        return self._hour.points[-1] if self._hour.points else None

    def _readings(self) -> Iterator[m.Reading]:
        """What is so now, for the metrics."""
        gateway = self._gateway
        yield m.BUILD, (self._about.version,), 1
        yield m.READY, (), not self.ready()
        states = Counter(call.bridge.state for call in gateway.calls.live.values())
        for state in State:
            if state is not State.OVER:
                yield m.CALLS, (state.value,), states[state]
        yield m.USERS, (), len(list(gateway.users.online))
        registrations = Counter(self._registration_states())
        for name in ("asking", "registered", "failed", "leaving"):
            yield m.REGISTRATIONS, (name,), registrations[name]
        yield m.JABBER, (), self._jabber.up
        yield m.CONNECTOR, (), self._connector.up
        for status, _ in self._see_parts():
            yield m.MEDIA, (status.name, status.loop), status.up
            yield m.MEDIA_CALLS, (status.name,), status.calls
        targets = Counter(target.answers for target in gateway.user_agent.targets)
        yield m.TARGETS, ("answering",), targets[True]
        yield m.TARGETS, ("silent",), targets[False]

    def expose(self, accept: str, at: float) -> tuple[bytes, str]:
        """The metrics in the format that an Accept header wants, and its content type."""
        self._at = at
        self._see_parts()
        for name, part in self._parts.items():
            self.metrics.count_up_to(m.MEDIA_LOST, name, total=part.lost)
        self.metrics.count_up_to(m.CONNECTOR_RESTARTS, total=self._connector.lost)
        for setting, refused in self._gateway.admission.refused.items():
            self.metrics.count_up_to(m.TURNED_AWAY, setting, total=refused)
        return self.metrics.expose(accept)


_NOTHING = PartyCounters()
_SET_UP = frozenset({State.RINGING, State.CONNECTING, State.ANSWERED, State.TALKING})


def _grown(now: int, then: int) -> int:
    """What is new. A worker that died has begun at 0 again."""
    return now - then if now >= then else now


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(round(at, 3), UTC)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _codec_of(watched: Watched) -> str:
    """The first codec of speech that both parties have described, in the callee's order; "" while unknown."""
    said: dict[Side, list[str]] = {}
    for _, request in reversed(watched.media):
        if not isinstance(request, MediaOffer | MediaAnswer | MediaReoffer | MediaUpdate | MediaReplace):
            continue
        if request.sdp and request.side not in said:
            try:
                formats = read_audio(SessionDescription.parse(request.sdp)).formats
            except GatewayError:
                continue
            said[request.side] = [format.codec.rtpmap for format in formats if format.codec.carries_speech]
    if len(said) < len(Side):
        return ""
    return next((codec for codec in said[Side.CALLEE] if codec in said[Side.CALLER]), "")


def _party(
    call: Call, watched: Watched, side: Side, counters: PartyCounters | None, codec: str
) -> PartyState:
    person = watched.people[side]
    media = None
    if counters is not None:
        media = MediaState(
            codec=codec,
            received=counters.received,
            sent=counters.sent,
            lost=counters.lost,
            late=counters.late,
            jitter_ms=round(counters.jitter, 2),
            strangers=counters.strangers,
            silent_seconds=_rounded(counters.silent_for),
            source=address_text(counters.source) if counters.source is not None else None,
            heard_loss=counters.reported_loss,
            heard_jitter_ms=counters.reported_jitter,
            round_trip_ms=counters.round_trip,
        )
    return PartyState(
        address=person.address,
        network="xmpp" if person.is_xmpp else "sip",
        host=call.hosts.get(side, ""),
        media=media,
    )
