import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ichat_gw.addressing.sip_grammar import InvalidSyntax
from ichat_gw.sip.headers import COMPACT, Headers, UnsafeHeader, header_key


def written(headers: Headers, start_line: str = "SIP/2.0 200 OK") -> bytes:
    return headers.write(start_line, 0)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Via", "via"),
        ("v", "via"),
        ("V", "via"),
        ("vIA", "via"),
        ("X-Odd", "x-odd"),
        ("CSEQ", "cseq"),
        ("i", "call-id"),
    ],
)
def test_keys(name: str, key: str) -> None:
    assert header_key(name) == key


def test_every_compact_form_is_one_letter_and_has_a_name_of_its_own() -> None:
    assert all(len(letter) == 1 for letter in COMPACT)
    assert len(set(COMPACT.values())) == len(COMPACT)


def test_look_up_in_any_spelling() -> None:
    headers = Headers([("v", "1"), ("VIA", "2"), ("To", "3")])
    assert headers.get("Via") == headers.get("v") == "1"
    assert headers.get_all("via") == ["1", "2"]
    assert headers.get("From") is None
    assert "t" in headers
    assert "From" not in headers
    assert len(headers) == 3
    assert list(headers) == headers.items() == [("v", "1"), ("VIA", "2"), ("To", "3")]
    assert headers.keys() == ["via", "via", "to"]
    assert headers.entries() == [("via", "v", "1"), ("via", "VIA", "2"), ("to", "To", "3")]
    assert Headers.of_entries(headers.entries()) == headers
    assert repr(headers) == "Headers([('v', '1'), ('VIA', '2'), ('To', '3')])"


def test_equality_is_of_names_values_and_order() -> None:
    assert Headers([("a", "1")]) == Headers([("a", "1")])
    assert Headers([("a", "1")]) != Headers([("a", "2")])
    assert Headers() != object()


def test_values_split_lists_and_respect_quotes_and_brackets() -> None:
    headers = Headers(
        [("m", '"a, b" <sip:c,d@e>, <sip:f@g>'), ("X", "1"), ("Contact", "sip:h@i"), ("Supported", "")]
    )
    assert headers.values("contact") == ['"a, b" <sip:c,d@e>', "<sip:f@g>", "sip:h@i"]
    assert headers.values("Supported") == []
    with pytest.raises(InvalidSyntax):
        Headers([("Contact", '"a, b')]).values("Contact")


def test_changes() -> None:
    headers = Headers([("Via", "1"), ("To", "a"), ("v", "2")])
    twin = headers.copy()
    headers.prepend("Via", "0")
    headers.add("X", "y")
    assert headers.items() == [("Via", "0"), ("Via", "1"), ("To", "a"), ("v", "2"), ("X", "y")]
    headers.replace_first("VIA", "00")
    assert headers.get_all("Via") == ["00", "1", "2"]
    headers.replace("via", "only")
    assert headers.items() == [("Via", "only"), ("To", "a"), ("X", "y")]
    headers.replace("New", "n")
    headers.remove("t")
    headers.remove("t")
    assert headers.items() == [("Via", "only"), ("X", "y"), ("New", "n")]
    with pytest.raises(KeyError):
        headers.replace_first("To", "a")
    assert twin.items() == [("Via", "1"), ("To", "a"), ("v", "2")]


def test_a_change_forgets_what_was_parsed_of_that_header_only() -> None:
    headers = Headers([("To", "a"), ("From", "b")])
    changes = [
        lambda: headers.add("t", "x"),
        lambda: headers.prepend("To", "x"),
        lambda: headers.replace("TO", "x"),
        lambda: headers.replace_first("to", "y"),
        lambda: headers.remove("To"),
    ]
    for change in changes:
        headers.typed.update({"to": 1, "from": 2})
        change()
        assert headers.typed == {"from": 2}


def test_writing_puts_its_own_content_length_last() -> None:
    headers = Headers([("l", "77"), ("Via", "x"), ("Content-Length", "88")])
    assert headers.write("SIP/2.0 200 OK", 5) == b"SIP/2.0 200 OK\r\nVia: x\r\nContent-Length: 5\r\n\r\n"


@pytest.mark.parametrize(
    "value",
    ["a\r\nb: c", "a\rb", "a\nb", "\n", "a\r\n b", "a\0b", '"a\0b"', '"a\\\\\0b"', '"\\\0', "\\\0", "\ud800"],
)
def test_nothing_leaves_its_line(value: str) -> None:
    with pytest.raises(UnsafeHeader):
        written(Headers([("Via", "x"), ("To", value)]))
    with pytest.raises(UnsafeHeader):
        written(Headers([("Via", "x")]), f"SIP/2.0 200 {value}")


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "é", "Via\n"])
def test_a_name_is_a_token(name: str) -> None:
    with pytest.raises(UnsafeHeader):
        written(Headers([(name, "x")]))


def test_a_nul_may_be_a_quoted_pair() -> None:
    value = '"BEL:\\\x07 NUL:\\\0 \\" DEL:\\\x7f" <sip:a@b>'
    assert value.encode() in written(Headers([("Call-ID", '"'), ("To", value)]))


@settings(deadline=None)
@given(st.text(), st.text())
def test_header_injection_is_impossible(name: str, value: str) -> None:
    try:
        data = written(Headers([("Via", "x"), (name, value), ("To", value)]), f"SIP/2.0 200 {value}")
    except UnsafeHeader:
        return
    lines = data.split(b"\r\n")
    assert lines[-1] == lines[-2] == b""
    assert len(lines) - 3 in (3, 4)  # one fewer when the name is Content-Length
    assert data.count(b"\r") == data.count(b"\n") == len(lines) - 1
