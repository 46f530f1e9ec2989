"""Calls that a proxy asks a password for: whom we answer, and whom we do not (`sip/authentication.py`)."""

import pytest
from pydantic import SecretStr

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    AcceptTransfer,
    Answer,
    Answered,
    Confirmed,
    EarlyAnswered,
    End,
    Info,
    InfoAnswered,
    Party,
    Place,
    Rang,
    Refused,
    TransferAsked,
    TransferProgress,
)
from ichat_gw.config.credentials import SipCredentials
from ichat_gw.sip.authentication import Trust
from ichat_gw.sip.events import SessionGone, StartRegistration
from ichat_gw.sip.message import Request
from ichat_gw.sip.user_agent import UserAgentConfig
from tests.sip.digest_server import PASSWORD, answer_in, asks, is_right
from tests.sip.ladder import Ladder, Peer, sdp

AOR = "sip:alice@example.com"
ALICE = Party("sip:alice@jabber.example", "alice")
PROXY = "sip:192.0.2.50;lr"
TRUST = Trust((SipCredentials("*", "gateway", SecretStr(PASSWORD)),), frozenset({"example.com"}))
HANG_UP = End(Ending(Cause.HANGUP))


def place(target: str = "sip:5551234@example.com", aor: str = AOR, pinned: bool = False) -> Place:
    return Place(target, ALICE, sdp("offer"), "alice", pinned, aor)


def calling(
    call: Place | None = None, proxy: str | None = None, trust: Trust = TRUST
) -> tuple[Ladder, Peer, int]:
    """We call somebody; the peer is the first to get the INVITE."""
    ladder = Ladder(UserAgentConfig(keep_alives=False, outbound_proxy=proxy, trust=trust))
    peer = ladder.phone("192.0.2.50")
    for name in ("example.com", "192.0.2.50", "evil.example", "pbx.example"):
        ladder.routes[name] = [peer.address]
    return ladder, peer, ladder.place(call or place())


def asked(peer: Peer, request: Request, nonce: str = "n1", **options: str) -> None:
    """The peer asks for a password and gets its ACK."""
    asks(peer, request, nonce, status=407, **options)
    if request.method == "INVITE":
        ack = peer.gets_request("ACK")
        assert (ack.via.branch, str(ack.cseq)) == (request.via.branch, f"{request.cseq.number} ACK")


# --- answered ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["the AOR's domain", "the outbound proxy", "a proxy that routes strictly"])
def test_a_call_that_a_password_is_asked_for(how: str) -> None:
    if how == "the AOR's domain":
        ladder, proxy, call = calling()
    else:
        target = place("sip:5551234@anywhere.example", aor="")
        ladder, proxy, call = calling(target, PROXY if "strict" not in how else "sip:192.0.2.50")
    first = proxy.gets_request("INVITE")
    assert answer_in(first) == {}
    proxy.answers(first, 100)
    asked(proxy, first)
    second = proxy.gets_request("INVITE")
    assert is_right(second)
    assert (second.call_id, second.from_.tag, second.to.tag) == (first.call_id, first.from_.tag, None)
    assert (second.cseq.number, second.body) == (2, first.body)
    assert second.via.branch != first.via.branch
    names = [name for name, _ in first.headers]
    assert [name for name, _ in second.headers] == [*names[:-1], "Proxy-Authorization", names[-1]]
    proxy.answers(second, 180)
    proxy.answers(second, 200, sdp=sdp("answer"))
    ladder.hears(call, Rang(), Answered(sdp("answer")))
    ack = proxy.gets_request("ACK")
    assert str(ack.cseq) == "2 ACK"
    assert ack.headers.get("Proxy-Authorization") == second.headers.get("Proxy-Authorization")
    ladder.tell(call, HANG_UP)
    bye = proxy.gets_request("BYE")
    assert str(bye.cseq) == "3 BYE"
    proxy.answers(bye, 200)
    ladder.ends_empty(call)


def test_two_proxies_in_a_row_ask() -> None:
    ladder, proxy, _ = calling()
    asked(proxy, proxy.gets_request("INVITE"), realm="outer")
    asked(proxy, proxy.gets_request("INVITE"), realm="inner")
    third = proxy.gets_request("INVITE")
    assert third.cseq.number == 3
    assert len(third.headers.get_all("Proxy-Authorization")) == 2
    proxy.answers(third, 486)
    proxy.gets("ACK")
    assert ladder.agent.sessions == 1


def test_a_stale_nonce() -> None:
    _, proxy, _ = calling()
    asked(proxy, proxy.gets_request("INVITE"), "n1")
    asked(proxy, proxy.gets_request("INVITE"), "n2", more=", stale=true")
    third = proxy.gets_request("INVITE")
    assert is_right(third)
    assert answer_in(third)["nonce"] == "n2"


def test_a_call_given_up_while_the_password_is_asked_for() -> None:
    ladder, proxy, call = calling()
    first = proxy.gets_request("INVITE")
    ladder.tell(call, HANG_UP)
    asked(proxy, first)
    proxy.silent()
    ladder.ends_empty(call)


def test_a_call_given_up_after_the_password_was_given() -> None:
    ladder, proxy, call = calling()
    asked(proxy, proxy.gets_request("INVITE"))
    second = proxy.gets_request("INVITE")
    ladder.tell(call, HANG_UP)
    proxy.silent()
    proxy.answers(second, 180)
    cancel = proxy.gets_request("CANCEL")
    assert (cancel.via.branch, str(cancel.cseq)) == (second.via.branch, "2 CANCEL")
    assert answer_in(cancel) == {}
    asks(proxy, cancel, "n9")  # section 22.1 forbids that; it changes nothing
    proxy.answers(second, 487)
    proxy.gets("ACK")
    ladder.ends_empty(call)


def test_a_bye_that_a_password_is_asked_for() -> None:
    ladder, proxy, call = calling()
    asked(proxy, proxy.gets_request("INVITE"))
    proxy.answers(proxy.gets_request("INVITE"), 200, sdp=sdp("answer"))
    proxy.gets("ACK")
    ladder.hears(call, Answered(sdp("answer")))
    ladder.tell(call, HANG_UP)
    bye = proxy.gets_request("BYE")
    asked(proxy, bye, "n2")
    again = proxy.gets_request("BYE")
    assert is_right(again)
    assert (again.cseq.number, again.to.tag) == (bye.cseq.number + 1, bye.to.tag)
    asked(proxy, again, "n3")  # wrong, it says: no loop
    proxy.silent()
    ladder.ends_empty(call)


def test_the_next_address_asks_for_itself() -> None:
    ladder = Ladder(UserAgentConfig(trust=TRUST))
    one, two = ladder.phone("192.0.2.50"), ladder.phone("192.0.2.51")
    ladder.routes["example.com"] = [one.address, two.address]
    ladder.place(place())
    asked(one, one.gets_request("INVITE"), "n1")
    one.answers(one.gets_request("INVITE"), 503)
    asked(two, two.gets_request("INVITE"), "n2")
    assert is_right(two.gets_request("INVITE"))


# --- not answered -------------------------------------------------------------------------------------------

NOT_FOR_YOU = "asked for a password; only OutboundProxy and the caller's registrar get one"


def refused(status: int, text: str) -> Refused:
    return Refused(Ending.from_status(status, text))


