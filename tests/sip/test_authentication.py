"""Whom we answer when asked for a password, with what, and how often."""

import re

import pytest
from pydantic import SecretStr

from ichat_gw.config.credentials import SipCredentials
from ichat_gw.sip.authentication import MAX_ROUNDS, MAX_STALE, Authentication, Trust, Unanswerable
from ichat_gw.sip.message import Headers, Request, Response
from tests.sip.ladder import tokens

AOR = "sip:alice@example.com"


def credentials(*lines: str) -> tuple[SipCredentials, ...]:
    words = [line.split() for line in lines]
    return tuple(SipCredentials(realm, user, SecretStr(password)) for realm, user, password in words)


def asking(*challenges: str, status: int = 401, name: str = "WWW-Authenticate") -> Response:
    return Response(status, headers=Headers([(name, challenge) for challenge in challenges]))


def digest(realm: str, nonce: str, more: str = ', qop="auth"') -> str:
    return f'Digest realm="{realm}", nonce="{nonce}"{more}'


def register() -> Request:
    return Request(
        "REGISTER", "sip:example.com", Headers([("Via", "v"), ("CSeq", "1 REGISTER"), ("To", "x")])
    )


def answers(request: Request, name: str = "Authorization") -> list[dict[str, str]]:
    return [
        {key: value.strip('"') for key, value in re.findall(r'([a-z-]+)=("[^"]*"|[^",]+)', line)}
        for line in request.headers.get_all(name)
    ]


def met(*lines: str, user: str = "alice") -> Authentication:
    return Authentication(credentials(*lines), user, tokens("cnonce"))


# --- whom -------------------------------------------------------------------------------------------------

TRUST = Trust(registrars=frozenset({"example.com", "pbx.example:5080", "[2001:db8::1]"}))


@pytest.mark.parametrize(
    ("aor", "covered"),
    [
        ("sip:alice@example.com", True),
        ("sip:alice@EXAMPLE.com", True),
        ("sips:alice@example.com;transport=tcp", True),
        ("sip:a@pbx.example:5080", True),
        ("sip:a@[2001:DB8::1]", True),
        ("sip:a@example.com:5060", False),
        ("sip:a@pbx.example", False),
        ("sip:a@sub.example.com", False),
        ("sip:example.com@evil.example", False),
        ("sip:a@example.com;maddr=192.0.2.66", False),
        ("xmpp:a@example.com", False),
        ("", False),
    ],
)
def test_an_aor_whose_registrar_may_ask(aor: str, covered: bool) -> None:
    assert TRUST.covers(aor) is covered


@pytest.mark.parametrize(
    ("aor", "target", "covered"),
    [
        (AOR, "sip:5551234@Example.com", True),
        (AOR, "sip:5551234@example.com;user=phone", True),
        (AOR, "sip:5551234@example.com;maddr=192.0.2.66", False),
        (AOR, "sip:5551234@pbx.example:5080", False),
        (AOR, "sip:5551234@192.0.2.9", False),
        (AOR, "tel:5551234", False),
        ("", "sip:5551234@example.com", False),
        ("sip:mallory@evil.example", "sip:5551234@example.com", False),
        ("sip:mallory@evil.example", "sip:5551234@evil.example", False),
    ],
)
def test_a_call_to_where_they_may_ask(aor: str, target: str, covered: bool) -> None:
    assert TRUST.covers_call(aor, target) is covered


def test_nobody_is_trusted_unless_written_down() -> None:
    assert not Trust().covers(AOR)


# --- with what --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("realm", "user", "chosen"),
    [
        ("pbx", "alice", "gateway"),
        ("pbx", "bob", "bob"),
        ("other", "alice", "alice"),
        ("other", "carol", "anybody"),
        ("other", "bob", "anybody"),
    ],
)
def test_the_credentials_chosen(realm: str, user: str, chosen: str) -> None:
    lines = ("* anybody 1", "pbx gateway 2", "* alice 3", "pbx bob 4")
    request = met(*lines, user=user).again(register(), asking(digest(realm, "n")), 2)
    assert [answer["username"] for answer in answers(request)] == [chosen]


def test_the_repeated_request() -> None:
    first = register()
    first.headers.add("Authorization", "old")
    first.headers.add("Proxy-Authorization", "old")
    request = met("pbx gw x").again(first, asking(digest("pbx", "n")), 7)
    assert [name for name, _ in request.headers] == ["CSeq", "To", "Authorization"]
    assert (request.method, request.uri, str(request.cseq)) == ("REGISTER", "sip:example.com", "7 REGISTER")
    (answer,) = answers(request)
    expected = {"username": "gw", "realm": "pbx", "nonce": "n", "nc": "00000001", "cnonce": "cnonce1"}
    assert expected.items() <= answer.items()
    assert first.headers.get("Authorization") == "old"


