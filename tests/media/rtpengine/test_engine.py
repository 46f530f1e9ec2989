"""The engine between bridges and rtpengines, as ladders. The rtpengines are in memory and as good as dumb;
that the real one does what is asked of it is shown in `tests/media/net/test_engines.py`.
"""

from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ichat_gw.call.cause import Cause
from ichat_gw.call.media import (
    MediaAnswer,
    MediaCandidate,
    MediaLost,
    MediaOffer,
    MediaPassedOn,
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
from ichat_gw.errors import GatewayError
from ichat_gw.media.engine import (
    EngineCommand,
    EngineStatus,
    FromNode,
    MediaFor,
    MediaOver,
    MediaSettings,
    NodeUnreachable,
    PartChanged,
    PartStatus,
    Statistics,
    StatisticsAsked,
    ToCall,
    ToNode,
    WorkerLost,
)
from ichat_gw.media.rtpengine.bencode import decode, encode
from ichat_gw.media.rtpengine.engine import LOOK_AFTER, LOOK_OFTEN, RtpEngine, RtpEngineConfig
from ichat_gw.media.rtpengine.nodes import GRACE, PING_AGAIN, PING_EVERY
from ichat_gw.media.rtpengine.transactions import LAST_WAIT, REPEATS
from ichat_gw.media.sdp import SessionDescription
from tests.media.test_relay_engine import ICHAT, PHONE, audio_lines, our_port, sdp

CALLER, CALLEE = Side.CALLER, Side.CALLEE
GIVEN_UP = sum(REPEATS) + LAST_WAIT
CAROL = sdp("192.0.2.30", 40_000)
MOVED = sdp("192.0.2.11", 31_000)


class Rtpengine:
    """Answers what it is asked; or is `silent`, or `full`, or refuses everything because of a `fault`."""

    def __init__(self, host: str, first_port: int) -> None:
        self.host = host
        self.next_port = first_port
        self.silent = False
        self.full = False
        self.fault = ""
        self.spoils_sdp = False
        self.calls: dict[str, dict[str, int]] = {}
        """By call and by who is to send there: the port."""
        self.asked: list[dict[bytes, Any]] = []
        self.counts = {"caller": 0, "callee": 0}

    def hear(self, data: bytes) -> bytes | None:
        cookie, _, body = data.partition(b" ")
        request: dict[bytes, Any] = decode(body)  # type: ignore[assignment]
        self.asked.append(request)
        if self.silent:
            return None
        return cookie + b" " + encode(self._reply(request))

    def _reply(self, request: dict[bytes, Any]) -> dict[str, Any]:
        command = request[b"command"].decode()
        if command == "ping":
            return {"result": "pong"}
        call = request[b"call-id"].decode()
        if self.fault:
            return {"result": "error", "error-reason": self.fault}
        if command == "offer" and call not in self.calls:
            if self.full:
                return {"result": "load limit", "message": "Parallel session limit reached"}
            self.calls[call] = {}
        if call not in self.calls:
            return {"result": "error", "error-reason": "Unknown call-id"}
        if command in ("offer", "answer"):
            sender = "callee" if command == "offer" else "caller"
            host = {b"IP4": self.host, b"IP6": "2001:db8::e"}[request[b"address-family"]]
            port = self.calls[call].setdefault(sender + host, self.next_port)
            self.next_port += 2 * (port == self.next_port)
            return {"result": "ok", "sdp": "v=0\r\n" if self.spoils_sdp else sdp(host, port)}
        if command == "delete":
            del self.calls[call]
        streams = {
            side: {"medias": [{"streams": [{"stats": {"packets": count, "bytes": 172 * count}}]}]}
            for side, count in self.counts.items()
        }
        return {"result": "ok", "tags": streams}

    def told(self) -> list[tuple[str, str]]:
        """The commands since the last time, with where they say that the party is."""
        said = []
        for request in self.asked:
            text = request.get(b"sdp", b"").decode()
            lines = [line for line in text.splitlines() if line.startswith(("c=", "m="))]
            at = f"{lines[0].split()[-1]}:{lines[1].split()[1]}" if lines else ""
            said.append((request[b"command"].decode(), at))
        self.asked.clear()
        return said


class Scene:
    """An engine, one rtpengine or two, and what came out."""

    def __init__(self, nodes: int = 1, *, up: bool = True, **more: object) -> None:
        self.nodes = [Rtpengine(f"192.0.2.{100 + n}", 20_000 + 1_000 * n) for n in range(nodes)]
        config = RtpEngineConfig([f"192.0.2.{100 + n}:2223" for n in range(nodes)], **more)  # type: ignore[arg-type]
        self.engine = RtpEngine(config, self.local, Random(1))
        self.now = 100.0
        self.replies: list[tuple[str, MediaReply]] = []
        self.rest: list[EngineCommand] = []
        self.requests = 0
        if up:
            self.wait(0.0)
            assert self.engine.ready
            self.rest.clear()
            self.told()

    @staticmethod
    def local(host: str) -> str:
        if host == "nowhere":
            raise GatewayError("no way to it")
        return "2001:db8::1" if ":" in host else "192.0.2.1"

    def told(self, node: int = 0) -> list[tuple[str, str]]:
        return self.nodes[node].told()

    def ask(self, request: MediaRequest, call: str = "a") -> None:
        self._do(self.engine.receive(MediaFor(call, request), self.now))

    def query(self, call: str, query: int) -> Statistics:
        self._do(self.engine.receive(StatisticsAsked(call, query), self.now))
        said = self.rest.pop()
        assert isinstance(said, Statistics)
        return said

    def unreachable(self, node: int = 0) -> None:
        self._do(self.engine.receive(NodeUnreachable("Connection refused", node), self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass; all that is due happens at its moment."""
        end = self.now + seconds
        while (deadline := self.engine.deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self._do(self.engine.expire(self.now))
        self.now = end

    def _do(self, commands: list[EngineCommand]) -> None:
        for command in commands:
            match command:
                case ToCall(call, reply):
                    self.replies.append((call, reply))
                case ToNode(data, node):
                    if (answer := self.nodes[node].hear(data)) is not None:
                        self._do(self.engine.receive(FromNode(answer, node), self.now))
                case _:
                    self.rest.append(command)

    def number(self) -> int:
        self.requests += 1
        return self.requests

    def ready(self, request: MediaRequest, call: str = "a") -> str:
        self.ask(request, call)
        ((said, reply),) = self.replies
        self.replies.clear()
        assert isinstance(reply, MediaReady), reply
        assert said == call
        return reply.sdp

    def refused(self, request: MediaRequest, call: str = "a") -> MediaRefused:
        self.ask(request, call)
        return self.refusal(call)

    def refusal(self, call: str = "a") -> MediaRefused:
        said, reply = self.replies.pop(0)
        assert said == call
        assert isinstance(reply, MediaRefused), reply
        return reply

    def lost(self, call: str = "a") -> MediaLost:
        said, reply = self.replies.pop(0)
        assert said == call
        assert isinstance(reply, MediaLost), reply
        return reply

    def offer(self, text: str | None = PHONE, towards: str = "192.0.2.20", call: str = "a") -> str:
        return self.ready(MediaOffer(self.number(), CALLER, text, towards, to_ichat=True), call)

    def answer(self, text: str = ICHAT, towards: str = "192.0.2.10", call: str = "a") -> str:
        return self.ready(MediaAnswer(self.number(), CALLEE, text, towards), call)

    def talking(self, call: str = "a") -> None:
        self.offer(call=call)
        self.answer(call=call)
        for node in range(len(self.nodes)):
            self.told(node)

    def reoffer(self, side: Side, text: str | None, towards: str = "") -> str:
        return self.ready(MediaReoffer(self.number(), side, text, towards))

    def release(self, call: str = "a") -> None:
        self.ask(MediaRelease(), call)


NOWHERE = "0.0.0.0:9"
PHONE_AT, ICHAT_AT = "192.0.2.10:30000", "192.0.2.20:16402"

# --- requests ---------------------------------------------------------------------------------------------


def test_sip_calls_ichat() -> None:
    scene = Scene()
    offer = scene.offer()
    assert audio_lines(offer)[0] == "m=audio 20000 RTP/AVP 0 3"
    assert "c=IN IP4 192.0.2.100" in offer.splitlines()
    # Nothing passes before the answer: both are nowhere.
    assert scene.told() == [("offer", NOWHERE), ("answer", NOWHERE)]
    answer = scene.answer()
    assert audio_lines(answer)[0] == "m=audio 20002 RTP/AVP 0"
    assert scene.told() == [("offer", PHONE_AT), ("answer", ICHAT_AT)]
    assert scene.engine.ports_in_use == 2
    scene.nodes[0].counts = {"caller": 7, "callee": 6}
    statistics = scene.query("a", 1)
    assert statistics.counters is not None
    assert (statistics.counters.caller.received, statistics.counters.caller.sent) == (7, 6)
    scene.release()
    (over,) = scene.rest
    assert isinstance(over, MediaOver)
    assert over.counters == statistics.counters
    assert scene.told() == [("query", ""), ("delete", "")]
    assert (scene.engine.open_sessions, scene.engine.ports_in_use, scene.nodes[0].calls) == (0, 0, {})
    scene.release()
    assert scene.query("a", 2) == Statistics("a", 2, None)


def test_ichat_calls_sip_and_describes_itself_last() -> None:
    scene = Scene()
    scene.offer(None, "192.0.2.10")
    assert scene.told() == [("offer", NOWHERE), ("answer", NOWHERE)]
    scene.answer(PHONE, "2001:db8::5")
    # By now it is known that iChat is on IPv6.
    assert scene.nodes[0].asked[0][b"address-family"] == b"IP4"
    assert scene.nodes[0].asked[1][b"address-family"] == b"IP6"
    assert scene.told() == [("offer", ":::9"), ("answer", PHONE_AT)]
    answer = scene.reoffer(CALLER, sdp("2001:db8::5", 16_402))
    assert "c=IN IP6 2001:db8::e" in answer.splitlines()
    assert scene.told() == [("offer", "2001:db8::5:16402"), ("answer", PHONE_AT)]


def test_a_late_offer_is_answered_by_an_update() -> None:
    scene = Scene()
    scene.offer(None)
    scene.answer(ICHAT)
    scene.told()
    assert scene.ready(MediaUpdate(9, CALLER, PHONE)) == ""
    assert scene.told() == [("offer", PHONE_AT), ("answer", ICHAT_AT)]


def test_hold_and_a_party_that_moves() -> None:
    scene = Scene()
    scene.talking()
    scene.reoffer(CALLER, sdp("192.0.2.10", 30_000, direction="sendonly"))
    assert b"a=sendonly" in scene.nodes[0].asked[0][b"sdp"]
    assert scene.told() == [("offer", PHONE_AT), ("answer", ICHAT_AT)]
    # Without an address it stays where it was.
    scene.reoffer(CALLER, sdp("0.0.0.0", 30_000))
    assert b"a=sendonly" in scene.nodes[0].asked[0][b"sdp"]
    assert scene.told() == [("offer", PHONE_AT), ("answer", ICHAT_AT)]
    assert our_port(scene.reoffer(CALLER, MOVED)) == 20_002
    assert scene.told() == [("offer", "192.0.2.11:31000"), ("answer", ICHAT_AT)]
    # We are asked for an offer: it is nothing to rtpengine.
    assert "a=sendrecv" in scene.reoffer(CALLER, None)
    assert scene.told() == []


def test_a_phone_that_calls_while_it_holds() -> None:
    scene = Scene()
    scene.offer(sdp("0.0.0.0", 30_000))
    scene.answer()
    assert scene.told()[2:] == [("offer", NOWHERE), ("answer", ICHAT_AT)]


def test_somebody_new_takes_a_place() -> None:
    scene = Scene()
    scene.talking()
    candidate = scene.ready(MediaCandidate(8, CALLER, "192.0.2.30"))
    assert our_port(candidate) == 20_002
    assert scene.told() == [], "nothing changes yet"
    assert scene.ready(MediaReplace(9, CALLER, CAROL, "192.0.2.30", answers=True)) == ""
    assert scene.told() == [("offer", "192.0.2.30:40000"), ("answer", ICHAT_AT)]
    # And somebody who offers nothing himself: whoever was there stays until he has answered.
    assert our_port(scene.ready(MediaReplace(10, CALLER, None, "192.0.2.10", answers=False))) == 20_002
    assert scene.told() == []
    scene.reoffer(CALLEE, ICHAT)
    assert scene.told() == [("offer", "192.0.2.30:40000"), ("answer", ICHAT_AT)]
    assert scene.ready(MediaUpdate(11, CALLER, PHONE)) == ""
    assert scene.told() == [("offer", PHONE_AT), ("answer", ICHAT_AT)]
    other_family = MediaCandidate(12, CALLER, "2001:db8::9")
    assert scene.refused(other_family).ending.cause is Cause.NOT_ACCEPTABLE


def test_an_offer_is_made_anew_for_another_place() -> None:
    scene = Scene()
    assert "c=IN IP4" in scene.offer()
    assert our_port(scene.offer(towards="192.0.2.21")) == 20_000
    assert "c=IN IP6 2001:db8::e" in scene.offer(towards="2001:db8::5")
    scene.answer(sdp("2001:db8::5", 16_402))
    refused = scene.refused(MediaOffer(9, CALLER, PHONE, "192.0.2.20"))
    assert refused.ending.text == "the offer for this call has been answered"
    assert scene.engine.ports_in_use == 2


def test_a_source_that_may_be_learnt() -> None:
    """A phone behind a NAT: its description names an address that is not where it signals from."""
    scene = Scene()
    scene.offer(sdp("10.0.0.7", 30_000))
    scene.answer(towards="198.51.100.7")
    flags = [request[b"flags"] for request in scene.nodes[0].asked[-2:]]
    assert b"endpoint-learning-heuristic" in flags[0]
    assert all(b"strict-source" in each for each in flags)


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (MediaAnswer(1, CALLEE, PHONE, ""), "no media is reserved for this call"),
        (MediaPassedOn(1, CALLEE, PHONE), "nothing was to be passed on"),
        (MediaOffer(1, CALLER, "rubbish", "192.0.2.20"), "expected"),
        (MediaOffer(1, CALLER, sdp("192.0.2.10", 0), "192.0.2.20"), "switched off"),
        (MediaOffer(1, CALLER, PHONE, "nowhere"), "no way to it"),
    ],
)
def test_what_cannot_be_met(request_: MediaRequest, why: str) -> None:
    scene = Scene()
    assert why in scene.refused(request_).ending.text
    assert scene.engine.open_sessions == 0
    assert scene.nodes[0].calls == {}


def test_media_that_would_go_round_in_a_circle() -> None:
    scene = Scene()
    scene.offer()
    ours = sdp("192.0.2.100", 20_000)
    assert "circle" in scene.refused(MediaReoffer(2, CALLER, ours, "192.0.2.10")).ending.text


def test_requests_of_one_call_are_met_one_after_the_other() -> None:
    scene = Scene()
    scene.talking()
    scene.nodes[0].silent = True
    scene.ask(MediaReoffer(7, CALLER, MOVED, "192.0.2.10"))
    scene.ask(MediaReoffer(8, CALLER, PHONE, "192.0.2.10"))
    assert scene.told() == [("offer", "192.0.2.11:31000")]
    scene.nodes[0].silent = False
    scene.wait(REPEATS[0])
    assert [reply.request for _, reply in scene.replies if isinstance(reply, MediaReady)] == [7, 8]
    assert [at for _, at in scene.told()] == ["192.0.2.11:31000", ICHAT_AT, PHONE_AT, ICHAT_AT]


def test_a_codec_less_after_a_reload() -> None:
    scene = Scene()
    scene._do(scene.engine.receive(MediaSettings(0, 0, frozenset({3}), 0.0), scene.now))
    assert audio_lines(scene.offer())[0] == "m=audio 20000 RTP/AVP 0"


def test_no_codec_is_left_to_offer() -> None:
    scene = Scene(filtered=frozenset({0}))
    refused = scene.refused(MediaOffer(1, CALLER, None, "192.0.2.20"))
    assert refused.ending.text == "CodecIdFilterList leaves no codec to offer"
    assert (scene.engine.open_sessions, scene.nodes[0].calls) == (0, {})


# --- rtpengine refuses, or is not there -------------------------------------------------------------------


def test_status_and_news_of_parts() -> None:
    scene = Scene(2, up=False)
    scene.nodes[1].silent = True
    scene.wait(GIVEN_UP)
    assert scene.rest == [
        PartChanged("rtpengine 192.0.2.100:2223", True, "it answers"),
        PartChanged("rtpengine 192.0.2.101:2223", False, "it does not answer"),
    ]
    scene.talking()
    one, two = (PartStatus(f"rtpengine 192.0.2.{n}:2223", n == 100, int(n == 100)) for n in (100, 101))
    assert scene.engine.status() == EngineStatus("rtpengine", (one, two), 2)
    assert scene.engine.ready
    scene.nodes[1].silent = False
    scene.wait(PING_AGAIN)
    assert scene.rest[-1] == PartChanged("rtpengine 192.0.2.101:2223", True, "it answers")
    # From a worker: there is none.
    assert scene.engine.receive(WorkerLost("?"), scene.now) == []


def test_calls_are_shared_out() -> None:
    scene = Scene(2)
    for call in "abcd":
        scene.offer(call=call)
    assert [len(node.calls) for node in scene.nodes] == [2, 2]
    scene.release("a")
    scene.release("c")
    scene.offer(call="e")
    scene.offer(call="f")
    assert [len(node.calls) for node in scene.nodes] == [2, 2]


def test_one_without_room_is_passed_over() -> None:
    scene = Scene(2)
    scene.nodes[0].full = True
    assert "192.0.2.101" in scene.offer()
    assert "192.0.2.101" in scene.offer(call="b"), "it is not asked again soon"
    assert scene.told(0) == [("offer", NOWHERE)]
    scene.nodes[1].full = True
    refused = scene.refused(MediaOffer(9, CALLER, PHONE, "192.0.2.20"), "c")
    assert refused.ending.cause is Cause.NO_RESOURCES
    assert "has no room: Parallel session limit reached" in refused.ending.text
    assert [node.calls for node in scene.engine._nodes] == [0, 2]


def test_a_new_call_goes_to_one_that_answers() -> None:
    scene = Scene(2)
    scene.nodes[0].silent = True
    scene.ask(MediaOffer(1, CALLER, PHONE, "192.0.2.20"))
    assert scene.replies == []
    scene.wait(GIVEN_UP)
    ((_, reply),) = scene.replies
    assert isinstance(reply, MediaReady)
    assert "192.0.2.101" in reply.sdp
    assert scene.rest == [PartChanged("rtpengine 192.0.2.100:2223", False, "it does not answer")]
    scene.replies.clear()
    scene.answer()


def test_nobody_answers() -> None:
    scene = Scene(up=False)
    scene.nodes[0].silent = True
    scene.ask(MediaOffer(1, CALLER, PHONE, "192.0.2.20"))
    scene.wait(GIVEN_UP)
    assert scene.refusal().ending.text == "rtpengine 192.0.2.100:2223 does not answer"
    refused = scene.refused(MediaOffer(2, CALLER, PHONE, "192.0.2.20"))
    assert refused.ending.cause is Cause.NO_RESOURCES
    assert refused.ending.text == "no rtpengine answers, of 192.0.2.100:2223"
    scene.wait(GIVEN_UP)
    assert (scene.engine.open_sessions, scene.engine.ready) == (0, False)


def test_a_fault_is_passed_on() -> None:
    scene = Scene()
    scene.nodes[0].fault = "Failed to parse SDP"
    refused = scene.refused(MediaOffer(1, CALLER, PHONE, "192.0.2.20"))
    assert refused.ending.cause is Cause.MEDIA_FAILED
    assert refused.ending.text == "rtpengine 192.0.2.100:2223 refuses: Failed to parse SDP"
    scene.nodes[0].fault = ""
    scene.talking()
    scene.nodes[0].fault = "Ran out of ports"
    refused = scene.refused(MediaReoffer(2, CALLER, MOVED, ""))
    assert refused.ending.cause is Cause.NO_RESOURCES
    scene.nodes[0].fault = ""
    scene.reoffer(CALLER, MOVED)


def test_a_description_that_cannot_be_used() -> None:
    scene = Scene()
    scene.nodes[0].spoils_sdp = True
    refused = scene.refused(MediaOffer(1, CALLER, PHONE, "192.0.2.20"))
    assert "gave a description that cannot be used: it has no audio port" in refused.ending.text
    assert scene.engine.open_sessions == 0


def test_what_is_no_reply_is_dropped() -> None:
    scene = Scene()
    assert scene.engine.receive(FromNode(b"rubbish"), scene.now) == []
    assert scene.engine.receive(FromNode(b"nobody_1 d6:result4:ponge"), scene.now) == []


def test_one_that_hangs_for_a_moment_costs_nobody_a_call() -> None:
    scene = Scene()
    scene.talking()
    scene.nodes[0].silent = True
    scene.ask(MediaReoffer(7, CALLER, MOVED, ""))
    scene.wait(GIVEN_UP)
    assert scene.refusal().ending.text == "rtpengine 192.0.2.100:2223 does not answer"
    assert scene.query("a", 1).counters is None
    scene.nodes[0].silent = False
    scene.wait(PING_AGAIN)
    assert scene.told()[-4:-2] == [("ping", ""), ("query", "")], "does it know the call yet?"
    scene.wait(2 * GRACE)
    assert scene.replies == []
    scene.reoffer(CALLER, MOVED)


def test_one_that_is_gone_takes_its_calls_with_it() -> None:
    scene = Scene(2)
    scene.talking("a")
    scene.talking("b")
    scene.nodes[0].silent = True
    scene.unreachable(0)
    assert scene.rest == [PartChanged("rtpengine 192.0.2.100:2223", False, "Connection refused")]
    scene.wait(GRACE - 0.1)
    assert scene.replies == []
    scene.wait(0.1)
    lost = scene.lost("a")
    assert lost.ending.cause is Cause.MEDIA_FAILED
    assert lost.ending.text == "rtpengine 192.0.2.100:2223 is gone: Connection refused"
    assert scene.replies == [], "b is at the other one"
    scene.wait(GIVEN_UP)
    assert MediaOver("a", None) in scene.rest
    scene.release("a")
    scene.offer(call="c")
    assert len(scene.nodes[1].calls) == 2


def test_one_that_was_started_anew_knows_no_calls() -> None:
    scene = Scene()
    scene.talking()
    scene.nodes[0].calls.clear()
    scene.unreachable()
    scene.wait(PING_AGAIN)
    assert scene.lost().ending.text == "rtpengine 192.0.2.100:2223 has forgotten the call"
    assert scene.engine.open_sessions == 0


@pytest.mark.parametrize("step", ["offer", "answer"])
def test_a_forgotten_call_is_noticed_by_the_next_request(step: str) -> None:
    """An offer makes a new call of it, with other ports; an answer is refused."""
    scene = Scene()
    scene.talking()
    node = scene.nodes[0]
    if step == "offer":
        node.calls.clear()
        scene.ask(MediaReoffer(7, CALLER, MOVED, ""))
    else:
        node.silent = True
        scene.ask(MediaReoffer(7, CALLER, MOVED, ""))
        node.silent, node.fault = False, "Unknown call-id"
        scene.wait(REPEATS[0])
    assert scene.refusal().request == 7
    assert "has forgotten the call" in scene.lost().ending.text
    assert scene.replies == []
    node.fault = ""
    scene.wait(1.0)
    assert scene.engine.open_sessions == 0


def test_released_while_rtpengine_is_being_told() -> None:
    scene = Scene()
    scene.nodes[0].silent = True
    scene.ask(MediaOffer(1, CALLER, PHONE, "192.0.2.20"))
    scene.release()
    scene.nodes[0].silent = False
    scene.told()
    scene.wait(REPEATS[0])
    # A delete that overtook the offer would leave a call behind.
    assert [command for command, _ in scene.told()] == ["offer", "delete"]
    assert (scene.replies, scene.engine.open_sessions, scene.nodes[0].calls) == ([], 0, {})


@pytest.mark.parametrize("fault", ["Unknown call-id", "Failed to parse SDP", ""])
def test_released_while_rtpengine_refuses_or_is_gone(fault: str) -> None:
    scene = Scene()
    scene.talking()
    scene.nodes[0].silent = True
    scene.ask(MediaReoffer(7, CALLER, MOVED, ""))
    scene.release()
    scene.nodes[0].silent, scene.nodes[0].fault = not fault, fault
    scene.wait(2 * GIVEN_UP)
    assert scene.replies == []
    assert MediaOver("a", None) in scene.rest
    assert (scene.engine.open_sessions, scene.engine.ports_in_use) == (0, 0)


# --- silence ----------------------------------------------------------------------------------------------


def test_a_silent_party() -> None:
    scene = Scene(media_timeout=10.0)
    scene.talking()
    counts = scene.nodes[0].counts
    for _ in range(5):
        counts["caller"] += 50
        scene.wait(2.5)
    lost = scene.lost()
    assert (lost.ending.cause, lost.ending.text) == (Cause.MEDIA_TIMEOUT, "nothing from the callee for 10 s")
    scene.wait(60.0)
    assert scene.replies == [], "said once"
    statistics = scene.query("a", 1)
    assert statistics.counters is not None
    assert statistics.counters.callee.silent_for is None
    assert statistics.counters.caller.silent_for == pytest.approx(60.0, abs=3.0)


def test_nobody_is_silent_on_hold() -> None:
    scene = Scene(media_timeout=10.0)
    scene.talking()
    scene.reoffer(CALLER, sdp("192.0.2.10", 30_000, direction="inactive"))
    scene.wait(60.0)
    assert scene.replies == []
    scene.reoffer(CALLER, PHONE)
    scene.wait(9.0)
    assert scene.replies == []
    scene.wait(4.0)
    scene.lost()


def test_a_call_that_rtpengine_ends_by_itself() -> None:
    scene = Scene()
    scene.talking()
    scene.nodes[0].calls.clear()
    scene.wait(15.0)
    assert "has forgotten the call" in scene.lost().ending.text


def test_a_look_that_meets_something_else() -> None:
    """A request is under way, or the answer is lost, or has no counters: it looks again later."""
    scene = Scene(media_timeout=4.0)
    scene.talking()
    scene.nodes[0].silent = True
    scene.ask(MediaReoffer(7, CALLER, MOVED, ""))
    scene.wait(1.1)
    scene.nodes[0].silent = False
    scene.wait(1.0)
    assert isinstance(scene.replies.pop()[1], MediaReady)
    scene.nodes[0].fault = "Try later"
    scene.wait(2.0)
    scene.nodes[0].fault = ""
    scene.wait(4.0)
    scene.lost()


@pytest.mark.parametrize("answers", [True, False])
def test_a_look_at_a_call_that_is_over_meanwhile(answers: bool) -> None:
    scene = Scene(media_timeout=4.0)
    scene.talking()
    scene.nodes[0].silent = True
    scene.wait(1.1)
    assert scene.told()[0] == ("query", "")
    scene.nodes[0].silent = not answers
    scene.release()
    scene.wait(GIVEN_UP)
    assert scene.engine.open_sessions == 0
    scene.nodes[0].silent = False
    scene.told()
    scene.wait(20.0)
    assert {command for command, _ in scene.told()} == {"ping"}


def test_counters_that_do_not_come() -> None:
    """Neither for us nor for whoever asked; when it answers again, all is well."""
    scene = Scene(media_timeout=4.0)
    scene.talking()
    scene.nodes[0].silent = True
    scene.wait(1.1)
    scene._do(scene.engine.receive(StatisticsAsked("a", 5), scene.now))
    scene.wait(GIVEN_UP)
    assert Statistics("a", 5, None) in scene.rest
    scene.nodes[0].silent = False
    scene.nodes[0].counts = {"caller": 1, "callee": 1}
    scene.wait(1.0)
    assert scene.replies == []
    assert scene.query("a", 6).counters is not None


def test_pings_go_on() -> None:
    scene = Scene()
    scene.wait(10 * PING_EVERY)
    assert [command for command, _ in scene.told()] == ["ping"] * 10


def fills(scene: Scene) -> list[tuple[str, str]]:
    """What is played to whom, since the last time."""
    asked = [each for each in scene.nodes[0].asked if b"media" in each[b"command"]]
    scene.told()
    return [(each[b"command"].decode(), each[b"from-tag"].decode()) for each in asked]


def test_who_is_held_is_played_silence() -> None:
    """iChat leaves a call in which it hears nothing."""
    scene = Scene()
    scene.talking()
    counts = scene.nodes[0].counts
    counts.update(caller=50, callee=50)
    scene.wait(LOOK_AFTER)
    assert fills(scene) == []
    # The phone holds, with music; then the music ends.
    scene.reoffer(CALLER, sdp("192.0.2.10", 30_000, direction="sendonly"))
    for _ in range(3):
        counts["caller"] += 90
        counts["callee"] += 90
        scene.wait(LOOK_OFTEN)
        assert fills(scene) == []
    counts["callee"] += 90
    scene.wait(LOOK_OFTEN)
    assert fills(scene) == [("play media", "callee")]
    scene.wait(LOOK_OFTEN)
    assert fills(scene) == []
    # It begins again.
    counts["caller"] += 90
    scene.wait(LOOK_OFTEN)
    assert fills(scene) == [("stop media", "callee")]
    scene.wait(LOOK_OFTEN)
    assert fills(scene) == [("play media", "callee")]
    # And talks again: at once no silence is to be between.
    scene.reoffer(CALLER, PHONE)
    assert fills(scene) == [("stop media", "callee")]


def test_one_that_sends_nothing_need_not_be_waited_for() -> None:
    scene = Scene()
    scene.talking()
    scene.nodes[0].counts.update(caller=50, callee=50)
    scene.reoffer(CALLER, sdp("192.0.2.10", 30_000, direction="inactive"))
    scene.wait(LOOK_AFTER)
    assert fills(scene) == [("play media", "callee")], "what came was before the hold"


def test_two_that_wait_for_each_other() -> None:
    """iChat on IPv6 sends nothing before it has received something."""
    scene = Scene()
    scene.offer()
    scene.wait(3 * LOOK_AFTER)
    assert fills(scene) == [], "it rings"
    scene.answer()
    scene.wait(LOOK_AFTER)
    assert fills(scene) == [("play media", "caller"), ("play media", "callee")]
    scene.nodes[0].counts.update(caller=90, callee=90)
    scene.wait(LOOK_OFTEN)
    assert fills(scene) == [("stop media", "caller"), ("stop media", "callee")]


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