@pytest.mark.parametrize(
    ("call", "proxy"),
    [
        pytest.param(place("sip:bob@192.0.2.50"), None, id="a callee reached directly"),
        pytest.param(place("sip:bob@pbx.example"), None, id="another domain"),
        pytest.param(place("sip:bob@example.com;maddr=192.0.2.50"), None, id="led astray"),
        pytest.param(place(aor=""), None, id="a caller without AOR"),
        pytest.param(place(aor="sip:alice@pbx.example"), None, id="a caller of another domain"),
        pytest.param(place("sip:b@evil.example", "sip:a@evil.example"), None, id="a domain of their choice"),
        pytest.param(place("sip:user@192.0.2.50", pinned=True), None, id="iChat"),
        pytest.param(place("sip:user@example.com", pinned=True), None, id="iChat, by name"),
        pytest.param(place("sip:user@192.0.2.50", pinned=True), PROXY, id="iChat, with a proxy configured"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [401, 407])
def test_who_gets_no_password(call: Place, proxy: str | None, status: int) -> None:
    ladder, peer, session = calling(call, proxy)
    asks(peer, peer.gets_request("INVITE"), "n1", status=status, realm="example.com")
    assert peer.got() == ["ACK"]
    ladder.hears(session, refused(status, NOT_FOR_YOU))
    ladder.ends_empty(session)


@pytest.mark.parametrize("body", [None, sdp("early")])
def test_no_password_for_a_callee_that_asks_through_the_proxy(body: str | None) -> None:
    ladder, proxy, call = calling()
    invite = proxy.gets_request("INVITE")
    proxy.answers(invite, 183, sdp=body)
    asked(proxy, invite)
    proxy.silent()
    reached = Rang() if body is None else EarlyAnswered(body)
    ladder.hears(call, reached, refused(407, "asked for a password when the call was ringing already"))
    ladder.ends_empty(call)


def test_no_password_for_that_realm() -> None:
    trust = Trust((SipCredentials("pbx", "u", SecretStr("p")),), frozenset({"example.com"}))
    ladder, peer, session = calling(trust=trust)
    asks(peer, peer.gets_request("INVITE"), "n1", status=407, realm="x")
    assert peer.got() == ["ACK"]
    why = 'asked for a password for the realm "x", for which SIPCredentials has none'
    ladder.hears(session, refused(407, why))
    ladder.ends_empty(session)


def test_a_wrong_password_ends_the_call() -> None:
    ladder, peer, session = calling()
    asked(peer, peer.gets_request("INVITE"), "n1")
    asked(peer, peer.gets_request("INVITE"), "n2")
    peer.silent()
    why = 'the password of "gateway" for the realm "pbx" was refused'
    ladder.hears(session, refused(407, why))
    ladder.ends_empty(session)


def test_the_callee_gets_nothing_when_the_proxy_has_stepped_aside() -> None:
    """Without Record-Route, ACK and BYE go to the callee itself: no digest comes along, asked for or not."""
    ladder, proxy, session = calling()
    callee = ladder.phone("192.0.2.77")
    asked(proxy, proxy.gets_request("INVITE"))
    proxy.answers(proxy.gets_request("INVITE"), 200, sdp=sdp("answer"), Contact="<sip:bob@192.0.2.77>")
    ack = callee.gets_request("ACK")
    assert answer_in(ack) == {}
    ladder.hears(session, Answered(sdp("answer")))
    ladder.tell(session, HANG_UP)
    bye = callee.gets_request("BYE")
    asks(callee, bye, "n2", status=407)
    callee.silent()
    ladder.ends_empty(session)


@pytest.mark.parametrize("proxy", [None, "sip:192.0.2.9;lr"])
def test_who_called_us_gets_nothing(proxy: str | None) -> None:
    """Not even when it calls from the address of the proxy."""
    ladder = Ladder(UserAgentConfig(outbound_proxy=proxy, trust=TRUST))
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"))
    session = ladder.call()
    ladder.tell(session, Answer(sdp("answer")))
    phone.gets(100)
    phone.gets(200)
    phone.sends("ACK")
    ladder.hears(session, Confirmed())
    ladder.tell(session, HANG_UP)
    bye = phone.gets_request("BYE")
    for status in (401, 407):
        asks(phone, bye, "n1", status=status, realm="example.com")
    phone.silent()
    ladder.ends_empty(session)


def talking() -> tuple[Ladder, Peer, int]:
    """A call through the proxy, which stays in between, is up."""
    ladder, proxy, session = calling()
    invite = proxy.gets_request("INVITE")
    proxy.answers(invite, 200, sdp=sdp("answer"), Allow="INVITE, INFO, NOTIFY, REFER")
    proxy.gets("ACK")
    ladder.hears(session, Answered(sdp("answer")))
    return ladder, proxy, session


def test_an_info_that_a_password_is_asked_for() -> None:
    ladder, proxy, session = talking()
    ladder.tell(session, Info(1, "INFO", "application/dtmf-relay", b"Signal=5"))
    first = proxy.gets_request("INFO")
    asked(proxy, first)
    second = proxy.gets_request("INFO")
    assert is_right(second)
    assert (second.body, second.cseq.number) == (b"Signal=5", first.cseq.number + 1)
    ladder.hears_nothing()
    proxy.answers(second, 200)
    ladder.hears(session, InfoAnswered(1, 200))
    ladder.tell(session, HANG_UP)
    bye = proxy.gets_request("BYE")
    assert bye.cseq.number == second.cseq.number + 1
    proxy.answers(bye, 200)
    ladder.ends_empty(session)


def test_an_info_whose_password_is_wrong() -> None:
    ladder, proxy, session = talking()
    ladder.tell(session, Info(1, "INFO", "", b""))
    asked(proxy, proxy.gets_request("INFO"), "n1")
    asked(proxy, proxy.gets_request("INFO"), "n2")
    proxy.silent()
    ladder.hears(session, InfoAnswered(1, 500))


def test_a_notify_that_a_password_is_asked_for() -> None:
    ladder, proxy, session = talking()
    proxy.sends("REFER", Refer_To="<sip:carol@192.0.2.30>")
    ladder.hears(session, TransferAsked("sip:carol@192.0.2.30"))
    ladder.tell(session, AcceptTransfer())
    proxy.gets(202)
    asked(proxy, proxy.gets_request("NOTIFY"))
    second = proxy.gets_request("NOTIFY")
    assert is_right(second)
    # What comes meanwhile waits for its answer.
    ladder.tell(session, TransferProgress(180))
    proxy.silent()
    proxy.answers(second, 200)
    third = proxy.gets_request("NOTIFY")
    assert third.body == b"SIP/2.0 180 Ringing\r\n"
    proxy.answers(third, 100)
    asked(proxy, third, "n2")
    asked(proxy, proxy.gets_request("NOTIFY"), "n3")  # not stale: the password is wrong by now
    ladder.tell(session, TransferProgress(200))
    proxy.silent()


def test_a_late_answer_to_a_notify_of_a_call_that_is_over() -> None:
    ladder, proxy, session = talking()
    proxy.sends("REFER", Refer_To="<sip:carol@192.0.2.30>")
    ladder.hears(session, TransferAsked("sip:carol@192.0.2.30"))
    ladder.tell(session, AcceptTransfer())
    proxy.gets(202)
    first = proxy.gets_request("NOTIFY")
    ladder.tell(session, TransferProgress(200))
    ladder.tell(session, HANG_UP)
    proxy.answers(proxy.gets_request("NOTIFY"), 200)
    proxy.answers(first, 200)
    proxy.answers(proxy.gets_request("BYE"), 200)
    ladder.ends_empty(session)


def test_a_notify_that_a_password_is_asked_for_when_nothing_else_of_the_call_is_left() -> None:
    ladder, proxy, session = talking()
    proxy.sends("REFER", Refer_To="<sip:carol@192.0.2.30>")
    ladder.hears(session, TransferAsked("sip:carol@192.0.2.30"))
    ladder.tell(session, AcceptTransfer())
    proxy.gets(202)
    proxy.answers(proxy.gets_request("NOTIFY"), 200)
    ladder.later(30)
    ladder.tell(session, TransferProgress(200))
    last = proxy.gets_request("NOTIFY")
    ladder.tell(session, HANG_UP)
    proxy.answers(proxy.gets_request("BYE"), 200)
    ladder.later(7)
    assert SessionGone(session) in ladder.events
    assert set(proxy.got()) == {"NOTIFY"}
    asks(proxy, last, "n1", status=407)
    proxy.silent()
    assert ladder.agent.sessions == 0


def test_who_called_us_gets_no_password_for_info_either() -> None:
    ladder = Ladder(UserAgentConfig(trust=TRUST))
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"), Allow="INFO")
    session = ladder.call()
    ladder.tell(session, Answer(sdp("answer")))
    phone.gets(100)
    phone.gets(200)
    phone.sends("ACK")
    ladder.hears(session, Confirmed())
    ladder.tell(session, Info(1, "INFO", "", b""))
    asks(phone, phone.gets_request("INFO"), "n1", status=407)
    phone.silent()
    ladder.hears(session, InfoAnswered(1, 500))


def test_a_bye_to_a_dialog_that_is_not_ours() -> None:
    """One more branch of a fork than we keep."""
    ladder, proxy, session = calling()
    invite = proxy.gets_request("INVITE")
    proxy.answers(invite, 200, sdp=sdp("answer"))
    proxy.gets("ACK")
    ladder.hears(session, Answered(sdp("answer")))
    proxy.answers(invite, 200, sdp=sdp("answer"), tag="other")
    proxy.gets("ACK")
    bye = proxy.gets_request("BYE")
    asked(proxy, bye)
    assert is_right(proxy.gets_request("BYE"))


# --- the way that the registrar gave (RFC 3608) -------------------------------------------------------------


def with_service_route(*values: str, proxy: str | None = None) -> tuple[Ladder, Peer]:
    ladder = Ladder(
        UserAgentConfig(keep_alives=False, registrar_checks=False, outbound_proxy=proxy, trust=TRUST)
    )
    registrar, first_hop = ladder.phone("192.0.2.20"), ladder.phone("192.0.2.50")
    ladder.routes["example.com"] = [registrar.address]
    ladder.act(StartRegistration(AOR))
    at = first_hop if proxy else registrar
    request = at.gets_request("REGISTER")
    contact = f"{request.headers.get('Contact')};expires=3600"
    at.answers(request, 200, Contact=contact, Service_Route=", ".join(values))
    assert ladder.registered() == [(AOR, 3600)]
    return ladder, first_hop


def test_the_service_route_comes_first_and_may_ask() -> None:
    ladder, proxy = with_service_route("<sip:192.0.2.50;lr>", '"home" <sip:home.example;lr>;x=y')
    ladder.place(place("sip:bob@elsewhere.example"))
    invite = proxy.gets_request("INVITE")
    assert invite.uri == "sip:bob@elsewhere.example"
    assert invite.headers.get_all("Route") == ["<sip:192.0.2.50;lr>", "<sip:home.example;lr>"]
    asked(proxy, invite)
    again = proxy.gets_request("INVITE")
    assert is_right(again)
    assert again.headers.get_all("Route") == invite.headers.get_all("Route")


def test_the_service_route_behind_the_outbound_proxy() -> None:
    for routes in (["<sip:home.example;lr>"], [f"<{PROXY}>", "<sip:home.example;lr>"]):
        ladder, proxy = with_service_route(*routes, proxy=PROXY)
        ladder.place(place("sip:bob@elsewhere.example"))
        expected = [f"<{PROXY}>", "<sip:home.example;lr>"]
        assert proxy.gets_request("INVITE").headers.get_all("Route") == expected


def test_the_service_route_is_not_for_others_and_not_for_ichat() -> None:
    ladder, proxy = with_service_route("<sip:192.0.2.50;lr>")
    phone = ladder.phone()
    for call in (
        place(phone.uri, aor=""),
        place(phone.uri, aor="sip:bob@example.com"),
        place(phone.uri, pinned=True),
    ):
        ladder.place(call)
        assert phone.gets_request("INVITE").routes == ()
    proxy.silent()


@pytest.mark.parametrize(
    "values",
    [
        ("<sip:192.0.2.50>",),
        ("<sip:192.0.2.50;lr>", "<sip:strict.example>"),
        ("<tel:+1>",),
        ("nonsense",),
        ("<sip:192.0.2.50;lr",),
        ("<sip:192.0.2.50;lr>",) * 9,
    ],
)
def test_a_service_route_of_no_use_is_none(values: tuple[str, ...]) -> None:
    ladder, proxy = with_service_route(*values)
    phone = ladder.phone()
    ladder.place(place(phone.uri))
    assert phone.gets_request("INVITE").routes == ()
    proxy.silent()
