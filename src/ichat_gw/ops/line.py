"""One event as one line, whatever it contains: readable text, or JSON."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

# What can end a line, drive a terminal (C0, DEL, C1), reorder what is shown (bidirectional controls), or
# not be written as UTF-8 (surrogates) or in XML (U+FFFE, U+FFFF).
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff"
    "\ud800-\udfff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_QUOTED_UNSAFE = re.compile(f'["\\\\]|{_UNSAFE.pattern}')
_PLAIN_UNSAFE = re.compile(rf"\\|{_UNSAFE.pattern}")
# A value that needs no quotes: nobody can mistake it for two fields.
_BARE = re.compile(r"[!#-<>-\[\]-~]+")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", '"': '\\"'}


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    return _SHORT.get(character) or f"\\u{ord(character):04x}"


def escaped(value: str) -> str:
    """`value` on one line, control characters and backslashes as JSON escapes."""
    return _PLAIN_UNSAFE.sub(_escape, value)


def whole(value: str) -> str:
    """`value` with a replacement character for each surrogate: SIP keeps bytes as them that are no UTF-8."""
    return value if value.isascii() else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)


def harmless_json(document: str) -> str:
    """A JSON document that means the same and may be shown at a terminal; its line ends stay."""
    return "\n".join(_UNSAFE.sub(_escape, line) for line in document.split("\n"))


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value if _BARE.fullmatch(value) else f'"{_QUOTED_UNSAFE.sub(_escape, value)}"'
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    return _UNSAFE.sub(_escape, json.dumps(value, ensure_ascii=False))


def timestamp(seconds: float) -> str:
    """UNIX time as ISO 8601 in UTC with microseconds: `2026-11-23T13:00:00.123456Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def text_line(when: float, level: str, event: str, fields: Mapping[str, object]) -> str:
    """`2026-11-23T13:00:00.123456Z INFO event call=... key=value ...`, without a line end.

    Strings with spaces, quotes, `=` or anything outside printable ASCII are quoted as in JSON.
    """
    words = [timestamp(when), level, escaped(event)]
    words += [f"{_name(name)}={_shown(value)}" for name, value in _call_first(fields)]
    return " ".join(words)


def json_line(when: float, level: str, event: str, fields: Mapping[str, object]) -> str:
    """One JSON object in ASCII: `time`, `level`, `event`, then the fields, without a line end."""
    line: dict[str, object] = {"time": timestamp(when), "level": level, "event": event}
    for name, value in _call_first(fields):
        line[f"{name}_" if name in ("time", "level", "event") else name] = value
    return json.dumps(line)


def _name(name: str) -> str:
    return re.sub(r"[^\w.:-]", "_", name, flags=re.ASCII)


def _call_first(fields: Mapping[str, object]) -> list[tuple[str, object]]:
    if "call" not in fields:
        return list(fields.items())
    return [("call", fields["call"]), *((name, value) for name, value in fields.items() if name != "call")]
