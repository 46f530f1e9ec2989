"""A call that is watched while something breaks: how long it was silent, and what it leaves behind.

    async with talking(stage) as talk:
        ...                         # break something, and mend it
    talk.longest_silence            # seconds that iChat heard nothing; the phone is an echo, so both ways

At the end both are heard again, the call is hung up in order, and nothing is left of it.
"""

import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psutil

from peers.sip_phone import PhoneRun
from peers.stage import Stage
from peers.viceroy import ViceroyCall

LOOK = 0.01
"""Seconds between two looks at what has come."""
HEARD = 15
"""Packets that prove that sound flows."""
GONE_WITHIN = 30.0
"""Seconds after which nothing may be left of a call."""


class Talk:
    """One established call between alice's iChat and the phone."""

    def __init__(self, stage: Stage, call: ViceroyCall, phone: PhoneRun) -> None:
        self.stage = stage
        self.call = call
        self.phone = phone
        self.longest_silence = 0.0

    async def watch(self) -> None:
        """Note how long iChat hears nothing, until cancelled."""
        heard, at = self.call.received, time.monotonic()
        while True:
            await asyncio.sleep(LOOK)
            now = time.monotonic()
            self.longest_silence = max(self.longest_silence, now - at)
            if self.call.received != heard:
                heard, at = self.call.received, now

    async def heard(self, within: float = 30.0) -> None:
        """Wait until sound of now goes to the phone and back."""
        packets = self.call.received + HEARD
        give_up = time.monotonic() + within
        while self.call.received < packets:
            assert time.monotonic() < give_up, f"nothing was heard for {within:g} s"
            await asyncio.sleep(LOOK)

    @property
    def lost(self) -> int:
        """Packets that did not come back, those under way included."""
        return self.call.sent - self.call.receiver.intact(self.call.stream, self.call.sent)


@asynccontextmanager
async def talking(stage: Stage) -> AsyncIterator[Talk]:
    """The call, see above."""
    before = descriptors(stage)
    phone = stage.phone.dial_and_wait(stage.gateway.address, "alice")
    await stage.ichat.wait_for("established")
    talk = Talk(stage, stage.ichat.sip.call, phone)
    await talk.heard()
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(talk.watch())
        try:
            yield talk
            await talk.heard()
        finally:
            watching.cancel()
    await stage.ichat.sip.hush()
    stage.ichat.sip.hang_up()
    await stage.ichat.wait_for("SIP 200 BYE")
    await phone.result()
    await nothing_left(stage, before)


def relay_worker(stage: Stage) -> psutil.Process:
    """The relay worker's process; raises AssertionError when there is none."""
    for child in stage.gateway.children():
        with suppress(psutil.Error):
            if any("ichat_gw.media.net" in part for part in child.cmdline()):
                return child
    raise AssertionError("no relay worker")


def descriptors(stage: Stage) -> dict[int, int]:
    """How many file descriptors each process of the gateway has, by process id."""
    pids = [stage.gateway.program.pid, *(child.pid for child in stage.gateway.children())]
    return {pid: psutil.Process(pid).num_fds() for pid in pids}


async def ask(stage: Stage, path: str) -> Any:
    """What the gateway's API answers."""
    url = f"http://127.0.0.1:{stage.gateway.settings['HttpPort']}/api/v1/{path}"

    def read() -> Any:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)

    return await asyncio.to_thread(read)


async def nothing_left(stage: Stage, before: dict[int, int]) -> None:
    """No call, no port of the relay, no descriptor more than `before` in any process that still lives."""
    give_up = time.monotonic() + GONE_WITHIN
    while True:
        more: dict[str, object] = {}
        now = descriptors(stage)
        more["descriptors"] = {
            pid: now[pid] - count for pid, count in before.items() if now.get(pid, 0) > count
        }
        more["calls"] = (await ask(stage, "calls"))["calls"]
        more["ports"] = [c.laddr.port for c in relay_worker(stage).net_connections(kind="udp")]
        left = {name: what for name, what in more.items() if what}
        if not left:
            return
        assert time.monotonic() < give_up, f"left behind: {left}"
        await asyncio.sleep(0.1)
