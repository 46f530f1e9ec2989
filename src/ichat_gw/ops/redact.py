"""Secrets never reach the log: by name, by value, and by their places in messages."""

import re
from collections.abc import Mapping
from functools import lru_cache
from xml.sax.saxutils import escape

REDACTED = "[redacted]"
DEEPEST = 6
"""Levels of nested values that are shown."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECRET_NAME = re.compile(
    r"passw|passphrase|secret|authori[sz]ation|credential|(?:^|[^a-z])(?:pass|pwd|tokens?|keys?)$"
)

_IN_MESSAGES = re.compile(
    r"""
      (?P<header>^[ \t]*(?:(?:proxy-)?authorization|authentication-info)[ \t]*:[ \t]*)
        [^\r\n]*(?:\r?\n[ \t][^\r\n]*)*  # RFC 3261, 22
    | (?P<uri>\bsips?:[^\s:@;?<>"]{1,100}:)[^\s:@;?<>"]{1,100}(?=@)  # RFC 3261, 19.1.1
    | (?P<clear>^k=[a-z]+:)[^\r\n]*  # RFC 4566, 5.12
    | (?P<mikey>^a=key-mgmt:[^\r\n ]*[ ])[^\r\n]*  # RFC 4567, 3.1
    | (?P<ice>^a=ice-pwd:)[^\r\n]*  # RFC 8839, 5.4
    | (?P<sdes>^a=crypto:[^\r\n]*?inline:)[^\r\n]*  # RFC 4568, 9.1
    | (?P<handshake><handshake[^<>]*>)[^<]*  # XEP-0114
    | (?P<candidates>\spwd=)(?:'[^']*'|"[^"]*")  # XEP-0176
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)

_values: set[str] = set()
_known: re.Pattern[str] | None = None
_known_in_bytes: re.Pattern[str] | None = None
"""The same as `_known`, for bytes of UTF-8 that are read as if each were a character."""


def register_secret(value: str) -> None:
    """Never show `value` in a log again, wherever it stands, also as XML text; empty: nothing to hide.

    A value of less than four characters is hidden only where it is all of a field, because it would be
    found in innocent text.
    """
    global _known, _known_in_bytes  # noqa: PLW0603 - one process has one log
    if not value:
        return
    _values.update((value, escape(value, {"'": "&apos;", '"': "&quot;"})))
    long = sorted((value for value in _values if len(value) >= 4), key=len, reverse=True)
    _known = re.compile("|".join(map(re.escape, long))) if long else None
    encoded = [value.encode("utf-8", "replace").decode("latin-1") for value in long]
    _known_in_bytes = re.compile("|".join(map(re.escape, encoded))) if long else None


def forget_secrets() -> None:
    """Start over; for tests."""
    global _known, _known_in_bytes  # noqa: PLW0603
    _values.clear()
    _known = _known_in_bytes = None


@lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    """True for names such as `password`, `HttpAuthPwd`, `ipc_key`, `Proxy-Authorization`."""
    return bool(_SECRET_NAME.search(_HUMP.sub("_", name).lower()))


def text(value: str) -> str:
    """`value` without the secrets that it contains."""
    if value in _values:
        return REDACTED
    if _known is not None:
        value = _known.sub(REDACTED, value)
    if len(value) < 8:
        return value
    return _IN_MESSAGES.sub(lambda found: f"{found[found.lastgroup or 0]}{REDACTED}", value)


def overwritten(data: bytes) -> bytes:
    """A message without the secrets that it contains, and as long as it was.

    So the lengths that it names, and a capture of it, stay right.
    """
    # One character for each byte, whatever they are.
    value = data.decode("latin-1")
    if _known_in_bytes is not None:
        value = _known_in_bytes.sub(lambda found: _filled(len(found[0])), value)
    value = _IN_MESSAGES.sub(_filled_in, value)
    return value.encode("latin-1")


def _filled_in(found: re.Match[str]) -> str:
    kept = found[found.lastgroup or 0]
    return kept + _filled(len(found[0]) - len(kept))


def _filled(length: int) -> str:
    return REDACTED[:length].ljust(length, ".")


def plain(value: object, depth: int = 0) -> object:
    """`value` as JSON knows it (null, bool, number, string, list, object), without secrets.

    Anything else is shown as its `str`; an object that cannot be shown, by its class; what is nested deeper
    than `DEEPEST`, as `...`.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(str(value))
    if isinstance(value, int):
        return int(value) if -(2**64) < value < 2**64 else f"{value:#x}"
    if isinstance(value, float):
        return value if -1e308 < value < 1e308 else str(value)
    if depth >= DEEPEST:
        return "..."
    if isinstance(value, bytes | bytearray):
        return text(value.decode("utf-8", "backslashreplace"))
    if isinstance(value, Mapping):
        return {
            str(key): REDACTED if is_secret_name(str(key)) else plain(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, depth + 1) for item in value]
    try:
        return text(str(value))
    except Exception:
        return f"<{type(value).__name__} that cannot be shown>"
