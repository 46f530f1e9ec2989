"""Cutting JIDs (RFC 7622) as they stand in stanzas.

The XMPP server has already checked and normalised the addresses of what it delivers, so these are mere
slices, cheap enough for every presence stanza. What comes from elsewhere is looked at by `is_valid`.
"""

import re

MAX_PART = 1023
"""Most octets in a localpart, a domainpart or a resourcepart."""

_LOCALPART = re.compile(r"[^\s\"&'/:<>@\x00-\x1f\x7f]+")
_DOMAINPART = re.compile(r"[^\s\"&'/<>@\x00-\x1f\x7f]+")
_RESOURCEPART = re.compile(r"[^\x00-\x1f\x7f]+")


def bare(jid: str) -> str:
    """The JID without its resource."""
    return jid.partition("/")[0]


def resource(jid: str) -> str:
    """The resource, or ""."""
    return jid.partition("/")[2]


def localpart(jid: str) -> str:
    """The part before the @, or ""."""
    return bare(jid).rpartition("@")[0]


def domain(jid: str) -> str:
    """The domainpart."""
    return bare(jid).rpartition("@")[2]


def normalise(jid: str) -> str:
    """The JID with its bare part in lower case, as every XMPP server will deliver it.

    Full PRECIS preparation is the server's; this suffices to recognise an answer to what we sent.
    """
    address, slash, rest = jid.partition("/")
    return address.lower() + slash + rest


def is_valid(jid: str) -> bool:
    """Whether `jid` has the form user@domain or user@domain/resource that a server will route.

    Sent with a malformed address, a stanza would cost a component its stream.
    """
    address, slash, rest = jid.partition("/")
    user, _, host = address.rpartition("@")
    parts = [(user, _LOCALPART), (host, _DOMAINPART)]
    if slash:
        parts.append((rest, _RESOURCEPART))
    return all(pattern.fullmatch(part) and _octets(part) <= MAX_PART for part, pattern in parts)


def _octets(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
