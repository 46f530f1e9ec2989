"""What the relay engine and a relay worker say to each other, and how it is written on their pipe.

Whoever started the worker also asks it whether it lives (`Ask`, `Alive`); the engine has no part in that.

Each message is a MessagePack map behind its length in four bytes, network order. A session is a number
that the engine gives to a call's media and never uses twice.
"""

from enum import Enum
from typing import TypeAlias

import msgspec

from ichat_gw.call.media import Side
from ichat_gw.errors import GatewayError

MAX_FRAME = 65_536
"""The longest message, in bytes without its length."""


class Learning(Enum):
    """What may be learnt of a party's source, where its description cannot be taken at its word."""

    NOTHING = "nothing"
    PORT = "port"
    """Another port of the host that it names."""
    ADDRESS = "address"
    """Any host and port."""


class BindFault(Enum):
    """Why a port pair could not be opened."""

    PORT = "port"
    """Somebody has the port; another one may do."""
    ADDRESS = "address"
    """The address is not ours; no port of it will do."""
    RESOURCES = "resources"
    """The process may not open more sockets."""


class _Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Base of all messages: immutable, tagged with the class name when encoded."""


# --- what both speak of ---------------------------------------------------------------------------------


class PartyCounters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has passed at the ports of one party."""

    received: int = 0
    """RTP packets taken from the party."""
    received_octets: int = 0
    """Their UDP payload in bytes."""
    sent: int = 0
    """RTP packets sent to the party."""
    sent_octets: int = 0
    rtcp_received: int = 0
    rtcp_sent: int = 0
    strangers: int = 0
    """Dropped: from a source that is not the party."""
    stranger: tuple[str, int] | None = None
    """Where the last of these came from."""
    malformed: int = 0
    """Dropped: neither RTP nor RTCP, RTP on the RTCP port, or too long."""
    early: int = 0
    """Dropped: came before the party's description."""
    unsent: int = 0
    """Not sent to the party: it holds the call, or its address is not known yet."""
    errors: int = 0
    """Refused by the operating system, sending or receiving."""
    lost: int = 0
    """RTP packets that the party must have sent but that did not come (RFC 3550 6.4.1)."""
    late: int = 0
    """RTP packets that came after later ones, or twice."""
    jitter: float = 0.0
    """Interarrival jitter of its RTP (RFC 3550 6.4.1), in milliseconds."""
    keep_alives: int = 0
    """RTP packets of our own sent to the party; not in `sent`."""
    reports: int = 0
    """What the party's RTCP has said of the RTP sent to it: report blocks so far. The next four are None
    until there was one."""
    reported_loss: float | None = None
    """Share of the packets lost on the way to it, 0..1, in the last report."""
    reported_lost: int | None = None
    """Packets lost on the way to it in all, says the last report; doubles count against, RFC 3550 6.4.1."""
    reported_jitter: float | None = None
    """Of the packets that reached it, in milliseconds, in the last report."""
    round_trip: float | None = None
    """From us to the party and back, in milliseconds, when its reports last told."""
    silent_for: float | None = None
    """Seconds since the last packet from the party; None: there was none."""
    source: tuple[str, int] | None = None
    """Where its RTP is accepted from."""


class GateSnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom a port listens to. Addresses as sockets have them."""

    named: tuple[str | int, ...] | None = None
    """Where the party said that it is."""
    accepted: tuple[str | int, ...] | None = None
    """The only source let in, learnt or as named; None: nobody yet."""
    window_ends: float = 0.0
    """Until when that may change."""


class StreamSnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the RTP of one party stands, and what becomes of it; see `stream.Stream`."""

    ssrc: int = -1
    next: int = 0
    stamp: int = 0
    at: float = 0.0
    shift: tuple[int, int, int] | None = None
    begun: bool = False
    paused: tuple[int, int, float] | None = None
    rate: int = 8_000
    jitter: float = 0.0
    """In ticks of `rate`."""


class PartySnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What packets alone have told of a party. Times are those of the clock that all processes share."""

    rtp: GateSnapshot = GateSnapshot()
    rtcp: GateSnapshot = GateSnapshot()
    stream: StreamSnapshot = StreamSnapshot()
    counters: PartyCounters = PartyCounters()


# --- engine to worker -------------------------------------------------------------------------------------


class Open(_Message, frozen=True):
    """Open the port pair of one party: RTP on `port`, RTCP on the next. Answered by Opened or OpenFailed."""

    session: int
    side: Side
    address: str
    port: int


class Retarget(_Message, frozen=True):
    """A party offered or answered: it is at these addresses. What may be learnt is, for `window` seconds."""

    session: int
    side: Side
    rtp: tuple[str, int] | None
    rtcp: tuple[str, int] | None
    learning: Learning
    window: float


class Adjust(_Message, frozen=True):
    """How packets from a party and to it are treated. The defaults are those of a call with PCMU."""

    session: int
    side: Side
    receives: bool
    """It wants RTP, and keep-alives where there is none."""
    renumbered: tuple[tuple[int, int], ...] = ()
    """Payload types (in, out) of what it sends."""
    rates: tuple[tuple[int, int], ...] = ()
    """Payload types of what it sends and their clock rates, where these are not 8,000."""
    keep_alive: tuple[int, int] = (0, 8_000)
    """The payload type of keep-alives to it, and its clock rate."""
    controlled: bool = True
    """It wants RTCP."""
    mux: bool = False
    """It gets RTCP from our RTP port and at its own (RFC 5761)."""
    timeout: float = 0.0
    """Seconds that it may be silent until `Silent` says so; 0: for ever."""


class Close(_Message, frozen=True):
    """Close all ports of the session. Always answered by Closed."""

    session: int


class Query(_Message, frozen=True):
    """Ask for the counters of the session so far. Always answered by Report."""

    session: int
    query: int


class Restore(_Message, frozen=True):
    """Go on with a session where another worker was when it died; said before `Retarget`."""

    session: int
    caller: PartySnapshot
    callee: PartySnapshot


class Ask(_Message, frozen=True):
    """Whether the worker still does anything. Always answered by Alive."""


Order: TypeAlias = Open | Retarget | Adjust | Close | Query | Restore
"""What is said of a session."""


# --- worker to engine -------------------------------------------------------------------------------------


class Started(_Message, frozen=True):
    """The worker is ready for orders."""

    process: int
    loop: str = "python"
    """Which loop moves its packets: `python` or `compiled`."""


class Opened(_Message, frozen=True):
    """The port pair of this party is open."""

    session: int
    side: Side


class OpenFailed(_Message, frozen=True):
    """The port pair of this party could not be opened; nothing of it is open."""

    session: int
    side: Side
    fault: BindFault
    text: str


class Closed(_Message, frozen=True):
    """All ports of the session are closed; the final counters (zero for an unknown session)."""

    session: int
    caller: PartyCounters
    callee: PartyCounters


class Report(_Message, frozen=True):
    """The counters so far (zero for an unknown session)."""

    session: int
    query: int
    caller: PartyCounters
    callee: PartyCounters


class Silent(_Message, frozen=True):
    """Nothing has come from this party for as long as its `Adjust` allows. Said once for each of these."""

    session: int
    side: Side


class Snapshot(_Message, frozen=True):
    """What a successor would have to know of the session. Said when that changes, and now and then."""

    session: int
    caller: PartySnapshot
    callee: PartySnapshot


class Alive(_Message, frozen=True):
    """The worker does something."""


WorkerReply: TypeAlias = Started | Opened | OpenFailed | Closed | Report | Silent | Snapshot
"""What the engine hears."""


# --- on the pipe ------------------------------------------------------------------------------------------


class InvalidFrame(GatewayError):
    """The bytes on the pipe are not messages."""


_encoder = msgspec.msgpack.Encoder()
_orders: msgspec.msgpack.Decoder[Order | Ask] = msgspec.msgpack.Decoder(Order | Ask)
_replies: msgspec.msgpack.Decoder[WorkerReply | Alive] = msgspec.msgpack.Decoder(WorkerReply | Alive)


def frame(message: Order | Ask | WorkerReply | Alive) -> bytes:
    """`message` as it goes on the pipe."""
    body = _encoder.encode(message)
    return len(body).to_bytes(4, "big") + body


def read_order(body: bytes) -> Order | Ask:
    """The order in one frame. Raises `InvalidFrame`."""
    try:
        return _orders.decode(body)
    except msgspec.MsgspecError as error:
        raise InvalidFrame(f"not an order: {error}") from error


def read_reply(body: bytes) -> WorkerReply | Alive:
    """The reply in one frame. Raises `InvalidFrame`."""
    try:
        return _replies.decode(body)
    except msgspec.MsgspecError as error:
        raise InvalidFrame(f"not a reply: {error}") from error


class FrameCutter:
    """Cuts the stream of a pipe into frames."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The frames that are complete now. Raises `InvalidFrame` for one that is too long."""
        stream = self._rest + chunk
        bodies: list[bytes] = []
        start = 0
        while len(stream) - start >= 4:
            size = int.from_bytes(stream[start : start + 4], "big")
            if size > MAX_FRAME:
                raise InvalidFrame(f"a frame of {size} bytes; at most {MAX_FRAME} are read")
            if len(stream) - start - 4 < size:
                break
            bodies.append(stream[start + 4 : start + 4 + size])
            start += 4 + size
        self._rest = stream[start:]
        return bodies
