"""One UDP socket for the SIP user agent, of IPv4 or IPv6.

The socket is read directly instead of through a datagram transport, because Linux tells on its error
queue which peer an ICMP error came from (`ip(7)`, IP_RECVERR): an INVITE to a phone that is switched off
fails at once instead of after 32 seconds. Other systems have no such queue, and there it does not.
"""

import asyncio
import contextlib
import os
import select
import socket
import struct
from collections.abc import Callable

from ichat_gw.errors import GatewayError
from ichat_gw.sip.events import Flow, Received, Send, SendFailed
from ichat_gw.sip.net.addresses import Neighbourhood, family_of, plain, source_towards
from ichat_gw.sip.net.watching import add_reader, remove_reader

__all__ = ["CannotListen", "UdpEndpoint", "source_towards"]

BATCH = 64
"""Datagrams taken from the socket before others get their turn on the loop."""
LARGEST = 65_535
"""Bytes of a datagram, at most."""

_IP_RECVERR = getattr(socket, "IP_RECVERR", 11)
_IPV6_RECVERR = getattr(socket, "IPV6_RECVERR", 25)
_MSG_ERRQUEUE: int | None = getattr(socket, "MSG_ERRQUEUE", None)
"""None: there is no error queue. The flag's bit means something else there."""


class CannotListen(GatewayError):
    """The address or port that SIP should use is not there for us."""

    def __init__(self, text: str, number: int = 0) -> None:
        super().__init__(text)
        self.number = number
        """The `errno` behind it."""


def bound_socket(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """Open a socket bound to `host` ("0.0.0.0" or "::": all addresses of that family), not blocking.

    Raises OSError, also for what is no address or port.
    """
    sock = socket.socket(family_of(host), kind)
    try:
        sock.setblocking(False)
        if sock.family == socket.AF_INET6:
            # IPv4 has a socket of its own.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Windows would let somebody else have the same port, and needs it not.
        if kind == socket.SOCK_STREAM and os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except (UnicodeError, OverflowError) as error:
        sock.close()
        raise OSError(0, str(error)) from None
    except OSError:
        sock.close()
        raise
    return sock


class UdpEndpoint:
    """An open UDP socket. Everything happens on the event loop that it was made on.

    `deliver` is called with what comes in. It must not raise.
    """

    def __init__(
        self,
        sock: socket.socket,
        deliver: Callable[[Received | SendFailed], None],
        neighbourhood: Neighbourhood,
    ) -> None:
        self._sock = sock
        self._deliver = deliver
        self._neighbourhood = neighbourhood
        self._loop = asyncio.get_running_loop()
        self._bound: tuple[str, int] = plain(sock.getsockname())
        # One for all datagrams. A new one for each would be cut to what came, and stay while that is kept;
        # behind it would be a hole, and all holes together as large as the memory in use.
        self._buffer = memoryview(bytearray(LARGEST))
        # Bursts of calls wait here while one message is being worked on. No more than we can work off in
        # a moment: in a flood, the BYE of a call that is up waits behind all of it. Linux caps it, others
        # refuse.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024 * 1024)
        if _MSG_ERRQUEUE is not None:
            if sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        self._watched = _Watched(sock) if _MSG_ERRQUEUE is not None else sock
        add_reader(self._loop, self._watched, self._readable)

    @property
    def address(self) -> tuple[str, int]:
        """What the socket is bound to; the address may be 0.0.0.0 or ::."""
        return self._bound

    def close(self) -> None:
        """Close the socket. Harmless when closed already."""
        if self._sock.fileno() >= 0:
            remove_reader(self._loop, self._watched)
            self._watched.close()
            self._sock.close()

    def flow(self, remote: tuple[str, int]) -> Flow:
        """Return the flow to a peer, with the address of ours that it sees. Raises OSError: no route."""
        ours = self._neighbourhood.source(remote, self._bound[0])
        return Flow("UDP", (ours, self._bound[1]), remote)

    # --- out ----------------------------------------------------------------------------------------------

    def send(self, command: Send) -> None:
        """Send a datagram. What the kernel refuses is reported as SendFailed, from the event loop."""
        if self._sock.fileno() < 0:
            return
        to = self._neighbourhood.sockaddr(command.flow.remote)
        try:
            try:
                self._sock.sendto(command.data, to)
            except (BlockingIOError, InterruptedError):
                return  # The send buffer is full: lost like any other datagram, and sent again.
            except OSError:
                # It may be an earlier ICMP error, of another peer, that the kernel reports now.
                self._read_errors()
                self._sock.sendto(command.data, to)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            failed = SendFailed(command.flow, error.strerror or str(error))
            # Not from here: whoever sends is in the middle of something.
            self._loop.call_soon(self._deliver, failed)

    # --- in -----------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        for place in range(BATCH):
            try:
                size, sockaddr = self._sock.recvfrom_into(self._buffer)
            except (BlockingIOError, InterruptedError):
                if place == 0:
                    self._read_errors()  # woken by nothing else
                return
            except OSError:
                # An ICMP error came back; which peer it was about stands in the error queue.
                self._read_errors()
                continue
            try:
                flow = self.flow(self._neighbourhood.heard(sockaddr))
            except OSError:
                continue  # It came from where we cannot answer.
            self._deliver(Received(bytes(self._buffer[:size]), flow))
            if self._sock.fileno() < 0:
                return  # closed by whoever got that

    def _read_errors(self) -> None:
        """Report the ICMP errors that have come in."""
        while _MSG_ERRQUEUE is not None:
            try:
                _, control, _, sockaddr = self._sock.recvmsg(0, 512, _MSG_ERRQUEUE)
            except OSError:
                return
            with contextlib.suppress(OSError):
                failed = SendFailed(self.flow(plain(sockaddr)), _text_of(control))
                self._loop.call_soon(self._deliver, failed)


class _Watched:
    """Can be read when the socket can be, or has an error to tell.

    COMPAT uvloop: libuv takes the POLLERR that announces an ICMP error for the end of the descriptor and
    stops watching it, and there need not be an entry in the error queue by which we could tell: in a flood
    there is no room for one. An epoll descriptor around the socket never has POLLERR itself.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._epoll = select.epoll()
        self._epoll.register(sock, select.EPOLLIN)

    def fileno(self) -> int:
        return self._epoll.fileno()

    def close(self) -> None:
        self._epoll.close()


def _text_of(control: list[tuple[int, int, bytes]]) -> str:
    """Name the error in a `struct sock_extended_err`, whose first field is the errno."""
    wanted = ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR))
    for level, kind, data in control:
        if (level, kind) in wanted and len(data) >= 4:
            return os.strerror(struct.unpack_from("=I", data)[0])
    return "unreachable"
