"""Who misbehaves, how much of it is too much, and that what is remembered is bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.call import ignored
from ichat_gw.call.ignored import Ignored


def test_misdeeds_are_forgiven_in_time() -> None:
    sources = Ignored(after=6, seconds=10.0)
    for minute in range(100):
        assert not any(sources.misdeed("careless", minute * 60.0 + second * 10.0) for second in range(6))
    assert not sources


def test_silence_is_not_made_longer_by_what_nobody_reads() -> None:
    sources = Ignored(after=1, seconds=10.0)
    assert [sources.misdeed("scanner", 0.0) for _ in range(9)] == [False, True, *[False] * 7]
    assert sources.sources(4.0) == {"scanner": 6.0}
    assert not sources.contains("scanner", 10.0)
    assert sources.sources(10.0) == {}


def test_nobody_is_ignored_when_the_setting_says_so() -> None:
    sources = Ignored(after=0, seconds=10.0)
    assert not any(sources.misdeed("scanner", 0.0) for _ in range(1000))


def test_other_settings() -> None:
    sources = Ignored(after=2, seconds=10.0)
    sources.misdeed("suspect", 0.0)
    sources.misdeed("suspect", 0.0)
    sources.reconfigure(after=2, seconds=20.0)
    assert sources.misdeed("suspect", 0.0)
    assert sources.sources(0.0) == {"suspect": 20.0}
    sources.reconfigure(after=3, seconds=20.0)
    assert sources.contains("suspect", 19.9)
    sources.reconfigure(after=0, seconds=20.0)
    assert not sources.contains("suspect", 0.0)


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0.0, 1.0)), max_size=300))
def test_memory_is_bounded_whatever_strangers_do(deeds: list[tuple[int, float]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ignored, "SOURCES", 8)
        sources, now = Ignored(after=1, seconds=5.0), 0.0
        for source, wait in deeds:
            now += wait
            sources.misdeed(str(source), now)
            if source % 5 == 0:
                sources.exempt(str(source + 100))
            assert max(len(sources._suspects), len(sources._until), len(sources._exempt)) <= 8


def test_those_heard_of_least_recently_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ignored, "SOURCES", 2)
    sources = Ignored(after=1, seconds=5.0)
    for source in ("a", "b", "c"):
        sources.misdeed(source, 0.0)
        sources.misdeed(source, 0.0)
    assert sources.sources(0.0) == {"b": 5.0, "c": 5.0}
    for source in ("b", "c", "d"):
        sources.exempt(source)
    assert not sources
    assert [sources.misdeed("b", 1.0) for _ in range(2)] == [False, True]
    assert [sources.misdeed("d", 1.0) for _ in range(2)] == [False, False]
