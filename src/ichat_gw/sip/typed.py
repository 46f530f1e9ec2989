"""One reader for each header field whose value has a type: from `Headers` to that type.

Each raises InvalidSyntax when the value breaks the rules of its header. `MANDATORY` and `OPTIONAL` list
them in the order in which a received message is checked.
"""

from collections.abc import Callable

from ichat_gw.addressing.sip_grammar import WS, InvalidSyntax, decimal, is_token, split_outside
from ichat_gw.addressing.sip_uri import NameAddr
from ichat_gw.sip.fields import CSeq, Via
from ichat_gw.sip.headers import Headers

SPELLING = {
    "via": "Via",
    "from": "From",
    "to": "To",
    "cseq": "CSeq",
    "call-id": "Call-ID",
    "contact": "Contact",
    "max-forwards": "Max-Forwards",
    "expires": "Expires",
    "content-type": "Content-Type",
    "require": "Require",
    "supported": "Supported",
    "route": "Route",
    "record-route": "Record-Route",
}


def _needed(headers: Headers, name: str) -> str:
    value = headers.get(name)
    if not value:
        raise InvalidSyntax("missing or empty")
    return value


def read_via(headers: Headers) -> Via:
    """Read the topmost Via value."""
    value = _needed(headers, "via")
    return Via.parse(value if "," not in value else split_outside(value, ",")[0])


def read_from(headers: Headers) -> NameAddr:
    """Read From."""
    return NameAddr.parse(_needed(headers, "from"))


def read_to(headers: Headers) -> NameAddr:
    """Read To."""
    return NameAddr.parse(_needed(headers, "to"))


def read_cseq(headers: Headers) -> CSeq:
    """Read CSeq."""
    return CSeq.parse(_needed(headers, "cseq"))


def read_call_id(headers: Headers) -> str:
    """Read Call-ID, which may not be empty."""
    return _needed(headers, "call-id")


def _read_addresses(headers: Headers, key: str) -> tuple[NameAddr, ...]:
    return tuple(address for value in headers.get_all(key) if value for address in NameAddr.parse_list(value))


def read_contacts(headers: Headers) -> tuple[NameAddr, ...]:
    """Read all Contact values; none for `*`."""
    return () if headers.get("contact") == "*" else _read_addresses(headers, "contact")


def read_routes(headers: Headers) -> tuple[NameAddr, ...]:
    """Read all Route values, topmost first."""
    return _read_addresses(headers, "route")


def read_record_routes(headers: Headers) -> tuple[NameAddr, ...]:
    """Read all Record-Route values, topmost first."""
    return _read_addresses(headers, "record-route")


def read_max_forwards(headers: Headers) -> int | None:
    """Read Max-Forwards, 0 to 255, or None when it is missing."""
    value = headers.get("max-forwards")
    if value is None:
        return None
    number = decimal(value, 255)
    if number is None:
        raise InvalidSyntax("not a number up to 255")
    return number


def read_expires(headers: Headers) -> int | None:
    """Read Expires in seconds, at most 2**32 - 1; None when it is missing or not a number."""
    value = headers.get("expires")
    if value is None or not (value.isascii() and value.isdigit()):
        return None
    number = decimal(value, 2**32 - 1)
    return 2**32 - 1 if number is None else number


def read_content_type(headers: Headers) -> str:
    """Read `type/subtype` of Content-Type in lower case; "" when it is missing or empty."""
    value = headers.get("content-type")
    if not value:
        return ""
    kind, _, subtype = value.partition(";")[0].partition("/")
    kind, subtype = kind.strip(WS), subtype.strip(WS)
    if not is_token(kind) or not is_token(subtype):
        raise InvalidSyntax("not a media type")
    return f"{kind}/{subtype}".lower()


def read_require(headers: Headers) -> tuple[str, ...]:
    """Read the option tags of Require in lower case."""
    return _read_options(headers, "require")


def read_supported(headers: Headers) -> tuple[str, ...]:
    """Read the option tags of Supported in lower case."""
    return _read_options(headers, "supported")


def _read_options(headers: Headers, key: str) -> tuple[str, ...]:
    tags = headers.values(key)
    if not all(is_token(tag) for tag in tags):
        raise InvalidSyntax("an option tag is not a token")
    return tuple(tag.lower() for tag in tags)


MANDATORY: tuple[tuple[str, Callable[[Headers], object]], ...] = (
    ("via", read_via),
    ("from", read_from),
    ("to", read_to),
    ("call-id", read_call_id),
    ("cseq", read_cseq),
)
OPTIONAL: tuple[tuple[str, Callable[[Headers], object]], ...] = (
    ("contact", read_contacts),
    ("max-forwards", read_max_forwards),
    ("content-type", read_content_type),
    ("require", read_require),
    ("supported", read_supported),
    ("route", read_routes),
    ("record-route", read_record_routes),
)
