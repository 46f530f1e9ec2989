"""Those who look on: what they are shown goes into traces, records and copies, and nothing comes back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.test_call_memory import settings
from app.world import COMPONENT, World
from ichat_gw.app.call_events import CallBegan, Joined
from ichat_gw.app.onlookers import LOOK_SECONDS, MOST_WAITING, Onlookers
from ichat_gw.app.tracing import Tracing
from ichat_gw.call.leg import Reoffer
from ichat_gw.clock import Alarm
from ichat_gw.ipc.messages import SeenStanza, StanzasSeen
from ichat_gw.media.engine import StatisticsAsked
from ichat_gw.ops import logging
from ichat_gw.ops.records import Search


class NoAlarm:
    """Never rings."""

    def cancel(self) -> None:
        pass


class Alarms:
    """When the alarm would ring."""

    def __init__(self) -> None:
        self.when: list[float] = []

    def call_at(self, when: float, ring: Callable[[], None]) -> NoAlarm:
        self.when.append(when)
        return NoAlarm()


def looking_on(
    world: World, directory: Path, asked: list[StatisticsAsked], alarms: Alarms | None = None
) -> Onlookers:
    """Onlookers who see all that the world's own listener sees."""
    onlookers = Onlookers(asked.append, settings(directory))
    call_at = (alarms or Alarms()).call_at
    onlookers.begin(lambda: world.now, lambda wake: Alarm(call_at, wake))
    looked_on(onlookers, world)
    return onlookers


def looked_on(onlookers: Onlookers, world: World) -> None:
    """The onlookers see all that the world's own listener sees."""
    took, expire = world.tracing.took, world.tracing.expire

    def shown(event: object, heard: object, commands: object, now: float, at: float) -> object:
        onlookers.took(event, heard, commands, now, at)  # type: ignore[arg-type]
        return took(event, heard, commands, now, at)  # type: ignore[arg-type]

    world.tracing.took = shown  # type: ignore[assignment,method-assign]
    world.tracing.expire = expire  # type: ignore[method-assign]


def test_a_call_is_remembered_and_judged(tmp_path: Path) -> None:
    asked: list[StatisticsAsked] = []
    world = World()
    onlookers = looking_on(world, tmp_path, asked)
    assert onlookers.wants_stanzas
    world.phone.dial("alice")
    world.run(2.0)
    seen = SeenStanza("alice@jabber.localhost", f"1555123456@{COMPONENT}", True, "<iq/>", 0.0)
    onlookers.stanzas(StanzasSeen([seen]))
    world.run(1.5)
    world.phone.hang_up()
    world.run(60.0)
    onlookers.catch_up()
    onlookers.end()
    again = Onlookers(asked.append, settings(tmp_path))
    (record,) = again.records.search(Search())
    assert record.verdict == "never-sent"
    assert again.memory.may_have_trace(record.call)
    again.end()


def test_what_is_shown_waits_until_somebody_asks_or_there_is_much_of_it(tmp_path: Path) -> None:
    world, alarms = World(), Alarms()
    onlookers = looking_on(world, tmp_path, [], alarms)
    world.phone.dial("alice")
    world.run(0.1)
    assert not list(onlookers.tracing.calls)
    assert alarms.when
    assert alarms.when[0] <= world.now + LOOK_SECONDS
    session = next(event for event in world.events if isinstance(event, Joined)).session
    assert onlookers.call_of(None) == ""
    [call] = world.gateway.calls.live
    assert onlookers.call_of(session) == call
    began = next(event for event in world.events if isinstance(event, CallBegan))
    assert onlookers.call_between(began.user, began.contact) == call
    for _ in range(MOST_WAITING):
        onlookers.stanzas(StanzasSeen([]))
    assert not onlookers._waiting
    onlookers.end()


def test_the_counters_before_a_change_are_asked_for_at_once(tmp_path: Path) -> None:
    asked: list[StatisticsAsked] = []
    world = World()
    onlookers = looking_on(world, tmp_path, asked)
    session = world.phone.dial("alice")
    world.run(2.0)
    onlookers.catch_up()
    assert not asked
    world.phone.tell(session, Reoffer(world.phone.sdp + "a=sendonly\r\n"))
    world.run(0.1)
    assert [each.call for each in asked] == list(world.gateway.calls.live)
    onlookers.end()


def test_an_event_that_breaks_something_costs_none_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    onlookers = looking_on(world, tmp_path, [])
    monkeypatch.delattr(Tracing, "stanza")
    onlookers.stanzas(StanzasSeen([SeenStanza("alice", "1", True, "<iq/>", 0.0)]))
    world.phone.dial("alice")
    world.run(0.1)
    onlookers.catch_up()
    assert len(list(onlookers.tracing.calls)) == 1
    onlookers.end()


def test_a_timer_that_breaks_something_costs_nobody_who_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    onlookers = looking_on(world, tmp_path, [])
    world.phone.dial("alice")
    world.run(0.1)
    session = next(event for event in world.events if isinstance(event, Joined)).session
    monkeypatch.delattr(Tracing, "expire")
    assert onlookers.call_of(session) in world.gateway.calls.live
    onlookers.end()


def test_nobody_wants_stanzas_when_no_message_is_kept(tmp_path: Path) -> None:
    onlookers = Onlookers(lambda asked: None, settings(tmp_path, trace_calls=0))
    assert not onlookers.wants_stanzas
    onlookers.end()
    logging.shutdown()
