"""The XML of a stream, cut into stanzas, and nothing that XMPP does not allow.

DTDs, entities, comments and processing instructions are forbidden (RFC 6120 11.1), and no server passes
them on: with the first one the stream is over. Too deep, too long or too many attributes is another matter.
Those anybody can send us through a server that does not mind, and must not cost all others the stream: such
a stanza loses everything that is in it, and is then a question without a payload or a presence that says
nothing. Only what is longer than any server should let through ends the stream.
"""

from collections.abc import Callable
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from ichat_gw.errors import GatewayError

MAX_DEPTH = 32
"""Levels of elements in a stanza, itself included; iChat's have four."""

MAX_ATTRIBUTES = 64
"""Attributes of one element."""

MAX_OCTETS = 256 * 1024
"""The longest stanza whose content is read, unless told otherwise: what Prosody takes from a client."""

HARD_MAX_OCTETS = 10 * 2**20
"""The longest that is passed over; what Prosody takes from another server is 20 times shorter."""

_MAX_NAMES = 10_000
"""Names that are remembered: every ordinary stanza has the same few dozen."""

_ADDRESSING = ("from", "to", "id", "type")


class XmlRefused(GatewayError):
    """The stream cannot be read on. `condition` is the stream error (RFC 6120 4.9.3) that says so."""

    def __init__(self, condition: str, text: str) -> None:
        super().__init__(text)
        self.condition = condition


class StanzaParser:
    """Takes octets; calls `on_open` with the stream's header, `on_stanza` with each stanza, `on_close`.

    All of that from inside `feed`, in order. `longest`: octets of a stanza whose content is read.
    """

    def __init__(
        self,
        on_open: Callable[[Element], None],
        on_stanza: Callable[[Element], None],
        on_close: Callable[[], None],
        longest: int = MAX_OCTETS,
    ) -> None:
        self._longest = longest
        self._on_open = on_open
        self._on_stanza = on_stanza
        self._on_close = on_close
        self._depth = 0
        self._fed = 0
        self._begin = 0
        """Where the present stanza begins, in octets of the stream."""
        self._builder: TreeBuilder | None = None
        """None between stanzas, and in one of which nothing is kept."""
        self._emptied: Element | None = None
        """The stanza of which nothing is kept."""
        self._top = ("", {"": ""})
        self._names: dict[str, str] = {}
        self._held: list[bytes] = []
        """What came behind the last `>`."""
        # In UTF-8 whatever a declaration says (RFC 6120 11.6).
        expat_parser = expat.ParserCreate("utf-8", "}")
        expat_parser.buffer_text = True
        expat_parser.StartElementHandler = self._start
        expat_parser.EndElementHandler = self._end
        expat_parser.CharacterDataHandler = self._text
        expat_parser.StartDoctypeDeclHandler = self._refuse("a DTD")
        expat_parser.CommentHandler = self._refuse("a comment")
        expat_parser.ProcessingInstructionHandler = self._refuse("a processing instruction")
        self._expat = expat_parser

    def feed(self, data: bytes | str) -> None:
        """Read on. Raises `XmlRefused`, after which there is nothing more to be read."""
        octets = data.encode() if isinstance(data, str) else data
        self._fed += len(octets)
        try:
            self._expat.Parse(self._complete(octets), False)
        except expat.ExpatError as error:
            # Other entities than the five of XML need a DTD.
            if error.code == expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]:
                raise XmlRefused("restricted-xml", "the XMPP server sent an entity") from None
            raise XmlRefused("not-well-formed", "the XMPP server sent something that is not XML") from None
        if self._fed - self._begin > HARD_MAX_OCTETS:
            raise XmlRefused(
                "policy-violation",
                f"the XMPP server sent a stanza of more than {HARD_MAX_OCTETS} octets; limit the size of "
                "stanzas in its configuration",
            )

    def _complete(self, octets: bytes) -> bytes:
        """What can be read now: up to the last `>`, the end of every tag.

        COMPAT expat: since 2.6 (and in Debian's 2.5) it puts off reading a tag that came in two pieces until
        it has twice as much, that is, until the next stanza. Not every Python can tell it not to (Debian
        12's cannot), so it never sees half a tag. What does not even begin as XML is not held back: it is
        to be refused at once.
        """
        if self._depth == 0 and not b"".join((*self._held, octets)).lstrip().startswith(b"<"):
            end = len(octets)
        else:
            end = octets.rfind(b">") + 1
        if end == 0:
            self._held.append(octets)
            return b""
        complete = b"".join((*self._held, octets[:end]))
        self._held = [octets[end:]]
        return complete

    # --- what expat finds -------------------------------------------------------------------------------

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth = depth = self._depth + 1
        tag = self._names.get(name) or self._name(name)
        if any("}" in key for key in attributes):
            attributes = {self._name(key): value for key, value in attributes.items()}
        if depth == 1:
            self._on_open(Element(tag, attributes))
            self._begin = self._expat.CurrentByteIndex
            return
        if depth == 2:
            self._begin = self._expat.CurrentByteIndex
            self._top = (tag, attributes)
            self._builder = TreeBuilder()
        if self._builder is not None:
            if self._beyond_limits(attributes):
                self._empty()
            else:
                self._builder.start(tag, attributes)

    def _end(self, name: str) -> None:
        self._depth = depth = self._depth - 1
        if self._builder is not None:
            self._builder.end(self._names.get(name) or self._name(name))
        if depth == 1:
            if self._builder is not None and self._expat.CurrentByteIndex - self._begin > self._longest:
                self._empty()
            stanza = self._emptied if self._builder is None else self._builder.close()
            self._builder = self._emptied = None
            self._begin = self._expat.CurrentByteIndex
            assert stanza is not None
            self._on_stanza(stanza)
        elif depth == 0:
            self._on_close()

    def _text(self, text: str) -> None:
        if self._builder is not None:
            self._builder.data(text)
        elif self._depth <= 1:
            # White space that keeps the connection alive belongs to no stanza.
            self._begin = self._expat.CurrentByteIndex

    @staticmethod
    def _refuse(what: str) -> Callable[..., None]:
        def refuse(*_: object) -> None:
            raise XmlRefused("restricted-xml", f"the XMPP server sent {what}, which XMPP forbids")

        return refuse

    # --- inside -----------------------------------------------------------------------------------------

    def _beyond_limits(self, attributes: dict[str, str]) -> bool:
        return (
            self._depth - 1 > MAX_DEPTH
            or len(attributes) > MAX_ATTRIBUTES
            or self._expat.CurrentByteIndex - self._begin > self._longest
        )

    def _empty(self) -> None:
        """Keep nothing of this stanza but who sent it to whom, so that a question can be answered."""
        tag, attributes = self._top
        self._emptied = Element(tag, {key: attributes[key] for key in _ADDRESSING if key in attributes})
        self._builder = None

    def _name(self, name: str) -> str:
        """The name as ElementTree writes it: `{namespace}local`."""
        if len(self._names) >= _MAX_NAMES:
            self._names.clear()
        written = f"{{{name}" if "}" in name else name
        self._names[name] = written
        return written
