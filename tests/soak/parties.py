"""The two sides of the calls of a soak: phones on SIP, and an iChat that has any number of calls at once."""

import asyncio
import re
from collections.abc import Mapping

from slixmpp.xmlstream.stanzabase import StanzaBase

from peers.ichat import SimulatedIChat, data_blob, first_address
from peers.plain_sip import PlainSip, addr_uri
from peers.xmpp_server import XmppServer
from soak.dialogs import GIVES_UP, Address, Dialog, Party
from soak.fates import Fate, Planned

Plans = Mapping[int, Planned]

PORTS = 400
"""Of the iChat: as many calls can last at once, those included that a fault has left to time."""
REFUSALS = {Fate.DECLINED: 603, Fate.BUSY: 486, Fate.UNKNOWN: 404}


class Phones(Party):
    """All the phones, and the registrar of those who are online."""

    def __init__(self, plans: Plans, gateway: Address) -> None:
        super().__init__("phones of the soak")
        self.plans = plans
        self.gateway = gateway
        self.registered: dict[str, str] = {}
        """The addresses of record that have a binding, and their Contact."""

    def place(self, planned: Planned) -> None:
        """Call alice, or somebody whom nobody knows."""
        user = "nobody" if planned.fate is Fate.UNKNOWN else "alice"
        ours = f"<sip:c{planned.number}@{self.here}>;tag={planned.number}"
        dialog = self.call(planned, self.gateway, ours, f"<sip:{user}@{self.gateway[0]}:{self.gateway[1]}>")
        if planned.fate is Fate.CANCELLED:
            self.later(planned.over_after, lambda: self.end(dialog))

    def planned_of(self, invite: PlainSip) -> Planned | None:
        """The user that is called says it."""
        found = re.match(r"sip:p(\d+)@", invite.uri)
        return self.plans.get(int(found[1])) if found else None

    def invited(self, dialog: Dialog) -> None:
        """Ring, and take the call if it is to be taken."""
        planned = dialog.planned
        if status := REFUSALS.get(planned.fate):
            self.later(planned.answer_after, lambda: self.refuse(dialog, status))
        else:
            self.ring(dialog)
            self.later(planned.answer_after, lambda: self.answer(dialog))

    def other_request(self, message: PlainSip, addr: Address) -> None:
        """Registrations; the rest crossed with the end of its call."""
        if message.method != "REGISTER":
            super().other_request(message, addr)
            return
        user, contact = addr_uri(message["to"]), message["contact"]
        wanted = re.search(r"expires=(\d+)", contact) or re.match(r"(\d+)", message["expires"])
        if contact and wanted and int(wanted[1]):
            self.registered[user] = re.sub(r";\s*expires=\d+", "", contact) + f";expires={wanted[1]}"
        elif contact:
            self.registered.pop(user, None)
        there = self.registered.get(user)  # without a Contact it was only asked
        self.reply(message, 200, addr, more=(("Contact", there) if there else ("Expires", "0"),))


class IChatPort(Party):
    """A SIP port of the iChat: one for each call, because an INVITE to iChat does not say who calls."""

    def __init__(self) -> None:
        super().__init__("Viceroy 1.4.1")
        self.expects: Planned | None = None
        """The call that the port is kept for."""

    @property
    def free(self) -> bool:
        """Whether it can be kept for another call."""
        return not self.dialogs and (self.expects is None or self.expects.over)

    def planned_of(self, invite: PlainSip) -> Planned | None:
        """The one that was accepted."""
        return self.expects

    def invited(self, dialog: Dialog) -> None:
        """The user has taken it already; some clients are busy all the same."""
        if dialog.planned.fate is Fate.BUSY:
            self.refuse(dialog, 486)
        else:
            self.answer(dialog)


