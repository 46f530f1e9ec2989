"""Free ports on 127.0.0.1, not soon again the same one in one process, nor in two that test side by side."""

import os
import random
import socket

LOOPBACK = "127.0.0.1"
_given: dict[int, None] = {}
# Below the range that Linux gives to outgoing connections, which would otherwise take a port at random.
_LOWEST, _HIGHEST = 12000, 31998
# Each of pytest's processes has a share of its own: a port that one has found free would be taken by another.
_PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_SHARE = (_HIGHEST - _LOWEST) // _PROCESSES // 2 * 2
_LOWEST += _SHARE * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def free_port() -> int:
    """A port that is free now, for UDP and for TCP."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first, an even one, of `count` ports in a row that are all free now, for UDP and for TCP."""
    for _ in range(8):
        for _ in range(500):
            first = random.randrange(_LOWEST, _LOWEST + _SHARE - count, 2)
            row = range(first, first + count)
            if _given.keys().isdisjoint(row) and all(_is_free(port) for port in row):
                _given.update(dict.fromkeys(row))
                return first
        # Many tests later: those who got the older half have long since bound them, or gone.
        for port in list(_given)[: len(_given) // 2]:
            del _given[port]
    raise RuntimeError(f"no {count} free ports in a row between {_LOWEST} and {_LOWEST + _SHARE}")


def accepts_tcp(port: int, host: str = LOOPBACK) -> bool:
    """Whether something on `host` accepts TCP connections on `port`."""
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((host, port)) == 0


def udp_is_bound(port: int, host: str = LOOPBACK) -> bool:
    """Whether somebody holds UDP `port` of `host`."""
    return not _can_bind(socket.SOCK_DGRAM, port, host)


def tcp_is_bound(port: int, host: str = LOOPBACK) -> bool:
    """Whether somebody holds TCP `port` of `host`; asked without connecting."""
    return not _can_bind(socket.SOCK_STREAM, port, host)


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
