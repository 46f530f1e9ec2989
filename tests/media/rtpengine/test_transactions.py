"""Requests are repeated until there is a reply, and given up."""

from random import Random

import pytest

from ichat_gw.media.rtpengine import ng
from ichat_gw.media.rtpengine.bencode import encode
from ichat_gw.media.rtpengine.transactions import LAST_WAIT, REPEATS, Transactions


class Wire:
    def __init__(self) -> None:
        self.sent: list[tuple[bytes, int]] = []
        self.transactions: Transactions[str] = Transactions(
            lambda data, node: self.sent.append((data, node)), Random(1)
        )

    @property
    def cookie(self) -> bytes:
        return self.sent[-1][0].partition(b" ")[0]


def test_a_reply_ends_it() -> None:
    wire = Wire()
    wire.transactions.ask(3, ng.ping(), "ping", 10.0)
    ((data, node),) = wire.sent
    assert (data.endswith(b" d7:command4:pinge"), node) == (True, 3)
    answer = wire.cookie + b" " + encode({"result": "pong"})
    assert wire.transactions.hear(2, answer) is None, "not from whom it was asked"
    heard = wire.transactions.hear(3, answer)
    assert heard is not None
    assert (heard[0], heard[1].result) == ("ping", "pong")
    assert wire.transactions.hear(3, answer) is None, "a second time"
    assert (wire.transactions.deadline(), len(wire.transactions)) == (None, 0)
    with pytest.raises(ng.InvalidReply):
        wire.transactions.hear(3, b"rubbish")


def test_it_is_repeated_and_given_up() -> None:
    wire = Wire()
    wire.transactions.ask(0, ng.ping(), "ping", 0.0)
    now = 0.0
    for wait in REPEATS:
        now += wait
        assert wire.transactions.deadline() == now
        assert wire.transactions.expire(now) == []
    assert len(set(wire.sent)) == 1, "the same datagram, so that it counts once"
    assert len(wire.sent) == 1 + len(REPEATS)
    now += LAST_WAIT
    assert wire.transactions.deadline() == now
    assert wire.transactions.expire(now) == [(0, "ping")]
    assert (wire.transactions.deadline(), len(wire.transactions)) == (None, 0)


def test_all_of_one_node_are_given_up_at_once() -> None:
    wire = Wire()
    for node, what in ((0, "a"), (1, "b"), (0, "c")):
        wire.transactions.ask(node, ng.ping(), what, 0.0)
    assert wire.transactions.give_up(0) == ["a", "c"]
    assert len(wire.transactions) == 1
    assert len({data for data, _ in wire.sent}) == 3, "each has a cookie of its own"
