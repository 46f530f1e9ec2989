"""RFC 4475 and RFC 5118 at the parser; what the user agent answers is tested with the user agent."""

import pytest

from ichat_gw.addressing.sip_uri import NameAddr, SipUri
from ichat_gw.sip.message import (
    CSeq,
    MalformedMessage,
    Request,
    Response,
    Via,
    parse,
    response_to,
    stamp_via,
)
from tests.sip import torture
from tests.sip.torture import ALL, PARSED, RFC4475, Torture, named

ECHOED = ("via", "from", "to", "call-id", "cseq")


def test_none_is_missing() -> None:
    assert len(RFC4475) == len(torture.torture_rfc4475.MESSAGES) == 49
    assert len(torture.RFC5118) == len(torture.torture_rfc5118.MESSAGES) == 12
    assert len({entry.section for entry in RFC4475}) == 49


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.name)
def test_verdict(entry: Torture) -> None:
    if entry.verdict == PARSED:
        message = parse(entry.data)
        assert isinstance(message, Response) is entry.is_response
        again = parse(message.to_bytes())
        assert type(again) is type(message)
        assert [h for h in again.headers.entries() if h[0] != "content-length"] == [
            h for h in message.headers.entries() if h[0] != "content-length"
        ]
        assert again.body == message.body
    else:
        with pytest.raises(MalformedMessage) as caught:
            parse(entry.data)
        assert caught.value.status == entry.verdict
        assert (caught.value.request is None) is (entry.verdict is None)


@pytest.mark.parametrize("entry", [e for e in ALL if not e.is_response], ids=lambda entry: entry.name)
def test_every_request_can_be_answered_and_is_echoed(entry: Torture) -> None:
    message: Request | Response | None
    try:
        message, status = parse(entry.data), 200
    except MalformedMessage as error:
        message, status = error.request, error.status or 0
    assert isinstance(message, Request)
    request = message
    assert status
    answer = response_to(request, status)
    assert [h for h in answer.headers.entries() if h[0] in ECHOED] == [
        h for h in request.headers.entries() if h[0] in ECHOED
    ]
    parts = answer.to_bytes()
    for _, name, value in request.headers.entries():
        if name.lower() in ECHOED:
            assert f"{name}: {value}\r\n".encode("utf-8", "surrogateescape") in parts
    stamp_via(request, "127.0.0.1", 5070)
    response_to(request, status, to_tag="our-tag").to_bytes()


def request_named(name: str) -> Request:
    message = parse(named(name))
    assert isinstance(message, Request)
    return message


