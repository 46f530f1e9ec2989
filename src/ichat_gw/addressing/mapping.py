r"""Addresses of one network as the other writes them (RFC 7247, section 4): characters, not routes.

A JID escapes what its localpart cannot hold as XEP-0106 says (`o\27malley`), a SIP URI as percent escapes
of UTF-8 (`tsch%C3%BCss`), and neither knows the other's way. Where a call goes is for the translation rules
alone; what they make is then written in the way of the network it goes to, so that `o'malley`, `72*123` and
umlauts come back as they left.
"""

import re
from urllib.parse import unquote_to_bytes

from ichat_gw.addressing.jid import InvalidJid, Jid, escape_localpart, unescape_localpart
from ichat_gw.addressing.sip_uri import InvalidSipUri, SipUri, escape_user

_CHARACTERS = re.compile(r"\\(?:20|22|26|27|2f|3a|3c|3e|40|5c)|.", re.DOTALL)


def sip_address(text: str) -> str:
    r"""The SIP URI that `text` means, which was made out of a JID: `sip:o\27m@host` is `sip:o'm@host`.

    One that is a SIP URI already is not touched. Without an `@` the user part is a whole SIP address, as
    `jabber:iq:gateway` makes it: `sip:bob\40sip.example.com` is `sip:bob@sip.example.com`.
    """
    try:
        SipUri.parse(text)
    except InvalidSipUri:
        scheme, _, rest = text.partition(":")
        user, at, host = rest.rpartition("@")
        if not at:
            user, at, host = rest.rpartition("\\40")
        return f"{scheme}:{escape_user(unescape_localpart(user))}@{host}" if at else text
    return text


def xmpp_address(text: str) -> str:
    r"""The JID that `text` means, which was made out of a SIP URI: `xmpp:o'm@host` is `xmpp:o\27m@host`.

    What is escaped as JIDs are is not escaped again. Raises `InvalidJid` when the user part begins or ends
    with a space.
    """
    scheme, _, rest = text.partition(":")
    user, at, domain = rest.rpartition("@")
    return f"{scheme}:{escape_localpart(_plain(user))}@{domain}" if at else text


def calling_localpart(user: str, longest: int) -> str:
    """The localpart for a SIP user part, cut to `longest` characters; "" when there is none.

    An escape is kept or dropped as a whole; what no JID may hold, not even escaped, is left out.
    """
    text = "".join(character for character in _plain(user) if character.isprintable()).strip(" ")
    cut = ""
    for character in _CHARACTERS.findall(escape_localpart(text)):
        if len(cut) + len(character) > longest:
            break
        cut += character
    cut = cut.removesuffix("\\20")
    try:
        Jid(cut, "localhost")
    except InvalidJid:
        return ""
    return cut


def _plain(user: str) -> str:
    """A user part without the escapes of either network."""
    user = unescape_localpart(user)
    return unquote_to_bytes(user).decode("utf-8", "replace") if "%" in user else user
