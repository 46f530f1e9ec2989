"""What the user agent does differently over TCP and TLS, and when a request is too large for UDP."""

import pytest
from pydantic import SecretStr

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import Answer, Answered, Confirmed, End, Ended, Party, Place, Rang, Refused
from ichat_gw.config.credentials import SipCredentials
from ichat_gw.sip.authentication import Trust
from ichat_gw.sip.core import UserAgentConfig
from ichat_gw.sip.dialog import contact_uri
from ichat_gw.sip.events import Flow, StartRegistration
from ichat_gw.sip.message import Request
from ichat_gw.sip.transaction import LARGE
from tests.sip.digest_server import PASSWORD, asks, is_right
from tests.sip.ladder import Ladder, Peer, sdp

HANGUP = End(Ending(Cause.HANGUP))
BIG = sdp("offer") + "a=x\r\n" * 300
AOR = "sip:alice@example.com"
TRUST = Trust((SipCredentials("*", "gateway", SecretStr(PASSWORD)),), frozenset({"example.com"}))
BOB = ("192.0.2.9", 5060)
CAROL = ("192.0.2.10", 5060)


def place(target: str = "sip:bob@192.0.2.9:5060", offer: str = BIG, pinned: bool = False) -> Place:
    return Place(target, Party("sip:alice@example.com", "Alice"), offer, "alice", pinned)


def tcp_phone(ladder: Ladder, address: tuple[str, int] = BOB) -> Peer:
    phone = ladder.phone(*address)
    phone.transport = "TCP"
    return phone


# --- too large for UDP --------------------------------------------------------------------------------


def test_a_large_request_goes_by_tcp_and_what_follows_by_udp() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    call = ladder.place(place())
    invite = phone.gets_request("INVITE")
    assert len(invite.to_bytes()) > LARGE
    assert (phone.transports, invite.via.transport) == (["TCP"], "TCP")
    ladder.later(10)
    phone.silent()  # a stream loses nothing
    phone.answers(invite, 200, sdp=sdp("answer"))
    phone.gets("ACK")
    ladder.hears(call, Answered(sdp("answer")))
    ladder.tell(call, HANGUP)
    bye = phone.gets_request("BYE")
    assert (phone.transports, bye.via.transport) == (["TCP", "UDP", "UDP"], "UDP")
    phone.answers(bye, 200)
    ladder.ends_empty(call)


def test_a_small_request_and_a_pinned_one_stay_on_udp() -> None:
    for what in (place(offer=sdp("offer")), place(pinned=True)):
        ladder = Ladder()
        phone = ladder.phone()
        ladder.place(what)
        assert phone.gets_request("INVITE").via.transport == "UDP"
        assert phone.transports == ["UDP"]


def test_who_refuses_tcp_gets_the_same_request_by_udp_and_is_remembered() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    call = ladder.place(place())
    by_tcp = phone.gets_request("INVITE")
    ladder.fail(BOB, transport="TCP")
    by_udp = phone.gets_request("INVITE")
    assert (by_udp.via.transport, by_udp.via.branch) == ("UDP", by_tcp.via.branch)
    ladder.later(0.6)
    assert phone.got() == ["INVITE"], "over UDP it is repeated"
    phone.answers(by_udp, 180)
    ladder.hears(call, Rang())
    ladder.fail(BOB, transport="TCP")
    phone.answers(by_udp, 486)
    phone.gets("ACK")
    ladder.hears(call, Refused(Ending.from_status(486, "Busy Here")))
    again = ladder.place(place())
    assert phone.gets_request("INVITE").via.transport == "UDP"
    ladder.fail(BOB)
    ladder.hears(again, Refused(Ending.from_status(503, "refused")))
    ladder.ends_empty(again, call)


def test_a_large_request_that_can_go_nowhere() -> None:
    ladder = Ladder()
    ladder.phone()
    call = ladder.place(place())
    ladder.fail(BOB, transport="TCP")
    ladder.fail(BOB, transport="UDP")
    ladder.hears(call, Refused(Ending.from_status(503, "refused")))
    ladder.ends_empty(call)


# --- fail-over ----------------------------------------------------------------------------------------


def test_a_target_that_failed_is_tried_last_for_a_minute() -> None:
    ladder = Ladder()
    bob, carol = ladder.phone(*BOB), ladder.phone(*CAROL)
    ladder.routes["example.com"] = [BOB, CAROL]
    call = ladder.place(place("sip:x@example.com", sdp("offer")))
    bob.gets("INVITE")
    ladder.fail(BOB)
    carol.answers(carol.gets_request("INVITE"), 486)
    carol.gets("ACK")
    second = ladder.place(place("sip:x@example.com", sdp("offer")))
    bob.silent()
    carol.answers(carol.gets_request("INVITE"), 503)
    carol.gets("ACK")
    bob.answers(bob.gets_request("INVITE"), 486)
    bob.gets("ACK")
    assert [type(e.event) for e in ladder.events] == [Refused, Refused]  # type: ignore[union-attr]
    ladder.events.clear()
    third = ladder.place(place("sip:x@example.com", sdp("offer")))
    bob.answers(bob.gets_request("INVITE"), 486)
    bob.gets("ACK")
    ladder.hears(third, Refused(Ending.from_status(486, "Busy Here")))
    ladder.ends_empty(call, second, third)


