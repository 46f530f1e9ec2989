"""Text in manual pages."""

import pytest

from ichat_gw.config import roff


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("a  b\n c", "a b c"),
        ("-sp \\x `code`", "\\-sp \\ex code"),
        (".hidden", "\\&.hidden"),
        ("'quoted'", "\\&'quoted'"),
    ],
)
def test_nothing_is_a_request_or_an_escape(words: str, written: str) -> None:
    assert roff.text(words) == written


def test_lines_that_stay_as_they_are() -> None:
    assert roff.text("a\n .b\n.c", fill=False) == "a\n .b\n\\&.c"


def test_the_head() -> None:
    assert roff.head("X", 5, "x-y", "what").splitlines()[1:] == [
        '.TH X 5 "" "ichat-gw" "ichat-gw"',
        ".SH NAME",
        "x\\-y \\- what",
    ]
