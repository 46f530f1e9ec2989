"""What the service manager is told, on a real socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ichat_gw.app.sd_notify import ServiceNotifier


class ServiceManager:
    """The socket that systemd would listen at."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(30)

    def heard(self) -> str:
        return self.socket.recv(4096).decode()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[ServiceManager, dict[str, str]]]:
    path = f"{tmp_path}/notify"
    listening = ServiceManager(path)
    yield listening, {"NOTIFY_SOCKET": path}
    listening.socket.close()


def test_each_word(manager: tuple[ServiceManager, dict[str, str]]) -> None:
    systemd, environment = manager
    notifier = ServiceNotifier(environment)
    notifier.ready("waiting for the XMPP server")
    assert systemd.heard() == "READY=1\nSTATUS=waiting for the XMPP server"
    notifier.status("3\ncalls")  # a line end would begin another word
    assert systemd.heard() == "STATUS=3 calls"
    notifier.alive()
    assert systemd.heard() == "WATCHDOG=1"
    notifier.reloading()
    first, second = systemd.heard().split("\n")
    assert first == "RELOADING=1"
    assert second.removeprefix("MONOTONIC_USEC=").isdecimal()
    notifier.stopping()
    assert systemd.heard() == "STOPPING=1\nSTATUS=stopping"
    notifier.close()
    notifier.close()


def test_an_abstract_name() -> None:
    systemd = ServiceManager(f"\0ichat-gw-test-{os.getpid()}")
    notifier = ServiceNotifier({"NOTIFY_SOCKET": f"@ichat-gw-test-{os.getpid()}"})
    notifier.ready()
    assert systemd.heard() == "READY=1"
    notifier.close()
    systemd.socket.close()


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative"])
def test_nobody_to_tell(address: str) -> None:
    notifier = ServiceNotifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
    notifier.ready()
    assert notifier.watchdog is None
    notifier.close()


def test_a_manager_that_is_gone_or_does_not_read_costs_nothing(tmp_path: Path) -> None:
    gone = ServiceNotifier({"NOTIFY_SOCKET": f"{tmp_path}/gone"})
    gone.ready()
    gone.close()
    deaf = ServiceManager(f"{tmp_path}/deaf")
    notifier = ServiceNotifier({"NOTIFY_SOCKET": f"{tmp_path}/deaf"})
    for _ in range(5000):
        notifier.alive()
    notifier.close()
    deaf.socket.close()


def test_where_there_are_no_unix_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")
    notifier = ServiceNotifier({"NOTIFY_SOCKET": "/run/systemd/notify", "WATCHDOG_USEC": "1000000"})
    notifier.ready()
    assert notifier.watchdog is None


def test_the_environment_is_ours_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert ServiceNotifier().watchdog is None


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "me"}, None),
    ],
)
def test_how_long_the_watchdog_waits(variables: dict[str, str], seconds: float | None) -> None:
    assert ServiceNotifier({"NOTIFY_SOCKET": "/nowhere", **variables}).watchdog == seconds
