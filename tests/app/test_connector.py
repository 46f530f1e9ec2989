"""The connector's shell, as far as no server is needed; the rest is in tests/jabber/test_with_servers.py."""

import asyncio
import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ichat_gw.app.children import LONGEST_LINE
from ichat_gw.app.connector import LONGEST_LOGGED, STORE_AGAIN_SECONDS, ConnectorServer, _log_stanzas
from ichat_gw.app.connector_start import ConnectorStart
from ichat_gw.ipc.channel import QueueFull
from ichat_gw.ipc.messages import (
    VERSION,
    Configure,
    Hello,
    Log,
    Message,
    NotifyChatMessage,
    RejectChatMessage,
    SipRegisterJabberUser,
)
from ichat_gw.jabber.events import (
    CloseStream,
    ConnectorCommand,
    Dropped,
    ForgetSubscription,
    RememberSubscription,
    SendStanza,
    Tell,
)
from ichat_gw.jabber.store import StoreError
from ichat_gw.ops import logging


@pytest.fixture
def console() -> Iterator[io.StringIO]:
    """What is logged at DEBUG, as JSON."""
    written = io.StringIO()
    logging.configure("DEBUG", form="json", console=written)
    yield written
    logging.shutdown()


class Wires:
    """Stands for the link to the gateway and for the stream: notes what is said, in order."""

    def __init__(self) -> None:
        self.said: list[object] = []
        self.full = False

    def send(self, what: Message | str) -> bool:
        if self.full:
            raise QueueFull("20000 messages wait")
        self.said.append(what)
        return True


def serve(folder: Path, scene: Callable[[ConnectorServer, Wires], None]) -> None:
    async def play() -> None:
        start = ConnectorStart(
            version=VERSION,
            key=b"k" * 32,
            gateway_ipc_port=0,
            connector_ipc_port=0,
            component="gw.localhost",
            password="x",
            server="127.0.0.1",
            port=1,
            control_user="control",
            addresses=[],
            proceeding_timeout_ms=1,
            ping_seconds=0.0,
            messages=True,
            numbers_reachable=False,
            longest_stanza=10_000,
            traces=False,
            database=str(folder / "db"),
            userdb=str(folder / "none"),
            log_level="DEBUG",
        )
        server, wires = ConnectorServer(start), Wires()
        server._link = server._stream = wires  # type: ignore[assignment]
        try:
            scene(server, wires)
        finally:
            server._store.close()

    asyncio.run(play())


def test_what_a_user_hears_of_is_stored_and_told_before(tmp_path: Path, console: io.StringIO) -> None:
    """Whenever the connector is killed, nobody was told what it does not know after a restart."""
    commands: list[ConnectorCommand] = [
        SendStanza("<presence/>"),
        RememberSubscription("alice@x", "control@gw.localhost"),
        SendStanza("<iq/>"),
        Tell(SipRegisterJabberUser("alice@x")),
        Dropped("why"),
    ]

    def scene(server: ConnectorServer, wires: Wires) -> None:
        stored: list[object] = wires.said
        server._store.remember = lambda *who: stored.append(who)  # type: ignore[method-assign]
        server._do(commands)
        assert wires.said == [
            ("alice@x", "control@gw.localhost"),
            SipRegisterJabberUser("alice@x"),
            "<presence/><iq/>",
        ]
        assert not server._stop.is_set()
        server._do([CloseStream()])
        assert server._stop.is_set()

    serve(tmp_path, scene)


def test_stanzas_are_told_from_when_traces_are_wanted(tmp_path: Path, console: io.StringIO) -> None:
    def scene(server: ConnectorServer, wires: Wires) -> None:
        server._feed = lambda event: None  # type: ignore[assignment, method-assign]
        for wanted in (True, False):
            server._gateway_said(Configure(1, 0.0, False, True, wanted, "DEBUG"))
            assert (server._witness is not None) is wanted

    serve(tmp_path, scene)


def test_a_full_disk_ends_no_calls(tmp_path: Path) -> None:
    def scene(server: ConnectorServer, wires: Wires) -> None:
        def refuse(*who: str) -> None:
            raise StoreError("disk full")

        server._store.remember = refuse  # type: ignore[method-assign]
        server._do([RememberSubscription("alice@x", "control@gw.localhost"), SendStanza("<presence/>")])
        told, stanza = wires.said
        assert isinstance(told, Log)
        assert "disk full" in told.text
        assert stanza == "<presence/>"

    serve(tmp_path, scene)


