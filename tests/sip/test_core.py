"""What the parts of the user agent share."""

from ichat_gw.sip.core import Core, TransactionUser, UserAgentConfig
from ichat_gw.sip.events import Flow, Resolved
from ichat_gw.sip.transaction import Stray
from tests.sip.ladder import tokens

FLOW = Flow("UDP", ("192.0.2.1", 5070), ("192.0.2.9", 5060))


class User(TransactionUser):
    def __init__(self, core: Core) -> None:
        super().__init__(None)
        self.core = core
        self.woke: list[str] = []

    def woken(self, timer: str) -> None:
        self.woke.append(timer)
        self.core.let_sleep(self, "second")


def core() -> Core:
    return Core(UserAgentConfig(), tokens())


def test_a_timer_can_stop_another_that_is_due_as_well() -> None:
    it = core()
    user = User(it)
    it.wake(user, "first", 1.0)
    it.wake(user, "second", 1.0)
    assert it.deadline() == 1.0
    it.now = 5.0
    it.expire()
    assert user.woke == ["first"]
    assert (it.deadline(), user.waking) == (None, set())


def test_forgetting_a_user_forgets_timers_and_lookups() -> None:
    it = core()
    user = User(it)
    answers: list[Resolved] = []
    it.wake(user, "first", 1.0)
    it.lookup(user, "sip:example.com", answers.append)
    assert it.lookups == 1
    it.forget(user)
    it.resolved(Resolved(1, ()))
    assert (it.lookups, it.deadline(), user.waking, answers) == (0, None, set(), [])


def test_what_concerns_the_user_agent_is_not_the_cores() -> None:
    it = core()
    it.pass_on([Stray(FLOW)])
    assert it.out == []


def test_a_transaction_user_need_not_listen() -> None:
    user = TransactionUser(7)
    user.woken("anything")
    user.settle()
    assert user.session == 7
