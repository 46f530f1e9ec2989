"""The kinds of value that a setting can have: how the text is read, and what is allowed, in words."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import SecretStr

from ichat_gw.addressing.jid import Jid
from ichat_gw.addressing.sip_uri import NameAddr, SipUri
from ichat_gw.errors import GatewayError


class InvalidValue(GatewayError):
    """A text that is no value of its kind; the message says what is wrong, the kind what is allowed."""


class LogLevel(StrEnum):
    """How much is logged, from nothing to everything (manual, "General settings")."""

    NONE = "NONE"
    CRIT = "CRIT"
    ERR = "ERR"
    WARNING = "WARNING"
    INFO = "INFO"
    DEBUG = "DEBUG"
    STACK = "STACK"


class LogFormat(StrEnum):
    """How a line of the log is written."""

    TEXT = "text"
    JSON = "json"


class MediaEngineName(StrEnum):
    """Who moves audio."""

    BUILTIN = "builtin"
    RTPENGINE = "rtpengine"


NG_PORT = 2223
"""Where rtpengine listens for the ng protocol as Debian sets it up."""
HEP_PORT = 9060
"""Where Homer listens for HEP unless told otherwise."""


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host name or an IP address, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value."""

    allowed: str
    """What a value may be, as the end of the sentence "... is allowed"."""
    metavar: str
    """A word for it, in the help of the command line."""
    read: Callable[[str], object]
    """From text (never blank, unless `takes_blank`) to the value; raises `InvalidValue`."""
    takes_blank: bool = False
    """Whether blank is a value (an empty list); otherwise it stands for the default."""
    secret: bool = False
    """Whether a value must never be shown, logged or given on a command line."""
    write: Callable[[object], str] = str
    """From the value back to text, as a file has it."""


def whole(least: int, most: int, unit: str = "", metavar: str = "NUMBER") -> Kind:
    """Whole numbers from `least` to `most`, both included, in `unit`."""

    def read(text: str) -> int:
        return _number(text, least, most)

    of = f" of {unit}" if unit else ""
    return Kind(f"a whole number{of} from {least} to {most}", metavar, read)


def _number(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit()):
        raise InvalidValue(f"{text!r} is no whole number")
    # Python refuses to read numbers of thousands of digits.
    number = int(text) if len(text.lstrip("0")) <= len(str(most)) else most + 1
    if not least <= number <= most:
        raise InvalidValue(f"{text} is out of range")
    return number


def _on_off(text: str) -> bool:
    word = text.lower()
    if word in ("1", "true", "on", "enable"):
        return True
    if word in ("0", "false", "off", "disable"):
        return False
    raise InvalidValue(f"{text!r} is neither on nor off")


def _text(text: str) -> str:
    if not text.isprintable():
        raise InvalidValue(f"{text!r} contains a character that cannot be printed")
    return text


def _path(text: str) -> Path:
    return Path(_text(text))


def _items(text: str) -> list[str]:
    # COMPAT the original separates a list by comma, semicolon or white space.
    return [item for item in re.split(r"[\s,;]+", text) if item]


def _ip_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise InvalidValue(f"{text!r} is no IP address") from None


def _ip_addresses(text: str) -> tuple[str, ...]:
    return tuple(_ip_address(item) for item in _items(text))


