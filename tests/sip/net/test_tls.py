"""The files of TLS, right and wrong."""

import base64
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from ichat_gw.sip.net.tls import TlsFiles, TlsMisconfigured, load_tls
from tests.sip.net.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_no_certificate_no_tls(tmp_path: Path) -> None:
    assert load_tls(TlsFiles("example.com", directory=tmp_path)) is None


def test_the_original_file_names(authority: Authority) -> None:
    authority.sign("example.com", "example.com")
    contexts = load_tls(TlsFiles("example.com", directory=authority.directory))
    assert contexts is not None
    assert contexts.server.minimum_version == ssl.TLSVersion.TLSv1_2
    assert contexts.server.verify_mode == ssl.CERT_NONE
    assert contexts.client.verify_mode == ssl.CERT_REQUIRED
    roots = {
        dict(pair for part in root["subject"] for pair in part).get("commonName")
        for root in contexts.client.get_ca_certs()
    }
    assert "test root" in roots


def test_certificate_and_key_in_one_file_with_a_pass_phrase(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.sign("x", "example.com", pass_phrase="secret")
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    key.unlink()
    files = TlsFiles(
        "example.com", both, None, "secret", ca_file=authority.root, require_client_certificate=True
    )
    contexts = load_tls(files)
    assert contexts is not None
    assert contexts.server.verify_mode == ssl.CERT_REQUIRED
    assert len(contexts.client.get_ca_certs()) == 1
    for wrong, word in (("other", "is wrong"), (None, "is needed")):
        with pytest.raises(TlsMisconfigured, match=f"TLSPrivateKeyPassPhrase: .*{word}") as caught:
            load_tls(replace(files, pass_phrase=wrong))
        assert "secret" not in str(caught.value)


def test_diffie_hellman(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.sign("x", "example.com")
    path = tmp_path / "dh.pem"
    # RFC 3526 group 14, so that none has to be computed: SEQUENCE { INTEGER prime, INTEGER 2 }.
    der = bytes.fromhex("308201080282010100" + _GROUP_14 + "020102")
    pem = base64.encodebytes(der).decode()
    path.write_text(f"-----BEGIN DH PARAMETERS-----\n{pem}-----END DH PARAMETERS-----\n")
    assert load_tls(TlsFiles("", certificate, key, dh_params=path)) is not None
    with pytest.raises(TlsMisconfigured, match="TLSDHParamsFilename"):
        load_tls(TlsFiles("", certificate, key, dh_params=certificate))


def test_files_that_do_not_fit(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.sign("x", "example.com")
    _, other = authority.sign("y", "example.com")
    noise = tmp_path / "noise.pem"
    noise.write_text("no PEM")
    missing = tmp_path / "missing.pem"
    for files, words in (
        (TlsFiles("", certificate, other), "is not the key of the certificate"),
        (TlsFiles("", certificate), "TLSPrivateKey: it is not set"),
        (TlsFiles("", noise, key), "hold no PEM certificate and key"),
        (TlsFiles("", certificate, noise), "hold no PEM certificate and key"),
        (TlsFiles("", missing, key), "TLSCertificate: .*No such file"),
        (TlsFiles("", certificate, missing), "TLSPrivateKey: .*No such file"),
        (TlsFiles("", certificate, key, ca_file=noise), "TLSCAFile"),
        (TlsFiles("", certificate, key, ca_file=missing), "TLSCAFile"),
    ):
        with pytest.raises(TlsMisconfigured, match=words):
            load_tls(files)


_GROUP_14 = (
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
    "15728E5A8AACAA68FFFFFFFFFFFFFFFF"
)
