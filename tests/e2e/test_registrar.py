"""Kamailio as registrar and proxy with digest: users come online, are called, call, outlive its restart."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from peers.audio import PACKET_BYTES, packet_payload, pcmu_of, samples_of, stream_pcmu
from peers.baresip import Baresip
from peers.gateway import GatewayProcess
from peers.ichat import SimulatedIChat
from peers.kamailio import REALM, PrivateKamailio
from peers.prosody import PrivateProsody

pytestmark = pytest.mark.e2e
PHONE = "5551234"
RETRY_TIME = 4
TALK = 1.5
PASSWORD = "a password that never shows"
PHONE_PASSWORD = "phone-password"


class Office:
    """Prosody, Kamailio, the gateway, and alice with her iChat."""

    def __init__(self, directory: Path, *, password: str = PASSWORD, algorithm: str = "MD5") -> None:
        self.directory = directory
        self.prosody = PrivateProsody(directory / "prosody")
        users = {"gateway": PASSWORD, PHONE: PHONE_PASSWORD}
        self.kamailio = PrivateKamailio(directory / "kamailio", users, algorithm=algorithm)
        domain = self.prosody.domain.replace(".", r"\.")
        self.gateway = GatewayProcess(
            directory / "gateway",
            self.prosody,
            self.kamailio.port,
            rules=[(f"^xmpp:(.*)@{domain}$", f"sip:$1@{self.kamailio.address}")],
            settings={
                "RegistrationTime": "60",
                "RegistrationRetryTime": str(RETRY_TIME),
                "SIPCredentials": f"{REALM} gateway {password}",
            },
        )
        self.ichat = SimulatedIChat(self.prosody, "alice")

    async def open(self) -> None:
        await self.prosody.start_async()
        await self.kamailio.start_async()
        await self.gateway.start_async()
        await self.log_in()

    async def log_in(self) -> None:
        await self.ichat.log_in()
        await self.ichat.subscribe(self.gateway.control)
        await self.ichat.subscribe(self.gateway.jid(PHONE))

    async def close(self) -> None:
        await self.ichat.log_out()
        self.gateway.destroy()
        await self.kamailio.stop_async()
        await self.prosody.stop_async()

    def phone(self) -> Baresip:
        """A phone with an account at Kamailio."""
        return Baresip(
            self.directory / "baresip",
            PHONE,
            sound=samples_of(stream_pcmu("baresip", 600)),
            registrar=self.kamailio.address,
            password=PHONE_PASSWORD,
        )

    @property
    def alice(self) -> list[str]:
        """Her bindings at Kamailio."""
        return self.kamailio.bindings().get("alice", [])

    def logged(self, event: str) -> list[str]:
        """The texts of one kind of event in the gateway's log."""
        return [str(line.whole.get("text", "")) for line in self.gateway.events() if line.event == event]


async def until(what: Callable[[], object], within: float = 5.0) -> float:
    """Wait until something is so; returns the seconds it took."""
    begin = time.monotonic()
    while not what():
        assert time.monotonic() - begin < within, "it never came"
        await asyncio.sleep(0.05)
    return time.monotonic() - begin


@asynccontextmanager
async def office(directory: Path, **options: str) -> AsyncIterator[Office]:
    place = Office(directory, **options)
    try:
        await place.open()
        yield place
    finally:
        await place.close()


def check_sound(place: Office, phone: Baresip) -> None:
    """Both heard what the other said, sample for sample."""
    call = place.ichat.sip.call
    said = {bytes(pcmu_of(samples_of(packet_payload("baresip", number)))) for number in range(600)}
    at_ichat = sum(bytes(pcmu_of(samples_of(payload))) in said for payload in call.receiver.payloads)
    assert at_ichat == call.receiver.received >= TALK * 50 * 0.8
    heard, sent = phone.heard(), samples_of(stream_pcmu(call.stream, call.sent))
    packets = {tuple(sent[at : at + PACKET_BYTES]) for at in range(0, len(sent), PACKET_BYTES)}
    known = sum(tuple(heard[at : at + PACKET_BYTES]) in packets for at in range(0, len(heard), PACKET_BYTES))
    assert known >= TALK * 50 * 0.8


async def test_a_user_is_registered_is_called_calls_and_leaves(tmp_path: Path) -> None:
    async with office(tmp_path) as place:
        await until(lambda: place.alice)
        (contact,) = place.alice
        assert contact.startswith(f"sip:alice@{place.gateway.address};rinstance=")
        assert "asked for a password: REGISTER" in place.kamailio.log

        with place.phone() as phone:
            await until(lambda: PHONE in place.kamailio.bindings())
            phone.dial(place.kamailio.aor("alice"))
            await place.ichat.wait_for("established")
            await asyncio.sleep(TALK)
            phone.hang_up()
            await place.ichat.wait_for("ended")
            await asyncio.sleep(0.2)
            check_sound(place, phone)

            place.ichat.forget()
            place.ichat.call(place.gateway.jid(PHONE))
            await place.ichat.wait_for("established")
            assert f"asked for a password: INVITE {place.kamailio.aor(PHONE)}" in place.kamailio.log
            await asyncio.sleep(TALK)
            place.ichat.sip.hang_up()
            await place.ichat.wait_for("SIP 200 BYE")
            await asyncio.sleep(0.2)
            check_sound(place, phone)

        await place.ichat.log_out()
        await until(lambda: not place.alice)
        await place.gateway.stop_async()
        log = place.gateway.log_file.read_text()
        assert "INVITE" in log
        assert PASSWORD not in log + place.gateway.program.output


async def test_the_registrar_is_started_again(tmp_path: Path) -> None:
    """It has forgotten everybody, and it does not say so."""
    async with office(tmp_path, algorithm="SHA-256") as place:
        await until(lambda: place.alice)
        (contact,) = place.alice
        for away in (0.0, 1.5 * RETRY_TIME):
            await place.kamailio.stop_async()
            await asyncio.sleep(away)
            await place.kamailio.start_async()
            took = await until(lambda: place.alice, RETRY_TIME)
            assert took < RETRY_TIME
            assert place.alice == [contact]


async def test_a_wrong_password_shows_in_the_log_and_nowhere_the_password(tmp_path: Path) -> None:
    wrong = "no password of yours"
    async with office(tmp_path, password=wrong) as place:
        await until(lambda: place.logged("registration failed"))
        (why,) = place.logged("registration failed")
        assert why == f'the password of "gateway" for the realm "{REALM}" was refused'
        assert place.kamailio.log.count("asked for a password: REGISTER") == 2
        assert place.alice == []
        await place.gateway.stop_async()
        assert wrong not in place.gateway.log_file.read_text()


async def test_stopping_the_gateway_takes_the_bindings_away(tmp_path: Path) -> None:
    async with office(tmp_path) as place:
        await until(lambda: place.alice)
        await place.gateway.stop_async()
        assert place.alice == []
        await place.gateway.start_async()
        await until(lambda: place.alice, 15.0)
