"""The engine and a worker in any order of events."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ichat_gw.call.media import (
    MediaAnswer,
    MediaLost,
    MediaOffer,
    MediaReady,
    MediaRelease,
    MediaReoffer,
    MediaUpdate,
    Side,
)
from ichat_gw.media.relay_messages import (
    BindFault,
    Close,
    Closed,
    Open,
    Opened,
    OpenFailed,
    PartyCounters,
    Started,
)
from ichat_gw.media.sdp import SessionDescription
from tests.media.relaying import ICHAT, PHONE, Scene, sdp
from tests.media.test_sdp import VICEROY

TEXTS = st.sampled_from(
    [
        PHONE,
        ICHAT,
        VICEROY,
        sdp("10.0.0.5", 9),
        sdp("0.0.0.0", 9),
        sdp("2001:db8::1", 9),
        sdp("192.0.2.1", 8002),
        sdp("192.0.2.1", 8004),
        sdp("192.0.2.10", 9, formats="8"),
        sdp("192.0.2.10", 9, formats="97", direction="inactive", extra="a=rtpmap:97 PCMU/8000\r\n"),
        "hello",
    ]
)
CALLS = st.sampled_from(["a", "b", "c"])
SIDES = st.sampled_from(list(Side))


class AnyOrder(RuleBasedStateMachine):
    """No order of events raises, leaks a port, a session or a timer, or leaves a request unanswered."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene(ports=5, up=False)
        self.scene.obedient = False
        self.open: dict[str, set[int]] = {}
        self.up = False

    def ask(self, call: str, request: MediaOffer | MediaAnswer | MediaReoffer | MediaUpdate) -> None:
        self.open.setdefault(call, set()).add(request.request)
        self.scene.ask(request, call)

    @rule(call=CALLS, side=SIDES, text=st.none() | TEXTS)
    def offer(self, call: str, side: Side, text: str | None) -> None:
        self.ask(call, MediaOffer(self.scene.number(), side, text, "192.0.2.10"))

    @rule(call=CALLS, side=SIDES, text=TEXTS)
    def answer(self, call: str, side: Side, text: str) -> None:
        self.ask(call, MediaAnswer(self.scene.number(), side, text, ""))

    @rule(call=CALLS, side=SIDES, text=st.none() | TEXTS)
    def reoffer(self, call: str, side: Side, text: str | None) -> None:
        self.ask(call, MediaReoffer(self.scene.number(), side, text, ""))

    @rule(call=CALLS, side=SIDES, text=TEXTS)
    def update(self, call: str, side: Side, text: str) -> None:
        self.ask(call, MediaUpdate(self.scene.number(), side, text))

    @rule(call=CALLS)
    def release(self, call: str) -> None:
        self.open.pop(call, None)
        self.scene.ask(MediaRelease(), call)

    @rule(which=st.integers(0, 3), fault=st.none() | st.sampled_from(list(BindFault)))
    def worker_answers(self, which: int, fault: BindFault | None) -> None:
        waiting = [order for order in self.scene.orders if isinstance(order, Open | Close)]
        if not self.up or not waiting:
            return
        order = waiting[min(which, len(waiting) - 1)]
        self.scene.orders.remove(order)
        if isinstance(order, Close):
            self.scene.say(Closed(order.session, PartyCounters(), PartyCounters()))
        elif fault is None:
            self.scene.say(Opened(order.session, order.side))
        else:
            self.scene.say(OpenFailed(order.session, order.side, fault, "no"))

    @precondition(lambda self: not self.up)
    @rule()
    def worker_starts(self) -> None:
        self.up = True
        self.scene.say(Started(1))

    @rule()
    def worker_dies(self) -> None:
        self.up = False
        self.scene.orders.clear()
        self.scene.die()

    @rule(seconds=st.floats(0, 3))
    def wait(self, seconds: float) -> None:
        self.scene.wait(seconds)

    @invariant()
    def every_reply_was_asked_for(self) -> None:
        for call, reply in self.scene.replies:
            if not isinstance(reply, MediaLost):
                if call in self.open:
                    self.open[call].remove(reply.request)
                if isinstance(reply, MediaReady) and reply.sdp:
                    SessionDescription.parse(reply.sdp)
        self.scene.replies.clear()

    @invariant()
    def ports_belong_to_sessions(self) -> None:
        assert self.scene.engine.ports_in_use == 2 * self.scene.engine.open_sessions

    def teardown(self) -> None:
        for call in ("a", "b", "c"):
            self.release(call)
        self.scene.wait(60.0)
        assert (self.scene.engine.open_sessions, self.scene.engine.ports_in_use) == (0, 0)
        assert self.scene.engine.deadline() is None
        assert not self.scene.engine._circles
        assert not self.scene.engine._calls


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase
