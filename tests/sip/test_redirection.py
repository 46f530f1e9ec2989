"""Where a redirected call goes next."""

import pytest
from pydantic import SecretStr

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import Answered, End, Party, Place, Rang, Refused
from ichat_gw.config.credentials import SipCredentials
from ichat_gw.sip.authentication import Trust
from ichat_gw.sip.message import Headers, Request, Response
from ichat_gw.sip.redirection import MAX_DEPTH, MAX_TARGETS, Targets
from ichat_gw.sip.user_agent import UserAgentConfig
from tests.sip.ladder import Ladder, Peer, sdp

OURS = ("192.0.2.1", 5070)


def moved(*contacts: str, status: int = 302) -> Response:
    return Response(status, None, Headers([("Contact", contact) for contact in contacts]))


def all_of(targets: Targets) -> list[str]:
    found = []
    while (target := targets.next()) is not None:
        found.append(target)
    return found


def test_the_best_q_comes_first_and_equal_ones_in_their_order() -> None:
    targets = Targets("sip:bob@example.com")
    targets.redirected(
        moved(
            "<sip:half@a>;q=0.5, <sip:none@a>;q=0",
            "<sip:best@a>",
            "<sip:nearly@a>;q=0.99",
            "<sip:odd@a>;q=x, <sip:one@a>;q=1.0, <sip:dot@a>;q=.25",
        ),
        OURS,
    )
    assert all_of(targets) == [
        *("sip:best@a", "sip:odd@a", "sip:one@a", "sip:nearly@a", "sip:half@a", "sip:dot@a", "sip:none@a")
    ]


def test_only_sip_targets_that_have_not_been_called_and_are_not_us() -> None:
    targets = Targets("sip:bob@example.com")
    targets.redirected(
        moved(
            "<sips:bob@b>, <tel:+15551234>, <mailto:bob@b>",
            "<sip:bob@EXAMPLE.com>",
            "<sip:x@192.0.2.1:5070>",
            "<sip:c@c;method=INVITE;transport=tcp?Subject=hi>, <sip:c@c;transport=TCP>",
        ),
        OURS,
    )
    assert all_of(targets) == ["sip:c@c;transport=tcp"]


@pytest.mark.parametrize("status", [305, 380, 399])
def test_other_redirections_are_not_followed(status: int) -> None:
    targets = Targets("sip:bob@example.com")
    targets.redirected(moved("<sip:c@c>", status=status), OURS)
    assert targets.next() is None


def test_redirections_of_redirections_come_first_and_end() -> None:
    targets = Targets("sip:0@a")
    targets.redirected(moved("<sip:1@a>, <sip:spare@a>"), OURS)
    for depth in range(1, MAX_DEPTH):
        assert targets.next() == f"sip:{depth}@a"
        targets.redirected(moved(f"<sip:{depth + 1}@a>"), OURS)
    assert targets.next() == f"sip:{MAX_DEPTH}@a"
    targets.redirected(moved("<sip:too-deep@a>"), OURS)
    assert all_of(targets) == ["sip:spare@a"]


def test_the_number_of_targets_is_bounded() -> None:
    targets = Targets("sip:0@a")
    targets.redirected(moved(", ".join(f"<sip:{number + 1}@a>" for number in range(40))), OURS)
    assert len(all_of(targets)) == MAX_TARGETS - 1


def test_a_6xx_ends_it() -> None:
    targets = Targets("sip:0@a")
    targets.redirected(moved("<sip:1@a>, <sip:2@a>"), OURS)
    assert targets.next() == "sip:1@a"
    targets.failed(Ending.from_status(603))
    assert targets.next() is None
    assert targets.best == Ending.from_status(603)


@pytest.mark.parametrize(
    ("statuses", "best"),
    [
        ((302, 486), 486),
        ((302,), 302),
        ((503, 486, 480), 486),
        ((486, 503), 486),
        ((408, 503), 408),
        ((503, 480), 480),
        ((404, 600), 600),
    ],
)
def test_the_best_of_all_refusals_is_told(statuses: tuple[int, ...], best: int) -> None:
    targets = Targets("sip:0@a")
    for status in statuses:
        targets.failed(Ending.from_status(status))
    assert targets.best == Ending.from_status(best)


# --- in a call --------------------------------------------------------------------------------------------

PLACE = Place("sip:bob@192.0.2.9", Party("sip:alice@example.com"), sdp("offer"), "alice")


def calling(place: Place = PLACE, config: UserAgentConfig | None = None) -> tuple[Ladder, Peer, int, Request]:
    ladder = Ladder(config, chance=0.0)
    phone = ladder.phone()
    call = ladder.place(place)
    return ladder, phone, call, phone.gets_request("INVITE")


