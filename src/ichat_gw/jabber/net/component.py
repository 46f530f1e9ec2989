"""The XEP-0114 stream: slixmpp's component, reduced to the connection and the handshake.

slixmpp would build a stanza object of every element and run it past a dozen matchers and its own roster
(241 us for a presence); here each element goes to `on_stanza` as the parser made it. Its parser knows no
limits and takes what XMPP forbids; ours is `ichat_gw.jabber.stanza_parser`. slixmpp also does not connect
again by itself; `ComponentStream.run` does, with a pause that grows from 1 to 60 seconds.
"""

import asyncio
import errno
import hashlib
import logging
import random
import socket
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

from slixmpp import ComponentXMPP

from ichat_gw.jabber.stanza_parser import MAX_OCTETS, StanzaParser, XmlRefused

CONNECT_SECONDS = 10.0
"""How long opening the TCP connection may take."""

HANDSHAKE_SECONDS = 15.0
"""How long the server may then take to accept us."""

CLOSE_SECONDS = 1.0
"""How long the server may take to close its side of the stream: less than a stopping gateway gives us."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds before the next attempt; doubled after each failure, and shortened by up to half at random so
that the components of a server that restarts do not all come at once."""

STEADY_SECONDS = 10.0
"""A stream that lived that long counts as a success: the next pause is the first one again."""

LONGEST_AFTER_SUCCESS = 8.0
"""The longest pause after a stream that the server had accepted and did not end with an error: the server was
there a moment ago, and is being started again."""

MAX_UNSENT = 16 * 2**20
"""Bytes that may wait because the server does not read; with more the stream is given up."""

_STREAMS = "{http://etherx.jabber.org/streams}"
_CONDITIONS = "{urn:ietf:params:xml:ns:xmpp-streams}"

_log = logging.getLogger(__name__)


class _Component(ComponentXMPP):
    """One connection. `ended` is done when it is over, with the reason; `accepted` when we are in."""

    def __init__(
        self,
        name: str,
        secret: str,
        on_up: Callable[[], None],
        on_stanza: Callable[[Element], None],
        longest_stanza: int,
    ) -> None:
        super().__init__(name, secret)  # type: ignore[no-untyped-call]
        # slixmpp sends white space every 300 s, even with `whitespace_keepalive` off; our pings are the
        # connector's, which also notices when no answer comes.
        self.del_event_handler("session_start", self._start_keepalive)
        self.add_event_handler("disconnected", self._note_end)
        self.accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.trouble = ""
        """Why we or the server ended it with an error."""
        self._on_up = on_up
        self._on_stanza = on_stanza
        self._longest_stanza = longest_stanza

    # COMPAT slixmpp 1.17: `init_parser`, `data_received` and `start_stream_handler` replace its own of the
    # same names, so that there is no stanza object, no handler, and no send queue, whose task nobody owns.

    def init_parser(self) -> None:
        """A connection was opened."""
        self._stream = StanzaParser(self.start_stream_handler, self._take, self.abort, self._longest_stanza)

    def data_received(self, data: bytes | str) -> None:
        """Read what came."""
        try:
            self._stream.feed(data)
        except XmlRefused as error:
            self._refuse(error)

    def _refuse(self, error: XmlRefused) -> None:
        """Say which rule was broken (RFC 6120 4.9), then close."""
        if self.trouble:
            return
        self.trouble = str(error)
        condition = f"<{error.condition} xmlns='{_CONDITIONS[1:-1]}'/>"
        self.send_raw(f"<stream:error>{condition}</stream:error>{self.stream_footer}")
        assert self.transport is not None
        self.transport.close()
        # Who sends such things may also not read.
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.abort)

    def start_stream_handler(self, xml: Element) -> None:
        """The server opened its stream: prove that we know the secret (XEP-0114, 3)."""
        if xml.tag != _STREAMS + "stream":
            self.give_up("JabberComponentPort: who listens there does not speak XMPP")
            return
        proof = hashlib.sha1(f"{xml.get('id', '')}{self.secret}".encode()).hexdigest()
        self.send_raw(f"<handshake>{proof}</handshake>")

    def _take(self, xml: Element) -> None:
        """A whole element has come."""
        if xml.tag == _STREAMS + "error":
            self.give_up(_explain(xml, str(self.boundjid)))
        elif self.accepted.done():
            try:
                self._on_stanza(xml)
            except Exception:
                # A bug of ours must not cost everybody the stream.
                _log.exception("cannot process a stanza from the XMPP server")
        elif xml.tag == "{jabber:component:accept}handshake":
            # At once, for a stanza may follow in the same packet.
            self.accepted.set_result(None)
            self._on_up()

    def give_up(self, why: str) -> None:
        """Break the connection and say why."""
        self.trouble = self.trouble or why
        self.abort()

    def put(self, xml: str) -> None:
        """Send text; breaks the connection if the server does not read."""
        if self.transport is not None and self.transport.get_write_buffer_size() > MAX_UNSENT:
            self.give_up("the XMPP server does not read what we send")
        else:
            self.send_raw(xml)

    def _note_end(self, reason: object) -> None:
        lost = f"the connection was lost ({reason})" if isinstance(reason, OSError) else ""
        self.ended.set_result(self.trouble or lost or "the XMPP server closed the connection")


