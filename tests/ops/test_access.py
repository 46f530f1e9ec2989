"""Who is let in: names, rates, other sites' pages, passwords."""

from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.ops.access import (
    BURST,
    BURST_OF_ALL,
    FREE_GUESSES,
    LONGEST_WAIT,
    MAX_SOURCES,
    RATE,
    Access,
    Asked,
)

ASKED = Asked("127.0.0.1", "127.0.0.1:5090")


def basic(password: str, user: str = "anybody") -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def status(access: Access, asked: Asked, now: float = 0.0) -> int:
    denied = access.denied(asked, now)
    return 200 if denied is None else denied.status


# --- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:5090",
        "127.0.0.1",
        "[::1]:5090",
        "192.0.2.7:80",
        "localhost:5090",
        "LocalHost",
        "localhost.:1",
        "gw.example.com",
        "GW.example.com:443",
    ],
)
def test_our_names(host: str) -> None:
    assert status(Access(hosts=["gw.Example.com"]), replace(ASKED, host=host)) == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:5090",
        "127.0.0.1.evil.example",
        "[::1",
        "::1",
        "localhost:5090:1",
        "localhost evil",
        "a@localhost",
        "localhost:x",
        "[localhost]",
        "[fe80::1%25eth0]",
        "2130706433.",
    ],
)
def test_names_of_others(host: str) -> None:
    denied = Access().denied(replace(ASKED, host=host), 0.0)
    assert denied is not None
    assert denied.status == 421
    assert "HttpHosts" in denied.remedy


@given(st.text(), st.text(), st.text(), st.text())
def test_no_head_is_too_strange(host: str, authorization: str, origin: str, site: str) -> None:
    asked = Asked("127.0.0.1", host, authorization=authorization, origin=origin, fetch_site=site)
    for changes in (False, True):
        assert status(Access("secret"), replace(asked, changes=changes)) in (401, 403, 421)


# --- rates ------------------------------------------------------------------------------------------------


def test_a_source_that_asks_too_often_waits() -> None:
    access = Access()
    for _ in range(int(BURST)):
        assert status(access, ASKED) == 200
    assert status(access, ASKED) == 429
    assert status(access, replace(ASKED, source="127.0.0.2")) == 200
    assert status(access, ASKED, now=1 / RATE + 0.001) == 200


def test_all_sources_together_are_bounded() -> None:
    access = Access()
    for number in range(int(BURST_OF_ALL)):
        assert status(access, replace(ASKED, source=f"127.0.1.{number & 255}")) == 200
    assert status(access, replace(ASKED, source="127.0.2.1")) == 429
    assert status(access, replace(ASKED, source="127.0.2.1"), now=0.1) == 200


def test_strangers_do_not_keep_out_who_has_known_the_password() -> None:
    access = Access("secret")
    known = replace(with_password("secret"), source="10.9.9.9")
    assert status(access, known) == 200
    for number in range(MAX_SOURCES * 2):
        status(access, replace(ASKED, source=f"10.0.{number >> 8}.{number & 255}"))
    assert status(access, replace(ASKED, source="10.0.0.1")) == 429
    assert status(access, known) == 200
    assert len(access._sources) == MAX_SOURCES
    assert status(access, replace(known, authorization=basic("guess"))) == 401
    assert status(access, known) == 429, "who guesses is a stranger again"


def test_not_even_all_who_know_the_password_are_remembered_for_ever() -> None:
    access = Access("secret")
    for number in range(MAX_SOURCES + 5):
        source = replace(with_password("secret"), source=f"10.0.{number >> 8}.{number & 255}")
        assert status(access, source, now=float(number)) == 200
    assert len(access._sources) == MAX_SOURCES


def test_sources_are_forgotten() -> None:
    access = Access()
    for number in range(MAX_SOURCES * 2):
        source = replace(ASKED, source=f"10.0.{number >> 8}.{number & 255}")
        assert status(access, source, now=float(number)) == 200
    assert len(access._sources) == MAX_SOURCES


