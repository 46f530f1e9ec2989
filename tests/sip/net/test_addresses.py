"""Sources, zones and families."""

import socket

import pytest

from ichat_gw.sip.net import addresses
from ichat_gw.sip.net.addresses import Neighbourhood, family_of, is_link_local, plain, source_towards

FAR = ("fe80::9", 5060)


def test_families_and_plain_addresses() -> None:
    assert family_of("192.0.2.1") == socket.AF_INET
    assert family_of("::1") == socket.AF_INET6
    assert plain(("fe80::1%eth0", 5060, 0, 2)) == ("fe80::1", 5060)
    assert is_link_local("FEB0::1")
    assert not is_link_local("fe8")
    assert not is_link_local("192.0.2.1")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_kernel_knows_our_side(host: str) -> None:
    assert source_towards((host, 0)) == host


async def test_the_bound_address_is_ours_whoever_asks() -> None:
    assert Neighbourhood().source(("198.51.100.1", 5060), "192.0.2.1") == "192.0.2.1"


async def test_sources_are_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def count(remote: tuple[str, int], zone: int) -> str:
        asked.append(remote[0])
        return "192.0.2.1"

    monkeypatch.setattr(addresses, "source_towards", count)
    monkeypatch.setattr(addresses, "MAX_SOURCES", 3)
    near = Neighbourhood()
    for _ in range(2):
        assert near.source(("198.51.100.1", 5060), "0.0.0.0") == "192.0.2.1"
    assert asked == ["198.51.100.1"]
    for last in range(20):
        near.source((f"198.51.100.{last}", 5060), "0.0.0.0")
        assert len(near._sources) <= 3
    monkeypatch.setattr(addresses, "SOURCE_SECONDS", 0.0)
    asked.clear()
    for _ in range(2):
        near.source(("203.0.113.1", 5060), "::")
    assert len(asked) == 2


async def test_a_link_local_peer_is_on_the_wire_it_spoke_from(monkeypatch: pytest.MonkeyPatch) -> None:
    near = Neighbourhood()
    assert near.heard(("fe80::9%eth7", 5060, 0, 7)) == FAR
    assert near.sockaddr(FAR) == ("fe80::9", 5060, 0, 7)
    assert near.heard(("192.0.2.9", 5060)) == ("192.0.2.9", 5060)
    assert near.sockaddr(("2001:db8::1", 5060)) == ("2001:db8::1", 5060, 0, 0)
    monkeypatch.setattr(addresses, "MAX_SOURCES", 1)
    near.heard(("fe80::a%eth8", 5060, 0, 8))
    assert near._zones == {"fe80::a": 8}


@pytest.mark.parametrize(
    ("wires", "zone"), [([(1, "lo"), (4, "eth0")], 4), ([(1, "lo"), (4, "a"), (5, "b")], 0)]
)
async def test_one_that_never_spoke_is_on_the_only_wire(
    monkeypatch: pytest.MonkeyPatch, wires: list[tuple[int, str]], zone: int
) -> None:
    monkeypatch.setattr(socket, "if_nameindex", lambda: wires)
    assert Neighbourhood().sockaddr(FAR) == ("fe80::9", 5060, 0, zone)
