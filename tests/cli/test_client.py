"""How commands ask a gateway: what is wrong is said with the remedy, and nobody waits for ever."""

import base64
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from ichat_gw.cli import client
from ichat_gw.cli.commands import run_command
from ichat_gw.cli.exits import Exit
from ichat_gw.ops.api import Calls, ErrorReply
from tests.cli.api_server import ApiServer, api_server
from tests.peers.ports import free_port


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    monkeypatch.chdir(tmp_path)
    with api_server() as running:
        running.configuration(tmp_path)
        yield running


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_the_configuration_says_where_and_the_password(server: ApiServer) -> None:
    server.says("GET /calls", Calls())
    assert run_command(["calls"]) == Exit.OK
    assert server.headers[0]["Authorization"] == "Basic " + base64.b64encode(b"ichat-gw:open sesame").decode()


def test_a_url_and_a_password_file_instead(server: ApiServer, tmp_path: Path) -> None:
    (tmp_path / "ichat-gw.config").unlink()
    (tmp_path / "password").write_text("sésame \nsecond line\n")
    server.says("GET /calls", Calls())
    url = f"http://127.0.0.1:{server.port}/"
    assert run_command(["calls", "--url", url]) == Exit.OK
    assert "Authorization" not in server.headers[0]
    assert run_command(["calls", "--url", url, "--password-file", "password"]) == Exit.OK
    assert server.headers[1]["Authorization"].endswith(base64.b64encode("ichat-gw:sésame".encode()).decode())


@pytest.mark.parametrize("url", ["127.0.0.1:5090", "ftp://a", "http://", "http://a:port", "http://[::1"])
def test_a_url_that_is_none(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["calls", "--url", url]) == Exit.WRONG
    assert "is no address such as http://127.0.0.1:5090" in told(capsys)


def test_nobody_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    assert run_command(["status", "--url", f"http://127.0.0.1:{port}"]) == Exit.UNREACHABLE
    said = f"no gateway answers at 127.0.0.1 port {port}; is it running, and is that its HttpPort?"
    assert said in told(capsys)


def test_a_name_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["status", "--url", "http://no-such-host.invalid"]) == Exit.UNREACHABLE
    assert "cannot be resolved" in told(capsys)


def test_http_port_is_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.config"
    file.write_text("HttpPort = 0\n")
    assert run_command(["status", "-c", str(file)]) == Exit.UNREACHABLE
    assert "HttpPort = 0, so the gateway has no status page" in told(capsys)


@pytest.mark.parametrize(("address", "host"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("::1", "::1")])
def test_a_gateway_at_all_addresses_is_asked_at_loopback(tmp_path: Path, address: str, host: str) -> None:
    file = tmp_path / "my.config"
    file.write_text(f"HttpAddress = {address}\n")
    place = client._configured(str(file), None)
    assert (place.host, place.port, place.password) == (host, 5090, "")


def test_a_setting_that_says_where_and_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.config"
    file.write_text("HttpPort = none\nNonsense\n")
    assert run_command(["status", "-c", str(file)]) == Exit.WRONG
    assert f"{file}:1: HttpPort: 'none' is no whole number" in told(capsys)
    assert run_command(["status", "-c", str(tmp_path)]) == Exit.WRONG
    assert "the file cannot be read: Is a directory" in told(capsys)


def test_a_file_that_only_the_gateway_may_read(
    server: ApiServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    monkeypatch.setattr(client.os, "access", lambda *_: False)
    assert run_command(["status"]) == Exit.WRONG
    assert "be the gateway's user (sudo -u), or use --url and --password-file" in told(capsys)


def test_a_password_file_that_cannot_be_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run_command(["status", "--password-file", str(tmp_path / "no")]) == Exit.WRONG
    assert "No such file" in told(capsys)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert run_command(["status", "--password-file", str(tmp_path / "binary")]) == Exit.WRONG
    assert "it is no UTF-8 text" in told(capsys)


def test_a_wrong_password_and_none(
    server: ApiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.says("GET /status", ErrorReply(error="a password is needed"), 401)
    assert run_command(["status"]) == Exit.REFUSED
    assert "wants another password than that of ichat-gw.config" in told(capsys)
    (tmp_path / "password").write_text("open barley\n")
    assert run_command(["status", "--password-file", "password"]) == Exit.REFUSED
    assert "wants another password than that of --password-file" in told(capsys)
    assert run_command(["status", "--url", f"http://127.0.0.1:{server.port}"]) == Exit.REFUSED
    assert "wants a password, HttpAuthPwd of its configuration" in told(capsys)


def test_what_it_does_not_know_and_what_it_cannot_do(
    server: ApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = ErrorReply(error="no such call is known", remedy="look into the records")
    server.says("GET /calls/a%2F1/trace.txt", gone, 404)
    assert run_command(["trace", "a/1"]) == Exit.NOT_FOUND
    assert told(capsys) == "ichat-gw: no such call is known; look into the records\n"
    server.says("GET /users", ErrorReply(error="too busy"), 503)
    assert run_command(["users"]) == Exit.FAILED
    assert told(capsys) == "ichat-gw: too busy\n"


@pytest.mark.parametrize("body", [b"<html>It works!</html>", b'{"calls": 7}', b"\xff", b"[]"])
def test_what_answers_is_no_gateway(
    server: ApiServer, body: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers["GET /calls"] = 200, body
    assert run_command(["calls"]) == Exit.UNREACHABLE
    assert "is it ichat-gw that answers?" in told(capsys)
    server.answers["GET /calls"] = 404, body
    assert run_command(["calls"]) == Exit.UNREACHABLE
    assert "is no ichat-gw (status 404)" in told(capsys)


def test_what_answers_is_no_http(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"220 mail.example ESMTP\r\n")
                connection.recv(4096)

        thread = threading.Thread(target=greet)
        thread.start()
        port = listening.getsockname()[1]
        assert run_command(["calls", "--url", f"http://127.0.0.1:{port}"]) == Exit.UNREACHABLE
        thread.join()
    assert "is no ichat-gw (BadStatusLine); see HttpPort" in told(capsys)


def test_tls_where_there_is_none(server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["calls", "--url", f"https://127.0.0.1:{server.port}"]) == Exit.UNREACHABLE
    assert "is it http:// there?" in told(capsys)


def test_who_says_nothing_is_not_waited_for(server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    going_on = threading.Event()

    def wait(request: BaseHTTPRequestHandler) -> None:
        going_on.wait(5)

    server.raw = wait
    assert run_command(["calls", "--timeout", "0.1"]) == Exit.UNREACHABLE
    going_on.set()
    assert "does not answer within 0.1 seconds" in told(capsys)


def test_who_says_a_little_for_ever_is_not_waited_for(
    server: ApiServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LONGEST", 2)

    def dribble(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "100000")
        request.end_headers()
        try:
            for _ in range(1000):
                request.wfile.write(b" ")
                time.sleep(0.02)
        except OSError:
            pass

    server.raw = dribble
    assert run_command(["calls", "--timeout", "0.2"]) == Exit.UNREACHABLE
    assert "does not answer within 0.2 seconds" in told(capsys)


def test_an_answer_without_end(
    server: ApiServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MOST", 1 << 20)
    server.answers["GET /calls"] = 200, b" " * (1 << 21)
    assert run_command(["calls"]) == Exit.FAILED
    assert "more than 1 MB" in told(capsys)


@pytest.mark.parametrize("seconds", ["0", "-1", "inf", "nan", "soon"])
def test_a_time_that_is_none(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run_command(["calls", "--timeout", seconds])
    assert left.value.code == Exit.WRONG
