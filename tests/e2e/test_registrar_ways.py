"""Kamailio as registrar and proxy with digest, reached in every way: UDP, TCP and TLS, on IPv4 and on IPv6.

One gateway with an empty IPAddress speaks all six at once; for each way there is a user of iChat whose
address of record is reached by it, and phones that are registered by it. iChat itself is on UDP and IPv4, as
ever.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from peers.audio import packet_numbers, packets_of, samples_of, stream_pcmu
from peers.baresip import Baresip
from peers.gateway import GatewayProcess
from peers.ichat import SimulatedIChat
from peers.kamailio import REALM, PrivateKamailio, TlsIdentity
from peers.ports import free_port
from peers.prosody import PrivateProsody
from tests.e2e.test_registrar import until
from tests.sip.net.certificates import Authority

pytestmark = pytest.mark.e2e
TALK = 0.8
"""Seconds."""
SETTLED = 0.2
"""Seconds after which a change has reached everybody, and baresip has written down what it heard."""
PASSWORD = "a password that never shows"
PHONE_PASSWORD = "phone-password"
SOUND_PACKETS = 600


@dataclass(frozen=True, slots=True)
class Way:
    """How the gateway and the phones reach Kamailio."""

    transport: str
    host: str

    def __str__(self) -> str:
        return self.transport + ("6" if ":" in self.host else "4")

    def at(self, port: int) -> str:
        """What follows the @ of a SIP URI that leads this way to a port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{port}" + ("" if self.transport == "udp" else f";transport={self.transport}")


WAYS = [Way(transport, host) for host in ("127.0.0.1", "::1") for transport in ("udp", "tcp", "tls")]


