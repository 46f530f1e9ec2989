"""The asyncio shell around `Channel`: a UDP socket on 127.0.0.1 and one alarm."""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from typing import cast

from ichat_gw.clock import Alarm
from ichat_gw.errors import GatewayError
from ichat_gw.ipc.channel import (
    Channel,
    ChannelConfig,
    ChannelOver,
    Close,
    Command,
    Datagram,
    Deliver,
    Dropped,
    PeerLost,
    Send,
    Settled,
    Transmit,
)
from ichat_gw.ipc.messages import Message
from ichat_gw.ipc.seal import Role

LOOPBACK = "127.0.0.1"
SOCKET_BUFFER = 1 << 20
"""Bytes asked of the system for each direction; it may give less (Linux: `net.core.rmem_max`)."""

_SETTINGS = {Role.GATEWAY: "GatewayIPCPort", Role.CONNECTOR: "JabberConnectorIPCPort"}


class CannotListen(GatewayError):
    """The IPC port cannot be opened; the text names the setting."""


class UdpLink(asyncio.DatagramProtocol):
    """One end of the link between the two programs, for as long as this program runs.

    `open` binds the socket; `begin` starts a channel with the key of a run of the connector and forgets
    the channel before it. All callbacks run on the event loop and may call any method here.
    """

    def __init__(
        self,
        role: Role,
        peer_port: int,
        *,
        on_message: Callable[[Message], None],
        on_lost: Callable[[PeerLost], None],
        on_dropped: Callable[[str, str], None] | None = None,
        config: ChannelConfig | None = None,
    ) -> None:
        """Not to be called: `open` is.

        `on_message` gets each message once, in order. `on_lost` is told that this channel is over, except
        when `begin`, `end` or `close` ended it. `on_dropped` gets a reason (a key of `dropped`) and a text.
        """
        self._role = role
        self._peer = (LOOPBACK, peer_port)
        self._on_message = on_message
        self._on_lost = on_lost
        self._on_dropped = on_dropped
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.DatagramTransport | None = None
        self._channel: Channel | None = None
        self._alarm = Alarm(self._loop.call_at, self._expire)
        self._idle = asyncio.Event()
        self._idle.set()
        self._dropped: Counter[str] = Counter()

    @classmethod
    async def open(
        cls,
        role: Role,
        local_port: int,
        peer_port: int,
        *,
        on_message: Callable[[Message], None],
        on_lost: Callable[[PeerLost], None],
        on_dropped: Callable[[str, str], None] | None = None,
        config: ChannelConfig | None = None,
    ) -> "UdpLink":
        """Bind 127.0.0.1:`local_port` (0: any free one); raises `CannotListen`."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            # The send buffer also bounds the size of one datagram on macOS. Some systems refuse large ones.
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER)
        try:
            sock.setblocking(False)
            sock.bind((LOOPBACK, local_port))
        except OSError as error:
            sock.close()
            raise CannotListen(
                f"{_SETTINGS[role]}: cannot bind UDP {LOOPBACK}:{local_port}: {error.strerror or error}; "
                "is another ichat-gw running? Otherwise choose a free port"
            ) from error
        _, link = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: cls(
                role, peer_port, on_message=on_message, on_lost=on_lost, on_dropped=on_dropped, config=config
            ),
            sock=sock,
        )
        return link

    @property
    def local_port(self) -> int:
        """The UDP port bound."""
        assert self._transport is not None
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    @property
    def peer_port(self) -> int:
        """The UDP port on 127.0.0.1 that alone is listened to."""
        return self._peer[1]

    @peer_port.setter
    def peer_port(self, port: int) -> None:
        self._peer = (LOOPBACK, port)

    @property
    def dropped(self) -> Mapping[str, int]:
        """Datagrams dropped since `open`, by reason: those of `Channel.dropped` and `stranger`.

        A `stranger` sends from another address or port than the peer's. While there is no channel, what
        comes from the peer's is `stale`.
        """
        return self._dropped

    def begin(self, key: bytes) -> None:
        """Start a channel with `key` (32 bytes, else `BadKey`), ending the one before as `end` does."""
        channel = Channel(key, self._role, self._config)
        self.end()
        self._channel = channel

    def end(self) -> tuple[Message, ...]:
        """End the channel: the peer is known to be gone.

        Returns the messages that the peer had not acknowledged, oldest first.
        """
        undelivered: tuple[Message, ...] = ()
        if self._channel is not None:
            undelivered = self._channel.undelivered()
            self._channel.receive(Close(), self._loop.time())
            self._channel = None
        self._keep_time()
        return undelivered

    def send(self, message: Message) -> None:
        """Send `message`; raises a `SendRefused` when it is not taken (queue full, too large, no channel)."""
        if self._channel is None:
            raise ChannelOver(f"{type(message).__name__} not sent: the other program is not running")
        self._do(self._channel, self._channel.receive(Send(message), self._loop.time()))

    async def flush(self, seconds: float) -> bool:
        """Wait until the peer has acknowledged everything, or the channel is over; False: not in time."""
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def close(self) -> tuple[Message, ...]:
        """End the channel as `end` does, and close the socket. May be called again."""
        undelivered = self.end()
        if self._transport is not None:
            self._transport.close()
        return undelivered

    # --- called by asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ready."""
        # Not asserted: asyncio's own datagram transport does not derive from this class.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed; with `exc`, not by us."""
        undelivered = self.end()
        if exc is not None:
            self._call(self._on_lost, PeerLost(f"the IPC socket failed: {exc}", undelivered))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Something came to our port."""
        if addr != self._peer:
            self._drop("stranger", f"came from {addr[0]}:{addr[1]}")
        elif self._channel is None:
            self._drop("stale", "came while the other program is not running")
        else:
            channel, now = self._channel, self._loop.time()
            self._do(channel, channel.receive(Datagram(data), now))
            # Whoever got a message has answered it, or will not at once.
            if commands := channel.receive(Settled(), now):
                self._do(channel, commands)

    def error_received(self, exc: Exception) -> None:
        """The system refused a datagram: as good as lost, the channel repeats it."""

    # --- commands ---

    def _do(self, channel: Channel, commands: list[Command]) -> None:
        self._keep_time()
        for command in commands:
            if channel is not self._channel:
                return  # A callback ended this channel; nothing of it is to be seen any more.
            match command:
                case Transmit(data):
                    if self._transport is not None:
                        self._transport.sendto(data, self._peer)
                case Deliver(message):
                    self._call(self._on_message, message)
                case Dropped(error):
                    self._drop(error.reason, str(error))
                case PeerLost():
                    self._call(self._on_lost, command)

    def _drop(self, reason: str, text: str) -> None:
        self._dropped[reason] += 1
        if self._on_dropped is not None:
            self._call(self._on_dropped, reason, text)

    def _call(self, callback: Callable[..., None], *arguments: object) -> None:
        """Call back; a bug there is reported and must not cost the messages behind this one."""
        try:
            callback(*arguments)
        except Exception as error:
            self._loop.call_exception_handler(
                {"message": f"an IPC callback failed: {error!r}", "exception": error, "protocol": self}
            )

    def _keep_time(self) -> None:
        """Have `_expire` called at the channel's deadline, and no timer when there is none."""
        deadline = None if self._channel is None else self._channel.deadline()
        if self._channel is None or self._channel.idle:
            self._idle.set()
        else:
            self._idle.clear()
        self._alarm.set(deadline)

    def _expire(self) -> None:
        if self._channel is not None:
            self._do(self._channel, self._channel.expire(self._loop.time()))
