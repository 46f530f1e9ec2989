"""What a gateway hears from its shell, and what it tells it.

In: these, the SIP events Received, SendFailed and Resolved, and what the relay workers or rtpengines say.
Out: `Note`, the SIP commands Send and Lookup, ToConnector, orders for the relay workers or rtpengines, and
what is to be known of calls (`ichat_gw.app.call_events`) and of registrations.
"""

from dataclasses import dataclass
from typing import TypeAlias

from ichat_gw.app.call_events import CallEvent
from ichat_gw.ipc.messages import Message
from ichat_gw.jabber.ichat.leg import ToConnector
from ichat_gw.media.engine import (
    FromNode,
    FromWorker,
    NodeUnreachable,
    Statistics,
    StatisticsAsked,
    ToNode,
    ToWorker,
    WorkerLost,
)
from ichat_gw.sip.events import (
    Lookup,
    Received,
    Registered,
    RegistrationFailed,
    Resolved,
    Send,
    SendFailed,
)


@dataclass(frozen=True, slots=True)
class FromConnector:
    """The connector says something."""

    message: Message


@dataclass(frozen=True, slots=True)
class ConnectorDied:
    """The connector process is gone; what it was negotiating will not come to an end."""


@dataclass(frozen=True, slots=True)
class StopGateway:
    """End everything: calls by BYE or CANCEL, registrations, the connector. Nothing new is taken."""


GatewayEvent: TypeAlias = (
    Received
    | SendFailed
    | Resolved
    | FromConnector
    | ConnectorDied
    | StopGateway
    | FromWorker
    | WorkerLost
    | FromNode
    | NodeUnreachable
    | StatisticsAsked
)


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a line in the log: `level` and `event` as in `ichat_gw.ops.logging`."""

    level: str
    event: str
    call: str | None = None
    fields: tuple[tuple[str, object], ...] = ()


GatewayCommand: TypeAlias = (
    Send
    | Lookup
    | ToConnector
    | ToWorker
    | ToNode
    | Statistics
    | Note
    | CallEvent
    | Registered
    | RegistrationFailed
)
