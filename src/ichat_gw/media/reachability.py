"""Whether the media of two parties can go from one to the other, by what their descriptions say.

Nothing is tried out: it is enough to see when it cannot be. An address of one network says nothing in
another, so both must be of one kind, and of one family.
"""

from ipaddress import ip_address

from ichat_gw.media.negotiation import Audio, same_family
from ichat_gw.media.sdp import numeric


def kind_of(host: str) -> str:
    """How far an address is known: `loopback`, `link-local`, `private` or `public`."""
    ip = ip_address(host)
    if ip.is_loopback:
        return "loopback"
    if ip.is_link_local:
        return "link-local"
    return "public" if ip.is_global else "private"


def apart(one: Audio, other: Audio) -> str | None:
    """Why nothing can go directly between two parties; None when it can."""
    if one.rtp is None or other.rtp is None:
        return "a party on hold names no address"
    return apart_from(one, other.rtp[0])


def apart_from(audio: Audio, host: str) -> str | None:
    """The same, when all that is known of the other party is the host; "" or a name tells nothing."""
    if audio.rtp is None:
        return "a party on hold names no address"
    mine = audio.rtp[0]
    if numeric(host) is None:
        return None
    if not same_family(mine, host):
        return f"{mine} and {host} are of IPv4 and IPv6"
    if kind_of(mine) != kind_of(host) or (kind_of(mine) == "link-local" and ":" in mine):
        return f"one of {mine} ({kind_of(mine)}) and {host} ({kind_of(host)}) cannot reach the other"
    return None


def unreachable(audio: Audio, host: str) -> str | None:
    """Why the address that a party names is none where others find it: it is behind a NAT."""
    if audio.rtp is None or numeric(host) is None:
        return None
    if kind_of(audio.rtp[0]) != "public" and kind_of(host) == "public":
        return f"{audio.rtp[0]} is behind a NAT, as it signals from {host}"
    return None
