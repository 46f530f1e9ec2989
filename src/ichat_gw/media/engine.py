"""The built-in media engine: descriptions in, descriptions out, and orders to the relay workers.

For each call it keeps two parties. A party has a port pair of ours, our side of its session
(`LocalSession`) and the audio that it described last (`Audio`). The pairs of both are reserved with the
offer, so that a call that has no ports fails before anybody is rung; each pair is opened when our
description for its party is made, because only then is it known which of our addresses leads there.

    MediaOffer     open the other party's ports, offer it what the offerer can (None: what we can)
    MediaAnswer    both ends are known: point the relay at them, answer the offerer (offer, if it made none)
    MediaReoffer   answer a party by ourselves and point the relay at what it says now
    MediaCandidate offer somebody new a party's place; nothing changes for the party
    MediaReplace   point the relay at somebody new in a party's place, as after an answer or a re-offer
    MediaUpdate    a party answered an offer of ours: point the relay at it
    MediaRelease   close; the ports come back when the worker has confirmed it

Requests of one call are met one after the other. What cannot be met is refused and changes nothing, but
a refused MediaOffer leaves no call. There may be several workers; each call is on the one that had least
to do. When one dies, its calls wait for the next one and are opened there on the same ports; those that
cannot be, or not within `patience` seconds, are lost. Calls that begin meanwhile wait, too.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import TypeAlias

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.media import (
    MediaAnswer,
    MediaCandidate,
    MediaLost,
    MediaOffer,
    MediaReady,
    MediaRefused,
    MediaRelease,
    MediaReoffer,
    MediaReplace,
    MediaReply,
    MediaRequest,
    MediaUpdate,
    Side,
)
from ichat_gw.clock import Timers
from ichat_gw.errors import GatewayError
from ichat_gw.media.codec import OFFERED, Codec
from ichat_gw.media.negotiation import (
    Audio,
    Direction,
    Format,
    LocalSession,
    NotAcceptable,
    accepted,
    common,
    for_ichat,
    offerable,
    read_audio,
    same_family,
)
from ichat_gw.media.ports import NoPortLeft, PortPool
from ichat_gw.media.relay_messages import (
    Adjust,
    BindFault,
    Close,
    Closed,
    Learning,
    Open,
    Opened,
    OpenFailed,
    Order,
    PartyCounters,
    Query,
    Report,
    Retarget,
    Silent,
    Started,
    WorkerReply,
)
from ichat_gw.media.relay_session import learning_for
from ichat_gw.media.sdp import InvalidSdp, SessionDescription
from ichat_gw.media.stream import USUAL_RATE


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What the engine must know; times in seconds."""

    first_port: int
    """MediaRelayPortRangeMin."""
    last_port: int
    """MediaRelayPortRangeMax."""
    filtered: frozenset[int] = frozenset()
    """CodecIdFilterList: payload types taken out of offers."""
    port_rest: float = 2.0
    """How long a port pair rests after use."""
    learning_window: float = 5.0
    """How long after an offer/answer a source that SDP cannot name truthfully may be learnt."""
    workers: int = 1
    """MediaRelayWorkers: how many there are, numbered from 0."""
    media_timeout: float = 0.0
    """MediaTimeout: how long a party that is not on hold may send nothing; 0: for ever."""
    patience: float = 2.0
    """How long the worker may take to open or close ports."""


# --- in ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MediaFor:
    """The bridge of `call` (its handle) asks for something."""

    call: str
    request: MediaRequest


@dataclass(frozen=True, slots=True)
class StatisticsAsked:
    """Somebody wants the counters of `call`; answered by `Statistics` with the same `query`, a new number."""

    call: str
    query: int


