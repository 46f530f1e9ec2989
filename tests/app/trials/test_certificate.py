"""Certificates that are tried: key, domain, age."""

import time
from pathlib import Path

from ichat_gw.app.trials.certificate import try_certificate
from ichat_gw.sip.net.tls import TlsFiles
from tests.sip.net.certificates import Authority

DAY = 86_400


def tried(files: TlsFiles, now: float | None = None) -> list[tuple[str, str, str]]:
    return [(trial.subject, trial.outcome, trial.text) for trial in try_certificate(files, now)]


def test_a_certificate_that_is_right(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).sign("a", "gw.example")
    key_trial, domain, age = tried(TlsFiles("gw.example", certificate, key))
    assert key_trial == ("TLSPrivateKey", "ok", f"is the key of {certificate}")
    assert domain == ("TLSDomainName", "ok", f"{certificate} is for gw.example")
    assert age[:2] == ("TLSCertificate", "ok")


def test_a_certificate_for_somebody_else(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).sign("a", "other.example", "*.gw.example")
    _, domain, _ = tried(TlsFiles("sip.gw.example", certificate, key))
    assert domain[:2] == ("TLSDomainName", "warning")
    assert "is for *.gw.example, other.example, not for sip.gw.example" in domain[2]


def test_a_certificate_that_ends_soon(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).sign("a", "gw.example", days=20)
    (trial,) = (each for each in tried(TlsFiles("gw.example", certificate, key))[2:])
    assert trial[:2] == ("TLSCertificate", "warning")
    assert "which is in 18 days" in trial[2]
    later = time.time() + 300 * DAY
    certificate, key = Authority(tmp_path).sign("b", "gw.example")
    assert tried(TlsFiles("gw.example", certificate, key), later)[2][1] == "ok"
    assert tried(TlsFiles("gw.example", certificate, key), later + 50 * DAY)[2][1] == "warning"


def test_a_certificate_that_has_ended(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).sign("a", "gw.example", days=0)
    (_, (subject, outcome, text)) = tried(TlsFiles("gw.example", certificate, key))
    assert (subject, outcome) == ("TLSCertificate", "failed")
    assert "certificate has expired" in text


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, _ = authority.sign("a", "gw.example")
    _, key = authority.sign("b", "gw.example")
    ((subject, outcome, text),) = tried(TlsFiles("gw.example", certificate, key))
    assert (subject, outcome) == ("TLSPrivateKey", "failed")
    assert "is not the key of the certificate" in text
    ((subject, _, text),) = tried(TlsFiles("gw.example", tmp_path / "no.pem"))
    assert subject == "TLSCertificate"
    assert "cannot be read: No such file" in text


def test_no_certificate(tmp_path: Path) -> None:
    ((subject, outcome, text),) = tried(TlsFiles("gw.example", directory=tmp_path))
    assert (subject, outcome) == ("TLSCertificate", "skipped")
    assert "TLS is not opened" in text
