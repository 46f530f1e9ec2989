"""What every private XMPP server of the tests has: an address, accounts, a component, a life.

with PrivateProsody(tmp_path) as server:           # or PrivateEjabberd; or: async with
    ... connect to 127.0.0.1:server.client_port as alice@jabber.localhost, password "alice-password"
    ... connect the component to 127.0.0.1:server.component_port with server.component_secret
    server.restart()
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from peers.ports import accepts_tcp, free_port
from peers.program import Program
from peers.server import Server


class XmppServer(Server):
    """A server on loopback ports of its own, with its data in `directory`. Ports survive a restart."""

    name = ""
    ready_timeout = 60.0

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

    def is_ready(self) -> bool:
        """Whether both ports accept connections."""
        return accepts_tcp(self.client_port) and accepts_tcp(self.component_port)

    def kill(self) -> None:
        """SIGKILL, as in a power cut."""
        self.program.kill()
