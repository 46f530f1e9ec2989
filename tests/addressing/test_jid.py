"""JIDs: what RFC 7622 allows, what it makes equal, and XEP-0106's examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.addressing.jid import InvalidJid, Jid, escape_localpart, unescape_localpart


@pytest.mark.parametrize(
    ("text", "local", "domain", "resource"),
    [
        # RFC 7622, table 1
        ("juliet@example.com", "juliet", "example.com", ""),
        ("juliet@example.com/foo", "juliet", "example.com", "foo"),
        ("juliet@example.com/foo bar", "juliet", "example.com", "foo bar"),
        ("juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"),
        (r"foo\20bar@example.com", r"foo\20bar", "example.com", ""),
        ("fussball@example.com", "fussball", "example.com", ""),
        ("fußball@example.com", "fußball", "example.com", ""),
        ("π@example.com", "π", "example.com", ""),
        ("Σ@example.com/foo", "σ", "example.com", "foo"),
        ("king@example.com/♚", "king", "example.com", "♚"),
        ("example.com", "", "example.com", ""),
        ("example.com/foobar", "", "example.com", "foobar"),
        ("a.example.com/b@example.net", "", "a.example.com", "b@example.net"),
        # the manual's
        ("72*123@ichat-gw.jabber.company.com", "72*123", "ichat-gw.jabber.company.com", ""),
        ("control@ichat-gw.jabber.company.com", "control", "ichat-gw.jabber.company.com", ""),
        # what is made equal, and what is kept
        ("Scott@Jabber.Company.COM./iChat", "scott", "jabber.company.com", "iChat"),
        ("e\u0301ric@exa\u0301mple.com/e\u0301", "éric", "exámple.com", "e\u0301"),
        ("ＡＢ１@ｅxample。com．", "ab1", "example.com", ""),
        ("+1555@[2001:DB8::1]/x", "+1555", "[2001:db8::1]", "x"),
        ("u@192.168.1.100", "u", "192.168.1.100", ""),
        ("u@my_host-1", "u", "my_host-1", ""),
        ("example.com/ x/y ", "", "example.com", " x/y "),
        ("a@b/" + "x" * 1023, "a", "b", "x" * 1023),
    ],
)
def test_reads(text: str, local: str, domain: str, resource: str) -> None:
    jid = Jid.parse(text)
    assert (jid.local, jid.domain, jid.resource) == (local, domain, resource)
    assert Jid.parse(str(jid)) == jid


@pytest.mark.parametrize(
    ("text", "why"),
    [
        # RFC 7622, table 2
        ('"juliet"@example.com', "the user .* contains '\"'"),
        ("foo bar@example.com", "contains a space; escape it"),
        ("juliet@example.com/", "nothing after its '/'"),
        ("@example.com/", "nothing after its '/'"),
        ("@example.com", "nothing before its '@'"),
        ("user@/x", "without a domain"),
        ("/x", "without a domain"),
        ("", "without a domain"),
        (".", "without a domain"),
        ("a@b@c", "contains '@'"),
        ("a:b@c", "contains ':'"),
        ("a＠b@c", "contains '@'"),
        ("a..b", "empty label"),
        (".a", "empty label"),
        ("a b", "the domain 'a b' contains ' '"),
        ("a:5222", "contains ':'"),
        ("a@b\x00", r"the domain .* contains U\+0000"),
        ("a\r@b", r"the user .* contains U\+000D"),
        ("a\u00a0b@c", r"contains a space; escape|U\+00A0"),
        ("a\u200db@c", r"U\+200D"),
        ("a\ue000@c", r"U\+E000"),
        ("a@b/\r\n", r"the resource .* contains U\+000D"),
        ("a@b/\ufffe", r"U\+FFFE"),
        ("a@b/\udc80", r"U\+DC80"),
        ("a\ud800@b", r"U\+D800"),
        ("u@[::1", "is no IPv6 address"),
        ("u@[1.2.3.4]", "is no IPv6 address"),
        ("u@[fe80::1%eth0]", "is no IPv6 address"),
        ("a" * 1024 + "@b", "1024 octets; at most 1023"),
        ("é" * 512 + "@b", "1024 octets"),
        ("a." * 511 + "bb", "1024 octets"),
        ("a@b/" + "x" * 1024, "1024 octets"),
        ("a" * 4000, "4000 characters; at most 3071"),
    ],
)
def test_refuses(text: str, why: str) -> None:
    with pytest.raises(InvalidJid, match=why):
        Jid.parse(text)


def test_a_long_label_is_left_to_dns() -> None:
    assert Jid.parse("a" * 64).domain == "a" * 64


def test_bare_and_full() -> None:
    full = Jid("Scott", "Jabber.company.com", "iChat")
    assert full.is_full
    assert str(full) == "scott@jabber.company.com/iChat"
    bare = full.bare
    assert not bare.is_full
    assert bare.bare is bare
    assert bare.with_resource("iChat") == full
    assert full.with_resource("") == bare
    assert str(Jid("", "company.com", "r")) == "company.com/r"
    assert len({full, bare, Jid("SCOTT", "jabber.company.com")}) == 2


def test_a_value_made_directly_is_as_valid_as_one_that_was_read() -> None:
    with pytest.raises(InvalidJid):
        Jid("o'malley", "company.com")
    with pytest.raises(InvalidJid):
        Jid("a", "b", "\x00")
    assert Jid(escape_localpart("O'Malley"), "company.com").local == r"o\27malley"


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        jid = Jid.parse(text)
    except InvalidJid:
        return
    assert Jid.parse(str(jid)) == jid
    assert jid == Jid(jid.local, jid.domain, jid.resource)


@given(st.text(alphabet=st.characters(categories=["L", "M", "N", "S"]), min_size=1, max_size=20))
def test_the_same_account_however_it_is_spelt(local: str) -> None:
    try:
        jid = Jid(local, "a.b")
    except InvalidJid:
        return
    assert Jid(jid.local, "A.B") == jid


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        # XEP-0106, 5.1 and 5.2
        ("space cadet", r"space\20cadet"),
        ('call me "ishmael"', r"call\20me\20\22ishmael\22"),
        ("at&t guy", r"at\26t\20guy"),
        ("d'artagnan", r"d\27artagnan"),
        ("/.fanboy", r"\2f.fanboy"),
        ("::foo::", r"\3a\3afoo\3a\3a"),
        ("<foo>", r"\3cfoo\3e"),
        ("user@host", r"user\40host"),
        (r"c:\net", r"c\3a\net"),
        (r"c:\\net", r"c\3a\\net"),
        (r"c:\cool stuff", r"c\3a\cool\20stuff"),
        (r"c:\5commas", r"c\3a\5c5commas"),
        # a backslash before a code in capitals would become an escape in lower case
        (r"\2F", r"\5c2F"),
        ("72*123", "72*123"),
        ("+15551234567", "+15551234567"),
        ("Jürgen", "Jürgen"),
    ],
)
def test_escaping(text: str, escaped: str) -> None:
    assert escape_localpart(text) == escaped
    assert unescape_localpart(escaped) == text


@given(st.text())
def test_escaping_survives_the_round_trip(text: str) -> None:
    try:
        escaped = escape_localpart(text)
    except InvalidJid:
        assert text != text.strip(" ")
        return
    assert unescape_localpart(escaped) == text
    assert not set(escaped) & set(" \"&'/:<>@")


@given(st.text(alphabet="\\ /2fF05cC", max_size=12))
def test_backslashes_survive_the_round_trip(text: str) -> None:
    stripped = text.strip(" ")
    assert unescape_localpart(escape_localpart(stripped)) == stripped


def test_a_space_at_an_end_is_no_escape() -> None:
    assert unescape_localpart(r"\20a\20b\20") == r"\20a b\20"
    for text in (" a", "a "):
        with pytest.raises(InvalidJid, match="begins or ends with a space"):
            escape_localpart(text)