def test_the_body_counts_where_it_is_asked_for() -> None:
    first = register()
    first.body = b"v=0"
    with_body = met("pbx gw x").again(first, asking(digest("pbx", "n", ', qop="auth-int"')), 2)
    without = met("pbx gw x").again(register(), asking(digest("pbx", "n", ', qop="auth-int"')), 2)
    assert with_body.body == b"v=0"
    assert answers(with_body)[0]["response"] != answers(without)[0]["response"]


def test_several_challenges_of_one_realm_get_one_answer() -> None:
    offers = [digest("pbx", "weak"), digest("pbx", "strong", ', qop="auth", algorithm=SHA-256'), "Basic x=y"]
    (answer,) = answers(met("pbx gw x").again(register(), asking(*offers), 2))
    assert (answer["nonce"], answer["algorithm"]) == ("strong", "SHA-256")


def test_a_forking_proxy_asks_for_several_realms_at_once() -> None:
    response = asking(digest("a", "1"), status=407, name="Proxy-Authenticate")
    response.headers.add("WWW-Authenticate", digest("b", "2"))
    response.headers.add("Proxy-Authenticate", digest("unknown", "3"))
    request = met("a u x", "b v x").again(register(), response, 2)
    assert [answer["realm"] for answer in answers(request, "Proxy-Authorization")] == ["a"]
    assert [answer["realm"] for answer in answers(request)] == ["b"]


def test_one_proxy_behind_the_other() -> None:
    auth = met("* gw x")
    first = auth.again(register(), asking(digest("a", "1"), status=407, name="Proxy-Authenticate"), 2)
    second = auth.again(first, asking(digest("b", "2")), 3)
    assert [(a["realm"], a["nc"]) for a in answers(second, "Proxy-Authorization")] == [("a", "00000002")]
    assert [(a["realm"], a["nc"]) for a in answers(second)] == [("b", "00000001")]


# --- how often --------------------------------------------------------------------------------------------


def test_a_nonce_is_used_again_with_a_rising_count() -> None:
    auth = met("pbx gw x")
    auth.again(register(), asking(digest("pbx", "n")), 2)
    seen = []
    for _ in range(3):
        request = register()
        auth.sign(request)
        seen += [(answer["nonce"], answer["nc"], answer["cnonce"]) for answer in answers(request)]
    assert seen == [("n", f"0000000{count}", "cnonce1") for count in (2, 3, 4)]
    auth.forget()
    request = register()
    auth.sign(request)
    assert answers(request) == []


def test_a_refused_password_is_not_tried_again() -> None:
    auth = met("pbx gw geheim")
    request = auth.again(register(), asking(digest("pbx", "1")), 2)
    with pytest.raises(Unanswerable, match='the password of "gw" for the realm "pbx" was refused') as caught:
        auth.again(request, asking(digest("pbx", "2")), 3)
    assert "geheim" not in str(caught.value)


def test_for_another_request_it_is_tried_again() -> None:
    auth = met("pbx gw x")
    auth.again(register(), asking(digest("pbx", "1")), 2)
    auth.begin()
    (answer,) = answers(auth.again(register(), asking(digest("pbx", "2")), 3))
    assert (answer["nonce"], answer["nc"], answer["cnonce"]) == ("2", "00000001", "cnonce2")


def test_a_stale_nonce_is_replaced_but_not_for_ever() -> None:
    auth = met("pbx gw x")
    request = register()
    for number in range(1 + MAX_STALE):
        request = auth.again(request, asking(digest("pbx", f"n{number}", ", stale=TRUE")), number)
        assert answers(request)[0]["nonce"] == f"n{number}"
    with pytest.raises(Unanswerable, match='"pbx" asks for the password again and again'):
        auth.again(request, asking(digest("pbx", "n", ", stale=true")), 9)


def test_ever_new_realms_come_to_an_end() -> None:
    auth = met("* gw x")
    for number in range(MAX_ROUNDS):
        auth.again(register(), asking(digest(f"realm {number}", "n")), number)
    with pytest.raises(Unanswerable, match="again and again"):
        auth.again(register(), asking(digest("one more", "n")), 99)


# --- not at all -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("challenges", "why"),
    [
        ((digest("other", "n"),), 'for the realm "other", for which SIPCredentials has none'),
        ((digest('x\\"' + "y" * 200, "n"),), 'realm "x"y{78}", for'),
        (("Basic realm=pbx",), "it offers no Digest"),
        ((digest("pbx", "n", ", algorithm=AKAv1-MD5"),), "algorithm that we do not have"),
        (("nonsense",), "it offers no Digest"),
        ((), "asked for a password, but not how"),
    ],
)
def test_a_challenge_without_answer(challenges: tuple[str, ...], why: str) -> None:
    auth = met("pbx gw x")
    with pytest.raises(Unanswerable, match=why):
        auth.again(register(), asking(*challenges), 2)
    request = register()
    auth.sign(request)
    assert answers(request) == []
