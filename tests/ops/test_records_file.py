"""Records in a file: the same as in memory, and still there after a restart."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ichat_gw.ops.database import DatabaseError
from ichat_gw.ops.records import CallRecord, Search
from ichat_gw.ops.records_file import FileRecords
from ops.test_records import SEARCHES, numbers, record, searched


@pytest.fixture
def records(tmp_path: Path) -> Iterator[FileRecords]:
    found = FileRecords(tmp_path / "records.sqlite")
    yield found
    found.close()


def test_newest_first(records: FileRecords, tmp_path: Path) -> None:
    records.add([record(number) for number in (1, 2, 4, 3)])
    assert numbers(records.search(Search())) == ["4", "3", "2", "1"]
    assert numbers(records.search(Search(limit=1, skip=1))) == ["3"]
    assert records.count(Search(limit=1)) == 4
    assert records.forget(before=1003.0) == 2
    again = FileRecords(tmp_path / "records.sqlite")
    assert numbers(again.search(Search())) == ["4", "3"]
    again.close()


@pytest.mark.parametrize(("search", "found"), SEARCHES)
def test_search(records: FileRecords, search: Search, found: str) -> None:
    records.add(searched())
    assert "".join(numbers(records.search(search))) == found
    assert records.count(search) == len(found)


def test_a_record_comes_back_as_it_was(records: FileRecords) -> None:
    full = record(
        7,
        answered=None,
        status=486,
        rang=1008.25,
        packets_from_caller=5,
        jitter_ms_from_callee=1.5,
        strangers=0,
        caller="'; DROP TABLE record; --",
        codec="PCMU/8000",
    )
    records.add([full])
    assert records.search(Search()) == [full]
    assert isinstance(records.search(Search())[0], CallRecord)


def test_what_cannot_be_stored_is_said(records: FileRecords) -> None:
    with pytest.raises(DatabaseError):
        records.add([record(1), record(2, status=2**70)])
    assert records.search(Search()) == []


def test_text_without_a_form_in_utf_8_keeps_no_record_from_being_stored(records: FileRecords) -> None:
    records.add([record(1), record(2, caller="a\ud800")])
    assert [each.caller for each in records.search(Search())][:1] == ["a\ufffd"]
