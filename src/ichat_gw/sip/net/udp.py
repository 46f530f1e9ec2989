"""One UDP socket for the SIP user agent (IPv4).

The socket is read directly instead of through a datagram transport, because Linux tells on its error
queue which peer an ICMP error came from (`ip(7)`, IP_RECVERR): an INVITE to a phone that is switched off
fails at once instead of after 32 seconds.
"""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable

from ichat_gw.errors import GatewayError
from ichat_gw.sip.events import Flow, Lookup, Received, Resolved, Send, SendFailed
from ichat_gw.sip.net.resolver import Unreachable, is_number, resolve, target_of

BATCH = 64
"""Datagrams taken from the socket before others get their turn on the loop."""

MAX_SOURCES = 10_000
"""Peers whose local address is remembered; then all are forgotten and found again."""

_IP_RECVERR = getattr(socket, "IP_RECVERR", 11)
_MSG_ERRQUEUE = getattr(socket, "MSG_ERRQUEUE", 0x2000)


class CannotListen(GatewayError):
    """The address or port that SIP should use is not there for us."""


class UdpEndpoint:
    """An open UDP socket. Everything happens on the event loop that `open` was called on.

    `deliver` is called with what comes in. It must not raise.
    """

    def __init__(
        self, sock: socket.socket, deliver: Callable[[Received | SendFailed | Resolved], None]
    ) -> None:
        self._sock = sock
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._bound: tuple[str, int] = sock.getsockname()[:2]
        self._sources: dict[str, str] = {}
        self._lookups: set[asyncio.Task[None]] = set()
        self._rearming = False
        self._loop.add_reader(sock, self._readable)

    @classmethod
    async def open(
        cls, host: str, port: int, deliver: Callable[[Received | SendFailed | Resolved], None]
    ) -> "UdpEndpoint":
        """Bind to `host` ("" or "0.0.0.0": all addresses of this machine). Raises CannotListen."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            # Bursts of calls wait here while one message is being worked on; the kernel caps it.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
            with contextlib.suppress(OSError):  # not on every system
                sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
            sock.bind((host or "0.0.0.0", port))
        except (OSError, UnicodeError, OverflowError) as error:
            sock.close()
            why = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise CannotListen(f"UDP {host or '0.0.0.0'}:{port}: {why}") from None
        return cls(sock, deliver)

    @property
    def address(self) -> tuple[str, int]:
        """What the socket is bound to; the address may be 0.0.0.0."""
        return self._bound

    async def close(self) -> None:
        """Close the socket and end look-ups that are under way. Harmless when closed already."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()
        lookups = list(self._lookups)
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)

    # --- out ----------------------------------------------------------------------------------------------

    def send(self, command: Send) -> None:
        """Send a datagram. What the kernel refuses is reported as SendFailed, from the event loop."""
        if self._sock.fileno() < 0:
            return
        try:
            try:
                self._sock.sendto(command.data, command.flow.remote)
            except (BlockingIOError, InterruptedError):
                return  # The send buffer is full: lost like any other datagram, and sent again.
            except OSError:
                # It may be an earlier ICMP error, of another peer, that the kernel reports now.
                self._read_errors()
                self._sock.sendto(command.data, command.flow.remote)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            failed = SendFailed(command.flow, error.strerror or str(error))
            # Not from here: whoever sends is in the middle of something.
            self._loop.call_soon(self._deliver, failed)

    def lookup(self, command: Lookup) -> None:
        """Answer with a Resolved: on the loop's next turn for a numeric host, else when it is known."""
        try:
            host, port = target_of(command.uri)
        except Unreachable as error:
            self._loop.call_soon(self._deliver, Resolved(command.lookup, (), str(error)))
            return
        if is_number(host):
            self._loop.call_soon(self._deliver, self._resolved(command, [(host, port)]))
            return
        lookup = asyncio.Task(self._resolve(command), loop=self._loop, name=f"look-up of {host}")
        self._lookups.add(lookup)
        lookup.add_done_callback(self._lookups.discard)

    async def _resolve(self, command: Lookup) -> None:
        try:
            addresses = await resolve(command.uri)
        except Unreachable as error:
            self._deliver(Resolved(command.lookup, (), str(error)))
        else:
            self._deliver(self._resolved(command, addresses))

    def _resolved(self, command: Lookup, addresses: list[tuple[str, int]]) -> Resolved:
        flows = []
        text = ""
        for address in addresses:
            try:
                flows.append(self._flow(address))
            except OSError as error:
                text = f"{address[0]}: {error.strerror or error}"
        return Resolved(command.lookup, tuple(flows), text)

    def _flow(self, remote: tuple[str, int]) -> Flow:
        """The flow to a peer, with the address of ours that it sees. Raises OSError without a route."""
        host, port = self._bound
        if host != "0.0.0.0":
            return Flow("UDP", (host, port), remote)
        ours = self._sources.get(remote[0])
        if ours is None:
            if len(self._sources) >= MAX_SOURCES:
                self._sources.clear()
            ours = self._sources[remote[0]] = source_towards(remote)
        return Flow("UDP", (ours, port), remote)

    # --- in -----------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        self._read_errors()
        for _ in range(BATCH):
            try:
                data, remote = self._sock.recvfrom(65_535)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                # An ICMP error came back; which peer it was about stands in the error queue.
                self._read_errors()
                continue
            try:
                flow = self._flow((remote[0], remote[1]))
            except OSError:
                continue  # It came from where we cannot answer.
            self._deliver(Received(data, flow))
            if self._sock.fileno() < 0:
                return  # closed by whoever got that

    def _read_errors(self) -> None:
        """Report the ICMP errors that have come in.

        COMPAT uvloop: libuv takes the POLLERR that announces them for the end of the descriptor and stops
        watching it, after one last call of `_readable`. So it is watched anew once they are read.
        """
        while True:
            try:
                _, control, _, remote = self._sock.recvmsg(0, 512, _MSG_ERRQUEUE)
            except OSError:
                return
            if not self._rearming:
                self._rearming = True
                self._loop.call_soon(self._rearm)
            with contextlib.suppress(OSError):
                failed = SendFailed(self._flow((remote[0], remote[1])), _text_of(control))
                self._loop.call_soon(self._deliver, failed)

    def _rearm(self) -> None:
        self._rearming = False
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._loop.add_reader(self._sock, self._readable)


def source_towards(remote: tuple[str, int]) -> str:
    """Ask the kernel which address of ours packets to `remote` come from. Raises OSError without a route.

    Connecting a UDP socket sends nothing.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((remote[0], remote[1] or 1))
        return str(probe.getsockname()[0])


def _text_of(control: list[tuple[int, int, bytes]]) -> str:
    """Name the error in a `struct sock_extended_err`, whose first field is the errno."""
    for level, kind, data in control:
        if level == socket.IPPROTO_IP and kind == _IP_RECVERR and len(data) >= 4:
            return os.strerror(struct.unpack_from("=I", data)[0])
    return "unreachable"
