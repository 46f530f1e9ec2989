"""What comes over XMPP: the component's stream, and iChat's connect data."""

from xml.etree.ElementTree import tostring

from ichat_gw.jabber.ichat.blob import ConnectRecord, UnusableBlob, choose, decode, encode
from ichat_gw.jabber.stanza_parser import Element, StanzaParser, XmlRefused

STREAM_SEEDS = (
    b"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='1'>"
    b"<presence from='a@b/c' to='d@e'><show>dnd</show>"
    b"<c xmlns='http://jabber.org/protocol/caps' ver='x'/></presence>"
    b"<iq type='set' id='2' from='a@b/c' to='1@e'><query xmlns='apple:iq:vc:request'>"
    b"<connectData>ff</connectData></query></iq></stream:stream>",
    b"<?xml version='1.0'?><a xmlns='b'><c>&lt;&#65;<![CDATA[x]]></c><!DOCTYPE d></a>",
)
BLOB_SEEDS = (
    encode([]).encode() + b"\n" + b"00" * 40,
    b"62706c6973743030",
    b"\n" + b"00000001656e30" + b"00" * 13 + b"fe80" + b"00" * 14 + b"3f8a" + b"00",
)

_Said = list[tuple[str, bytes]]


def stanzas(data: bytes) -> None:
    """A stream: only the documented error, and the same stanzas however it is cut."""
    cut = data[0] % 61 + 1 if data else 1
    whole = _read([data])
    pieces = _read([data[start : start + cut] for start in range(0, len(data), cut)])
    # When something half read is refused, and how much of what came before it is told, may differ.
    if whole[1] is None and pieces[1] is None:
        assert pieces == whole, (pieces, whole)
    shorter, longer = sorted((pieces[0], whole[0]), key=len)
    assert longer[: len(shorter)] == shorter


def _read(pieces: list[bytes]) -> tuple[_Said, str | None]:
    said: _Said = []

    def opened(element: Element) -> None:
        said.append(("open", tostring(element)))

    def stanza(element: Element) -> None:
        said.append(("stanza", tostring(element)))

    parser = StanzaParser(opened, stanza, lambda: said.append(("close", b"")))
    try:
        for piece in pieces:
            parser.feed(piece)
    except XmlRefused as error:
        return said, error.condition
    return said, None


def blob(data: bytes) -> None:
    """Connect data: only the documented error, and addresses and ports come out as they went in."""
    try:
        records = decode(data.decode("latin-1"))
    except UnusableBlob:
        return
    again = decode(encode(records))
    assert [_place(record) for record in again] == [_place(record) for record in records]
    for prefer in (True, False):
        chosen = choose(records, prefer_ipv6=prefer, ipv6_available=True)
        assert chosen is None or chosen.usable


def _place(record: ConnectRecord) -> tuple[str, int]:
    return str(record.address), record.port
