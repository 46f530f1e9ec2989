"""We send somebody a page: MESSAGE outside a dialog (RFC 3428 sections 4 and 8).

It is delivered once at most. So another address of the same target is tried only when nobody can have taken
the page at the one before: it could not be sent there, or was answered 503. Silence says nothing (a page may
have been read whose 200 was lost), and ends in 408.

What is larger than one packet goes by TCP or not at all (section 8: over UDP it would have no congestion
control).
"""

import re
from collections.abc import Callable
from dataclasses import replace

from ichat_gw.addressing.sip_uri import NameAddr, clean_text
from ichat_gw.call.cause import Ending
from ichat_gw.errors import GatewayError
from ichat_gw.sip.authentication import CHALLENGES, Authentication, Unanswerable
from ichat_gw.sip.core import Core, TransactionUser
from ichat_gw.sip.events import Flow, PageAnswered, Resolved, SendPage
from ichat_gw.sip.message import Headers, Request, Response
from ichat_gw.sip.outbound import Outbound, asker, user_of
from ichat_gw.sip.redirection import Targets
from ichat_gw.sip.transaction import LARGE, Transaction

TEXT_PLAIN = "text/plain"

VIA = 150
"""Bytes that are left for the Via that the core adds."""

TOO_LARGE = 513
"""Message Too Large: for UDP, and there is no TCP."""

_CALL_ID = re.compile(r"[A-Za-z0-9.!%*_+`'~()<>:\\\"/\[\]?{}-]+(@[A-Za-z0-9.!%*_+`'~()<>:\\\"/\[\]?{}-]+)?")
_LONGEST_CALL_ID = 256


def is_call_id(text: str) -> bool:
    """Whether a text can be a Call-ID as it is (RFC 3261 section 25.1); no longer than 256 characters."""
    return len(text) <= _LONGEST_CALL_ID and _CALL_ID.fullmatch(text) is not None


class PagerClient(TransactionUser):
    """One page on its way. `on_gone` is called when nothing is left of it."""

    def __init__(
        self,
        core: Core,
        page: SendPage,
        service_route: tuple[str, ...],
        on_gone: Callable[["PagerClient"], None],
    ) -> None:
        super().__init__(None)
        self.call_id = page.call_id or core.token()
        self.tag = core.token()
        self.over = False
        """Its end has been told."""
        self._core = core
        self._page = page
        self._on_gone = on_gone
        self._way = Outbound(core.config, page.aor, service_route)
        self._authentication = Authentication(core.config.trust.credentials, user_of(page.aor), core.token)
        self._number = 1
        self._target = page.target
        self._targets: Targets | None = None
        self._flows: list[Flow] = []
        self._may_ask: set[tuple[bool, tuple[str, int]]] = set()
        self._is_large = False
        """It does not fit into one packet."""

    def begin(self) -> None:
        """Look up where it goes."""
        try:
            self._targets = Targets(self._page.target)
        except GatewayError as error:
            self._end(400, f"the address cannot be written to: {error}")
            return
        self._look_up()

    def _look_up(self) -> None:
        self._core.lookup(self, self._way.next_hop(self._target), self._resolved)

    def _resolved(self, answer: Resolved) -> None:
        self._flows = list(answer.flows)
        if self._way.may_ask(self._target):
            self._may_ask = {asker(flow) for flow in self._flows}
        if self._flows:
            self._try_next()
        else:
            self._failed_there(503, answer.text)

    def _try_next(self) -> None:
        self._authentication.begin()
        flow = self._flows.pop(0)
        try:
            request = self._request()
            if self._number > 1 and asker(flow) in self._may_ask:
                self._authentication.sign(request)
            self._send(request, flow)
        except GatewayError as error:
            self._end(400, f"the message cannot be written as SIP: {error}")

    def _send(self, request: Request, flow: Flow) -> None:
        # Via is still to come.
        self._is_large = len(request.to_bytes()) > LARGE - VIA
        if self._is_large and flow.transport == "UDP":
            flow = replace(flow, transport="TCP")
        self._core.begin(self, request, flow, pinned=True)

    def _request(self) -> Request:
        page, config = self._page, self._core.config
        caller = NameAddr(page.caller.display_name, page.caller.address)
        headers = Headers([("Max-Forwards", "70")])
        for route in self._way.routes:
            headers.add("Route", route)
        headers.add("To", f"<{page.target}>")
        headers.add("From", str(caller.with_tag(self.tag)))
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", f"{self._number} MESSAGE")
        if page.subject:
            headers.add("Subject", page.subject)
        if page.language:
            headers.add("Content-Language", page.language)
        headers.add("Content-Type", f"{TEXT_PLAIN};charset=UTF-8")
        headers.add("User-Agent", config.name)
        return Request("MESSAGE", self._target, headers, page.text.encode("utf-8", "replace"))

    # --- what comes of it ---------------------------------------------------------------------------------

    def told(self, transaction: Transaction, response: Response) -> None:
        """Hear a response."""
        status = response.status
        if status < 200 or self.over:
            return
        if status in CHALLENGES:
            self._challenged(transaction, response)
        elif status < 300:
            self._end(status, clean_text(response.reason))
        elif status == 503 and self._flows:
            self._try_next()
        else:
            self._failed_there(status, clean_text(response.reason), response, transaction.flow)

    def _challenged(self, transaction: Transaction, response: Response) -> None:
        try:
            if asker(transaction.flow) not in self._may_ask:
                raise Unanswerable(
                    "asked for a password; only OutboundProxy and the sender's registrar get one"
                )
            request = self._authentication.again(transaction.request, response, self._number + 1)
            self._number += 1
            self._send(request, transaction.flow)
        except GatewayError as error:
            self._failed_there(response.status, str(error))

    def failed(self, transaction: Transaction, status: int, text: str) -> None:
        """Hear that there is no response."""
        if status == 408:
            self._end(status, text)
        elif self._flows:
            self._try_next()
        elif self._is_large and transaction.flow.transport == "TCP":
            self._failed_there(TOO_LARGE, f"too large for UDP, and nobody takes it over TCP: {text}")
        else:
            self._failed_there(status, text)

    def _failed_there(
        self, status: int, text: str, response: Response | None = None, flow: Flow | None = None
    ) -> None:
        """Follow a redirection, or say how the best of the targets refused."""
        assert self._targets is not None
        self._targets.failed(Ending.from_status(status, text))
        if response is not None and flow is not None:
            self._targets.redirected(response, flow.local)
        target = self._targets.next()
        if target is None:
            best = self._targets.best
            self._end(best.status or status, best.text)
            return
        self._target = target
        self._number += 1
        self._may_ask.clear()
        self._look_up()

    def _end(self, status: int, text: str) -> None:
        self.over = True
        self._core.tell(PageAnswered(self._page.number, status, text))
        self.settle()

    def settle(self) -> None:
        """Notice that nothing is left."""
        if self.over and not self.live:
            self._core.forget(self)
            self._on_gone(self)
