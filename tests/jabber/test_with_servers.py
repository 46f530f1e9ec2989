"""The connector in the flesh: on a component stream to a real XMPP server, with simulated iChats behind it.

The gateway is the test: it reads what the connector tells it and answers.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from ichat_gw.ipc.messages import (
    AcceptIChatCall,
    CancelIChatCall,
    CheckSubscription,
    ContinueIChatCall,
    InitiateIChatCall,
    JabberConnection,
    Message,
    NotifyIChatCallCancelled,
    NotifyIChatCallFailed,
    NotifyIChatCallProceeding,
    NotifyIChatCallRequest,
    ProceedingIChatCall,
    RejectIChatCall,
    SendSubscriptionResponse,
    SipRegisterJabberUser,
    SipUnregisterJabberUser,
    Stop,
)
from ichat_gw.jabber.connector import Connector
from ichat_gw.jabber.events import (
    CloseStream,
    ConnectorEvent,
    ForgetSubscription,
    Reconnect,
    RememberSubscription,
    SendStanza,
    StanzaReceived,
    StreamDown,
    StreamUp,
    Tell,
)
from ichat_gw.jabber.net.component import ComponentStream
from ichat_gw.jabber.net.store import SqliteStore
from ichat_gw.jabber.settings import ConnectorConfig
from jabber.scene import BLOB
from peers.ejabberd import PrivateEjabberd
from peers.ichat import SimulatedIChat
from peers.prosody import PrivateProsody
from peers.xmpp_server import XmppServer

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.parametrize("kind", [PrivateProsody, PrivateEjabberd], ids=["prosody", "ejabberd"]),
]

M = TypeVar("M", bound=Message)
WITHIN = 30.0


class Rig:
    """The smallest shell that a connector needs, and the gateway's end of it."""

    def __init__(self, server: XmppServer, store: SqliteStore) -> None:
        self.said: list[Message] = []
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.store = store
        self.control = f"control@{server.component}"
        config = ConnectorConfig(
            component=server.component,
            control_user="control",
            addresses=[("127.0.0.1", 15070)],
            proceeding_timeout_ms=500,
            version="1",
        )
        self.connector = Connector(config, secrets.token_hex(4), store.load())
        self.stream = ComponentStream(
            "127.0.0.1",
            server.component_port,
            server.component,
            server.component_secret,
            on_up=lambda: self.take(StreamUp()),
            on_down=lambda text: self.take(StreamDown(text)),
            on_stanza=lambda element: self.take(StanzaReceived(element)),
            first_pause=0.05,
        )
        self.closed = asyncio.Event()
        self.forgotten = asyncio.Event()

    def take(self, event: ConnectorEvent | None) -> None:
        now = self._loop.time()
        commands = self.connector.expire(now) if event is None else self.connector.receive(event, now)
        for command in commands:
            match command:
                case SendStanza(xml):
                    assert self.stream.send(xml), xml
                case Tell(message):
                    self.said.append(message)
                    self._news.set()
                case RememberSubscription(user, contact):
                    self.store.remember(user, contact)
                case ForgetSubscription(user, contact):
                    self.store.forget(user, contact)
                    self.forgotten.set()
                case Reconnect(text):
                    self.stream.reconnect(text)
                case CloseStream():
                    self.closed.set()
        if self._timer:
            self._timer.cancel()
        deadline = self.connector.deadline()
        self._timer = self._loop.call_at(deadline, self.take, None) if deadline is not None else None

    async def hears(self, kind: type[M]) -> M:
        """The next thing of this kind that the connector tells the gateway."""
        async with asyncio.timeout(WITHIN):
            while True:
                for message in self.said:
                    if isinstance(message, kind):
                        self.said.remove(message)
                        return message
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def running(server: XmppServer, path: Path) -> AsyncIterator[Rig]:
    store = SqliteStore(path / "ichat-gw.db")
    rig = Rig(server, store)
    async with asyncio.TaskGroup() as group:
        group.create_task(rig.stream.run())
        try:
            assert await rig.hears(JabberConnection) == JabberConnection(True, known_in=30)
            yield rig
        finally:
            rig.take(Stop())
            await rig.closed.wait()
            await rig.stream.close()
            store.close()


