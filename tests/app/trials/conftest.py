"""A configuration that a test can change."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ichat_gw.config.load import Loaded, load

LINES = {
    "JabberServer": "127.0.0.1",
    "JabberComponentName": "gw.example",
    "JabberComponentPassword": "geheim",
    "JabberControlUsername": "control",
    "IPAddress": "127.0.0.1",
    "LogFilename": "gw.log",
}

Configure = Callable[..., Loaded]


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    monkeypatch.chdir(tmp_path)

    def write(**lines: object) -> Loaded:
        file = tmp_path / "ichat-gw.config"
        file.write_text("".join(f"{name} = {value}\n" for name, value in (LINES | lines).items()))
        file.chmod(0o600)
        return load(file)

    return write
