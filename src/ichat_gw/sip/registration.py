"""The registration of one address of record (AOR): a Contact at its registrar (RFC 3261 section 10).

    waiting     its turn has not come (see `registrations.py`), or the way is being looked up
    asking      REGISTER sent
    registered  until shortly before the granted time ends; then it asks again
    failed      until it is tried again, after `registration_retry_time` at the latest; it never gives up
    leaving     Expires: 0 sent; then it is forgotten, or begins anew when it was wanted again meanwhile

All REGISTERs of one AOR have rising CSeq numbers and, as long as the registrar remembers us, the same Call-ID
(section 10.2), so they never overlap.
"""

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from ichat_gw.addressing.sip_grammar import InvalidSyntax
from ichat_gw.addressing.sip_uri import InvalidSipUri, NameAddr, SipUri, clean_text
from ichat_gw.errors import GatewayError
from ichat_gw.sip.authentication import CHALLENGES, Authentication, Unanswerable
from ichat_gw.sip.core import Core, TransactionUser, UserAgentConfig
from ichat_gw.sip.dialog import sip_host
from ichat_gw.sip.events import Flow, Registered, RegistrationFailed, Resolved
from ichat_gw.sip.message import Headers, Request, Response
from ichat_gw.sip.replies import ALLOW, LANGUAGE
from ichat_gw.sip.transaction import Transaction

INSTANCE = "rinstance"
"""The URI parameter that makes our Contact unique, and tells whom a request to it is for."""

MAX_GRANT = 86_400 * 7
"""Seconds. A registrar that grants more is asked again after a week nevertheless."""
MAX_RETRY_AFTER = 3600
"""Seconds. A registrar that wants to be left alone for longer is asked again after an hour nevertheless."""
MAX_SERVICE_ROUTES = 8
"""Values of Service-Route that are borne; they go into every INVITE."""

AGAIN = "REGISTER again"
YIELD = "let the next one ask"

PATIENCE = 1.0
"""Seconds after which a REGISTER without response no longer keeps others from asking: a registrar that
is down must not make a queue in which everybody waits for everybody's timeout."""


class _Aim(Enum):
    """What a REGISTER is for."""

    BIND = "bind our Contact, or refresh it"
    CHECK = "see whether our Contact is still bound"
    LEAVE = "take our Contact away"


class Owner(Protocol):
    """What all registrations have in common: turns, and knowledge of their registrars."""

    chance: Callable[[], float]

    def queue(self, registration: "Registration") -> None:
        """Call its `run` when its turn comes."""

    def next_turn(self) -> None:
        """One has its answer, or has waited long enough to let others ask as well."""

    def bound(self, registration: "Registration", after_outage: bool) -> None:
        """Its Contact is bound at the other end of its flow; `after_outage`: nobody had answered before."""

    def checked(self, registration: "Registration", is_listed: bool | None) -> None:
        """Its Contact is still listed, or is not; None: the registrar refuses to say."""

    def remove(self, registration: "Registration") -> None:
        """Forget it."""


