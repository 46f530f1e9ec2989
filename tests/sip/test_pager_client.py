"""We send a page: MESSAGE outside a dialog (RFC 3428)."""

import pytest
from pydantic import SecretStr

from ichat_gw.call.leg import Party
from ichat_gw.config.credentials import SipCredentials
from ichat_gw.sip.authentication import Trust
from ichat_gw.sip.events import PageAnswered, SendPage
from ichat_gw.sip.pager_client import is_call_id
from ichat_gw.sip.user_agent import MAX_PAGES, UserAgentConfig
from tests.sip.digest_server import PASSWORD, asks, is_right
from tests.sip.ladder import Ladder

PHONE = "sip:5551234@192.0.2.9"
AOR = "sip:alice@example.com"
ALICE = Party(AOR, "Alice A")


def page(target: str = PHONE, text: str = "hello", **more: str) -> SendPage:
    return SendPage(7, target, ALICE, text, **more)


def fate(ladder: Ladder) -> tuple[int, str]:
    """What became of the page; there is nothing else to hear."""
    (answer,) = ladder.events
    assert isinstance(answer, PageAnswered)
    assert answer.number == 7
    ladder.events.clear()
    return answer.status, answer.text


def test_a_page() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    ladder.act(page(text="Hall\u00f6\r\nAlice", subject="Lunch?", call_id="e0ffe42b@x", language="de"))
    message = phone.gets_request("MESSAGE")
    assert [(name, value) for name, value in message.headers][1:] == [
        ("Max-Forwards", "70"),
        ("To", f"<{PHONE}>"),
        ("From", f'"Alice A" <{AOR}>;tag=t2'),
        ("Call-ID", "e0ffe42b@x"),
        ("CSeq", "1 MESSAGE"),
        ("Subject", "Lunch?"),
        ("Content-Language", "de"),
        ("Content-Type", "text/plain;charset=UTF-8"),
        ("User-Agent", "ichat-gw"),
        ("Content-Length", "13"),
    ]
    assert message.body.decode() == "Hall\u00f6\r\nAlice"
    assert ladder.agent.pages == 1
    phone.answers(message, 200)
    assert fate(ladder) == (200, "OK")
    ladder.ends_empty()
    assert ladder.agent.pages == 0


@pytest.mark.parametrize("status", [202, 299])
def test_accepted(status: int) -> None:
    ladder = Ladder()
    phone = ladder.phone()
    ladder.act(page())
    message = phone.gets_request("MESSAGE")
    phone.answers(message, 100)
    phone.answers(message, status)
    phone.answers(message, status)
    assert fate(ladder)[0] == status


@pytest.mark.parametrize("status", [404, 480, 415, 500, 603, 305, 380])
def test_refused(status: int) -> None:
    ladder = Ladder()
    phone = ladder.phone()
    ladder.act(page())
    phone.answers(phone.gets_request("MESSAGE"), status)
    assert fate(ladder)[0] == status
    ladder.ends_empty()


# --- delivered once at most -------------------------------------------------------------------------------


def test_silence_may_mean_that_it_was_read() -> None:
    """So the other address of the target is not tried."""
    ladder = Ladder()
    ladder.routes["example.com"] = [("192.0.2.9", 5060), ("192.0.2.8", 5060)]
    first, second = ladder.phone(), ladder.phone("192.0.2.8")
    ladder.act(page("sip:bob@example.com"))
    ladder.later(40.0)
    assert set(first.got()) == {"MESSAGE"}
    second.silent()
    assert fate(ladder)[0] == 408
    ladder.ends_empty()


@pytest.mark.parametrize("how", ["503", "cannot be sent"])
def test_the_next_address_when_nobody_can_have_taken_it(how: str) -> None:
    ladder = Ladder()
    ladder.routes["example.com"] = [("192.0.2.9", 5060), ("192.0.2.8", 5060)]
    first, second = ladder.phone(), ladder.phone("192.0.2.8")
    ladder.act(page("sip:bob@example.com"))
    message = first.gets_request("MESSAGE")
    if how == "503":
        first.answers(message, 503)
    else:
        ladder.fail(first.address)
    again = second.gets_request("MESSAGE")
    # Who has seen the first one knows it by these (RFC 3261 section 8.2.2.2).
    assert (again.call_id, again.from_.tag, again.cseq) == (message.call_id, message.from_.tag, message.cseq)
    second.answers(again, 200)
    assert fate(ladder)[0] == 200
    ladder.ends_empty()


def test_nobody_there() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    ladder.act(page())
    ladder.fail(phone.address, "connection refused")
    assert fate(ladder) == (503, "connection refused")


def test_no_such_name() -> None:
    ladder = Ladder(auto=False)
    ladder.act(page("sip:bob@nowhere.example"))
    ladder.resolve(text="no such name")
    assert fate(ladder) == (503, "no such name")
    ladder.ends_empty()


# --- what cannot be sent ----------------------------------------------------------------------------------


def test_an_address_that_cannot_be_written_to() -> None:
    ladder = Ladder()
    ladder.act(page("sip:not an address"))
    status, text = fate(ladder)
    assert status == 400
    assert "cannot be written to" in text
    assert ladder.agent.pages == 0


