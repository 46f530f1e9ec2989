"""A target that failed is tried after the others, for a minute."""

from ichat_gw.sip.avoided import AVOID_SECONDS, MAX_AVOIDED, Avoided
from ichat_gw.sip.events import Flow


def flow(number: int, transport: str = "UDP") -> Flow:
    return Flow(transport, ("192.0.2.1", 5070), ("192.0.2.9", number))


A, B, C = flow(1), flow(2), flow(3)


def test_order_stays_while_nothing_failed() -> None:
    assert Avoided().last([B, A, C], 0.0) == (B, A, C)


def test_failed_targets_come_last_the_latest_at_the_end() -> None:
    avoided = Avoided()
    avoided.failed(A, 1.0)
    avoided.failed(B, 2.0)
    assert avoided.last([B, A, C], 3.0) == (C, A, B)
    avoided.failed(A, 3.0)
    assert avoided.last([A, B, C], 3.0) == (C, B, A)


def test_another_transport_is_another_target() -> None:
    avoided = Avoided()
    avoided.failed(A, 1.0)
    assert avoided.last([A, flow(1, "TCP")], 1.0) == (flow(1, "TCP"), A)


def test_an_answer_or_time_make_it_good_again() -> None:
    avoided = Avoided()
    avoided.failed(A, 1.0)
    avoided.failed(B, 1.0)
    avoided.answered(A)
    assert avoided.last([B, A], 2.0) == (A, B)
    assert avoided.last([B, A], 1.0 + AVOID_SECONDS) == (B, A)
    assert len(avoided) == 0


def test_memory_is_bounded() -> None:
    avoided = Avoided()
    for number in range(MAX_AVOIDED + 2):
        avoided.failed(flow(number), 1.0)
    assert len(avoided) == MAX_AVOIDED
    assert avoided.last([flow(2), flow(1)], 1.0) == (flow(1), flow(2))
