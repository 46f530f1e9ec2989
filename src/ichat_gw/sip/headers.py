"""The header fields of a message: ordered, found in any spelling, kept as they were written."""

from collections.abc import Iterable, Iterator

from ichat_gw.addressing.sip_grammar import is_token, split_outside
from ichat_gw.errors import GatewayError


class UnsafeHeader(GatewayError):
    """Something would not stay inside the line it is written to: a line break, a bare NUL, a bad name.

    Raised by `to_bytes` of a message. It keeps whatever reaches us from XMPP or from the other call leg
    from adding header fields or whole messages (RFC 3261 section 7.3.1, header injection).
    """


COMPACT = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
"""The compact forms that IANA lists, and the names they stand for, in lower case."""

# The usual spellings found in one dictionary look-up; others are folded each time, so that strangers
# cannot make this table grow.
_USUAL = """
    Accept Accept-Encoding Accept-Language Allow Allow-Events Authorization CSeq Call-ID Call-Info
    Contact Content-Disposition Content-Encoding Content-Language Content-Length Content-Type Date
    Error-Info Event Expires From In-Reply-To MIME-Version Max-Forwards Min-Expires Min-SE
    Organization P-Asserted-Identity P-Preferred-Identity Path Priority Privacy Proxy-Authenticate
    Proxy-Authorization Proxy-Require RAck RSeq Reason Record-Route Refer-To Referred-By Replaces
    Reply-To Require Retry-After Route Server Service-Route Session-Expires Subject
    Subscription-State Supported Timestamp To Unsupported User-Agent Via WWW-Authenticate Warning
"""
_KEYS = {name: name.lower() for name in _USUAL.split()}
_KEYS |= {key: key for key in _KEYS.values()} | COMPACT | {c.upper(): name for c, name in COMPACT.items()}


def header_key(name: str) -> str:
    """Return the one spelling under which a header is known: lower case, not compact."""
    return _KEYS.get(name) or name.lower()


class Headers:
    """Header fields as (name, value) in wire order; one entry per header line.

    Names are found in any case and in their compact form. Values are what stood behind the colon, without
    the white space around it, folded lines joined by one space (the same value by RFC 3261 section
    7.3.1) and otherwise untouched: bytes that are not UTF-8 are kept as surrogate escapes, so that writing
    gives the same bytes again.
    """

    __slots__ = ("_entries", "typed")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._entries = [(header_key(name), name, value) for name, value in items]
        self.typed: dict[str, object] = {}
        """What the message has parsed already, by key; forgotten when that header changes."""

    @classmethod
    def of_entries(cls, entries: list[tuple[str, str, str]]) -> "Headers":
        """Take over a list of (key, name, value) whose keys are right (`header_key`)."""
        headers = cls()
        headers._entries = entries
        return headers

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.items())

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._entries == other._entries

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Headers({self.items()!r})"

    def copy(self) -> "Headers":
        """Return Headers that can be changed without changing these."""
        twin = Headers()
        twin._entries = self._entries.copy()
        return twin

    def items(self) -> list[tuple[str, str]]:
        """Return (name, value) of every line, the name as written."""
        return [(name, value) for _, name, value in self._entries]

    def entries(self) -> list[tuple[str, str, str]]:
        """Return (key, name, value) of every line; the list itself, not to be changed."""
        return self._entries

    def keys(self) -> list[str]:
        """Return the key (lower case, not compact) of every line."""
        return [key for key, _, _ in self._entries]

    def get(self, name: str) -> str | None:
        """Return the value of the first line with this name, or None."""
        key = header_key(name)
        for entry in self._entries:
            if entry[0] == key:
                return entry[2]
        return None

    def get_all(self, name: str) -> list[str]:
        """Return the values of all lines with this name, as written."""
        key = header_key(name)
        return [value for other, _, value in self._entries if other == key]

    def values(self, name: str) -> list[str]:
        """Return the members of the comma lists in all lines with this name, in order.

        Commas inside quoted strings and angle brackets do not separate. Empty members are left out where
        a list may be empty (`Supported:`); raises InvalidSyntax when a quoted string or an angle bracket
        is left open. Not for headers whose values hold bare commas (Date, WWW-Authenticate and the like).
        """
        key = header_key(name)
        return [
            member
            for other, _, value in self._entries
            if other == key
            for member in split_outside(value, ",")
            if member
        ]

    def add(self, name: str, value: str) -> None:
        """Add a line at the end."""
        key = header_key(name)
        self.typed.pop(key, None)
        self._entries.append((key, name, value))

    def prepend(self, name: str, value: str) -> None:
        """Add a line before all others; the way to push a Via."""
        key = header_key(name)
        self.typed.pop(key, None)
        self._entries.insert(0, (key, name, value))

    def replace(self, name: str, value: str) -> None:
        """Let one line with this name have this value: where the first one was, or at the end."""
        key = header_key(name)
        self.typed.pop(key, None)
        for at, entry in enumerate(self._entries):
            if entry[0] == key:
                self._entries[at] = (key, entry[1], value)
                self._entries[at + 1 :] = [e for e in self._entries[at + 1 :] if e[0] != key]
                return
        self._entries.append((key, name, value))

    def replace_first(self, name: str, value: str) -> None:
        """Give the first line with this name this value and leave further ones; KeyError without one."""
        key = header_key(name)
        self.typed.pop(key, None)
        keys = self.keys()
        if key not in keys:
            raise KeyError(name)
        at = keys.index(key)
        self._entries[at] = (key, self._entries[at][1], value)

    def remove(self, name: str) -> None:
        """Remove all lines with this name, if any."""
        key = header_key(name)
        self.typed.pop(key, None)
        self._entries = [entry for entry in self._entries if entry[0] != key]

    def write(self, start_line: str, body_length: int) -> bytes:
        """Return the head of a message, with its own Content-Length, up to and with the empty line.

        The one place where header text becomes bytes. Raises UnsafeHeader when a name is not a token, or
        the start line or a value holds CR, LF, a NUL outside a quoted-pair, or a character without bytes.
        """
        lines = [start_line]
        for key, name, value in self._entries:
            if key != "content-length":
                if name not in _KEYS and not is_token(name):
                    raise UnsafeHeader(f"the header name {name!r} is not a token")
                lines.append(f"{name}: {value}")
        lines.append(f"Content-Length: {body_length}\r\n\r\n")
        text = "\r\n".join(lines)
        # One count over everything instead of a search in each value: the line breaks that we put in.
        breaks = len(lines) + 1
        if text.count("\r") != breaks or text.count("\n") != breaks:
            raise UnsafeHeader("there is a line break inside the start line or a header value")
        if "\0" in text and any(holds_bare_nul(line) for line in lines):
            raise UnsafeHeader("there is a bare NUL in the start line or a header value")
        try:
            return text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise UnsafeHeader("a header value holds a lone surrogate, which has no UTF-8 form") from None


def holds_bare_nul(line: str) -> bool:
    """Tell whether there is a NUL in the line that is not a quoted-pair in a quoted string.

    RFC 4475 section 3.1.1.2 shows a To with a quoted one as valid, and a response has to echo it.
    """
    quoted = escaped = False
    for char in line if "\0" in line else "":
        if escaped:
            escaped = False
        elif char == '"':
            quoted = not quoted
        elif char == "\\":
            escaped = quoted
        elif char == "\0":
            return True
    return quoted  # a quoted string that is not closed is none
