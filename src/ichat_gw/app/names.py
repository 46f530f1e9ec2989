"""How a party of one network is named on the other."""

from ichat_gw.addressing.jid import unescape_localpart
from ichat_gw.addressing.mapping import calling_localpart
from ichat_gw.addressing.sip_uri import InvalidSipUri, SipUri
from ichat_gw.call.leg import Party
from ichat_gw.sip.dialog import COMPAT_VICEROY

CALLER_USER_LENGTH = 10
"""COMPAT iChat: it refuses a call (603) from a JID whose user part is longer."""


def party_of(user: str) -> Party:
    """How a SIP phone sees an iChat user (a bare JID): the JID as a SIP URI, its user part as the name.

    What a JID escapes (XEP-0106) may stand in a SIP URI, and the other way round (RFC 7247 section 4). One
    whose domain no SIP URI can name is anonymous (RFC 3261 section 8.1.1.3) but for its name.
    """
    local, _, domain = user.rpartition("@")
    local = unescape_localpart(local)
    try:
        return Party(str(SipUri.build(local or None, domain)), local or domain)
    except InvalidSipUri:
        return Party("sip:anonymous@anonymous.invalid", local or domain)


def calling_user(address: str) -> str:
    """The user part of the JID that calls iChat for a SIP caller (section "iChat" of the wire reference).

    COMPAT iChat: it refuses (603) a user part longer than ten characters, escapes (XEP-0106) included.
    """
    scheme, _, rest = plain(address)[0].partition(":")
    user = rest.partition(";")[0] if scheme == "tel" else rest.rpartition("@")[0]
    return calling_localpart(user, CALLER_USER_LENGTH) or "anonymous"


def is_viceroy(user_agent: str) -> bool:
    """Whether a User-Agent header is that of iChat's SIP stack."""
    return user_agent.startswith(COMPAT_VICEROY)


def plain(uri: str) -> tuple[str, str]:
    """A SIP URI as the rules see it, `sip:user@host` without port and parameters, and its host.

    The host by itself is in lower case and, if it is an IPv6 address, without brackets.
    """
    try:
        parsed = SipUri.parse(uri)
    except InvalidSipUri:
        return uri, ""
    user = f"{parsed.user}@" if parsed.user else ""
    return f"{parsed.scheme}:{user}{parsed.host}", parsed.host.lower().strip("[]")
