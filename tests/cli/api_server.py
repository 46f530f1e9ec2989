"""An HTTP server in a thread that answers as a test wants, for commands that ask the API."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec

from ichat_gw.ops.api_routes import BASE

CONFIG = """\
JabberServer = 127.0.0.1
JabberComponentName = gw.example
JabberComponentPassword = geheim
JabberControlUsername = control
HttpPort = {port}
HttpAuth = on
HttpAuthPwd = open sesame
"""


class ApiServer:
    """`answers` are by method and path behind the API's base; `asked` is what came."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.raw: Callable[[BaseHTTPRequestHandler], None] | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(f"{request.command} {request.path.removeprefix(BASE)}")
        self.headers.append(dict(request.headers))
        if self.raw is not None:
            self.raw(request)
            return
        status, body = self.answers.get(self.asked[-1], (404, b'{"error": "no such thing"}'))
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def says(self, question: str, value: object, status: int = 200) -> None:
        self.answers[question] = status, msgspec.json.encode(value)

    def configuration(self, folder: Path) -> Path:
        """A file that leads here, beside others' mistakes that do not matter."""
        file = folder / "ichat-gw.config"
        file.write_text(CONFIG.format(port=self.port) + "MaxCalls = many\n")
        return file


@contextlib.contextmanager
def api_server() -> Iterator[ApiServer]:
    server = ApiServer()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        thread.join()
        server.http.server_close()
