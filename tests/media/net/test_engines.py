"""One set of scenarios for all media engines: the Python loop, the compiled loop, and rtpengine 10.5.

Where rtpengine by its nature does something else, the test says what, and docs/reference/media-engines.md
says why.
"""

import asyncio
import contextlib
from pathlib import Path

import pytest

from ichat_gw.call.cause import Cause
from ichat_gw.call.media import MediaLost, MediaOffer, MediaReoffer, Side
from tests.media.net.engines import KINDS, TICK, V4, V6, EngineStage, Peer, peers, running, talk
from tests.media.net.loopback import Party, rtcp, rtp

CALLER, CALLEE = Side.CALLER, Side.CALLEE
RTPENGINE = "rtpengine"
pytestmark = pytest.mark.parametrize("kind", KINDS)


async def report(one: Peer, other: Peer) -> None:
    """Both send a report, and get that of the other one."""
    one.report()
    other.report()
    for peer in (one, other):
        reports = (await peer.hears(0, 1)).rtcp
        assert [packet[4:8] for packet in reports] == [peer.ssrc_heard], "RTCP goes with the RTP"


# --- sound ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("callee_at", [V4, V6])
@pytest.mark.parametrize("caller_at", [V4, V6])
async def test_sound_and_reports_both_ways(kind: str, tmp_path: Path, caller_at: str, callee_at: str) -> None:
    async with running(kind, tmp_path) as stage:
        with peers(caller_at, callee_at) as (alice, bob):
            await stage.call(alice, bob)
            await talk(alice, bob)
            await report(alice, bob)
            counters = await stage.release()
    assert counters is not None
    for party in (counters.caller, counters.callee):
        assert (party.received, party.sent, party.rtcp_received, party.rtcp_sent) == (10, 10, 1, 1)
        assert (party.received_octets, party.strangers) == (1720, 0)
    assert counters.caller.source == alice.rtp.address


@pytest.mark.parametrize("caller_at", [V4, V6])
async def test_ichat_calls_and_describes_itself_after_the_answer(
    kind: str, tmp_path: Path, caller_at: str
) -> None:
    async with running(kind, tmp_path) as stage:
        with peers(caller_at, V4, one_port=0) as (ichat, phone):
            phone.is_told(await stage.ask(MediaOffer(1, CALLER, None, phone.host)))
            await stage.answer(ichat, phone)
            await stage.reoffer(CALLER, ichat)
            await talk(ichat, phone)


async def test_a_phone_that_offers_nothing_is_offered_something(kind: str, tmp_path: Path) -> None:
    async with running(kind, tmp_path) as stage:
        with peers(V4, V6, one_port=1) as (phone, ichat):
            ichat.is_told(await stage.ask(MediaOffer(1, CALLER, None, ichat.host)))
            await stage.answer(phone, ichat)
            await stage.update(CALLER, phone)
            await talk(phone, ichat)


async def test_who_has_one_port_gets_reports_there(kind: str, tmp_path: Path) -> None:
    """iChat has one port for RTP and RTCP, the phone two; each gets reports where it wants them."""
    async with running(kind, tmp_path) as stage:
        with peers(V4, V4, one_port=1) as (phone, ichat):
            await stage.call(phone, ichat)
            await talk(phone, ichat)
            await report(phone, ichat)
            await stage.reoffer(CALLER, phone)
            await talk(phone, ichat)
            await report(phone, ichat)
            # It may send them to our RTP port, or to that for RTCP; rtpengine takes them at the first only.
            ichat.rtcp.send(rtcp()[:4] + bytes(3) + b"\2" + rtcp()[8:], ichat.told[1] + 1)
            assert len((await phone.quiet()).rtcp) == (0 if kind == RTPENGINE else 1)


async def test_numbers_of_packets(kind: str, tmp_path: Path) -> None:
    async with running(kind, tmp_path) as stage:
        assert await stage.statistics("nobody") is None
        with peers(V4, V4) as (alice, bob):
            await stage.call(alice, bob)
            await talk(alice, bob, 3)
            so_far = await stage.statistics()
            assert so_far is not None
            assert (so_far.caller.received, so_far.callee.received) == (3, 3)
            assert stage.engine.status().parts[0].calls == 1
            await stage.release()
        status = stage.engine.status()
    (part,) = status.parts
    assert (part.up, part.calls, status.ports_in_use, stage.engine.open_sessions) == (True, 0, 0, 0)
    said = (status.engine, part.loop, part.name.split()[0])
    assert said == (("rtpengine", "", "rtpengine") if kind == RTPENGINE else ("builtin", kind, "relay"))


