"""Media from party to party (`AlwaysRelayIChatMedia = off`), in the whole gateway in memory."""

import random

import pytest

from app.transferring import CAROL, with_transfers
from app.world import PHONE, SDP, IChat, Phone, SipParty, World
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    AcceptReoffer,
    Answered,
    End,
    Ended,
    LegEvent,
    RefuseReoffer,
    Reoffer,
    ReofferAnswered,
    Reoffered,
    ReofferRefused,
)
from ichat_gw.media.direct import DirectMedia
from ichat_gw.sip.events import SessionId

ICHAT = ("127.0.1.1", 16402)


def direct(**more: object) -> World:
    world = World(**more)  # type: ignore[arg-type]
    world.gateway.engine = DirectMedia(world.gateway.engine, world.rng)
    return world


def paths(world: World) -> list[tuple[str, str]]:
    """What the log says of which way media goes, and why."""
    said = ("media direct", "media relayed")
    return [(note.event, str(dict(note.fields).get("why", ""))) for note in world.notes if note.event in said]


def where(sdp: str) -> tuple[str, int]:
    """Where a description sends RTP."""
    host = sdp.partition("\r\nc=IN IP4 ")[2].partition("\r\n")[0]
    return host, int(sdp.partition("\r\nm=audio ")[2].split()[0])


def told(world: World, party: SipParty) -> list[tuple[str, int]]:
    """Where a party was told to send its audio, in order."""
    kinds = (Answered, Reoffered, ReofferAnswered)
    return [where(event.sdp) for event in party.heard if isinstance(event, kinds) and event.sdp]


class WilfulPhone(Phone):
    """A phone that does with a re-INVITE as told: "accept", "refuse" or "ignore"."""

    def __init__(self, world: World, wills: str) -> None:
        self.wills = wills
        super().__init__(world)
        world.phone = self

    def tell(self, session: SessionId, command: object) -> None:
        if isinstance(command, AcceptReoffer) and self.wills != "accept":
            if self.wills == "refuse":
                super().tell(session, RefuseReoffer(Ending(Cause.NOT_ACCEPTABLE, 488)))
            return
        super().tell(session, command)  # type: ignore[arg-type]


def offers_to(party: SipParty) -> list[str]:
    return [event.offer for event in party.heard if hasattr(event, "offer") and event.offer]


def test_sip_calls_ichat_and_the_relay_is_not_used() -> None:
    world = direct()
    world.phone.dial("alice")
    world.run(2.0)
    (offer,) = offers_to(world.alice)
    assert where(offer) == PHONE
    assert "RTP/AVP 0\r\n" in offer  # COMPAT iChat: the codecs that it has
    assert told(world, world.phone) == [ICHAT]
    assert paths(world) == [("media direct", "")]
    assert world.gateway.engine.ports_in_use == 0
    world.phone.hang_up()
    world.run(130.0)
    assert world.left_over() == {}
    assert world.gateway.engine.calls == 0


def test_ichat_calls_sip_and_is_moved_from_the_relay() -> None:
    world = direct()
    world.alice.dial("5551234")
    world.run(2.0)
    (offer,) = offers_to(world.phone)
    assert where(offer)[0] == "127.0.0.1"
    assert told(world, world.phone) == [ICHAT]
    assert told(world, world.alice) == [PHONE]
    assert paths(world) == [("media direct", "")]
    assert world.gateway.engine.ports_in_use == 0
    assert world.wire["INVITE"] == 3  # to the phone, from iChat, to the phone again
    world.alice.hang_up()
    world.run(130.0)
    assert world.heard_by(world.phone, Ended)
    assert world.left_over() == {}


def test_the_moved_description_goes_on_from_the_one_before() -> None:
    """RFC 3264 section 8: `o=` is the same but for the version, which is one more."""
    world = direct()
    world.alice.dial("5551234")
    world.run(2.0)
    (offer,) = offers_to(world.phone)
    (moved,) = [event.sdp for event in world.heard_by(world.phone, Reoffered) if isinstance(event, Reoffered)]
    before, after = (sdp.partition("\r\no=")[2].split("\r\n")[0].split() for sdp in (offer, str(moved)))
    assert after == [*before[:2], str(int(before[2]) + 1), *before[3:]]


def test_a_phone_that_refuses_leaves_the_call_on_the_relay() -> None:
    world = direct()
    WilfulPhone(world, "refuse")
    world.alice.dial("5551234")
    world.run(2.0)
    ((event, why),) = paths(world)
    assert event == "media relayed"
    assert "488" in why
    assert told(world, world.alice)[0][0] == "127.0.0.1"
    assert world.gateway.engine.ports_in_use == 2
    world.run(30.0)
    assert len(world.phone.live) == 1
    world.alice.hang_up()
    world.run(130.0)
    assert world.left_over() == {}


