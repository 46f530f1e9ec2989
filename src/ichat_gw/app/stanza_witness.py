"""Sees the stanzas that belong to calls, for the gateway's traces.

Which these are is seen from outside: the negotiation itself (`apple:iq:vc:*`), and for a while before and
after it whatever goes between that user and us, because presence and service discovery decide who rings.
Chat messages are nobody's business.
"""

import re
from collections import OrderedDict
from collections.abc import Callable
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from ichat_gw.ipc.messages import InitiateIChatCall, Message, SeenStanza, StanzasSeen
from ichat_gw.jabber import jid

WATCHED_SECONDS = 30.0
"""How long a user is watched after the last sign of a negotiation with him."""
MOST_USERS = 1_000
MOST_STANZAS = 64
"""Stanzas in one message to the gateway; what is more in the same moment is left out."""
LONGEST = 8_000
"""Characters of a stanza; the rest is cut off."""

_NEGOTIATION = "apple:iq:vc:"
_HEAD = re.compile(r"<(iq|presence)\s([^>]*)>")
_STREAM = "{jabber:component:accept}"


class StanzaWitness:
    """Collects what is to be told; `clock` gives UNIX time in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._watched: OrderedDict[str, float] = OrderedDict()
        self._seen: list[SeenStanza] = []

    def expect(self, message: Message) -> None:
        """The gateway says this: whom it calls is watched from now on."""
        if isinstance(message, InitiateIChatCall):
            self._watch(jid.bare(message.to), self._clock())

    def received(self, element: Element) -> None:
        """The server has delivered something."""
        kind = element.tag.removeprefix(_STREAM)
        if kind not in ("iq", "presence"):
            return
        negotiates = any(_NEGOTIATION in child.tag for child in element)
        user, contact = jid.bare(element.get("from", "")), jid.bare(element.get("to", ""))
        if self._concerns(user, negotiates):
            self._add(user, contact, False, written(element))

    def sent(self, xml: str) -> None:
        """Something goes to the server."""
        head = _HEAD.match(xml)
        if head is None:
            return
        user, contact = jid.bare(_attribute(head[2], "to")), jid.bare(_attribute(head[2], "from"))
        if self._concerns(user, _NEGOTIATION in xml):
            self._add(user, contact, True, xml)

    def take(self) -> StanzasSeen | None:
        """What is to be told; None: nothing. It is not told again."""
        if not self._seen:
            return None
        seen, self._seen = self._seen, []
        return StanzasSeen(seen)

    def _concerns(self, user: str, negotiates: bool) -> bool:
        if not negotiates and user not in self._watched:
            return False
        now = self._clock()
        if negotiates:
            self._watch(user, now)
            return True
        if self._watched[user] < now:
            del self._watched[user]
            return False
        return True

    def _watch(self, user: str, now: float) -> None:
        self._watched[user] = now + WATCHED_SECONDS
        self._watched.move_to_end(user)
        if len(self._watched) > MOST_USERS:
            self._watched.popitem(last=False)

    def _add(self, user: str, contact: str, outgoing: bool, xml: str) -> None:
        if len(self._seen) < MOST_STANZAS:
            self._seen.append(SeenStanza(user, contact, outgoing, xml[:LONGEST], self._clock()))


def written(element: Element, namespace: str = _STREAM[1:-1]) -> str:
    """An element as XML again; its namespaces are told where they change, as servers do it."""
    own, brace, name = element.tag.rpartition("}")
    own = own.removeprefix("{") if brace else namespace
    head = [name]
    if own != namespace:
        head.append(f"xmlns={quoteattr(own)}")
    head += [f"{_plain(key)}={quoteattr(value)}" for key, value in element.items()]
    inside = escape(element.text or "")
    for child in element:
        inside += written(child, own) + escape(child.tail or "")
    start = " ".join(head)
    return f"<{start}>{inside}</{name}>" if inside else f"<{start}/>"


def _plain(name: str) -> str:
    """The name of an attribute; of those with a namespace streams have none but `xml:lang`."""
    return name.replace("{http://www.w3.org/XML/1998/namespace}", "xml:").rpartition("}")[2]


def _attribute(head: str, name: str) -> str:
    found = re.search(rf"(?:^|\s){name}=(?:'([^']*)'|\"([^\"]*)\")", head)
    return (found[1] or found[2] or "") if found is not None else ""
