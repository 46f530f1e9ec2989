"""A client of the JSON API of a running gateway (`ichat_gw.ops.api`).

It never waits for ever: connecting, each answer, and all together have their time. Whatever is wrong is said
with the remedy, and with an exit status of its own.
"""

import argparse
import base64
import contextlib
import http.client
import math
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from ichat_gw.cli.configuration import WrongConfiguration, add_config
from ichat_gw.cli.exits import Exit
from ichat_gw.config.load import some_of
from ichat_gw.config.problem import ConfigError
from ichat_gw.config.source import DEFAULT_FILE
from ichat_gw.errors import GatewayError
from ichat_gw.ops.api import ErrorReply, NotUnderstood, decode
from ichat_gw.ops.api_routes import ASKING_HEADER, BASE

V = TypeVar("V")

SECONDS = 5.0
"""For the gateway to say something, unless told otherwise."""
LONGEST = 12
"""All of an answer may take so many times as long."""
MOST = 256 * 1024 * 1024
"""Bytes of an answer; a trace of a long call has some megabytes."""


class NoGateway(GatewayError):
    """Nobody answers, or nobody who is an ichat-gw."""

    exit = Exit.UNREACHABLE


class PasswordRefused(GatewayError):
    """The gateway wants a password, or another one."""

    exit = Exit.REFUSED


class NotThere(GatewayError):
    """The gateway does not know what was asked for."""

    exit = Exit.NOT_FOUND


