"""What goes into the connector and what comes out of it."""

from dataclasses import dataclass
from typing import TypeAlias
from xml.etree.ElementTree import Element

from ichat_gw.ipc.messages import Message

# --- in -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StanzaReceived:
    """The server delivered a stanza: an element in the namespace `jabber:component:accept`."""

    element: Element


@dataclass(frozen=True, slots=True)
class StreamUp:
    """The server accepted us as its component; stanzas can be sent from now on."""


@dataclass(frozen=True, slots=True)
class StreamDown:
    """The stream broke, or an attempt to open it failed; `text` says why and what to do about it."""

    text: str


ConnectorEvent: TypeAlias = StanzaReceived | StreamUp | StreamDown | Message
"""The gateway's messages go in as they are."""

# --- out ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendStanza:
    """Put this XML on the stream."""

    xml: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Send `message` to the gateway."""

    message: Message


@dataclass(frozen=True, slots=True)
class RememberSubscription:
    """Store that `user` (bare JID) is subscribed to the gateway JID `contact`. May already be stored."""

    user: str
    contact: str


@dataclass(frozen=True, slots=True)
class ForgetSubscription:
    """Remove `user`'s subscription to `contact` from the store. May be missing."""

    user: str
    contact: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something that came in was of no use: count it by `reason`, a short fixed phrase; log at DEBUG."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reconnect:
    """The server is dead though the connection stands: break it and connect again. `text` says why."""

    text: str


@dataclass(frozen=True, slots=True)
class CloseStream:
    """Everything is said: close the stream once what was sent has left, then exit."""


ConnectorCommand: TypeAlias = (
    SendStanza | Tell | RememberSubscription | ForgetSubscription | Dropped | Reconnect | CloseStream
)
