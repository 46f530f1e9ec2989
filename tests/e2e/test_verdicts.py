"""Real calls, and what the gateway says of them afterwards: verdicts, records, traces, copies for Homer.

Every row of the verdict's tables is caused in `tests/app/test_verdicts.py`; here are those that differ when
real programs and sockets are involved.
"""

import asyncio
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from ichat_gw.ops import hep
from ichat_gw.ops.pcap import pcap
from ichat_gw.ops.records import CallRecord, Search
from ichat_gw.ops.records_file import FileRecords
from ichat_gw.ops.trace import CallTrace, Protocol
from ichat_gw.ops.trace_file import TraceFile
from ops.test_hep import chunks
from peers import flows
from peers.audio import AudioSender
from peers.plain_sip import sdp_audio
from peers.ports import free_port
from peers.program import find
from peers.stage import Stage

pytestmark = pytest.mark.e2e


@dataclass
class Memory:
    """What a gateway remembers, read from its files while it runs."""

    records: FileRecords
    traces: TraceFile
    homer: socket.socket

    def copies(self) -> list[dict[int, bytes]]:
        """The HEP packets that have come."""
        found = []
        with suppress(BlockingIOError):
            while True:
                found.append(chunks(self.homer.recv(65_536)))
        return found

    async def next_record(self, known: int) -> CallRecord:
        """The record of the call that has just ended, after `known` others."""
        give_up = time.monotonic() + 15.0
        while self.records.count(Search()) <= known:
            assert time.monotonic() < give_up, "no record was written"
            await asyncio.sleep(0.05)
        return self.records.search(Search(limit=1))[0]

    async def trace(self, call: str) -> CallTrace:
        """The saved trace of a call."""
        give_up = time.monotonic() + 15.0
        while (trace := self.traces.find(call)) is None:
            assert time.monotonic() < give_up, "no trace was written"
            await asyncio.sleep(0.05)
        return trace

    @property
    def known(self) -> int:
        """How many records there are."""
        return self.records.count(Search())


@pytest.fixture(scope="module")
def remembering(
    runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Stage, Memory]]:
    """One gateway for all tests of this file, that keeps everything."""
    directory = tmp_path_factory.mktemp("stage")
    homer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    homer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
    homer.bind(("127.0.0.1", 0))
    homer.setblocking(False)
    traces = directory / "traces.sqlite3"
    settings = {
        "TraceFile": str(traces),
        "HEPServer": f"127.0.0.1:{homer.getsockname()[1]}",
        "HEPCaptureID": "77",
        "HEPPassword": "not-to-be-logged",
    }
    stage = Stage(directory, settings=settings)
    try:
        runner.run(stage.start())
    except BaseException:
        runner.run(stage.clean_up())
        raise
    records = FileRecords(stage.gateway.directory / "ichat-gw-calls.sqlite3")
    memory = Memory(records, TraceFile(traces, 2**30), homer)
    yield stage, memory
    memory.records.close()
    memory.traces.close()
    homer.close()
    runner.run(stage.stop())
    assert "not-to-be-logged" not in stage.gateway.log_file.read_text()


@pytest.fixture
def stage(remembering: tuple[Stage, Memory], runner: asyncio.Runner) -> Stage:
    """The stage with nothing going on."""
    found = remembering[0]
    found.ichat.on_request, found.ichat.sip.manner = "accept", "answer"
    runner.run(found.connected())
    return found


@pytest.fixture
def memory(remembering: tuple[Stage, Memory]) -> Memory:
    return remembering[1]


async def test_a_good_call(stage: Stage, memory: Memory, tmp_path: Path) -> None:
    known = memory.known
    memory.copies()
    await flows.sip_calls_established(stage, talk=1.5)
    record = await memory.next_record(known)
    assert (record.verdict, record.ended_by) == ("hung-up", "caller")
    assert (record.audio_from_caller, record.audio_from_callee) == ("arrived", "arrived")
    assert record.codec == "PCMU/8000"
    assert 1.0 < record.seconds < 5.0
    assert (record.packets_from_callee or 0) > 50
    trace = await memory.trace(record.call)
    # Both legs, both networks, both directions, in the order of time.
    client = f"sip:user@127.0.0.1:{stage.ichat.sip.local[1]}"
    assert said(trace, Protocol.SIP) == [
        f"phone: INVITE sip:alice@{stage.gateway.address}",
        "gateway: 100 Trying (INVITE)",
        "gateway: 180 Ringing (INVITE)",
        f"gateway: INVITE {client}",
        "user: 100 Trying (INVITE)",
        "user: 180 Ringing (INVITE)",
        "user: 200 OK (INVITE)",
        f"gateway: ACK {client}",
        "gateway: 200 OK (INVITE)",
        f"phone: ACK sip:alice@{stage.gateway.address}",
        f"phone: BYE sip:alice@{stage.gateway.address}",
        "gateway: 200 OK (BYE)",
        f"gateway: BYE {client}",
        "user: 200 OK (BYE)",
    ]
    assert [each for each in said(trace, Protocol.XMPP) if "user: presence" not in each] == [
        "connector: presence",
        "connector: iq set apple:iq:vc:request",
        "user: iq set apple:iq:vc:response",
        "connector: iq result",
    ]
    assert [entry.at for entry in trace.entries] == sorted(entry.at for entry in trace.entries)
    assert trace.verdict is not None
    assert trace.verdict.good
    # Homer has the same messages, and knows them by the call's handle.
    copied = [each for each in memory.copies() if each.get(hep.CORRELATION) == record.call.encode()]
    sent = [entry.content for entry in trace.entries if entry.protocol in (Protocol.SIP, Protocol.XMPP)]
    assert sorted(each[hep.PAYLOAD] for each in copied) == sorted(sent)
    assert {each[hep.CAPTURE_ID] for each in copied} == {(77).to_bytes(4, "big")}
    # And Wireshark finds nothing wrong with any of them.
    path = tmp_path / "call.pcap"
    path.write_bytes(pcap(trace))
    assert count(path, "sip") + count(path, "xmpp") == len(sent)
    assert count(path, "_ws.malformed") == 0


