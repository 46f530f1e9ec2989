"""Anything at any moment, on wires that lose and double datagrams: nothing may be left behind."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from app.transferring import CAROL, Carol, TransferringPhone, with_transfers
from app.world import World

MOMENTS = st.sampled_from([0.0, 0.0005, 0.002, 0.004, 0.01, 0.1, 0.31, 0.49, 0.51, 1.0, 5.1, 33.0])


class Races(RuleBasedStateMachine):
    world: World
    phone: TransferringPhone
    carol: Carol

    @initialize(seed=st.integers(0, 2**32), loss=st.sampled_from([0.0, 0.0, 0.1, 0.4]))
    def begin(self, seed: int, loss: float) -> None:
        self.world = World(seed, transfer_hosts=frozenset({CAROL[0]}))
        self.phone, self.carol = with_transfers(self.world)
        self.world.loss = loss

    @rule(offer=st.booleans(), caller=st.sampled_from(["1", "2"]))
    def the_phone_calls(self, offer: bool, caller: str) -> None:
        self.world.phone.dial("alice", caller, offer)

    @rule()
    def the_phone_calls_nobody(self) -> None:
        self.world.phone.dial("nobody")

    @rule(number=st.sampled_from(["1", "2"]))
    def ichat_calls(self, number: str) -> None:
        self.world.alice.dial(number)

    @rule()
    def the_phone_hangs_up(self) -> None:
        self.world.phone.hang_up()

    @rule()
    def ichat_gives_up(self) -> None:
        self.world.alice.give_up()

    @rule(manner=st.sampled_from(["answer", "decline", "ignore", "busy"]))
    def ichat_minds(self, manner: str) -> None:
        self.world.alice.manner = manner

    @rule(manner=st.sampled_from(["answer", "ring", 404, 486, 503]))
    def the_phone_minds(self, manner: str | int) -> None:
        self.world.phone.manner = manner

    @rule(kind=st.sampled_from(["", "unavailable", "error"]))
    def ichat_comes_and_goes(self, kind: str) -> None:
        self.world.alice.presence(kind)

    @rule(back_after=st.sampled_from([0.001, 0.5, 10.0]))
    def the_connector_is_killed(self, back_after: float) -> None:
        self.world.connector_dies(back_after)

    @rule(back_after=st.sampled_from([0.001, 0.5, 3.0]))
    def the_relay_is_killed(self, back_after: float) -> None:
        self.world.relay_dies(back_after)

    @rule(latest=st.booleans(), subscribes=st.sampled_from(["true", "false"]))
    def the_phone_transfers(self, latest: bool, subscribes: str) -> None:
        for session in sorted(self.phone.live, reverse=latest)[:1]:
            self.phone.transfers(session, Refer_Sub=subscribes)

    @rule()
    def the_phone_sends_data(self) -> None:
        for session in sorted(self.phone.live):
            self.phone.asks(session, "INFO", b"x", Content_Type="text/plain")

    @rule(manner=st.sampled_from(["answer", "ring", 486, 503]))
    def carol_minds(self, manner: str | int) -> None:
        self.carol.manner = manner

    @rule()
    def carol_hangs_up(self) -> None:
        self.carol.hang_up()

    @rule(offer=st.booleans())
    def carol_takes_over(self, offer: bool) -> None:
        for session in sorted(self.phone.live)[:1]:
            if (dialog := self.phone.dialog(session)) is not None:
                self.carol.takes_over(dialog, offer)

    @rule(seconds=MOMENTS)
    def time_passes(self, seconds: float) -> None:
        self.world.run(seconds)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        world.loss = 0.0
        world.run(0.5)
        world.phone.hang_up()
        self.carol.hang_up()
        world.alice.give_up()
        # The longest anybody waits for anything: the no-answer timer, then the end of the transactions.
        world.run(180.0 + 70.0 + 70.0)
        assert world.left_over() == {}, world.notes
        # And it still works.
        world.phone.manner = world.alice.manner = "answer"
        world.alice.presence()
        before = len(world.phone.heard)
        world.run(1.0)
        world.phone.dial("alice", "3")
        world.run(3.0)
        assert [type(event).__name__ for event in world.phone.heard[before:]] == ["Rang", "Answered"]


Races.TestCase.settings = settings(
    max_examples=100, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestRaces = Races.TestCase
