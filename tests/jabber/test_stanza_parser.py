"""What a stream may hold, and what happens to what it may not."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.jabber import stanza_parser
from ichat_gw.jabber.stanza_parser import (
    MAX_ATTRIBUTES,
    MAX_DEPTH,
    MAX_OCTETS,
    StanzaParser,
    XmlRefused,
)

HEADER = (
    "<?xml version='1.0'?><stream:stream from='g.localhost' id='s1' xmlns='jabber:component:accept' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
)


class Stream:
    """A parser and what it found."""

    def __init__(self, header: str = HEADER, longest: int = MAX_OCTETS) -> None:
        self.headers: list[Element] = []
        self.stanzas: list[Element] = []
        self.closed = 0
        self._parser = StanzaParser(self.headers.append, self.stanzas.append, self._close, longest)
        self.hears(header)

    def hears(self, text: str | bytes) -> None:
        self._parser.feed(text.encode() if isinstance(text, str) else text)

    def _close(self) -> None:
        self.closed += 1


def refused(text: str | bytes, header: str = HEADER) -> XmlRefused:
    stream = Stream("")
    octets = text.encode() if isinstance(text, str) else text
    with pytest.raises(XmlRefused) as caught:
        stream.hears(header.encode() + octets)
    return caught.value


def test_a_stream() -> None:
    stream = Stream()
    (header,) = stream.headers
    assert header.tag == "{http://etherx.jabber.org/streams}stream"
    assert header.get("id") == "s1"
    stream.hears("\n <presence from='a@b/c' to='d@e' xml:lang='en'><show>a&amp;w")
    assert stream.stanzas == []
    stream.hears("ay</show><c xmlns='caps' ext='x'/></presence> <message><![CDATA[<b>]]></message>")
    presence, message = stream.stanzas
    assert presence.tag == "{jabber:component:accept}presence"
    assert presence.findtext("{jabber:component:accept}show") == "a&way"
    assert presence.get("{http://www.w3.org/XML/1998/namespace}lang") == "en"
    assert [child.tag for child in presence] == ["{jabber:component:accept}show", "{caps}c"]
    assert message.text == "<b>"
    stream.hears("</stream:stream>")
    assert stream.closed == 1


def test_elements_without_a_namespace() -> None:
    stream = Stream("<stream>")
    stream.hears("<iq id='1'><query/></iq>")
    assert stream.stanzas[0].tag == "iq"


@given(st.integers(1, 7), st.lists(st.sampled_from(["a", "ü", "&lt;", "<x>y</x>", "<z w='1'/>", "\n"])))
def test_it_does_not_matter_where_packets_end(size: int, parts: list[str]) -> None:
    text = f"<iq id='1'>{''.join(parts)}</iq>".encode()
    stream = Stream()
    for start in range(0, len(text), size):
        stream.hears(text[start : start + size])
    (stanza,) = stream.stanzas
    whole = ElementTree.fromstring(b"<s xmlns='jabber:component:accept'>" + text + b"</s>")[0]
    assert ElementTree.canonicalize(ElementTree.tostring(stanza)) == ElementTree.canonicalize(
        ElementTree.tostring(whole)
    )


def test_a_tag_in_two_pieces_is_not_put_off_until_the_next_stanza() -> None:
    """expat since 2.6 does that where it cannot be told not to."""
    stream = Stream()
    for piece in (
        "<presence from='a@b/c'></presence",
        ">",
        "<iq id='",
        "1'/",
        ">",
        "<message><body>x",
        "</body></mess",
    ):
        stream.hears(piece)
    assert [stanza.tag.rpartition("}")[2] for stanza in stream.stanzas] == ["presence", "iq"]
    stream.hears("age>")
    assert len(stream.stanzas) == 3


# --- forbidden ------------------------------------------------------------------------------------------

LAUGHS = "<!DOCTYPE s [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]>"


@pytest.mark.parametrize(
    ("text", "header", "words"),
    [
        ("", f"<?xml version='1.0'?>{LAUGHS}<s>", "a DTD"),
        ("", "<!DOCTYPE s SYSTEM 'http://127.0.0.1/x.dtd'><s>", "a DTD"),
        ("<iq>&b;</iq>", HEADER, "an entity"),
        ("<iq a='&b;'/>", HEADER, "an entity"),
        ("<iq><!-- no --></iq>", HEADER, "a comment"),
        ("<!-- no -->", HEADER, "a comment"),
        ("<?php echo ?>", HEADER, "a processing instruction"),
        ("<iq><?xml-stylesheet href='x'?></iq>", HEADER, "a processing instruction"),
    ],
)
def test_forbidden(text: str, header: str, words: str) -> None:
    error = refused(text, header)
    assert error.condition == "restricted-xml"
    assert words in str(error)


@pytest.mark.parametrize(
    "text",
    ["<iq></message>", "<iq a='1' a='2'/>", "<x:iq/>", "<iq>\x01</iq>", b"<iq>\xff</iq>", "<iq>&#0;</iq>"],
)
def test_not_xml(text: str | bytes) -> None:
    error = refused(text)
    assert error.condition == "not-well-formed"
    assert str(error) == "the XMPP server sent something that is not XML"


def test_what_came_before_is_not_lost() -> None:
    stream = Stream()
    with pytest.raises(XmlRefused):
        stream.hears("<iq id='1'/><!-- -->")
    assert len(stream.stanzas) == 1


@given(st.binary(max_size=60))
def test_anything(data: bytes) -> None:
    stream = Stream()
    try:
        stream.hears(data)
    except XmlRefused:
        return


# --- limits ---------------------------------------------------------------------------------------------


def nested(depth: int) -> str:
    """A question of so many levels."""
    return (
        "<iq from='a@b/c' to='d@e' id='1' type='get' x='y'>"
        + "<q>" * (depth - 1)
        + "</q>" * (depth - 1)
        + "</iq>"
    )


def attributes(count: int) -> str:
    return " ".join(f"a{number}='x'" for number in range(count))


@pytest.mark.parametrize(
    ("fits", "too_much"),
    [
        (nested(MAX_DEPTH), nested(MAX_DEPTH + 1)),
        (
            f"<iq from='a@b/c' to='d@e' id='1' type='get'><q {attributes(MAX_ATTRIBUTES)}/></iq>",
            f"<iq from='a@b/c' to='d@e' id='1' type='get'><q {attributes(MAX_ATTRIBUTES + 1)}/><r/>x</iq>",
        ),
        (
            f"<iq from='a@b/c' to='d@e' id='1' type='get' {attributes(MAX_ATTRIBUTES - 4)}><q/></iq>",
            f"<iq from='a@b/c' to='d@e' id='1' type='get' {attributes(MAX_ATTRIBUTES - 3)}><q/></iq>",
        ),
        (
            f"<iq from='a@b/c' to='d@e' id='1' type='get'><q>{'x' * (MAX_OCTETS - 1000)}</q></iq>",
            f"<iq from='a@b/c' to='d@e' id='1' type='get'><q>{'x' * MAX_OCTETS}</q></iq>",
        ),
        (
            f"<iq from='a@b/c' to='d@e' id='1' type='get'><q>{'x' * (MAX_OCTETS - 1000)}</q><q/></iq>",
            f"<iq from='a@b/c' to='d@e' id='1' type='get'><q>{'x' * MAX_OCTETS}</q><q/></iq>",
        ),
    ],
    ids=["depth", "attributes", "attributes of the stanza", "size", "size before another element"],
)
def test_what_is_beyond_a_limit_is_emptied(fits: str, too_much: str) -> None:
    stream = Stream()
    stream.hears(fits)
    stream.hears(too_much)
    stream.hears("<iq id='next'>1</iq>")
    whole, emptied, following = stream.stanzas
    assert len(whole) >= 1
    assert (emptied.tag, len(emptied), emptied.text) == (whole.tag, 0, None)
    assert emptied.attrib == {"from": "a@b/c", "to": "d@e", "id": "1", "type": "get"}
    assert following.text == "1"


def test_how_long_may_be_another() -> None:
    stream = Stream(longest=1000)
    stream.hears(f"<iq id='1'><q>{'x' * 900}</q></iq><iq id='2'><q>{'x' * 1000}</q></iq>")
    assert [len(stanza) for stanza in stream.stanzas] == [1, 0]


@pytest.mark.parametrize(
    ("before", "too_much"),
    [("<q>" + "x" * 600, "x" * 600), ("<q a='" + "x" * 600, "x" * 600), ("<q>" * 99, "x</q>" * 99)],
)
def test_what_is_far_too_long(before: str, too_much: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stanza_parser, "HARD_MAX_OCTETS", 780)
    stream = Stream()
    for _ in range(50):
        stream.hears("<iq>short</iq> \n" + " " * 700)
    stream.hears("<iq>" + before)
    with pytest.raises(XmlRefused) as caught:
        stream.hears(too_much)
    assert caught.value.condition == "policy-violation"
    assert "limit the size of stanzas" in str(caught.value)


def test_many_names_are_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stanza_parser, "_MAX_NAMES", 10)
    stream = Stream()
    for number in range(100):
        stream.hears(f"<iq><q{number}/></iq>")
    assert [stanza[0].tag for stanza in stream.stanzas[-1:]] == ["{jabber:component:accept}q99"]
