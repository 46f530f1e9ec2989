"""The calls that are made to iChat users: `vc:request` out, `vc:response` in.

    gateway                          connector                  iChat (each device that rings)
      | -- InitiateIChatCall ----------> | -- presence, vc:request --> |
      | <-- NotifyIChatCallProceeding -- |                             |
      | <-- ContinueIChatCall ---------- | <-- vc:response ----------- |
      | <-- NotifyIChatCallFailed ------ | <-- error, offline, time -- |
      | -- CancelIChatCall ------------> | -- vc:cancel -------------> |

Known devices of the user: those that tie for most available are rung, and no others. None known: the user
is probed and every iChat that shows up within IChatProceedingTimeout is rung. The first to accept wins and
the others get `vc:cancel`; a refusal counts when it is the last one's.

A server may answer a probe for a user that does not exist, or that we may not see, with nothing (RFC 6121
4.3.2 lets it; Prosody does). So the user's address is asked for its disco#info behind the probe: that must be
answered (XEP-0030), and an error means that no presence will come. The caller then hears 404 soon, instead
of 408 when the time is up.

`vc:response` names no call, only the two JIDs. So while one call from a calling JID to a user is unanswered,
a second one between the same two is refused as busy: their answers could not be told apart, and an iChat
takes one call at a time anyway. (In the original the first call then hung.)
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from ichat_gw.addressing.jid import InvalidJid, Jid
from ichat_gw.clock import Timers
from ichat_gw.ipc.messages import (
    CancelIChatCall,
    ContinueIChatCall,
    InitiateIChatCall,
    NotifyIChatCallFailed,
    NotifyIChatCallProceeding,
)
from ichat_gw.jabber import jid, stanza
from ichat_gw.jabber.events import ConnectorCommand, Dropped, SendStanza, Tell
from ichat_gw.jabber.ids import Ids
from ichat_gw.jabber.presence import Users
from ichat_gw.jabber.settings import ConnectorConfig

RING_SECONDS = 600.0
"""How long devices may ring; the gateway gives up much earlier unless something is wrong."""

UNKNOWN_SECONDS = 0.5
"""How long after the server has denied a user's existence presence may yet prove it wrong: old servers know
no disco#info of users."""

QUESTION = "who-"
"""Begins the id of that question; the call's handle follows."""

LINGER_SECONDS = 64.0
"""How long after the answer the gateway may still take the call back (twice the time of a SIP request)."""

MAX_CALLS = 10_000
"""Most negotiations at a time; more are refused."""


class State(Enum):
    """How far a negotiation has come."""

    SEARCHING = auto()
    """No device rings; devices that show up will."""
    COLLECTING = auto()
    """Some ring, and others that show up will too."""
    RINGING = auto()
    """Some ring."""
    ANSWERED = auto()
    """One has accepted, and the gateway knows."""


class Event(Enum):
    """What happens to a negotiation."""

    FOUND = auto()
    """A free device of the user showed up that has not been rung."""
    ACCEPTED = auto()
    ONE_OUT = auto()
    """A device declined or failed, and others still ring."""
    LAST_DECLINED = auto()
    """No device rings any more, and on one of them somebody declined."""
    LAST_FAILED = auto()
    """No device rings any more; all failed or went offline."""
    OFFLINE = auto()
    """The user has no device online, or does not exist, or hides from us."""
    TIME = auto()
    """The search, the ringing or the memory of it has lasted long enough."""
    CANCELLED = auto()
    """The gateway gives up."""
    STREAM_DOWN = auto()


class Action(Enum):
    """What is then done."""

    RING = auto()
    TELL_ANSWER = auto()
    TELL_DECLINED = auto()
    TELL_FAILED = auto()
    TELL_NOT_FOUND = auto()
    TELL_NONE_IN_TIME = auto()
    TELL_NO_ANSWER = auto()
    TELL_DISCONNECTED = auto()
    CANCEL_RINGING = auto()
    CANCEL_WINNER = auto()


_A, _E, _S = Action, Event, State

