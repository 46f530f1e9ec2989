"""Thousands of calls, each with another outcome, and faults among them: at the end nothing is left of them.

The real programs on a real Prosody. SOAK_CALLS says how many calls (`make soak`: 20,000), SOAK_RATE how many
of them a second begin, SOAK_SEED repeats the draw. With LONG calls or more what RFC 3261 keeps for half a
minute is waited for, and in ten minutes or more the memory is compared. How far it is goes to the file that
SOAK_LOG names.
"""

import asyncio
import json
import os
import random
import re
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest
from slixmpp.exceptions import IqError, IqTimeout

from peers.gateway import GatewayProcess
from peers.program import Program
from peers.prosody import PrivateProsody
from soak.fates import Planned
from soak.parties import Phones, SoakedIChat

Fault = Callable[[], Awaitable[None]]

pytestmark = pytest.mark.e2e

CALLS = int(os.environ.get("SOAK_CALLS", "300"))
RATE = float(os.environ.get("SOAK_RATE", "30" if "SOAK_CALLS" in os.environ else "40"))
SEED = int(os.environ.get("SOAK_SEED", "0")) or random.randrange(1, 10**6)
LOG = os.environ.get("SOAK_LOG", os.devnull)
LONG = 2_000
"""From so many calls on it is a long run."""
WARM_UP = CALLS // 10
CALLS_PER_FAULT = 500 if CALLS >= LONG else 200
"""A fault is drawn once in so many calls."""
BACK_WITHIN = 30.0
"""Seconds after which everything works again."""
GONE_WITHIN = 70.0 if CALLS >= LONG else 30.0
"""Seconds after which nothing may be left."""
AFTERWARDS = 6.0
"""Seconds after a fault during which calls may still end otherwise than planned."""
GROWTH = 1.02
SETTLED_AFTER = 60.0
"""Seconds after which as many calls are forgotten as begin: so long a tenth has to be for memory to be
compared."""
GROWS = re.compile(r"ops\.series\._Interval|sip\.targets\.Target|sip\.events\.Flow")
"""What may be more after a longer time, up to a bound of its own: the charts of an hour and of a day, and who
is remembered to answer SIP, each with the way there."""
KEPT = re.compile(r"ichat_gw\.")
"""Objects of ours: RFC 3261 lets transactions, and all that they know of, stay for up to 32 s after a call,
and negotiations linger as well. Only a long run waits for that."""


