"""The gateway's shell by itself: what it logs of hostile input, and what a bug of ours may cost."""

import asyncio
import errno
import io
import json
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ichat_gw.app.serve import Server, _connector_line, _explained, _log_sip
from ichat_gw.config.load import load
from ichat_gw.ops import logging
from ichat_gw.sip.net.udp import CannotListen
from peers.ports import free_port, free_ports

PEER = ("192.0.2.1", 5060)


@pytest.fixture
def console() -> Iterator[io.StringIO]:
    """What is logged at DEBUG, as JSON."""
    written = io.StringIO()
    logging.configure("DEBUG", form="json", console=written)
    yield written
    logging.shutdown()


def lines(console: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in console.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("data", "summary"),
    [
        (b"OPTIONS sip:a@b SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n", "OPTIONS sip:a@b"),
        (b"SIP/2.0 200 OK\r\nVia: x\r\ncseq: 1 INVITE\r\n\r\ncseq: 1 BYE", "200 OK (INVITE)"),
        (b"SIP/2.0 200 \r\n\r\n", "200  ()"),
        (b"SIP/2.0 abc x\r\n\r\n", "not SIP"),
        ("SIP/2.0 ²²² x\r\n\r\n".encode(), "not SIP"),
        (b"SIP/2.0 " + b"9" * 5000 + b" x\r\n\r\n", "not SIP"),
        (b"SIP/2.0 -10 x\r\n\r\n", "not SIP"),
        (b"SIP/2.0\r\n\r\n", "not SIP"),
        (b"xSIP/2.0\r\n\r\n", "not SIP"),
        (b"a b c\r\n\r\n", "not SIP"),
        (b"\xff\xfe\x00", "not SIP"),
        (b"", "not SIP"),
    ],
)
def test_anything_that_comes_can_be_logged(console: io.StringIO, data: bytes, summary: str) -> None:
    _log_sip("in", data, PEER, "")
    (line,) = lines(console)
    assert line["summary"] == summary


@pytest.mark.parametrize(
    "line", ["Traceback (most recent call last):", "[]", '["level"]', "1", '"level"', "{}", "[" * 8000, ""]
)
def test_output_of_the_connector_that_is_no_line_of_its_log(console: io.StringIO, line: str) -> None:
    _connector_line(line)
    (shown,) = lines(console)
    assert shown["event"] == "connector output"
    assert shown["level"] == "WARNING"


def test_a_line_of_the_connectors_log_becomes_one_of_ours(console: io.StringIO) -> None:
    _connector_line('{"time": "then", "level": "ERR", "event": "no", "text": "a\\nb", "exc_info": true}')
    (shown,) = lines(console)
    assert (shown["level"], shown["event"], shown["text"]) == ("ERR", "no", "a\nb")
    assert shown["time"] != "then"


@pytest.mark.parametrize(
    ("text", "number", "setting"),
    [
        ("UDP 0.0.0.0:5070: Address already in use", errno.EADDRINUSE, "UDPTCPPort: "),
        ("TCP 0.0.0.0:5070: Address already in use", errno.EADDRINUSE, "UDPTCPPort: "),
        ("TLS [::]:5071: Permission denied", errno.EACCES, "TLSPort: "),
        ("UDP 192.0.2.1:5070: Cannot assign", errno.EADDRNOTAVAIL, "IPAddress: "),
    ],
)
def test_a_socket_that_cannot_be_had_names_the_setting(text: str, number: int, setting: str) -> None:
    error = _explained(CannotListen(text, number))
    assert str(error).startswith(setting)
    assert text in str(error)
    assert error.number == number


def server(directory: Path, **settings: str) -> tuple[Server, int]:
    """A gateway whose connector never says a word, and its SIP port."""
    silent = directory / "silent"
    silent.write_text(f"#!{sys.executable}\nimport sys\nsys.stdin.buffer.read()\n")
    silent.chmod(0o755)
    media = free_ports(10)
    port = free_port()
    written = {
        "IPAddress": "127.0.0.1",
        "UDPTCPPort": str(port),
        "GatewayIPCPort": str(free_port()),
        "JabberConnectorIPCPort": str(free_port()),
        "MediaRelayPortRangeMin": str(media),
        "MediaRelayPortRangeMax": str(media + 9),
        "JabberComponentName": "gw.localhost",
        "JabberComponentPassword": "secret-secret",
        "JabberServer": "127.0.0.1",
        "JabberControlUsername": "control",
        "IchatJabberConnectorPath": str(silent),
    } | settings
    config = directory / "ichat-gw.config"
    config.write_text("".join(f"{name} = {value}\n" for name, value in written.items()))
    return Server(load(config)), port


