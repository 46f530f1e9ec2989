"""The XMPP server: whether it answers at the component port, and takes the component's name and password.

The opening of XEP-0114 and nothing more: no stanza is sent. A second connection of a component that is
connected already could take the first one's place, so this is not tried while the gateway runs.
"""

import hashlib
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser
from xml.sax.saxutils import quoteattr

from ichat_gw.app.trials.trial import Trial
from ichat_gw.config.table import Settings

SECONDS = 4.0
"""For each answer of the server."""
MOST = 65_536
"""Bytes that are read of it; an opening takes a few hundred."""

_STREAM = "{http://etherx.jabber.org/streams}"
_PORT_REMEDY = (
    "set JabberComponentPort to the port for components (XEP-0114), not that for clients or servers"
)
_REMEDIES = {
    "not-authorized": (
        "JabberComponentPassword",
        "write the secret that the server has for this component, and see that it has this component "
        "(ejabberd says the same of a JabberComponentName that it does not know)",
    ),
    "host-unknown": ("JabberComponentName", "make a component of this name on the server, or write its name"),
    "host-gone": ("JabberComponentName", "make a component of this name on the server, or write its name"),
    "invalid-namespace": ("JabberComponentPort", _PORT_REMEDY),
    "conflict": (
        "JabberComponentName",
        "another gateway is connected as this component: end it, or choose a name of its own",
    ),
}


class _Ended(Exception):
    """The server has said all that it will; the text says what was missing."""


def try_jabber_server(settings: Settings, runs: bool) -> Iterator[Trial]:
    """Connect as the component would; `runs`: whether the gateway does so already."""
    host, port = settings.jabber_server, settings.jabber_component_port
    try:
        connection = socket.create_connection((host, port), SECONDS)
    except socket.gaierror as error:
        text = f"the name {host} cannot be resolved: {error.strerror or error}"
        yield Trial("JabberServer", "failed", text, "write a name that DNS knows, or an IP address")
        return
    except OSError as error:
        text = f"nobody answers at {host}, port {port}: {error.strerror or error}"
        remedy = "start the server, let it take components, or set JabberServer and JabberComponentPort"
        yield Trial("JabberServer", "failed", text, remedy)
        return
    with closing(connection):
        yield Trial("JabberServer", "ok", f"{host} accepts connections at port {port}")
        if runs:
            yield Trial(
                "JabberComponentPassword", "skipped", "not tried while the gateway is connected with it"
            )
            return
        yield _introduce(connection, settings)


def _introduce(connection: socket.socket, settings: Settings) -> Trial:
    """Say who we are (XEP-0114 section 3)."""
    name = settings.jabber_component_name
    password = settings.jabber_component_password.get_secret_value()
    stream = _Stream(connection)
    try:
        connection.sendall(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
            f"xmlns:stream='http://etherx.jabber.org/streams' to={quoteattr(name)}>".encode()
        )
        opening = stream.next(begun=True)
        if opening.tag != f"{_STREAM}stream":
            return _no_xmpp(f"it opens with <{opening.tag}>")
        proof = hashlib.sha1(f"{opening.get('id', '')}{password}".encode(), usedforsecurity=False).hexdigest()
        with suppress(OSError):
            # COMPAT Prosody refuses a name that it does not know, and closes, before it hears this. What it
            # has said can be read all the same.
            connection.sendall(f"<handshake>{proof}</handshake>".encode())
        answer = stream.next()
        with suppress(OSError):
            connection.sendall(b"</stream:stream>")
    except TimeoutError:
        return _no_xmpp(f"it says nothing for {SECONDS:.0f} seconds")
    except ParseError:
        return _no_xmpp("it speaks no XML")
    except (OSError, _Ended) as error:
        return _no_xmpp(str(error))
    if answer.tag == "{jabber:component:accept}handshake":
        return Trial("JabberComponentPassword", "ok", f"the server takes {name} with this password")
    return _refused(answer, name)


def _refused(answer: Element, name: str) -> Trial:
    condition = answer[0].tag.rpartition("}")[2] if len(answer) else answer.tag.rpartition("}")[2]
    said = next((each.text for each in answer if each.tag.endswith("}text") and each.text), "")
    setting, remedy = _REMEDIES.get(condition, ("JabberComponentName", "the log of the server may say why"))
    return Trial(
        setting, "failed", f"the server refuses {name}: {condition}{f' ({said})' if said else ''}", remedy
    )


def _no_xmpp(why: str) -> Trial:
    text = f"what answers there takes no components: {why}"
    return Trial("JabberComponentPort", "failed", text, _PORT_REMEDY)


class _Stream:
    """The elements that the server sends."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._parser: XMLPullParser[Any] = XMLPullParser(events=("start", "end"))
        self._depth = 0
        self._read = 0
        self._connection.settimeout(SECONDS)

    def next(self, begun: bool = False) -> Element:
        """The next whole element below the stream's; `begun`: the stream's own, begun. Raises _Ended."""
        while True:
            events = cast(Iterator[tuple[str, Element]], self._parser.read_events())
            for event, element in events:
                self._depth += 1 if event == "start" else -1
                if begun and event == "start" and self._depth == 1:
                    return element
                if event == "end" and self._depth == 1:
                    return element
            piece = self._connection.recv(4096)
            self._read += len(piece)
            if not piece or self._read > MOST:
                raise _Ended("it closes the connection" if not piece else "it sends much, but no XMPP")
            self._parser.feed(piece)
