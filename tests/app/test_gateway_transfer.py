"""Transfers in the whole gateway: the phone's leg is replaced, iChat stays and notices nothing."""

import pytest

from app.transferring import CAROL, Carol, ask, ringing_dialog, with_transfers
from app.world import GATEWAY, SipParty, World
from ichat_gw.app.events import StopGateway
from ichat_gw.call.admission import Limits
from ichat_gw.call.leg import Answer, Answered, Ended, Info, InfoAnswered, Refused
from ichat_gw.media.relay_messages import Order, Retarget

WHO_CALLS = pytest.mark.parametrize("who_calls", ["phone", "alice"])
HOSTS = frozenset({CAROL[0]})


class Scene:
    """A call between the phone and alice that is up."""

    def __init__(
        self, who_calls: str = "phone", limits: Limits | None = None, hosts: frozenset[str] = HOSTS
    ) -> None:
        self.world = World(limits=limits or Limits(), transfer_hosts=hosts)
        self.orders: list[Order] = []
        obey = self.world._relay_does
        self.world._relay_does = lambda order: (self.orders.append(order), obey(order))[1]  # type: ignore[assignment,method-assign,func-returns-value]
        self.phone, self.carol = with_transfers(self.world)
        if who_calls == "phone":
            self.phone.dial("alice")
        else:
            self.world.alice.dial("5551234")
        self.world.run(3.0)
        (self.session,) = self.phone.live
        self.before = len(self.world.alice.heard)
        self.world.wire.clear()
        self.orders.clear()

    @property
    def dialog(self) -> str:
        dialog = self.phone.dialog(self.session)
        assert dialog is not None
        return dialog

    def transfers(self, to: str = f"sip:carol@{CAROL[0]}", after: float = 3.0, **fields: str) -> None:
        assert self.phone.transfers(self.session, to, **fields)
        self.world.run(after)

    def alice_noticed(self) -> list[str]:
        return [type(event).__name__ for event in self.world.alice.heard[self.before :]]

    def audio_goes_to(self) -> list[tuple[str, int]]:
        return [order.rtp for order in self.orders if isinstance(order, Retarget)]

    def end(self) -> None:
        for party in self.world.parties.values():
            party.hang_up()
        self.world.run(300.0)
        assert self.world.left_over() == {}


def refusals(party: SipParty) -> list[int | None]:
    return [event.ending.status for event in party.heard if isinstance(event, Refused)]


def notes(world: World, event: str) -> list[dict[str, object]]:
    return [dict(note.fields) for note in world.notes if note.event == event]


# --- blind ------------------------------------------------------------------------------------------------


@WHO_CALLS
def test_a_phone_transfers_its_call(who_calls: str) -> None:
    scene = Scene(who_calls)
    scene.transfers(Referred_By="<sip:bob@127.0.0.2>")
    assert scene.phone.statuses == [202]
    assert scene.phone.news == ["100 Trying", "180 Ringing", "200 OK"]
    assert [type(e) for e in scene.phone.heard[-1:]] == [Ended]
    assert len(scene.carol.live) == 1
    assert scene.alice_noticed() == []
    assert scene.audio_goes_to() == [CAROL]
    (invite,) = scene.carol.invited_with
    assert invite.headers.get("Referred-By") == "<sip:bob@127.0.0.2>"
    assert invite.headers.get("Replaces") is None
    assert invite.uri == f"sip:carol@{CAROL[0]}"
    assert invite.from_.uri == "sip:alice@jabber.localhost"
    scene.carol.hang_up()
    scene.world.run(1.0)
    assert scene.alice_noticed() == ["Ended"]
    assert notes(scene.world, "call over")[0]["cause"] == "HANGUP"
    scene.end()


@WHO_CALLS
def test_alice_hangs_up_on_whom_she_was_transferred_to(who_calls: str) -> None:
    scene = Scene(who_calls)
    scene.transfers()
    scene.world.alice.hang_up()
    scene.world.run(1.0)
    assert scene.world.heard_by(scene.carol, Ended)
    scene.end()


