from ichat_gw.sip.events import Flow
from ichat_gw.sip.targets import MAX_TARGETS, Target, Targets


def flow(number: int, transport: str = "UDP") -> Flow:
    return Flow(transport, ("192.0.2.1", 5070), ("192.0.2.9", number))


def test_the_last_word_counts_and_since_when_it_holds() -> None:
    targets = Targets()
    targets.answered(flow(1), 1.0)
    targets.answered(flow(1), 2.0)
    assert list(targets) == [Target(flow(1), True, 1.0)]
    targets.failed(flow(1), 3.0)
    targets.failed(flow(1), 4.0)
    assert list(targets) == [Target(flow(1), False, 3.0)]


def test_another_transport_is_another_target() -> None:
    targets = Targets()
    targets.answered(flow(1), 1.0)
    targets.failed(flow(1, "TCP"), 1.0)
    assert [target.answers for target in targets] == [True, False]


def test_memory_is_bounded() -> None:
    targets = Targets()
    for number in range(MAX_TARGETS):
        targets.answered(flow(number), 1.0)
    targets.answered(flow(0), 2.0)
    targets.answered(flow(MAX_TARGETS), 3.0)
    remembered = {target.flow.remote[1] for target in targets}
    assert len(remembered) == MAX_TARGETS
    assert {0, MAX_TARGETS} <= remembered
    assert 1 not in remembered
