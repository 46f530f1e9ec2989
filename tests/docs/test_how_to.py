"""What the how-to pages show, for real: servers with the lines shown, commands as written, calls."""

import subprocess
from pathlib import Path

import pytest

from docs.pages import DOCS, block, blocks, substitute
from ichat_gw.config.load import load
from peers import flows
from peers.audio import samples_of, stream_pcmu
from peers.baresip import Baresip
from peers.ejabberd import PrivateEjabberd
from peers.gateway import GatewayProcess
from peers.ichat import SimulatedIChat
from peers.kamailio import PrivateKamailio
from peers.ports import accepts_tcp
from peers.prosody import PrivateProsody
from peers.stage import Stage
from peers.xmpp_server import XmppServer

SECRET = "choose-a-long-password"


def settings_of(text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The settings of an `ini` block, and its translation rules."""
    lines = [line.split(" = ", 1) for line in text.splitlines() if line]
    settings = {name: value for name, value in lines if not name.startswith("Translation")}
    values = [value for name, value in lines if name.startswith("Translation")]
    return settings, list(zip(values[::2], values[1::2], strict=True))


class ProsodyOfThePage(PrivateProsody):
    """A Prosody whose component is configured as the page says."""

    def write_files(self) -> None:
        super().write_files()
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

    def write_files(self) -> None:
        super().write_files()
        config = self.directory / "ejabberd.yml"
        text = config.read_text()
        begin, end = text.index(f"  - port: {self.component_port}"), text.index("modules:")
        shown = substitute(
            block("how-to/ejabberd.md", "yaml"),
            {"5275": str(self.component_port), "jabber.example.org": self.domain, "listen:\n": ""},
        )
        config.write_text(text[:begin] + shown + text[end:])


@pytest.mark.e2e
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

    def write_files(self) -> None:
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


@pytest.mark.e2e
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


TLS = "how-to/tls.md"


def sh(commands: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run a block of shell commands."""
    return subprocess.run(
        ["sh", "-e", "-c", commands], cwd=directory, capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.e2e
@pytest.mark.parametrize("require", [False, True], ids=["any client", "clients with a certificate"])
async def test_certificates_as_shown(tmp_path: Path, require: bool) -> None:
    gateway = GatewayProcess(tmp_path, PrivateProsody(tmp_path / "not started"), 0)
    for commands in (block(TLS, "sh", "-x509 -newkey"), block(TLS, "sh", "openssl x509 -req")):
        made = sh(commands, tmp_path)
        assert made.returncode == 0, made.stderr
    shown, _ = settings_of(block(TLS, "ini", "RequireClient") if require else "")
    gateway.settings |= {"TLSDomainName": "gw.example.org"} | shown
    gateway.start(ready=False)
    try:
        port = int(gateway.settings["TLSPort"])
        await gateway.program.until_ready(lambda: accepts_tcp(port), 10)
        # The name leads here, to a port of this test.
        ask = substitute(
            block(TLS, "sh", "s_client"), {"-connect gw.example.org:5071": f"-connect 127.0.0.1:{port}"}
        )
        ours = "-cert domain_cert_gw.example.org.pem -key domain_key_gw.example.org.pem "
        verified = sh(substitute(ask, {"-brief": ours + "-brief"}) if require else ask, tmp_path)
        assert "Verification: OK" in verified.stderr
        if require:
            # In TLS 1.2 a client hears of it while it still shakes hands.
            refused = sh(substitute(ask, {"-brief": "-tls1_2 -brief"}), tmp_path)
            assert refused.returncode != 0
            assert "Verification: OK" not in refused.stderr
    finally:
        gateway.destroy()


NECESSARY = """
JabberServer = 127.0.0.1
JabberComponentName = ichat-gw.jabber.example.org
JabberComponentPassword = choose-a-long-password
JabberControlUsername = control
TranslationPattern = ^xmpp:(.*)@ichat-gw
TranslationOutput = sip:$1@phones.example.org
"""


@pytest.mark.parametrize("page", sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")))
def test_the_settings_shown_exist_and_have_proper_values(page: str, tmp_path: Path) -> None:
    for number, shown in enumerate(b for b in blocks(page) if b.language == "ini" and b.text[0] != "["):
        config = tmp_path / f"{number}.config"
        # Certificates are files that must be there.
        text = "".join(
            line for line in shown.text.splitlines(keepends=True) if "/" not in line or ".pem" not in line
        )
        text = text.replace("root_cert_example.pem", str(config))
        rest = (line for line in NECESSARY.splitlines(keepends=True) if line.split(" ")[0] not in text)
        config.write_text(text + "".join(rest))
        assert not load(config).warnings, f"{page}:{shown.line}"
