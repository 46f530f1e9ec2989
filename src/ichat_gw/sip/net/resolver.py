"""From the URI of a request to the addresses it goes to.

Numbers are answered at once, names by the system's resolver, IPv4 only. The rules of RFC 3263 (NAPTR,
SRV, several transports) have their place here.
"""

import asyncio
import socket
from ipaddress import AddressValueError, IPv4Address

from ichat_gw.addressing.sip_uri import InvalidSipUri, SipUri
from ichat_gw.errors import GatewayError

DEFAULT_PORT = 5060


class Unreachable(GatewayError):
    """A URI leads nowhere; the message says why."""


def target_of(uri: str) -> tuple[str, int]:
    """Return host and port that a SIP URI names. Raises Unreachable when we have no way to go there."""
    try:
        parsed = SipUri.parse(uri)
    except InvalidSipUri as error:
        raise Unreachable(f"{uri}: {error}") from None
    transport = (parsed.param("transport") or "udp").lower()
    if parsed.scheme == "sips" or transport != "udp":
        wanted = "TLS" if parsed.scheme == "sips" else transport.upper()
        raise Unreachable(f"{uri}: the gateway speaks UDP only, not {wanted}")
    host = parsed.param("maddr") or parsed.address
    if ":" in host:
        raise Unreachable(f"{uri}: the gateway speaks IPv4 only")
    return host, parsed.port or DEFAULT_PORT


def is_number(host: str) -> bool:
    """Tell whether a host is an IPv4 address, which needs no resolver."""
    try:
        IPv4Address(host)
    except AddressValueError:
        return False
    return True


async def resolve(uri: str) -> list[tuple[str, int]]:
    """Return the addresses to try for a SIP URI, best first, at least one. Raises Unreachable."""
    host, port = target_of(uri)
    if is_number(host):
        return [(host, port)]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"{host}: {error}") from None
    return list(dict.fromkeys((str(address[0]), int(address[1])) for *_, address in found))
