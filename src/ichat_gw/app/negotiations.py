"""What the connector is negotiating, so that its successor can end it if it dies.

An iChat that rings goes on ringing until somebody sends it `vc:cancel`, and one that calls waits for its
`vc:response`. The calls themselves end when the connector dies; but only another connector can tell the
clients, and it knows nothing of them.
"""

from dataclasses import dataclass, field

from ichat_gw.ipc.messages import (
    AcceptIChatCall,
    CancelIChatCall,
    ContinueIChatCall,
    InitiateIChatCall,
    Message,
    NotifyIChatCallCancelled,
    NotifyIChatCallFailed,
    NotifyIChatCallProceeding,
    ProceedingIChatCall,
    RefuseIChatCall,
    RejectIChatCall,
    WithdrawIChatCall,
)

WORTH_SAYING = 64.0
"""Seconds after the death in which the clients may be told; after that they have given up by themselves."""


@dataclass(slots=True)
class _Ringing:
    """A call to an iChat user."""

    caller: str
    """The gateway JID that calls."""
    devices: list[str] = field(default_factory=list)
    """The full JIDs that ring."""


class Negotiations:
    """Listens to all that is said to and by the connector; by the handle of the call."""

    def __init__(self) -> None:
        self._ringing: dict[str, _Ringing] = {}
        self._calling: dict[str, tuple[str, str]] = {}
        """The gateway JID that is called, and the full JID of who calls."""
        self._owed: list[tuple[float, Message]] = []

    def __len__(self) -> int:
        return len(self._ringing) + len(self._calling)

    def tell(self, message: Message) -> None:
        """The gateway says this to the connector."""
        match message:
            case InitiateIChatCall(from_=caller, handle=handle):
                self._ringing[handle] = _Ringing(caller)
            case ProceedingIChatCall(to=to, from_=caller, handle=handle):
                self._calling[handle] = to, caller
            case CancelIChatCall(handle=handle):
                self._over(handle)
            case AcceptIChatCall(handle=handle) | RejectIChatCall(handle=handle):
                self._over(handle)

    def hear(self, message: Message) -> None:
        """The connector says this to the gateway."""
        match message:
            case NotifyIChatCallProceeding(handle=handle, resource=device) if handle in self._ringing:
                self._ringing[handle].devices.append(device)
            case ContinueIChatCall(handle=handle) | NotifyIChatCallFailed(handle=handle):
                # It cancels the other devices itself.
                self._over(handle)
            case NotifyIChatCallCancelled(handle=handle):
                self._over(handle)

    def _over(self, handle: str) -> None:
        self._ringing.pop(handle, None)
        self._calling.pop(handle, None)

    def connector_died(self, now: float) -> None:
        """What was under way is lost."""
        for ringing in self._ringing.values():
            self._owed += [(now, WithdrawIChatCall(device, ringing.caller)) for device in ringing.devices]
        self._owed += [(now, RefuseIChatCall(to, caller)) for to, caller in self._calling.values()]
        self._ringing.clear()
        self._calling.clear()

    def connected(self, now: float) -> list[Message]:
        """What the connector has to tell clients now that it can."""
        owed, self._owed = self._owed, []
        return [message for died, message in owed if now - died <= WORTH_SAYING]
