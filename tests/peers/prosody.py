"""A private Prosody 0.12: a real XMPP server on loopback ports of its own, with its data in a given folder.

    with PrivateProsody(tmp_path) as prosody:          # or: async with
        ... connect to 127.0.0.1:prosody.client_port as alice@jabber.localhost, password "alice-password"
        ... connect the component to 127.0.0.1:prosody.component_port with prosody.component_secret
        prosody.restart()

COMPAT, Prosody: `prosody --version` starts a server, so nobody may ask it; it answers nothing to a presence
probe for a user that does not exist.
"""

from collections.abc import Sequence
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import Self

from peers.ports import accepts_tcp, free_port
from peers.program import Program, find

READY_TIMEOUT = 20.0
"""Seconds until both ports must accept connections; usually it takes half of one."""


class PrivateProsody:
    """The server. Ports are chosen once, so that they survive a restart."""

    def __init__(
        self,
        directory: Path,
        *,
        domain: str = "jabber.localhost",
        component: str = "ichat-gw.jabber.localhost",
        component_secret: str = "prosody-and-gateway-secret",
        users: Sequence[str] = ("alice", "bob", "carol"),
        client_port: int | None = None,
        component_port: int | None = None,
    ) -> None:
        self.directory = directory
        self.domain = domain
        self.component = component
        self.component_secret = component_secret
        self.users = tuple(users)
        self.client_port = client_port or free_port()
        self.component_port = component_port or free_port()
        self.log_file = directory / "prosody.log"
        self.program = Program(
            "prosody",
            [find("prosody", "prosody"), "--config", str(directory / "prosody.cfg.lua"), "-F"],
            directory,
        )

    def jid(self, user: str) -> str:
        """The bare JID of one of the users."""
        return f"{user}@{self.domain}"

    def password(self, user: str) -> str:
        """The password of one of the users."""
        return f"{user}-password"

    @property
    def log(self) -> str:
        """The server's debug log so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    # --- blocking, for fixtures ---------------------------------------------------------------------------

    def start(self) -> None:
        """Start it and block until both ports accept; raises ProgramError with its last words otherwise."""
        self._write_files()
        self.program.spawn()
        self.program.await_ready(self._accepts, READY_TIMEOUT)

    def stop(self) -> None:
        """An orderly stop: streams are closed."""
        if self.program.running:
            self.program.stop()

    def kill(self) -> None:
        """SIGKILL, as in a power cut."""
        self.program.kill()

    def restart(self) -> None:
        """`stop` and `start` with the same ports, accounts and rosters."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- for code inside an event loop -------------------------------------------------------------------

    async def start_async(self) -> None:
        """`start`, without blocking the event loop."""
        self._write_files()
        self.program.spawn()
        await self.program.until_ready(self._accepts, READY_TIMEOUT)

    async def stop_async(self) -> None:
        """`stop`, without blocking the event loop."""
        if self.program.running:
            self.program.signal(Signals.SIGTERM)
            await self.program.finished(10.0)

    async def restart_async(self) -> None:
        """`restart`, without blocking the event loop."""
        await self.stop_async()
        await self.start_async()

    async def __aenter__(self) -> Self:
        await self.start_async()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop_async()

    # --- files -------------------------------------------------------------------------------------------

    def _accepts(self) -> bool:
        return accepts_tcp(self.client_port) and accepts_tcp(self.component_port)

    def _write_files(self) -> None:
        store = self.directory / "store"
        accounts = store / _file_name(self.domain) / "accounts"
        accounts.mkdir(parents=True, exist_ok=True)
        for user in self.users:
            account = accounts / f"{_file_name(user)}.dat"
            if not account.exists():
                account.write_text(f'return {{ ["password"] = "{self.password(user)}"; }};\n')
        (self.directory / "prosody.cfg.lua").write_text(
            _CONFIG.format(
                store=store,
                pidfile=self.directory / "prosody.pid",
                log=self.log_file,
                client_port=self.client_port,
                component_port=self.component_port,
                domain=self.domain,
                component=self.component,
                secret=self.component_secret,
            )
        )


def _file_name(text: str) -> str:
    """How Prosody names files: what is not an ASCII letter or digit as %xx."""
    return "".join(c if c.isascii() and c.isalnum() else f"%{ord(c):02x}" for c in text)


_CONFIG = """\
-- Written by tests/peers/prosody.py for one test run.
run_as_root = true
network_backend = "epoll"
-- Prosody leaves Nagle's algorithm on: the second of two stanzas that follow each other waits for the
-- acknowledgement of the first, up to 40 ms.
network_settings = {{ nagle = false }}
data_path = "{store}"
pidfile = "{pidfile}"
log = {{ debug = "{log}" }}
plugin_paths = {{ }}

interfaces = {{ "127.0.0.1" }}
component_interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {client_port} }}
component_ports = {{ {component_port} }}
c2s_direct_tls_ports = {{ }}
s2s_ports = {{ }}
s2s_direct_tls_ports = {{ }}
http_ports = {{ }}
https_ports = {{ }}

modules_enabled = {{ "roster", "saslauth", "disco", "ping", "pep", "component" }}
modules_disabled = {{ "s2s", "tls" }}

authentication = "internal_plain"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true

VirtualHost "{domain}"

Component "{component}"
    component_secret = "{secret}"
"""
