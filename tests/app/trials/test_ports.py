"""Ports that are tried, and who has those that are taken."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator

import psutil
import pytest

from app.trials.conftest import Configure
from ichat_gw.app.trials import ports as module
from ichat_gw.app.trials.ports import gateway_runs, try_ports
from ichat_gw.app.trials.trial import Trial
from tests.peers.ports import free_port, free_ports


def lines() -> dict[str, object]:
    media = free_ports(20)
    return {
        "UDPTCPPort": free_port(),
        "TLSPort": free_port(),
        "GatewayIPCPort": free_port(),
        "JabberConnectorIPCPort": free_port(),
        "HttpPort": free_port(),
        "MediaRelayPortRangeMin": media,
        "MediaRelayPortRangeMax": media + 19,
    }


def tried(configure: Configure, given: dict[str, object], tls: bool = False) -> list[Trial]:
    return list(try_ports(configure(**given).settings, tls))


def of(trials: list[Trial], setting: str) -> list[tuple[str, str]]:
    return [(trial.outcome, trial.text) for trial in trials if trial.subject == setting]


@contextlib.contextmanager
def taken(kind: socket.SocketKind, port: object, host: str = "127.0.0.1") -> Iterator[None]:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as holder:
        holder.bind((host, int(str(port))))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        yield


def test_all_are_free(configure: Configure) -> None:
    given = lines()
    found = tried(configure, given)
    assert {trial.outcome for trial in found} == {"ok"}
    assert of(found, "UDPTCPPort") == [
        ("ok", f"UDP 127.0.0.1:{given['UDPTCPPort']} is free"),
        ("ok", f"TCP 127.0.0.1:{given['UDPTCPPort']} is free"),
    ]
    assert of(found, "TLSPort") == []
    assert of(tried(configure, given, tls=True), "TLSPort")
    assert not gateway_runs(configure(**given).settings)


def test_all_adapters_in_both_families(configure: Configure) -> None:
    found = tried(configure, lines() | {"IPAddress": ""}, tls=True)
    assert [text.split(":")[0] for _, text in of(found, "TLSPort")] == ["TCP 0.0.0.0", "TCP ["]


def test_who_has_a_port_is_named(configure: Configure) -> None:
    given = lines()
    with taken(socket.SOCK_DGRAM, given["UDPTCPPort"]), taken(socket.SOCK_STREAM, given["HttpPort"]):
        found = tried(configure, given)
    (udp, tcp), (page,) = of(found, "UDPTCPPort"), of(found, "HttpPort")
    assert tcp[0] == "ok"
    assert (udp[0], page[0]) == ("failed", "failed")
    assert f"UDP 127.0.0.1:{given['UDPTCPPort']} is taken by " in udp[1]
    assert f"(process {os.getpid()})" in udp[1]
    assert f"(process {os.getpid()})" in page[1]


def test_who_is_left_out_of_a_list_is_looked_for_in_the_next(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of Linux may lack a socket while others are closed."""
    given, everything, looks = lines(), module.psutil.net_connections, []

    def list_all(kind: str) -> list[object]:
        looks.append(kind)
        return [each for each in everything(kind) if len(looks) > 1 or each.pid != os.getpid()]

    monkeypatch.setattr(module.psutil, "net_connections", list_all)
    with taken(socket.SOCK_DGRAM, given["GatewayIPCPort"]), taken(socket.SOCK_STREAM, given["HttpPort"]):
        found = tried(configure, given)
    for setting in ("GatewayIPCPort", "HttpPort"):
        assert f"(process {os.getpid()})" in of(found, setting)[0][1]
    assert 2 <= len(looks) <= module.MOST_LOOKS


