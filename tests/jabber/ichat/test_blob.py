from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.jabber.ichat import blob
from ichat_gw.jabber.ichat.blob import ConnectRecord, UnusableBlob

GATEWAY = "00000000657468300000000000000000000000007f0000010000000000000000000000003ade0000"
THREE = (
    "0000000065746830000000000000000000000000c0a8016a00000000000000000000000013ce0000"
    "0000010065746831000000000000000000000000200105c01000000a000000000000006d13ce0000"
    "00000000617665727976657279766572796c6f6e0a00000100000000000000000000000040120000"
)


def record(address: str, port: int = 5070, name: str = "eth0") -> ConnectRecord:
    return ConnectRecord(name, ip_address(address), port)


def test_the_original_gateways_blob() -> None:
    assert blob.decode(GATEWAY) == (ConnectRecord("eth0", IPv4Address("127.0.0.1"), 15070),)
    assert blob.encode(blob.decode(GATEWAY)) == GATEWAY


def test_three_records_with_ipv6_and_a_name_that_fills_its_field() -> None:
    assert blob.decode(THREE) == (
        ConnectRecord("eth0", IPv4Address("192.168.1.106"), 5070),
        ConnectRecord("eth1", IPv6Address("2001:5c0:1000:a::6d"), 5070),
        ConnectRecord("averyveryverylon", IPv4Address("10.0.0.1"), 16402),
    )
    assert blob.encode(blob.decode(THREE)) == THREE


@pytest.mark.parametrize("text", ["\n" + GATEWAY, GATEWAY.upper(), f" \r\n{GATEWAY}\n"])
def test_white_space_around_and_upper_case(text: str) -> None:
    assert blob.decode(text) == blob.decode(GATEWAY)


def test_any_family_but_zero_is_ipv6() -> None:
    digits = "00000a00" + GATEWAY[8:]
    assert blob.decode(digits)[0].address == IPv6Address("7f00:1::")


def test_rubbish_behind_an_ipv4_address_is_ignored() -> None:
    digits = GATEWAY[:48] + "ff" * 12 + GATEWAY[72:]
    assert blob.decode(digits) == blob.decode(GATEWAY)


def test_no_text_is_no_record() -> None:
    assert blob.decode("") == blob.decode(" \n") == ()
    assert blob.encode(()) == ""


@pytest.mark.parametrize("length", [n for n in range(1, 1001) if n % 80])
def test_every_length_that_is_not_whole_records(length: int) -> None:
    with pytest.raises(UnusableBlob, match=f"{length} hex digits"):
        blob.decode("0" * length)


@pytest.mark.parametrize("count", range(13))
def test_every_whole_length(count: int) -> None:
    assert len(blob.decode("0" * 80 * count)) == count


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("bplist00\xd1\x01", "property list"),
        (b"bplist00".hex() + "d101", "property list"),
        (b"bplist00".hex().upper() + "00" * 32, "property list"),
        ("g" * 80, "hexadecimal"),
        ("0" * 39 + " " + "0" * 40, "hexadecimal"),
        ("٠" * 80, "hexadecimal"),
        ("0x" + "0" * 78, "hexadecimal"),
        ("0" * (blob.MAX_DIGITS + 80), "at most"),
        ("\ud800", "hexadecimal"),
    ],
)
def test_unusable(text: str, reason: str) -> None:
    with pytest.raises(UnusableBlob, match=reason):
        blob.decode(text)


def test_the_most_records() -> None:
    assert len(blob.decode(GATEWAY * blob.MAX_RECORDS)) == blob.MAX_RECORDS


def test_names_are_cut_and_made_latin() -> None:
    assert blob.decode(blob.encode([record("10.0.0.1", name="averyverylongname")]))[0].name == (
        "averyverylongnam"
    )
    assert blob.decode(blob.encode([record("10.0.0.1", name="сеть")]))[0].name == "????"


def test_the_unmapped_twin_is_marked() -> None:
    assert record("10.0.0.1", name="en0~").unmapped
    assert not record("10.0.0.1", name="en0").unmapped


@pytest.mark.parametrize(
    ("address", "port", "usable"),
    [
        ("10.0.0.1", 5070, True),
        ("127.0.0.1", 5070, True),
        ("169.254.1.1", 5070, True),
        ("2001:db8::1", 5070, True),
        ("10.0.0.1", 0, False),
        ("0.0.0.0", 5070, False),
        ("224.0.0.1", 5070, False),
        ("255.255.255.255", 5070, False),
        ("::", 5070, False),
        ("ff02::1", 5070, False),
        ("fe80::1", 5070, False),
    ],
)
def test_usable(address: str, port: int, usable: bool) -> None:
    assert record(address, port).usable is usable


FOUR, FOUR_B = record("10.0.0.1"), record("10.0.0.2")
SIX, SIX_B = record("2001:db8::1"), record("2001:db8::2")
NOWHERE = record("0.0.0.0")


@pytest.mark.parametrize(
    ("records", "prefer", "available", "skip", "chosen"),
    [
        ([], False, False, False, None),
        ([NOWHERE], False, False, False, None),
        ([NOWHERE, SIX, FOUR, FOUR_B], False, True, False, FOUR),
        ([NOWHERE, FOUR, SIX, SIX_B], True, True, False, SIX),
        ([FOUR, SIX], True, False, False, FOUR),
        ([FOUR], True, True, False, FOUR),
        ([SIX], False, True, False, None),
        ([FOUR, SIX, FOUR_B], False, True, True, FOUR_B),
        ([FOUR, SIX, SIX_B], True, True, True, SIX_B),
        ([FOUR, SIX], True, True, True, FOUR),
        ([FOUR], False, False, True, None),
    ],
)
def test_choose(
    records: list[ConnectRecord], prefer: bool, available: bool, skip: bool, chosen: ConnectRecord | None
) -> None:
    assert blob.choose(records, prefer_ipv6=prefer, ipv6_available=available, skip_first=skip) == chosen


RECORDS = st.builds(
    ConnectRecord,
    st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=16),
    st.ip_addresses(),
    st.integers(0, 65535),
)


@given(st.lists(RECORDS, max_size=blob.MAX_RECORDS))
def test_round_trip(records: list[ConnectRecord]) -> None:
    assert blob.decode("\n" + blob.encode(records)) == tuple(records)


@given(st.text() | st.text("0123456789abcdefABCDEF \n"))
def test_any_text_is_read_or_unusable(text: str) -> None:
    with suppress(UnusableBlob):
        blob.choose(blob.decode(text), prefer_ipv6=True, ipv6_available=True)
