"""Free ports on 127.0.0.1, never the same one twice in one process."""

import random
import socket

LOOPBACK = "127.0.0.1"
_given: set[int] = set()
# Below the range that Linux gives to outgoing connections, which would otherwise take a port at random.
_LOWEST, _HIGHEST = 12000, 31998


def free_port() -> int:
    """A port that is free now, for UDP and for TCP."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first, an even one, of `count` ports in a row that are all free now, for UDP and for TCP."""
    for _ in range(1000):
        first = random.randrange(_LOWEST, _HIGHEST - count, 2)
        row = range(first, first + count)
        if _given.isdisjoint(row) and all(_is_free(port) for port in row):
            _given.update(row)
            return first
    raise RuntimeError(f"no {count} free ports in a row between {_LOWEST} and {_HIGHEST}")


def accepts_tcp(port: int, host: str = LOOPBACK) -> bool:
    """Whether something on `host` accepts TCP connections on `port`."""
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((host, port)) == 0


def udp_is_bound(port: int, host: str = LOOPBACK) -> bool:
    """Whether somebody holds UDP `port` of `host`."""
    return not _can_bind(socket.SOCK_DGRAM, port, host)


def tcp_is_bound(port: int) -> bool:
    """Whether somebody holds TCP `port` of 127.0.0.1; asked without connecting."""
    return not _can_bind(socket.SOCK_STREAM, port)


def _is_free(port: int) -> bool:
    return _can_bind(socket.SOCK_DGRAM, port) and _can_bind(socket.SOCK_STREAM, port)


def _can_bind(kind: socket.SocketKind, port: int, host: str = LOOPBACK) -> bool:
    with socket.socket(_family(host), kind) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
