"""The channel: exactly once, in order, or the loss is told; over any network, against any forger."""

import random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ichat_gw.ipc.channel import (
    REPLAY,
    Channel,
    ChannelConfig,
    ChannelOver,
    Close,
    Command,
    Datagram,
    Deliver,
    Dropped,
    PeerLost,
    QueueFull,
    Send,
    Settled,
    Transmit,
)
from ichat_gw.ipc.messages import VERSION, Hello, Log, Message, Stop
from ichat_gw.ipc.seal import Frame, MessageTooLarge, Role, Seal, encode

KEY = bytes(range(32))


def line(number: int) -> Log:
    """A message that can be told from others."""
    return Log("INFO", f"{number}")


def datagrams(commands: list[Command]) -> list[bytes]:
    return [command.data for command in commands if isinstance(command, Transmit)]


def delivered(commands: list[Command]) -> list[Message]:
    return [command.message for command in commands if isinstance(command, Deliver)]


def reasons(commands: list[Command]) -> list[str]:
    return [command.error.reason for command in commands if isinstance(command, Dropped)]


class Pair:
    """A gateway and a connector; the test is the network between them."""

    def __init__(self, **config: Any) -> None:
        self.now = 100.0
        self.gateway = Channel(KEY, Role.GATEWAY, ChannelConfig(**config))
        self.connector = Channel(KEY, Role.CONNECTOR, ChannelConfig(**config))

    def send(self, channel: Channel, message: Message) -> list[bytes]:
        return datagrams(channel.receive(Send(message), self.now))

    def give(self, channel: Channel, data: bytes) -> list[Command]:
        """A datagram arrives, and what it brings is not answered at once."""
        commands = channel.receive(Datagram(data), self.now)
        return [*commands, *channel.receive(Settled(), self.now)]

    def wait(self, channel: Channel) -> list[Command]:
        """Let time pass until the channel's deadline."""
        deadline = channel.deadline()
        assert deadline is not None
        self.now = max(self.now, deadline)
        return channel.expire(self.now)


def test_a_message_goes_over_and_is_acknowledged() -> None:
    pair = Pair()
    [hello] = pair.send(pair.gateway, Hello(VERSION))
    assert not pair.gateway.idle
    assert pair.gateway.deadline() == pytest.approx(100.05)

    deliver, acknowledgement = pair.give(pair.connector, hello)

    assert deliver == Deliver(Hello(VERSION))
    assert isinstance(acknowledgement, Transmit)
    assert pair.give(pair.gateway, acknowledgement.data) == []
    for channel in (pair.gateway, pair.connector):
        assert channel.idle
        assert channel.deadline() is None
        assert channel.dropped == {}


def test_a_lost_message_is_repeated_at_doubling_intervals_until_the_peer_is_lost() -> None:
    pair = Pair(give_up=4.0)
    pair.send(pair.gateway, line(1))
    pair.send(pair.gateway, line(2))
    times, lost = [], []
    while pair.gateway.deadline() is not None:
        commands = pair.wait(pair.gateway)
        times.append(round(pair.now - 100.0, 3))
        lost += [command for command in commands if isinstance(command, PeerLost)]
    assert times == [0.05, 0.15, 0.35, 0.75, 1.55, 2.55, 3.55, 4.0]
    assert lost == [PeerLost("did not acknowledge a message for 4 s", (line(1), line(2)))]
    assert pair.gateway.over
    with pytest.raises(ChannelOver, match="Log not sent"):
        pair.send(pair.gateway, line(3))


def test_a_process_that_was_stopped_gives_its_peer_another_chance() -> None:
    pair = Pair()
    pair.send(pair.gateway, line(1))
    pair.now += 3600
    [again] = datagrams(pair.gateway.expire(pair.now))
    assert delivered(pair.give(pair.connector, again)) == [line(1)]


def test_a_lost_acknowledgement_costs_a_repetition_and_no_second_delivery() -> None:
    pair = Pair()
    [first] = pair.send(pair.gateway, line(1))
    assert delivered(pair.give(pair.connector, first)) == [line(1)]
    [second] = datagrams(pair.wait(pair.gateway))
    commands = pair.give(pair.connector, second)
    assert delivered(commands) == []
    assert pair.connector.dropped == {"repeated": 1}
    [acknowledgement] = datagrams(commands)
    pair.give(pair.gateway, acknowledgement)
    assert pair.gateway.idle