class Registration(TransactionUser):
    """One address of record."""

    def __init__(self, owner: Owner, core: Core, aor: str, uri: SipUri) -> None:
        super().__init__(None)
        self.aor = aor
        self.uri = uri
        self.wanted = True
        """Somebody wants it registered; otherwise it is leaving, or about to."""
        self.instance = core.token()
        self.flow: Flow | None = None
        """Where the registrar was reached last."""
        self.service_route: tuple[str, ...] = ()
        """The way that the registrar wants our INVITEs to take (RFC 3608), as Route values."""
        self._owner = owner
        self._core = core
        self._call_id = core.token()
        self._tag = core.token()
        self._authentication = self._new_authentication()
        self._number = 0
        self._expires = core.config.registration_time
        self._aim = _Aim.BIND
        self._bound = False
        """The registrar may have a binding of ours."""
        self._listed = False
        """It listed our Contact when it was asked last."""
        self._begun_anew = False
        """It did not, and has been asked again at once."""
        self._failing = False
        self._outage = False
        """Nobody answered."""
        self._busy = False
        """Waiting for its turn, for the way or for a response."""
        self._has_turn = False
        self._stale = False
        """What is under way was begun with another configuration."""
        self._flows: list[Flow] = []

    def want(self, wanted: bool) -> None:
        """Begin, or leave; when a REGISTER is under way its end decides."""
        self.wanted = wanted
        if not self._busy:
            self._move_on()

    def reconfigured(self, before: UserAgentConfig) -> None:
        """The configuration is another one than `before`: ask again, if the answer could be another one."""
        config = self._core.config
        if config.registration_time != before.registration_time:
            self._expires = config.registration_time
        if config.trust.credentials != before.trust.credentials:
            self._authentication = self._new_authentication()
        if self.wanted and not config.registration_time:
            self.want(False)
            return
        stale = (config.outbound_proxy, config.registration_time) != (
            before.outbound_proxy,
            before.registration_time,
        ) or (
            self._failing
            and (config.trust, config.registration_retry_time)
            != (before.trust, before.registration_retry_time)
        )
        if self.wanted and stale:
            if self._busy:
                self._stale = True
            else:
                self._move_on()

    def _new_authentication(self) -> Authentication:
        """Answers for whoever asks for a password, and nothing answered yet."""
        return Authentication(self._core.config.trust.credentials, self.uri.user_decoded, self._core.token)

    @property
    def registrar(self) -> str:
        """The Request-URI of its REGISTERs: the AOR's domain, without a user (section 10.2)."""
        uri = self.uri
        port = "" if uri.port is None else f":{uri.port}"
        transport = uri.param("transport")
        return f"{uri.scheme}:{uri.host}{port}{f';transport={transport}' if transport else ''}"

    # --- whether the registrar remembers us ---------------------------------------------------------------

    @property
    def can_check(self) -> bool:
        """Tell whether `check` would say something of the registrar."""
        return self._listed and not self._failing and not self._busy

    @property
    def is_cut_off(self) -> bool:
        """Tell whether nobody answered when it asked last."""
        return self._outage and not self._busy

    def check(self) -> None:
        """Ask the registrar what is bound (section 10.2.3), and tell the owner; only when `can_check`."""
        self._aim = _Aim.CHECK
        self._busy = True
        self._owner.queue(self)

    def lost(self) -> None:
        """What the registrar knew of us is gone: register again, as soon as nothing is under way."""
        self._core.let_sleep(self, AGAIN)
        if not self._busy:
            self._move_on()

    # --- turns --------------------------------------------------------------------------------------------

    def run(self) -> None:
        """It is this one's turn: look up the way."""
        self._has_turn = True
        if not self.wanted and not self._bound:
            self._core.tell(Registered(self.aor, 0))
            self._finish()
            return
        self._core.wake(self, YIELD, PATIENCE)
        self._authentication.begin()
        if self._aim is _Aim.CHECK and self.wanted:
            assert self.flow is not None
            self._send(self.flow)
            return
        self._aim = _Aim.BIND if self.wanted else _Aim.LEAVE
        self._core.lookup(self, self._core.config.outbound_proxy or self.registrar, self._resolved)

    def _move_on(self) -> None:
        """Do what is wanted next, now that nothing is under way."""
        self._core.let_sleep(self, AGAIN)
        self._stale = False
        if self.wanted or self._bound:
            self._aim = _Aim.BIND
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
            self._core.let_sleep(self, AGAIN)
            self._owner.remove(self)
        elif not self.wanted or self._stale or AGAIN not in self.waking:
            self._move_on()

    def _give_turn(self) -> None:
        """Let the next one ask."""
        if self._has_turn:
            self._has_turn = False
            self._core.let_sleep(self, YIELD)
            self._owner.next_turn()

    # --- asking -------------------------------------------------------------------------------------------

    def _resolved(self, answer: Resolved) -> None:
        self._flows = list(answer.flows)
        if self._flows:
            self._try_next()
        else:
            self._failed(503, answer.text or "the registrar's name leads nowhere", is_outage=True)

    def _try_next(self) -> None:
        self._aim = _Aim.BIND if self.wanted else _Aim.LEAVE
        self._authentication.begin()
        self._send(self._flows.pop(0))

    def _send(self, flow: Flow) -> None:
        self.flow = flow
        self._number += 1
        try:
            request = self._request(flow)
            self._authentication.sign(request)
            self._core.begin(self, request, flow)
        except GatewayError as error:
            self._failed(400, str(error))

    def _request(self, flow: Flow) -> Request:
        proxy = self._core.config.outbound_proxy
        headers = Headers([("Max-Forwards", "70")])
        if proxy and SipUri.parse(proxy).has_param("lr"):
            headers.add("Route", f"<{proxy}>")
        if self._aim is not _Aim.CHECK:
            headers.add("Contact", f'<{self._contact(flow)}>;methods="{",".join(ALLOW)}"')
        headers.add("To", f"<{self.uri}>")
        headers.add("From", f"<{self.uri}>;tag={self._tag}")
        headers.add("Call-ID", self._call_id)
        headers.add("CSeq", f"{self._number} REGISTER")
        if self._aim is not _Aim.CHECK:
            headers.add("Expires", str(self._expires if self._aim is _Aim.BIND else 0))
        headers.add("Accept-Language", LANGUAGE)
        headers.add("Allow", ", ".join(ALLOW))
        # RFC 3327: proxies on the way may put themselves into the way back. Nothing else is needed of us.
        headers.add("Supported", "path")
        headers.add("User-Agent", self._core.config.name)
        return Request("REGISTER", self.registrar, headers)

    def _contact(self, flow: Flow) -> SipUri:
        host, port = flow.local
        transport = () if flow.transport == "UDP" else (("transport", flow.transport.lower()),)
        params = ((INSTANCE, self.instance), *transport)
        return SipUri("sip", self.uri.user, None, sip_host(host), port, params)

    # --- what comes of it ---------------------------------------------------------------------------------

    def told(self, transaction: Transaction, response: Response) -> None:
        """Hear a response."""
        status = response.status
        if status < 200:
            return
        if status in CHALLENGES:
            self._challenged(transaction, response)
            return
        # The password, if one was asked for, was right.
        self._authentication.begin()
        if status < 300:
            self._accepted(response)
        elif self._aim is _Aim.CHECK:
            self._owner.checked(self, None)
            self._finish()
        elif status == 423 and self._longer(response):
            self._send(transaction.flow)
        elif status == 503 and self._flows:
            self._try_next()
        elif status < 400:
            where = clean_text(response.contact.uri) if response.contact else "no address"
            self._failed(status, f"moved to {where}: OutboundProxy or another translation can lead there")
        else:
            self._failed(status, clean_text(response.reason), not_before=_retry_after(response))

    def failed(self, transaction: Transaction, status: int, text: str) -> None:
        """Hear that there is no response; the next address may give one."""
        if self._flows:
            self._try_next()
        else:
            self._failed(status, text, is_outage=True)

    def woken(self, timer: str) -> None:
        """Refresh, or try again; or let others ask while nobody answers us."""
        if timer == YIELD:
            self._give_turn()
        elif not self._busy:
            self._move_on()

    def _challenged(self, transaction: Transaction, response: Response) -> None:
        """Answer, if the rule in `authentication.py` allows it."""
        config = self._core.config
        try:
            if not config.outbound_proxy and not config.trust.covers(self.aor):
                raise Unanswerable("asked for a password, but no TranslationOutput spells this domain out")
            request = self._authentication.again(transaction.request, response, self._number + 1)
            self._number += 1
            self._core.begin(self, request, transaction.flow)
        except GatewayError as error:
            self._authentication.forget()
            self._failed(response.status, str(error))

    def _accepted(self, response: Response) -> None:
        ours = self._listed_in(response)
        if self._aim is _Aim.CHECK:
            self._owner.checked(self, ours is not None)
            self._finish()
        elif self._aim is _Aim.LEAVE:
            self._bound = self._listed = False
            self._core.tell(Registered(self.aor, 0))
            self._finish()
        elif ours is None and (self._listed or response.contacts):
            self._not_listed(response)
        elif (granted := min(self._granted(ours, response), MAX_GRANT)) <= 0:
            self._failed(response.status, "the registrar granted no time")
        else:
            # COMPAT: a registrar that lists no Contact at all (section 10.3 asks it to) is believed.
            self._listed = ours is not None
            self._registered(granted, response)

    def _registered(self, granted: int, response: Response) -> None:
        after_outage, self._outage = self._outage, False
        self._bound, self._failing, self._begun_anew = True, False, False
        self.service_route = _service_route(response)
        self._core.tell(Registered(self.aor, granted))
        # Early enough for a refresh that takes several attempts, and not all users in the same second.
        margin = min(granted / 2, max(64.0, granted / 10))
        self._core.wake(self, AGAIN, (granted - margin) * (1 - 0.1 * self._owner.chance()))
        self._owner.bound(self, after_outage)
        self._finish()

    def _not_listed(self, response: Response) -> None:
        """Our binding is lost: ask once more, as somebody new; then later."""
        if self._begun_anew:
            self._begun_anew = False
            self._failed(response.status, "the registrar does not list our Contact")
            return
        self._begun_anew = True
        self._call_id = self._core.token()
        assert self.flow is not None
        self._send(self.flow)

    def _listed_in(self, response: Response) -> NameAddr | None:
        """Find our Contact among those of all who registered this AOR (section 10.2.4)."""
        return next((contact for contact in response.contacts if self._is_ours(contact.uri)), None)

    def _is_ours(self, uri: str) -> bool:
        assert self.flow is not None
        try:
            contact = SipUri.parse(uri)
        except InvalidSipUri:
            return False
        if contact.user != self.uri.user:
            return False
        instance = contact.param(INSTANCE)
        if instance is None:
            # COMPAT: a registrar that drops parameters that it does not know.
            return (contact.address, contact.port) == self.flow.local
        return instance == self.instance

    def _granted(self, ours: NameAddr | None, response: Response) -> int:
        """The seconds granted to our Contact."""
        value = (ours.param("expires") or "") if ours is not None else ""
        if value.isascii() and value.isdigit():
            return int(value[:10])
        return self._expires if response.expires is None else response.expires

    def _longer(self, response: Response) -> bool:
        """After 423: ask for the registrar's minimum from now on; False if that makes no sense."""
        value = response.headers.get("Min-Expires") or ""
        if not (value.isascii() and value.isdigit()) or self._aim is not _Aim.BIND:
            return False
        wanted = int(value[:10])
        if not self._expires < wanted <= MAX_GRANT:
            return False
        self._expires = wanted
        return True

    def _failed(self, status: int, text: str, *, is_outage: bool = False, not_before: float = 0.0) -> None:
        self._failing, self._outage = True, is_outage
        if self.wanted:
            # Nobody answered, so nobody said that there is no binding.
            self._bound = self._bound or status == 408
            spread = self._core.config.registration_retry_time * (1 - 0.5 * self._owner.chance())
            retry = max(spread, not_before)
            self._core.tell(RegistrationFailed(self.aor, status, text, retry))
            self._core.wake(self, AGAIN, retry)
        elif self._aim is not _Aim.CHECK:
            # What binding there may be runs out by itself.
            self._bound = False
            self._core.tell(RegistrationFailed(self.aor, status, text, 0.0))
        self._finish()


def instance_of(uri: str) -> str | None:
    """Return what tells a Contact of ours from all others; None for a URI that is none of ours."""
    try:
        return SipUri.parse(uri).param(INSTANCE)
    except InvalidSipUri:
        return None


def _retry_after(response: Response) -> float:
    """The seconds of Retry-After (section 20.33), at most `MAX_RETRY_AFTER`; 0.0 without one."""
    digits = (response.headers.get("Retry-After") or "").partition(";")[0].partition("(")[0].strip()
    return float(min(int(digits[:10]), MAX_RETRY_AFTER)) if digits.isascii() and digits.isdigit() else 0.0


def _service_route(response: Response) -> tuple[str, ...]:
    """The values of Service-Route (RFC 3608 section 5), as Route values; none if one of them is of no use.

    Each must be a SIP URI for loose routing: a strict router at the front would take our Request-URI away.
    """
    try:
        values = [NameAddr.parse(value) for value in response.headers.values("Service-Route")]
        usable = all(value.sip_uri.has_param("lr") for value in values)
    except (InvalidSyntax, InvalidSipUri):
        return ()
    return tuple(f"<{value.uri}>" for value in values) if usable and len(values) <= MAX_SERVICE_ROUTES else ()