def test_a_phone_that_never_answers_is_asked_no_longer() -> None:
    world = direct()
    WilfulPhone(world, "ignore")
    world.alice.dial("5551234")
    world.run(60.0)
    assert world.wire["CANCEL"] == 1
    assert not world.gateway.calls.live
    world.run(200.0)
    assert world.left_over() == {}


@pytest.mark.parametrize("who", ["phone", "alice"])
def test_somebody_hangs_up_while_the_phone_is_asked(who: str) -> None:
    world = direct()
    WilfulPhone(world, "ignore")
    world.alice.dial("5551234")
    world.run(2.0)
    assert not world.heard_by(world.alice, Answered)
    {"phone": world.phone, "alice": world.alice}[who].hang_up()
    world.run(200.0)
    assert world.left_over() == {}


def test_ichat_gives_up_while_the_phone_is_asked() -> None:
    world = direct()
    WilfulPhone(world, "ignore")
    world.alice.dial("5551234")
    world.run(2.0)
    world.alice.give_up()
    world.run(200.0)
    assert world.left_over() == {}


def test_a_phone_that_describes_itself_last_of_all_uses_the_relay() -> None:
    world = direct()

    class Late(Phone):
        def spoken(self, session: SessionId, event: LegEvent) -> None:
            if isinstance(event, Answered):
                self.tell(session, AcceptReoffer(self.sdp))

    world.phone = Late(world)
    world.phone.dial("alice", offer=False)
    world.run(2.0)
    assert paths(world) == [("media relayed", "the caller described itself last of all")]
    assert world.gateway.engine.ports_in_use == 2
    world.phone.hang_up()
    world.run(130.0)
    assert world.left_over() == {}


def test_a_phone_in_another_network_uses_the_relay() -> None:
    world = direct()
    world.phone.sdp = SDP.format("10.0.0.9", 4000)
    world.phone.dial("alice")
    world.run(2.0)
    ((event, why),) = paths(world)
    assert event == "media relayed"
    assert "127.0.1.1 (loopback)" in why
    assert told(world, world.phone)[0][0] == "127.0.0.1"
    world.phone.hang_up()
    world.run(130.0)
    assert world.left_over() == {}


# --- changes during a direct call -------------------------------------------------------------------------


def up(world: World) -> SessionId:
    """The phone has called alice, directly."""
    session = world.phone.dial("alice")
    world.run(2.0)
    assert paths(world) == [("media direct", "")]
    return session


@pytest.mark.parametrize("hold", ["a=sendonly", "a=inactive"])
def test_a_phone_holds_and_resumes_and_ichat_hears_nothing_of_it(hold: str) -> None:
    world = direct()
    session = up(world)
    invites = world.wire["INVITE"]
    world.phone.tell(session, Reoffer(world.phone.sdp + hold + "\r\n"))
    world.run(1.0)
    (answer,) = [e.sdp for e in world.phone.heard if isinstance(e, ReofferAnswered)]
    assert answer.endswith({"a=sendonly": "a=recvonly\r\n", "a=inactive": "a=inactive\r\n"}[hold])
    world.phone.tell(session, Reoffer(world.phone.sdp))
    world.run(1.0)
    assert told(world, world.phone) == [ICHAT] * 3
    assert world.wire["INVITE"] == invites + 2
    assert not world.heard_by(world.alice, Reoffered)
    world.phone.hang_up()
    world.run(130.0)
    assert world.left_over() == {}


def test_a_phone_cannot_move_as_ichat_could_not_be_told() -> None:
    world = direct()
    session = up(world)
    world.phone.tell(session, Reoffer(SDP.format("127.0.0.77", 7000)))
    world.run(1.0)
    (refused,) = world.heard_by(world.phone, ReofferRefused)
    assert isinstance(refused, ReofferRefused)
    assert refused.ending.status == 488
    assert len(world.gateway.calls.live) == 1
    world.phone.hang_up()
    world.run(130.0)
    assert world.left_over() == {}


def ichat_calls(world: World) -> SessionId:
    world.alice.dial("5551234")
    world.run(2.0)
    assert paths(world)[-1] == ("media direct", "")
    return max(world.alice.live)


def test_an_ichat_that_holds_is_shown_to_the_phone() -> None:
    """Were there an iChat that does it; any dialect that holds will be shown so."""
    world = direct()
    session = ichat_calls(world)
    world.alice.tell(session, Reoffer(world.alice.sdp + "a=sendonly\r\n"))
    world.run(1.0)
    held = [event for event in world.heard_by(world.phone, Reoffered) if isinstance(event, Reoffered)][-1]
    assert held.sdp is not None
    assert held.sdp.endswith("a=sendonly\r\n")
    assert where(held.sdp) == ICHAT
    assert len(world.heard_by(world.alice, ReofferAnswered)) == 1


