"""What is a secret, and that it does not get out."""

import enum
import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.ops import redact
from ichat_gw.ops.redact import (
    DEEPEST,
    REDACTED,
    forget_secrets,
    is_secret_name,
    overwritten,
    plain,
    register_secret,
    text,
)


@pytest.fixture(autouse=True)
def _no_secrets() -> Iterator[None]:
    forget_secrets()
    yield
    forget_secrets()


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "JabberComponentPassword",
        "passwd",
        "HttpAuthPwd",
        "ice-pwd",
        "ipc_key",
        "key",
        "TLSPrivateKey",
        "Proxy-Authorization",
        "authorisation",
        "client_secret",
        "api_token",
        "tokens",
        "credentials",
        "pass",
    ],
)
def test_secret_names(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["call", "monkey", "keep_alives", "KeepAlives", "bypass", "jid", "summary", ""]
)
def test_other_names(name: str) -> None:
    assert not is_secret_name(name)


def test_registered_values_are_hidden_wherever_they_stand() -> None:
    register_secret("s3cr'et&")
    register_secret("s3cr'et&longer")
    register_secret("")
    assert text("a s3cr'et& here") == f"a {REDACTED} here"
    assert text("s3cr'et&longer") == REDACTED
    assert text("<p>s3cr&apos;et&amp;</p>") == f"<p>{REDACTED}</p>"
    assert text("innocent") == "innocent"


def test_a_very_short_secret_is_hidden_only_alone() -> None:
    register_secret("abc")
    assert text("abc") == REDACTED
    assert text("abcdef") == "abcdef"


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (
            'REGISTER sip:x SIP/2.0\r\nAuthorization: Digest realm="a",\r\n response="1"\r\nTo: <a>\r\n',
            f"REGISTER sip:x SIP/2.0\r\nAuthorization: {REDACTED}\r\nTo: <a>\r\n",
        ),
        ("proxy-authorization : Digest response=1", f"proxy-authorization : {REDACTED}"),
        ("v=0\r\na=ice-pwd:abc\r\na=x\r\n", f"v=0\r\na=ice-pwd:{REDACTED}\r\na=x\r\n"),
        (
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNf\r\nb",
            f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{REDACTED}\r\nb",
        ),
        (
            'Authentication-Info: rspauth="0a", nextnonce="b"\r\nX',
            f"Authentication-Info: {REDACTED}\r\nX",
        ),
        ("t=0 0\r\nk=clear:geheim\r\na=x", f"t=0 0\r\nk=clear:{REDACTED}\r\na=x"),
        ("a=key-mgmt:mikey AQAFgM\r\n", f"a=key-mgmt:mikey {REDACTED}\r\n"),
        ("Contact: <sip:alice:geheim@192.0.2.7:5060>", f"Contact: <sip:alice:{REDACTED}@192.0.2.7:5060>"),
        ("<sip:192.0.2.7:5060>, <sip:bob@192.0.2.8>", "<sip:192.0.2.7:5060>, <sip:bob@192.0.2.8>"),
        ("<handshake>0a1b</handshake>", f"<handshake>{REDACTED}</handshake>"),
        ("<transport ufrag='x' pwd='secret'/>", f"<transport ufrag='x' pwd={REDACTED}/>"),
        ('WWW-Authenticate: Digest nonce="1"', 'WWW-Authenticate: Digest nonce="1"'),
    ],
)
def test_places_of_secrets_in_messages(shown: str, wanted: str) -> None:
    assert text(shown) == wanted


class Colour(enum.StrEnum):
    RED = "red"


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no")


class Fine:
    def __str__(self) -> str:
        return "fine"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, None),
        (True, True),
        (5, 5),
        (1.5, 1.5),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (b"\xff\r\n", "\\xff\r\n"),
        (Colour.RED, "red"),
        (Fine(), "fine"),
        (Broken(), "<Broken that cannot be shown>"),
        ({"password": "x", 1: ("a", {"b"})}, {"password": REDACTED, "1": ["a", ["b"]]}),
    ],
)
def test_values_as_json_knows_them(value: object, wanted: object) -> None:
    assert plain(value) == wanted


def test_a_number_too_long_for_decimal_digits() -> None:
    assert plain(1 << 20_000) == "0x1" + "0" * 5_000


def test_what_contains_itself_ends() -> None:
    value: list[object] = []
    value.append(value)
    shown = plain(value)
    for _ in range(DEEPEST):
        assert isinstance(shown, list)
        shown = shown[0]
    assert shown == "..."


@given(st.text(), st.text(min_size=4))
def test_no_registered_value_survives(around: str, secret: str) -> None:
    forget_secrets()
    register_secret(secret)
    shown = text(f"{around}{secret}{around}")
    assert secret not in shown.replace(REDACTED, "\n") or secret in redact.REDACTED or secret in around * 2


def test_a_message_keeps_its_length_when_its_secrets_are_overwritten() -> None:
    register_secret("schlüssel")
    register_secret("abcd")
    message = (
        'REGISTER sip:example.com SIP/2.0\r\nProxy-Authorization: Digest username="u",\r\n response="0"\r\n'
        "X: schlüssel, abcd\r\n\r\n"
    ).encode()
    shown = overwritten(message)
    assert len(shown) == len(message)
    for secret in (b"Digest", b"response", "schlüssel".encode(), b"abcd"):
        assert secret not in shown
    assert shown.startswith(b"REGISTER sip:example.com SIP/2.0\r\nProxy-Authorization: [redacted]...")
    assert shown.endswith(b", [red\r\n\r\n")


@given(st.binary())
def test_what_has_no_secret_is_left_as_it_is(data: bytes) -> None:
    assert overwritten(data) == data


@pytest.mark.parametrize(
    "data",
    [
        b"<handshake" * 6_500,
        b"sip:a:" * 10_000,
        b" pwd='" * 10_000,
        b"\nauthorization" + b" " * 60_000,
        b"\na=crypto:" + b"inlin" * 13_000,
    ],
)
def test_no_message_keeps_us_busy(data: bytes) -> None:
    # Nobody looks at the clock here: what is quadratic would be found by the time that this test takes.
    for _ in range(20):
        assert len(overwritten(data)) == len(data)
