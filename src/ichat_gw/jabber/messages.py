"""Chat messages between XMPP users and SIP phones (RFC 7572), as far as they are stanzas.

From a user: what a person wrote to a gateway JID goes to the gateway, which makes SIP MESSAGE of it; if that
fails the user gets the message back as an error. Nothing is kept meanwhile.

    user                      connector                       gateway
      | -- message -----------> | -- NotifyChatMessage --------> |   MESSAGE to the phone
      | <-- message, error ---- | <-- RejectChatMessage -------- |   if it refuses

To a user: XMPP confirms no message, but it keeps the order between two addresses (RFC 6120 section 10.1),
and a question must be answered. So each message is followed by a question to the same JID, and when that is
answered and no error has come before, the server has taken the message: for the user, or, if nobody is
online, to be kept until somebody is. Which of the two, or an error, is the server's decision (RFC 6121
section 8.5.2): a SIP sender then hears 202, or what the error means.

      | <-- message ----------- | <-- SendChatMessage ---------- |
      | <-- disco#info -------- |                                |
      | -- (error,) answer ---> | -- NotifyChatMessageSent ----> |   202, or what the error means
"""

import re
from xml.etree.ElementTree import Element

from ichat_gw.addressing.sip_uri import clean_text
from ichat_gw.clock import Timers
from ichat_gw.ipc.messages import NotifyChatMessage, NotifyChatMessageSent, RejectChatMessage, SendChatMessage
from ichat_gw.jabber import jid, stanza, stanza_error, xmlns
from ichat_gw.jabber.auto_reply import has_words
from ichat_gw.jabber.events import ConnectorCommand, Dropped, SendStanza, Tell
from ichat_gw.jabber.ids import Ids
from ichat_gw.jabber.settings import ConnectorConfig

ANSWER_SECONDS = 5.0
"""How long the question behind a message may be open; then the message counts as taken."""

MAX_WAITING = 1_000
"""Messages whose fate is not known yet; more are refused with 503."""

MAX_BYTES = 16_384
"""Of the body of a message; a longer one comes back as an error."""

MAX_SUBJECT = 500
"""Characters; more are cut off."""

MAX_NAME = 256
"""Characters of a thread or of a stanza id; longer ones are left out."""

TYPES = ("chat", "normal")
"""The types of message that go to SIP; all others are for programs, rooms, or the news (RFC 6121 5.2.2)."""

_LANGUAGE = re.compile("[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8}){0,4}")
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_HEADER = f"{{{xmlns.MESSAGE_HEADERS}}}header"