@pytest.mark.parametrize("manner", [486, 603, 404])
def test_a_transfer_that_fails_leaves_the_call_as_it_was(manner: int) -> None:
    scene = Scene()
    scene.carol.manner = manner
    scene.transfers()
    assert scene.phone.news[-1].startswith(str(manner))
    assert len(scene.phone.live) == 1
    assert scene.audio_goes_to() == []
    assert len(scene.world.gateway.calls) == 1
    # And is transferred at the second attempt.
    scene.carol.manner = "answer"
    scene.transfers()
    assert scene.phone.news[-1] == "200 OK"
    scene.end()


def test_a_transfer_to_somebody_who_does_not_answer() -> None:
    scene = Scene()
    scene.carol.manner = "ring"
    scene.transfers(after=181.0)
    assert scene.phone.news == ["100 Trying", "180 Ringing", "480 Temporarily Unavailable"]
    assert scene.world.heard_by(scene.carol, Ended)
    assert len(scene.phone.live) == 1
    scene.end()


def test_a_transfer_to_a_host_that_does_not_exist() -> None:
    scene = Scene(hosts=frozenset({"nowhere.example"}))
    scene.transfers("sip:carol@nowhere.example")
    assert scene.phone.news == ["100 Trying", "503 Service Unavailable"]
    assert len(scene.phone.live) == 1
    scene.end()


def test_without_a_subscription_nothing_is_told() -> None:
    scene = Scene()
    scene.transfers(Refer_Sub="false", Require="norefersub")
    assert scene.phone.statuses == [202]
    assert scene.phone.news == []
    assert len(scene.carol.live) == 1
    scene.end()


@WHO_CALLS
@pytest.mark.parametrize("manner", ["answer", 486])
def test_a_phone_that_hangs_up_as_soon_as_its_transfer_is_accepted(who_calls: str, manner: str | int) -> None:
    scene = Scene(who_calls)
    scene.carol.manner = manner
    if manner != "answer":
        scene.carol.answer_after = 1.0
    scene.transfers(after=0.01)
    scene.phone.hang_up()
    scene.world.run(3.0)
    assert scene.alice_noticed() == ([] if manner == "answer" else ["Ended"])
    assert len(scene.carol.live) == (1 if manner == "answer" else 0)
    scene.end()


def test_whom_the_call_was_transferred_to_transfers_it_on() -> None:
    scene = Scene(hosts=frozenset({CAROL[0], "127.0.0.4"}))
    dave = Carol(scene.world, ("127.0.0.4", 5060))
    scene.transfers()
    (session,) = scene.carol.live
    statuses: list[int] = []
    assert ask(scene.carol, session, "REFER", statuses.append, Refer_To="<sip:dave@127.0.0.4>")
    scene.world.run(3.0)
    assert statuses == [202]
    assert len(dave.live) == 1
    assert scene.world.heard_by(scene.carol, Ended)
    assert scene.audio_goes_to() == [CAROL, dave.address]
    assert scene.alice_noticed() == []
    scene.end()


def test_alice_hangs_up_while_the_new_call_rings() -> None:
    scene = Scene()
    scene.carol.manner = "ring"
    scene.transfers()
    scene.world.alice.hang_up()
    scene.world.run(1.0)
    assert scene.world.heard_by(scene.carol, Ended)
    assert scene.world.heard_by(scene.phone, Ended)
    scene.end()


def test_the_gateway_is_stopped_during_a_transfer() -> None:
    scene = Scene()
    scene.carol.manner = "ring"
    scene.transfers()
    scene.world.gateway_hears(StopGateway())
    scene.world.run(1.0)
    for party in (scene.phone, scene.carol, scene.world.alice):
        assert scene.world.heard_by(party, Ended)
    scene.end()


# --- who may ----------------------------------------------------------------------------------------------


def test_a_phone_may_always_transfer_within_its_own_host() -> None:
    scene = Scene(hosts=frozenset())
    scene.transfers("sip:carol@127.0.0.2")
    assert scene.phone.statuses == [202]
    scene.end()


def test_not_to_anywhere() -> None:
    scene = Scene(hosts=frozenset())
    scene.transfers()
    assert scene.phone.statuses == [403]
    assert scene.carol.heard == []
    (line,) = notes(scene.world, "turned away")
    assert line["setting"] == "AllowedTransferDomains"
    assert line["source"] == f"127.0.0.2, which transfers to {CAROL[0]}"
    assert len(scene.phone.live) == 1
    scene.end()


