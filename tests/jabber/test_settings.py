from dataclasses import replace

import pytest

from ichat_gw.addressing.jid import InvalidJid
from ichat_gw.jabber.ichat import blob
from jabber.scene import BLOB, CONFIG, CONTROL


def test_derived() -> None:
    config = replace(CONFIG, component="iChat-GW.Jabber.localhost", control_user="Control")
    assert config.domain == "ichat-gw.jabber.localhost"
    assert config.control == CONTROL
    assert config.blob == BLOB


@pytest.mark.parametrize(
    ("component", "server_domain", "target"),
    [("a.b.c", "", "b.c"), ("gateway", "", "gateway"), ("a.b.c", "example.org", "example.org")],
)
def test_whom_to_ping(component: str, server_domain: str, target: str) -> None:
    assert replace(CONFIG, component=component, server_domain=server_domain).ping_target == target


def test_addresses_are_named_in_order() -> None:
    config = replace(CONFIG, addresses=[("10.0.0.1", 5070), ("2001:db8::1", 5070)])
    assert [record.name for record in blob.decode(config.blob)] == ["eth0", "eth1"]


def test_names_that_are_none() -> None:
    with pytest.raises(InvalidJid):
        _ = replace(CONFIG, control_user="a b").control
