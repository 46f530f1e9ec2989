"""All ways in and out for SIP: UDP, TCP and TLS, on IPv4 and IPv6, behind one small interface.

transports = await Transports.open(TransportConfig(...), deliver, note)
transports.send(Send(...))          # failures come back as SendFailed
transports.lookup(Lookup(...))      # answered by Resolved
await transports.close()
"""

import asyncio
import errno
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from ichat_gw.sip.connection_limits import StreamLimits
from ichat_gw.sip.events import Flow, Lookup, Received, Resolved, Send, SendFailed
from ichat_gw.sip.locating import Endpoint
from ichat_gw.sip.net.addresses import Neighbourhood, family_of, plain
from ichat_gw.sip.net.dns import Dns
from ichat_gw.sip.net.resolver import Resolver
from ichat_gw.sip.net.streams import Note, Streams
from ichat_gw.sip.net.tls import TlsFiles, load_tls
from ichat_gw.sip.net.udp import CannotListen, UdpEndpoint, bound_socket

NO_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)
"""What the kernel says when a machine has no IPv6."""


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """What an operator decides about the transports."""

    address: str | None = None
    """The address to bind, whose family alone is then served; None: all addresses of both families."""
    port: int = 5070
    """Of UDP and TCP; 0 takes a free one."""
    tls_port: int = 5071
    """Of TLS; 0 takes a free one."""
    tls: TlsFiles = field(default_factory=TlsFiles)
    dns_servers: tuple[str, ...] = ()
    """IP addresses; none: those of the operating system."""
    limits: StreamLimits = field(default_factory=StreamLimits)


