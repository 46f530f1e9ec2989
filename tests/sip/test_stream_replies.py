"""Responses without their connection, and connections that stand in for others."""

import pytest

from ichat_gw.sip.events import Flow
from ichat_gw.sip.stream_replies import alias_port, second_way

HEAD = (
    "From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
    "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)
LOCAL = ("192.0.2.1", 5070)


def message(start: str, via: str) -> bytes:
    return f"{start}\r\nVia: {via};branch=z9hG4bK1\r\n{HEAD}".encode()


@pytest.mark.parametrize(
    ("transport", "via", "port", "name"),
    [
        ("TCP", "SIP/2.0/TCP a.example:5080", 5080, ""),
        ("TCP", "SIP/2.0/TCP a.example;received=192.0.2.9;rport=4711", 5060, ""),
        ("TLS", "SIP/2.0/TLS A.Example", 5061, "a.example"),
        ("TLS", "SIP/2.0/TLS [2001:DB8::9]:5081", 5081, "2001:db8::9"),
    ],
)
def test_to_the_port_in_the_via_at_the_address_it_came_from(
    transport: str, via: str, port: int, name: str
) -> None:
    flow = Flow(transport, LOCAL, ("192.0.2.9", 40000))
    expected = Flow(transport, LOCAL, ("192.0.2.9", port), name)
    assert second_way(message("SIP/2.0 200 OK", via), flow) == expected


@pytest.mark.parametrize(
    "data", [message("OPTIONS sip:x SIP/2.0", "SIP/2.0/TCP a"), b"SIP/2.0 200 OK\r\n\r\n", b""]
)
def test_what_is_no_response_has_no_second_way(data: bytes) -> None:
    assert second_way(data, Flow("TCP", LOCAL, ("192.0.2.9", 40000))) is None


@pytest.mark.parametrize(
    ("data", "port"),
    [
        (message("OPTIONS sip:x SIP/2.0", "SIP/2.0/TLS a.example:5081;alias"), 5081),
        (message("OPTIONS sip:x SIP/2.0", "SIP/2.0/TLS a.example;alias"), 5061),
        (message("OPTIONS sip:x SIP/2.0", "SIP/2.0/TLS a.example"), None),
        (message("SIP/2.0 200 OK", "SIP/2.0/TLS a.example;alias"), None),
        (b"noise", None),
    ],
)
def test_who_says_alias(data: bytes, port: int | None) -> None:
    assert alias_port(data) == port