def test_wsinv() -> None:
    request = request_named("wsinv")
    assert request.method == "INVITE"
    assert request.sip_uri == SipUri(
        "sip", "vivekg", None, "chair-dnrc.example.com", None, (("unknownparam", None),)
    )
    assert request.to == NameAddr("", "sip:vivekg@chair-dnrc.example.com", (("tag", "1918181833n"),))
    assert request.from_ == NameAddr('J Rosenberg \\"', "sip:jdrosen@example.com", (("tag", "98asjd8"),))
    assert request.max_forwards == 68
    assert request.call_id == "wsinv.ndaksdj@192.0.2.1"
    assert request.cseq == CSeq(9, "INVITE")
    assert request.via == Via("UDP", "192.0.2.2", None, (("branch", "390skdjuw"),))
    assert [str(Via.parse(v)) for v in request.headers.values("Via")] == [
        "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw",
        "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8",
        "SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239",
    ]
    assert request.headers.get("Subject") == ""
    assert request.headers.get("newfangledheader") == "newfangled value continued newfangled value"
    assert request.headers.get("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    assert request.content_type == "application/sdp"
    assert request.routes == (NameAddr("", "sip:services.example.com;lr;unknownwith=value;unknown-no-value"),)
    assert request.contact == NameAddr(
        'Quoted string ""',
        "sip:jdrosen@example.com",
        (("newparam", "newvalue"), ("secondparam", None), ("q", "0.33")),
    )
    assert len(request.body) == 150


def test_intmeth() -> None:
    request = request_named("intmeth")
    assert request.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert request.sip_uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert request.sip_uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert request.to.display_name == "BEL: NUL: DEL:"
    assert request.from_.display_name == "token1~` token2'+_ token3*%!.-"
    assert request.from_.param("fromparam''~+*_!.-%") == "работающий"
    assert request.from_.tag == "_token~1'+`*%!-."
    assert request.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    assert request.headers.get("extensionHeader-!.%*+_`'~") == "\ufeff大停電"


def test_esc01_and_escnull() -> None:
    request = request_named("esc01")
    assert request.sip_uri.user_decoded == "sips:user@example.com"
    assert request.to.sip_uri.user_decoded == "user"
    assert request.from_.sip_uri.user_decoded == "I have spaces"
    assert request.contact is not None
    assert request.contact.sip_uri.param("lr") == ""
    assert request.contact.sip_uri.param("name") == "value%41"
    request = request_named("escnull")
    assert [contact.sip_uri.user_decoded for contact in request.contacts] == ["\0", "\0\0"]


def test_esc02() -> None:
    request = request_named("esc02")
    assert request.method == request.cseq.method == "RE%47IST%45R"
    assert request.to.display_name == "%Z%45"
    assert [contact.uri for contact in request.contacts] == [
        "sip:alias1@host1.example.com",
        "sip:alias3@host3.example.com",
    ]


def test_longreq() -> None:
    request = request_named("longreq")
    assert len(request.headers.get_all("via")) == 34
    assert request.via.host == "sip33.example.com"
    assert request.from_.sip_uri.user == "amazinglylongcallername" * 5


def test_dblreq_ends_where_its_content_length_says() -> None:
    request = request_named("dblreq")
    assert request.method == "REGISTER"
    assert request.body == b""


def test_semiuri() -> None:
    request = request_named("semiuri")
    assert request.sip_uri.user == "user;par=u%40example.net"
    assert request.sip_uri.params == ()
    assert len(request.headers.values("Accept")) == 6


def test_mpart01_keeps_a_binary_body() -> None:
    request = request_named("mpart01")
    assert request.content_type == "multipart/mixed"
    assert len(request.body) == 553
    assert request.to_bytes().endswith(request.body)


def test_reasons() -> None:
    strange, empty = parse(named("unreason")), parse(named("noreason"))
    assert isinstance(strange, Response)
    assert isinstance(empty, Response)
    assert (strange.status, strange.reason) == (200, "= 2**3 * 5**2 но сто девяносто девять - простое")
    assert (empty.status, empty.reason) == (100, "")
    assert empty.to_bytes().startswith(b"SIP/2.0 100 \r\n")


def test_a_header_parameter_is_not_a_uri_parameter() -> None:
    outside, inside = request_named("cparam01").contact, request_named("cparam02").contact
    assert outside is not None
    assert inside is not None
    assert outside.params == (("unknownparam", None),)
    assert outside.sip_uri.params == ()
    assert inside.params == ()
    assert inside.sip_uri.has_param("unknownparam")


def test_option_tags() -> None:
    assert request_named("bext01").require == ("nothingsupportsthis", "nothingsupportsthiseither")


def test_rfc2543() -> None:
    request = request_named("inv2543")
    assert request.via.branch is None
    assert request.from_.tag is None
    assert request.max_forwards is None
    assert request.record_routes[0].sip_uri.param("maddr") == "ss1.example.com"
    assert request_named("badbranch").via.branch == "z9hG4bK"


def test_ipv6() -> None:
    assert request_named("ipv6-good").sip_uri.address == "2001:db8::10"
    ambiguous, clear = request_named("port-ambiguous").sip_uri, request_named("port-unambiguous").sip_uri
    assert (ambiguous.address, ambiguous.port) == ("2001:db8::10:5070", None)
    assert (clear.address, clear.port) == ("2001:db8::10", 5070)
    for name in ("via-received-param-with-delim", "via-received-param-no-delim"):
        assert request_named(name).via.received == "2001:db8::9:255"
    three, two = request_named("ipv6-bug-abnf-3-colons"), request_named("ipv6-correct-abnf-2-colons")
    assert three.sip_uri.equivalent(two.sip_uri)