class NotDone(GatewayError):
    """The gateway refuses, or cannot."""

    exit = Exit.FAILED


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gateway is, and what it is told."""

    host: str
    port: int
    secure: bool = False
    path: str = ""
    """What stands before the API's own path, where a proxy wants that."""
    password: str = ""
    file: str = ""
    """The configuration that named it, for the errors; "" where --url did."""
    password_from: str = ""
    """What gave the password, for the errors: a file or a flag."""

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"

    @property
    def port_remedy(self) -> str:
        """What to look at when nobody is there, as the second half of a question."""
        return f"with the HttpPort of {self.file}" if self.file else "is that its HttpPort"


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Add what says where the gateway is."""
    add_config(parser)
    parser.add_argument(
        "--url",
        help="where the gateway is, such as http://127.0.0.1:5090; otherwise the configuration says it",
    )
    parser.add_argument(
        "--password-file",
        metavar="FILE",
        help="a file whose first line is the password (HttpAuthPwd); otherwise the configuration has it",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=SECONDS,
        help=f"how long the gateway may take to answer ({SECONDS:g})",
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds") from None
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError("more than 0 seconds are needed")
    return seconds


class Client:
    """Asks one gateway. Each question is a connection of its own."""

    def __init__(self, place: Place, seconds: float = SECONDS) -> None:
        self._place = place
        self._seconds = seconds

    def get(self, path: str, kind: type[V], **query: str) -> V:
        """Ask for a value of the API. Raises GatewayError."""
        body = self.read(path, **query)
        return _decoded(body, kind, self._place)

    def read(self, path: str, **query: str) -> bytes:
        """Ask for a file. Raises GatewayError."""
        asked = {name: value for name, value in query.items() if value}
        status, body = self._ask("GET", path + (f"?{urlencode(asked)}" if asked else ""))
        if status != 200:
            raise self._refusal(status, body)
        return body

    def post(self, path: str, kind: type[V]) -> V:
        """Have something done. An answer that it was not is an answer, too. Raises GatewayError."""
        status, body = self._ask("POST", path)
        if status not in (200, 422):
            raise self._refusal(status, body)
        return _decoded(body, kind, self._place)

    # --- HTTP ---------------------------------------------------------------------------------------------

    def _ask(self, method: str, path: str) -> tuple[int, bytes]:
        place = self._place
        try:
            with self._connection() as connection:
                connection.request(method, f"{place.path}{BASE}{path}", headers=self._headers(method))
                response = connection.getresponse()
                body = response.read(MOST + 1)
        except TimeoutError:
            raise NoGateway(
                f"the gateway at {place} does not answer within {self._seconds:g} seconds; its log may say "
                "why, --timeout gives it longer"
            ) from None
        except ConnectionRefusedError:
            raise NoGateway(
                f"no gateway answers at {place}; is it running, and {place.port_remedy}?"
            ) from None
        except socket.gaierror as error:
            raise NoGateway(f"the name {place.host} cannot be resolved: {error.strerror}") from None
        except ssl.SSLError as error:
            raise NoGateway(f"no TLS with {place}: {error.reason or error}; is it http:// there?") from None
        except http.client.HTTPException as error:
            raise NoGateway(
                f"what answers at {place} is no ichat-gw ({type(error).__name__}); see HttpPort"
            ) from None
        except OSError as error:
            raise NoGateway(f"the gateway at {place} cannot be asked: {error.strerror or error}") from None
        if len(body) > MOST:
            raise NotDone(f"the answer has more than {MOST >> 20} MB")
        return response.status, body

    @contextlib.contextmanager
    def _connection(self) -> Iterator[http.client.HTTPConnection]:
        place = self._place
        connection: http.client.HTTPConnection
        if place.secure:
            connection = http.client.HTTPSConnection(place.host, place.port, timeout=self._seconds)
        else:
            connection = http.client.HTTPConnection(place.host, place.port, timeout=self._seconds)
        late = threading.Event()
        # Kept here, because the connection forgets it when the response is to be its last.
        sockets: list[socket.socket] = []

        def give_up() -> None:
            # Who sends a byte now and then is no better than who sends none.
            late.set()
            for each in sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(self._seconds * LONGEST, give_up)
        timer.daemon = True
        timer.start()
        try:
            connection.connect()
            sockets.append(connection.sock)
            yield connection
            if late.is_set():
                raise TimeoutError
        except (OSError, http.client.HTTPException):
            if late.is_set():
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()
            connection.close()

    def _headers(self, method: str) -> dict[str, str]:
        headers = {"Accept": "application/json, */*;q=0.5", "User-Agent": "ichat-gw"}
        if method == "POST":
            headers[ASKING_HEADER] = "1"
        if self._place.password:
            pair = f"ichat-gw:{self._place.password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return headers

    def _refusal(self, status: int, body: bytes) -> GatewayError:
        place = self._place
        if status == 401:
            if place.password:
                return PasswordRefused(
                    f"the gateway at {place} wants another password than that of {place.password_from}: the "
                    "HttpAuthPwd that it runs with. If that was just changed, reload by SIGHUP, or give the "
                    "old one with --password-file"
                )
            return PasswordRefused(
                f"the gateway at {place} wants a password, HttpAuthPwd of its configuration: name that file "
                "with -c, or one with the password alone with --password-file"
            )
        try:
            reply = decode(body, ErrorReply)
        except NotUnderstood:
            return NoGateway(f"what answers at {place} is no ichat-gw (status {status}); see HttpPort")
        text = f"{reply.error}; {reply.remedy}" if reply.remedy else reply.error
        return NotThere(text) if status == 404 else NotDone(text)


def client_of(arguments: argparse.Namespace) -> Client:
    """A client of the gateway that the command line names. Raises GatewayError."""
    password = _password_of(arguments.password_file)
    if arguments.url is not None:
        return Client(_place_of(arguments.url, password or ""), arguments.timeout)
    return Client(_configured(arguments.config, password), arguments.timeout)


def quoted(call: str) -> str:
    """The id of a call, as a part of a path."""
    return quote(call, safe="")


def _decoded(body: bytes, kind: type[V], place: Place) -> V:
    try:
        value: Any = decode(body, kind)  # type: ignore[type-var]
    except NotUnderstood as error:
        raise NoGateway(f"{place}: {error}") from error
    return value  # type: ignore[no-any-return]


def _place_of(url: str, password: str) -> Place:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WrongConfiguration(f"--url: {url!r} is no address such as http://127.0.0.1:5090")
    secure = parts.scheme == "https"
    return Place(
        parts.hostname,
        port or (443 if secure else 80),
        secure,
        parts.path.rstrip("/"),
        password,
        password_from="--password-file",
    )


def _configured(config: str | None, password: str | None) -> Place:
    """Where the gateway of a configuration serves its API; other mistakes in the file do not matter."""
    file = config or DEFAULT_FILE
    try:
        values = some_of(file, ("http_port", "http_address", "http_auth", "http_auth_pwd"))
    except ConfigError as error:
        text = str(error)
        if Path(file).exists() and not os.access(file, os.R_OK):
            remedy = "be the gateway's user (sudo -u), or use --url and --password-file"
            text = f"{file} cannot be read by this user; {remedy}"
        raise WrongConfiguration(text) from error
    if not values["http_port"]:
        raise NoGateway(
            f"{file} says HttpPort = 0, so the gateway has no status page and no API; set it to a port and "
            "start the gateway again"
        )
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(values["http_address"], values["http_address"])
    source = "--password-file"
    if password is None:
        password = values["http_auth_pwd"].get_secret_value() if values["http_auth"] else ""
        source = file
    return Place(host, values["http_port"], password=password, file=file, password_from=source)


def _password_of(file: str | None) -> str | None:
    if file is None:
        return None
    try:
        return Path(file).read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise WrongConfiguration(f"--password-file: {file} cannot be read: {reason}") from error
