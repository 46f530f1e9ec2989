"""Audio through the relay, with phones that have sound of their own, and with strangers about."""

import asyncio
import itertools
from pathlib import Path

import pytest

from peers import flows
from peers.audio import (
    PACKET_BYTES,
    AudioSender,
    packet_payload,
    packets_of,
    pcmu_of,
    samples_of,
    speech,
    stream_pcmu,
)
from peers.baresip import Baresip
from peers.plain_sip import sdp_audio
from peers.stage import SPEED_DIAL, Stage

pytestmark = pytest.mark.e2e
TALK = 2.0


def longest_run(heard: list[int], said: list[int]) -> int:
    """How many packets of `said` stand one after the other in `heard`, sample for sample."""
    begin, best = 0, 0
    packets = [said[at : at + PACKET_BYTES] for at in range(0, len(said), PACKET_BYTES)]
    first = next((n for n, p in enumerate(packets) if p == heard[:PACKET_BYTES]), None)
    if first is None:
        return 0
    for number, packet in enumerate(packets[first:]):
        begin = number * PACKET_BYTES
        if heard[begin : begin + PACKET_BYTES] != packet:
            break
        best = number + 1
    return best


async def check_conversation(stage: Stage, phone: Baresip, phone_stream: str) -> None:
    """Both heard what the other said, sample for sample."""
    call = stage.ichat.sip.call
    said = [packet_payload(phone_stream, number) for number in range(600)]
    of_phone = {bytes(pcmu_of(samples_of(payload))) for payload in said}
    at_ichat = sum(bytes(pcmu_of(samples_of(p))) in of_phone for p in call.receiver.payloads)
    assert at_ichat >= TALK * 50 * 0.8
    assert at_ichat == call.receiver.received
    heard = phone.heard()
    assert len(heard) >= TALK * 8000 * 0.8
    assert longest_run(heard, samples_of(stream_pcmu(call.stream, call.sent))) >= TALK * 50 * 0.8


async def both_have_heard(stage: Stage, phone: Baresip) -> None:
    """Let them talk until enough has come to both; baresip writes what it has heard as it plays it."""
    await asyncio.sleep(TALK)
    call = stage.ichat.sip.call
    await phone.program.until_ready(
        lambda: call.received >= TALK * 50 and len(phone.heard()) >= TALK * 8000, 30.0
    )


async def test_ichat_calls_baresip(stage: Stage, tmp_path: Path) -> None:
    phone = Baresip(
        tmp_path, SPEED_DIAL, sound=samples_of(stream_pcmu("baresip", 600)), port=stage.phone.port
    )
    with phone:
        stage.ichat.call(stage.speed_dial)
        await stage.ichat.wait_for("established")
        await both_have_heard(stage, phone)
        stage.ichat.sip.hang_up()
        await stage.ichat.wait_for("SIP 200 BYE")
        await asyncio.sleep(0.2)
    await check_conversation(stage, phone, "baresip")


async def test_baresip_calls_ichat(stage: Stage, tmp_path: Path) -> None:
    with Baresip(tmp_path, "15557654321", sound=samples_of(stream_pcmu("baresip", 600))) as phone:
        phone.dial(f"sip:alice@{stage.gateway.address}")
        await stage.ichat.wait_for("established")
        await both_have_heard(stage, phone)
        phone.hang_up()
        await stage.ichat.wait_for("ended")
        await asyncio.sleep(0.2)
    await check_conversation(stage, phone, "baresip")


async def test_ten_seconds_of_speech_arrive_whole(stage: Stage, tmp_path: Path) -> None:
    """Every packet of a phone's speech, bit for bit, in its place, none missing; iChat's meanwhile, too."""
    said = speech(10.0)
    quiet = speech(1.0)[::-1]  # while the call is set up, and until it ends
    with Baresip(tmp_path, "15557654321", sound=[*quiet, *said, *quiet, *quiet]) as phone:
        phone.dial(f"sip:alice@{stage.gateway.address}")
        await stage.ichat.wait_for("established")
        call = stage.ichat.sip.call
        await phone.program.until_ready(lambda: call.receiver.received >= 50 + 500 + 25, 60.0)
        phone.hang_up()
        await stage.ichat.wait_for("ended")
        await asyncio.sleep(0.2)
    packets = packets_of(said)
    begin = next(n for n, payload in enumerate(call.receiver.payloads) if pcmu_twice(payload) == packets[0])
    heard = [pcmu_twice(payload) for payload in call.receiver.payloads[begin : begin + 500]]
    assert heard == packets
    assert call.receiver.in_order()
    assert len(call.receiver.sources) == 1
    assert longest_run(phone.heard(), samples_of(stream_pcmu(call.stream, call.sent))) >= 500