class Messages:
    """Knows the messages from SIP whose fate is still open; by handle."""

    def __init__(self, config: ConnectorConfig, ids: Ids) -> None:
        self._domain = config.domain
        self._ids = ids
        self._open: dict[str, tuple[str, str]] = {}
        """The ids of the message and of the question behind it."""
        self._by_id: dict[str, tuple[str, str]] = {}
        """The handle, and the user whom it went to."""
        self._timers: Timers[str] = Timers()

    def __len__(self) -> int:
        return len(self._open)

    # --- from a user --------------------------------------------------------------------------------------

    def wrote(self, message: Element, sender: str, contact: str) -> list[ConnectorCommand]:
        """`sender` (a full or bare JID) sends `message` to the gateway JID `contact`."""
        type_ = message.get("type", "normal")
        if type_ not in TYPES or not jid.localpart(sender) or not has_words(message):
            return [Dropped("message for no person")]
        if _came_from_sip(message):
            return [Dropped("message of another gateway")]
        body, language = _body(message)
        id_ = message.get("id", "")
        id_ = id_ if len(id_) <= MAX_NAME else ""
        if len(body.encode()) > MAX_BYTES:
            return self.rejected(RejectChatMessage(contact, sender, id_, 513, f"more than {MAX_BYTES} bytes"))
        subject, thread = " ".join(_text(message, "subject").split()), _text(message, "thread")
        return [
            Tell(
                NotifyChatMessage(
                    to=contact,
                    from_=sender,
                    id=id_,
                    body=body,
                    subject=clean_text(subject[:MAX_SUBJECT]),
                    thread=thread if len(thread) <= MAX_NAME else "",
                    language=language if _LANGUAGE.fullmatch(language) else "",
                )
            )
        ]

    def rejected(self, message: RejectChatMessage) -> list[ConnectorCommand]:
        """What a user wrote was not delivered: say so, once."""
        condition, type_ = stanza_error.of_status(message.status)
        to, from_ = message.from_, message.to
        return [SendStanza(stanza.message_error(to, from_, message.id, condition, type_, message.text))]

    # --- to a user ----------------------------------------------------------------------------------------

    def send(self, message: SendChatMessage, connected: bool, now: float) -> list[ConnectorCommand]:
        """Deliver what came from SIP."""
        handle, to, from_ = message.handle, message.to, message.from_
        if not connected or len(self._open) >= MAX_WAITING:
            why = "too many messages" if connected else "there is no connection to the XMPP server"
            return [Tell(NotifyChatMessageSent(handle, 503, why))]
        if handle in self._open:
            return [Dropped("message that is being delivered already")]
        if not jid.localpart(to) or jid.domain(to) == self._domain or jid.domain(from_) != self._domain:
            return [Tell(NotifyChatMessageSent(handle, 404, "not between a gateway JID and a user"))]
        ids = self._ids.next(), self._ids.next()
        self._open[handle] = ids
        for id_ in ids:
            self._by_id[id_] = handle, to
        self._timers.set(handle, now + ANSWER_SECONDS)
        page = stanza.page(
            to,
            from_,
            ids[0],
            message.body,
            subject=message.subject,
            thread=message.thread,
            language=message.language,
        )
        return [SendStanza(page), SendStanza(stanza.disco_info_request(to, from_, ids[1]))]

    def answered(self, sender: str, id_: str) -> list[ConnectorCommand] | None:
        """An answer to the question behind a message, if it is one."""
        handle, user = self._by_id.get(id_, ("", ""))
        if not handle or jid.bare(sender) != user or self._open[handle][1] != id_:
            return None
        return self._taken(handle)

    def bounced(self, message: Element, sender: str) -> list[ConnectorCommand]:
        """A message of type error, which may be the answer to one of ours."""
        handle, user = self._by_id.get(message.get("id", ""), ("", ""))
        if not handle or jid.bare(sender) != user:
            return [Dropped("error for no message")]
        status = stanza_error.sip_status(message)
        if stanza_error.condition(message) == "service-unavailable":
            # Of a user it means: nobody is online, and nothing is kept (RFC 6121 section 8.5.2.2).
            status = 480
        self._forget(handle)
        return [Tell(NotifyChatMessageSent(handle, status, stanza_error.text(message)))]

    # --- time and the stream ------------------------------------------------------------------------------

    def stream_down(self) -> list[ConnectorCommand]:
        """Nobody will say any more what became of the open ones."""
        handles = list(self._open)
        for handle in handles:
            self._forget(handle)
        text = "the connection to the XMPP server was lost"
        return [Tell(NotifyChatMessageSent(handle, 503, text)) for handle in handles]

    def deadline(self) -> float | None:
        """When the next message counts as taken."""
        return self._timers.deadline()

    def expire(self, now: float) -> list[ConnectorCommand]:
        """Take those as taken about which nothing bad was heard for long enough."""
        return [command for handle in self._timers.due(now) for command in self._taken(handle)]

    def _taken(self, handle: str) -> list[ConnectorCommand]:
        self._forget(handle)
        return [Tell(NotifyChatMessageSent(handle, 202))]

    def _forget(self, handle: str) -> None:
        for id_ in self._open.pop(handle):
            del self._by_id[id_]
        self._timers.clear(handle)


def _came_from_sip(message: Element) -> bool:
    """Whether a gateway says that this must not go any further."""
    return any(
        header.get("name", "").lower() == "max-forwards" and (header.text or "").strip() == "0"
        for header in message.iter(_HEADER)
    )


def _body(message: Element) -> tuple[str, str]:
    """The first body with words, and its language; `has_words` has seen that there is one."""
    bodies = (child for child in message if child.tag.rpartition("}")[2] == "body")
    body = next(child for child in bodies if (child.text or "").strip())
    return body.text or "", body.get(_XML_LANG, message.get(_XML_LANG, ""))


def _text(message: Element, name: str) -> str:
    return next((child.text or "" for child in message if child.tag.rpartition("}")[2] == name), "").strip()
