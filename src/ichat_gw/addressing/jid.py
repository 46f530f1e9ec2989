"""JIDs as values (RFC 7622), and the escaping of characters that a localpart cannot hold (XEP-0106).

A `Jid` is always valid and always normalised, however it was made, so two of them name the same
account exactly when they are equal. The XMPP server in front of us has applied the full PRECIS profiles
to every address it passes on; what is repeated here is what keeps us safe and comparisons true: the
limits, the forbidden characters, lower case and one Unicode form. Where PRECIS is stricter (symbols,
characters whose use depends on context) we accept what the server accepted.
"""

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Self

from ichat_gw.errors import GatewayError

MAX_PART_OCTETS = 1023
"""The longest localpart, domainpart or resourcepart, in octets of UTF-8 (RFC 7622, 3.2 to 3.4)."""

_MAX_TEXT = 3 * MAX_PART_OCTETS + 2

# What nearly every address looks like. Such a part needs nothing done to it.
_PLAIN_LOCAL = re.compile(r"[!#-%(-.0-9;=?A-Z\[-~]{0,1023}", re.ASCII)
_PLAIN_DOMAIN = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)
_PLAIN_RESOURCE = re.compile(r"[ -~]{0,1023}", re.ASCII)

_FORBIDDEN_IN_LOCAL = frozenset("\"&'/:<>@")  # RFC 7622, 3.3.1
_FORBIDDEN_IN_DOMAIN = frozenset("!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~")
_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")  # the other full stops of IDNA (RFC 3490, 3.1)


class InvalidJid(GatewayError):
    """A text that is no JID; the message says which part is wrong and what is allowed."""


@dataclass(frozen=True, slots=True, order=True)
class Jid:
    """An XMPP address `local@domain/resource`; `local` and `resource` are empty when absent.

    The localpart and the domainpart are lower case and in Unicode form NFC, the domainpart without a
    final dot; the resourcepart is kept exactly as it came. Raises `InvalidJid`.
    """

    local: str
    domain: str
    resource: str = ""

    def __post_init__(self) -> None:
        local = _localpart(self.local)
        if local != self.local:
            object.__setattr__(self, "local", local)
        if not _PLAIN_DOMAIN.fullmatch(self.domain) or len(self.domain) > MAX_PART_OCTETS:
            object.__setattr__(self, "domain", _domainpart(self.domain))
        if not _PLAIN_RESOURCE.fullmatch(self.resource):
            _check_resourcepart(self.resource)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address as RFC 7622, 3.1 splits it. Raises `InvalidJid`."""
        if len(text) > _MAX_TEXT:
            raise InvalidJid(f"an address of {len(text)} characters; at most {_MAX_TEXT} are allowed")
        address, slash, resource = text.partition("/")
        local, at, domain = address.rpartition("@")
        if slash and not resource:
            raise InvalidJid(f"{text!r} has nothing after its '/'; leave the '/' out or add a resource")
        if at and not local:
            raise InvalidJid(f"{text!r} has nothing before its '@'; leave the '@' out or add a user")
        return cls(local, domain, resource)

    @property
    def bare(self) -> "Jid":
        """The same address without its resource."""
        return Jid(self.local, self.domain) if self.resource else self

    @property
    def is_full(self) -> bool:
        """Whether it names one connected resource: a full JID."""
        return self.resource != ""

    def with_resource(self, resource: str) -> "Jid":
        """Return the account's address with another resource (empty: none). Raises `InvalidJid`."""
        return Jid(self.local, self.domain, resource)

    def __str__(self) -> str:
        text = f"{self.local}@{self.domain}" if self.local else self.domain
        return f"{text}/{self.resource}" if self.resource else text


def _localpart(text: str) -> str:
    """Return the localpart as RFC 7622, 3.3 compares it."""
    if _PLAIN_LOCAL.fullmatch(text):
        return text.lower()
    # Width first: a full-width '@' must be seen as the '@' that it becomes.
    text = _lower(_narrow(text))
    for character in text:
        if character in _FORBIDDEN_IN_LOCAL:
            raise InvalidJid(f"the user {text!r} contains {character!r}; escape it as XEP-0106 says")
        _check_character(character, text, "user")
        if character == " ":
            raise InvalidJid(f"the user {text!r} contains a space; escape it as XEP-0106 says")
    _check_octets(text, "user")
    return text


