"""HTML out of text that nobody vouches for: everything is escaped unless it is `Html` already.

    fill('<td title="{why}">{name}</td>', why=reason, name=display_name)

A placeholder may stand in the text of an element or in an attribute's value in quotation marks; not in a
tag's name, not in a script, and not in a style. Values of `href` are made with `path`.
"""

import string
from collections.abc import Iterable
from html import escape
from typing import Any
from urllib.parse import quote, urlencode


class Html(str):
    """Text that is HTML already: made by `fill` and `joined`, or written by us."""

    __slots__ = ()


NOTHING = Html("")

# What could reorder what is shown, or hide in it: bidirectional controls, C0, C1, surrogates.
_UNSEEN = dict.fromkeys(
    [
        *range(0x09),
        *range(0x0B, 0x0D),
        *range(0x0E, 0x20),
        *range(0x7F, 0xA0),
        0x061C,
        0x200E,
        0x200F,
        *range(0x2028, 0x202F),
        *range(0x2066, 0x206A),
        0xFEFF,
        *range(0xD800, 0xE000),
        0xFFFE,
        0xFFFF,
    ],
    "\N{REPLACEMENT CHARACTER}",
)


def text(value: object) -> Html:
    """Escape a value, with a replacement character for what would deceive the eye; None is empty."""
    if isinstance(value, Html):
        return value
    return NOTHING if value is None else Html(escape(str(value).translate(_UNSEEN)))


class _Escaping(string.Formatter):
    """`str.format`, but for HTML: values only by name, whole, and escaped."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[Any, str]:
        """A value by its plain name: no attribute or item of it."""
        return kwargs[field_name], field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        """Escape it."""
        return text(value)


_FORMATTER = _Escaping()


def fill(template: str, **values: object) -> Html:
    """Put the values into the template, escaped. Raises KeyError when one is missing: a bug of ours."""
    return Html(_FORMATTER.vformat(template, (), values))


def joined(parts: Iterable[object], between: str = "") -> Html:
    """The parts one after the other, each escaped; `between` is HTML."""
    return Html(between.join(text(part) for part in parts))


def path(*steps: str, **query: str) -> Html:
    """Make the value of a `href`: each step percent-encoded, then the query without its blank values."""
    asked = urlencode({name: value for name, value in query.items() if value}, errors="replace")
    way = "/".join(quote(step, safe="", errors="replace") for step in steps)
    return text(f"/{way}?{asked}" if asked else f"/{way}")
