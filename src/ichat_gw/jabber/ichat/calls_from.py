"""The calls that iChat users make: `vc:request` in, `vc:response` out.

    iChat                    connector                     gateway
      | -- vc:request ---------> | -- NotifyIChatCallRequest --> |     ASKED
      |                          | <-- ProceedingIChatCall ----- |     PROCEEDING
      | <-- vc:response 0 ------ | <-- AcceptIChatCall --------- |     ACCEPTED, until forgotten
      | <-- vc:response 1 ------ | <-- RejectIChatCall --------- |
      | -- vc:cancel ----------> | -- NotifyIChatCallCancelled ->|
      | <-- vc:cancel ---------- | <-- CancelIChatCall --------- |     the phone hung up before iChat's INVITE

A negotiation is known by the client's full JID and the gateway JID it calls, so that two devices of one
user do not collide. One that is over is forgotten at once; a handle that the gateway then gives it, or an
acceptance that crossed the client's cancel, is answered with NotifyIChatCallCancelled.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from ichat_gw.clock import Timers
from ichat_gw.ipc.messages import (
    AcceptIChatCall,
    CancelIChatCall,
    NotifyIChatCallCancelled,
    NotifyIChatCallRequest,
    ProceedingIChatCall,
    RejectIChatCall,
)
from ichat_gw.jabber import jid, stanza
from ichat_gw.jabber.events import ConnectorCommand, Dropped, SendStanza, Tell
from ichat_gw.jabber.ichat import blob
from ichat_gw.jabber.ids import Ids
from ichat_gw.jabber.settings import ConnectorConfig

HANDLE_SECONDS = 32.0
"""How long the gateway may take to give a call its handle; then the client is refused."""

ANSWER_SECONDS = 600.0
"""How long the gateway may take to accept or refuse; it gives up much earlier unless something is wrong."""

LINGER_SECONDS = 64.0
"""How long after our acceptance a cancel is still passed on: twice the time that a SIP request may take."""

MAX_CALLS = 10_000
"""Most negotiations at a time; more are refused."""


class State(Enum):
    """How far a negotiation has come."""

    ASKED = auto()
    """The gateway has been told and has not yet given the call a handle."""
    PROCEEDING = auto()
    ACCEPTED = auto()


class Event(Enum):
    """What happens to a negotiation."""

    PROCEED = auto()
    """The gateway gave it its handle."""
    ACCEPT = auto()
    REJECT = auto()
    VOID = auto()
    """The gateway takes its acceptance back."""
    CANCEL = auto()
    """The client gives up, or has begun the same call anew."""
    OFFLINE = auto()
    """The client is gone."""
    OVERDUE = auto()
    STREAM_DOWN = auto()


class Action(Enum):
    """What is then done."""

    SEND_ACCEPT = auto()
    SEND_REFUSE = auto()
    SEND_CANCEL = auto()
    NOTIFY_CANCELLED = auto()


_A, _E, _S = Action, Event, State

TRANSITIONS: dict[tuple[State, Event], tuple[State | None, tuple[Action, ...]]] = {
    (_S.ASKED, _E.PROCEED): (_S.PROCEEDING, ()),
    (_S.ASKED, _E.CANCEL): (None, ()),
    (_S.ASKED, _E.OFFLINE): (None, ()),
    (_S.ASKED, _E.OVERDUE): (None, (_A.SEND_REFUSE,)),
    (_S.ASKED, _E.STREAM_DOWN): (None, (_A.SEND_REFUSE,)),
    (_S.PROCEEDING, _E.ACCEPT): (_S.ACCEPTED, (_A.SEND_ACCEPT,)),
    (_S.PROCEEDING, _E.REJECT): (None, (_A.SEND_REFUSE,)),
    (_S.PROCEEDING, _E.VOID): (None, (_A.SEND_REFUSE,)),
    (_S.PROCEEDING, _E.CANCEL): (None, (_A.NOTIFY_CANCELLED,)),
    (_S.PROCEEDING, _E.OFFLINE): (None, (_A.NOTIFY_CANCELLED,)),
    (_S.PROCEEDING, _E.OVERDUE): (None, (_A.NOTIFY_CANCELLED, _A.SEND_REFUSE)),
    (_S.PROCEEDING, _E.STREAM_DOWN): (None, (_A.NOTIFY_CANCELLED, _A.SEND_REFUSE)),
    (_S.ACCEPTED, _E.REJECT): (None, (_A.SEND_CANCEL,)),
    (_S.ACCEPTED, _E.VOID): (None, (_A.SEND_CANCEL,)),
    (_S.ACCEPTED, _E.CANCEL): (None, (_A.NOTIFY_CANCELLED,)),
    # Accepted and offline: the call may stand already, and it does not need XMPP any more.
    (_S.ACCEPTED, _E.OFFLINE): (None, ()),
    (_S.ACCEPTED, _E.OVERDUE): (None, ()),
}
"""(state, event) to (next state, actions); no next state: the negotiation is over. Pairs that are missing
are events that come too late or too early, and are ignored."""

_SECONDS = {
    State.ASKED: HANDLE_SECONDS,
    State.PROCEEDING: ANSWER_SECONDS,
    State.ACCEPTED: LINGER_SECONDS,
}


@dataclass(slots=True, eq=False)
class _Call:
    caller: str
    """The client's full JID."""
    contact: str
    """The gateway JID it calls."""
    request: str
    """Our reference for it."""
    handle: str = ""
    state: State = State.ASKED


