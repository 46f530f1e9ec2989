"""From the URI of a request to the servers that it may be sent to (RFC 3263), as one pure procedure.

`locate` is a generator: it yields the questions that it wants asked of DNS, all of one step at once, is sent
the answers, and returns groups of endpoints, best group first. The addresses of one group belong to one
server; which of them is best depends on the addresses of ours that lead there (`best_first`).

The steps: a number needs no DNS; a port needs addresses only; a transport in the URI needs SRV; else NAPTR
names the transports that the domain wants, in its order. What a domain does not say falls back to the next
step, down to its A and AAAA records with the default port. Every step is bounded, so no answer makes it long.
"""

from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeAlias

from ichat_gw.addressing.sip_uri import InvalidSipUri, SipUri
from ichat_gw.errors import GatewayError

MAX_RECORDS = 32
"""Records of one answer that are looked at."""
MAX_HOPS = 12
"""Servers (names with a port and a transport) that one URI may lead to."""
MAX_PER_HOP = 6
"""Addresses of one server that are tried, in all of both families."""

DEFAULT_PORTS: Mapping[str, int] = {"UDP": 5060, "TCP": 5060, "TLS": 5061}


class Unreachable(GatewayError):
    """A URI leads nowhere; the message says why."""


class RecordType(StrEnum):
    """The types of record that we ask for."""

    A = "A"
    AAAA = "AAAA"
    SRV = "SRV"
    NAPTR = "NAPTR"


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask DNS."""

    name: str
    type: RecordType


@dataclass(frozen=True, slots=True)
class Srv:
    """An SRV record (RFC 2782). The target `.` says that there is no such service."""

    priority: int
    weight: int
    port: int
    target: str


@dataclass(frozen=True, slots=True)
class Naptr:
    """A NAPTR record (RFC 3403), as far as SIP uses it."""

    order: int
    preference: int
    flags: str
    service: str
    regexp: str
    replacement: str


Record: TypeAlias = str | Srv | Naptr
"""A and AAAA records are their addresses, as text."""

Answers: TypeAlias = Mapping[Question, tuple[Record, ...]]
"""No record where there is none, or nobody answered."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a URI says about where it goes."""

    host: str
    """The name or address to find; an IPv6 address without brackets."""
    port: int | None
    transport: str | None
    """`UDP`, `TCP` or `TLS`, or None when the URI leaves it open."""
    secure: bool
    """`sips`: nothing but TLS will do."""
    name: str
    """The domain that a TLS peer must prove to be: that of the URI, whatever DNS and `maddr` say."""

    @classmethod
    def of(cls, uri: str) -> "Target":
        """Read a URI. Raises Unreachable when there is no way to go there."""
        try:
            parsed = SipUri.parse(uri)
        except InvalidSipUri as error:
            raise Unreachable(f"{uri}: {error}") from None
        host = (parsed.param("maddr") or parsed.address).strip("[]").rstrip(".").lower()
        secure = parsed.scheme == "sips"
        word = parsed.param("transport")
        transport = word.upper() if word else ("TLS" if secure else None)
        if secure and transport == "TCP":
            transport = "TLS"  # RFC 3261 section 26.2.2: the transport below TLS
        if transport is not None and (transport not in DEFAULT_PORTS or (secure and transport != "TLS")):
            raise Unreachable(f"{uri}: there is no {parsed.scheme} over {word}")
        name = parsed.address.rstrip(".").lower()
        return cls(host, parsed.port, transport, secure, name)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A transport, an IP address and a port."""

    transport: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class _Hop:
    """A server: a transport, a host that still needs its addresses, and a port."""

    transport: str
    host: str
    port: int


Steps: TypeAlias = Generator[list[Question], Answers, list[tuple[Endpoint, ...]]]


def locate(target: Target, offered: Collection[str], chance: Callable[[], float]) -> Steps:
    """Find the endpoints for a target, by the transports in `offered`. Raises Unreachable.

    `chance` gives numbers from 0 up to 1, for the weights of SRV.
    """
    transport = target.transport or "UDP"
    wanted = [target.transport] if target.transport else list(DEFAULT_PORTS)
    wanted = [each for each in wanted if each in offered]
    if not wanted or ((is_number(target.host) or target.port is not None) and transport not in offered):
        raise Unreachable(f"{target.host}: {transport} is not open here")
    if is_number(target.host):
        if not is_usable(target.host):
            raise Unreachable(f"{target.host} is nobody's address")
        return [(Endpoint(transport, target.host, target.port or DEFAULT_PORTS[transport]),)]
    if target.port is not None:
        hops = [_Hop(transport, target.host, target.port)]
    else:
        hops = yield from _hops(target, wanted, chance)
    return (yield from _addresses(target, hops))


def _hops(
    target: Target, wanted: list[str], chance: Callable[[], float]
) -> Generator[list[Question], Answers, list[_Hop]]:
    """Ask NAPTR, unless the transport is known, and SRV (sections 4.1 and 4.2)."""
    if target.transport is None:
        question = Question(target.host, RecordType.NAPTR)
        answers = yield [question]
        chosen = choose_naptr(answers[question], wanted)
        if chosen:
            hops, _ = yield from _services([(each, record.replacement) for each, record in chosen], chance)
            if hops:
                return hops
    prefixes = {"UDP": "_sip._udp", "TCP": "_sip._tcp", "TLS": "_sips._tcp"}
    hops, denied = yield from _services(
        [(each, f"{prefixes[each]}.{target.host}") for each in wanted], chance
    )
    if not hops:
        if denied:
            raise Unreachable(f"{target.host} says that it has no SIP")
        transport = target.transport or wanted[0]
        hops = [_Hop(transport, target.host, DEFAULT_PORTS[transport])]
    return hops


def _services(
    names: list[tuple[str, str]], chance: Callable[[], float]
) -> Generator[list[Question], Answers, tuple[list[_Hop], bool]]:
    """Ask SRV for each (transport, name); also tell whether somebody says that there is no service."""
    questions = [Question(name, RecordType.SRV) for _, name in names]
    answers = yield list(dict.fromkeys(questions))
    hops: list[_Hop] = []
    denied = False
    for (transport, _), question in zip(names, questions, strict=True):
        records = order_srv(answers[question], chance)
        denied = denied or any(not record.target.strip(".") for record in records)
        hops += [
            _Hop(transport, record.target.rstrip(".").lower(), record.port)
            for record in records
            if record.port and record.target.strip(".")
        ]
    return hops[:MAX_HOPS], denied


def _addresses(target: Target, hops: list[_Hop]) -> Steps:
    hosts = dict.fromkeys(hop.host for hop in hops if not is_number(hop.host))
    answers: Answers = {}
    if hosts:
        answers = yield [Question(host, kind) for host in hosts for kind in (RecordType.AAAA, RecordType.A)]
    groups = []
    for hop in hops:
        found: list[str] = [hop.host] if is_number(hop.host) else []
        for kind in (RecordType.AAAA, RecordType.A):
            records = answers.get(Question(hop.host, kind), ())
            found += [record for record in records[: MAX_PER_HOP // 2] if isinstance(record, str)]
        group = tuple(
            Endpoint(hop.transport, address, hop.port)
            for address in dict.fromkeys(found)
            if is_number(address) and is_usable(address)
        )
        if group:
            groups.append(group)
    if not groups:
        raise Unreachable(f"{target.host} has no address")
    return groups


# --- records ----------------------------------------------------------------------------------------------

_SERVICES = {"SIP+D2U": "UDP", "SIP+D2T": "TCP", "SIPS+D2T": "TLS"}


def choose_naptr(records: Iterable[Record], wanted: Collection[str]) -> list[tuple[str, Naptr]]:
    """Return the transports to use with their records, best first (section 4.1).

    Only the lowest order that has any for us counts (RFC 3403 section 4.1).
    """
    found = [
        (_SERVICES[record.service.upper()], record)
        for record in list(records)[:MAX_RECORDS]
        if isinstance(record, Naptr)
        and record.flags.lower() == "s"
        and not record.regexp
        and record.replacement.strip(".")
        and _SERVICES.get(record.service.upper()) in wanted
    ]
    found.sort(key=lambda each: (each[1].order, each[1].preference))
    return [each for each in found if each[1].order == found[0][1].order][:MAX_HOPS]


def order_srv(records: Iterable[Record], chance: Callable[[], float]) -> list[Srv]:
    """Order by priority, and within one at random by weight (RFC 2782, "Usage rules")."""
    left = [record for record in list(records)[:MAX_RECORDS] if isinstance(record, Srv)]
    # Those without weight first, so that they have a small chance.
    left.sort(key=lambda record: (record.priority, record.weight))
    ordered: list[Srv] = []
    while left:
        same = [record for record in left if record.priority == left[0].priority]
        number = chance() * sum(record.weight for record in same)
        chosen = same[-1]
        for record in same:
            number -= record.weight
            if number <= 0:
                chosen = record
                break
        ordered.append(chosen)
        left.remove(chosen)
    return ordered


# --- addresses --------------------------------------------------------------------------------------------


def is_number(host: str) -> bool:
    """Tell whether a host is an IP address, which needs no look-up."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def is_usable(address: str) -> bool:
    """Tell whether one peer can be meant: no wildcard, no multicast, no broadcast, no IPv4 in disguise."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return False
    return not (parsed.is_unspecified or parsed.is_multicast or parsed == IPv4Address("255.255.255.255"))


def best_first(pairs: Iterable[tuple[Endpoint, str]]) -> list[tuple[Endpoint, str]]:
    """Order the endpoints of one server, each with the address of ours that leads there (RFC 6724).

    IPv6 comes first where both ends have the same kind of address; a private IPv6 address of ours hardly
    reaches the Internet, nor a global one a private network, so there IPv4 does.
    """
    return sorted(pairs, key=lambda pair: _rank(pair[0].address, pair[1]))


def _rank(theirs: str, ours: str) -> int:
    there, here = ip_address(theirs), ip_address(ours)
    if isinstance(there, IPv4Address):
        return 1
    same = (there.is_private, there.is_link_local, there.is_loopback) == (
        here.is_private,
        here.is_link_local,
        here.is_loopback,
    )
    return 0 if same else 2
