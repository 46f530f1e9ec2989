"""RFC 5922: which SIP domains a certificate speaks for."""

from typing import Any

import pytest

from ichat_gw.sip.certificate import sip_domains, speaks_for


def certificate(*names: tuple[str, str], common: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"subjectAltName": names} if names else {}
    if common:
        found["subject"] = ((("organizationName", "Example"),), (("commonName", common),))
    return found


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        (("DNS", "Example.COM"), "example.com"),
        (("DNS", "example.com."), "example.com"),
        (("URI", "sip:example.com"), "EXAMPLE.com."),
        (("URI", "sip:example.com:5061;transport=tls"), "example.com"),
        (("IP Address", "192.0.2.9"), "192.0.2.9"),
        (("IP Address", "2001:DB8:0:0:0:0:0:9"), "2001:db8::9"),
        (("URI", "sip:[2001:db8::9]"), "2001:DB8::9"),
    ],
)
def test_who_it_speaks_for(name: tuple[str, str], domain: str) -> None:
    assert speaks_for(certificate(name), domain)


@pytest.mark.parametrize(
    "name",
    [
        ("DNS", "*.com"),
        ("DNS", "sip.example.com"),
        ("URI", "sip:alice@example.com"),
        ("URI", "sips:example.com"),
        ("URI", "https://example.com"),
        ("URI", "sip:exa mple.com"),
        ("email", "example.com"),
    ],
)
def test_who_it_does_not_speak_for(name: tuple[str, str]) -> None:
    assert not speaks_for(certificate(name), "example.com")


def test_a_wildcard_matches_nothing() -> None:
    assert not speaks_for(certificate(("DNS", "*.example.com")), "sip.example.com")


def test_the_common_name_counts_only_without_alternative_names() -> None:
    assert sip_domains(certificate(common="Example.com")) == {"example.com"}
    assert sip_domains(certificate(("email", "a@b"), common="example.com")) == frozenset()
    assert sip_domains({}) == frozenset()


def test_nobody_is_nobody() -> None:
    assert not speaks_for(certificate(("DNS", "")), "")
