"""What comes over SIP: datagrams and streams."""

from ichat_gw.sip.framing import Fault, Ping, StreamFramer, Whole
from ichat_gw.sip.headers import header_key
from ichat_gw.sip.message import MalformedMessage, NotSip, Request, Response, parse, response_to, stamp_via

SEEDS = (
    b"INVITE sip:bob@127.0.0.1;transport=tcp SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1;rport\r\n"
    b'Max-Forwards: 70\r\nFrom: "A \\" B" <sip:alice@127.0.0.1>;tag=1\r\nTo: <sip:bob@[::1]:5070>\r\n'
    b"Call-ID: 1@h\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@127.0.0.1>;q=0.5, <sip:c@d>\r\n"
    b"Record-Route: <sip:p;lr>\r\nSupported: 100rel, timer\r\nContent-Type: application/sdp\r\n"
    b"Content-Length: 5\r\n\r\nv=0\r\n",
    b"SIP/2.0 200 OK\r\nv: SIP/2.0/TCP [2001:db8::1];branch=z9hG4bK2;received=192.0.2.1\r\n"
    b"f: sip:a@b;tag=2\r\nt: sip:c@d;tag=3\r\ni: 2\r\nCSeq: 2 BYE\r\nl: 0\r\n\r\n",
    b"\r\n\r\nOPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=z9hG4bK3\r\nSubject: a\r\n b\r\n\r\n",
)


READ = (
    *("via", "from_", "to", "cseq", "call_id", "contact", "contacts", "max_forwards", "content_type"),
    *("expires", "require", "supported", "routes", "record_routes"),
)
"""Accessors of a message: none raises after `parse`."""


def sip_message(data: bytes) -> None:
    """A datagram: only the documented errors, and what is parsed can be read, written and answered."""
    try:
        message = parse(data)
    except NotSip:
        return
    except MalformedMessage as error:
        assert (error.status is None) == (error.request is None)
        if error.request is not None and error.status is not None:
            response_to(error.request, error.status, to_tag="t").to_bytes()
        return
    for name in READ:
        getattr(message, name)
    again = parse(message.to_bytes())
    assert _but_length(again) == _but_length(message)
    if isinstance(message, Request):
        stamp_via(message, "192.0.2.9", 5060)
        parse(response_to(message, 200, to_tag="t").to_bytes())


def _but_length(message: Request | Response) -> list[tuple[str, str]]:
    """The headers but Content-Length, which `to_bytes` writes itself."""
    return [(name, value) for name, value in message.headers.items() if header_key(name) != "content-length"]


def sip_stream(data: bytes) -> None:
    """A stream: the same messages come out however it is cut."""
    cut = data[0] % 61 + 1 if data else 1
    whole, pieces = StreamFramer(), StreamFramer()
    expected = whole.feed(data)
    found: list[Whole | Ping | Fault] = []
    for start in range(0, len(data), cut):
        found += pieces.feed(data[start : start + cut])
    assert found == expected, (found, expected)