@dataclass(frozen=True, slots=True)
class FromWorker:
    """A relay worker speaks."""

    reply: WorkerReply
    worker: int = 0


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A relay worker is gone, or could not be started; `text` says how."""

    text: str
    worker: int = 0


EngineEvent: TypeAlias = MediaFor | StatisticsAsked | FromWorker | WorkerLost


# --- out --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToCall:
    """Answer the bridge of `call`."""

    call: str
    reply: MediaReply


@dataclass(frozen=True, slots=True)
class ToWorker:
    """Tell a relay worker."""

    order: Order
    worker: int = 0


@dataclass(frozen=True, slots=True)
class CallCounters:
    """What has passed from and to the two parties of a call."""

    caller: PartyCounters
    callee: PartyCounters


@dataclass(frozen=True, slots=True)
class Statistics:
    """The counters of `call` so far; None for a call that is not known, or whose worker was lost."""

    call: str
    query: int
    counters: CallCounters | None


@dataclass(frozen=True, slots=True)
class MediaOver:
    """The ports of `call` are given back: once for each call that had any, with its last counters.

    None: no worker ever opened them, or the counters died with it.
    """

    call: str
    counters: CallCounters | None


EngineCommand: TypeAlias = ToCall | ToWorker | Statistics | MediaOver


# --- inside -----------------------------------------------------------------------------------------------

_Request: TypeAlias = MediaOffer | MediaAnswer | MediaReoffer | MediaUpdate | MediaCandidate | MediaReplace


@dataclass(slots=True)
class _Party:
    """One end of a call's media."""

    port: int
    towards: str = ""
    """The host it signals from, as far as we know."""
    local: LocalSession | None = None
    """Our side of its session; None until its ports are wanted."""
    candidate: LocalSession | None = None
    """Our side of the session with who may take its place; on the same ports."""
    opened: bool = False
    described: SessionDescription | None = None
    audio: Audio | None = None
    targeted: Retarget | None = None
    adjusted: Adjust | None = None
    """What the worker was last told of it."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that is being met, with its description read."""

    request: _Request
    described: SessionDescription | None
    audio: Audio | None


@dataclass(slots=True)
class _Call:
    """The media of one call."""

    handle: str
    session: int
    worker: int
    parties: dict[Side, _Party]
    established: bool = False
    """Its first request has been met, so the bridge relies on it."""
    asked: _Asked | None = None
    """What waits for ports to be opened."""
    opening: Side | None = None
    """Whose ports those are."""
    queue: deque[_Request] = field(default_factory=deque)
    reopening: set[Side] = field(default_factory=set)
    """Whose ports went down with a worker and are not yet open at the next one."""
    lost_by: str = ""
    """How that worker ended."""
    ordered: bool = False
    """The worker has been told to open something for it."""
    closing: bool = False


class _CannotMeet(GatewayError):
    """A request that is refused, and why."""

    def __init__(self, cause: Cause, text: str) -> None:
        super().__init__(text)
        self.ending = Ending(cause, text=text)


