"""Rtpengines in memory, as good as dumb, and an engine that uses them.

That the real one does what is asked of it is shown in `tests/media/net/test_engines.py`.
"""

from random import Random
from typing import Any

from ichat_gw.call.media import (
    MediaAnswer,
    MediaLost,
    MediaOffer,
    MediaReady,
    MediaRefused,
    MediaRelease,
    MediaReoffer,
    MediaReply,
    MediaRequest,
    Side,
)
from ichat_gw.errors import GatewayError
from ichat_gw.media.engine import (
    EngineCommand,
    FromNode,
    MediaFor,
    NodeUnreachable,
    Statistics,
    StatisticsAsked,
    ToCall,
    ToNode,
)
from ichat_gw.media.rtpengine.bencode import decode, encode
from ichat_gw.media.rtpengine.engine import RtpEngine, RtpEngineConfig
from ichat_gw.media.rtpengine.transactions import LAST_WAIT, REPEATS
from tests.media.relaying import ICHAT, PHONE, sdp

CALLER, CALLEE = Side.CALLER, Side.CALLEE
GIVEN_UP = sum(REPEATS) + LAST_WAIT
CAROL = sdp("192.0.2.30", 40_000)
MOVED = sdp("192.0.2.11", 31_000)


class Rtpengine:
    """Answers what it is asked; or is `silent`, or `full`, or refuses everything because of a `fault`."""

    def __init__(self, host: str, first_port: int) -> None:
        self.host = host
        self.next_port = first_port
        self.silent = False
        self.full = False
        self.fault = ""
        self.spoils_sdp = False
        self.calls: dict[str, dict[str, int]] = {}
        """By call and by who is to send there: the port."""
        self.asked: list[dict[bytes, Any]] = []
        self.counts = {"caller": 0, "callee": 0}

    def hear(self, data: bytes) -> bytes | None:
        cookie, _, body = data.partition(b" ")
        request: dict[bytes, Any] = decode(body)  # type: ignore[assignment]
        self.asked.append(request)
        if self.silent:
            return None
        return cookie + b" " + encode(self._reply(request))

    def _reply(self, request: dict[bytes, Any]) -> dict[str, Any]:
        command = request[b"command"].decode()
        if command == "ping":
            return {"result": "pong"}
        call = request[b"call-id"].decode()
        if self.fault:
            return {"result": "error", "error-reason": self.fault}
        if command == "offer" and call not in self.calls:
            if self.full:
                return {"result": "load limit", "message": "Parallel session limit reached"}
            self.calls[call] = {}
        if call not in self.calls:
            return {"result": "error", "error-reason": "Unknown call-id"}
        if command in ("offer", "answer"):
            sender = "callee" if command == "offer" else "caller"
            host = {b"IP4": self.host, b"IP6": "2001:db8::e"}[request[b"address-family"]]
            port = self.calls[call].setdefault(sender + host, self.next_port)
            self.next_port += 2 * (port == self.next_port)
            return {"result": "ok", "sdp": "v=0\r\n" if self.spoils_sdp else sdp(host, port)}
        if command == "delete":
            del self.calls[call]
        streams = {
            side: {"medias": [{"streams": [{"stats": {"packets": count, "bytes": 172 * count}}]}]}
            for side, count in self.counts.items()
        }
        return {"result": "ok", "tags": streams}

    def told(self) -> list[tuple[str, str]]:
        """The commands since the last time, with where they say that the party is."""
        said = []
        for request in self.asked:
            text = request.get(b"sdp", b"").decode()
            lines = [line for line in text.splitlines() if line.startswith(("c=", "m="))]
            at = f"{lines[0].split()[-1]}:{lines[1].split()[1]}" if lines else ""
            said.append((request[b"command"].decode(), at))
        self.asked.clear()
        return said


class Scene:
    """An engine, one rtpengine or two, and what came out."""

    def __init__(self, nodes: int = 1, *, up: bool = True, **more: object) -> None:
        self.nodes = [Rtpengine(f"192.0.2.{100 + n}", 20_000 + 1_000 * n) for n in range(nodes)]
        config = RtpEngineConfig([f"192.0.2.{100 + n}:2223" for n in range(nodes)], **more)  # type: ignore[arg-type]
        self.engine = RtpEngine(config, self.local, Random(1))
        self.now = 100.0
        self.replies: list[tuple[str, MediaReply]] = []
        self.rest: list[EngineCommand] = []
        self.requests = 0
        if up:
            self.wait(0.0)
            assert self.engine.ready
            self.rest.clear()
            self.told()

    @staticmethod
    def local(host: str) -> str:
        if host == "nowhere":
            raise GatewayError("no way to it")
        return "2001:db8::1" if ":" in host else "192.0.2.1"

    def told(self, node: int = 0) -> list[tuple[str, str]]:
        return self.nodes[node].told()

    def ask(self, request: MediaRequest, call: str = "a") -> None:
        self._do(self.engine.receive(MediaFor(call, request), self.now))

    def query(self, call: str, query: int) -> Statistics:
        self._do(self.engine.receive(StatisticsAsked(call, query), self.now))
        said = self.rest.pop()
        assert isinstance(said, Statistics)
        return said

    def unreachable(self, node: int = 0) -> None:
        self._do(self.engine.receive(NodeUnreachable("Connection refused", node), self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass; all that is due happens at its moment."""
        end = self.now + seconds
        while (deadline := self.engine.deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self._do(self.engine.expire(self.now))
        self.now = end

    def _do(self, commands: list[EngineCommand]) -> None:
        for command in commands:
            match command:
                case ToCall(call, reply):
                    self.replies.append((call, reply))
                case ToNode(data, node):
                    if (answer := self.nodes[node].hear(data)) is not None:
                        self._do(self.engine.receive(FromNode(answer, node), self.now))
                case _:
                    self.rest.append(command)

    def number(self) -> int:
        self.requests += 1
        return self.requests

    def ready(self, request: MediaRequest, call: str = "a") -> str:
        self.ask(request, call)
        ((said, reply),) = self.replies
        self.replies.clear()
        assert isinstance(reply, MediaReady), reply
        assert said == call
        return reply.sdp

    def refused(self, request: MediaRequest, call: str = "a") -> MediaRefused:
        self.ask(request, call)
        return self.refusal(call)

    def refusal(self, call: str = "a") -> MediaRefused:
        said, reply = self.replies.pop(0)
        assert said == call
        assert isinstance(reply, MediaRefused), reply
        return reply

    def lost(self, call: str = "a") -> MediaLost:
        said, reply = self.replies.pop(0)
        assert said == call
        assert isinstance(reply, MediaLost), reply
        return reply

    def offer(self, text: str | None = PHONE, towards: str = "192.0.2.20", call: str = "a") -> str:
        return self.ready(MediaOffer(self.number(), CALLER, text, towards, to_ichat=True), call)

    def answer(self, text: str = ICHAT, towards: str = "192.0.2.10", call: str = "a") -> str:
        return self.ready(MediaAnswer(self.number(), CALLEE, text, towards), call)

    def talking(self, call: str = "a") -> None:
        self.offer(call=call)
        self.answer(call=call)
        for node in range(len(self.nodes)):
            self.told(node)

    def reoffer(self, side: Side, text: str | None, towards: str = "") -> str:
        return self.ready(MediaReoffer(self.number(), side, text, towards))

    def release(self, call: str = "a") -> None:
        self.ask(MediaRelease(), call)


NOWHERE = "0.0.0.0:9"
PHONE_AT, ICHAT_AT = "192.0.2.10:30000", "192.0.2.20:16402"
