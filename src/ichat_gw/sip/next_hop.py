"""The way that the requests of one dialog take: found once per next hop, and kept in order."""

from collections.abc import Callable

from ichat_gw.addressing.sip_uri import InvalidSipUri, SipUri
from ichat_gw.sip.core import Core, TransactionUser
from ichat_gw.sip.dialog import Dialog
from ichat_gw.sip.events import Flow, Resolved
from ichat_gw.sip.transaction import DEFAULT_PORT


class NextHop:
    """Gives each request of a dialog the flow it goes by, in the order in which they are asked for.

    `first` is the flow of the dialog's INVITE. It is used for a pinned dialog, for a next hop that is the
    other end of it anyway, and, rather than giving up, when the next hop leads nowhere: an ACK and a BYE
    had better be tried.
    """

    def __init__(self, core: Core, user: TransactionUser, dialog: Dialog, first: Flow) -> None:
        self._core = core
        self._user = user
        self._dialog = dialog
        self._first = first
        self._known: tuple[str, Flow] | None = None
        self._waiting: list[Callable[[Flow], None]] = []

    def run(self, action: Callable[[Flow], None]) -> None:
        """Call `action` with the flow to use: now, or when the way is known."""
        if self._waiting:
            self._waiting.append(action)
            return
        uri = self._dialog.next_hop
        if self._dialog.pinned or leads_along(uri, self._first):
            action(self._first)
        elif self._known is not None and self._known[0] == uri:
            action(self._known[1])
        else:
            self._waiting.append(action)
            self._core.lookup(self._user, uri, lambda answer: self._go(uri, answer))

    def _go(self, uri: str, answer: Resolved) -> None:
        flow = answer.flows[0] if answer.flows else self._first
        self._known = (uri, flow)
        waiting, self._waiting = self._waiting, []
        for action in waiting:
            action(flow)


def leads_along(uri: str, flow: Flow) -> bool:
    """Tell whether a URI names, as a number, just the other end of `flow`."""
    try:
        parsed = SipUri.parse(uri)
    except InvalidSipUri:
        return False
    transport = (parsed.param("transport") or "udp").upper()
    port = parsed.port or DEFAULT_PORT
    return (
        parsed.scheme == "sip"
        and not parsed.has_param("maddr")
        and (transport, parsed.address, port) == (flow.transport, *flow.remote)
    )
