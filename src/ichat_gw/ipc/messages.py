"""The messages between `ichat-gw` (the gateway) and `ichat-gw-jc` (the connector).

The names are those of the original's manual. Where its arguments did not suffice to tell two calls
between the same two people apart, a call handle or the iChat client's full JID was added.

JIDs are text. A `handle` names a call and is unique across gateways. `to` and `from_` always name the
callee and the caller of that call.
"""

from typing import TypeAlias

import msgspec

VERSION = 2
"""The version of this vocabulary; two programs with different ones do not work together."""


class _Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Base of all messages: immutable, tagged with the class name when encoded."""


# --- iChat calls SIP ------------------------------------------------------------------------------------


class NotifyIChatCallRequest(_Message, frozen=True):
    """Connector to gateway: an iChat client asks for a call (`vc:request`).

    `to` is the gateway JID it calls, `from_` its full JID, `request` the connector's own reference for
    it (echoed in `ProceedingIChatCall`), `blob` the connect data with its addresses, as received.
    """

    to: str
    from_: str
    request: str
    blob: str


class ProceedingIChatCall(_Message, frozen=True):
    """Gateway to connector: the call of that `request` now has this handle. Comes before all else of it."""

    to: str
    from_: str
    request: str
    handle: str


class AcceptIChatCall(_Message, frozen=True):
    """Gateway to connector: the SIP side answered; send `vc:response` 0 with our addresses."""

    to: str
    from_: str
    handle: str


class RejectIChatCall(_Message, frozen=True):
    """Gateway to connector: the call failed; send `vc:response` 1 without data."""

    to: str
    from_: str
    handle: str


class NotifyIChatCallCancelled(_Message, frozen=True):
    """Connector to gateway: the iChat caller gave up (`vc:cancel`), or went offline while waiting."""

    handle: str


# --- SIP calls iChat ------------------------------------------------------------------------------------


class InitiateIChatCall(_Message, frozen=True):
    """Gateway to connector: call user `to` (bare JID; full JID for one device) from gateway JID `from_`."""

    to: str
    from_: str
    handle: str


class NotifyIChatCallProceeding(_Message, frozen=True):
    """Connector to gateway: `vc:request` was sent to `resource` (a full JID). One per device rung."""

    handle: str
    resource: str


class ContinueIChatCall(_Message, frozen=True):
    """Connector to gateway: the call was answered by `resource` with connect data `blob`; empty: refused.

    At most one per call: the connector waits for the last device before it reports a refusal.
    """

    handle: str
    resource: str
    blob: str


class NotifyIChatCallFailed(_Message, frozen=True):
    """Connector to gateway: nobody can be rung or somebody failed; `status` is the SIP status that fits."""

    handle: str
    status: int
    text: str = ""


class CancelIChatCall(_Message, frozen=True):
    """Gateway to connector: give up; send `vc:cancel` to whom it concerns.

    That is every device still ringing, or the iChat caller whose accepted call is void. Harmless when
    nothing is left to cancel.
    """

    to: str
    from_: str
    handle: str


# --- after the death of a connector ---------------------------------------------------------------------


class WithdrawIChatCall(_Message, frozen=True):
    """Gateway to connector: gateway JID `from_` rang the device `to` (full JID); send it `vc:cancel`.

    The connector that did it has died; its successor knows of no such call and needs no handle.
    """

    to: str
    from_: str


class RefuseIChatCall(_Message, frozen=True):
    """Gateway to connector: the device `from_` (full JID) called gateway JID `to`; send it `vc:response` 1.

    The connector that took the call has died; its successor knows of no such call and needs no handle.
    """

    to: str
    from_: str


# --- chat messages ----------------------------------------------------------------------------------------


class NotifyChatMessage(_Message, frozen=True):
    """Connector to gateway: the user `from_` (full JID) writes to gateway JID `to`.

    `id` is that of the stanza, for an error that answers it; `thread`, `subject` and `language` may be empty.
    """

    to: str
    from_: str
    id: str
    body: str
    subject: str = ""
    thread: str = ""
    language: str = ""


class RejectChatMessage(_Message, frozen=True):
    """Gateway to connector: that message was not delivered; `status` is the SIP status that says why."""

    to: str
    from_: str
    id: str
    status: int
    text: str = ""


class SendChatMessage(_Message, frozen=True):
    """Gateway to connector: deliver a message of gateway JID `from_` to the user `to` (bare JID).

    `handle` is for the answer, `NotifyChatMessageSent`.
    """

    to: str
    from_: str
    handle: str
    body: str
    subject: str = ""
    thread: str = ""
    language: str = ""


class NotifyChatMessageSent(_Message, frozen=True):
    """Connector to gateway: what became of that message. 202: the XMPP server has it, else an error."""

    handle: str
    status: int
    text: str = ""


# --- users and subscriptions ----------------------------------------------------------------------------


class SipRegisterJabberUser(_Message, frozen=True):
    """Connector to gateway: the first iChat device of this user (bare JID) came online."""

    jid: str


class SipUnregisterJabberUser(_Message, frozen=True):
    """Connector to gateway: the last iChat device of this user (bare JID) went offline."""

    jid: str


class CheckSubscription(_Message, frozen=True):
    """Connector to gateway: may `from_` subscribe to gateway JID `to`, that is, does a rule match it."""

    to: str
    from_: str


class SendSubscriptionResponse(_Message, frozen=True):
    """Gateway to connector: the answer to `CheckSubscription`, with its two JIDs repeated."""

    to: str
    from_: str
    allowed: bool


# --- the two programs -----------------------------------------------------------------------------------


class Hello(_Message, frozen=True):
    """Either way, first of all: the version of the vocabulary that the sender speaks.

    The gateway repeats it every few seconds: that it is acknowledged shows that the connector does something.
    """

    version: int


class Configure(_Message, frozen=True):
    """Gateway to connector: the settings have changed. What has begun goes on as it began.

    In the words of the settings: milliseconds, seconds, the name of a LogLevel.
    """

    proceeding_timeout_ms: int
    ping_seconds: float
    numbers_reachable: bool
    messages: bool
    """Whether to pass chat messages on."""
    traces: bool
    """Whether to tell the gateway of the stanzas of calls."""
    log_level: str


class JabberConnection(_Message, frozen=True):
    """Connector to gateway: the component connection to the XMPP server came up or went down.

    `known_in`: so many seconds after it came up everybody has been asked for presence and had time to answer.
    """

    online: bool
    text: str = ""
    known_in: int = 0


class Log(_Message, frozen=True):
    """Connector to gateway: a line for the gateway's log; `level` is a LogLevel name of the manual."""

    level: str
    text: str


