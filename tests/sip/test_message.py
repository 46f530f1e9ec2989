import random
import sys
from types import FrameType
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ichat_gw.addressing.sip_uri import InvalidSipUri, NameAddr
from ichat_gw.errors import GatewayError
from ichat_gw.sip.message import (
    MAX_HEADERS,
    MAX_MESSAGE,
    MAX_VALUE,
    CSeq,
    Headers,
    MalformedMessage,
    Message,
    NotSip,
    Request,
    Response,
    UnsafeHeader,
    Via,
    is_keep_alive,
    parse,
    response_to,
    stamp_via,
)
from tests.sip.torture import ALL

INVITE = (
    b"INVITE sip:bob@192.0.2.2 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport\r\n"
    b"Via: SIP/2.0/TCP [2001:db8::1]\r\n"
    b"Max-Forwards: 70\r\n"
    b"Record-Route: <sip:p2;lr>, <sip:p1;lr>\r\n"
    b'To: "Bob \xc3\xbc\xff" <sip:bob@192.0.2.2>\r\n'
    b"From: sip:alice@192.0.2.1;tag=1\r\n"
    b"Call-ID: a@b\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"Contact: <sip:alice@192.0.2.1:5070>\r\n"
    b"Timestamp: 54\r\n"
    b"Supported: 100rel, Timer\r\n"
    b"Expires: 120\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: 5\r\n"
    b"\r\n"
    b"v=0\r\n"
)
RESPONSE = (
    b"SIP/2.0 200 OK\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    b"To: <sip:b@c>;tag=2\r\n"
    b"From: <sip:a@b>;tag=1\r\n"
    b"Call-ID: a@b\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"Content-Length: 0\r\n"
    b"\r\n"
)


def invite(data: bytes = INVITE) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def refusal(data: bytes) -> MalformedMessage:
    with pytest.raises(MalformedMessage) as caught:
        parse(data)
    return caught.value


def without(data: bytes, name: bytes) -> bytes:
    return b"\r\n".join(line for line in data.split(b"\r\n") if not line.startswith(name + b":"))


# --- what is understood ---


def test_request() -> None:
    request = invite()
    assert (request.method, request.uri, request.body) == ("INVITE", "sip:bob@192.0.2.2", b"v=0\r\n")
    assert request.sip_uri.user == "bob"
    assert request.via == Via("UDP", "192.0.2.1", 5070, (("branch", "z9hG4bK1"), ("rport", None)))
    assert request.to == NameAddr("Bob ü\ufffd", "sip:bob@192.0.2.2")
    assert request.from_.tag == "1"
    assert request.call_id == "a@b"
    assert request.cseq == CSeq(7, "INVITE")
    assert request.contact == NameAddr("", "sip:alice@192.0.2.1:5070")
    assert request.max_forwards == 70
    assert request.content_type == "application/sdp"
    assert request.expires == 120
    assert request.require == ()
    assert request.supported == ("100rel", "timer")
    assert request.routes == ()
    assert [route.uri for route in request.record_routes] == ["sip:p2;lr", "sip:p1;lr"]
    assert repr(request) == "<INVITE sip:bob@192.0.2.2>"


def test_response() -> None:
    response = parse(RESPONSE)
    assert isinstance(response, Response)
    assert (response.status, response.reason, response.contact) == (200, "OK", None)
    assert repr(response) == "<200 OK>"


def test_bytes_survive_unchanged() -> None:
    expected = without(INVITE, b"Content-Length").replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n")
    assert invite().to_bytes() == expected


def test_the_start_line_in_other_spellings() -> None:
    for line in (b"INVITE sip:b@c sip/2.0", b"INVITE sip:b@c SIP/2.0 \t", b"\r\n\r\nINVITE sip:b@c SIP/2.0"):
        assert invite(INVITE.replace(b"INVITE sip:bob@192.0.2.2 SIP/2.0", line, 1)).uri == "sip:b@c"
    for line in (b"sip/2.0 200 OK", b"SIP/2.0 200 ", b"SIP/2.0 200", b"SIP/2.0 200 \xff"):
        assert isinstance(parse(RESPONSE.replace(b"SIP/2.0 200 OK", line)), Response)


