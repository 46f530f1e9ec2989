"""SIP as plain as a party of the soak needs it: any number of calls on one UDP port, no sound, no memory.

Shares no code with the gateway. What is over is forgotten, so that a party may play for days.
"""

import asyncio
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable

from peers.plain_sip import PlainSip, addr_uri, build, new_branch, parse
from soak.fates import Fate, Planned

T1 = 0.5
"""Seconds until the first repetition of an unanswered message (RFC 3261)."""
LAST_REPETITION = 6
REPLIES = 2_000
"""So many of the latest replies are kept for requests that come again."""
GIVES_UP = 25.0
"""Seconds after which a party ends a call: the gateway may have lost the other side."""

Address = tuple[str, int]


class Dialog:
    """One call of a party."""

    def __init__(self, planned: Planned, call_id: str, remote: Address, ours: str, theirs: str) -> None:
        self.planned = planned
        self.call_id = call_id
        self.remote = remote
        self.ours = ours
        """Our From in requests of ours, with the tag."""
        self.theirs = theirs
        self.target = addr_uri(theirs)
        self.cseq = 0
        self.invite: PlainSip | None = None
        """The INVITE that we received; None when we are the caller."""
        self.branch = ""
        """Of the INVITE that we sent."""
        self.up = False
        self.ends_at_once = False
        """It was cancelled before there was anything that could be."""
        self.leaving = False


