"""Which rtpengine a call is given to."""

from ichat_gw.media.rtpengine.nodes import FULL_FOR, GRACE, PING_AGAIN, PING_EVERY, Nodes


def test_the_one_that_lives_and_has_least_to_do() -> None:
    nodes = Nodes(["a:1", "b:1", "c:1"])
    assert (len(nodes), str(nodes), nodes.any_up) == (3, "a:1, b:1, c:1", False)
    assert nodes.choose(0.0) == 0, "nothing is known of any"
    assert nodes.lives(1)
    assert not nodes.lives(1), "that is no news"
    assert nodes.any_up
    assert nodes.choose(0.0) == 1
    nodes.lives(2)
    nodes[1].calls = 1
    assert nodes.choose(0.0) == 2
    nodes[2].calls = 2
    assert nodes.choose(0.0) == 1
    assert nodes.choose(0.0, without={1}) == 2
    assert nodes.choose(0.0, without={0, 1, 2}) is None


def test_one_that_is_lost_is_not_asked() -> None:
    nodes = Nodes(["a:1", "b:1"])
    assert nodes.lost(0, "it does not answer", 0.0)
    assert not nodes.lost(0, "still not", 1.0)
    assert nodes[0].lost_by == "still not"
    assert nodes.choose(0.0) == 1
    nodes.lost(1, "neither", 1.0)
    assert nodes.choose(0.0) is None
    nodes.lives(0)
    assert nodes.choose(0.0) == 0


def test_one_that_has_no_room_is_asked_last_for_a_while() -> None:
    nodes = Nodes(["a:1", "b:1"])
    nodes.lives(0)
    nodes.lives(1)
    nodes[1].calls = 9
    nodes.full(0, 100.0)
    assert nodes.choose(100.1) == 1
    assert nodes.choose(100.1, without={1}) == 0
    assert nodes.choose(100.0 + FULL_FOR) == 0


def test_signs_of_life() -> None:
    nodes = Nodes(["a:1", "b:1"])
    assert nodes.deadline() == 0.0
    assert nodes.to_ping(100.0) == [0, 1]
    assert nodes.deadline() is None, "they have been asked"
    nodes.lives(0)
    nodes.pinged(0, 100.0)
    nodes.lost(1, "it does not answer", 100.5)
    assert nodes.to_ping(100.5 + PING_AGAIN) == [1]
    nodes.lost(1, "it does not answer", 101.6)
    assert nodes.to_ping(100.0 + PING_EVERY) == [0]
    assert nodes.gone(100.5 + GRACE - 0.1) == []
    assert nodes.to_ping(101.6 + PING_AGAIN) == [1]
    assert nodes.deadline() == 100.5 + GRACE
    assert nodes.gone(100.5 + GRACE) == [1]
    nodes.lives(1)
    nodes.lost(1, "again", 110.0)
    nodes.lives(1)
    assert nodes.gone(200.0) == [], "it came back in time"
