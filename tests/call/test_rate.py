"""Token buckets, and that no stranger can fill our memory with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.call import rate
from ichat_gw.call.rate import Bucket, Rate


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(2.0, 3.0, 10.0)
    assert [bucket.take(10.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(10.4)
    assert bucket.take(10.5)
    assert not bucket.take(10.5)
    assert [bucket.take(1000.0) for _ in range(4)] == [True, True, True, False]


@given(st.lists(st.floats(0.0, 2.0), max_size=200), st.integers(1, 20))
def test_a_bucket_never_gives_more_than_its_rate_allows(waits: list[float], rate: int) -> None:
    bucket = Bucket(rate, rate, 0.0)
    now = 0.0
    given = 0
    for wait in waits:
        now += wait
        given += bucket.take(now)
        assert given <= rate + rate * now + 1e-6


def test_what_is_remembered_of_sources_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "SOURCES", 8)
    limit = Rate(1, 0)
    assert limit.refuses("busy", 0.0) is None
    for number in range(100):
        assert limit.refuses(f"10.0.0.{number}", 0.0) is None
        # Whoever goes on asking is not forgotten.
        assert limit.refuses("busy", 0.0) == "MaxRequestsPerSecondPerSource"
        assert len(limit) <= 8
