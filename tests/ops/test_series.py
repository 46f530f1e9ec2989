from datetime import UTC, datetime

from ichat_gw.ops.series import MOST_DELAYS, Chart, Sample


def chart(now: float = 1000.0, keep: int = 3) -> Chart:
    return Chart(10.0, keep, now)


def test_an_interval_is_summed_up_when_it_is_over() -> None:
    c = chart(1003.0)
    c.began()
    c.began()
    c.ended()
    for delay in (0.1, 0.4, 5.0):
        c.set_up(delay)
    c.sample(Sample(1, received=90, lost=10, jitters_ms=(1.0, 2.0)))
    c.sample(Sample(2, received=100, jitters_ms=(3.0,)))
    assert c.turn(1009.9) is None
    point = c.turn(1010.0)
    assert point is not None
    assert point.at == datetime.fromtimestamp(1010, UTC)
    assert (point.calls, point.begun, point.ended, point.setup_seconds) == (1.5, 2, 1, 0.4)
    assert (point.loss, point.jitter_ms) == (0.05, 2.0)
    assert c.series().points == (point,)
    assert c.series().seconds == 10.0


def test_nothing_measured_is_null_and_calls_stay_as_they_were() -> None:
    c = chart()
    c.sample(Sample(4))
    c.turn(1010.0)
    point = c.turn(1020.0)
    assert point is not None
    assert (point.calls, point.setup_seconds, point.loss, point.jitter_ms) == (4, None, None, None)


def test_memory_is_bounded() -> None:
    c = chart()
    for number in range(MOST_DELAYS * 2):
        c.set_up(number)
    first = c.turn(1010.0)
    assert first is not None
    assert first.setup_seconds == (MOST_DELAYS - 1) / 2
    for now in range(1020, 1100, 10):
        c.turn(now)
    assert [point.at.timestamp() for point in c.points] == [1070, 1080, 1090]


def test_a_process_that_slept_has_a_gap() -> None:
    c = chart()
    c.turn(1010.0)
    c.turn(2005.0)
    assert [point.at.timestamp() for point in c.points] == [1010, 1020]
    assert c.turn(2009.0) is None
    c.turn(2010.0)
    assert [point.at.timestamp() for point in c.points] == [1010, 1020, 2010]


def test_a_clock_set_back_begins_anew() -> None:
    c = chart()
    c.turn(1010.0)
    c.turn(500.0)
    assert [point.at.timestamp() for point in c.points] == [500]
    assert c.turn(505.0) is None
    c.turn(510.0)
    assert [point.at.timestamp() for point in c.points] == [500, 510]