def said(trace: CallTrace, protocol: Protocol) -> list[str]:
    """Who sent what."""
    return [f"{entry.source}: {entry.summary}" for entry in trace.entries if entry.protocol is protocol]


def count(path: Path, shown: str) -> int:
    """How many frames tshark finds."""
    found = subprocess.run(
        [find("tshark", "tshark"), "-r", path, "-Y", shown, "-T", "json", "-e", "frame.number"],
        capture_output=True,
        check=True,
    )
    return len(json.loads(found.stdout))


@pytest.mark.parametrize(
    ("status", "reason", "verdict"),
    [
        (404, "Not Found", "number-unknown"),
        (486, "Busy Here", "busy"),
        (407, "Proxy Authentication Required", "password-wanted"),
        (488, "Not Acceptable Here", "no-codec"),
    ],
)
async def test_a_phone_that_refuses(
    stage: Stage, memory: Memory, status: int, reason: str, verdict: str
) -> None:
    known = memory.known
    await flows.ichat_calls_refused(stage, status, reason)
    record = await memory.next_record(known)
    assert (record.verdict, record.status) == (verdict, status)
    assert f"(SIP {status})" in record.sentence


async def test_who_gives_up_and_who_declines(stage: Stage, memory: Memory) -> None:
    for play, verdict in (
        (flows.ichat_abandons, "cancelled"),
        (flows.sip_abandons, "cancelled"),
        (flows.sip_calls_declined, "declined"),
        (flows.sip_calls_bad_jid, "user-away"),
    ):
        known = memory.known
        stage.ichat.forget()
        await play(stage)
        assert (await memory.next_record(known)).verdict == verdict


async def test_a_direction_that_is_blocked(stage: Stage, memory: Memory) -> None:
    """The phone names a port at which nothing reaches it, so this echo never says anything."""
    known = memory.known
    ringing = stage.phone.play("uas_answer", announced=str(free_port()))
    stage.ichat.call(stage.speed_dial)
    await stage.ichat.wait_for("established")
    await asyncio.sleep(1.5)
    stage.ichat.sip.hang_up()
    await stage.ichat.wait_for("SIP 200 BYE")
    await ringing.result()
    record = await memory.next_record(known)
    assert (record.audio_from_caller, record.audio_from_callee) == ("arrived", "never-sent")
    assert record.verdict == "never-sent"
    assert "MediaRelayPortRangeMin" in record.remedy


async def test_a_client_that_sends_from_another_address_than_it_announced(
    stage: Stage, memory: Memory
) -> None:
    known = memory.known
    ringing = stage.phone.answer()
    stage.ichat.call(stage.speed_dial)
    await stage.ichat.wait_for("established")
    call = stage.ichat.sip.call
    assert call.talk is not None
    call.talk.cancel()
    host, port, *_ = sdp_audio(call.remote_sdp)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
        elsewhere.bind(("127.0.0.1", 0))
        sender = AudioSender("x", lambda packet: send(elsewhere, packet, (host, port)), lambda packet: None)
        await sender.run(75)
        theirs = elsewhere.getsockname()[1]
    stage.ichat.sip.hang_up()
    await stage.ichat.wait_for("SIP 200 BYE")
    await ringing.result()
    record = await memory.next_record(known)
    assert record.verdict == "wrong-address"
    assert f"came from 127.0.0.1:{theirs}, but it had announced 127.0.0.1:" in record.sentence
    assert (record.strangers or 0) >= 70


def send(sock: socket.socket, packet: bytes, target: tuple[str, int]) -> None:
    sock.sendto(packet, target)


async def test_records_survive_the_death_of_the_gateway(stage: Stage, memory: Memory) -> None:
    known = memory.known
    await flows.ichat_calls_refused(stage, 486, "Busy Here")
    record = await memory.next_record(known)
    stage.gateway.destroy()
    await stage.gateway.start_async()
    await stage.connected()
    assert memory.records.search(Search(limit=1)) == [record]
    await flows.ichat_calls_refused(stage, 404, "Not Found")
    assert (await memory.next_record(known + 1)).verdict == "number-unknown"
