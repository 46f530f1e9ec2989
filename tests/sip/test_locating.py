"""RFC 3263: from a URI, and what DNS says, to endpoints in order."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.sip.locating import (
    MAX_HOPS,
    MAX_PER_HOP,
    Endpoint,
    Naptr,
    Question,
    Record,
    Srv,
    Target,
    Unreachable,
    best_first,
    choose_naptr,
    is_number,
    is_usable,
    locate,
    order_srv,
)

ALL = ("UDP", "TCP", "TLS")
Zone = dict[str, list[Record]]


def find(
    uri: str, zone: Zone | None = None, offered: tuple[str, ...] = ALL, chance: float = 0.5
) -> tuple[list[str], list[str]]:
    """Return the endpoints as `UDP 192.0.2.1:5060`, and the questions asked, as keys of `zone`."""
    steps = locate(Target.of(uri), offered, lambda: chance)
    asked: list[str] = []
    answers: dict[Question, tuple[Record, ...]] | None = None
    try:
        while True:
            questions = next(steps) if answers is None else steps.send(answers)
            assert len(set(questions)) == len(questions)
            asked += [f"{question.type} {question.name}" for question in questions]
            answers = {q: tuple((zone or {}).get(f"{q.type} {q.name}", ())) for q in questions}
    except StopIteration as end:
        return [f"{e.transport} {e.address}:{e.port}" for group in end.value for e in group], asked


def naptr(service: str, replacement: str, order: int = 1, preference: int = 1, flags: str = "s") -> Naptr:
    return Naptr(order, preference, flags, service, "", replacement)


@pytest.mark.parametrize(
    ("uri", "endpoint"),
    [
        ("sip:bob@192.0.2.9", "UDP 192.0.2.9:5060"),
        ("sip:bob@192.0.2.9:5080", "UDP 192.0.2.9:5080"),
        ("sip:bob@192.0.2.9;transport=tcp", "TCP 192.0.2.9:5060"),
        ("sip:bob@192.0.2.9;transport=TLS", "TLS 192.0.2.9:5061"),
        ("sips:bob@192.0.2.9", "TLS 192.0.2.9:5061"),
        ("sips:bob@192.0.2.9:5071;transport=tcp", "TLS 192.0.2.9:5071"),
        ("sip:[2001:db8::9]:5080", "UDP 2001:db8::9:5080"),
        ("sip:bob@example.com;maddr=192.0.2.9", "UDP 192.0.2.9:5060"),
        ("sip:bob@example.com;maddr=[2001:db8::9];transport=tcp", "TCP 2001:db8::9:5060"),
    ],
)
def test_numbers_need_no_dns(uri: str, endpoint: str) -> None:
    assert find(uri) == ([endpoint], [])


def test_a_port_needs_addresses_only() -> None:
    zone: Zone = {"A example.com": ["192.0.2.9"], "AAAA example.com": ["2001:db8::9"]}
    asked = ["AAAA example.com", "A example.com"]
    assert find("sip:bob@Example.com.:5080", zone) == (["UDP 2001:db8::9:5080", "UDP 192.0.2.9:5080"], asked)
    assert find("sips:bob@example.com:5080", zone)[0] == ["TLS 2001:db8::9:5080", "TLS 192.0.2.9:5080"]


def test_a_transport_needs_srv() -> None:
    zone: Zone = {
        "SRV _sip._tcp.example.com": [Srv(1, 0, 5080, "one.example.com")],
        "A one.example.com": ["192.0.2.1"],
    }
    endpoints, asked = find("sip:bob@example.com;transport=tcp", zone)
    assert endpoints == ["TCP 192.0.2.1:5080"]
    assert asked == ["SRV _sip._tcp.example.com", "AAAA one.example.com", "A one.example.com"]


def test_the_domain_chooses_the_transport_by_naptr() -> None:
    zone: Zone = {
        "NAPTR example.com": [
            naptr("SIP+D2U", "_sip._udp.elsewhere.net", preference=2),
            naptr("SIP+D2T", "_sip._tcp.example.com", preference=1),
            naptr("SIPS+D2T", "_sips._tcp.example.com", order=2),
            naptr("SIP+D2W", "_sip._ws.example.com", order=0),
        ],
        "SRV _sip._tcp.example.com": [Srv(1, 0, 5062, "a.example.com")],
        "SRV _sip._udp.elsewhere.net": [Srv(1, 0, 5063, "b.example.com")],
        "A a.example.com": ["192.0.2.1"],
        "A b.example.com": ["192.0.2.2"],
    }
    assert find("sip:bob@example.com", zone)[0] == ["TCP 192.0.2.1:5062", "UDP 192.0.2.2:5063"]
    assert find("sip:bob@example.com", zone, ("UDP",))[0] == ["UDP 192.0.2.2:5063"]


def test_sips_takes_tls_only() -> None:
    zone: Zone = {
        "NAPTR example.com": [naptr("SIP+D2U", "_sip._udp.example.com")],
        "SRV _sip._udp.example.com": [Srv(1, 0, 5060, "a.example.com")],
        "SRV _sips._tcp.example.com": [Srv(1, 0, 5071, "b.example.com")],
        "A a.example.com": ["192.0.2.1"],
        "A b.example.com": ["192.0.2.2"],
    }
    assert find("sips:bob@example.com", zone)[0] == ["TLS 192.0.2.2:5071"]


def test_without_naptr_srv_for_each_transport_ours_first() -> None:
    zone: Zone = {
        "SRV _sip._udp.example.com": [Srv(1, 0, 5060, "a.example.com")],
        "SRV _sips._tcp.example.com": [Srv(1, 0, 5061, "a.example.com")],
        "A a.example.com": ["192.0.2.1"],
    }
    endpoints, asked = find("sip:bob@example.com", zone)
    assert endpoints == ["UDP 192.0.2.1:5060", "TLS 192.0.2.1:5061"]
    assert asked[:4] == [
        "NAPTR example.com",
        "SRV _sip._udp.example.com",
        "SRV _sip._tcp.example.com",
        "SRV _sips._tcp.example.com",
    ]


def test_naptr_that_leads_nowhere_is_as_good_as_none() -> None:
    zone: Zone = {"NAPTR example.com": [naptr("SIP+D2U", "_sip._udp.x.net")], "A example.com": ["192.0.2.1"]}
    assert find("sip:bob@example.com", zone)[0] == ["UDP 192.0.2.1:5060"]


def test_without_anything_else_the_addresses_and_default_port() -> None:
    zone: Zone = {"A example.com": ["192.0.2.1"]}
    assert find("sip:bob@example.com", zone)[0] == ["UDP 192.0.2.1:5060"]
    assert find("sips:bob@example.com", zone)[0] == ["TLS 192.0.2.1:5061"]
    assert find("sip:bob@example.com;transport=tcp", zone)[0] == ["TCP 192.0.2.1:5060"]
    assert find("sip:bob@example.com", zone, ("TCP",))[0] == ["TCP 192.0.2.1:5060"]


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("tel:+15551234", "not sip"),
        ("sip:bob@example.com;transport=sctp", "no sip over sctp"),
        ("sips:bob@example.com;transport=udp", "no sips over udp"),
        ("sip:bob@0.0.0.0", "nobody's address"),
        ("sip:bob@example.com;maddr=224.0.1.75", "nobody's address"),
        ("sip:[::]", "nobody's address"),
        ("sip:bob@nowhere.example", "has no address"),
        ("sip:bob@refuses.example", "says that it has no SIP"),
        ("sip:bob@lies.example", "has no address"),
    ],
)
def test_what_leads_nowhere(uri: str, text: str) -> None:
    zone: Zone = {
        "SRV _sip._udp.refuses.example": [Srv(0, 0, 0, ".")],
        "A refuses.example": ["192.0.2.1"],
        "A lies.example": ["0.0.0.0", "255.255.255.255", "239.1.1.1", "lie"],
        "AAAA lies.example": ["::", "::ffff:192.0.2.1", "ff02::1"],
    }
    with pytest.raises(Unreachable, match=text):
        find(uri, zone)


@pytest.mark.parametrize("uri", ["sips:192.0.2.9", "sip:192.0.2.9;transport=tls", "sips:example.com:5061"])
def test_tls_that_is_not_open(uri: str) -> None:
    with pytest.raises(Unreachable, match="TLS is not open here"):
        find(uri, offered=("UDP", "TCP"))


def test_lying_dns_makes_no_long_list() -> None:
    many: list[Record] = [Srv(1, 1, 5060, f"s{number}.example.com") for number in range(1000)]
    zone: Zone = {"SRV _sip._udp.example.com": many}
    for number in range(1000):
        zone[f"A s{number}.example.com"] = [f"198.51.100.{n}" for n in range(200)]
    endpoints, _ = find("sip:bob@example.com", zone)
    assert len(endpoints) == MAX_HOPS * MAX_PER_HOP // 2


def test_srv_may_name_addresses_and_must_name_ports() -> None:
    """A target that is an address is against RFC 2782, and common."""
    zone: Zone = {"SRV _sip._udp.example.com": [Srv(1, 0, 0, "a.example.com"), Srv(2, 0, 5080, "192.0.2.7")]}
    assert find("sip:bob@example.com;transport=udp", zone) == (
        ["UDP 192.0.2.7:5080"],
        ["SRV _sip._udp.example.com"],
    )


def test_naptr_that_is_not_for_us() -> None:
    records: list[Record] = [
        naptr("SIP+D2U", "x", flags="u"),
        naptr("SIP+D2U", "."),
        Naptr(1, 1, "s", "SIP+D2U", "!.*!sip:x!", "x"),
        naptr("E2U+sip", "x"),
        "192.0.2.1",
    ]
    assert choose_naptr(records, ALL) == []


def test_srv_by_priority_then_weight() -> None:
    heavy, light, zero = Srv(1, 90, 1, "heavy"), Srv(1, 10, 2, "light"), Srv(1, 0, 3, "zero")
    later = Srv(2, 0, 4, "later")
    records: list[Record] = [later, zero, light, heavy, "192.0.2.1"]
    assert order_srv(records, lambda: 0.0) == [zero, light, heavy, later]
    assert order_srv(records, lambda: 0.05) == [light, heavy, zero, later]
    assert order_srv(records, lambda: 1.01)[0] == heavy, "rounding leaves nobody out"
    assert order_srv(records, lambda: 0.99) == [heavy, light, zero, later]
    numbers = random.Random(1)
    first = Counter(order_srv(records, numbers.random)[0].target for _ in range(2000))
    assert 1700 < first["heavy"] < 1900
    assert first["zero"] == 0


@given(
    st.lists(
        st.builds(Srv, st.integers(0, 3), st.integers(0, 65535), st.integers(0, 9), st.just("x")), max_size=20
    )
)
def test_srv_order_keeps_every_record(records: list[Srv]) -> None:
    ordered = order_srv(records, lambda: 0.7)
    assert Counter(ordered) == Counter(records)
    assert [record.priority for record in ordered] == sorted(record.priority for record in records)


def pair(theirs: str, ours: str) -> tuple[Endpoint, str]:
    return Endpoint("UDP", theirs, 5060), ours


def test_ipv6_first_where_both_ends_are_alike() -> None:
    v4 = pair("198.51.100.1", "10.0.0.1")
    alike = pair("2606:4700::1", "2a00:1450::1")
    private = pair("2606:4700::1", "fd00::1")
    assert best_first([v4, alike]) == [alike, v4]
    assert best_first([private, v4]) == [v4, private]
    assert best_first([v4, pair("fd00::2", "fd00::1")])[0][1] == "fd00::1"


def test_numbers_and_what_they_are_good_for() -> None:
    assert is_number("::1")
    assert not is_number("fe80::1%eth0")
    assert is_usable("127.0.0.1")
    assert not is_usable("::ffff:127.0.0.1")


def test_who_a_tls_peer_must_be() -> None:
    assert Target.of("sips:bob@Example.com;maddr=192.0.2.9").name == "example.com"
    assert Target.of("sips:[2001:db8::9]").name == "2001:db8::9"
