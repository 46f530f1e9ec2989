"""What is kept of a call, for how long, and what is shown of it."""

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.errors import GatewayError
from ichat_gw.ipc.messages import InitiateIChatCall
from ichat_gw.ops.redact import REDACTED, forget_secrets, register_secret
from ichat_gw.ops.trace import (
    ENTRY_BYTES,
    CallTrace,
    InvalidTrace,
    Lane,
    Protocol,
    Recorded,
    TraceBook,
    TraceEntry,
    address_text,
    entry_json,
    entry_of,
    read_trace,
    trace_json,
)
from ichat_gw.ops.verdict import Finding, Verdict

INVITE = b"INVITE sip:bob@example.com SIP/2.0\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(autouse=True)
def _no_secrets() -> Iterator[None]:
    forget_secrets()
    yield
    forget_secrets()


def note(text: str = "ringing", at: float = 1.0) -> Recorded:
    return Recorded(at, Protocol.STATE, Lane.GATEWAY, Lane.GATEWAY, text)


def sip(data: bytes, at: float = 1.0) -> Recorded:
    phone, ours = ("192.0.2.7", 5060), ("192.0.2.1", 5070)
    return Recorded(at, Protocol.SIP, Lane.PHONE, Lane.GATEWAY, data, phone, ours, "UDP")


def texts(book: TraceBook, call: str) -> list[str]:
    journal = book.find(call)
    assert journal is not None
    return [entry.summary for entry in journal.trace().entries]


def test_a_call_is_kept_while_it_lives_and_afterwards() -> None:
    book = TraceBook(calls=2)
    book.begin("a", "sip:bob@example.com", "xmpp:alice@example.com", 10.0)
    book.add("a", sip(INVITE))
    book.add("a", note())
    assert [journal.call for journal in book.live] == ["a"]
    verdict = Verdict(Finding("hung-up", "the caller hung up"))
    book.end("a", verdict, 12.0)
    book.add("a", note("late"))
    assert not list(book.live)
    assert [journal.call for journal in book.over] == ["a"]
    assert texts(book, "a") == ["INVITE sip:bob@example.com", "ringing", "late"]
    journal = book.find("a")
    assert journal is not None
    assert (journal.began, journal.ended, journal.verdict) == (10.0, 12.0, verdict)
    assert journal.trace().lanes == [Lane.GATEWAY, Lane.PHONE]


def test_the_oldest_that_is_over_is_forgotten_first() -> None:
    book = TraceBook(calls=2)
    for call in "abc":
        book.begin(call, "", "", 0.0)
    for call in "cab":
        book.end(call, None, 1.0)
    assert [journal.call for journal in book.over] == ["b", "a"]
    assert book.find("c") is None


def test_what_is_over_makes_room_for_what_lives() -> None:
    book = TraceBook(calls=10, size=10 * ENTRY_BYTES)
    for call in "abcdefg":
        book.begin(call, "", "", 0.0)
        for _ in range(2):
            book.add(call, note(""))
        if call in "ab":
            book.end(call, None, 1.0)
        if call == "f":
            assert [journal.call for journal in book.over] == ["b"]
            assert book.size == 10 * ENTRY_BYTES
    assert not list(book.over)
    book.begin("h", "", "", 0.0)
    book.add("h", note(""))
    journal = book.find("h")
    assert journal is not None
    assert (len(journal.recorded), journal.left_out) == (0, 1)
    assert book.size == 10 * ENTRY_BYTES


def test_one_call_that_says_too_much_is_cut_off_and_costs_nobody_else_anything() -> None:
    book = TraceBook(entries=3)
    book.begin("old", "", "", 0.0)
    book.end("old", None, 1.0)
    book.begin("a", "", "", 2.0)
    for _ in range(5):
        book.add("a", note())
    journal = book.find("a")
    assert journal is not None
    assert journal.left_out == 2
    assert journal.trace().left_out == 2
    assert book.find("old") is not None


def test_what_is_said_of_nobody_is_not_kept() -> None:
    book = TraceBook()
    book.add("nobody", note())
    assert book.end("nobody", None, 1.0) is None
    assert book.size == 0


def test_without_room_for_calls_that_are_over_live_ones_are_kept() -> None:
    book = TraceBook(calls=0)
    book.begin("a", "", "", 0.0)
    book.add("a", note())
    assert texts(book, "a") == ["ringing"]
    assert book.end("a", None, 1.0) is not None
    assert book.find("a") is None
    assert book.size == 0


