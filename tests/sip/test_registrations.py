"""A registrar that forgets: found out by asking, and everybody is registered again; and crowds of users."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from ichat_gw.sip.events import Registered, StartRegistration, StopRegistration
from ichat_gw.sip.message import Request
from ichat_gw.sip.user_agent import UserAgentConfig
from tests.sip.ladder import Ladder, Peer

RETRY = 120.0
EVERY = 30.0
"""Seconds between two checks."""


class Memory:
    """A registrar that answers all that comes, from what it remembers; deaf while it is down."""

    def __init__(self, ladder: Ladder, peer: Peer) -> None:
        self.ladder = ladder
        self.peer = peer
        self.contacts: dict[str, dict[str, str]] = {}
        self.checks = 0
        self.up = True
        self.lists_contacts = True
        self.refuses_checks = 0

    def work(self) -> list[str]:
        """Answer everything; return the AORs that were bound or taken away."""
        changed = []
        while self.peer.inbox:
            request = self.peer.gets_request("REGISTER")
            if self.up:
                changed += self._answer(request)
        return changed

    def _answer(self, request: Request) -> list[str]:
        aor = request.to.uri
        bound = self.contacts.setdefault(aor, {})
        if request.contact is None:
            self.checks += 1
            assert "Expires" not in request.headers
            if self.refuses_checks:
                self.peer.answers(request, self.refuses_checks)
                return []
        elif request.expires:
            bound[request.contact.uri] = str(request.expires)
        else:
            bound.pop(request.contact.uri, None)
        listed = ", ".join(f"<{uri}>;expires={seconds}" for uri, seconds in bound.items())
        self.peer.answers(request, 200, Contact=listed if self.lists_contacts else "")
        return [aor] if request.contact is not None else []

    def forget(self) -> None:
        self.contacts.clear()

    def later(self, seconds: float) -> list[str]:
        """Let time pass in steps of half a second, answering; return what `work` does."""
        changed = []
        for _ in range(int(2 * seconds)):
            self.ladder.later(0.5)
            changed += self.work()
        return changed

    @property
    def registered(self) -> int:
        return sum(bool(bound) for bound in self.contacts.values())


def online(users: int, **config: object) -> tuple[Ladder, Memory]:
    ladder = Ladder(UserAgentConfig(keep_alives=False, registration_retry_time=RETRY, **config))  # type: ignore[arg-type]
    peer = ladder.phone("192.0.2.20")
    ladder.routes["example.com"] = [peer.address]
    memory = Memory(ladder, peer)
    for user in range(users):
        ladder.act(StartRegistration(aor(user)))
    assert memory.work() == [aor(user) for user in range(users)]
    ladder.registered()
    return ladder, memory


def aor(user: int) -> str:
    return f"sip:u{user}@example.com"


def test_the_registrar_is_asked_about_another_user_each_time() -> None:
    ladder, memory = online(2)
    seen = []
    for _ in range(4):
        ladder.later(EVERY - 0.1)
        memory.peer.silent()
        ladder.later(0.1)
        request = memory.peer.gets_request("REGISTER")
        assert request.contact is None
        seen.append((request.to.uri, request.call_id, request.cseq.number))
        contact = next(iter(memory.contacts[request.to.uri]))
        memory.peer.answers(request, 200, Contact=f"<{contact}>;expires=3000")
    calls = {aor: call_id for aor, call_id, _ in seen}
    assert seen == [(aor(n % 2), calls[aor(n % 2)], 2 + n // 2) for n in range(4)]
    assert ladder.registered() == []


def test_everybody_is_registered_again_after_the_registrar_has_forgotten() -> None:
    ladder, memory = online(250)
    memory.forget()
    changed = memory.later(RETRY)
    assert sorted(changed) == sorted(aor(user) for user in range(250))
    assert ladder.registered() == [(aor, 3600) for aor in changed]


def test_everybody_is_registered_again_after_an_outage() -> None:
    """Down for ten minutes: refused by ICMP or silent, and empty when it comes back."""
    for refuses in (True, False):
        ladder, memory = online(20)
        memory.up = False
        memory.forget()
        for _ in range(600):
            ladder.later(1)
            if refuses and memory.peer.inbox:
                ladder.fail(memory.peer.address)
            memory.work()
        assert {status for _, status in ladder.registered()} == {-503 if refuses else -408}
        memory.up = True
        memory.later(RETRY)
        assert memory.registered == 20


def test_one_who_gets_through_again_has_the_others_looked_after_at_once() -> None:
    ladder, memory = online(3)
    memory.up = False
    memory.forget()
    ladder.later(EVERY)
    ladder.fail(memory.peer.address)
    assert ladder.registered() == [(aor(0), -503)]
    memory.work()
    ladder.later(RETRY - 1)  # the others are asked about in vain meanwhile, and time out
    memory.work()
    memory.up = True
    memory.later(3.0)
    assert memory.registered == 3


def test_a_registrar_that_answers_again_and_has_forgotten_nothing() -> None:
    ladder, memory = online(1)
    memory.up = False
    ladder.later(EVERY)
    ladder.fail(memory.peer.address)
    memory.work()
    memory.up = True
    assert memory.later(RETRY) == [aor(0)]
    assert ladder.registered() == [(aor(0), -503), (aor(0), 3600)]


def test_forgotten_again_and_again() -> None:
    ladder, memory = online(5)
    for _ in range(5):
        memory.forget()
        memory.later(RETRY)
        assert memory.registered == 5
    ladder.registered()


@pytest.mark.parametrize("oddity", ["refuses", "lies"])
def test_a_registrar_that_does_not_understand_is_asked_ever_more_rarely(oddity: str) -> None:
    ladder, memory = online(1)
    if oddity == "refuses":
        memory.refuses_checks = 403
    else:
        # It lists our Contact when we bind it, and never else.
        real = memory._answer

        def lie(request: Request) -> list[str]:
            if request.contact is None:
                memory.forget()
            return real(request)

        memory._answer = lie  # type: ignore[method-assign]
    changed = memory.later(3600 * 4)
    # 30, 60, 120 ... seconds, then hours: the load is bounded by a handful beside the refreshes.
    assert memory.checks <= 11
    assert len(changed) <= 16
    assert not [status for _, status in ladder.registered() if status < 0]


def test_a_registrar_that_lists_nobody_is_not_asked() -> None:
    ladder = Ladder(UserAgentConfig(keep_alives=False))
    peer = ladder.phone("192.0.2.20")
    ladder.routes["example.com"] = [peer.address]
    memory = Memory(ladder, peer)
    memory.lists_contacts = False
    ladder.act(StartRegistration(aor(0)))
    memory.work()
    memory.later(600)
    assert memory.checks == 0


def test_the_check_finds_that_the_password_was_changed() -> None:
    ladder, memory = online(1)
    memory.refuses_checks = 401
    memory.later(EVERY)
    assert ladder.registered() == [(aor(0), -401)]


def test_going_offline_while_being_asked_about() -> None:
    ladder, memory = online(1)
    ladder.later(EVERY)
    request = memory.peer.gets_request("REGISTER")
    ladder.act(StopRegistration(aor(0)))
    memory.peer.silent()
    contact = next(iter(memory.contacts[aor(0)]))
    memory.peer.answers(request, 200, Contact=f"<{contact}>;expires=3")
    assert memory.work() == [aor(0)]
    assert ladder.registered() == [(aor(0), 0)]
    ladder.later(300)
    assert (ladder.agent.registrations, ladder.agent.running_timers) == (0, 0)


def test_going_offline_while_being_asked_about_in_vain() -> None:
    ladder, memory = online(1)
    ladder.later(EVERY)
    memory.peer.gets("REGISTER")
    ladder.act(StopRegistration(aor(0)))
    ladder.fail(memory.peer.address)
    assert memory.work() == [aor(0)]
    assert memory.registered == 0
    assert ladder.registered() == [(aor(0), 0)]
    ladder.later(300)
    assert (ladder.agent.registrations, ladder.agent.running_timers) == (0, 0)


def test_a_refresh_that_is_due_while_the_registrar_is_asked() -> None:
    ladder, memory = online(1, registration_time=60)  # refreshed after 30 seconds, at the time of the check
    ladder.later(EVERY)
    first, second = memory.peer.inbox.popleft(), memory.peer.inbox
    assert not second
    assert isinstance(first, Request)
    memory._answer(first)
    memory.work()
    assert memory.registered == 1
    memory.later(600)
    assert memory.registered == 1
    assert {status for _, status in ladder.registered()} == {60}


def test_another_address_of_the_registrar_is_another_registrar() -> None:
    ladder, memory = online(2)
    other = ladder.phone("192.0.2.21")
    ladder.routes["example.com"] = [other.address]
    memory.later(3240 - 1)
    ladder.later(1)
    there = Memory(ladder, other)
    assert there.work() == [aor(0), aor(1)]
    memory.work()
    for _ in range(600):
        ladder.later(0.5)
        there.work()
        memory.peer.silent()
    assert there.checks > 5


def test_ten_thousand_users_come_online_at_once() -> None:
    ladder = Ladder(UserAgentConfig(keep_alives=False))
    peer = ladder.phone("192.0.2.20")
    ladder.routes["example.com"] = [peer.address]
    memory = Memory(ladder, peer)
    for user in range(10_000):
        ladder.act(StartRegistration(aor(user)))
    assert len(peer.inbox) == 100
    most, changed = 0, 0
    while peer.inbox:
        most = max(most, len(peer.inbox))
        changed += len(memory._answer(peer.gets_request("REGISTER")))
    assert (changed, most) == (10_000, 100)
    assert list(ladder.events) == [Registered(aor(user), 3600) for user in range(10_000)]


# --- any order of events ------------------------------------------------------------------------------------


class AnyOrder(RuleBasedStateMachine):
    """Users come and go, the registrar dies, forgets and returns: in the end it knows who is online."""

    users = Bundle("users")

    @initialize()
    def begin(self) -> None:
        self.ladder, self.memory = online(0, registrations_at_once=2)
        self.online: set[str] = set()

    @rule(target=users, user=st.integers(0, 5))
    def comes(self, user: int) -> str:
        self.ladder.act(StartRegistration(aor(user)))
        self.online.add(aor(user))
        return aor(user)

    @rule(user=consumes(users))
    def goes(self, user: str) -> None:
        self.ladder.act(StopRegistration(user))
        self.online.discard(user)

    @rule()
    def registrar_works(self) -> None:
        self.memory.work()

    @rule(up=st.booleans())
    def registrar_turns(self, up: bool) -> None:
        self.memory.up = up

    @rule()
    def registrar_forgets(self) -> None:
        self.memory.forget()

    @rule()
    def refused(self) -> None:
        self.ladder.fail(self.memory.peer.address)

    @rule(seconds=st.sampled_from([0.5, 1, 5, 30, 35, 130]))
    def time_passes(self, seconds: float) -> None:
        self.ladder.later(seconds)

    @invariant()
    def never_two_at_once_for_one_user(self) -> None:
        numbers: dict[str, int] = {}
        for request in self.memory.peer.inbox:
            assert isinstance(request, Request)
            assert numbers.get(request.call_id, 0) <= request.cseq.number
            numbers[request.call_id] = request.cseq.number

    def teardown(self) -> None:
        if not hasattr(self, "memory"):
            return
        self.memory.up = True
        self.memory.later(3 * RETRY)
        assert {aor for aor, bound in self.memory.contacts.items() if bound} >= self.online
        assert self.ladder.agent.registrations == len(self.online)
        for user in self.online:
            self.ladder.act(StopRegistration(user))
        self.memory.later(RETRY)
        assert (self.ladder.agent.registrations, self.ladder.agent.running_timers) == (0, 0)


AnyOrder.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestAnyOrder = AnyOrder.TestCase
