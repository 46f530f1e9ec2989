"""To whom a SIP phone may transfer its call.

A transfer makes us call whatever address the phone names. Whoever can call an XMPP user could then have calls
sent anywhere and have them look like ours, so the host of that address must be known: the phone's own, the
outbound proxy, a domain that a TranslationOutput spells out, or one in AllowedTransferDomains.
"""

from dataclasses import dataclass

from ichat_gw.addressing.sip_uri import InvalidSipUri, SipUri
from ichat_gw.call.admission import Refusal
from ichat_gw.call.cause import Cause, Ending

SETTING = "AllowedTransferDomains"


def host_of(uri: str) -> str:
    """The host of a SIP URI as hosts are compared here: in lower case, IPv6 without brackets; or ""."""
    try:
        return SipUri.parse(uri).address.lower()
    except InvalidSipUri:
        return ""


@dataclass(frozen=True, slots=True)
class TransferPolicy:
    """What decides; hosts are in lower case."""

    known: frozenset[str] = frozenset()
    """Hosts to which everybody may transfer."""
    our_hosts: frozenset[str] = frozenset()
    our_ports: frozenset[int] = frozenset({5070})
    """Together they mean this gateway, which connects nobody with itself; a phone system may be beside it."""


def transfer_refused(target: str, phone: str, policy: TransferPolicy) -> Ending | Refusal | None:
    """Say why the phone at host `phone` may not transfer its call to the URI `target`; None when it may."""
    host = host_of(target)
    if not host:
        return Ending(Cause.DECLINED, text=f"{target} is no SIP address")
    if host in policy.our_hosts and _port_of(target) in policy.our_ports:
        return Ending(Cause.DECLINED, text=f"{target} leads back to this gateway")
    if host == phone.lower() or host in policy.known:
        return None
    return Refusal(SETTING, f"{phone}, which transfers to {host}")


def _port_of(uri: str) -> int:
    parsed = SipUri.parse(uri)
    tls = parsed.scheme == "sips" or (parsed.param("transport") or "").lower() == "tls"
    return parsed.port or (5061 if tls else 5060)
