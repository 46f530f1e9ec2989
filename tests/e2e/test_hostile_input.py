"""What strangers send while a call is up: connections that lead nowhere, bombs. The call hears none of it."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from slixmpp.exceptions import IqError

from peers import flows
from peers.ichat import SimulatedIChat
from peers.stage import Stage
from peers.talk import relay_worker, talking
from tests.sip.net.certificates import Authority

pytestmark = pytest.mark.e2e
CONNECTIONS = 1_000
STRANGERS = [f"127.0.0.{number}" for number in range(101, 111)]
EACH = CONNECTIONS // len(STRANGERS)
HALF = b"INVITE sip:alice@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKhalf\r\n"
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""How a TLS handshake begins."""


@pytest.fixture(scope="module")
def shared_stage(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One that listens for TLS, too."""
    directory = tmp_path_factory.mktemp("stage")
    certificate, key = Authority(directory).sign("gateway", "gateway.test")
    settings = {"TLSCertificate": str(certificate), "TLSPrivateKey": str(key)}
    stage = Stage(directory, settings=settings)
    try:
        runner.run(stage.start())
    except BaseException:
        runner.run(stage.clean_up())
        raise
    yield stage
    runner.run(stage.stop())


def options(branch: str, transport: str, *more: str) -> bytes:
    """A request that is answered."""
    lines = [
        "OPTIONS sip:127.0.0.1 SIP/2.0",
        f"Via: SIP/2.0/{transport} 127.0.0.1:5;branch=z9hG4bK{branch};rport",
        "Max-Forwards: 70",
        "From: <sip:probe@127.0.0.1>;tag=1",
        "To: <sip:127.0.0.1>",
        f"Call-ID: {branch}",
        "CSeq: 1 OPTIONS",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def answer_over_tcp(port: int, request: bytes) -> bytes:
    """The first line of what comes back on a connection of its own; "" when it is closed."""
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        line = await reader.readline()
        writer.close()
        return line


async def test_a_thousand_connections_that_lead_nowhere(stage: Stage) -> None:
    """TCP with nothing or half a message, TLS without a handshake or with half of one."""
    ports = stage.gateway.sip_port, int(stage.gateway.settings["TLSPort"])
    held: list[socket.socket] = []

    def connect() -> None:
        for stranger in STRANGERS:
            for number in range(EACH):
                tls, half = number % 2, number // 2 % 2
                held.append(socket.create_connection(("127.0.0.1", ports[tls]), 5.0, (stranger, 0)))
                if half:
                    held[-1].sendall(HELLO if tls else HALF)

    def close() -> None:
        for each in held:
            each.close()

    async with talking(stage) as talk:
        try:
            # In a thread, so that iChat, which lives in this process, goes on talking.
            await asyncio.to_thread(connect)
            await talk.heard()
            answer = await answer_over_tcp(ports[0], options("among", "TCP", "Content-Length: 0"))
            assert answer.startswith(b"SIP/2.0 200 ")
        finally:
            await asyncio.to_thread(close)
    # That none of them is left when they are closed `talking` has looked after.
    assert len(held) == CONNECTIONS
    assert talk.lost <= flows.LOST_AT_THE_EDGES
    await flows.sip_calls_established(stage, talk=0.1)


BOMBS = {
    "many headers": options("many", "TCP", *(f"X-{n}: y" for n in range(4_000)), "Content-Length: 0"),
    "a long header": options("long", "TCP", "X: " + "y" * 50_000, "Content-Length: 0"),
    "a list in a header": options("list", "TCP", "Accept: " + ",".join(["a/b"] * 9_000), "Content-Length: 0"),
    "many Via": options("via", "TCP", *(["Via: SIP/2.0/UDP h"] * 2_000), "Content-Length: 0"),
    "headers without end": b"OPTIONS sip:127.0.0.1 SIP/2.0\r\n" + b"X: y\r\n" * 100_000,
    "a body of a gigabyte": options("body", "TCP", "Content-Length: 1000000000") + b"z" * 500_000,
    "a negative body": options("negative", "TCP", "Content-Length: -1"),
    "a folded header": options("folded", "TCP", "X: y" + "\r\n z" * 20_000, "Content-Length: 0"),
}


async def test_header_and_body_bombs(stage: Stage) -> None:
    """Over TCP each is answered with an error, or the connection closed; over UDP it may be dropped."""
    async with talking(stage) as talk:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for name, bomb in BOMBS.items():
                with contextlib.suppress(ConnectionError):
                    answer = await answer_over_tcp(stage.gateway.sip_port, bomb)
                    assert answer == b"" or answer.startswith(b"SIP/2.0 "), name
                stranger.sendto(bomb[:65_000], ("127.0.0.1", stage.gateway.sip_port))
        await talk.heard()
    assert talk.lost <= flows.LOST_AT_THE_EDGES
    assert "internal error" not in stage.gateway.log_file.read_text()
    await flows.sip_calls_established(stage, talk=0.1)


async def test_messages_and_stanzas_may_be_only_so_long(tmp_path: Path) -> None:
    settings = {"MaxSIPMessageSize": "4096", "MaxStanzaSize": "10000"}
    async with Stage(tmp_path, settings=settings) as stage, SimulatedIChat(stage.prosody, "bob") as bob:
        port = stage.gateway.sip_port
        long = options("long", "UDP", "X: " + "y" * 5_000)
        assert await asyncio.to_thread(answer_over_udp, port, long) == b"SIP/2.0 513 Message Too Large"
        long = options("long", "TCP", "Content-Length: 0", "X: " + "y" * 5_000)
        assert await answer_over_tcp(port, long) == b"SIP/2.0 513 Headers Too Long\r\n"
        fits = options("fits", "UDP", "X: " + "y" * 3_000)
        assert await asyncio.to_thread(answer_over_udp, port, fits) == b"SIP/2.0 200 OK"

        for octets in (5_000, 15_000):
            question = bob._online().make_iq_get("jabber:iq:version", ito=stage.gateway.control)
            question.xml[0].append(ElementTree.fromstring(f"<padding xmlns='urn:x'>{'x' * octets}</padding>"))
            with contextlib.nullcontext() if octets == 5_000 else pytest.raises(IqError):
                await question.send(timeout=5)


def answer_over_udp(port: int, request: bytes) -> bytes:
    """The first line of the answer to a datagram."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.settimeout(30)
        ours.sendto(request, ("127.0.0.1", port))
        return ours.recv(65_535).partition(b"\r\n")[0]


def nested(depth: int) -> str:
    return "<x>" * depth + "</x>" * depth


async def test_deep_and_large_stanzas(stage: Stage) -> None:
    """Whatever a user's server lets through costs nobody the stream, and the connector not its life."""
    connector, worker = stage.gateway.connector().pid, relay_worker(stage).pid
    to = stage.gateway.control
    async with talking(stage) as talk:
        for payload in (
            nested(60),
            nested(2_000),
            "<x y='" + "z" * 100_000 + "'/>",
            "<x/>" * 20_000,
            "".join(f"<x xmlns='urn:{n}'/>" for n in range(5_000)),
        ):
            async with SimulatedIChat(stage.prosody, "bob") as bob:
                # Prosody may close the stream of who sends such a thing.
                bob._online().send_raw(f"<iq type='set' id='1' to='{to}'>{payload}</iq>")
                bob._online().send_raw(f"<message to='{to}'><body>hi</body>{payload}</message>")
                await asyncio.sleep(0.2)
        await talk.heard()
    assert talk.lost <= flows.LOST_AT_THE_EDGES
    assert (stage.gateway.connector().pid, relay_worker(stage).pid) == (connector, worker)
    assert "internal error" not in stage.gateway.log_file.read_text()
    await flows.sip_calls_established(stage, talk=0.1)
