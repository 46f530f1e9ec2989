"""Every page, every path of the API, every probe: asked of a gateway in memory, without a socket."""

import json
import re
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from app.watched import CONFIG, WatchedWorld, WorldSource, rows
from ichat_gw.app.http.answers import EXPORTS, LONGEST_SEARCH, Answer, Answers, Question
from ichat_gw.config.load import load
from ichat_gw.ops import api, api_routes
from ichat_gw.ops.access import Access, Asked
from ichat_gw.ops.records import RecordsError, Search

HEAD = Asked("127.0.0.1", "127.0.0.1:5090")
EVIL = "<script>alert(1)</script>\"'&\u202e"


class Scene:
    def __init__(self, directory: Path) -> None:
        config = directory / "gw.config"
        config.write_text(CONFIG)
        self.world = WatchedWorld()
        self.world.alice.dial("5551234")
        self.world.run(2.0)
        self.world.talk(self.world.alice, 0.5)
        self.world.talk(self.world.phone, 0.5)
        self.world.run(1.0)
        self.world.alice.hang_up()
        self.world.run(5.0)
        self.world.phone.dial("alice")
        self.world.run(2.0)
        self.world.tick(looked_at=True)
        self.world.run(10.0)
        self.world.tick()
        self.source = WorldSource(self.world, load(config))
        self.answers = Answers(self.source, Access())

    @property
    def live(self) -> str:
        [call] = self.source.calls().calls
        return call.id

    async def ask(self, path: str, method: str = "GET", **more: str) -> Answer:
        path, _, query = path.partition("?")
        asked = dict(part.split("=", 1) for part in query.split("&") if part)
        return await self.answers.answer(Question(method, path, asked | more, HEAD))

    async def value(self, path: str, kind: type) -> object:
        answer = await self.ask(f"{api_routes.BASE}{path}")
        assert (answer.status, answer.content_type) == (200, "application/json"), answer.body
        return msgspec.json.decode(answer.body, type=kind)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def page(scene: Scene, path: str, **more: str) -> str:
    answer = await scene.ask(path, **more)
    assert (answer.status, answer.content_type) == (200, "text/html; charset=utf-8")
    return answer.body.decode()


# --- the API ----------------------------------------------------------------------------------------------


async def test_every_route_of_the_table_answers_what_it_says(scene: Scene) -> None:
    [record] = (await scene.source.records(Search())).records
    for route in api_routes.ROUTES:
        if route.path == "/events":
            continue  # does not end: see test_server
        path = api_routes.BASE + route.path.replace("{id}", record.id)
        question = {"address": "sip:alice@127.0.0.1"} if route.path == "/translate" else {}
        answer = await scene.ask(path, route.method, **question)
        assert answer.status == 200, (route, answer.body)
        if isinstance(route.answer, str):
            assert answer.content_type == route.answer
        else:
            msgspec.json.decode(answer.body, type=route.answer)


async def test_calls_live_and_ended(scene: Scene) -> None:
    calls = await scene.value("/calls", api.Calls)
    assert isinstance(calls, api.Calls)
    assert [call.state for call in calls.calls] == ["talking"]
    detail = await scene.value(f"/calls/{scene.live}", api.CallDetail)
    assert isinstance(detail, api.CallDetail)
    assert detail.live is not None
    assert detail.record is None
    records = await scene.value("/records", api.Records)
    assert isinstance(records, api.Records)
    [ended] = records.records
    assert (ended.cause, ended.ended_by, ended.has_trace) == ("HANGUP", "caller", True)
    assert ended.caller.received == 25
    assert ended.setup_seconds is not None
    past = await scene.value(f"/calls/{ended.id}", api.CallDetail)
    assert isinstance(past, api.CallDetail)
    assert past.record == ended


@pytest.mark.parametrize("ending", EXPORTS)
async def test_a_trace_in_every_form(scene: Scene, ending: str) -> None:
    answer = await scene.ask(f"/api/v1/calls/{scene.live}/trace.{ending}")
    assert answer.status == 200
    headers = answer.all_headers()
    assert headers["Content-Disposition"] == f'attachment; filename="call-{scene.live}.{ending}"'
    assert "sandbox" in headers["Content-Security-Policy"]
    assert answer.body


