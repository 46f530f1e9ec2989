"""A reload of what has files or sockets: the log, TLS, the DNS servers."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from ichat_gw.app.configs import transport_config
from ichat_gw.app.http.page import access_of
from ichat_gw.app.reload import Reloader, configure_log
from ichat_gw.config.load import load
from ichat_gw.config.table import Settings
from ichat_gw.ops import logging, redact
from ichat_gw.ops.access import Access, Asked
from ichat_gw.ops.api import ReloadReply
from ichat_gw.sip.events import Lookup, Received, Resolved, SendFailed
from ichat_gw.sip.net.dns import Dns
from ichat_gw.sip.net.transports import Transports
from tests.peers.ports import free_port
from tests.sip.net.certificates import Authority
from tests.sip.net.name_server import name_server

SHELL = frozenset(
    {
        *("LogLevel", "LogFilename", "LogFileMaxLines", "LogFileCount", "LogFormat"),
        *("TLSCertificate", "TLSPrivateKey", "TLSPrivateKeyPassPhrase", "TLSDHParamsFilename", "TLSCAFile"),
        *("TLSRequireClientCertificate", "DNSServers", "HttpAuth", "HttpAuthPwd", "HttpHosts"),
    }
)
"""The settings that are proved here."""

NEEDED = {
    "JabberServer": "127.0.0.1",
    "JabberComponentName": "gw.localhost",
    "JabberComponentPassword": "component password",
    "JabberControlUsername": "control",
    "IPAddress": "127.0.0.1",
    "TLSDomainName": "gw.example",
}


class Shell:
    """The configuration of a gateway that has nothing but its log and its SIP sockets."""

    def __init__(self, directory: Path, **lines: str) -> None:
        self.directory = directory
        self.file = directory / "ichat-gw.config"
        self.lines = (
            NEEDED
            | {"LogFilename": str(directory / "first.log"), "LogLevel": "INFO"}
            | {"UDPTCPPort": str(free_port()), "TLSPort": str(free_port())}
            | lines
        )
        self.write()
        self.transports: Transports | None = None
        self.resolved: asyncio.Queue[Resolved] = asyncio.Queue()
        loaded = load(self.file)
        self.settings = loaded.settings
        configure_log(loaded.settings)
        self.reloader = Reloader(loaded, lambda: load(self.file), [self._prepare])

    def _prepare(self, settings: Settings) -> Callable[[], None]:
        if self.transports is None:
            return lambda: None
        return self.transports.prepare(transport_config(settings))

    def write(self) -> None:
        self.file.write_text("".join(f"{name} = {value}\n" for name, value in self.lines.items()))

    def reload(self, **lines: str) -> ReloadReply:
        self.lines |= lines
        self.write()
        return self.reloader.reload()

    def changes(self, **lines: str) -> None:
        reply = self.reload(**lines)
        assert reply.done
        assert {change.name for change in reply.changed} == set(lines)

    def log(self, name: str = "first.log") -> str:
        return (self.directory / name).read_text()

    @contextlib.asynccontextmanager
    async def opened(self, dns: Dns | None = None) -> AsyncIterator["Shell"]:
        """With open sockets."""

        def hear(event: Received | SendFailed | Resolved) -> None:
            if isinstance(event, Resolved):
                self.resolved.put_nowait(event)

        config = transport_config(self.settings)
        self.transports = await Transports.open(config, hear, lambda *_: None, dns=dns)
        try:
            yield self
        finally:
            await self.transports.close()

    async def certificate(self, authority: Authority, own: tuple[Path, Path] | None = None) -> set[str]:
        """The names in the certificate that a client is shown, who shows `own`."""
        context = ssl.create_default_context(cafile=str(authority.root))
        context.check_hostname = False
        if own is not None:
            context.load_cert_chain(*own)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.settings.tls_port, ssl=context)
        try:
            shown = writer.get_extra_info("peercert")
            # TLS 1.3: a server that wants another certificate of us says so after the handshake.
            writer.write(b"\r\n\r\n")
            pong = await reader.readexactly(2)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        assert pong == b"\r\n"
        return {name for _, name in shown["subjectAltName"]}


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    logging.shutdown()
    redact.forget_secrets()


# --- the log ----------------------------------------------------------------------------------------------


def test_log_level_and_file_and_format(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    log = logging.get_logger("ichat_gw.test")
    log.debug("not yet")
    shell.changes(LogLevel="DEBUG")
    log.debug("seen now")
    shell.changes(LogFormat="json")
    log.info("as JSON")
    shell.changes(LogFilename=str(tmp_path / "second.log"))
    log.info("elsewhere")
    assert "not yet" not in shell.log()
    assert "DEBUG seen now" in shell.log()
    assert '"event": "as JSON"' in shell.log()
    assert "elsewhere" not in shell.log()
    assert "elsewhere" in shell.log("second.log")


def test_log_lines_and_count(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    log = logging.get_logger("ichat_gw.test")
    shell.changes(LogFileMaxLines="2", LogFileCount="1")
    for number in range(10):
        log.info("line", number=number)
    assert sorted(path.name for path in tmp_path.glob("first.log*")) == ["first.log", "first.log.1"]


def test_a_log_file_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    reply = shell.reload(LogFilename=str(tmp_path / "nowhere" / "a.log"), MaxCalls="1")
    assert not reply.done
    assert "LogFilename: cannot write" in reply.problems[0]
    assert shell.reloader.settings.max_calls == 1000
    assert "reload: nothing was changed" in shell.log()


def test_what_was_done_is_in_the_log_and_no_secret(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    shell.reload(MaxCalls="7", JabberComponentPassword="another secret", JabberControlUsername="other")
    logging.get_logger("ichat_gw.test").info("saying it", text="this is another secret, really")
    written = shell.log()
    assert "reload: changed setting=MaxCalls before=1000 after=7" in written
    assert "reload: changed setting=JabberComponentPassword before=(set) after=(set)" in written
    assert "reload: needs a restart setting=JabberControlUsername in_force=control" in written
    assert "another secret" not in written


def test_a_bug_in_one_part_costs_that_part(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    done: list[int] = []

    def fails(settings: Settings) -> Callable[[], None]:
        def put_in_force() -> None:
            raise RuntimeError("a bug")

        return put_in_force

    shell.reloader._parts = (fails, lambda settings: lambda: done.append(settings.max_calls))
    shell.changes(MaxCalls="9")
    assert done == [9]
    assert "internal error while_processing=reload" in shell.log()


# --- TLS --------------------------------------------------------------------------------------------------


async def test_certificate_key_and_pass_phrase(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    old = authority.sign("old", "gw.example")
    new = authority.sign("new", "gw.example", "new.example", pass_phrase="open sesame")
    shell = Shell(tmp_path, TLSCertificate=str(old[0]), TLSPrivateKey=str(old[1]))
    async with shell.opened():
        assert await shell.certificate(authority) == {"gw.example"}
        files = {"TLSCertificate": str(new[0]), "TLSPrivateKey": str(new[1])}
        reply = shell.reload(**files, TLSPrivateKeyPassPhrase="wrong")
        assert not reply.done
        assert "TLSPrivateKeyPassPhrase" in reply.problems[0]
        assert await shell.certificate(authority) == {"gw.example"}
        shell.changes(**files, TLSPrivateKeyPassPhrase="open sesame")
        assert await shell.certificate(authority) == {"gw.example", "new.example"}


async def test_a_certificate_that_was_renewed_in_its_place(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.sign("one", "gw.example")
    shell = Shell(tmp_path, TLSCertificate=str(files[0]), TLSPrivateKey=str(files[1]))
    async with shell.opened():
        authority.sign("one", "gw.example", "renewed.example")
        reply = shell.reload()
        assert [change.name for change in reply.changed] == ["TLSCertificate", "TLSPrivateKey"]
        assert await shell.certificate(authority) == {"gw.example", "renewed.example"}
        assert shell.reload().changed == ()


async def test_roots_and_client_certificates(tmp_path: Path) -> None:
    authority, others = Authority(tmp_path), Authority(tmp_path, "others")
    files = authority.sign("server", "gw.example")
    client, stranger = authority.sign("client", "client.example"), others.sign("stranger", "x.example")
    shell = Shell(
        tmp_path,
        TLSCertificate=str(files[0]),
        TLSPrivateKey=str(files[1]),
        TLSCAFile=str(others.root),
    )
    async with shell.opened():
        assert await shell.certificate(authority)
        shell.changes(TLSRequireClientCertificate="on")
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await shell.certificate(authority)
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await shell.certificate(authority, client)
        assert await shell.certificate(authority, stranger)
        shell.changes(TLSCAFile=str(authority.root))
        assert await shell.certificate(authority, client)
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await shell.certificate(authority, stranger)


async def test_diffie_hellman_parameters(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.sign("server", "gw.example")
    shell = Shell(tmp_path, TLSCertificate=str(files[0]), TLSPrivateKey=str(files[1]))
    good, bad = tmp_path / "dh.pem", tmp_path / "bad.pem"
    good.write_text(DH_PARAMETERS)
    bad.write_text("nothing of the kind")
    async with shell.opened():
        reply = shell.reload(TLSDHParamsFilename=str(bad))
        assert not reply.done
        assert "TLSDHParamsFilename" in reply.problems[0]
        shell.changes(TLSDHParamsFilename=str(good))
        assert await shell.certificate(authority) == {"gw.example"}


async def test_tls_is_opened_and_closed_at_a_start_only(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.sign("server", "gw.example")
    tls = {"TLSCertificate": str(files[0]), "TLSPrivateKey": str(files[1])}
    shell = Shell(tmp_path)
    async with shell.opened():
        reply = shell.reload(**tls, MaxCalls="3")
        assert [change.name for change in reply.changed] == ["MaxCalls"]
        assert [change.name for change in reply.needs_restart] == [*tls, "TLSPort"]
    shell = Shell(tmp_path, **tls)
    async with shell.opened():
        reply = shell.reload(TLSCertificate="", TLSPrivateKey="")
        assert [change.name for change in reply.needs_restart] == [*tls, "TLSPort"]
        assert await shell.certificate(authority) == {"gw.example"}


# --- the status page --------------------------------------------------------------------------------------


def test_who_may_read_the_status_page(tmp_path: Path) -> None:
    """What the page then does with it is in `http/test_page.py`."""
    shell = Shell(tmp_path, HttpAuth="on", HttpAuthPwd="first password")
    seen: list[Access] = []

    def page(settings: Settings) -> Callable[[], None]:
        return lambda: seen.append(access_of(settings))

    shell.reloader._parts = (page,)

    def lets_in(password: str, host: str = "127.0.0.1") -> bool:
        token = base64.b64encode(f"me:{password}".encode()).decode()
        asked = Asked("192.0.2.1", host=host, authorization=f"Basic {token}" if password else "")
        return seen[-1].denied(asked, 0.0) is None

    shell.changes(HttpAuthPwd="second password")
    assert not lets_in("first password")
    assert lets_in("second password")
    assert not lets_in("second password", "gw.example")
    shell.changes(HttpHosts="gw.example")
    assert lets_in("second password", "gw.example")
    assert not lets_in("")
    shell.changes(HttpAuth="off")
    assert lets_in("")


# --- DNS --------------------------------------------------------------------------------------------------


async def test_dns_servers(tmp_path: Path) -> None:
    shell = Shell(tmp_path, DNSServers="127.0.0.9")
    async with name_server({"A phones.example": ["192.0.2.7"]}) as server:
        dns = Dns(("127.0.0.9",), port=server.port, seconds=0.3)
        async with shell.opened(dns):
            assert shell.transports is not None
            shell.transports.lookup(Lookup(1, "sip:phones.example;transport=udp"))
            assert (await shell.resolved.get()).flows == ()
            shell.changes(DNSServers="127.0.0.1")
            shell.transports.lookup(Lookup(2, "sip:phones.example;transport=udp"))
            (flow,) = (await shell.resolved.get()).flows
            assert flow.remote == ("192.0.2.7", 5060)


DH_PARAMETERS = """\
-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""
"""The 2048-bit group of RFC 3526 section 3."""
