"""A SIMULATION of an iChat user. No real iChat client can be had any more, so this stands in for one.

It logs in to a real XMPP server with slixmpp, shows the presence and capabilities of an iChat, takes part in
the `apple:iq:vc:*` exchanges, and has iChat's SIP stack (`viceroy.py`, also simulated). It was written from
the captures of real clients and from traces of the original gateway, and shares no code with ours.

    ichat = SimulatedIChat(prosody, "alice")
    async with ichat:                       # logs in, sends presence, subscribes to nobody yet
        ichat.on_request = "decline"        # what to do when called; see OnRequest
        await ichat.subscribe("control@ichat-gw.jabber.localhost")
        ichat.call("5551234@ichat-gw.jabber.localhost")
        await ichat.wait_for("established")
        ichat.sip.hang_up()
"""

import asyncio
import contextlib
import secrets
import ssl
import struct
from collections.abc import Callable, Coroutine
from ipaddress import ip_address
from types import TracebackType
from typing import Literal, Protocol, Self
from xml.etree import ElementTree

import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath
from slixmpp.xmlstream.stanzabase import StanzaBase

from peers.ports import free_port
from peers.sightings import WITHIN, Sighting, Sightings
from peers.viceroy import ViceroyStack

CAPS_NODE = "http://www.apple.com/ichat/caps"
CAPS_VERSION = "800"
CAPS_IDLE = "ice recauth rdserver maudio audio rdclient mvideo auxvideo rdmuxing avcap avavail video"
"""`ext` of an iChat that can be called; without `avavail` it is in a call."""
EXCHANGES = ("request", "response", "cancel", "counterProposal")

OnRequest = Literal["accept", "decline", "decline with data", "decline without connectData", "never answer"]
"""What the user does when a `vc:request` comes in.

`accept`: `vc:response` 0 with our addresses, then the INVITE is treated as `ichat.sip.manner` says.
`decline`: response 1, empty `connectData`. `decline with data`: response 1 with our addresses, as some
versions do. `decline without connectData`: response 1 without that element. `never answer`: silence.
"""


class Server(Protocol):
    """Where the user has an account; every `XmppServer` is one."""

    component: str
    client_port: int

    def jid(self, user: str) -> str:
        """The bare JID of a user."""

    def password(self, user: str) -> str:
        """The user's password."""


