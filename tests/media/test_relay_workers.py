"""Workers that die, that do not answer, or that cannot open a port, as ladders."""

import pytest

from ichat_gw.call.cause import Cause
from ichat_gw.call.media import (
    MediaAnswer,
    MediaLost,
    MediaOffer,
    MediaReady,
    MediaRefused,
    MediaRelease,
    MediaUpdate,
)
from ichat_gw.media.engine import CallCounters, MediaOver, Statistics
from ichat_gw.media.relay_messages import (
    Adjust,
    BindFault,
    Close,
    Closed,
    GateSnapshot,
    Learning,
    Open,
    Opened,
    OpenFailed,
    PartyCounters,
    PartySnapshot,
    Restore,
    Retarget,
    Snapshot,
    Started,
)
from tests.media.relaying import CALLEE, CALLER, ICHAT, PHONE, Scene, our_port, sdp

# --- ports that cannot be opened --------------------------------------------------------------------------


def test_a_bad_pair_is_set_aside_and_another_taken() -> None:
    scene = Scene(ports=4)
    scene.obedient = False
    scene.ask(MediaOffer(1, CALLER, PHONE, ""))
    (first,) = scene.drain()
    scene.say(OpenFailed(1, CALLEE, BindFault.PORT, "Address already in use"))
    (second,) = scene.drain()
    assert isinstance(first, Open)
    assert isinstance(second, Open)
    assert second.port != first.port
    scene.say(Opened(1, CALLEE))
    _, reply = scene.replies.pop()
    assert isinstance(reply, MediaReady)
    assert our_port(reply.sdp) == second.port
    scene.say(Opened(1, CALLEE))  # said twice
    scene.say(OpenFailed(1, CALLEE, BindFault.PORT, "late"))
    assert (scene.replies, scene.drain(), scene.engine.deadline()) == ([], [], None)


def test_every_pair_is_bad() -> None:
    scene = Scene(ports=3)
    scene.obedient = False
    scene.ask(MediaOffer(1, CALLER, PHONE, ""))
    scene.say(OpenFailed(1, CALLEE, BindFault.PORT, "in use"))
    scene.say(OpenFailed(1, CALLEE, BindFault.PORT, "in use"))
    refusal = scene.last_refusal()
    assert refusal.ending.cause is Cause.NO_RESOURCES
    assert "in use; of the port pairs" in refusal.ending.text
    assert isinstance(scene.orders[-1], Close)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [(BindFault.ADDRESS, Cause.MEDIA_FAILED), (BindFault.RESOURCES, Cause.NO_RESOURCES)],
)
def test_no_other_pair_would_do(fault: BindFault, cause: Cause) -> None:
    scene = Scene()
    scene.obedient = False
    scene.ask(MediaOffer(1, CALLER, PHONE, ""))
    scene.say(OpenFailed(1, CALLEE, fault, "no"))
    assert scene.last_refusal().ending.cause is cause
    scene.say(Closed(1, PartyCounters(), PartyCounters()))
    assert scene.engine.ports_in_use == 0


def test_a_worker_that_does_not_answer() -> None:
    scene = Scene(patience=2.0)
    scene.obedient = False
    scene.ask(MediaOffer(1, CALLER, PHONE, ""))
    assert scene.engine.deadline() == 2.0
    scene.wait(2.0)
    assert scene.last_refusal().ending.text == "the relay worker does not answer"
    assert isinstance(scene.orders[-1], Close)
    scene.say(Opened(1, CALLEE))  # too late
    assert scene.engine.deadline() == 4.0
    scene.wait(2.0)
    assert (scene.engine.open_sessions, scene.engine.ports_in_use, scene.engine.deadline()) == (0, 0, None)
    assert scene.rest == [MediaOver("a", None)]


def test_an_answer_that_cannot_be_opened_can_be_tried_again() -> None:
    scene = Scene()
    scene.offer(PHONE)
    scene.obedient = False
    scene.ask(MediaAnswer(2, CALLEE, ICHAT, ""))
    scene.wait(2.0)
    assert scene.last_refusal().request == 2
    assert scene.engine.open_sessions == 1
    scene.obedient = True
    scene.requests = 2
    scene.answer(ICHAT)


def test_released_while_waiting() -> None:
    scene = Scene()
    scene.obedient = False
    scene.ask(MediaOffer(1, CALLER, PHONE, ""))
    scene.ask(MediaRelease())
    scene.say(Opened(1, CALLEE))
    scene.say(OpenFailed(1, CALLEE, BindFault.PORT, "x"))
    scene.say(Closed(1, PartyCounters(), PartyCounters()))
    scene.say(Closed(1, PartyCounters(), PartyCounters()))
    assert scene.replies == []
    assert scene.engine.ports_in_use == 0


