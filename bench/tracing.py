"""What it costs to remember calls: traces, records, verdicts, metrics, as a share of the CPU of a whole call.

The same calls as in `load`, at the same steady rate, on two gateways by turns: one as it comes, and one that
has been told to look on at nothing. The ratio counts, not the milliseconds, which depend on what else this
machine does.
"""

import asyncio
import sys

import psutil

from bench.load import STEADY_RATE, cpu, play, stage
from peers.gateway import GatewayProcess
from peers.program import Program

ROUNDS = 3

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


async def measure() -> list[tuple[float, float]]:
    """CPU seconds per call, with memory and without, for each round."""
    found = []
    for number in range(ROUNDS):
        pair = []
        for prepare in (None, blind):
            async with stage(prepare) as (folder, gateway):
                process = psutil.Process(gateway.program.pid)
                await play(folder, f"warm-up-{number}", gateway.sip_port, 10)
                before = cpu(process)
                calls, failed = await play(folder, f"steady-{number}", gateway.sip_port, STEADY_RATE)
                assert not failed, f"{failed} of {calls} calls failed"
                pair.append((cpu(process) - before) / calls)
        found.append((pair[0], pair[1]))
    return found


def report() -> str:
    """Each round, and what the median of their ratios says."""
    rounds = asyncio.run(measure())
    ratios = sorted(with_ / without for with_, without in rounds)
    lines = [f"remembering calls: CPU per call, with and without, {STEADY_RATE} calls a second"]
    lines += [f"  {with_ * 1e3:6.2f} ms  {without * 1e3:6.2f} ms" for with_, without in rounds]
    lines.append(f"  remembering costs {ratios[len(ratios) // 2] - 1:+.1%} (median of {len(ratios)})")
    return "\n".join(lines)
