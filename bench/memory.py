"""What a call takes of the memory of all our processes together, while it lasts.

SIPp places calls to a simulated iChat on a real Prosody and keeps them for a while. Counted is the memory
that no other process shares (USS), of `ichat-gw`, its connector and its relay workers, with the calls and
without.
"""

import asyncio

import psutil

from bench.load import SCENARIO, SECONDS, play, stage

RATE = 30
"""Calls a second."""
HELD = 20
"""How long each of them lasts, in seconds: the last one begins when the first has talked for `SECONDS`."""
BYE = """  <send retrans="500"><![CDATA[

BYE"""


def _memory(process: psutil.Process) -> dict[str, int]:
    """Bytes by program."""
    return {
        " ".join(one.cmdline()[1:])[-60:]: one.memory_full_info().uss
        for one in (process, *process.children(recursive=True))
    }


async def measure() -> tuple[int, dict[str, float]]:
    """How many calls were held, and bytes for each of them by program."""
    async with stage() as (folder, gateway):
        process = psutil.Process(gateway.program.pid)
        scenario = folder / "held.xml"
        text = SCENARIO.read_text()
        assert text.count(BYE) == 1
        scenario.write_text(text.replace(BYE, f'  <pause milliseconds="{HELD}000"/>\n{BYE}'))
        await play(folder, "warm-up", gateway.sip_port, RATE)
        before = _memory(process)
        async with asyncio.TaskGroup() as tasks:
            playing = tasks.create_task(play(folder, "held", gateway.sip_port, RATE, scenario))
            await asyncio.sleep(SECONDS + 5)
            during = _memory(process)
        calls, failed = playing.result()
        held = calls - failed
        return held, {name: (during[name] - before[name]) / held for name in before if name in during}


def report() -> str:
    """Run it and say what came out."""
    calls, each = asyncio.run(measure())
    lines = [f"memory of {calls} calls that last, of which iChat has taken each:"]
    lines += (f"  {name:<60}{used / 1e3:7.1f} kB a call" for name, used in each.items())
    together = "together (aim: below 80 kB; the original: 155 kB)"
    lines.append(f"  {together:<60}{sum(each.values()) / 1e3:7.1f} kB a call")
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())
