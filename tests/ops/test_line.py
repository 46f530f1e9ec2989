"""One event, one line."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.ops.line import escaped, json_line, text_line, timestamp

WHEN = 1795438800.123456

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def test_time_is_utc_with_microseconds() -> None:
    assert timestamp(WHEN) == "2026-11-23T13:00:00.123456Z"
    assert timestamp(WHEN - 0.123456) == "2026-11-23T13:00:00.000000Z"


def test_text() -> None:
    fields = {
        "jid": "alice@example.com",
        "text": "two words",
        "count": 3,
        "on": True,
        "none": None,
        "call": "h-1",
    }
    assert text_line(WHEN, "INFO", "registered", fields) == (
        "2026-11-23T13:00:00.123456Z INFO registered call=h-1 jid=alice@example.com "
        'text="two words" count=3 on=true none=null'
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", '""'),
        ("a=b", '"a=b"'),
        ('say "x"', '"say \\"x\\""'),
        ("a\\b", '"a\\\\b"'),
        ("über", '"über"'),
        ("a\r\nb\tc", '"a\\r\\nb\\tc"'),
        ("\x1b[31m\x9b\x7f\u2028\u202e\ud800", '"\\u001b[31m\\u009b\\u007f\\u2028\\u202e\\ud800"'),
        (["a b", {"c": 1}], '["a b", {"c": 1}]'),
        (["\n\x7f\\"], '["\\n\\u007f\\\\"]'),
        (1.5, "1.5"),
    ],
)
def test_values_in_text(value: object, shown: str) -> None:
    assert text_line(WHEN, "INFO", "e", {"v": value}).endswith(f"INFO e v={shown}")


def test_names_and_events_cannot_break_out() -> None:
    line = text_line(WHEN, "INFO", "a\nb\\n", {"x y\n=": 1})
    assert line.endswith("INFO a\\nb\\\\n x_y__=1")
    assert escaped("plain") == "plain"


def test_json() -> None:
    fields = {"jid": "a\n\u2028", "level": 1, "time": 2, "event": 3, "call": "h-1"}
    line = json_line(WHEN, "INFO", "registered", fields)
    assert json.loads(line) == {
        "time": "2026-11-23T13:00:00.123456Z",
        "level": "INFO",
        "event": "registered",
        "call": "h-1",
        "jid": "a\n\u2028",
        "level_": 1,
        "time_": 2,
        "event_": 3,
    }
    assert list(json.loads(line))[:4] == ["time", "level", "event", "call"]
    assert line.isascii()


@given(st.text(), st.dictionaries(st.text(), values))
def test_any_event_is_one_harmless_line(event: str, fields: dict[str, object]) -> None:
    for make in (text_line, json_line):
        line = make(WHEN, "INFO", event, fields)
        assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in line)
        line.encode()
    json.loads(json_line(WHEN, "INFO", event, fields))