class Party(asyncio.DatagramProtocol):
    """A SIP user agent. What it does is in `invited` and `established`, which its kinds fill in."""

    def __init__(self, agent: str) -> None:
        self.agent = agent
        self.local: Address = ("127.0.0.1", 0)
        self.dialogs: dict[str, Dialog] = {}
        self.strange: Counter[str] = Counter()
        """Requests for calls that are not there: rightly so only where messages crossed."""
        self._loop = asyncio.get_running_loop()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._replies: OrderedDict[tuple[str, str], tuple[bytes, Address]] = OrderedDict()

    async def open(self, address: Address = ("127.0.0.1", 0)) -> None:
        """Bind the port."""
        self.transport, _ = await self._loop.create_datagram_endpoint(lambda: self, local_addr=address)
        self.local = self.transport.get_extra_info("sockname")[:2]

    def close(self) -> None:
        """Forget all and free the port."""
        self.forget_all()
        self.transport.close()

    def forget_all(self) -> None:
        """Be as after a power cut: every call is gone, and nobody has been told."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for dialog in list(self.dialogs.values()):
            dialog.planned.seen.append("logged out")
            self._forget(dialog)

    # --- what its kinds do ------------------------------------------------------------------------------

    def planned_of(self, invite: PlainSip) -> Planned | None:
        """The call that an INVITE is."""
        raise NotImplementedError

    def invited(self, dialog: Dialog) -> None:
        """Somebody calls: `ring`, `answer` or `refuse` him."""
        raise NotImplementedError

    def other_request(self, message: PlainSip, addr: Address) -> None:
        """What belongs to no call."""
        self.strange[message.method] += 1
        self.reply(message, 481, addr)

    # --- what it does -----------------------------------------------------------------------------------

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do it then."""
        self._loop.call_later(seconds, action)

    def call(self, planned: Planned, remote: Address, ours: str, theirs: str) -> Dialog:
        """Send an INVITE; the call is over when `planned.over`."""
        dialog = Dialog(planned, f"{secrets.token_hex(8)}@soak", remote, ours, theirs)
        self._add(dialog)
        dialog.branch = self._request(dialog, "INVITE", self.sdp)
        return dialog

    def ring(self, dialog: Dialog) -> None:
        """180."""
        assert dialog.invite is not None
        self.reply(dialog.invite, 180, dialog.remote)

    def answer(self, dialog: Dialog) -> None:
        """200, until the ACK comes."""
        assert dialog.invite is not None
        if dialog.call_id in self.dialogs and not dialog.up:
            self.reply(dialog.invite, 200, dialog.remote, self.sdp, repeat=f"200 {dialog.call_id}")
            dialog.leaving = True

    def refuse(self, dialog: Dialog, status: int) -> None:
        """A final refusal."""
        assert dialog.invite is not None
        if dialog.call_id in self.dialogs:
            self.reply(dialog.invite, status, dialog.remote, repeat=f"{status} {dialog.call_id}")

    def end(self, dialog: Dialog) -> None:
        """BYE, or CANCEL if nobody has answered yet."""
        if dialog.call_id not in self.dialogs:
            return
        if dialog.up:
            self._request(dialog, "BYE")
        elif dialog.invite is None:
            dialog.ends_at_once = True
            self._request(dialog, "CANCEL", branch=dialog.branch)
        else:
            self.refuse(dialog, 480)

    # --- what comes in ----------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Take one message; what is no SIP is nothing to us."""
        if not data[:1].isalpha():
            return
        message = parse(data)
        dialog = self.dialogs.get(message["call-id"])
        if not message.is_request:
            self._take_response(message, dialog)
            return
        if message.method == "ACK":
            self._take_ack(message, dialog)
            return
        if known := self._replies.get((message.branch, message.method)):
            self.transport.sendto(*known)
        elif message.method == "INVITE":
            self._take_invite(message, dialog, addr)
        elif dialog is None:
            self.other_request(message, addr)
        elif message.method == "CANCEL":
            self.reply(message, 200, addr)
            dialog.planned.seen.append("CANCEL")
            if not dialog.up and not dialog.leaving:
                self.refuse(dialog, 487)
        else:
            self.reply(message, 200, addr)
            if message.method == "BYE":
                dialog.planned.seen.append("BYE")
                self._forget(dialog)

    def _take_invite(self, message: PlainSip, dialog: Dialog | None, addr: Address) -> None:
        if dialog is not None:
            self.reply(message, 200, addr, self.sdp)
            return
        planned = self.planned_of(message)
        if planned is None:
            self.strange["INVITE"] += 1
            self.reply(message, 404, addr)
            return
        ours = f"{message['to']};tag={secrets.token_hex(4)}"
        dialog = Dialog(planned, message["call-id"], addr, ours, message["from"])
        dialog.invite, dialog.target = message, addr_uri(message["contact"])
        self._add(dialog)
        self.reply(message, 100, addr)
        self.invited(dialog)

    def _take_ack(self, message: PlainSip, dialog: Dialog | None) -> None:
        for key in [key for key in self._timers if key.endswith(f" {message['call-id']}")]:
            self._still(key)
        if dialog is None or dialog.invite is None or dialog.up:
            return
        if dialog.leaving:
            self._establish(dialog)
        else:
            self._forget(dialog)

    def _take_response(self, message: PlainSip, dialog: Dialog | None) -> None:
        self._still(message.branch + message.method)
        if dialog is None or message.status < 200:
            return
        if message.method == "BYE":
            self._forget(dialog)
        elif message.method == "INVITE" and message.status >= 300:
            self._request(dialog, "ACK", branch=message.branch)
            dialog.planned.seen.append(str(message.status))
            self._forget(dialog)
        elif message.method == "INVITE":
            again = dialog.up
            dialog.theirs, dialog.target = message["to"], addr_uri(message["contact"]) or dialog.target
            self._request(dialog, "ACK")
            if not again:
                self._establish(dialog)

    def _establish(self, dialog: Dialog) -> None:
        dialog.up = True
        planned, caller = dialog.planned, dialog.invite is None
        if caller:
            planned.seen.append("200")
        if dialog.ends_at_once:
            self.end(dialog)
            return
        enders = {
            Fate.CALLER_HANGS_UP: caller,
            Fate.CALLEE_HANGS_UP: not caller,
            Fate.BOTH_HANG_UP: True,
            Fate.CANCELLED: caller,
        }
        if enders.get(planned.fate):
            self.later(planned.over_after, lambda: self.end(dialog))

    # --- the machinery ----------------------------------------------------------------------------------

    @property
    def here(self) -> str:
        """`host:port`."""
        return f"{self.local[0]}:{self.local[1]}"

    @property
    def sdp(self) -> str:
        """Sound that never comes."""
        host, port = self.local
        return (
            f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        )

    def _add(self, dialog: Dialog) -> None:
        self.dialogs[dialog.call_id] = dialog
        self.later(GIVES_UP, lambda: self._give_up(dialog))

    def _give_up(self, dialog: Dialog) -> None:
        if dialog.call_id in self.dialogs:
            dialog.planned.seen.append("gave up")
            self.end(dialog)
            self.later(GIVES_UP, lambda: self._forget(dialog))

    def _forget(self, dialog: Dialog) -> None:
        if self.dialogs.pop(dialog.call_id, None) is not None and dialog.invite is None:
            dialog.planned.over = True

    def _request(self, dialog: Dialog, method: str, body: str = "", branch: str = "") -> str:
        branch = branch or new_branch()
        if method not in ("ACK", "CANCEL"):
            dialog.cseq += 1
        headers = [
            ("Via", f"SIP/2.0/UDP {self.here};branch={branch}"),
            ("Max-Forwards", "70"),
            ("To", dialog.theirs),
            ("From", dialog.ours),
            ("Call-ID", dialog.call_id),
            ("CSeq", f"{dialog.cseq} {method}"),
            ("Contact", f"<sip:user@{self.here}>"),
            ("User-Agent", self.agent),
            *([("Content-Type", "application/sdp")] if body else []),
        ]
        message = build(f"{method} {dialog.target} SIP/2.0", headers, body)
        if method == "ACK":
            self.transport.sendto(message, dialog.remote)
        else:
            self._send_repeatedly(branch + method, message, dialog.remote)
        return branch

    def reply(
        self,
        request: PlainSip,
        status: int,
        addr: Address,
        body: str = "",
        *,
        repeat: str = "",
        more: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Answer a request; with `repeat` again and again, until an ACK says stop."""
        dialog = self.dialogs.get(request["call-id"])
        to = request["to"]
        if ";tag=" not in to and status > 100:
            to = dialog.ours if dialog and dialog.invite else f"{to};tag={secrets.token_hex(4)}"
        headers = [
            *(("Via", via) for via in request.every("via")),
            ("From", request["from"]),
            ("To", to),
            ("Call-ID", request["call-id"]),
            ("CSeq", request["cseq"]),
            *(more or (("Contact", f"<sip:user@{self.here}>"),)),
            ("User-Agent", self.agent),
            *([("Content-Type", "application/sdp")] if body else []),
        ]
        message = build(f"SIP/2.0 {status} Soaked", headers, body)
        self._replies[request.branch, request.method] = message, addr
        if len(self._replies) > REPLIES:
            self._replies.popitem(last=False)
        if repeat:
            self._send_repeatedly(repeat, message, addr)
        else:
            self.transport.sendto(message, addr)

    def _send_repeatedly(self, key: str, message: bytes, addr: Address, number: int = 0) -> None:
        self._still(key)
        self.transport.sendto(message, addr)
        if number < LAST_REPETITION:
            wait = T1 * 2**number
            again = self._loop.call_later(wait, self._send_repeatedly, key, message, addr, number + 1)
            self._timers[key] = again

    def _still(self, key: str) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()
