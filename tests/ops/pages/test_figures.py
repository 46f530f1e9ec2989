import pytest

from ichat_gw.ops.pages import figures
from ichat_gw.ops.pages.figures import NONE
from ops.pages.values import NOW


def test_times() -> None:
    assert figures.clock(NOW) == (
        '<time datetime="2026-11-23T10:31:07Z" title="2026-11-23 10:31:07 UTC">10:31:07</time>'
    )
    assert "2026-11-23 10:31:07</time>" in figures.moment(NOW)
    assert figures.clock(None) == figures.moment(None) == NONE


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0:00"),
        (-1.0, "0:00"),
        (7.9, "0:07"),
        (65.0, "1:05"),
        (3930.0, "1:05:30"),
        (172_800.0, "2 d 0 h"),
        (None, NONE),
    ],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert figures.span(seconds) == words


@pytest.mark.parametrize(("seconds", "words"), [(0.0851, "85 ms"), (1.239, "1.24 s"), (None, NONE)])
def test_delays(seconds: float | None, words: str) -> None:
    assert figures.delay(seconds) == words


@pytest.mark.parametrize(
    ("part", "words"), [(0.0, "0 %"), (0.0004, "0.04 %"), (0.123, "12 %"), (1.0, "100 %"), (None, NONE)]
)
def test_shares(part: float | None, words: str) -> None:
    assert figures.share(part) == words


def test_numbers() -> None:
    assert figures.count(1234567) == "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567"
    assert figures.count(None) == figures.milliseconds(None) == NONE
    assert figures.milliseconds(1.25) == "1.2 ms"
    assert figures.plural(1, "call") == "1 call"
    assert figures.plural(2, "call") == "2 calls"
    assert figures.plural(2, "foot", "feet") == "2 feet"


def test_sentences_begin_with_a_capital_letter_and_addresses_stay() -> None:
    assert figures.sentence("the caller hung up") == "The caller hung up"
    assert figures.sentence("juliet@example.com is busy") == "juliet@example.com is busy"
    assert figures.sentence("iChat gave up") == "iChat gave up"
    assert figures.sentence("") == ""


def test_addresses() -> None:
    assert figures.address("sip:a@b") == '<span class="addr"><span class="scheme">sip:</span>a<wbr>@b</span>'
    assert figures.address("sip:b") == '<span class="addr"><span class="scheme">sip:</span>b</span>'
    assert figures.address("<b>") == '<span class="addr">&lt;b&gt;</span>'