def test_an_ichat_that_moves_is_followed_by_the_phone() -> None:
    world = direct()
    session = ichat_calls(world)
    world.alice.tell(session, Reoffer(SDP.format("127.0.1.9", 16500)))
    world.run(1.0)
    assert told(world, world.phone)[-1] == ("127.0.1.9", 16500)
    assert told(world, world.alice)[-1] == PHONE


def test_a_phone_that_does_not_follow_leaves_all_as_it_was() -> None:
    world = direct()
    phone = WilfulPhone(world, "accept")
    session = ichat_calls(world)
    phone.wills = "refuse"
    world.alice.tell(session, Reoffer(SDP.format("127.0.1.9", 16500)))
    world.run(1.0)
    assert len(world.heard_by(world.alice, ReofferRefused)) == 1
    phone.wills = "accept"
    world.alice.tell(session, Reoffer(world.alice.sdp))
    world.run(1.0)
    assert told(world, world.phone)[-1] == ("127.0.1.9", 16500)  # refused; nothing was proposed since
    assert told(world, world.alice)[-1] == PHONE


def test_both_propose_something_at_once() -> None:
    """Glare (RFC 3261 14.1): both hear 491, each tries again in its own time, and both succeed."""
    world = direct()
    session = ichat_calls(world)
    theirs = max(world.phone.live)
    world.alice.tell(session, Reoffer(SDP.format("127.0.1.9", 16500)))
    world.phone.tell(theirs, Reoffer(world.phone.sdp + "a=sendonly\r\n"))
    world.run(20.0)
    assert world.wire["491"] >= 1
    outcomes = {ReofferAnswered, ReofferRefused}
    for party in (world.alice, world.phone):
        assert [type(event) for event in party.heard if type(event) in outcomes], party.address
    assert len(world.gateway.calls.live) == 1
    assert told(world, world.phone)[-1] in (ICHAT, ("127.0.1.9", 16500))
    world.phone.hang_up()
    world.run(130.0)
    assert world.left_over() == {}


def test_a_transfer_of_a_direct_call_is_refused_and_the_call_goes_on() -> None:
    world = direct(transfer_hosts=frozenset({CAROL[0]}))
    phone, carol = with_transfers(world)
    session = up(world)
    assert phone.transfers(session)
    world.run(5.0)
    assert phone.news[-1].startswith("488")
    assert not carol.invited_with
    assert len(world.gateway.calls.live) == 1
    phone.tell(session, End(Ending(Cause.HANGUP)))
    world.run(130.0)
    assert world.left_over() == {}


@pytest.mark.parametrize("seed", range(8))
def test_calls_both_ways_over_a_wire_that_loses_and_doubles(seed: int) -> None:
    world = direct(seed=seed, loss=0.2)
    other = IChat(world, "alice@jabber.localhost/Laptop", ("127.0.1.2", 16402))
    other.presence()
    world.phone.dial("alice")
    world.run(20.0)
    world.alice.dial("5551234")
    world.run(40.0)
    for party in (world.phone, world.alice, other):
        party.hang_up()
    world.run(400.0)
    assert world.left_over() == {}
    assert world.gateway.engine.calls == 0


@pytest.mark.parametrize("seed", range(24))
def test_changes_by_both_parties_at_any_time(seed: int) -> None:
    """Whatever crosses, over good wires and bad ones: calls end, and nothing is left of them."""
    world = direct(seed=seed, loss=0.15 * (seed % 2))
    dice = random.Random(seed)
    world.phone = WilfulPhone(world, "accept")
    for _ in range(12):
        party: SipParty = dice.choice([world.phone, world.alice])
        match dice.choice(["dial", "change", "change", "change", "mood", "hang up"]):
            case "dial" if party is world.phone and not world.phone.live:
                world.phone.dial("alice")
            case "dial" if party is world.alice and not world.alice.live:
                world.alice.dial("5551234")
            case "change" if party.live:
                moved = dice.choice(
                    [party.sdp, SDP.format(party.address[0], 7000), SDP.format("10.0.0.1", 7000)]
                )
                hold = dice.choice(["", "a=sendonly\r\n", "a=inactive\r\n"])
                party.tell(max(party.live), Reoffer(moved + hold))
            case "mood":
                world.phone.wills = dice.choice(["accept", "accept", "refuse", "ignore"])
            case "hang up" if dice.random() < 0.4:
                party.hang_up()
            case _:
                pass
        world.run(dice.choice([0.0015, 0.01, 1.0, 5.0]))
    world.run(40.0)
    for each in world.parties.values():
        each.hang_up()
    world.run(500.0)
    assert world.left_over() == {}
    assert world.gateway.engine.calls == 0
