"""The engine and its rtpengines in any order of events."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ichat_gw.call.media import (
    MediaAnswer,
    MediaCandidate,
    MediaOffer,
    MediaReady,
    MediaRefused,
    MediaRelease,
    MediaReoffer,
    MediaReplace,
    MediaRequest,
    MediaUpdate,
    Side,
)
from ichat_gw.media.sdp import SessionDescription
from tests.media.relaying import ICHAT, PHONE, sdp
from tests.media.rtpengine.in_memory import CAROL, MOVED, Scene

# --- anything, in any order -------------------------------------------------------------------------------

SIDES = st.sampled_from(Side)
TEXTS = st.sampled_from(
    [PHONE, ICHAT, CAROL, MOVED, sdp("0.0.0.0", 30_000), sdp("2001:db8::7", 7_000), "bad"]
)
CALLS = st.sampled_from(["a", "b", "c"])


class AnyOrder(RuleBasedStateMachine):
    """Every request gets one reply, whatever rtpengines do; nothing is left when all calls are over."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene(2, media_timeout=30.0)
        self.asked: dict[str, set[int]] = {"a": set(), "b": set(), "c": set()}

    def _ask(self, call: str, request: MediaRequest) -> None:
        if not isinstance(request, MediaRelease):
            self.asked[call].add(request.request)
        self.scene.ask(request, call)

    @rule(call=CALLS, side=SIDES, text=TEXTS | st.none())
    def offer(self, call: str, side: Side, text: str | None) -> None:
        self._ask(call, MediaOffer(self.scene.number(), side, text, "192.0.2.20"))

    @rule(call=CALLS, side=SIDES, text=TEXTS)
    def answer(self, call: str, side: Side, text: str) -> None:
        self._ask(call, MediaAnswer(self.scene.number(), side, text, "192.0.2.10"))

    @rule(call=CALLS, side=SIDES, text=TEXTS | st.none())
    def reoffer(self, call: str, side: Side, text: str | None) -> None:
        self._ask(call, MediaReoffer(self.scene.number(), side, text, ""))

    @rule(call=CALLS, side=SIDES, text=TEXTS)
    def update(self, call: str, side: Side, text: str) -> None:
        self._ask(call, MediaUpdate(self.scene.number(), side, text))

    @rule(call=CALLS, side=SIDES)
    def candidate(self, call: str, side: Side) -> None:
        self._ask(call, MediaCandidate(self.scene.number(), side, "192.0.2.30"))

    @rule(call=CALLS, side=SIDES, text=TEXTS | st.none(), answers=st.booleans())
    def replace(self, call: str, side: Side, text: str | None, answers: bool) -> None:
        answers = answers and text is not None
        self._ask(call, MediaReplace(self.scene.number(), side, text, "192.0.2.30", answers))

    @rule(call=CALLS)
    def release(self, call: str) -> None:
        self._ask(call, MediaRelease())
        self.asked[call].clear()

    @rule(node=st.integers(0, 1), silent=st.booleans(), full=st.booleans(), forgets=st.booleans())
    def trouble(self, node: int, silent: bool, full: bool, forgets: bool) -> None:
        each = self.scene.nodes[node]
        each.silent, each.full = silent, full
        if forgets:
            each.calls.clear()

    @rule(node=st.integers(0, 1))
    def unreachable(self, node: int) -> None:
        self.scene.unreachable(node)

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0, 8.0]))
    def wait(self, seconds: float) -> None:
        self.scene.wait(seconds)

    @invariant()
    def every_reply_was_asked_for(self) -> None:
        for call, reply in self.scene.replies:
            if isinstance(reply, MediaReady | MediaRefused):
                self.asked[call].remove(reply.request)
                if isinstance(reply, MediaReady) and reply.sdp:
                    SessionDescription.parse(reply.sdp)
        self.scene.replies.clear()

    def teardown(self) -> None:
        for call in ("a", "b", "c"):
            self.release(call)
        self.scene.wait(30.0)
        engine = self.scene.engine
        assert (engine.open_sessions, engine.ports_in_use, len(engine._circles)) == (0, 0, 0)
        assert [node.calls for node in engine._nodes] == [0, 0]
        assert not engine._calls


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase
