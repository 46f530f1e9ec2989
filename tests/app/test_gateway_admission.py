"""Who may call, in the whole gateway: who is heard, who is turned away, and that what has begun goes on."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from app.world import GATEWAY, SipParty, World
from ichat_gw.addressing.translation import TranslationRule, TranslationRules
from ichat_gw.app.events import Note
from ichat_gw.call.admission import Limits
from ichat_gw.call.destinations import Destinations
from ichat_gw.call.leg import Answered, Ended, Party, Place, Rang, Refused
from ichat_gw.sip.events import Flow, InviteReceived, Received

PHONES_ONLY = (ip_network("127.0.0.0/30"),)
"""The phone at 127.0.0.2, and not the iChat client at 127.0.1.1."""


class Flooder(SipParty):
    """Calls alice from an address of its own, as often as it is told to."""

    def __init__(self, world: World, address: str = "127.0.0.9") -> None:
        super().__init__(world, (address, 5060), "flooder")

    def floods(self, times: int, user: str = "alice") -> None:
        for _ in range(times):
            caller = Party(f"sip:f{next(self.world.numbers)}@{self.address[0]}")
            self.call(Place(f"sip:{user}@{GATEWAY[0]}:{GATEWAY[1]}", caller, self.sdp))

    def invited(self, invite: InviteReceived) -> None:
        raise AssertionError("nobody calls it")

    def statuses(self) -> list[int | None]:
        return [event.ending.status for event in self.heard if isinstance(event, Refused)]


def turned_away(world: World) -> list[tuple[str, str]]:
    notes: list[Note] = [note for note in world.notes if note.event == "turned away"]
    return [(str(dict(note.fields)["setting"]), str(dict(note.fields)["source"])) for note in notes]


def settle(world: World) -> None:
    for party in world.parties.values():
        party.hang_up()
    world.run(400.0)
    assert world.left_over() == {}


# --- networks ---------------------------------------------------------------------------------------------


def test_from_elsewhere_nothing_is_answered_and_it_is_counted() -> None:
    world = World(limits=Limits(networks=PHONES_ONLY))
    stranger = Flooder(world)
    stranger.floods(1)
    world.run(5.0)
    assert stranger.heard == []
    assert world.gateway.user_agent.transactions == 0
    assert set(turned_away(world)) == {("AllowedSIPNetworks", "127.0.0.9")}
    assert world.gateway.admission.refused["AllowedSIPNetworks"] == world.wire["INVITE"] > 1
    world.phone.dial("alice")
    world.run(3.0)
    assert world.heard_by(world.phone, Answered)
    settle(world)


@pytest.mark.parametrize("who_calls", ["phone", "alice"])
def test_an_ichat_client_is_heard_while_there_is_a_call_with_it(who_calls: str) -> None:
    world = World(limits=Limits(networks=PHONES_ONLY))
    if who_calls == "phone":
        world.phone.dial("alice")
    else:
        world.alice.dial("5551234")
    world.run(3.0)
    assert len(world.gateway.calls) == 1
    assert world.gateway.admission.expected == 1
    world.alice.hang_up()
    world.run(1.0)
    assert world.heard_by(world.phone, Ended)
    settle(world)
    assert world.gateway.admission.hears(world.alice.address[0], world.now) is not None


def test_who_is_heard_only_as_a_client_may_not_call_of_its_own_accord() -> None:
    world = World(limits=Limits(networks=PHONES_ONLY))
    world.phone.dial("alice")
    world.run(3.0)
    beside = Flooder(world, world.alice.address[0])
    beside.floods(1)
    world.run(3.0)
    assert beside.statuses() == [403]
    assert turned_away(world) == [("AllowedSIPNetworks", world.alice.address[0])]
    settle(world)


# --- rates ------------------------------------------------------------------------------------------------


def test_a_flood_is_answered_503_and_an_established_call_and_its_neighbours_go_on() -> None:
    world = World(limits=Limits(requests_per_source=3, requests=20))
    world.phone.dial("alice")
    world.run(3.0)
    flooder = Flooder(world)
    flooder.floods(50, user="nobody")
    world.run(0.5)
    assert flooder.statuses() == [503] * 47
    assert world.gateway.admission.refused["MaxRequestsPerSecondPerSource"] == 47
    assert len(turned_away(world)) == 10
    world.phone.dial("alice", caller="2")
    world.run(2.0)
    assert len(world.heard_by(world.phone, Answered)) == 2
    world.alice.hang_up()
    world.run(1.0)
    assert len(world.heard_by(world.phone, Ended)) == 2
    settle(world)


def test_calls_to_who_does_not_exist_hold_no_media_ports() -> None:
    """There is room for the media of one call."""
    world = World(port_range=(8000, 8003))
    flooder = Flooder(world)
    flooder.floods(20, user="nobody")
    world.run(0.1)
    assert len(world.gateway.calls) == 20
    assert world.gateway.engine.ports_in_use == 0
    world.phone.dial("alice")
    world.run(3.0)
    assert world.heard_by(world.phone, Answered)
    world.run(5.0)
    assert flooder.statuses() == [408] * 20
    settle(world)


def test_somebody_else_has_taken_the_last_ports_while_it_rang() -> None:
    world = World(port_range=(8000, 8003))
    world.phone.dial("alice")
    world.phone.dial("alice", caller="2")
    world.run(3.0)
    assert len(world.heard_by(world.phone, Answered)) == 1
    (refused,) = world.heard_by(world.phone, Refused)
    assert isinstance(refused, Refused)
    assert refused.ending.status == 503
    settle(world)


def test_all_together_may_not_ask_too_often_either() -> None:
    world = World(limits=Limits(requests=5))
    flooders = [Flooder(world, f"127.0.0.{number}") for number in range(10, 15)]
    for flooder in flooders:
        flooder.floods(3, user="nobody")
    world.run(0.5)
    assert sum(flooder.statuses().count(503) for flooder in flooders) == 10
    assert {setting for setting, _ in turned_away(world)} == {"MaxRequestsPerSecond"}
    settle(world)


def test_an_ichat_caller_who_was_let_in_gets_through_a_flood() -> None:
    world = World(limits=Limits(requests=5))
    world.alice.dial("5551234")
    world.run(0.506)  # the phone has answered; alice's INVITE comes in a moment
    Flooder(world).floods(20, user="nobody")
    world.run(2.0)
    assert world.heard_by(world.alice, Answered)
    settle(world)


# --- calls at once ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "setting"),
    [(Limits(calls=2), "MaxCalls"), (Limits(calls_per_source=2), "MaxCallsPerSource")],
)
def test_calls_at_once_from_sip(limits: Limits, setting: str) -> None:
    world = World(limits=limits)
    world.alice.manner = "ignore"
    flooder = Flooder(world)
    flooder.floods(2)
    world.run(1.0)
    assert flooder.statuses() == []
    flooder.floods(1)
    world.run(1.0)
    assert flooder.statuses() == [503]
    assert turned_away(world) == [(setting, "127.0.0.9")]
    flooder.hang_up()
    world.run(1.0)
    flooder.floods(2)
    world.run(1.0)
    assert flooder.statuses() == [503]
    settle(world)


def test_calls_at_once_with_one_user_whoever_makes_them() -> None:
    world = World(limits=Limits(calls_per_user=2))
    world.phone.dial("alice", caller="1")
    world.alice.dial("5551234")
    world.run(3.0)
    assert len(world.gateway.calls) == 2
    world.phone.dial("alice", caller="2")
    world.alice.dial("5554321")
    world.run(2.0)
    assert [str(e.ending.status) for e in world.heard_by(world.phone, Refused)] == ["503"]  # type: ignore[union-attr]
    assert world.vc_at(world.alice).count("response") == 2
    assert turned_away(world) == [
        ("MaxCallsPerUser", "127.0.0.2, who calls alice@jabber.localhost"),
        ("MaxCallsPerUser", "alice@jabber.localhost"),
    ]
    world.alice.give_up()
    world.phone.hang_up()
    world.run(2.0)
    world.phone.dial("alice", caller="3")
    world.run(2.0)
    assert len(world.heard_by(world.phone, Answered)) == 2
    settle(world)


def test_a_503_of_ours_says_when_to_try_again() -> None:
    world = World(limits=Limits(calls_per_user=1))
    seen: list[bytes] = []
    carry = world.carry
    world.carry = lambda data, source, target: (seen.append(data), carry(data, source, target))[1]  # type: ignore[method-assign,func-returns-value]
    world.phone.dial("alice", caller="1")
    world.phone.dial("alice", caller="2")
    world.run(1.0)
    (refusal,) = [data for data in seen if data.startswith(b"SIP/2.0 503")]
    assert b"\r\nRetry-After: 10\r\n" in refusal
    settle(world)


# --- misdeeds ---------------------------------------------------------------------------------------------

IGNORING = Limits(ignore_after=3, ignore_time=60)


def ignored(world: World) -> list[str]:
    notes: list[Note] = [note for note in world.notes if note.event == "ignored from now on"]
    return [str(dict(note.fields)["source"]) for note in notes]


def test_a_scanner_is_ignored_and_calls_go_on() -> None:
    rules = TranslationRules([TranslationRule(r"^sip:(alice)@127\.0\.0\.1$", "xmpp:$1@jabber.localhost")])
    world = World(limits=IGNORING, rules=rules)
    world.phone.dial("alice")
    world.run(3.0)
    scanner = Flooder(world)
    for number in range(20):
        scanner.floods(1, user=f"u{number}")
        world.run(0.6)
    assert scanner.statuses()[:4] == [404] * 4
    assert len(scanner.statuses()) == 4
    assert ignored(world) == ["127.0.0.9"]
    world.alice.hang_up()
    world.run(1.0)
    assert world.heard_by(world.phone, Ended)
    settle(world)


@pytest.mark.parametrize(
    "junk", [b"GET / HTTP/1.1\r\n\r\n", b"INVITE sip:a SIP/2.0\r\nVia: x\r\n\r\n", b"\x00" * 99]
)
def test_who_sends_junk_is_ignored(junk: bytes) -> None:
    world = World(limits=IGNORING)
    stranger = Flooder(world)
    for _ in range(10):
        world.carry(junk, stranger.address, GATEWAY)
        world.run(0.1)
    assert ignored(world) == ["127.0.0.9"]
    assert world.gateway.admission.refused["IgnoreAfter"] == 6
    settle(world)


def test_whom_the_gateway_calls_is_never_ignored() -> None:
    world = World(limits=IGNORING)
    world.alice.dial("5551234")
    world.run(3.0)
    for _ in range(10):
        world.carry(b"junk", world.phone.address, GATEWAY)
    world.run(0.1)
    assert ignored(world) == []
    settle(world)


def test_keep_alives_of_many_phones_behind_one_address_are_no_misdeeds() -> None:
    world = World(limits=IGNORING)
    for keep_alive in (b"\r\n\r\n", b"\0", b"", bytes.fromhex("000100002112a442") + bytes(12)):
        for _ in range(10):
            received = Received(keep_alive, Flow("UDP", GATEWAY, world.phone.address))
            assert all(command.event == "dropped" for command in world.gateway.receive(received, world.now))  # type: ignore[union-attr]
    assert ignored(world) == []
    settle(world)


def test_a_pbx_is_not_ignored_for_the_wrong_numbers_of_its_people_once_a_call_was_answered() -> None:
    rules = TranslationRules([TranslationRule(r"^sip:(alice)@127\.0\.0\.1$", "xmpp:$1@jabber.localhost")])
    world = World(limits=IGNORING, rules=rules)
    world.phone.dial("alice")
    world.run(3.0)
    world.phone.hang_up()
    world.run(3.0)
    for number in range(20):
        world.phone.dial(f"u{number}", caller=str(number))
        world.run(0.1)
    assert ignored(world) == []
    world.phone.dial("alice", caller="last")
    world.run(3.0)
    assert len(world.heard_by(world.phone, Answered)) == 2
    settle(world)


def test_an_ichat_caller_who_was_let_in_is_heard_though_its_address_is_ignored() -> None:
    """Behind its NAT there may be others, and its own pinhole datagrams are not SIP."""
    world = World(limits=IGNORING)
    for _ in range(10):
        world.carry(b"junk", world.alice.address, GATEWAY)
    world.run(0.1)
    assert ignored(world) == ["127.0.1.1"]
    world.alice.dial("5551234")
    world.run(3.0)
    assert world.heard_by(world.alice, Answered)
    settle(world)


def test_who_is_trusted_from_now_on_is_ignored_no_longer() -> None:
    world = World(limits=IGNORING)
    stranger = Flooder(world)
    for _ in range(10):
        world.carry(b"junk", stranger.address, GATEWAY)
    world.run(0.1)
    assert ignored(world) == ["127.0.0.9"]
    world.gateway.admission.reconfigure(replace(IGNORING, trusted=(ip_network("127.0.0.8/30"),)))
    stranger.floods(1)
    world.run(3.0)
    assert [event for event in stranger.heard if isinstance(event, Answered)]
    settle(world)


# --- how long ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who_calls", ["phone", "alice"])
def test_a_call_that_nobody_ends_is_ended(who_calls: str) -> None:
    world = World(limits=Limits(seconds=100))
    if who_calls == "phone":
        world.phone.dial("alice")
    else:
        world.alice.dial("5551234")
    world.run(99.0)
    assert len(world.gateway.calls) == 1
    assert not world.heard_by(world.phone, Ended)
    world.run(2.0)
    assert world.heard_by(world.phone, Ended)
    assert len(world.gateway.calls) == 0
    settle(world)


# --- where to ---------------------------------------------------------------------------------------------


def test_a_user_may_not_call_everywhere() -> None:
    world = World(limits=Limits(destinations=Destinations(denied=("555",))))
    world.alice.dial("5551234")
    world.run(1.0)
    assert world.wire["INVITE"] == 0
    assert world.vc_at(world.alice).count("response") == 1
    assert turned_away(world)[0][0] == "DeniedDestinations"
    world.alice.dial("4441234")
    world.run(3.0)
    assert world.wire["INVITE"] > 0
    settle(world)


def test_there_are_only_so_many_transactions() -> None:
    world = World(limits=Limits(transactions=3))
    flooder = Flooder(world)
    flooder.floods(10, user="nobody")
    world.run(0.5)
    assert flooder.statuses().count(503) == 7
    assert {setting for setting, _ in turned_away(world)} == {"MaxTransactions"}
    settle(world)


# --- who may dial out -------------------------------------------------------------------------------------


def test_users_of_other_domains_may_not_dial_out_but_may_be_called() -> None:
    world = World(limits=Limits(domains=frozenset({"example.com"})))
    world.alice.dial("5551234")
    world.run(2.0)
    assert world.vc_at(world.alice) == ["response"]
    assert world.phone.heard == []
    assert turned_away(world) == [("AllowedXMPPDomains", "alice@jabber.localhost")]
    world.phone.dial("alice")
    world.run(2.0)
    assert [type(event) for event in world.phone.heard] == [Rang, Answered]
    settle(world)


def test_users_of_the_configured_domain_may_dial_out() -> None:
    world = World(limits=Limits(domains=frozenset({"jabber.localhost"})))
    world.alice.dial("5551234")
    world.run(2.0)
    assert world.heard_by(world.alice, Answered)
    settle(world)


def test_an_xmpp_user_may_not_ask_too_often() -> None:
    world = World(limits=Limits(requests_per_source=2))
    world.phone.manner = 404
    for _ in range(4):
        world.alice.dial("5551234")
        world.run(0.05)
    world.run(1.0)
    assert world.vc_at(world.alice) == ["response"] * 4
    assert [name for name, _ in turned_away(world)] == ["MaxRequestsPerSecondPerSource"] * 2
    settle(world)
