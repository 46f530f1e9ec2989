"""All registrations: who is kept registered, who may ask now, and whether registrars remember us.

A registrar that is started again, or loses its memory otherwise, does not say so, and a refresh can be an
hour away. So every now and then one of the users registered there asks it what is bound for that user (a
REGISTER without Contact, RFC 3261 section 10.2.3). If it is not us, all of them register again.
"""

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from ichat_gw.addressing.sip_uri import InvalidSipUri, SipUri
from ichat_gw.sip.core import Core, TransactionUser, UserAgentConfig
from ichat_gw.sip.events import Flow, RegistrationFailed
from ichat_gw.sip.registration import Registration, instance_of

CHECK = "ask what is bound"
CHECK_SOON = "ask what is bound, now that somebody answers again"

KEEP_UDP = "keep-alive"
KEEP_STREAM = "keep-alive of connections"

CHECKS_PER_RETRY_TIME = 4
"""So that what is found lost is bound again well within `registration_retry_time`."""
SOON = 1.0
"""Seconds."""

_Key: TypeAlias = tuple[str, Flow]


class _Registrar(TransactionUser):
    """The registrar of one domain, as reached over one flow, and who is registered there."""

    def __init__(self, core: Core, flow: Flow) -> None:
        super().__init__(None)
        self.flow = flow
        self.members: dict[Registration, None] = {}
        self._core = core
        self._in_vain = 0
        """Checks since the last good one."""
        self._next_check()

    def woken(self, timer: str) -> None:
        """Let one of them ask, another one each time."""
        if timer == CHECK_SOON:
            for member in tuple(self.members):
                if member.is_cut_off:
                    member.lost()
        found = next((member for member in self.members if member.can_check), None)
        if found is not None:
            del self.members[found]
            self.members[found] = None
            found.check()
        if timer == CHECK:
            self._next_check()

    def answers_again(self) -> None:
        """Somebody got through who did not before: let the others try soon, and see what it remembers."""
        if CHECK_SOON not in self.waking:
            self._core.wake(self, CHECK_SOON, SOON)

    def checked(self, is_listed: bool | None) -> None:
        """Act on what one of them found."""
        if is_listed:
            self._in_vain = 0
            return
        self._in_vain += 1
        if is_listed is None:
            return
        for member in tuple(self.members):
            member.lost()

    def close(self) -> None:
        """Nobody is left."""
        self._core.forget(self)

    def _next_check(self) -> None:
        config = self._core.config
        if not config.registrar_checks:
            return
        # COMPAT: a registrar that always says that nobody is registered, or refuses to say. Each time in
        # vain the next check comes later, until it is no more than a refresh.
        wait = config.registration_retry_time / CHECKS_PER_RETRY_TIME * 2 ** min(self._in_vain, 30)
        self._core.wake(self, CHECK, min(wait, max(config.registration_retry_time, config.registration_time)))


class Registrations(TransactionUser):
    """Lets only so many ask at one time, so that a morning's log-ins are no burst."""

    def __init__(self, core: Core, chance: Callable[[], float]) -> None:
        super().__init__(None)
        self.chance = chance
        self._core = core
        self._of_aor: dict[str, Registration] = {}
        self._of_instance: dict[str, Registration] = {}
        self._queue: deque[Registration] = deque()
        self._asking = 0
        self._handing_out = False
        self._registrars: dict[_Key, _Registrar] = {}
        self._key_of: dict[str, _Key] = {}

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

    def reconfigured(self, before: UserAgentConfig) -> None:
        """The configuration is another one than `before`: renew what that makes stale."""
        for registration in tuple(self._of_aor.values()):
            registration.reconfigured(before)
        if self._core.config.keep_alives:
            for registrar in self._registrars.values():
                self._keep_alive(registrar.flow)

    def aor_of(self, request_uri: str) -> str | None:
        """Find whose Contact this is."""
        registration = self._of_instance.get(instance_of(request_uri) or "")
        if registration is None or SipUri.parse(request_uri).user != registration.uri.user:
            return None
        return registration.aor

    def service_route(self, aor: str) -> tuple[str, ...]:
        """The Route values with which requests of this AOR begin (RFC 3608); none when it has none."""
        registration = self._of_aor.get(aor)
        return registration.service_route if registration is not None else ()

    # --- for the registrations: see `registration.Owner` --------------------------------------------------

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
        self._leave_registrar(registration)

    def bound(self, registration: Registration, after_outage: bool) -> None:
        """Watch its registrar, and keep the way there open, for as long as somebody is registered by it."""
        assert registration.flow is not None
        key = (registration.registrar, registration.flow)
        if self._key_of.get(registration.aor) != key:
            self._leave_registrar(registration)
            self._key_of[registration.aor] = key
            if key not in self._registrars:
                self._registrars[key] = _Registrar(self._core, registration.flow)
            self._registrars[key].members[registration] = None
        if after_outage:
            self._registrars[key].answers_again()
        self._keep_alive(registration.flow)

    def checked(self, registration: Registration, is_listed: bool | None) -> None:
        """Act on what the registrar said of one of them."""
        self._registrars[self._key_of[registration.aor]].checked(is_listed)

    def _leave_registrar(self, registration: Registration) -> None:
        key = self._key_of.pop(registration.aor, None)
        if key is not None:
            registrar = self._registrars[key]
            del registrar.members[registration]
            if not registrar.members:
                registrar.close()
                del self._registrars[key]

    # --- keep-alives --------------------------------------------------------------------------------------

    def woken(self, timer: str) -> None:
        """Send keep-alives (RFC 5626 section 3.5.1), one per flow."""
        if not self._core.config.keep_alives:
            return
        flows = dict.fromkeys(registrar.flow for registrar in self._registrars.values())
        flows_of_timer = [flow for flow in flows if _keep_alive_timer(flow) == timer]
        for flow in flows_of_timer:
            self._core.send(b"\r\n\r\n", flow, None)
        if flows_of_timer:
            self._core.wake(self, timer, self._keep_alive_time(timer))

    def _keep_alive(self, flow: Flow) -> None:
        """Keep the way to a registrar open from now on, if that is wanted."""
        timer = _keep_alive_timer(flow)
        if self._core.config.keep_alives and timer not in self.waking:
            self._core.wake(self, timer, self._keep_alive_time(timer))

    def _keep_alive_time(self, timer: str) -> float:
        config = self._core.config
        return config.keep_alive_time if timer == KEEP_UDP else config.stream_keep_alive_time


def _keep_alive_timer(flow: Flow) -> str:
    return KEEP_UDP if flow.transport == "UDP" else KEEP_STREAM
