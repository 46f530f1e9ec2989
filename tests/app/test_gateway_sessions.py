"""What SIP phones do with calls that are up, or nearly, through the whole gateway.

The phone here is played by hand, message by message, so that it can do what our own user agent never does.
"""

import re
from collections.abc import Callable

import pytest

from ichat_gw.call.leg import Ended
from ichat_gw.sip.events import Received
from ichat_gw.sip.message import Request, parse
from tests.app.world import GATEWAY, PHONE, SDP, Phone, World
from tests.sip.ladder import Peer


class Hand(Phone):
    """The phone's place on the network, with a scripted peer instead of a user agent."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.peer = Peer(self, PHONE, user="5551234")  # type: ignore[arg-type]

    def act(self, event: Received) -> None:
        """The peer sends: its "ladder" is the world."""
        self.world.carry(event.data, PHONE, GATEWAY)
        self.world.run(0.01)

    def feed(self, event: object) -> None:
        assert isinstance(event, Received)
        self.peer.inbox.append(parse(event.data))
        self.peer.sessions.append(None)


URI = "sip:alice@127.0.0.1:5070"


def described(version: int = 1, more: str = "", host: str = PHONE[0]) -> str:
    text = SDP.format(host, 4000).replace("o=- 1 1", f"o=- 1 {version}")
    return text + (f"a={more}\r\n" if more else "")


def direction(sdp: bytes) -> str:
    found = re.search(rb"^a=(sendrecv|sendonly|recvonly|inactive)\r$", sdp, re.MULTILINE)
    assert found, sdp
    return found[1].decode()


def version(sdp: bytes) -> int:
    return int(sdp.split(b"\r\n")[1].split()[2])


@pytest.fixture
def world() -> World:
    return World()


def calls_in(world: World, **fields: str) -> Peer:
    """The phone has called alice, and talks."""
    phone = Hand(world).peer
    phone.sends("INVITE", sdp=described(), uri=URI, To=f"<{URI}>", Allow="INVITE, UPDATE", **fields)
    world.run(2.0)
    assert phone.gets(100)
    phone.gets(180)
    phone.gets(200)
    phone.sends("ACK", seq=1, uri=URI)
    phone.got()  # copies of the 200
    return phone


def is_called(world: World, **fields: str) -> Peer:
    """Alice has called the phone, and talks."""
    phone = Hand(world).peer
    world.alice.dial("5551234")
    world.run(0.1)
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 200, sdp=described(), Allow="INVITE, UPDATE", **fields)
    world.run(1.0)
    phone.gets("ACK")
    phone.silent()
    return phone


def by_reinvite(world: World, phone: Peer, sdp: str | None) -> bytes:
    invite = phone.sends("INVITE", sdp=sdp, uri=URI)
    world.run(0.1)
    phone.gets(100)
    body = phone.gets(200).body
    phone.sends("ACK", seq=invite.cseq.number, uri=URI, sdp=None if sdp else described(9))
    return body


def by_update(world: World, phone: Peer, sdp: str) -> bytes:
    phone.sends("UPDATE", sdp=sdp, uri=URI)
    world.run(0.1)
    return phone.gets(200).body


@pytest.mark.parametrize("up", [calls_in, is_called])
@pytest.mark.parametrize("change", [by_reinvite, by_update])
@pytest.mark.parametrize(
    ("hold", "answer"),
    [
        (described(2, "sendonly"), "recvonly"),
        (described(2, "inactive"), "inactive"),
        (described(2, host="0.0.0.0"), "recvonly"),
        (described(2, "inactive", host="0.0.0.0"), "inactive"),
        (described(2, "recvonly"), "sendonly"),
    ],
)
def test_hold_and_resume(
    world: World,
    up: Callable[[World], Peer],
    change: Callable[[World, Peer, str], bytes],
    hold: str,
    answer: str,
) -> None:
    phone = up(world)
    held = change(world, phone, hold)
    assert direction(held) == answer
    resumed = change(world, phone, described(3))
    assert direction(resumed) == "sendrecv"
    assert version(resumed) == version(held) + 1
    # iChat hears nothing of it.
    assert world.wire["INVITE"] == 2 + 2 * (change is by_reinvite)
    world.alice.hang_up()
    world.run(1.0)
    phone.answers(phone.gets_request("BYE"), 200)
    world.run(130.0)
    assert world.left_over() == {}


@pytest.mark.parametrize("up", [calls_in, is_called])
def test_a_late_offer_in_a_reinvite(world: World, up: Callable[[World], Peer]) -> None:
    phone = up(world)
    offer = by_reinvite(world, phone, None)
    assert direction(offer) == "sendrecv"
    assert b"m=audio" in offer
    world.run(1.0)
    phone.silent()
    phone.sends("BYE", uri=URI)
    world.run(130.0)
    assert world.left_over() == {}


def test_an_offer_that_cannot_be_met_says_what_is_wrong(world: World) -> None:
    phone = calls_in(world)
    odd = described(2).replace("RTP/AVP 0 8", "RTP/AVP 97").replace("rtpmap:0 PCMU", "rtpmap:97 opus")
    phone.sends("UPDATE", sdp=odd, uri=URI)
    world.run(0.1)
    assert (phone.gets(488).headers.get("Warning") or "").startswith("305 ichat-gw ")
    phone.sends("INVITE", sdp=described(2).replace("RTP/AVP", "RTP/SAVP"), uri=URI)
    world.run(0.1)
    phone.gets(100)
    assert (phone.gets(488).headers.get("Warning") or "").startswith("302 ichat-gw ")
    world.alice.hang_up()
    world.run(200.0)
    assert world.left_over() == {}


# --- before the answer ------------------------------------------------------------------------------------


def test_early_answer_update_and_final_answer(world: World) -> None:
    """As a gateway to the telephone network does it: 183, PRACK, UPDATE, 180, 200 without a body."""
    phone = Hand(world).peer
    world.alice.dial("5551234")
    world.run(0.1)
    invite = phone.gets_request("INVITE")
    assert "100rel" in invite.supported
    phone.answers(invite, 183, Require="100rel", RSeq="1", sdp=described(1))
    world.run(0.1)
    prack = phone.gets_request("PRACK")
    phone.answers(prack, 200)
    phone.sends("UPDATE", sdp=described(2), uri=URI)
    world.run(0.1)
    answer = phone.gets(200).body
    # The second description of one session: numbered after the first.
    assert version(answer) in (version(invite.body), version(invite.body) + 1)
    assert (version(answer) == version(invite.body)) == (answer == invite.body)
    phone.answers(invite, 180, Require="100rel", RSeq="2")
    world.run(0.1)
    phone.answers(phone.gets_request("PRACK"), 200)
    phone.answers(invite, 200)
    world.run(1.0)
    phone.gets("ACK")
    phone.silent()
    assert len(world.gateway.calls) == 1
    phone.sends("BYE", uri=URI)
    world.run(130.0)
    assert any(isinstance(e, Ended) for e in world.alice.heard)
    assert world.left_over() == {}


def test_an_early_offer_that_cannot_be_met_leaves_the_call_as_it_was(world: World) -> None:
    phone = Hand(world).peer
    world.alice.dial("5551234")
    world.run(0.1)
    invite = phone.gets_request("INVITE")
    phone.answers(invite, 183, Require="100rel", RSeq="1", sdp=described(1))
    phone.answers(phone.gets_request("PRACK"), 200)
    phone.sends("UPDATE", sdp="nonsense", uri=URI)
    world.run(0.1)
    phone.gets(400)
    phone.answers(invite, 200)
    world.run(1.0)
    phone.gets("ACK")
    phone.sends("BYE", uri=URI)
    world.run(130.0)
    assert world.left_over() == {}


def test_a_caller_that_requires_100rel(world: World) -> None:
    phone = Hand(world).peer
    phone.sends("INVITE", sdp=described(), uri=URI, To=f"<{URI}>", Require="100rel")
    world.run(0.1)
    phone.gets(100)
    ringing = phone.gets_response(180)
    phone.sends("PRACK", RAck=f"{ringing.headers.get('RSeq')} 1 INVITE", uri=URI)
    phone.gets(200)
    world.run(2.0)
    phone.gets(200)
    phone.sends("ACK", seq=1, uri=URI)
    phone.sends("BYE", uri=URI)
    world.run(130.0)
    assert world.left_over() == {}


def test_a_caller_that_requires_100rel_and_never_acknowledges(world: World) -> None:
    world.alice.manner = "ignore"
    phone = Hand(world).peer
    phone.sends("INVITE", sdp=described(), uri=URI, To=f"<{URI}>", Require="100rel")
    world.run(40.0)
    assert 504 in phone.got()
    assert [stanza for stanza in world.alice.stanzas if "cancel" in stanza[0].tag]
    world.run(130.0)
    assert world.left_over() == {}


# --- session timers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("up", [calls_in, is_called])
def test_a_phone_that_vanishes_is_noticed_and_its_call_ends(world: World, up: Callable[..., Peer]) -> None:
    ours = "uas" if up is calls_in else "uac"
    phone = up(world, Session_Expires=f"90;refresher={ours}", Supported="timer")
    world.run(46.0)
    update = phone.gets_request("UPDATE")
    phone.answers(update, 200, Session_Expires="90;refresher=uac")
    world.run(44.0)
    assert len(world.gateway.calls) == 1
    world.run(20.0)
    assert set(phone.got()) >= {"UPDATE", "BYE"}
    assert any(isinstance(e, Ended) for e in world.alice.heard)
    assert next(n for n in world.notes if n.event == "call over").fields[4] == ("cause", "TIMEOUT")
    world.run(130.0)
    assert world.left_over() == {}


# --- hops -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hops", "left"), [("1", 0), ("20", 19), ("70", 69), ("255", 69)])
def test_a_call_that_is_passed_on_has_one_hop_less(world: World, hops: str, left: int) -> None:
    seen: list[int | None] = []
    listen = world.alice.feed

    def feed(event: object) -> None:
        message = parse(event.data) if isinstance(event, Received) else None
        if isinstance(message, Request) and message.method == "INVITE":
            seen.append(message.max_forwards)
        listen(event)

    world.alice.feed = feed  # type: ignore[method-assign,assignment]
    phone = Hand(world).peer
    phone.sends("INVITE", sdp=described(), uri=URI, To=f"<{URI}>", Max_Forwards=hops)
    world.run(2.0)
    assert seen[0] == left
