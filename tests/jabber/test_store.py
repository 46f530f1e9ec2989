import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.jabber.store import Userdb, parse_userdb

ALICE = "alice@jabber.localhost"
DIAL = "5551234@ichat-gw.jabber.localhost"
CONTROL = "control@ichat-gw.jabber.localhost"
ORIGINAL = f"v1\n{ALICE}\n\t{DIAL}\n\t{CONTROL}\n".encode()


@pytest.mark.parametrize(
    "data",
    [
        ORIGINAL,
        ORIGINAL.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + ORIGINAL,
        ORIGINAL + f"\n{ALICE.upper()}\n\t{DIAL}\n  \n".encode(),
    ],
)
def test_a_file_of_the_original(data: bytes) -> None:
    assert parse_userdb(data) == Userdb(((ALICE, DIAL), (ALICE, CONTROL)), ())


@pytest.mark.parametrize("data", [b"", b"\n", b"v2\nalice@a\n", f"{ALICE}\n".encode(), b"\x00\xff"])
def test_another_file(data: bytes) -> None:
    assert parse_userdb(data) == Userdb((), ("line 1: is not `v1`; the whole file is skipped",))


def test_no_users() -> None:
    assert parse_userdb(b"v1\n") == Userdb((), ())


def test_malformed_lines_are_skipped_and_named() -> None:
    read = parse_userdb(
        b"v1\n"
        b"\torphan@ichat-gw.jabber.localhost\n"
        b"alice@jabber.localhost\n"
        b"\t\n"
        b"\tno user part\n"
        b"\tichat-gw.jabber.localhost\n"
        b"\t5551234@ichat-gw.jabber.localhost\n"
        b"b\xff b@jabber.localhost\n"
        b"\t6@ichat-gw.jabber.localhost\n"
        b"carol@jabber.localhost\n"
        b"\t7@ichat-gw.jabber.localhost\n"
    )
    assert read.subscriptions == (
        (ALICE, DIAL),
        ("carol@jabber.localhost", "7@ichat-gw.jabber.localhost"),
    )
    assert [warning.partition(":")[0] for warning in read.warnings] == [
        "line 2",
        "line 5",
        "line 6",
        "line 8",
        "line 9",
    ]


@given(st.binary() | st.lists(st.binary()).map(lambda parts: b"v1\n" + b"\n\t".join(parts)))
def test_any_bytes(data: bytes) -> None:
    for user, contact in parse_userdb(data).subscriptions:
        assert "@" in user
        assert "@" in contact
