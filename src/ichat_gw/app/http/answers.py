"""What becomes of a request: the status page, the JSON API, the metrics and the probes.

No socket here, and nothing of aiohttp: a request comes in as `Question`, an answer goes out as `Answer`. The
one that does not end, the stream of events, is `server`'s own.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import resources
from typing import TypeAlias

import msgspec

from ichat_gw.addressing.translation import MAX_ADDRESS
from ichat_gw.app.http.feed import written
from ichat_gw.app.http.source import Source
from ichat_gw.errors import GatewayError
from ichat_gw.ops.access import Access, Asked
from ichat_gw.ops.api import CallDetail, ErrorReply, encode
from ichat_gw.ops.api_routes import BASE, DEFAULT_RECORDS, MAX_RECORDS
from ichat_gw.ops.ladder import ladder
from ichat_gw.ops.ladder_svg import ladder_html, ladder_svg
from ichat_gw.ops.pages.calls import call_page, live_calls
from ichat_gw.ops.pages.layout import Page, error_page, render
from ichat_gw.ops.pages.overview import SPANS, overview
from ichat_gw.ops.pages.records import records_page
from ichat_gw.ops.pages.rules import rules_page
from ichat_gw.ops.pages.settings import settings_page
from ichat_gw.ops.pages.users import users_page
from ichat_gw.ops.pcap import pcap
from ichat_gw.ops.records import Search
from ichat_gw.ops.trace import CallTrace, trace_json

JSON = "application/json"
HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
PROBES = frozenset({"/healthz", "/readyz"})
"""What tells nothing but yes or no, and so needs no password."""
STATIC = "/static/"
"""Where the files of the pages are. They are the same in every gateway, so they need no password, either."""
FAVICON = "/favicon.ico"
"""What browsers ask for unasked; there is none."""
LONGEST_SEARCH = 200
"""Characters."""
ON_OVERVIEW = 5
"""Ended calls on the first page."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy: nothing from elsewhere, nothing inline, nobody frames it."""
_FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""That of a call's trace as a file: it brings its own style, and may do nothing."""

_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), microphone=(), geolocation=()"),
)


