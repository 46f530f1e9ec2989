import pytest
from pydantic import SecretStr

from ichat_gw.config.credentials import SipCredentials
from ichat_gw.sip.authentication import Trust
from ichat_gw.sip.core import UserAgentConfig
from ichat_gw.sip.events import Flow
from ichat_gw.sip.outbound import Outbound, asker, user_of

AOR = "sip:alice@example.com"
TRUST = Trust((SipCredentials("*", "a", SecretStr("x")),), frozenset({"example.com"}))
ROUTE = ("<sip:edge.example;lr>", "<sip:core.example;lr>")


def config(proxy: str | None = None) -> UserAgentConfig:
    return UserAgentConfig(outbound_proxy=proxy, trust=TRUST)


def test_straight_to_the_target() -> None:
    way = Outbound(config(), AOR, ())
    assert way.next_hop("sip:bob@x") == "sip:bob@x"
    assert way.routes == []
    assert way.may_ask("sip:bob@example.com")
    assert not way.may_ask("sip:bob@elsewhere.example")
    assert not Outbound(config(), "", ()).may_ask("sip:bob@example.com")


def test_by_the_proxy() -> None:
    way = Outbound(config("sip:proxy;lr"), "", ())
    assert way.next_hop("sip:bob@x") == "sip:proxy;lr"
    assert way.routes == ["<sip:proxy;lr>"]
    assert way.may_ask("sip:bob@elsewhere.example")
    assert Outbound(config("sip:proxy"), "", ()).routes == []  # it routes strictly, and needs none


def test_by_the_way_that_the_registrar_gave() -> None:
    way = Outbound(config(), AOR, ROUTE)
    assert way.next_hop("sip:bob@x") == "sip:edge.example;lr"
    assert way.routes == list(ROUTE)
    assert way.may_ask("sip:bob@elsewhere.example")
    way = Outbound(config("sip:proxy;lr"), AOR, ROUTE)
    assert way.routes == ["<sip:proxy;lr>", *ROUTE]
    assert Outbound(config("sip:edge.example;lr"), AOR, ROUTE).routes == list(ROUTE)


def test_pinned() -> None:
    way = Outbound(config("sip:proxy;lr"), AOR, ROUTE, pinned=True)
    assert way.next_hop("sip:user@192.0.2.1") == "sip:user@192.0.2.1"
    assert way.routes == []
    assert not way.may_ask("sip:bob@example.com")


def test_who_asks() -> None:
    ours, theirs = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
    assert asker(Flow("UDP", ours, theirs)) == asker(Flow("TCP", ours, theirs))
    assert asker(Flow("UDP", ours, theirs)) != asker(Flow("TLS", ours, theirs))


@pytest.mark.parametrize(("aor", "user"), [("sip:o%27m@x", "o'm"), ("sip:x", ""), ("", ""), ("nonsense", "")])
def test_user_of(aor: str, user: str) -> None:
    assert user_of(aor) == user
