"""What presence costs, and what a start with 10,000 subscribed users does to a call in the middle of it.

A scripted XMPP server and a scripted registrar take part, so that what is measured is ours and not Prosody's.
CPU is that of the connector process, from the operating system. The floor beside it is the parser: what the
same stanzas cost in `xml.etree` alone, in this process.
"""

import asyncio
import re
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import cast
from xml.etree import ElementTree

import psutil

from bench.delay import Phone
from ichat_gw.jabber.net.store import SqliteStore
from peers.gateway import GatewayProcess
from peers.xmpp_server import XmppServer

USERS = 10_000
STANZAS = 20_000
CALLS = 20
WITHIN = 120.0

_HEADER = (
    "<?xml version='1.0'?><stream:stream from='{0}' id='s1' xmlns='jabber:component:accept' "
    "xmlns:stream='http://etherx.jabber.org/streams'><handshake/>"
)
_PROBE = re.compile(rb"<presence type='probe' to='([^']*)'")
_CALL = re.compile(
    rb"<iq type='set' id='[^']*' to='([^']*)' from='([^']*)'><query xmlns='apple:iq:vc:request'"
)


def online(user: str, control: str, show: str = "") -> str:
    """Presence of an iChat, as servers deliver it."""
    shown = f"<show>{show}</show>" if show else ""
    return (
        f"<presence xml:lang='en' to='{control}' from='{user}/iChat896b'>{shown}<priority>0</priority>"
        "<c node='http://www.apple.com/ichat/caps' ver='800' xmlns='http://jabber.org/protocol/caps' "
        "ext='ice recauth rdserver maudio audio rdclient mvideo auxvideo rdmuxing avcap avavail video'/>"
        "</presence>"
    )


class ScriptedServer(asyncio.Protocol):
    """An XMPP server at its least: it takes the component in, and everybody is online and declines calls."""

    def __init__(self, control: str, component: str) -> None:
        self.control = control
        self.component = component
        self.probes = 0
        self.presences = 0
        self.called: asyncio.Queue[float] = asyncio.Queue()
        self.pong = asyncio.Event()
        self.transport: asyncio.Transport
        self._rest = b""
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        if not self._open:
            if b"<stream:stream" in data:
                self.say(_HEADER.format(self.component))
            self._open = b"</handshake>" in data
            return
        # Stanzas begin with "<iq" or "<presence"; the last one may be cut off.
        data = self._rest + data
        cut = data.rfind(b">") + 1
        data, self._rest = data[:cut], data[cut:]
        self.presences += data.count(b"<presence ")
        users = _PROBE.findall(data)
        self.probes += len(users)
        self.say("".join(online(user.decode(), self.control) for user in users))
        for to, from_ in _CALL.findall(data):
            self.called.put_nowait(now)
            self.say(
                f"<iq type='set' id='d1' from='{to.decode()}' to='{from_.decode()}'><query "
                "xmlns='apple:iq:vc:response'><response>1</response><connectData/></query></iq>"
            )
        if b"id='bench-ping'" in data:
            self.pong.set()

    def say(self, xml: str) -> None:
        """Put it on the stream."""
        if xml:
            self.transport.write(xml.encode())

    async def everything_read(self) -> None:
        """Wait until the connector has worked off what was said so far."""
        self.pong.clear()
        self.say(
            f"<iq type='get' id='bench-ping' from='user0@jabber.localhost/x' to='{self.component}'>"
            "<ping xmlns='urn:xmpp:ping'/></iq>"
        )
        await asyncio.wait_for(self.pong.wait(), WITHIN)


class Registrar(asyncio.DatagramProtocol):
    """Says 200 to every REGISTER, and counts the addresses."""

    def __init__(self) -> None:
        self.registered: set[bytes] = set()
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not data.startswith(b"REGISTER"):
            return
        names = (b"via", b"from", b"to", b"call-id", b"cseq", b"contact", b"expires")
        lines = [line for line in data.split(b"\r\n") if line.partition(b":")[0].strip().lower() in names]
        self.registered |= {line for line in lines if line.lower().startswith(b"to:")}
        answer = b"SIP/2.0 200 OK\r\n" + b"\r\n".join(lines) + b"\r\nContent-Length: 0\r\n\r\n"
        self.transport.sendto(answer, addr)


async def _until(what: Callable[[], bool]) -> float:
    """Wait for it; returns when it was so, as `time.time()`."""
    give_up = time.time() + WITHIN
    while not what():
        assert time.time() < give_up, "it takes too long"
        await asyncio.sleep(0.005)
    return time.time()


def _floor() -> float:
    """CPU seconds of `xml.etree` for one presence."""
    stanza = online("user0@jabber.localhost", "control@ichat-gw.jabber.localhost", "away")
    parser = ElementTree.XMLPullParser(("start", "end"))
    parser.feed("<s xmlns='jabber:component:accept'>")
    before = time.process_time()
    for _ in range(STANZAS):
        parser.feed(stanza)
        for _ in parser.read_events():
            pass
    return (time.process_time() - before) / STANZAS


class _Address(XmppServer):
    """Where the scripted server is, in the words of the others."""

    name = "scripted"

    def _command(self) -> list[str]:
        return []


