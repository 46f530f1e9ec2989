"""Users who come and go: registrations, what the connector says besides calls, names that SIP must escape."""

import pytest

from app.world import COMPONENT, IChat, World
from ichat_gw.addressing.jid import unescape_localpart
from ichat_gw.addressing.translation import TranslationRule, TranslationRules
from ichat_gw.app.events import FromConnector, Note, StopGateway
from ichat_gw.app.names import calling_user, is_viceroy, party_of
from ichat_gw.call.leg import Answered, Party
from ichat_gw.ipc.messages import (
    CheckSubscription,
    Hello,
    Log,
    Message,
    SendSubscriptionResponse,
    SipRegisterJabberUser,
    SipUnregisterJabberUser,
    Stop,
)
from ichat_gw.jabber.ichat.leg import ToConnector
from ichat_gw.jabber.presence import CONFIRM
from ichat_gw.sip.events import InviteReceived, Registered, RegistrationFailed

BOB = "bob@jabber.localhost"


@pytest.fixture
def world() -> World:
    return World()


def say(world: World, message: Message) -> list[Note]:
    """The connector says it; the notes that it leads to."""
    before = len(world.notes)
    world.gateway_hears(FromConnector(message))
    return world.notes[before:]


def registered(world: World) -> int:
    return world.gateway.user_agent.registrations


def test_a_user_is_registered_while_online(world: World) -> None:
    before = registered(world)
    say(world, SipRegisterJabberUser(BOB))
    say(world, SipRegisterJabberUser(BOB))
    assert registered(world) == before + 1
    say(world, SipUnregisterJabberUser(BOB))
    say(world, SipUnregisterJabberUser(BOB))
    world.run(100.0)
    assert registered(world) == before


def test_two_users_with_one_address_of_record() -> None:
    rules = TranslationRules([TranslationRule("^xmpp:", "sip:office@registrar.localhost")])
    world = World(rules=rules)
    say(world, SipRegisterJabberUser(BOB))
    assert registered(world) == 1
    say(world, SipUnregisterJabberUser("alice@jabber.localhost"))
    world.run(100.0)
    assert registered(world) == 1
    say(world, SipUnregisterJabberUser(BOB))
    world.run(100.0)
    assert registered(world) == 0


def test_a_user_without_a_rule_is_not_registered() -> None:
    world = World(rules=TranslationRules())
    (note,) = say(world, SipRegisterJabberUser(BOB))
    assert note.event == "user not registered"
    assert registered(world) == 0


def test_after_the_death_of_the_connector_those_who_stay_away_are_unregistered(world: World) -> None:
    say(world, SipRegisterJabberUser(BOB))
    world.connector_dies(back_after=1.0)
    world.run(1.0 + CONFIRM - 1.0)
    assert registered(world) == 2
    world.run(100.0)
    assert registered(world) == 1


def test_a_break_of_the_stream_unregisters_nobody_who_comes_back(world: World) -> None:
    world.stream_breaks(back_after=5.0)
    world.run(300.0)
    assert registered(world) == 1
    assert world.gateway.users.at("sip:alice@registrar.localhost") == "alice@jabber.localhost"


def test_a_break_of_the_stream_unregisters_who_does_not_come_back(world: World) -> None:
    world.stream_breaks(back_after=5.0)
    del world.ichats[world.alice.jid]
    world.run(5.0 + CONFIRM - 1.0)
    assert registered(world) == 1
    world.run(100.0)
    assert registered(world) == 0


def test_a_second_death_does_not_unregister_everybody(world: World) -> None:
    """Who is online is told only over a connection: without one nobody can be told to be there."""
    say(world, SipRegisterJabberUser(BOB))
    world.connector_dies(back_after=1.0)
    world.run(2.0)
    world.connector_dies(back_after=300.0)
    world.run(200.0)
    assert registered(world) == 2
    del world.ichats[world.alice.jid]
    world.run(300.0)
    assert registered(world) == 0


def test_all_users_are_unregistered_by_a_stop(world: World) -> None:
    for number in range(200):
        say(world, SipRegisterJabberUser(f"user{number}@jabber.localhost"))
    world.gateway_hears(StopGateway())
    say(world, SipRegisterJabberUser(BOB))
    world.run(200.0)
    assert registered(world) == 0
    assert len(world.gateway.users) == 0


def test_the_connector_hears_of_a_stop_before_thousands_are_unregistered(world: World) -> None:
    for number in range(200):
        say(world, SipRegisterJabberUser(f"user{number}@jabber.localhost"))
    world.run(10.0)
    commands = world.gateway.receive(StopGateway(), world.now)
    assert commands[0] == ToConnector(Stop())
    assert len(commands) > 50


def test_a_call_to_a_contact_that_we_registered_means_that_user(world: World) -> None:
    world.gateway.user_agent.aor_of = (  # type: ignore[method-assign]
        lambda uri: "sip:alice@registrar.localhost" if "whoever" in uri else None
    )
    world.phone.dial("whoever-the-registrar-writes")
    world.run(2.0)
    assert world.heard_by(world.phone, Answered)
    # The registrar has a Contact of a user who has left.
    say(world, SipUnregisterJabberUser("alice@jabber.localhost"))
    world.phone.dial("whoever-the-registrar-writes", caller="2")
    world.run(2.0)
    world.phone.hang_up()
    world.run(300.0)
    assert world.left_over() == {}


