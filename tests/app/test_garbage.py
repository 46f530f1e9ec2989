"""A call that is over is gone at once: nothing of it waits for the garbage collector, which comes seldom.

What waits is not lost, but thousands of calls may end before it is looked for, and their memory stays ours.
"""

import gc
from collections import Counter
from collections.abc import Callable

import pytest

from app.world import World


def answered(world: World) -> None:
    world.phone.dial("alice")
    world.run(2.0)
    world.phone.hang_up()


def answered_by_the_phone(world: World) -> None:
    world.alice.dial("5551234")
    world.run(2.0)
    world.alice.hang_up()


def busy(world: World) -> None:
    world.phone.manner = 486
    world.alice.dial("5551234")


def declined(world: World) -> None:
    world.alice.manner = "decline"
    world.phone.dial("alice")


def nobody_there(world: World) -> None:
    world.phone.dial("nobody")


def cancelled(world: World) -> None:
    world.alice.manner = "ignore"
    world.phone.dial("alice")
    world.run(1.0)
    world.phone.hang_up()


def given_up(world: World) -> None:
    world.phone.manner = "ring"
    world.alice.dial("5551234")
    world.run(1.0)
    world.alice.give_up()


def the_wire_loses_much(world: World) -> None:
    world.loss = 0.4
    answered(world)


FLOWS = (
    answered,
    answered_by_the_phone,
    busy,
    declined,
    nobody_there,
    cancelled,
    given_up,
    the_wire_loses_much,
)


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
def test_nothing_waits_for_the_garbage_collector(flow: Callable[[World], None]) -> None:
    world = World()
    gc.collect()
    gc.disable()
    try:
        flow(world)
        world.run(300.0)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        kinds = Counter(f"{type(found).__module__}.{type(found).__qualname__}" for found in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert {name: number for name, number in kinds.items() if name.startswith("ichat_gw.")} == {}
