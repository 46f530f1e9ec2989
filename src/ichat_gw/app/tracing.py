"""Listens to a gateway and remembers its calls: their traces, and when one is over its verdict and record.

A machine like the others, but that nobody depends on: it is shown each event that the gateway machine took
with the commands that came of it, and says what it wants done (`TracingCommand`). `now` is monotonic, as
everywhere; `at` is the same moment as UNIX time, because that is what people read.

While a call goes on nothing is read, only references are kept: what it costs is a few microseconds for a
message. Descriptions are parsed and sentences made when the call is over, once.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

from ichat_gw.app.call_events import (
    CallBegan,
    CallEnded,
    CallRefused,
    Joined,
    MediaAsked,
    MediaSaid,
    Moved,
)
from ichat_gw.app.call_facts import Watched, facts_of, record_of, sample_of
from ichat_gw.app.events import FromConnector, GatewayCommand, GatewayEvent, Note
from ichat_gw.app.media_words import Fields, counter_fields, reply_words, report_fields, request_words
from ichat_gw.call.bridge import State
from ichat_gw.call.media import MediaRelease, Side
from ichat_gw.call.rate import Bucket
from ichat_gw.clock import Timers
from ichat_gw.ipc.messages import Message
from ichat_gw.jabber.ichat.leg import ToConnector
from ichat_gw.media.engine import MediaOver, MediaPath, Statistics, StatisticsAsked
from ichat_gw.media.relay_messages import PartyCounters
from ichat_gw.ops.records import CallRecord
from ichat_gw.ops.trace import Journal, Lane, Protocol, Recorded, TraceBook
from ichat_gw.ops.verdict import Verdict
from ichat_gw.ops.verdict_judge import judge
from ichat_gw.sip.events import Received, Send, SessionGone, SessionId

SAMPLE_SECONDS = 10.0
"""How often the relay is asked for the counters of a call that is up."""
MEDIA_SECONDS = 3.0
"""How long after the end of a call its last counters are waited for."""
FADE_SECONDS = 3.0
"""How long after the verdict what still comes is taken into the trace that is saved."""
REFUSED_AT_ONCE, REFUSED_PER_SECOND = 50, 1
"""Calls refused at the door that are remembered; the others are only counted: anybody can make many."""
STEP_SECONDS = 1.0
"""When the time of day and `now` part by so much at once, somebody has set the clock; less is its drift."""
STRAY_STANZAS, STRAY_SECONDS = 256, 5.0
"""Stanzas that belong to no call yet: how many are kept, and for how long."""

_FIRST = frozenset({Joined, CallBegan, CallRefused})
_SAYS_SOMETHING = frozenset({Received, FromConnector})
_OF_TRANSFERS = frozenset({"transfer began", "takeover began", "party replaced"})

Mirror: TypeAlias = Callable[[Recorded, str], None]
"""Shown each SIP message and stanza with the handle of its call ("": of none)."""


@dataclass(frozen=True, slots=True)
class CallKept:
    """A call is over: this is its record, and its verdict in full."""

    record: CallRecord
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class TraceKept:
    """A call is over for some seconds, and nothing more will come: its trace may be saved."""

    journal: Journal


TracingCommand: TypeAlias = CallKept | TraceKept | StatisticsAsked
"""`StatisticsAsked` is for the gateway."""


class Tracing:
    """What is known of calls. Never raises for anything that it is shown.

    `mirror`, if any, is shown each message as it is sent or received, of calls or not.
    """

    def __init__(
        self,
        book: TraceBook,
        *,
        sample_seconds: float = SAMPLE_SECONDS,
        mirror: Mirror | None = None,
    ) -> None:
        self.book = book
        self.refused_left_out = 0
        """Refused calls that were only counted."""
        self._sample_seconds = sample_seconds
        self._mirror = mirror
        self._live: dict[str, Watched] = {}
        self._of_session: dict[SessionId, tuple[str, Lane]] = {}
        self._timers: Timers[tuple[str, str]] = Timers()
        self._queries = count(-1, -1)
        """Negative, so that they are nobody else's."""
        self._refusals = Bucket(REFUSED_PER_SECOND, REFUSED_AT_ONCE, 0.0)
        self._of_pair: dict[tuple[str, str], str] = {}
        """The newest call of a user with a gateway JID, and with "" his newest call of all."""
        self._pairs_of: dict[str, tuple[tuple[str, str], ...]] = {}
        self._strays: deque[tuple[tuple[str, str], Recorded]] = deque(maxlen=STRAY_STANZAS)
        self._out: list[TracingCommand] = []
        self._at = self._now = self._ahead = 0.0
        self._hears: dict[type, Callable[[Any], None]] = {
            Send: self._sent,
            ToConnector: self._told_connector,
            Note: self._note_heard,
            MediaAsked: self._media,
            MediaSaid: self._media,
            SessionGone: self._session_gone,
            Moved: self._moved,
            Statistics: self._statistics,
            CallEnded: self._ended,
            MediaOver: self._media_over,
            MediaPath: self._media_path,
        }

    # --- the verbs ----------------------------------------------------------------------------------------

    def took(
        self,
        event: GatewayEvent | None,
        heard: SessionId | None,
        commands: Sequence[GatewayCommand],
        now: float,
        at: float,
    ) -> list[TracingCommand]:
        """The gateway took `event` (None: a timer), and this is what came of it.

        `heard` is the SIP session that a `Received` belonged to, if any.
        """
        if not commands and type(event) not in _SAYS_SOMETHING:
            return []
        self._tell_time(now, at)
        begun = None
        refused: list[Watched] = []
        # First which call it is about, then what came in, then what was done about it.
        for command in commands:
            if type(command) in _FIRST:
                match command:
                    case Joined(session, call, lane):
                        self._of_session[session] = call, lane
                    case CallBegan(call):
                        self._began(command)
                        begun = call
                    case CallRefused(call):
                        begun = call
                        if (watched := self._refused(command)) is not None:
                            refused.append(watched)
        if isinstance(event, Received):
            flow = event.flow
            self._sip(event.data, flow.transport, heard, flow.remote, flow.local)
        elif isinstance(event, FromConnector):
            self._between(event.message, Lane.CONNECTOR, Lane.GATEWAY, begun)
        for command in commands:
            hear = self._hears.get(type(command))
            if hear is not None:
                hear(command)
        for watched in refused:
            self._judge(watched)
        out, self._out = self._out, []
        return out

    def deadline(self) -> float | None:
        """When it next wants to be woken."""
        return self._timers.deadline()

    def expire(self, now: float, at: float) -> list[TracingCommand]:
        """Do what it is time for."""
        self._tell_time(now, at)
        for what, call in self._timers.due(now):
            if what == "sample":
                self._ask(call)
                self._timers.set(("sample", call), now + self._sample_seconds)
            elif what == "judge":
                self._judge(self._live[call])
            else:
                self._fade(call)
        out, self._out = self._out, []
        return out

    def _tell_time(self, now: float, at: float) -> None:
        """It is `now`. Who sets the time of day must not make a call last an hour, or end before it began."""
        step = at - now - self._ahead
        self._now, self._at, self._ahead = now, at, at - now
        if abs(step) >= STEP_SECONDS and self._live:
            for watched in self._live.values():
                watched.shift(step)
                self._state(watched.call, f"the machine's time of day was set by {step:+.1f} s")

    def _fade(self, call: str) -> None:
        """Nothing more will come."""
        for pair in self._pairs_of.pop(call, ()):
            if self._of_pair.get(pair) == call:
                del self._of_pair[pair]
        if (journal := self.book.find(call)) is not None:
            self._out.append(TraceKept(journal))

    def stanza(self, user: str, contact: str, outgoing: bool, xml: str, at: float) -> None:
        """The connector has sent a stanza to a user (bare JID) on behalf of `contact`, or received one."""
        lanes = (Lane.CONNECTOR, Lane.USER) if outgoing else (Lane.USER, Lane.CONNECTOR)
        recorded = Recorded(at, Protocol.XMPP, *lanes, xml)
        call = self._of_pair.get((user, contact)) or self._of_pair.get((user, "")) or ""
        if self._mirror is not None:
            self._mirror(recorded, call)
        if call:
            self.book.add(call, recorded)
        else:
            self._strays.append(((user, contact), recorded))

    def call_of(self, session: SessionId | None) -> str:
        """The handle of the call that a SIP session belongs to, or belonged to a moment ago; "" for none."""
        found = self._of_session.get(session) if session is not None else None
        return found[0] if found is not None else ""

    def call_between(self, user: str, contact: str) -> str:
        """The handle of the newest call of a user with a JID of ours (both may be full JIDs), "" for none."""
        pair = user.partition("/")[0], contact.partition("/")[0]
        return self._of_pair.get(pair, "")

    @property
    def calls(self) -> Iterable[Watched]:
        """The calls that are watched: those that live, and those whose verdict is awaited."""
        return self._live.values()

    def watched(self, call: str) -> Watched | None:
        """What has been noted of a call that is not judged yet."""
        return self._live.get(call)

    # --- what is heard ------------------------------------------------------------------------------------

    def _sent(self, send: Send) -> None:
        flow = send.flow
        self._sip(send.data, flow.transport, send.session, flow.local, flow.remote, out=True)

    def _told_connector(self, command: ToConnector) -> None:
        self._between(command.message, Lane.GATEWAY, Lane.CONNECTOR)

    def _session_gone(self, gone: SessionGone) -> None:
        self._of_session.pop(gone.session, None)

    def _statistics(self, found: Statistics) -> None:
        watched = self._live.get(found.call)
        if found.query < 0 and found.counters is not None and watched is not None:
            watched.sample(found.counters, self._at)
            self._counters(found.call, found.counters.caller, found.counters.callee)

    def _media_path(self, path: MediaPath) -> None:
        if (watched := self._live.get(path.call)) is not None:
            watched.direct = path.direct

    def _ended(self, ended: CallEnded) -> None:
        if (watched := self._live.get(ended.call)) is not None:
            watched.end(ended, self._at)
            self._over(watched)

    def _sip(
        self,
        data: bytes,
        transport: str,
        session: SessionId | None,
        source: tuple[str, int],
        target: tuple[str, int],
        *,
        out: bool = False,
    ) -> None:
        found = self._of_session.get(session) if session is not None else None
        if found is None and self._mirror is None:
            return
        call, lane = found or ("", Lane.PHONE)
        lanes = (Lane.GATEWAY, lane) if out else (lane, Lane.GATEWAY)
        recorded = Recorded(self._at, Protocol.SIP, *lanes, data, source, target, transport)
        if self._mirror is not None:
            self._mirror(recorded, call)
        if call:
            self.book.add(call, recorded)

    def _between(self, message: Message, source: Lane, target: Lane, begun: str | None = None) -> None:
        """A message between the two programs; `begun` is the call that it has begun, or would have."""
        call = begun or getattr(message, "handle", None)
        if call:
            self.book.add(call, Recorded(self._at, Protocol.CONNECTOR, source, target, message))

    def _state(self, call: str, words: str, fields: Fields = ()) -> None:
        self.book.add(
            call, Recorded(self._at, Protocol.STATE, Lane.GATEWAY, Lane.GATEWAY, words, fields=fields)
        )

    def _note_heard(self, note: Note) -> None:
        call, event = note.call, note.event
        if call is None or event == "media over":  # the counters themselves are told
            return
        self._state(call, event, note.fields)
        if event in _OF_TRANSFERS and (watched := self._live.get(call)) is not None:
            fields = dict(note.fields)
            if event == "party replaced":
                watched.replace(Side(fields["party"]))
            else:
                watched.candidate = str(fields.get("to") or fields.get("by") or "")

    def _moved(self, moved: Moved) -> None:
        call, state = moved.call, moved.state
        self._state(call, state.value)
        watched = self._live.get(call)
        if watched is None:
            return
        if state is State.RINGING and watched.rang is None:
            watched.rang = self._at
        elif state is State.TALKING and watched.answered is None:
            watched.answered = self._at
            self._timers.set(("sample", call), self._now + self._sample_seconds)

    # --- media --------------------------------------------------------------------------------------------

    def _media(self, event: MediaAsked | MediaSaid) -> None:
        watched = self._live.get(event.call)
        if watched is None:
            return
        watched.hear_media(event, self._at)
        if isinstance(event, MediaAsked):
            words, sdp = request_words(event.request)
            lanes = (Lane.GATEWAY, Lane.RELAY)
            if watched.answered is not None and not isinstance(event.request, MediaRelease):
                # What has come until now was before the change.
                self._ask(event.call)
        else:
            words, sdp = reply_words(event.reply)
            lanes = (Lane.RELAY, Lane.GATEWAY)
        self.book.add(event.call, Recorded(self._at, Protocol.MEDIA, *lanes, sdp or "", words=words))

    def _ask(self, call: str) -> None:
        self._out.append(StatisticsAsked(call, next(self._queries)))

    def _counters(self, call: str, caller: PartyCounters, callee: PartyCounters) -> None:
        for side, counters in ((Side.CALLER, caller), (Side.CALLEE, callee)):
            words = f"counters of the {side.value}"
            self.book.add(
                call,
                Recorded(
                    self._at,
                    Protocol.MEDIA,
                    Lane.RELAY,
                    Lane.GATEWAY,
                    "",
                    fields=counter_fields(counters),
                    words=words,
                ),
            )
            if counters.reports:
                self._rtcp(call, side, counters)

    def _rtcp(self, call: str, side: Side, counters: PartyCounters) -> None:
        """What the RTCP of a party says about what it hears."""
        watched = self._live.get(call)
        is_user = watched is None or watched.people[side].is_xmpp
        fields = report_fields(counters)
        lane = Lane.USER if is_user else Lane.PHONE
        words = f"RTCP: what the {side.value} hears"
        self.book.add(
            call, Recorded(self._at, Protocol.RTCP, lane, Lane.RELAY, "", fields=fields, words=words)
        )

    def _media_over(self, over: MediaOver) -> None:
        watched = self._live.get(over.call)
        if watched is None:
            return
        watched.media_over = True
        if over.counters is not None:
            watched.final = sample_of(over.counters, self._at)
            self._counters(over.call, over.counters.caller, over.counters.callee)
        if watched.ended is not None:
            self._judge(watched)

    # --- begin and end ------------------------------------------------------------------------------------

    def _began(self, began: CallBegan) -> None:
        self._live[began.call] = Watched.begin(began, self._at)
        self.book.begin(began.call, began.caller, began.callee, self._at)
        self._take_strays(began.call, began.user, began.contact)

    def _refused(self, refused: CallRefused) -> Watched | None:
        if not self._refusals.take(self._now):
            self.refused_left_out += 1
            return None
        watched = self._live[refused.call] = Watched.refused(refused, self._at)
        people = watched.people
        self.book.begin(refused.call, people[Side.CALLER].address, people[Side.CALLEE].address, self._at)
        self._take_strays(refused.call, refused.user, refused.contact)
        return watched

    def _take_strays(self, call: str, user: str, contact: str) -> None:
        """Give a call the stanzas that came before it was known, and those that are still to come."""
        if not user:
            return
        self._pairs_of[call] = (user, contact), (user, "")
        self._of_pair.update(dict.fromkeys(self._pairs_of[call], call))
        for pair, recorded in self._strays:
            if pair == (user, contact) and recorded.at >= self._at - STRAY_SECONDS:
                self.book.add(call, recorded)
        kept = [stray for stray in self._strays if stray[0] != (user, contact)]
        self._strays.clear()
        self._strays.extend(kept)

    def _over(self, watched: Watched) -> None:
        self._timers.clear(("sample", watched.call))
        if watched.waits_for_media:
            self._timers.set(("judge", watched.call), self._now + MEDIA_SECONDS)
        else:
            self._judge(watched)

    def _judge(self, watched: Watched) -> None:
        """All is known that will be."""
        call = watched.call
        self._timers.clear(("judge", call))
        del self._live[call]
        facts = facts_of(watched)
        verdict = judge(facts)
        fields = ("code", verdict.code), ("remedy", verdict.remedy)
        self._state(call, f"verdict: {verdict.sentence}", fields)
        self.book.end(call, verdict, facts.ended)
        self._out.append(CallKept(record_of(watched, facts, verdict), verdict))
        self._timers.set(("save", call), self._now + FADE_SECONDS)
