"""Everything that a call needs, on loopback: XMPP server, gateway, a simulated iChat and a SIPp phone."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from slixmpp.exceptions import IqError, IqTimeout

from peers.gateway import GatewayProcess
from peers.ichat import SimulatedIChat
from peers.prosody import PrivateProsody
from peers.sightings import NotSeenError
from peers.sip_phone import SippPhone
from peers.xmpp_server import XmppServer

SPEED_DIAL = "5551234"


class Stage:
    """Start it once, play any number of calls on it."""

    def __init__(
        self,
        directory: Path,
        *,
        rules: Sequence[tuple[str, str]] = (),
        settings: Mapping[str, str] | None = None,
        server: type[XmppServer] = PrivateProsody,
    ) -> None:
        self.directory = directory
        self.prosody = server(directory / server.name)
        """The XMPP server, Prosody unless another was asked for."""
        self.phone = SippPhone(directory / "sipp")
        self.gateway = GatewayProcess(
            directory / "gateway", self.prosody, self.phone.port, rules=rules, settings=settings
        )
        self.ichat = SimulatedIChat(self.prosody, "alice")

    @property
    def speed_dial(self) -> str:
        """The SIP phone in alice's buddy list."""
        return self.gateway.jid(SPEED_DIAL)

    async def start(self) -> None:
        """Start all, log alice in, and have her subscribe to the control JID and to the speed dial."""
        await self.prosody.start_async()
        await self.gateway.start_async()
        await self.ichat.log_in()
        await self.ichat.subscribe(self.gateway.control)
        await self.ichat.subscribe(self.speed_dial)
        await self.settle()

    async def stop(self) -> None:
        """End all, the gateway first; raises AssertionError when that does not end in order."""
        try:
            if self.gateway.program.running:
                await self.gateway.stop_async()
        finally:
            await self.clean_up()

    async def clean_up(self) -> None:
        """End all, whatever state it is in."""
        self.phone.stop()
        self.gateway.destroy()
        await self.ichat.log_out()
        await self.prosody.stop_async()

    async def hang_up(self) -> None:
        """End the call that a test has left when it failed, so that the next one finds none."""
        sip = self.ichat.sip
        if sip.calls and not sip.call.over:
            self.ichat.forget()
            sip.hang_up()
            with contextlib.suppress(NotSeenError):  # the gateway may have ended it, or be gone
                await self.ichat.wait_for("SIP 200 BYE", within=5.0)

    async def settle(self, within: float = 30.0) -> None:
        """Wait until the gateway knows alice's present state, and begin a new page of sightings.

        XMPP keeps the order between two parties, so the answer to a question proves that what was sent
        before the question has arrived.
        """
        namespace = "http://jabber.org/protocol/disco#info"
        await self.ichat.query(self.gateway.control, namespace, within=within)
        self.ichat.forget()

    async def connected(self, within: float = 60.0) -> None:
        """`settle`, as soon as the component is connected (again)."""
        give_up = time.monotonic() + within
        while True:
            try:
                await self.settle(within=3.0)
            except (IqError, IqTimeout):
                if time.monotonic() > give_up:
                    raise
                await asyncio.sleep(0.1)
            else:
                return

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.clean_up()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await (self.stop() if error is None else self.clean_up())
