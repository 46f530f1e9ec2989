"""A SIP phone that is not ours: SIPp 3.6.1 with the scenarios in `sipp/`.

    phone = SippPhone(directory)
    run = phone.answer()                                # waits for a call; its port is bound on return
    run = phone.dial("127.0.0.1:5070", "alice")         # or calls
    result = await run.result()                         # raises unless the scenario went as written
    result.echoed, result.messages

Its sound is an echo: each RTP packet that comes to its media port goes back to the sender, and SIPp counts
them, so `echoed` is the number received and the number sent. (`rtp_stream` of 3.6.1 counts what it sends
only.) It has no RTCP port. For sound of its own there is `baresip.py`.
"""

import asyncio
import re
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from peers.bad_wire import BadWire
from peers.plain_sip import PlainSip, parse
from peers.ports import free_port, free_ports, tcp_is_bound, udp_is_bound
from peers.program import Program, find

SCREEN_EVERY = 0.04
"""Seconds; the scenarios pause longer than that after the last message of a call."""
SCENARIOS = Path(__file__).parent / "sipp"


@dataclass(frozen=True, slots=True)
class PhoneMessage:
    """A SIP message that the phone sent or received."""

    at: float
    """Seconds, as `time.time()`."""
    way: str
    """`in` or `out`."""
    sip: PlainSip


@dataclass(frozen=True, slots=True)
class PhoneResult:
    """How a scenario went."""

    exit_status: int
    """0: as written."""
    messages: list[PhoneMessage]
    echoed: int
    """RTP packets received, and sent back."""

    @property
    def kinds(self) -> list[str]:
        """`out SIP INVITE`, `in SIP 180 INVITE`, ... in order, retransmissions included."""
        return [f"{m.way} {m.sip.kind}" for m in self.messages]

    def first(self, way: str, kind: str) -> PlainSip:
        """The first message of that kind; raises AssertionError when there is none."""
        found = next((m.sip for m in self.messages if m.way == way and m.sip.kind == kind), None)
        assert found, f"no {way} {kind} among {self.kinds}"
        return found


class PhoneRun:
    """One scenario being played."""

    def __init__(self, program: Program, message_file: Path, screen_file: Path) -> None:
        self.program = program
        self._message_file = message_file
        self._screen_file = screen_file
        self._end = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> int:
        """Wait for the end; meanwhile ask for SIPp's screens again and again.

        COMPAT, SIPp 3.6.1: the screens it writes at its end leave the echo counts out, those it writes at
        SIGUSR2 have them. Before its first message it may not know that signal yet.
        """
        while self.program.running:
            if self.messages:
                self.program.signal(signal.SIGUSR2)
            await asyncio.sleep(SCREEN_EVERY)
        return await self.program.finished(0.1)

    @property
    def kinds(self) -> list[str]:
        """The messages so far, as in `PhoneResult.kinds`."""
        return [f"{m.way} {m.sip.kind}" for m in self.messages]

    @property
    def messages(self) -> list[PhoneMessage]:
        """What it sent and received so far."""
        if not self._message_file.exists():
            return []
        return read_messages(self._message_file.read_bytes())

    async def result(self, within: float = 60.0) -> PhoneResult:
        """Wait for the end; raises ProgramError, with SIPp's own words, unless all went as written."""
        result = await self.outcome(within)
        if result.exit_status != 0:
            raise self.program.failed(f"ended with {result.exit_status}; messages: {result.kinds}")
        return result

    async def outcome(self, within: float = 60.0) -> PhoneResult:
        """The same, whatever it was."""
        try:
            async with asyncio.timeout(within):
                status = await asyncio.shield(self._end)
        except TimeoutError:
            raise self.program.failed(f"still runs after {within:g} s; messages: {self.kinds}") from None
        screen = self._screen_file.read_text(errors="replace") if self._screen_file.exists() else ""
        counts = [int(n) for n in re.findall(r"(\d+) Total echo RTP pckts 1st stream", screen)]
        return PhoneResult(status, self.messages, counts[-1] if counts else 0)

    async def until(self, kind: str, way: str = "in", within: float = 30.0) -> PlainSip:
        """Wait for a message of that kind in the trace."""
        found: list[PlainSip] = []

        def seen() -> bool:
            found[:] = [m.sip for m in self.messages if m.way == way and m.sip.kind == kind]
            return bool(found)

        await self.program.until_ready(seen, within)
        return found[0]

    def stop(self) -> None:
        """End it, finished or not."""
        if self.program.running:
            self.program.kill()