def test_folding_is_one_space_and_is_written_unfolded() -> None:
    request = invite(INVITE.replace(b"CSeq: 7 INVITE", b"cseq \t:\r\n\t7\r\n  \r\n INVITE"))
    assert request.cseq == CSeq(7, "INVITE")
    assert request.headers.get("CSeq") == "7  INVITE"
    assert b"\r\ncseq: 7  INVITE\r\n" in request.to_bytes()


def test_unknown_methods_headers_and_schemes_are_let_through() -> None:
    data = INVITE.replace(b"INVITE", b"FLY").replace(b"sip:bob@192.0.2.2 SIP", b"bird:x SIP")
    request = invite(data.replace(b"Timestamp: 54", b'X-Odd: ;;,,"<'))
    assert request.method == "FLY"
    assert request.headers.get("x-odd") == ';;,,"<'
    with pytest.raises(InvalidSipUri):
        _ = request.sip_uri


def test_a_datagram_without_content_length_is_body_to_its_end() -> None:
    assert invite(without(INVITE, b"Content-Length") + b"more").body == b"v=0\r\nmore"


def test_octets_behind_the_body_are_ignored() -> None:
    assert invite(INVITE + b"more").body == b"v=0\r\n"


# --- what is not SIP ---


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\0",
        b"\0\0\0\0",
        b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12),
        b"\x80\x00\x00\x01" + bytes(160),
        b"hello",
        b"hello world\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0",
        b"INVITE sip:a@b SIP/2.0\nVia: SIP/2.0/UDP a\n\n",
        b"IN@ITE sip:a@b SIP/2.0\r\n\r\n",
        b"A" * 65 + b" sip:a@b SIP/2.0\r\n\r\n",
        b"\r\n" * 30_000,
    ],
)
def test_not_sip(data: bytes) -> None:
    with pytest.raises(NotSip):
        parse(data)


# --- what is refused ---


