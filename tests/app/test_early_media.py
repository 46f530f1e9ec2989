"""Early media and re-offers between two SIP legs: user agent, bridge and engine put together as the app does.

No call of today has two: one party is always an iChat client, which can neither be given early media nor give
any. But a bridge cannot tell, and what it does with two such legs is what other dialects will rely on.
"""

from collections import deque
from random import Random

import pytest

from ichat_gw.call.bridge import Bridge, CallPlan, State
from ichat_gw.call.leg import LegEvent, Party, Place
from ichat_gw.call.media import MediaRelease, Side
from ichat_gw.call.words import CallOver, FromLeg, FromMedia, ToLeg, ToMedia
from ichat_gw.media.direct import DirectMedia
from ichat_gw.media.engine import (
    EngineCommand,
    FromWorker,
    MediaEngine,
    MediaFor,
    MediaOver,
    MediaPath,
    ToCall,
    ToWorker,
)
from ichat_gw.media.relay_engine import EngineConfig, RelayEngine
from ichat_gw.media.relay_messages import Close, Closed, Open, Opened, PartyCounters, Retarget, Started
from ichat_gw.sip.events import FromSession, InviteReceived
from tests.sip.ladder import OURS, Ladder

CALLER, CALLEE = Side.CALLER, Side.CALLEE


def audio(host: str, port: int = 4000, formats: str = "0", more: str = "") -> str:
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP {formats}\r\n{more}"
    )


class TwoPhones:
    """Bob calls Carol through us; both are scripted."""

    def __init__(self, *, direct: bool = False) -> None:
        self.ladder = Ladder(chance=0.0)
        self.bob = self.ladder.phone("192.0.2.9")
        self.carol = self.ladder.phone("192.0.2.8", user="carol", tag="ct")
        engine = RelayEngine(EngineConfig(8000, 8099, port_rest=0.0), lambda host: OURS[0], Random(1))
        self.engine: MediaEngine = DirectMedia(engine, Random(2)) if direct else engine
        self.heard_of: dict[Side, str] = {}
        """Where the relay was pointed last for each side."""
        self._media(self.engine.receive(FromWorker(Started(1)), 0.0))
        self.sessions: dict[Side, int] = {}
        self.over = False

    def bob_calls(self, sdp: str, **fields: str) -> None:
        self.bob.sends("INVITE", sdp=sdp, **fields)
        self.bob.gets(100)
        (invite,) = [event for event in self.ladder.events if isinstance(event, InviteReceived)]
        self.ladder.events.remove(invite)
        self.sessions[CALLER] = invite.session
        place = Place("sip:carol@192.0.2.8", Party("sip:bob@192.0.2.9"), None, "bob")
        self.bridge = Bridge(CallPlan(place, invite.offer, "192.0.2.9", "192.0.2.8"))
        self._bridge(self.bridge.begin(self.ladder.now))
        self.run()

    def run(self) -> None:
        """Let everything be heard that was said."""
        while said := [event for event in self.ladder.events if isinstance(event, FromSession)]:
            self.ladder.events = deque(e for e in self.ladder.events if not isinstance(e, FromSession))
            for event in said:
                self._hear(event.session, event.event)

    def _hear(self, session: int, event: LegEvent) -> None:
        side = next(side for side, number in self.sessions.items() if number == session)
        self._bridge(self.bridge.receive(FromLeg(side, event), self.ladder.now))

    def _bridge(self, commands: list) -> None:  # type: ignore[type-arg]
        for command in commands:
            match command:
                case ToLeg(side, Place() as place):
                    self.sessions[side] = self.ladder.agent.new_session()
                    self.ladder.tell(self.sessions[side], place)
                case ToLeg(side, leg_command):
                    self.ladder.tell(self.sessions[side], leg_command)
                case ToMedia(request):
                    self._media(self.engine.receive(MediaFor("a", request), self.ladder.now))
                case CallOver():
                    self.over = True

    def _media(self, commands: list[EngineCommand]) -> None:
        for command in commands:
            match command:
                case ToCall(_, reply):
                    self._bridge(self.bridge.receive(FromMedia(reply), self.ladder.now))
                case ToWorker(Open(session, side)):
                    self._worker(Opened(session, side))
                case ToWorker(Close(session)):
                    self._worker(Closed(session, PartyCounters(), PartyCounters()))
                case ToWorker(Retarget(_, side, rtp)):
                    assert rtp is not None
                    self.heard_of[side] = rtp[0]
                case MediaOver() | MediaPath():
                    pass
                case _:
                    pass

    def _worker(self, reply: Opened | Closed) -> None:
        self._media(self.engine.receive(FromWorker(reply), self.ladder.now))

    def bob_hangs_up(self) -> None:
        self.bob.sends("BYE")
        self.run()
        assert self.over
        self._media(self.engine.receive(MediaFor("a", MediaRelease()), self.ladder.now))
        assert self.engine.ports_in_use == 0


