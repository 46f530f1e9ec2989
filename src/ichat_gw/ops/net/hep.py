"""The way to a Homer server: a UDP socket that nobody waits for."""

import asyncio
import socket

from ichat_gw.ops.hep import HepSource
from ichat_gw.ops.logging import get_logger
from ichat_gw.ops.trace import Recorded

LOOK_UP_SECONDS = 60.0
"""Until a name that leads nowhere is looked up again."""

log = get_logger(__name__)


class HepSender:
    """Sends a copy of each message to `host` (a name or an address) and `port`.

    What cannot be sent at once is lost, and so is what comes before the name has been found out: copies are
    not worth waiting for. `run` finds out the address, until it is cancelled.
    """

    def __init__(self, host: str, port: int, source: HepSource) -> None:
        self.lost = 0
        """Packets that could not be sent."""
        self._host, self._port = host, port
        self._source = source
        self._socket: socket.socket | None = None

    async def run(self) -> None:
        """Find out where the server is, and again whenever that fails."""
        loop = asyncio.get_running_loop()
        while self._socket is None:
            try:
                found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
                family, kind, protocol, _, address = found[0]
                sock = socket.socket(family, kind, protocol)
                sock.setblocking(False)
                sock.connect(address)
            except OSError as error:
                log.warning("HEPServer cannot be reached", server=self._host, text=str(error))
                await asyncio.sleep(LOOK_UP_SECONDS)
            else:
                self._socket = sock

    def mirror(self, recorded: Recorded, call: str) -> None:
        """Send a copy of a message; never raises."""
        if self._socket is None:
            self.lost += 1
            return
        packet = self._source.packet(recorded, call)
        if packet is None:
            return
        try:
            self._socket.send(packet)
        except OSError:
            self.lost += 1

    def close(self) -> None:
        """Send nothing more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
