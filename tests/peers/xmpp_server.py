"""What every private XMPP server of the tests has: an address, accounts, a component, a life.

with PrivateProsody(tmp_path) as server:           # or PrivateEjabberd; or: async with
    ... connect to 127.0.0.1:server.client_port as alice@jabber.localhost, password "alice-password"
    ... connect the component to 127.0.0.1:server.component_port with server.component_secret
    server.restart()
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import Self

from peers.ports import accepts_tcp, free_port
from peers.program import Program

READY_TIMEOUT = 60.0
"""Seconds until both ports must accept connections; usually it takes half of one."""


class XmppServer:
    """A server on loopback ports of its own, with its data in `directory`. Ports survive a restart."""

    name = ""

    def __init__(
        self,
        directory: Path,
        *,
        domain: str = "jabber.localhost",
        component: str = "ichat-gw.jabber.localhost",
        component_secret: str = "server-and-gateway-secret",
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
        self.log_file = directory / f"{self.name}.log"
        self.program = Program(self.name, self._command(), directory, env=self._environment())

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

    # --- what each server has of its own ------------------------------------------------------------------

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _environment(self) -> Mapping[str, str] | None:
        return None

    def _write_files(self) -> None:
        raise NotImplementedError

    def _accepts(self) -> bool:
        return accepts_tcp(self.client_port) and accepts_tcp(self.component_port)

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
