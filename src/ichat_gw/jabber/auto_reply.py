"""The answer to a chat message: nobody reads what is written to the gateway, so say so.

Never to what might answer in turn: only type `chat` is answered, and with type `normal`, so that two such
gateways cannot talk to each other for ever; nothing without words for a person, nothing from a server or
another gateway itself, nothing kept back and delivered later, and each user at most once a second.
"""

from xml.etree.ElementTree import Element

from ichat_gw.clock import Timers
from ichat_gw.jabber import jid, stanza, xmlns
from ichat_gw.jabber.events import ConnectorCommand, Dropped, SendStanza

TEXT = "You have reached the iChat gateway"

PAUSE = 1.0
"""Seconds between two answers to the same user."""

MAX_USERS = 10_000
"""Most users answered in `PAUSE` seconds."""

_DELAYS = (f"{{{xmlns.DELAY}}}delay", f"{{{xmlns.LEGACY_DELAY}}}x")
_RECEIPT = f"{{{xmlns.RECEIPTS}}}received"


class AutoReply:
    """Remembers for a moment whom it has answered."""

    def __init__(self) -> None:
        self._answered: Timers[str] = Timers()

    def __len__(self) -> int:
        return len(self._answered)

    def answer(self, message: Element, now: float) -> list[ConnectorCommand]:
        """Answer `message` (with `from` and `to`) if it wants one."""
        sender = message.get("from", "")
        user = jid.bare(sender)
        if message.get("type") != "chat" or not jid.localpart(user) or not has_words(message):
            return [Dropped("message that wants no answer")]
        if any(child.tag in _DELAYS for child in message):
            return [Dropped("message that was kept back")]
        self._answered.due(now)
        if user in self._answered or len(self._answered) >= MAX_USERS:
            return [Dropped("too many messages")]
        self._answered.set(user, now + PAUSE)
        return [SendStanza(stanza.message(sender, message.get("to", ""), TEXT))]

    def deadline(self) -> float | None:
        """When somebody may be forgotten."""
        return self._answered.deadline()

    def expire(self, now: float) -> list[ConnectorCommand]:
        """Forget who was answered long ago; there is nothing to do about it."""
        self._answered.due(now)
        return []


def has_words(message: Element) -> bool:
    """Whether there is something in it for a person to read, and it is no receipt (XEP-0184)."""
    if any(child.tag == _RECEIPT for child in message):
        return False
    bodies = (child for child in message if child.tag.rpartition("}")[2] == "body")
    return any((body.text or "").strip() for body in bodies)
