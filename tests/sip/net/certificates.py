"""Certificates made for a test: a root and whom it signs."""

import datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_START = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)


class Authority:
    """A root certificate in a folder, and what it signs beside it."""

    def __init__(self, directory: Path, name: str = "root") -> None:
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"test {name}")])
        certificate = (
            self._builder(self._name, 365)
            .public_key(self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.root = directory / f"root_cert_{name}.pem"
        self.root.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject: x509.Name, days: int) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_START)
            .not_valid_after(_START + datetime.timedelta(days=days))
        )

    def sign(self, file: str, *names: str, pass_phrase: str = "", days: int = 365) -> tuple[Path, Path]:
        """Make `domain_cert_<file>.pem` and its key. A name is a domain, an IP address or a SIP URI."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives: list[x509.GeneralName] = []
        for name in names:
            if name.startswith("sip:"):
                alternatives.append(x509.UniformResourceIdentifier(name))
            elif name[0].isdigit() or ":" in name:
                alternatives.append(x509.IPAddress(ip_address(name)))
            else:
                alternatives.append(x509.DNSName(name))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, file)])
        certificate = (
            self._builder(subject, days)
            .public_key(key.public_key())
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        paths = (self.directory / f"domain_cert_{file}.pem", self.directory / f"domain_key_{file}.pem")
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if pass_phrase:
            encryption = serialization.BestAvailableEncryption(pass_phrase.encode())
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL
                if not pass_phrase
                else serialization.PrivateFormat.PKCS8,
                encryption,
            )
        )
        return paths
