"""Our own delay in a call's set-up, through a real Prosody, beside what XMPP itself costs in the same run.

Two measures, each from a datagram or stanza handed to the network to the other one seen by its receiver:

    INVITE in  -> vc:request out     from the phone's send to its arrival at the simulated iChat
    vc:request in -> INVITE out      from the simulated iChat's send to its arrival at the phone

Both contain the way through Prosody and both ends' own work, so they bound our delay from above. The
reference is a question that the same client asks the connector through the same Prosody (disco#info, there
and back).
"""

import asyncio
import secrets
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

from peers.gateway import GatewayProcess
from peers.ichat import SimulatedIChat
from peers.plain_sip import PlainSip, build, new_branch, parse
from peers.prosody import PrivateProsody

ROUNDS = 60
WITHIN = 10.0


class Phone(asyncio.DatagramProtocol):
    """A socket that sends INVITEs, and refuses and notes those that it gets."""

    def __init__(self) -> None:
        self.gateway = ("127.0.0.1", 0)
        self.invited: asyncio.Queue[float] = asyncio.Queue()
        self.finals: asyncio.Queue[int] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)
        self.port = transport.get_extra_info("sockname")[1]

    def call(self, user: str) -> float:
        """Send an INVITE for `user`; returns when."""
        here = f"127.0.0.1:{self.port}"
        sdp = (
            f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.port} RTP/AVP 0\r\n"
        )
        headers = [
            ("Via", f"SIP/2.0/UDP {here};branch={new_branch()}"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:bench@127.0.0.1>;tag={secrets.token_hex(4)}"),
            ("To", f"<sip:{user}@127.0.0.1>"),
            ("Call-ID", secrets.token_hex(8)),
            ("CSeq", "1 INVITE"),
            ("Contact", f"<sip:bench@{here}>"),
            ("Content-Type", "application/sdp"),
        ]
        message = build(f"INVITE sip:{user}@127.0.0.1 SIP/2.0", headers, sdp)
        begun = time.time()
        self.transport.sendto(message, self.gateway)
        return begun

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        now = time.time()
        if not data[:1].isalpha():
            return
        message = parse(data)
        if message.is_request and message.method == "INVITE":
            self._answer(message, 486, "Busy Here", addr)
            self.invited.put_nowait(now)
        elif not message.is_request and message.method == "INVITE" and message.status >= 200:
            self._ack(message)
            self.finals.put_nowait(message.status)

    def _answer(self, request: PlainSip, status: int, reason: str, addr: tuple[str, int]) -> None:
        headers = [
            *(("Via", via) for via in request.every("via")),
            ("From", request["from"]),
            ("To", request["to"] + ";tag=bench"),
            ("Call-ID", request["call-id"]),
            ("CSeq", request["cseq"]),
        ]
        self.transport.sendto(build(f"SIP/2.0 {status} {reason}", headers), addr)

    def _ack(self, response: PlainSip) -> None:
        headers = [
            ("Via", response.every("via")[0].partition(";received")[0]),
            ("Max-Forwards", "70"),
            ("From", response["from"]),
            ("To", response["to"]),
            ("Call-ID", response["call-id"]),
            ("CSeq", f"{response.cseq} ACK"),
        ]
        self.transport.sendto(build("ACK sip:alice@127.0.0.1 SIP/2.0", headers), self.gateway)


async def _rounds(measure: Callable[[], Awaitable[float]]) -> list[float]:
    await measure()  # the first one warms up both ends
    return [await measure() for _ in range(ROUNDS)]


async def measure() -> dict[str, list[float]]:
    """Seconds per round, by measure."""
    with tempfile.TemporaryDirectory(prefix="ichat-gw-bench-") as folder:
        prosody = PrivateProsody(Path(folder) / "prosody")
        await prosody.start_async()
        loop = asyncio.get_running_loop()
        phone = Phone()
        await loop.create_datagram_endpoint(lambda: phone, local_addr=("127.0.0.1", 0))
        # As operators run it, with more ports than the calls of a few seconds take: ports rest after use.
        settings = {
            "LogLevel": "INFO",
            "MediaRelayPortRangeMin": "40000",
            "MediaRelayPortRangeMax": "49999",
        }
        gateway = GatewayProcess(Path(folder) / "gateway", prosody, phone.port, settings=settings)
        phone.gateway = ("127.0.0.1", gateway.sip_port)
        ichat = SimulatedIChat(prosody, "alice")
        try:
            await gateway.start_async()
            await ichat.log_in()
            await ichat.subscribe(gateway.control)
            ichat.on_request = "decline"
            ichat.answer_time = 0.0
            dial = gateway.jid("5551234")

            async def from_sip() -> float:
                ichat.forget()
                begun = phone.call("alice")
                seen = await ichat.wait_for("vc:request", WITHIN)
                await asyncio.wait_for(phone.finals.get(), WITHIN)
                return seen.at - begun

            async def from_ichat() -> float:
                ichat.forget()
                begun = time.time()
                ichat.call(dial)
                seen = await asyncio.wait_for(phone.invited.get(), WITHIN)
                await ichat.wait_for("vc:response", WITHIN)
                return seen - begun

            async def question() -> float:
                begun = time.time()
                await ichat.query(gateway.control, "http://jabber.org/protocol/disco#info")
                return time.time() - begun

            return {
                "INVITE in -> vc:request out": await _rounds(from_sip),
                "vc:request in -> INVITE out": await _rounds(from_ichat),
                "reference: a question to the connector and back": await _rounds(question),
            }
        finally:
            await ichat.log_out()
            await gateway.stop_async()
            await prosody.stop_async()
            phone.transport.close()


def report() -> str:
    """Run it and say what came out."""
    found = asyncio.run(measure())
    *ours, reference = found.items()
    floor = statistics.median(reference[1])
    lines = [f"set-up delay, {ROUNDS} calls each way, through Prosody, all on this machine:"]
    for name, seconds in (*ours, reference):
        median = statistics.median(seconds)
        late = statistics.quantiles(seconds, n=20)[-1]
        lines.append(
            f"  {name:<48} median {median * 1000:5.1f} ms  p95 {late * 1000:5.1f} ms"
            f"  {median / floor:4.1f} x reference"
        )
    lines.append("  aim: median below 20 ms (the original: about 500 ms)")
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())
