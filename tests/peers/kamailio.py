"""A private Kamailio 5.6: a real SIP registrar and proxy on loopback ports of its own, with digest.

    with PrivateKamailio(tmp_path, {"gateway": "secret"}) as kamailio:
        ... REGISTER sip:127.0.0.1:kamailio.port, realm "kamailio.test"
        kamailio.bindings()           # who is registered: {"alice": ["sip:alice@127.0.0.1:5070;..."]}
        kamailio.restart()            # it has forgotten everybody

It asks for a password for every REGISTER and every INVITE, and keeps itself in dialogs (Record-Route). All
that it knows is in memory, so a restart is a loss of memory. What it does it writes into its output.
"""

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers.ports import accepts_tcp, free_port, udp_is_bound
from peers.program import Program, find
from peers.server import Server

REALM = "kamailio.test"


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """The PEM files with which it speaks TLS; a peer's certificate must come from `roots`."""

    certificate: Path
    key: Path
    roots: Path


class PrivateKamailio(Server):
    """The server. Ports are chosen once, so that they survive a restart.

    `users` are the names and passwords that may authenticate, whatever AOR they do it for. `listen` are the
    sockets as Kamailio writes them (`udp:127.0.0.1:5060`, `tls:[::1]:5061`); by default UDP and TCP on one
    port of 127.0.0.1. For TLS it needs `tls`.
    """

    ready_timeout = 30.0

    def __init__(
        self,
        directory: Path,
        users: Mapping[str, str],
        *,
        realm: str = REALM,
        algorithm: str = "MD5",
        nonce_seconds: int = 300,
        listen: Sequence[str] = (),
        port: int | None = None,
        tls: TlsIdentity | None = None,
        settings: str = "",
    ) -> None:
        self.directory = directory
        self.users = dict(users)
        self.realm = realm
        self.algorithm = algorithm
        self.nonce_seconds = nonce_seconds
        self.port = port or free_port()
        self.listen = list(listen) or [f"udp:127.0.0.1:{self.port}", f"tcp:127.0.0.1:{self.port}"]
        self.settings = settings + (_tls_settings(tls) if tls else "")
        """More lines for the head of its configuration."""
        self._rpc_port = free_port()
        config = directory / "kamailio.cfg"
        self.program = Program(
            "kamailio",
            # -DD: stay in the foreground; -E: log to standard error; -m, -M: MB of shared and private memory
            [
                *(find("kamailio", "kamailio"), "-DD", "-E", "-f", str(config), "-m", "32", "-M", "4"),
                *("-P", str(directory / "kamailio.pid"), "-Y", str(directory)),
            ],
            directory,
        )

    @property
    def address(self) -> str:
        """`host:port` of its SIP port."""
        return f"127.0.0.1:{self.port}"

    def aor(self, user: str) -> str:
        """The address of record of a user."""
        return f"sip:{user}@{self.address}"

    @property
    def log(self) -> str:
        """What it printed so far."""
        return self.program.output

    # --- what it knows ------------------------------------------------------------------------------------

    def bindings(self) -> dict[str, list[str]]:
        """The Contacts of everybody who is registered, by user."""
        reply = self._rpc("ul.dump")
        found: dict[str, list[str]] = {}
        for domain in reply["Domains"]:
            for record in domain["Domain"]["AoRs"]:
                info = record["Info"]
                user = info["AoR"].partition("@")[0]
                found[user] = [contact["Contact"]["Address"] for contact in info["Contacts"]]
        return found

    def _rpc(self, method: str) -> dict[str, Any]:
        request = json.dumps({"jsonrpc": "2.0", "method": method, "id": 1})
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(30)
            asking.sendto(request.encode(), ("127.0.0.1", self._rpc_port))
            reply = json.loads(asking.recv(65_535))
        return dict(reply["result"])

    # --- files --------------------------------------------------------------------------------------------

    def is_ready(self) -> bool:
        """Whether its ports are bound."""
        for socket_ in self.listen:
            transport, _, address = socket_.partition(":")
            host, _, port = address.rpartition(":")
            is_bound = udp_is_bound if transport == "udp" else accepts_tcp
            if not is_bound(int(port), host.strip("[]")):
                return False
        return udp_is_bound(self._rpc_port)

    def write_files(self) -> None:
        """Write its configuration."""
        self.directory.mkdir(parents=True, exist_ok=True)
        passwords = "\n".join(
            f'    if ($au == "{user}") $var(password) = "{password}";'
            for user, password in self.users.items()
        )
        (self.directory / "kamailio.cfg").write_text(
            _CONFIG.replace("@LISTEN@", "\n".join(f"listen={socket_}" for socket_ in self.listen))
            .replace("@DIRECTORY@", str(self.directory))
            .replace("@SETTINGS@", self.settings)
            .replace("@PASSWORDS@", passwords)
            .replace("@REALM@", self.realm)
            .replace("@ALGORITHM@", self.algorithm)
            .replace("@NONCE@", str(self.nonce_seconds))
            .replace("@RPC@", str(self._rpc_port))
        )


