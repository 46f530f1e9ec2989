"""Datagrams: what we seal we open again, and nothing else opens."""

import contextlib
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.ipc import messages, seal
from ichat_gw.ipc.messages import VERSION, ContinueIChatCall, Hello, Log, Message, Stop
from ichat_gw.ipc.seal import (
    MAX_DATAGRAM,
    MAX_PAYLOAD,
    BadKey,
    DatagramError,
    DifferentVersion,
    ForgedDatagram,
    Frame,
    MessageNotEncodable,
    MessageTooLarge,
    Role,
    Seal,
    TruncatedDatagram,
    UnknownDatagram,
    WrongDirection,
    check_hello,
    decode,
    encode,
)

KEY = bytes(range(32))
GATEWAY = Seal(KEY, Role.GATEWAY)
CONNECTOR = Seal(KEY, Role.CONNECTOR)
FRAME = Frame(packet=7, sequence=3, expected=2, received=0b101, payload=encode(Stop()))
DATAGRAM = GATEWAY.seal(FRAME)

any_message = st.one_of(*(st.from_type(kind) for kind in get_args(Message)))


def resealed(**changes: int | bytes) -> bytes:
    """A datagram of the gateway with changed header fields and a MAC that is right for them."""
    fields = dict(
        zip(
            ("magic", "version", "sender", "kind", "packet", "sequence", "expected", "received", "length"),
            seal._HEADER.unpack_from(DATAGRAM),
            strict=True,
        )
    )
    covered = seal._HEADER.pack(*(fields | changes).values()) + FRAME.payload
    return covered + GATEWAY._mac(b"G", covered)


@given(any_message)
def test_every_message_survives_the_round_trip(message: Message) -> None:
    try:
        payload = encode(message)
    except MessageNotEncodable:
        return  # A lone surrogate or an integer above 64 bits.
    frame = Frame(1, 1, 1, 0, payload)
    assert (
        encode(decode(CONNECTOR.open(GATEWAY.seal(frame)).payload)) == payload
    )  # also where one is no number


def test_all_messages_of_the_vocabulary_are_in_the_union() -> None:
    concrete = set(messages._Message.__subclasses__())
    assert concrete == set(get_args(Message))


def test_acknowledgement_round_trip() -> None:
    frame = Frame(packet=1, sequence=0, expected=2**64 - 1, received=2**64 - 1)
    assert CONNECTOR.open(GATEWAY.seal(frame)) == frame
    assert GATEWAY.open(CONNECTOR.seal(frame)) == frame


def test_the_table_of_the_docstring() -> None:
    assert DATAGRAM[:5] == b"iG" + bytes([VERSION]) + b"GD"
    assert len(DATAGRAM) == 39 + len(FRAME.payload) + 16


def test_a_key_of_another_size_is_refused() -> None:
    with pytest.raises(BadKey, match="32 bytes, this one 31"):
        Seal(KEY[1:], Role.GATEWAY)


def test_roles_face_each_other() -> None:
    assert Role.GATEWAY.peer is Role.CONNECTOR
    assert Role.CONNECTOR.peer is Role.GATEWAY


@pytest.mark.parametrize("datagram", [b"", b"i", b"GG" + DATAGRAM[2:], b"\r\n\r\n", b"initiateIChatCall\r"])
def test_other_protocols_are_unknown(datagram: bytes) -> None:
    with pytest.raises(UnknownDatagram):
        CONNECTOR.open(datagram)


@pytest.mark.parametrize("length", range(2, len(DATAGRAM)))
def test_a_shortened_datagram_is_truncated(length: int) -> None:
    with pytest.raises(TruncatedDatagram):
        CONNECTOR.open(DATAGRAM[:length])


def test_a_lengthened_datagram_is_truncated() -> None:
    with pytest.raises(TruncatedDatagram):
        CONNECTOR.open(DATAGRAM + b"\0")


def test_a_changed_bit_anywhere_is_refused() -> None:
    for position in range(8 * len(DATAGRAM)):
        changed = bytearray(DATAGRAM)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(DatagramError):
            CONNECTOR.open(bytes(changed))


