"""A private Prosody 0.12: a real XMPP server on loopback ports of its own (`xmpp_server`).

COMPAT, Prosody: `prosody --version` starts a server, so nobody may ask it; it answers nothing to a presence
probe for a user that does not exist.
"""

from peers.program import find
from peers.xmpp_server import XmppServer


class PrivateProsody(XmppServer):
    """The server."""

    name = "prosody"

    def _command(self) -> list[str]:
        return [find("prosody", "prosody"), "--config", str(self.directory / "prosody.cfg.lua"), "-F"]

    def write_files(self) -> None:
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

modules_enabled = {{ "roster", "saslauth", "disco", "ping", "pep", "component", "offline", "register" }}
modules_disabled = {{ "s2s", "tls" }}

authentication = "internal_plain"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true

VirtualHost "{domain}"

Component "{component}"
    component_secret = "{secret}"
"""
