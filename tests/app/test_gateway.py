"""The whole gateway in memory: the seven flows of the original's manual, and what can go wrong with them."""

import pytest

from app.world import COMPONENT, IChat, World
from ichat_gw.addressing.translation import TranslationRule, TranslationRules
from ichat_gw.app.events import StopGateway
from ichat_gw.call.cause import Cause
from ichat_gw.call.leg import Answered, Ended, Party, Place, Rang, Refused


@pytest.fixture
def world() -> World:
    return World()


def endings(world: World) -> list[str]:
    """The causes of the calls that are over, in order."""
    return [str(dict(note.fields)["cause"]) for note in world.notes if note.event == "call over"]


def test_sip_calls_ichat_and_hangs_up(world: World) -> None:
    world.phone.dial("alice")
    world.run(2.0)
    assert [type(e) for e in world.phone.heard] == [Rang, Answered]
    assert world.vc_at(world.alice) == ["request"]
    assert len(world.gateway.calls) == 1
    world.phone.hang_up()
    world.run(130.0)
    assert world.heard_by(world.alice, Ended)
    assert endings(world) == ["HANGUP"]
    assert world.left_over() == {}


def test_ichat_calls_sip_and_hangs_up(world: World) -> None:
    world.alice.dial("5551234")
    world.run(2.0)
    assert world.vc_at(world.alice) == ["response"]
    assert world.heard_by(world.alice, Answered)
    assert world.phone.live
    world.alice.hang_up()
    world.run(130.0)
    assert world.heard_by(world.phone, Ended)
    assert endings(world) == ["HANGUP"]
    assert world.left_over() == {}


@pytest.mark.parametrize(
    ("status", "cause"), [(404, "NOT_FOUND"), (486, "BUSY"), (603, "DECLINED"), (500, "REJECTED")]
)
def test_ichat_calls_sip_and_is_refused(world: World, status: int, cause: str) -> None:
    world.phone.manner = status
    world.alice.dial("5551234")
    world.run(130.0)
    assert world.vc_at(world.alice) == ["response"]
    assert not world.alice.heard
    assert endings(world) == [cause]
    assert world.left_over() == {}


def test_ichat_calls_sip_and_gives_up_while_it_rings(world: World) -> None:
    world.phone.manner = "ring"
    world.alice.dial("5551234")
    world.run(1.0)
    world.alice.give_up()
    world.run(1.0)
    assert [type(e) for e in world.heard_by(world.phone, Ended)] == [Ended]
    assert world.wire["CANCEL"] == 1
    assert world.wire["487"] == 1
    world.run(130.0)
    assert world.left_over() == {}


def test_sip_calls_somebody_who_is_not_there(world: World) -> None:
    world.phone.dial("nobody")
    world.run(130.0)
    (refused,) = world.heard_by(world.phone, Refused)
    assert isinstance(refused, Refused)
    assert refused.ending.status == 408
    assert world.left_over() == {}


def test_sip_calls_ichat_and_is_declined(world: World) -> None:
    world.alice.manner = "decline"
    world.phone.dial("alice")
    world.run(130.0)
    (refused,) = world.heard_by(world.phone, Refused)
    assert isinstance(refused, Refused)
    assert refused.ending.status == 603
    assert endings(world) == ["DECLINED"]
    assert world.left_over() == {}


def test_sip_calls_ichat_and_gives_up_while_it_rings(world: World) -> None:
    world.alice.manner = "ignore"
    session = world.phone.dial("alice")
    world.run(1.0)
    assert session in world.phone.live
    world.phone.hang_up()
    world.run(130.0)
    assert world.vc_at(world.alice) == ["request", "cancel"]
    assert endings(world) == ["CANCELLED"]
    assert world.left_over() == {}


def test_an_ichat_that_accepts_and_is_busy_then(world: World) -> None:
    world.alice.manner = "busy"
    world.phone.dial("alice")
    world.run(130.0)
    (refused,) = world.heard_by(world.phone, Refused)
    assert isinstance(refused, Refused)
    assert refused.ending.status == 486
    assert world.left_over() == {}


def test_nobody_answers(world: World) -> None:
    world.alice.manner = "ignore"
    world.phone.dial("alice")
    world.run(179.0)
    assert len(world.gateway.calls) == 1
    world.run(130.0)
    (refused,) = world.heard_by(world.phone, Refused)
    assert isinstance(refused, Refused)
    assert refused.ending.status == 480
    assert world.vc_at(world.alice) == ["request", "cancel"]
    assert world.left_over() == {}


def test_a_late_offer(world: World) -> None:
    world.phone.dial("alice", offer=False)
    world.run(2.0)
    assert any(isinstance(e, Answered) and "m=audio" in e.sdp for e in world.phone.heard)
    world.phone.hang_up()
    world.run(130.0)
    assert world.left_over() == {}


def test_the_caller_of_ichat_is_cut_to_ten_characters(world: World) -> None:
    world.phone.dial("alice", caller="averylongusername")
    world.run(2.0)
    assert world.alice.stanzas[-1].get("from") == f"averylongu@{COMPONENT}"


def test_no_rule_matches() -> None:
    world = World(rules=TranslationRules())
    world.phone.dial("alice")
    world.alice.dial("5551234")
    world.run(130.0)
    (refused,) = world.heard_by(world.phone, Refused)
    assert isinstance(refused, Refused)
    assert refused.ending.status == 404
    assert world.vc_at(world.alice) == ["response"]
    assert world.left_over() == {}


