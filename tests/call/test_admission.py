"""Who may call: each limit by itself, and that no stranger can fill our memory."""

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.call import admission
from ichat_gw.call.admission import Admission, Limits, LiveCalls, Networks, Refusal, source_of
from ichat_gw.call.destinations import Destinations

OFFICE = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("address", "heard"),
    [
        ("192.0.2.7", True),
        ("192.0.3.7", False),
        ("2001:db8:1::1", True),
        ("2001:db9::1", False),
        ("::1", False),
    ],
)
def test_only_allowed_networks_are_heard(address: str, heard: bool) -> None:
    admitted = Admission(Limits(networks=OFFICE))
    assert (admitted.hears(address, 0.0) is None) is heard
    assert (admitted.hears(address, 0.0) is None) is heard  # from memory


def test_without_networks_everybody_is_heard() -> None:
    assert Admission(Limits()).hears("203.0.113.9", 0.0) is None


def test_an_expected_client_is_heard_wherever_it_is_but_may_not_call_of_its_own_accord() -> None:
    admitted = Admission(Limits(networks=OFFICE))
    admitted.expect("203.0.113.9")
    admitted.expect("203.0.113.9")
    admitted.release("203.0.113.9")
    assert admitted.hears("203.0.113.9", 0.0) is None
    assert admitted.expected == 1
    assert admitted.may_call("203.0.113.9") == Refusal("AllowedSIPNetworks", "203.0.113.9")
    assert admitted.may_call("192.0.2.7") is None
    admitted.release("203.0.113.9")
    assert admitted.hears("203.0.113.9", 0.0) == Refusal("AllowedSIPNetworks", "203.0.113.9")
    assert admitted.expected == 0


def test_an_expected_client_does_not_suffer_from_what_others_do() -> None:
    admitted = Admission(Limits(calls=1, requests=1, requests_per_source=2))
    admitted.expect("10.0.0.9")
    admitted.live.begin("1", "alice@x", "alice@x")
    assert admitted.sip_request("10.0.0.1", 0.0, opens_call=True) == Refusal("MaxCalls", "10.0.0.1")
    assert admitted.sip_request("10.0.0.1", 0.0, opens_call=False) == Refusal(
        "MaxRequestsPerSecond", "10.0.0.1"
    )
    assert admitted.sip_request("10.0.0.9", 0.0, opens_call=True) is None
    assert admitted.sip_request("10.0.0.9", 0.0, opens_call=True) is None
    assert admitted.sip_request("10.0.0.9", 0.0, opens_call=True) == Refusal(
        "MaxRequestsPerSecondPerSource", "10.0.0.9"
    )


def test_what_is_remembered_of_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "ADDRESSES", 8)
    networks = Networks(OFFICE)
    for number in range(100):
        assert not networks.contains(f"203.0.113.{number}")
        assert len(networks._known) <= 8


def test_one_source_may_not_ask_too_often_and_takes_nothing_from_the_others() -> None:
    admitted = Admission(Limits(requests_per_source=2, requests=4))
    said = [admitted.request("10.0.0.1", 0.0) for _ in range(10)]
    assert said == [None, None, *[Refusal("MaxRequestsPerSecondPerSource", "10.0.0.1")] * 8]
    assert [admitted.request("10.0.0.2", 0.0) for _ in range(2)] == [None, None]
    assert admitted.request("10.0.0.3", 0.0) == Refusal("MaxRequestsPerSecond", "10.0.0.3")
    assert admitted.request("10.0.0.3", 0.0, in_all=False) is None
    assert admitted.request("10.0.0.1", 1.0) is None


def test_a_limit_of_zero_is_none() -> None:
    admitted = Admission(Limits())
    assert all(admitted.request("10.0.0.1", 0.0) is None for _ in range(1000))
    for number in range(1000):
        assert admitted.call("10.0.0.1", "alice@example.com") is None
        admitted.live.begin(str(number), "10.0.0.1", "alice@example.com")
    assert admitted.dial_out("mallory@elsewhere.example") is None


