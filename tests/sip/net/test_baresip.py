"""The user agent against baresip over TLS and TCP: a SIP stack and a use of OpenSSL that are not ours."""

import asyncio
from pathlib import Path

import pytest

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import Answered, Confirmed, End, Ended, LegEvent, Party, Place
from ichat_gw.sip.events import FromSession, ToSession
from ichat_gw.sip.net.tls import TlsFiles
from peers import baresip
from peers.baresip import Baresip
from tests.sip.net.certificates import Authority
from tests.sip.net.shell import Shell

pytestmark = pytest.mark.e2e

SILENCE = [0] * 8000 * 20


@pytest.mark.parametrize("transport", ["tls", "tcp"])
async def test_calls_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str) -> None:
    authority = Authority(tmp_path)
    authority.sign("gw.example", "gw.example", "127.0.0.1")
    certificate, key = authority.sign("phone", "127.0.0.1")
    both = tmp_path / "phone.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    with_tls = f"sip_certificate {both}\nsip_cafile {authority.root}\nsip_verify_server yes\n"
    monkeypatch.setattr(baresip, "_CONFIG", baresip._CONFIG + with_tls)
    heard: asyncio.Queue[FromSession] = asyncio.Queue()
    shell = await Shell().open(tls=TlsFiles("gw.example", ca_file=authority.root, directory=tmp_path))
    shell.on_event = heard.put_nowait

    async def hears(wanted: type[LegEvent]) -> int:
        async with asyncio.timeout(30):
            while True:
                said = await heard.get()
                if isinstance(said.event, wanted):
                    return said.session

    phone = Baresip(tmp_path / "phone", "bob", sound=SILENCE)
    try:
        await asyncio.to_thread(phone.start)
        secure = transport == "tls"
        ours = shell.endpoint.tls_port if secure else shell.endpoint.address[1]
        await asyncio.to_thread(phone.dial, f"sip:alice@127.0.0.1:{ours};transport={transport}")
        session = await hears(Confirmed)
        shell.act(ToSession(session, End(Ending(Cause.HANGUP))))
        while shell.agent._core.layer.unanswered:  # nothing tells when the BYE is answered  # noqa: ASYNC110
            await asyncio.sleep(0.05)

        # baresip listens for TLS at the port behind the one for the others.
        target = f"sip:bob@127.0.0.1:{phone.port + secure};transport={transport}"
        place = Place(target, Party("sip:alice@example.com"), shell.sdp, "alice")
        number = shell.agent.new_session()
        shell.act(ToSession(number, place))
        assert await hears(Answered) == number
        await asyncio.sleep(0.2)
        await asyncio.to_thread(phone.hang_up)
        assert await hears(Ended) == number
    finally:
        await asyncio.to_thread(phone.stop)
        await shell.close()
