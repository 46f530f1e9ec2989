"""The certificate, the key and the roots of trust, out of the operator's files.

TLS 1.2 and later. Chains are verified by the library; whether a certificate is that of the SIP domain we
want is decided by `ichat_gw.sip.certificate`, because SIP's rules are not those of the web (RFC 5922).
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

from ichat_gw.errors import GatewayError


class TlsMisconfigured(GatewayError):
    """The files of TLS do not fit; the message names the setting and what is wrong."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What the TLS settings say. None: not set."""

    domain: str = ""
    certificate: Path | None = None
    private_key: Path | None = None
    pass_phrase: str | None = None
    dh_params: Path | None = None
    ca_file: Path | None = None
    require_client_certificate: bool = False
    directory: Path = Path()
    """Where the files of the original's names are looked for."""


@dataclass(frozen=True, slots=True)
class TlsContexts:
    """How we speak TLS."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def certificate_of(files: TlsFiles) -> Path | None:
    """Return the certificate file: the one set, else `domain_cert_<domain>.pem`, else None."""
    if files.certificate is not None:
        return files.certificate
    found = files.directory / f"domain_cert_{files.domain}.pem"
    return found if found.is_file() else None


def load_tls(files: TlsFiles) -> TlsContexts | None:
    """Read the files; None when there is no certificate. Raises TlsMisconfigured."""
    certificate = certificate_of(files)
    if certificate is None:
        return None
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    for context in (server, client):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _load_chain(context, files, certificate)
        _load_roots(context, files)
    if files.dh_params is not None:
        try:
            server.load_dh_params(str(files.dh_params))
        except (OSError, ValueError) as error:
            raise TlsMisconfigured(f"TLSDHParamsFilename: {files.dh_params}: {_reason(error)}") from None
    server.verify_mode = ssl.CERT_REQUIRED if files.require_client_certificate else ssl.CERT_NONE
    client.verify_mode = ssl.CERT_REQUIRED
    return TlsContexts(server, client)


def _key_of(files: TlsFiles, certificate: Path) -> Path:
    """The key's file: the one set, else the original's name, else that of the certificate itself."""
    if files.private_key is not None:
        return files.private_key
    found = files.directory / f"domain_key_{files.domain}.pem"
    return found if found.is_file() else certificate


def _load_chain(context: ssl.SSLContext, files: TlsFiles, certificate: Path) -> None:
    key = _key_of(files, certificate)
    for setting, path in (("TLSCertificate", certificate), ("TLSPrivateKey", key)):
        try:
            path.open("rb").close()
        except OSError as error:
            raise TlsMisconfigured(f"{setting}: {path} cannot be read: {error.strerror}") from None
    try:
        # A function, and never None: otherwise OpenSSL asks on the terminal.
        context.load_cert_chain(certificate, key, lambda: files.pass_phrase or "")
    except (OSError, ValueError) as error:
        raise TlsMisconfigured(_chain_fault(error, files, certificate, key)) from None


def _chain_fault(error: Exception, files: TlsFiles, certificate: Path, key: Path) -> str:
    reason = getattr(error, "reason", None) or ""
    if reason == "KEY_VALUES_MISMATCH":
        return f"TLSPrivateKey: {key} is not the key of the certificate in {certificate}"
    if "PEM lib" in str(error) or reason in ("BAD_DECRYPT", "BAD_PASSWORD_READ", "NO_START_LINE"):
        if _is_encrypted(key):
            wrong = "is wrong" if files.pass_phrase else "is needed and not set"
            return f"TLSPrivateKeyPassPhrase: the pass phrase of {key} {wrong}"
        if key == certificate:
            return f"TLSPrivateKey: it is not set, and {certificate} holds no PEM certificate with its key"
        return f"TLSCertificate and TLSPrivateKey: {certificate} and {key} hold no PEM certificate and key"
    return f"TLSCertificate and TLSPrivateKey: {certificate} and {key}: {_reason(error)}"


def _is_encrypted(key: Path) -> bool:
    return b"ENCRYPTED" in key.read_bytes()


def _load_roots(context: ssl.SSLContext, files: TlsFiles) -> None:
    if files.ca_file is not None:
        roots = [("TLSCAFile", files.ca_file)]
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        roots = [("root certificate", path) for path in sorted(files.directory.glob("root_cert_*.pem"))]
    for setting, path in roots:
        try:
            context.load_verify_locations(path)
        except (OSError, ValueError) as error:
            raise TlsMisconfigured(f"{setting}: {path}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or error)
