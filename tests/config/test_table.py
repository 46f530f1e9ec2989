"""The table of settings: complete, consistent, and the Settings made from it."""

import re

import pytest
from pydantic import SecretStr, ValidationError

from ichat_gw.config.credentials import SipCredentials
from ichat_gw.config.row import Section
from ichat_gw.config.table import BY_KEY, SETTINGS, Settings, key

REQUIRED = {
    "jabber_server": "jabber.company.com",
    "jabber_component_name": "ichat-gw.jabber.company.com",
    "jabber_component_password": SecretStr("geheim"),
    "jabber_control_username": "control",
}


def test_every_default_is_a_value_of_its_kind() -> None:
    for setting in SETTINGS:
        if not setting.required and setting.default is not None and not setting.row.default_words:
            assert setting.row.kind.read(setting.row.kind.write(setting.default)) == setting.default


def test_every_row_says_what_it_is_for() -> None:
    for setting in SETTINGS:
        assert re.fullmatch(r"[A-Z].*\.", setting.row.sentence)
        assert setting.row.kind.allowed
        assert setting.default_text


def test_every_row_stands_in_the_class_of_its_section_and_the_table_is_in_their_order() -> None:
    sections = [
        {s.row.section for s in SETTINGS if s.field in base.model_fields} for base in Settings.__bases__
    ]
    assert sections == [{section} for section in Section]
    order = [setting.row.section for setting in SETTINGS]
    assert order == sorted(order, key=list(Section).index)


def test_no_name_and_no_flag_is_used_twice() -> None:
    names = [key(name) for setting in SETTINGS for name in setting.names]
    flags = [setting.row.flag.removeprefix("-") for setting in SETTINGS if setting.row.flag]
    assert len({*names, *flags}) == len(names) + len(flags)


def test_names_are_found_in_any_case_and_the_manuals_spelling() -> None:
    for name, field in [
        ("udptcpPORT", "udp_tcp_port"),
        ("SIP Gateway Identity", "sip_gateway_identity"),
        ("TLSDomain", "tls_domain"),
        ("TLSDomainName", "tls_domain"),
        ("TranslationOutput", "translation_rules"),
        ("sp", "udp_tcp_port"),
    ]:
        assert BY_KEY[key(name)].field == field
    assert "nk" not in BY_KEY


def test_settings_are_immutable_and_checked() -> None:
    settings = Settings(**REQUIRED)
    assert settings.udp_tcp_port == 5070
    assert settings.tls_domain
    with pytest.raises(ValidationError):
        settings.udp_tcp_port = 5080  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Settings(**REQUIRED, udp_port=1)


def test_secrets_do_not_show() -> None:
    credentials = (SipCredentials("pbx", "gateway", SecretStr("geheim")),)
    settings = Settings(
        **REQUIRED,
        tls_private_key_pass_phrase="geheim",
        http_auth_pwd="geheim",
        sip_credentials=credentials,
    )
    assert settings.sip_credentials == credentials
    for shown in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert "geheim" not in shown
    assert settings.jabber_component_password.get_secret_value() == "geheim"
    secret = {setting.field for setting in SETTINGS if setting.row.kind.secret}
    assert secret == {
        *("jabber_component_password", "tls_private_key_pass_phrase", "http_auth_pwd", "sip_credentials"),
        "hep_password",
    }