def test_calls_at_once() -> None:
    admitted = Admission(Limits(calls=4, calls_per_source=2, calls_per_user=3))
    live = admitted.live
    assert admitted.call("10.0.0.1", "alice@x") is None
    live.begin("1", "10.0.0.1", "alice@x")
    live.begin("2", "10.0.0.1", "alice@x")
    assert admitted.call("10.0.0.1") == Refusal("MaxCallsPerSource", "10.0.0.1")
    assert admitted.call("10.0.0.2", "alice@x") is None
    live.begin("3", "alice@x", "alice@x")
    assert admitted.call("10.0.0.2") is None
    assert admitted.call("10.0.0.2", "alice@x") == Refusal("MaxCallsPerUser", "10.0.0.2, who calls alice@x")
    assert admitted.call("bob@x", "bob@x") is None
    live.begin("4", "bob@x", "bob@x")
    assert admitted.call("10.0.0.2") == Refusal("MaxCalls", "10.0.0.2")
    for handle in "1234":
        live.end(handle)
    live.end("4")
    assert len(live) == 0
    assert not live._of_source
    assert not live._of_user
    assert admitted.call("10.0.0.1", "alice@x") is None


def test_a_user_who_has_too_many_calls_is_named_once() -> None:
    admitted = Admission(Limits(calls_per_user=1))
    admitted.live.begin("1", "alice@x", "alice@x")
    assert admitted.call("alice@x", "alice@x") == Refusal("MaxCallsPerUser", "alice@x")


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.sampled_from("ab"), st.sampled_from("xy"))))
def test_calls_are_counted_as_they_are(steps: list[tuple[bool, int, str, str]]) -> None:
    live, known = LiveCalls(), {}
    for begins, number, source, user in steps:
        handle = str(number)
        if not begins:
            live.end(handle)
            known.pop(handle, None)
        elif handle not in known:
            live.begin(handle, source, user)
            known[handle] = source, user
        assert len(live) == len(known)
        for name in "ab":
            assert live.of_source(name) == sum(s == name for s, _ in known.values())
        for name in "xy":
            assert live.of_user(name) == sum(u == name for _, u in known.values())


def test_only_users_of_configured_domains_dial_out() -> None:
    admitted = Admission(Limits(domains=frozenset({"example.com"})))
    assert admitted.dial_out("alice@Example.com") is None
    assert admitted.dial_out("alice@sub.example.com") == Refusal(
        "AllowedXMPPDomains", "alice@sub.example.com"
    )
    assert admitted.dial_out("example.com@elsewhere.example") is not None


def test_the_log_is_not_flooded_and_says_what_it_left_out() -> None:
    admitted = Admission(Limits())
    refusal = Refusal("MaxCalls", "10.0.0.1")
    assert str(refusal) == "MaxCalls does not let in 10.0.0.1"
    said = [admitted.line(refusal, 0.0) for _ in range(100)]
    assert said == [0] * 10 + [None] * 90
    assert admitted.line(Refusal("MaxCallsPerUser", "10.0.0.1"), 0.0) == 0
    assert admitted.line(refusal, 5.1) == 90
    assert admitted.line(refusal, 10.2) == 0
    assert admitted.refused == {"MaxCalls": 102, "MaxCallsPerUser": 1}


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_ipv6_source_is_its_network(address: str, source: str) -> None:
    assert source_of(address) == source


# --- who misbehaves ---------------------------------------------------------------------------------------

STRICT = Limits(ignore_after=2, ignore_time=60, trusted=(ip_network("192.0.2.0/28"),))


def misbehave(admitted: Admission, address: str, now: float = 0.0, times: int = 3) -> list[bool]:
    return [admitted.misdeed(address, now) for _ in range(times)]


