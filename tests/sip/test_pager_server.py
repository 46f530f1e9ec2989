"""Somebody sends us a page: MESSAGE outside a dialog (RFC 3428)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.call.leg import Party
from ichat_gw.sip.events import AnswerPage, PageReceived, SendPage
from ichat_gw.sip.message import Request
from ichat_gw.sip.pager_server import MAX_BYTES
from ichat_gw.sip.user_agent import UserAgentConfig
from tests.sip.ladder import Ladder, Peer

TAKES = UserAgentConfig(takes_pages=True)


def pages(phone: Peer, body: bytes = b"hello", content_type: str = "text/plain", **fields: str) -> Request:
    request = phone.request("MESSAGE", Contact="", Content_Type=content_type, **fields)
    request.body = body
    phone.throws(request)
    return request


def received(ladder: Ladder) -> PageReceived:
    event = ladder.events.popleft()
    assert isinstance(event, PageReceived), event
    return event


def test_a_page() -> None:
    ladder = Ladder(TAKES)
    phone = ladder.phone()
    request = pages(phone, "Hall\u00f6".encode(), Subject="Lunch", Content_Language="de-CH, en")
    page = received(ladder)
    assert (page.request_uri, page.to_uri) == ("sip:alice@192.0.2.1:5070",) * 2
    assert (page.from_uri, page.from_name) == ("sip:bob@192.0.2.9:5060", "Bob B")
    assert (page.text, page.subject, page.language) == ("Hall\u00f6", "Lunch", "de-CH")
    assert page.call_id == request.call_id
    assert page.flow.remote == phone.address
    phone.silent()
    ladder.act(AnswerPage(page.number, 202))
    answer = phone.gets_response(202)
    assert answer.headers.get("Contact") is None  # RFC 3428 section 7
    assert answer.to.tag
    ladder.act(AnswerPage(page.number, 202))
    ladder.ends_empty()
    assert ladder.agent.pages == 0


def test_repetitions_reach_nobody() -> None:
    ladder = Ladder(TAKES)
    phone = ladder.phone()
    request = pages(phone)
    page = received(ladder)
    phone.throws(request)
    ladder.hears_nothing()
    phone.silent()
    ladder.act(AnswerPage(page.number, 200))
    for _ in range(3):
        phone.throws(request)
    assert phone.got() == [200, 200, 200, 200]
    ladder.hears_nothing()


def test_the_same_page_by_another_way() -> None:
    ladder = Ladder(TAKES)
    phone = ladder.phone()
    pages(phone)
    received(ladder)
    phone.seq -= 1
    pages(phone)
    phone.gets(482)
    ladder.hears_nothing()


def test_a_page_of_ours_that_comes_back() -> None:
    ladder = Ladder(TAKES)
    phone = ladder.phone()
    ladder.act(SendPage(1, "sip:bob@192.0.2.9", Party("sip:alice@x"), "hello", call_id="c1"))
    ours = phone.gets_request("MESSAGE")
    phone.call_id, phone.tag = "c1", ours.from_.tag or ""
    pages(phone)
    phone.gets(482)
    ladder.hears_nothing()


def test_no_hop_is_left() -> None:
    ladder = Ladder(TAKES)
    phone = ladder.phone()
    pages(phone, Max_Forwards="0")
    phone.gets(483)


# --- what it is -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain", b"x", "x"),
        ("TEXT/Plain ; charset=UTF-8", "\u00fc".encode(), "\u00fc"),
        ('text/plain;charset="utf-8";format=flowed', b"x", "x"),
        ("text/plain;charset=us-ascii", b"x\xff", "x\ufffd"),
        ("text/plain;charset=ISO-8859-1", b"\xfc", "\u00fc"),
        ("text/plain", b"\xfc", "\ufffd"),
    ],
)
def test_text(content_type: str, body: bytes, text: str) -> None:
    ladder = Ladder(TAKES)
    pages(ladder.phone(), body, content_type)
    assert received(ladder).text == text


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        "message/cpim",
        "application/im-iscomposing+xml",
        "application/sdp",
        "text/plain;charset=utf-16",
        "text/plain;;",
        "",
    ],
)
def test_no_text(content_type: str) -> None:
    ladder = Ladder(TAKES)
    phone = ladder.phone()
    pages(phone, b"<p>x</p>", content_type)
    assert phone.gets_response(415).headers.get("Accept") == "text/plain"
    ladder.hears_nothing()


def test_packed_text() -> None:
    ladder = Ladder(TAKES)
    phone = ladder.phone()
    pages(phone, Content_Encoding="gzip")
    assert phone.gets_response(415).headers.get("Accept-Encoding") == "identity"


@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_nothing_to_read(body: bytes) -> None:
    ladder = Ladder(TAKES)
    phone = ladder.phone()
    pages(phone, body)
    phone.gets(200)
    ladder.hears_nothing()


def test_no_body_and_no_type() -> None:
    ladder = Ladder(TAKES)
    phone = ladder.phone()
    pages(phone, b"", "")
    phone.gets(200)


def test_too_long() -> None:
    ladder = Ladder(TAKES)
    phone = ladder.phone()
    pages(phone, b"x" * MAX_BYTES)
    received(ladder)
    pages(phone, b"x" * (MAX_BYTES + 1))
    phone.gets(513)


@pytest.mark.parametrize("language", ["", "x" * 36, "a;b", "\u00fc", "--"])
def test_no_language(language: str) -> None:
    ladder = Ladder(TAKES)
    pages(ladder.phone(), Content_Language=language)
    assert received(ladder).language == ""


def test_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ichat_gw.sip.pager_server.MAX_WAITING", 1)
    ladder = Ladder(TAKES)
    phone = ladder.phone()
    pages(phone)
    pages(phone)
    assert phone.gets_response(503).headers.get("Retry-After") == "10"


@given(st.binary(max_size=200), st.text(max_size=60))
def test_anything_gets_an_answer_or_is_text(body: bytes, content_type: str) -> None:
    ladder = Ladder(TAKES)
    phone = ladder.phone()
    kind = "".join(c for c in content_type if c.isprintable() and c not in "\r\n\x00")
    pages(phone, body, kind.strip() or "text/plain")
    assert phone.inbox or (isinstance(ladder.events[0], PageReceived) and ladder.events[0].text)


# --- off --------------------------------------------------------------------------------------------------


def test_switched_off() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    pages(phone)
    allow = phone.gets_response(405).headers.get("Allow") or ""
    assert "MESSAGE" not in allow
    ladder.hears_nothing()


def test_options_say_what_is_taken() -> None:
    for config, accept in ((TAKES, "application/sdp, text/plain"), (UserAgentConfig(), "application/sdp")):
        ladder = Ladder(config)
        phone = ladder.phone()
        phone.sends("OPTIONS")
        assert phone.gets_response(200).headers.get("Accept") == accept
