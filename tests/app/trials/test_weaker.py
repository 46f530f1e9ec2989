"""What weakens a gateway is named."""

import pytest

from app.trials.conftest import Configure
from ichat_gw.app.trials import weaker
from ichat_gw.app.trials.trial import Trial
from ichat_gw.app.trials.weaker import LIMITS, try_safety
from ichat_gw.config.table import SETTINGS


def found(configure: Configure, **lines: object) -> dict[str, Trial]:
    return {trial.subject: trial for trial in try_safety(configure(**lines).settings)}


def test_nothing_weakens_a_gateway_for_one_machine(configure: Configure) -> None:
    assert found(configure) == {}


@pytest.mark.parametrize("address", ["", "192.0.2.1"])
def test_everybody_is_heard(configure: Configure, address: str) -> None:
    trial = found(configure, IPAddress=address)["AllowedSIPNetworks"]
    assert (trial.outcome, "SIP is heard from everybody" in trial.text) == ("warning", True)
    assert found(configure, IPAddress=address, AllowedSIPNetworks="192.0.2.0/24") == {}


@pytest.mark.parametrize("limit", LIMITS)
def test_no_limit(configure: Configure, limit: str) -> None:
    trial = found(configure, **{limit: 0})[limit]
    assert trial.outcome == "warning"
    assert trial.text == "is 0, which is no limit"


def test_every_limit_is_known() -> None:
    sentences = {setting.row.name: setting.row.sentence for setting in SETTINGS}
    unlimited = ("0 is no limit", "0 ignores nobody")
    assert set(LIMITS) == {
        name for name, text in sentences.items() if any(word in text for word in unlimited)
    }


def test_users_of_other_domains(configure: Configure) -> None:
    own = {"JabberComponentName": "gw.b.example"}
    trial = found(configure, **own, AllowedXMPPDomains="c.example, B.example, a.example")[
        "AllowedXMPPDomains"
    ]
    assert (trial.outcome, trial.text) == ("ok", "lets users of a.example, c.example call SIP phones")
    assert found(configure, **own, AllowedXMPPDomains="B.example") == {}


def test_a_password_for_any_realm(configure: Configure) -> None:
    trial = found(configure, SIPCredentials="* ichat-gw geheim")["SIPCredentials"]
    assert trial.outcome == "warning"
    assert "geheim" not in str(trial)
    assert found(configure, SIPCredentials="phones.example ichat-gw geheim") == {}


def test_an_xmpp_server_elsewhere(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(configure, JabberServer="192.0.2.1")["JabberServer"].outcome == "warning"
    assert found(configure, JabberServer="localhost") == {}
    assert found(configure, JabberServer="no-such-host.invalid") == {}
    monkeypatch.setattr(weaker, "all_addresses", lambda: {"127.0.0.1", "192.0.2.1"})
    assert found(configure, JabberServer="192.0.2.1") == {}


def test_a_status_page_for_the_network(configure: Configure) -> None:
    open_to_all = {"HttpAddress": "0.0.0.0", "HttpAuth": "on", "HttpAuthPwd": "geheim"}
    assert found(configure, **open_to_all)["HttpAddress"].outcome == "warning"
    assert found(configure, **open_to_all, HttpPort=0) == {}