def test_who_never_answers_is_tried_last_too() -> None:
    ladder = Ladder()
    bob, carol = ladder.phone(*BOB), ladder.phone(*CAROL)
    ladder.routes["example.com"] = [BOB, CAROL]
    ladder.place(place("sip:x@example.com", sdp("offer")))
    ladder.later(33)
    bob.got()
    assert "INVITE" in carol.got()
    ladder.place(place("sip:x@example.com", sdp("offer")))
    assert "INVITE" in carol.got()
    bob.silent()


# --- over streams -------------------------------------------------------------------------------------


def test_a_call_over_tcp() -> None:
    ladder = Ladder()
    phone = tcp_phone(ladder)
    call = ladder.place(place(offer=sdp("offer")))
    invite = phone.gets_request("INVITE")
    assert invite.via.transport == "TCP"
    assert invite.contact
    assert invite.contact.uri == "sip:alice@192.0.2.1:5070;transport=tcp"
    ladder.later(5)
    phone.silent()
    phone.answers(invite, 200, sdp=sdp("answer"), Contact=f"<{phone.uri};transport=tcp>")
    ladder.hears(call, Answered(sdp("answer")))
    phone.gets("ACK")
    ladder.later(181)
    assert phone.pings == 1
    ladder.tell(call, HANGUP)
    phone.answers(phone.gets_request("BYE"), 200)
    assert set(phone.transports) == {"TCP"}
    ladder.ends_empty(call)
    assert phone.pings == 1


@pytest.mark.parametrize("keep_alives", [True, False])
def test_a_phone_that_called_over_tcp_is_answered_on_its_connection(keep_alives: bool) -> None:
    """Its Contact names the port it listens at; the connection came from another."""
    ladder = Ladder(UserAgentConfig(keep_alives=keep_alives))
    phone = tcp_phone(ladder, ("192.0.2.9", 40000))
    phone.sends("INVITE", sdp=sdp("offer"), Contact="<sip:bob@192.0.2.9:5060;transport=tcp>")
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Answer(sdp("answer")))
    ok = phone.gets_response(200)
    assert ok.contact
    assert ok.contact.uri == "sip:alice@192.0.2.1:5070;transport=tcp"
    phone.sends("ACK")
    ladder.hears(call, Confirmed())
    ladder.later(400)
    assert phone.pings == (2 if keep_alives else 0)
    ladder.tell(call, HANGUP)
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.ends_empty(call)


def test_when_its_connection_is_gone_its_contact_is_used() -> None:
    ladder = Ladder()
    phone, listening = tcp_phone(ladder, ("192.0.2.9", 40000)), tcp_phone(ladder)
    phone.sends("INVITE", sdp=sdp("offer"), Contact="<sip:bob@192.0.2.9:5060;transport=tcp>")
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Answer(sdp("answer")))
    phone.gets(200)
    phone.sends("ACK")
    ladder.fail(phone.address, "closed", "TCP")
    ladder.hears(call, Confirmed())
    ladder.tell(call, HANGUP)
    listening.answers(listening.gets_request("BYE"), 200)
    phone.silent()
    ladder.ends_empty(call)


def test_a_phone_behind_a_proxy_is_reached_at_its_contact() -> None:
    ladder = Ladder()
    proxy, phone = tcp_phone(ladder, ("192.0.2.9", 40000)), tcp_phone(ladder)
    invite = proxy.request("INVITE", sdp=sdp("offer"), Contact="<sip:bob@192.0.2.9:5060;transport=tcp>")
    invite.headers.add("Via", "SIP/2.0/TCP 192.0.2.9:5060;branch=z9hG4bKphone")
    proxy.throws(invite)
    proxy.gets(100)
    call = ladder.call()
    ladder.tell(call, Answer(sdp("answer")))
    proxy.gets(200)
    proxy.sends("ACK")
    ladder.hears(call, Confirmed())
    ladder.tell(call, HANGUP)
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.ends_empty(call)


def test_a_connection_that_breaks_fails_the_call_at_once() -> None:
    ladder = Ladder()
    phone = tcp_phone(ladder)
    call = ladder.place(place(offer=sdp("offer")))
    phone.gets("INVITE")
    ladder.fail(BOB, "closed by the other side", "TCP")
    ladder.hears(call, Refused(Ending.from_status(503, "closed by the other side")))
    ladder.ends_empty(call)


