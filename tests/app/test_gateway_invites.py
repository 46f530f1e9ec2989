"""Which call an INVITE from an iChat belongs to, when there is more than one that it could be."""

import pytest

from app.world import IChat, World
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import Answered, End, Ended, Party, Place, Refused


@pytest.fixture
def world() -> World:
    return World()


def endings(world: World) -> list[str]:
    return [str(dict(note.fields)["cause"]) for note in world.notes if note.event == "call over"]


def void_call(world: World, ichat: IChat) -> None:
    """The phone answers and hangs up before the client has sent its INVITE, which then never comes."""
    world.phone.answer_after = 0.1
    respond, ichat._responded = ichat._responded, lambda query: None  # type: ignore[method-assign]
    ichat.dial("5551234")
    world.run(0.5)
    world.phone.hang_up()
    world.run(0.5)
    ichat._responded = respond  # type: ignore[method-assign]
    assert world.vc_at(ichat) == ["response", "cancel"]


def test_a_client_that_calls_again_soon_after_a_call_that_came_to_nothing(world: World) -> None:
    """Both calls claim its INVITE, by the same names and address; the one that waits for it gets it."""
    void_call(world, world.alice)
    world.alice.dial("5551234")
    world.run(3.0)
    assert world.heard_by(world.alice, Answered)
    assert len(world.phone.live) == 1
    world.alice.hang_up()
    world.run(130.0)
    assert endings(world) == ["HANGUP", "HANGUP"]
    assert world.left_over() == {}


def test_an_invite_of_a_void_call_is_not_taken_for_a_neighbours(world: World) -> None:
    """Two clients of one user behind one address: the port tells whose INVITE it is."""
    laptop = IChat(world, "alice@jabber.localhost/Laptop", ("127.0.1.1", 16403))
    laptop.presence()
    world.run(1.0)
    void_call(world, world.alice)
    respond, laptop._responded = laptop._responded, lambda query: None  # type: ignore[method-assign]
    laptop.dial("5551234")
    world.run(0.5)
    # Now the INVITE of the first call comes after all.
    party = Party("sip:user@127.0.1.1:16402", world.alice.bare)
    world.alice.call(Place("sip:user@127.0.0.1:5070", party, world.alice.sdp, "user", pinned=True))
    world.run(1.0)
    (refused,) = world.heard_by(world.alice, Refused)
    assert isinstance(refused, Refused)
    assert refused.ending.status == 487
    assert len(world.phone.live) == 1
    party = Party("sip:user@127.0.1.1:16403", laptop.bare)
    laptop.call(Place("sip:user@127.0.0.1:5070", party, laptop.sdp, "user", pinned=True))
    world.run(1.0)
    assert world.heard_by(laptop, Answered)
    laptop._responded = respond  # type: ignore[method-assign]
    laptop.hang_up()
    world.run(130.0)
    assert world.left_over() == {}


def test_a_late_invite_of_a_void_call_dials_nothing(world: World) -> None:
    void_call(world, world.alice)
    before = len(world.phone.heard)
    party = Party("sip:user@127.0.1.1:16402", world.alice.bare)
    world.alice.call(Place("sip:user@127.0.0.1:5070", party, world.alice.sdp, "user", pinned=True))
    world.run(130.0)
    (refused,) = world.heard_by(world.alice, Refused)
    assert isinstance(refused, Refused)
    assert refused.ending.status == 487
    assert len(world.phone.heard) == before
    assert world.left_over() == {}


def test_a_client_that_gives_up_and_calls_again_at_once(world: World) -> None:
    world.phone.manner = "ring"
    world.alice.dial("5551234")
    world.run(1.0)
    world.alice.give_up()
    world.phone.manner = "answer"
    world.alice.dial("5551234")
    world.run(3.0)
    assert len(world.heard_by(world.alice, Answered)) == 1
    assert endings(world) == ["CANCELLED"]
    world.alice.hang_up()
    world.run(130.0)
    assert world.left_over() == {}


def test_the_phone_hangs_up_while_ichats_invite_is_being_answered(world: World) -> None:
    world.phone.answer_after = 0.0
    world.alice.dial("5551234")
    while not world.alice.live:
        world.run(0.0005)
    for session in sorted(world.phone.live):
        world.phone.tell(session, End(Ending(Cause.HANGUP)))
    world.run(130.0)
    assert not world.alice.live
    assert endings(world) == ["HANGUP"]
    assert world.left_over() == {}


def test_a_stranger_with_ichats_names_gets_no_part_of_its_call(world: World) -> None:
    """Same names, another machine: refused, and the call goes on."""
    world.alice.dial("5551234")
    world.run(2.0)
    mallory = IChat(world, "mallory@jabber.localhost/x", ("127.0.6.6", 16402))
    mallory._called = world.alice._called
    party = Party("sip:user@127.0.6.6:16402", world.alice.bare)
    mallory.call(Place("sip:user@127.0.0.1:5070", party, mallory.sdp, "user", pinned=True))
    world.run(2.0)
    assert world.heard_by(mallory, Refused)
    assert len(world.gateway.calls) == 1
    world.phone.hang_up()
    world.run(130.0)
    assert world.heard_by(world.alice, Ended)
    assert world.left_over() == {}
