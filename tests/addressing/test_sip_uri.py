import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ichat_gw.addressing.sip_grammar import InvalidSyntax
from ichat_gw.addressing.sip_uri import (
    InvalidSipUri,
    NameAddr,
    SipUri,
    clean_text,
    escape_user,
    split_host_port,
)


def test_all_parts() -> None:
    uri = SipUri.parse(
        "SIPS:al%69ce:se%3acret@Example.COM:5061;transport=tcp;lr?subject=a%20b&priority=urgent"
    )
    assert uri == SipUri(
        "sips",
        "al%69ce",
        "se%3acret",
        "Example.COM",
        5061,
        (("transport", "tcp"), ("lr", None)),
        "subject=a%20b&priority=urgent",
    )
    assert uri.user_decoded == "alice"
    assert str(uri) == (
        "sips:al%69ce:se%3acret@Example.COM:5061;transport=tcp;lr?subject=a%20b&priority=urgent"
    )


def test_params() -> None:
    uri = SipUri.parse("sip:a@b;Transport=TCP;%6C%72;n%61me=v%61lue%25%34%31")
    assert uri.param("transport") == "TCP"
    assert uri.param("lr") == ""
    assert uri.has_param("lr")
    assert uri.param("name") == "value%41"
    assert uri.param("maddr") is None
    assert not uri.has_param("maddr")


def test_no_user() -> None:
    uri = SipUri.parse("sip:example.com")
    assert (uri.user, uri.password, uri.user_decoded) == (None, None, "")


@pytest.mark.parametrize(
    ("text", "host", "port", "address"),
    [
        ("sip:1.2.3.4:5070", "1.2.3.4", 5070, "1.2.3.4"),
        ("sip:u@host_with_underscore", "host_with_underscore", None, "host_with_underscore"),
        ("sip:[2001:db8::10]:5070", "[2001:db8::10]", 5070, "2001:db8::10"),
        ("sip:[2001:db8::10:5070]", "[2001:db8::10:5070]", None, "2001:db8::10:5070"),
        ("sip:u@[::ffff:192.0.2.2]", "[::ffff:192.0.2.2]", None, "::ffff:192.0.2.2"),
        ("sip:u@[2001:db8:::192.0.2.1]", "[2001:db8:::192.0.2.1]", None, "2001:db8:::192.0.2.1"),
    ],
)
def test_hosts(text: str, host: str, port: int | None, address: str) -> None:
    uri = SipUri.parse(text)
    assert (uri.host, uri.port, uri.address) == (host, port, address)
    assert str(uri) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip",
        "sip:",
        "tel:+123",
        "xmpp:a@b",
        "sip:@b",
        "sip:a@",
        "sip:a@b@c",
        "sip:a b@c",
        "sip:a%4@c",
        "sip:a%zz@c",
        "sip:ü@c",
        "sip:a:p@ss@c",
        "sip:a:p;w@c",
        "sip:a@b:",
        "sip:a@b:0",
        "sip:a@b:65536",
        "sip:a@b:5o6",
        "sip:a@b:5060:5061",
        "sip:2001:db8::10",
        "sip:[2001:db8::10",
        "sip:[2001:db8::10]5060",
        "sip:[2001:db8::10]:",
        "sip:[]",
        "sip:[fe80::1%eth0]",
        "sip:[2001:db8:::10]",
        "sip:[1.2.3.4]",
        "sip:a@b;",
        "sip:a@b;;lr",
        "sip:a@b;=x",
        "sip:a@b;x=<y>",
        "sip:a@b;x=y=z",
        "sip:a@b?",
        "sip:a@b?x= y",
        "sip:a@b?to=c@d",
        "sip:a@b\r\nX: y",
        "<sip:a@b>",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(InvalidSipUri):
        SipUri.parse(text)


@pytest.mark.parametrize(
    ("user", "written"),
    [
        ("alice", "alice"),
        ("+1-555;ext=3", "+1-555;ext=3"),
        ("a b@c:d", "a%20b%40c%3Ad"),
        ("tschüss", "tsch%C3%BCss"),
        ('\r\n\0<>"#%', "%0D%0A%00%3C%3E%22%23%25"),
        ("\ud800", "%3F"),
    ],
)
def test_escape_user(user: str, written: str) -> None:
    assert escape_user(user) == written
    assert SipUri.parse(f"sip:{written}@h").user_decoded == user.replace("\ud800", "?")


