"""What breaks in a long life: the connector, the XMPP server, and datagrams that nobody of ours sent."""

import asyncio
import random
import socket
from pathlib import Path

import psutil
import pytest

from e2e.conftest import EVERY_SERVER
from peers import flows
from peers.sip_phone import SippPhone
from peers.stage import Stage

pytestmark = pytest.mark.e2e
XMPP_SERVERS = EVERY_SERVER


async def test_the_connector_dies_in_the_middle_of_a_call(stage: Stage) -> None:
    dialling = stage.phone.dial(stage.gateway.address, "alice", talk=2.5)
    await stage.ichat.wait_for("established")
    connector = stage.gateway.connector()
    connector.kill()
    await stage.ichat.wait_for("ended")
    result = await dialling.result()
    call = stage.ichat.sip.call
    assert result.echoed >= call.sent - flows.LOST_AT_THE_EDGES, "the call must go on without a gap"
    assert call.sent >= 2.5 * 50 * 0.8

    await stage.connected()
    assert stage.gateway.connector().pid != connector.pid
    await flows.sip_calls_established(stage, talk=0.3)


async def test_the_connector_dies_while_ichat_is_alerted(stage: Stage) -> None:
    stage.ichat.on_request = "never answer"
    dialling = stage.phone.dial_and_fail(stage.gateway.address, "alice", 503)
    await stage.ichat.wait_for("vc:request")
    stage.gateway.connector().kill()
    await dialling.result()
    # The next connector knows who rings.
    await stage.ichat.wait_for("vc:cancel")
    stage.ichat.on_request = "accept"
    await stage.connected()
    await flows.ichat_calls_established(stage, talk=0.3)


async def test_the_connector_dies_while_ichat_waits_for_the_phone(stage: Stage) -> None:
    ringing = stage.phone.ring()
    stage.ichat.call(stage.speed_dial)
    await ringing.until("SIP 180 INVITE", way="out")
    stage.gateway.connector().kill()
    await ringing.result()
    response = await stage.ichat.wait_for("vc:response")
    assert response.fields["response"] == "1"
    await stage.connected()


async def test_the_xmpp_server_restarts(stage: Stage) -> None:
    await stage.ichat.log_out()
    await stage.prosody.restart_async()
    await stage.ichat.log_in()
    await stage.connected()
    await flows.sip_calls_established(stage, talk=0.3)


async def test_the_xmpp_server_is_away_for_a_while(stage: Stage) -> None:
    await stage.ichat.log_out()
    await stage.prosody.stop_async()
    await stage.phone.dial_and_fail(stage.gateway.address, "alice", 503).result()
    await asyncio.sleep(0.5)
    await stage.prosody.start_async()
    await stage.ichat.log_in()
    await stage.connected()
    await flows.ichat_calls_established(stage, talk=0.3)


async def test_a_second_call_between_the_same_two_people(stage: Stage, tmp_path: Path) -> None:
    """iChat cannot tell the two apart; the first goes on, the second is told to try again later."""
    stage.ichat.answer_time = 1.0
    first = stage.phone.dial(stage.gateway.address, "alice", talk=0.3)
    await stage.ichat.wait_for("vc:request")
    try:
        await SippPhone(tmp_path).dial_and_fail(stage.gateway.address, "alice", 486).result()
        await stage.ichat.wait_for("established")
        await first.result()
    finally:
        stage.ichat.answer_time = 0.05
    assert stage.ichat.sightings.count("vc:cancel") == 0


async def test_no_secret_shows(stage: Stage) -> None:
    """Not in argv, not in the environment, not in the log."""
    secret = stage.prosody.component_secret
    processes = [psutil.Process(stage.gateway.program.pid), *stage.gateway.children()]
    assert len(processes) >= 3
    for process in processes:
        assert secret not in " ".join(process.cmdline())
        assert secret not in str(process.environ())
    assert secret not in stage.gateway.log_file.read_text() + stage.gateway.program.output


async def test_forged_ipc_is_ignored(stage: Stage) -> None:
    """On both ports: nothing, noise, the original's own CR-terminated words, and very long ones."""
    random.seed(1)
    words = [b"", b"\r", b"cancelIChatCall\r5551234\ralice\r", b"notifyIChatCallFailed\r1\r404\r", b"{" * 900]
    words += [random.randbytes(random.randrange(1, 1400)) for _ in range(200)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
        for port in (stage.gateway.gateway_ipc_port, stage.gateway.connector_ipc_port):
            for word in words:
                forger.sendto(word, ("127.0.0.1", port))
    connector = stage.gateway.connector().pid
    await flows.sip_calls_established(stage, talk=0.3)
    assert stage.gateway.connector().pid == connector


async def test_noise_on_the_sip_port_is_ignored(stage: Stage) -> None:
    random.seed(2)
    words = [
        b"",
        b"\r\n\r\n",
        b"\x00" * 4,
        b"INVITE",
        b"INVITE sip:x SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
    ]
    words += [random.randbytes(random.randrange(1, 1400)) for _ in range(200)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for word in words:
            stranger.sendto(word, ("127.0.0.1", stage.gateway.sip_port))
    await flows.sip_calls_established(stage, talk=0.3)


async def test_options_outside_a_dialog(stage: Stage) -> None:
    """The original aborts on it."""
    reply = await asyncio.to_thread(_ask_options, stage.gateway.sip_port)
    assert reply.startswith("SIP/2.0 200 ")
    await flows.sip_calls_bad_jid(stage)


def _ask_options(port: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(30)
        here = f"127.0.0.1:{phone.getsockname()[1]}"
        lines = [
            f"OPTIONS sip:127.0.0.1:{port} SIP/2.0",
            f"Via: SIP/2.0/UDP {here};branch=z9hG4bKoptions",
            "Max-Forwards: 70",
            f"From: <sip:probe@{here}>;tag=1",
            f"To: <sip:127.0.0.1:{port}>",
            "Call-ID: options@127.0.0.1",
            "CSeq: 1 OPTIONS",
            "Content-Length: 0",
        ]
        phone.sendto(("\r\n".join(lines) + "\r\n\r\n").encode(), ("127.0.0.1", port))
        return phone.recv(2000).decode()