@pytest.mark.parametrize(
    ("data", "status", "text"),
    [
        (INVITE.replace(b"SIP/2.0\r\n", b"SIP/3.0\r\n", 1), 505, "Version Not Supported"),
        (INVITE.replace(b"SIP/2.0\r\n", b"SIP/2.0a\r\n", 1), 400, "Bad Request Line"),
        (INVITE.replace(b"SIP/2.0\r\n", b"SIP/2.0 x\r\n", 1), 400, "Bad Request Line"),
        (INVITE.replace(b"sip:bob@192.0.2.2 ", b"", 1), 400, "Bad Request-URI"),
        (INVITE.replace(b"sip:bob@", b"bob@", 1), 400, "Bad Request-URI"),
        (INVITE.replace(b"sip:bob@", b"sip:b|b@", 1), 400, "Bad Request-URI"),
        (INVITE.replace(b"sip:bob@192.0.2.2 ", b"sip:bob@ ", 1), 400, "Bad Request-URI"),
        (INVITE.replace(b"sip:bob@192.0.2.2 ", b"sip:bob@h?a=b ", 1), 400, "Headers In The Request-URI"),
        (INVITE.replace(b"sip:bob", b"sip:" + b"b" * MAX_VALUE, 1), 414, "Request-URI Too Long"),
        (INVITE.partition(b"\r\n\r\n")[0], 400, "No Empty Line Behind The Headers"),
        (INVITE.replace(b"Timestamp: 54", b"Timestamp 54"), 400, "Header Without A Name"),
        (INVITE.replace(b"Timestamp: 54", b": 54"), 400, "Header Without A Name"),
        (INVITE.replace(b"Timestamp: 54", b"Time\xffstamp: 54"), 400, "Header Without A Name"),
        (INVITE.replace(b"Timestamp: 54", b"Timestamp: 5\n4"), 400, "Line Break Or NUL In A Header"),
        (INVITE.replace(b"Timestamp: 54", b"Timestamp: 5\r4"), 400, "Line Break Or NUL In A Header"),
        (INVITE.replace(b"Timestamp: 54", b"Timestamp: 5\0"), 400, "Line Break Or NUL In A Header"),
        (INVITE.replace(b"Timestamp: 54", b'X: "\\\0'), 400, "Line Break Or NUL In A Header"),
        (INVITE.replace(b"Timestamp: 54", b"X: " + b"x" * MAX_VALUE), 513, "Header Too Long"),
        (INVITE.replace(b"Timestamp: 54", b"\r\n".join([b"X: x"] * MAX_HEADERS)), 513, "Too Many Headers"),
        (without(INVITE, b"To"), 400, "Missing To Header"),
        (without(INVITE, b"CSeq"), 400, "Missing CSeq Header"),
        (INVITE.replace(b"Call-ID: a@b", b"Call-ID: "), 400, "Bad Call-ID Header"),
        (INVITE.replace(b"Timestamp: 54", b"f: sip:a@b"), 400, "A Header Stands Twice"),
        (INVITE.replace(b"Timestamp: 54", b"L: 5"), 400, "A Header Stands Twice"),
        (INVITE.replace(b"7 INVITE", b"7 BYE"), 400, "CSeq Does Not Match The Method"),
        (INVITE.replace(b"7 INVITE", b"2147483648 INVITE"), 400, "Bad CSeq Header"),
        (INVITE.replace(b"Max-Forwards: 70", b"Max-Forwards: 256"), 400, "Bad Max-Forwards Header"),
        (INVITE.replace(b"Contact: <", b"Contact: "), 400, "Bad Contact Header"),
        (INVITE.replace(b"application/sdp", b"sdp"), 400, "Bad Content-Type Header"),
        (INVITE.replace(b"Timestamp: 54", b"Require: a b"), 400, "Bad Require Header"),
        (INVITE.replace(b"100rel, Timer", b"@"), 400, "Bad Supported Header"),
        (INVITE.replace(b"Timestamp: 54", b"Route: sip"), 400, "Bad Route Header"),
        (INVITE.replace(b"<sip:p1;lr>", b"<sip:p1;lr"), 400, "Bad Record-Route Header"),
        (INVITE.replace(b"Content-Length: 5", b"Content-Length: 6"), 400, "Body Shorter Than Content-Length"),
        (INVITE.replace(b"Content-Length: 5", b"Content-Length: +5"), 400, "Bad Content-Length Header"),
        (
            INVITE.replace(b"Content-Length: 5", b"Content-Length: " + b"9" * 8000),
            400,
            "Bad Content-Length Header",
        ),
    ],
)
def test_refused(data: bytes, status: int, text: str) -> None:
    error = refusal(data)
    assert (error.status, error.text, str(error)) == (status, text, text)
    assert error.request is not None
    answer = response_to(error.request, status, error.text, to_tag="t")
    assert answer.to_bytes().startswith(
        f"SIP/2.0 {status} {text}\r\nVia: SIP/2.0/UDP 192.0.2.1:5070;".encode()
    )
    # The same with a method that has no answer, and nobody to answer: dropped.
    for silent in (data.replace(b"INVITE", b"ACK"), without(data, b"Via")):
        error = refusal(silent)
        assert (error.status, error.request) == (None, None)


@pytest.mark.parametrize(
    "data",
    [
        RESPONSE.replace(b"SIP/2.0 200", b"SIP/3.0 200"),
        RESPONSE.replace(b"SIP/2.0 200", b"SIP/2.0 2000"),
        RESPONSE.replace(b"SIP/2.0 200", b"SIP/2.0 099"),
        RESPONSE.replace(b"SIP/2.0 200", b"SIP/2.0 700"),
        RESPONSE.replace(b"SIP/2.0 200", b"SIP/2.0  200"),
        RESPONSE.replace(b"SIP/2.0 200", b"SIP/2.0 4294967301"),
        RESPONSE.replace(b"200 OK", b"200 O\0K"),
        RESPONSE.replace(b"200 OK", b"200 O\rK"),
        RESPONSE.replace(b"200 OK", b"200 \nOK"),
        RESPONSE.replace(b"Content-Length: 0", b"Content-Length: 1"),
        without(RESPONSE, b"Via"),
        b"SIP/2.0 200 OK\r\n\r\n",
    ],
)
def test_a_bad_response_is_dropped(data: bytes) -> None:
    error = refusal(data)
    assert (error.status, error.request) == (None, None)


def test_a_message_that_no_datagram_can_hold_is_dropped() -> None:
    assert refusal(INVITE + bytes(MAX_MESSAGE)).status is None