def test_build() -> None:
    assert str(SipUri.build("a b", "::1", 5060, (("lr", None),))) == "sip:a%20b@[::1]:5060;lr"
    assert str(SipUri.build(None, "[::1]", scheme="sips")) == "sips:[::1]"
    assert str(SipUri.build("", "example.com")) == "sip:example.com"


@pytest.mark.parametrize(("host", "port"), [("", None), ("a b", None), ("a", 0), ("a", 70000), ("a>b", 5060)])
def test_build_refuses_what_cannot_be_written(host: str, port: int | None) -> None:
    with pytest.raises(InvalidSipUri):
        SipUri.build("u", host, port)


def test_user_that_is_not_utf8() -> None:
    assert SipUri.parse("sip:%FFx@h").user_decoded == "\ufffdx"


def test_split_host_port() -> None:
    assert split_host_port("h:65535") == ("h", 65535)


# RFC 3261 section 19.1.4, its examples first.
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&Subject=project%20x",
        ),
        ("sip:a%2fb@[2001:db8::1]", "sip:a%2Fb@[2001:DB8:0::1]"),
        ("sip:a@[2001:db8:::192.0.2.1]", "sip:a@[2001:db8::192.0.2.1]"),
        ("sip:a@b;l%72", "sip:a@b;lr"),
    ],
)
def test_equivalent(a: str, b: str) -> None:
    assert SipUri.parse(a).equivalent(SipUri.parse(b))
    assert SipUri.parse(b).equivalent(SipUri.parse(a))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@b", "sips:a@b"),
        ("sip:a@b", "sip:b"),
        ("sip:a:x@b", "sip:a:X@b"),
        ("sip:a@b;user=phone", "sip:a@b"),
        ("sip:a@b", "sip:a@b;maddr=1.2.3.4"),
        ("sip:a%3Bb@c", "sip:a;b@c"),
        ("sip:a@b?x=Y", "sip:a@b?x=y"),
    ],
)
def test_not_equivalent(a: str, b: str) -> None:
    assert not SipUri.parse(a).equivalent(SipUri.parse(b))
    assert not SipUri.parse(b).equivalent(SipUri.parse(a))


@settings(deadline=None)
@given(st.text())
def test_any_text_parses_or_is_refused(text: str) -> None:
    for candidate in (text, f"sip:{text}", f"sip:a@{text}"):
        try:
            uri = SipUri.parse(candidate)
        except InvalidSipUri:
            continue
        assert SipUri.parse(str(uri)) == uri
        assert uri.equivalent(uri)
        assert isinstance(uri.user_decoded + uri.address + (uri.param("lr") or ""), str)