def test_the_outcome_of_a_registration_is_noted(world: World) -> None:
    gateway = world.gateway
    gateway.work.push(None, [Registered("sip:a@b", 60), Registered("sip:a@b", 0)])
    gateway.work.push(None, [RegistrationFailed("sip:a@b", 403, "no", 12.4)])
    notes = [command for command in gateway._finish() if isinstance(command, Note)]
    assert [note.event for note in notes] == ["registered", "un-registered", "registration failed"]
    assert dict(notes[2].fields)["retry_in"] == 12


def test_the_connectors_log_lines_keep_their_level(world: World) -> None:
    assert say(world, Log("ERR", "disk full")) == [Note("ERR", "connector", None, (("text", "disk full"),))]


def test_a_message_that_is_not_the_connectors_to_send(world: World) -> None:
    (note,) = say(world, Hello(1))
    assert note.level == "WARNING"


@pytest.mark.parametrize(("to", "allowed"), [(f"5551234@{COMPONENT}", True), (BOB, True), ("x@else", False)])
def test_who_may_be_subscribed_to(world: World, to: str, allowed: bool) -> None:
    say(world, CheckSubscription(to, BOB))
    assert world.said[-1] == SendSubscriptionResponse(to, BOB, allowed)


@pytest.mark.parametrize(
    ("jid", "uri"),
    [
        ("alice@jabber.localhost", "sip:alice@jabber.localhost"),
        ("o\\27malley@jabber.localhost", "sip:o'malley@jabber.localhost"),
        ("jürgen@jabber.localhost", "sip:j%C3%BCrgen@jabber.localhost"),
        ("a%b#c@jabber.localhost", "sip:a%25b%23c@jabber.localhost"),
        ("alice@jübber.localhost", "sip:anonymous@anonymous.invalid"),
        ("jabber.localhost", "sip:jabber.localhost"),
    ],
)
def test_every_user_can_be_a_caller(jid: str, uri: str) -> None:
    assert party_of(jid) == Party(uri, unescape_localpart(jid.partition("@")[0]))


@pytest.mark.parametrize("local", ["o\\27malley", "jürgen", "a%b"])
def test_a_user_whose_name_sip_must_escape_calls_a_phone(world: World, local: str) -> None:
    ichat = IChat(world, f"{local}@jabber.localhost/iChat", ("127.0.1.9", 16402))
    ichat.presence()
    world.run(1.0)
    ichat.dial("5551234")
    world.run(2.0)
    (invite,) = [event for event in world.phone.heard if isinstance(event, InviteReceived)]
    assert invite.from_name == unescape_localpart(local)
    assert world.heard_by(ichat, Answered)
    ichat.hang_up()
    world.run(130.0)
    assert world.left_over() == {}


@pytest.mark.parametrize(
    ("address", "user"),
    [
        ("sip:15551234567@phones", "1555123456"),
        ("sip:bob@phones;user=phone", "bob"),
        ("sip:phones", "anonymous"),
        ("sip:%20@phones", "anonymous"),
        ("sip:o'malley@phones", "o\\27malley"),
        ("sip:j%C3%BCrgen@phones", "jürgen"),
        ("xmpp:o\\27malley@jabber.localhost/x", "o\\27malley"),
        ("tel:+15551234567;phone-context=x", "+155512345"),
        ("xmpp:alice@jabber.localhost/x", "alice"),
        ("xmpp:<&'\"/: @>@x", "\\3c\\26\\27"),
        ("", "anonymous"),
    ],
)
def test_the_user_part_that_calls_ichat(address: str, user: str) -> None:
    assert calling_user(address) == user


def test_ichats_sip_stack_is_recognised_by_its_name() -> None:
    assert is_viceroy("Viceroy 1.4.1")
    assert not is_viceroy("sipp/Viceroy")


@pytest.mark.parametrize("host", ["127.0.0.1", "GW.Example.COM"])
def test_an_invite_to_a_name_of_our_own_is_for_whom_its_to_says(host: str) -> None:
    """A host name is the same in capitals (RFC 3261 section 19.1.4)."""
    rules = TranslationRules([TranslationRule(r"^sip:boss@", "xmpp:alice@jabber.localhost")])
    world = World(rules=rules)
    world.gateway.callees.local_hosts |= {"gw.example.com"}

    def rewritten(data: bytes) -> bytes:
        if data.startswith(b"INVITE"):
            data = data.replace(b"INVITE sip:x@127.0.0.1:5070", b"INVITE sip:x@" + host.encode())
            return data.replace(b"To: <sip:x@127.0.0.1:5070>", b"To: <sip:boss@company.example>")
        return data

    world.phone.outgoing = rewritten  # type: ignore[method-assign]
    world.phone.dial("x")
    world.run(3.0)
    assert world.vc_at(world.alice) == ["request"]
