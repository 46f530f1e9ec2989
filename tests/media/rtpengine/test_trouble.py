"""Rtpengines that refuse, do not answer, or forget, as ladders."""

import pytest

from ichat_gw.call.cause import Cause
from ichat_gw.call.media import MediaOffer, MediaReady, MediaReoffer
from ichat_gw.media.engine import EngineStatus, FromNode, MediaOver, PartChanged, PartStatus, WorkerLost
from ichat_gw.media.rtpengine.nodes import GRACE, PING_AGAIN
from ichat_gw.media.rtpengine.transactions import REPEATS
from tests.media.relaying import PHONE
from tests.media.rtpengine.in_memory import CALLER, GIVEN_UP, MOVED, NOWHERE, Scene

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