def test_what_is_echoed_of_a_bad_request() -> None:
    data = (
        b"INVITE sip:b@c SIP/2.0\r\n"
        b"v: SIP/9.9/UDP a\nb\r\n"
        b"Via : x\r\n"
        b"t: a\0b\r\n"
        b"To: twice\r\n"
        b"From: " + b"x" * 9000 + b"\r\n"
        b"Call-ID\r\n"
        b"X: y\r\n"
        b"cseq: 1 INVITE\r\n\r\n"
    )
    request = refusal(data).request
    assert request is not None
    assert request.headers.items() == [
        ("v", "SIP/9.9/UDP a b"),
        ("Via", "x"),
        ("t", "a b"),
        ("cseq", "1 INVITE"),
    ]
    with pytest.raises(MalformedMessage) as caught:
        _ = request.via
    assert str(caught.value) == "Bad Via Header"
    stamp_via(request, "192.0.2.9", 5060)
    assert response_to(request, 400, to_tag="t").headers == request.headers


# --- what is written ---


def test_built_messages() -> None:
    request = Request("BYE", "sip:a@b")
    request.headers.add("CSeq", "1 BYE")
    assert request.to_bytes() == b"BYE sip:a@b SIP/2.0\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
    assert Response(180, headers=Headers([("a", "b")]), body=b"x").to_bytes() == (
        b"SIP/2.0 180 Ringing\r\na: b\r\nContent-Length: 1\r\n\r\nx"
    )
    with pytest.raises(NotImplementedError):
        Message()._start_line()


def test_accessors_follow_changes() -> None:
    request = invite()
    assert request.to.tag is None
    request.headers.replace("To", "<sip:x@y>;tag=9")
    assert request.to.tag == "9"
    assert request.to is request.to
    request.headers.remove("To")
    with pytest.raises(MalformedMessage):
        _ = request.to


@pytest.mark.parametrize(
    "message",
    [
        Request("IN VITE", "sip:a@b"),
        Request("", "sip:a@b"),
        Request("INVITE", ""),
        Request("INVITE", "sip:a b"),
        Request("INVITE", "sip:a\r\nX:"),
        Request("INVITE\r\n", "sip:a"),
        Response(200, "OK\r\nX: y"),
        Response(200, "O\0K"),
    ],
)
def test_start_lines_are_safe(message: Message) -> None:
    with pytest.raises(UnsafeHeader):
        message.to_bytes()


# --- answers ---


def test_answer_echoes_byte_for_byte() -> None:
    answer = response_to(invite(), 486, to_tag="ours")
    assert answer.to_bytes() == (
        b"SIP/2.0 486 Busy Here\r\n"
        b"Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport\r\n"
        b"Via: SIP/2.0/TCP [2001:db8::1]\r\n"
        b'To: "Bob \xc3\xbc\xff" <sip:bob@192.0.2.2>;tag=ours\r\n'
        b"From: sip:alice@192.0.2.1;tag=1\r\n"
        b"Call-ID: a@b\r\n"
        b"CSeq: 7 INVITE\r\n"
        b"Content-Length: 0\r\n\r\n"
    )


def test_record_route_and_timestamp_where_they_are_due() -> None:
    def extra(method: bytes, status: int) -> list[str]:
        answer = response_to(invite(INVITE.replace(b"INVITE", method)), status)
        return [key for key, _, _ in answer.headers.entries() if key in ("record-route", "timestamp")]

    assert extra(b"INVITE", 100) == ["timestamp"]
    assert extra(b"INVITE", 180) == extra(b"INVITE", 200) == ["record-route"]
    assert extra(b"INVITE", 300) == extra(b"OPTIONS", 200) == []


def test_a_tag_is_added_once() -> None:
    tagged = invite(INVITE.replace(b"<sip:bob@192.0.2.2>", b"<sip:bob@192.0.2.2> ;TAG=theirs"))
    assert response_to(tagged, 200, to_tag="ours").to.tag == "theirs"
    bare = invite(INVITE.replace(b'"Bob \xc3\xbc\xff" <sip:bob@192.0.2.2>', b"sip:bob@h;x=y"))
    assert response_to(bare, 200, "Fine", to_tag="ours").headers.get("To") == "sip:bob@h;x=y;tag=ours"
    assert response_to(bare, 100).to.tag is None


