"""Who can send media to whom without help."""

import pytest

from ichat_gw.media.negotiation import read_audio
from ichat_gw.media.reachability import apart, apart_from, unreachable
from ichat_gw.media.sdp import SessionDescription
from tests.media.relaying import sdp


def audio(host: str) -> object:
    return read_audio(SessionDescription.parse(sdp(host, 4000)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("10.0.0.1", "192.168.1.1"),
        ("8.8.8.8", "1.1.1.1"),
        ("127.0.0.1", "127.0.0.2"),
        ("169.254.1.1", "169.254.1.2"),
        ("fd00::1", "fd00::2"),
        ("2606:4700::1", "2606:4700::2"),
        ("::1", "::1"),
    ],
)
def test_two_of_a_kind(one: str, other: str) -> None:
    assert apart(audio(one), audio(other)) is None  # type: ignore[arg-type]
    assert apart_from(audio(one), other) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("10.0.0.1", "fd00::1", "IPv4 and IPv6"),
        ("10.0.0.1", "8.8.8.8", "(private)"),
        ("8.8.8.8", "10.0.0.1", "(private)"),
        ("127.0.0.1", "10.0.0.1", "(loopback)"),
        ("169.254.1.1", "10.0.0.1", "(link-local)"),
        ("fe80::1", "fe80::2", "(link-local)"),
        ("0.0.0.0", "10.0.0.1", "on hold"),
    ],
)
def test_two_of_different_kinds(one: str, other: str, why: str) -> None:
    assert why in str(apart_from(audio(one), other))  # type: ignore[arg-type]
    assert why in str(apart(audio(one), audio(other)))  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["", "pbx.example.com"])
def test_of_whom_nothing_is_known_the_best_is_hoped(host: str) -> None:
    assert apart_from(audio("10.0.0.1"), host) is None  # type: ignore[arg-type]
    assert unreachable(audio("10.0.0.1"), host) is None  # type: ignore[arg-type]


def test_behind_a_nat() -> None:
    assert "NAT" in str(unreachable(audio("10.0.0.1"), "8.8.8.8"))  # type: ignore[arg-type]
    assert unreachable(audio("10.0.0.1"), "10.0.0.2") is None  # type: ignore[arg-type]
    assert unreachable(audio("8.8.8.8"), "8.8.4.4") is None  # type: ignore[arg-type]
    assert unreachable(audio("0.0.0.0"), "8.8.4.4") is None  # type: ignore[arg-type]
