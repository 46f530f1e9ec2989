from collections.abc import Callable

import pytest

from ichat_gw.addressing.sip_grammar import InvalidSyntax
from ichat_gw.addressing.sip_uri import NameAddr
from ichat_gw.sip import typed
from ichat_gw.sip.fields import CSeq, Via
from ichat_gw.sip.headers import Headers


@pytest.mark.parametrize(
    ("read", "lines", "value"),
    [
        (typed.read_via, [("v", "SIP/2.0/UDP a, SIP/2.0/TCP b"), ("Via", "x")], Via("UDP", "a", None)),
        (typed.read_from, [("f", "sip:a@b")], NameAddr("", "sip:a@b")),
        (typed.read_to, [("t", "sip:a@b")], NameAddr("", "sip:a@b")),
        (typed.read_cseq, [("cseq", "1 BYE")], CSeq(1, "BYE")),
        (typed.read_call_id, [("i", "x@y")], "x@y"),
        (typed.read_contacts, [], ()),
        (typed.read_contacts, [("m", "*")], ()),
        (typed.read_contacts, [("m", "")], ()),
        (
            typed.read_contacts,
            [("m", "<sip:a@b>, <sip:c@d>"), ("Contact", "sip:e@f")],
            (NameAddr("", "sip:a@b"), NameAddr("", "sip:c@d"), NameAddr("", "sip:e@f")),
        ),
        (
            typed.read_routes,
            [("Route", "<sip:p1;lr>"), ("route", "<sip:p2>")],
            (NameAddr("", "sip:p1;lr"), NameAddr("", "sip:p2")),
        ),
        (typed.read_record_routes, [("Record-Route", "<sip:p1;lr>")], (NameAddr("", "sip:p1;lr"),)),
        (typed.read_max_forwards, [], None),
        (typed.read_max_forwards, [("Max-Forwards", "0068")], 68),
        (typed.read_max_forwards, [("Max-Forwards", "255")], 255),
        (typed.read_expires, [], None),
        (typed.read_expires, [("Expires", "3600")], 3600),
        (typed.read_expires, [("Expires", "1" + "0" * 99)], 2**32 - 1),
        (typed.read_expires, [("Expires", "soon")], None),
        (typed.read_expires, [("Expires", "٣")], None),
        (typed.read_content_type, [], ""),
        (typed.read_content_type, [("c", "")], ""),
        (typed.read_content_type, [("c", "Application / SDP ; charset=x")], "application/sdp"),
        (typed.read_require, [("Require", "100rel, Foo")], ("100rel", "foo")),
        (typed.read_supported, [("k", ""), ("Supported", "timer")], ("timer",)),
    ],
)
def test_read(read: Callable[[Headers], object], lines: list[tuple[str, str]], value: object) -> None:
    assert read(Headers(lines)) == value


@pytest.mark.parametrize(
    ("read", "lines"),
    [
        (typed.read_via, []),
        (typed.read_via, [("Via", "")]),
        (typed.read_via, [("Via", ",")]),
        (typed.read_from, []),
        (typed.read_to, [("To", "<>")]),
        (typed.read_cseq, [("CSeq", "x")]),
        (typed.read_call_id, [("Call-ID", "")]),
        (typed.read_contacts, [("m", "<sip:a@b>"), ("m", "*")]),
        (typed.read_routes, [("Route", "<sip:a@b>,")]),
        (typed.read_record_routes, [("Record-Route", "<")]),
        (typed.read_max_forwards, [("Max-Forwards", "256")]),
        (typed.read_max_forwards, [("Max-Forwards", "")]),
        (typed.read_content_type, [("c", "text")]),
        (typed.read_content_type, [("c", "/sdp")]),
        (typed.read_require, [("Require", "a b")]),
        (typed.read_supported, [("Supported", '"a')]),
    ],
)
def test_refused(read: Callable[[Headers], object], lines: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidSyntax):
        read(Headers(lines))


def test_every_reader_has_a_name_for_its_header() -> None:
    assert {key for key, _ in typed.MANDATORY + typed.OPTIONAL} <= typed.SPELLING.keys()