TRANSITIONS: dict[tuple[State, Event], tuple[State | None, tuple[Action, ...]]] = {
    (_S.SEARCHING, _E.FOUND): (_S.COLLECTING, (_A.RING,)),
    (_S.SEARCHING, _E.OFFLINE): (None, (_A.TELL_NOT_FOUND,)),
    (_S.SEARCHING, _E.TIME): (None, (_A.TELL_NONE_IN_TIME,)),
    (_S.SEARCHING, _E.CANCELLED): (None, ()),
    (_S.SEARCHING, _E.STREAM_DOWN): (None, (_A.TELL_DISCONNECTED,)),
    (_S.COLLECTING, _E.FOUND): (_S.COLLECTING, (_A.RING,)),
    (_S.COLLECTING, _E.ACCEPTED): (_S.ANSWERED, (_A.TELL_ANSWER, _A.CANCEL_RINGING)),
    (_S.COLLECTING, _E.ONE_OUT): (_S.COLLECTING, ()),
    (_S.COLLECTING, _E.LAST_DECLINED): (None, (_A.TELL_DECLINED,)),
    # Devices fail for reasons of their own; another may yet show up.
    (_S.COLLECTING, _E.LAST_FAILED): (_S.SEARCHING, ()),
    (_S.COLLECTING, _E.OFFLINE): (None, (_A.TELL_NOT_FOUND,)),
    (_S.COLLECTING, _E.TIME): (_S.RINGING, ()),
    (_S.COLLECTING, _E.CANCELLED): (None, (_A.CANCEL_RINGING,)),
    (_S.COLLECTING, _E.STREAM_DOWN): (None, (_A.TELL_DISCONNECTED, _A.CANCEL_RINGING)),
    (_S.RINGING, _E.ACCEPTED): (_S.ANSWERED, (_A.TELL_ANSWER, _A.CANCEL_RINGING)),
    (_S.RINGING, _E.ONE_OUT): (_S.RINGING, ()),
    (_S.RINGING, _E.LAST_DECLINED): (None, (_A.TELL_DECLINED,)),
    (_S.RINGING, _E.LAST_FAILED): (None, (_A.TELL_FAILED,)),
    (_S.RINGING, _E.OFFLINE): (None, (_A.TELL_NOT_FOUND,)),
    (_S.RINGING, _E.TIME): (None, (_A.TELL_NO_ANSWER, _A.CANCEL_RINGING)),
    (_S.RINGING, _E.CANCELLED): (None, (_A.CANCEL_RINGING,)),
    (_S.RINGING, _E.STREAM_DOWN): (None, (_A.TELL_DISCONNECTED, _A.CANCEL_RINGING)),
    (_S.ANSWERED, _E.CANCELLED): (None, (_A.CANCEL_WINNER,)),
    (_S.ANSWERED, _E.TIME): (None, ()),
}
"""(state, event) to (next state, actions); no next state: the negotiation is over. Pairs that are missing
are events that come too late, and are ignored."""


@dataclass(slots=True, eq=False)
class _Call:
    handle: str
    user: str
    """Bare JID of the called user."""
    target: str
    """What the gateway asked for: the user, or one device."""
    caller: str
    """The gateway JID that calls."""
    state: State
    ringing: dict[str, str] = field(default_factory=dict)
    """Full JIDs that ring, with the id of the request."""
    tried: set[str] = field(default_factory=set)
    declined: str = ""
    """The full JID that declined last."""
    winner: str = ""
    blob: str = ""
    search_ends: float = 0.0
    """When the search for devices ends at the latest."""
    failure: tuple[int, str] | None = None
    """SIP status and words of the first device that failed."""

    def wants(self, full: str) -> bool:
        """Whether the device `full` should ring if it is free."""
        return full not in self.tried and self.target in (self.user, full)


