from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.jabber import stanza
from jabber.scene import ALICE, BOB, CONTROL, DIAL, canonical, element

NASTY = "a&b<c>'\"\t\n\r\0\x08\ud800\ufffe\U0001f600ü"
KEPT = "a&b<c>'\"\t\n\r\U0001f600ü"


def test_escape() -> None:
    assert stanza.escape("plain text 123") == "plain text 123"
    assert stanza.escape(NASTY) == "a&amp;b&lt;c&gt;&apos;&quot;&#9;&#10;&#13;\U0001f600ü"


@given(st.text())
def test_whatever_is_escaped_is_read_back(text: str) -> None:
    allowed = "".join(c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff"))
    read = element(f"<a b='{stanza.escape(text)}'>{stanza.escape(text)}</a>")
    assert read.get("b") == (read.text or "") == allowed


@pytest.mark.parametrize(
    "xml",
    [
        stanza.available(NASTY, NASTY),
        stanza.callable_(NASTY, NASTY),
        stanza.presence(NASTY, NASTY, NASTY),
        stanza.message(NASTY, NASTY, NASTY),
        stanza.result(NASTY, NASTY, NASTY, stanza.version(NASTY, NASTY)),
        stanza.result(NASTY, NASTY, NASTY, stanza.disco_items([(NASTY, NASTY)], NASTY)),
        stanza.result(NASTY, NASTY, NASTY, stanza.vcard(NASTY, NASTY, NASTY)),
        stanza.result(NASTY, NASTY, NASTY, stanza.gateway_prompt(NASTY)),
        stanza.result(NASTY, NASTY, NASTY, stanza.gateway_jid(NASTY)),
        stanza.result(NASTY, NASTY, NASTY, stanza.disco_info([(NASTY, NASTY, NASTY)], [NASTY], NASTY)),
        stanza.error(NASTY, NASTY, NASTY, "bad-request", NASTY),
        stanza.ping(NASTY, NASTY, NASTY),
        stanza.vc_request(NASTY, NASTY, NASTY, NASTY),
        stanza.vc_accept(NASTY, NASTY, NASTY, NASTY),
        stanza.vc_refuse(NASTY, NASTY, NASTY),
        stanza.vc_cancel(NASTY, NASTY, NASTY),
    ],
)
def test_nothing_breaks_a_stanza(xml: str) -> None:
    read = element(xml)
    assert read.get("to") == read.get("from") == KEPT
    assert len(ElementTree.fromstring(f"<stream>{xml}</stream>")) == 1


def test_the_presence_of_the_original() -> None:
    assert stanza.callable_(ALICE, DIAL) == (
        f"<presence to='{ALICE}' from='{DIAL}'><priority>0</priority>"
        "<c xmlns='http://jabber.org/protocol/caps' node='apple:ichat:caps' ver='448' "
        "ext='avavail avcap audio'/></presence>"
    )
    assert stanza.available(ALICE, CONTROL) == (
        f"<presence to='{ALICE}' from='{CONTROL}'><priority>0</priority></presence>"
    )
    assert stanza.presence("subscribed", ALICE, DIAL) == (
        f"<presence type='subscribed' to='{ALICE}' from='{DIAL}'/>"
    )


def test_an_error() -> None:
    assert canonical(stanza.error(ALICE, BOB, "1", "service-unavailable")) == canonical(
        f"<iq to='{ALICE}' from='{BOB}' id='1' type='error'><error type='cancel'><service-unavailable "
        "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    )