async def test_records_are_searched_and_paged(scene: Scene) -> None:
    for number in range(4):
        scene.world.store.add([replace_record(scene, f"x-{number}", 1000.0 + number)])
    first = await scene.value("/records?limit=2", api.Records)
    assert isinstance(first, api.Records)
    assert (len(first.records), first.more) == (2, True)
    # As a form sends it: the plus sign of the time zone as a blank.
    before = first.records[-1].began.isoformat().replace("+", " ")
    rest = await scene.ask("/api/v1/records", before=before, limit="500")
    found = msgspec.json.decode(rest.body, type=api.Records)
    assert [record.id for record in found.records] == ["x-2", "x-1", "x-0"]
    assert not found.more
    searched = await scene.value("/records?search=X-3", api.Records)
    assert isinstance(searched, api.Records)
    assert [record.id for record in searched.records] == ["x-3"]
    assert not searched.records[0].has_trace


def replace_record(scene: Scene, call: str, began: float):
    [record] = [record for record in scene.world.store.search(Search()) if not record.call.startswith("x")]
    return msgspec.structs.replace(record, call=call, began=began)


async def test_csv_is_all_that_was_searched_for(scene: Scene) -> None:
    answer = await scene.ask("/api/v1/records.csv?search=alice")
    assert answer.headers == (("Content-Disposition", 'attachment; filename="calls.csv"'),)
    head, *body = rows(answer.body)
    assert head[0] == "call"
    assert len(body) == 1
    nothing = await scene.ask("/api/v1/records.csv?search=nobody")
    assert len(rows(nothing.body)) == 1


async def test_settings_hide_secrets(scene: Scene) -> None:
    answer = await scene.ask("/api/v1/settings")
    assert b"geheim" not in answer.body
    assert b"sesam" not in answer.body
    settings = msgspec.json.decode(answer.body, type=api.SettingValues)
    password = next(each for each in settings.settings if each.name == "HttpAuthPwd")
    assert password.secret
    assert not password.is_default
    assert "sesam" not in await page(scene, "/settings")


async def test_the_rules_are_tried(scene: Scene) -> None:
    trial = await scene.value("/translate?address=sip:alice@127.0.0.1", api.RuleTrial)
    assert isinstance(trial, api.RuleTrial)
    assert (trial.winner, trial.output) == (2, "xmpp:alice@jabber.localhost")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/translate", 400),
        ("/series?span=year", 400),
        ("/records?before=yesterday", 400),
        ("/records?before=0001-01-01T00:00:00%2B14:00", 400),
        ("/records?limit=0", 400),
        ("/records?limit=501", 400),
        ("/records?limit=ten", 400),
        ("/calls/nobody", 404),
        ("/calls/nobody/trace", 404),
        ("/calls/nobody/trace.exe", 404),
        ("/calls/a/b", 404),
        ("/nothing", 404),
        ("/", 404),
    ],
)
async def test_what_the_api_cannot_answer_is_said_in_json(scene: Scene, path: str, status: int) -> None:
    answer = await scene.ask(f"/api/v1{path}")
    assert (answer.status, answer.content_type) == (status, "application/json")
    assert json.loads(answer.body)["error"]


@pytest.mark.parametrize("before", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_time_that_no_clock_shows_is_none(scene: Scene, before: str) -> None:
    assert (await scene.ask(f"/records?before={before}")).status == 400
    assert (await scene.ask(f"/api/v1/records?before={before}")).status == 400


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "PUT", "get", "TRACE", "x"])
@pytest.mark.parametrize(
    "path",
    [
        *("/", "//", "/settings", "/Settings", "//settings", "/settings/", "/metrics", "/static/"),
        *("/healthz/", "//healthz", "/Healthz", "/healthz/../settings", "/healthz\0", "/healthz/settings"),
        *("/static/../settings", "/static/page.css/", "/static//page.css", "/favicon.ico/"),
        *("/api/v1/status", "/api/v1/events", "/api/v1/reload", "*", ""),
    ],
)
async def test_no_way_of_writing_it_goes_round_the_password(scene: Scene, method: str, path: str) -> None:
    answers = Answers(scene.source, Access("sesam"))
    for authorization in ("", "Basic", f"Basic {b64encode(b'admin').decode()}", "Bearer sesam", "sesam"):
        head = replace(HEAD, authorization=authorization, asking="1")
        answer = answers.turned_away(Question(method, path, {}, head), 0.0)
        assert answer is not None
        assert answer.status == 401


