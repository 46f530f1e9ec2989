import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ichat_gw.addressing.sip_grammar import InvalidSyntax
from ichat_gw.sip.fields import CSeq, Via


@pytest.mark.parametrize(
    ("text", "via"),
    [
        ("SIP/2.0/UDP 1.2.3.4", Via("UDP", "1.2.3.4", None)),
        ("SIP/2.0/udp host:5060;branch=z9hG4bKa", Via("UDP", "host", 5060, (("branch", "z9hG4bKa"),))),
        (
            "SIP  /   2.0 /UDP     192.0.2.2;branch=390skdjuw",
            Via("UDP", "192.0.2.2", None, (("branch", "390skdjuw"),)),
        ),
        ("SIP/2.0/ TCP\th", Via("TCP", "h", None)),
        ("SIP/2.0/UDP\th", Via("UDP", "h", None)),
        ("sip/2.0/UDP h", Via("UDP", "h", None)),
        (
            "SIP/2.0/UDP first.example.com: 4000;ttl=16",
            Via("UDP", "first.example.com", 4000, (("ttl", "16"),)),
        ),
        ("SIP/2.0/UDP  [2001:db8::1] : 4000 ;rport", Via("UDP", "[2001:db8::1]", 4000, (("rport", None),))),
        ("SIP/2.0/TLS-SCTP h", Via("TLS-SCTP", "h", None)),
    ],
)
def test_via(text: str, via: Via) -> None:
    assert Via.parse(text) == via
    assert Via.parse(str(via)) == via


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0/ h",
        "SIP/2.0",
        "SIP/7.0/UDP h",
        "HTTP/2.0/UDP h",
        "SIP/2.0/U@P h",
        "SIP/2.0/UDP exa mple",
        "SIP/2.0/UDP h:x",
        "SIP/2.0/UDP h:0",
        "SIP/2.0/UDP 2001:db8::1",
        "SIP/2.0/UDP [::1",
        "SIP/2.0/UDP h;;",
        "SIP/2.0/UDP 192.0.2.15;;,;,,",
        "SIP/2.0/UDP\xa0h",
    ],
)
def test_bad_via(text: str) -> None:
    with pytest.raises(InvalidSyntax):
        Via.parse(text)


def test_via_params() -> None:
    via = Via.parse("SIP/2.0/UDP h;Branch=b;rport=5070;received=[2001:db8::9:255];ttl=1")
    assert (via.branch, via.rport, via.received, via.param("ttl")) == ("b", 5070, "2001:db8::9:255", "1")
    via = Via.parse("SIP/2.0/UDP h;rport;received=2001:db8::9:255")
    assert (via.branch, via.rport, via.received) == (None, 0, "2001:db8::9:255")
    via = Via.parse("SIP/2.0/UDP h;branch=")
    assert (via.branch, via.rport, via.received, via.param("ttl")) == (None, None, None, None)
    assert Via.parse("SIP/2.0/UDP h;rport=x").rport == 0


@pytest.mark.parametrize(
    ("text", "cseq"),
    [
        ("1 INVITE", CSeq(1, "INVITE")),
        ("0009   INVITE", CSeq(9, "INVITE")),
        ("0\t!odd-Method", CSeq(0, "!odd-Method")),
        ("2147483647 BYE", CSeq(2**31 - 1, "BYE")),
    ],
)
def test_cseq(text: str, cseq: CSeq) -> None:
    assert CSeq.parse(text) == cseq
    assert CSeq.parse(str(cseq)) == cseq


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "INVITE",
        "1INVITE",
        "-1 BYE",
        "2147483648 BYE",
        "36893488147419103232 BYE",
        "1 BYE BYE",
        "1 B@E",
        "1\xa0BYE",
    ],
)
def test_bad_cseq(text: str) -> None:
    with pytest.raises(InvalidSyntax):
        CSeq.parse(text)


@settings(deadline=None)
@given(st.text())
def test_any_text_parses_or_is_refused(text: str) -> None:
    for read, candidates in ((Via.parse, (text, f"SIP/2.0/UDP {text}")), (CSeq.parse, (text, f"1 {text}"))):
        for candidate in candidates:
            try:
                value = read(candidate)
            except InvalidSyntax:
                continue
            assert read(str(value)) == value
