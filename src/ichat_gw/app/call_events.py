"""What a gateway tells of its calls as it goes: for traces, records, metrics and the status page.

These come among the commands for the shell, in the order in which things happened, and ask for nothing. Every
call begins with `CallBegan` and ends with `CallEnded`; one that is refused at the door is `CallRefused` and
nothing else. Also told: `SessionGone`, `MediaOver` and `MediaPath`, as the user agent and the media engine
say them.
"""

from dataclasses import dataclass
from typing import TypeAlias

from ichat_gw.call.bridge import State
from ichat_gw.call.cause import Ending
from ichat_gw.call.media import MediaReply, MediaRequest, Side
from ichat_gw.media.engine import MediaOver, MediaPath
from ichat_gw.ops.trace import Lane
from ichat_gw.sip.events import SessionGone, SessionId


@dataclass(frozen=True, slots=True)
class CallBegan:
    """A call begins; it is offering."""

    call: str
    """Its handle."""
    caller: str
    """A URI, `sip:` or `xmpp:`."""
    callee: str
    user: str
    """The bare JID of the XMPP party."""
    contact: str
    """The bare JID of the gateway's that the user talks to; "" where it is not known."""
    user_side: Side
    """Which of the two parties the XMPP user is."""
    host: str
    """Where the SIP party is, as far as known: an address or a domain."""


@dataclass(frozen=True, slots=True)
class CallRefused:
    """Somebody may not, or cannot, call: there will be no call."""

    call: str
    """The handle that it would have had; its SIP messages are told with it (`Joined`)."""
    caller: str
    callee: str
    user: str
    """The bare JID of the XMPP party, "" where nobody knows who that would be."""
    contact: str
    ending: Ending
    setting: str
    """The name of the setting that refuses it, "" when none does."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What is sent and received in `session` belongs to this call from now on, and is of the party `lane`."""

    session: SessionId
    call: str
    lane: Lane


@dataclass(frozen=True, slots=True)
class Moved:
    """The call has come to another state."""

    call: str
    state: State


@dataclass(frozen=True, slots=True)
class MediaAsked:
    """The bridge asks the media engine for something."""

    call: str
    request: MediaRequest


@dataclass(frozen=True, slots=True)
class MediaSaid:
    """The media engine answers, or says that the media is lost."""

    call: str
    reply: MediaReply


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The call is over. Its last messages are still to come, and `MediaOver` if it had media."""

    call: str
    ending: Ending
    by: Side | None
    """The party whose leg ended or refused; None when it was neither."""


CallEvent: TypeAlias = (
    CallBegan
    | CallRefused
    | Joined
    | Moved
    | MediaAsked
    | MediaSaid
    | CallEnded
    | SessionGone
    | MediaOver
    | MediaPath
)

CALL_EVENTS = (
    CallBegan,
    CallRefused,
    Joined,
    Moved,
    MediaAsked,
    MediaSaid,
    CallEnded,
    SessionGone,
    MediaOver,
    MediaPath,
)
"""The same, to be asked with `isinstance`."""
