"""The built-in media engine: orders to relay workers of our own.

Each party of a call has a port pair of ours. The pairs of both are reserved with the offer, so that a call
that has no ports fails before anybody is rung; each pair is opened when our description for its party is
made, because only then is it known which of our addresses leads there. The ports come back when the worker
has confirmed that they are closed.

There may be several workers; each call is on the one that had least to do. When one dies, its calls wait for
the next one and are opened there on the same ports; those that cannot be, or not within `patience` seconds,
are lost. Calls that begin meanwhile wait, too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from ichat_gw.call.cause import Cause
from ichat_gw.call.media import Side
from ichat_gw.clock import Timers
from ichat_gw.media.calls import CallsEngine, EngineCall
from ichat_gw.media.engine import (
    CallCounters,
    EngineCommand,
    EngineEvent,
    EngineStatus,
    FromWorker,
    MediaSettings,
    PartStatus,
    Statistics,
    ToWorker,
    WorkerLost,
)
from ichat_gw.media.exchange import Asked, CannotMeet, Exchange, Party
from ichat_gw.media.negotiation import LocalSession, NotAcceptable
from ichat_gw.media.ports import NoPortLeft, PortPool
from ichat_gw.media.relay_messages import (
    Adjust,
    BindFault,
    Close,
    Closed,
    Open,
    Opened,
    OpenFailed,
    Order,
    Query,
    Report,
    Restore,
    Retarget,
    Silent,
    Snapshot,
    Started,
    WorkerReply,
)
from ichat_gw.media.relay_orders import adjust, retarget


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


@dataclass(slots=True)
class _Party(Party):
    """A party, and what its worker knows of it."""

    port: int = 0
    targeted: Retarget | None = None
    adjusted: Adjust | None = None
    """What the worker was last told of it."""


@dataclass(slots=True, eq=False)
class _Call(EngineCall[_Party]):
    """The media of one call."""

    session: int
    worker: int
    opening: Side | None = None
    """Whose ports are waited for."""
    reopening: set[Side] = field(default_factory=set)
    """Whose ports went down with a worker and are not yet open at the next one."""
    lost_by: str = ""
    """How that worker ended."""
    ordered: bool = False
    """The worker has been told to open something for it."""
    snapshot: Snapshot | None = None
    """What the worker has told last, so that the next one can go on where it was."""

    @property
    def counters(self) -> CallCounters | None:
        """What is known of them without asking the worker: some seconds old."""
        last = self.snapshot
        return None if last is None else CallCounters(last.caller.counters, last.callee.counters)


class RelayEngine(CallsEngine[_Party, _Call]):
    """All calls' media, over the relay workers: a `MediaEngine`.

    `local_address` and `rng` are those of `CallsEngine`. Raises `EmptyPortRange` when the range has no port
    pair.
    """

    def __init__(self, config: EngineConfig, local_address: Callable[[str], str], rng: Random) -> None:
        super().__init__(local_address, rng, config.filtered, config.media_timeout)
        self._config = config
        self._ports = PortPool(config.first_port, config.last_port, rng, rest=config.port_rest)
        self._sessions: dict[int, _Call] = {}
        self._queries: dict[int, tuple[str, int]] = {}
        self._last_session = 0
        self._ready: dict[int, Started] = {}
        self._busy = [0] * config.workers
        """How many sessions each worker has."""
        self._timers: Timers[int] = Timers()

    @property
    def open_sessions(self) -> int:
        """How many calls hold ports, those that are being closed included."""
        return len(self._sessions)

    @property
    def ports_in_use(self) -> int:
        """How many port pairs are taken."""
        return self._ports.in_use

    @property
    def ready(self) -> bool:
        """Whether every worker lives."""
        return len(self._ready) == self._config.workers

    def status(self) -> EngineStatus:
        """How the workers are now."""
        parts = []
        for number, calls in enumerate(self._busy):
            name, started = f"relay worker {number}", self._ready.get(number)
            if started is None:
                parts.append(PartStatus(name, False, calls))
            else:
                parts.append(PartStatus(name, True, calls, started.loop, started.process))
        return EngineStatus("builtin", tuple(parts), self._ports.in_use)

    def _reconfigure(self, settings: MediaSettings) -> None:
        super()._reconfigure(settings)
        first, last = settings.first_port, settings.last_port
        if (first, last) != (self._config.first_port, self._config.last_port):
            self._ports.resize(first, last)
        self._config = replace(self._config, first_port=first, last_port=last)

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
                silent = CannotMeet(Cause.MEDIA_FAILED, "the relay worker does not answer")
                self._cannot_open(call, silent, now)
        return self._commands()

    # --- requests -----------------------------------------------------------------------------------------

    def _check_room(self, now: float) -> None:
        self._give_back(self._take_ports(now), now)

    def _take_ports(self, now: float) -> list[int]:
        """A port pair for each party. Raises `CannotMeet`."""
        taken: list[int] = []
        try:
            for _ in Side:
                taken.append(self._ports.take(now))
        except NoPortLeft as error:
            self._give_back(taken, now)
            raise CannotMeet(Cause.NO_RESOURCES, str(error)) from error
        return taken

    def _give_back(self, unused: list[int], now: float) -> None:
        for port in unused:
            self._ports.give_back(port, now, used=False)

    def _begin(self, handle: str, now: float) -> _Call:
        """A new call with a port pair for each party."""
        taken = self._take_ports(now)
        self._last_session += 1
        parties = {side: _Party(port=port) for side, port in zip(Side, taken, strict=True)}
        exchange = Exchange(parties, self._rng, self._reaches, self._filtered)
        # One that lives rather than one that is being started, then the one with the fewest calls.
        worker = min(
            range(self._config.workers), key=lambda each: (each not in self._ready, self._busy[each], each)
        )
        self._busy[worker] += 1
        call = _Call(handle, exchange, self._last_session, worker)
        self._calls[handle] = self._sessions[call.session] = call
        return call

    def _reaches(self, address: str, towards: str) -> bool:
        return self._reach.choose(towards, None) == address

    def _start(self, call: _Call, asked: Asked, wanted: Side | None, now: float) -> None:
        if wanted is None:
            self._meet(call, asked)
        else:
            self._open_for(call, wanted, asked, now)

    # --- ports --------------------------------------------------------------------------------------------

    def _open_for(self, call: _Call, side: Side, asked: Asked, now: float) -> None:
        """Open the ports of the party that is to get our description."""
        address = self._reach.choose(asked.towards, call.exchange.audio_of(side, asked))
        self._give_ports(call, side, address, call.parties[side].port)
        self._timers.set(call.session, now + self._config.patience)
        call.asked, call.opening = asked, side
        self._open(call, side)

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

    def _cannot_open(self, call: _Call, error: CannotMeet, now: float) -> None:
        """The ports that a request waits for will not be there; a later request may try again."""
        assert call.opening is not None
        self._drop_ports(call, call.opening)
        call.parties[call.opening].local = None
        asked = self._stop_waiting(call)
        self._fail(call, asked.request, error, now)
        self._advance(call, now)

    def _stop_waiting(self, call: _Call) -> Asked:
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
            self._cannot_open(call, CannotMeet(cause, text), now)
            return
        try:
            port = self._ports.take(now)
        except NoPortLeft as error:
            self._cannot_open(call, CannotMeet(Cause.NO_RESOURCES, f"{text}; {error}"), now)
            return
        self._drop_ports(call, failed.side)
        self._ports.set_aside(party.port, now)
        party.port = port
        party.local = LocalSession(party.local.id, address, port)
        self._circles.add((address, port), call.exchange, failed.side)
        self._open(call, failed.side)

    # --- telling the worker -------------------------------------------------------------------------------

    def _point(self, call: _Call, moved: tuple[Side, ...]) -> None:
        """Point the relay at where the parties that have moved say they are; tell it what else is new."""
        for side in moved:
            party = call.parties[side]
            order = retarget(call.session, side, party, self._config.learning_window)
            # On hold without an address it stays where it was.
            if order is not None:
                party.targeted = order
                self._order(call, order)
        for side in Side:
            party, partner = call.parties[side], call.parties[side.other]
            adjusted = adjust(call.session, side, party, partner, self._media_timeout)
            if adjusted is not None and adjusted != (party.adjusted or Adjust(call.session, side, True)):
                party.adjusted = adjusted
                self._order(call, adjusted)

    def _order(self, call: _Call, order: Order) -> None:
        """While there is no worker nothing is said: the next one is told all that holds then (`_reopen`)."""
        if call.worker in self._ready:
            self._out.append(ToWorker(order, call.worker))

    # --- the end, and failures ----------------------------------------------------------------------------

    def _end(self, call: _Call, now: float) -> None:
        call.opening = None
        call.reopening = set()  # what a new worker says of its ports does not matter any more
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
            self._ports.give_back(party.port, now, used=call.ordered)
        self._over(call, counters or call.counters)

    # --- the worker ---------------------------------------------------------------------------------------

    def _hear(self, event: EngineEvent, now: float) -> None:
        match event:
            case FromWorker(reply, worker):
                self._worker_said(worker, reply, now)
            case WorkerLost(text, worker):
                self._worker_lost(worker, text, now)
            case _:
                pass  # from an rtpengine that is not ours

    def _worker_said(self, worker: int, reply: WorkerReply, now: float) -> None:
        if isinstance(reply, Started):
            self._ready[worker] = reply
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
            case Snapshot():
                if known is not None:
                    known.snapshot = reply
            case Opened(_, side):
                if known is not None and side in known.reopening:
                    self._reopened(known, side, now)
                elif known is not None and known.opening is side:
                    self._opened(known, now)
            case Silent(_, side):
                if known is not None and not known.closing:
                    self._say_silent(known, side)
            case _:
                side = reply.side
                if known is not None and side in known.reopening:
                    self._lose(known, f"a new relay worker cannot open its ports: {reply.text}", now)
                elif known is not None and known.opening is side:
                    self._open_failed(known, reply, now)

    def _worker_lost(self, worker: int, text: str, now: float) -> None:
        self._ready.pop(worker, None)
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
        if call.snapshot is not None and call.reopening:
            self._order(call, Restore(call.session, call.snapshot.caller, call.snapshot.callee))
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

    def _ask_statistics(self, handle: str, query: int, now: float) -> None:
        call = self._calls.get(handle)
        if call is None or call.worker not in self._ready:
            self._out.append(Statistics(handle, query, None))
        else:
            self._queries[query] = handle, call.worker
            self._order(call, Query(call.session, query))