@pytest.mark.parametrize(
    ("via", "source", "stamped"),
    [
        ("SIP/2.0/UDP 192.0.2.1:9;branch=b", ("192.0.2.1", 5), "SIP/2.0/UDP 192.0.2.1:9;branch=b"),
        (
            "SIP/2.0/UDP 192.0.2.1:9;branch=b",
            ("10.0.0.1", 5),
            "SIP/2.0/UDP 192.0.2.1:9;branch=b;received=10.0.0.1",
        ),
        ("SIP/2.0/UDP h", ("10.0.0.1", 5), "SIP/2.0/UDP h;received=10.0.0.1"),
        (
            "SIP/2.0/UDP 192.0.2.1;rport;branch=b",
            ("192.0.2.1", 5),
            "SIP/2.0/UDP 192.0.2.1;rport=5;branch=b;received=192.0.2.1",
        ),
        ("SIP/2.0/UDP h;RPORT=7 ;x", ("10.0.0.1", 5), "SIP/2.0/UDP h;RPORT=5;x;received=10.0.0.1"),
        ("SIP/2.0/UDP h;received=6.6.6.6", ("10.0.0.1", 5), "SIP/2.0/UDP h;received=10.0.0.1"),
        ("SIP/2.0/UDP 10.0.0.1;received=6.6.6.6", ("10.0.0.1", 5), "SIP/2.0/UDP 10.0.0.1"),
        (
            "SIP / 2.0/UDP  h : 9 ;a, SIP/2.0/UDP i",
            ("10.0.0.1", 5),
            "SIP / 2.0/UDP  h : 9;a;received=10.0.0.1, SIP/2.0/UDP i",
        ),
        ("SIP/2.0/UDP [2001:db8::1];x", ("2001:db8::1", 5), "SIP/2.0/UDP [2001:db8::1];x"),
        ("SIP/2.0/UDP h", ("fe80::1%eth0", 5), "SIP/2.0/UDP h;received=fe80::1"),
    ],
)
def test_stamp_via(via: str, source: tuple[str, int], stamped: str) -> None:
    request = invite(INVITE.replace(b"SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport", via.encode()))
    stamp_via(request, *source)
    assert request.headers.get_all("Via") == [stamped, "SIP/2.0/TCP [2001:db8::1]"]
    assert request.via == parse(request.to_bytes()).via


# --- whatever comes ---

ACCESSORS = """
    via from_ to cseq call_id contact contacts max_forwards content_type expires require supported routes
    record_routes
"""


def survives(data: bytes) -> None:
    """Parsing gives a message that can be read, written and answered, or a documented error."""
    try:
        message = parse(data)
    except NotSip:
        return
    except MalformedMessage as refused:
        error = refused
    else:
        survives_reading_and_writing(message)
        return
    assert (error.status is None) is (error.request is None)
    if error.request is not None:
        stamp_via(error.request, "192.0.2.9", 5060)
        response_to(error.request, error.status or 0, error.text, to_tag="t").to_bytes()


def survives_reading_and_writing(message: Message) -> None:
    for name in ACCESSORS.split():
        getattr(message, name)
    again = parse(message.to_bytes())
    assert again.headers.get("Content-Length") == str(len(message.body))
    message.headers.remove("Content-Length")
    again.headers.remove("Content-Length")
    assert again.headers == message.headers
    assert again.body == message.body
    if isinstance(message, Request):
        assert isinstance(again, Request)
        assert (again.method, again.uri) == (message.method, message.uri)
        stamp_via(message, "192.0.2.9", 5060)
        response_to(message, 200, to_tag="t").to_bytes()
    else:
        assert isinstance(again, Response)
        assert (again.status, again.reason) == (message.status, message.reason)


@settings(deadline=None)
@given(st.binary())
@example(b"\r\n")
def test_any_bytes(data: bytes) -> None:
    survives(data)
    survives(b"INVITE sip:a@b SIP/2.0\r\n" + data)
    survives(b"SIP/2.0 200 OK\r\n" + data + b"\r\n\r\n")