def _domainpart(text: str) -> str:
    """Return the domainpart as RFC 7622, 3.2 compares it."""
    if text.startswith("["):
        return _ip_literal(text)
    text = _lower(_narrow(text.translate(_DOTS))).removesuffix(".")
    if not text:
        raise InvalidJid("an address without a domain; a host name is needed")
    for character in text:
        if character in _FORBIDDEN_IN_DOMAIN or character == " ":
            raise InvalidJid(
                f"the domain {text!r} contains {character!r}; letters, digits, '-' and '.' are allowed"
            )
        _check_character(character, text, "domain")
    if "" in text.split("."):
        raise InvalidJid(f"the domain {text!r} has an empty label; a host name is needed")
    _check_octets(text, "domain")
    return text


def _ip_literal(text: str) -> str:
    try:
        if text.endswith("]") and "%" not in text:
            return f"[{IPv6Address(text[1:-1])}]"
    except ValueError:
        pass
    raise InvalidJid(f"the domain {text!r} is no IPv6 address; '[2001:db8::1]' is how one is written")


def _check_resourcepart(text: str) -> None:
    for character in text:
        _check_character(character, text, "resource")
    _check_octets(text, "resource")


def _narrow(text: str) -> str:
    """Map full-width and half-width characters to their ordinary forms (RFC 8264, 5.2.1)."""
    if text.isascii():
        return text
    return "".join(
        unicodedata.normalize("NFKC", character)
        if unicodedata.decomposition(character).startswith(("<wide>", "<narrow>"))
        else character
        for character in text
    )


def _lower(text: str) -> str:
    # Decomposing first makes the result the same however often it is applied.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).lower())


def _check_character(character: str, text: str, part: str) -> None:
    """Refuse controls, surrogates, format characters, non-characters and odd spaces.

    RFC 7622 forbids them, except format characters and odd spaces in a resource, which many clients
    send; there only what XML cannot carry is refused.
    """
    category = unicodedata.category(character)
    if part == "resource":
        refused = category in ("Cc", "Cs") or character in "\ufffe\uffff"
    else:
        refused = category in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp") or (
            category == "Zs" and character != " "
        )
    if refused:
        raise InvalidJid(
            f"the {part} {text!r} contains U+{ord(character):04X}; that character is not allowed"
        )


def _check_octets(text: str, part: str) -> None:
    octets = len(text.encode())
    if octets > MAX_PART_OCTETS:
        raise InvalidJid(f"a {part} of {octets} octets; at most {MAX_PART_OCTETS} are allowed")


# --- XEP-0106 --------------------------------------------------------------------------------------------

_ESCAPED = {character: f"\\{ord(character):02x}" for character in " \"&'/:<>@\\"}
_UNESCAPED = {escape: character for character, escape in _ESCAPED.items()}
_CODES = "|".join(escape[1:] for escape in _UNESCAPED)
# A backslash is escaped only where it would be taken for an escape (XEP-0106, 4.2). Capitals count too:
# the localpart becomes lower case on its way.
_TO_ESCAPE = re.compile(rf"[ \"&'/:<>@]|\\(?=(?i:{_CODES}))")
_TO_UNESCAPE = re.compile(rf"\\(?:{_CODES})")


def escape_localpart(text: str) -> str:
    r"""Write any text so that it can be a localpart: `o'malley` becomes `o\27malley` (XEP-0106).

    The result may neither begin nor end with a space, says XEP-0106, 4.2; `InvalidJid` otherwise.
    """
    if text != text.strip(" "):
        raise InvalidJid(f"{text!r} begins or ends with a space; no user name can (XEP-0106)")
    return _TO_ESCAPE.sub(lambda found: _ESCAPED[found[0]], text)


def unescape_localpart(text: str) -> str:
    r"""Read what `escape_localpart` wrote: `o\27malley` becomes `o'malley`.

    Anything else stays as it is, and so does `\20` at either end, where it is no escape (XEP-0106, 4.2).
    """

    def character(found: re.Match[str]) -> str:
        if found[0] == "\\20" and (found.start() == 0 or found.end() == len(text)):
            return found[0]
        return _UNESCAPED[found[0]]

    return _TO_UNESCAPE.sub(character, text)