def test_messages_that_overtake_each_other_are_put_in_order() -> None:
    pair = Pair()
    [one], [two], [three] = (pair.send(pair.gateway, line(number)) for number in (1, 2, 3))
    assert delivered(pair.give(pair.connector, three)) == []
    assert delivered(pair.give(pair.connector, two)) == []
    assert delivered(pair.give(pair.connector, one)) == [line(1), line(2), line(3)]


def test_only_what_is_missing_is_repeated() -> None:
    pair = Pair()
    [_lost], [two], [_lost_too], [four] = (pair.send(pair.gateway, line(number)) for number in (1, 2, 3, 4))
    for data in (two, four):
        [acknowledgement] = datagrams(pair.give(pair.connector, data))
        pair.give(pair.gateway, acknowledgement)
    # What the peer holds is not delivered yet either.
    assert pair.gateway.undelivered() == (line(1), line(2), line(3), line(4))
    repeated = datagrams(pair.wait(pair.gateway))
    assert len(repeated) == 2
    got = [message for data in repeated for message in delivered(pair.give(pair.connector, data))]
    assert got == [line(1), line(2), line(3), line(4)]


def test_an_early_message_repeated_is_not_kept_twice() -> None:
    pair = Pair()
    pair.send(pair.gateway, line(1))
    [two] = pair.send(pair.gateway, line(2))
    pair.give(pair.connector, two)
    one_again, two_again = datagrams(pair.wait(pair.gateway))
    assert reasons(pair.give(pair.connector, two_again)) == ["repeated"]
    assert delivered(pair.give(pair.connector, one_again)) == [line(1), line(2)]


def test_an_old_acknowledgement_does_no_harm() -> None:
    pair = Pair()
    [one], [two] = (pair.send(pair.gateway, line(number)) for number in (1, 2))
    [first] = datagrams(pair.give(pair.connector, one))
    [second] = datagrams(pair.give(pair.connector, two))
    pair.give(pair.gateway, second)
    assert pair.gateway.idle
    assert pair.give(pair.gateway, first) == []
    assert pair.gateway.idle


def test_an_answer_takes_the_acknowledgement_along() -> None:
    pair = Pair()
    [question] = pair.send(pair.gateway, line(1))
    assert pair.connector.receive(Datagram(question), pair.now) == [Deliver(line(1))]
    [answer] = pair.send(pair.connector, line(2))
    assert pair.connector.receive(Settled(), pair.now) == []
    pair.give(pair.gateway, answer)
    assert pair.gateway.idle


def test_nothing_is_owed_after_the_end() -> None:
    pair = Pair()
    [one] = pair.send(pair.gateway, line(1))
    pair.connector.receive(Datagram(one), pair.now)
    pair.connector.receive(Close(), pair.now)
    assert pair.connector.receive(Settled(), pair.now) == []


def test_messages_carry_acknowledgements() -> None:
    pair = Pair()
    [question] = pair.send(pair.gateway, line(1))
    pair.give(pair.connector, question)  # Its acknowledgement is lost.
    [answer] = pair.send(pair.connector, line(2))
    pair.give(pair.gateway, answer)
    assert pair.gateway.idle


def test_a_peer_that_starts_late_gets_at_once_what_it_missed() -> None:
    pair = Pair()
    pair.send(pair.gateway, Hello(VERSION))
    for _ in range(6):
        pair.wait(pair.gateway)
    [hello] = pair.send(pair.connector, Hello(VERSION))
    pair.give(pair.gateway, hello)
    assert pair.gateway.deadline() == pair.now
    [again] = datagrams(pair.wait(pair.gateway))
    assert delivered(pair.give(pair.connector, again)) == [Hello(VERSION)]
    assert pair.gateway.deadline() == pytest.approx(pair.now + 0.05)


# --- bounds -----------------------------------------------------------------------------------------------


def test_no_more_than_a_window_is_under_way() -> None:
    pair = Pair(window=3)
    sent = [data for number in range(5) for data in pair.send(pair.gateway, line(number))]
    assert len(sent) == 3
    [acknowledgement] = datagrams(pair.give(pair.connector, sent[1]))
    assert pair.give(pair.gateway, acknowledgement) == []  # The first is still missing: no step forward.
    [acknowledgement] = datagrams(pair.give(pair.connector, sent[0]))
    more = datagrams(pair.give(pair.gateway, acknowledgement))
    assert len(more) == 2
    rest = [m for data in (*more, sent[2]) for m in delivered(pair.give(pair.connector, data))]
    assert rest == [line(2), line(3), line(4)]


