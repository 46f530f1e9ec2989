"""Phones that transfer calls and take them over, for the world in memory.

Our own user agent plays the phone, and it never sends REFER; so these phones write it themselves.
"""

from collections.abc import Callable

from app.world import GATEWAY, Address, Phone, SipParty, World
from ichat_gw.call.cause import Ending
from ichat_gw.call.leg import AcceptReoffer, Answer, Answered, LegEvent, Party, Place, Refuse, Ring
from ichat_gw.sip.core import TransactionUser
from ichat_gw.sip.events import Flow, InviteReceived, Received, SessionId, UserAgentEvent
from ichat_gw.sip.message import Request, Response, parse, response_to
from ichat_gw.sip.transaction import Transaction

CAROL = ("127.0.0.3", 5060)


class _Asker(TransactionUser):
    """Hears what becomes of one request."""

    def __init__(self, heard: Callable[[int], None]) -> None:
        super().__init__(None)
        self._heard = heard

    def told(self, transaction: Transaction, response: Response) -> None:
        if response.status >= 200:
            self._heard(response.status)


def ask(
    party: SipParty,
    number: SessionId,
    method: str,
    heard: Callable[[int], None],
    body: bytes = b"",
    **fields: str,
) -> bool:
    """Send a request inside a call of `party`; False when that is not up."""
    session = party.agent._sessions.get(number)
    usage = getattr(session, "_usage", None)
    if session is None or session.over or usage is None:
        return False
    request = usage.dialog.request(method, "phone")
    for name, value in fields.items():
        request.headers.add(name.replace("_", "-"), value)
    request.body = body
    core = party.agent._core
    core.now = party.world.now
    core.begin(_Asker(heard), request, Flow("UDP", party.address, GATEWAY))
    party.obey(party.agent._drain())
    return True


class TransferringPhone(Phone):
    """The phone of the world, which can also transfer; `statuses` and `news` are what it hears of that."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.statuses: list[int] = []
        self.news: list[str] = []
        self.notified: list[Request] = []

    def feed(self, event: UserAgentEvent) -> None:
        if isinstance(event, Received) and event.data.startswith(b"NOTIFY "):
            request = parse(event.data)
            assert isinstance(request, Request)
            self.notified.append(request)
            self.news.append(request.body.decode().strip().removeprefix("SIP/2.0 "))
            self.world.carry(response_to(request, 200).to_bytes(), self.address, event.flow.remote)
        else:
            super().feed(event)

    def asks(self, number: SessionId, method: str, body: bytes = b"", **fields: str) -> bool:
        return ask(self, number, method, self.statuses.append, body, **fields)

    def transfers(self, number: SessionId, to: str = f"sip:carol@{CAROL[0]}", **fields: str) -> bool:
        return self.asks(number, "REFER", Refer_To=f"<{to}>", **fields)

    def dialog(self, number: SessionId) -> str | None:
        """A call of this phone as a Replaces that is sent to the gateway names it; None: it is not up."""
        usage = getattr(self.agent._sessions.get(number), "_usage", None)
        if usage is None:
            return None
        dialog = usage.dialog
        return f"{dialog.call_id};to-tag={dialog.remote_tag};from-tag={dialog.local_tag}"


def ringing_dialog(party: SipParty) -> str:
    """The call that rings at `party`, as a Replaces that is sent to the gateway names it."""
    (number,) = party.live
    dialog = getattr(party.agent._sessions[number], "_dialog")  # noqa: B009
    return f"{dialog.call_id};to-tag={dialog.remote_tag};from-tag={dialog.local_tag}"


class Carol(SipParty):
    """Who calls are transferred to. `manner` is "answer", "ring", or the status with which she refuses."""

    def __init__(self, world: World, address: Address = CAROL) -> None:
        super().__init__(world, address, "carol")
        self.manner: str | int = "answer"
        self.answer_after = 0.5
        self.invited_with: list[Request] = []
        self._late: set[SessionId] = set()
        """Calls of hers that begin without an offer."""

    def feed(self, event: UserAgentEvent) -> None:
        if isinstance(event, Received) and event.data.startswith(b"INVITE "):
            request = parse(event.data)
            assert isinstance(request, Request)
            self.invited_with.append(request)
        super().feed(event)

    def invited(self, invite: InviteReceived) -> None:
        if isinstance(self.manner, int):
            self.tell(invite.session, Refuse(Ending.from_status(self.manner)))
            return
        self.tell(invite.session, Ring())
        if self.manner == "answer":
            self.world.after(self.answer_after, lambda: self.tell(invite.session, Answer(self.sdp)))

    def spoken(self, session: SessionId, event: LegEvent) -> None:
        if isinstance(event, Answered) and session in self._late:
            self.tell(session, AcceptReoffer(self.sdp))

    def takes_over(self, dialog: str, offer: bool = True) -> SessionId:
        """Call the gateway to take the place of a party."""
        caller = Party(f"sip:carol@{self.address[0]}", "Carol")
        target = f"sip:whoever@{GATEWAY[0]}:{GATEWAY[1]}"
        session = self.call(Place(target, caller, self.sdp if offer else None, replaces=dialog))
        if not offer:
            self._late.add(session)
        return session


def with_transfers(world: World) -> tuple[TransferringPhone, Carol]:
    """Give the world a phone that transfers, and somebody to transfer to."""
    phone = TransferringPhone(world)
    world.phone = phone
    return phone, Carol(world)
