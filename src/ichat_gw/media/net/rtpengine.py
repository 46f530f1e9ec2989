"""The sockets to the rtpengines: UDP, one for each, connected, so that we hear when nobody is there."""

import asyncio
from collections.abc import Callable, Sequence

from ichat_gw.media.engine import FromNode, NodeUnreachable

PAUSE = 1.0
"""Seconds until a socket that had an error is replaced; the name is then looked up anew."""


class RtpengineSockets:
    """Sends and takes datagrams of the ng protocol, until `run` is cancelled.

    `addresses` are host (a name, or an IP address) and port of each rtpengine. `deliver` gets what comes from
    them, and `NodeUnreachable` when there is nobody; it is called from the event loop, never inside `send`.
    """

    def __init__(
        self, addresses: Sequence[tuple[str, int]], deliver: Callable[[FromNode | NodeUnreachable], None]
    ) -> None:
        self._deliver = deliver
        self._links = [_Link(number, address, deliver) for number, address in enumerate(addresses)]

    def send(self, data: bytes, node: int) -> None:
        """Send a datagram. Lost when there is no socket just now: the engine sends it again."""
        self._links[node].send(data)

    async def run(self) -> None:
        """Keep the sockets open. To be run in a task of the caller's group; cancel it to close them."""
        async with asyncio.TaskGroup() as group:
            for link in self._links:
                group.create_task(link.run())


class _Link(asyncio.DatagramProtocol):
    """The way to one rtpengine."""

    def __init__(
        self, number: int, address: tuple[str, int], deliver: Callable[[FromNode | NodeUnreachable], None]
    ) -> None:
        self._number = number
        self._address = address
        self._deliver = deliver
        self._transport: asyncio.DatagramTransport | None = None
        self._broken = asyncio.Event()

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.sendto(data)

    async def run(self) -> None:
        while True:
            await self._one_life()
            await asyncio.sleep(PAUSE)

    async def _one_life(self) -> None:
        self._broken.clear()
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(lambda: self, remote_addr=self._address)
        except OSError as error:
            self._deliver(NodeUnreachable(f"no way to it: {error.strerror or error}", self._number))
            return
        self._transport = transport
        try:
            await self._broken.wait()
        finally:
            self._transport = None
            transport.abort()

    # --- asyncio.DatagramProtocol -------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: object) -> None:
        """A reply."""
        self._deliver(FromNode(data, self._number))

    def error_received(self, exc: Exception) -> None:
        """The kernel has heard, by ICMP, that nobody takes what we sent."""
        text = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        self._deliver(NodeUnreachable(text, self._number))
        self._broken.set()
