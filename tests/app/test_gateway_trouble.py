"""The relay dies, words come too late, and what is said makes no sense."""

import pytest

from app.world import COMPONENT, World
from ichat_gw.addressing.translation import TranslationRule, TranslationRules
from ichat_gw.app.events import ConnectorDied, FromConnector, StopGateway
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import Answered, Ended, Refused
from ichat_gw.call.media import MediaReady
from ichat_gw.ipc.messages import (
    ContinueIChatCall,
    InitiateIChatCall,
    NotifyIChatCallCancelled,
    NotifyIChatCallFailed,
    NotifyIChatCallProceeding,
    NotifyIChatCallRequest,
    ProceedingIChatCall,
    RejectIChatCall,
)
from ichat_gw.jabber.ichat.blob import encode
from ichat_gw.jabber.ichat.leg import ToConnector
from ichat_gw.media.engine import ToCall
from ichat_gw.sip.events import FromSession, SessionGone


@pytest.fixture
def world() -> World:
    return World()


def endings(world: World) -> list[str]:
    return [str(dict(note.fields)["cause"]) for note in world.notes if note.event == "call over"]


def test_the_relay_dies_while_the_parties_talk(world: World) -> None:
    world.phone.dial("alice")
    world.run(2.0)
    world.relay_dies(back_after=1.0)
    world.run(3.0)
    assert endings(world) == []  # another one has its ports
    world.relay_dies(back_after=2.5)
    world.run(4.0)
    assert world.heard_by(world.phone, Ended)
    assert world.heard_by(world.alice, Ended)
    assert endings(world) == ["MEDIA_FAILED"]
    world.phone.dial("alice", caller="2")
    world.run(2.0)
    assert len(world.heard_by(world.phone, Answered)) == 2
    world.phone.hang_up()
    world.run(130.0)
    assert world.left_over() == {}


def test_the_relay_dies_while_ichat_is_alerted(world: World) -> None:
    """She has no ports yet, and gets those of the next one when she accepts."""
    world.phone.dial("alice")
    world.run(0.1)
    assert world.vc_at(world.alice) == ["request"]
    world.relay_dies(back_after=0.5)
    world.run(3.0)
    assert world.heard_by(world.phone, Answered)
    world.phone.hang_up()
    world.run(130.0)
    assert world.left_over() == {}


def test_ichat_accepts_and_no_relay_comes_back(world: World) -> None:
    world.phone.dial("alice")
    world.run(0.1)
    world.relay_dies(back_after=5.0)
    world.run(3.0)
    (refused,) = world.heard_by(world.phone, Refused)
    assert isinstance(refused, Refused)
    assert refused.ending.status == 500
    assert world.vc_at(world.alice) == ["request", "cancel"]
    world.run(130.0)
    assert world.left_over() == {}


def test_a_call_waits_for_a_relay_that_is_being_started(world: World) -> None:
    world.relay_dies(back_after=0.5)
    world.phone.dial("alice")
    world.run(3.0)
    assert world.heard_by(world.phone, Answered)
    world.phone.hang_up()
    world.run(130.0)
    assert world.left_over() == {}


@pytest.mark.parametrize("moment", [0.0, 0.001, 0.002, 0.003, 0.1, 0.31, 0.32, 0.33])
def test_connector_and_relay_die_at_any_moment_of_a_call(world: World, moment: float) -> None:
    world.phone.dial("alice")
    world.run(moment)
    world.connector_dies(0.5)
    world.relay_dies(0.5)
    world.run(150.0)
    if world.heard_by(world.phone, Answered) and not world.heard_by(world.phone, Ended):
        world.phone.hang_up()  # both came back in time
    else:
        assert world.heard_by(world.phone, Refused | Ended)  # type: ignore[arg-type]
    world.run(150.0)
    assert world.left_over() == {}


def test_words_for_what_is_over_change_nothing(world: World) -> None:
    gateway = world.gateway
    gateway.work.push(None, [ToCall("n-99", MediaReady(1, "")), FromSession(99, Ended(Ending(Cause.HANGUP)))])
    gateway.work.push(None, [SessionGone(99)])
    assert gateway._finish() == [SessionGone(99)]
    before = len(world.said)
    for message in (
        NotifyIChatCallProceeding("n-99", "a@b/c"),
        ContinueIChatCall("n-99", "a@b/c", "00"),
        NotifyIChatCallFailed("n-99", 404),
        NotifyIChatCallCancelled("n-99"),
    ):
        world.gateway_hears(FromConnector(message))
    assert world.said[before:] == []


def test_words_meant_for_the_other_leg_change_nothing(world: World) -> None:
    world.phone.dial("alice")
    world.run(2.0)
    (handle,) = world.gateway.calls.live
    world.gateway_hears(FromConnector(NotifyIChatCallCancelled(handle)))
    world.run(1.0)
    assert len(world.gateway.calls) == 1
    world.phone.hang_up()
    world.run(130.0)
    assert world.left_over() == {}