@settings(deadline=None)
@given(st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_user_can_be_written(user: str) -> None:
    assert SipUri.parse(str(SipUri.build(user, "h"))).user_decoded == user


# --- addresses with names ---


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("<sip:a@b>", NameAddr("", "sip:a@b")),
        ("sip:a@b", NameAddr("", "sip:a@b")),
        (" sip:a@b ;\ttag   = 19 ", NameAddr("", "sip:a@b", (("tag", "19"),))),
        ("caller<sip:a@b>;tag=323", NameAddr("caller", "sip:a@b", (("tag", "323"),))),
        ("A. G.  Bell  <sip:a@b;lr>;x", NameAddr("A. G.  Bell", "sip:a@b;lr", (("x", None),))),
        ("Jürgen (home) j@b <sip:a@b>", NameAddr("Jürgen (home) j@b", "sip:a@b")),
        (
            '"J Rosenberg \\\\\\""       <sip:jdrosen@example.com> ; tag = 98asjd8',
            NameAddr('J Rosenberg \\"', "sip:jdrosen@example.com", (("tag", "98asjd8"),)),
        ),
        ('"<sip:x@y>" <sip:a@b>', NameAddr("<sip:x@y>", "sip:a@b")),
        ('"" <tel:+123>', NameAddr("", "tel:+123")),
        ("isbn:2983792873", NameAddr("", "isbn:2983792873")),
        ("<http://www.example.com>;tag=3", NameAddr("", "http://www.example.com", (("tag", "3"),))),
        ('sip:a@b;x="<"', NameAddr("", "sip:a@b", (("x", '"<"'),))),
        (
            '<sip:a@b?Route=%3Csip:c%3E>;+sip.instance="<urn:uuid:1>"',
            NameAddr("", "sip:a@b?Route=%3Csip:c%3E", (("+sip.instance", '"<urn:uuid:1>"'),)),
        ),
    ],
)
def test_name_addr(text: str, address: NameAddr) -> None:
    assert NameAddr.parse(text) == address
    assert NameAddr.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "<>",
        "<a>",
        "< sip:a@b >",
        "<sip:a@b",
        '"a <sip:a@b>',
        '"a" sip:a@b',
        '"a"',
        "Bell, Alexander <sip:a@b>",
        "a\\b <sip:a@b>",
        "a\0b <sip:a@b>",
        "sip:a@b?x=y",
        "sip:a,b@c",
        "sip:a b@c",
        "<sip:a@b>;",
        "<sip:a@b>;;",
        "<sip:a@b> x",
        "a@b",
        "<sip:a@b>;tag=<",
    ],
)
def test_bad_name_addr(text: str) -> None:
    with pytest.raises(InvalidSyntax):
        NameAddr.parse(text)


def test_list() -> None:
    text = '"Bell, A." <sip:a,b@c>;q=0.3, sip:d@e;q=1 ,<sip:[::1]>'
    assert [address.uri for address in NameAddr.parse_list(text)] == ["sip:a,b@c", "sip:d@e", "sip:[::1]"]
    with pytest.raises(InvalidSyntax):
        NameAddr.parse_list("<sip:a@b>,")


def test_tag_and_params() -> None:
    address = NameAddr.parse('<sip:a@b>;TAG=x;expires="60"')
    assert address.tag == "x"
    assert address.param("expires") == "60"
    assert address.param("q") is None
    assert NameAddr.parse("<sip:a@b>").tag is None
    assert NameAddr.parse("<sip:a@b>;tag=").tag is None
    assert address.with_tag("y") == NameAddr("", "sip:a@b", (("expires", '"60"'), ("tag", "y")))
    with pytest.raises(InvalidSyntax):
        address.with_tag("y;lr")


def test_uri_of_an_address() -> None:
    assert NameAddr.parse("sip:a@b").sip_uri == SipUri("sip", "a", None, "b", None)
    with pytest.raises(InvalidSipUri):
        _ = NameAddr.parse("<tel:1>").sip_uri


def test_control_characters_never_get_through() -> None:
    heard = NameAddr.parse('"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:a@b>')
    assert heard.display_name == "BEL: NUL: DEL:"
    assert str(NameAddr('x\r\nVia: y\t\0"\\', "sip:a@b")) == '"xVia: y \\"\\\\" <sip:a@b>'
    assert NameAddr.parse('"a\udcffb" <sip:a@b>').display_name == "a\ufffdb"


@settings(deadline=None)
@given(st.text())
def test_clean_text_can_be_written_anywhere(text: str) -> None:
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned
    cleaned.encode("utf-8")
    assert not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in cleaned)


@settings(deadline=None)
@given(st.text(), st.text())
def test_any_text_is_an_address_or_refused(name: str, text: str) -> None:
    for candidate in (text, f'"{name}" <sip:a@b>{text}', f"{name} <sip:{text}>", f"<sip:a@b>;{name}={text}"):
        try:
            address = NameAddr.parse(candidate)
        except InvalidSyntax:
            continue
        assert NameAddr.parse(str(address)) == address


@settings(deadline=None)
@given(st.text())
def test_any_display_name_can_be_written(name: str) -> None:
    assert NameAddr.parse(str(NameAddr(name, "sip:a@b"))).display_name == clean_text(name)
