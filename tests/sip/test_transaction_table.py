"""The tables as data: complete, closed, and with the times of RFC 3261 table 4."""

import pytest

from ichat_gw.sip.transaction_table import (
    REPEATING,
    RUNNING,
    TABLES,
    Input,
    Kind,
    State,
    Timer,
    TransactionTimes,
)

FROM_ANYWHERE = {Input.ERROR}
CLIENT_INPUTS = {Input.GET_1XX, Input.GET_2XX, Input.GET_3XX} | FROM_ANYWHERE
SERVER_INPUTS = {Input.REQUEST, Input.SAY_1XX, Input.SAY_2XX, Input.SAY_3XX} | FROM_ANYWHERE
INPUTS = {
    Kind.INVITE_CLIENT: CLIENT_INPUTS,
    Kind.CLIENT: CLIENT_INPUTS,
    Kind.INVITE_SERVER: SERVER_INPUTS | {Input.ACK},
    Kind.SERVER: SERVER_INPUTS,
}
FIRST = {
    Kind.INVITE_CLIENT: Input.BEGIN,
    Kind.CLIENT: Input.BEGIN,
    Kind.INVITE_SERVER: Input.REQUEST,
    Kind.SERVER: Input.REQUEST,
}


@pytest.mark.parametrize("kind", Kind)
def test_there_is_a_row_for_everything_that_can_happen_and_no_other(kind: Kind) -> None:
    states = {state for state, _ in TABLES[kind]} - {State.NEW}
    expected = {(state, what) for state in states for what in INPUTS[kind]}
    expected |= {(state, timer) for state in states for timer in RUNNING.get((kind, state), ())}
    expected.add((State.NEW, FIRST[kind]))
    assert set(TABLES[kind]) == expected


@pytest.mark.parametrize("kind", Kind)
def test_every_state_is_reached_and_every_transaction_can_end(kind: Kind) -> None:
    table = TABLES[kind]
    reached = {State.NEW}
    while more := {to for (state, _), (to, _) in table.items() if state in reached} - reached:
        reached |= more
    assert reached == {state for state, _ in table} | {State.TERMINATED}


@pytest.mark.parametrize("kind", Kind)
def test_only_proceeding_waits_without_a_timer(kind: Kind) -> None:
    """A person may take as long as they like to answer an INVITE; nothing else may last for ever."""
    for state in {state for state, _ in TABLES[kind]} - {State.NEW, State.TRYING}:
        if state is State.PROCEEDING and kind is not Kind.CLIENT:
            continue
        assert set(RUNNING[kind, state]) - REPEATING


@pytest.mark.parametrize(
    ("timer", "udp", "tcp"),
    [
        (Timer.A, 0.5, None),
        (Timer.B, 32.0, 32.0),
        (Timer.D, 32.0, 0.0),
        (Timer.E, 0.5, None),
        (Timer.F, 32.0, 32.0),
        (Timer.G, 0.5, None),
        (Timer.H, 32.0, 32.0),
        (Timer.I, 5.0, 0.0),
        (Timer.J, 32.0, 0.0),
        (Timer.K, 5.0, 0.0),
        (Timer.L, 32.0, 32.0),
        (Timer.M, 32.0, 32.0),
    ],
)
def test_times_of_table_4(timer: Timer, udp: float, tcp: float | None) -> None:
    times = TransactionTimes()
    assert times.first(timer, reliable=False) == udp
    assert times.first(timer, reliable=True) == tcp


@pytest.mark.parametrize(
    ("timer", "state", "waits"),
    [
        (Timer.A, State.CALLING, [1.0, 2.0, 4.0, 8.0, 16.0]),
        (Timer.E, State.TRYING, [1.0, 2.0, 4.0, 4.0]),
        (Timer.E, State.PROCEEDING, [4.0, 4.0]),
        (Timer.G, State.COMPLETED, [1.0, 2.0, 4.0, 4.0]),
    ],
)
def test_repetitions_become_rarer(timer: Timer, state: State, waits: list[float]) -> None:
    times = TransactionTimes()
    wait = times.t1
    for expected in waits:
        wait = times.again(timer, wait, state)
        assert wait == expected
