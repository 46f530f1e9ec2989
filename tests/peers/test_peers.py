"""The peers among themselves, without a gateway: what they can be trusted to show."""

import asyncio
from pathlib import Path

import psutil
import pytest
from slixmpp.exceptions import IqError

from peers.audio import PACKET_TIME, AudioReceiver, AudioSender, samples_of, stream_pcmu
from peers.baresip import Baresip
from peers.ichat import SimulatedIChat, data_blob, first_address
from peers.program import Program, ProgramError
from peers.prosody import PrivateProsody
from peers.sightings import NotSeenError
from peers.sip_phone import SippPhone

pytestmark = pytest.mark.e2e


async def test_two_simulated_ichats_call_each_other_through_a_real_server(tmp_path: Path) -> None:
    async with (
        PrivateProsody(tmp_path) as prosody,
        SimulatedIChat(prosody, "alice") as alice,
        SimulatedIChat(prosody, "bob") as bob,
    ):
        alice.call(bob.full_jid)
        await bob.wait_for("vc:request", where=lambda s: s.fields["isAudioOnly"] == "1")
        await alice.wait_for("established")
        await bob.wait_for("established")
        await asyncio.sleep(0.3)
        alice.sip.ping()
        await alice.wait_for("SIP 200 MESSAGE")
        alice.sip.hang_up()
        await bob.wait_for("ended")
        for one, other in ((alice, bob), (bob, alice)):
            sender, receiver = one.sip.call, other.sip.call.receiver
            assert sender.sent > 10
            assert receiver.intact(sender.stream, sender.sent) >= sender.sent - 2
            assert receiver.in_order()

        bob.on_request = "decline"
        alice.forget()
        alice.call(bob.full_jid)
        refusal = await alice.wait_for("vc:response")
        assert (refusal.fields["response"], refusal.fields["connectData"]) == ("1", "")
        with pytest.raises(NotSeenError, match="iChat alice saw no SIP INVITE"):
            await alice.wait_for("SIP INVITE", within=0.05)


async def test_prosody_restarts_with_its_accounts_and_ports(tmp_path: Path) -> None:
    async with PrivateProsody(tmp_path, users=["dora"]) as prosody:
        async with SimulatedIChat(prosody, "dora"):
            pass
        await prosody.restart_async()
        async with SimulatedIChat(prosody, "dora") as dora:
            with pytest.raises(IqError, match="remote-server-timeout"):  # the component is not there
                await dora.query(prosody.component, "jabber:iq:version")
        pid = prosody.program.pid
    assert not psutil.pid_exists(pid)


async def test_sipp_plays_its_scenarios(tmp_path: Path) -> None:
    bob, office = SippPhone(tmp_path / "bob"), SippPhone(tmp_path / "office")
    there = f"127.0.0.1:{office.port}"

    called = office.answer()
    calling = bob.dial(there, "100", talk=0.2, caller_name="Bob")
    result = await calling.result()
    assert result.kinds[-2:] == ["out SIP BYE", "in SIP 200 BYE"]
    assert (await called.result()).first("in", "SIP INVITE")["from"].startswith('"Bob" <sip:15551234567@')

    called = office.answer_and_hang_up(talk=0.1)
    await bob.dial_and_wait(there, "100").result()
    await called.result()

    called = office.refuse(486, "Busy Here")
    await bob.dial_and_fail(there, "100", 486).result()
    assert (await called.result()).kinds[-1] == "in SIP ACK"

    called = office.ring()
    await bob.dial_and_give_up(there, "100", ring=0.05).result()
    assert "in SIP CANCEL" in (await called.result()).kinds

    called = office.refuse(404, "Not Found")
    with pytest.raises(ProgramError, match="uac_refused"):  # it waits for 603
        await bob.dial_and_fail(there, "100", 603).result()
    called.stop()


async def test_sipp_sends_sound_back_and_counts_it(tmp_path: Path) -> None:
    phone, office = SippPhone(tmp_path / "bob"), SippPhone(tmp_path / "office")
    loop, receiver = asyncio.get_running_loop(), AudioReceiver()

    class Ear(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            receiver.take(data, addr)

    called = office.answer_and_hang_up(talk=0.5)
    calling = phone.dial_and_wait(f"127.0.0.1:{office.port}", "100")
    await called.until("SIP ACK")
    transport, _ = await loop.create_datagram_endpoint(Ear, local_addr=("127.0.0.1", 0))
    sender = AudioSender(
        "echo", lambda p: transport.sendto(p, ("127.0.0.1", office.media_port)), lambda p: None
    )
    await sender.run(10)
    await calling.result()
    assert (await called.result()).echoed == 10
    assert receiver.intact("echo", 10) == 10
    transport.close()
    await asyncio.sleep(0)


async def test_baresip_hears_what_is_said(tmp_path: Path) -> None:
    said = samples_of(stream_pcmu("alice speaks", 300))
    with (
        Baresip(tmp_path / "alice", "alice", sound=said) as alice,
        Baresip(tmp_path / "bob", "bob", sound=samples_of(stream_pcmu("bob speaks", 300))) as bob,
    ):
        alice.dial(f"sip:bob@127.0.0.1:{bob.port}")
        await asyncio.sleep(60 * PACKET_TIME)
        alice.hang_up()
        await asyncio.sleep(0.2)
    heard = bob.heard()
    assert len(heard) > 30 * 160
    assert heard[: 30 * 160] == said[: 30 * 160]


def test_a_program_that_fails_shows_its_last_words(tmp_path: Path) -> None:
    program = Program("talker", ["sh", "-c", "echo it is broken; exit 3"], tmp_path)
    program.spawn()
    with pytest.raises(ProgramError, match=r"status 3 before it was ready(.|\n)*it is broken"):
        program.await_ready(lambda: False, 5.0)


def test_blobs() -> None:
    # The gateway's own record in the traces of the original.
    record = "00000000657468300000000000000000000000007f0000010000000000000000000000003ade0000"
    assert first_address("\n" + record.upper()) == ("127.0.0.1", 15070)
    assert data_blob(("127.0.0.1", 15070)).replace("656e30", "657468", 1)[:14] == record[:14]
    assert first_address(data_blob(("10.1.2.3", 16402), ("10.9.9.9", 1))) == ("10.1.2.3", 16402)
