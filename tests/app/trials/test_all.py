"""Everything that is tried, in one go."""

from pathlib import Path

from app.trials.conftest import Configure
from ichat_gw.app.trials.all import try_all
from tests.peers.ports import free_port, free_ports


def test_the_order_is_that_of_a_start(configure: Configure) -> None:
    media = free_ports(10)
    loaded = configure(
        UDPTCPPort=free_port(),
        GatewayIPCPort=free_port(),
        JabberConnectorIPCPort=free_port(),
        HttpPort=free_port(),
        MediaRelayPortRangeMin=media,
        MediaRelayPortRangeMax=media + 9,
        JabberComponentPort=free_port(),
        DNSServers="127.0.0.1",
        IchatJabberConnectorPath="no-such-program",
    )
    found = list(try_all(loaded))
    subjects = list(dict.fromkeys(trial.subject for trial in found))
    assert subjects == [
        str(Path(loaded.path)),
        *("LogFilename", "SubscriptionDatabase"),
        *(name for name in subjects[3:] if name.endswith("Database")),
        *("IchatJabberConnectorPath", "UDPTCPPort", "GatewayIPCPort", "JabberConnectorIPCPort", "HttpPort"),
        *("MediaRelayPortRangeMin", "TLSCertificate", "DNSServers", "JabberServer"),
    ]
    failed = [trial.subject for trial in found if trial.outcome == "failed"]
    assert {"IchatJabberConnectorPath", "JabberServer"} <= set(failed)
    assert "there is no executable 'no-such-program'" in str(found)
