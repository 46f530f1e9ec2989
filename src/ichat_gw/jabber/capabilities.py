"""What we say about ourselves when a client or a server asks by IQ.

disco#info and #items (XEP-0030), version (0092), ping (0199), last activity (0012), time (0202), vCard
(0054), and the prompt of a gateway (0100): a user types a number or a SIP address and gets the JID to add.
iChat asks each name in the `ext` of our presence, and its version, as a node of disco#info (XEP-0115 1.3):
those answers are the original's, letter for letter. So is what the component calls itself first; what it is
in the words of the XMPP registry stands behind it.
"""

import re
from collections.abc import Callable
from datetime import datetime
from xml.etree.ElementTree import Element

from ichat_gw.addressing.jid import InvalidJid, Jid, escape_localpart, unescape_localpart
from ichat_gw.jabber import jid, stanza, xmlns
from ichat_gw.jabber.settings import ConnectorConfig

NAME = "ichat-gw"

PROMPT = "Enter a phone number or a SIP address, such as +15551234567 or bob@sip.example.com."

_DISCO = (xmlns.DISCO_INFO, xmlns.DISCO_ITEMS)

_NODES = {
    "apple:ichat:caps#avavail": (f"{xmlns.VC}available", *_DISCO),
    "apple:ichat:caps#audio": (f"{xmlns.VC}audio", *_DISCO),
    "apple:ichat:caps#avcap": (f"{xmlns.VC}capable", *_DISCO),
    "apple:ichat:caps#448": (*_DISCO, xmlns.VERSION),
}

_MANNERS = (*_DISCO, xmlns.VERSION, xmlns.PING, xmlns.LAST, xmlns.TIME, xmlns.VCARD)
"""What everybody here answers."""

_CALLS = (f"{xmlns.VC}available", f"{xmlns.VC}audio", f"{xmlns.VC}capable")

_NUMBER = re.compile(r"\+?[0-9][0-9 ()./-]*", re.ASCII)
_LAYOUT = str.maketrans("", "", " ()./-")


class Capabilities:
    """The answers to IQ of type get or set."""

    def __init__(self, config: ConnectorConfig, wall_clock: Callable[[], datetime], began: float) -> None:
        """`wall_clock` tells the time with its zone, `began` when we did (as `now`, in seconds)."""
        self._domain = config.domain
        self._control = config.control
        self._version = stanza.version(NAME, config.version)
        self._wall_clock = wall_clock
        self._began = began
        self._component = _component_info(config.numbers_reachable)
        self._control_info = stanza.disco_info([("client", "bot", NAME)], _MANNERS)

    def reconfigure(self, numbers_reachable: bool) -> None:
        """Say from now on that telephone numbers can be called, or do not."""
        self._component = _component_info(numbers_reachable)

    def answer(self, iq: Element, query: Element | None, now: float) -> str:
        """The stanza that answers `iq`, a get or set with a `from`, whose payload is `query`."""
        to, from_, id_ = iq.get("from", ""), iq.get("to", ""), iq.get("id", "")
        type_ = iq.get("type")
        if query is None or type_ not in ("get", "set") or not id_:
            return stanza.error(to, from_, id_, "bad-request", "modify")
        contact = jid.bare(from_)
        if query.tag == f"{{{xmlns.GATEWAY}}}query" and contact == self._domain:
            if type_ == "get":
                return stanza.result(to, from_, id_, stanza.gateway_prompt(PROMPT))
            return self._jid_for(query, to, from_, id_)
        payload = self._read(query, contact, now) if type_ == "get" else None
        if payload is not None:
            return stanza.result(to, from_, id_, payload)
        unknown_node = type_ == "get" and query.tag == f"{{{xmlns.DISCO_INFO}}}query"
        return stanza.error(to, from_, id_, "item-not-found" if unknown_node else "service-unavailable")

    def _read(self, query: Element, contact: str, now: float) -> str | None:
        """The payload that answers a question to `contact`; None when there is none."""
        node = query.get("node", "")
        match query.tag:
            case "{http://jabber.org/protocol/disco#info}query":
                return self._info(contact, node)
            case "{http://jabber.org/protocol/disco#items}query":
                listed = contact == self._domain and not node
                return stanza.disco_items([(self._control, NAME)] if listed else [], node)
            case "{jabber:iq:version}query":
                return self._version
            case "{urn:xmpp:ping}ping":
                return ""
            case "{jabber:iq:last}query":
                # Of a server it is how long it has been up, of anybody else how long idle (XEP-0012 4, 5).
                return stanza.last_activity(int(now - self._began) if contact == self._domain else 0)
            case "{urn:xmpp:time}time":
                return stanza.entity_time(self._wall_clock())
            case "{vcard-temp}vCard":
                return self._card(contact)
            case _:
                return None

    def _info(self, contact: str, node: str) -> str | None:
        if node:
            features = _NODES.get(node)
            return None if features is None else stanza.disco_info((), features, node)
        if contact == self._control:
            return self._control_info
        if contact == self._domain:
            return self._component
        name = unescape_localpart(jid.localpart(contact))
        return stanza.disco_info([("client", "phone", name)], [*_CALLS, *_MANNERS])

    def _card(self, contact: str) -> str:
        if contact in (self._control, self._domain):
            return stanza.vcard(NAME, contact, f"{NAME}: calls between iChat and SIP")
        return stanza.vcard(unescape_localpart(jid.localpart(contact)), contact)

    def _jid_for(self, query: Element, to: str, from_: str, id_: str) -> str:
        """The JID of what a user typed (XEP-0100 6.3), or why there is none."""
        typed = (query.findtext(f"{{{xmlns.GATEWAY}}}prompt") or "").strip()
        scheme, colon, rest = typed.partition(":")
        if colon and scheme.lower() in ("sip", "sips", "tel"):
            typed = rest.strip()
        if _NUMBER.fullmatch(typed):
            typed = typed.translate(_LAYOUT)
        try:
            if not typed:
                raise InvalidJid("nothing was typed")
            found = Jid(escape_localpart(typed), self._domain)
        except InvalidJid:
            return stanza.error(to, from_, id_, "not-acceptable", "modify")
        return stanza.result(to, from_, id_, stanza.gateway_jid(str(found)))


def _component_info(numbers_reachable: bool) -> str:
    # The first type is the original's and stands in no registry; a category must have one.
    identities = [("server", NAME, NAME), ("gateway", "sip", NAME)]
    if numbers_reachable:
        identities.append(("gateway", "pstn", NAME))
    return stanza.disco_info(identities, [*_MANNERS, xmlns.GATEWAY])
