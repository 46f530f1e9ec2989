"""What makes a gateway easier to misuse than it need be. Nothing is tried: the settings are looked at."""

import ipaddress
import socket
from collections.abc import Iterator

from ichat_gw.app.configs import own_domain
from ichat_gw.app.local_addresses import all_addresses
from ichat_gw.app.trials.trial import Trial
from ichat_gw.config.credentials import ANY_REALM
from ichat_gw.config.table import SETTINGS, Settings

LIMITS = (
    "MaxRequestsPerSecond",
    "MaxRequestsPerSecondPerSource",
    "MaxCalls",
    "MaxCallsPerSource",
    "MaxCallsPerUser",
    "MaxCallDuration",
    "MaxTransactions",
    "IgnoreAfter",
)
"""Those for which 0 is none."""


def try_safety(settings: Settings) -> Iterator[Trial]:
    """Name each setting, and each default that only the operator can replace, that weakens the gateway."""
    if not settings.allowed_sip_networks and not _only_here(settings.ip_address or ""):
        yield Trial(
            "AllowedSIPNetworks",
            "warning",
            "is blank: SIP is heard from everybody who can send it to this machine",
            "name the networks of your phone system; iChat clients are heard all the same",
        )
    for setting in SETTINGS:
        if setting.row.name in LIMITS and getattr(settings, setting.field) == 0:
            remedy = (
                f"without it the gateway can be worn out or misused; {setting.default_text} is the default"
            )
            yield Trial(setting.row.name, "warning", "is 0, which is no limit", remedy)
    foreign = sorted({domain.lower() for domain in settings.allowed_xmpp_domains} - {own_domain(settings)})
    if foreign:
        # Somebody has written them down; it is said, and not held against him.
        yield Trial("AllowedXMPPDomains", "ok", f"lets users of {', '.join(foreign)} call SIP phones")
    if any(credentials.realm == ANY_REALM for credentials in settings.sip_credentials):
        yield Trial(
            "SIPCredentials",
            "warning",
            "a line is for any realm: whoever is behind a server of yours may ask for an answer through it",
            "write the realm that your server names",
        )
    if not _stays_here(settings.jabber_server):
        yield Trial(
            "JabberServer",
            "warning",
            f"{settings.jabber_server} is another machine, and XEP-0114 is not encrypted",
            "run the two on one machine, or put a tunnel between them",
        )
    if settings.http_port and not _only_here(settings.http_address):
        yield Trial(
            "HttpAddress",
            "warning",
            f"the status page at {settings.http_address} is not encrypted, so it can be read on the way",
            "leave it on loopback, and put a tunnel or a proxy that speaks TLS before it",
        )


def _only_here(host: str) -> bool:
    """Whether what is bound to `host` (an IP address; "" is all) can be reached from this machine alone."""
    return bool(host) and ipaddress.ip_address(host).is_loopback


def _stays_here(host: str) -> bool:
    """Whether what goes to `host` (a name or an address) stays on this machine; yes when nobody knows."""
    try:
        found = {str(answer[4][0]).partition("%")[0] for answer in socket.getaddrinfo(host, None)}
    except OSError:
        return True  # another trial says that there is no such host
    return found <= all_addresses()
