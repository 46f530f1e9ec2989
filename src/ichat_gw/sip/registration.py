"""Registrations: each user who is online has a Contact at the registrar (RFC 3261 section 10).

One `Registration` per address of record (AOR). It never gives up:

    waiting     its turn has not come (see `Registrations`), or the way is being looked up
    asking      REGISTER sent
    registered  until shortly before the granted time ends; then it asks again
    failed      until it is tried again, after `registration_retry_time` at the latest
    leaving     Expires: 0 sent; then it is forgotten, or begins anew when it was wanted again meanwhile

All REGISTERs of one AOR have the same Call-ID and rising CSeq (section 10.2), so they never overlap.
"""

from collections import Counter, deque
from collections.abc import Callable

from ichat_gw.addressing.sip_uri import InvalidSipUri, SipUri
from ichat_gw.errors import GatewayError
from ichat_gw.sip.core import Core, TransactionUser
from ichat_gw.sip.dialog import sip_host
from ichat_gw.sip.events import Flow, Registered, RegistrationFailed, Resolved
from ichat_gw.sip.message import Headers, Request, Response
from ichat_gw.sip.replies import ALLOW, LANGUAGE
from ichat_gw.sip.transaction import Transaction

INSTANCE = "rinstance"
"""The URI parameter that makes our Contact unique, and tells whom a request to it is for."""

MAX_GRANT = 86_400 * 7
"""Seconds. A registrar that grants more is asked again after a week nevertheless."""

AGAIN = "REGISTER again"
YIELD = "let the next one ask"

PATIENCE = 1.0
"""Seconds after which a REGISTER without response no longer keeps others from asking: a registrar that
is down must not make a queue in which everybody waits for everybody's timeout."""