def test_not_back_to_the_gateway() -> None:
    scene = Scene(hosts=frozenset({GATEWAY[0]}))
    scene.transfers(f"sip:bob@{GATEWAY[0]}:{GATEWAY[1]}")
    assert scene.phone.statuses == [603]
    scene.end()


def test_not_too_often() -> None:
    scene = Scene(limits=Limits(requests_per_source=2))
    scene.carol.manner = 486
    for _ in range(4):
        scene.transfers(after=0.1)
    assert scene.phone.statuses == [202, 202, 503, 503]
    scene.end()


def test_whom_the_call_was_transferred_to_counts_by_his_own_host() -> None:
    scene = Scene()
    scene.transfers()
    (call,) = scene.world.gateway.calls.live.values()
    assert list(call.hosts.values()) == [CAROL[0]]
    scene.end()


# --- attended ---------------------------------------------------------------------------------------------


def test_a_phone_connects_alice_with_a_call_of_its_own() -> None:
    """The target is asked to replace the call that it has with the phone (RFC 5589 section 7)."""
    scene = Scene()
    other = "aDialogOfTheirs%40x%3Bto-tag%3D1%3Bfrom-tag%3D2"
    scene.transfers(f"sip:carol@{CAROL[0]}?Replaces={other}")
    # Our own user agent plays carol and knows of no such dialog: the transfer fails, and falls back.
    (invite,) = scene.carol.invited_with
    assert invite.headers.get("Replaces") == "aDialogOfTheirs@x;to-tag=1;from-tag=2"
    assert invite.require == ("replaces",)
    assert scene.phone.news[-1] == "480 Temporarily Unavailable"
    assert len(scene.phone.live) == 1
    scene.end()


@WHO_CALLS
@pytest.mark.parametrize("offer", [True, False])
def test_somebody_takes_a_call_over(who_calls: str, offer: bool) -> None:
    scene = Scene(who_calls)
    scene.carol.takes_over(scene.dialog, offer)
    scene.world.run(1.0)
    assert scene.world.heard_by(scene.carol, Answered)
    assert scene.world.heard_by(scene.phone, Ended)
    assert scene.alice_noticed() == []
    assert scene.audio_goes_to() == [CAROL]
    scene.carol.hang_up()
    scene.world.run(1.0)
    assert scene.alice_noticed() == ["Ended"]
    scene.end()


def test_somebody_takes_a_call_over_while_it_is_being_transferred() -> None:
    scene = Scene()
    scene.carol.manner = "ring"
    scene.transfers()
    scene.carol.takes_over(scene.dialog)
    scene.world.run(1.0)
    assert refusals(scene.carol) == [480]
    assert len(scene.phone.live) == 1
    scene.end()


def test_a_call_that_is_not_there_is_not_taken_over() -> None:
    scene = Scene()
    scene.carol.takes_over(scene.dialog.replace("to-tag=", "to-tag=x"))
    scene.world.run(1.0)
    assert refusals(scene.carol) == [481]
    scene.end()


def test_a_call_is_not_taken_over_from_a_gateway_that_stops() -> None:
    scene = Scene()
    scene.world.gateway.door.stopping = True
    scene.carol.takes_over(scene.dialog)
    assert not scene.phone.transfers(999)
    scene.transfers()
    assert scene.phone.statuses == [503]
    assert refusals(scene.carol) == [503]
    scene.end()


# --- a call that rings is picked up ------------------------------------------------------------------------


def ringing() -> tuple[World, Carol, str]:
    """Alice calls the phone, which rings."""
    world = World()
    _, carol = with_transfers(world)
    world.phone.manner = "ring"
    world.alice.dial("5551234")
    world.run(1.0)
    return world, carol, ringing_dialog(world.phone)


def all_over(world: World) -> None:
    for party in world.parties.values():
        party.hang_up()
    world.run(300.0)
    assert world.left_over() == {}


