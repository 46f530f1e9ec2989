"""What it costs to remember calls: traces, records, verdicts, metrics, as a share of the CPU of a whole call.

The same calls as in `load` on two gateways, one as it comes, and one that has been told to look on at
nothing. Both run at the same time, so whatever else this machine does hits both: the ratio counts, not the
milliseconds. Each round has two new gateways, and the other one of them is started first: of two that do the
same, one process may need 5 % more than the other for as long as it lives.
"""

import asyncio
import sys
from pathlib import Path

import psutil

from bench.load import cpu, play, stage
from peers.gateway import GatewayProcess
from peers.program import Program

RATE = 15
"""Calls a second at each of the two."""
ROUNDS = 6
"""An even number, so that each of the two is the first as often as the other."""

BLIND = (
    "import sys; from ichat_gw.app.onlookers import Onlookers; Onlookers.took = lambda *_: None; "
    "from ichat_gw.cli.gateway import main; sys.exit(main())"
)
"""A gateway that remembers nothing."""


def blind(gateway: GatewayProcess) -> None:
    """Make it one of those, before it is started."""
    command = [sys.executable, "-c", BLIND, "-c", str(gateway.config_file)]
    gateway.program = Program("ichat-gw", command, gateway.directory)
    # The connector, too, is not asked for stanzas.
    gateway.settings |= {"TraceCalls": "0", "CallRecordDays": "0", "HttpPort": "0"}
    gateway.settings["MediaRelayPortRangeMax"] = "46999"


def usual(gateway: GatewayProcess) -> None:
    """As it comes, on the other half of the ports."""
    gateway.settings["MediaRelayPortRangeMin"] = "47000"


async def spent(folder: Path, name: str, gateway: GatewayProcess) -> float:
    """CPU seconds per call."""
    process = psutil.Process(gateway.program.pid)
    before = cpu(process)
    calls, failed = await play(folder, name, gateway.sip_port, RATE)
    assert failed < calls / 20, f"{failed} of {calls} calls failed: this machine is too busy to measure"
    return (cpu(process) - before) / calls


async def measure() -> list[tuple[float, float]]:
    """CPU seconds per call, with memory and without, for each round."""
    found = []
    for number in range(ROUNDS):
        turned = number % 2 == 1
        prepare = (blind, usual) if turned else (usual, blind)
        async with stage(prepare[0]) as (folder, first), stage(prepare[1]) as (other, second):
            # The first calls only warm up.
            for name in ("warm-up", "round"):
                each = await asyncio.gather(spent(folder, name, first), spent(other, name, second))
        found.append((each[1], each[0]) if turned else (each[0], each[1]))
    return found


def report() -> str:
    """Each round, and what the median of their ratios says."""
    rounds = asyncio.run(measure())
    together = sum(with_ for with_, _ in rounds) / sum(without for _, without in rounds)
    lines = [f"remembering calls: CPU per call, with and without, {RATE} calls a second each"]
    lines += [f"  {with_ * 1e3:6.2f} ms  {without * 1e3:6.2f} ms" for with_, without in rounds]
    lines.append(f"  remembering costs {together - 1:+.1%} (all {len(rounds)} rounds together)")
    return "\n".join(lines)
