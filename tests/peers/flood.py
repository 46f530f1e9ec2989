"""Somebody who calls far too often, from a loopback address of his own: SIPp at a fixed rate.

flood = Flood(directory, "127.0.0.66")
flood.begin("127.0.0.1:5070", "nosuchuser", rate=100, calls=200)
answers = await flood.end()       # how often each final status came
"""

from collections import Counter
from pathlib import Path

from peers.ports import free_port
from peers.program import Program, find
from peers.sip_phone import SCENARIOS, read_messages


class Flood:
    """One flood. Bounded by its rate, its number of calls and its patience."""

    def __init__(self, directory: Path, address: str) -> None:
        self.directory = directory
        self.address = address
        self._messages = directory / f"flood-{address}.messages"
        self._program: Program | None = None

    def begin(self, remote: str, user: str, *, rate: int, calls: int, patience: float = 5.0) -> None:
        """Send INVITEs, `rate` each second, and wait for each answer for `patience` seconds at most."""
        self.directory.mkdir(parents=True, exist_ok=True)
        command = [find("sipp", "sip-tester"), "-sf", str(SCENARIOS / "uac_flood.xml"), "-nostdin"]
        command += ["-i", self.address, "-p", str(free_port()), "-ci", self.address, "-cp", str(free_port())]
        command += ["-r", str(rate), "-m", str(calls), "-s", user, "-timeout", "60"]
        command += ["-recv_timeout", str(round(patience * 1000)), "-nr"]
        command += ["-trace_msg", "-message_file", str(self._messages), remote]
        self._program = Program(f"flood-{self.address}", command, self.directory)
        self._program.spawn()

    async def end(self, within: float = 60.0) -> Counter[int]:
        """Wait until every call has been answered or given up; count the final statuses."""
        assert self._program is not None
        await self._program.finished(within)
        messages = read_messages(self._messages.read_bytes()) if self._messages.exists() else []
        return Counter(
            int(m.sip.kind.split()[1]) for m in messages if m.way == "in" and m.sip.kind != "SIP 100 INVITE"
        )
