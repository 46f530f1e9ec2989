"""Messages between XMPP users and SIP phones (RFC 7572): a chat message here, SIP MESSAGE there.

Who may write is who may call: the same networks, domains and rates (`door`), and the same rules say who is
meant. A message is delivered once at most, and its sender hears an error when it was not.
"""

from ichat_gw.addressing.jid import InvalidJid, Jid
from ichat_gw.addressing.mapping import calling_localpart
from ichat_gw.addressing.sip_uri import InvalidSipUri, SipUri
from ichat_gw.app.callees import Callees
from ichat_gw.app.door import Door
from ichat_gw.app.names import party_of, plain
from ichat_gw.app.users import Users
from ichat_gw.app.work import Work
from ichat_gw.call.admission import Refusal
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import Party
from ichat_gw.call.routing import Network, Route, route
from ichat_gw.clock import Timers
from ichat_gw.ipc.messages import (
    NotifyChatMessage,
    NotifyChatMessageSent,
    RejectChatMessage,
    SendChatMessage,
)
from ichat_gw.jabber.ichat.leg import ToConnector, bare
from ichat_gw.sip.events import AnswerPage, PageAnswered, PageReceived, SendPage
from ichat_gw.sip.pager_client import is_call_id
from ichat_gw.sip.user_agent import UserAgent

ANSWER_SECONDS = 10.0
"""How long the connector may take; then the sender hears 504. It has a limit of its own, which is shorter."""

LONGEST_LOCALPART = 1000
"""Characters of the user part of a JID; XMPP has room for 1023 octets."""


