"""Cutting JIDs (RFC 7622) as they stand in stanzas.

The XMPP server has already checked and normalised the addresses of what it delivers, so these are mere
slices, cheap enough for every presence stanza. What comes from elsewhere is an `ichat_gw.addressing.jid.Jid`.
"""

MAX_CHARACTERS = 3071
"""The longest JID: three parts of 1023 octets, with @ and /."""


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