@dataclass(frozen=True, slots=True)
class Question:
    """A request, as far as it matters here."""

    method: str
    path: str
    """Decoded, without the query."""
    query: Mapping[str, str] = field(default_factory=dict)
    head: Asked = field(default_factory=lambda: Asked(""))
    accept: str = ""
    known: str = ""
    """If-None-Match: what the client has already."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; `headers` beside those that all have."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    policy: str = POLICY

    def all_headers(self) -> dict[str, str]:
        """Every header but Content-Length."""
        return {
            "Content-Type": self.content_type,
            "Content-Security-Policy": self.policy,
            "Cache-Control": "no-store",
            **dict(_HEADERS),
            **dict(self.headers),
        }


_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
"""Of the files that the pages need."""


class NotAnswered(Exception):
    """What is asked for cannot be given."""

    def __init__(self, status: int, text: str, remedy: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.reply = ErrorReply(error=text, remedy=remedy)


Export: TypeAlias = Callable[[CallTrace], bytes]
"""Makes a file of a trace."""


def _json_file(trace: CallTrace) -> bytes:
    return msgspec.json.encode(trace_json(trace))


EXPORTS: dict[str, tuple[str, Export]] = {
    "json": (JSON, _json_file),
    "txt": (TEXT, lambda trace: ladder(trace).encode("utf-8", "backslashreplace")),
    "svg": ("image/svg+xml", lambda trace: ladder_svg(trace).encode("utf-8", "backslashreplace")),
    "html": (HTML, lambda trace: ladder_html(trace).encode("utf-8", "backslashreplace")),
    "pcap": ("application/vnd.tcpdump.pcap", pcap),
}
"""The files that a trace can be had as: by their ending, content type and how they are made."""


class Answers:
    """Answers every request that ends. Never raises."""

    def __init__(self, source: Source, access: Access) -> None:
        self._source = source
        self.access = access
        """May be replaced while the server runs, when the settings change."""
        self._static = _static_files()
        self._open = PROBES | {FAVICON} | {f"{STATIC}{name}" for name in self._static}
        """What needs no password."""
        self._pages: dict[str, Callable[[Question], Awaitable[Page]]] = {
            "/": self._overview,
            "/calls": self._calls,
            "/records": self._records,
            "/users": self._users,
            "/rules": self._rules,
            "/settings": self._settings,
        }
        self._values: dict[str, Callable[[Question], Awaitable[Answer]]] = {
            "/status": self._api_status,
            "/calls": self._api_calls,
            "/records": self._api_records,
            "/records.csv": self._api_csv,
            "/users": self._api_users,
            "/series": self._api_series,
            "/settings": self._api_settings,
            "/translate": self._api_translate,
        }

    def turned_away(self, question: Question, now: float) -> Answer | None:
        """The refusal, if who asks may not; `now` is monotonic."""
        head = replace(
            question.head,
            changes=question.method not in ("GET", "HEAD"),
            is_open=question.path in self._open and question.method in ("GET", "HEAD"),
        )
        denied = self.access.denied(head, now)
        if denied is None:
            return None
        return self._error(question, NotAnswered(denied.status, denied.text, denied.remedy), denied.headers)

    async def answer(self, question: Question) -> Answer:
        """Answer a question that is not turned away."""
        self._source.catch_up()
        try:
            return await self._answer(question)
        except NotAnswered as error:
            return self._error(question, error)
        except GatewayError as error:
            return self._error(question, NotAnswered(503, str(error)))

    async def _answer(self, question: Question) -> Answer:
        path, method = question.path, question.method
        if path == f"{BASE}/reload":
            if method != "POST":
                raise NotAnswered(405, "this changes something", "use POST")
            reply = self._source.reload()
            return Answer(200 if reply.done else 422, encode(reply))
        if method not in ("GET", "HEAD"):
            raise NotAnswered(405, "this can only be read", "use GET")
        if path.startswith(f"{BASE}/"):
            return await self._api(path.removeprefix(BASE), question)
        if path.startswith(STATIC):
            return self._file(path.removeprefix(STATIC), question)
        if path == "/healthz":
            return Answer(200, b"ok\n", TEXT)
        if path == "/readyz":
            missing = self._source.ready()
            words = "".join(f"{each}\n" for each in missing) or "ok\n"
            return Answer(503 if missing else 200, words.encode(), TEXT)
        if path == "/metrics":
            body, content_type = self._source.metrics(question.accept)
            return Answer(200, body, content_type)
        return await self._page(path, question)

    def _error(
        self, question: Question, error: NotAnswered, headers: tuple[tuple[str, str], ...] = ()
    ) -> Answer:
        """In the language of who asked: JSON for the API, a page for people, text for the rest."""
        reply, path = error.reply, question.path
        if error.status == 405:
            headers = (*headers, ("Allow", "POST" if path == f"{BASE}/reload" else "GET, HEAD"))
        if path.startswith("/api/"):
            return Answer(error.status, encode(reply), JSON, headers)
        if path in PROBES or path in ("/metrics", FAVICON) or path.startswith(STATIC):
            words = "; ".join(part for part in (reply.error, reply.remedy) if part)
            return Answer(error.status, f"{words}\n".encode("utf-8", "replace"), TEXT, headers)
        page = error_page(error.status, reply.error, reply.remedy)
        return Answer(error.status, render(page, self._source.version), HTML, headers)

    # --- events -------------------------------------------------------------------------------------------

    def greeting(self) -> list[bytes]:
        """The events that a new stream begins with."""
        self._source.catch_up()
        return [written(name, body) for name, body in self.snapshots({"status", "calls"})]

    def snapshots(self, changed: set[str]) -> list[tuple[str, bytes]]:
        """Names and data of those events that tell how things are, when this has changed."""
        found = [("calls", encode(self._source.calls()))] if "calls" in changed else []
        if changed & {"status", "users"}:
            status = encode(self._source.status())
            found += [(name, status) for name in ("status", "users") if name in changed]
        return found

    # --- pages --------------------------------------------------------------------------------------------

    async def _page(self, path: str, question: Question) -> Answer:
        found = re.fullmatch("/calls/([^/]{1,200})", path)
        if found is not None:
            return await self._call(found[1])
        if (make := self._pages.get(path)) is not None:
            page = await make(question)
        else:
            raise NotAnswered(404, "there is no such page", "the pages are named above")
        return Answer(200, render(page, self._source.version), HTML)

    async def _overview(self, question: Question) -> Page:
        span = question.query.get("span", "hour")
        chosen = span if span in dict(SPANS) else "hour"
        latest = await self._source.records(Search(limit=ON_OVERVIEW))
        return overview(self._source.status(), self._source.series(chosen), latest, chosen)

    async def _calls(self, question: Question) -> Page:
        return live_calls(self._source.calls())

    async def _call(self, call: str) -> Answer:
        detail, trace = await self._detail(call), await self._source.trace(call)
        # A long call has thousands of messages: not in the loop that carries the calls.
        body = await asyncio.to_thread(lambda: render(call_page(detail, trace), self._source.version))
        return Answer(200, body, HTML)

    async def _records(self, question: Question) -> Page:
        search = _search_of(question)
        before = datetime.fromtimestamp(search.until, UTC) if search.until is not None else None
        return records_page(await self._source.records(search), search.text, before)

    async def _users(self, question: Question) -> Page:
        return users_page(self._source.users(), question.query.get("search", "")[:LONGEST_SEARCH])

    async def _rules(self, question: Question) -> Page:
        address = question.query.get("address", "").strip()[: MAX_ADDRESS + 1]
        return rules_page(self._source.translate(address) if address else None)

    async def _settings(self, question: Question) -> Page:
        return settings_page(self._source.settings())

    async def _detail(self, call: str) -> CallDetail:
        live = self._source.call(call)
        record = None if live is not None else await self._source.record(call)
        if live is None and record is None:
            raise NotAnswered(404, "no such call is known", "the records of old calls are removed in time")
        return CallDetail(live=live, record=record)

    # --- the API ------------------------------------------------------------------------------------------

    async def _api(self, path: str, question: Question) -> Answer:
        if (make := self._values.get(path)) is not None:
            return await make(question)
        if found := re.fullmatch("/calls/([^/]{1,200})", path):
            return Answer(200, encode(await self._detail(found[1])))
        if found := re.fullmatch(r"/calls/([^/]{1,200})/trace(?:\.([a-z]{1,5}))?", path):
            return await self._trace(found[1], found[2])
        raise NotAnswered(404, "there is no such thing in the API", "its paths are in docs/reference/api.md")

    async def _trace(self, call: str, ending: str | None) -> Answer:
        if ending is not None and ending not in EXPORTS:
            endings = ", ".join(EXPORTS)
            raise NotAnswered(404, f"a trace cannot be had as .{ending}", f"it can as {endings}")
        trace = await self._source.trace(call)
        if trace is None:
            raise NotAnswered(
                404, "the messages of this call are not known", "TraceCalls says how many are kept"
            )
        content_type, export = EXPORTS[ending or "json"]
        headers: tuple[tuple[str, str], ...] = ()
        if ending is not None:
            name = re.sub("[^A-Za-z0-9_-]", "_", trace.call)
            headers = (("Content-Disposition", f'attachment; filename="call-{name}.{ending}"'),)
        body = await asyncio.to_thread(export, trace)
        return Answer(200, body, content_type, headers, _FILE_POLICY)

    async def _api_status(self, question: Question) -> Answer:
        return Answer(200, encode(self._source.status()))

    async def _api_calls(self, question: Question) -> Answer:
        return Answer(200, encode(self._source.calls()))

    async def _api_records(self, question: Question) -> Answer:
        return Answer(200, encode(await self._source.records(_search_of(question))))

    async def _api_csv(self, question: Question) -> Answer:
        body = await self._source.csv(Search(text=_search_of(question).text))
        disposition = ("Content-Disposition", 'attachment; filename="calls.csv"')
        return Answer(200, body, "text/csv; charset=utf-8", (disposition,))

    async def _api_users(self, question: Question) -> Answer:
        return Answer(200, encode(self._source.users()))

    async def _api_series(self, question: Question) -> Answer:
        span = question.query.get("span", "hour")
        if span not in dict(SPANS):
            raise NotAnswered(400, "there is no such span", "it is hour or day")
        return Answer(200, encode(self._source.series(span)))

    async def _api_settings(self, question: Question) -> Answer:
        return Answer(200, encode(self._source.settings()))

    async def _api_translate(self, question: Question) -> Answer:
        address = question.query.get("address", "")
        if not address:
            raise NotAnswered(400, "no address is given", "ask with ?address=xmpp:user@domain")
        return Answer(200, encode(self._source.translate(address[: MAX_ADDRESS + 1])))

    # --- files --------------------------------------------------------------------------------------------

    def _file(self, name: str, question: Question) -> Answer:
        found = self._static.get(name)
        if found is None:
            raise NotAnswered(404, "there is no such file")
        body, content_type, tag = found
        headers = (("ETag", tag), ("Cache-Control", "no-cache"))
        if question.known == tag:
            return Answer(304, b"", content_type, headers)
        return Answer(200, body, content_type, headers)


def _static_files() -> dict[str, tuple[bytes, str, str]]:
    """The files that the pages need: content, type and tag by name."""
    found = {}
    for file in resources.files("ichat_gw.ops.pages").joinpath("static").iterdir():
        body = file.read_bytes()
        content_type = _TYPES[file.name.rpartition(".")[2]]
        found[file.name] = body, content_type, f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    return found


def _search_of(question: Question) -> Search:
    """What is searched for. Raises NotAnswered."""
    query = question.query
    text = query.get("search", "").strip()[:LONGEST_SEARCH]
    until, limit = None, DEFAULT_RECORDS
    if before := query.get("before"):
        try:
            # A plus sign in a query means a blank.
            at = datetime.fromisoformat(before.replace(" ", "+"))
            until = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
            datetime.fromtimestamp(
                until, UTC
            )  # in the first and the last hours there are no such times in UTC
        except (ValueError, OverflowError):
            raise NotAnswered(400, "before is no time", "write it like 2026-11-23T10:31:07Z") from None
    if asked := query.get("limit"):
        if not re.fullmatch("[0-9]{1,4}", asked) or not 1 <= int(asked) <= MAX_RECORDS:
            raise NotAnswered(400, "limit is no such number", f"write a whole number from 1 to {MAX_RECORDS}")
        limit = int(asked)
    return Search(text=text, until=until, limit=limit)
