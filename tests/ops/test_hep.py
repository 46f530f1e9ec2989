"""HEP3: every chunk by the specification."""

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.ops import hep
from ichat_gw.ops.hep import LONGEST, HepSource
from ichat_gw.ops.redact import forget_secrets, register_secret
from ichat_gw.ops.trace import Address, Lane, Protocol, Recorded
from ops.traces import PHONE, PHONE6, STANZA, US, US6, request

SOURCE = HepSource(2001, "geheim")


def chunks(packet: bytes) -> dict[int, bytes]:
    """The chunks of a packet by type, read as the specification says."""
    assert packet[:4] == b"HEP3"
    assert int.from_bytes(packet[4:6], "big") == len(packet)
    found, place = {}, 6
    while place < len(packet):
        vendor, kind, size = struct.unpack_from("!HHH", packet, place)
        assert vendor == 0
        assert 6 <= size <= len(packet) - place
        found[kind] = packet[place + 6 : place + size]
        place += size
    return found


def sip(content: bytes, source: Address = PHONE, target: Address = US, transport: str = "UDP") -> Recorded:
    return Recorded(
        1_800_000_000.25, Protocol.SIP, Lane.PHONE, Lane.GATEWAY, content, source, target, transport
    )


def packet(recorded: Recorded, call: str = "n-1", source: HepSource = SOURCE) -> bytes:
    made = source.packet(recorded, call)
    assert made is not None
    return made


def test_a_datagram() -> None:
    invite = request("INVITE")
    assert chunks(packet(sip(invite))) == {
        hep.FAMILY: b"\x02",
        hep.TRANSPORT: b"\x11",
        hep.SOURCE_V4: ip_address(PHONE[0]).packed,
        hep.TARGET_V4: ip_address(US[0]).packed,
        hep.SOURCE_PORT: (5060).to_bytes(2, "big"),
        hep.TARGET_PORT: (5070).to_bytes(2, "big"),
        hep.SECONDS: (1_800_000_000).to_bytes(4, "big"),
        hep.MICROSECONDS: (250_000).to_bytes(4, "big"),
        hep.KIND: b"\x01",
        hep.CAPTURE_ID: (2001).to_bytes(4, "big"),
        hep.PASSWORD: b"geheim",
        hep.CORRELATION: b"n-1",
        hep.PAYLOAD: invite,
    }


def test_ipv6_over_tls_without_call_and_password() -> None:
    found = chunks(packet(sip(request("OPTIONS"), PHONE6, US6, "TLS"), "", HepSource(1)))
    assert (found[hep.FAMILY], found[hep.TRANSPORT]) == (b"\x0a", b"\x06")
    assert found[hep.SOURCE_V6] == ip_address(PHONE6[0]).packed
    assert not {hep.PASSWORD, hep.CORRELATION, hep.SOURCE_V4} & set(found)


def test_a_stanza() -> None:
    recorded = Recorded(1.0, Protocol.XMPP, Lane.USER, Lane.CONNECTOR, STANZA.decode())
    found = chunks(packet(recorded))
    assert (found[hep.KIND], found[hep.TRANSPORT], found[hep.PAYLOAD]) == (b"\x02", b"\x06", STANZA)
    assert found[hep.SOURCE_PORT] == (5222).to_bytes(2, "big")
    back = chunks(packet(Recorded(1.0, Protocol.XMPP, Lane.CONNECTOR, Lane.USER, STANZA.decode())))
    assert back[hep.TARGET_PORT] == (5222).to_bytes(2, "big")


@pytest.mark.parametrize(
    "recorded",
    [
        Recorded(1.0, Protocol.STATE, Lane.GATEWAY, Lane.GATEWAY, "talking"),
        sip(b""),
        sip(b"x", None),
        sip(b"x", ("a name", 1)),
        sip(b"x", PHONE6),
    ],
)
def test_what_hep_is_not_for(recorded: Recorded) -> None:
    assert SOURCE.packet(recorded, "") is None


def test_no_secret_leaves() -> None:
    register_secret("hunter2")
    message = request("REGISTER").replace(
        b"Max-Forwards", b"Authorization: Digest x\r\nX: hunter2\r\nMax-Forwards"
    )
    payload = chunks(packet(sip(message)))[hep.PAYLOAD]
    forget_secrets()
    assert len(payload) == len(message)
    assert b"Digest" not in payload
    assert b"hunter2" not in payload


@given(st.binary(max_size=200_000), st.text(max_size=50))
def test_whatever_is_sent_fits_a_datagram(content: bytes, call: str) -> None:
    made = SOURCE.packet(sip(content + b"x", PHONE, US), call.encode("utf-8", "replace").decode())
    assert made is not None
    assert len(made) < 65_507
    assert len(chunks(made)[hep.PAYLOAD]) <= LONGEST
