"""The running gateway as the status page, the API and the metrics tell of it: a read model.

What happens is counted when it does (`tally`). All else is looked up in the gateway when somebody asks, so
that nothing is kept twice and a call costs nothing while nobody looks. `at` is UNIX time in seconds.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count

from ichat_gw.app.call_facts import Watched
from ichat_gw.app.calls import Call
from ichat_gw.app.gateway import Gateway
from ichat_gw.app.tally import Part, Tally
from ichat_gw.app.tracing import Tracing
from ichat_gw.call.bridge import State
from ichat_gw.call.media import MediaAnswer, MediaOffer, MediaReoffer, MediaReplace, MediaUpdate, Side
from ichat_gw.errors import GatewayError
from ichat_gw.media.engine import (
    PartStatus,
    StatisticsAsked,
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
from ichat_gw.ops.trace import address_text
from ichat_gw.sip.events import Registered

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


class View:
    """The read model of `gateway`: `tally` is to be shown what happens."""

    def __init__(self, gateway: Gateway, tracing: Tracing, about: About, at: float) -> None:
        self._gateway = gateway
        self._tracing = tracing
        self._about = about
        self.jabber_server = about.jabber_server
        """Where the connector connects to; may change."""
        self._started = at
        self.tally = Tally(tracing, m.Metrics(self._readings), gateway.door.jabber_online, at)
        self._online_since: dict[str, float] = {}
        self._codecs: dict[str, tuple[int, str]] = {}
        """Of live calls that somebody looked at: the codec, and of how many descriptions it was made."""
        self._queries = count(1)
        """Positive, so that they are not those of the traces."""
        self._turn = 0

    # --- time ---------------------------------------------------------------------------------------------

    def tick(self, at: float, *, looked_at: bool) -> list[StatisticsAsked]:
        """To be called about every second: measure, and see what has changed in the gateway.

        `looked_at`: somebody reads the page, and wants the counters of live calls newer than the traces ask
        for them; returns what the gateway is to be asked.
        """
        self.tally.sample(at)
        self._see_parts(at)
        self._see_users(at)
        for call in self._codecs.keys() - self.tally.directions.keys():
            del self._codecs[call]
        if not looked_at:
            return []
        if self.tally.directions:
            self.tally.changed.add("calls")
        return self._ask()

    def _ask(self) -> list[StatisticsAsked]:
        """Ask for the counters of some calls; of the others next time."""
        talking = [watched.call for watched in self._tracing.calls if watched.answered and not watched.ended]
        begin = self._turn if self._turn < len(talking) else 0
        chosen = talking[begin : begin + QUERIES_AT_ONCE]
        self._turn = begin + len(chosen)
        return [StatisticsAsked(call, next(self._queries)) for call in chosen]

    def _see_parts(self, at: float) -> list[tuple[PartStatus, Part]]:
        """The parts of the media engine, with what is remembered of each."""
        parts = self._gateway.engine.status().parts
        return [(status, self.tally.part(status.name, status.up, at)) for status in parts]

    def _see_users(self, at: float) -> None:
        """Note who is online, so that it can be told since when."""
        known = self._online_since
        self._online_since = {user: known.get(user, at) for user in self._gateway.users.online}

    # --- what is told -------------------------------------------------------------------------------------

    def status(self, at: float) -> Status:
        """How the gateway is."""
        gateway, tally, about = self._gateway, self.tally, self._about
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
            calls=len(tally.directions),
            users=len(list(gateway.users.online)),
            registered=states["registered"],
            registrations_failed=states["failed"],
            listening=about.listening(),
            jabber=JabberState(
                online=tally.jabber.up,
                since=_time(tally.jabber.since),
                server=self.jabber_server,
                component=gateway.config.component,
                text=tally.jabber.text,
            ),
            connector=ProcessState(
                running=tally.connector.up,
                since=_time(tally.connector.since),
                pid=tally.connector.pid,
                restarts=tally.connector.lost,
                text=tally.connector.text,
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
                for status, part in self._see_parts(at)
            ),
            sip_targets=tuple(
                SipTargetState(
                    address=f"{target.flow.transport} {address_text(target.flow.remote)}",
                    answers=target.answers,
                    since=_time(at - (gateway.work.now - target.since)),
                    text="" if target.answers else "no answer, or 503",
                )
                for target in gateway.user_agent.targets
            ),
            totals=Totals(
                calls=tally.totals["calls"],
                answered=tally.totals["answered"],
                failed=tally.totals["failed"],
                refused=tally.totals["refused"],
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
        if not self.tally.connector.up:
            yield "the connector does not run"
        if not self.tally.jabber.up:
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
        counters = self.tally.counters.get(handle)
        codec = self._codec(watched)
        caller, callee = (counters.caller, counters.callee) if counters is not None else (None, None)
        return LiveCall(
            id=handle,
            state=call.bridge.state.value,
            caller=_party(call, watched, Side.CALLER, caller, codec),
            callee=_party(call, watched, Side.CALLEE, callee, codec),
            began=_time(watched.began),
            seconds=round(max(0.0, at - watched.began), 3),
            setup_seconds=_rounded(self.tally.setup.get(handle)),
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
        gateway = self._gateway
        calls = Counter(call.user for call in gateway.calls.live.values())
        self._see_users(at)
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

    def _registration_of(self, aor: str) -> RegistrationState | None:
        if not aor or not self._gateway.user_agent.config.registration_time:
            return None
        answer = self.tally.answers.get(aor)
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
        return (self.tally.day if span == "day" else self.tally.hour).series()

    def last_point(self) -> SeriesPoint | None:
        """What was measured last, in the finer of the charts."""
        points = self.tally.hour.points
        return points[-1] if points else None

    def _readings(self) -> Iterator[m.Reading]:
        """What is so now, for the metrics."""
        gateway, tally = self._gateway, self.tally
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
        yield m.JABBER, (), tally.jabber.up
        yield m.CONNECTOR, (), tally.connector.up
        for status in gateway.engine.status().parts:
            yield m.MEDIA, (status.name, status.loop), status.up
            yield m.MEDIA_CALLS, (status.name,), status.calls
        targets = Counter(target.answers for target in gateway.user_agent.targets)
        yield m.TARGETS, ("answering",), targets[True]
        yield m.TARGETS, ("silent",), targets[False]

    def expose(self, accept: str, at: float) -> tuple[bytes, str]:
        """The metrics in the format that an Accept header wants, and its content type."""
        metrics = self.tally.metrics
        self._see_parts(at)
        for name, part in self.tally.parts.items():
            metrics.count_up_to(m.MEDIA_LOST, name, total=part.lost)
        metrics.count_up_to(m.CONNECTOR_RESTARTS, total=self.tally.connector.lost)
        for setting, refused in self._gateway.admission.refused.items():
            metrics.count_up_to(m.TURNED_AWAY, setting, total=refused)
        return metrics.expose(accept)


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
