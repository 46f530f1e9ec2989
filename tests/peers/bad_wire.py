"""A wire between the SIPp phone and the gateway that loses messages, or delivers the phone's twice.

    async with BadWire(stage.phone.port, stage.gateway.sip_port, Manner.LOSES) as wire:
        run = stage.phone.play("uac_prack", wire.towards_gateway, "alice", wire=wire)

It stands at the phone's place in the network (its port), and the phone itself behind it. What it does is the
same in every run: it loses the first message of each kind (the first INVITE, the first 200 to INVITE, ...).
"""

import asyncio
from enum import Enum
from types import TracebackType
from typing import Self

from peers.plain_sip import parse
from peers.ports import free_port

HERE = "127.0.0.1"


class Manner(Enum):
    """What the wire does."""

    DELIVERS = "delivers"
    LOSES = "loses the first of each kind"
    DOUBLES = "delivers everything to the gateway twice"
    """COMPAT SIPp: it takes a copy that comes when its scenario has gone on for the next message."""


NEVER_REPEATED = ("100", "180")
"""Provisional responses, which nobody sends again: to lose one loses nothing."""


_ever: set[str] = set()
"""The Call-IDs that any wire of this process has carried."""


class BadWire:
    """Carries datagrams between the gateway (at `gateway_port`) and the phone, both on 127.0.0.1.

    `public_port` is where the gateway finds the phone. `spare` names kinds that are never lost.
    """

    def __init__(
        self, public_port: int, gateway_port: int, manner: Manner, spare: tuple[str, ...] = ()
    ) -> None:
        self.public_port = public_port
        self.inner_port = free_port()
        self.phone_port = free_port()
        self.lost: list[str] = []
        """Kinds of the messages that were lost, in order."""
        self._gateway = (HERE, gateway_port)
        self._phone = (HERE, self.phone_port)
        self._manner = manner
        self._spare = spare
        self._transports: list[asyncio.DatagramTransport] = []
        self._calls: set[str] = set()
        """Call-IDs of this test: each began with an INVITE that no wire before has carried."""

    @property
    def towards_gateway(self) -> str:
        """Where a phone that calls sends its messages."""
        return f"{HERE}:{self.inner_port}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for port in (self.public_port, self.inner_port):
            end = _End(self, len(self._transports))
            transport, _ = await loop.create_datagram_endpoint(lambda end=end: end, local_addr=(HERE, port))
            self._transports.append(transport)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for transport in self._transports:
            transport.close()

    def carry(self, data: bytes, end: int) -> None:
        """A datagram arrived at one end; let it out at the other, or not."""
        try:
            message = parse(data)
        except ValueError:
            return  # a keep-alive
        kind = message.kind
        call = message["call-id"]
        if call not in self._calls:
            if kind != "SIP INVITE" or call in _ever:
                return  # for the phone of an earlier test, which went before it was answered
            self._calls.add(call)
            _ever.add(call)
        if self._manner is Manner.LOSES and kind not in self.lost and not self._is_spared(kind):
            self.lost.append(kind)
            return
        to = self._phone if end == 0 else self._gateway
        for _ in range(2 if self._manner is Manner.DOUBLES and end == 1 else 1):
            self._transports[1 - end].sendto(data, to)

    def _is_spared(self, kind: str) -> bool:
        return kind in self._spare or kind.split()[1] in NEVER_REPEATED


class _End(asyncio.DatagramProtocol):
    """One end of the wire: 0 faces the gateway, 1 the phone."""

    def __init__(self, wire: BadWire, number: int) -> None:
        self._wire = wire
        self._number = number

    def datagram_received(self, data: bytes, source: tuple[str | object, int]) -> None:
        """Pass it on."""
        self._wire.carry(data, self._number)
