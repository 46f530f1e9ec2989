"""SIPCredentials: how a line is read, and that nothing of it is shown."""

import pytest
from pydantic import SecretStr

from ichat_gw.config.credentials import CREDENTIALS, SipCredentials
from ichat_gw.config.kinds import InvalidValue


@pytest.mark.parametrize(
    ("text", "realm", "user", "password"),
    [
        ("pbx gateway secret", "pbx", "gateway", "secret"),
        ("*\tgateway   secret", "*", "gateway", "secret"),
        ('"Our PBX" gateway secret', "Our PBX", "gateway", "secret"),
        ('"a \\"b\\"" "the user"  "two words" # 3', 'a "b"', "the user", '"two words" # 3'),
        ("pbx gateway p\u00e4ss w\u00f6rd", "pbx", "gateway", "p\u00e4ss w\u00f6rd"),
    ],
)
def test_read(text: str, realm: str, user: str, password: str) -> None:
    assert CREDENTIALS.read(text) == SipCredentials(realm, user, SecretStr(password))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("geheim", "fewer than three words"),
        ("pbx geheim", "fewer than three words"),
        ('"" gateway geheim', "fewer than three words"),
        ('"pbx"gateway geheim geheim', "fewer than three words"),
        ('"pbx gateway geheim', "not closed"),
        ('pbx "gateway geheim', "not closed"),
        ('pbx gate"way geheim', "cannot have"),
        ("pbx gate\\way geheim", "cannot have"),
        ("pbx gateway geh\x00eim", "cannot have"),
    ],
)
def test_refused_without_showing_anything(text: str, why: str) -> None:
    with pytest.raises(InvalidValue, match=why) as caught:
        CREDENTIALS.read(text)
    assert "geheim" not in str(caught.value)


def test_the_password_does_not_show() -> None:
    credentials = SipCredentials("pbx", "gateway", SecretStr("geheim"))
    assert "geheim" not in f"{credentials!r} {credentials} {CREDENTIALS.write((credentials,))}"


def test_whom_they_serve() -> None:
    assert SipCredentials("pbx", "u", SecretStr("p")).serves("pbx")
    assert not SipCredentials("pbx", "u", SecretStr("p")).serves("PBX")
    assert SipCredentials("*", "u", SecretStr("p")).serves("anything")