def test_tls_asks_for_one_connection_both_ways_and_sips_for_sips() -> None:
    ladder = Ladder()
    phone = ladder.phone("192.0.2.9", 5061)
    phone.transport = "TLS"
    ladder.routes["example.com"] = [phone.address]
    ladder.place(place("sips:bob@example.com", sdp("offer")))
    invite = phone.gets_request("INVITE")
    assert invite.via.param("alias") == ""
    assert invite.contact
    assert invite.contact.uri == "sips:alice@192.0.2.1:5070"


@pytest.mark.parametrize(
    ("contact", "route", "scheme"),
    [
        ("sips:bob@192.0.2.9", "", "sips"),
        ("sip:bob@192.0.2.9", "", "sip"),
        ("sips:b@x", "<sip:p@x;lr>", "sip"),
    ],
)
def test_our_contact_is_as_safe_as_theirs(contact: str, route: str, scheme: str) -> None:
    ladder = Ladder()
    phone = ladder.phone("192.0.2.9", 40000)
    phone.transport = "TLS"
    phone.sends("INVITE", sdp=sdp("offer"), Contact=f"<{contact}>", Record_Route=route)
    phone.gets(100)
    ladder.tell(ladder.call(), Answer(sdp("answer")))
    ok = phone.gets_response(200)
    assert ok.contact
    assert ok.contact.uri == (
        "sips:alice@192.0.2.1:5070" if scheme == "sips" else "sip:alice@192.0.2.1:5070;transport=tls"
    )


def test_registrations_keep_their_connection_every_three_minutes() -> None:
    ladder = Ladder(UserAgentConfig(registrar_checks=False))
    udp, tcp = ladder.phone("192.0.2.20"), tcp_phone(ladder, ("192.0.2.21", 5060))
    for registrar in (udp, tcp):
        ladder.act(StartRegistration(f"sip:alice@{registrar.address[0]}"))
        asked = registrar.gets_request("REGISTER")
        assert isinstance(asked, Request)
        registrar.answers(asked, 200, Expires="3600", Contact=asked.headers.get("Contact") or "")
    ladder.later(361)
    assert (udp.pings, tcp.pings) == (12, 2)


def test_ipv6_contacts() -> None:
    flow = Flow("TCP", ("2001:db8::1", 5070), ("2001:db8::2", 5060))
    assert str(contact_uri("a b", flow)) == "sip:a%20b@[2001:db8::1]:5070;transport=tcp"
    assert str(contact_uri(None, flow, secure=True)) == "sips:[2001:db8::1]:5070"


def test_hanging_up_before_the_ack_stops_the_keep_alives() -> None:
    ladder = Ladder()
    phone = tcp_phone(ladder)
    phone.sends("INVITE", sdp=sdp("offer"), Contact=f"<{phone.uri};transport=tcp>")
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Answer(sdp("answer")))
    phone.gets(200)
    ladder.tell(call, HANGUP)
    phone.sends("ACK")
    phone.answers(phone.gets_request("BYE"), 200)
    ladder.ends_empty(call)
    assert phone.pings == 0


def test_bye_of_the_phone_stops_the_keep_alives() -> None:
    ladder = Ladder()
    phone = tcp_phone(ladder)
    phone.sends("INVITE", sdp=sdp("offer"), Contact=f"<{phone.uri};transport=tcp>")
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Answer(sdp("answer")))
    phone.gets(200)
    phone.sends("ACK")
    phone.sends("BYE")
    phone.gets(200)
    ladder.hears(call, Confirmed(), Ended(Ending(Cause.HANGUP)))
    ladder.ends_empty(call)


def test_a_large_call_is_answered_a_challenge_that_came_over_tcp() -> None:
    """By the same server as over UDP, so the same rule lets it ask (`authentication.py`)."""
    ladder = Ladder(UserAgentConfig(trust=TRUST))
    proxy = ladder.phone("192.0.2.50")
    ladder.routes["example.com"] = [proxy.address]
    call = ladder.place(
        Place("sip:5551234@example.com", Party("sip:alice@example.com"), BIG, "alice", aor=AOR)
    )
    first = proxy.gets_request("INVITE")
    asks(proxy, first, "n1", status=407)
    proxy.gets("ACK")
    second = proxy.gets_request("INVITE")
    assert is_right(second)
    assert proxy.transports == ["TCP"] * 3
    proxy.answers(second, 486)
    proxy.gets("ACK")
    ladder.hears(call, Refused(Ending.from_status(486, "Busy Here")))
    ladder.ends_empty(call)
