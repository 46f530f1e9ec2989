"""All transports behind one door."""

import asyncio
import errno
import shutil
import socket
from pathlib import Path

import pytest

from ichat_gw.sip.events import Flow, Lookup, Received, Resolved, Send, SendFailed
from ichat_gw.sip.net import transports as module
from ichat_gw.sip.net.dns import Dns
from ichat_gw.sip.net.hosts import HostsFile
from ichat_gw.sip.net.streams import Streams
from ichat_gw.sip.net.tls import TlsFiles, TlsMisconfigured
from ichat_gw.sip.net.transports import TransportConfig, Transports
from ichat_gw.sip.net.udp import CannotListen
from tests.sip.net.certificates import Authority
from tests.sip.net.name_server import name_server
from tests.sip.net.wire import Ear, request, response, transports


async def test_everything_is_open_when_no_address_is_set(tmp_path: Path) -> None:
    Authority(tmp_path).sign("gw.example", "gw.example")
    tls = TlsFiles("gw.example", directory=tmp_path)
    async with transports(None, tls=tls) as (b, b_hears), transports(None) as (a, a_hears):
        port, tls_port = b.address[1], b.tls_port
        assert b.listening == (
            f"UDP 0.0.0.0:{port}", f"TCP 0.0.0.0:{port}", f"TLS 0.0.0.0:{tls_port}",
            f"UDP [::]:{port}", f"TCP [::]:{port}", f"TLS [::]:{tls_port}",
        )  # fmt: skip
        assert not b_hears.notes
        for host in ("127.0.0.1", "::1"):
            for transport in ("UDP", "TCP"):
                to_b = Flow(transport, (host, a.address[1]), (host, port))
                a.send(Send(request(transport=transport), to_b))
                got = await b_hears.received()
                assert (got.flow.transport, got.flow.local) == (transport, (host, port))
                b.send(Send(response(got.data), got.flow))
                assert await a_hears.next() == Received(response(got.data), to_b)


async def test_no_certificate_is_said_once_with_the_remedy(tmp_path: Path) -> None:
    async with transports(tls=TlsFiles("gw.example", directory=tmp_path)) as (opened, ear):
        (said,) = ear.noted("TLS is not open: no certificate")
        assert "domain_cert_gw.example.pem" in str(said["remedy"])
        assert opened.tls_port is None
        assert [each.split()[0] for each in opened.listening] == ["UDP", "TCP"]


async def test_files_of_tls_that_do_not_fit(tmp_path: Path) -> None:
    certificate, _ = Authority(tmp_path).sign("gw.example", "gw.example", pass_phrase="secret")
    with pytest.raises(TlsMisconfigured, match="TLSPrivateKeyPassPhrase"):
        async with transports(tls=TlsFiles("gw.example", certificate, directory=tmp_path)):
            pass


@pytest.mark.parametrize("number", module.NO_FAMILY)
async def test_a_machine_without_ipv6(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    real = module.bound_socket

    def only_ipv4(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
        if ":" in host:
            raise OSError(number, "no IPv6")
        return real(host, port, kind)

    monkeypatch.setattr(module, "bound_socket", only_ipv4)
    async with transports(None) as (opened, ear):
        assert [each.split(":")[0] for each in opened.listening] == ["UDP 0.0.0.0", "TCP 0.0.0.0"]
        assert len(ear.noted("no IPv6 on this machine")) == 1
        there = Flow("UDP", ("::1", 5070), ("::1", 5060))
        opened.send(Send(b"x", there))
        assert await ear.next() == SendFailed(there, "its family is not open here")
        opened.lookup(Lookup(1, "sip:x@[2001:db8::1]"))
        assert await ear.next() == Resolved(1, (), "2001:db8::1: its family is not open here")
    with pytest.raises(CannotListen):
        async with transports("::1"):
            pass


async def test_a_port_that_is_taken() -> None:
    async with transports() as (opened, _):
        host, port = opened.address
        with pytest.raises(CannotListen, match=f"UDP {host}:{port}: Address already in use"):
            await Transports.open(TransportConfig(host, port), Ear().heard.put_nowait, Ear().note)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"TCP 127.0.0.1:{port}: Address already in use"):
            await Transports.open(TransportConfig("127.0.0.1", port), Ear().heard.put_nowait, Ear().note)


async def test_a_port_that_is_taken_in_the_last_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(self: Streams, sock: socket.socket, transport: str) -> None:
        raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr(Streams, "listen", taken)
    with pytest.raises(CannotListen, match=r"TCP 127\.0\.0\.1:\d+: Address already in use"):
        async with transports():
            pass


async def test_lookups(tmp_path: Path) -> None:
    Authority(tmp_path).sign("gw.example", "gw.example")
    zone = {
        "NAPTR a.example": [
            '1 1 "s" "SIP+D2T" "" _sip._tcp.a.example.',
            '1 2 "s" "SIPS+D2T" "" _sips._tcp.a.example.',
        ],
        "SRV _sip._tcp.a.example": ["1 0 5080 sip.a.example."],
        "SRV _sips._tcp.a.example": ["1 0 5081 sip.a.example."],
        "A sip.a.example": ["127.0.0.3"],
    }
    async with name_server(zone) as server:
        asker = Dns(("127.0.0.1",), port=server.port, hosts=HostsFile(Path("/no/hosts")))
        tls = TlsFiles("gw.example", directory=tmp_path)
        async with transports("0.0.0.0", dns=asker, tls=tls) as (opened, ear):
            port, tls_port = opened.address[1], opened.tls_port
            assert tls_port
            opened.lookup(Lookup(1, "sip:x@a.example"))
            plain = Flow("TCP", ("127.0.0.1", port), ("127.0.0.3", 5080))
            secure = Flow("TLS", ("127.0.0.1", tls_port), ("127.0.0.3", 5081), "a.example")
            assert await ear.next() == Resolved(1, (plain, secure))
            opened.lookup(Lookup(2, "sips:x@a.example"))
            assert await ear.next() == Resolved(2, (secure,))
            opened.lookup(Lookup(3, "sip:x@localhost"))
            assert await ear.next() == Resolved(3, (Flow("UDP", ("127.0.0.1", port), ("127.0.0.1", 5060)),))


@pytest.mark.e2e
async def test_openssl_talks_tls_with_us(tmp_path: Path) -> None:
    """A TLS implementation driven by another program: it verifies our certificate and gets an answer."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    authority = Authority(tmp_path)
    authority.sign("gw.example", "gw.example")
    async with transports(tls=TlsFiles("gw.example", directory=tmp_path)) as (opened, ear):
        client = await asyncio.create_subprocess_exec(
            openssl, "s_client", "-connect", f"127.0.0.1:{opened.tls_port}", "-quiet", "-verify_return_error",
            "-verify_hostname", "gw.example", "-CAfile", str(authority.root), "-tls1_2",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert client.stdin
        assert client.stdout
        try:
            client.stdin.write(request(transport="TLS"))
            got = await ear.received()
            opened.send(Send(response(got.data), got.flow))
            assert await asyncio.wait_for(client.stdout.readline(), 30) == b"SIP/2.0 200 OK\r\n"
        finally:
            client.kill()
            await client.wait()