@pytest.mark.parametrize(
    ("path", "status"),
    [("/healthz", 200), ("/static/page.css", 200), ("/static/icon.svg", 200), ("/favicon.ico", 404)],
)
async def test_what_is_no_secret_needs_no_password(scene: Scene, path: str, status: int) -> None:
    scene.answers.access = Access("sesam")
    for method in ("GET", "HEAD"):
        assert scene.answers.turned_away(Question(method, path, {}, HEAD), 0.0) is None
    assert (await scene.ask(path)).status == status
    assert scene.answers.turned_away(Question("POST", path, {}, replace(HEAD, asking="1")), 0.0) is not None


async def test_what_was_mistyped_once_does_not_keep_the_operator_out(scene: Scene) -> None:
    """A browser sends it again with everything that it asks for."""
    scene.answers.access = Access("sesam")

    def ask(path: str, password: str) -> int:
        head = replace(HEAD, authorization=f"Basic {b64encode(f'me:{password}'.encode()).decode()}")
        answer = scene.answers.turned_away(Question("GET", path, {}, head), 0.0)
        return 200 if answer is None else answer.status

    for _ in range(3):
        assert ask("/", "sesame") == 401
        assert [ask(f"/static/{name}", "sesame") for name in ("page.css", "page.js", "icon.svg")] == [200] * 3
        assert ask("/api/v1/events", "sesame") == 401
    assert ask("/", "sesam") == 200


@pytest.mark.parametrize(
    "name", ["../../config/table.py", "..", ".", "", "/etc/passwd", "page.css/", "%2e%2e/x", "page.css\0"]
)
async def test_no_file_but_those_of_the_page(scene: Scene, name: str) -> None:
    assert (await scene.ask(f"/static/{name}")).status == 404


async def test_only_reload_changes_anything_and_only_by_post(scene: Scene) -> None:
    answer = await scene.ask("/api/v1/reload")
    assert (answer.status, dict(answer.headers)["Allow"]) == (405, "POST")
    answer = await scene.ask("/api/v1/status", "POST")
    assert (answer.status, dict(answer.headers)["Allow"]) == (405, "GET, HEAD")
    assert (await scene.ask("/settings", "DELETE")).status == 405
    assert scene.source.reloads == 0
    assert (await scene.ask("/api/v1/reload", "POST")).status == 200
    assert (await scene.ask("/api/v1/reload", "POST")).status == 422
    assert scene.source.reloads == 2


async def test_records_that_cannot_be_read(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(search: Search) -> list[object]:
        raise RecordsError("the disk is gone; bring it back")

    monkeypatch.setattr(scene.world.store, "search", fails)
    answer = await scene.ask("/api/v1/records")
    assert (answer.status, json.loads(answer.body)["error"]) == (503, "the disk is gone; bring it back")


# --- pages ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", ["Ready", "Not ready", "Live calls", "Relay worker 0", "hung up"]),
        ("/?span=day", ["The last day"]),
        ("/?span=nonsense", ["The last hour"]),
        ("/calls", ["talking", "PCMU/8000"]),
        ("/records", ["hung up after"]),
        ("/records?search=alice", ['value="alice"']),
        ("/records?search=nobody", ["No call is like that."]),
        ("/users", ["alice", "sip:</span>alice"]),
        ("/users?search=bob", ["Nobody is like that."]),
        ("/rules", ["Nobody is called."]),
        ("/rules?address=sip:alice@127.0.0.1", ["Rule 2 makes it"]),
        ("/rules?address=tel:1", ["No rule matches"]),
        ("/settings", ["TranslationPattern", "JabberComponentName", "by default"]),
    ],
)
async def test_pages(scene: Scene, path: str, words: list[str]) -> None:
    shown = await page(scene, path)
    assert any(word in shown for word in words) if path == "/" else all(word in shown for word in words)
    assert shown.startswith("<!doctype html>")
    assert not re.search(r"\sstyle=|\son[a-z]+=|javascript:|https?://", shown)


async def test_the_page_of_a_call_has_every_message(scene: Scene) -> None:
    for call in (scene.live, (await scene.source.records(Search())).records[0].id):
        shown = await page(scene, f"/calls/{call}")
        trace = await scene.source.trace(call)
        assert trace is not None
        assert shown.count('<li class="row') == len(trace.entries)
        assert len(trace.entries) > 10
        assert "INVITE" in shown


async def test_a_call_without_its_messages(scene: Scene) -> None:
    scene.world.store.add([replace_record(scene, "old-1", 1000.0)])
    assert "no longer kept" in await page(scene, "/calls/old-1")


async def test_there_are_older_ones(scene: Scene) -> None:
    for number in range(60):
        scene.world.store.add([replace_record(scene, f"x-{number}", 1000.0 + number)])
    shown = await page(scene, "/records")
    [older] = re.findall(r'href="(/records\?[^"]*)">Older', shown)
    next_page = await scene.ask(older.replace("%3A", ":").replace("%2B", "+"))
    assert b"The latest" in next_page.body


