from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.ops.pages.html import NOTHING, Html, fill, joined, path, text


def test_everything_is_escaped_but_html() -> None:
    assert fill('<a title="{a}">{b}</a>', a="\"'<&>", b=Html("<b>x</b>")) == (
        '<a title="&quot;&#x27;&lt;&amp;&gt;"><b>x</b></a>'
    )
    assert isinstance(fill("{a}", a=1), Html)
    assert joined(["<", Html("<br>"), 3], ", ") == "&lt;, <br>, 3"
    assert text(None) == NOTHING


def test_braces_in_values_stay_braces() -> None:
    assert fill("{{}}{a}", a="{b}{0}") == "{}{b}{0}"


def test_a_missing_value_is_a_bug() -> None:
    with pytest.raises(KeyError):
        fill("{a}")
    with pytest.raises(KeyError):
        fill("{a.__class__}", a="x")


def test_nothing_deceives_the_eye() -> None:
    assert text("a\u202eb\x00c\ufeff") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c" + (
        "\N{REPLACEMENT CHARACTER}"
    )
    assert text("tab\tand\nline\r\n") == "tab\tand\nline\r\n"


def test_paths() -> None:
    assert path("calls", "a/b?c", search="x&y", before="") == "/calls/a%2Fb%3Fc?search=x%26y"
    assert path("", search="") == "/"


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.words += data


@given(st.text(st.characters(codec="utf-8")))
def test_whatever_the_text_is_it_stays_text(value: str) -> None:
    shown = fill('<p title="{value}">{value}</p>', value=value)
    reader = Reader()
    reader.feed(shown)
    reader.close()
    [(tag, [(name, title)])] = reader.seen
    assert (tag, name) == ("p", "title")
    assert title == reader.words
    shown.encode()