def _tls_settings(tls: TlsIdentity) -> str:
    # COMPAT, Kamailio 5.6: speaks TLS 1.0 alone unless told otherwise, which OpenSSL 3 has given up.
    values = {
        "tls_method": "TLSv1.2+",
        "certificate": tls.certificate,
        "private_key": tls.key,
        "ca_list": tls.roots,
    }
    lines = [f'modparam("tls", "{name}", "{value}")' for name, value in values.items()]
    return "\n".join(
        ["enable_tls=yes", 'loadmodule "tls.so"', *lines, 'modparam("tls", "verify_certificate", 1)', ""]
    )


_CONFIG = """\
#!KAMAILIO
# Written by tests/peers/kamailio.py for one test run.
debug=2
log_stderror=yes
children=2
tcp_children=2
auto_aliases=no
dns=no
rev_dns=no
user_agent_header="User-Agent: kamailio"
server_header="Server: kamailio"
@LISTEN@
@SETTINGS@

loadmodule "jsonrpcs.so"
loadmodule "kex.so"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"

modparam("jsonrpcs", "transport", 4)
modparam("jsonrpcs", "dgram_socket", "udp:127.0.0.1:@RPC@")
modparam("usrloc", "db_mode", 0)
modparam("usrloc", "timer_interval", 1)
modparam("registrar", "min_expires", 1)
modparam("auth", "algorithm", "@ALGORITHM@")
modparam("auth", "qop", "auth")
modparam("auth", "nonce_count", 1)
modparam("auth", "nonce_expire", @NONCE@)
modparam("tm", "fr_timer", 5000)

request_route {
    if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
    if (has_totag()) {
        if (loose_route()) { t_relay(); exit; }
        if (is_method("ACK")) { if (t_check_trans()) t_relay(); exit; }
        sl_send_reply("404", "Not Here");
        exit;
    }
    if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
    t_check_trans();
    if (is_method("REGISTER")) {
        route(PASSWORD);
        if (!pv_www_authenticate("@REALM@", "$var(password)", "0")) {
            xlog("L_NOTICE", "asked for a password: REGISTER $tu $au\\n");
            www_challenge("@REALM@", "1");
            exit;
        }
        xlog("L_NOTICE", "took: REGISTER $tu $hdr(Expires) $ct\\n");
        if (!save("location")) sl_reply_error();
        exit;
    }
    if (is_method("INVITE")) {
        route(PASSWORD);
        if (!pv_proxy_authenticate("@REALM@", "$var(password)", "0")) {
            xlog("L_NOTICE", "asked for a password: INVITE $ru $au\\n");
            proxy_challenge("@REALM@", "1");
            exit;
        }
        consume_credentials();
        record_route();
    }
    if (!is_method("INVITE|MESSAGE|OPTIONS|ACK")) { sl_send_reply("405", "Method Not Allowed"); exit; }
    if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
    t_relay();
}

route[PASSWORD] {
    $var(password) = "";
@PASSWORDS@
}
"""