def test_carols_announcement_is_heard_before_she_answers() -> None:
    call = TwoPhones()
    call.bob_calls(audio("192.0.2.9"))
    invite = call.carol.gets_request("INVITE")
    call.carol.answers(invite, 183, tag="ct", sdp=audio("192.0.2.8"))
    call.run()
    early = call.bob.gets_response(183)
    assert f"c=IN IP4 {OURS[0]}".encode() in early.body
    assert call.heard_of == {CALLER: "192.0.2.9", CALLEE: "192.0.2.8"}
    call.carol.answers(invite, 200, tag="ct", sdp=audio("192.0.2.8"))
    call.run()
    call.carol.gets("ACK")
    assert call.bob.gets_response(200).body == early.body
    call.bob.sends("ACK", seq=1)
    call.run()
    assert call.bridge.state is State.TALKING
    call.bob.silent()
    call.bob_hangs_up()


def test_reliably_both_ways() -> None:
    call = TwoPhones()
    call.bob_calls(audio("192.0.2.9"), Supported="100rel")
    invite = call.carol.gets_request("INVITE")
    call.carol.answers(invite, 183, tag="ct", sdp=audio("192.0.2.8"), Require="100rel", RSeq="1")
    call.run()
    call.carol.answers(call.carol.gets_request("PRACK"), 200, tag="ct")
    assert call.bob.gets_response(183).require == ("100rel",)
    # She answers before he has said that he knows.
    call.carol.answers(invite, 200, tag="ct")
    call.run()
    call.carol.gets("ACK")
    call.bob.silent()
    call.bob.sends("PRACK", RAck="1 1 INVITE")
    call.run()
    assert call.bob.got() == [200, 200]
    call.bob.sends("ACK", seq=1)
    call.run()
    call.bob_hangs_up()


@pytest.mark.parametrize("direct", [False, True])
def test_one_device_is_heard_and_another_answers_with_other_media(direct: bool) -> None:
    call = TwoPhones(direct=direct)
    call.bob_calls(audio("192.0.2.9", formats="0 3"))
    invite = call.carol.gets_request("INVITE")
    call.carol.answers(invite, 183, tag="desk", sdp=audio("192.0.2.8"))
    call.run()
    early = call.bob.gets_response(183)
    call.carol.answers(invite, 183, tag="mobile", sdp=audio("192.0.2.7", formats="3"))
    call.run()
    call.bob.silent()
    call.carol.answers(invite, 200, tag="mobile", sdp=audio("192.0.2.7", formats="3"))
    call.run()
    call.carol.gets("ACK")
    if not direct:
        assert call.heard_of[CALLEE] == "192.0.2.7"
    assert call.bob.gets_response(200).body == early.body
    call.bob.sends("ACK", seq=1)
    call.run()
    again = call.bob.gets_request("INVITE")
    assert b"RTP/AVP 3\r\n" in again.body
    if direct:
        assert b"c=IN IP4 192.0.2.7\r\n" in again.body
    call.bob.answers(again, 200, tag="ft", sdp=audio("192.0.2.9", formats="3"))
    call.run()
    call.bob.gets("ACK")
    assert call.bridge.settled
    call.bob_hangs_up()


def test_a_caller_without_an_offer_hears_it_ring() -> None:
    call = TwoPhones()
    call.bob.sends("INVITE")
    call.bob.gets(100)
    (event,) = call.ladder.events
    assert isinstance(event, InviteReceived)
    call.sessions[CALLER] = event.session
    call.ladder.events.clear()
    place = Place("sip:carol@192.0.2.8", Party("sip:bob@192.0.2.9"), None, "bob")
    call.bridge = Bridge(CallPlan(place, None, "192.0.2.9", "192.0.2.8"))
    call._bridge(call.bridge.begin(call.ladder.now))
    invite = call.carol.gets_request("INVITE")
    call.carol.answers(invite, 183, tag="ct", sdp=audio("192.0.2.8"))
    call.run()
    assert call.bob.got() == [180]


def up(*, direct: bool) -> TwoPhones:
    call = TwoPhones(direct=direct)
    call.bob_calls(audio("192.0.2.9", formats="0 3"))
    call.carol.answers(
        call.carol.gets_request("INVITE"), 200, tag="ct", sdp=audio("192.0.2.8", formats="0 3")
    )
    call.run()
    call.carol.gets("ACK")
    call.bob.gets(200)
    call.bob.sends("ACK", seq=1)
    call.run()
    assert call.bridge.settled
    return call


