"""What the tests of the sockets share: an ear that keeps what is delivered, and transports to open."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from ichat_gw.sip.events import Received, Resolved, SendFailed
from ichat_gw.sip.net.dns import Dns
from ichat_gw.sip.net.transports import TransportConfig, Transports
from peers.ports import free_port

Heard = Received | SendFailed | Resolved


class Ear:
    """Hears what transports deliver and note."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Heard] = asyncio.Queue()
        self.notes: list[tuple[str, str, Mapping[str, object]]] = []

    def note(self, level: str, event: str, fields: Mapping[str, object]) -> None:
        self.notes.append((level, event, fields))

    def noted(self, event: str) -> list[Mapping[str, object]]:
        return [fields for _, noted, fields in self.notes if noted == event]

    async def next(self) -> Heard:
        return await asyncio.wait_for(self.heard.get(), 30)

    async def received(self) -> Received:
        event = await self.next()
        assert isinstance(event, Received), event
        return event

    async def failed(self) -> SendFailed:
        event = await self.next()
        assert isinstance(event, SendFailed), event
        return event

    async def resolved(self) -> Resolved:
        event = await self.next()
        assert isinstance(event, Resolved), event
        return event


@asynccontextmanager
async def transports(
    address: str | None = "127.0.0.1", dns: Dns | None = None, chance: float = 0.5, **fields: Any
) -> AsyncIterator[tuple[Transports, Ear]]:
    ear = Ear()
    config = replace(TransportConfig(address, free_port(), free_port()), **fields)
    opened = await Transports.open(config, ear.heard.put_nowait, ear.note, dns=dns, chance=lambda: chance)
    try:
        yield opened, ear
    finally:
        await opened.close()
        await opened.close()


def request(
    number: int = 1,
    transport: str = "TCP",
    method: str = "OPTIONS",
    body: bytes = b"",
    port: int = 5060,
    via: str = "",
) -> bytes:
    return (
        f"{method} sip:x@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport} 127.0.0.1:{port};branch=z9hG4bK{number};rport{via}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:b@127.0.0.1>\r\n"
        f"Call-ID: c{number}\r\nCSeq: {number} {method}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def response(to: bytes, status: int = 200) -> bytes:
    lines = to.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    kept = [line for line in lines if not line.startswith((b"Max-Forwards", b"Content-Length"))]
    return b"\r\n".join([b"SIP/2.0 %d OK" % status, *kept, b"Content-Length: 0", b"", b""])
