"""Digest: the RFCs' published examples, their formulas done by hand, and challenges of every kind."""

import hashlib
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ichat_gw.sip.digest import (
    ALGORITHMS,
    MAX_VALUE,
    Asked,
    BadChallenge,
    Challenge,
    answer,
    parse_challenges,
    strongest,
)


def one(text: str) -> Challenge:
    (challenge,) = parse_challenges(text)
    return challenge


def fields(header: str) -> dict[str, str]:
    """The parameters of an answer; none of ours holds a comma or an escaped quotation mark here."""
    scheme, _, rest = header.partition(" ")
    assert scheme == "Digest"
    return {name: value.strip('"') for name, value in re.findall(r'([a-z-]+)=("[^"]*"|[^",]+)', rest)}


# --- published examples -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("challenge", "user", "password", "uri", "cnonce", "response"),
    [
        pytest.param(
            'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
            'opaque="5ccc069c403ebaf9f0171e9517f40e41"',
            *("Mufasa", "CircleOfLife", "/dir/index.html", "", "1949323746fe6a43ef61f9606e7febea"),
            id="RFC 2069 section 2.4 with erratum 749",
        ),
        pytest.param(
            'Digest realm="testrealm@host.com", qop="auth,auth-int", '
            'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"',
            *("Mufasa", "Circle Of Life", "/dir/index.html", "0a4f113b"),
            "6629fae49393a05397450978507c4ef1",
            id="RFC 2617 section 3.5",
        ),
        pytest.param(
            'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, '
            'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
            'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
            *("Mufasa", "Circle of Life", "/dir/index.html"),
            *("f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "8ca523f5e9506fed4657c9700eebdbec"),
            id="RFC 7616 section 3.9.1, MD5",
        ),
        pytest.param(
            'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, '
            'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
            'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
            *("Mufasa", "Circle of Life", "/dir/index.html"),
            "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            id="RFC 7616 section 3.9.1, SHA-256",
        ),
        pytest.param(
            'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, charset=UTF-8, '
            'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", '
            'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", userhash=true',
            *("J\u00e4s\u00f8n Doe", "Secret, or not?", "/doe.json"),
            "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
            "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5",
            id="RFC 7616 section 3.9.2 with erratum 4897",
        ),
    ],
)
def test_published(challenge: str, user: str, password: str, uri: str, cnonce: str, response: str) -> None:
    got = fields(answer(one(challenge), user, password, Asked("GET", uri), 1, cnonce))
    assert got["response"] == response
    assert got["opaque"] == fields(challenge)["opaque"]
    if "userhash" in challenge:
        assert got["username"] == "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
        assert got["userhash"] == "true"
    else:
        assert got["username"] == user


# --- the formulas, by hand ----------------------------------------------------------------------------------

HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


def by_hand(name: str, session: bool, qop: str, count: str) -> str:
    """RFC 7616 sections 3.4.1 to 3.4.3, spelt out."""

    def h(*parts: str) -> str:
        return hashlib.new(HASHES[name], ":".join(parts).encode()).hexdigest()

    a1 = h("gw", "pbx", "pass word")
    if session:
        a1 = h(a1, "abc", "xyz")
    a2 = h("REGISTER", "sip:pbx.example")
    if qop == "auth-int":
        a2 = h("REGISTER", "sip:pbx.example", h("v=0"))
    return h(a1, "abc", count, "xyz", qop, a2) if qop else h(a1, "abc", a2)


@pytest.mark.parametrize("qop", ["auth", "auth-int", ""])
@pytest.mark.parametrize("session", [False, True])
@pytest.mark.parametrize("name", HASHES)
def test_every_algorithm(name: str, session: bool, qop: str) -> None:
    wanted = name + ("-sess" if session else "")
    text = f'Digest realm="pbx", nonce="abc", algorithm={wanted}' + (f', qop="{qop}"' if qop else "")
    if session and not qop:
        with pytest.raises(BadChallenge, match="without a qop"):
            parse_challenges(text)
        return
    asked = Asked("REGISTER", "sip:pbx.example", b"v=0")
    for count in (1, 2, 0x1F):
        got = fields(answer(one(text), "gw", "pass word", asked, count, "xyz"))
        assert got.pop("response") == by_hand(name, session, qop, f"{count:08x}")
        expected = {"username": "gw", "realm": "pbx", "nonce": "abc", "uri": "sip:pbx.example"}
        expected["algorithm"] = wanted
        if qop:
            expected |= {"qop": qop, "nc": f"{count:08x}", "cnonce": "xyz"}
        assert got == expected