# --- changes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [CALLER, CALLEE])
async def test_a_party_moves(kind: str, tmp_path: Path, side: Side) -> None:
    async with running(kind, tmp_path) as stage:
        with peers(V4, V6, V4 if side is CALLER else V6) as (alice, bob, elsewhere):
            await stage.call(alice, bob)
            await talk(alice, bob)
            moved, stays = (alice, bob) if side is CALLER else (bob, alice)
            elsewhere.told = moved.told
            await stage.reoffer(side, elsewhere)
            await talk(elsewhere, stays)
            await report(elsewhere, stays)
            moved.say()
            stays.say()
            assert (await moved.quiet()).rtp == []
            assert len((await elsewhere.hears(1)).rtp) == 1
            assert (await stays.quiet()).rtp == []


async def test_hold_with_keep_alives(kind: str, tmp_path: Path) -> None:
    """A phone holds: iChat, which ends calls in which it hears nothing, gets empty packets.

    Rtpengine plays silence to it, in packets as long as any, from a source of their own, and only when we
    have seen that nothing comes from the phone. The phone still gets whatever the party that it holds says.
    """
    async with running(kind, tmp_path) as stage:
        with peers(V4, V4, one_port=1) as (phone, ichat):
            await stage.call(phone, ichat)
            await talk(phone, ichat)
            held = await stage.reoffer(CALLER, phone, direction="sendonly")
            assert "a=recvonly" in held
            (music,) = phone.say()
            assert (await ichat.hears(1)).payloads == [music]
            ichat.say()
            assert len((await phone.quiet()).rtp) == (1 if kind == RTPENGINE else 0)
            await report(phone, ichat)
            if kind == RTPENGINE:
                silence = (await ichat.hears(5)).rtp
                assert {packet[12:] for packet in silence} == {b"\xff" * 160}
                assert {packet[:2] for packet in silence[1:]} == {b"\x80\x00"}
            else:
                await asyncio.sleep(1.2)
                gaps = ichat.listen(await ichat.quiet()).keep_alives
                assert len(gaps) >= 5
                assert {packet[:2] for packet in gaps[1:]} == {b"\x80\x00"}
            assert "a=sendrecv" in await stage.reoffer(CALLER, phone)
            ichat.listen(await ichat.quiet())
            said = phone.say(2)
            assert [each for each in (await ichat.hears(2)).payloads if each] == said
            assert ichat.say(2) == (await phone.hears(2)).payloads


async def test_a_phone_that_holds_as_of_old_is_sent_nothing(kind: str, tmp_path: Path) -> None:
    """RFC 2543 4.2.6: `c=0.0.0.0`. rtpengine goes on sending to where the phone was: see above."""
    async with running(kind, tmp_path) as stage:
        with peers(V4, V4) as (phone, other):
            await stage.call(phone, other)
            await talk(phone, other)
            held = phone.sdp("sendonly").replace(f"c=IN IP4 {V4}", "c=IN IP4 0.0.0.0")
            phone.is_told(await stage.ask(MediaReoffer(stage.number(), CALLER, held, phone.host)))
            other.say()
            assert len((await phone.quiet()).rtp) == (1 if kind == RTPENGINE else 0)
            await stage.reoffer(CALLER, phone)
            await talk(phone, other)


async def test_a_source_that_changes_its_ssrc(kind: str, tmp_path: Path) -> None:
    """The receiver goes on hearing one stream; rtpengine lets it see the new SSRC and numbers."""
    async with running(kind, tmp_path) as stage:
        with peers(V4, V4) as (alice, bob):
            await stage.call(alice, bob)
            await talk(alice, bob)
            before = bob.ssrc_heard
            alice.ssrc, alice.sequence = 7, 60_000
            said = alice.say(5)
            heard = await bob.hears(5)
            assert heard.payloads == said
            sources = {packet[8:12] for packet in heard.rtp}
            numbers = [int.from_bytes(packet[2:4], "big") for packet in heard.rtp]
            if kind == RTPENGINE:
                assert (sources, numbers[0]) == ({b"\0\0\0\7"}, 60_000)
            else:
                assert sources == {before}
                assert numbers == list(range(110, 115))


