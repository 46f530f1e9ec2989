"""What differs between the settings in force and those of the file."""

from pydantic import SecretStr

from ichat_gw.addressing.translation import TranslationRule
from ichat_gw.config.changes import changes
from ichat_gw.config.credentials import SipCredentials
from ichat_gw.config.row import Section
from ichat_gw.config.table import Settings

OLD = Settings(
    jabber_server="127.0.0.1",
    jabber_component_name="gw.localhost",
    jabber_component_password=SecretStr("geheim"),
    jabber_control_username="control",
    translation_rules=(TranslationRule("a", "sip:b@c", 1),),
)


def test_the_same_is_no_change() -> None:
    found = changes(OLD, OLD.model_copy())
    assert (found.live, found.restart, found.settings) == ((), (), OLD)


def test_live_and_at_the_next_start() -> None:
    found = changes(OLD, OLD.model_copy(update={"max_calls": 5, "udp_tcp_port": 5099}))
    assert [(each.setting.row.name, each.before, each.after) for each in found.live] == [
        ("MaxCalls", "1000", "5")
    ]
    assert [(each.setting.row.name, each.before, each.after) for each in found.restart] == [
        ("UDPTCPPort", "5070", "5099")
    ]
    assert found.settings == OLD.model_copy(update={"max_calls": 5})


def test_a_rule_in_another_line_is_the_same_rule() -> None:
    moved = OLD.model_copy(update={"translation_rules": (TranslationRule("a", "sip:b@c", 9),)})
    found = changes(OLD, moved)
    assert (found.live, found.restart) == ((), ())
    assert found.settings.translation_rules[0].line == 9


def test_a_secret_that_changed_does_not_show() -> None:
    credentials = tuple(SipCredentials("pbx", "u", SecretStr(word)) for word in ("geheim", "neu"))
    old = OLD.model_copy(update={"sip_credentials": credentials[:1]})
    found = changes(old, OLD.model_copy(update={"sip_credentials": credentials[1:]}))
    (change,) = found.live
    assert change.before == change.after == '"pbx" u (set)'
    found = changes(OLD, OLD.model_copy(update={"jabber_component_password": SecretStr("neu")}))
    assert [(each.before, each.after) for each in found.live] == [("(set)", "(set)")]


def test_what_is_not_live_this_time() -> None:
    new = OLD.model_copy(update={"max_calls": 5, "tls_require_client_certificate": True})
    found = changes(OLD, new, lambda setting: setting.row.section is Section.TLS)
    assert [each.setting.row.name for each in found.live] == ["MaxCalls"]
    assert [each.setting.row.name for each in found.restart] == ["TLSRequireClientCertificate"]
    assert not found.settings.tls_require_client_certificate