def test_a_command_that_nobody_obeys_is_a_bug(world: World) -> None:
    world.gateway.work.push(None, [object()])
    with pytest.raises(AssertionError, match="nobody is there"):
        world.gateway._finish()


@pytest.mark.parametrize("blob", ["", "zz", "62706c697374303", encode([])])
def test_a_request_without_usable_addresses_is_refused(world: World, blob: str) -> None:
    """The connector refuses it before; a gateway that believes that is one bug away from a call to nobody."""
    request = NotifyIChatCallRequest(f"5551234@{COMPONENT}", world.alice.jid, "r9", blob)
    world.gateway_hears(FromConnector(request))
    proceeding, rejected = world.said[-2:]
    assert isinstance(proceeding, ProceedingIChatCall)
    assert isinstance(rejected, RejectIChatCall)
    assert proceeding.handle == rejected.handle
    assert not world.gateway.calls.live
    assert world.phone.heard == []


def test_a_request_uri_with_a_host_of_others_is_whom_the_call_is_for() -> None:
    rules = TranslationRules([TranslationRule(r"^sip:(.*)@company\.example$", "xmpp:$1@jabber.localhost")])
    world = World(rules=rules)
    world.phone.outgoing = lambda data: data.replace(  # type: ignore[method-assign]
        b"INVITE sip:alice@127.0.0.1:5070", b"INVITE sip:alice@company.example"
    )
    world.phone.dial("alice")
    world.run(2.0)
    assert world.vc_at(world.alice) == ["request"]


def test_a_call_that_is_negotiated_with_nobody_there(world: World) -> None:
    """The connector dies between the INVITE and the offer: the request to it is lost, and is answered so."""
    world.phone.dial("alice")
    world.run(0.0015)
    (handle,) = world.gateway.calls.live
    world.gateway.receive(ConnectorDied(), world.now)
    world.run(0.001)
    assert any(isinstance(message, InitiateIChatCall) for message in world.said)
    world.gateway_hears(FromConnector(NotifyIChatCallFailed(handle, 503, "not running")))
    world.run(1.0)
    (refused,) = world.heard_by(world.phone, Refused)
    assert isinstance(refused, Refused)
    assert refused.ending.status == 503


@pytest.mark.parametrize("moment", [0.0, 0.001, 0.0015, 0.002, 0.01, 0.31, 0.5, 0.52, 2.0])
@pytest.mark.parametrize("who", ["phone", "alice"])
def test_the_gateway_is_stopped_at_any_moment_of_a_call(who: str, moment: float) -> None:
    """`Stop` is the last word to the connector: what it should still tell iChat goes before."""
    world = World()
    if who == "phone":
        world.phone.dial("alice")
    else:
        world.alice.dial("5551234")
    world.run(moment)
    commands = world.gateway.receive(StopGateway(), world.now)
    words = [command for command in commands if isinstance(command, ToConnector)]
    assert type(words[-1].message).__name__ == "Stop"
    world._gateway_does(commands)
    world.run(200.0)
    assert not world.phone.live
    assert not world.alice.live
    assert world.left_over() == {}
    assert set(endings(world)) <= {"SHUTDOWN"}


def test_the_timer_of_a_forgotten_call_is_not_set_again(world: World) -> None:
    """What a bridge has still to say to its legs is passed on after its call is forgotten."""
    world.phone.dial("alice")
    world.run(2.0)
    (call,) = world.gateway.calls.live.values()
    world.phone.hang_up()
    world.run(130.0)
    call.bridge._give_up_at = world.now + 1.0
    world.gateway.calls.touch(call)
    world.run(10.0)
    assert world.left_over() == {}


@pytest.mark.parametrize("patient", [True, False])
def test_an_ichat_that_accepts_and_cannot_be_reached_by_sip(world: World, patient: bool) -> None:
    """It is told over XMPP that nothing will come, whether its caller waits for the end or not."""
    del world.parties[world.alice.address]
    world.phone.dial("alice")
    world.run(2.0)
    if not patient:
        world.phone.hang_up()
    world.run(400.0)
    assert world.vc_at(world.alice) == ["request", "cancel"]
    assert endings(world) == ["TIMEOUT" if patient else "CANCELLED"]
    assert world.left_over() == {}


def test_a_trace_knows_which_call_a_session_belongs_to(world: World) -> None:
    gateway = world.gateway
    world.phone.dial("alice")
    world.run(2.0)
    (handle,) = gateway.calls.live
    assert {gateway.call_of(session) for session in gateway.calls._of_session} == {handle}
    assert gateway.call_of(None) == ""
    assert gateway.call_of(99) == ""


def test_a_stopping_gateway_waits_for_answers(world: World) -> None:
    world.phone.dial("alice")
    world.run(2.0)
    assert world.gateway.idle
    world.gateway_hears(StopGateway())
    assert not world.gateway.idle
    world.run(1.0)
    assert world.gateway.idle
