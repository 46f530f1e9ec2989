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
MOST_WAITING = 100
"""Stanzas that may wait to be looked at. Few: a long one with many elements takes megabytes."""
LONGEST = 8_000
"""Characters of a stanza; the rest is cut off."""
ENTRY = 60
"""Bytes that a stanza takes in a message beside its texts, at most."""
AT_ONCE = 50_000
"""Bytes of stanzas in one message to the gateway: it fits a datagram, and so does the longest stanza."""
MOST_BYTES = 5 * AT_ONCE
"""The same from one `take` to the next, some 500 stanzas; what is more is left out."""

_NEGOTIATION = "apple:iq:vc:"
_HEAD = re.compile(r"<(iq|presence)\s([^>]*)>")
_STREAM = "{jabber:component:accept}"
_KINDS = frozenset({"iq", "presence", f"{_STREAM}iq", f"{_STREAM}presence"})


class StanzaWitness:
    """Collects what is to be told; `clock` gives UNIX time in seconds.

    What it is shown is looked at when it is asked (`take`), all at once, so that a call waits for none of it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._watched: OrderedDict[str, float] = OrderedDict()
        self._waiting: list[tuple[float, Element | str | InitiateIChatCall]] = []
        self._seen: list[SeenStanza] = []
        self._room = MOST_BYTES

    def expect(self, message: Message) -> None:
        """The gateway says this: whom it calls is watched from now on."""
        if isinstance(message, InitiateIChatCall):
            self._wait(message)

    def received(self, element: Element) -> None:
        """The server has delivered something."""
        if element.tag in _KINDS:
            self._wait(element)

    def sent(self, xml: str) -> None:
        """Something goes to the server."""
        if not xml.startswith("<message"):
            self._wait(xml)

    def take(self) -> list[StanzasSeen]:
        """What is to be told, in messages of a size that the IPC carries. It is not told again."""
        self._look()
        seen, self._seen, self._room = self._seen, [], MOST_BYTES
        told: list[StanzasSeen] = []
        size = AT_ONCE
        for each in seen:
            size += _length(each)
            if size > AT_ONCE:
                told.append(StanzasSeen([]))
                size = _length(each)
            told[-1].stanzas.append(each)
        return told

    def _wait(self, shown: Element | str | InitiateIChatCall) -> None:
        self._waiting.append((self._clock(), shown))
        if len(self._waiting) >= MOST_WAITING:
            self._look()

    def _look(self) -> None:
        waiting, self._waiting = self._waiting, []
        for at, shown in waiting:
            if isinstance(shown, str):
                self._look_at_sent(shown, at)
            elif isinstance(shown, Element):
                self._look_at_received(shown, at)
            else:
                self._watch(jid.bare(shown.to), at)

    def _look_at_received(self, element: Element, at: float) -> None:
        negotiates = any(_NEGOTIATION in child.tag for child in element)
        user = jid.bare(element.get("from", ""))
        if self._concerns(user, negotiates, at):
            self._add(user, jid.bare(element.get("to", "")), False, written(element), at)

    def _look_at_sent(self, xml: str, at: float) -> None:
        head = _HEAD.match(xml)
        if head is None:
            return
        user = jid.bare(_attribute(head[2], "to"))
        if self._concerns(user, _NEGOTIATION in xml, at):
            self._add(user, jid.bare(_attribute(head[2], "from")), True, xml, at)

    def _concerns(self, user: str, negotiates: bool, at: float) -> bool:
        if negotiates:
            self._watch(user, at)
            return True
        if user not in self._watched:
            return False
        if self._watched[user] < at:
            del self._watched[user]
            return False
        return True

    def _watch(self, user: str, at: float) -> None:
        self._watched[user] = at + WATCHED_SECONDS
        self._watched.move_to_end(user)
        if len(self._watched) > MOST_USERS:
            self._watched.popitem(last=False)

    def _add(self, user: str, contact: str, outgoing: bool, xml: str, at: float) -> None:
        stanza = SeenStanza(user, contact, outgoing, xml[:LONGEST], at)
        if (length := _length(stanza)) <= self._room:
            self._room -= length
            self._seen.append(stanza)


def _length(stanza: SeenStanza) -> int:
    """How many bytes it takes at most, in UTF-8; exact, and next to no work, for what is ASCII alone."""
    texts = stanza.user, stanza.contact, stanza.xml
    return ENTRY + sum(len(text) if text.isascii() else 4 * len(text) for text in texts)


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