class Pages:
    """The messages that are on their way in either direction."""

    def __init__(
        self, component: str, work: Work, user_agent: UserAgent, door: Door, users: Users, callees: Callees
    ) -> None:
        self._component = component
        self._work = work
        self._user_agent = user_agent
        self._door = door
        self._users = users
        self._callees = callees
        self._to_sip: dict[int, NotifyChatMessage] = {}
        self._to_xmpp: dict[str, PageReceived] = {}
        self._timers: Timers[str] = Timers()
        self._last = 0

    def __len__(self) -> int:
        return len(self._to_sip) + len(self._to_xmpp)

    # --- from XMPP ----------------------------------------------------------------------------------------

    def wrote(self, message: NotifyChatMessage) -> None:
        """An XMPP user writes to a gateway JID."""
        user = bare(message.from_)
        called = f"xmpp:{bare(message.to)}"
        routed = self._door.cannot_write(user) or route(called, Network.XMPP, self._callees.rules)
        if isinstance(routed, Route):
            routed = self._door.admission.destination(routed.target, user) or routed
        if not isinstance(routed, Route):
            ending = self._door.refused(message.from_, message.to, routed, what="message")
            self._reject(message, ending.sip_status, str(ending))
            return
        self._last += 1
        self._to_sip[self._last] = message
        page = SendPage(
            self._last,
            routed.target,
            self._sender(user),
            message.body,
            aor=self._users.aor_of(user),
            subject=message.subject,
            call_id=message.thread if is_call_id(message.thread) else "",
            language=message.language,
        )
        self._work.push(None, self._user_agent.receive(page, self._work.now))

    def _sender(self, user: str) -> Party:
        """Where an answer comes back to: the AOR, which is registered while the user is online."""
        party = party_of(user)
        aor = self._users.aor_of(user)
        return Party(aor, party.display_name) if aor else party

    def answered(self, answer: PageAnswered) -> None:
        """A phone, or a server on the way, answers."""
        message = self._to_sip.pop(answer.number)
        self._note(message.from_, message.to, answer.status, answer.text)
        if answer.status >= 300:
            self._reject(message, answer.status, answer.text)

    def _reject(self, message: NotifyChatMessage, status: int, text: str) -> None:
        rejection = RejectChatMessage(message.to, message.from_, message.id, status, text)
        self._work.push(None, [ToConnector(rejection)])

    # --- from SIP -----------------------------------------------------------------------------------------

    def received(self, page: PageReceived) -> None:
        """A SIP phone writes to somebody."""
        called = self._callees.address_of(page)
        refusal = self._door.admission.may_call(page.flow.remote[0]) or self._door.cannot_pass()
        routed = refusal or self._callees.route(called, page.request_uri)
        user = self._user_at(routed) if isinstance(routed, Route) else routed
        if not isinstance(user, str):
            if isinstance(user, Ending) and user.cause in (Cause.NOT_FOUND, Cause.NO_ROUTE):
                self._door.misdeed(page.flow.remote[0], "wrote to what does not exist")
            ending = self._door.refused(page.from_uri, called, user, what="message")
            self._answer(page, ending.sip_status, str(ending))
            return
        handle = self._work.new_handle()
        self._to_xmpp[handle] = page
        self._timers.set(handle, self._work.now + ANSWER_SECONDS)
        message = SendChatMessage(
            to=user,
            from_=self.jid_of(page.from_uri),
            handle=handle,
            body=page.text,
            subject=page.subject,
            thread=page.call_id,
            language=page.language,
        )
        self._work.push(None, [ToConnector(message)])

    def _user_at(self, routed: Route) -> str | Ending | Refusal:
        try:
            return str(Jid.parse(routed.target.partition(":")[2]).bare)
        except InvalidJid as error:
            return Ending(Cause.NOT_FOUND, text=str(error))

    def jid_of(self, sip: str) -> str:
        r"""The gateway JID that stands for a SIP address, so that an answer to it goes there.

        `user@component` when the rules lead from that back to the address; else the whole address,
        `user\40host@component`, so that nobody is taken for somebody else.
        """
        address, host = plain(sip)
        whole = address.partition(":")[2]
        # Without a host it is no SIP URI; most likely a tel: URI.
        user = whole.rpartition("@")[0] if host else whole.partition(";")[0]
        short = self._jid(user)
        if short and (not host or self._leads_to(short, sip)):
            return short
        return self._jid(whole) or f"anonymous@{self._component}"

    def _jid(self, user: str) -> str:
        local = calling_localpart(user, LONGEST_LOCALPART)
        return f"{local}@{self._component}" if local else ""

    def _leads_to(self, contact: str, sip: str) -> bool:
        routed = route(f"xmpp:{contact}", Network.XMPP, self._callees.rules)
        if not isinstance(routed, Route):
            return False
        try:
            there, meant = SipUri.parse(routed.target), SipUri.parse(sip)
        except InvalidSipUri:
            return False
        return (there.user_decoded, there.host.lower()) == (meant.user_decoded, meant.host.lower())

    def sent(self, message: NotifyChatMessageSent) -> None:
        """The connector says what became of a message; what comes too late says nothing."""
        page = self._to_xmpp.pop(message.handle, None)
        if page is not None:
            self._timers.clear(message.handle)
            self._answer(page, message.status, message.text)

    def _answer(self, page: PageReceived, status: int, text: str) -> None:
        self._note(page.from_uri, page.to_uri, status, text)
        self._work.push(None, self._user_agent.receive(AnswerPage(page.number, status), self._work.now))

    def _note(self, sender: str, recipient: str, status: int, text: str) -> None:
        """What was written is nobody's business."""
        self._work.note("INFO", "message", sender=sender, recipient=recipient, status=status, text=text)

    # --- time and the connector ---------------------------------------------------------------------------

    def connector_died(self) -> None:
        """Nobody knows whether it has sent those on."""
        for handle in list(self._to_xmpp):
            self.sent(NotifyChatMessageSent(handle, 504, "the connector is gone"))

    def deadline(self) -> float | None:
        """When the next message is overdue."""
        return self._timers.deadline()

    def expire(self, now: float) -> None:
        """Give up what is overdue."""
        for handle in self._timers.due(now):
            self.sent(NotifyChatMessageSent(handle, 504, "the connector does not answer"))