def test_no_more_bytes_than_the_peers_buffer_takes_are_under_way() -> None:
    pair = Pair(window_bytes=1000)
    large = Log("INFO", "x" * 2000)
    [alone] = pair.send(pair.gateway, large)
    assert pair.send(pair.gateway, line(1)) == []
    [acknowledgement] = datagrams(pair.give(pair.connector, alone))
    assert len(datagrams(pair.give(pair.gateway, acknowledgement))) == 1


@pytest.mark.parametrize("bound", [{"queue": 2}, {"queue_bytes": 2 * len(encode(line(1)))}])
def test_a_full_queue_refuses_the_newest(bound: dict[str, int]) -> None:
    pair = Pair(window=1, **bound)
    for number in (1, 2, 3):
        pair.send(pair.gateway, line(number))
    with pytest.raises(QueueFull, match="Log not sent: 2 messages"):
        pair.send(pair.gateway, line(4))
    assert pair.gateway.undelivered() == (line(1), line(2), line(3))


def test_a_message_too_large_is_refused_and_costs_nothing() -> None:
    pair = Pair()
    with pytest.raises(MessageTooLarge):
        pair.send(pair.gateway, Log("INFO", "x" * 60_000))
    assert pair.gateway.idle


@pytest.mark.parametrize(
    "wrong",
    [{"window": 0}, {"window": 65}, {"first_repeat": 0.0}, {"longest_repeat": 0.01}, {"give_up": 0.0}],
)
def test_limits_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"window|repeat"):
        ChannelConfig(**wrong)


@pytest.mark.parametrize("give_up", [0.01, 0.05, 0.15, 1.0, 10.0])
def test_the_waits_add_up(give_up: float) -> None:
    waits = ChannelConfig(give_up=give_up).waits()
    assert sum(waits) == pytest.approx(give_up)
    assert all(0 < wait <= 1.0 for wait in waits)


# --- what is dropped --------------------------------------------------------------------------------------


def test_dropped_datagrams_are_counted_by_reason() -> None:
    pair = Pair()
    [good] = pair.send(pair.gateway, line(1))
    stranger = Seal(bytes(32), Role.GATEWAY).seal(Frame(1, 1, 1, 0, encode(Stop())))
    for data in (b"hello", good[:30], stranger, good[:-1] + b"\0"):
        [dropped] = pair.give(pair.connector, data)
        assert isinstance(dropped, Dropped)
    assert reasons(pair.give(pair.gateway, good)) == ["direction"]
    assert pair.connector.dropped == {"unknown": 1, "truncated": 1, "forged": 2}
    assert delivered(pair.give(pair.connector, good)) == [line(1)]
    assert reasons(pair.give(pair.connector, good)) == ["replayed"]


def test_a_datagram_of_an_earlier_run_is_forged() -> None:
    earlier = Channel(bytes(32), Role.GATEWAY)
    [old] = datagrams(earlier.receive(Send(Stop()), 0.0))
    assert reasons(Pair().connector.receive(Datagram(old), 0.0)) == ["forged"]


def test_an_old_acknowledgement_cannot_be_replayed() -> None:
    pair = Pair()
    [one] = pair.send(pair.gateway, line(1))
    [acknowledgement] = datagrams(pair.give(pair.connector, one))
    pair.give(pair.gateway, acknowledgement)
    assert reasons(pair.give(pair.gateway, acknowledgement)) == ["replayed"]


def test_datagrams_older_than_the_replay_window_are_stale() -> None:
    pair = Pair()
    gateway = Seal(KEY, Role.GATEWAY)
    for packet, expected in ((1, []), (REPLAY + 1, []), (2, []), (1, ["stale"]), (2, ["replayed"])):
        assert reasons(pair.give(pair.connector, gateway.seal(Frame(packet, 0, 1, 0)))) == expected
    # A leap as far as the number goes costs nothing and leaves all before it stale.
    assert pair.give(pair.connector, gateway.seal(Frame(2**64 - 1, 0, 1, 0))) == []
    assert reasons(pair.give(pair.connector, gateway.seal(Frame(REPLAY + 2, 0, 1, 0)))) == ["stale"]


@pytest.mark.parametrize("frame", [Frame(1, 0, 2, 0), Frame(1, 66, 1, 0, encode(Stop()))])
def test_numbers_that_the_peer_cannot_know_are_unknown(frame: Frame) -> None:
    pair = Pair()
    assert reasons(pair.give(pair.connector, Seal(KEY, Role.GATEWAY).seal(frame))) == ["unknown"]


