"""What a media engine is: what it hears, what it commands, and what can be asked of it.

There are two, with one interface, so that nothing above them knows which one runs:

    relay_engine.RelayEngine       the built-in relay: our own workers, on this machine
    rtpengine.engine.RtpEngine     rtpengine, on any machine, by its ng protocol

Both meet the requests of `call.media` in the same way, because both leave the descriptions to `exchange`:

    MediaOffer     open the other party's ports, offer it what the offerer can (None: what we can)
    MediaAnswer    both ends are known: point the relay at them, answer the offerer (offer, if it made none)
    MediaReoffer   answer a party by ourselves and point the relay at what it says now
    MediaCandidate offer somebody new a party's place; nothing changes for the party
    MediaReplace   point the relay at somebody new in a party's place, as after an answer or a re-offer
    MediaUpdate    a party answered an offer of ours: point the relay at it
    MediaRelease   close; whatever the call had is given back

Requests of one call are met one after the other. What cannot be met is refused and changes nothing, but a
refused MediaOffer leaves no call. `MediaLost` ends calls whose media cannot go on, and `MediaOver` is said
once for every call that ever held ports.
"""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from ichat_gw.call.media import MediaReply, MediaRequest
from ichat_gw.media.relay_messages import Order, PartyCounters, WorkerReply

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


@dataclass(frozen=True, slots=True)
class FromNode:
    """An rtpengine speaks: one datagram of the ng protocol."""

    data: bytes
    node: int = 0


@dataclass(frozen=True, slots=True)
class NodeUnreachable:
    """The operating system says that nobody takes datagrams for an rtpengine; `text` says why."""

    text: str
    node: int = 0


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """What may change while calls are up. Calls that have begun go on as they are."""

    first_port: int
    """MediaRelayPortRangeMin; of the built-in relay."""
    last_port: int
    """MediaRelayPortRangeMax; of the built-in relay. The range has a port pair."""
    filtered: frozenset[int]
    """CodecIdFilterList."""
    media_timeout: float
    """MediaTimeout, in seconds; 0: for ever. For each party, from the next description on."""


EngineEvent: TypeAlias = (
    MediaSettings | MediaFor | StatisticsAsked | FromWorker | WorkerLost | FromNode | NodeUnreachable
)


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
class ToNode:
    """Send a datagram to an rtpengine."""

    data: bytes
    node: int = 0


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


@dataclass(frozen=True, slots=True)
class MediaPath:
    """Which way the media of `call` goes, where it could be direct; `why` it is relayed, or "".

    May be said again when that changes.
    """

    call: str
    direct: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class PartChanged:
    """A part of the engine works from now on, or does not; `text` says what it is or how it was lost."""

    name: str
    up: bool
    text: str


EngineCommand: TypeAlias = ToCall | ToWorker | ToNode | Statistics | MediaOver | MediaPath | PartChanged


# --- the engine -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One relay worker, or one rtpengine."""

    name: str
    """`relay worker 0`, or `rtpengine 192.0.2.1:2223`."""
    up: bool
    calls: int
    """How many calls it has, those that are being closed included."""
    loop: str = ""
    """Which loop moves packets: `python` or `compiled` in a worker of ours; "" while there is none."""
    process: int | None = None
    """Its process id, when it is a process of ours."""


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """Which engine runs, and how its parts are."""

    engine: str
    """What `MediaEngine` says: `builtin` or `rtpengine`."""
    parts: tuple[PartStatus, ...]
    ports_in_use: int
    """How many port pairs are taken."""


class MediaEngine(Protocol):
    """Gives calls their media. Never raises for anything that it receives."""

    @property
    def open_sessions(self) -> int:
        """How many calls hold ports, those that are being closed included."""

    @property
    def ports_in_use(self) -> int:
        """How many port pairs are taken."""

    @property
    def ready(self) -> bool:
        """Whether every part works, so that calls can be served as they should be."""

    def status(self) -> EngineStatus:
        """Which engine this is, and how its parts are now."""

    def receive(self, event: EngineEvent, now: float) -> list[EngineCommand]:
        """Hear one event; say what is to be done about it."""

    def deadline(self) -> float | None:
        """When it next wants to be woken."""

    def expire(self, now: float) -> list[EngineCommand]:
        """Do what it is time for."""