class SimulatedIChat:
    """One iChat client (a resource) of one user.

    The servers of the tests speak without encryption; with `encrypted` STARTTLS is asked for, and whatever
    certificate comes is taken.
    """

    def __init__(
        self,
        prosody: Server,
        user: str,
        *,
        resource: str = "",
        port: int | None = None,
        encrypted: bool = False,
    ) -> None:
        self.jid = prosody.jid(user)
        self.resource = resource or "iChat" + secrets.token_hex(2)
        self.full_jid = f"{self.jid}/{self.resource}"
        self.component = prosody.component
        self.sightings = Sightings(f"iChat {user}")
        self.sip = ViceroyStack(self.jid, port or free_port(), self.sightings)
        self.sip.on_established = self._busy
        self.sip.on_ended = self._idle
        self.on_request: OnRequest = "accept"
        self.answer_time = 0.05
        """Seconds until the user reacts to a call."""
        self.invites = True
        """Whether an INVITE follows when our own request is accepted."""
        self.blob = data_blob(self.sip.local)
        """What we send as our addresses; tests put nonsense here."""
        self._port = prosody.client_port
        self._encrypted = encrypted
        self._password = prosody.password(user)
        self._client: slixmpp.ClientXMPP | None = None
        self._callee = ""
        self._tasks: set[asyncio.Task[None]] = set()

    # --- life ---------------------------------------------------------------------------------------

    async def log_in(self) -> None:
        """Connect, authenticate, fetch the roster, send presence, open the SIP port."""
        await self.sip.open()
        client = slixmpp.ClientXMPP(self.full_jid, self._password)
        client.enable_starttls = self._encrypted
        client.ssl_context.check_hostname = False
        client.ssl_context.verify_mode = ssl.CERT_NONE
        client.enable_direct_tls = False
        client.enable_plaintext = not self._encrypted
        client.plugin["feature_mechanisms"].unencrypted_scram = not self._encrypted
        client.add_filter("in", self._note_in)
        client.add_filter("out", self._note_out)
        for suffix in EXCHANGES:
            # iChat answers none of these with an IQ result; a registered callback keeps slixmpp from it too.
            matcher = MatchXPath(f"{{jabber:client}}iq/{{apple:iq:vc:{suffix}}}query")
            client.register_handler(Callback(f"vc:{suffix}", matcher, self._take_exchange))
        online = asyncio.Event()
        client.add_event_handler("session_start", lambda _: online.set())
        self._client = client
        client.connect("127.0.0.1", self._port)
        async with asyncio.timeout(WITHIN):
            await online.wait()
            await client.get_roster()
        self.show()

    async def log_out(self) -> None:
        """Leave with `unavailable`, close the stream and the SIP port."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.sip.close()
        if self._client:
            await self._client.disconnect()
            self._client = None
            await asyncio.sleep(0.01)  # slixmpp's own tasks see that they are cancelled

    async def __aenter__(self) -> Self:
        await self.log_in()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.log_out()

    # --- watching -----------------------------------------------------------------------------------

    async def wait_for(
        self, kind: str, within: float = WITHIN, where: Callable[[Sighting], bool] = lambda _: True
    ) -> Sighting:
        """See `Sightings.wait_for`."""
        return await self.sightings.wait_for(kind, within, where)

    def forget(self) -> None:
        """A new page before the next call."""
        self.sightings.forget()
        self.sip.invites_expected = 0

    # --- presence -----------------------------------------------------------------------------------

    def show(
        self, *, ext: str = CAPS_IDLE, priority: int = 0, show: str = "", node: str = CAPS_NODE, to: str = ""
    ) -> None:
        """Send available presence with iChat's capabilities."""
        presence = self._online().make_presence(ppriority=priority, pshow=show or None, pto=to or None)
        caps = ElementTree.SubElement(presence.xml, "{http://jabber.org/protocol/caps}c")
        caps.set("node", node)
        caps.set("ver", CAPS_VERSION)
        if ext:
            caps.set("ext", ext)
        presence.send()

    def go_offline(self) -> None:
        """Send `unavailable` but stay connected."""
        self._online().make_presence(ptype="unavailable").send()

    def _busy(self) -> None:
        self.show(ext=CAPS_IDLE.replace(" avavail", ""))  # one call at a time

    def _idle(self) -> None:
        if self._client and self.sip.calls and self.sip.call.established:
            self.show()

    async def subscribe(self, jid: str, within: float = WITHIN) -> Sighting:
        """Ask for a JID's presence; returns the first available presence that comes from it."""
        self._online().make_presence(pto=jid, ptype="subscribe").send()
        return await self.wait_for(
            "presence", within, lambda s: s.peer == jid and s.fields["type"] == "available"
        )

    def subscribe_unheard(self, jid: str) -> None:
        """Ask for a JID's presence and do not wait."""
        self._online().make_presence(pto=jid, ptype="subscribe").send()

    def unsubscribe(self, jid: str) -> None:
        """Give a JID's presence up."""
        self._online().make_presence(pto=jid, ptype="unsubscribe").send()

    async def remove(self, jid: str) -> None:
        """Remove a contact from the roster."""
        await self._online().del_roster_item(jid)

    async def delete_account(self) -> None:
        """Give the account up for good (XEP-0077 section 3.2)."""
        iq = self._online().make_iq_set()
        query = ElementTree.SubElement(iq.xml, "{jabber:iq:register}query")
        ElementTree.SubElement(query, "{jabber:iq:register}remove")
        with contextlib.suppress(slixmpp.exceptions.IqTimeout):  # the server may hang up instead
            await iq.send(timeout=2)

    def probe(self, jid: str) -> None:
        """Ask for presence directly, as a server does."""
        self._online().make_presence(pto=jid, ptype="probe").send()

    def say(self, jid: str, text: str) -> None:
        """Send a chat message."""
        self._online().make_message(mto=jid, mbody=text, mtype="chat").send()

    async def query(
        self, jid: str, namespace: str, node: str = "", within: float = 30.0
    ) -> ElementTree.Element:
        """An IQ get; returns the query element of the result, raises IqError for an error, or IqTimeout.

        What is asked of somebody who is just being killed may get no answer at all.
        """
        query = ElementTree.Element(f"{{{namespace}}}query")
        if node:
            query.set("node", node)
        iq = self._online().make_iq_get(ito=jid)
        iq.xml.append(query)
        result = await iq.send(timeout=within)
        found = result.xml.find(f"{{{namespace}}}query")
        assert found is not None, str(result)
        return found

    # --- calling ------------------------------------------------------------------------------------

    def call(self, callee: str) -> None:
        """Send `vc:request` to a gateway JID; what follows comes by itself when it is accepted."""
        self._callee = callee
        self._exchange(
            "request",
            callee,
            VCNewCallerIPPortData=self.blob,
            isAudioOnly="1",
            extSIPPort=str(self.sip.local[1]),
            extIPAddr=self.sip.local[0],
            VCProtocolVersion="1",
        )

    def cancel(self, callee: str = "") -> None:
        """Send `vc:cancel`: the user closed the window before anybody answered."""
        self._exchange("cancel", callee or self._callee, VCProtocolVersion="1")

    def accept(self, caller: str) -> None:
        """Send `vc:response` 0 with our addresses."""
        self.sip.invites_expected += 1
        self._exchange("response", caller, response="0", connectData=self.blob, VCProtocolVersion="1")

    def decline(self, caller: str, connect_data: str | None = "") -> None:
        """Send `vc:response` 1; `connect_data` None leaves the element out."""
        data = {} if connect_data is None else {"connectData": connect_data}
        self._exchange("response", caller, response="1", **data, VCProtocolVersion="1")

    def counter_proposal(self, caller: str) -> None:
        """Send `vc:counterProposal` with our addresses."""
        self._exchange("counterProposal", caller, connectData=self.blob, VCProtocolVersion="1")

    def _exchange(self, suffix: str, to: str, **children: str) -> None:
        iq = self._online().make_iq_set(ito=to)
        query = ElementTree.SubElement(iq.xml, f"{{apple:iq:vc:{suffix}}}query")
        for name, text in children.items():
            ElementTree.SubElement(query, f"{{apple:iq:vc:{suffix}}}{name}").text = text
        self._online().send(iq)  # not iq.send(): no result is waited for

    def _take_exchange(self, iq: StanzaBase) -> None:
        """React to a call exchange as the user would."""
        if iq["type"] == "error":
            return
        sender = str(iq["from"])
        query = iq.xml[0]
        suffix = query.tag.rpartition("}")[0].rpartition(":")[2]
        fields = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in query}
        if suffix == "request" and self.on_request != "never answer":
            self._own(self._react(sender, fields))
        elif suffix == "response" and fields.get("response") == "0" and self.invites:
            self.sip.invite(sender, first_address(fields["connectData"]))
        elif suffix == "cancel":
            self.sip.invites_expected = 0

    async def _react(self, caller: str, fields: dict[str, str]) -> None:
        await asyncio.sleep(self.answer_time)
        if self.on_request == "accept":
            self.sip.pinhole(first_address(fields["VCNewCallerIPPortData"]))
            self.accept(caller)
        elif self.on_request == "decline":
            self.decline(caller)
        elif self.on_request == "decline with data":
            self.decline(caller, self.blob)
        else:
            self.decline(caller, None)

    # --- inside -------------------------------------------------------------------------------------

    def _online(self) -> slixmpp.ClientXMPP:
        assert self._client, f"{self.full_jid} is not logged in"
        return self._client

    def _note_in(self, stanza: StanzaBase) -> StanzaBase:
        self._note("in", stanza, "from")
        return stanza

    def _note_out(self, stanza: StanzaBase) -> StanzaBase:
        self._note("out", stanza, "to")
        return stanza

    def _note(self, way: str, stanza: StanzaBase, other: str) -> None:
        xml = stanza.xml
        tag = xml.tag.rpartition("}")[2]
        if tag not in ("iq", "presence", "message"):
            return
        kind, fields = tag, {"type": xml.get("type", "available" if tag == "presence" else "")}
        for child in xml:
            namespace, _, name = child.tag[1:].partition("}")
            if namespace.startswith("apple:iq:vc:"):
                kind = "vc:" + namespace.rpartition(":")[2]
                fields |= {grand.tag.rpartition("}")[2]: (grand.text or "").strip() for grand in child}
            elif name == "c":
                fields |= {f"caps {key}": value for key, value in child.attrib.items()}
            elif name in ("body", "priority", "show", "subject", "thread"):
                fields[name] = child.text or ""
            elif name == "error":
                fields["error"] = " ".join(grand.tag.rpartition("}")[2] for grand in child)
        if kind.startswith("vc:") and fields["type"] == "error":
            kind += " error"
        self.sightings.note(way, kind, xml.get(other, ""), str(stanza), fields)

    def _own(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


# --- connect data (docs/reference/wire.md) -----------------------------------------------------------


def data_blob(*addresses: tuple[str, int]) -> str:
    """Hex of one 40-byte record per address, named en0, en1, ... as on a Mac."""
    records = b""
    for number, (host, port) in enumerate(addresses):
        name = f"en{number}".encode()
        address = ip_address(host)
        family = 0 if address.version == 4 else 0x0100
        records += struct.pack(">HH16s16sHH", 0, family, name, address.packed, port, 0)
    return records.hex()


def first_address(blob: str) -> tuple[str, int]:
    """The first IPv4 address in a blob; raises AssertionError when it has none or is no blob."""
    data = bytes.fromhex(blob.strip())
    assert data, "empty connect data"
    assert len(data) % 40 == 0, f"connect data of {len(data)} bytes"
    for offset in range(0, len(data), 40):
        family, _, address, port = struct.unpack(">2xH16s16sH2x", data[offset : offset + 40])
        if family == 0:
            return ".".join(str(byte) for byte in address[:4]), port
    raise AssertionError(f"no IPv4 address in {blob}")
