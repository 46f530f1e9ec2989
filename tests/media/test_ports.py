"""Port pairs: even, random, rested, never twice."""

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ichat_gw.media.ports import EmptyPortRange, NoPortLeft, PortPool


@pytest.mark.parametrize(
    ("first", "last", "pairs"),
    [
        (8000, 8001, {8000}),
        (8001, 8003, {8002}),
        (7999, 8006, {8000, 8002, 8004}),
        (65534, 65535, {65534}),
        (1, 3, {2}),
    ],
)
def test_range(first: int, last: int, pairs: set[int]) -> None:
    pool = PortPool(first, last, Random(1))
    assert {pool.take(0.0) for _ in pairs} == pairs
    with pytest.raises(NoPortLeft, match=f"{len(pairs)} are in use, 0 rest, 0 are set aside"):
        pool.take(0.0)


@pytest.mark.parametrize(
    ("first", "last"), [(8000, 8000), (8001, 8002), (9000, 8000), (65535, 65537), (0, 9), (-2, 9)]
)
def test_no_pair_in_range(first: int, last: int) -> None:
    with pytest.raises(EmptyPortRange):
        PortPool(first, last, Random(1))


def test_order_is_random() -> None:
    pool = PortPool(8000, 9999, Random(1))
    taken = [pool.take(0.0) for _ in range(50)]
    assert taken != sorted(taken)
    assert all(port % 2 == 0 for port in taken)


def test_a_used_pair_rests() -> None:
    pool = PortPool(8000, 8001, Random(1), rest=2.0)
    assert pool.take(10.0) == 8000
    pool.give_back(8000, 10.0)
    with pytest.raises(NoPortLeft, match="1 rest"):
        pool.take(11.9)
    assert pool.available(12.0) == 1
    assert pool.take(12.0) == 8000


def test_an_unused_pair_does_not_rest() -> None:
    pool = PortPool(8000, 8001, Random(1))
    pool.give_back(pool.take(10.0), 10.0, used=False)
    assert pool.take(10.0) == 8000


def test_a_pair_that_cannot_be_bound_is_set_aside() -> None:
    pool = PortPool(8000, 8003, Random(1), aside=60.0)
    bad = pool.take(0.0)
    pool.set_aside(bad, 0.0)
    other = pool.take(59.0)
    assert other != bad
    pool.give_back(other, 59.0, used=False)
    assert {pool.take(60.0), pool.take(60.0)} == {bad, other}


def test_when_no_other_is_left_what_could_not_be_bound_is_tried_again_sooner() -> None:
    pool = PortPool(8000, 8003, Random(1), aside=60.0, again=3.0)
    first, second = pool.take(0.0), pool.take(0.0)
    pool.set_aside(first, 0.0)
    pool.set_aside(second, 1.0)
    with pytest.raises(NoPortLeft, match="2 are set aside"):
        pool.take(2.9)
    assert pool.available(3.0) == 0
    assert pool.take(3.0) == first
    with pytest.raises(NoPortLeft, match="1 are in use, 0 rest, 1 are set aside"):
        pool.take(3.0)


def test_what_is_set_aside_and_no_longer_in_the_range_is_not_tried_again() -> None:
    pool = PortPool(8000, 8001, Random(1), again=3.0)
    pool.set_aside(pool.take(0.0), 0.0)
    pool.resize(9000, 9001)
    assert pool.take(5.0) == 9000
    with pytest.raises(NoPortLeft, match="1 are in use, 0 rest, 0 are set aside"):
        pool.take(5.0)


class Pool(RuleBasedStateMachine):
    """No order of events loses a pair or hands it out twice."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = PortPool(8000, 8011, Random(1), rest=2.0, aside=10.0, again=3.0)
        self.now = 0.0
        self.taken: list[int] = []
        self.free_at: dict[int, float] = dict.fromkeys(range(8000, 8012, 2), 0.0)
        self.bad: dict[int, float] = {}

    @rule(seconds=st.floats(0, 5))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take(self) -> None:
        free = {port for port, when in self.free_at.items() if when <= self.now}
        if not free:
            free = {port for port in self.free_at.keys() & self.bad if self.bad[port] + 3.0 <= self.now}
        try:
            port = self.pool.take(self.now)
        except NoPortLeft:
            assert not free
            return
        assert port in free
        del self.free_at[port]
        self.bad.pop(port, None)
        self.taken.append(port)

    @rule(which=st.integers(0, 5), how=st.sampled_from(["used", "unused", "bad"]))
    def return_one(self, which: int, how: str) -> None:
        if which < len(self.taken):
            port = self.taken.pop(which)
            if how == "bad":
                self.pool.set_aside(port, self.now)
                self.bad[port] = self.now
            else:
                self.pool.give_back(port, self.now, used=how == "used")
            self.free_at[port] = self.now + {"used": 2.0, "unused": 0.0, "bad": 10.0}[how]

    @rule(port=st.integers(7999, 8013))
    def return_what_was_not_taken(self, port: int) -> None:
        if port not in self.taken:
            self.pool.give_back(port, self.now)
            self.pool.set_aside(port, self.now)

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.pool.in_use == len(self.taken)
        assert self.pool.available(self.now) == sum(when <= self.now for when in self.free_at.values())


Pool.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestPool = Pool.TestCase


def test_another_range_for_what_is_taken_from_now_on() -> None:
    pool = PortPool(8000, 8003, Random(1), rest=2.0)
    old = pool.take(0.0)
    pool.resize(9000, 9001)
    assert pool.take(0.0) == 9000
    with pytest.raises(NoPortLeft):
        pool.take(0.0)
    pool.give_back(old, 0.0)
    assert pool.available(10.0) == 0
    pool.resize(8000, 8003)
    assert pool.available(10.0) == 2
    pool.give_back(9000, 10.0, used=False)
    assert pool.available(20.0) == 2
    assert pool.in_use == 0


def test_a_range_that_shrinks_around_pairs_in_use_and_set_aside() -> None:
    pool = PortPool(8000, 8005, Random(1), rest=2.0, aside=60.0)
    taken = {pool.take(0.0) for _ in range(3)}
    pool.set_aside(8000, 0.0)
    pool.give_back(8002, 0.0)
    pool.resize(8000, 8005)
    assert taken == {8000, 8002, 8004}
    assert pool.available(1.0) == 0
    assert pool.available(3.0) == 1
    assert pool.available(61.0) == 2


def test_an_empty_range_changes_nothing() -> None:
    pool = PortPool(8000, 8003, Random(1))
    with pytest.raises(EmptyPortRange):
        pool.resize(9001, 9001)
    assert pool.available(0.0) == 2