def test_somebody_picks_up_a_call_that_rings_elsewhere() -> None:
    world, carol, dialog = ringing()
    carol.takes_over(dialog)
    world.run(2.0)
    assert world.heard_by(carol, Answered)
    assert world.wire["CANCEL"] == 1
    assert world.heard_by(world.phone, Ended)
    assert world.vc_at(world.alice) == ["response"]
    assert world.heard_by(world.alice, Answered)
    # Long after the phone would have rung in vain.
    world.run(200.0)
    assert len(carol.live) == len(world.alice.live) == 1
    carol.hang_up()
    world.run(1.0)
    assert world.heard_by(world.alice, Ended)
    all_over(world)


def test_who_picks_up_gets_the_codecs_that_the_phone_was_offered() -> None:
    """Alice has not described herself yet."""
    world, carol, dialog = ringing()
    carol.takes_over(dialog)
    world.run(2.0)
    (answered,) = world.heard_by(carol, Answered)
    assert isinstance(answered, Answered)
    assert "RTP/AVP 0\r\n" in answered.sdp
    all_over(world)


def test_who_picks_up_without_an_offer_is_refused() -> None:
    world, carol, dialog = ringing()
    carol.takes_over(dialog, offer=False)
    world.run(1.0)
    assert refusals(carol) == [488]
    assert len(world.phone.live) == 1
    all_over(world)


def test_who_picks_up_with_other_codecs_is_refused_and_it_rings_on() -> None:
    world, carol, dialog = ringing()
    carol.sdp = carol.sdp.replace("0 8", "8")
    carol.takes_over(dialog)
    world.run(1.0)
    assert refusals(carol) == [488]
    world.phone.tell(min(world.phone.live), Answer(world.phone.sdp))
    world.run(1.0)
    assert world.heard_by(world.alice, Answered)
    all_over(world)


def test_a_call_that_rings_in_vain_is_given_up_though_somebody_tried() -> None:
    world, carol, dialog = ringing()
    carol.sdp = carol.sdp.replace("0 8", "8")
    carol.takes_over(dialog)
    world.run(178.0)
    assert len(world.phone.live) == 1
    world.run(10.0)
    assert not world.phone.live
    assert world.vc_at(world.alice) == ["response"]
    all_over(world)


def test_the_phone_answers_while_somebody_picks_up() -> None:
    world, carol, dialog = ringing()
    carol.takes_over(dialog)
    world.phone.tell(min(world.phone.live), Answer(world.phone.sdp))
    world.run(5.0)
    assert len(world.gateway.calls.live) == 1
    assert len(carol.live) + len(world.phone.live) == 1
    assert len(world.alice.live) == 1
    all_over(world)


@pytest.mark.parametrize("when", [0.0005, 0.0015, 0.0025, 0.0035, 0.05])
def test_alice_gives_up_while_somebody_picks_up(when: float) -> None:
    world, carol, dialog = ringing()
    carol.takes_over(dialog)
    world.run(when)
    world.alice.give_up()
    world.run(40.0)
    all_over(world)


# --- data inside a call -----------------------------------------------------------------------------------


def test_an_info_of_the_phone_goes_no_further_than_ichats_leg() -> None:
    scene = Scene()
    scene.phone.asks(scene.session, "INFO", b"Signal=1", Content_Type="application/dtmf-relay")
    scene.phone.asks(scene.session, "INFO")
    scene.world.run(1.0)
    assert sorted(scene.phone.statuses) == [200, 415]
    assert scene.world.wire["INFO"] == 2
    assert scene.alice_noticed() == []
    scene.end()


@WHO_CALLS
def test_an_info_of_ichat_is_passed_to_a_phone(who_calls: str) -> None:
    scene = Scene(who_calls)
    (session,) = scene.world.alice.live
    statuses: list[int] = []
    assert ask(scene.world.alice, session, "INFO", statuses.append, b"x", Content_Type="text/plain")
    scene.world.run(0.01)
    (info,) = scene.world.heard_by(scene.phone, Info)
    assert isinstance(info, Info)
    assert info.body == b"x"
    scene.phone.tell(scene.session, InfoAnswered(info.number, 200))
    scene.world.run(1.0)
    assert statuses == [200]
    scene.end()