def test_ports_that_could_not_be_opened_when_nobody_waits_for_them_any_more() -> None:
    scene = Scene()
    scene.offer(PHONE)
    opened = [order for order in scene.orders if isinstance(order, Open)][-1]
    before = len(scene.orders), len(scene.replies)
    scene.say(OpenFailed(opened.session, opened.side, BindFault.PORT, "late"))
    assert (len(scene.orders), len(scene.replies)) == before


# --- the worker's death -----------------------------------------------------------------------------------


def test_worker_dies_and_its_calls_go_on() -> None:
    """The next one opens the same ports and hears what the last one knew, changes since included."""
    scene = Scene()
    one = our_port(scene.offer(PHONE))
    two = our_port(scene.answer(ICHAT))
    scene.reoffer(CALLER, sdp("192.0.2.10", 30_000, direction="sendonly"), "192.0.2.10")
    scene.drain()
    scene.die()
    assert scene.engine.deadline() == 2.0
    scene.update(CALLEE, sdp("192.0.2.20", 16_500))
    assert (scene.replies, scene.drain()) == ([], [])
    scene.say(Started(2))
    assert scene.drain() == [
        Open(1, CALLER, "192.0.2.1", two),
        Open(1, CALLEE, "192.0.2.1", one),
        Retarget(1, CALLER, ("192.0.2.10", 30_000), ("192.0.2.10", 30_001), Learning.NOTHING, 0.0),
        Adjust(1, CALLER, receives=False),
        Retarget(1, CALLEE, ("192.0.2.20", 16_500), ("192.0.2.20", 16_501), Learning.NOTHING, 0.0),
    ]
    assert (scene.replies, scene.engine.deadline()) == ([], None)
    scene.ask(MediaRelease())
    assert scene.drain() == [Close(1)]
    assert (scene.engine.open_sessions, scene.engine.ports_in_use) == (0, 0)


def test_the_next_worker_goes_on_where_the_last_one_was() -> None:
    scene = Scene()
    scene.talking()
    caller = PartySnapshot(counters=PartyCounters(received=7))
    callee = PartySnapshot(GateSnapshot(("192.0.2.20", 9), ("198.51.100.1", 9), 5.0))
    for snapshot in (Snapshot(1, callee, callee), Snapshot(1, caller, callee), Snapshot(9, callee, callee)):
        scene.say(snapshot)
    scene.die()
    scene.drain()
    scene.say(Started(2))
    orders = scene.drain()
    assert orders[2] == Restore(1, caller, callee)
    # Before anybody may be learnt.
    assert [type(order) for order in orders if not isinstance(order, Adjust)] == [
        Open,
        Open,
        Restore,
        *[Retarget] * 2,
    ]
    # The counters are not lost with a worker, either.
    scene.die()
    scene.ask(MediaRelease())
    assert scene.rest == [MediaOver("a", CallCounters(caller.counters, callee.counters))]


def test_worker_dies_and_no_other_comes_in_time() -> None:
    scene = Scene()
    scene.talking()
    scene.die()
    scene.wait(1.0)
    scene.die()  # nor could the next one be started
    scene.wait(1.0)
    (call, lost) = scene.replies.pop()
    assert call == "a"
    assert isinstance(lost, MediaLost)
    assert lost.ending.cause is Cause.MEDIA_FAILED
    assert lost.ending.text == "the relay worker is gone: killed"
    assert scene.rest == [MediaOver("a", None)]
    assert (scene.engine.open_sessions, scene.engine.ports_in_use, scene.engine.deadline()) == (0, 0, None)
    scene.ask(MediaRelease())
    assert scene.replies == []


def test_worker_dies_and_a_port_is_taken_meanwhile() -> None:
    scene = Scene()
    scene.opening_again()
    scene.ask(MediaUpdate(9, CALLER, PHONE))
    scene.replies.clear()
    scene.say(OpenFailed(1, CALLER, BindFault.PORT, "in use"))
    (_, lost) = scene.replies.pop()
    assert isinstance(lost, MediaLost)
    assert lost.ending.text == "a new relay worker cannot open its ports: in use"
    assert scene.drain()[-1] == Close(1)
    scene.say(Closed(1, PartyCounters(), PartyCounters()))
    assert scene.engine.ports_in_use == 0


