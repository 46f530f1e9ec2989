"""Everything that can be tried of a configuration."""

from collections.abc import Iterator

from ichat_gw.app.configs import tls_files
from ichat_gw.app.programs import ProgramNotFound, find_program
from ichat_gw.app.trials.certificate import try_certificate
from ichat_gw.app.trials.dns import try_dns
from ichat_gw.app.trials.files import try_files
from ichat_gw.app.trials.jabber_server import try_jabber_server
from ichat_gw.app.trials.ports import gateway_runs, try_ports
from ichat_gw.app.trials.rtpengine import try_rtpengines
from ichat_gw.app.trials.trial import Trial
from ichat_gw.app.trials.weaker import try_safety
from ichat_gw.config.load import Loaded
from ichat_gw.config.table import Settings
from ichat_gw.sip.net.tls import certificate_of


def try_all(loaded: Loaded) -> Iterator[Trial]:
    """Try it all, in the order in which a start would fail."""
    settings = loaded.settings
    yield from try_files(loaded)
    yield _connector(settings)
    files = tls_files(settings)
    runs = gateway_runs(settings)
    yield from try_ports(settings, certificate_of(files) is not None)
    yield from try_certificate(files)
    yield from try_rtpengines(settings)
    yield from try_dns(settings)
    yield from try_jabber_server(settings, runs)
    yield from try_safety(settings)


def _connector(settings: Settings) -> Trial:
    try:
        path = find_program(settings.ichat_jabber_connector_path, "IchatJabberConnectorPath")
    except ProgramNotFound as error:
        return Trial("IchatJabberConnectorPath", "failed", str(error).partition(": ")[2])
    return Trial("IchatJabberConnectorPath", "ok", f"is {path}")
