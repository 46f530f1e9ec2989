from dataclasses import replace

from ichat_gw.jabber.events import Reconnect
from ichat_gw.jabber.ids import Ids
from ichat_gw.jabber.keepalive import ANSWER_SECONDS, Keepalive
from jabber.scene import COMPONENT, CONFIG, MAC, Scene, is_online

CONFIG = replace(CONFIG, ping_seconds=60.0)
DEAD = Reconnect("the XMPP server did not answer a ping in 30 s")


def ping(number: int) -> str:
    return (
        f"<iq type='get' id='t{number:08x}' to='jabber.localhost' from='{COMPONENT}'>"
        "<ping xmlns='urn:xmpp:ping'/></iq>"
    )


def pong(number: int) -> str:
    return f"<iq type='result' id='t{number:08x}' from='jabber.localhost' to='{COMPONENT}'/>"


def test_a_living_server() -> None:
    scene = Scene(CONFIG)
    for number in range(1, 4):
        scene.waits(60.0, then=[ping(number)])
        scene.hears(pong(number), then=[])


def test_whatever_it_says_is_a_sign_of_life() -> None:
    scene = Scene(CONFIG)
    scene.waits(60.0, then=[ping(1)])
    scene.waits(29.0, then=[])
    scene.hears(is_online(MAC))
    scene.waits(59.0, then=[])
    scene.waits(1.0, then=[ping(2)])


def test_a_dead_server() -> None:
    scene = Scene(CONFIG)
    scene.waits(60.0, then=[ping(1)])
    scene.waits(ANSWER_SECONDS, then=[DEAD])
    scene.waits(600.0, then=[])
    scene.disconnects()
    scene.connects()
    scene.waits(60.0, then=[ping(2)])


def test_no_pings_while_there_is_no_stream() -> None:
    scene = Scene(CONFIG)
    scene.disconnects()
    scene.waits(600.0, then=[])


def test_no_pings_wanted() -> None:
    scene = Scene(replace(CONFIG, ping_seconds=0))
    scene.waits(600.0, then=[])


def test_expire_before_it_is_time() -> None:
    keepalive = Keepalive(CONFIG, Ids("t"))
    assert keepalive.expire(5.0) == []
    keepalive.stream_up(0.0)
    assert keepalive.expire(59.0) == []


def test_another_interval_while_the_stream_is_up() -> None:
    keepalive = Keepalive(CONFIG, Ids("t"))
    keepalive.stream_up(0.0)
    keepalive.reconfigure(10.0, 5.0)
    assert keepalive.deadline() == 15.0
    keepalive.expire(15.0)
    keepalive.reconfigure(20.0, 16.0)
    assert keepalive.deadline() == 15.0 + ANSWER_SECONDS, "the answer is waited for as long as ever"
    keepalive.heard(17.0)
    assert keepalive.deadline() == 37.0
    keepalive.reconfigure(0.0, 18.0)
    assert keepalive.deadline() is None


def test_another_interval_while_there_is_no_stream() -> None:
    keepalive = Keepalive(CONFIG, Ids("t"))
    keepalive.reconfigure(10.0, 5.0)
    assert keepalive.deadline() is None
    keepalive.stream_up(6.0)
    assert keepalive.deadline() == 16.0
