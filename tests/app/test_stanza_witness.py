"""Which stanzas are told to the gateway, and how they are written."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.app.stanza_witness import (
    LONGEST,
    MOST_BYTES,
    MOST_USERS,
    MOST_WAITING,
    WATCHED_SECONDS,
    StanzaWitness,
    written,
)
from ichat_gw.ipc.messages import CancelIChatCall, InitiateIChatCall, SeenStanza
from ichat_gw.ipc.seal import encode

ALICE, CONTACT = "alice@example.com", "72@gw.example.com"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def witness(clock: Clock) -> StanzaWitness:
    return StanzaWitness(clock)


def stanza(xml: str) -> Element:
    return ElementTree.fromstring(f"<s xmlns='jabber:component:accept'>{xml}</s>")[0]


def seen(witness: StanzaWitness) -> list[SeenStanza]:
    return [stanza for told in witness.take() for stanza in told.stanzas]


REQUEST = (
    '<iq type="set" id="1" from="{}" to="{}"><query xmlns="apple:iq:vc:request"><isAudioOnly>1</isAudioOnly>'
    "</query></iq>"
)


def test_a_negotiation_in_both_directions(witness: StanzaWitness) -> None:
    request = REQUEST.format(f"{ALICE}/iChat", CONTACT)
    witness.received(stanza(request))
    result = f"<iq type='result' id='1' to='{ALICE}/iChat' from='{CONTACT}'/>"
    witness.sent(result)
    assert seen(witness) == [
        SeenStanza(ALICE, CONTACT, False, request, 1000.0),
        SeenStanza(ALICE, CONTACT, True, result, 1000.0),
    ]
    assert not witness.take()


def test_presence_counts_only_while_somebody_is_called(witness: StanzaWitness, clock: Clock) -> None:
    presence = f"<presence from='{ALICE}/iChat' to='control@gw.example.com'/>"
    probe = f"<presence type='probe' to='{ALICE}' from='control@gw.example.com'/>"
    witness.received(stanza(presence))
    witness.sent(probe)
    assert not witness.take()
    witness.expect(InitiateIChatCall(ALICE, CONTACT, "n-1"))
    witness.expect(CancelIChatCall("bob@example.com", CONTACT, "n-1"))
    witness.sent(probe)
    witness.received(stanza(presence))
    assert [each.outgoing for each in seen(witness)] == [True, False]
    clock.now += WATCHED_SECONDS + 1
    witness.received(stanza(presence))
    witness.sent(probe)
    assert not witness.take()


def test_chat_is_nobodys_business(witness: StanzaWitness) -> None:
    witness.expect(InitiateIChatCall(ALICE, CONTACT, "n-1"))
    witness.received(stanza(f"<message from='{ALICE}' to='{CONTACT}'><body>apple:iq:vc:</body></message>"))
    witness.sent(f"<message to='{ALICE}' from='{CONTACT}'><body>apple:iq:vc:</body></message>")
    witness.sent("no XML")
    assert not witness.take()


def test_many_at_once_are_told_in_messages_that_fit_a_datagram(witness: StanzaWitness) -> None:
    for number in range(MOST_WAITING + 10):
        witness.sent(REQUEST.format(CONTACT, f"{number}@example.com"))
    witness.sent(REQUEST.format(CONTACT, ALICE) + "\U0001f4de" * LONGEST)
    told = witness.take()
    assert len(told) > 1
    for each in told:
        encode(each)
    assert sum(len(each.stanzas) for each in told) == MOST_WAITING + 11


def test_it_is_bounded(witness: StanzaWitness) -> None:
    for number in range(MOST_BYTES // LONGEST + 10):
        witness.sent(REQUEST.format(CONTACT, f"{number}@example.com") + "x" * LONGEST)
    told = seen(witness)
    assert len(told) == MOST_BYTES // (LONGEST + 100)
    assert {len(each.xml) for each in told} == {LONGEST}
    witness.sent(REQUEST.format(CONTACT, ALICE))
    assert len(seen(witness)) == 1
    for number in range(MOST_USERS + 5):
        witness.expect(InitiateIChatCall(f"{number}@example.com", CONTACT, "n"))
    witness.received(stanza("<presence from='0@example.com/x' to='c@d'/>"))
    assert not witness.take()


def test_an_attribute_that_is_missing(witness: StanzaWitness) -> None:
    witness.sent("<iq type='set'><query xmlns='apple:iq:vc:cancel'/></iq>")
    assert [(each.user, each.contact) for each in seen(witness)] == [("", "")]


_TEXT = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\ufffe\uffff\x7f")
)
_NAME = st.sampled_from(["a", "b-c", "query"])


def _element(children: st.SearchStrategy[list[Element]]) -> st.SearchStrategy[Element]:
    def build(name: str, space: str, text: str, attributes: dict[str, str], inside: list[Element]) -> Element:
        element = Element(f"{{{space}}}{name}" if space else name, attributes)
        element.text = text or None
        element.extend(inside)
        for child in inside:
            child.tail = text or None
        return element

    spaces = st.sampled_from(["jabber:component:accept", "apple:iq:vc:request", "urn:x'\"<&>"])
    names = st.sampled_from(["to", "xml:lang", "{http://www.w3.org/XML/1998/namespace}lang"])
    return st.builds(
        build,
        _NAME,
        spaces,
        _TEXT,
        st.dictionaries(names.filter(lambda n: ":" not in n[:4]), _TEXT),
        children,
    )


@given(st.recursive(_element(st.just([])), lambda inner: _element(st.lists(inner, max_size=3)), max_leaves=8))
def test_an_element_is_written_as_it_came(element: Element) -> None:
    again = stanza(written(element))
    assert ElementTree.canonicalize(ElementTree.tostring(again)) == ElementTree.canonicalize(
        ElementTree.tostring(element)
    )
