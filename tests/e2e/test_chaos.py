"""Anything may be killed at any moment of any call: connector, XMPP server, relay worker.

However it ends, the gateway lives, nothing of the call is left on either side, no media port is lost, and
the next call works. CHAOS_SECONDS says how long to go on with each XMPP server (`make chaos`: an hour in
all), CHAOS_SEED repeats a run as far as processes can. How many deaths there were is printed, and appended
to the file that CHAOS_LOG names while they happen.
"""

import asyncio
import json
import os
import random
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from slixmpp.exceptions import IqError, IqTimeout

from e2e.conftest import EVERY_SERVER
from peers import flows
from peers.program import ProgramError
from peers.sightings import NotSeenError
from peers.stage import Stage

pytestmark = pytest.mark.e2e
XMPP_SERVERS = EVERY_SERVER

SECONDS = float(os.environ.get("CHAOS_SECONDS", "8"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.randrange(1, 10**6)
LOG = os.environ.get("CHAOS_LOG", os.devnull)
TOLD = 30
"""So many of the latest runs are told when one goes wrong."""
BACK_WITHIN = 30.0
"""Seconds after which a new call must work."""
GONE_WITHIN = 40.0
"""Seconds after which nothing may be left of a call: a SIP request to somebody who is gone takes 32."""
CALLS = 3
"""So many calls the media ports suffice for: if any were lost, the fourth call or so would fail."""


class Chaos:
    """One run."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.chance = random.Random(seed)
        self.story: list[str] = [f"seed {seed}"]
        self.deaths: Counter[str] = Counter()
        self._log_read = 0
        self._calls: set[str] = set()

    def __str__(self) -> str:
        each = ", ".join(f"{number} {name}" for name, number in sorted(self.deaths.items()))
        return f"{self.deaths.total()} runs ({each})"

    def relays(self) -> list[psutil.Process]:
        """The relay workers; none while one is being started."""
        found = []
        for child in self.stage.gateway.children():
            with suppress(psutil.Error):  # it may be dying while we look
                if any("ichat_gw.media.net" in part for part in child.cmdline()):
                    found.append(child)
        return found

    async def round(self) -> None:
        """A call, a death, and everything as it was."""
        stage = self.stage
        call = self.chance.choice((self.phone_calls, self.ichat_calls))
        victim = self.chance.choice((self.kill_connector, self.kill_server, self.kill_relay))
        moment = self.chance.choice((0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8)) + self.chance.random() / 10
        stage.ichat.answer_time = self.chance.choice((0.0, 0.05, 0.3))
        self.story.append(f"{call.__name__}, {victim.__name__} after {moment:.3f} s")
        async with asyncio.TaskGroup() as group:
            group.create_task(call())
            await asyncio.sleep(moment)
            server_died = await victim()
        if server_died:
            await stage.ichat.log_out()
            await stage.ichat.log_in()
        await self.as_before()
        self.deaths[victim.__name__] += 1
        self._log()

    def _log(self) -> None:
        with Path(LOG).open("a") as log:
            log.write(f"{time.time():.1f} {self.stage.prosody.name} {self}: {self.story[-1]}\n")

    # --- calls: they may fail, and must end -----------------------------------------------------------

    async def phone_calls(self) -> None:
        dialling = self.stage.phone.dial(self.stage.gateway.address, "alice", talk=0.5)
        await dialling.outcome(within=GONE_WITHIN)

    async def ichat_calls(self) -> None:
        stage = self.stage
        ringing = stage.phone.answer(ring=0.2)
        stage.ichat.call(stage.speed_dial)
        try:
            await stage.ichat.wait_for("established", within=3.0)
            await asyncio.sleep(0.3)
            if not stage.ichat.sip.call.over:
                stage.ichat.sip.hang_up()
        except NotSeenError:
            pass
        if any("INVITE" in kind for kind in ringing.kinds):
            await ringing.outcome(within=GONE_WITHIN)
        else:
            ringing.stop()

    # --- deaths ---------------------------------------------------------------------------------------

    async def kill_connector(self) -> bool:
        self.stage.gateway.connector().kill()
        return False

    async def kill_relay(self) -> bool:
        if relays := self.relays():
            self.chance.choice(relays).kill()
        return False

    async def kill_server(self) -> bool:
        self.stage.prosody.kill()
        await asyncio.sleep(self.chance.random())
        await self.stage.prosody.start_async()
        return True

    # --- afterwards -----------------------------------------------------------------------------------

    async def as_before(self) -> None:
        begun = time.monotonic()
        while not await self.answers():
            assert time.monotonic() - begun < BACK_WITHIN, "the gateway does not answer over XMPP"
            await asyncio.sleep(0.1)
        while left := self.left_behind():
            assert time.monotonic() - begun < GONE_WITHIN, f"left behind: {left}"
            await asyncio.sleep(0.1)
        assert self.stage.gateway.program.running, "the gateway died"

    async def answers(self) -> bool:
        try:
            await self.stage.settle(within=3.0)
        except (IqError, IqTimeout):
            return False
        return True

    def left_behind(self) -> dict[str, object]:
        """What is still there of any call."""
        self._read_log()
        relays = self.relays()
        ports: set[int] = set()
        for relay in relays:
            with suppress(psutil.Error):
                ports |= {c.laddr.port for c in relay.net_connections(kind="udp")}
        sip = self.stage.ichat.sip
        talks = bool(sip.calls) and sip.call.established and not sip.call.over
        found = {"calls": self._calls, "ports": ports, "iChat talks": talks, "no relay": not relays}
        return {name: what for name, what in found.items() if what}

    def _read_log(self) -> None:
        """Follow the calls in what is new in the gateway's log, which a long run makes long."""
        with self.stage.gateway.log_file.open("rb") as log:
            log.seek(self._log_read)
            for line in log:
                if not line.endswith(b"\n"):
                    break  # still being written
                self._log_read += len(line)
                fields = json.loads(line)
                if fields["event"] == "call began":
                    self._calls.add(fields["call"])
                elif fields["event"] == "call over":
                    self._calls.discard(fields["call"])


async def test_anything_is_killed_at_any_moment(own_stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage = own_stage
    chaos = Chaos(stage, SEED)
    gateway = stage.gateway
    await gateway.stop_async()
    gateway.settings["MediaRelayPortRangeMax"] = str(gateway.media_ports + 4 * CALLS - 1)
    gateway.settings["LogLevel"] = "INFO"
    await gateway.start_async()
    await stage.connected()
    pid, end = gateway.program.pid, time.monotonic() + SECONDS
    try:
        while time.monotonic() < end:
            await chaos.round()
        stage.ichat.answer_time = 0.05
        await flows.sip_calls_established(stage, talk=0.3)
        await flows.ichat_calls_established(stage, talk=0.3)
    except (AssertionError, ProgramError, ExceptionGroup) as error:
        error.add_note("\n".join([str(chaos), chaos.story[0], *chaos.story[1:][-TOLD:]]))
        raise
    assert gateway.program.pid == pid
    assert "internal error" not in gateway.log_file.read_text()
    with capsys.disabled():
        print(f"\n{stage.prosody.name}: {chaos}, seed {SEED}")
    assert chaos.deaths.total() >= 2
    await gateway.stop_async()
