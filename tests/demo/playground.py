"""A gateway to play with: it stays, with servers and users on loopback, until Ctrl-C.

Who is there: `alice`, a simulated iChat, and a SIPp phone, which call each other every few seconds so that
there is something to see; `bob`, a simulated iChat that answers whoever calls him, and calls whom he is told
to by chat; `carol`, an account for your own XMPP client; and a SIP phone, `100`, which is baresip.
"""

import asyncio
import itertools
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from peers import flows
from peers.audio import samples_of, stream_pcmu
from peers.baresip import Baresip
from peers.flows import Played
from peers.ichat import SimulatedIChat
from peers.ports import accepts_tcp, free_port
from peers.stage import Stage

PHONE = "100"
FLOW_WITHIN = 20.0
"""Seconds for one call."""
SOUND_PACKETS = 50 * 60
"""How long the phone can talk, in packets of 20 ms: COMPAT, baresip: the end of its source ends its call."""
FOREVER = 10 * 365 * 86_400.0

CALLS: tuple[tuple[str, Callable[[Stage], Awaitable[Played]]], ...] = (
    ("alice's iChat calls the phone", flows.ichat_calls_established),
    ("the phone calls alice's iChat", flows.sip_calls_established),
    ("the phone calls alice, who declines", flows.sip_calls_declined),
    ("alice's iChat calls a number that does not exist", flows.ichat_calls_refused),
)


def escaped(user: str) -> str:
    """A number or SIP address as the local part of a JID (XEP-0106, what our addresses can have of it)."""
    return user.removeprefix("sip:").replace(":", r"\3a").replace("@", r"\40")


class Playground:
    """Everything, in one folder. `say` gets each line for the person in front of it."""

    def __init__(self, directory: Path, say: Callable[[str], None], every: float) -> None:
        phone_port, http_port = free_port(), free_port()
        component = r"ichat-gw\.jabber\.localhost"
        self.stage = Stage(
            directory,
            rules=[
                (rf"^xmpp:{PHONE}@{component}$", f"sip:{PHONE}@127.0.0.1:{phone_port}"),
                (rf"^xmpp:(.*\\40.*)@{component}$", "sip:$1"),
            ],
            settings={
                "LogLevel": "INFO",
                "LogFormat": "text",
                "HttpPort": str(http_port),
                "JabberControlUsername": "control",
            },
        )
        self.http_port = http_port
        sound = samples_of(stream_pcmu("baresip", SOUND_PACKETS))
        self.bob = SimulatedIChat(self.stage.prosody, "bob")
        self.phone = Baresip(directory / "phone", PHONE, sound=sound, port=phone_port)
        self._directory = directory
        self._say = say
        self._every = every

    async def run(self) -> None:
        """Start everything and call, until cancelled."""
        try:
            self._say("Starting Prosody, ichat-gw, two simulated iChats and a SIP phone on 127.0.0.1 ...")
            await self.stage.start()
            self.phone.start()
            await self.bob.log_in()
            await self.bob.subscribe(self.stage.gateway.control)
            self._say(self._invitation())
            async with asyncio.TaskGroup() as group:
                group.create_task(self._obey())
                group.create_task(self._keep_calling())
        finally:
            await self._end()

    async def _end(self) -> None:
        self._say("\nstopping ...")
        self.phone.stop()
        await self.bob.log_out()
        await self.stage.clean_up()

    def _invitation(self) -> str:
        """How to place a call, and where to look."""
        server, gateway = self.stage.prosody, self.stage.gateway
        page = f"http://127.0.0.1:{self.http_port}/" if accepts_tcp(self.http_port) else "not served"
        return f"""
With a SIP phone on this machine (no registration, PCMU): call
    sip:bob@{gateway.address}          a simulated iChat, which answers and makes a noise

With an XMPP client on this machine: log in as
    {server.jid("carol")}, password {server.password("carol")}
    server 127.0.0.1, port {server.client_port}, without encryption
  and write to {self.bob.jid}, an iChat that does as it is told:
    call {PHONE}                  it calls the SIP phone here, which answers
    call user@host:port       it calls your SIP phone
    hang up
  The buttons for a call that an iChat has, no other client has; but you can add
    {gateway.control} and {gateway.jid(PHONE)}
  to your contacts and see that they are there.

Status page   {page}
Live calls    .venv/bin/ichat-gw calls --watch -c {gateway.config_file}
Log           {gateway.log_file}
Configuration {gateway.config_file}
Everything    {self._directory}/

A call is made every few seconds. Ctrl-C ends it all.
"""

    # --- calls to look at -----------------------------------------------------------------------------------

    async def _keep_calling(self) -> None:
        for name, flow in itertools.cycle(CALLS):
            await self._play(name, flow)
            await asyncio.sleep(self._every)

    async def _play(self, name: str, flow: Callable[[Stage], Awaitable[Played]]) -> None:
        stage = self.stage
        calls_before = len(stage.ichat.sip.calls)
        try:
            async with asyncio.timeout(FLOW_WITHIN):
                await stage.connected()
                outcome = (await flow(stage)).outcome
        except (AssertionError, TimeoutError) as error:
            outcome = f"went wrong: {str(error).splitlines()[0] if str(error) else 'not over in time'}"
            stage.phone.stop()
            if len(stage.ichat.sip.calls) > calls_before and not stage.ichat.sip.call.over:
                stage.ichat.sip.hang_up()
        self._say(f"{time.strftime('%H:%M:%S')}  {name}: {outcome}")

    # --- bob, who does as he is told ------------------------------------------------------------------------

    async def _obey(self) -> None:
        while True:
            message = await self.bob.wait_for("message", within=FOREVER)
            words = message.fields.get("body", "").strip()
            self.bob.forget()
            if called := re.fullmatch(r"(?i)call\s+(\S+)", words):
                self.bob.call(self.stage.gateway.jid(escaped(called[1])))
                self.bob.say(message.peer, f"calling {called[1]}")
            elif words.lower() in ("hang up", "bye"):
                if self.bob.sip.calls and not self.bob.sip.call.over:
                    self.bob.sip.hang_up()
                self.bob.say(message.peer, "hung up")
            elif words:
                self.bob.say(
                    message.peer, f"I understand `call {PHONE}`, `call user@host:port` and `hang up`"
                )
