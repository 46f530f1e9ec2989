"""The kinds of value: what each takes, what each refuses, and that no text does anything else."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.addressing.sip_uri import NameAddr, SipUri
from ichat_gw.config import kinds
from ichat_gw.config.kinds import InvalidValue, Kind, LogFormat, LogLevel

EVERY_KIND = [
    kinds.TEXT,
    kinds.PATH,
    kinds.SECRET,
    kinds.ON_OFF,
    kinds.PORT,
    kinds.IP_ADDRESS,
    kinds.IP_ADDRESSES,
    kinds.PAYLOAD_TYPES,
    kinds.NETWORKS,
    kinds.PREFIXES,
    kinds.DOMAINS,
    kinds.HOSTS,
    kinds.HOST,
    kinds.DOMAIN,
    kinds.LOCALPART,
    kinds.SIP_URI,
    kinds.NAME_ADDR,
    kinds.LOG_LEVEL,
    kinds.LOG_FORMAT,
]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (kinds.TEXT, "ichat-gw-jc", "ichat-gw-jc"),
        (kinds.PATH, "/var/log/ichat gw.log", Path("/var/log/ichat gw.log")),
        *((kinds.ON_OFF, text, True) for text in ("1", "true", "on", "enable", "Enable", "TRUE")),
        *((kinds.ON_OFF, text, False) for text in ("0", "false", "off", "disable")),
        (kinds.PORT, "5070", 5070),
        (kinds.PORT, "005070", 5070),
        (kinds.PORT, "65535", 65535),
        (kinds.whole(0, 10), "000", 0),
        (kinds.IP_ADDRESS, "192.168.1.106", "192.168.1.106"),
        (kinds.IP_ADDRESS, "2001:5C0:1000:a::6d", "2001:5c0:1000:a::6d"),
        (kinds.IP_ADDRESSES, "10.0.0.1, ::1;10.0.0.2 10.0.0.3,", ("10.0.0.1", "::1", "10.0.0.2", "10.0.0.3")),
        (kinds.IP_ADDRESSES, "", ()),
        (
            kinds.NETWORKS,
            "192.0.2.7, 10.0.0.0/8 2001:db8::/32",
            (ip_network("192.0.2.7"), ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")),
        ),
        (kinds.NETWORKS, "", ()),
        (kinds.DOMAINS, "Company.com, sub.company.com", ("company.com", "sub.company.com")),
        (kinds.DOMAINS, "", ()),
        (
            kinds.HOSTS,
            "PBX.company.com;192.0.2.7 2001:DB8::1",
            ("pbx.company.com", "192.0.2.7", "2001:db8::1"),
        ),
        (kinds.HOSTS, "", ()),
        (
            kinds.RTPENGINES,
            "192.0.2.7:2224, media.company.com [2001:DB8::1]:22222;::1 [::1] 192.0.2.7:2224",
            (
                kinds.HostPort("192.0.2.7", 2224),
                kinds.HostPort("media.company.com", 2223),
                kinds.HostPort("2001:db8::1", 22222),
                kinds.HostPort("::1", 2223),
            ),
        ),
        (kinds.HEP_SERVER, "homer.company.com", kinds.HostPort("homer.company.com", 9060)),
        (kinds.HEP_SERVER, "[2001:db8::1]:9061", kinds.HostPort("2001:db8::1", 9061)),
        (kinds.MEDIA_ENGINE, "RTPengine", kinds.MediaEngineName.RTPENGINE),
        (kinds.PAYLOAD_TYPES, "3, 18,3", (3, 18)),
        (kinds.PAYLOAD_TYPES, "", ()),
        (kinds.HOST, "Jabber.Company.com", "jabber.company.com"),
        (kinds.HOST, "2001:db8::1", "2001:db8::1"),
        (kinds.DOMAIN, "ichat-gw.jabber.company.com", "ichat-gw.jabber.company.com"),
        (kinds.DOMAIN, "müller.example", "müller.example"),
        (kinds.LOCALPART, "Control", "control"),
        (kinds.SIP_URI, "sip:proxy.company.com;lr", SipUri.parse("sip:proxy.company.com;lr")),
        (kinds.SIP_URI, "sips:proxy.company.com:5061", SipUri.parse("sips:proxy.company.com:5061")),
        (kinds.SIP_URI, "<sip:proxy.company.com;lr>", SipUri.parse("sip:proxy.company.com;lr")),
        (kinds.SIP_URI, "proxy.company.com:5060", SipUri.parse("sip:proxy.company.com:5060")),
        (kinds.SIP_URI, "10.0.0.1", SipUri.parse("sip:10.0.0.1")),
        (
            kinds.NAME_ADDR,
            '"iChat-gw" <sip:ichat-gw@sipdomain.com>',
            NameAddr("iChat-gw", "sip:ichat-gw@sipdomain.com"),
        ),
        (kinds.NAME_ADDR, "sip:gw@sipdomain.com", NameAddr("", "sip:gw@sipdomain.com")),
        (kinds.NAME_ADDR, "gw@sipdomain.com", NameAddr("", "sip:gw@sipdomain.com")),
        (kinds.LOG_LEVEL, "warning", LogLevel.WARNING),
        (kinds.LOG_FORMAT, "JSON", LogFormat.JSON),
    ],
)
def test_takes(kind: Kind, text: str, value: object) -> None:
    assert kind.read(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        (kinds.TEXT, "a\x07b", "cannot be printed"),
        (kinds.PATH, "a\x00b", "cannot be printed"),
        (kinds.ON_OFF, "yes", "'yes' is neither on nor off"),
        (kinds.NETWORKS, "10.0.0.1/8", "has bits set behind its prefix; 10.0.0.0/8 may be meant"),
        (kinds.NETWORKS, "everybody", "'everybody' is no IP address and no network"),
        (kinds.DOMAINS, "company.com, a b@c", "'b@c' is no host name"),
        (kinds.PORT, "0", "0 is out of range"),
        (kinds.PORT, "65536", "65536 is out of range"),
        (kinds.PORT, "9" * 5000, "is out of range"),
        (kinds.PORT, "-1", "is no whole number"),
        (kinds.PORT, "5070.0", "is no whole number"),
        (kinds.PORT, "٣", "is no whole number"),
        (kinds.IP_ADDRESS, "192.168.1", "is no IP address"),
        (kinds.IP_ADDRESSES, "10.0.0.1, dns.company.com", "'dns.company.com' is no IP address"),
        (kinds.PAYLOAD_TYPES, "3, GSM", "'GSM' is no whole number"),
        (kinds.PAYLOAD_TYPES, "128", "128 is out of range"),
        (kinds.RTPENGINES, "192.0.2.7:0", "0 is out of range"),
        (kinds.RTPENGINES, "192.0.2.7:ng", "is no whole number"),
        (kinds.RTPENGINES, "[2001:db8::1]2223", "is no host and port"),
        (kinds.RTPENGINES, "[2001:db8::1", "is no host and port"),
        (kinds.RTPENGINES, "a b@c:1", "is no host name"),
        (kinds.HOST, "jabber.company.com:5275", "is no host name"),
        (kinds.DOMAIN, "user@company.com", "is no host name"),
        (kinds.LOCALPART, "control@company.com", "contains '@'"),
        (kinds.SIP_URI, "http://proxy", "is no SIP URI"),
        (kinds.SIP_URI, "<sip:proxy", "is no SIP URI"),
        (kinds.NAME_ADDR, '"gw', "is no SIP name-addr"),
        (kinds.NAME_ADDR, "<mailto:a@b>", "the scheme is not sip or sips"),
        (kinds.LOG_LEVEL, "LOUD", "'LOUD' is none of the words"),
    ],
)
def test_refuses(kind: Kind, text: str, why: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        kind.read(text)
    assert why in str(caught.value)


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.metavar)
def test_any_text_is_read_or_refused(kind: Kind) -> None:
    @given(st.text(min_size=1, max_size=40))
    def read(text: str) -> None:
        try:
            value = kind.read(text)
        except InvalidValue:
            return
        if not kind.secret:
            assert kind.read(kind.write(value)) == value

    read()


def test_values_are_written_as_a_file_has_them() -> None:
    assert kinds.ON_OFF.write(False) == "off"
    assert kinds.PAYLOAD_TYPES.write((3, 18)) == "3, 18"
    assert kinds.LOG_LEVEL.write(LogLevel.ERR) == "ERR"
    assert kinds.SECRET.write(kinds.SECRET.read("geheim")) == "**********"


def test_allowed_names_unit_and_range() -> None:
    assert kinds.whole(1, 5, "seconds").allowed == "a whole number of seconds from 1 to 5"
    assert kinds.PORT.allowed == "a whole number from 1 to 65535"


@pytest.mark.parametrize(
    ("host", "text"), [("hep.example.org", "hep.example.org:9060"), ("::1", "[::1]:9060")]
)
def test_a_host_and_port_as_text(host: str, text: str) -> None:
    assert str(kinds.HostPort(host, 9060)) == text


def test_prefixes() -> None:
    assert kinds.PREFIXES.read("+1900, sip:900 00") == ("+1900", "sip:900", "00")
    with pytest.raises(InvalidValue, match="cannot begin"):
        kinds.PREFIXES.read("+1900, 00\u200b")