class Registration(TransactionUser):
    """One address of record."""

    def __init__(self, owner: "Registrations", core: Core, aor: str, uri: SipUri) -> None:
        super().__init__(None)
        self.aor = aor
        self.uri = uri
        self.wanted = True
        """Somebody wants it registered; otherwise it is leaving, or about to."""
        self.instance = core.token()
        self.flow: Flow | None = None
        """Where the registrar was reached last."""
        self._owner = owner
        self._core = core
        self._call_id = core.token()
        self._tag = core.token()
        self._number = 0
        self._expires = core.config.registration_time
        self._asked_for = 0
        self._bound = False
        """The registrar may have a binding of ours."""
        self._busy = False
        """Waiting for its turn, for the way or for a response."""
        self._has_turn = False
        self._flows: list[Flow] = []

    def want(self, wanted: bool) -> None:
        """Begin, or leave; when a REGISTER is under way its end decides."""
        self.wanted = wanted
        if not self._busy:
            self._move_on()

    def run(self) -> None:
        """It is this one's turn: look up the way."""
        self._has_turn = True
        if not self.wanted and not self._bound:
            self._core.tell(Registered(self.aor, 0))
            self._finish()
            return
        self._core.wake(self, YIELD, PATIENCE)
        self._core.lookup(self, self._core.config.outbound_proxy or _domain(self.uri), self._resolved)

    def _move_on(self) -> None:
        """Do what is wanted next, now that nothing is under way."""
        self._core.let_sleep(self, AGAIN)
        if self.wanted or self._bound:
            self._busy = True
            self._owner.queue(self)
        else:
            self._owner.remove(self)
            self._core.tell(Registered(self.aor, 0))

    def _finish(self) -> None:
        """Nothing is under way any more: wait for AGAIN, begin anew, or leave."""
        self._busy = False
        self._give_turn()
        if not self.wanted and not self._bound:
            self._owner.remove(self)
        elif not self.wanted or AGAIN not in self.waking:
            self._move_on()

    def _give_turn(self) -> None:
        """Let the next one ask."""
        if self._has_turn:
            self._has_turn = False
            self._core.let_sleep(self, YIELD)
            self._owner.next_turn()

    def _resolved(self, answer: Resolved) -> None:
        self._flows = list(answer.flows)
        if self._flows:
            self._ask()
        else:
            self._failed(503, answer.text or "the registrar's name leads nowhere")

    def _ask(self) -> None:
        self._asked_for = self._expires if self.wanted else 0
        flow = self._flows.pop(0)
        self._number += 1
        self.flow = flow
        try:
            self._core.begin(self, self._request(flow), flow)
        except GatewayError as error:
            self._failed(400, str(error))

    def _request(self, flow: Flow) -> Request:
        proxy = self._core.config.outbound_proxy
        host, port = flow.local
        contact = SipUri("sip", self.uri.user, None, sip_host(host), port, ((INSTANCE, self.instance),))
        headers = Headers([("Max-Forwards", "70")])
        if proxy and SipUri.parse(proxy).has_param("lr"):
            headers.add("Route", f"<{proxy}>")
        # Path and Service-Route (RFC 3327, 3608) and, for a challenge, Authorization go in here.
        headers.add("Contact", f'<{contact}>;methods="{",".join(ALLOW)}"')
        headers.add("To", f"<{self.uri}>")
        headers.add("From", f"<{self.uri}>;tag={self._tag}")
        headers.add("Call-ID", self._call_id)
        headers.add("CSeq", f"{self._number} REGISTER")
        headers.add("Expires", str(self._asked_for))
        headers.add("Accept-Language", LANGUAGE)
        headers.add("Allow", ", ".join(ALLOW))
        headers.add("User-Agent", self._core.config.name)
        return Request("REGISTER", _domain(self.uri), headers)

    # --- what comes of it ---------------------------------------------------------------------------------

    def told(self, transaction: Transaction, response: Response) -> None:
        """Hear a response."""
        status = response.status
        if status < 200:
            return
        if status < 300:
            self._accepted(response)
        elif status == 423 and self._longer(response):
            self._flows = [transaction.flow]
            self._ask()
        elif status == 503 and self._flows:
            self._ask()
        else:
            # 401 and 407 are failures like any other until there are credentials to answer them with.
            self._failed(status, response.reason)

    def failed(self, transaction: Transaction, status: int, text: str) -> None:
        """Hear that there is no response; the next address may give one."""
        if self._flows:
            self._ask()
        else:
            self._failed(status, text)

    def woken(self, timer: str) -> None:
        """Refresh, or try again; or let others ask while nobody answers us."""
        if timer == YIELD:
            self._give_turn()
        else:
            self._move_on()

    def _accepted(self, response: Response) -> None:
        if not self._asked_for:
            self._bound = False
            self._core.tell(Registered(self.aor, 0))
            self._finish()
            return
        granted = min(self._granted(response), MAX_GRANT)
        if granted <= 0:
            self._failed(response.status, "the registrar granted no time")
            return
        self._bound = True
        self._owner.note_flow(self)
        self._core.tell(Registered(self.aor, granted))
        # Early enough for a refresh that takes several attempts, and not all users in the same second.
        margin = min(granted / 2, max(64.0, granted / 10))
        self._core.wake(self, AGAIN, (granted - margin) * (1 - 0.1 * self._owner.chance()))
        self._finish()

    def _granted(self, response: Response) -> int:
        """The seconds granted to our Contact, among those of all who registered this AOR (10.2.4)."""
        for contact in response.contacts:
            value = contact.param("expires") or ""
            if _instance_of(contact.uri) == self.instance and value.isascii() and value.isdigit():
                return int(value[:10])
        return self._asked_for if response.expires is None else response.expires

    def _longer(self, response: Response) -> bool:
        """After 423: ask for the registrar's minimum from now on; False if that makes no sense."""
        value = response.headers.get("Min-Expires") or ""
        if not (value.isascii() and value.isdigit()) or not self._asked_for:
            return False
        wanted = int(value[:10])
        if not self._expires < wanted <= MAX_GRANT:
            return False
        self._expires = wanted
        return True

    def _failed(self, status: int, text: str) -> None:
        if self.wanted:
            # Nobody answered, so nobody said that there is no binding.
            self._bound = self._bound or status == 408
            retry = self._core.config.registration_retry_time * (1 - 0.5 * self._owner.chance())
            self._core.tell(RegistrationFailed(self.aor, status, text, retry))
            self._core.wake(self, AGAIN, retry)
        else:
            # What binding there may be runs out by itself.
            self._bound = False
            self._core.tell(RegistrationFailed(self.aor, status, text, 0.0))
        self._finish()