def test_another_run_of_the_connector_has_another_key() -> None:
    with pytest.raises(ForgedDatagram):
        Seal(bytes(32), Role.CONNECTOR).open(DATAGRAM)


def test_a_reflected_datagram_is_told_by_its_direction() -> None:
    with pytest.raises(WrongDirection):
        GATEWAY.open(DATAGRAM)


def test_a_reflected_datagram_with_its_sender_changed_is_forged() -> None:
    with pytest.raises(ForgedDatagram):
        GATEWAY.open(DATAGRAM[:3] + b"C" + DATAGRAM[4:])


def test_another_version_with_our_key_is_named() -> None:
    with pytest.raises(
        DifferentVersion, match=rf"version {VERSION + 1} .* this one version {VERSION}"
    ) as told:
        CONNECTOR.open(resealed(version=VERSION + 1))
    assert told.value.theirs == VERSION + 1
    assert told.value.reason == "version"


def test_another_version_without_our_key_is_forged() -> None:
    with pytest.raises(ForgedDatagram):
        CONNECTOR.open(DATAGRAM[:2] + bytes([VERSION + 1]) + DATAGRAM[3:])


@pytest.mark.parametrize(
    "changes",
    [{"kind": b"A"}, {"kind": b"?"}, {"sequence": 0}, {"packet": 0}, {"expected": 0}, {"sender": b"?"}],
)
def test_header_values_nobody_sends_are_unknown(changes: dict[str, int | bytes]) -> None:
    with pytest.raises(UnknownDatagram):
        CONNECTOR.open(resealed(**changes))


@given(st.binary(max_size=200))
def test_any_bytes_give_a_documented_error(data: bytes) -> None:
    for datagram in (data, b"iG" + data, b"iG" + bytes([VERSION]) + b"GD" + data):
        with pytest.raises(DatagramError):
            CONNECTOR.open(datagram)


@given(
    st.one_of(
        st.binary(max_size=200), st.builds(msgspec.msgpack.encode, st.dictionaries(st.text(), st.text()))
    )
)
def test_any_payload_is_a_message_or_a_documented_error(payload: bytes) -> None:
    with contextlib.suppress(UnknownDatagram):
        decode(payload)


@pytest.mark.parametrize(
    "payload",
    [
        msgspec.msgpack.encode({"type": "Reboot"}),
        msgspec.msgpack.encode({"type": "Hello", "version": "1"}),
        msgspec.msgpack.encode({"type": "Hello"}),
        msgspec.msgpack.encode({"type": "Stop", "extra": 1}),
        b"\x91" * 100_000,
    ],
)
def test_what_is_not_in_the_vocabulary_is_unknown(payload: bytes) -> None:
    with pytest.raises(UnknownDatagram):
        decode(payload)


def test_the_largest_message_fits_and_a_larger_one_is_refused() -> None:
    overhead = len(encode(ContinueIChatCall("h", "r", "x" * 40_000))) - 40_000
    largest = ContinueIChatCall("h", "r", "x" * (MAX_PAYLOAD - overhead))
    assert len(GATEWAY.seal(Frame(1, 1, 1, 0, encode(largest)))) == MAX_DATAGRAM
    with pytest.raises(
        MessageTooLarge, match=f"ContinueIChatCall is {MAX_PAYLOAD + 1} bytes .* {MAX_PAYLOAD}"
    ):
        encode(ContinueIChatCall("h", "r", largest.blob + "x"))


@pytest.mark.parametrize("message", [Log("INFO", "\ud800"), Hello(2**64)])
def test_what_msgpack_cannot_carry_is_refused(message: Message) -> None:
    with pytest.raises(MessageNotEncodable, match=type(message).__name__):
        encode(message)


def test_hello_of_another_release() -> None:
    check_hello(Hello(VERSION))
    with pytest.raises(DifferentVersion, match="same release"):
        check_hello(Hello(VERSION + 1))