def test_a_call_ends_while_a_new_worker_opens_its_ports() -> None:
    """What the worker says of them then is of no interest."""
    scene = Scene()
    scene.opening_again()
    scene.ask(MediaRelease())
    scene.replies.clear()
    scene.say(OpenFailed(1, CALLER, BindFault.PORT, "in use"))
    scene.say(Opened(1, CALLEE))
    assert (scene.replies, scene.drain()) == ([], [Close(1)])
    scene.say(Closed(1, PartyCounters(), PartyCounters()))
    assert (scene.engine.open_sessions, scene.engine.ports_in_use, scene.engine.deadline()) == (0, 0, None)


def test_worker_dies_before_a_call_has_any_port() -> None:
    """It waits for the next one, like a call that begins when there is none."""
    scene = Scene()
    scene.obedient = False
    scene.ask(MediaOffer(1, CALLER, PHONE, ""), "b")
    scene.die()
    scene.drain()
    scene.ask(MediaOffer(2, CALLER, PHONE, ""), "c")
    assert (scene.replies, scene.drain()) == ([], [])
    scene.obedient = True
    scene.say(Started(2))
    assert [(call, type(reply)) for call, reply in scene.replies] == [("b", MediaReady), ("c", MediaReady)]


def test_worker_dies_while_an_answer_waits_for_its_ports() -> None:
    scene = Scene()
    scene.offer(PHONE)
    scene.obedient = False
    scene.ask(MediaAnswer(2, CALLEE, ICHAT, ""))
    scene.ask(MediaUpdate(3, CALLER, PHONE))
    scene.die()
    scene.obedient = True
    scene.say(Started(2))
    assert [type(reply) for _, reply in scene.replies] == [MediaReady, MediaReady]
    assert scene.engine.deadline() is None

    scene.replies.clear()
    scene.offer_only("b")
    scene.ask(MediaAnswer(5, CALLEE, ICHAT, ""), "b")
    scene.ask(MediaUpdate(6, CALLER, PHONE), "b")
    scene.die()
    scene.replies.clear()
    scene.wait(2.0)
    assert [(call, type(reply)) for call, reply in scene.replies if call == "b"] == [
        ("b", MediaRefused),
        ("b", MediaRefused),
        ("b", MediaLost),
    ]


def test_each_call_is_on_one_of_the_workers() -> None:
    """On the one with the fewest calls; not on one that is being started while there is another."""
    scene = Scene(workers=2)
    scene.offer(PHONE, call="a")
    assert scene.busy() == [1, 0]
    scene.say(Started(2), worker=1)
    for call in "bcd":
        scene.offer(PHONE, call=call)
    assert scene.busy() == [2, 2]
    scene.answer(ICHAT, call="a")
    scene.die()
    scene.ask(MediaRelease(), "b")
    scene.offer(PHONE, call="e")
    assert scene.busy() == [2, 2]
    scene.drain()
    scene.say(Started(3))
    assert {order.session for order in scene.drain() if isinstance(order, Open)} == {1, 3}
    for call in "acde":
        scene.ask(MediaRelease(), call)
    assert scene.busy() == [0, 0]


def test_worker_dies_while_a_call_is_closed() -> None:
    scene = Scene()
    scene.offer(PHONE)
    scene.obedient = False
    scene.ask(MediaRelease())
    scene.die()
    assert (scene.replies, scene.engine.ports_in_use) == ([], 0)


def test_no_worker_comes() -> None:
    scene = Scene(up=False)
    scene.ask(MediaOffer(1, CALLER, PHONE, ""))
    scene.wait(2.0)
    assert scene.last_refusal().ending.cause is Cause.MEDIA_FAILED
    assert scene.engine.ports_in_use == 0
    assert scene.drain() == []


def test_a_worker_that_says_twice_that_it_has_started() -> None:
    scene = Scene()
    scene.offer(PHONE)
    scene.drain()
    scene.say(Started(1))
    assert scene.drain() == []


def test_released_before_the_worker_comes() -> None:
    scene = Scene(up=False)
    scene.ask(MediaOffer(1, CALLER, PHONE, ""))
    scene.ask(MediaRelease())
    assert (scene.engine.ports_in_use, scene.engine.deadline()) == (0, None)
    scene.say(Started(1))
    assert scene.drain() == []


def test_a_call_is_closing_when_its_worker_dies_and_others_go_on() -> None:
    scene = Scene(workers=2, up=False)
    scene.say(Started(1), 0)
    scene.say(Started(2), 1)
    scene.offer_only("a")
    scene.offer_only("b")
    scene.query("a", 1)
    scene.query("b", 2)
    scene.die(0)
    assert [s.query for s in scene.rest if isinstance(s, Statistics) and s.counters is None] == [1]
