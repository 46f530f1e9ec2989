"""A user agent on a real socket, with an owner that answers, for tests against SIP programs."""

import asyncio
import secrets
from collections.abc import Callable

from ichat_gw.call.leg import Answer, Ring
from ichat_gw.sip.events import FromSession, InviteReceived, Lookup, Send, ToSession, UserAgentEvent
from ichat_gw.sip.net.tls import TlsFiles
from ichat_gw.sip.net.transports import TransportConfig, Transports
from ichat_gw.sip.user_agent import UserAgent, UserAgentConfig
from peers.ports import free_port
from tests.sip.ladder import sdp


class Shell:
    """Rings and answers every call, and notes what the sessions say."""

    def __init__(self, config: UserAgentConfig | None = None) -> None:
        self.agent = UserAgent(config or UserAgentConfig(), lambda: secrets.token_hex(8))
        self.calls = 0
        self.sdp = sdp("answer").replace("192.0.2.9", "127.0.0.1")
        self.said: list[FromSession] = []
        self.on_event: Callable[[FromSession], None] = self.said.append
        self._timer: asyncio.TimerHandle | None = None
        self.endpoint: Transports

    async def open(self, port: int = 0, host: str = "127.0.0.1", tls: TlsFiles | None = None) -> "Shell":
        config = TransportConfig(host, port or free_port(), free_port(), tls or TlsFiles())
        self.endpoint = await Transports.open(config, self.act, lambda level, event, fields: None)
        return self

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self.endpoint.close()

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def act(self, event: UserAgentEvent) -> None:
        self._do(self.agent.receive(event, self.now))

    def _expire(self) -> None:
        self._do(self.agent.expire(self.now))

    def _do(self, commands: list[object]) -> None:
        for command in commands:
            match command:
                case Send():
                    self.endpoint.send(command)
                case Lookup():
                    self.endpoint.lookup(command)
                case InviteReceived(session=session):
                    self.calls += 1
                    self.act(ToSession(session, Ring()))
                    self.act(ToSession(session, Answer(self.sdp)))
                case FromSession():
                    self.on_event(command)
        if self._timer is not None:
            self._timer.cancel()
        when = self.agent.deadline()
        self._timer = None if when is None else asyncio.get_running_loop().call_at(when, self._expire)
