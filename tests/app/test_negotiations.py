"""The connector dies while a client rings or waits: its successor tells the client."""

from app.world import COMPONENT, World
from ichat_gw.app.negotiations import WORTH_SAYING, Negotiations
from ichat_gw.call.leg import Answered, Refused
from ichat_gw.ipc.messages import (
    AcceptIChatCall,
    CancelIChatCall,
    ContinueIChatCall,
    InitiateIChatCall,
    NotifyIChatCallCancelled,
    NotifyIChatCallFailed,
    NotifyIChatCallProceeding,
    ProceedingIChatCall,
    RefuseIChatCall,
    RejectIChatCall,
    WithdrawIChatCall,
)

ALICE, MAC, BOOK = "alice@x", "alice@x/mac", "alice@x/book"
BOB, DIAL = "bob@gw", "5551234@gw"


def test_every_device_that_rings_is_to_be_told() -> None:
    negotiations = Negotiations()
    negotiations.tell(InitiateIChatCall(ALICE, BOB, "h"))
    negotiations.hear(NotifyIChatCallProceeding("h", MAC))
    negotiations.hear(NotifyIChatCallProceeding("h", BOOK))
    assert len(negotiations) == 1
    negotiations.connector_died(100.0)
    assert len(negotiations) == 0
    assert negotiations.connected(101.0) == [WithdrawIChatCall(MAC, BOB), WithdrawIChatCall(BOOK, BOB)]
    assert negotiations.connected(102.0) == []


def test_who_calls_is_to_be_told() -> None:
    negotiations = Negotiations()
    negotiations.tell(ProceedingIChatCall(DIAL, MAC, "r", "h"))
    negotiations.connector_died(100.0)
    negotiations.connector_died(101.0)
    assert negotiations.connected(102.0) == [RefuseIChatCall(DIAL, MAC)]


def test_after_a_while_nobody_waits_any_more() -> None:
    negotiations = Negotiations()
    negotiations.tell(ProceedingIChatCall(DIAL, MAC, "r", "h"))
    negotiations.connector_died(100.0)
    assert negotiations.connected(100.1 + WORTH_SAYING) == []


def test_what_came_to_its_end_needs_no_words() -> None:
    negotiations = Negotiations()
    for number, end in enumerate(
        (
            NotifyIChatCallFailed("0", 404),
            ContinueIChatCall("1", MAC, ""),
            CancelIChatCall(ALICE, BOB, "2"),
        )
    ):
        negotiations.tell(InitiateIChatCall(ALICE, BOB, str(number)))
        negotiations.hear(NotifyIChatCallProceeding(str(number), MAC))
        negotiations.tell(end)
        negotiations.hear(end)
        negotiations.hear(NotifyIChatCallProceeding(str(number), MAC))
    for number, end in enumerate(
        (
            AcceptIChatCall(DIAL, MAC, "0"),
            RejectIChatCall(DIAL, MAC, "1"),
            NotifyIChatCallCancelled("2"),
            CancelIChatCall(DIAL, MAC, "3"),
        )
    ):
        negotiations.tell(ProceedingIChatCall(DIAL, MAC, "r", str(number)))
        negotiations.tell(end)
        negotiations.hear(end)
    assert len(negotiations) == 0
    negotiations.connector_died(1.0)
    assert negotiations.connected(1.0) == []


def test_an_ichat_that_rings_is_cancelled_by_the_successor() -> None:
    world = World()
    world.alice.manner = "ignore"
    world.phone.dial("alice")
    world.run(1.0)
    world.connector_dies(back_after=2.0)
    world.run(1.0)
    (refused,) = world.heard_by(world.phone, Refused)
    assert isinstance(refused, Refused)
    assert refused.ending.status == 503
    assert world.vc_at(world.alice) == ["request"]
    world.run(2.0)
    assert world.vc_at(world.alice) == ["request", "cancel"]
    assert world.alice.stanzas[-1].get("from") == f"1555123456@{COMPONENT}"
    world.alice.manner = "answer"
    world.phone.dial("alice")
    world.run(2.0)
    assert world.heard_by(world.phone, Answered)
    world.phone.hang_up()
    world.run(130.0)
    assert world.left_over() == {}


def test_an_ichat_that_calls_is_refused_by_the_successor() -> None:
    world = World()
    world.phone.manner = "ring"
    world.alice.dial("5551234")
    world.run(1.0)
    world.connector_dies(back_after=2.0)
    world.run(5.0)
    assert world.vc_at(world.alice) == ["response"]
    response = world.alice.stanzas[-1][0]
    assert response.findtext("{apple:iq:vc:response}response") == "1"
    world.run(130.0)
    assert world.left_over() == {}


def test_a_negotiation_is_forgotten_with_its_call() -> None:
    world = World()
    world.phone.dial("alice")
    world.run(2.0)
    world.phone.hang_up()
    world.alice.dial("5551234")
    world.run(3.0)
    world.alice.give_up()
    world.run(130.0)
    assert len(world.gateway.negotiations) == 0
    assert world.left_over() == {}
