"""RFC 7247, section 4: what a name looks like on the other side, and that it comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.addressing.jid import InvalidJid, Jid, escape_localpart
from ichat_gw.addressing.mapping import calling_localpart, sip_address, xmpp_address
from ichat_gw.addressing.sip_uri import InvalidSipUri, SipUri

# Those of RFC 7247's own examples that have a user part, and ours.
BOTH_WAYS = [
    ("m\\26m@xmpp.example", "m&m@xmpp.example"),
    ("o\\27malley@sip.example", "o'malley@sip.example"),
    ("tschüss@xmpp.example", "tsch%C3%BCss@xmpp.example"),
    ("fü@sip.example", "f%C3%BC@sip.example"),
    ("72*123@sip.example", "72*123@sip.example"),
    ("+15551234567@sip.example", "+15551234567@sip.example"),
    ("a\\20b@sip.example", "a%20b@sip.example"),
    ("a\\2fb@sip.example", "a/b@sip.example"),
    ("bob\\40sip.example@proxy.example", "bob%40sip.example@proxy.example"),
    ("\\5c27@sip.example", "%5C27@sip.example"),
    ("a\\b@sip.example", "a%5Cb@sip.example"),
]


@pytest.mark.parametrize(("jid", "uri"), BOTH_WAYS)
def test_both_ways(jid: str, uri: str) -> None:
    assert sip_address(f"sip:{jid}") == f"sip:{uri}"
    assert xmpp_address(f"xmpp:{uri}") == f"xmpp:{jid}"


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sip:bob\\40sip.example", "sip:bob@sip.example"),
        ("sip:o\\27malley\\40sip.example;transport=tcp", "sip:o'malley@sip.example;transport=tcp"),
        ("sips:bob@[::1]:5061;lr", "sips:bob@[::1]:5061;lr"),
        ("sip:a%41@sip.example", "sip:a%41@sip.example"),
        ("sip:phones", "sip:phones"),
        ("sip:a b", "sip:a b"),
        ("tel:+1", "tel:+1"),
        ("", ""),
    ],
)
def test_to_sip(text: str, uri: str) -> None:
    assert sip_address(text) == uri


@pytest.mark.parametrize(
    ("text", "jid"),
    [
        ("xmpp:o\\27malley@jabber.example", "xmpp:o\\27malley@jabber.example"),
        ("xmpp:jabber.example", "xmpp:jabber.example"),
        ("xmpp:%ff@jabber.example", "xmpp:\ufffd@jabber.example"),
    ],
)
def test_to_xmpp(text: str, jid: str) -> None:
    assert xmpp_address(text) == jid


def test_a_space_at_the_end() -> None:
    with pytest.raises(InvalidJid):
        xmpp_address("xmpp:bob%20@jabber.example")


@pytest.mark.parametrize(
    ("user", "localpart"),
    [
        ("15551234567", "1555123456"),
        ("o'malley", "o\\27malley"),
        ("o'malleys", "o\\27malley"),
        ("o'm'a'l", "o\\27m\\27a"),
        ("abcdefgh'", "abcdefgh"),
        ("o\\27malley", "o\\27malley"),
        ("f%C3%BC", "fü"),
        ("%20bob%20", "bob"),
        ("abcdefg%20h", "abcdefg"),
        ("a%00b%0A", "ab"),
        ("%E2%80%80", ""),
        ("\ufffe", ""),
        ("\u00ad", ""),
        ("\uff20", ""),
        ("", ""),
    ],
)
def test_who_calls(user: str, localpart: str) -> None:
    assert calling_localpart(user, 10) == localpart


@given(st.text(max_size=30))
def test_any_text_is_none_or_a_localpart(text: str) -> None:
    local = calling_localpart(text, 10)
    assert len(local) <= 10
    Jid(local, "a.example")


NAMES = st.text(st.sampled_from("ab\\27 5c40'\"&/:<>@%üß*+;?"), min_size=1, max_size=12).filter(
    lambda text: text == text.strip(" ")
)


@given(NAMES)
def test_every_name_comes_back(name: str) -> None:
    jid = f"{escape_localpart(name)}@a.example"
    there = sip_address(f"sip:{jid}")
    parsed = SipUri.parse(there)
    if "%" not in name:  # a localpart that looks like a SIP user part is taken for one
        assert parsed.user_decoded == name
        assert xmpp_address("xmpp" + there.removeprefix("sip")) == f"xmpp:{jid}"


@given(st.text(max_size=40))
def test_any_text(text: str) -> None:
    sip_address(f"sip:{text}")
    try:
        xmpp_address(f"xmpp:{text}")
    except InvalidJid:
        return


def test_a_result_that_is_no_uri() -> None:
    with pytest.raises(InvalidSipUri):
        SipUri.parse(sip_address("sip:a@b@c d"))