class Soak:
    """One run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chance = random.Random(SEED)
        self.plans: dict[int, Planned] = {}
        self.results: Counter[str] = Counter()
        self.otherwise: list[Planned] = []
        """Calls that ended otherwise than planned, far from any fault."""
        self.faults: Counter[str] = Counter()
        self.used: dict[int, list[Counter[str]]] = {}
        """Bytes of memory that are ours alone, by tenth of the run and by program."""
        self._troubled_until = 0.0
        self._begun: dict[int, float] = {}
        self.prosody = PrivateProsody(folder / "prosody")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything started; ended, whatever happens."""
        self.phones = Phones(self.plans, ("127.0.0.1", 0))
        await self.phones.open()
        port = self.phones.local[1]
        domain = self.prosody.domain.replace(".", r"\.")
        settings = {
            "LogLevel": "INFO",
            "MediaRelayPortRangeMin": "33000",
            "MediaRelayPortRangeMax": "34999",
            "TraceCalls": str(min(WARM_UP // 2, 100)),
            "RegistrationTime": "600",
            "RegistrationRetryTime": "2",
            "IgnoreAfter": "0",
            "MaxRequestsPerSecond": "10000",
            "MaxRequestsPerSecondPerSource": "10000",
            "MaxCallsPerSource": "5000",
            "MaxCallsPerUser": "5000",
        }
        rules = [(f"^xmpp:(.*)@{domain}$", f"sip:$1@127.0.0.1:{port}")]
        gateway = GatewayProcess(self.folder / "gateway", self.prosody, port, rules=rules, settings=settings)
        self.gateway = gateway
        self.phones.gateway = ("127.0.0.1", gateway.sip_port)
        inventory = self.folder / "inventory"
        inventory.mkdir()
        counting = {
            "SOAK_INVENTORY": str(inventory),
            "PYTHONPATH": str(Path(__file__).with_name("inventory")),
        }
        gateway.program = Program(
            "ichat-gw", gateway.program.command, gateway.directory, env={**os.environ, **counting}
        )
        self.ichat = SoakedIChat(self.prosody, self.plans)
        try:
            await self.prosody.start_async()
            await gateway.start_async()
            await self.log_in()
            yield
        finally:
            await self.ichat.log_out()
            self.ichat.close()
            gateway.destroy()
            await self.prosody.stop_async()
            self.phones.close()

    async def log_in(self) -> None:
        """Alice is online, and the gateway knows."""
        await self.ichat.log_in()
        self.ichat.subscribe_unheard(self.gateway.control)
        give_up = time.monotonic() + BACK_WITHIN
        while not await self.answers():
            assert time.monotonic() < give_up, "the gateway does not answer over XMPP"
            await asyncio.sleep(0.1)

    async def answers(self) -> bool:
        """Whether the way over XMPP is whole."""
        try:
            namespace = "http://jabber.org/protocol/disco#info"
            await self.ichat.query(self.gateway.control, namespace, within=3.0)
        except (IqError, IqTimeout):
            return False
        return True

    # --- calls --------------------------------------------------------------------------------------------

    async def play(self, numbers: range, *, faults: bool) -> None:
        """Place these calls, and end when all are over."""
        begun = time.monotonic()
        for place, number in enumerate(numbers):
            planned = self.plans[number] = Planned.draw(number, self.chance)
            self._begun[number] = time.monotonic()
            (self.ichat if planned.to_sip else self.phones).place(planned)
            if faults and place and place % CALLS_PER_FAULT == 0:
                await self.fault(self.chance.choice(self.every_fault))
            if place % 50 == 49:
                self.collect()
                self.measure(place * 10 // len(numbers))
                self.tell()
            await asyncio.sleep(max(begun + (place + 1) / RATE - time.monotonic(), 0.0))
            if time.monotonic() > begun + (place + 5) / RATE:
                begun = time.monotonic() - (place + 1) / RATE  # what a fault took is not made up for
        give_up = time.monotonic() + 2 * GONE_WITHIN
        while any(not planned.over for planned in self.plans.values()):
            assert time.monotonic() < give_up, (
                f"still going on: {[p for p in self.plans.values() if not p.over]}"
            )
            await asyncio.sleep(0.1)
        self.collect()

    def collect(self) -> None:
        """Judge and forget the calls that are over for a while."""
        now = time.monotonic()
        for number, planned in list(self.plans.items()):
            begun = self._begun[number]
            if not planned.over or (len(self.plans) > RATE and now - begun < 2.0):
                continue
            del self.plans[number], self._begun[number]
            way = "to SIP" if planned.to_sip else "to XMPP"
            self.results[f"{way}, {planned.fate.value}" + ("" if planned.as_planned else ": otherwise")] += 1
            if not planned.as_planned and begun > self._troubled_until:
                self.otherwise.append(planned)

    # --- faults -------------------------------------------------------------------------------------------

    @property
    def every_fault(self) -> tuple[Fault, ...]:
        """All that can happen."""
        return (
            self.kill_connector,
            self.kill_relay,
            self.restart_prosody,
            self.relogin,
            self.freeze_connector,
            self.freeze_relay_for_ever,
        )

    async def fault(self, what: Fault) -> None:
        """This one; calls that began shortly before or after may end in any way."""
        self._troubled_until = time.monotonic() + BACK_WITHIN
        name = what.__name__
        await what()
        give_up = time.monotonic() + BACK_WITHIN
        while not await self.answers():
            assert time.monotonic() < give_up, f"the gateway does not answer over XMPP after {name}"
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)
        self._troubled_until = time.monotonic() + AFTERWARDS
        self.faults[name] += 1

    async def kill_connector(self) -> None:
        self.gateway.connector().kill()
        await asyncio.sleep(0.5)

    async def kill_relay(self) -> None:
        if relays := self.relays():
            self.chance.choice(relays).kill()

    async def restart_prosody(self) -> None:
        self.prosody.kill()
        await self.prosody.start_async()
        await self.relogin()

    async def relogin(self) -> None:
        await self.ichat.log_out()
        await self.log_in()

    async def freeze_connector(self) -> None:
        connector = self.gateway.connector()
        connector.suspend()
        await asyncio.sleep(1.0)
        connector.resume()

    async def freeze_relay_for_ever(self) -> None:
        """Until the gateway has killed it."""
        if relays := self.relays():
            frozen = self.chance.choice(relays)
            frozen.suspend()
            give_up = time.monotonic() + BACK_WITHIN
            while frozen.is_running():
                assert time.monotonic() < give_up, "a relay worker that stands still is still there"
                await asyncio.sleep(0.1)

    def relays(self) -> list[psutil.Process]:
        """The relay workers; none while one is being started."""
        found = []
        for child in self.gateway.children():
            with suppress(psutil.Error):
                if any("ichat_gw.media.net" in part for part in child.cmdline()):
                    found.append(child)
        return found

    # --- what is there ------------------------------------------------------------------------------------

    def measure(self, tenth: int) -> None:
        """Note how much memory each of our programs takes."""
        programs = {
            "gateway": [psutil.Process(self.gateway.program.pid)],
            "connector": [self.gateway.connector()],
            "relays": self.relays(),
        }
        used: Counter[str] = Counter()
        for name, processes in programs.items():
            for process in processes:
                with suppress(psutil.Error):
                    used[name] += process.memory_full_info().uss
        self.used.setdefault(tenth, []).append(used)

    def memory(self, tenth: int) -> Counter[str]:
        """What each program took in that tenth of the run, on average, in MB."""
        found = self.used[tenth]
        return Counter(
            {name: round(sum(each[name] for each in found) / len(found) / 1e6, 2) for name in found[0]}
        )

    def tell(self, more: str = "") -> None:
        """Say how far it is."""
        used = {tenth: dict(self.memory(tenth)) for tenth in self.used}
        with Path(LOG).open("a") as log:
            log.write(
                f"{time.time():.0f} {self}; MB by tenth {used}; otherwise {self.otherwise[-3:]}; {more}\n"
            )

    def __str__(self) -> str:
        return (
            f"{self.results.total()} calls {dict(sorted(self.results.items()))}, faults {dict(self.faults)}"
        )

    async def inventory(self) -> dict[str, dict[str, int]]:
        """What gateway and connector have: objects by class, file descriptors, UDP ports, threads, calls."""
        programs = {
            "gateway": psutil.Process(self.gateway.program.pid),
            "connector": self.gateway.connector(),
        }
        found = {"told": await asyncio.to_thread(self.told)}
        await asyncio.sleep(0.5)  # until nothing is left of that request
        for name, process in programs.items():
            file = self.folder / "inventory" / f"{process.pid}.json"
            file.unlink(missing_ok=True)
            process.send_signal(signal.SIGUSR2)
            async with asyncio.timeout(20):
                while not file.exists():  # noqa: ASYNC110 - another process makes it
                    await asyncio.sleep(0.02)
            found[name] = dict(json.loads(file.read_text()))
            found[name]["file descriptors"] = process.num_fds()
        relays = self.relays()
        found["relays"] = {
            "relays": len(relays),
            "file descriptors": sum(relay.num_fds() for relay in relays),
            "UDP ports": sum(len(relay.net_connections(kind="udp")) for relay in relays),
        }
        found["phones"] = {"calls": len(self.phones.dialogs), "registered": len(self.phones.registered)}
        found["iChat"] = {"calls": self.ichat.dialogs}
        return found

    def told(self) -> dict[str, int]:
        """The gauges of the metrics that must be again as they were, and the errors."""
        address = f"http://127.0.0.1:{self.gateway.settings['HttpPort']}/metrics"
        with urllib.request.urlopen(address, timeout=10) as page:
            text = page.read().decode()
        wanted = (
            r"^(ichat_gw_(?:calls\{|media_calls|users|registrations\{|internal_errors_total).*) ([\d.e+-]+)$"
        )
        return {name: int(float(value)) for name, value in re.findall(wanted, text, re.MULTILINE)}


def excess(now: dict[str, dict[str, int]], before: dict[str, dict[str, int]]) -> dict[str, str]:
    """What there is more of than there was."""
    return {
        f"{place}: {name}": f"{number}, was {before[place].get(name, 0)}"
        for place, counts in now.items()
        for name, number in counts.items()
        if number > before[place].get(name, 0)
        and not GROWS.search(name)
        and (CALLS >= LONG or not KEPT.match(name))
    }


async def test_nothing_is_left_of_many_calls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soak = Soak(tmp_path)
    async with soak.running():
        pid = soak.gateway.program.pid
        await soak.play(range(WARM_UP), faults=False)
        for fault in soak.every_fault:
            await soak.fault(fault)
        await asyncio.sleep(GONE_WITHIN if CALLS >= LONG else 1.0)
        before = await soak.inventory()
        soak.used.clear()
        await soak.play(range(WARM_UP, CALLS), faults=True)
        give_up = time.monotonic() + GONE_WITHIN
        while more := excess(await soak.inventory(), before):
            soak.tell(f"still there: {more}")
            assert time.monotonic() < give_up, f"seed {SEED}: left of {soak}: {more}"
            await asyncio.sleep(1.0)
        soak.tell()
        assert soak.gateway.program.pid == pid
        assert soak.gateway.program.running
        assert not soak.otherwise, f"seed {SEED}: {soak}: {soak.otherwise}"
        with capsys.disabled():
            print(f"\n{soak}, seed {SEED}")
        await soak.gateway.stop_async()
    if CALLS / RATE / 10 >= SETTLED_AFTER:
        early, late = soak.memory(1), soak.memory(9)
        assert late.total() < early.total() * GROWTH, f"memory: {early}, later {late}"
