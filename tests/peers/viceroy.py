"""SIMULATION of iChat's SIP stack ("Viceroy"): SIP, RTP and RTCP on one UDP port, told apart by a first byte.

Written from captures of real iChat clients (docs/reference/wire.md): every URI user is `user`, the
parties are the display names, no proxy, no authentication. Shares no code with the gateway.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from typing import Literal

from peers.audio import AudioReceiver, AudioSender, is_rtcp, is_rtp
from peers.plain_sip import PlainSip, addr_uri, build, display_name, new_branch, parameter, parse, sdp_audio
from peers.sightings import Sightings

USER_AGENT = "Viceroy 1.4.1"
T1 = 0.5
"""Seconds until the first repetition of an unanswered message (RFC 3261)."""
LAST_REPETITION = 6
QUIET = 1.0
"""Seconds after which nothing comes any more of what was sent to an echo."""

Address = tuple[str, int]
Manner = Literal["answer", "busy", "ring"]


class ViceroyCall:
    """One SIP dialog of an iChat client, with its sound."""

    def __init__(
        self, call_id: str, remote: Address, local_party: str, remote_party: str, stream: str
    ) -> None:
        self.call_id = call_id
        self.remote = remote
        """Where every request of the call goes, whatever Contact says."""
        self.local_party = local_party
        """Our From in requests of ours, with the tag."""
        self.remote_party = remote_party
        self.stream = stream
        """Name of the sound we send (`audio.packet_payload`)."""
        self.established = False
        self.over = False
        self.cseq = 0
        self.invite: PlainSip | None = None
        """The INVITE we received; None when we are the caller."""
        self.invite_branch = ""
        """Branch of the INVITE we sent."""
        self.remote_sdp = ""
        self.sender: AudioSender | None = None
        self.receiver = AudioReceiver()
        self.talk: asyncio.Task[None] | None = None

    @property
    def sent(self) -> int:
        """Packets of sound sent."""
        return self.sender.sent if self.sender else 0

    @property
    def received(self) -> int:
        """Packets of sound received."""
        return self.receiver.received


class ViceroyStack(asyncio.DatagramProtocol):
    """The one port. `manner` says what happens to an INVITE for a call accepted over XMPP."""

    def __init__(self, jid: str, port: int, sightings: Sightings) -> None:
        self.jid = jid
        self.local: Address = ("127.0.0.1", port)
        self.sightings = sightings
        self.manner: Manner = "answer"
        self.ring_time = 0.05
        """Seconds between 180 and 200."""
        self.talks = True
        """Whether sound is sent as soon as a call is established."""
        self.offer_pcmu = True
        self.invites_expected = 0
        """How many calls were accepted over XMPP and wait for their INVITE."""
        self.calls: list[ViceroyCall] = []
        self.strange_datagrams: list[bytes] = []
        self.on_ended: Callable[[], None] = lambda: None
        self.on_established: Callable[[], None] = lambda: None
        self._transport: asyncio.DatagramTransport | None = None
        self._repetitions: dict[str, asyncio.TimerHandle] = {}
        self._replies: dict[tuple[str, str], tuple[bytes, Address]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # --- life -------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Bind the port."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=self.local)

    async def close(self) -> None:
        """Fall silent and free the port."""
        for timer in self._repetitions.values():
            timer.cancel()
        for call in self.calls:
            self._silence(call)
        tasks = [*self._tasks, *(c.talk for c in self.calls if c.talk)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._transport:
            self._transport.close()
            await asyncio.sleep(0)

    @property
    def call(self) -> ViceroyCall:
        """The last call; raises AssertionError when there was none."""
        assert self.calls, f"{self.jid} had no SIP call"
        return self.calls[-1]

    # --- what the user does -------------------------------------------------------------------------

    def invite(self, callee: str, remote: Address) -> ViceroyCall:
        """Send the INVITE that follows an accepted `vc:request` to the address that came with it."""
        me = f'"{self.jid}" <sip:user@{self._here}>;tag={secrets.token_hex(4)}'
        them = f'"{callee}" <sip:user@{remote[0]}:{remote[1]}>'
        call = self._new_call(f"{secrets.token_hex(16)}@127-0-0-1", remote, me, them)
        call.invite_branch = self._request(call, "INVITE", self.offer(), self._contact)
        return call

    def cancel(self) -> None:
        """CANCEL the INVITE we sent."""
        self._request(self.call, "CANCEL", branch=self.call.invite_branch)

    def hang_up(self) -> None:
        """BYE."""
        call = self.call
        self._request(call, "BYE")
        self._end(call)

    async def hush(self) -> None:
        """Send no more sound, and wait for what comes back of it from an echo, so that a BYE overtakes none.

        Over when all is back, or nothing has come for `QUIET` seconds.
        """
        call, loop = self.call, asyncio.get_running_loop()
        self._silence(call)
        heard, since = call.received, loop.time()
        while call.received < call.sent and loop.time() < since + QUIET:
            await asyncio.sleep(0.02)
            if call.received != heard:
                heard, since = call.received, loop.time()

    def ping(self) -> None:
        """The MESSAGE that iChat sends inside a dialog to see whether the other side is still there."""
        self._request(self.call, "MESSAGE", "", [("Content-Type", "text/plain")])

    def reinvite(self, direction: str) -> None:
        """Offer another direction (`sendonly`, `sendrecv`, ...)."""
        self.call.invite_branch = self._request(self.call, "INVITE", self.offer(direction), self._contact)

    def pinhole(self, remote: Address) -> None:
        """A datagram that is not SIP, sent to the other side's SIP port to open a way through a NAT."""
        self._send(b"\x00\x00\x00\x00", remote)

    # --- descriptions ---------------------------------------------------------------------------------

    def offer(self, direction: str = "") -> str:
        """An offer as iChat makes it: audio and, even for an audio call, video."""
        formats, codecs = ("105 0", ["a=rtpmap:0 PCMU/8000"]) if self.offer_pcmu else ("105", [])
        return self._sdp(
            f"m=audio {self.local[1]} RTP/AVP {formats}",
            f"a=rtcp:{self.local[1]}",
            "a=rtpmap:105 X-AAC_ELD/22050",
            *codecs,
            *([f"a={direction}"] if direction else []),
            "a=rtpID:1261706994",
            "a=fmtp:AAC SamplesPerBlock 480",
            f"m=video {self.local[1]} RTP/AVP 123 126 34",
            f"a=rtcp:{self.local[1]}",
            "a=rtpmap:123 H264/90000",
            "a=rtpmap:126 X-H264/90000",
            "a=rtpmap:34 H263/90000",
            "a=fmtp:34 imagesize 0",
            "a=framerate:15",
            f"a=RTCP:AUDIO {self.local[1]} VIDEO {self.local[1]}",
            "a=fmtp:126 imagesize 0 rules 15:320:240:320:240:15",
            "a=rtpID:1085110790",
        )

    def answer(self) -> str:
        """An answer as iChat makes it: what was offered, and a codec of its own."""
        return self._sdp(
            f"m=audio {self.local[1]} RTP/AVP 0 105",
            f"a=rtcp:{self.local[1]}",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:105 X-AAC_ELD/22050",
            "a=rtpID:1261706994",
        )

    def _sdp(self, *media: str) -> str:
        at = f"IN {'IP6' if ':' in self.local[0] else 'IP4'} {self.local[0]}"
        session = [
            "v=0",
            f"o={self.jid.partition('@')[0]} 0 0 {at}",
            f"s={self.jid}",
            f"c={at}",
            "b=AS:250",
            "t=0 0",
            "a=FLS;VRA:0;RVRA:1;AS:2",
            "a=hwi:17412:2:2800",
            "a=multipoint:1",
            "a=iChatEncryption:NO",
            "a=bandwidthDetection:NO",
        ]
        return "\r\n".join([*session, *media]) + "\r\n"

    # --- what comes in ----------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """One port for everything: letters are SIP, version 2 in the first two bits is RTP or RTCP."""
        if is_rtp(data) or is_rtcp(data):
            if self.calls:
                self.call.receiver.take(data, addr)
        elif data[:1].isalpha():
            try:
                message = parse(data)
            except ValueError:
                self.strange_datagrams.append(data)
                return
            self._take_sip(message, addr)
        elif data != b"\r\n\r\n":
            self.strange_datagrams.append(data)

    def _take_sip(self, message: PlainSip, addr: Address) -> None:
        if message.is_request:
            known = self._replies.get((message.branch, message.method))
            if known and message.method != "ACK":
                self._send(*known)  # a retransmission: the same reply again
                return
        self.sightings.note("in", message.kind, f"{addr[0]}:{addr[1]}", message.text)
        call = next((c for c in self.calls if c.call_id == message["call-id"]), None)
        if not message.is_request:
            self._take_response(message, call)
        elif message.method == "INVITE":
            self._take_invite(message, call, addr)
        elif message.method == "ACK":
            self._take_ack(message, call)
        elif message.method == "CANCEL":
            self._take_cancel(message, call, addr)
        elif message.method == "OPTIONS" or (call and not call.over):
            self._reply(message, 200, "OK", addr)
            if message.method == "BYE" and call:
                self._end(call)
        else:
            self._reply(message, 481, "Call/Transaction Does Not Exist", addr)

    def _take_invite(self, message: PlainSip, call: ViceroyCall | None, addr: Address) -> None:
        self._reply(message, 100, "Trying", addr)
        if call and call.established:
            call.remote_sdp = message.body or call.remote_sdp
            self._reply(message, 200, "OK", addr, self.answer(), repeat=True)
            return
        if call or not self.invites_expected:
            self._reply(message, 603, "Decline", addr)
            return
        self.invites_expected -= 1
        me = f"{message['to']};tag={secrets.token_hex(5)}"
        call = self._new_call(message["call-id"], addr, me, message["from"])
        call.invite, call.remote_sdp = message, message.body
        if self.manner == "busy":
            self._reply(message, 486, "Busy Here", addr)
            self._end(call)
            return
        self._reply(message, 180, "Ringing", addr)
        if self.manner == "answer":
            self._own(self._answer_soon(call, message, addr))

    async def _answer_soon(self, call: ViceroyCall, invite: PlainSip, addr: Address) -> None:
        await asyncio.sleep(self.ring_time)
        if not call.over:
            self._reply(invite, 200, "OK", addr, self.answer(), repeat=True)

    def _take_ack(self, message: PlainSip, call: ViceroyCall | None) -> None:
        self._still(f"200 {message['call-id']} {message.cseq}")
        if call and not call.established and not call.over:
            self._establish(call)

    def _take_cancel(self, message: PlainSip, call: ViceroyCall | None, addr: Address) -> None:
        if call is None or call.invite is None or call.over or call.established:
            self._reply(message, 481, "Call/Transaction Does Not Exist", addr)
            return
        self._reply(message, 200, "OK", addr)
        self._reply(call.invite, 487, "Request Terminated", addr)
        self._end(call)

    def _take_response(self, message: PlainSip, call: ViceroyCall | None) -> None:
        self._still(message.branch + message.method)
        if call is None or message.method != "INVITE" or message.status < 200:
            return
        if not call.established and not call.over:
            call.remote_party = message["to"]
        if message.status >= 300:
            self._request(call, "ACK", branch=message.branch)
            if not call.established:
                self._end(call)
            return
        call.remote_sdp = message.body
        self._request(call, "ACK")
        if not call.established and not call.over:
            self._establish(call)

    # --- the call -------------------------------------------------------------------------------------

    def _new_call(self, call_id: str, remote: Address, me: str, them: str) -> ViceroyCall:
        call = ViceroyCall(call_id, remote, me, them, f"{self.jid} call {len(self.calls) + 1}")
        self.calls.append(call)
        return call

    def _establish(self, call: ViceroyCall) -> None:
        call.established = True
        host, port, _, rtcp_port = sdp_audio(call.remote_sdp)
        call.sender = AudioSender(
            call.stream,
            lambda packet: self._send(packet, (host, port)),
            lambda report: self._send(report, (host, rtcp_port)),
        )
        if self.talks:
            call.talk = self._own(call.sender.run())
        self.sightings.note("in", "established", display_name(call.remote_party))
        self.on_established()

    def _end(self, call: ViceroyCall) -> None:
        if not call.over:
            call.over = True
            self._silence(call)
            self.sightings.note("in", "ended", display_name(call.remote_party))
            self.on_ended()

    def _silence(self, call: ViceroyCall) -> None:
        if call.talk:
            call.talk.cancel()

    # --- what goes out ----------------------------------------------------------------------------------

    @property
    def _here(self) -> str:
        host, port = self.local
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def _contact(self) -> list[tuple[str, str]]:
        return [("Contact", f"<sip:user@{self._here}>;isfocus"), ("Content-Type", "application/sdp")]

    def _request(
        self,
        call: ViceroyCall,
        method: str,
        body: str = "",
        more: list[tuple[str, str]] | None = None,
        branch: str = "",
    ) -> str:
        """Send a request of `call`, repeating it until a response comes; returns its branch."""
        branch = branch or new_branch()
        if method not in ("ACK", "CANCEL"):
            call.cseq += 1
        headers = [
            ("Via", f"SIP/2.0/UDP {self._here};branch={branch}"),
            ("Max-Forwards", "70"),
            ("To", call.remote_party),
            ("From", call.local_party),
            ("Call-ID", call.call_id),
            ("CSeq", f"{call.cseq} {method}"),
            *(more or []),
            ("User-Agent", USER_AGENT),
        ]
        message = build(f"{method} {self._target(call)} SIP/2.0", headers, body)
        self.sightings.note("out", f"SIP {method}", f"{call.remote[0]}:{call.remote[1]}", message.decode())
        if method == "ACK":
            self._send(message, call.remote)
        else:
            self._send_repeatedly(branch + method, message, call.remote)
        return branch

    def _target(self, call: ViceroyCall) -> str:
        if call.invite is None:
            return addr_uri(call.remote_party)
        return addr_uri(call.invite["contact"]) or addr_uri(call.remote_party)

    def _reply(
        self,
        request: PlainSip,
        status: int,
        reason: str,
        addr: Address,
        body: str = "",
        *,
        repeat: bool = False,
    ) -> None:
        to = request["to"]
        call = next((c for c in self.calls if c.call_id == request["call-id"]), None)
        if status > 100 and not parameter(to, "tag"):
            own = parameter(call.local_party, "tag") if call else secrets.token_hex(5)
            to = f"{to};tag={own}"
        headers = [
            *(("Via", via) for via in request.every("via")),
            ("From", request["from"]),
            ("To", to),
            ("Call-ID", request["call-id"]),
            ("CSeq", request["cseq"]),
        ]
        if status > 100:
            headers += [("Contact", f"<sip:user@{self._here}>"), ("User-Agent", USER_AGENT)]
        if body:
            headers.append(("Content-Type", "application/sdp"))
        message = build(f"SIP/2.0 {status} {reason}", headers, body)
        kind = f"SIP {status} {request.method}"
        self.sightings.note("out", kind, f"{addr[0]}:{addr[1]}", message.decode())
        self._replies[request.branch, request.method] = (message, addr)
        if repeat:
            self._send_repeatedly(f"200 {request['call-id']} {request.cseq}", message, addr)
        else:
            self._send(message, addr)

    def _send_repeatedly(self, key: str, message: bytes, addr: Address, number: int = 0) -> None:
        self._send(message, addr)
        if number < LAST_REPETITION:
            self._repetitions[key] = asyncio.get_running_loop().call_later(
                T1 * 2**number, self._send_repeatedly, key, message, addr, number + 1
            )

    def _still(self, key: str) -> None:
        timer = self._repetitions.pop(key, None)
        if timer:
            timer.cancel()

    def _send(self, datagram: bytes, addr: Address) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.sendto(datagram, addr)

    def _own(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