def test_an_entry_shows_no_secret_and_keeps_its_length() -> None:
    register_secret("hunter2")
    data = INVITE.replace(b"Content-Length", b"Authorization: Digest x=hunter2\r\nContent-Length")
    entry = entry_of(sip(data + b"hunter2"))
    assert b"hunter2" not in entry.content
    assert b"Digest" not in entry.content
    assert len(entry.content) == len(data) + 7
    assert entry.text.startswith("INVITE sip:bob@example.com SIP/2.0\r\nCSeq: 1 INVITE\r\nAuthorization: ")


def test_a_message_between_the_programs_is_shown_by_its_name_in_the_manual() -> None:
    message = InitiateIChatCall("alice@example.com", "123@gw.example.com", "n-1")
    entry = entry_of(Recorded(0.0, Protocol.CONNECTOR, Lane.GATEWAY, Lane.CONNECTOR, message))
    assert (entry.summary, entry.content) == ("initiateIChatCall", b"")


_ADDRESSES = st.none() | st.tuples(st.ip_addresses().map(str), st.integers(0, 65535))
_ENTRIES = st.builds(
    TraceEntry,
    st.integers(0, 4 * 10**9).map(float),
    st.sampled_from(Protocol),
    st.sampled_from(Lane),
    st.sampled_from(Lane),
    st.text(),
    st.text(st.characters(exclude_categories=["Cs"])).map(str.encode),
    _ADDRESSES,
    _ADDRESSES,
    st.sampled_from(["", "UDP", "TLS"]),
    st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()),
)


@given(st.lists(_ENTRIES, max_size=3), st.booleans())
def test_json_is_read_back(entries: list[TraceEntry], over: bool) -> None:
    arrived = Finding("arrived", "it arrived")
    verdict = Verdict(Finding("busy", "busy", "wait"), arrived, None) if over else None
    trace = CallTrace("n-1", "sip:a@b", "xmpp:c@d", 5.0, 6.5 if over else None, verdict, tuple(entries), 3)
    assert read_trace(trace_json(trace)) == trace


@pytest.mark.parametrize(
    "shown",
    [
        None,
        [],
        {},
        {"call": "x"},
        {**trace_json(CallTrace("", "", "", 0.0, None, None, ())), "verdict": 5},
        {**trace_json(CallTrace("", "", "", 0.0, None, None, ())), "entries": [{"at": "yesterday"}]},
    ],
)
def test_what_is_no_trace_is_refused(shown: object) -> None:
    with pytest.raises(InvalidTrace) as caught:
        read_trace(shown)
    assert isinstance(caught.value, GatewayError)


def test_addresses_of_both_families() -> None:
    assert address_text(("192.0.2.7", 5060)) == "192.0.2.7:5060"
    assert address_text(("2001:db8::7", 5060)) == "[2001:db8::7]:5060"


def test_what_comes_late_for_a_call_that_had_to_make_room_is_not_counted_for_ever() -> None:
    book = TraceBook(calls=10, size=16 * ENTRY_BYTES)
    book.begin("a", "", "", 0.0)
    book.add("a", note(""))
    book.end("a", None, 1.0)
    for number in range(14):
        book.begin(f"live {number}", "", "", 2.0)
        book.add(f"live {number}", note(""))
    book.add("a", sip(b"x" * 200))
    assert book.find("a") is None
    assert book.size == 14 * ENTRY_BYTES


def test_one_call_with_long_messages_leaves_room_for_the_others() -> None:
    book = TraceBook(size=64 * ENTRY_BYTES)
    book.begin("old", "", "", 0.0)
    book.add("old", note(""))
    book.end("old", None, 1.0)
    book.begin("flood", "", "", 2.0)
    for _ in range(100):
        book.add("flood", sip(b"x" * ENTRY_BYTES))
    assert book.find("old") is not None
    assert book.size < 64 * ENTRY_BYTES
    book.begin("next", "", "", 3.0)
    book.add("next", note())
    assert texts(book, "next") == ["ringing"]


def test_a_long_message_between_the_programs_counts_as_long_as_it_is() -> None:
    book = TraceBook()
    book.begin("a", "", "", 0.0)
    message = InitiateIChatCall("u" * 5_000, "v" * 5_000, "a")
    book.add("a", Recorded(1.0, Protocol.CONNECTOR, Lane.CONNECTOR, Lane.GATEWAY, message))
    assert book.size >= 10_000


def test_fields_show_no_secret_and_can_be_written() -> None:
    register_secret("geheim")
    shown = entry_of(
        Recorded(
            1.0,
            Protocol.STATE,
            Lane.GATEWAY,
            Lane.GATEWAY,
            "refused",
            fields=(("text", "it is geheim\udcff"), ("password", "x"), ("code", 5)),
        )
    )
    assert shown.fields == {"text": f"it is {REDACTED}\ufffd", "password": REDACTED, "code": 5}
    assert msgspec.json.encode(entry_json(shown))
