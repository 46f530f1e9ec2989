"""Those who look on: what they are shown goes into traces, records and copies, and nothing comes back."""

from collections.abc import Callable
from pathlib import Path

from app.test_call_memory import settings
from app.world import COMPONENT, World
from ichat_gw.app.onlookers import Onlookers
from ichat_gw.clock import Alarm
from ichat_gw.ipc.messages import SeenStanza, StanzasSeen
from ichat_gw.media.engine import StatisticsAsked
from ichat_gw.ops import logging
from ichat_gw.ops.records import Search


class NoAlarm:
    """Never rings."""

    def cancel(self) -> None:
        pass


def call_at(when: float, ring: Callable[[], None]) -> NoAlarm:
    return NoAlarm()


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
    onlookers = Onlookers(asked.append, settings(tmp_path))
    onlookers.begin(lambda: world.now, lambda wake: Alarm(call_at, wake))
    assert onlookers.wants_stanzas
    looked_on(onlookers, world)
    world.phone.dial("alice")
    world.run(2.0)
    seen = SeenStanza("alice@jabber.localhost", f"1555123456@{COMPONENT}", True, "<iq/>", 0.0)
    onlookers.stanzas(StanzasSeen([seen]))
    world.run(1.5)
    world.phone.hang_up()
    world.run(60.0)
    onlookers._wake()
    onlookers.end()
    again = Onlookers(asked.append, settings(tmp_path))
    (record,) = again.records.search(Search())
    assert record.verdict == "never-sent"
    assert again.memory.may_have_trace(record.call)
    again.end()


def test_nobody_wants_stanzas_when_no_message_is_kept(tmp_path: Path) -> None:
    onlookers = Onlookers(lambda asked: None, settings(tmp_path, trace_calls=0))
    assert not onlookers.wants_stanzas
    onlookers.end()
    logging.shutdown()