@pytest.mark.parametrize("output", ["sip:other@127.0.0.2", "$1", "xmpp:@@"])
def test_a_rule_that_leads_nowhere_a_call_from_sip_may_go(output: str) -> None:
    world = World(rules=TranslationRules([TranslationRule("^sip:(.*)@", output)]))
    world.phone.dial("alice")
    world.run(130.0)
    (refused,) = world.heard_by(world.phone, Refused)
    assert isinstance(refused, Refused)
    assert refused.ending.status in (403, 404)
    assert world.left_over() == {}


def test_an_invite_from_ichat_that_nobody_negotiated_is_not_believed(world: World) -> None:
    """Anybody can call himself Viceroy and write names; that dials nothing at the phone system."""
    world.alice._called = f"5551234@{COMPONENT}"
    party = Party("sip:user@127.0.1.1:16402", "alice@jabber.localhost")
    world.alice.call(Place("sip:user@127.0.0.1:5070", party, world.alice.sdp, "user", pinned=True))
    world.run(130.0)
    assert world.phone.heard == []
    (refused,) = world.heard_by(world.alice, Refused)
    assert isinstance(refused, Refused)
    assert refused.ending.status == 603
    assert world.left_over() == {}


def test_ichats_invite_from_another_address_than_it_named(world: World) -> None:
    """The negotiated call is not handed to a stranger who knows both names."""
    world.alice.dial("5551234")
    world.alice.address, real = ("127.0.9.9", 16402), world.alice.address
    world.parties[world.alice.address] = world.alice
    world.run(5.0)
    assert not world.heard_by(world.alice, Answered)
    world.alice.address = real
    world.run(100.0)
    assert endings(world) == ["TIMEOUT"]
    assert world.heard_by(world.phone, Ended)
    assert world.left_over() == {}


def test_the_port_range_is_exhausted() -> None:
    world = World(port_range=(8000, 8001))
    world.phone.dial("alice")
    world.run(130.0)
    (refused,) = world.heard_by(world.phone, Refused)
    assert isinstance(refused, Refused)
    assert refused.ending.status == 503
    assert world.vc_at(world.alice) == []
    assert world.left_over() == {}


def test_the_connector_dies_while_a_call_is_negotiated_and_a_new_call_works(world: World) -> None:
    world.alice.manner = "ignore"
    world.phone.dial("alice")
    world.run(1.0)
    world.connector_dies()
    world.run(0.5)
    (refused,) = world.heard_by(world.phone, Refused)
    assert isinstance(refused, Refused)
    assert refused.ending.status == 503
    world.phone.dial("alice")
    world.run(0.2)
    assert len(world.heard_by(world.phone, Refused)) == 2  # nobody to negotiate with yet
    world.run(5.0)
    world.alice.manner = "answer"
    world.phone.dial("alice")
    world.run(5.0)
    assert world.heard_by(world.phone, Answered)
    world.phone.hang_up()
    world.run(130.0)
    assert world.left_over() == {}


@pytest.mark.parametrize("who", ["phone", "alice"])
def test_an_established_call_survives_the_connector(world: World, who: str) -> None:
    world.phone.dial("alice")
    world.run(2.0)
    world.connector_dies()
    world.run(200.0)
    assert len(world.gateway.calls) == 1
    {"phone": world.phone, "alice": world.alice}[who].hang_up()
    world.run(130.0)
    assert endings(world) == ["HANGUP"]
    assert world.left_over() == {}


def test_the_gateway_is_stopped(world: World) -> None:
    world.phone.dial("alice")
    world.run(2.0)
    world.alice.manner = "ignore"
    world.phone.dial("alice", caller="2")
    world.run(1.0)
    world.gateway_hears(StopGateway())
    world.run(1.0)
    assert world.heard_by(world.phone, Ended)
    assert world.heard_by(world.alice, Ended)
    assert world.heard_by(world.phone, Refused)
    assert world.vc_at(world.alice)[-1] == "cancel"
    assert world.said_kinds()[-1] == "Stop" or "Stop" in world.said_kinds()
    world.phone.dial("alice", caller="3")
    world.run(130.0)
    assert len(world.heard_by(world.phone, Refused)) == 2
    assert world.left_over() == {}
    assert set(endings(world)) == {Cause.SHUTDOWN.name}


def test_two_calls_between_the_same_two_people_do_not_collide(world: World) -> None:
    world.alice.answer_after = 2.0
    world.phone.dial("alice")
    world.run(0.5)
    world.phone.dial("alice")
    world.run(1.0)
    (refused,) = world.heard_by(world.phone, Refused)
    assert isinstance(refused, Refused)
    assert refused.ending.status == 486
    world.run(5.0)
    assert len(world.heard_by(world.phone, Answered)) == 1
    world.phone.hang_up()
    world.run(130.0)
    assert world.left_over() == {}


def test_two_devices_of_a_user_call_the_same_number_at_once(world: World) -> None:
    other = IChat(world, "alice@jabber.localhost/Laptop", ("127.0.1.2", 16402))
    other.presence()
    world.run(1.0)
    world.alice.dial("5551234")
    other.dial("5551234")
    world.run(3.0)
    assert len(world.phone.live) == 2
    world.alice.hang_up()
    world.run(130.0)
    assert len(world.phone.live) == 1
    assert len(world.gateway.calls) == 1
    other.hang_up()
    world.run(130.0)
    assert world.left_over() == {}


def test_the_gateway_is_stopped_before_its_answer_is_acknowledged(world: World) -> None:
    """BYE may not be said before the ACK (RFC 3261 15), so the gateway must not leave before it."""
    world.phone.dial("alice")
    world.run(0.302)
    while not world.wire["200"] or not world.heard_by(world.phone, Answered):
        world.run(0.0001)
    world.gateway_hears(StopGateway())
    assert not world.gateway.idle
    world.run(1.0)
    assert world.gateway.idle
    assert world.heard_by(world.phone, Ended)
    assert world.wire["BYE"] == 2