def test_how_an_answer_is_written() -> None:
    """RFC 3261 section 25.1: these in quotation marks and those not."""
    challenge = one('Digest realm="a \\"b\\"", nonce="n\\\\", opaque="", qop="auth", algorithm="MD5"')
    assert challenge.realm_text == 'a "b"'
    written = answer(challenge, "gw", "secret", Asked("REGISTER", "sip:x"), 1, "c")
    response = hashlib.md5(
        b":".join(
            [
                hashlib.md5(b'gw:a \\"b\\":secret').hexdigest().encode(),
                b"n\\\\:00000001:c:auth",
                hashlib.md5(b"REGISTER:sip:x").hexdigest().encode(),
            ]
        )
    ).hexdigest()
    assert written == (
        'Digest username="gw", realm="a \\"b\\"", nonce="n\\\\", uri="sip:x", '
        f'response="{response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c", opaque=""'
    )


def test_bytes_that_are_not_utf_8_are_hashed_as_they_came() -> None:
    realm = b"caf\xe9".decode("utf-8", "surrogateescape")
    got = fields(answer(one(f'Digest realm="{realm}", nonce="n"'), "u", "p", Asked("GET", "/"), 1, ""))
    key = hashlib.md5(b"u:caf\xe9:p").hexdigest()
    assert got["response"] == hashlib.md5(f"{key}:n:{hashlib.md5(b'GET:/').hexdigest()}".encode()).hexdigest()


# --- reading ----------------------------------------------------------------------------------------------


def test_what_a_challenge_says() -> None:
    text = 'dIGEST Realm = "pbx" ,\tnonce="a,b=c", STALE=True, domain="sip:a sip:b", algorithm=sha-256-SESS'
    assert one(text + ', qop="AUTH-INT,auth-conf", opaque="o", x="y",') == Challenge(
        "pbx", "a,b=c", ALGORITHMS[3], True, "auth-int", "o", stale=True
    )
    plain = one('Digest realm="",nonce="n"')
    assert plain == Challenge("", "n", ALGORITHMS[4], names_algorithm=False)
    assert "algorithm" not in answer(plain, "u", "p", Asked("GET", "/"), 1, "")


@pytest.mark.parametrize("qop", ["auth", '"auth"', '"auth-int, auth"', '",auth"'])
def test_qop_auth(qop: str) -> None:
    assert one(f'Digest realm="r", nonce="n", qop={qop}').qop == "auth"


@pytest.mark.parametrize("qop", ['""', '" , "'])
def test_a_blank_qop_is_none(qop: str) -> None:
    assert one(f'Digest realm="r", nonce="n", qop={qop}').qop == ""


def test_quotation_marks_may_be_missing() -> None:
    assert one("Digest realm=r, nonce=n==, opaque=o").nonce == "n=="


