"""Ladders over the built-in engine: a worker in memory, and the descriptions that parties send."""

from collections.abc import Callable
from random import Random

from ichat_gw.call.media import (
    MediaAnswer,
    MediaOffer,
    MediaReady,
    MediaRefused,
    MediaReoffer,
    MediaReply,
    MediaRequest,
    MediaUpdate,
    Side,
)
from ichat_gw.media.engine import (
    EngineCommand,
    FromWorker,
    MediaFor,
    StatisticsAsked,
    ToCall,
    ToWorker,
    WorkerLost,
)
from ichat_gw.media.relay_engine import EngineConfig, RelayEngine
from ichat_gw.media.relay_messages import (
    Close,
    Closed,
    Open,
    Opened,
    Order,
    PartyCounters,
    Query,
    Report,
    Started,
    WorkerReply,
)
from ichat_gw.media.sdp import SessionDescription

CALLER, CALLEE = Side.CALLER, Side.CALLEE


def sdp(host: str, port: int, *, formats: str = "0", direction: str = "sendrecv", extra: str = "") -> str:
    family = "IP6" if ":" in host else "IP4"
    return (
        f"v=0\r\no=peer 1 1 IN {family} {host}\r\ns=-\r\nc=IN {family} {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP {formats}\r\na={direction}\r\n{extra}"
    )


PHONE = sdp("192.0.2.10", 30_000, formats="0 8 3")
ICHAT = sdp("192.0.2.20", 16_402)


class Scene:
    """An engine, a worker that does as it is told at once (or not), and what came out."""

    def __init__(
        self,
        ports: int = 20,
        *,
        local: Callable[[str], str] = lambda host: "192.0.2.1",
        up: bool = True,
        **more: object,
    ) -> None:
        config = EngineConfig(8000, 8000 + 2 * ports - 1, **more)  # type: ignore[arg-type]
        self.engine = RelayEngine(config, local, Random(1))
        self.now = 0.0
        self.obedient = True
        self.orders: list[Order] = []
        self.replies: list[tuple[str, MediaReply]] = []
        self.rest: list[EngineCommand] = []
        self.requests = 0
        if up:
            self.say(Started(1))

    def ask(self, request: MediaRequest, call: str = "a") -> None:
        self._do(self.engine.receive(MediaFor(call, request), self.now))

    def say(self, reply: WorkerReply, worker: int = 0) -> None:
        self._do(self.engine.receive(FromWorker(reply, worker), self.now))

    def die(self, worker: int = 0) -> None:
        self._do(self.engine.receive(WorkerLost("killed", worker), self.now))

    def busy(self) -> list[int]:
        return self.engine._busy

    def offer_only(self, call: str) -> None:
        """A call whose callee has ports, whatever the worker does otherwise."""
        self.obedient = True
        self.offer(PHONE, call=call)
        self.obedient = False

    def query(self, call: str, query: int) -> None:
        self._do(self.engine.receive(StatisticsAsked(call, query), self.now))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self._do(self.engine.expire(self.now))

    def _do(self, commands: list[EngineCommand]) -> None:
        for command in commands:
            match command:
                case ToCall(call, reply):
                    self.replies.append((call, reply))
                case ToWorker(order, worker):
                    self.orders.append(order)
                    if self.obedient:
                        self._obey(order, worker)
                case _:
                    self.rest.append(command)

    def _obey(self, order: Order, worker: int) -> None:
        if isinstance(order, Open):
            self.say(Opened(order.session, order.side), worker)
        elif isinstance(order, Close):
            self.say(Closed(order.session, PartyCounters(received=7), PartyCounters()), worker)
        elif isinstance(order, Query):
            self.say(Report(order.session, order.query, PartyCounters(received=3), PartyCounters()), worker)

    # What the ladders use: each returns the description that the engine made for the answer to it.

    def offer(self, text: str | None, towards: str = "192.0.2.20", call: str = "a") -> str:
        return self.ready(MediaOffer(self.number(), CALLER, text, towards, to_ichat=True), call)

    def answer(self, text: str, towards: str = "192.0.2.10", call: str = "a") -> str:
        return self.ready(MediaAnswer(self.number(), CALLEE, text, towards), call)

    def talking(self) -> None:
        """A call that is up, between the two that all know."""
        self.offer(PHONE)
        self.answer(ICHAT)

    def opening_again(self) -> None:
        """A call that was up, whose ports the next worker has just been told to open."""
        self.talking()
        self.die()
        self.obedient = False
        self.say(Started(2))
        self.drain()

    def reoffer(self, side: Side, text: str | None, towards: str = "") -> str:
        return self.ready(MediaReoffer(self.number(), side, text, towards))

    def update(self, side: Side, text: str) -> str:
        return self.ready(MediaUpdate(self.number(), side, text))

    def number(self) -> int:
        self.requests += 1
        return self.requests

    def ready(self, request: MediaRequest, call: str = "a") -> str:
        self.ask(request, call)
        said, reply = self.replies.pop()
        assert not self.replies
        assert isinstance(reply, MediaReady), reply
        assert (said, reply.request) == (call, self.requests)
        return reply.sdp

    def refused(self, request: MediaRequest, call: str = "a") -> MediaRefused:
        self.ask(request, call)
        return self.last_refusal()

    def last_refusal(self) -> MediaRefused:
        _, reply = self.replies.pop()
        assert isinstance(reply, MediaRefused), reply
        return reply

    def drain(self) -> list[Order]:
        orders, self.orders = self.orders, []
        return orders


def audio_lines(text: str) -> list[str]:
    return text[text.index("m=") :].splitlines()


def our_port(text: str) -> int:
    return SessionDescription.parse(text).sections[0].port


SOFTPHONE = sdp(
    "192.0.2.10",
    30_000,
    formats="111 9 101",
    extra="a=rtpmap:111 opus/48000/2\r\na=fmtp:111 stereo=0\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-15\r\na=ptime:20\r\na=maxptime:60\r\na=ssrc:1 cname:x\r\n",
)


def by_family(host: str) -> str:
    return "2001:db8::1" if ":" in host else "192.0.2.1"