# --- other sites' pages -----------------------------------------------------------------------------------

POST = replace(ASKED, changes=True, asking="1")


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (replace(ASKED, fetch_site="same-origin", fetch_mode="cors"), 200),
        (replace(ASKED, fetch_site="none", fetch_mode="navigate"), 200),
        (replace(ASKED, fetch_site="cross-site", fetch_mode="navigate"), 200),
        (replace(ASKED, fetch_site="cross-site", fetch_mode="no-cors"), 403),
        (replace(ASKED, fetch_site="same-site", fetch_mode="cors"), 403),
        (POST, 200),
        (replace(POST, asking=""), 403),
        (replace(POST, origin="http://127.0.0.1:5090", fetch_site="same-origin"), 200),
        (replace(POST, origin="http://127.0.0.1:3000"), 403),
        (replace(POST, origin="null"), 403),
        (replace(POST, fetch_site="cross-site", fetch_mode="navigate"), 403),
        (replace(POST, fetch_site="same-site"), 403),
    ],
)
def test_what_another_sites_page_may_ask(asked: Asked, answer: int) -> None:
    assert status(Access(), asked) == answer


# --- passwords --------------------------------------------------------------------------------------------


def with_password(password: str) -> Asked:
    return replace(ASKED, authorization=basic(password))


def test_the_password_is_asked_for() -> None:
    access = Access("sésame: ouvre-toi")
    denied = access.denied(ASKED, 0.0)
    assert denied is not None
    assert (denied.status, denied.headers) == (
        401,
        (("WWW-Authenticate", 'Basic realm="ichat-gw", charset="UTF-8"'),),
    )
    assert status(access, with_password("sésame: ouvre-toi")) == 200
    assert status(access, with_password("sésame")) == 401
    assert status(access, with_password("")) == 401


@pytest.mark.parametrize(
    "authorization", ["Bearer secret", "Basic", "Basic %%%", "Basic é", "Basic c2VjcmV0", "secret"]
)
def test_what_is_no_password(authorization: str) -> None:
    assert status(Access("secret"), replace(ASKED, authorization=authorization)) == 401


def test_probes_need_none() -> None:
    assert status(Access("secret"), replace(ASKED, is_open=True)) == 200


def test_who_guesses_waits_longer_each_time() -> None:
    access = Access("secret")
    for number in range(FREE_GUESSES):
        assert status(access, with_password(f"guess {number}")) == 401
    now = 0.0
    for wait in (1, 2, 4, 8, 16, 32, LONGEST_WAIT, LONGEST_WAIT):
        assert status(access, with_password(f"guess at {now}"), now) == 401
        denied = access.denied(with_password("secret"), now + wait - 0.5)
        assert denied is not None
        assert (denied.status, denied.headers) == (429, (("Retry-After", "1"),))
        now += wait
    assert status(access, replace(with_password("secret"), source="127.0.0.2"), now - 1) == 200
    assert status(access, with_password("secret"), now) == 200
    assert status(access, with_password("guess"), now) == 401
    assert status(access, with_password("secret"), now) == 200


def test_the_same_wrong_password_again_is_no_new_guess() -> None:
    access = Access("secret")
    for _ in range(FREE_GUESSES * 3):
        assert status(access, with_password("secret of yesterday")) == 401
    assert status(access, with_password("secret")) == 200
    # Those who take turns learn something each time.
    for number in range(FREE_GUESSES + 1):
        assert status(access, with_password(("one", "other")[number % 2])) == 401
    assert status(access, with_password("secret")) == 429


def test_asking_without_a_password_is_no_guess() -> None:
    access = Access("secret")
    for _ in range(FREE_GUESSES * 3):
        assert status(access, ASKED) == 401
    assert status(access, with_password("secret")) == 200
