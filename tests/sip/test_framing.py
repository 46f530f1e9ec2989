"""Whatever way a stream is split, the same messages are cut from it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.sip.framing import MAX_BODY, MAX_HEAD, Fault, Frame, Ping, StreamFramer, Whole, refusal
from ichat_gw.sip.message import MAX_HEADERS, Response, parse

PEER = ("192.0.2.9", 40000)
FIELDS = (
    "Via: SIP/2.0/TCP 192.0.2.9:5060;branch=z9hG4bKa;rport",
    "Max-Forwards: 70",
    "From: <sip:bob@192.0.2.9>;tag=b",
    "To: <sip:alice@192.0.2.1>",
    "Call-ID: c1",
    "CSeq: 1 OPTIONS",
)


def message(body: bytes = b"", *more: str, length: str | None = None, method: str = "OPTIONS") -> bytes:
    written = f"Content-Length: {len(body)}" if length is None else length
    fields = [field.replace("OPTIONS", method) for field in FIELDS]
    lines = [f"{method} sip:alice@192.0.2.1 SIP/2.0", *fields, *more, *([written] if written else [])]
    return "\r\n".join([*lines, "", ""]).encode() + body


def frames(*pieces: bytes) -> list[Frame]:
    framer = StreamFramer()
    return [frame for piece in pieces for frame in framer.feed(piece)]


def test_two_messages_in_one_piece() -> None:
    first, second = message(b"abc"), message()
    assert frames(first + second) == [Whole(first), Whole(second)]


def test_a_response_and_a_compact_folded_length() -> None:
    response = b"SIP/2.0 200 OK\r\nl :\r\n 3\r\n\r\nabc"
    assert frames(response) == [Whole(response)]


def test_one_byte_at_a_time() -> None:
    first = message(b"\r\n\r\n")
    stream = b"\r\n" + first + b"\r\n\r\n\r\n" + first
    assert frames(*(bytes([byte]) for byte in stream)) == [Whole(first), Ping(), Whole(first)]


def test_pings_and_pongs() -> None:
    assert frames(b"\r\n\r\n\r\n\r\n") == [Ping(), Ping()]
    assert frames(b"\r", b"\n", b"\r", b"\n") == [Ping()]
    assert frames(b"\r\n") == []


def test_partial_tells_of_a_message_that_has_begun() -> None:
    framer = StreamFramer()
    assert not framer.partial
    framer.feed(message(b"abc")[:-1])
    assert framer.partial
    framer.feed(b"c")
    assert not framer.partial


LATER = message()
NO_HEAD_YET = b"OPTIONS sip:alice@192.0.2.1 SIP/2.0\r\n" + "\r\n".join(FIELDS).encode()


@pytest.mark.parametrize(
    ("stream", "text", "status"),
    [
        (b"GET / HTTP/1.1\r\n", "Not SIP", None),
        (b"\x16\x03\x01\x02\r\n\r\n", "Not SIP", None),
        (b"\n", "Bad Line End", None),
        (b"\r\r", "Bad Line End", None),
        (message(length=""), "Missing Content-Length Header", 400),
        (message(length="Content-Length: -1"), "Bad Content-Length Header", 400),
        (message(length="Content-Length: 1x"), "Bad Content-Length Header", 400),
        (message(length="Content-Length: 0\r\nl: 5"), "Two Content-Lengths", 400),
        (message(length=f"Content-Length: {MAX_BODY + 1}"), "Body Too Long", 413),
        (message(b"", *["X: y"] * MAX_HEADERS), "Too Many Headers", 513),
        (NO_HEAD_YET + b"\r\nX: " + b"y" * MAX_HEAD, "Headers Too Long", 513),
    ],
)
def test_a_fault_is_the_end(stream: bytes, text: str, status: int | None) -> None:
    framer = StreamFramer()
    found = framer.feed(LATER + stream)
    assert found[0] == Whole(LATER)
    fault = found[1]
    assert isinstance(fault, Fault)
    assert (fault.text, fault.status) == (text, status)
    assert framer.feed(LATER) == []
    assert not framer.partial
    answer = refusal(fault, PEER, "ours")
    if status is None:
        assert answer is None
    else:
        assert answer is not None
        response = parse(answer)
        assert isinstance(response, Response)
        assert (response.status, response.reason, response.to.tag) == (status, text, "ours")
        assert response.via.branch == "z9hG4bKa"
        assert response.via.rport == PEER[1]


def test_the_longest_message_may_be_another() -> None:
    fits = message(b"x" * (1000 - len(message(b"x" * 500)) + 500))
    framer = StreamFramer(1000)
    assert framer.feed(fits) == [Whole(fits)]
    (fault,) = framer.feed(message(b"x" * (1001 - len(message(b"x" * 500)) + 500)))
    assert isinstance(fault, Fault)
    assert (fault.text, fault.status) == ("Message Too Large", 513)
    (fault,) = StreamFramer(1000).feed(NO_HEAD_YET + b"\r\nX: " + b"y" * 1000)
    assert isinstance(fault, Fault)
    assert (fault.text, fault.status) == ("Headers Too Long", 513)


def test_the_largest_body_is_no_fault() -> None:
    large = message(b"x" * MAX_BODY)
    assert frames(large) == [Whole(large)]


@pytest.mark.parametrize(
    "head",
    [
        message(length="", method="ACK"),
        b"SIP/2.0 200 OK\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0\r\nCall-ID: 1\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0",
        b"",
    ],
)
def test_nobody_to_answer(head: bytes) -> None:
    assert refusal(Fault("Wrong", 400, head), PEER, "t") is None


@given(
    st.lists(
        st.sampled_from(
            [message(b"abc"), message(), b"\r\n", b"\r\n\r\n", b"\r", b"x", b"SIP/2.0 200 OK\r\n"]
        )
    ),
    st.data(),
)
def test_no_split_changes_anything(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert frames(*pieces) == frames(stream)


@given(st.binary(max_size=200), st.binary(max_size=60))
def test_any_bytes_give_frames(noise: bytes, more: bytes) -> None:
    for frame in frames(noise, LATER[:80] + more, b"\r\n\r\n"):
        if isinstance(frame, Fault):
            refusal(frame, PEER, "t")
