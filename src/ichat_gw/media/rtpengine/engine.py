"""The engine that lets rtpengine do the work: a `MediaEngine`.

For each request that changes where packets go, rtpengine is told anew where both parties are: an `offer` for
the caller, an `answer` for the callee, whoever of them has said something. Its replies name its ports for
each, which stay the same for the whole call.

    asked        read what is asked; may be refused at once
    offer        --> rtpengine     <-- the callee's port
    answer       --> rtpengine     <-- the caller's port
    met          reply

While the offer of a call is under way nobody is told to rtpengine: both parties are described as being
nowhere, so it takes no packet from anybody. Of several rtpengines a new call gets the one that lives and has
the fewest calls; one that does not answer, or has no room, is passed over as long as nobody has been told its
ports.

An rtpengine is asked for a sign of life every few seconds. When it gives none, calls on it wait `GRACE`
seconds for it; then they are lost, as are those that it has forgotten when it is back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from ichat_gw.call.cause import Cause
from ichat_gw.call.media import Side
from ichat_gw.clock import Timers
from ichat_gw.media.calls import CallsEngine
from ichat_gw.media.engine import (
    CallCounters,
    EngineCommand,
    EngineEvent,
    EngineStatus,
    FromNode,
    NodeUnreachable,
    PartChanged,
    PartStatus,
    Statistics,
    ToNode,
)
from ichat_gw.media.exchange import Asked, CannotMeet, Exchange
from ichat_gw.media.negotiation import NotAcceptable
from ichat_gw.media.rtpengine import ng
from ichat_gw.media.rtpengine.call import Delete, Fill, Look, NgCall, NgParty, Ping, Query, Told, What
from ichat_gw.media.rtpengine.descriptions import address_in
from ichat_gw.media.rtpengine.nodes import Life, Nodes
from ichat_gw.media.rtpengine.report import TAGS, counters_in
from ichat_gw.media.rtpengine.transactions import Transactions
from ichat_gw.media.sdp import InvalidSdp, address_type

LOOK_AFTER = 1.0
"""Seconds from a description to the first look at what comes of it."""
LOOK_OFTEN = 2.0
"""Seconds between two looks while a party holds, or hears nothing."""
LONGEST_LOOK = 15.0
"""Seconds between two looks at the counters of a call, at most."""


@dataclass(frozen=True, slots=True)
class RtpEngineConfig:
    """What the engine must know; times in seconds."""

    addresses: Sequence[str]
    """RtpengineAddress: `host:port` of each; one at least."""
    filtered: frozenset[int] = frozenset()
    """CodecIdFilterList: payload types taken out of offers."""
    media_timeout: float = 0.0
    """MediaTimeout: how long a party that is not on hold may send nothing; 0: for ever."""


class RtpEngine(CallsEngine[NgParty, NgCall]):
    """All calls' media, over one rtpengine or several.

    `local_address` and `rng` are those of `CallsEngine`: only the family of the address counts, for an
    rtpengine is expected where we are or beside us.
    """

    def __init__(self, config: RtpEngineConfig, local_address: Callable[[str], str], rng: Random) -> None:
        super().__init__(local_address, rng, config.filtered, config.media_timeout)
        self._prefix = f"{rng.getrandbits(48):012x}"
        self._nodes = Nodes(config.addresses)
        self._open: set[NgCall] = set()
        self._last_session = 0
        self._transactions: Transactions[What] = Transactions(self._send, rng)
        self._looks: Timers[NgCall] = Timers()

    @property
    def _look_every(self) -> float:
        """Seconds between two looks at the counters of a call."""
        timeout = self._media_timeout
        return min(LONGEST_LOOK, max(0.5, timeout / 4)) if timeout else LONGEST_LOOK

    @property
    def open_sessions(self) -> int:
        """How many calls hold ports, those that are being closed included."""
        return len(self._open)

    @property
    def ports_in_use(self) -> int:
        """How many port pairs calls have been given."""
        return sum(party.opened for call in self._open for party in call.parties.values())

    @property
    def ready(self) -> bool:
        """Whether there is an rtpengine that lives."""
        return self._nodes.any_up

    def status(self) -> EngineStatus:
        """How the rtpengines are now."""
        nodes = [self._nodes[number] for number in range(len(self._nodes))]
        parts = tuple(PartStatus(node.name, node.life is Life.UP, node.calls) for node in nodes)
        return EngineStatus("rtpengine", parts, self.ports_in_use)

    def deadline(self) -> float | None:
        """When it is time to ask again, or to give up."""
        times = (self._looks.deadline(), self._nodes.deadline(), self._transactions.deadline())
        return min((time for time in times if time is not None), default=None)

    def expire(self, now: float) -> list[EngineCommand]:
        """Ask again or give up where it is time."""
        for node, what in self._transactions.expire(now):
            self._given_up(node, what, now)
            self._node_lost(node, "it does not answer", now)
        for call in self._looks.due(now):
            self._look(call, now)
        for node in self._nodes.to_ping(now):
            self._transactions.ask(node, ng.ping(), Ping(), now)
        for node in self._nodes.gone(now):
            self._lose_calls(node, now)
        return self._commands()

    def _send(self, data: bytes, node: int) -> None:
        self._out.append(ToNode(data, node))

    # --- requests -----------------------------------------------------------------------------------------

    def _check_room(self, now: float) -> None:
        self._choose_node(now)

    def _choose_node(self, now: float) -> int:
        """The rtpengine that has least to do. Raises `CannotMeet`."""
        node = self._nodes.choose(now)
        if node is None:
            raise CannotMeet(Cause.NO_RESOURCES, f"no rtpengine answers, of {self._nodes}")
        return node

    def _begin(self, handle: str, now: float) -> NgCall:
        """A new call at the rtpengine that has least to do."""
        node = self._choose_node(now)
        self._last_session += 1
        parties = {side: NgParty() for side in Side}
        exchange = Exchange(parties, self._rng, self._reaches, self._filtered)
        call = NgCall(handle, exchange, f"{self._prefix}-{self._last_session}", node)
        self._calls[handle] = call
        self._open.add(call)
        self._nodes[node].calls += 1
        return call

    def _reaches(self, address: str, towards: str) -> bool:
        return address_type(self._reach.choose(towards, None)) == address_type(address)

    def _start(self, call: NgCall, asked: Asked, wanted: Side | None, now: float) -> None:
        if wanted is None and asked.audio is None:
            self._meet(call, asked)
        else:
            call.choose_families(asked, wanted, self._reach.choose)
            call.asked, call.wanted = asked, wanted
            self._tell(call, now)

    def _point(self, call: NgCall, moved: tuple[Side, ...]) -> None:
        """Rtpengine has been told before."""

    # --- telling rtpengine --------------------------------------------------------------------------------

    def _tell(self, call: NgCall, now: float) -> None:
        """Say where both parties are, as it will be when what is asked is met."""
        call.begin_telling()
        self._tell_of(call, Side.CALLER, now)

    def _tell_of(self, call: NgCall, side: Side, now: float) -> None:
        self._transactions.ask(call.node, call.request(side), Told(call, side), now)

    def _told(self, call: NgCall, side: Side, reply: ng.Reply, now: float) -> None:
        """It has heard where `side` is, and says where the other one is to send."""
        if reply.result != "ok":
            self._not_told(call, reply, now)
            return
        try:
            call.given[side.other] = address_in(reply.sdp)
        except InvalidSdp as error:
            text = f"{self._nodes[call.node].name} gave a description that cannot be used: {error}"
            self._cannot_tell(call, CannotMeet(Cause.MEDIA_FAILED, text), now)
            return
        if side is Side.CALLER and not call.closing:
            self._tell_of(call, Side.CALLEE, now)
        else:
            self._all_told(call, now)

    def _all_told(self, call: NgCall, now: float) -> None:
        """Both parties are where they are to be: the request that wanted it is met."""
        telling, call.telling = call.telling, None
        if call.closing:
            self._delete(call, now)
            return
        if not call.keeps_its_ports:
            self._lose(call, f"{self._nodes[call.node].name} has forgotten the call", now)
            return
        asked, call.asked = call.asked, None
        assert telling is not None
        assert asked is not None
        if call.wanted is not None:
            self._give_ports(call, call.wanted, *call.given[call.wanted])
            call.parties[call.wanted].opened = True
        call.told(telling, now)
        if call.talking_since is not None:
            self._fill(call, set(Side), now)  # lest one hears both silence and its partner
        try:
            self._meet(call, asked)
        except (CannotMeet, NotAcceptable) as error:
            self._fail(call, asked.request, error, now)
        if not call.closing:
            self._looks.set(call, now + LOOK_AFTER)
        self._advance(call, now)

    def _not_told(self, call: NgCall, reply: ng.Reply, now: float) -> None:
        """It refuses. Another may have room for a call that nobody has been told a port of."""
        name = self._nodes[call.node].name
        if reply.is_unknown_call and call.has_ports:
            call.telling = None
            if call.closing:
                self._forget(call, None)
            else:
                self._lose(call, f"{name} has forgotten the call", now)
            return
        if reply.is_full:
            self._nodes.full(call.node, now)
            if self._tell_another(call, now):
                return
            full = CannotMeet(Cause.NO_RESOURCES, f"{name} has no room: {reply.reason}")
            self._cannot_tell(call, full, now)
            return
        self._cannot_tell(call, CannotMeet(Cause.MEDIA_FAILED, f"{name} refuses: {reply.reason}"), now)

    def _tell_another(self, call: NgCall, now: float) -> bool:
        """Begin the call anew at another rtpengine, if nobody knows of this one, and there is one."""
        if call.has_ports or call.closing:
            return False
        call.passed_over.add(call.node)
        node = self._nodes.choose(now, without=call.passed_over)
        if node is None:
            return False
        self._nodes[call.node].calls -= 1
        self._nodes[node].calls += 1
        call.node = node
        self._tell(call, now)
        return True

    def _cannot_tell(self, call: NgCall, error: CannotMeet, now: float) -> None:
        """What is asked is refused, for rtpengine did not do its part."""
        asked, call.asked, call.telling = call.asked, None, None
        if call.closing:
            self._delete(call, now)
            return
        assert asked is not None
        self._fail(call, asked.request, error, now)
        self._advance(call, now)

    # --- the end, and failures ----------------------------------------------------------------------------

    def _end(self, call: NgCall, now: float) -> None:
        self._looks.clear(call)
        # An offer that is still under way would open again what is deleted before it arrives.
        if call.telling is None:
            self._delete(call, now)

    def _delete(self, call: NgCall, now: float) -> None:
        self._transactions.ask(call.node, ng.delete(call.id), Delete(call), now)

    def _forget(self, call: NgCall, counters: CallCounters | None) -> None:
        """Nothing of this call is open any more."""
        self._open.discard(call)
        self._nodes[call.node].calls -= 1
        self._over(call, counters)

    # --- the rtpengines -----------------------------------------------------------------------------------

    def _hear(self, event: EngineEvent, now: float) -> None:
        match event:
            case FromNode(data, node):
                self._node_said(node, data, now)
            case NodeUnreachable(text, node):
                self._node_lost(node, text, now)
            case _:
                pass  # from a relay worker that is not ours

    def _node_said(self, node: int, data: bytes, now: float) -> None:
        try:
            answered = self._transactions.hear(node, data)
        except ng.InvalidReply:
            return  # nobody but it can write to us, so it is broken; it will be given up
        if answered is None:
            return
        what, reply = answered
        self._node_lives(node, now)
        match what:
            case Ping():
                self._nodes.pinged(node, now)
            case Told(call, side):
                self._told(call, side, reply, now)
            case Look(call):
                self._looked(call, reply, now)
            case Query(call, query):
                counters = counters_in(reply, call.silence(now))
                self._out.append(Statistics(call.handle, query, counters))
            case Delete(call):
                self._forget(call, counters_in(reply, call.silence(now)))

    def _given_up(self, node: int, what: What, now: float) -> None:
        """There was no answer to this."""
        match what:
            case Told(call, _):
                if not self._tell_another(call, now):
                    text = f"{self._nodes[node].name} does not answer"
                    self._cannot_tell(call, CannotMeet(Cause.MEDIA_FAILED, text), now)
            case Look(call):
                if not call.closing:
                    self._looks.set(call, now + self._look_every)
            case Query(call, query):
                self._out.append(Statistics(call.handle, query, None))
            case Delete(call):
                self._forget(call, None)

    def _node_lives(self, node: int, now: float) -> None:
        if not self._nodes.lives(node):
            return
        self._out.append(PartChanged(self._nodes[node].name, True, "it answers"))
        for call in self._open:
            if call.node == node and not call.closing:
                self._look(call, now)  # it may have been started anew, and know nothing of them

    def _node_lost(self, node: int, text: str, now: float) -> None:
        if self._nodes.lost(node, text, now):
            self._out.append(PartChanged(self._nodes[node].name, False, text))
        for what in self._transactions.give_up(node):
            self._given_up(node, what, now)

    def _lose_calls(self, node: int, now: float) -> None:
        """Those on an rtpengine that stays away."""
        text = f"{self._nodes[node].name} is gone: {self._nodes[node].lost_by}"
        for call in [each for each in self._open if each.node == node and not each.closing]:
            self._lose(call, text, now)

    # --- looking after calls ------------------------------------------------------------------------------

    def _look(self, call: NgCall, now: float) -> None:
        self._looks.clear(call)
        if call.telling is None:
            self._transactions.ask(call.node, ng.query(call.id), Look(call), now)
        else:
            self._looks.set(call, now + self._look_every)

    def _fill(self, call: NgCall, talks: set[Side], now: float) -> None:
        """Play silence to whoever hears nothing else."""
        begin, end = call.fill(talks)
        for side in begin:
            self._transactions.ask(call.node, ng.play_silence(call.id, TAGS[side]), Fill(), now)
        for side in end:
            self._transactions.ask(call.node, ng.stop_playing(call.id, TAGS[side]), Fill(), now)

    def _looked(self, call: NgCall, reply: ng.Reply, now: float) -> None:
        """What rtpengine has counted, or that it knows nothing of the call."""
        if call.closing:
            return
        if reply.is_unknown_call and call.telling is None:
            self._lose(call, f"{self._nodes[call.node].name} has forgotten the call", now)
            return
        counters = counters_in(reply, dict.fromkeys(Side))
        if counters is not None:
            self._fill(call, call.note(counters, now), now)
            if (side := call.silent(self._media_timeout, now)) is not None:
                self._say_silent(call, side)
                call.talking_since = None
        often = min(LOOK_OFTEN, self._look_every)
        self._looks.set(call, now + (often if call.needs_attention else self._look_every))

    def _ask_statistics(self, handle: str, query: int, now: float) -> None:
        call = self._calls.get(handle)
        if call is None or not call.has_ports or self._nodes[call.node].life is Life.DOWN:
            self._out.append(Statistics(handle, query, None))
        else:
            self._transactions.ask(call.node, ng.query(call.id), Query(call, query), now)
