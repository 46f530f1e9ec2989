"""The channel between the two programs: every message arrives exactly once and in order, or loss is told.

One `Channel` is one end of one run of the connector; a new run means a new key and a new `Channel`.
Nothing needs to be agreed first, since only the two ends have the key.

- Each message has a sequence number and is repeated until acknowledged: after 50 ms, then at doubling
  intervals up to 1 s. Unacknowledged for 10 s: `PeerLost`, and this channel is over.
- Every datagram, first or repeated, acknowledges (cumulatively, and by a bit per message received out of
  order). A message is acknowledged by what its receiver answers at once, or else, when the receiver has done
  with it (`Settled`), by a datagram of its own. To wait any longer for something that takes the
  acknowledgement along is not worth it: a timer and another wake-up cost more than a datagram.
- Every datagram has a number of its own, and a window over these numbers (as RFC 4303, section 3.4.3)
  drops what was received before. A repeated message comes in a new datagram: it is not a replay, only
  acknowledged again.
- A message is kept back while a window's worth is under way, in a queue with a bound. A message that finds
  the queue full is refused to whoever sends it.
- An authentic message that is not in the vocabulary is skipped, counted and told (`Dropped`), so that it
  does not hold up those behind it.

An idle channel has no timer.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ichat_gw.clock import Timers
from ichat_gw.ipc.messages import Message
from ichat_gw.ipc.seal import (
    DatagramError,
    DifferentVersion,
    Frame,
    Role,
    Seal,
    SendRefused,
    UnknownDatagram,
    decode,
    encode,
)

REORDER = 64
"""How many messages beyond the next expected one are kept; the acknowledgement has a bit for each."""
REPLAY = 1024
"""How many datagram numbers back are remembered; older datagrams are stale."""


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """The limits and times of a channel. Times are seconds."""

    first_repeat: float = 0.05
    longest_repeat: float = 1.0
    give_up: float = 10.0
    """A message unacknowledged for so long after it was first sent means that the peer is lost.

    Counted in repetitions: if this process or the machine was stopped meanwhile, the peer still has its
    chance to answer.
    """
    window: int = 64
    """Messages under way at a time, 1 to 64."""
    window_bytes: int = 131_072
    """Bytes under way at a time (one message may always go), so that they fit the peer's socket buffer."""
    queue: int = 20_000
    """Messages that may wait for the window."""
    queue_bytes: int = 16_777_216
    """Bytes that may wait for the window."""

    def __post_init__(self) -> None:
        if not 1 <= self.window <= REORDER:
            raise ValueError(f"window is 1 to {REORDER}, not {self.window}")
        if not 0 < self.first_repeat <= self.longest_repeat or self.give_up <= 0:
            raise ValueError("0 < first_repeat <= longest_repeat and 0 < give_up")

    def waits(self) -> tuple[float, ...]:
        """How long to wait after the first, second, ... transmission; the sum is `give_up`."""
        waits: list[float] = []
        wait, left = self.first_repeat, self.give_up
        while left > wait:
            waits.append(wait)
            left -= wait
            wait = min(2 * wait, self.longest_repeat)
        return (*waits, left)


class QueueFull(SendRefused):
    """Too many messages wait for the peer already."""


class ChannelOver(SendRefused):
    """The peer is lost or the channel was closed."""


# --- events -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """Bring `message` to the peer. Raises a `SendRefused` when it is not taken."""

    message: Message