class Registrations(TransactionUser):
    """All of them; lets only so many ask at one time, so that a morning's log-ins are no burst."""

    def __init__(self, core: Core, chance: Callable[[], float]) -> None:
        super().__init__(None)
        self.chance = chance
        self._core = core
        self._of_aor: dict[str, Registration] = {}
        self._of_instance: dict[str, Registration] = {}
        self._queue: deque[Registration] = deque()
        self._asking = 0
        self._handing_out = False
        self._flows: Counter[Flow] = Counter()
        self._flow_of: dict[str, Flow] = {}

    def __len__(self) -> int:
        return len(self._of_aor)

    def start(self, aor: str) -> None:
        """Register `aor` and keep it registered; nothing happens when that is so already."""
        if not self._core.config.registration_time:
            return
        registration = self._of_aor.get(aor)
        if registration is None:
            try:
                uri = SipUri.parse(aor)
            except InvalidSipUri as error:
                self._core.tell(RegistrationFailed(aor, 400, str(error), 0.0))
                return
            registration = Registration(self, self._core, aor, uri)
            self._of_aor[aor] = registration
            self._of_instance[registration.instance] = registration
            registration.want(True)
        elif not registration.wanted:
            registration.want(True)

    def stop(self, aor: str) -> None:
        """Un-register `aor`, if it is being kept registered."""
        registration = self._of_aor.get(aor)
        if registration is not None and registration.wanted:
            registration.want(False)

    def aor_of(self, request_uri: str) -> str | None:
        """Find whose Contact this is."""
        registration = self._of_instance.get(_instance_of(request_uri) or "")
        if registration is None or SipUri.parse(request_uri).user != registration.uri.user:
            return None
        return registration.aor

    # --- for the registrations ----------------------------------------------------------------------------

    def queue(self, registration: Registration) -> None:
        """Let it run when its turn comes."""
        self._queue.append(registration)
        self._run()

    def next_turn(self) -> None:
        """One has its answer, or has waited long enough to let others ask as well."""
        self._asking -= 1
        self._run()

    def _run(self) -> None:
        if self._handing_out:
            return
        # One that has nothing to ask any more gives its turn back at once: a loop, so that thousands of
        # them do not call each other.
        self._handing_out = True
        while self._queue and self._asking < self._core.config.registrations_at_once:
            self._asking += 1
            self._queue.popleft().run()
        self._handing_out = False

    def remove(self, registration: Registration) -> None:
        """Forget it."""
        del self._of_aor[registration.aor]
        del self._of_instance[registration.instance]
        self._drop_flow(registration)

    # --- keep-alives --------------------------------------------------------------------------------------

    def note_flow(self, registration: Registration) -> None:
        """Keep the way to its registrar open for as long as somebody is registered by it."""
        assert registration.flow is not None
        self._drop_flow(registration)
        self._flow_of[registration.aor] = registration.flow
        self._flows[registration.flow] += 1
        if self._core.config.keep_alives and not self.waking:
            self._core.wake(self, "keep-alive", self._core.config.keep_alive_time)

    def _drop_flow(self, registration: Registration) -> None:
        flow = self._flow_of.pop(registration.aor, None)
        if flow is not None:
            self._flows[flow] -= 1
            if not self._flows[flow]:
                del self._flows[flow]

    def woken(self, timer: str) -> None:
        """Send keep-alives (RFC 5626 section 3.5.1), one per flow."""
        for flow in self._flows:
            self._core.send(b"\r\n\r\n", flow, None)
        if self._flows:
            self._core.wake(self, timer, self._core.config.keep_alive_time)


def _domain(aor: SipUri) -> str:
    """The Request-URI of a REGISTER: the AOR's domain, without a user (section 10.2)."""
    port = "" if aor.port is None else f":{aor.port}"
    transport = aor.param("transport")
    return f"{aor.scheme}:{aor.host}{port}{f';transport={transport}' if transport else ''}"


def _instance_of(uri: str) -> str | None:
    try:
        return SipUri.parse(uri).param(INSTANCE)
    except InvalidSipUri:
        return None
