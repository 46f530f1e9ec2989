"""The component connection that is tried: refused names and passwords, servers of other kinds."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.trials.conftest import Configure
from ichat_gw.app.trials import jabber_server as module
from ichat_gw.app.trials.jabber_server import try_jabber_server
from ichat_gw.app.trials.trial import Trial
from tests.peers.ejabberd import PrivateEjabberd
from tests.peers.ports import free_port
from tests.peers.prosody import PrivateProsody
from tests.peers.xmpp_server import XmppServer

OPENING = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' id='3BF96D32' "
    b"xmlns:stream='http://etherx.jabber.org/streams' from='gw.example'>"
)


@contextlib.contextmanager
def server(*says: bytes, hold: bool = False, reset: bool = False) -> Iterator[tuple[int, list[bytes]]]:
    """Says the next thing each time it hears something, then closes; `reset`: without hearing the rest."""
    heard: list[bytes] = []
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                for word in says:
                    heard.append(connection.recv(4096))
                    connection.sendall(word)
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if hold:
                    done.wait(5)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1], heard
        done.set()
        thread.join()


def tried(configure: Configure, port: int, runs: bool = False, **lines: object) -> list[Trial]:
    return list(try_jabber_server(configure(JabberComponentPort=port, **lines).settings, runs))


def test_a_component_that_is_taken(configure: Configure) -> None:
    with server(OPENING, b"<handshake/>") as (port, heard):
        first, second = tried(configure, port)
    assert (first.outcome, second.outcome) == ("ok", "ok")
    assert second.text == "the server takes gw.example with this password"
    assert b'to="gw.example"' in heard[0]
    # SHA-1 of the stream's id and the password (XEP-0114 section 3).
    assert heard[1] == b"<handshake>2791b43321ba38ab171dde3eb2f3a3e8b01fa411</handshake>"


@pytest.mark.parametrize(
    ("condition", "setting"),
    [
        ("not-authorized", "JabberComponentPassword"),
        ("host-unknown", "JabberComponentName"),
        ("conflict", "JabberComponentName"),
        ("policy-violation", "JabberComponentName"),
    ],
)
def test_a_component_that_is_refused(configure: Configure, condition: str, setting: str) -> None:
    error = (
        f"<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>So it is</text></stream:error>"
    )
    with server(OPENING, error.encode()) as (port, _):
        _, trial = tried(configure, port)
    assert (trial.subject, trial.outcome) == (setting, "failed")
    assert f"the server refuses gw.example: {condition} (So it is)" in trial.text
    assert trial.remedy


def test_a_refusal_before_the_handshake(configure: Configure) -> None:
    error = (
        OPENING + b"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
    )
    with server(error, b"</stream:stream>") as (port, _):
        _, trial = tried(configure, port)
    assert "host-unknown" in trial.text


def test_a_refusal_of_a_server_that_is_gone_when_the_handshake_comes(configure: Configure) -> None:
    error = (
        OPENING + b"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
    )
    with server(error, reset=True) as (port, _):
        _, trial = tried(configure, port)
    assert (trial.subject, trial.outcome) == ("JabberComponentName", "failed")


def test_a_gateway_that_runs_is_not_disturbed(configure: Configure) -> None:
    with server() as (port, heard):
        first, second = tried(configure, port, runs=True)
    assert (first.outcome, second.outcome) == ("ok", "skipped")
    assert heard == []


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ((b"SSH-2.0-OpenSSH_9.2\r\n",), "it speaks no XML"),
        ((b"<html>", b""), "it opens with <html>"),
        ((b"",), "it closes the connection"),
        ((OPENING, b""), "it closes the connection"),
        ((OPENING + b" " * 100_000,), "it sends much, but no XMPP"),
    ],
)
def test_servers_that_take_no_components(configure: Configure, says: tuple[bytes, ...], why: str) -> None:
    with server(*says) as (port, _):
        _, trial = tried(configure, port)
    assert (trial.subject, trial.outcome) == ("JabberComponentPort", "failed")
    assert why in trial.text or "reset" in trial.text


def test_a_server_that_says_nothing(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.2)
    with server(b"", hold=True) as (port, _):
        _, trial = tried(configure, port)
    assert "it says nothing" in trial.text


def test_no_server(configure: Configure) -> None:
    (trial,) = tried(configure, free_port())
    assert (trial.subject, trial.outcome) == ("JabberServer", "failed")
    assert "Connection refused" in trial.text
    (trial,) = tried(configure, 5275, JabberServer="no-such-host.invalid")
    assert "cannot be resolved" in trial.text


@pytest.mark.e2e
@pytest.mark.parametrize("kind", [PrivateProsody, PrivateEjabberd], ids=lambda kind: kind.name)
def test_with_real_servers(kind: type[XmppServer], configure: Configure, tmp_path: Path) -> None:
    with kind(tmp_path / kind.name) as running:
        right = {
            "JabberComponentName": running.component,
            "JabberComponentPassword": running.component_secret,
        }

        def outcome(port: int, **wrong: object) -> tuple[str, str]:
            trial = tried(configure, port, **right | wrong)[-1]
            return trial.outcome, trial.subject

        port = running.component_port
        assert outcome(port) == ("ok", "JabberComponentPassword")
        assert outcome(port, JabberComponentPassword="wrong") == ("failed", "JabberComponentPassword")
        unknown = "JabberComponentPassword" if kind is PrivateEjabberd else "JabberComponentName"
        assert outcome(port, JabberComponentName="nobody.example") == ("failed", unknown)
        assert outcome(running.client_port) in [
            ("failed", name) for name in ("JabberComponentPort", "JabberComponentName")
        ], "Prosody says that it knows no such domain, before it looks at the namespace"
