"""Bencoding (BEP 3), in which rtpengine's ng protocol is written: numbers, strings, lists, dictionaries.

Read as rtpengine writes it: the keys of a dictionary come in any order. Strings are bytes.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from ichat_gw.errors import GatewayError

MAX_DEPTH = 32
"""How deep lists and dictionaries may stand in each other; the replies of rtpengine have 8."""
_MAX_DIGITS = 20

Encodable: TypeAlias = int | str | bytes | Sequence["Encodable"] | Mapping[str, "Encodable"]
Decoded: TypeAlias = int | bytes | list["Decoded"] | dict[bytes, "Decoded"]


class InvalidBencode(GatewayError):
    """The bytes are not one bencoded value."""


def encode(value: Encodable) -> bytes:
    """`value` as it goes on the wire; text as UTF-8."""
    match value:
        case int():
            return b"i%de" % value
        case str():
            return _string(value.encode())
        case bytes():
            return _string(value)
        case Mapping():
            items = (_string(key.encode()) + encode(each) for key, each in value.items())
            return b"d" + b"".join(items) + b"e"
        case _:
            return b"l" + b"".join(map(encode, value)) + b"e"


def _string(value: bytes) -> bytes:
    return b"%d:" % len(value) + value


def decode(data: bytes) -> Decoded:
    """The one value that `data` is. Raises `InvalidBencode`."""
    value, end = _value(data, 0, MAX_DEPTH)
    if end != len(data):
        raise InvalidBencode(f"{len(data) - end} bytes follow the value at byte {end}")
    return value


def _value(data: bytes, at: int, depth: int) -> tuple[Decoded, int]:
    """The value that begins at byte `at`, and where it ends."""
    first = data[at : at + 1]
    if first == b"i":
        end = data.find(b"e", at, at + _MAX_DIGITS + 2)
        return _number(data[at + 1 : end] if end >= 0 else b"", at), end + 1
    if first in (b"l", b"d"):
        if not depth:
            raise InvalidBencode(f"more than {MAX_DEPTH} values in each other at byte {at}")
        return _list(data, at + 1, depth - 1) if first == b"l" else _dictionary(data, at + 1, depth - 1)
    return _bytes(data, at)


def _list(data: bytes, at: int, depth: int) -> tuple[Decoded, int]:
    values: list[Decoded] = []
    while data[at : at + 1] != b"e":
        value, at = _value(data, at, depth)
        values.append(value)
    return values, at + 1


def _dictionary(data: bytes, at: int, depth: int) -> tuple[Decoded, int]:
    values: dict[bytes, Decoded] = {}
    while data[at : at + 1] != b"e":
        key, at = _bytes(data, at)
        values[key], at = _value(data, at, depth)
    return values, at + 1


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    colon = data.find(b":", at, at + _MAX_DIGITS)
    length = _number(data[at:colon] if colon >= 0 else b"", at)
    begin, end = colon + 1, colon + 1 + length
    if length < 0 or end > len(data):
        raise InvalidBencode(f"a string of {length} bytes at byte {at} does not end")
    return data[begin:end], end


def _number(text: bytes, at: int) -> int:
    if not text.removeprefix(b"-").isdigit():
        raise InvalidBencode(f"a value was expected at byte {at}")
    return int(text)
