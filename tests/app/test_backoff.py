"""Waits between attempts."""

from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.app.backoff import Backoff


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(chance=lambda: 0.5)
    assert [backoff.after(0) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_chance_moves_a_wait_by_a_quarter() -> None:
    for chance, wanted in ((0.0, 1.5), (1.0, 2.5)):
        backoff = Backoff(chance=lambda chance=chance: chance)  # type: ignore[misc]
        backoff.after(0)
        assert backoff.after(0) == wanted


def test_after_a_healthy_time_waits_begin_anew() -> None:
    backoff = Backoff(healthy=10, chance=lambda: 0.5)
    assert [backoff.after(held) for held in (0, 0, 9.9, 10, 0)] == [1, 2, 4, 1, 2]


@given(st.lists(st.floats(0, 100)))
def test_a_wait_is_always_between_first_and_longest(held: list[float]) -> None:
    backoff = Backoff()
    assert all(1 <= backoff.after(seconds) <= 60 for seconds in held)