class SippPhone:
    """The phone: a SIP port, a media port, and any number of runs one after the other."""

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.directory = directory
        self.port = port or free_port()
        self.media_port = free_ports(4)
        self.runs: list[PhoneRun] = []
        self.tcp = False
        """Speak SIP over TCP, on one connection, instead of UDP."""

    # --- calls ----------------------------------------------------------------------------------------------

    def dial(self, remote: str, user: str, *, talk: float = 1.0, **names: str) -> PhoneRun:
        """Call, talk for `talk` seconds, hang up."""
        return self._run("uac_call", remote, user, talk=_ms(talk), **names)

    def dial_and_wait(self, remote: str, user: str, **names: str) -> PhoneRun:
        """Call and talk until the other side hangs up."""
        return self._run("uac_called_off", remote, user, **names)

    def dial_and_fail(self, remote: str, user: str, status: int, **names: str) -> PhoneRun:
        """Call and be refused with `status`; anything else is a failure."""
        return self._run("uac_refused", remote, user, status=str(status), **names)

    def dial_and_give_up(self, remote: str, user: str, *, ring: float = 0.3, **names: str) -> PhoneRun:
        """Call and CANCEL `ring` seconds after 180."""
        return self._run("uac_cancel", remote, user, ring=_ms(ring), **names)

    def dial_and_hold(
        self, remote: str, user: str, *, talk: float = 0.5, hold: float = 0.5, **names: str
    ) -> PhoneRun:
        """Call, talk, hold by re-INVITE, resume by re-INVITE, talk, hang up."""
        return self._run("uac_hold", remote, user, talk=_ms(talk), hold=_ms(hold), **names)

    def dial_and_transfer(
        self, remote: str, user: str, refer_to: str, *, talk: float = 0.5, **names: str
    ) -> PhoneRun:
        """Call, talk, REFER to `refer_to`, be told 100, 180 and 200, and be hung up on."""
        return self._run("uac_transfer", remote, user, refer_to=refer_to, talk=_ms(talk), **names)

    def dial_and_fail_to_transfer(
        self, remote: str, user: str, refer_to: str, status: int, *, talk: float = 0.5, **names: str
    ) -> PhoneRun:
        """Call, talk, REFER to `refer_to`, be told 100 and `status`, talk on, hang up."""
        return self._run(
            "uac_transfer_fails", remote, user, refer_to=refer_to, status=str(status), talk=_ms(talk), **names
        )

    def take_over(self, remote: str, user: str, replaces: str, **names: str) -> PhoneRun:
        """Call to take the place of the call that `replaces` names; talk until the other side hangs up."""
        return self._run("uac_take_over", remote, user, replaces=replaces, **names)

    def answer_replaced(self, replaces: str, *, ring: float = 0.1) -> PhoneRun:
        """Wait for a call whose Replaces fits this regular expression, answer, talk until it is over."""
        return self._run("uas_replaced", replaces=replaces, ring=_ms(ring))

    def answer(self, *, ring: float = 0.1) -> PhoneRun:
        """Wait for a call, answer after `ring` seconds, talk until the other side hangs up."""
        return self._run("uas_answer", ring=_ms(ring))

    def answer_and_hang_up(self, *, ring: float = 0.1, talk: float = 1.0) -> PhoneRun:
        """Wait for a call, answer, talk for `talk` seconds, hang up."""
        return self._run("uas_hang_up", ring=_ms(ring), talk=_ms(talk))

    def refuse(self, status: int, reason: str) -> PhoneRun:
        """Wait for a call and refuse it."""
        return self._run("uas_refuse", status=str(status), reason=reason)

    def ring(self) -> PhoneRun:
        """Wait for a call and ring until the caller gives up."""
        return self._run("uas_ring")

    def keep_trying(self) -> PhoneRun:
        """Wait for a call and send nothing but 100 until the caller gives up."""
        return self._run("uas_trying")

    def write(
        self, remote: str, user: str, text: str, status: int = 202, *, kind: str = "text/plain", **names: str
    ) -> PhoneRun:
        """Send a MESSAGE outside any dialog and be answered with `status`."""
        values = {"text": text, "content_type": kind, "subject": "From SIP", "status": str(status)}
        return self._run("uac_message", remote, user, **(values | names))

    def read(self, status: int = 200, reason: str = "OK") -> PhoneRun:
        """Wait for a MESSAGE outside any dialog and answer it with `status`."""
        return self._run("uas_message", status=str(status), reason=reason)

    def play(
        self, scenario: str, remote: str = "", user: str = "", *, wire: BadWire | None = None, **values: str
    ) -> PhoneRun:
        """Play `sipp/<scenario>.xml`, calling `user` at `remote` or waiting for a call.

        With a `wire` it stands behind that, and says in its Contact that it is in front. `values` replace the
        `@placeholders@` of the scenario; times are milliseconds.
        """
        return self._run(scenario, remote, user, wire, **({"talk": "300", "ring": "100"} | values))

    def stop(self) -> None:
        """End every run."""
        for run in self.runs:
            run.stop()

    # --- inside ---------------------------------------------------------------------------------------------

    def _run(
        self, scenario: str, remote: str = "", user: str = "", wire: BadWire | None = None, **values: str
    ) -> PhoneRun:
        name = f"{scenario}-{len(self.runs) + 1}"
        self.directory.mkdir(parents=True, exist_ok=True)
        text = (SCENARIOS / f"{scenario}.xml").read_text()
        usual = {"caller": "15551234567", "caller_name": "Bob B", "announced": "[media_port]"}
        values = usual | values
        for placeholder, value in values.items():
            text = text.replace(f"@{placeholder}@", value)
        if self.tcp:
            text = re.sub(r"(Contact: <[^>]*)>", r"\1;transport=tcp>", text)
        port = self.port
        if wire is not None:
            port = wire.phone_port
            in_front = f":{wire.public_port}"
            text = re.sub(r"Contact:.*", lambda line: line[0].replace(":[local_port]", in_front), text)
        scenario_file = self.directory / f"{name}.xml"
        scenario_file.write_text(text)
        message_file, screen_file = (self.directory / f"{name}.{kind}" for kind in ("messages", "screen"))
        command = [find("sipp", "sip-tester"), "-sf", str(scenario_file), "-m", "1", "-nostdin"]
        command += ["-i", "127.0.0.1", "-p", str(port), "-mi", "127.0.0.1", "-mp", str(self.media_port)]
        command += [
            "-ci",
            "127.0.0.1",
            "-cp",
            str(free_port()),
            "-rtp_echo",
            "-recv_timeout",
            "20000",
            "-timeout",
            "120",
            "-timeout_error",
        ]
        command += ["-trace_msg", "-message_file", str(message_file)]
        command += ["-trace_screen", "-screen_file", str(screen_file)]
        command += ["-trace_err", "-error_file", str(self.directory / f"{name}.errors")]
        if self.tcp:
            command += ["-t", "t1", "-max_socket", "1000"]
        if remote:
            command += ["-s", user, remote]
        program = Program(name, command, self.directory)
        program.spawn()
        run = PhoneRun(program, message_file, screen_file)
        self.runs.append(run)
        if not remote:
            program.await_ready(lambda: tcp_is_bound(self.port) if self.tcp else udp_is_bound(port), 30.0)
        return run


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000))


_SEPARATOR = re.compile(rb"^-{40,} (\d{4}-\d\d-\d\d)[ \t](\d\d:\d\d:\d\d\.\d+)\r?\n", re.MULTILINE)


def read_messages(log: bytes) -> list[PhoneMessage]:
    """The messages in SIPp's `-trace_msg` log; its times are local ones without a zone."""
    zone = datetime.now().astimezone().tzinfo or UTC
    messages = []
    parts = _SEPARATOR.split(log)
    for day, clock, entry in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        head, _, text = entry.partition(b"\n\n")
        at = datetime.fromisoformat(f"{day.decode()} {clock.decode()}").replace(tzinfo=zone).timestamp()
        try:
            # SIPp adds line ends of its own after the message.
            message = parse(text.lstrip(b"\r\n"))
        except ValueError:
            continue  # a keep-alive, or an entry that is still being written
        messages.append(PhoneMessage(at, "in" if b"received" in head else "out", message))
    return messages