class SoakedIChat(SimulatedIChat):
    """A simulation that, unlike any iChat, has any number of calls and stays available."""

    def __init__(self, server: XmppServer, plans: Plans) -> None:
        super().__init__(server, "alice")
        self.plans = plans
        self._asked: dict[int, IChatPort] = {}
        """Calls that were asked for, and that nothing more has been heard of."""
        self.ports: list[IChatPort] = []

    async def log_in(self) -> None:
        """As any iChat, with more SIP ports, which stay the same when it logs in again."""
        await super().log_in()
        while len(self.ports) < PORTS:
            port = IChatPort()
            await port.open()
            self.ports.append(port)

    async def log_out(self) -> None:
        """Leave everything."""
        for number in list(self._asked):
            self._gone(number)
        for port in self.ports:
            port.forget_all()
        await super().log_out()

    def close(self) -> None:
        """Free the ports."""
        for port in self.ports:
            port.close()

    @property
    def dialogs(self) -> int:
        """How many calls have a dialog here."""
        return sum(len(port.dialogs) for port in self.ports)

    def _port_for(self, planned: Planned) -> IChatPort:
        port = next(port for port in self.ports if port.free)
        port.expects = planned
        return port

    def place(self, planned: Planned) -> None:
        """Call the phone whose name is the call's number."""
        callee = f"p{planned.number}@{self.component}"
        port = self._asked[planned.number] = self._port_for(planned)
        self._exchange(
            "request",
            callee,
            VCNewCallerIPPortData=data_blob(port.local),
            isAudioOnly="1",
            extSIPPort=str(port.local[1]),
            extIPAddr=port.local[0],
            VCProtocolVersion="1",
        )
        port.later(GIVES_UP, lambda: self._stop_asking(planned, callee, "gave up"))
        if planned.fate is Fate.CANCELLED:
            port.later(planned.over_after, lambda: self._stop_asking(planned, callee, "vc:cancel"))

    def _stop_asking(self, planned: Planned, callee: str, why: str) -> None:
        if planned.number in self._asked:
            planned.seen.append(why)
            if self._client is not None:
                self.cancel(callee)
            self._gone(planned.number)

    def _gone(self, number: int) -> None:
        self._asked.pop(number)
        self.plans[number].over = True

    def _take_exchange(self, iq: StanzaBase) -> None:
        query, sender = iq.xml[0], str(iq["from"])
        suffix = query.tag.rpartition("}")[0].rpartition(":")[2]
        fields = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in query}
        found = re.match(r"[cp](\d+)", sender)
        planned = self.plans.get(int(found[1])) if found else None
        if planned is None:
            return
        number = planned.number
        if suffix == "request" and iq["type"] == "set":
            asyncio.get_running_loop().call_later(planned.answer_after, self._decide, planned, sender)
        elif suffix == "cancel":
            planned.seen.append("vc:cancel")
            if number in self._asked:
                self._gone(number)
        elif number in self._asked:
            if suffix == "response" and fields.get("response") == "0":
                port = self._asked.pop(number)
                self._invite(port, planned, sender, first_address(fields["connectData"]))
            elif suffix in ("response", "request"):  # refused, or an error to our request
                planned.seen.append("refused")
                self._gone(number)

    def _decide(self, planned: Planned, caller: str) -> None:
        if self._client is None or "vc:cancel" in planned.seen:
            return
        if planned.fate is Fate.DECLINED:
            self.decline(caller)
        else:
            blob = data_blob(self._port_for(planned).local)
            self._exchange("response", caller, response="0", connectData=blob, VCProtocolVersion="1")

    def _invite(self, port: IChatPort, planned: Planned, callee: str, remote: Address) -> None:
        ours = f'"{self.jid}" <sip:user@{port.here}>;tag={planned.number}'
        dialog = port.call(planned, remote, ours, f'"{callee}" <sip:user@{remote[0]}:{remote[1]}>')
        if planned.fate is Fate.CANCELLED:
            port.later(planned.over_after, lambda: port.end(dialog))

    def _note_in(self, stanza: StanzaBase) -> StanzaBase:
        return stanza

    _note_out = _note_in