def test_who_misbehaves_too_often_is_ignored_for_a_while() -> None:
    admitted = Admission(STRICT)
    assert misbehave(admitted, "203.0.113.9") == [False, False, True]
    assert admitted.hears("203.0.113.9", 59.9) == Refusal("IgnoreAfter", "203.0.113.9")
    assert admitted.hears("203.0.113.8", 59.9) is None
    assert admitted.hears("203.0.113.9", 60.0) is None
    assert not admitted.ignored


def test_a_network_of_ipv6_misbehaves_as_one() -> None:
    admitted = Admission(STRICT)
    assert [admitted.misdeed(f"2001:db8::{n}", 0.0) for n in (1, 2, 3)] == [False, False, True]
    assert admitted.ignores("2001:db8::4", 1.0)
    assert not admitted.ignores("2001:db8:0:1::4", 1.0)


def test_a_call_that_is_up_is_heard_but_nothing_new_of_its_source() -> None:
    admitted = Admission(STRICT)
    admitted.live.begin("1", "203.0.113.9", "alice@x")
    misbehave(admitted, "203.0.113.9")
    assert admitted.hears("203.0.113.9", 1.0) is None
    assert admitted.ignores("203.0.113.9", 1.0)
    admitted.live.end("1")
    assert admitted.hears("203.0.113.9", 1.0) is not None


def test_who_is_never_ignored() -> None:
    admitted = Admission(STRICT)
    admitted.expect("203.0.113.7")
    admitted.vouch("203.0.113.8")
    for address in ("203.0.113.7", "203.0.113.8", "192.0.2.7"):
        assert misbehave(admitted, address, times=100) == [False] * 100
    misbehave(admitted, "203.0.113.9")
    admitted.vouch("203.0.113.9")  # as when the operator makes it a registrar
    assert admitted.hears("203.0.113.9", 1.0) is None


# --- where to ---------------------------------------------------------------------------------------------


def test_where_a_user_may_not_call() -> None:
    admitted = Admission(Limits(destinations=Destinations(denied=("0900",))))
    assert admitted.destination("sip:5551234@pbx", "alice@x") is None
    assert admitted.destination("sip:0900-1234@pbx", "alice@x") == Refusal(
        "DeniedDestinations", "alice@x, who calls sip:0900-1234@pbx"
    )


# --- other settings while it runs -------------------------------------------------------------------------


def test_other_limits_take_the_place_of_the_old_ones_and_what_is_remembered_stays() -> None:
    admitted = Admission(Limits(requests_per_source=1, ignore_after=2, ignore_time=60))
    assert admitted.request("10.0.0.1", 0.0) is None
    misbehave(admitted, "203.0.113.9")
    admitted.reconfigure(
        Limits(requests_per_source=1, ignore_after=2, ignore_time=60, networks=OFFICE, trusted=OFFICE)
    )
    assert admitted.request("10.0.0.1", 0.0) is not None
    assert admitted.ignores("203.0.113.9", 1.0)
    assert admitted.hears("203.0.113.8", 0.0) is not None
    assert misbehave(admitted, "192.0.2.77") == [False] * 3
    admitted.reconfigure(Limits(requests_per_source=2))
    assert admitted.request("10.0.0.1", 0.0) is None
    assert admitted.hears("203.0.113.9", 1.0) is None


def test_what_a_reload_does_not_change_keeps_its_count() -> None:
    limits = Limits(networks=OFFICE, trusted=OFFICE, requests_per_source=1, calls=1)
    admitted = Admission(limits)
    assert admitted.sip_request("192.0.2.7", 0.0, opens_call=False) is None
    admitted.reconfigure(replace(limits, calls=2))
    assert admitted.sip_request("192.0.2.7", 0.0, opens_call=False) == Refusal(
        "MaxRequestsPerSecondPerSource", "192.0.2.7"
    )
    admitted.reconfigure(replace(limits, networks=(), trusted=(), requests_per_source=2))
    assert admitted.sip_request("192.0.2.7", 0.0, opens_call=False) is None
    assert admitted.hears("203.0.113.9", 0.0) is None
