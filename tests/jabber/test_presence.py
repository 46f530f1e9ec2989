import pytest

from ichat_gw.ipc.messages import Hello, JabberConnection, SipUnregisterJabberUser
from ichat_gw.jabber import presence
from ichat_gw.jabber.events import Dropped
from ichat_gw.jabber.presence import CONFIRM, GRACE, Device, Users, read_device
from jabber.scene import ALICE, BOOK, DOWN, MAC, REGISTER, UP, Scene, element, is_offline, is_online

UNREGISTER = SipUnregisterJabberUser(ALICE)


@pytest.mark.parametrize(
    ("children", "device"),
    [
        ("", None),
        ("<c xmlns='http://jabber.org/protocol/caps' node='http://psi-im.org/caps' ext='avavail'/>", None),
        ("<c xmlns='other' node='apple:ichat:caps' ext='avavail'/>", None),
        ("{c}", Device(1, 0, False)),
        ("{c:avcap avavail audio}", Device(1, 0, True)),
        ("{c:xavavail avavailx}", Device(1, 0, False)),
        ("<show>away</show><priority>5</priority>{c:avavail}", Device(2, 5, True)),
        ("{c:avavail}<priority>-3</priority><show>chat</show>", Device(0, -3, True)),
        ("<show>xa</show><priority>999</priority>{c:avavail}", Device(3, 127, True)),
        ("<show> dnd </show><priority>-999</priority>{c:avavail}", Device(4, -128, True)),
        ("<show>x</show><priority>x</priority>{c:avavail}", Device(1, 0, True)),
        ("<show/><priority/>{c:avavail}", Device(1, 0, True)),
    ],
)
@pytest.mark.parametrize("node", ["apple:ichat:caps", "http://www.apple.com/ichat/caps"])
def test_read_device(children: str, device: Device | None, node: str) -> None:
    start = f"<c xmlns='http://jabber.org/protocol/caps' node='{node}' ver='1'"
    xml = children.replace("{c}", start + "/>")
    if "{c:" in xml:
        before, _, rest = xml.partition("{c:")
        ext, _, after = rest.partition("}")
        xml = f"{before}{start} ext='{ext}'/>{after}"
    assert read_device(element(f"<presence>{xml}</presence>")) == device


# --- becoming and ceasing to be available ---------------------------------------------------------------


def test_the_first_device_registers_the_last_unregisters() -> None:
    scene = Scene()
    scene.hears(is_online(MAC), then=[REGISTER])
    scene.hears(is_online(BOOK, ext="avcap"), then=[])
    scene.hears(is_online(MAC, show="away"), then=[])
    scene.hears(is_offline(MAC), then=[])
    scene.hears(is_offline(MAC), then=[])
    scene.hears(is_offline(BOOK), then=[UNREGISTER])
    assert scene.connector.users_online == 0


@pytest.mark.parametrize("type_", ["unavailable", "error", "unsubscribed"])
def test_the_bare_jid_speaks_for_all(type_: str) -> None:
    scene = Scene(online=[MAC, BOOK])
    xml = is_offline(ALICE).replace("unavailable", type_)
    scene.hears(xml, then=[UNREGISTER])
    scene.hears(xml, then=[])


def test_an_ichat_that_is_none_any_more() -> None:
    scene = Scene(online=[MAC])
    scene.hears(f"<presence from='{MAC}' to='control@ichat-gw.jabber.localhost'/>", then=[UNREGISTER])


def test_other_clients_do_not_count() -> None:
    scene = Scene()
    scene.hears(is_online(MAC).replace("http://www.apple.com/ichat/caps", "http://psi-im.org"), then=[])
    scene.hears(is_online(ALICE), then=[Dropped("presence to a speed dial")])
    scene.hears(
        is_online(MAC, to="5551234@ichat-gw.jabber.localhost"), then=[Dropped("presence to a speed dial")]
    )


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "MAX_USERS", 1)
    monkeypatch.setattr(presence, "MAX_RESOURCES", 1)
    scene = Scene(online=[MAC])
    scene.hears(is_online(BOOK), then=[Dropped("too many devices of one user")])
    scene.hears(is_online("bob@jabber.localhost/x"), then=[Dropped("too many users online")])
    scene.hears(is_online(MAC, show="away"), then=[])


# --- while the server is away ---------------------------------------------------------------------------


def test_a_short_break_is_not_noticed_by_the_registrar() -> None:
    scene = Scene(online=[MAC])
    scene.disconnects(then=[DOWN])
    assert scene.connector.users_online == 0
    scene.waits(GRACE - 1, then=[])
    scene.connects(then=[UP])
    scene.waits(CONFIRM - 1, then=[])
    scene.hears(is_online(MAC), then=[])
    scene.waits(100.0, then=[])
    scene.hears(is_offline(MAC), then=[UNREGISTER])


def test_a_long_break() -> None:
    scene = Scene(online=[MAC])
    scene.disconnects()
    scene.waits(GRACE, then=[UNREGISTER])
    scene.connects(then=[UP])
    scene.hears(is_online(MAC), then=[REGISTER])
    assert scene.connector.deadline() is None


def test_gone_during_the_break() -> None:
    scene = Scene(online=[MAC])
    scene.disconnects()
    scene.connects(then=[UP])
    scene.waits(CONFIRM, then=[UNREGISTER])


def test_offline_after_the_break() -> None:
    scene = Scene(online=[MAC])
    scene.disconnects()
    scene.connects()
    scene.hears(is_offline(ALICE), then=[UNREGISTER])
    scene.waits(CONFIRM, then=[])


def test_a_break_that_concerns_nobody() -> None:
    scene = Scene()
    scene.disconnects()
    assert scene.connector.deadline() is None


# --- the gateway ----------------------------------------------------------------------------------------


def test_a_gateway_that_comes_back_hears_everything_again() -> None:
    scene = Scene(online=[MAC])
    scene.is_told(Hello(1), then=[UP, REGISTER])
    scene.disconnects("no route")
    scene.is_told(Hello(1), then=[JabberConnection(False, "no route"), REGISTER])


def test_expire_before_it_is_time_does_nothing() -> None:
    users = Users()
    assert users.expire(1.0) == []
    users.online(MAC, Device(1, 0, True))
    users.stream_down(1.0)
    assert users.deadline() == 1.0 + GRACE
    assert users.expire(2.0) == []
