"""Faults that no setting has alone: one port for two services, a range too small, a missing file."""

from collections.abc import Iterator
from ipaddress import ip_address
from itertools import combinations
from pathlib import Path

from ichat_gw.config.kinds import MediaEngineName
from ichat_gw.config.problem import Problem
from ichat_gw.config.source import Given
from ichat_gw.config.table import SETTINGS, Settings

_NAMES = {setting.field: setting.row.name for setting in SETTINGS}

_SERVICES = {
    "udp_tcp_port": ("UDP", "TCP"),
    "tls_port": ("TCP",),
    "gateway_ipc_port": ("UDP",),
    "jabber_connector_ipc_port": ("UDP",),
    "http_port": ("TCP",),
}
"""The ports that we listen at, by field, with the transports."""

_STATUS = ("http_port", "http_address", "http_auth", "http_auth_pwd")
DEFAULT_PASSWORD = "admin"
"""HttpAuthPwd's of the original."""

_RANGE = ("media_relay_port_range_min", "media_relay_port_range_max")
_RTPENGINE = ("media_engine", "rtpengine_address")
_TLS_FILES = ("tls_certificate", "tls_private_key", "tls_dh_params_filename", "tls_ca_file")


class Check:
    """Checks settings against each other and against the disk.

    `settings` holds every value that could be read, and defaults for the rest; `given` says where values
    came from; a field in `bad` has been reported already and is left out.
    """

    def __init__(self, settings: Settings, given: dict[str, Given], bad: frozenset[str]) -> None:
        self._settings = settings
        self._given = given
        self._bad = bad

    def problems(self) -> Iterator[Problem]:
        """Yield the faults."""
        yield from self._shared_ports()
        if not self._bad.intersection(_RANGE):
            yield from self._port_range()
        for field in _TLS_FILES:
            path = getattr(self._settings, field)
            if path is not None and field not in self._bad:
                yield from self._unreadable(field, path)
        yield from self._open_page()
        yield from self._no_rtpengine()

    def warnings(self) -> Iterator[Problem]:
        """Yield what may be meant, but does not look so."""
        if not self._bad.intersection(_RANGE) and _pairs(*self._range()) == 1:
            what = "there is room for one pair of ports, but a call takes two"
            yield self._problem(_RANGE, what, "no call can be relayed")

    def _shared_ports(self) -> Iterator[Problem]:
        chosen = {field: getattr(self._settings, field) for field in _SERVICES if field not in self._bad}
        ports = {field: port for field, port in chosen.items() if port}
        for pair in combinations(ports, 2):
            first, last = sorted(pair, key=self._rank)
            shared = [transport for transport in _SERVICES[first] if transport in _SERVICES[last]]
            if shared and ports[first] == ports[last]:
                what = f"port {ports[last]} over {shared[0]} is {_NAMES[first]}'s already{self._where(first)}"
                yield self._problem((last,), what, "every service needs a port of its own")
        if self._bad.intersection(_RANGE):
            return
        least, most = self._range()
        for field, port in ports.items():
            if "UDP" in _SERVICES[field] and least <= port <= most:
                what = f"{_NAMES[field]} {port}{self._where(field)} is a media relay port ({least} to {most})"
                yield self._problem((field, *_RANGE), what, "choose a port outside, or another range")

    def _port_range(self) -> Iterator[Problem]:
        least, most = self._range()
        if least > most:
            what = f"the port range {least} to {most} is empty"
            yield self._problem(_RANGE, what, "MediaRelayPortRangeMin must be the lower one")
        elif not _pairs(least, most):
            what = f"the port range {least} to {most} has no even port followed by an odd one"
            yield self._problem(_RANGE, what, "a call takes two such pairs, for RTP and RTCP of each party")

    def _unreadable(self, field: str, path: Path) -> Iterator[Problem]:
        try:
            path.open("rb").close()
        except OSError as error:
            what = f"{str(path)!r} cannot be read: {error.strerror}"
            yield self._problem((field,), what, "needed: the path of a PEM file that this user may read")

    def _open_page(self) -> Iterator[Problem]:
        """Everybody's calls are on the status page: nobody may serve it to all by accident."""
        settings = self._settings
        if not settings.http_port or self._bad.intersection(_STATUS):
            return
        if not settings.http_auth:
            if not ip_address(settings.http_address).is_loopback:
                what = f"the status page at {settings.http_address} would be open to everybody"
                yield self._problem(_STATUS, what, "set HttpAuth = on and choose HttpAuthPwd")
        elif settings.http_auth_pwd.get_secret_value() == DEFAULT_PASSWORD:
            what = (
                f"the password of the status page is the default, {DEFAULT_PASSWORD!r}, which everybody knows"
            )
            yield self._problem(_STATUS, what, "choose one with HttpAuthPwd, or set HttpPort = 0")

    def _no_rtpengine(self) -> Iterator[Problem]:
        settings = self._settings
        wanted = settings.media_engine is MediaEngineName.RTPENGINE
        if wanted and not settings.rtpengine_address and not self._bad.intersection(_RTPENGINE):
            what = "there is no rtpengine that could relay audio"
            yield self._problem(_RTPENGINE, what, "set RtpengineAddress to where its listen-ng is")

    def _range(self) -> tuple[int, int]:
        return self._settings.media_relay_port_range_min, self._settings.media_relay_port_range_max

    def _rank(self, field: str) -> tuple[bool, bool, int]:
        """Order fields as they were set: defaults, then the file, then flags."""
        given = self._given.get(field)
        if given is None:
            return False, False, 0
        return True, given.line is None, given.line or 0

    def _problem(self, fields: tuple[str, ...], what: str, allowed: str) -> Problem:
        """Report at the place of the one of `fields` that was set last; defaults alone are never at fault."""
        blamed = max(fields, key=self._rank)
        return self._given[blamed].problem(_NAMES[blamed], what, allowed)

    def _where(self, field: str) -> str:
        given = self._given.get(field)
        return f" ({given.place if given else 'by default'})"


def _pairs(least: int, most: int) -> int:
    """Count the pairs of an even port and the odd one after it."""
    return max(0, (most + 1) // 2 - (least + 1) // 2)