MESSAGES = [INVITE, RESPONSE, *(entry.data for entry in ALL)]
SPICE = """
    " \\ < > , ; = : @ ? [ ] * % %00 -1 99999999999999999999 SIP/2.0 sip:
    %20 %09 %0D%0A %0D %0A %00 %FF %C2%A0 %0D%0A%20 %0D%0A%0D%0A %E2%84%AA
"""
INSERTS = [*(word.encode() for word in SPICE.split()), *(unquote_to_bytes(word) for word in SPICE.split())]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(MESSAGES),
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 4), st.sampled_from(INSERTS)), max_size=4),
)
def test_mutated_messages(data: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    for at, removed, inserted in cuts:
        at = min(at, len(data))
        data = data[:at] + inserted + data[at + removed :]
    survives(data)


@settings(deadline=None)
@given(st.sampled_from(MESSAGES), st.integers(0, 2**32))
def test_shuffled_header_lines(data: bytes, seed: int) -> None:
    head, empty, body = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    random.Random(seed).shuffle(lines)
    survives(b"\r\n".join([first, *lines]) + empty + body)


token = st.text("abcXYZ019-.!%*_+`'~", min_size=1)
value = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"])).map(
    lambda v: v.strip(" \t")
)


@settings(deadline=None)
@given(st.lists(st.tuples(token.map(lambda t: "X-" + t), value)), st.binary(), token)
def test_round_trip_of_what_we_write(extra: list[tuple[str, str]], body: bytes, method: str) -> None:
    base = [
        ("Via", "SIP/2.0/UDP a;branch=z9hG4bK1"),
        ("To", "<sip:a@b>"),
        ("From", "<sip:c@d>;tag=1"),
        ("Call-ID", "x"),
        ("CSeq", f"1 {method}"),
    ]
    request = Request(method, "sip:a@b", Headers(base + extra), body)
    again = parse(request.to_bytes())
    assert isinstance(again, Request)
    assert again.method == method
    assert again.headers.items() == [*base, *extra, ("Content-Length", str(len(body)))]
    assert again.body == body
    assert again.to_bytes() == request.to_bytes()


# --- no input costs more than its length ---


def steps(data: bytes) -> int:
    """How many lines of Python run while `data` is parsed, refused or answered."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        message = parse(data)
        if isinstance(message, Request):
            response_to(message, 200, to_tag="t").to_bytes()
    except GatewayError:
        pass
    finally:
        sys.settrace(before)
    return count


UNITS = [b'"', b"\\", b'\\"', b'"\\', b"<", b"<>", b",", b'"",', b"<sip:a@b>,", b";", b";a", b';a="b"', b" "]
UNITS += [b"\r\n ", b"a", b":", b"%41", b"/"]
AROUND = [(b"", b""), (b'"', b""), (b'"', b'\\\0" <sip:a@b>'), (b"<sip:a@b>", b""), (b"SIP/2.0/UDP a", b"")]


@pytest.mark.parametrize(
    "header", [b"To", b"Contact", b"Via", b"Route", b"CSeq", b"Supported", b"Content-Type", b"Call-ID"]
)
def test_steps_grow_with_the_length(header: bytes) -> None:
    start, _, rest = without(INVITE, header).partition(b"\r\n")
    for unit in UNITS:
        for before, behind in AROUND:
            short, long = (
                b"".join((start, b"\r\n", header, b": ", before, unit * times, behind, b"\r\n", rest))
                for times in (40, 160)
            )
            assert steps(long) <= 4 * steps(short) + 100, (unit, before)


def test_steps_grow_with_the_number_of_headers() -> None:
    def probe(times: int) -> bytes:
        return INVITE.replace(b"\r\n", b"\r\n" + b"Via: SIP/2.0/UDP a\r\nSubject: a\r\n" * times, 1)

    assert steps(probe(100)) <= 4 * steps(probe(25)) + 100


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\r\n", b"\r\n\r\n", bytes(4), b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12)]
)
def test_what_keeps_a_nat_open(data: bytes) -> None:
    assert is_keep_alive(data)


@pytest.mark.parametrize("data", [bytes(5), b"x", b"\r\n\r\n\r\n", b"\0\1\0\0" + bytes(16), INVITE, RESPONSE])
def test_what_does_not(data: bytes) -> None:
    assert not is_keep_alive(data)