def test_a_call_is_placed_again_where_it_is_redirected() -> None:
    ladder, phone, call, first = calling()
    other = ladder.phone("192.0.2.10")
    phone.answers(first, 180)
    phone.answers(first, 302, Contact='"Bob" <sip:bob@192.0.2.10;transport=udp>;expires=60')
    phone.gets("ACK")
    second = other.gets_request("INVITE")
    assert (second.uri, second.to.uri) == ("sip:bob@192.0.2.10;transport=udp", "sip:bob@192.0.2.9")
    assert (second.call_id, second.from_.tag, second.cseq.number, second.body) == (
        *(first.call_id, first.from_.tag, 2, first.body),
    )
    assert second.via.branch != first.via.branch
    other.answers(second, 180, tag="other")
    other.answers(second, 200, tag="other", sdp=sdp("answer"))
    assert str(other.gets_request("ACK").cseq) == "2 ACK"
    ladder.hears(call, Rang(), Answered(sdp("answer")))
    # The early dialog at the first is over.
    phone.sends("INFO")
    phone.gets(481)
    ladder.tell(call, End(Ending(Cause.HANGUP)))
    bye = other.gets_request("BYE")
    assert bye.cseq.number == 3
    other.answers(bye, 200)
    ladder.ends_empty(call)


def test_contacts_are_called_one_after_the_other_and_the_best_refusal_is_told() -> None:
    ladder, phone, call, invite = calling()
    ladder.routes["nowhere.example.com"] = []
    phone.answers(
        invite,
        300,
        Contact="<sip:c@192.0.2.9>;q=0.1, <sip:a@192.0.2.9>;q=0.9, <sip:b@nowhere.example.com>;q=0.5",
    )
    phone.gets("ACK")
    invite = phone.gets_request("INVITE")
    assert invite.uri == "sip:a@192.0.2.9"
    phone.answers(invite, 486, Warning='399 x "out \x07to lunch"')
    phone.gets("ACK")
    invite = phone.gets_request("INVITE")
    assert invite.uri == "sip:c@192.0.2.9"
    ladder.hears_nothing()
    ladder.fail(phone.address)
    ladder.hears(call, Refused(Ending(Cause.BUSY, 486, 'Busy Here; 399 x "out to lunch"')))
    ladder.ends_empty(call)


def test_nobody_else_is_called_after_a_6xx() -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 302, Contact="<sip:a@192.0.2.9>, <sip:b@192.0.2.9>")
    phone.gets("ACK")
    phone.answers(phone.gets_request("INVITE"), 603)
    assert phone.got() == ["ACK"]
    ladder.hears(call, Refused(Ending(Cause.DECLINED, 603, "Decline")))
    ladder.ends_empty(call)


def test_a_circle_of_redirections_ends() -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 302, Contact="<sip:a@192.0.2.9>")
    phone.gets("ACK")
    phone.answers(phone.gets_request("INVITE"), 302, Contact="<sip:bob@192.0.2.9>, <sip:x@192.0.2.1:5070>")
    assert phone.got() == ["ACK"]
    ladder.hears(call, Refused(Ending(Cause.REJECTED, 302, "Moved Temporarily")))
    ladder.ends_empty(call)


def test_ichat_redirects_nobody() -> None:
    place = Place("sip:user@192.0.2.9:5060", Party("sip:a@example.com"), sdp("offer"), pinned=True)
    ladder, phone, call, invite = calling(place)
    phone.answers(invite, 302, Contact="<sip:a@192.0.2.9>")
    assert phone.got() == ["ACK"]
    ladder.hears(call, Refused(Ending(Cause.REJECTED, 302, "Moved Temporarily")))


def test_given_up_during_the_lookup_of_the_next() -> None:
    ladder, phone, call, invite = calling()
    ladder.auto = False
    phone.answers(invite, 302, Contact="<sip:a@192.0.2.9>")
    phone.gets("ACK")
    ladder.tell(call, End(Ending(Cause.CANCELLED)))
    ladder.resolve(phone.address)
    phone.silent()
    ladder.ends_empty(call)


def test_given_up_when_the_redirection_comes() -> None:
    ladder, phone, call, invite = calling()
    phone.answers(invite, 180)
    ladder.hears(call, Rang())
    ladder.tell(call, End(Ending(Cause.CANCELLED)))
    phone.gets("CANCEL")
    phone.answers(invite, 302, Contact="<sip:a@192.0.2.9>")
    assert phone.got() == ["ACK"]
    ladder.ends_empty(call)


def test_the_password_goes_to_the_proxy_again_and_to_nobody_else() -> None:
    trust = Trust((SipCredentials("*", "alice", SecretStr("secret")),), frozenset({"192.0.2.9"}))
    place = Place("sip:bob@192.0.2.9", Party("sip:alice@192.0.2.9"), sdp("o"), aor="sip:alice@192.0.2.9")
    ladder, phone, call, invite = calling(place, UserAgentConfig(trust=trust))
    phone.answers(invite, 401, WWW_Authenticate='Digest realm="r", nonce="n"')
    phone.gets("ACK")
    signed = phone.gets_request("INVITE")
    assert signed.headers.get("Authorization")
    other = ladder.phone("192.0.2.10")
    phone.answers(signed, 302, Contact="<sip:bob@192.0.2.10>;q=1, <sip:carol@192.0.2.9>;q=0.5")
    phone.gets("ACK")
    elsewhere = other.gets_request("INVITE")
    assert elsewhere.headers.get("Authorization") is None
    other.answers(elsewhere, 401, WWW_Authenticate='Digest realm="r", nonce="n"')
    other.gets("ACK")
    again = phone.gets_request("INVITE")
    assert (again.uri, again.cseq.number) == ("sip:carol@192.0.2.9", 4)
    assert again.headers.get("Authorization")
    phone.answers(again, 200, sdp=sdp("answer"))
    ladder.hears(call, Answered(sdp("answer")))
