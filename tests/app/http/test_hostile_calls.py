"""Calls whose parties write what they should not: page, API and files tell of them all the same."""

import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from app.watched import CONFIG, WatchedWorld, WorldSource
from ichat_gw.app.http.answers import EXPORTS, Answers, Question
from ichat_gw.config.load import load
from ichat_gw.ops import api_routes
from ichat_gw.ops.access import Access, Asked
from ichat_gw.ops.line import escaped
from ichat_gw.ops.records import Search
from ichat_gw.ops.records_file import FileRecords
from ichat_gw.ops.trace_file import TraceFile

HEAD = Asked("127.0.0.1", "127.0.0.1:5090")
EVIL = "\x9b2J\u202e<script>alert(1)</script>\"'&=1+1;=1+1".encode() + b"\xff\xfe"
LONG = b"9" * 5_000

SDPS = {
    "port": (b"m=audio ", b"m=audio " + LONG),
    "session": (b"s=", b"s=" + EVIL + b" "),
    "codec": (b"a=rtpmap:", b"a=rtpmap:98 " + EVIL.replace(b" ", b"") + b"/8000\r\na=rtpmap:"),
    "number": (b"RTP/AVP 0", b"RTP/AVP 0 " + LONG),
}


def spoilt(data: bytes, place: bytes, by: bytes) -> bytes:
    """A message with something else in it, and the length that it then has."""
    head, blank, body = data.partition(b"\r\n\r\n")
    whole = (head + blank + body).replace(place, by)
    head, blank, body = whole.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    return b"\r\n".join((*lines, b"Content-Length: %d" % len(body))) + blank + body


async def everything_is_told(world: WatchedWorld, tmp_path: Path) -> None:
    config = tmp_path / "gw.config"
    config.write_text(CONFIG)
    source = WorldSource(world, load(config))
    answers = Answers(source, Access())
    records = source._memory.records.search(Search())
    assert records
    FileRecords(tmp_path / "records").add(records)
    traces = [journal.trace() for journal in world.tracing.book.over]
    assert traces
    TraceFile(tmp_path / "traces", 2**20).add(traces)
    paths = ["/", "/calls", "/records", "/users", f"/calls/{records[0].call}"]
    paths += [f"{api_routes.BASE}/{name}" for name in ("status", "calls", "records", "users", "series")]
    for path in paths:
        answer = await answers.answer(Question("GET", path, {}, HEAD))
        assert answer.status == 200, answer.body
        assert b"<script>alert" not in answer.body or answer.content_type == "application/json"
        if answer.content_type == "application/json":
            json.loads(answer.body)
    for ending in EXPORTS:
        path = f"{api_routes.BASE}/calls/{records[0].call}/trace.{ending}"
        answer = await answers.answer(Question("GET", path, {}, HEAD))
        assert answer.status == 200, answer.body
        if ending == "svg":
            ElementTree.fromstring(answer.body)
        if ending in ("txt", "svg", "html"):
            text = answer.body.decode()
            assert all(each == "\n" or escaped(each) in (each, "\\\\") for each in text)
        if ending == "json":
            json.loads(answer.body)
    answer = await answers.answer(Question("GET", f"{api_routes.BASE}/records.csv", {}, HEAD))
    rows = list(csv.reader(io.StringIO(answer.body.decode(), newline="")))
    assert len({len(row) for row in rows}) == 1
    assert answers.snapshots({"status", "calls", "users"})


@pytest.mark.parametrize("name", SDPS)
@pytest.mark.parametrize("phone_calls", [True, False])
async def test_a_phone_with_a_strange_description(name: str, phone_calls: bool, tmp_path: Path) -> None:
    world = WatchedWorld()
    world.phone.outgoing = lambda data: spoilt(data, *SDPS[name])  # type: ignore[method-assign]
    if phone_calls:
        world.phone.dial("alice")
    else:
        world.alice.dial("5551234")
    world.run(3.0)
    world.alice.hang_up()
    world.phone.hang_up()
    world.run(40.0)
    world.tick(looked_at=True)
    await everything_is_told(world, tmp_path)


@pytest.mark.parametrize("status", [302, 403, 486, 503])
async def test_a_phone_refuses_with_a_strange_reason(status: int, tmp_path: Path) -> None:
    world = WatchedWorld()

    def outgoing(data: bytes) -> bytes:
        if not data.startswith(b"SIP/2.0 %d" % status):
            return data
        rest = data.partition(b"\r\n")[2]
        reason = b'SIP/2.0 %d %s\r\nWarning: 399 x "%s"\r\nReason: Q.850;cause=%s;text="%s"' % (
            status,
            EVIL,
            EVIL.replace(b'"', b""),
            LONG,
            EVIL.replace(b'"', b""),
        )
        return reason + b"\r\n" + rest

    world.phone.outgoing = outgoing  # type: ignore[method-assign]
    world.phone.manner = status
    world.alice.dial("5551234")
    world.run(40.0)
    world.tick(looked_at=True)
    await everything_is_told(world, tmp_path)


async def test_a_phone_has_a_strange_name(tmp_path: Path) -> None:
    world = WatchedWorld()
    name = EVIL.replace(b'"', b"").replace(b"\xff", b"")
    world.phone.outgoing = lambda data: spoilt(data, b"Bob", name)  # type: ignore[method-assign]
    world.phone.dial("alice")
    world.run(3.0)
    world.phone.hang_up()
    world.run(40.0)
    world.tick(looked_at=True)
    await everything_is_told(world, tmp_path)