class SeenStanza(msgspec.Struct, frozen=True):
    """One stanza of a call, for traces; JIDs are bare."""

    user: str
    contact: str
    """The gateway JID that the user and we talk as."""
    outgoing: bool
    """We have sent it."""
    xml: str
    at: float
    """UNIX time in seconds."""


class StanzasSeen(_Message, frozen=True):
    """Connector to gateway: stanzas of calls that came and went, if it was told at its start to tell them."""

    stanzas: list[SeenStanza]


class Stop(_Message, frozen=True):
    """Gateway to connector: say `unavailable` to everyone, close the XMPP stream and exit."""


Message: TypeAlias = (
    NotifyIChatCallRequest
    | ProceedingIChatCall
    | AcceptIChatCall
    | RejectIChatCall
    | NotifyIChatCallCancelled
    | InitiateIChatCall
    | NotifyIChatCallProceeding
    | ContinueIChatCall
    | NotifyIChatCallFailed
    | CancelIChatCall
    | WithdrawIChatCall
    | RefuseIChatCall
    | NotifyChatMessage
    | RejectChatMessage
    | SendChatMessage
    | NotifyChatMessageSent
    | SipRegisterJabberUser
    | SipUnregisterJabberUser
    | CheckSubscription
    | SendSubscriptionResponse
    | Hello
    | Configure
    | JabberConnection
    | Log
    | StanzasSeen
    | Stop
)