async def test_subscriptions_survive_a_restart_of_everything(kind: type[XmppServer], tmp_path: Path) -> None:
    async with kind(tmp_path) as server, SimulatedIChat(server, "alice") as alice:
        dial = f"5551234@{server.component}"
        async with running(server, tmp_path) as rig:
            await alice.subscribe(rig.control)
            assert (await rig.hears(SipRegisterJabberUser)).jid == alice.jid
            alice.subscribe_unheard(dial)
            asked = await rig.hears(CheckSubscription)
            assert asked == CheckSubscription(dial, alice.jid)
            rig.take(SendSubscriptionResponse(dial, alice.jid, True))
            seen = await alice.wait_for(
                "presence", where=lambda s: s.peer == dial and s.fields["type"] == "available"
            )
            assert seen.fields["caps ext"] == "avavail avcap audio"
            await alice.log_out()
            assert (await rig.hears(SipUnregisterJabberUser)).jid == alice.jid
            await server.restart_async()
            assert not (await rig.hears(JabberConnection)).online
            while not (await rig.hears(JabberConnection)).online:
                pass
            await alice.log_in()
            assert (await rig.hears(SipRegisterJabberUser)).jid == alice.jid
        for gone in (dial, rig.control):
            await alice.wait_for(
                "presence",
                where=lambda s, gone=gone: s.peer == gone and s.fields["type"] == "unavailable",
            )
        async with running(server, tmp_path) as rig:
            assert (await rig.hears(SipRegisterJabberUser)).jid == alice.jid
            await alice.wait_for(
                "presence", where=lambda s: s.peer == dial and s.fields["type"] == "available"
            )
            alice.unsubscribe(dial)
            await asyncio.wait_for(rig.forgotten.wait(), WITHIN)
        store = SqliteStore(tmp_path / "ichat-gw.db")
        assert store.load() == [(alice.jid, rig.control)]
        store.close()


async def test_calls_both_ways(kind: type[XmppServer], tmp_path: Path) -> None:
    async with (
        kind(tmp_path) as server,
        running(server, tmp_path) as rig,
        SimulatedIChat(server, "alice") as alice,
        SimulatedIChat(server, "alice") as other,
    ):
        bob, dial = f"bob@{server.component}", f"5551234@{server.component}"
        alice.invites = False
        await alice.subscribe(rig.control)
        await rig.hears(SipRegisterJabberUser)
        # A probe finds those who were not known yet; both devices ring, one answers.
        other.on_request = "never answer"
        other.show(to=rig.control)
        await asyncio.sleep(0.1)
        rig.take(InitiateIChatCall(alice.jid, bob, "1"))
        rung = {(await rig.hears(NotifyIChatCallProceeding)).resource for _ in range(2)}
        assert rung == {alice.full_jid, other.full_jid}
        request = await alice.wait_for("vc:request")
        assert request.fields["VCNewCallerIPPortData"] == BLOB
        assert request.peer == bob
        assert await rig.hears(ContinueIChatCall) == ContinueIChatCall("1", alice.full_jid, alice.blob)
        await other.wait_for("vc:cancel")
        other.go_offline()
        await asyncio.sleep(0.1)

        alice.on_request = "decline"
        rig.take(InitiateIChatCall(alice.jid, bob, "2"))
        assert await rig.hears(ContinueIChatCall) == ContinueIChatCall("2", alice.full_jid, "")

        alice.on_request = "never answer"
        rig.take(InitiateIChatCall(alice.jid, bob, "3"))
        await rig.hears(NotifyIChatCallProceeding)
        rig.take(CancelIChatCall(alice.jid, bob, "3"))
        await alice.wait_for("vc:cancel")

        rig.take(InitiateIChatCall(f"nobody@{server.domain}", bob, "4"))
        assert (await rig.hears(NotifyIChatCallFailed)).status == 404

        alice.call(dial)
        asked = await rig.hears(NotifyIChatCallRequest)
        assert (asked.to, asked.from_, asked.blob) == (dial, alice.full_jid, alice.blob)
        rig.take(ProceedingIChatCall(dial, alice.full_jid, asked.request, "5"))
        rig.take(AcceptIChatCall(dial, alice.full_jid, "5"))
        assert (await alice.wait_for("vc:response")).fields["connectData"] == BLOB
        alice.cancel()
        assert (await rig.hears(NotifyIChatCallCancelled)).handle == "5"

        alice.call(dial)
        asked = await rig.hears(NotifyIChatCallRequest)
        rig.take(ProceedingIChatCall(dial, alice.full_jid, asked.request, "6"))
        rig.take(RejectIChatCall(dial, alice.full_jid, "6"))
        refused = await alice.wait_for("vc:response")
        assert (refused.fields["response"], refused.fields["connectData"]) == ("1", "")
        assert alice.sightings.count("vc:request error") == alice.sightings.count("vc:cancel error") == 0


async def test_what_clients_ask(kind: type[XmppServer], tmp_path: Path) -> None:
    async with (
        kind(tmp_path) as server,
        running(server, tmp_path) as rig,
        SimulatedIChat(server, "alice") as alice,
    ):
        dial = f"5551234@{server.component}"
        info = await alice.query(dial, "http://jabber.org/protocol/disco#info", "apple:ichat:caps#avcap")
        assert [child.get("var") for child in info][:1] == ["apple:iq:vc:capable"]
        version = await alice.query(server.component, "jabber:iq:version")
        assert version.findtext("{jabber:iq:version}name") == "ichat-gw"
        alice.say(rig.control, "hello\r\n& <goodbye>")
        reply = await alice.wait_for("message")
        assert reply.fields["body"] == "You have reached the iChat gateway"
        assert reply.fields["type"] in ("", "normal")
