"""INFO and MESSAGE inside a session, as ladders: what one phone sends, the bridge is told, and back."""

import pytest

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import Answer, Confirmed, End, Ended, Info, InfoAnswered
from ichat_gw.sip.info import MAX_BODY, MAX_PENDING
from tests.sip.ladder import Ladder, Peer, sdp

DTMF = b"Signal=5\r\nDuration=160\r\n"


def talking(agent: str = "phone", **fields: str) -> tuple[Ladder, Peer, int]:
    """They called and the call is up."""
    ladder = Ladder()
    phone = ladder.phone(agent=agent)
    phone.sends("INVITE", sdp=sdp("offer"), **fields)
    phone.gets(100)
    call = ladder.call()
    ladder.tell(call, Answer(sdp("answer")))
    phone.gets(200)
    phone.sends("ACK", seq=1)
    ladder.hears(call, Confirmed())
    return ladder, phone, call


def body(phone: Peer, data: bytes, method: str = "INFO", **fields: str) -> None:
    fields = {"Content_Type": "application/dtmf-relay"} | fields
    request = phone.request(method, **fields)  # type: ignore[arg-type]
    request.body = data
    phone.throws(request)


def test_what_a_phone_sends_is_passed_on_and_answered_as_the_other_side_does() -> None:
    ladder, phone, call = talking()
    body(phone, DTMF)
    ladder.hears(call, Info(call * 1_000_000 + 1, "INFO", "application/dtmf-relay", DTMF))
    phone.silent()
    ladder.tell(call, InfoAnswered(call * 1_000_000 + 1, 488))
    phone.gets(488)
    ladder.tell(call, InfoAnswered(call * 1_000_000 + 1, 200))
    phone.silent()
    body(phone, b"hi", "MESSAGE", Content_Type="text/plain;charset=utf-8")
    ladder.hears(call, Info(call * 1_000_000 + 2, "MESSAGE", "text/plain;charset=utf-8", b"hi"))
    ladder.tell(call, InfoAnswered(call * 1_000_000 + 2, 200))
    assert phone.gets(200).headers.get("Contact") == "<sip:alice@192.0.2.1:5070>"
    ladder.tell(call, End(Ending(Cause.HANGUP)))
    phone.gets("BYE")


def test_an_info_without_a_body() -> None:
    ladder, phone, call = talking()
    phone.sends("INFO", Content_Type="text/plain")
    ladder.hears(call, Info(call * 1_000_000 + 1, "INFO", "", b""))
    ladder.tell(call, InfoAnswered(call * 1_000_000 + 1, 415))
    assert phone.gets(415).headers.get("Accept") == "application/sdp"


def test_what_the_other_side_never_answers_is_answered_here() -> None:
    ladder, phone, call = talking()
    body(phone, DTMF)
    ladder.hears(call, Info(call * 1_000_000 + 1, "INFO", "application/dtmf-relay", DTMF))
    ladder.later(19.9)
    phone.silent()
    ladder.later(0.2)
    phone.gets(504)
    phone.sends("BYE")
    phone.gets(200)
    ladder.hears(call, Ended(Ending(Cause.HANGUP)))
    ladder.ends_empty(call)


def test_pings_of_ichat_are_answered_at_once_and_its_infos_passed_on() -> None:
    ladder, ichat, call = talking("Viceroy 1.4.1")
    ichat.sends("MESSAGE", Content_Type="text/plain")
    ichat.gets(200)
    ladder.hears_nothing()
    ichat.sends("INFO")
    ladder.hears(call, Info(call * 1_000_000 + 1, "INFO", "", b""))


@pytest.mark.parametrize(
    ("fields", "data", "status", "header"),
    [
        ({"Info_Package": "dtmf"}, DTMF, 469, ("Recv-Info", "")),
        ({"Content_Encoding": "gzip"}, DTMF, 415, ("Accept-Encoding", "identity")),
        ({}, bytes(MAX_BODY + 1), 413, None),
    ],
)
def test_what_is_not_passed_on(
    fields: dict[str, str], data: bytes, status: int, header: tuple[str, str] | None
) -> None:
    ladder, phone, _ = talking()
    body(phone, data, **fields)
    response = phone.gets(status)
    if header is not None:
        assert response.headers.get(header[0]) == header[1]
    ladder.hears_nothing()