def test_the_last_place_of_the_reorder_buffer_can_be_acknowledged() -> None:
    pair = Pair()
    [acknowledgement] = datagrams(
        pair.give(pair.connector, Seal(KEY, Role.GATEWAY).seal(Frame(1, 65, 1, 0, encode(Stop()))))
    )
    assert Seal(KEY, Role.GATEWAY).open(acknowledgement).received == 1 << 63


def test_an_authentic_message_that_is_not_in_the_vocabulary_is_skipped_and_told() -> None:
    pair = Pair()
    gateway = Seal(KEY, Role.GATEWAY)
    assert pair.give(pair.connector, gateway.seal(Frame(1, 2, 1, 0, encode(line(2)))))
    commands = pair.give(pair.connector, gateway.seal(Frame(2, 1, 1, 0, b"\xc1")))
    assert reasons(commands) == ["unknown"]
    assert delivered(commands) == [line(2)]
    [acknowledgement] = datagrams(commands)
    assert gateway.open(acknowledgement).expected == 3


def test_a_peer_of_another_version_is_lost_with_both_versions_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair()
    pair.send(pair.connector, line(1))
    monkeypatch.setattr("ichat_gw.ipc.seal.VERSION", VERSION + 1)
    [newer] = pair.send(pair.gateway, Hello(VERSION + 1))
    monkeypatch.undo()
    dropped, lost = pair.give(pair.connector, newer)
    assert isinstance(dropped, Dropped)
    assert isinstance(lost, PeerLost)
    assert f"version {VERSION + 1}" in lost.text
    assert lost.undelivered == (line(1),)
    assert pair.connector.over


def test_a_closed_channel_is_silent() -> None:
    pair = Pair()
    [one] = pair.send(pair.gateway, line(1))
    pair.send(pair.connector, line(2))
    assert pair.connector.receive(Close(), pair.now) == []
    assert pair.connector.deadline() is None
    assert pair.connector.idle
    assert reasons(pair.give(pair.connector, one)) == ["stale"]
    assert pair.connector.expire(pair.now + 100) == []
    with pytest.raises(ChannelOver):
        pair.send(pair.connector, line(3))


# --- any network ------------------------------------------------------------------------------------------


