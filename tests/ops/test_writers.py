"""Whatever stands in a display name, a header or a message: each writer's output is still what it is.

Arbitrary text goes into every place where text of others is written, and what comes out is parsed again:
there is nothing in it that was not there with harmless text, and no character that drives a terminal or turns
text around.
"""

import csv
import io
import json
import unicodedata
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ichat_gw.ops.ladder import ladder, ladder_rich
from ichat_gw.ops.ladder_svg import ladder_html, ladder_svg
from ichat_gw.ops.line import harmless_json, json_line, text_line, whole
from ichat_gw.ops.pages.html import fill, path
from ichat_gw.ops.records import csv_lines
from ichat_gw.ops.trace import CallTrace, Lane, Protocol, TraceEntry
from ichat_gw.ops.verdict import Finding, Verdict
from ops.test_records import record

EVIL = "<script>\"'&;--><![CDATA[]]>\x1b[2J\x9b2J\r\nX: y\u202e\u2066\x00\x85\u2028\ufffe\uffff\udcff=1+1"
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
ANYTHING = st.text(st.characters(exclude_categories=())) | st.text(st.sampled_from(EVIL))


def harmless(shown: str) -> bool:
    """Whether a terminal only shows it: no control but the line end, and nothing that changes direction."""
    return not any(
        (unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") and each != "\n")
        or unicodedata.bidirectional(each) in BIDI
        or each in "\u061c\u200e\u200f\ufeff"
        for each in shown
    )


def trace_of(text: str) -> CallTrace:
    """A call in which others have written `text` wherever they can."""
    entries = (
        TraceEntry(0.0, Protocol.SIP, Lane.PHONE, Lane.GATEWAY, text, text.encode("utf-8", "surrogatepass")),
        TraceEntry(1.0, Protocol.STATE, Lane.GATEWAY, Lane.GATEWAY, text, fields={"why": text}),
    )
    verdict = Verdict(Finding("code", text, text))
    return CallTrace(text, text, text, 0.0, 2.0, verdict, entries)


class Shape(HTMLParser):
    """The tags and the names of attributes of a page, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, ...]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, *(name for name, _ in attrs)))

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment",))


@given(ANYTHING)
@example(EVIL)
def test_a_log_line_is_one_line(text: str) -> None:
    for write in (text_line, json_line):
        line = write(0.0, "INFO", text, {"caller": text, "all": [text]})
        assert "\n" not in line
        assert harmless(line)
    assert json.loads(json_line(0.0, "INFO", "call", {"caller": text}))["caller"] == text


@given(ANYTHING.filter(bool))
@example(EVIL)
def test_a_ladder_only_shows(text: str) -> None:
    assert harmless(ladder(trace_of(text)))
    assert harmless(ladder_rich(trace_of(text)).plain)
    assert len(ladder(trace_of(text)).splitlines()) == len(ladder(trace_of("x")).splitlines())


@given(ANYTHING.filter(bool))
@example(EVIL)
def test_a_drawing_and_its_page_have_the_same_elements(text: str) -> None:
    drawn, plain = (
        [element.tag for element in ElementTree.fromstring(ladder_svg(trace_of(each))).iter()]
        for each in (text, "x")
    )
    assert drawn == plain
    assert Shape(ladder_html(trace_of(text))).found == Shape(ladder_html(trace_of("x"))).found
    assert harmless(ladder_html(trace_of(text)))


@given(ANYTHING)
@example(EVIL)
def test_html_has_the_same_elements(text: str) -> None:
    template = '<a href="{href}" title="{text}">{text}</a>'
    page = fill(template, href=path("calls", text, search=text), text=text)
    assert Shape(page).found == [("a", "href", "title")]
    assert all(each in "\t\n\r" or harmless(each) for each in page)
    assert page.encode()


@given(ANYTHING)
@example(EVIL)
@example(" =1+1")
@example("\x00=1+1")
@example("\uff1d1+1")
@example("sip:a;=1+1")
@example('sip:a;" =1+1')
def test_csv_is_one_record_without_a_formula(text: str) -> None:
    table = "".join(csv_lines([record(sentence=text, caller=text)]))
    for separator in ",;":
        lines = list(csv.reader(io.StringIO(table, newline=""), delimiter=separator))
        assert len(lines) == 2
        if separator == ",":
            assert len(lines[0]) == len(lines[1])
        for cell in lines[1]:
            assert not cell.lstrip().startswith(tuple("=+@|%\uff1d\uff0b\uff0d\uff20"))
    assert harmless(table.replace("\r\n", "\n"))


@given(ANYTHING)
@example(EVIL)
def test_json_at_a_terminal_means_the_same_and_only_shows(text: str) -> None:
    document = json.dumps({text: [text]}, indent=2, ensure_ascii=False)
    assert json.loads(harmless_json(document)) == json.loads(document)
    assert harmless(harmless_json(document))


@pytest.mark.parametrize(
    ("text", "shown"), [("abc", "abc"), ("\u00e9\U0001f600", "\u00e9\U0001f600"), ("\udcffa", "\ufffda")]
)
def test_surrogates_are_replaced(text: str, shown: str) -> None:
    assert whole(text) == shown