@dataclass(frozen=True, slots=True)
class Datagram:
    """Bytes that came from the peer's address."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Settled:
    """All that was delivered has been seen to, and its answers have been sent."""


@dataclass(frozen=True, slots=True)
class Close:
    """Send and deliver nothing more."""


Event: TypeAlias = Send | Datagram | Settled | Close

# --- commands ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send this to the peer's address."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Deliver:
    """The next message from the peer."""

    message: Message


@dataclass(frozen=True, slots=True)
class Dropped:
    """A datagram was dropped (it is counted too)."""

    error: DatagramError


@dataclass(frozen=True, slots=True)
class PeerLost:
    """The peer does not answer or speaks another version; nothing more comes of this channel."""

    text: str
    undelivered: tuple[Message, ...]
    """Messages without an acknowledgement, oldest first. The peer may have received some all the same."""


Command: TypeAlias = Transmit | Deliver | Dropped | PeerLost


class _Replayed(DatagramError):
    """The datagram was received before."""

    reason = "replayed"


class _Stale(DatagramError):
    """The datagram is too old to tell whether it was received before, or comes after the end."""

    reason = "stale"


class _Repeated(DatagramError):
    """An honest repetition of a message that we have."""

    reason = "repeated"


@dataclass(slots=True)
class _Outgoing:
    """A message on its way to its acknowledgement."""

    message: Message
    payload: bytes
    sent: int = 0
    """How often it was sent."""


class Channel:
    """One end of the channel."""

    def __init__(self, key: bytes, role: Role, config: ChannelConfig | None = None) -> None:
        self._config = config or ChannelConfig()
        self._waits = self._config.waits()
        self._seal = Seal(key, role)
        self._over = False
        self._dropped: Counter[str] = Counter()
        # Sending.
        self._packet = 0
        self._next = 1
        self._flight: dict[int, _Outgoing] = {}
        self._flight_bytes = 0
        self._queue: deque[_Outgoing] = deque()
        self._queue_bytes = 0
        self._timers: Timers[int] = Timers()
        # Receiving.
        self._heard = False
        self._top = 0
        self._seen = 0
        self._expected = 1
        self._early: dict[int, bytes] = {}
        self._owes = False
        """An acknowledgement."""

    # --- what can be asked ---

    @property
    def over(self) -> bool:
        """True after `PeerLost` or `Close`."""
        return self._over

    @property
    def idle(self) -> bool:
        """True when everything sent is acknowledged."""
        return not self._flight and not self._queue

    @property
    def dropped(self) -> Mapping[str, int]:
        """Datagrams dropped, by reason.

        `forged`, `truncated`, `unknown`, `direction`, `version`: see `seal`. `replayed`: received before.
        `stale`: too old to tell, or after the end. `repeated`: an honest repetition of a message we had.
        """
        return self._dropped

    def undelivered(self) -> tuple[Message, ...]:
        """The messages without an acknowledgement, oldest first."""
        return tuple(out.message for out in (*self._flight.values(), *self._queue))

    # --- the three verbs ---

    def receive(self, event: Event, now: float) -> list[Command]:
        """Take `event`; `Send` raises a `SendRefused` when the message is not taken."""
        match event:
            case Send(message):
                return self._send(message, now)
            case Datagram(data):
                return self._datagram(data, now)
            case Settled():
                return [self._frame()] if self._owes else []
            case Close():  # pragma: no branch
                self._end()
                return []

    def deadline(self) -> float | None:
        """When `expire` is wanted next; None on an idle channel."""
        return self._timers.deadline()

    def expire(self, now: float) -> list[Command]:
        """Repeat what was not acknowledged in time, or give the peer up."""
        commands: list[Command] = []
        for sequence in self._timers.due(now):
            out = self._flight[sequence]
            if out.sent == len(self._waits):
                return [self._lose(f"did not acknowledge a message for {self._config.give_up:g} s")]
            commands.append(self._transmit(sequence, out, now))
        return commands

    # --- sending ---

    def _send(self, message: Message, now: float) -> list[Command]:
        if self._over:
            raise ChannelOver(f"{type(message).__name__} not sent: the other program is gone")
        payload = encode(message)
        config = self._config
        if len(self._queue) >= config.queue or self._queue_bytes + len(payload) > config.queue_bytes:
            raise QueueFull(
                f"{type(message).__name__} not sent: {len(self._queue)} messages "
                f"({self._queue_bytes} bytes) wait for the other program already"
            )
        self._queue.append(_Outgoing(message, payload))
        self._queue_bytes += len(payload)
        return self._fill_window(now)

    def _fill_window(self, now: float) -> list[Command]:
        """Send from the queue what the window takes."""
        commands: list[Command] = []
        config = self._config
        while self._queue:
            out = self._queue[0]
            if self._flight and (
                len(self._flight) >= config.window
                or self._flight_bytes + len(out.payload) > config.window_bytes
            ):
                break
            self._queue.popleft()
            self._queue_bytes -= len(out.payload)
            self._flight_bytes += len(out.payload)
            self._flight[self._next] = out
            commands.append(self._transmit(self._next, out, now))
            self._next += 1
        return commands

    def _transmit(self, sequence: int, out: _Outgoing, now: float) -> Transmit:
        self._timers.set(sequence, now + self._waits[out.sent])
        out.sent += 1
        return self._frame(sequence, out.payload)

    def _frame(self, sequence: int = 0, payload: bytes = b"") -> Transmit:
        self._packet += 1
        self._owes = False
        received = 0
        for early in self._early:
            received |= 1 << (early - self._expected - 1)
        return Transmit(self._seal.seal(Frame(self._packet, sequence, self._expected, received, payload)))

    def _lose(self, why: str) -> PeerLost:
        lost = PeerLost(why, self.undelivered())
        self._end()
        return lost

    def _end(self) -> None:
        self._over = True
        self._owes = False
        self._flight.clear()
        self._queue.clear()
        self._early.clear()
        self._timers = Timers()

    # --- receiving ---

    def _datagram(self, data: bytes, now: float) -> list[Command]:
        try:
            if self._over:
                raise _Stale("came after the end of the channel")
            frame = self._seal.open(data)
            self._check_fresh(frame.packet)
            if frame.expected > self._next:
                raise UnknownDatagram("acknowledges what was never sent")
            if frame.sequence > self._expected + REORDER:
                raise UnknownDatagram("carries a message from beyond the window")
        except DifferentVersion as error:
            return [self._drop(error), self._lose(str(error))]
        except DatagramError as error:
            return [self._drop(error)]
        commands = self._acknowledged(frame, now)
        if frame.sequence:
            commands += self._message(frame)
        return commands

    def _drop(self, error: DatagramError) -> Dropped:
        self._dropped[error.reason] += 1
        return Dropped(error)

    def _check_fresh(self, packet: int) -> None:
        """Note datagram number `packet`; raises when it was received before or cannot be told."""
        if packet > self._top:
            step = packet - self._top
            self._seen = ((self._seen << step) & ((1 << REPLAY) - 1) if step < REPLAY else 0) | 1
            self._top = packet
            return
        back = self._top - packet
        if back >= REPLAY:
            raise _Stale("is too old to tell whether it was received before")
        if self._seen >> back & 1:
            raise _Replayed("was received before")
        self._seen |= 1 << back

    def _acknowledged(self, frame: Frame, now: float) -> list[Command]:
        """Forget what the peer has taken; send what there is room for now."""
        for sequence in list(self._flight):
            if sequence < frame.expected:
                self._flight_bytes -= len(self._flight.pop(sequence).payload)
                self._timers.clear(sequence)
            elif sequence > frame.expected and frame.received >> (sequence - frame.expected - 1) & 1:
                # There, but not delivered before those it waits for: no more repetitions, still under way.
                self._timers.clear(sequence)
        if not self._heard:
            # The peer has just started: what was sent before it listened need not wait for its timer.
            self._heard = True
            for sequence, out in self._flight.items():
                if out.sent > 1 and sequence in self._timers:
                    out.sent = 0
                    self._timers.set(sequence, now)
        return self._fill_window(now)

    def _message(self, frame: Frame) -> list[Command]:
        """Deliver the message of `frame` and those that waited for it."""
        if frame.sequence < self._expected or frame.sequence in self._early:
            return [self._drop(_Repeated("repeats a message that is here")), self._frame()]
        self._early[frame.sequence] = frame.payload
        delivered: list[Command] = []
        while (payload := self._early.pop(self._expected, None)) is not None:
            self._expected += 1
            try:
                delivered.append(Deliver(decode(payload)))
            except UnknownDatagram as error:
                delivered.append(self._drop(error))
        self._owes = True
        return delivered
