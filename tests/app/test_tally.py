"""What is counted of a gateway: a whole one, in memory."""

import pytest

from app.watched import WatchedWorld
from ichat_gw.app.call_events import CallEnded
from ichat_gw.app.tally import MOST_FADING
from ichat_gw.call.cause import Cause, Ending


@pytest.fixture
def world() -> WatchedWorld:
    return WatchedWorld()


def test_an_ended_call_is_counted(world: WatchedWorld) -> None:
    world.alice.dial("5551234")
    world.run(2.0)
    world.talk(world.alice, 1.0)
    world.talk(world.phone, 1.0, every=2)
    world.run(1.5)
    world.alice.hang_up()
    world.run(10.0)
    metrics = world.metrics()
    assert metrics["ichat_gw_calls_started_total to_sip"] == 1
    assert metrics["ichat_gw_calls_ended_total yes hangup to_sip caller"] == 1
    assert metrics["ichat_gw_call_setup_seconds_count to_sip"] == 1
    assert metrics["ichat_gw_call_duration_seconds_count to_sip"] == 1
    assert metrics["ichat_gw_rtp_packets_total xmpp received"] == 50
    assert metrics["ichat_gw_rtp_packets_total sip sent"] == 50
    assert metrics["ichat_gw_rtp_packets_total sip received"] == 25
    assert metrics["ichat_gw_rtp_packets_lost_total sip"] >= 24
    assert metrics["ichat_gw_call_loss_ratio_count sip"] == 1
    assert metrics["ichat_gw_call_jitter_seconds_count xmpp"] == 1
    assert (
        sum(value for name, value in metrics.items() if name.startswith("ichat_gw_call_verdicts_total")) == 1
    )
    status = world.seen.status(world.at)
    assert (status.totals.calls, status.totals.answered, status.totals.failed) == (1, 1, 0)
    tally = world.seen.tally
    assert (tally.directions, tally.setup, tally.counters) == ({}, {}, {})


def test_what_is_remembered_of_ended_calls_is_bounded(world: WatchedWorld) -> None:
    view = world.watch()
    ends = [CallEnded(f"c-{number}", Ending(Cause.HANGUP), None) for number in range(MOST_FADING + 5)]
    view.tally.took(None, ends, world.at)
    assert len(view.tally._fading) == MOST_FADING
    assert world.metrics()["ichat_gw_calls_ended_total no hangup  gateway"] == MOST_FADING + 5


def test_a_call_that_nobody_answers(world: WatchedWorld) -> None:
    world.phone.manner = 486
    world.alice.dial("5551234")
    world.run(10.0)
    assert world.metrics()["ichat_gw_calls_ended_total no busy to_sip callee"] == 1
    assert world.seen.status(world.at).totals.failed == 1


def test_a_call_that_is_refused_at_the_door(world: WatchedWorld) -> None:
    world.phone.dial("nobody")
    world.run(1.0)
    before = world.seen.status(world.at).totals.refused
    world.gateway.door.stopping = True
    world.phone.dial("alice")
    world.run(1.0)
    assert world.seen.status(world.at).totals.refused == before + 1
    assert world.metrics()["ichat_gw_calls_refused_total shutdown "] == 1


def test_counters_of_a_relay_that_began_anew_are_not_counted_backwards(world: WatchedWorld) -> None:
    world.alice.dial("5551234")
    world.run(2.0)
    world.talk(world.alice, 1.0)
    world.run(1.5)
    world.tick(looked_at=True)
    world.run(0.1)
    world.relay_dies()
    world.run(3.0)
    world.talk(world.alice, 0.2)
    world.run(1.0)
    world.tick(looked_at=True)
    world.run(0.1)
    assert world.metrics()["ichat_gw_rtp_packets_total xmpp received"] >= 50
    [part] = world.seen.status(world.at).media
    assert part.running
    assert part.restarts == 1


def test_an_error_of_our_own_is_counted(world: WatchedWorld) -> None:
    world.watch().tally.failed()
    assert world.metrics()["ichat_gw_internal_errors_total"] == 1
