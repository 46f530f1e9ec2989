"""The user agent at its edges: what belongs to no session, what is wrong, what is too much."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import End, Party, Place, Refuse, Ring
from ichat_gw.sip.events import Dropped, Flow, InviteReceived, Received, Send, ToSession
from ichat_gw.sip.message import Request
from ichat_gw.sip.replies import ALLOW, ONLY_IN_DIALOG
from ichat_gw.sip.user_agent import UserAgent, UserAgentConfig
from tests.sip.ladder import OURS, Ladder, sdp, tokens
from tests.sip.torture import ALL, CALL, Torture

OUTSIDE = ", ".join(method for method in ALLOW if method not in ONLY_IN_DIALOG)
FLOW = Flow("UDP", OURS, ("192.0.2.9", 5060))


# --- outside any dialog -----------------------------------------------------------------------------------


def test_options_is_answered_with_what_we_can() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    for max_forwards in ("70", "0"):
        phone.sends("OPTIONS", Max_Forwards=max_forwards)
        response = phone.gets_response(200)
        assert response.headers.get("Allow") == ", ".join(ALLOW)
        assert response.headers.get("Supported") == "replaces, timer, norefersub, 100rel"
        assert response.headers.get("Accept") == "application/sdp"
        assert response.to.tag
        phone.to_tag = ""
    ladder.ends_empty()


@pytest.mark.parametrize(
    ("method", "fields", "status", "header"),
    [
        ("MESSAGE", {}, 405, ("Allow", OUTSIDE)),
        ("REGISTER", {}, 405, ("Allow", OUTSIDE)),
        ("FROBNICATE", {}, 405, ("Allow", OUTSIDE)),
        ("INVITE", {"uri": "tel:+1555"}, 416, None),
        ("INVITE", {"uri": "sips:a@192.0.2.1"}, 416, None),
        ("INVITE", {"Require": "timer, x, 100rel, Y"}, 420, ("Unsupported", "x, y")),
        ("INVITE", {"Max_Forwards": "0"}, 483, None),
        ("INVITE", {"sdp": "x", "Content_Type": "text/plain"}, 415, ("Accept", "application/sdp")),
        ("INVITE", {"sdp": "x", "Content_Type": ""}, 415, ("Accept", "application/sdp")),
        ("INVITE", {"sdp": "x", "Content_Encoding": "gzip"}, 415, ("Accept-Encoding", "identity")),
        ("INVITE", {"Accept": "text/plain"}, 406, None),
        ("REFER", {}, 403, None),
        ("SUBSCRIBE", {}, 405, None),
        ("BYE", {}, 481, None),
        ("INFO", {}, 481, None),
        ("PRACK", {}, 481, None),
        ("UPDATE", {}, 481, None),
        ("INVITE", {"Session_Expires": "89", "Supported": "timer"}, 422, ("Min-SE", "90")),
        ("CANCEL", {}, 481, None),
        ("BYE", {"To": "<sip:a@b>;tag=long-gone"}, 481, None),
        ("INVITE", {"To": "<sip:a@b>;tag=long-gone"}, 481, None),
        ("MESSAGE", {"To": "<sip:a@b>;tag=long-gone"}, 481, None),
    ],
)
def test_refused(method: str, fields: dict[str, str], status: int, header: tuple[str, str] | None) -> None:
    ladder = Ladder()
    phone = ladder.phone()
    sent = phone.sends(method, **fields)
    response = phone.gets_response(status)
    assert response.to.tag
    if header:
        assert response.headers.get(header[0]) == header[1]
    phone.throws(sent)
    assert phone.gets_response(status).to_bytes() == response.to_bytes()
    ladder.hears_nothing()
    ladder.ends_empty()


def test_an_invite_refused_at_once_can_be_cancelled() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    invite = phone.sends("INVITE", Require="magic")
    phone.gets(420)
    phone.to_tag = ""
    phone.sends("CANCEL", seq=1, branch=invite.via.branch)
    phone.gets(200)
    ladder.ends_empty()


def test_a_request_that_took_two_paths_is_answered_once() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"), seq=1)
    phone.gets(100)
    phone.sends("INVITE", sdp=sdp("offer"), seq=1)
    phone.gets(482)
    assert isinstance(ladder.events.popleft(), InviteReceived)
    ladder.hears_nothing()


def test_too_many_sessions() -> None:
    ladder = Ladder(UserAgentConfig(max_sessions=2))
    phones = [ladder.phone(port=port) for port in (1, 2, 3)]
    for phone in phones:
        phone.sends("INVITE", sdp=sdp("offer"))
    assert [phone.got() for phone in phones] == [[100], [100], [503]]
    first, second = ladder.call(), ladder.call()
    ladder.tell(first, Refuse(Ending(Cause.BUSY)))
    ladder.tell(second, Refuse(Ending(Cause.BUSY)))
    ladder.ends_empty(first, second)


def test_ack_and_response_to_nothing() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    phone.sends("ACK")
    ladder.drops("ACK to nothing")
    phone.answers(phone.request("BYE"), 200)
    ladder.drops("response to nothing")
    phone.silent()
    ladder.ends_empty()


def test_commands_for_sessions_that_are_over_are_ignored() -> None:
    ladder = Ladder()
    ladder.tell(17, Ring())
    ladder.tell(17, End(Ending(Cause.HANGUP)))
    ladder.hears_nothing()
    assert ladder.agent.session_of("nothing") is None


def test_the_same_call_id_in_both_directions() -> None:
    """A call that leaves us and comes back, as a proxy may send it."""
    ladder = Ladder()
    one, two = ladder.phone(port=1), ladder.phone(port=2)
    two.call_id = one.call_id
    two.tag = "other"
    one.sends("INVITE", sdp=sdp("x"))
    two.sends("INVITE", sdp=sdp("x"))
    first, second = ladder.call(), ladder.call()
    assert ladder.agent.session_of(one.call_id) == second
    ladder.tell(first, Refuse(Ending(Cause.BUSY)))
    ladder.tell(second, Refuse(Ending(Cause.BUSY)))
    ladder.ends_empty(first, second)


# --- what is no SIP, or wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "keep-alive"),
        (b"\r\n\r\n", "keep-alive"),
        (bytes(4), "keep-alive"),
        (bytes.fromhex("000100002112a442") + bytes(12), "keep-alive"),  # STUN
        (b"\x00" * 12, "not SIP"),
        (b"\x80\x00" + bytes(10), "not SIP"),
        (b"hello", "not SIP"),
    ],
)
def test_pinholes_and_keep_alives_are_nobodys_business(data: bytes, reason: str) -> None:
    ladder = Ladder()
    ladder.act(Received(data, FLOW))
    ladder.drops(reason)
    ladder.ends_empty()


def test_malformed_requests_are_answered_and_their_copies_alike() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    data = phone.request("INVITE", Max_Forwards="many").to_bytes()
    phone.throws(data)
    phone.throws(data)
    first, second = phone.gets_response(400), phone.gets_response(400)
    assert (first.reason, first.to.tag) == ("Bad Max-Forwards Header", second.to.tag)
    assert first.to.tag
    ladder.drops("malformed")
    ladder.drops("malformed")
    ladder.ends_empty()


def test_a_malformed_ack_is_dropped() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    phone.throws(phone.request("ACK", Max_Forwards="many"))
    ladder.drops("malformed")
    phone.silent()
    ladder.ends_empty()


def test_a_via_that_says_nothing_is_answered_to_where_it_came_from() -> None:
    ladder = Ladder()
    phone = ladder.phone(port=1234)
    phone.throws(phone.request("INVITE").to_bytes().replace(b"SIP/2.0/UDP", b"SIP/9.0/UDP"))
    (peer,) = ladder.raw
    assert peer.startswith(b"SIP/2.0 400 Bad Via Header\r\n")


def test_a_nul_in_an_escaped_pair_is_echoed() -> None:
    """RFC 4475 section 3.1.1.2."""
    ladder = Ladder()
    phone = ladder.phone()
    data = phone.request("OPTIONS").to_bytes().replace(b'"Bob B"', b'"Bo\\\0b"')
    phone.throws(data)
    assert b'"Bo\\\0b"' in phone.gets(200).to_bytes()


@pytest.mark.parametrize("torture", ALL, ids=lambda torture: torture.name)
def test_torture(torture: Torture) -> None:
    agent = UserAgent(UserAgentConfig(), tokens())
    commands = agent.receive(Received(torture.data, FLOW), 0.0)
    answers = []
    for command in commands:
        if isinstance(command, Send):
            # Not every echo of something malformed can be parsed.
            answers.append(int(command.data.split()[1]))
    if not torture.answers:
        assert answers == []
        assert [command.reason for command in commands if isinstance(command, Dropped)]
    else:
        assert len(answers) == 1
        assert answers[0] in torture.answers
        assert (CALL in answers) == any(isinstance(command, InviteReceived) for command in commands)
    for session in range(1, agent.sessions + 1):
        agent.receive(ToSession(session, Refuse(Ending(Cause.BUSY))), 0.0)
    while (when := agent.deadline()) is not None:
        agent.expire(when)
    assert (agent.sessions, agent.transactions, agent.running_timers) == (0, 0, 0)


@given(data=st.binary(max_size=300))
def test_no_datagram_breaks_it(data: bytes) -> None:
    agent = UserAgent(UserAgentConfig(), tokens())
    for start in (b"", b"INVITE sip:a@b SIP/2.0\r\n", b"SIP/2.0 200 OK\r\n"):
        agent.receive(Received(start + data, FLOW), 0.0)


PIECES = st.sampled_from(
    [
        *(
            "INVITE",
            "ACK",
            "BYE",
            "CANCEL",
            "OPTIONS",
            "sip:a@b",
            "SIP/2.0",
            " ",
            "\r\n",
            "\r\n\r\n",
            ":",
            ";",
        ),
        *("Via: SIP/2.0/UDP a;branch=z9hG4bK1", "From: <sip:a@b>;tag=1", "To: <sip:a@b>", "Call-ID: 1"),
        *("CSeq: 1 INVITE", "CSeq: 1 CANCEL", "Contact: *", "Record-Route: <sip:x>", "Require: x", "\0", '"'),
        *("<", ">", ",", "é", "Max-Forwards: 0", "Content-Length: 3", "tag=", "branch="),
    ]
)


@given(st.lists(PIECES, max_size=40))
def test_no_message_made_of_sip_breaks_it(pieces: list[str]) -> None:
    agent = UserAgent(UserAgentConfig(), tokens())
    for start in ("", "INVITE sip:a@b SIP/2.0\r\n"):
        agent.receive(Received((start + "".join(pieces)).encode(), FLOW), 0.0)


# --- loops (RFC 5393) and hops ----------------------------------------------------------------------------

PLACE = Place("sip:bob@192.0.2.9", Party("sip:alice@example.com"), sdp("offer"), max_forwards=12)


def returned(invite: Request, uri: str) -> Request:
    """Our INVITE as a proxy would send it back to us."""
    headers = invite.headers.copy()
    headers.prepend("Via", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKproxy")
    headers.replace("Max-Forwards", str((invite.max_forwards or 0) - 1))
    return Request("INVITE", uri, headers, invite.body)


def test_an_invite_of_ours_that_comes_back_as_it_was_is_a_loop() -> None:
    ladder = Ladder()
    proxy = ladder.phone()
    ladder.place(PLACE)
    invite = proxy.gets_request("INVITE")
    assert invite.max_forwards == 12
    proxy.throws(returned(invite, "sip:bob@192.0.2.9"))
    proxy.gets(482)
    ladder.hears_nothing()


def test_one_that_comes_back_for_somebody_else_is_a_spiral() -> None:
    """Alice calls Bob by way of his registrar, and both are ours."""
    ladder = Ladder()
    proxy = ladder.phone()
    ladder.place(PLACE)
    proxy.throws(returned(proxy.gets_request("INVITE"), "sip:bob@192.0.2.1:5070"))
    proxy.gets(100)
    event = ladder.events.popleft()
    assert isinstance(event, InviteReceived)
    assert event.max_forwards == 11
    ladder.tell(event.session, Refuse(Ending(Cause.BUSY)))
    proxy.gets(486)


def test_hops_of_a_caller_that_counts_none() -> None:
    ladder = Ladder()
    ladder.phone().sends("INVITE", sdp=sdp("offer"), Max_Forwards="")
    event = ladder.events.popleft()
    assert isinstance(event, InviteReceived)
    assert event.max_forwards == 70


def test_an_invite_with_our_tag_in_a_call_that_came_in_is_no_loop() -> None:
    ladder = Ladder()
    phone = ladder.phone()
    phone.sends("INVITE", sdp=sdp("offer"))
    phone.gets(100)
    ladder.tell(ladder.call(), Ring())
    phone.tag, phone.to_tag = phone.gets_response(180).to.tag or "", ""
    phone.sends("INVITE", sdp=sdp("offer"))
    phone.gets(100)
