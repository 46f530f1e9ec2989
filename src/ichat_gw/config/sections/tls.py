"""Certificates and whom they are asked of."""

from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, SecretStr

from ichat_gw.config import kinds
from ichat_gw.config.row import Row, Section

# All of them take effect at a reload.
row = partial(Row, Section.TLS, live=True)


class TlsSettings(BaseModel):
    """Certificates and whom they are asked of."""

    tls_certificate: Annotated[
        Path | None,
        row(
            "TLSCertificate",
            kinds.PATH,
            "The PEM file with this server's certificate and its chain. Without one, TLS is not opened.",
            default_words="`domain_cert_<TLSDomainName>.pem` in the current directory",
        ),
    ] = None
    tls_private_key: Annotated[
        Path | None,
        row(
            "TLSPrivateKey",
            kinds.PATH,
            "The PEM file with the certificate's private key.",
            default_words="`domain_key_<TLSDomainName>.pem` in the current directory, "
            "else the certificate's own file",
        ),
    ] = None
    tls_private_key_pass_phrase: Annotated[
        SecretStr | None,
        row(
            "TLSPrivateKeyPassPhrase",
            kinds.SECRET,
            "The pass phrase of the private key, if it has one.",
            default_words="none",
        ),
    ] = None
    tls_dh_params_filename: Annotated[
        Path | None,
        row(
            "TLSDHParamsFilename",
            kinds.PATH,
            "The PEM file with Diffie-Hellman parameters.",
            default_words="none",
        ),
    ] = None
    tls_ca_file: Annotated[
        Path | None,
        row(
            "TLSCAFile",
            kinds.PATH,
            "The PEM file with the root certificates that are trusted, and no others. A server that we "
            "connect to must have a certificate from one of them, for the very domain in the SIP address; "
            "wildcards do not count (RFC 5922).",
            default_words="the system's, and every `root_cert_*.pem` in the current directory",
            new=True,
        ),
    ] = None
    tls_require_client_certificate: Annotated[
        bool,
        row(
            "TLSRequireClientCertificate",
            kinds.ON_OFF,
            "Whether only peers with a certificate from a trusted root may connect over TLS.",
            new=True,
        ),
    ] = False