def test_several_challenges_in_one_value() -> None:
    text = (
        'Basic realm="a", Digest realm="b", nonce="1", algorithm=SHA-256, Negotiate, NTLM abc==, '
        'Negotiate xyz, Digest realm="c", nonce="2", algorithm=AKAv1-MD5, Digest realm="d", nonce="3"'
    )
    assert [(c.realm, c.nonce) for c in parse_challenges(text)] == [("b", "1"), ("d", "3")]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it offers no Digest"),
        (",,,", "it offers no Digest"),
        ('Basic realm="x"', "it offers no Digest"),
        ("Digest", "no realm or no nonce"),
        ('Digest realm="x"', "no realm or no nonce"),
        ('Digest nonce="x"', "no realm or no nonce"),
        ('Digest realm="x", nonce=""', "no realm or no nonce"),
        ('Digest realm="x", nonce="y', "is not closed"),
        ('Digest realm="x, nonce="y"', "is not closed"),
        ("Digest realm=<x, nonce=y", "is not closed"),
        ('Digest realm="x"z, nonce="y"', "something follows"),
        ('Digest realm=x"y", nonce="y"', "inside a parameter"),
        ("Digest realm=x\\y, nonce=y", "inside a parameter"),
        ('realm="x", nonce="y"', "no proper name"),
        ('Digest realm="x", a b c="y"', "no proper name"),
        ('Digest realm="x", n@nce="y"', "no proper name"),
        ('Digest realm="x", ="y"', "no realm or no nonce"),
        ('Digest realm="x", nonce="y", Realm="z"', "stands twice"),
        ('Digest realm="x", nonce="y\x00"', "control character"),
        ('Digest realm="x", nonce="y\r\n"', "control character"),
        ('Digest realm="x", nonce="y", algorithm=MD6', "algorithm that we do not have"),
        ('Digest realm="x", nonce="y", qop="auth-conf"', "qop that we do not have"),
        (f'Digest realm="x", nonce="{"y" * MAX_VALUE}"', "too long"),
    ],
)
def test_what_is_no_challenge_that_we_can_answer(text: str, why: str) -> None:
    with pytest.raises(BadChallenge, match=why):
        parse_challenges(text)


def test_one_bad_challenge_does_not_hide_a_good_one() -> None:
    assert one('Digest realm="x", algorithm=what, nonce="1", Digest realm="x", nonce="2"').nonce == "2"


# --- choosing ---------------------------------------------------------------------------------------------


def test_the_strongest_is_chosen_whatever_the_order() -> None:
    def offer(algorithm: str, qop: str = ', qop="auth"') -> Challenge:
        return one(f'Digest realm="r", nonce="{algorithm}", algorithm={algorithm}{qop}')

    offers = [
        offer("MD5", ""), offer("MD5", ', qop="auth-int"'), offer("MD5-sess"), offer("SHA-256", ""),
        offer("SHA-256-sess"), offer("SHA-512-256"),
    ]  # fmt: skip
    for end in range(1, len(offers) + 1):
        assert strongest(offers[:end]) is offers[end - 1]
        assert strongest(reversed(offers[:end])) is offers[end - 1]
    first, second = offer("SHA-256"), offer("SHA-256-sess")
    assert strongest([first, second]) is first
    assert strongest([second, first]) is second


# --- anything ---------------------------------------------------------------------------------------------

pieces = st.sampled_from(
    [
        *("Digest ", "Basic ", "realm=", "nonce=", "qop=", "algorithm=", "opaque=", "stale=true", "auth"),
        *("auth-int", "MD5", "MD5-sess", "SHA-256", "x", '"', "\\", ",", " ", "\t", "<", ">", "=", "\0"),
        *("\r\n", "\udcff"),
    ]
)


@given(st.lists(pieces, max_size=40).map("".join) | st.text())
@example('Digest realm="' + "\\" * 1001 + '", nonce="x"')
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        challenges = parse_challenges(text)
    except BadChallenge:
        return
    for challenge in challenges:
        written = answer(challenge, "u", "p", Asked("REGISTER", "sip:x"), 1, "c")
        assert "\r" not in written
        assert "\n" not in written
        back = one(written.replace("Digest username", "Digest x").replace("qop=auth-int", 'qop="auth-int"'))
        assert (back.realm, back.nonce) == (challenge.realm, challenge.nonce)
        assert challenge.realm_text is not None


@pytest.mark.parametrize(
    "piece", ['"\\', "\\", '"', "<", ",", "a,", 'x="', 'Digest x="\\"", ', " ", "=", "a=b,"]
)
def test_hostile_repetition_takes_linear_time(piece: str) -> None:
    """Not clocked: if the steps grew with the square of the length, this would take hours."""
    for text in ("Digest " + piece * 100_000, 'Digest realm="' + piece * 100_000):
        with pytest.raises(BadChallenge):
            parse_challenges(text)