async def asked(port: int) -> bytes:
    """Ask for the gateway's OPTIONS until it answers."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.9", 0))
        peer.setblocking(False)
        options = (
            "OPTIONS sip:127.0.0.1 SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.9:{peer.getsockname()[1]};branch=z9hG4bK%s\r\n"
            "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: %s\r\nCSeq: 1 OPTIONS\r\n"
            "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        for _ in range(50):
            token = secrets.token_hex(8)
            await loop.sock_sendto(peer, (options % (token, token)).encode(), ("127.0.0.1", port))
            try:
                async with asyncio.timeout(0.1):
                    return await loop.sock_recv(peer, 65_535)
            except TimeoutError:
                continue
    raise AssertionError("no answer")


async def test_a_bug_costs_one_event_and_not_the_gateway(
    console: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, port = server(tmp_path)
    receive, expire = gateway._gateway.receive, gateway._gateway.expire
    faults = ["in receive", "in receive again"]

    def faulty(event: object, now: float) -> object:
        if faults:
            raise RuntimeError(faults.pop())
        return receive(event, now)  # type: ignore[arg-type]

    def faulty_once(now: float) -> object:
        monkeypatch.setattr(gateway._gateway, "expire", expire)
        raise RuntimeError("in expire")

    monkeypatch.setattr(gateway._gateway, "receive", faulty)
    monkeypatch.setattr(gateway._gateway, "expire", faulty_once)
    async with asyncio.TaskGroup() as group:
        group.create_task(gateway.run())
        answer = await asked(port)
        gateway._wake()
        assert (await asked(port)).startswith(b"SIP/2.0 200")
        gateway.stop()
    assert answer.startswith(b"SIP/2.0 200")
    bugs = [line for line in lines(console) if line["event"] == "internal error"]
    assert len(bugs) == 3
    assert all("RuntimeError" in str(line["exception"]) for line in bugs)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_a_port_that_is_taken_leaves_nothing_behind(console: io.StringIO, tmp_path: Path) -> None:
    gateway, port = server(tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", port))
        with pytest.raises(CannotListen, match=r"UDPTCPPort: cannot bind UDP 127\.0\.0\.1:"):
            await gateway.run()


async def test_the_service_manager_hears_of_start_and_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"{tmp_path}/notify")
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", f"{tmp_path}/notify")
        monkeypatch.setenv("WATCHDOG_USEC", "100000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        gateway, _ = server(tmp_path, MediaRelayWorkers="1")
        running = asyncio.get_running_loop().create_task(gateway.run())
        heard: list[bytes] = []

        async def until(word: bytes) -> None:
            async with asyncio.timeout(30):
                while not heard or not heard[-1].startswith(word):
                    heard.append(await asyncio.get_running_loop().sock_recv(systemd, 4096))

        await until(b"READY=1")
        assert heard[-1] == b"READY=1\nSTATUS=waiting for the XMPP server at 127.0.0.1:5275"
        await until(b"WATCHDOG=1")
        heard.clear()
        await until(b"WATCHDOG=1")  # and again
        gateway.stop()
        await until(b"STOPPING=1")
        await running


def test_a_stanza_of_a_call_has_its_id(console: io.StringIO) -> None:
    line = '{"time": "", "level": "DEBUG", "event": "xmpp", "peer": "a@b/c", "ours": "7@gw", "summary": "iq"}'
    _connector_line(line, lambda user, contact: "n-1" if (user, contact) == ("a@b/c", "7@gw") else "")
    _connector_line(line.replace("7@gw", "8@gw"), lambda user, contact: "")
    first, second = lines(console)
    assert first["call"] == "n-1"
    assert "call" not in second