class CallsFromIChat:
    """All negotiations that iChat clients began."""

    def __init__(self, config: ConnectorConfig, ids: Ids) -> None:
        self._control = config.control
        self._blob = config.blob
        self._ids = ids
        self._calls: dict[str, dict[str, _Call]] = {}
        self._by_request: dict[str, _Call] = {}
        self._by_handle: dict[str, _Call] = {}
        self._timers: Timers[str] = Timers()
        self._do: dict[Action, Callable[[_Call], ConnectorCommand]] = {
            Action.SEND_ACCEPT: lambda call: SendStanza(
                stanza.vc_accept(call.caller, call.contact, ids.next(), self._blob)
            ),
            Action.SEND_REFUSE: lambda call: self._refusal(call.caller, call.contact),
            Action.SEND_CANCEL: lambda call: SendStanza(
                stanza.vc_cancel(call.caller, call.contact, ids.next())
            ),
            Action.NOTIFY_CANCELLED: lambda call: Tell(NotifyIChatCallCancelled(call.handle)),
        }

    def __len__(self) -> int:
        return len(self._by_request)

    # --- what the client does ---------------------------------------------------------------------------

    def requested(self, caller: str, contact: str, data: str, now: float) -> list[ConnectorCommand]:
        """`vc:request`: the client `caller` (full JID) calls `contact` and names its addresses in `data`.

        The control JID and the component itself take no calls. A client that calls again has forgotten
        the call before.
        """
        commands = self._happen(self._find(caller, contact), Event.CANCEL, now)
        problem = self._problem(caller, contact, data)
        if problem:
            return [*commands, Dropped(problem), self._refusal(caller, contact)]
        call = _Call(caller, contact, self._ids.next())
        self._calls.setdefault(caller, {})[contact] = call
        self._by_request[call.request] = call
        self._timers.set(call.request, now + HANDLE_SECONDS)
        return [*commands, Tell(NotifyIChatCallRequest(contact, caller, call.request, data))]

    def cancelled(self, caller: str, contact: str, now: float) -> list[ConnectorCommand]:
        """`vc:cancel`: the client gives up."""
        call = self._find(caller, contact)
        return self._happen(call, Event.CANCEL, now) if call else [Dropped("cancel of no call")]

    def offline(self, caller: str, now: float) -> list[ConnectorCommand]:
        """The client `caller` (full JID) went offline; a bare JID: all clients of that user."""
        if jid.resource(caller):
            callers = [caller] if caller in self._calls else []
        else:
            callers = [full for full in self._calls if jid.bare(full) == caller]
        calls = [call for full in callers for call in self._calls[full].values()]
        return [command for call in calls for command in self._happen(call, Event.OFFLINE, now)]

    # --- what the gateway does --------------------------------------------------------------------------

    def proceeding(self, message: ProceedingIChatCall, now: float) -> list[ConnectorCommand]:
        """The call has its handle now, unless it is over already: then the gateway hears that."""
        call = self._by_request.get(message.request)
        if call is None or (call.handle and call.handle != message.handle):
            return [Tell(NotifyIChatCallCancelled(message.handle))]
        call.handle = message.handle
        self._by_handle[message.handle] = call
        return self._happen(call, Event.PROCEED, now)

    def accepted(self, message: AcceptIChatCall, now: float) -> list[ConnectorCommand]:
        """The phone answered. If the client has given up meanwhile, the gateway hears that (again)."""
        call = self._by_handle.get(message.handle)
        if call is None:
            return [Tell(NotifyIChatCallCancelled(message.handle))]
        return self._happen(call, Event.ACCEPT, now)

    def rejected(self, message: RejectIChatCall, now: float) -> list[ConnectorCommand]:
        """The phone was not reached."""
        return self._happen(self._by_handle.get(message.handle), Event.REJECT, now)

    def voided(self, message: CancelIChatCall, now: float) -> list[ConnectorCommand]:
        """The phone hung up after we had accepted; nothing if that call is not one of these."""
        return self._happen(self._by_handle.get(message.handle), Event.VOID, now)

    def refuse(self, contact: str, caller: str) -> list[ConnectorCommand]:
        """Refuse what another run of this program took: `caller` is a full JID, `contact` a gateway JID."""
        # Both stood in a stanza that the server delivered, so it takes them back.
        return [self._refusal(caller, contact)]

    # --- time and the stream ----------------------------------------------------------------------------

    def stream_down(self, now: float) -> list[ConnectorCommand]:
        """Give up what is not accepted yet. The stanzas among the commands are to be sent afterwards."""
        calls = list(self._by_request.values())
        return [command for call in calls for command in self._happen(call, Event.STREAM_DOWN, now)]

    def stop(self, now: float) -> list[ConnectorCommand]:
        """The gateway is being stopped: refuse what is not accepted yet, forget the rest."""
        commands = self.stream_down(now)
        for call in list(self._by_request.values()):
            self._forget(call)
        return commands

    def deadline(self) -> float | None:
        """When the next negotiation is overdue."""
        return self._timers.deadline()

    def expire(self, now: float) -> list[ConnectorCommand]:
        """End what is overdue."""
        due = [self._by_request[request] for request in self._timers.due(now)]
        return [command for call in due for command in self._happen(call, Event.OVERDUE, now)]

    # --- inside -----------------------------------------------------------------------------------------

    def _problem(self, caller: str, contact: str, data: str) -> str:
        """Why a request is refused without asking the gateway; "" when it is not."""
        if contact == self._control or not jid.localpart(contact):
            return "call to a JID that takes none"
        if not jid.resource(caller):
            return "call from no device"
        if len(self._by_request) >= MAX_CALLS:
            return "too many calls"
        try:
            usable = any(record.usable for record in blob.decode(data))
        except blob.UnusableBlob:
            usable = False
        return "" if usable else "call without usable connect data"

    def _find(self, caller: str, contact: str) -> _Call | None:
        return self._calls.get(caller, {}).get(contact)

    def _happen(self, call: _Call | None, event: Event, now: float) -> list[ConnectorCommand]:
        if call is None or (call.state, event) not in TRANSITIONS:
            return []
        state, actions = TRANSITIONS[call.state, event]
        commands = [self._do[action](call) for action in actions]
        if state is None:
            self._forget(call)
        else:
            call.state = state
            self._timers.set(call.request, now + _SECONDS[state])
        return commands

    def _forget(self, call: _Call) -> None:
        self._timers.clear(call.request)
        del self._by_request[call.request]
        self._by_handle.pop(call.handle, None)
        calls = self._calls[call.caller]
        del calls[call.contact]
        if not calls:
            del self._calls[call.caller]

    def _refusal(self, caller: str, contact: str) -> SendStanza:
        return SendStanza(stanza.vc_refuse(caller, contact, self._ids.next()))
