"""The configurations that the how-to pages show, in the real servers, with real calls."""

from pathlib import Path

import pytest

from docs.pages import block, substitute
from peers import flows
from peers.audio import samples_of, stream_pcmu
from peers.baresip import Baresip
from peers.ejabberd import PrivateEjabberd
from peers.gateway import GatewayProcess
from peers.ichat import SimulatedIChat
from peers.kamailio import PrivateKamailio
from peers.prosody import PrivateProsody
from peers.stage import Stage
from peers.xmpp_server import XmppServer

pytestmark = pytest.mark.e2e
SECRET = "choose-a-long-password"


def settings_of(text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The settings of an `ini` block, and its translation rules."""
    lines = [line.split(" = ", 1) for line in text.splitlines() if line]
    settings = {name: value for name, value in lines if not name.startswith("Translation")}
    values = [value for name, value in lines if name.startswith("Translation")]
    return settings, list(zip(values[::2], values[1::2], strict=True))


class ProsodyOfThePage(PrivateProsody):
    """A Prosody whose component is configured as the page says."""

    def _write_files(self) -> None:
        super()._write_files()
        config = self.directory / "prosody.cfg.lua"
        ours = f'\nComponent "{self.component}"\n    component_secret = "{self.component_secret}"\n'
        # The test's own lines about components go, those of the page come; the page's domain and port are
        # the test's.
        rest = substitute(config.read_text(), {ours: ""})
        own = ("component_ports", "component_interfaces", "network_settings")
        rest = "".join(line for line in rest.splitlines(keepends=True) if not line.startswith(own))
        head = substitute(
            block("how-to/prosody.md", "lua", "component_ports"), {"5275": str(self.component_port)}
        )
        component = substitute(
            block("how-to/prosody.md", "lua", "Component"), {"jabber.example.org": self.domain}
        )
        config.write_text(head + rest + component)


class EjabberdOfThePage(PrivateEjabberd):
    """An ejabberd whose component is configured as the page says."""

    def _write_files(self) -> None:
        super()._write_files()
        config = self.directory / "ejabberd.yml"
        text = config.read_text()
        begin, end = text.index(f"  - port: {self.component_port}"), text.index("modules:")
        shown = substitute(
            block("how-to/ejabberd.md", "yaml"),
            {"5275": str(self.component_port), "jabber.example.org": self.domain, "listen:\n": ""},
        )
        config.write_text(text[:begin] + shown + text[end:])


@pytest.mark.parametrize(
    ("page", "server"),
    [("how-to/prosody.md", ProsodyOfThePage), ("how-to/ejabberd.md", EjabberdOfThePage)],
)
async def test_an_xmpp_server_as_shown(page: str, server: type[XmppServer], tmp_path: Path) -> None:
    stage = Stage(tmp_path, server=server)
    stage.prosody.component_secret = SECRET
    shown, _ = settings_of(block(page, "ini"))
    assert shown["JabberComponentPassword"] == SECRET
    shown["JabberComponentName"] = substitute(
        shown["JabberComponentName"], {"jabber.example.org": stage.prosody.domain}
    )
    shown["JabberComponentPort"] = substitute(
        shown["JabberComponentPort"], {"5275": str(stage.prosody.component_port)}
    )
    stage.gateway.settings |= shown
    async with stage:
        played = await flows.ichat_calls_established(stage, talk=0.3)
        assert played.sound


class KamailioOfThePage(PrivateKamailio):
    """A Kamailio with the configuration of the page, and an ear for the question who is registered."""

    def _write_files(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        config = substitute(
            block("how-to/kamailio.md", "kamailio"),
            {
                "192.0.2.20:5060": f"127.0.0.1:{self.port}",
                'loadmodule "kex.so"\n': f'loadmodule "kex.so"\nloadmodule "jsonrpcs.so"\n{self._ear}',
            },
        )
        (self.directory / "kamailio.cfg").write_text(config)

    @property
    def _ear(self) -> str:
        address = f"udp:127.0.0.1:{self._rpc_port}"
        return f'modparam("jsonrpcs", "transport", 4)\nmodparam("jsonrpcs", "dgram_socket", "{address}")\n'


async def test_kamailio_as_shown(tmp_path: Path) -> None:
    prosody = PrivateProsody(tmp_path / "prosody")
    kamailio = KamailioOfThePage(tmp_path / "kamailio", {})
    shown, rules = settings_of(
        substitute(
            block("how-to/kamailio.md", "ini"),
            {
                "192.0.2.20:5060": kamailio.address,
                r"jabber\.example\.org": prosody.domain.replace(".", r"\."),
                "@jabber.example.org": f"@{prosody.domain}",
            },
        )
    )
    gateway = GatewayProcess(
        tmp_path / "gateway", prosody, 0, rules=rules, settings=shown | {"RegistrationTime": "60"}
    )
    ichat = SimulatedIChat(prosody, "alice")
    phone = Baresip(
        tmp_path / "phone", "100", sound=samples_of(stream_pcmu("baresip", 600)),
        registrar="phones.example.org", outbound=kamailio.address, password="a-long-password-for-phone-100",
    )  # fmt: skip
    try:
        await prosody.start_async()
        await kamailio.start_async()
        await gateway.start_async()
        phone.start()
        await ichat.log_in()
        await ichat.subscribe(gateway.control)
        await kamailio.program.until_ready(lambda: {"100", "alice"} <= set(kamailio.bindings()), 10)
        phone.dial("sip:alice@phones.example.org")
        await ichat.wait_for("established")
        await gateway.program.until_ready(lambda: ichat.sip.call.received > 10, 10)
        phone.hang_up()
        await ichat.wait_for("ended")
        ichat.forget()
        ichat.call(gateway.jid("100"))
        await ichat.wait_for("established")
        await gateway.program.until_ready(lambda: ichat.sip.call.received > 10, 10)
        ichat.sip.hang_up()
        await ichat.wait_for("SIP 200 BYE")
        await gateway.stop_async()
    finally:
        phone.stop()
        await ichat.log_out()
        gateway.destroy()
        await kamailio.stop_async()
        await prosody.stop_async()
