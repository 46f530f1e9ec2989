"""Ports: whether they are free, and if not, who has them."""

import contextlib
import errno
import socket
from collections.abc import Iterator

import psutil

from ichat_gw.app.trials.trial import Trial
from ichat_gw.config.kinds import MediaEngineName
from ichat_gw.config.table import Settings

LOOPBACK = "127.0.0.1"
WILDCARDS = ["0.0.0.0", "::"]
OURS = "ichat-gw"
MOST_LOOKS = 5
"""How often the system is asked, for all ports together, who has them."""

_KINDS = {"UDP": socket.SOCK_DGRAM, "TCP": socket.SOCK_STREAM}
_REMEDY = "end who has it, or choose a free port"
_OTHER_GATEWAY = "give each gateway ports of its own"


class _Holders:
    """The programs that have ports, as far as the system tells us; it is asked only when needed.

    And more than once when it does not name one that is there: while sockets come and go, Linux leaves others
    out of its list, which is read piece by piece.
    """

    def __init__(self, ipc_port: int) -> None:
        self._found: dict[tuple[int, int], str] = {}
        self._looks = 0
        self._ipc_port = ipc_port
        """GatewayIPCPort: who has that is the gateway with this configuration."""

    def of(self, transport: str, port: int) -> str:
        """The program that has a port, with its process's number."""
        wanted = _KINDS[transport], port
        while wanted not in self._found and self._looks < MOST_LOOKS:
            self._looks += 1
            self._look()
        return self._found.get(wanted, "another program")

    def _look(self) -> None:
        with contextlib.suppress(psutil.Error, OSError):
            for each in psutil.net_connections("inet"):
                listens = each.type == socket.SOCK_DGRAM or each.status == psutil.CONN_LISTEN
                if listens and each.laddr and each.pid is not None:
                    self._found[each.type, each.laddr.port] = _program(each.pid)

    def ours(self, transport: str, port: int) -> bool:
        """Whether an ichat-gw has it."""
        return self.of(transport, port).startswith(OURS)

    def runs(self) -> bool:
        """Whether the gateway with this configuration runs."""
        return self.ours("UDP", self._ipc_port)


def _program(pid: int) -> str:
    """A process's name and number; the name is that of the script or module where Python runs one."""
    try:
        process = psutil.Process(pid)
        words = [word.rpartition("/")[2].replace("ichat_gw.", f"{OURS} ") for word in process.cmdline()[:4]]
        name = next((word for word in words if word.startswith(OURS)), process.name())
    except psutil.Error:
        return f"process {pid}"
    return f"{name} (process {pid})"


def try_ports(settings: Settings, tls: bool) -> Iterator[Trial]:
    """Try every port that the gateway opens; `tls`: whether it opens that of TLS."""
    holders = _Holders(settings.gateway_ipc_port)
    hosts = [settings.ip_address] if settings.ip_address else WILDCARDS
    elsewhere = hosts is not WILDCARDS and _elsewhere(hosts[0])
    if elsewhere:
        yield _no_address("IPAddress", hosts[0])
    for host in [] if elsewhere else hosts:
        for transport in ("UDP", "TCP"):
            yield from _try("UDPTCPPort", transport, host, settings.udp_tcp_port, holders)
        if tls:
            yield from _try("TLSPort", "TCP", host, settings.tls_port, holders)
    yield from _try("GatewayIPCPort", "UDP", LOOPBACK, settings.gateway_ipc_port, holders)
    yield from _try("JabberConnectorIPCPort", "UDP", LOOPBACK, settings.jabber_connector_ipc_port, holders)
    if settings.http_port:
        yield from _try("HttpPort", "TCP", settings.http_address, settings.http_port, holders)
    else:
        yield Trial("HttpPort", "skipped", "is 0: no status page, no metrics, no commands while it runs")
    if settings.media_engine is MediaEngineName.BUILTIN and not elsewhere:
        yield _relay_ports(
            hosts[0], settings.media_relay_port_range_min, settings.media_relay_port_range_max, holders
        )


def gateway_runs(settings: Settings) -> bool:
    """Whether a gateway with this configuration runs here already, as far as its IPC port tells."""
    return _refused("UDP", LOOPBACK, settings.gateway_ipc_port) is not None


def _try(setting: str, transport: str, host: str, port: int, holders: _Holders) -> Iterator[Trial]:
    error = _refused(transport, host, port)
    written = f"{transport} {f'[{host}]' if ':' in host else host}:{port}"
    if error is None:
        yield Trial(setting, "ok", f"{written} is free")
    elif error.errno == errno.EADDRNOTAVAIL and host not in WILDCARDS:
        yield _no_address("HttpAddress", host)
    elif error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT):
        yield Trial(setting, "skipped", f"{written}: there is no IPv6 on this machine")
    elif error.errno == errno.EADDRINUSE:
        holder = holders.of(transport, port)
        if holders.ours(transport, port) and holders.runs():
            yield Trial(setting, "ok", f"{written} is taken by {holder}, which runs already")
        elif holders.ours(transport, port):
            yield Trial(setting, "failed", f"{written} is taken by {holder}, another gateway", _OTHER_GATEWAY)
        else:
            yield Trial(setting, "failed", f"{written} is taken by {holder}", _REMEDY)
    else:
        text = f"{written} cannot be opened: {error.strerror}"
        remedy = "a port below 1024 needs a privilege" if error.errno == errno.EACCES else _REMEDY
        yield Trial(setting, "failed", text, remedy)


def _relay_ports(host: str, first: int, last: int, holders: _Holders) -> Trial:
    taken = [port for port in range(first, last + 1) if _refused("UDP", host, port) is not None]
    setting = "MediaRelayPortRangeMin"
    if not taken:
        return Trial(setting, "ok", f"all ports from {first} to {last} are free")
    foreign = [port for port in taken if not holders.ours("UDP", port)]
    what = f"of the ports from {first} to {last}, {len(taken)} are in use"
    if not foreign:
        return Trial(setting, "ok", f"{what}, by the gateway that runs")
    shown = ", ".join(map(str, foreign[:5])) + (", ..." if len(foreign) > 5 else "")
    enough = len(foreign) <= (last - first + 1) // 10
    remedy = "calls do without these; choose a range that nobody else uses"
    return Trial(setting, "ok" if enough else "warning", f"{what}: {shown}", "" if enough else remedy)


def _no_address(setting: str, host: str) -> Trial:
    return Trial(setting, "failed", f"{host} is no address of this machine", "write one that is")


def _elsewhere(host: str) -> bool:
    error = _refused("UDP", host, 0)
    return error is not None and error.errno == errno.EADDRNOTAVAIL


def _refused(transport: str, host: str, port: int) -> OSError | None:
    """Why a port cannot be bound, as the gateway would bind it; None when it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, _KINDS[transport]) as probe:
            if transport == "TCP":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((host, port))
            if transport == "TCP":
                probe.listen(1)
    except OSError as error:
        return error
    return None
