"""The pieces of SIP grammar (RFC 3261 section 25.1) that addresses and header fields share.

Everything here takes time linear in the length of the text, whatever the text: no rule is tried twice at
the same place, and a regular expression is used only for one character class repeated.
"""

import re
from typing import TypeAlias

from ichat_gw.errors import GatewayError

Params: TypeAlias = tuple[tuple[str, str | None], ...]
"""Parameters in the order and spelling of the wire; the value is None when there is no `=`.

A value that was a quoted string is still quoted, so that it can be written as it was read.
"""

WS = " \t"
"""White space inside a line; folded lines are unfolded before anything here sees them."""

is_token = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+").fullmatch
"""RFC 3261 `token`: method names, header names, option tags, parameter names."""

_is_bare_value = re.compile(r"[^\x00-\x20\"<>,;\\\x7f]*").fullmatch


class InvalidSyntax(GatewayError):
    """A text does not follow the SIP grammar; the message names the rule that it breaks."""


def quoted_end(text: str, start: int) -> int:
    """Return the index of the quote that closes the quoted string opened at `start`.

    Raises InvalidSyntax when nothing closes it.
    """
    at = start
    while True:
        at = text.find('"', at + 1)
        if at < 0:
            raise InvalidSyntax("a quoted string is not closed")
        # A quote is escaped when an odd number of backslashes stands before it.
        before = at - 1
        while text[before] == "\\" and before > start:
            before -= 1
        if (at - before) % 2:
            return at


def unquote(text: str) -> str:
    """Return what stands between the quotes of a quoted string, without its backslashes.

    A text without quotes is returned as it is.
    """
    if not text.startswith('"'):
        return text
    inner = text[1:-1]
    if "\\" not in inner:
        return inner
    # Split at pairs first: what is left is single backslashes that escape the next character.
    return "\\".join(part.replace("\\", "") for part in inner.split("\\\\"))


def quote(text: str) -> str:
    """Return `text` as a quoted string. Control characters must have been removed before."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def split_outside(text: str, separator: str) -> list[str]:
    """Split at `separator` (one character) where it stands outside quoted strings and angle brackets.

    The parts are stripped of white space and may be empty. Raises InvalidSyntax when a quoted string or
    an angle bracket is left open.
    """
    if separator not in text:
        return [text.strip(WS)]
    if '"' not in text and "<" not in text:
        return [part.strip(WS) for part in text.split(separator)]
    parts: list[str] = []
    start = at = 0
    stops = _STOPS[separator]
    while found := stops(text, at):
        at = found.start()
        char = text[at]
        if char == '"':
            at = quoted_end(text, at)
        elif char == "<":
            at = text.find(">", at)
            if at < 0:
                raise InvalidSyntax("an angle bracket is not closed")
        else:
            parts.append(text[start:at].strip(WS))
            start = at + 1
        at += 1
    parts.append(text[start:].strip(WS))
    return parts


_STOPS = {separator: re.compile(f'["<{separator}]').search for separator in ",;"}


def parse_params(text: str) -> Params:
    """Parse `;name=value;name...`, the empty text included.

    Raises InvalidSyntax when the text does not begin with a semicolon, a parameter has no name (two
    semicolons in a row), a name is not a token, or a value holds a separator outside quotes.
    """
    text = text.strip(WS)
    if not text:
        return ()
    if text[0] != ";":
        raise InvalidSyntax("parameters do not begin with a semicolon")
    params: list[tuple[str, str | None]] = []
    for part in split_outside(text[1:], ";"):
        name, equals, value = part.partition("=")
        name = name.rstrip(WS)
        if not is_token(name):
            raise InvalidSyntax("a parameter has no name, or one that is not a token")
        if not equals:
            params.append((name, None))
            continue
        value = value.lstrip(WS)
        if value.startswith('"'):
            if quoted_end(value, 0) != len(value) - 1:
                raise InvalidSyntax("a quoted parameter value is followed by something else")
        elif not _is_bare_value(value):
            raise InvalidSyntax("a parameter value holds a character that must be quoted")
        params.append((name, value))
    return tuple(params)


def find_param(params: Params, name: str) -> str | None:
    """Return the unquoted value of the first parameter with this name, in any case; None without one.

    A parameter without a value gives the empty text: it is there.
    """
    for key, value in params:
        if key == name or key.lower() == name:
            return "" if value is None else unquote(value)
    return None


def write_params(params: Params) -> str:
    """Return `;name=value;name...`; the empty text when there are none."""
    if not params:
        return ""
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in params)


def decimal(text: str, limit: int) -> int | None:
    """Return the number that `text` writes in decimal digits, or None when it is none or above `limit`."""
    if not (text.isascii() and text.isdigit()):
        return None
    if len(text) > 10:
        text = text.lstrip("0") or "0"
        if len(text) > 20:  # beyond any limit we have; int() takes quadratic time for very long texts
            return None
    number = int(text)
    return number if number <= limit else None
