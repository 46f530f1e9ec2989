"""The gateway's own command: what it does before it serves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ichat_gw.app.reload import configure_log
from ichat_gw.config.load import load
from ichat_gw.ops import logging, redact

SECRETS = ("component secret", "key phrase", "first password", "second password")


@pytest.fixture
def nothing_left() -> Iterator[None]:
    yield
    logging.shutdown()
    redact.forget_secrets()


def test_no_secret_of_the_configuration_reaches_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_left: None
) -> None:
    monkeypatch.chdir(tmp_path)
    component, phrase, *passwords = SECRETS
    lines = [
        "JabberServer = jabber.company.com",
        "JabberComponentName = gw.jabber.company.com",
        f"JabberComponentPassword = {component}",
        "JabberControlUsername = control",
        f"TLSPrivateKeyPassPhrase = {phrase}",
        *(f"SIPCredentials = realm{number} user {word}" for number, word in enumerate(passwords)),
        "LogLevel = DEBUG",
    ]
    Path("ichat-gw.config").write_text("\n".join(lines))
    configure_log(load().settings)
    log = logging.get_logger("test")
    for secret in SECRETS:
        log.info("saying it", text=f"this is the {secret}, really")
    logging.shutdown()
    written = Path("ichat-gw.log").read_text()
    assert written.count("saying it") == len(SECRETS)
    assert written.count("really") == len(SECRETS)
    for secret in SECRETS:
        assert secret not in written