def test_a_hold_is_answered_here_when_relayed() -> None:
    call = up(direct=False)
    call.bob.sends("INVITE", sdp=audio("192.0.2.9", more="a=sendonly\r\n"))
    call.run()
    assert call.bob.got() == [100, 200]
    call.carol.silent()


def test_a_hold_is_shown_to_the_other_phone_when_direct() -> None:
    call = up(direct=True)
    call.bob.sends("INVITE", sdp=audio("192.0.2.9", more="a=sendonly\r\n"))
    call.run()
    call.bob.gets(100)
    call.bob.silent()
    held = call.carol.gets_request("INVITE")
    assert b"a=sendonly" in held.body
    assert b"c=IN IP4 192.0.2.9" in held.body
    call.carol.answers(held, 200, tag="ct", sdp=audio("192.0.2.8", more="a=recvonly\r\n"))
    call.run()
    call.carol.gets("ACK")
    assert b"a=recvonly" in call.bob.gets_response(200).body


@pytest.mark.parametrize(("status", "told"), [(488, 488), (500, 488), (491, None)])
def test_a_move_that_the_other_phone_refuses(status: int, told: int | None) -> None:
    call = up(direct=True)
    call.bob.sends("INVITE", sdp=audio("192.0.2.99"))
    call.run()
    call.bob.gets(100)
    call.carol.answers(call.carol.gets_request("INVITE"), status, tag="ct")
    call.run()
    call.carol.gets("ACK")
    if told is None:
        # Ours is sent once more; then whoever asked hears that it collided.
        call.bob.silent()
        call.ladder.later(4)
        call.carol.answers(call.carol.gets_request("INVITE"), status, tag="ct")
        call.run()
        told = 491
    call.bob.gets(told)
    assert call.bridge.settled


def test_fewer_codecs_are_shown_to_who_uses_the_others() -> None:
    call = up(direct=True)
    call.bob.sends("UPDATE", sdp=audio("192.0.2.9", formats="3"))
    call.run()
    again = call.carol.gets_request("INVITE")
    assert b"RTP/AVP 3\r\n" in again.body
    call.carol.answers(again, 200, tag="ct", sdp=audio("192.0.2.8", formats="3"))
    call.run()
    call.carol.gets("ACK")
    assert b"RTP/AVP 3\r\n" in call.bob.gets_response(200).body


def test_carol_hangs_up_instead_of_answering() -> None:
    call = up(direct=True)
    call.bob.sends("INVITE", sdp=audio("192.0.2.99"))
    call.run()
    call.carol.gets("INVITE")
    call.carol.sends("BYE")
    call.run()
    assert call.over
    assert call.bob.got() == [100, 487, "BYE"]


def test_bob_hangs_up_while_carol_thinks() -> None:
    call = up(direct=True)
    call.bob.sends("INVITE", sdp=audio("192.0.2.99"))
    call.run()
    call.bob.got()
    invite = call.carol.gets_request("INVITE")
    call.bob.sends("BYE")
    call.run()
    assert call.over
    assert call.bob.got() == [200, 487]
    call.carol.answers(call.carol.gets_request("BYE"), 200, tag="ct")
    call.carol.answers(invite, 200, tag="ct", sdp=audio("192.0.2.8"))
    call.carol.gets("ACK")


def test_both_hold_at_once() -> None:
    """Glare: theirs is refused with 491 while ours is under way, as ours is there."""
    call = up(direct=True)
    call.bob.sends("INVITE", sdp=audio("192.0.2.9", formats="0 3", more="a=sendonly\r\n"))
    call.run()
    call.bob.gets(100)
    ours = call.carol.gets_request("INVITE")
    call.carol.sends(
        "INVITE", sdp=audio("192.0.2.8", formats="0 3", more="a=inactive\r\n"), branch="z9hG4bK-glare"
    )
    call.run()
    call.carol.gets(491)
    call.carol.sends("ACK", seq=call.carol.seq, branch="z9hG4bK-glare")
    call.carol.answers(ours, 491, tag="ct")
    call.carol.gets("ACK")
    call.run()
    # Carol did not choose the Call-ID: she comes first. A hold can do without her, so Bob has his.
    hold = call.bob.seq
    call.carol.sends("INVITE", sdp=audio("192.0.2.8", formats="0 3", more="a=inactive\r\n"))
    call.run()
    call.carol.gets(100)
    assert b"a=recvonly" in call.bob.gets_response(200).body
    call.bob.silent()
    call.bob.sends("ACK", seq=hold)
    asked = call.bob.gets_request("INVITE")
    assert b"a=inactive" in asked.body
    call.bob.answers(asked, 200, tag="ft", sdp=audio("192.0.2.9", formats="0 3", more="a=inactive\r\n"))
    call.run()
    call.bob.gets("ACK")
    assert b"a=inactive" in call.carol.gets_response(200).body