class AnyNetwork(RuleBasedStateMachine):
    """Two channels, and between them a network that loses, repeats, reorders, spoils and forges."""

    @initialize(give_up=st.sampled_from([1.0, 10.0]), window=st.sampled_from([1, 4, 64]))
    def start(self, give_up: float, window: int) -> None:
        config = ChannelConfig(give_up=give_up, window=window, window_bytes=200, queue=6)
        self.now = 0.0
        self.ends = {role: Channel(KEY, role, config) for role in Role}
        self.sent: dict[Role, list[Message]] = {role: [] for role in Role}
        self.got: dict[Role, list[Message]] = {role: [] for role in Role}
        self.lost: dict[Role, list[PeerLost]] = {role: [] for role in Role}
        self.wire: dict[Role, list[bytes]] = {role: [] for role in Role}
        self.seen: dict[Role, list[bytes]] = {role: [] for role in Role}
        self.number = 0

    def do(self, role: Role, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Transmit(data):
                    self.wire[role.peer].append(data)
                    self.seen[role.peer].append(data)
                case Deliver(message):
                    self.got[role].append(message)
                case PeerLost():
                    self.lost[role].append(command)
                case Dropped():
                    pass

    def give(self, role: Role, data: bytes) -> None:
        self.do(role, self.ends[role].receive(Datagram(data), self.now))
        self.do(role, self.ends[role].receive(Settled(), self.now))

    @rule(role=st.sampled_from(Role), size=st.integers(0, 150))
    def send(self, role: Role, size: int) -> None:
        self.number += 1
        message = Log("INFO", f"{self.number} {'x' * size}")
        try:
            commands = self.ends[role].receive(Send(message), self.now)
        except QueueFull:
            assert len(self.ends[role].undelivered()) >= 6
        except ChannelOver:
            assert self.lost[role]
        else:
            self.sent[role].append(message)
            self.do(role, commands)

    @rule(role=st.sampled_from(Role), place=st.integers(0), times=st.integers(0, 2))
    def arrive(self, role: Role, place: int, times: int) -> None:
        """Any datagram under way arrives; or is lost (0 times); or arrives twice."""
        if self.wire[role]:
            data = self.wire[role].pop(place % len(self.wire[role]))
            for _ in range(times):
                self.give(role, data)

    @rule(role=st.sampled_from(Role))
    def arrive_all(self, role: Role) -> None:
        while self.wire[role]:
            self.give(role, self.wire[role].pop(0))

    @rule(role=st.sampled_from(Role), place=st.integers(0), to=st.sampled_from(Role))
    def replay(self, role: Role, place: int, to: Role) -> None:
        """Any datagram ever sent comes again, or goes back to its sender."""
        if self.seen[role]:
            self.give(to, self.seen[role][place % len(self.seen[role])])

    @rule(role=st.sampled_from(Role), place=st.integers(0), bit=st.integers(0))
    def spoil(self, role: Role, place: int, bit: int) -> None:
        if self.seen[role]:
            data = bytearray(self.seen[role][place % len(self.seen[role])])
            data[bit // 8 % len(data)] ^= 1 << bit % 8
            self.give(role, bytes(data))

    @rule(
        role=st.sampled_from(Role),
        key=st.binary(min_size=32, max_size=32).filter(lambda key: key != KEY),
        sequence=st.integers(0, 10),
        data=st.binary(max_size=60),
    )
    def forge(self, role: Role, key: bytes, sequence: int, data: bytes) -> None:
        self.give(role, data)
        forged = Frame(self.number + 1, sequence, 1 + sequence, 0, encode(Stop()) if sequence else b"")
        self.give(role, Seal(key, role.peer).seal(forged))

    @precondition(lambda self: any(end.deadline() is not None for end in self.ends.values()))
    @rule(late=st.floats(0, 0.2))
    def wait(self, late: float) -> None:
        self.now = max(self.now, min(d for e in self.ends.values() if (d := e.deadline()) is not None)) + late
        for role, end in self.ends.items():
            self.do(role, end.expire(self.now))

    @invariant()
    def exactly_once_and_in_order(self) -> None:
        for role in Role:
            assert self.got[role.peer] == self.sent[role][: len(self.got[role.peer])]

    @invariant()
    def nothing_is_lost_silently(self) -> None:
        for role, end in self.ends.items():
            known = self.lost[role][0].undelivered if self.lost[role] else end.undelivered()
            missing = self.sent[role][len(self.got[role.peer]) :]
            assert not missing or list(known[-len(missing) :]) == missing

    @invariant()
    def a_timer_runs_exactly_while_something_is_unacknowledged(self) -> None:
        for role, end in self.ends.items():
            assert (end.deadline() is None) == end.idle
            assert len(self.lost[role]) == end.over

    def teardown(self) -> None:
        """When the network works again, all arrives, unless the loss was told."""
        if not hasattr(self, "ends"):
            return
        for _ in range(60):
            for role in Role:
                self.arrive_all(role)
            if all(end.idle for end in self.ends.values()):
                break
            self.wait(0.0)
        for role in Role:
            assert self.ends[role].idle
            if not (self.lost[role] or self.lost[role.peer]):
                assert self.got[role.peer] == self.sent[role]


TestAnyNetwork = AnyNetwork.TestCase
TestAnyNetwork.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


def test_a_bad_network_for_a_long_time() -> None:
    """Thousands of messages each way through heavy loss, repetition and reordering."""
    chance = random.Random(5)
    pair = Pair()
    ends = {Role.GATEWAY: pair.gateway, Role.CONNECTOR: pair.connector}
    wire: list[tuple[Role, bytes]] = []
    got: dict[Role, list[Message]] = {role: [] for role in Role}

    def do(role: Role, commands: list[Command]) -> None:
        got[role] += delivered(commands)
        for data in datagrams(commands):
            wire.extend([(role.peer, data)] * chance.choice((0, 1, 1, 1, 1, 2)))

    for number in range(3000):
        for role, end in ends.items():
            do(role, end.receive(Send(line(number)), pair.now))
    while not all(end.idle for end in ends.values()):
        if wire:
            to, data = wire.pop(chance.randrange(min(len(wire), 20)))
            do(to, pair.give(ends[to], data))
        else:
            for role, end in ends.items():
                if end.deadline() is not None:
                    do(role, pair.wait(end))
    assert got[Role.GATEWAY] == got[Role.CONNECTOR] == [line(number) for number in range(3000)]