async def test_hostile_text_stays_text(scene: Scene) -> None:
    [record] = scene.world.store.search(Search())
    evil = msgspec.structs.replace(
        record, call="e-1", caller=f"sip:{EVIL}", callee=EVIL, sentence=EVIL, remedy=EVIL
    )
    scene.world.store.add([evil])
    for path in ("/", "/records", "/calls/e-1"):
        shown = await page(scene, path)
        assert "<script>alert" not in shown
        assert "\u202e" not in shown
    for path in ("/records", "/users", "/rules"):
        shown = await page(scene, path, search=EVIL, address=EVIL)
        assert "<script>alert" not in shown


async def test_long_searches_are_cut(scene: Scene) -> None:
    assert "x" * (LONGEST_SEARCH + 1) not in await page(scene, "/records", search="x" * 5000)
    assert "too long" not in await page(scene, "/rules", address="x" * 100_000)


@pytest.mark.parametrize("path", ["/nothing", "/calls/nobody", "/calls/", "//", "/static"])
async def test_a_page_that_is_not_there(scene: Scene, path: str) -> None:
    answer = await scene.ask(path)
    assert (answer.status, answer.content_type) == (404, "text/html; charset=utf-8")
    assert b"<main" in answer.body


# --- probes, metrics, files -------------------------------------------------------------------------------


async def test_probes(scene: Scene) -> None:
    assert (await scene.ask("/healthz")).body == b"ok\n"
    scene.world.seen.tally.connector_started(1, scene.world.at)
    ready = await scene.ask("/readyz")
    assert (ready.status, ready.body) == (200, b"ok\n")
    scene.world.connector_dies(back_after=99.0)
    missing = await scene.ask("/readyz")
    assert (missing.status, missing.body) == (503, b"not connected to the XMPP server\n")


async def test_metrics(scene: Scene) -> None:
    answer = await scene.ask("/metrics")
    assert answer.content_type.startswith("text/plain")
    assert b'ichat_gw_calls{state="talking"} 1.0' in answer.body


async def test_files_are_cached(scene: Scene) -> None:
    answer = await scene.ask("/static/page.css")
    tag = answer.all_headers()["ETag"]
    assert answer.all_headers()["Cache-Control"] == "no-cache"
    again = await scene.answers.answer(Question("GET", "/static/page.css", {}, HEAD, known=tag))
    assert (again.status, again.body) == (304, b"")
    missing = await scene.ask("/static/../answers.py")
    assert (missing.status, missing.content_type) == (404, "text/plain; charset=utf-8")


def test_everything_has_the_headers_that_bind_a_browser() -> None:
    headers = Answer(200, b"").all_headers()
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


# --- who may ------------------------------------------------------------------------------------------------


def test_who_may_not_is_told_in_his_language(scene: Scene) -> None:
    scene.answers.access = Access("sesam")
    page_ = scene.answers.turned_away(Question("GET", "/", {}, HEAD), 0.0)
    assert page_ is not None
    assert (page_.status, page_.content_type) == (401, "text/html; charset=utf-8")
    assert "WWW-Authenticate" in page_.all_headers()
    value = scene.answers.turned_away(Question("GET", "/api/v1/status", {}, HEAD), 0.0)
    assert value is not None
    assert json.loads(value.body)["error"] == "a password is needed"
    scraped = scene.answers.turned_away(Question("GET", "/metrics", {}, HEAD), 0.0)
    assert scraped is not None
    assert scraped.content_type.startswith("text/plain")
    assert scene.answers.turned_away(Question("GET", "/readyz", {}, HEAD), 0.0) is None
    right = replace(HEAD, authorization="Basic " + b64encode(b"me:sesam").decode())
    assert scene.answers.turned_away(Question("GET", "/", {}, right), 0.0) is None
    posted = scene.answers.turned_away(Question("POST", "/api/v1/reload", {}, right), 0.0)
    assert posted is not None
    assert posted.status == 403


def test_a_stream_begins_with_what_is_so_now(scene: Scene) -> None:
    begin = b"".join(scene.answers.greeting())
    assert begin.startswith(b"event: calls\ndata: {")
    assert b"event: status\n" in begin
    assert [name for name, _ in scene.answers.snapshots({"users", "status"})] == ["status", "users"]
    assert scene.answers.snapshots(set()) == []