def test_only_so_many_wait_at_one_time() -> None:
    ladder, phone, call = talking()
    for _ in range(MAX_PENDING):
        body(phone, DTMF)
    phone.silent()
    body(phone, DTMF)
    assert phone.gets(500).headers.get("Retry-After") == "1"
    phone.sends("BYE")
    assert phone.got() == [200, *[481] * MAX_PENDING]
    ladder.events.clear()
    ladder.ends_empty(call)


def test_what_is_open_when_the_call_ends_is_refused() -> None:
    ladder, phone, call = talking()
    body(phone, DTMF)
    ladder.tell(call, End(Ending(Cause.HANGUP)))
    assert phone.got() == [481, "BYE"]
    body(phone, DTMF)
    phone.gets(481)


# --- to a phone -------------------------------------------------------------------------------------------


def test_what_the_other_party_sends_is_passed_to_a_phone_that_understands_it() -> None:
    ladder, phone, call = talking(Allow="INVITE, ACK, BYE, INFO")
    ladder.tell(call, Info(7, "INFO", "application/dtmf-relay", DTMF))
    info = phone.gets_request("INFO")
    assert (info.content_type, info.body) == ("application/dtmf-relay", DTMF)
    ladder.hears_nothing()
    phone.answers(info, 200, tag=phone.tag)
    ladder.hears(call, InfoAnswered(7, 200))
    ladder.tell(call, Info(8, "INFO", "", b""))
    info = phone.gets_request("INFO")
    assert info.headers.get("Content-Type") is None
    phone.answers(info, 100)
    ladder.hears_nothing()
    phone.answers(info, 606, tag=phone.tag)
    ladder.hears(call, InfoAnswered(8, 606))


@pytest.mark.parametrize("status", [401, 407, 408, 481, 503, 302])
def test_what_is_between_us_and_a_phone_is_not_told_to_the_other(status: int) -> None:
    ladder, phone, call = talking(Allow="INFO")
    ladder.tell(call, Info(7, "INFO", "text/plain", b"x"))
    phone.answers(phone.gets_request("INFO"), status, tag=phone.tag)
    ladder.hears(call, InfoAnswered(7, 500))


def test_a_phone_that_does_not_answer() -> None:
    ladder, _, call = talking(Allow="INFO")
    ladder.tell(call, Info(7, "INFO", "text/plain", b"x"))
    ladder.later(32.1)
    ladder.hears(call, InfoAnswered(7, 500))


@pytest.mark.parametrize("allow", ["", "INVITE, ACK", 'broken, "', "info"])
def test_a_phone_that_does_not_understand_it_is_not_asked(allow: str) -> None:
    ladder, phone, call = talking(Allow=allow)
    ladder.tell(call, Info(7, "INFO", "text/plain", b"x"))
    ladder.hears(call, InfoAnswered(7, 415))
    ladder.tell(call, Info(8, "MESSAGE", "", b""))
    ladder.hears(call, InfoAnswered(8, 200))
    phone.silent()


def test_a_content_type_that_cannot_be_written() -> None:
    ladder, phone, call = talking(Allow="INFO")
    ladder.tell(call, Info(7, "INFO", "text/plain\r\nEvil: yes", b"x"))
    ladder.hears(call, InfoAnswered(7, 415))
    phone.silent()


def test_after_the_end_nothing_is_passed() -> None:
    ladder, phone, call = talking(Allow="INFO")
    ladder.tell(call, Info(7, "INFO", "text/plain", b"x"))
    info = phone.gets_request("INFO")
    ladder.tell(call, End(Ending(Cause.HANGUP)))
    phone.gets("BYE")
    phone.answers(info, 200, tag=phone.tag)
    ladder.tell(call, Info(8, "INFO", "text/plain", b"x"))
    phone.silent()
    ladder.hears_nothing()