class Transports:
    """Every open socket of SIP. Made by `open`; all of it happens on one event loop."""

    def __init__(
        self,
        udp: dict[socket.AddressFamily, UdpEndpoint],
        streams: Streams,
        neighbourhood: Neighbourhood,
        tls_port: int | None,
        deliver: Callable[[Received | SendFailed | Resolved], None],
        dns: Dns,
        chance: Callable[[], float],
    ) -> None:
        self._udp = udp
        self._streams = streams
        self._neighbourhood = neighbourhood
        self._tls_port = tls_port
        self._loop = asyncio.get_running_loop()
        self._deliver = deliver
        offered = ("UDP", "TCP", "TLS") if tls_port is not None else ("UDP", "TCP")
        self._dns = dns
        self._resolver = Resolver(dns, offered, self._flow_to, deliver, chance)

    @classmethod
    async def open(
        cls,
        config: TransportConfig,
        deliver: Callable[[Received | SendFailed | Resolved], None],
        note: Note,
        *,
        dns: Dns | None = None,
        chance: Callable[[], float] = random.random,
    ) -> "Transports":
        """Open everything. `deliver` is called with what comes in, `note` with lines for the log.

        Raises CannotListen, or TlsMisconfigured when the files of TLS do not fit.
        """
        tls = load_tls(config.tls)
        if tls is None:
            remedy = (
                "set TLSCertificate and TLSPrivateKey, or put "
                f"domain_cert_{config.tls.domain}.pem and domain_key_{config.tls.domain}.pem here"
            )
            note("INFO", "TLS is not open: no certificate", {"remedy": remedy})
        neighbourhood = Neighbourhood()
        streams = Streams(deliver, note, neighbourhood, config.limits, tls)
        udp: dict[socket.AddressFamily, UdpEndpoint] = {}
        port, tls_port = config.port, config.tls_port
        try:
            for host in (config.address,) if config.address else ("0.0.0.0", "::"):
                try:
                    datagrams = _open(host, port, socket.SOCK_DGRAM, "UDP")
                except CannotListen as error:
                    if not config.address and ":" in host and error.number in NO_FAMILY:
                        note("INFO", "no IPv6 on this machine", {"text": str(error)})
                        continue
                    raise
                udp[family_of(host)] = UdpEndpoint(datagrams, deliver, neighbourhood)
                port = datagrams.getsockname()[1]
                _listen(streams, _open(host, port, socket.SOCK_STREAM, "TCP"), "TCP")
                if tls is not None:
                    sock = _open(host, tls_port, socket.SOCK_STREAM, "TLS")
                    tls_port = sock.getsockname()[1]
                    _listen(streams, sock, "TLS")
        except BaseException:
            for endpoint in udp.values():
                endpoint.close()
            await streams.close()
            raise
        dns = dns or Dns(config.dns_servers)
        return cls(udp, streams, neighbourhood, tls_port if tls else None, deliver, dns, chance)

    # --- other settings -----------------------------------------------------------------------------------

    def prepare(self, config: TransportConfig) -> Callable[[], None]:
        """Read what `config` names; call what is returned to put it in force, for what is begun after that.

        That is the files of TLS, if TLS is open and is to stay so, and the DNS servers. Addresses and ports
        stay as they are. Raises TlsMisconfigured.
        """
        tls = load_tls(config.tls) if self._tls_port is not None else None

        def use() -> None:
            if tls is not None:
                self._streams.use(tls)
            self._dns.use(config.dns_servers)

        return use

    # --- what is open -------------------------------------------------------------------------------------

    @property
    def address(self) -> tuple[str, int]:
        """What UDP and TCP are bound to, IPv4 if it is open; the address may be 0.0.0.0 or ::."""
        return next(iter(self._udp.values())).address

    @property
    def tls_port(self) -> int | None:
        """The port of TLS, or None when it is not open."""
        return self._tls_port

    @property
    def listening(self) -> tuple[str, ...]:
        """What is open, as `UDP 0.0.0.0:5070`."""
        found = []
        for endpoint in self._udp.values():
            host, port = endpoint.address
            written = f"[{host}]" if ":" in host else host
            found += [f"UDP {written}:{port}", f"TCP {written}:{port}"]
            if self._tls_port is not None:
                found.append(f"TLS {written}:{self._tls_port}")
        return tuple(found)

    @property
    def connections(self) -> int:
        """How many TCP and TLS connections there are."""
        return len(self._streams)

    # --- out ----------------------------------------------------------------------------------------------

    def send(self, command: Send) -> None:
        """Put a message on the wire. What cannot be sent is reported as SendFailed, from the event loop."""
        flow = command.flow
        if flow.transport != "UDP":
            self._streams.send(command)
        elif (endpoint := self._udp.get(family_of(flow.remote[0]))) is not None:
            endpoint.send(command)
        else:
            failed = SendFailed(flow, "its family is not open here")
            self._loop.call_soon(self._deliver, failed)

    def lookup(self, command: Lookup) -> None:
        """Answer with a Resolved, now or later, always from the event loop."""
        self._resolver.lookup(command)

    async def close(self) -> None:
        """Close everything; look-ups under way are not answered. Harmless when closed already."""
        for endpoint in self._udp.values():
            endpoint.close()
        await self._resolver.close()
        await self._streams.close()

    def _flow_to(self, endpoint: Endpoint, name: str) -> Flow:
        """The flow to an endpoint, with the address of ours that it sees. Raises OSError without a way."""
        remote = (endpoint.address, endpoint.port)
        own = self._udp.get(family_of(endpoint.address))
        if own is None:
            raise OSError(errno.EAFNOSUPPORT, "its family is not open here")
        host, port = own.address
        ours = self._neighbourhood.source(remote, host)
        if endpoint.transport == "TLS":
            assert self._tls_port is not None
            return Flow("TLS", (ours, self._tls_port), remote, name)
        return Flow(endpoint.transport, (ours, port), remote)


def _open(host: str, port: int, kind: socket.SocketKind, transport: str) -> socket.socket:
    try:
        return bound_socket(host, port, kind)
    except OSError as error:
        written = f"[{host}]" if ":" in host else host
        text = f"{transport} {written}:{port}: {error.strerror or error}"
        raise CannotListen(text, error.errno or 0) from None


def _listen(streams: Streams, sock: socket.socket, transport: str) -> None:
    try:
        streams.listen(sock, transport)
    except OSError as error:
        host, port = plain(sock.getsockname())
        sock.close()
        raise CannotListen(
            f"{transport} {host}:{port}: {error.strerror or error}", error.errno or 0
        ) from None