class RelayEngine:
    """All calls' media, over the relay workers. Never raises for anything that it receives.

    `local_address(host)` gives the IP address of ours from which `host` (an address, a name, or "" when
    nothing is known) is reached; it may raise `GatewayError`. `rng` must not be guessable in production
    (`random.SystemRandom`). Raises `EmptyPortRange` when the range has no port pair.
    """

    def __init__(self, config: EngineConfig, local_address: Callable[[str], str], rng: Random) -> None:
        self._config = config
        self._local_address = local_address
        self._rng = rng
        self._ports = PortPool(config.first_port, config.last_port, rng, rest=config.port_rest)
        self._calls: dict[str, _Call] = {}
        self._sessions: dict[int, _Call] = {}
        self._at: dict[tuple[str, int], tuple[_Call, Side]] = {}
        self._queries: dict[int, tuple[str, int]] = {}
        self._last_session = 0
        self._ready: set[int] = set()
        self._busy = [0] * config.workers
        """How many sessions each worker has."""
        self._timers: Timers[int] = Timers()
        self._out: list[EngineCommand] = []

    @property
    def open_sessions(self) -> int:
        """How many calls hold ports, those that are being closed included."""
        return len(self._sessions)

    @property
    def ports_in_use(self) -> int:
        """How many port pairs are taken."""
        return self._ports.in_use

    def receive(self, event: EngineEvent, now: float) -> list[EngineCommand]:
        """Hear one event; say what is to be done about it."""
        match event:
            case MediaFor(handle, request):
                if isinstance(request, MediaRelease):
                    self._release(handle, now)
                else:
                    self._request(handle, request, now)
            case StatisticsAsked(handle, query):
                self._ask_statistics(handle, query)
            case FromWorker(reply, worker):
                self._worker_said(worker, reply, now)
            case WorkerLost(text, worker):
                self._worker_lost(worker, text, now)
        out, self._out = self._out, []
        return out

    def deadline(self) -> float | None:
        """When the worker has taken too long over something."""
        return self._timers.deadline()

    def expire(self, now: float) -> list[EngineCommand]:
        """Stop waiting for the worker where it is time."""
        for session in self._timers.due(now):
            call = self._sessions[session]
            if call.closing:
                self._forget(call, None, now)
            elif call.reopening:
                self._lose(call, f"the relay worker is gone: {call.lost_by}", now)
            else:
                silent = _CannotMeet(Cause.MEDIA_FAILED, "the relay worker does not answer")
                self._cannot_open(call, silent, now)
        out, self._out = self._out, []
        return out

    # --- requests -----------------------------------------------------------------------------------------

    def _request(self, handle: str, request: _Request, now: float) -> None:
        call = self._calls.get(handle)
        try:
            if isinstance(request, MediaOffer):
                if call is not None:
                    raise _CannotMeet(Cause.MEDIA_FAILED, "media has been offered for this call already")
                call = self._reserve(handle, now)
            elif call is None:
                raise _CannotMeet(Cause.MEDIA_FAILED, "no media is reserved for this call")
        except _CannotMeet as error:
            self._refuse(handle, request.request, error)
            return
        call.queue.append(request)
        self._advance(call, now)

    def _reserve(self, handle: str, now: float) -> _Call:
        """A new call with a port pair for each party."""
        taken: list[int] = []
        try:
            for _ in Side:
                taken.append(self._ports.take(now))
        except NoPortLeft as error:
            for port in taken:
                self._ports.give_back(port, now, used=False)
            raise _CannotMeet(Cause.NO_RESOURCES, str(error)) from error
        self._last_session += 1
        parties = {side: _Party(port) for side, port in zip(Side, taken, strict=True)}
        # One that lives rather than one that is being started, then the one with the fewest calls.
        worker = min(
            range(self._config.workers), key=lambda each: (each not in self._ready, self._busy[each], each)
        )
        self._busy[worker] += 1
        call = _Call(handle, self._last_session, worker, parties)
        self._calls[handle] = self._sessions[call.session] = call
        return call

    def _advance(self, call: _Call, now: float) -> None:
        """Meet what is asked of `call`, until something must be waited for."""
        while call.queue and call.asked is None and not call.closing:
            request = call.queue.popleft()
            try:
                asked = self._limited(call, _Asked(request, *self._read(request)))
                self._check(call, asked)
                if self._open_for(call, asked, now):
                    call.asked = asked
                else:
                    self._meet(call, asked)
            except (_CannotMeet, InvalidSdp, NotAcceptable) as error:
                self._fail(call, request, error, now)

    def _read(self, request: _Request) -> tuple[SessionDescription | None, Audio | None]:
        if isinstance(request, MediaCandidate) or request.sdp is None:
            return None, None
        described = SessionDescription.parse(request.sdp)
        is_offer = isinstance(request, MediaOffer | MediaReoffer) or (
            isinstance(request, MediaReplace) and not request.answers
        )
        return described, read_audio(described, self._config.filtered if is_offer else ())

    def _limited(self, call: _Call, asked: _Asked) -> _Asked:
        """An answer counts as far as it keeps to the offer. Raises `NotAcceptable`."""
        party = call.parties[asked.request.side]
        match asked.request:
            case MediaAnswer() | MediaUpdate():
                offer = party.local
            case MediaReplace(answers=True):
                offer = party.candidate
            case _:
                return asked
        if asked.audio is None or offer is None:
            return asked
        return replace(asked, audio=accepted(asked.audio, offer.formats))

    def _check(self, call: _Call, asked: _Asked) -> None:
        """What must hold before anything is changed."""
        request = asked.request
        party = call.parties[request.side]
        needs_ports = isinstance(request, MediaAnswer | MediaUpdate | MediaCandidate | MediaReplace)
        if needs_ports and (party.local is None or not party.opened):
            raise _CannotMeet(Cause.MEDIA_FAILED, f"the {request.side.value} was offered no media")
        if asked.audio is None:
            return
        partner = call.parties[request.side.other].audio
        if partner is not None and not isinstance(request, MediaAnswer | MediaUpdate):
            common(asked.audio.formats, partner.formats)
        if asked.audio.rtp is None:
            return
        host, port = asked.audio.rtp
        if party.local is not None and not same_family(host, party.local.address):
            raise NotAcceptable(f"its address {host} cannot be reached from {party.local.address}", 301)
        if self._circles(call, request.side, (host, port)):
            raise NotAcceptable(f"its address {host}:{port} would send media round in a circle")

    def _circles(self, call: _Call, side: Side, remote: tuple[str, int]) -> bool:
        """Whether what is sent to `remote` on behalf of `side` would come back to where it was received.

        A call may be routed through this gateway twice (from one iChat to another by way of a PBX), so
        addresses of our own are in order as long as they lead out again.
        """
        seen = {(call.session, side.other)}
        while (local := self._at.get((remote[0], remote[1] & ~1))) is not None:
            there, arrives = local
            if (there.session, arrives) in seen:
                return True
            seen.add((there.session, arrives))
            onward = there.parties[arrives.other].audio
            if onward is None or onward.rtp is None:
                return False
            remote = onward.rtp
        return False

    # --- ports --------------------------------------------------------------------------------------------

    def _open_for(self, call: _Call, asked: _Asked, now: float) -> bool:
        """Open the ports of the party that is to get our description. False: they are open."""
        request = asked.request
        if isinstance(request, MediaUpdate | MediaCandidate | MediaReplace):
            return False
        side = request.side if isinstance(request, MediaReoffer) else request.side.other
        party = call.parties[side]
        party.towards = request.towards or party.towards
        if party.opened:
            return False
        audio = asked.audio if side is request.side else party.audio
        address = self._choose_address(request.towards, audio)
        party.local = LocalSession(self._rng.getrandbits(31), address, party.port)
        self._at[address, party.port] = call, side
        self._timers.set(call.session, now + self._config.patience)
        call.opening = side
        self._open(call, side)
        return True

    def _choose_address(self, towards: str, audio: Audio | None) -> str:
        """Our address for a party that signals from `towards` and, if it has said so, has this audio."""
        host = audio.rtp[0] if audio is not None and audio.rtp is not None else ""
        try:
            address = self._local_address(towards or host)
            if host and not same_family(address, host):
                # Signalling and media of a party need not be in one network.
                address = self._local_address(host)
        except GatewayError as error:
            raise _CannotMeet(Cause.MEDIA_FAILED, str(error)) from error
        if host and not same_family(address, host):
            raise NotAcceptable(f"its address {host} cannot be reached from {address}", 301)
        return address

    def _open(self, call: _Call, side: Side) -> None:
        """Tell the worker, if there is one; else it is told when it has started."""
        local = call.parties[side].local
        if call.worker in self._ready and local is not None:
            call.ordered = True
            self._order(call, Open(call.session, side, local.address, local.port))

    def _opened(self, call: _Call, now: float) -> None:
        """The ports that a request waits for are open."""
        assert call.opening is not None
        call.parties[call.opening].opened = True
        asked = self._stop_waiting(call)
        try:
            self._meet(call, asked)
        except NotAcceptable as error:
            self._fail(call, asked.request, error, now)
        self._advance(call, now)

    def _cannot_open(self, call: _Call, error: _CannotMeet, now: float) -> None:
        """The ports that a request waits for will not be there; a later request may try again."""
        assert call.opening is not None
        party = call.parties[call.opening]
        assert party.local is not None
        del self._at[party.local.address, party.port]
        party.local = None
        asked = self._stop_waiting(call)
        self._fail(call, asked.request, error, now)
        self._advance(call, now)

    def _stop_waiting(self, call: _Call) -> _Asked:
        """Ports are open, or will not be. The request that waited for them."""
        assert call.asked is not None
        asked, call.asked, call.opening = call.asked, None, None
        self._timers.clear(call.session)
        return asked

    def _open_failed(self, call: _Call, failed: OpenFailed, now: float) -> None:
        party = call.parties[failed.side]
        assert party.local is not None
        address = party.local.address
        text = f"{address}, ports {party.port} and {party.port + 1}: {failed.text}"
        if failed.fault is not BindFault.PORT:
            cause = Cause.NO_RESOURCES if failed.fault is BindFault.RESOURCES else Cause.MEDIA_FAILED
            self._cannot_open(call, _CannotMeet(cause, text), now)
            return
        try:
            port = self._ports.take(now)
        except NoPortLeft as error:
            self._cannot_open(call, _CannotMeet(Cause.NO_RESOURCES, f"{text}; {error}"), now)
            return
        del self._at[address, party.port]
        self._ports.set_aside(party.port, now)
        party.port = port
        party.local = LocalSession(party.local.id, address, port)
        self._at[address, port] = call, failed.side
        self._open(call, failed.side)

    # --- meeting a request --------------------------------------------------------------------------------

    def _meet(self, call: _Call, asked: _Asked) -> None:
        """Everything is there: negotiate, tell the worker, reply."""
        side = asked.request.side
        match asked.request:
            case MediaOffer():
                sdp = self._offer(call, side, asked)
            case MediaAnswer():
                sdp = self._answer(call, side, asked)
            case MediaReoffer():
                sdp = self._reoffer(call, side, asked)
            case MediaUpdate():
                self._connect(call, side, asked)
                sdp = ""
            case MediaCandidate():
                sdp = self._offer_place(call, side, asked.request.towards)
            case MediaReplace():
                sdp = self._replace(call, side, asked, asked.request)
        for each in Side:
            self._adjust(call, each)
        call.established = True
        self._out.append(ToCall(call.handle, MediaReady(asked.request.request, sdp)))

    def _offer(self, call: _Call, side: Side, asked: _Asked) -> str:
        party = call.parties[side]
        party.described, party.audio = asked.described, asked.audio
        if asked.audio is None:
            return self._make_offer(call, side.other, None, Direction.SENDRECV)
        # Who is called by one that offers is iChat: a phone is called before iChat has said anything.
        audio = replace(asked.audio, formats=for_ichat(asked.audio.formats))
        return self._make_offer(call, side.other, audio, audio.direction)

    def _answer(self, call: _Call, side: Side, asked: _Asked) -> str:
        self._connect(call, side, asked)
        answered = call.parties[side].audio
        other = call.parties[side.other]
        assert answered is not None
        if other.described is None or other.audio is None:
            return self._make_offer(call, side.other, answered, answered.direction)
        self._retarget(call, side.other)
        direction = answered.direction.within(other.audio.direction.mirrored)
        return self._make_answer(call, side.other, direction)

    def _reoffer(self, call: _Call, side: Side, asked: _Asked) -> str:
        if asked.audio is None:
            return self._make_offer(call, side, call.parties[side.other].audio, Direction.SENDRECV)
        party = call.parties[side]
        if party.audio is None and party.local is not None:
            # It offers although it never answered our offer: it has not seen that (an iChat caller).
            party.local = LocalSession(party.local.id, party.local.address, party.local.port)
        self._connect(call, side, asked)
        return self._make_answer(call, side, asked.audio.direction.mirrored)

    def _offer_place(self, call: _Call, side: Side, towards: str) -> str:
        """Offer somebody new the place of `side`: a session of its own, on the ports that are there."""
        party = call.parties[side]
        party.candidate = self._new_session(party, towards)
        partner = _as_told(call.parties[side.other])
        formats = offerable(partner.formats) if partner is not None else self._own_formats()
        passing = partner.passing if partner is not None else ()
        party.candidate = party.candidate.offer(formats, Direction.SENDRECV, passing)
        return str(party.candidate)

    def _replace(self, call: _Call, side: Side, asked: _Asked, request: MediaReplace) -> str:
        party = call.parties[side]
        offered = party.candidate
        if request.answers and offered is None:
            raise _CannotMeet(Cause.MEDIA_FAILED, "nobody was offered the place")
        local = offered if request.answers else self._new_session(party, request.towards)
        party.local, party.candidate, party.towards = local, None, request.towards
        party.described, party.audio = asked.described, asked.audio
        if asked.audio is None:
            return self._make_offer(call, side, _as_told(call.parties[side.other]), Direction.SENDRECV)
        self._retarget(call, side)
        if request.answers:
            return ""
        partner = _as_told(call.parties[side.other])
        return self._make_answer(call, side, asked.audio.direction.mirrored, partner)

    def _new_session(self, party: _Party, towards: str) -> LocalSession:
        """Our side of a session with somebody new, who has to be within reach of the address in use."""
        assert party.local is not None
        address = self._choose_address(towards, None)
        if address != party.local.address:
            raise NotAcceptable(f"{towards} cannot be reached from {party.local.address}")
        return LocalSession(self._rng.getrandbits(31), party.local.address, party.local.port)

    def _connect(self, call: _Call, side: Side, asked: _Asked) -> None:
        """Take over what `side` says about itself."""
        party = call.parties[side]
        party.described, party.audio = asked.described, asked.audio
        self._retarget(call, side)

    def _make_offer(self, call: _Call, side: Side, partner: Audio | None, direction: Direction) -> str:
        """Offer `side` what its partner can, or what we can if that is not known."""
        party = call.parties[side]
        assert party.local is not None
        # What a number means must not change within a session (RFC 3264 8.3.2).
        formats = party.local.formats
        if not formats:
            formats = offerable(partner.formats) if partner is not None else self._own_formats()
        party.local = party.local.offer(formats, direction, partner.passing if partner is not None else ())
        return str(party.local)

    def _own_formats(self) -> tuple[Format, ...]:
        """What can be offered when nobody has said what can be used: codecs with fixed numbers."""
        formats = tuple(
            Format(codec, codec.static)
            for codec in OFFERED
            if codec.static is not None and codec.static not in self._config.filtered
        )
        if not formats:
            raise NotAcceptable("CodecIdFilterList leaves no codec to offer")
        return formats

    def _make_answer(
        self, call: _Call, side: Side, direction: Direction, partner: Audio | None = None
    ) -> str:
        """Answer what `side` has offered with those of its formats that its partner can use, too."""
        party = call.parties[side]
        partner = partner or call.parties[side.other].audio
        assert party.local is not None
        assert party.described is not None
        assert party.audio is not None
        formats = party.audio.formats if partner is None else common(party.audio.formats, partner.formats)
        passing = () if partner is None else partner.passing
        party.local = party.local.answer(party.described, party.audio, formats, direction, passing)
        return str(party.local)

    # --- telling the worker -------------------------------------------------------------------------------

    def _retarget(self, call: _Call, side: Side) -> None:
        """Point the relay at where `side` says it is. On hold without an address it stays where it was."""
        party = call.parties[side]
        if party.audio is not None and party.audio.rtp is not None:
            learning = learning_for(party.audio.rtp[0], party.towards)
            party.targeted = Retarget(
                call.session,
                side,
                party.audio.rtp,
                party.audio.rtcp,
                learning,
                0.0 if learning is Learning.NOTHING else self._config.learning_window,
            )
            self._order(call, party.targeted)

    def _adjust(self, call: _Call, side: Side) -> None:
        """Tell the worker whether `side` wants RTP, and how to renumber what it sends, if that changed."""
        party, partner = call.parties[side], call.parties[side.other]
        if party.audio is None or not party.opened:
            return
        adjusted = Adjust(
            call.session,
            side,
            party.audio.direction.receives,
            _renumbered(party, partner),
            _rates(party),
            _keep_alive(party.audio, partner.audio),
            controlled=party.audio.rtp is not None,
            mux=party.audio.mux and party.local is not None and party.local.mux,
            timeout=self._config.media_timeout if _both_talk(party.audio, partner.audio) else 0.0,
        )
        if adjusted != (party.adjusted or Adjust(call.session, side, receives=True)):
            party.adjusted = adjusted
            self._order(call, adjusted)

    def _order(self, call: _Call, order: Order) -> None:
        """While there is no worker nothing is said: the next one is told all that holds then (`_reopen`)."""
        if call.worker in self._ready:
            self._out.append(ToWorker(order, call.worker))

    # --- the end, and failures ----------------------------------------------------------------------------

    def _release(self, handle: str, now: float) -> None:
        call = self._calls.get(handle)
        if call is not None:
            self._close(call, now)

    def _close(self, call: _Call, now: float) -> None:
        """The bridge has no more to do with this call."""
        del self._calls[call.handle]
        call.closing = True
        call.asked = call.opening = None
        call.queue.clear()
        if call.worker in self._ready and call.ordered:
            self._timers.set(call.session, now + self._config.patience)
            self._order(call, Close(call.session))
        else:
            self._forget(call, None, now)

    def _forget(self, call: _Call, counters: CallCounters | None, now: float) -> None:
        """Nothing of this call is open any more."""
        self._timers.clear(call.session)
        del self._sessions[call.session]
        self._busy[call.worker] -= 1
        for party in call.parties.values():
            if party.local is not None:
                del self._at[party.local.address, party.port]
            self._ports.give_back(party.port, now, used=call.ordered)
        self._out.append(MediaOver(call.handle, counters))

    def _fail(self, call: _Call, request: _Request, error: GatewayError, now: float) -> None:
        """What is asked of `call` cannot be met. Nobody relies on a call whose offer was refused."""
        self._refuse(call.handle, request.request, error)
        if not call.established:
            self._close(call, now)

    def _refuse(self, handle: str, request: int, error: GatewayError) -> None:
        if isinstance(error, _CannotMeet):
            ending = error.ending
        elif isinstance(error, InvalidSdp):
            ending = Ending(Cause.MALFORMED, text=str(error))
        else:
            warning = error.warning if isinstance(error, NotAcceptable) else None
            ending = Ending(Cause.NOT_ACCEPTABLE, text=str(error), warning=warning)
        self._out.append(ToCall(handle, MediaRefused(request, ending)))

    # --- the worker ---------------------------------------------------------------------------------------

    def _worker_said(self, worker: int, reply: WorkerReply, now: float) -> None:
        if isinstance(reply, Started):
            self._ready.add(worker)
            for call in self._sessions.values():
                if call.worker == worker:
                    self._reopen(call)
            return
        known = self._sessions.get(reply.session)
        match reply:
            case Report(_, query, caller, callee):
                if (asked := self._queries.pop(query, None)) is not None:
                    self._out.append(Statistics(asked[0], query, CallCounters(caller, callee)))
            case Closed(_, caller, callee):
                if known is not None and known.closing:
                    self._forget(known, CallCounters(caller, callee), now)
            case Opened(_, side):
                if known is not None and side in known.reopening:
                    self._reopened(known, side, now)
                elif known is not None and known.opening is side:
                    self._opened(known, now)
            case Silent(_, side):
                if known is not None and not known.closing:
                    text = f"nothing from the {side.value} for {self._config.media_timeout:g} s"
                    lost = MediaLost(Ending(Cause.MEDIA_TIMEOUT, text=text))
                    self._out.append(ToCall(known.handle, lost))
            case OpenFailed(_, side):
                if known is not None and side in known.reopening:
                    self._lose(known, f"a new relay worker cannot open its ports: {reply.text}", now)
                elif known is not None and known.opening is side:
                    self._open_failed(known, reply, now)

    def _worker_lost(self, worker: int, text: str, now: float) -> None:
        self._ready.discard(worker)
        for call in [each for each in self._sessions.values() if each.worker == worker]:
            if call.closing:
                self._forget(call, None, now)
                continue
            opened = {side for side, party in call.parties.items() if party.opened}
            if opened and not call.reopening:
                self._timers.set(call.session, now + self._config.patience)
            call.reopening, call.lost_by = opened, text
        for query, (handle, asked) in list(self._queries.items()):
            if asked == worker:
                del self._queries[query]
                self._out.append(Statistics(handle, query, None))

    def _reopen(self, call: _Call) -> None:
        """A new worker is there: tell it all that the last one knew."""
        for side in Side:
            if side in call.reopening:
                self._open(call, side)
        for party in call.parties.values():
            for order in (party.targeted, party.adjusted):
                if order is not None and call.reopening:
                    self._order(call, order)
        if call.opening is not None:
            self._open(call, call.opening)

    def _reopened(self, call: _Call, side: Side, now: float) -> None:
        """The ports of `side` are open again."""
        call.reopening.remove(side)
        if call.opening is not None:
            self._timers.set(call.session, now + self._config.patience)
        elif not call.reopening:
            self._timers.clear(call.session)

    def _lose(self, call: _Call, text: str, now: float) -> None:
        """The media of `call` is gone for good."""
        lost = Ending(Cause.MEDIA_FAILED, text=text)
        waiting = [*([call.asked.request] if call.asked is not None else []), *call.queue]
        for request in waiting:
            self._out.append(ToCall(call.handle, MediaRefused(request.request, lost)))
        self._out.append(ToCall(call.handle, MediaLost(lost)))
        call.reopening.clear()
        self._close(call, now)

    def _ask_statistics(self, handle: str, query: int) -> None:
        call = self._calls.get(handle)
        if call is None or call.worker not in self._ready:
            self._out.append(Statistics(handle, query, None))
        else:
            self._queries[query] = handle, call.worker
            self._order(call, Query(call.session, query))


