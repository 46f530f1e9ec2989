"""URIs to addresses."""

import asyncio

import pytest

from ichat_gw.sip.net.resolver import Unreachable, is_number, resolve, target_of


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("sip:a@192.0.2.1", ("192.0.2.1", 5060)),
        ("sip:a@192.0.2.1:5070;transport=udp;lr", ("192.0.2.1", 5070)),
        ("sip:example.com", ("example.com", 5060)),
        ("sip:a@example.com;maddr=192.0.2.7", ("192.0.2.7", 5060)),
        ("sip:a@example.com;transport=UDP", ("example.com", 5060)),
    ],
)
def test_what_a_uri_names(uri: str, target: tuple[str, int]) -> None:
    assert target_of(uri) == target


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("tel:+1", "scheme"),
        ("sips:a@192.0.2.1", "TLS"),
        ("sip:a@192.0.2.1;transport=tcp", "TCP"),
        ("sip:a@[2001:db8::1]", "IPv4 only"),
    ],
)
def test_where_we_cannot_go(uri: str, words: str) -> None:
    with pytest.raises(Unreachable, match=words):
        target_of(uri)


def test_numbers() -> None:
    assert is_number("192.0.2.1")
    assert not is_number("192.0.2")
    assert not is_number("example.com")


def test_numbers_are_answered_without_asking() -> None:
    assert asyncio.run(resolve("sip:a@192.0.2.1")) == [("192.0.2.1", 5060)]


def test_names_are_asked_for() -> None:
    assert asyncio.run(resolve("sip:a@localhost:5070")) == [("127.0.0.1", 5070)]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 300, "a..b"])
def test_names_that_lead_nowhere(host: str) -> None:
    with pytest.raises(Unreachable, match=host[:10]):
        asyncio.run(resolve(f"sip:a@{host}"))
