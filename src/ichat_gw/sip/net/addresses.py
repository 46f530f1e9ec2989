"""Addresses of ours and of peers, as the kernel has them: sources, zones, families."""

import asyncio
import socket

MAX_SOURCES = 10_000
"""Peers whose local address is remembered; then all are forgotten and found again."""
SOURCE_SECONDS = 30.0
"""How long it is remembered: addresses and routes of a machine change."""

WILDCARDS = ("0.0.0.0", "::")


def family_of(address: str) -> socket.AddressFamily:
    """AF_INET6 for an address with a colon, else AF_INET."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def source_towards(remote: tuple[str, int], zone: int = 0) -> str:
    """Ask the kernel which address of ours packets to `remote` come from. Raises OSError without a route.

    Connecting a UDP socket sends nothing. `zone` is the interface of a link-local address.
    """
    with socket.socket(family_of(remote[0]), socket.SOCK_DGRAM) as probe:
        probe.connect(_sockaddr(remote[0], remote[1] or 1, zone))
        return plain(probe.getsockname())[0]


def plain(sockaddr: tuple[str, int] | tuple[str, int, int, int]) -> tuple[str, int]:
    """Return address and port without zone and flow label."""
    return sockaddr[0].partition("%")[0], sockaddr[1]


def is_link_local(address: str) -> bool:
    """Tell whether an address means something on one wire only, so that its zone must be known."""
    return address[:4].lower() in ("fe80", "fe90", "fea0", "feb0") and ":" in address


def _sockaddr(address: str, port: int, zone: int) -> tuple[str, int] | tuple[str, int, int, int]:
    return (address, port, 0, zone) if ":" in address else (address, port)


class Neighbourhood:
    """Which address of ours a peer sees, and on which wire a link-local one is.

    SIP writes addresses without zones (RFC 5118), so the zone of a link-local peer is remembered from what
    came from it. One that never spoke is looked for on the only wire there is, if there is only one.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._sources: dict[str, tuple[str, float]] = {}
        self._zones: dict[str, int] = {}

    def heard(self, sockaddr: tuple[str, int] | tuple[str, int, int, int]) -> tuple[str, int]:
        """Return the plain address of a peer that spoke to us, and remember its zone."""
        remote = plain(sockaddr)
        if len(sockaddr) == 4 and is_link_local(remote[0]):
            if len(self._zones) >= MAX_SOURCES:
                self._zones.clear()
            self._zones[remote[0]] = sockaddr[3]
        return remote

    def sockaddr(self, remote: tuple[str, int]) -> tuple[str, int] | tuple[str, int, int, int]:
        """Return what the kernel wants to send to `remote`."""
        return _sockaddr(*remote, self._zone(remote[0]))

    def source(self, remote: tuple[str, int], bound: str) -> str:
        """Return the address of ours that `remote` sees from a socket bound to `bound`. Raises OSError."""
        if bound not in WILDCARDS:
            return bound
        now = self._loop.time()
        ours, until = self._sources.get(remote[0], ("", 0.0))
        if until <= now:
            if len(self._sources) >= MAX_SOURCES:
                self._sources.clear()
            ours = source_towards(remote, self._zone(remote[0]))
            self._sources[remote[0]] = (ours, now + SOURCE_SECONDS)
        return ours

    def _zone(self, address: str) -> int:
        if not is_link_local(address):
            return 0
        if address in self._zones:
            return self._zones[address]
        wires = [number for number, name in socket.if_nameindex() if name != "lo"]
        return wires[0] if len(wires) == 1 else 0
