"""How the commands show things: JSON for programs, words and tables for people.

What came from outside is shown with its control characters escaped: a caller's display name must not be able
to drive somebody's terminal.
"""

import json
import sys
from collections.abc import Sequence
from datetime import datetime

import msgspec

from ichat_gw.ops.line import escaped, harmless_json

GAP = "  "
"""Between two columns of a table."""


def show_json(value: object) -> None:
    """Write `value`, anything that msgspec can encode, as indented JSON."""
    plain = msgspec.to_builtins(value)
    sys.stdout.write(harmless_json(json.dumps(plain, indent=2, ensure_ascii=not _writes_unicode())) + "\n")


def show_json_line(value: object) -> None:
    """Write `value` as JSON in one line: one of many."""
    plain = msgspec.to_builtins(value)
    separators = (",", ":")
    sys.stdout.write(
        harmless_json(json.dumps(plain, separators=separators, ensure_ascii=not _writes_unicode())) + "\n"
    )


def say(text: str = "") -> None:
    """Write a line, or several, to standard output; control characters are escaped."""
    for line in text.split("\n"):
        _write(_safe(line))


def warn(text: str) -> None:
    """Write to standard error."""
    for line in text.split("\n"):
        print(f"ichat-gw: {_safe(line)}", file=sys.stderr)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """`rows` under `head`, each column as wide as needed, control characters escaped."""
    lines = [[_safe(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return [
        GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def duration(seconds: float) -> str:
    """As hours, minutes and seconds: `1:02:03`, `2:03`, `0:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def moment(when: datetime | None) -> str:
    """A time as the clock on the wall shows it, to the second; "" for none."""
    return "" if when is None else when.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _safe(text: str) -> str:
    """`text` without anything that moves the cursor; backslashes may stay, they do nothing."""
    return escaped(text).replace("\\\\", "\\")


def _write(line: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def _writes_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
