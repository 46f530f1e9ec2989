"""Which addresses of this machine others can reach us at."""

import socket
from ipaddress import ip_address

import psutil

from ichat_gw.sip.net.udp import source_towards

ANYWHERE = ("192.0.2.1", 9)
"""An address that only the default route leads to (RFC 5737). Nothing is ever sent to it."""


def usable_addresses(bound: str | None) -> list[str]:
    """IPv4 addresses to offer to iChat clients: the bound one alone, else all of this machine's.

    Those that mean something on one machine or one wire only (loopback, link-local) are left out; on a
    machine that has no others, loopback is better than nothing.
    """
    if bound is not None:
        return [bound]
    found = [
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET
    ]
    usable = [text for text in found if not _local(text)]
    return usable or ["127.0.0.1"]


def all_addresses() -> set[str]:
    """Every IPv4 and IPv6 address of this machine, loopback included, without zones."""
    return {
        address.address.partition("%")[0]
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family in (socket.AF_INET, socket.AF_INET6)
    }


def address_towards(host: str, bound: str | None) -> str:
    """Our address that `host` sees: the bound one, else what the routing table says.

    `host` may be a name or "" when nothing is known; then it is the address of the default route.
    """
    if bound is not None:
        return bound
    try:
        target = (str(ip_address(host)), 9)
    except ValueError:
        target = ANYWHERE
    for remote in (target, ANYWHERE):
        try:
            return source_towards(remote)
        except OSError:
            continue
    return usable_addresses(None)[0]


def _local(text: str) -> bool:
    address = ip_address(text)
    return address.is_loopback or address.is_link_local or address.is_unspecified