def _rates(party: _Party) -> tuple[tuple[int, int], ...]:
    """The clock rates of what `party` may send, where they are not the usual one."""
    assert party.local is not None
    assert party.audio is not None
    formats = (*party.audio.formats, *party.local.formats)
    rates = {format.number: format.codec.clock_rate for format in formats}
    return tuple(sorted((number, rate) for number, rate in rates.items() if rate != USUAL_RATE))


def _keep_alive(audio: Audio, partner: Audio | None) -> tuple[int, int]:
    """The payload type and clock rate of the first codec that a party and its partner talk with."""
    usable = [format for format in audio.formats if format.codec.carries_speech]
    theirs = {format.codec for format in partner.formats} if partner is not None else set()
    format = next((format for format in usable if format.codec in theirs), usable[0])
    return format.number, format.codec.clock_rate


def _both_talk(audio: Audio, partner: Audio | None) -> bool:
    """Whether both parties are described, and neither holds the other."""
    both = {audio.direction, partner.direction if partner is not None else None}
    return both == {Direction.SENDRECV}


def _as_told(party: _Party) -> Audio | None:
    """What a party said of itself, with those codecs only that its session with us has.

    It is not asked again when its partner is replaced, so it will send nothing else.
    """
    if party.audio is None or party.local is None:
        return party.audio
    told = {format.codec for format in party.local.formats}
    formats = tuple(format for format in party.audio.formats if format.codec in told)
    return replace(party.audio, formats=formats or party.audio.formats)


def _renumbered(party: _Party, partner: _Party) -> tuple[tuple[int, int], ...]:
    """How payload types in what `party` sends become those that its partner expects.

    A party sends with the numbers that we gave it; one that answered with numbers of its own may
    send with those.
    """
    if party.local is None or partner.audio is None or party.audio is None:
        return ()
    expected: dict[Codec, int] = {format.codec: format.number for format in partner.audio.formats}
    pairs: dict[int, int] = {}
    for format in (*party.local.formats, *party.audio.formats):
        number = expected.get(format.codec, format.number)
        if number != format.number:
            pairs.setdefault(format.number, number)
    return tuple(sorted(pairs.items()))