async def measure() -> list[str]:
    """Play it all; returns the lines of the report."""
    with tempfile.TemporaryDirectory(prefix="ichat-gw-bench-") as name:
        folder = Path(name)
        address = _Address(folder / "xmpp")
        control = f"control@{address.component}"
        server = ScriptedServer(control, address.component)
        registrar, phone = Registrar(), Phone()
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: server, "127.0.0.1", address.component_port)
        await loop.create_datagram_endpoint(lambda: registrar, local_addr=("127.0.0.1", 0))
        await loop.create_datagram_endpoint(lambda: phone, local_addr=("127.0.0.1", 0))
        port = registrar.transport.get_extra_info("sockname")[1]
        settings = {
            "LogLevel": "WARNING",
            "RegistrationTime": "3600",
            "MediaRelayPortRangeMin": "40000",
            "MediaRelayPortRangeMax": "49999",
            "MaxCallsPerUser": "100",
        }
        rules = [("xmpp:(.*)@jabber.localhost$", f"sip:$1@127.0.0.1:{port}")]
        gateway = GatewayProcess(folder / "gateway", address, phone.port, rules=rules, settings=settings)
        phone.gateway = ("127.0.0.1", gateway.sip_port)
        _subscribe_everybody(gateway, control)

        async def call(number: int) -> tuple[float, float]:
            begun = phone.call(f"user{number}")
            seen = await asyncio.wait_for(server.called.get(), WITHIN)
            await asyncio.wait_for(phone.finals.get(), WITHIN)
            return seen - begun, time.time() - begun

        try:
            begun = time.time()
            gateway.write_config()
            gateway.program.spawn()
            await _until(lambda: server.probes > 0)
            everybody = asyncio.gather(
                _until(lambda: server.probes >= USERS), _until(lambda: len(registrar.registered) >= USERS)
            )
            in_the_middle = []
            while not everybody.done():
                in_the_middle.append(await call(len(in_the_middle)))
                await asyncio.sleep(0.1)
            asked, registered = (at - begun for at in await everybody)
            await server.everything_read()
            connector = gateway.connector()
            quiet = [await call(number) for number in range(CALLS)]

            def flood(show: str) -> str:
                return "".join(
                    online(f"user{n % USERS}@jabber.localhost", control, show) for n in range(STANZAS)
                )

            server.say(flood("away"))
            await server.everything_read()
            heard, rate = await _cost(connector, server, flood("dnd"))
            probe = "<presence type='probe' from='user{}@jabber.localhost' to='{}@{}'/>"
            probes = "".join(probe.format(n % USERS, n % 99, address.component) for n in range(STANZAS))
            said, said_rate = await _cost(connector, server, probes)
        finally:
            stopped = await gateway.stop_async()
            listener.close()
            server.transport.abort()
            registrar.transport.close()
            phone.transport.close()
    floor = _floor()
    return [
        f"  presence in                         {heard * 1e6:6.1f} us CPU each, {rate:7.0f}/s",
        f"  probe in and presence out           {said * 1e6:6.1f} us CPU each, {said_rate:7.0f}/s",
        f"  floor: xml.etree on the same        {floor * 1e6:6.1f} us; presence in: {heard / floor:.1f} x",
        f"  {USERS} subscribed users: from the start of the program until",
        f"    all are asked for their presence  {asked:6.2f} s",
        f"    all are registered                {registered:6.2f} s",
        f"    and from SIGTERM until it is gone   {stopped:6.2f} s",
        "  INVITE in -> vc:request out; and -> 603, which iChat's refusal brings:",
        f"    {len(in_the_middle)} calls in the middle of that: {_spread(in_the_middle)}",
        f"    {len(quiet)} calls afterwards:          {_spread(quiet)}",
    ]


def _spread(calls: list[tuple[float, float]]) -> str:
    spreads = (
        f"median {statistics.median(seconds) * 1000:5.1f} ms, longest {max(seconds) * 1000:5.1f} ms"
        for seconds in zip(*calls, strict=True)
    )
    return "; ".join(spreads)


def _subscribe_everybody(gateway: GatewayProcess, control: str) -> None:
    gateway.directory.mkdir(parents=True, exist_ok=True)
    path = gateway.directory / "ichat-gw.sqlite3"
    SqliteStore(path).close()
    rows = ((f"user{number}@jabber.localhost", control) for number in range(USERS))
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany("INSERT INTO subscription VALUES (?, ?)", rows)


async def _cost(connector: psutil.Process, server: ScriptedServer, xml: str) -> tuple[float, float]:
    """CPU seconds for each of the `STANZAS` in `xml`, and how many there are in a second."""
    before, begun = connector.cpu_times(), time.monotonic()
    server.say(xml)
    await server.everything_read()
    took, after = time.monotonic() - begun, connector.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return cpu / STANZAS, STANZAS / took


def report() -> str:
    """Run it and say what came out."""
    begun = time.monotonic()
    lines = asyncio.run(measure())
    return "\n".join(
        [
            "presence at the connector, from a scripted XMPP server:",
            *lines,
            "  aim: below 60 us a stanza; a call must not feel the start",
            f"  ({time.monotonic() - begun:.0f} s; server and registrar share the machine with us)",
        ]
    )


if __name__ == "__main__":
    print(report())
