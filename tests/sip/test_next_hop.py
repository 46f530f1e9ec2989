"""The way of a dialog's requests: looked up once, in order, never given up."""

import pytest

from ichat_gw.sip.core import Core, TransactionUser, UserAgentConfig
from ichat_gw.sip.dialog import Dialog
from ichat_gw.sip.events import Flow, Lookup, Resolved
from ichat_gw.sip.next_hop import NextHop, leads_along
from tests.sip.ladder import tokens

FIRST = Flow("UDP", ("192.0.2.1", 5070), ("192.0.2.9", 5060))
OTHER = Flow("UDP", ("192.0.2.1", 5070), ("192.0.2.10", 5060))


class Bench:
    def __init__(self, target: str, pinned: bool = False) -> None:
        self.core = Core(UserAgentConfig(), tokens())
        self.dialog = Dialog(
            "c", "l", "lt", "r", "rt", remote_target=target, contact="<sip:gw>", pinned=pinned
        )
        self.hop = NextHop(self.core, TransactionUser(1), self.dialog, FIRST)
        self.went: list[tuple[str, Flow]] = []

    def go(self, name: str) -> None:
        self.hop.run(lambda flow: self.went.append((name, flow)))

    def lookups(self) -> list[str]:
        return [command.uri for command in self.core.out if isinstance(command, Lookup)]


@pytest.mark.parametrize("pinned", [True, False])
def test_no_lookup_where_the_invite_went(pinned: bool) -> None:
    bench = Bench("sip:bob@nowhere.example" if pinned else "sip:bob@192.0.2.9", pinned)
    bench.go("ACK")
    assert bench.went == [("ACK", FIRST)]
    assert not bench.lookups()


def test_one_lookup_and_everything_in_order() -> None:
    bench = Bench("sip:bob@example.com")
    bench.go("ACK")
    bench.go("BYE")
    assert bench.went == []
    bench.core.resolved(Resolved(1, (OTHER, FIRST)))
    bench.go("later")
    assert bench.went == [("ACK", OTHER), ("BYE", OTHER), ("later", OTHER)]
    assert bench.lookups() == ["sip:bob@example.com"]
    bench.dialog.remote_target = "sip:bob@example.net"
    bench.go("moved")
    assert bench.lookups() == ["sip:bob@example.com", "sip:bob@example.net"]


def test_a_name_that_leads_nowhere_is_tried_where_the_invite_went() -> None:
    bench = Bench("sip:bob@example.com")
    bench.go("BYE")
    bench.core.resolved(Resolved(1, ()))
    assert bench.went == [("BYE", FIRST)]


@pytest.mark.parametrize(
    ("uri", "same"),
    [
        ("sip:bob@192.0.2.9", True),
        ("sip:192.0.2.9:5060;lr", True),
        ("sip:bob@192.0.2.9;transport=UDP", True),
        ("sip:bob@192.0.2.9:5061", False),
        ("sip:bob@192.0.2.9;transport=tcp", False),
        ("sip:bob@192.0.2.9;maddr=192.0.2.10", False),
        ("sips:bob@192.0.2.9", False),
        ("sip:bob@example.com", False),
        ("tel:+1", False),
    ],
)
def test_which_uris_lead_along_the_flow(uri: str, same: bool) -> None:
    assert leads_along(uri, FIRST) is same


@pytest.mark.parametrize(
    ("uri", "transport", "same"),
    [
        ("sip:bob@192.0.2.9:5061;transport=tls", "TLS", True),
        ("sip:bob@192.0.2.9;transport=tls", "TLS", True),
        ("sips:bob@192.0.2.9", "TLS", True),
        ("sips:bob@192.0.2.9:5061;transport=tcp", "TLS", True),
        ("sip:bob@192.0.2.9:5061;transport=tcp", "TCP", True),
        ("sip:bob@192.0.2.9:5061", "TCP", False),
        ("sip:bob@192.0.2.9;transport=sctp", "TCP", False),
    ],
)
def test_which_uris_leads_along_a_stream(uri: str, transport: str, same: bool) -> None:
    assert leads_along(uri, Flow(transport, ("192.0.2.1", 5071), ("192.0.2.9", 5061), "x")) is same


def test_ipv6_is_compared_by_value() -> None:
    flow = Flow("UDP", ("2001:db8::1", 5070), ("2001:db8::9", 5060))
    assert leads_along("sip:bob@[2001:DB8:0:0:0:0:0:9]", flow)
