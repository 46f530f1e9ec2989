"""A private ejabberd: a real XMPP server on loopback ports of its own (`xmpp_server`).

Run as a bare Erlang node without a name, not by `ejabberdctl`: that one wants to become another user, and a
named node starts epmd, which would outlive the test and listens for all the world. Accounts are made by the
node itself, once it is up.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from peers.program import find
from peers.xmpp_server import XmppServer


class PrivateEjabberd(XmppServer):
    """The server."""

    name = "ejabberd"

    def _command(self) -> list[str]:
        users = ", ".join(f'{{<<"{user}">>, <<"{self.password(user)}">>}}' for user in self.users)
        register = f'ejabberd_auth:try_register(User, <<"{self.domain}">>, Password)'
        return [
            find("erl", "erlang-base"), "-noinput",
            "-mnesia", "dir", f'"{self.directory / "mnesia"}"',
            "-s", "ejabberd",
            "-eval", f"[{register} || {{User, Password}} <- [{users}]], io:format(\"{_READY}~n\").",
        ]  # fmt: skip

    def _environment(self) -> Mapping[str, str]:
        # Where Debian has put ejabberd depends on the machine; its script knows.
        script = Path(find("ejabberdctl", "ejabberd")).read_text()
        libraries = re.search("^ERL_LIBS='([^']*)'", script, re.MULTILINE)
        return os.environ | {
            "EJABBERD_CONFIG_PATH": str(self.directory / "ejabberd.yml"),
            "EJABBERD_LOG_PATH": str(self.log_file),
            "ERL_LIBS": libraries[1] if libraries else "",
            "ERL_CRASH_DUMP_BYTES": "0",
            "HOME": str(self.directory),
        }

    def start(self) -> None:
        """Start it and block until it is ready."""
        self._seen = self.program.output.count(_READY)
        super().start()

    async def start_async(self) -> None:
        """`start`, without blocking the event loop."""
        self._seen = self.program.output.count(_READY)
        await super().start_async()

    def is_ready(self) -> bool:
        return self.program.output.count(_READY) > self._seen and super().is_ready()

    def write_files(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "ejabberd.yml").write_text(
            _CONFIG.format(
                client_port=self.client_port,
                component_port=self.component_port,
                domain=self.domain,
                component=self.component,
                secret=self.component_secret,
            )
        )


_READY = "accounts are there"

_CONFIG = """\
# Written by tests/peers/ejabberd.py for one test run.
hosts: ["{domain}"]
loglevel: debug
certfiles: []
auth_method: internal
auth_password_format: plain
s2s_access: none
listen:
  - port: {client_port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    access: all
    starttls: false
  - port: {component_port}
    ip: "127.0.0.1"
    module: ejabberd_service
    access: all
    hosts:
      "{component}":
        password: "{secret}"
modules:
  mod_disco: {{}}
  mod_offline: {{}}
  mod_register: {{}}
  mod_ping: {{}}
  mod_roster: {{}}
"""