def test_what_could_not_be_stored_is_tried_again(
    tmp_path: Path, console: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to subscribe again: told once, tried until it is there."""
    other = sqlite3.connect(tmp_path / "db", isolation_level=None)

    def scene(server: ConnectorServer, wires: Wires) -> None:
        later: list[Callable[[], None]] = []
        loop = asyncio.get_running_loop()

        def call_later(seconds: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
            assert seconds == STORE_AGAIN_SECONDS
            later.append(callback)
            return asyncio.TimerHandle(0.0, callback, (), loop)

        monkeypatch.setattr(loop, "call_later", call_later)
        server._store._wait_for_locks(0.0)
        other.execute("BEGIN IMMEDIATE")
        server._do([RememberSubscription("alice@x", "1@gw.localhost")])
        server._do([RememberSubscription("alice@x", "2@gw.localhost")])
        assert len(later) == len(wires.said) == 1
        later.pop()()
        assert len(later) == 1
        other.execute("ROLLBACK")
        server._do([ForgetSubscription("alice@x", "1@gw.localhost")])
        assert server._store.load() == [("alice@x", "2@gw.localhost")]
        later.pop()()
        assert not later
        assert "subscriptions are stored again" in console.getvalue()

    serve(tmp_path, scene)
    other.close()


def test_the_last_try_to_store(tmp_path: Path, console: io.StringIO) -> None:
    other = sqlite3.connect(tmp_path / "db", isolation_level=None)

    def scene(server: ConnectorServer, wires: Wires) -> None:
        server._store._wait_for_locks(0.0)
        other.execute("BEGIN IMMEDIATE")
        server._do([RememberSubscription("alice@x", "1@gw.localhost")])
        server._store_last()
        assert "subscriptions are lost" in console.getvalue()

    serve(tmp_path, scene)
    other.close()


def test_a_gateway_that_does_not_take_what_we_say(tmp_path: Path, console: io.StringIO) -> None:
    def scene(server: ConnectorServer, wires: Wires) -> None:
        wires.full = True
        server._tell(SipRegisterJabberUser("alice@x"))
        fed: list[object] = []
        server._feed = fed.append  # type: ignore[method-assign]
        server._loop = asyncio.get_running_loop()
        server._loop.call_soon = lambda callback, *said: callback(*said)  # type: ignore[method-assign,assignment,misc]
        try:
            server._tell(NotifyChatMessage("5@gw", "alice@x/y", "m1", "hi"))
        finally:
            del server._loop.call_soon
        (rejection,) = fed
        assert isinstance(rejection, RejectChatMessage)
        assert rejection.status == 503

    serve(tmp_path, scene)
    line, _ = (json.loads(text) for text in console.getvalue().splitlines())
    assert (line["level"], line["message"]) == ("WARNING", "SipRegisterJabberUser")


def test_a_gateway_of_another_release(tmp_path: Path, console: io.StringIO) -> None:
    def scene(server: ConnectorServer, wires: Wires) -> None:
        server._gateway_said(Hello(VERSION))
        assert not server._stop.is_set()
        server._gateway_said(Hello(VERSION + 1))
        assert server._stop.is_set()

    serve(tmp_path, scene)
    lines = [json.loads(text) for text in console.getvalue().splitlines()]
    (line,) = [line for line in lines if line["level"] == "ERR"]
    assert (line["theirs"], line["ours"]) == (VERSION + 1, VERSION)


@pytest.mark.parametrize("letter", ["x", "\u00fc", "\x7f", '"', "\U0001f600"])
def test_a_stanza_of_any_length_is_one_line_of_the_log(console: io.StringIO, letter: str) -> None:
    element = ElementTree.Element("message", {"from": "a" * 3071, "to": "b"})
    element.text = letter * 250_000
    _log_stanzas("in", [element, ElementTree.Element("presence")])
    first, second = console.getvalue().splitlines()
    assert len(first) < LONGEST_LINE
    assert "characters more" in json.loads(first)["message"]
    assert json.loads(second)["message"] == "<presence />"
    assert LONGEST_LOGGED < LONGEST_LINE / 6
