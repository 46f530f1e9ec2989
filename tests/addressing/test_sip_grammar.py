import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ichat_gw.addressing.sip_grammar import (
    InvalidSyntax,
    decimal,
    find_param,
    is_token,
    parse_params,
    quote,
    quoted_end,
    split_outside,
    unquote,
    write_params,
)


@pytest.mark.parametrize("text", ["INVITE", "!interesting-Method0123456789_*+`.%indeed'~"])
def test_token(text: str) -> None:
    assert is_token(text)


@pytest.mark.parametrize("text", ["", "a b", "a/b", "é", "a\n", "a\0"])
def test_not_a_token(text: str) -> None:
    assert not is_token(text)


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ('""', ""),
        ('"plain"', "plain"),
        (r'"a \"b\" c"', 'a "b" c'),
        (r'"J Rosenberg \\\""', 'J Rosenberg \\"'),
        (r'"ends in a backslash \\"', "ends in a backslash \\"),
        (r'"\a\\\\b"', r"a\\b"),
    ],
)
def test_quoted_strings(text: str, inner: str) -> None:
    assert quoted_end(text, 0) == len(text) - 1
    assert quoted_end(text + ' "another"', 0) == len(text) - 1
    assert unquote(text) == inner


def test_unquote_leaves_other_text_alone() -> None:
    assert unquote("a\\b") == "a\\b"


@pytest.mark.parametrize("text", ['"', '"abc', r'"abc\"', r'"abc\\\"'])
def test_quoted_string_left_open(text: str) -> None:
    with pytest.raises(InvalidSyntax):
        quoted_end(text, 0)


@settings(deadline=None)
@given(st.text())
def test_quote_and_unquote(text: str) -> None:
    quoted = quote(text)
    assert quoted_end(quoted, 0) == len(quoted) - 1
    assert unquote(quoted) == text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", [""]),
        (" a ", ["a"]),
        ("a,b , c", ["a", "b", "c"]),
        (",", ["", ""]),
        ('"a,b" <sip:c,d@e>, f', ['"a,b" <sip:c,d@e>', "f"]),
        (r'"a\",b", <x>', [r'"a\",b"', "<x>"]),
        ("<a>,<b>,", ["<a>", "<b>", ""]),
    ],
)
def test_split_outside(text: str, parts: list[str]) -> None:
    assert split_outside(text, ",") == parts


@pytest.mark.parametrize("text", ['a,"b', "a,<b", '"a,<b>'])
def test_split_outside_of_something_left_open(text: str) -> None:
    with pytest.raises(InvalidSyntax):
        split_outside(text, ",")


def test_params() -> None:
    params = parse_params(' ;tag = 1918181833n ;lr; text="a;b=\\"c" ;received=[2001:db8::9:255];empty=')
    assert params == (
        ("tag", "1918181833n"),
        ("lr", None),
        ("text", '"a;b=\\"c"'),
        ("received", "[2001:db8::9:255]"),
        ("empty", ""),
    )
    assert find_param(params, "tag") == "1918181833n"
    assert find_param(params, "lr") == ""
    assert find_param(params, "text") == 'a;b="c'
    assert find_param(params, "none") is None
    assert write_params(params) == (';tag=1918181833n;lr;text="a;b=\\"c";received=[2001:db8::9:255];empty=')
    assert parse_params(write_params(params)) == params


def test_param_names_are_found_in_any_case() -> None:
    assert find_param((("RPort", None),), "rport") == ""


def test_no_params() -> None:
    assert parse_params("") == parse_params("  \t") == ()
    assert write_params(()) == ""


@pytest.mark.parametrize(
    "text",
    [
        ";",
        ";;",
        ";a;",
        "a=b",
        ";=b",
        ";a b",
        ";a=b c",
        ";a=b,c",
        ";a=<b>",
        ';a="b',
        ';a="b"c',
        ";;,;,,",
        ";a=b\\c",
    ],
)
def test_bad_params(text: str) -> None:
    with pytest.raises(InvalidSyntax):
        parse_params(text)


@pytest.mark.parametrize(
    ("text", "limit", "number"),
    [
        ("0", 10, 0),
        ("0009", 10, 9),
        ("10", 10, 10),
        ("11", 10, None),
        ("", 10, None),
        ("-1", 10, None),
        (" 1", 10, None),
        ("1_0", 10, None),
        ("٣", 10, None),  # a digit to Python, not to SIP
        ("²", 10, None),
        ("0" * 100, 10, 0),
        ("0" * 100 + "7", 10, 7),
        ("12345678901", 10**12, 12345678901),
        ("9" * 100_000, 10**12, None),
    ],
)
def test_decimal(text: str, limit: int, number: int | None) -> None:
    assert decimal(text, limit) == number