class CallsToIChat:
    """All negotiations that the gateway began."""

    def __init__(self, config: ConnectorConfig, ids: Ids, users: Users) -> None:
        self._control = config.control
        self._domain = config.domain
        self._window = config.proceeding_timeout_ms / 1000
        self._blob = config.blob
        self._ids = ids
        self._users = users
        self._by_handle: dict[str, _Call] = {}
        self._by_pair: dict[tuple[str, str], _Call] = {}
        """Unanswered ones by (calling JID, user)."""
        self._by_user: dict[str, list[_Call]] = {}
        """Unanswered ones by user."""
        self._by_id: dict[str, tuple[_Call, str]] = {}
        """Which device of which call a request went to."""
        self._timers: Timers[str] = Timers()
        self._do: dict[Action, Callable[[_Call], list[ConnectorCommand]]] = {
            Action.TELL_ANSWER: lambda call: [Tell(ContinueIChatCall(call.handle, call.winner, call.blob))],
            Action.TELL_DECLINED: lambda call: [Tell(ContinueIChatCall(call.handle, call.declined, ""))],
            Action.TELL_FAILED: lambda call: _failed(call.handle, *(call.failure or (480, ""))),
            Action.TELL_NOT_FOUND: lambda call: _failed(call.handle, 404, "the user is offline or unknown"),
            Action.TELL_NONE_IN_TIME: self._none_in_time,
            Action.TELL_NO_ANSWER: lambda call: _failed(call.handle, 480, "nobody answered"),
            Action.TELL_DISCONNECTED: lambda call: _failed(call.handle, 503, DISCONNECTED),
            Action.CANCEL_RINGING: lambda call: [self._cancel(call, full) for full in call.ringing],
            Action.CANCEL_WINNER: self._cancel_winner,
        }

    def reconfigure(self, proceeding_timeout_ms: int) -> None:
        """Look for the client of a user who is called so long from now on, in milliseconds."""
        self._window = proceeding_timeout_ms / 1000

    def __len__(self) -> int:
        return len(self._by_handle)

    # --- what the gateway does --------------------------------------------------------------------------

    def initiate(self, message: InitiateIChatCall, connected: bool, now: float) -> list[ConnectorCommand]:
        """Call a user, or one device, on behalf of a gateway JID."""
        if message.handle in self._by_handle:
            return [Dropped("call that is being made already")]
        if not connected:
            return _failed(message.handle, 503, DISCONNECTED)
        target, caller = _read(message.to), _read(message.from_)
        if target is None or target.domain == self._domain:
            return _failed(message.handle, 404, "the called JID is not one of an XMPP user")
        if caller is None or caller.domain != self._domain or caller.is_full:
            return _failed(message.handle, 400, "the calling JID is not one of this gateway")
        call = _Call(message.handle, str(target.bare), str(target), str(caller), State.SEARCHING)
        if (call.caller, call.user) in self._by_pair:
            return _failed(message.handle, 486, "another call between these two waits for its answer")
        if len(self._by_handle) >= MAX_CALLS:
            return _failed(message.handle, 503, "too many calls are being negotiated")
        return self._begin(call, now)

    def cancel(self, message: CancelIChatCall, now: float) -> list[ConnectorCommand]:
        """Give up; nothing if that call is not one of these."""
        return self._happen(self._by_handle.get(message.handle), Event.CANCELLED, now)

    def withdraw(self, device: str, caller: str) -> list[ConnectorCommand]:
        """Cancel what another run of this program rang: `device` is a full JID, `caller` a gateway JID."""
        target, calling = _read(device), _read(caller)
        if target is None or calling is None or calling.domain != self._domain:
            return [Dropped("withdrawal between nobody", f"{device} {caller}")]
        return [SendStanza(stanza.vc_cancel(str(target), str(calling), self._ids.next()))]

    # --- what the devices do ----------------------------------------------------------------------------

    def accepted(self, device: str, caller: str, data: str, now: float) -> list[ConnectorCommand]:
        """`vc:response` 0 from `device` (full JID) to `caller`, with its connect data."""
        call = self._rung_by(device, caller)
        if call is None:
            return [Dropped("answer to no call")]
        self._hush(call, device)
        call.winner, call.blob = device, data
        return self._happen(call, Event.ACCEPTED, now)

    def declined(self, device: str, caller: str, now: float) -> list[ConnectorCommand]:
        """`vc:response` that is a refusal."""
        call = self._rung_by(device, caller)
        if call is None:
            return [Dropped("answer to no call")]
        call.declined = device
        return self._drop_out(call, device, now)

    def failed(
        self, device: str, caller: str, id_: str, status: int, text: str, now: float
    ) -> list[ConnectorCommand]:
        """An error came back for our request with that id, or for one from `caller` if the id is unknown."""
        searching = self._by_handle.get(id_.removeprefix(QUESTION)) if id_.startswith(QUESTION) else None
        if searching is not None and searching.user == device:
            return self._unknown(searching, now)
        call, rung = self._by_id.get(id_, (None, ""))
        if call is None or rung != device:
            call = self._rung_by(device, caller)
        if call is None:
            return [Dropped("error for no call")]
        call.failure = call.failure or (status, text)
        return self._drop_out(call, device, now)

    def _unknown(self, call: _Call, now: float) -> list[ConnectorCommand]:
        """The server knows of no such user, or of none that we may see."""
        if call.state is State.SEARCHING:
            call.failure = call.failure or (404, "the user does not exist, or has not added the control JID")
            self._timers.set(call.handle, min(now + UNKNOWN_SECONDS, call.search_ends))
        return []

    # --- presence ---------------------------------------------------------------------------------------

    def appeared(self, device: str, now: float) -> list[ConnectorCommand]:
        """The free iChat `device` (full JID) is online: ring it for every call that looks for one."""
        commands: list[ConnectorCommand] = []
        for call in list(self._by_user.get(jid.bare(device), ())):
            if call.wants(device):
                commands += self._happen(call, Event.FOUND, now, device)
        return commands

    def offline(self, full: str, now: float) -> list[ConnectorCommand]:
        """A device went offline, or presence cannot be had; a bare JID: the user has.

        A device we know nothing of is the server's answer for a user who is not there, if no other is.
        """
        user = jid.bare(full)
        whole = full == user or not self._users.devices(user)
        commands: list[ConnectorCommand] = []
        for call in list(self._by_user.get(user, ())):
            if full in call.ringing:
                call.failure = call.failure or (404, "the device went offline")
                commands += self._drop_out(call, full, now)
            elif whole and (full == user or call.state is State.SEARCHING):
                commands += self._happen(call, Event.OFFLINE, now)
        return commands

    # --- time and the stream ----------------------------------------------------------------------------

    def stream_down(self, now: float) -> list[ConnectorCommand]:
        """Fail what is not answered. The stanzas among the commands are to be sent afterwards."""
        calls = list(self._by_handle.values())
        return [command for call in calls for command in self._happen(call, Event.STREAM_DOWN, now)]

    def stop(self, now: float) -> list[ConnectorCommand]:
        """The gateway is being stopped: cancel what rings, forget the rest."""
        commands = self.stream_down(now)
        for call in list(self._by_handle.values()):
            self._forget(call)
        return commands

    def deadline(self) -> float | None:
        """When the next negotiation has lasted long enough."""
        return self._timers.deadline()

    def expire(self, now: float) -> list[ConnectorCommand]:
        """Go on where it is time."""
        due = [self._by_handle[handle] for handle in self._timers.due(now)]
        return [command for call in due for command in self._happen(call, Event.TIME, now)]

    # --- inside -----------------------------------------------------------------------------------------

    def _begin(self, call: _Call, now: float) -> list[ConnectorCommand]:
        known = self._users.devices(call.user)
        free = self._users.most_available(call.user)
        if call.target != call.user:
            name = jid.resource(call.target)
            known = {name: known[name]} if name in known else {}
            free = [call.target for device in known.values() if device.free]
        if known and not free:
            return _failed(call.handle, 486, "every iChat of the user is in a call or cannot take one")
        self._by_handle[call.handle] = call
        self._by_pair[call.caller, call.user] = call
        self._by_user.setdefault(call.user, []).append(call)
        if not free:
            call.search_ends = now + self._window
            self._timers.set(call.handle, call.search_ends)
            return [
                SendStanza(stanza.presence("probe", call.user, self._control)),
                SendStanza(stanza.disco_info_request(call.user, self._control, QUESTION + call.handle)),
            ]
        call.state = State.RINGING
        self._timers.set(call.handle, now + RING_SECONDS)
        return [command for device in free for command in self._ring(call, device)]

    def _happen(
        self, call: _Call | None, event: Event, now: float, device: str = ""
    ) -> list[ConnectorCommand]:
        if call is None or (call.state, event) not in TRANSITIONS:
            return []
        state, actions = TRANSITIONS[call.state, event]
        commands: list[ConnectorCommand] = []
        for action in actions:
            commands += self._ring(call, device) if action is Action.RING else self._do[action](call)
        if state is None:
            self._forget(call)
        else:
            self._enter(call, state, now)
        return commands

    def _enter(self, call: _Call, state: State, now: float) -> None:
        if state is State.RINGING and call.state is not State.RINGING:
            self._timers.set(call.handle, now + RING_SECONDS)
        elif state is State.ANSWERED:
            self._release(call)
            self._timers.set(call.handle, now + LINGER_SECONDS)
        call.state = state

    def _ring(self, call: _Call, device: str) -> list[ConnectorCommand]:
        """Ring one device.

        The control JID's presence goes first: a client takes requests only from whom it has heard of.
        """
        id_ = self._ids.next()
        call.tried.add(device)
        call.ringing[device] = id_
        self._by_id[id_] = (call, device)
        return [
            SendStanza(stanza.available(device, self._control)),
            SendStanza(stanza.vc_request(device, call.caller, id_, self._blob)),
            Tell(NotifyIChatCallProceeding(call.handle, device)),
        ]

    def _rung_by(self, device: str, caller: str) -> _Call | None:
        call = self._by_pair.get((caller, jid.bare(device)))
        return call if call is not None and device in call.ringing else None

    def _hush(self, call: _Call, device: str) -> None:
        """`device` does not ring any more."""
        del self._by_id[call.ringing.pop(device)]

    def _drop_out(self, call: _Call, device: str, now: float) -> list[ConnectorCommand]:
        self._hush(call, device)
        if call.ringing:
            return self._happen(call, Event.ONE_OUT, now)
        return self._happen(call, Event.LAST_DECLINED if call.declined else Event.LAST_FAILED, now)

    def _release(self, call: _Call) -> None:
        """The call needs no more answers: nothing that comes in can concern it."""
        for device in list(call.ringing):
            self._hush(call, device)
        self._by_pair.pop((call.caller, call.user), None)
        calls = self._by_user[call.user]
        calls.remove(call)
        if not calls:
            del self._by_user[call.user]

    def _forget(self, call: _Call) -> None:
        if call.state is not State.ANSWERED:
            self._release(call)
        self._timers.clear(call.handle)
        del self._by_handle[call.handle]

    def _cancel(self, call: _Call, device: str) -> SendStanza:
        return SendStanza(stanza.vc_cancel(device, call.caller, self._ids.next()))

    def _cancel_winner(self, call: _Call) -> list[ConnectorCommand]:
        """Take the call back from the device that accepted it.

        Not while a later call between the same two rings there: `vc:cancel` would end that one.
        """
        later = self._by_pair.get((call.caller, call.user))
        return [] if later and call.winner in later.ringing else [self._cancel(call, call.winner)]

    def _none_in_time(self, call: _Call) -> list[ConnectorCommand]:
        if call.failure:
            return _failed(call.handle, *call.failure)
        if self._users.devices(call.user):
            return _failed(call.handle, 486, "every iChat of the user is in a call or cannot take one")
        return _failed(call.handle, 408, "no iChat of the user showed up in time")


def _read(text: str) -> Jid | None:
    """The JID of a user or of a device in `text`, as the server will write it; None if it is none.

    With a malformed address, or somebody else's, a stanza would cost us the stream.
    """
    try:
        address = Jid.parse(text)
    except InvalidJid:
        return None
    return address if address.local else None


DISCONNECTED = "there is no connection to the XMPP server"


def _failed(handle: str, status: int, text: str) -> list[ConnectorCommand]:
    return [Tell(NotifyIChatCallFailed(handle, status, text))]