def pcmu_twice(payload: bytes) -> bytes:
    """PCMU with one zero, as baresip's encoder knows no other."""
    return pcmu_of(samples_of(payload))


async def test_hold_and_resume_from_the_phone(stage: Stage) -> None:  # trace 15
    dialling = stage.phone.dial_and_hold(stage.gateway.address, "alice", talk=0.5, hold=0.5)
    await stage.ichat.wait_for("established")
    await stage.ichat.wait_for("ended")
    result = await dialling.result()
    assert result.kinds.count("in SIP 200 INVITE") == 3
    assert stage.ichat.sightings.count("SIP INVITE") == 1, "a hold is answered by the gateway itself"
    assert result.echoed >= 0.8 * 50


async def test_pings_of_ichat_are_answered_and_stay_here(stage: Stage) -> None:
    ringing = stage.phone.answer()
    stage.ichat.call(stage.speed_dial)
    await stage.ichat.wait_for("established")
    stage.ichat.sip.ping()
    await stage.ichat.wait_for("SIP 200 MESSAGE")
    stage.ichat.sip.hang_up()
    assert "in SIP MESSAGE" not in (await ringing.result()).kinds


class Stranger(asyncio.DatagramProtocol):
    """Somebody on another address or port."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.append(data)


async def test_a_stranger_gets_no_audio_and_brings_none_in(stage: Stage) -> None:
    dialling = stage.phone.dial(stage.gateway.address, "alice", talk=1.5)
    await stage.ichat.wait_for("established")
    phone_relay = sdp_audio((await dialling.until("SIP 200 INVITE")).body)[:2]
    ichat_relay = sdp_audio(stage.ichat.sip.call.remote_sdp)[:2]
    await asyncio.sleep(0.2)

    loop = asyncio.get_running_loop()
    strangers = []
    for address, target in itertools.product(("127.0.0.1", "127.0.0.66"), (phone_relay, ichat_relay)):
        transport, stranger = await loop.create_datagram_endpoint(Stranger, local_addr=(address, 0))
        sender = AudioSender(f"stranger {address}", lambda p: None, lambda p: None)
        for _ in range(20):
            transport.sendto(sender.next_packet(), target)
            transport.sendto(sender.next_report(), (target[0], target[1] + 1))
        strangers.append((transport, stranger))

    await stage.ichat.wait_for("ended")
    result = await dialling.result()
    for transport, stranger in strangers:
        transport.close()
        assert stranger.heard == []
    await asyncio.sleep(0)
    call = stage.ichat.sip.call
    assert call.receiver.received == call.receiver.intact(call.stream, call.sent)
    assert result.echoed <= call.sent
    assert result.echoed >= call.sent - flows.LOST_AT_THE_EDGES


async def test_rtcp_travels_both_ways(stage: Stage) -> None:
    """SIPp leaves its RTCP port alone, so we listen and speak there."""
    dialling = stage.phone.dial(stage.gateway.address, "alice", talk=1.0)
    loop = asyncio.get_running_loop()
    transport, ear = await loop.create_datagram_endpoint(
        Stranger, local_addr=("127.0.0.1", stage.phone.media_port + 1)
    )
    await stage.ichat.wait_for("established")
    relay, _, _, rtcp_port = sdp_audio((await dialling.until("SIP 200 INVITE")).body)
    sender = AudioSender("the phone reports", lambda p: None, lambda p: None)
    report = sender.next_report()
    await asyncio.sleep(0.3)
    transport.sendto(report, (relay, rtcp_port))
    await stage.ichat.wait_for("ended")
    await dialling.result()
    transport.close()
    await asyncio.sleep(0)
    call = stage.ichat.sip.call
    assert call.sender
    assert len(ear.heard) == call.sender.reports_sent > 0
    assert call.receiver.reports == 1


async def test_no_port_is_held_after_the_call(stage: Stage) -> None:

    await flows.ichat_calls_established(stage, talk=0.3)
    first, last = stage.gateway.media_ports, stage.gateway.media_ports + 99

    def held() -> list[int]:
        return [
            connection.laddr.port
            for process in stage.gateway.children()
            for connection in process.net_connections("udp")
            if first <= connection.laddr.port <= last
        ]

    await stage.gateway.program.until_ready(lambda: held() == [], 30.0)
