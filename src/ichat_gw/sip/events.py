"""What goes into the SIP user agent and what comes out of it."""

from dataclasses import dataclass
from typing import TypeAlias

from ichat_gw.call.leg import LegCommand, LegEvent, Party, Sdp

SessionId: TypeAlias = int
"""Names one INVITE session (one of our two legs of a call) inside one user agent; never used twice."""


@dataclass(frozen=True, slots=True)
class Flow:
    """The way between one of our sockets and one peer address."""

    transport: str
    """`UDP`, `TCP` or `TLS`."""
    local: tuple[str, int]
    """Our address and port; the address is the one to write into Via and Contact, never 0.0.0.0."""
    remote: tuple[str, int]
    """The peer's IP address and port; an IPv6 address without zone."""
    name: str = ""
    """TLS: the SIP domain that the peer must prove to be (RFC 5922) when we connect; "" if it came to us."""


# --- in ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Received:
    """A datagram arrived, or a whole message was cut from a stream."""

    data: bytes
    flow: Flow


@dataclass(frozen=True, slots=True)
class SendFailed:
    """Nothing sent to `flow` arrives: refused by the operating system or by ICMP, or its connection broke."""

    flow: Flow
    text: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """The answer to a `Lookup`: the flows to try, best first; none means that the name leads nowhere."""

    lookup: int
    flows: tuple[Flow, ...]
    text: str = ""


@dataclass(frozen=True, slots=True)
class ToSession:
    """The bridge speaks to one of its legs. A command for a session that is over is ignored."""

    session: SessionId
    command: LegCommand


@dataclass(frozen=True, slots=True)
class StartRegistration:
    """Keep the address of record `aor` (`sip:user@domain`) registered until told to stop."""

    aor: str


@dataclass(frozen=True, slots=True)
class StopRegistration:
    """Un-register `aor` and forget it."""

    aor: str


@dataclass(frozen=True, slots=True)
class SendPage:
    """Send a page: an instant message outside any dialog (RFC 3428). `PageAnswered` tells its fate."""

    number: int
    """The owner's own, for the answer."""
    target: str
    caller: Party
    """Who it is from."""
    text: str
    aor: str = ""
    """The address of record that its sender is registered as: its registrar may ask for a password."""
    subject: str = ""
    call_id: str = ""
    """The thread that it belongs to, if it can be written as a Call-ID (`pager_client.is_call_id`)."""
    language: str = ""
    """A language tag (RFC 5646), or ""."""


@dataclass(frozen=True, slots=True)
class AnswerPage:
    """The final status for a page that was received: 200 to 699. One that comes too late is ignored."""

    number: int
    status: int
    text: str = ""


UserAgentEvent: TypeAlias = (
    Received
    | SendFailed
    | Resolved
    | ToSession
    | StartRegistration
    | StopRegistration
    | SendPage
    | AnswerPage
)


# --- out --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """Put these bytes on the wire."""

    data: bytes
    flow: Flow
    session: SessionId | None = None
    """The session that the message belongs to, for traces; None when it belongs to none."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Find out where a request for this URI goes (RFC 3263); answered by `Resolved`.

    Also asked for numeric hosts, because only the shell knows which local address leads there.
    """

    lookup: int
    uri: str


@dataclass(frozen=True, slots=True)
class InviteReceived:
    """Somebody calls us: a new session, which wants `Ring`, `Answer` or `Refuse` (100 has been sent)."""

    session: SessionId
    request_uri: str
    to_uri: str
    to_name: str
    """Display name of To, unquoted: iChat's real callee."""
    from_uri: str
    from_name: str
    """Display name of From, unquoted: iChat's real caller."""
    offer: Sdp | None
    flow: Flow
    user_agent: str
    """The User-Agent header, or ""."""
    max_forwards: int = 70
    """How many hops the call may still make, this gateway included: 1 to 255."""
    replaces: SessionId | None = None
    """The session whose place the caller wants to take (RFC 3891): one that is up, or of ours and rings."""


@dataclass(frozen=True, slots=True)
class PageReceived:
    """Somebody sends a page: an instant message outside any dialog (RFC 3428). It wants `AnswerPage`."""

    number: int
    request_uri: str
    to_uri: str
    from_uri: str
    from_name: str
    text: str
    """Not empty."""
    subject: str
    call_id: str
    language: str
    """The first language of Content-Language, or ""."""
    flow: Flow


@dataclass(frozen=True, slots=True)
class PageAnswered:
    """What became of a page that we sent: a final status, 200 to 699."""

    number: int
    status: int
    text: str


@dataclass(frozen=True, slots=True)
class FromSession:
    """A leg speaks to its bridge."""

    session: SessionId
    event: LegEvent


@dataclass(frozen=True, slots=True)
class SessionGone:
    """Nothing is left of this session: no transaction, no timer."""

    session: SessionId


@dataclass(frozen=True, slots=True)
class Registered:
    """The registrar accepted `aor` for `seconds`; 0: it is un-registered now."""

    aor: str
    seconds: int


@dataclass(frozen=True, slots=True)
class RegistrationFailed:
    """The registrar refused or did not answer (408); tried again in `retry_in` seconds; 0.0: not again."""

    aor: str
    status: int
    text: str
    retry_in: float


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something that came in was of no use: count it by `reason`, a short fixed phrase; log at DEBUG."""

    reason: str
    flow: Flow


UserAgentCommand: TypeAlias = (
    Send
    | Lookup
    | InviteReceived
    | PageReceived
    | PageAnswered
    | FromSession
    | SessionGone
    | Registered
    | RegistrationFailed
    | Dropped
)