def test_a_header_that_would_become_two() -> None:
    ladder = Ladder()
    ladder.phone()
    ladder.act(page(subject="a\r\nb: c"))
    assert fate(ladder)[0] == 400
    ladder.ends_empty()


def test_too_many_on_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ichat_gw.sip.user_agent.MAX_PAGES", 2)
    assert MAX_PAGES > 2
    ladder = Ladder()
    phone = ladder.phone()
    for _ in range(3):
        ladder.act(page())
    assert phone.got() == ["MESSAGE", "MESSAGE"]
    assert fate(ladder) == (503, "too many messages are on their way")


# --- size -------------------------------------------------------------------------------------------------


def test_what_does_not_fit_into_a_packet_goes_by_tcp() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    ladder.act(page(text="x" * 1300))
    message = phone.gets_request("MESSAGE")
    assert phone.transports == ["TCP"]
    assert message.via.transport == "TCP"
    phone.answers(message, 200)
    assert fate(ladder)[0] == 200


def test_and_never_by_udp() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    ladder.act(page(text="x" * 1300))
    phone.gets("MESSAGE")
    ladder.fail(phone.address, "connection refused", transport="TCP")
    phone.silent()
    status, text = fate(ladder)
    assert status == 513
    assert "TCP" in text
    ladder.ends_empty()


def test_the_largest_that_goes_by_udp_is_one_packet() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    for size in range(700, 1100, 7):
        ladder.act(page(text="x" * size))
    for message, transport in zip(list(phone.inbox), phone.transports, strict=True):
        assert (len(message.to_bytes()) <= 1300) or transport == "TCP"
    assert set(phone.transports) == {"UDP", "TCP"}


# --- passwords, ways, redirections ------------------------------------------------------------------------

TRUST = Trust((SipCredentials("*", "alice", SecretStr(PASSWORD)),), frozenset({"example.com"}))


def with_registrar(**config: object) -> Ladder:
    ladder = Ladder(UserAgentConfig(keep_alives=False, trust=TRUST, **config))  # type: ignore[arg-type]
    ladder.routes["example.com"] = [("192.0.2.50", 5060)]
    return ladder


def test_the_registrar_asks_for_a_password() -> None:
    ladder = with_registrar()
    proxy = ladder.phone("192.0.2.50")
    ladder.act(page("sip:5551234@example.com", aor=AOR))
    first = proxy.gets_request("MESSAGE")
    asks(proxy, first, "n1", status=407)
    second = proxy.gets_request("MESSAGE")
    assert is_right(second)
    assert str(second.cseq) == "2 MESSAGE"
    proxy.answers(second, 202)
    assert fate(ladder)[0] == 202
    ladder.ends_empty()


def test_a_wrong_password() -> None:
    ladder = with_registrar()
    proxy = ladder.phone("192.0.2.50")
    ladder.act(page("sip:5551234@example.com", aor=AOR))
    asks(proxy, proxy.gets_request("MESSAGE"), "n1")
    asks(proxy, proxy.gets_request("MESSAGE"), "n2")
    status, text = fate(ladder)
    assert status == 401
    assert "was refused" in text


def test_nobody_else_gets_a_password() -> None:
    ladder = with_registrar()
    phone = ladder.phone()
    ladder.act(page(aor=AOR))
    asks(phone, phone.gets_request("MESSAGE"), "n1")
    phone.silent()
    status, text = fate(ladder)
    assert status == 401
    assert "OutboundProxy" in text


def test_by_the_outbound_proxy_that_asks_for_a_password() -> None:
    ladder = with_registrar(outbound_proxy="sip:192.0.2.50;lr")
    proxy = ladder.phone("192.0.2.50")
    ladder.act(page("sip:5551234@anywhere.example", aor=AOR))
    first = proxy.gets_request("MESSAGE")
    assert first.headers.get_all("Route") == ["<sip:192.0.2.50;lr>"]
    asks(proxy, first, "n1", status=407)
    assert is_right(proxy.gets_request("MESSAGE"))


def test_redirected_and_asked_again() -> None:
    ladder = with_registrar()
    proxy = ladder.phone("192.0.2.50")
    ladder.act(page("sip:5551234@example.com", aor=AOR))
    asks(proxy, proxy.gets_request("MESSAGE"), "n1")
    proxy.answers(proxy.gets_request("MESSAGE"), 302, Contact="<sip:5556789@example.com>")
    third = proxy.gets_request("MESSAGE")
    assert (third.uri, str(third.cseq)) == ("sip:5556789@example.com", "3 MESSAGE")
    assert is_right(third)
    proxy.answers(third, 404)
    assert fate(ladder)[0] == 404
    ladder.ends_empty()


# --- threads ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a", "e0ffe42b-28@x.example", "a.!%*_+`'~()<>:\\\"/[]?{}b", "x" * 256])
def test_a_thread_that_can_be_a_call_id(text: str) -> None:
    assert is_call_id(text)


@pytest.mark.parametrize(
    "text", ["", "a b", "a@b@c", "@", "a@", "\u00fc", "a,b", "a;b", "a\r\nb", "x" * 257, "a\n"]
)
def test_a_thread_that_cannot(text: str) -> None:
    assert not is_call_id(text)
