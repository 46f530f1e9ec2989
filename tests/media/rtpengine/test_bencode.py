"""Bencoding: what is written is read again, and nothing else harms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.media.rtpengine.bencode import MAX_DEPTH, Decoded, InvalidBencode, decode, encode

VALUES = st.recursive(
    st.integers(-(2**63), 2**63) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def as_read(value: object) -> object:
    """Keys and text come back as bytes."""
    match value:
        case dict():
            return {key.encode(): as_read(each) for key, each in value.items()}
        case list():
            return [as_read(each) for each in value]
        case str():
            return value.encode()
        case _:
            return value


@given(VALUES)
def test_what_is_written_is_read_again(value: object) -> None:
    assert decode(encode(value)) == as_read(value)  # type: ignore[arg-type]


def test_as_rtpengine_writes_it() -> None:
    assert encode({"command": "ping"}) == b"d7:command4:pinge"
    assert encode({"flags": ["trust-address"], "n": -3, "sdp": "ü"}) == (
        b"d5:flagsl13:trust-addresse1:ni-3e3:sdp2:\xc3\xbce"
    )
    assert decode(b"d6:result4:ponge") == {b"result": b"pong"}
    # Its keys are in no order.
    assert decode(b"d1:bi1e1:ai2ee") == {b"b": 1, b"a": 2}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "a value was expected at byte 0"),
        (b"x", "a value was expected at byte 0"),
        (b"i12", "a value was expected at byte 0"),
        (b"ie", "a value was expected at byte 0"),
        (b"i1-e", "a value was expected at byte 0"),
        (b"i" + b"1" * 30 + b"e", "a value was expected at byte 0"),
        (b"5:abc", "a string of 5 bytes at byte 0 does not end"),
        (b"-1:abc", "a string of -1 bytes at byte 0 does not end"),
        (b"l1:a", "a value was expected at byte 4"),
        (b"di1ei2ee", "a value was expected at byte 1"),
        (b"d1:a", "a value was expected at byte 4"),
        (b"i1ei2e", "3 bytes follow the value at byte 3"),
        (b"l" * (MAX_DEPTH + 1) + b"e" * (MAX_DEPTH + 1), f"more than {MAX_DEPTH} values in each other"),
    ],
)
def test_what_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(InvalidBencode, match=why):
        decode(data)


@given(st.binary(max_size=60) | st.text("dlei0123456789:-", max_size=40).map(str.encode))
def test_anything_at_all(data: bytes) -> None:
    try:
        value: Decoded = decode(data)
    except InvalidBencode:
        return
    assert isinstance(value, int | bytes | list | dict)
