"""What the settings mean for the parts."""

from pathlib import Path

from ichat_gw.app.configs import transport_config
from ichat_gw.config.load import load

REQUIRED = (
    "JabberServer = 127.0.0.1\nJabberControlUsername = control\n"
    "JabberComponentName = gw.example.com\nJabberComponentPassword = secret\n"
)


def test_limits_of_connections(tmp_path: Path) -> None:
    path = tmp_path / "ichat-gw.config"
    path.write_text(REQUIRED)
    usual = transport_config(load(path).settings).limits
    assert (usual.connections, usual.per_address) == (2000, 200)
    path.write_text(f"{REQUIRED}MaxConnections = 30\nMaxConnectionsPerAddress = 4\n")
    limits = transport_config(load(path).settings).limits
    assert (limits.connections, limits.per_address) == (30, 4)
