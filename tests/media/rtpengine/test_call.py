"""Parties that are silent, and those that are played silence, as ladders."""

import pytest

from ichat_gw.call.cause import Cause
from ichat_gw.call.media import MediaReady, MediaReoffer
from ichat_gw.media.engine import Statistics, StatisticsAsked
from ichat_gw.media.rtpengine.engine import LOOK_AFTER, LOOK_OFTEN
from ichat_gw.media.rtpengine.nodes import PING_EVERY
from tests.media.relaying import PHONE, sdp
from tests.media.rtpengine.in_memory import CALLER, GIVEN_UP, MOVED, Scene

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
