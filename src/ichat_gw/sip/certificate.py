"""Whose certificate a TLS peer showed, in terms of SIP domains (RFC 5922 section 7).

The TLS library has verified the chain; here is decided which domains the certificate speaks for. There are
no wildcards in SIP (section 7.2), and the domain asked for is that of the URI before any look-up in DNS, so
that a lie in DNS leads nowhere.
"""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any

from ichat_gw.addressing.sip_uri import InvalidSipUri, SipUri


def sip_domains(certificate: Mapping[str, Any]) -> frozenset[str]:
    """Return the SIP domains that a certificate names, in lower case, IP addresses in their usual form.

    `certificate` is what `ssl.SSLSocket.getpeercert` gives. Only one without any alternative name is
    asked for its common name (section 7.1).
    """
    names = list(certificate.get("subjectAltName", ()))
    if not names:
        subject = (pair for part in certificate.get("subject", ()) for pair in part)
        return frozenset(str(value).lower() for kind, value in subject if kind == "commonName")
    return frozenset(_domains(names))


def _domains(names: Iterable[tuple[str, str]]) -> Iterable[str]:
    for kind, value in names:
        if kind == "DNS":
            yield value.lower().rstrip(".")
        elif kind == "IP Address":
            yield _plain_address(value)
        elif kind == "URI":
            try:
                uri = SipUri.parse(value)
            except InvalidSipUri:
                continue
            # With a user part it names a person, not the domain.
            if uri.scheme == "sip" and uri.user is None:
                yield _plain_address(uri.address.lower().rstrip("."))


def speaks_for(certificate: Mapping[str, Any], domain: str) -> bool:
    """Tell whether the bearer of a certificate is the SIP domain (or IP address) `domain`."""
    return bool(domain) and _plain_address(domain.lower().rstrip(".")) in sip_domains(certificate)


def _plain_address(text: str) -> str:
    try:
        return str(ip_address(text.strip("[]")))
    except ValueError:
        return text
