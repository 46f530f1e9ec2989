"""The drawing and the page: well-formed, whole, and nothing of what others wrote is taken for markup."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

from hypothesis import example, given
from hypothesis import strategies as st

from ichat_gw.ops.ladder_svg import ladder_html, ladder_svg
from ichat_gw.ops.trace import CallTrace
from ops.traces import everything, hostile

SVG = "{http://www.w3.org/2000/svg}"
EVIL = '</pre></title><script>alert(1)</script>\'" onload="x" ]]> &amp; \x00\x1b[31m\u202e'


class Tags(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


def test_every_entry_is_drawn() -> None:
    trace = everything()
    root = ElementTree.fromstring(ladder_svg(trace))
    groups = root.findall(f"{SVG}g")
    assert len(groups) == len(trace.entries)
    assert [group.findtext(f"{SVG}title") for group in groups][4] == "INVITE sip:bob@192.0.2.7"
    assert len(root.findall(f"{SVG}line")) == len(trace.lanes)


def test_the_page_has_every_byte_and_the_verdict() -> None:
    trace = everything()
    page = ladder_html(trace)
    assert page.count("<details>") == sum(bool(entry.content or entry.fields) for entry in trace.entries)
    assert "<strong>bob hung up after 9 s.</strong>" in page
    assert "What to do: nothing." in page
    assert "&lt;iq type=&#x27;set&#x27;" in page
    assert "192.0.2.7:5060 to 192.0.2.1:5070, UDP: 200 OK (INVITE)" in page
    assert "<svg" in page


def test_a_call_without_entries_or_verdict() -> None:
    page = ladder_html(CallTrace("n-1", "", "", 0.0, None, None, ()))
    assert "<svg" in page
    assert "<strong>" not in page


def test_nothing_is_run_and_nothing_is_fetched() -> None:
    page = ladder_html(everything())
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=|url\(|@import", page)
    assert "default-src 'none'" in page


@given(st.text(min_size=1))
@example(EVIL)
def test_whatever_others_write_is_text(text: str) -> None:
    ElementTree.fromstring(ladder_svg(hostile(text)))
    harmless = Tags(ladder_html(hostile("harmless")))
    found = Tags(ladder_html(hostile(text)))
    assert found.tags == harmless.tags
    assert found.attributes == harmless.attributes
    assert "\x1b" not in ladder_html(hostile(text))
