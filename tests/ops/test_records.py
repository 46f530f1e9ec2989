"""Records of calls: what is found, and what a spreadsheet is given."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.ops.records import (
    FIELDS,
    CallRecord,
    MemoryRecords,
    Search,
    csv_lines,
    record_json,
)


def record(number: int = 1, **fields: object) -> CallRecord:
    known: dict[str, object] = {
        "call": f"n-{number}",
        "began": 1000.0 + number,
        "answered": 1002.0 + number,
        "ended": 1012.5 + number,
        "caller": "sip:15551234567@192.0.2.7",
        "callee": "xmpp:alice@example.com",
        "user": "alice@example.com",
        "phone": "192.0.2.7",
        "ended_by": "caller",
        "cause": "HANGUP",
        "status": None,
        "verdict": "hung-up",
        "sentence": "The caller hung up after 10 s.",
        "end_code": "hung-up",
    }
    return CallRecord(**{**known, **fields})  # type: ignore[arg-type]


def numbers(found: list[CallRecord]) -> list[str]:
    return [each.call.removeprefix("n-") for each in found]


def test_newest_first_and_no_more_than_are_kept() -> None:
    records = MemoryRecords(most=3)
    records.add([record(number) for number in (1, 2, 4, 3)])
    assert numbers(records.search(Search())) == ["4", "3", "2"]
    assert numbers(records.search(Search(limit=1, skip=1))) == ["3"]
    assert records.count(Search(limit=1)) == 3
    assert records.forget(before=1003.5) == 2
    assert numbers(records.search(Search())) == ["4"]
    records.close()


SEARCHES = [
    (Search(), "4321"),
    (Search(text="ALICE"), "421"),
    (Search(text="n-3"), "3"),
    (Search(text="busy line"), "3"),
    (Search(text="100%"), ""),
    (Search(text="_"), ""),
    (Search(since=1003.0), "43"),
    (Search(until=1003.0), "21"),
    (Search(verdict="never-sent"), "42"),
    (Search(verdict="hung-up"), "421"),
    (Search(user="carol@example.com"), "3"),
    (Search(user="carol"), ""),
    (Search(text="alice", verdict="never-sent", since=1003.0, user="alice@example.com"), "4"),
]


def searched() -> list[CallRecord]:
    return [
        record(1),
        record(2, verdict="never-sent", audio_from_caller="never-sent"),
        record(
            3,
            user="carol@example.com",
            callee="xmpp:carol@example.com",
            sentence="The busy line.",
            verdict="busy",
            end_code="busy",
        ),
        record(4, verdict="lost", audio_from_callee="never-sent"),
    ]


@pytest.mark.parametrize(("search", "found"), SEARCHES)
def test_search(search: Search, found: str) -> None:
    records = MemoryRecords()
    records.add(searched())
    assert "".join(numbers(records.search(search))) == found
    assert records.count(search) == len(found)


def test_json() -> None:
    shown = record_json(record(began=0.0, answered=None))
    assert shown["began"] == "1970-01-01T00:00:00.000000Z"
    assert shown["answered"] is None
    assert shown["seconds"] == 0
    assert record_json(record())["seconds"] == 9.5 + 1


def test_csv_is_what_rfc_4180_says() -> None:
    lines = list(csv_lines([record(caller='"Bob, the builder" <sip:bob@example.com>')]))
    assert all(line.endswith("\r\n") for line in lines)
    rows = list(csv.reader(io.StringIO("".join(lines), newline="")))
    assert rows[0] == [*FIELDS, "seconds"]
    shown = dict(zip(rows[0], rows[1], strict=True))
    assert shown["caller"] == '"Bob, the builder" <sip:bob@example.com>'
    assert shown["began"] == "1970-01-01T00:16:41.000000Z"
    assert shown["status"] == ""
    assert shown["seconds"] == "10.5"


@given(st.text())
def test_no_cell_is_a_formula_and_no_record_is_two_lines(text: str) -> None:
    lines = list(csv_lines([record(sentence=text)]))
    assert len(lines) == 2
    assert lines[1].count("\n") == 1
    rows = list(csv.reader(io.StringIO("".join(lines), newline="")))
    cell = dict(zip(rows[0], rows[1], strict=True))["sentence"]
    assert cell[:1] not in tuple("=+-@\t\r")