def _explain(error: Element, name: str) -> str:
    """What a stream error means to the operator, and what to do about it."""
    condition = next(
        (child.tag.removeprefix(_CONDITIONS) for child in error if child.tag != _CONDITIONS + "text"), ""
    )
    words = error.findtext(_CONDITIONS + "text") or condition
    match condition:
        case "not-authorized":
            # COMPAT ejabberd: it says so of a component that it does not know, too.
            return (
                f"JabberComponentPassword: the XMPP server refused the password of {name}; write the secret "
                "that the server has for this component, and see that it has this component (ejabberd says "
                "the same of a JabberComponentName that it does not know)"
            )
        case "host-unknown":
            return (
                f"JabberComponentName: the XMPP server does not know {name}; add this component to its "
                "configuration, correct the name, or, if JabberComponentPort is the port for clients, write "
                "the one for components"
            )
        case "conflict":
            return (
                f"JabberComponentName: another program is connected as {name}; stop it, or give each its "
                "own component"
            )
        case "invalid-namespace" | "unsupported-stanza-type" | "unsupported-version":
            return (
                f"JabberComponentPort: the XMPP server does not expect a component there ({words}); write "
                "the port on which it takes components"
            )
        case _:
            return f"the XMPP server ended the stream: {words}"


class ComponentStream:
    """A stream that stays up: `run` keeps it connected until `close` is called.

    `on_up()`, `on_down(text)` and `on_stanza(element)` are called from inside the event loop and must
    return quickly. `on_down` is called when a stream broke and when an attempt failed; its text names the
    setting and the remedy where there is one. To be made inside a running event loop.
    """

    def __init__(
        self,
        host: str,
        port: int,
        name: str,
        secret: str,
        *,
        on_up: Callable[[], None],
        on_down: Callable[[str], None],
        on_stanza: Callable[[Element], None],
        first_pause: float = FIRST_PAUSE,
        longest_stanza: int = MAX_OCTETS,
    ) -> None:
        self._host = host
        self._port = port
        self._name = name
        self._secret = secret
        self._on_up = on_up
        self._on_down = on_down
        self._on_stanza = on_stanza
        self._first_pause = first_pause
        self._longest_stanza = longest_stanza
        self._component: _Component | None = None
        self._broke = False
        """The latest stream was accepted, and then the connection ended without a word."""
        self._closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()

    @property
    def up(self) -> bool:
        """Whether stanzas can be sent."""
        component = self._component
        return component is not None and component.accepted.done() and not component.ended.done()

    def send(self, xml: str) -> bool:
        """Put XML on the wire. False when there is no stream: then nothing was sent."""
        component = self._component
        if component is None or not self.up:
            return False
        component.put(xml)
        return True

    def reconnect(self, why: str) -> None:
        """Break the stream, if there is one; `run` opens the next. `on_down` gets the reason."""
        if self._component is not None:
            self._component.give_up(why)

    async def run(self) -> None:
        """Keep the stream up until `close`. To be run once, by whoever owns this object."""
        try:
            async with asyncio.TaskGroup() as group:
                connected = group.create_task(self._stay_connected())
                await asyncio.wait({self._closing})
                await self._farewell()
                connected.cancel()
        finally:
            self._over.set()

    async def close(self) -> None:
        """Close the stream in order, after everything that was sent; `run` has ended when this returns."""
        if not self._closing.done():
            self._closing.set_result(None)
        await self._over.wait()

    # --- inside -----------------------------------------------------------------------------------------

    async def _stay_connected(self) -> None:
        loop = asyncio.get_running_loop()
        pause = self._first_pause
        while True:
            began = loop.time()
            self._broke = False
            why = await self._one_stream()
            if not self._closing.done():
                self._on_down(why)
            if loop.time() - began > STEADY_SECONDS:
                pause = self._first_pause
            elif self._broke:
                pause = min(pause, LONGEST_AFTER_SUCCESS)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _one_stream(self) -> str:
        """Connect, live, end; returns why it ended."""
        component = _Component(self._name, self._secret, self._on_up, self._on_stanza, self._longest_stanza)
        self._component = component
        try:
            if why := await self._connect(component):
                return why
            both: set[asyncio.Future[Any]] = {component.accepted, component.ended}
            await asyncio.wait(both, timeout=HANDSHAKE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not component.accepted.done():
                component.give_up(
                    "JabberComponentPort: who listens there did not answer as an XMPP server does"
                )
            await asyncio.wait({component.ended})
            self._broke = component.accepted.done() and not component.trouble
            return component.ended.result()
        finally:
            self._component = None
            component.abort()

    async def _connect(self, component: _Component) -> str:
        """Open the TCP connection; returns what went wrong, or ""."""
        where = f"{self._host}:{self._port}"
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.create_connection(lambda: component, self._host, self._port)
        except socket.gaierror:
            return f"JabberServer: the name {self._host} cannot be resolved; correct it, or write an address"
        except TimeoutError:
            return (
                f"JabberServer, JabberComponentPort: {where} does not answer; look for a firewall in between"
            )
        except OSError as error:
            # A name with several addresses has several errors, in the text of one.
            if f"[Errno {errno.ECONNREFUSED}]" in str(error):
                return (
                    f"JabberServer, JabberComponentPort: nobody listens at {where}; start the XMPP server, "
                    "let it take components there, or correct the settings"
                )
            return f"JabberServer: {where} cannot be reached ({error})"
        return ""

    async def _farewell(self) -> None:
        """Close our side of the stream, if there is one, and give the server a moment to close its own."""
        component = self._component
        if component is not None and self.up:
            component.send_raw(component.stream_footer)
            await asyncio.wait({component.ended}, timeout=CLOSE_SECONDS)
