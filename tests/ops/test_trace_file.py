"""Traces in a file: whole, and no more of them than there is room for."""

import random
from pathlib import Path

import pytest
from msgspec.structs import replace

from ichat_gw.ops.database import DatabaseError
from ichat_gw.ops.trace import CallTrace, Lane, Protocol, TraceEntry
from ichat_gw.ops.trace_file import TraceFile
from ops.traces import everything


def test_a_trace_comes_back_as_it_was(tmp_path: Path) -> None:
    file = TraceFile(tmp_path / "traces", 10**6)
    trace = everything()
    file.add([trace, replace(trace, call="n-2")])
    file.add([replace(trace, left_out=7)])
    file.close()
    again = TraceFile(tmp_path / "traces", 10**6)
    assert again.find("n-1") == replace(trace, left_out=7)
    assert again.find("n-3") is None
    assert again.calls() == ["n-1", "n-2"]
    again.close()


def test_the_oldest_make_room(tmp_path: Path) -> None:
    file = TraceFile(tmp_path / "traces", 5_500)
    for number in range(9):
        content = random.Random(number).randbytes(1_000)
        entry = TraceEntry(0.0, Protocol.SIP, Lane.PHONE, Lane.GATEWAY, "", content)
        file.add([CallTrace(f"n-{number}", "", "", 0.0, 1.0, None, (entry,))])
    assert file.calls() == ["n-8", "n-7", "n-6", "n-5"]
    file.close()


def test_one_that_is_damaged_is_said(tmp_path: Path) -> None:
    file = TraceFile(tmp_path / "traces", 10**6)
    file.add([everything()])
    for body in (b"junk", b"x\x9cc`\x00\x00\x00\x02\x00\x01"):
        file._file.write(("UPDATE trace SET body = ?", [(body,)]))
        with pytest.raises(DatabaseError, match="damaged"):
            file.find("n-1")
    file.close()
