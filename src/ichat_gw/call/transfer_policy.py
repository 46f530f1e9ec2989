"""To whom a SIP phone may transfer its call.

A transfer makes us call whatever address the phone names. Whoever can call an XMPP user could then have calls
sent anywhere and have them look like ours, so the host of that address must be known: the phone's own, the
outbound proxy, a domain that a TranslationOutput spells out, or one in AllowedTransferDomains.
"""

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


def transfer_refused(
    target: str, phone: str, known: frozenset[str], ours: frozenset[str]
) -> Ending | Refusal | None:
    """Say why a call may not be transferred to the URI `target`; None when it may.

    `phone` is the host of the phone that asks, `known` are the hosts that anybody may name, and `ours` mean
    this gateway: it connects nobody with itself.
    """
    host = host_of(target)
    if not host:
        return Ending(Cause.DECLINED, text=f"{target} is no SIP address")
    if host in ours:
        return Ending(Cause.DECLINED, text=f"{target} leads back to this gateway")
    if host == phone.lower() or host in known:
        return None
    return Refusal(SETTING, f"{phone}, which transfers to {host}")
