"""What we say about ourselves: disco#info and #items (XEP-0030), version (XEP-0092), ping (XEP-0199).

iChat asks each name in the `ext` of our presence, and its version, as a node of disco#info.
"""

from xml.etree.ElementTree import Element

from ichat_gw.jabber import jid, stanza, xmlns

NAME = "ichat-gw"

_DISCO = (xmlns.DISCO_INFO, xmlns.DISCO_ITEMS)

_NODES = {
    "apple:ichat:caps#avavail": (f"{xmlns.VC}available", *_DISCO),
    "apple:ichat:caps#audio": (f"{xmlns.VC}audio", *_DISCO),
    "apple:ichat:caps#avcap": (f"{xmlns.VC}capable", *_DISCO),
    "apple:ichat:caps#448": (*_DISCO, xmlns.VERSION),
}

_COMPONENT = stanza.disco_info([("server", NAME, NAME)], [*_DISCO, xmlns.VERSION, xmlns.PING])
"""The type is the original's and stands in no registry; category `server` without a type would be invalid."""

_CONTROL = stanza.disco_info([("client", "bot", NAME)], [*_DISCO, xmlns.VERSION, xmlns.PING])

_SPEED_DIAL = stanza.disco_info(
    [("client", "phone", "")],
    [
        f"{xmlns.VC}available",
        f"{xmlns.VC}audio",
        f"{xmlns.VC}capable",
        *_DISCO,
        xmlns.VERSION,
        xmlns.PING,
    ],
)


class Capabilities:
    """The answers to IQ of type get."""

    def __init__(self, control: str, version: str) -> None:
        self._control = control
        self._version = stanza.version(NAME, version)

    def answer(self, iq: Element, query: Element | None) -> str:
        """The stanza that answers `iq`, a get or set with `from` and `id` whose payload is `query`."""
        to, from_, id_ = iq.get("from", ""), iq.get("to", ""), iq.get("id", "")
        if query is None:
            return stanza.error(to, from_, id_, "bad-request", "modify")
        if iq.get("type") != "get":
            return stanza.error(to, from_, id_, "service-unavailable")
        node = query.get("node", "")
        match query.tag:
            case "{http://jabber.org/protocol/disco#info}query":
                payload = self._info(jid.bare(from_), node)
                if payload is None:
                    return stanza.error(to, from_, id_, "item-not-found")
            case "{http://jabber.org/protocol/disco#items}query":
                payload = stanza.disco_items(node)
            case "{jabber:iq:version}query":
                payload = self._version
            case "{urn:xmpp:ping}ping":
                payload = ""
            case _:
                return stanza.error(to, from_, id_, "service-unavailable")
        return stanza.result(to, from_, id_, payload)

    def _info(self, contact: str, node: str) -> str | None:
        if node:
            features = _NODES.get(node)
            return None if features is None else stanza.disco_info((), features, node)
        if contact == self._control:
            return _CONTROL
        return _SPEED_DIAL if jid.localpart(contact) else _COMPONENT
