from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.clock import Alarm, Timers


def test_timers_come_due_in_order_and_once() -> None:
    timers: Timers[str] = Timers()
    timers.set("b", 2.0)
    timers.set("a", 1.0)
    timers.set("c", 3.0)
    assert timers.deadline() == 1.0
    assert timers.due(2.0, 1) == ["a"]
    assert timers.due(2.0) == ["b"]
    assert timers.due(2.0) == []
    assert "c" in timers
    assert len(timers) == 1


def test_a_timer_that_is_moved_or_cleared() -> None:
    timers: Timers[str] = Timers()
    timers.set("a", 1.0)
    timers.set("a", 5.0)
    timers.set("b", 2.0)
    timers.clear("b")
    timers.clear("never set")
    assert timers.deadline() == 5.0
    assert timers.due(4.0) == []
    assert timers.due(5.0) == ["a"]
    assert timers.deadline() is None


@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.floats(0, 100)), max_size=300))
def test_timers_are_a_dictionary_with_an_order(steps: list[tuple[int, float | None]]) -> None:
    timers: Timers[int] = Timers()
    model: dict[int, float] = {}
    for key, when in steps:
        if when is None:
            timers.clear(key)
            model.pop(key, None)
        else:
            timers.set(key, when)
            model[key] = when
        assert timers.deadline() == min(model.values(), default=None)
        assert len(timers) == len(model)
    assert sorted(timers.due(50.0)) == sorted(key for key, when in model.items() if when <= 50.0)


def test_many_moves_do_not_pile_up() -> None:
    timers: Timers[str] = Timers()
    for moment in range(10_000):
        timers.set("a", float(moment))
    assert len(timers._heap) < 100


class Loop:
    """An event loop whose handles, like uvloop's for a time in the past, can only be cancelled."""

    class Handle:
        def __init__(self, when: float, what: Callable[[], None]) -> None:
            self.when_set, self.what, self.cancelled = when, what, False

        def cancel(self) -> None:
            self.cancelled = True

    def __init__(self) -> None:
        self.handles: list[Loop.Handle] = []

    def call_at(self, when: float, what: Callable[[], None]) -> "Loop.Handle":
        self.handles.append(Loop.Handle(when, what))
        return self.handles[-1]

    @property
    def pending(self) -> list[float]:
        return [handle.when_set for handle in self.handles if not handle.cancelled]


def test_an_alarm_rings_at_the_time_set_last() -> None:
    loop = Loop()
    rung: list[int] = []
    alarm = Alarm(loop.call_at, lambda: rung.append(1))
    alarm.set(5.0)
    alarm.set(5.0)
    assert loop.pending == [5.0]
    alarm.set(3.0)
    assert loop.pending == [3.0]
    alarm.set(None)
    alarm.set(None)
    assert loop.pending == []
    alarm.set(4.0)
    loop.handles[-1].what()
    assert rung == [1]
    alarm.set(4.0)  # the same time once more is a new alarm
    assert loop.pending[-1] == 4.0
    assert len(loop.handles) == 4