def _networks(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    found = []
    for item in _items(text):
        try:
            found.append(ipaddress.ip_network(item))
        except ValueError:
            raise InvalidValue(_why_no_network(item)) from None
    return tuple(found)


def _why_no_network(text: str) -> str:
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"{text!r} is no IP address and no network"
    return f"{text!r} has bits set behind its prefix; {meant} may be meant"


def _hosts(text: str) -> tuple[str, ...]:
    return tuple(_host(item) for item in _items(text))


def _prefixes(text: str) -> tuple[str, ...]:
    for item in _items(text):
        if not item.isprintable():
            raise InvalidValue(f"{item!r} cannot begin a number or an address")
    return tuple(_items(text))


def _domains(text: str) -> tuple[str, ...]:
    return tuple(_domain(item) for item in _items(text))


def _payload_types(text: str) -> tuple[int, ...]:
    return tuple(sorted({_number(item, 0, 127) for item in _items(text)}))


def _host(text: str) -> str:
    try:
        return _ip_address(text)
    except InvalidValue:
        return _domain(text)


def _rtpengines(text: str) -> tuple[HostPort, ...]:
    return tuple(dict.fromkeys(_host_port(item) for item in _items(text)))


def _hep_server(text: str) -> HostPort:
    return _host_port(text, HEP_PORT)


def _host_port(text: str, default: int = NG_PORT) -> HostPort:
    """`host:port`, `[IPv6]:port`, or a host alone."""
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise InvalidValue(f"{text!r} is no host and port")
        port = port[1:]
    elif text.count(":") > 1:
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    return HostPort(_host(host), _number(port, 1, 65_535) if port else default)


def _domain(text: str) -> str:
    try:
        return Jid("", text).domain
    except GatewayError:
        raise InvalidValue(f"{text!r} is no host name") from None


def _localpart(text: str) -> str:
    try:
        return Jid(text, "localhost").local
    except GatewayError as error:
        raise InvalidValue(str(error).partition(";")[0]) from None


def _sip_uri(text: str) -> SipUri:
    # COMPAT the original takes the URI in angle brackets too, and adds a missing `sip:`.
    for attempt in (text, f"sip:{text}"):
        try:
            return NameAddr.parse(f"<{attempt}>" if "<" not in attempt else attempt).sip_uri
        except GatewayError:
            continue
    raise InvalidValue(f"{text!r} is no SIP URI")


def _name_addr(text: str) -> NameAddr:
    # COMPAT the original adds a missing `sip:`.
    why = ""
    for attempt in (text, f"sip:{text}"):
        try:
            address = NameAddr.parse(attempt)
            SipUri.parse(address.uri)
        except GatewayError as error:
            why = why or str(error)
        else:
            return address
    raise InvalidValue(f"{text!r} is no SIP name-addr: {why}")


def one_of(choices: type[StrEnum]) -> Kind:
    """One word of a list, in any case."""
    words = {choice.value.lower(): choice for choice in choices}

    def read(text: str) -> StrEnum:
        try:
            return words[text.lower()]
        except KeyError:
            raise InvalidValue(f"{text!r} is none of the words") from None

    return Kind("one of " + ", ".join(choice.value for choice in choices), "WORD", read)


def _write_list(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else ""


TEXT = Kind("a line of printable text", "TEXT", _text)
PATH = Kind("the path of a file", "FILE", _path)
SECRET = Kind("a line of text", "SECRET", SecretStr, secret=True)
ON_OFF = Kind(
    "1, true, on or enable, or else 0, false, off or disable",
    "on|off",
    _on_off,
    write=lambda value: "on" if value else "off",
)
PORT = whole(1, 65535, metavar="PORT")
PORT_OR_NONE = whole(0, 65535, metavar="PORT")
IP_ADDRESS = Kind("an IPv4 or IPv6 address of this machine", "ADDRESS", _ip_address)
IP_ADDRESSES = Kind(
    "IP addresses separated by commas", "ADDRESSES", _ip_addresses, takes_blank=True, write=_write_list
)
NETWORKS = Kind(
    "IP addresses and networks such as 192.168.1.0/24 or 2001:db8::/32, separated by commas",
    "NETWORKS",
    _networks,
    takes_blank=True,
    write=_write_list,
)
HOSTS = Kind(
    "host names and IP addresses separated by commas", "HOSTS", _hosts, takes_blank=True, write=_write_list
)
PREFIXES = Kind(
    "how numbers or addresses begin, such as +1900 or service@, separated by commas",
    "PREFIXES",
    _prefixes,
    takes_blank=True,
    write=_write_list,
)
DOMAINS = Kind("domain names separated by commas", "DOMAINS", _domains, takes_blank=True, write=_write_list)
PAYLOAD_TYPES = Kind(
    "RTP payload types from 0 to 127, separated by commas",
    "NUMBERS",
    _payload_types,
    takes_blank=True,
    write=_write_list,
)
HOST = Kind("a host name or an IP address", "HOST", _host)
DOMAIN = Kind("a domain name", "DOMAIN", _domain)
LOCALPART = Kind("a user name without domain (the part before the @ of a JID)", "USER", _localpart)
SIP_URI = Kind("a SIP URI such as sip:proxy.company.com;lr", "URI", _sip_uri)
NAME_ADDR = Kind('a name and a SIP URI such as "Gateway" <sip:gateway@company.com>', "NAME-ADDR", _name_addr)
RTPENGINES = Kind(
    f"hosts with a port, such as 192.0.2.1:{NG_PORT} or [2001:db8::1]:{NG_PORT}, separated by commas",
    "ADDRESSES",
    _rtpengines,
    takes_blank=True,
    write=_write_list,
)
HEP_SERVER = Kind(
    f"a host with a port, such as 192.0.2.1:{HEP_PORT} or [2001:db8::1]:{HEP_PORT}", "ADDRESS", _hep_server
)
MEDIA_ENGINE = one_of(MediaEngineName)
LOG_LEVEL = one_of(LogLevel)
LOG_FORMAT = one_of(LogFormat)
