"""The way that the requests of one dialog take: found once per next hop, and kept in order."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

from ichat_gw.sip.core import Core, TransactionUser
from ichat_gw.sip.dialog import Dialog
from ichat_gw.sip.events import Flow, Resolved
from ichat_gw.sip.locating import DEFAULT_PORTS, Target, Unreachable, is_number


class NextHop:
    """Gives each request of a dialog the flow it goes by, in the order in which they are asked for.

    `first` is the flow of the dialog's INVITE. It is used for a pinned dialog, for a next hop that is the
    other end of it anyway, and, rather than giving up, when the next hop leads nowhere: an ACK and a BYE
    had better be tried.

    `direct` says that the other end is the machine that sent us its INVITE on the connection `first`. That
    connection is used for as long as it lives, even where its Contact names another port.
    COMPAT phones behind a NAT or without a port of their own: no other connection can be made to them.
    """

    def __init__(
        self, core: Core, user: TransactionUser, dialog: Dialog, first: Flow, direct: bool = False
    ) -> None:
        self._core = core
        self._user = user
        self._dialog = dialog
        self._first = first
        self._direct = direct and first.transport != "UDP"
        self._known: tuple[str, Flow] | None = None
        self._waiting: list[Callable[[Flow], None]] = []

    @property
    def first(self) -> Flow:
        """The flow of the dialog's INVITE."""
        return self._first

    def run(self, action: Callable[[Flow], None]) -> None:
        """Call `action` with the flow to use: now, or when the way is known."""
        if self._waiting:
            self._waiting.append(action)
            return
        uri = self._dialog.next_hop
        if self._dialog.pinned or leads_along(uri, self._first) or self._leads_back(uri):
            action(self._first)
        elif self._known is not None and self._known[0] == uri:
            action(self._known[1])
        else:
            self._waiting.append(action)
            self._core.lookup(self._user, uri, lambda answer: self._go(uri, answer))

    def _leads_back(self, uri: str) -> bool:
        return (
            self._direct
            and leads_to_peer(uri, self._first)
            and not self._core.avoided.holds(self._first, self._core.now)
        )

    def _go(self, uri: str, answer: Resolved) -> None:
        flow = answer.flows[0] if answer.flows else self._first
        self._known = (uri, flow)
        waiting, self._waiting = self._waiting, []
        for action in waiting:
            action(flow)


def leads_along(uri: str, flow: Flow) -> bool:
    """Tell whether a URI names, as a number, just the other end of `flow`."""
    target = _numeric(uri)
    if target is None:
        return False
    transport = target.transport or "UDP"
    port = target.port or DEFAULT_PORTS[transport]
    return (transport, target.host, port) == (flow.transport, *flow.remote)


def leads_to_peer(uri: str, flow: Flow) -> bool:
    """Tell whether a URI names, as a number, the machine at the other end of `flow`, by its transport."""
    target = _numeric(uri)
    return target is not None and (target.transport, target.host) == (flow.transport, flow.remote[0])


def _numeric(uri: str) -> Target | None:
    try:
        target = Target.of(uri)
    except Unreachable:
        return None
    return replace(target, host=str(ip_address(target.host))) if is_number(target.host) else None
