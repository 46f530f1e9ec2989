"""TLS: whether key and certificate fit, whose the certificate is, and how long it is good for.

The certificate is read as a peer would: in a handshake in memory, whose client trusts just this one.
"""

import ssl
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ichat_gw.app.trials.trial import Trial
from ichat_gw.sip.certificate import sip_domains, speaks_for
from ichat_gw.sip.net.tls import TlsContexts, TlsFiles, TlsMisconfigured, certificate_of, load_tls

SOON = 30
"""Days before its end from which on a certificate is worth a warning."""
_DAY = 86_400


def try_certificate(files: TlsFiles, now: float | None = None) -> Iterator[Trial]:
    """Try the files of TLS. `now`: UNIX time, the clock's unless given."""
    try:
        contexts = load_tls(files)
    except TlsMisconfigured as error:
        setting, _, what = str(error).partition(": ")
        yield Trial(setting, "failed", what, "needed: PEM files of a certificate and its own key")
        return
    certificate = certificate_of(files)
    if contexts is None or certificate is None:
        yield Trial(
            "TLSCertificate",
            "skipped",
            "there is no certificate, so TLS is not opened",
            f"to open it set TLSCertificate and TLSPrivateKey, or put domain_cert_{files.domain}.pem and "
            f"domain_key_{files.domain}.pem into the current directory",
        )
        return
    yield Trial("TLSPrivateKey", "ok", f"is the key of {certificate}")
    shown, fault = _as_a_peer_sees_it(contexts, certificate)
    if fault:
        yield Trial("TLSCertificate", "failed", f"{certificate}: {fault}", "get a new certificate")
        return
    yield _name(shown, certificate, files.domain)
    yield _age(shown, certificate, time.time() if now is None else now)


def _name(shown: Mapping[str, Any], certificate: Path, domain: str) -> Trial:
    if speaks_for(shown, domain):
        return Trial("TLSDomainName", "ok", f"{certificate} is for {domain}")
    names = ", ".join(sorted(sip_domains(shown))) or "no domain at all"
    return Trial(
        "TLSDomainName",
        "warning",
        f"{certificate} is for {names}, not for {domain}: peers that look will not connect (RFC 5922)",
        "set TLSDomainName to the domain in your SIP addresses, and have the certificate name just that; "
        "wildcards do not count",
    )


def _age(shown: Mapping[str, Any], certificate: Path, now: float) -> Trial:
    end = str(shown.get("notAfter", ""))
    days = int((ssl.cert_time_to_seconds(end) - now) // _DAY)
    if days >= SOON:
        return Trial("TLSCertificate", "ok", f"{certificate} is good until {end}")
    what = f"{certificate} is good until {end}, which is in {days} days"
    return Trial("TLSCertificate", "warning", what, "renew it, then `ichat-gw reload`")


def _as_a_peer_sees_it(contexts: TlsContexts, certificate: Path) -> tuple[Mapping[str, Any], str]:
    """What `ssl.SSLSocket.getpeercert` would say of it, and why it cannot be used if it cannot."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(certificate)
    contexts.server.verify_mode = ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server)
    answering = contexts.server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(10):
        try:
            asking.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLCertVerificationError as error:
            return {}, error.verify_message
        except ssl.SSLError as error:
            return {}, str(error.reason or error)
        else:
            return asking.getpeercert() or {}, ""
        try:
            answering.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            return {}, str(error.reason or error)
    raise AssertionError("a handshake without end")
