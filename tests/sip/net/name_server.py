"""A DNS server in this process, on loopback, that can lie, loop, delay, cut short and fall silent."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

from peers.ports import free_port

Zone = dict[str, list[str]]
"""`A example.com` -> the records as text; an empty list says that the name is there and the type is not."""


class NameServer(asyncio.DatagramProtocol):
    """`trick` may change a response before it goes out, or return None to say nothing."""

    def __init__(self, zone: Zone, ttl: int = 60) -> None:
        self.zone = zone
        self.ttl = ttl
        self.asked: list[str] = []
        self.trick: Callable[[dns.message.Message], dns.message.Message | None] = lambda response: response
        self.truncate = False
        self.port = free_port()
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        response = self.answer(data)
        if response is None:
            return
        if self.truncate:
            response.flags |= dns.flags.TC
            response.answer.clear()
        self._transport.sendto(response.to_wire(), addr)

    def answer(self, data: bytes) -> dns.message.Message | None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        kind = question.rdtype.name
        self.asked.append(f"{kind} {name}")
        response = dns.message.make_response(query)
        alias = self.zone.get(f"CNAME {name}")
        if alias is not None:
            response.answer.append(dns.rrset.from_text_list(question.name, self.ttl, "IN", "CNAME", alias))
            name = alias[0].rstrip(".")
        records = self.zone.get(f"{kind} {name}")
        if records:
            owner = dns.name.from_text(name)
            response.answer.append(dns.rrset.from_text_list(owner, self.ttl, "IN", kind, records))
        elif not any(key.split()[1] == name for key in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        if not response.answer:
            soa = [f"ns.example. root.example. 1 1 1 1 {self.ttl}"]
            response.authority.append(dns.rrset.from_text_list("example.", self.ttl, "IN", "SOA", soa))
        return self.trick(response)

    async def stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer over TCP, where nothing is cut short."""
        length = int.from_bytes(await reader.readexactly(2), "big")
        response = self.answer(await reader.readexactly(length))
        if response is not None:
            wire = response.to_wire(max_size=65_535)
            writer.write(len(wire).to_bytes(2, "big") + wire)
        writer.close()


@asynccontextmanager
async def name_server(zone: Zone, ttl: int = 60) -> AsyncIterator[NameServer]:
    loop = asyncio.get_running_loop()
    server = NameServer(zone, ttl)
    tcp = await asyncio.start_server(
        lambda *both: server.stream(*both),  # noqa: PLW0108  a test may put another in its place
        "127.0.0.1",
        server.port,
    )
    transport, _ = await loop.create_datagram_endpoint(lambda: server, ("127.0.0.1", server.port))
    try:
        async with tcp:
            yield server
    finally:
        transport.close()