def test_a_gateway_that_runs_has_its_ports(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    given = lines()
    monkeypatch.setattr(module, "_program", lambda pid: f"ichat-gw (process {pid})")
    media = given["MediaRelayPortRangeMin"]
    with (
        taken(socket.SOCK_DGRAM, given["UDPTCPPort"]),
        taken(socket.SOCK_DGRAM, given["GatewayIPCPort"]),
        taken(socket.SOCK_DGRAM, media),
    ):
        found = tried(configure, given)
        assert gateway_runs(configure(**given).settings)
    assert {trial.outcome for trial in found} == {"ok"}
    assert any("which runs already" in trial.text for trial in found)
    assert of(found, "MediaRelayPortRangeMin")[0][1].endswith("1 are in use, by the gateway that runs")


def test_another_gateway_has_a_port(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    given = lines()
    monkeypatch.setattr(module, "_program", lambda pid: f"ichat-gw (process {pid})")
    with taken(socket.SOCK_DGRAM, given["UDPTCPPort"]):
        udp, tcp = of(tried(configure, given), "UDPTCPPort")
    assert udp[0] == "failed"
    assert udp[1].endswith("another gateway")
    assert tcp[0] == "ok"


def test_ports_of_the_relay_that_others_use(configure: Configure) -> None:
    given = lines()
    first = int(str(given["MediaRelayPortRangeMin"]))
    with taken(socket.SOCK_DGRAM, first):
        ((outcome, text),) = of(tried(configure, given), "MediaRelayPortRangeMin")
        assert (outcome, text.endswith(f"1 are in use: {first}")) == ("ok", True)
        with contextlib.ExitStack() as many:
            for number in range(1, 7):
                many.enter_context(taken(socket.SOCK_DGRAM, first + number))
            ((outcome, text),) = of(tried(configure, given), "MediaRelayPortRangeMin")
    assert outcome == "warning"
    assert text.endswith(f"7 are in use: {first}, {first + 1}, {first + 2}, {first + 3}, {first + 4}, ...")


def test_an_address_that_is_not_ours(configure: Configure) -> None:
    found = tried(configure, lines() | {"IPAddress": "192.0.2.1"})
    assert of(found, "IPAddress") == [("failed", "192.0.2.1 is no address of this machine")]
    assert of(found, "UDPTCPPort") == of(found, "MediaRelayPortRangeMin") == []
    found = tried(configure, lines() | {"IPAddress": "2001:db8::1"})
    assert of(found, "IPAddress")[0] == ("failed", "2001:db8::1 is no address of this machine")


def test_no_status_page_and_no_relay_of_ours(configure: Configure) -> None:
    more = {"HttpPort": 0, "MediaEngine": "rtpengine", "RtpengineAddress": "127.0.0.1"}
    found = tried(configure, lines() | more)
    assert of(found, "HttpPort")[0][0] == "skipped"
    assert of(found, "MediaRelayPortRangeMin") == []


def test_what_the_kernel_refuses(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(number: int) -> list[tuple[str, str]]:
        error = OSError(number, os.strerror(number))
        monkeypatch.setattr(module, "_refused", lambda *_: error)
        return of(tried(configure, lines() | {"IPAddress": ""}), "UDPTCPPort")

    assert "cannot be opened: Permission denied" in refused(errno.EACCES)[0][1]
    assert refused(errno.EMFILE)[0][0] == "failed"
    assert refused(errno.EAFNOSUPPORT)[2][0] == "skipped"


def test_a_system_that_tells_nothing_of_processes(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> None:
        raise psutil.AccessDenied

    given = lines()
    with taken(socket.SOCK_DGRAM, given["UDPTCPPort"]):
        monkeypatch.setattr(module.psutil, "net_connections", denied)
        assert "is taken by another program" in of(tried(configure, given), "UDPTCPPort")[0][1]


def test_the_names_of_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Process:
        def __init__(self, pid: int) -> None:
            if pid == 9:
                raise psutil.NoSuchProcess(pid)
            self.pid = pid

        def cmdline(self) -> list[str]:
            return {
                1: ["/usr/bin/python3", "/opt/bin/ichat-gw", "-c", "x"],
                2: ["python", "-m", "ichat_gw.media.net.worker_start"],
            }.get(self.pid, ["nginx"])

        def name(self) -> str:
            return "nginx"

    monkeypatch.setattr(module.psutil, "Process", Process)
    assert module._program(1) == "ichat-gw (process 1)"
    assert module._program(2).startswith("ichat-gw media")
    assert module._program(3) == "nginx (process 3)"
    assert module._program(9) == "process 9"