async def test_somebody_new_takes_a_place(kind: str, tmp_path: Path) -> None:
    """A transfer: whoever is offered the place is not heard before it is his, and then nobody else is."""
    async with running(kind, tmp_path) as stage:
        with peers(V4, V4, V4) as (phone, ichat, office):
            await stage.call(phone, ichat)
            await talk(phone, ichat)
            await stage.candidate(CALLER, office)
            assert office.told == phone.told
            office.say()
            await talk(phone, ichat)
            await stage.replace(CALLER, office)
            await talk(office, ichat)
            phone.say()
            ichat.say()
            assert ((await ichat.quiet()).rtp, phone.rtp.taken()) == ([], [])


# --- strangers --------------------------------------------------------------------------------------------


class Flood:
    """Ten times what a party sends, to both of its ports, like audio and reports in all but the source."""

    def __init__(self) -> None:
        self.stranger, self.control = Party(), Party()
        self.number = 0

    def pour(self, *targets: Peer) -> None:
        """As much as belongs to one packet of each party."""
        for peer in targets:
            for _ in range(10):
                self.number += 1
                packet = rtp(self.number)[:8] + b"\0\0\0\x63" + b"!" * 160
                self.stranger.socket.sendto(packet, peer.told)
                self.control.socket.sendto(rtcp(), (peer.told[0], peer.told[1] + 1))

    def heard(self) -> list[bytes]:
        return self.stranger.taken() + self.control.taken()

    def close(self) -> None:
        self.stranger.close()
        self.control.close()


async def test_a_stranger_floods_the_ports_of_a_call(kind: str, tmp_path: Path) -> None:
    """Before the call is answered and while they talk: nothing of his is heard, nor of theirs lost.

    And nothing is sent to him. Each packet of a party stands behind ten of his, and is waited for: so what is
    tested is what is dropped, not how fast this machine is.
    """
    packets = 100
    async with running(kind, tmp_path) as stage:
        with peers(V4, V4) as (alice, bob), contextlib.closing(Flood()) as flood:
            await stage.offer(alice, bob)
            for _ in range(10):
                flood.pour(bob)
                await asyncio.sleep(TICK)
            assert ((await bob.quiet()).rtp, alice.rtp.taken(), alice.rtcp.taken()) == ([], [], [])
            await stage.answer(alice, bob)
            for _ in range(packets):
                flood.pour(alice, bob)
                await talk(alice, bob, 1)
            flood.pour(alice, bob)
            await report(alice, bob)
            assert ((await bob.quiet()).rtp, (await alice.quiet()).rtp) == ([], [])
            counters = await stage.release()
            assert flood.heard() == []
    assert counters is not None
    for party in (counters.caller, counters.callee):
        assert (party.received, party.sent) == (packets, packets)
        assert party.strangers >= 10 * packets


async def test_a_phone_behind_a_nat_is_learnt(kind: str, tmp_path: Path) -> None:
    """Its description names an address that only it can reach; it is where its packets come from."""
    async with running(kind, tmp_path) as stage:
        with peers(V4, V4) as (phone, ichat):
            behind = phone.sdp().replace(f"c=IN IP4 {V4}", "c=IN IP4 10.99.0.7")
            ichat.is_told(await stage.ask(MediaOffer(stage.number(), CALLER, behind, ichat.host)))
            await stage.answer(phone, ichat)
            assert phone.say() == (await ichat.hears(1)).payloads
            await talk(phone, ichat)


# --- silence ----------------------------------------------------------------------------------------------


async def test_a_party_that_is_silent_for_too_long(kind: str, tmp_path: Path) -> None:
    async with running(kind, tmp_path, media_timeout=1.0) as stage:
        with peers(V4, V4) as (alice, bob):
            await stage.call(alice, bob)
            async with asyncio.TaskGroup() as group:
                talking = group.create_task(_monologue(alice))
                lost = await stage.reply()
                talking.cancel()
    assert isinstance(lost, MediaLost)
    assert (lost.ending.cause, lost.ending.text) == (Cause.MEDIA_TIMEOUT, "nothing from the callee for 1 s")


async def test_nobody_is_missed_on_hold(kind: str, tmp_path: Path) -> None:
    async with running(kind, tmp_path, media_timeout=1.0) as stage:
        with peers(V4, V4) as (alice, bob):
            await stage.call(alice, bob)
            await talk(alice, bob)
            await stage.reoffer(CALLER, alice, direction="inactive")
            await asyncio.sleep(1.6)
            assert stage.replies.empty()
            await stage.reoffer(CALLER, alice)
            await _lost(stage)


async def _monologue(peer: Peer) -> None:
    while True:
        peer.say()
        await asyncio.sleep(TICK)


async def _lost(stage: EngineStage) -> None:
    assert isinstance(await stage.reply(), MediaLost)