class Town:
    """Prosody, Kamailio and the gateway, which speak every way, and whom they serve."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "certificates").mkdir()
        self.authority = Authority(directory / "certificates")
        self.prosody = PrivateProsody(directory / "prosody", users=[f"alice-{way}" for way in WAYS])
        self.ports = {"udp": (port := free_port()), "tcp": port, "tls": free_port()}
        phones = [f"{name}-{way}" for way in WAYS for name in ("phone", "carol")]
        certificate, key = self.authority.sign("kamailio", "127.0.0.1", "::1")
        self.kamailio = PrivateKamailio(
            directory / "kamailio",
            {"gateway": PASSWORD} | dict.fromkeys(phones, PHONE_PASSWORD),
            listen=[f"{way.transport}:{way.at(self.ports[way.transport])}".partition(";")[0] for way in WAYS],
            tls=TlsIdentity(certificate, key, self.authority.root),
        )
        ours = self.authority.sign("gateway", "gateway.test", "127.0.0.1", "::1")
        self.gateway = GatewayProcess(
            directory / "gateway",
            self.prosody,
            port,
            rules=[(f"^xmpp:(.*-{way})@.*$", f"sip:$1@{self.leads(way)}") for way in WAYS],
            settings={
                "IPAddress": "",
                "AllowedSIPNetworks": "127.0.0.0/8, ::1",
                "RegistrationTime": "60",
                "SIPCredentials": f"{REALM} gateway {PASSWORD}",
                "TLSDomain": "gateway.test",
                "TLSCertificate": str(ours[0]),
                "TLSPrivateKey": str(ours[1]),
                "TLSCAFile": str(self.authority.root),
            },
        )

    def leads(self, way: Way) -> str:
        """What follows the @ of a SIP URI that leads to Kamailio."""
        return way.at(self.ports[way.transport])

    async def open(self) -> None:
        await self.prosody.start_async()
        await self.kamailio.start_async()
        await self.gateway.start_async()

    async def close(self) -> None:
        self.gateway.destroy()
        await self.kamailio.stop_async()
        await self.prosody.stop_async()

    @asynccontextmanager
    async def phone(self, directory: Path, name: str, way: Way) -> AsyncIterator[Baresip]:
        """A phone that is registered at Kamailio; its sound is called as it is."""
        user = f"{name}-{way}"
        certificate, key = self.authority.sign(user, way.host)
        both = directory / f"{user}.pem"
        both.write_bytes(key.read_bytes() + certificate.read_bytes())
        phone = Baresip(
            directory / user,
            user,
            sound=samples_of(stream_pcmu(name, SOUND_PACKETS)),
            host=way.host,
            registrar=self.leads(way),
            password=PHONE_PASSWORD,
            tls=(both, self.authority.root),
        )
        try:
            await asyncio.to_thread(phone.start)
            await until(lambda: user in self.kamailio.bindings())
            yield phone
        finally:
            await asyncio.to_thread(phone.stop)

    @asynccontextmanager
    async def alice(self, way: Way) -> AsyncIterator[SimulatedIChat]:
        """The user of this way, who is registered."""
        user = f"alice-{way}"
        ichat = SimulatedIChat(self.prosody, user)
        await ichat.log_in()
        try:
            await ichat.subscribe(self.gateway.control)
            await ichat.subscribe(self.gateway.jid(f"phone-{way}"))
            await until(lambda: user in self.kamailio.bindings())
            ichat.forget()
            yield ichat
        finally:
            await ichat.log_out()


@pytest.fixture(scope="module")
def town(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    town = Town(tmp_path_factory.mktemp("town"))
    try:
        runner.run(town.open())
        yield town
    finally:
        runner.run(town.close())


@dataclass(frozen=True, slots=True)
class Span:
    """A while of a call: which packets alice sent meanwhile, and what came."""

    sent: range
    heard: list[bytes]

    def is_of(self, stream: str) -> bool:
        """All that came is this sound, without a gap."""
        numbers = packet_numbers(stream, self.heard, SOUND_PACKETS)
        whole = len(numbers) == len(self.heard) >= len(self.sent) * 0.8
        return whole and numbers == list(range(numbers[0], numbers[-1] + 1))

    def reached(self, phone: Baresip, ichat: SimulatedIChat) -> bool:
        """What alice sent meanwhile was heard at this phone, sample for sample."""
        call = ichat.sip.call
        numbers = packet_numbers(call.stream, packets_of(phone.heard()), call.sent)
        return len(set(numbers).intersection(self.sent)) >= len(self.sent) * 0.8


async def talk(ichat: SimulatedIChat, seconds: float = TALK) -> Span:
    """Let them talk, when everything has settled."""
    await asyncio.sleep(SETTLED)
    call = ichat.sip.call
    sent, heard = call.sent, call.received
    await asyncio.sleep(seconds)
    span = Span(range(sent, call.sent), call.receiver.payloads[heard:])
    await asyncio.sleep(SETTLED)
    return span


def went_by(town: Town, ichat: SimulatedIChat, since: float) -> set[tuple[str, str, str]]:
    """Of the requests between Kamailio and us: transport, Kamailio's address, the media's address."""
    found = set()
    at_ichat = f"127.0.0.1:{ichat.sip.local[1]}"
    for event in town.gateway.events(since):
        message = str(event.whole.get("message", ""))
        via = re.search(r"\nVia: SIP/2.0/(\w+)", message)
        if event.event == "sip" and event.peer != at_ichat and via and not message.startswith("SIP/2.0"):
            media = re.search(r"\nc=IN IP\d (\S+)", message)
            host = event.peer.rpartition(":")[0].strip("[]")
            found.add((via[1].lower(), host, media[1] if media else host))
    return found


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_a_user_is_registered_is_called_and_calls(town: Town, tmp_path: Path, way: Way) -> None:
    begin = time.time()
    async with town.alice(way) as ichat, town.phone(tmp_path, "phone", way) as phone:
        assert f"asked for a password: REGISTER sip:alice-{way}@{town.leads(way)}" in town.kamailio.log
        phone.dial(f"sip:alice-{way}@{town.leads(way)}")
        await ichat.wait_for("established")
        span = await talk(ichat)
        phone.hang_up()
        await ichat.wait_for("ended")
        assert span.is_of("phone")
        assert span.reached(phone, ichat)

        ichat.forget()
        ichat.call(town.gateway.jid(f"phone-{way}"))
        await ichat.wait_for("established")
        span = await talk(ichat)
        ichat.sip.hang_up()
        await ichat.wait_for("SIP 200 BYE")
        await asyncio.sleep(SETTLED)
        assert f"asked for a password: INVITE sip:phone-{way}@{town.leads(way)}" in town.kamailio.log
        assert span.is_of("phone")
        assert span.reached(phone, ichat)
    await until(lambda: f"alice-{way}" not in town.kamailio.bindings())
    assert went_by(town, ichat, begin) == {(way.transport, way.host, way.host)}


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_a_call_is_held_resumed_and_transferred(town: Town, tmp_path: Path, way: Way) -> None:
    begin = time.time()
    async with (
        town.alice(way) as ichat,
        town.phone(tmp_path, "phone", way) as phone,
        town.phone(tmp_path, "carol", way) as carol,
    ):
        phone.dial(f"sip:alice-{way}@{town.leads(way)}")
        await ichat.wait_for("established")
        before = await talk(ichat, 0.5)
        phone.hold()
        await asyncio.sleep(SETTLED)
        received = phone.received()
        held = await talk(ichat, 0.4)
        assert phone.received() == received > 0
        phone.resume()
        resumed = await talk(ichat, 0.5)
        # COMPAT baresip 1.0: nothing is recorded after a re-INVITE, but it counts.
        received_again = phone.received() - received
        phone.transfer(f"sip:carol-{way}@{town.leads(way)}")
        transferred = await talk(ichat)
        ichat.sip.hang_up()
        await ichat.wait_for("SIP 200 BYE")
        await asyncio.sleep(SETTLED)
        assert before.is_of("phone")
        assert before.reached(phone, ichat)
        assert held.heard == []
        assert resumed.is_of("phone")
        assert len(resumed.sent) * 0.8 <= received_again <= len(resumed.sent) + 50 * 3 * SETTLED
        assert transferred.is_of("carol")
        assert transferred.reached(carol, ichat)
        assert sum(ichat.sightings.count("SIP INVITE", at) for at in ("in", "out")) == 1, (
            "it heard nothing of it"
        )
    assert went_by(town, ichat, begin) == {(way.transport, way.host, way.host)}


async def test_nothing_of_this_was_an_error(town: Town) -> None:
    assert [event.whole for event in town.gateway.events() if event.level in ("ERR", "CRIT")] == []
    await town.gateway.stop_async()
    assert PASSWORD not in town.gateway.log_file.read_text() + town.gateway.program.output
