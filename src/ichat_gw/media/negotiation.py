"""Offer/answer (RFC 3264) for one audio stream: what a party says, and what we say to it.

Two halves that do not know each other. `read_audio` takes from a party's description the one audio
stream that can be used (`Audio`). `LocalSession` is our side of the session with one party: it makes
offers and answers for it and keeps what must hold from one to the next (session id, version, sections).
The engine puts the halves of two parties together.
"""

from collections.abc import Container
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

from ichat_gw.errors import GatewayError
from ichat_gw.media.codec import KNOWN_TO_ICHAT, Codec, codec_of
from ichat_gw.media.sdp import (
    Connection,
    InvalidSdp,
    Line,
    MediaSection,
    SessionDescription,
    address_type,
    numeric,
)

Address: TypeAlias = tuple[str, int]
"""An IP address in canonical form and a UDP port."""


class NotAcceptable(GatewayError):
    """The description is well-formed, but there is no stream in it that both sides can use (488).

    `warning` says what is wrong with it, as a warn-code of RFC 3261 section 20.43.
    """

    def __init__(self, text: str, warning: int = 399) -> None:
        super().__init__(text)
        self.warning = warning


class Direction(Enum):
    """Which way media flows, as seen by the party that says it (RFC 8866 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @classmethod
    def of(cls, sends: bool, receives: bool) -> "Direction":
        """The direction of a party that sends, receives, both or neither."""
        if sends:
            return cls.SENDRECV if receives else cls.SENDONLY
        return cls.RECVONLY if receives else cls.INACTIVE

    @property
    def sends(self) -> bool:
        """The party that says this sends media."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        """The party that says this wants to receive media."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @property
    def mirrored(self) -> "Direction":
        """What the other end says when it goes along with all of this (RFC 3264 6.1)."""
        return Direction.of(self.receives, self.sends)

    def within(self, limit: "Direction") -> "Direction":
        """As much of this as `limit` allows."""
        return Direction.of(self.sends and limit.sends, self.receives and limit.receives)


_DIRECTIONS = {direction.value: direction for direction in Direction}


@dataclass(frozen=True, slots=True)
class Format:
    """A codec and the payload type number that stands for it in one description."""

    codec: Codec
    number: int
    parameters: str = ""
    """What `a=fmtp` says about it."""


@dataclass(frozen=True, slots=True)
class Audio:
    """The audio stream of a party's description that can be used."""

    section: int
    """Which media section it is, from 0."""
    rtp: Address | None
    """Where the party receives RTP; None when it names no address (on hold by `c=0.0.0.0`)."""
    rtcp: Address | None
    """Where it receives RTCP: what `a=rtcp` says (RFC 3605), else the next port; None if there is none."""
    direction: Direction
    formats: tuple[Format, ...]
    """The codecs that can be used, in the party's order and with its numbers; one at least carries speech."""
    passing: tuple[Line, ...] = ()
    """Attributes that mean the party at the other end, such as `a=ptime`."""
    mux: bool = False
    """It can have RTP and RTCP on one port (`a=rtcp-mux`, RFC 5761)."""


_END_TO_END = frozenset({"ptime", "maxptime", "silenceSupp", "lang", "content"})
"""Attributes that pass through. All others are about the way from a party to us, or unknown: iChat's
parser is not to be tried with them."""


def read_audio(description: SessionDescription, filtered: Container[int] = ()) -> Audio:
    """The first usable audio stream of an offer or answer.

    Payload types in `filtered` (CodecIdFilterList) are taken for absent. Raises `NotAcceptable` when no
    section has plain RTP audio, a port, an address of ours to send to and a codec that we carry.
    """
    reason, warning = "it has no audio", 304
    for index, section in enumerate(description.sections):
        if section.kind.lower() != "audio":
            continue
        if section.port == 0:
            reason, warning = "its audio is switched off (port 0)", 304
        elif section.protocol.upper() != "RTP/AVP":
            reason, warning = f"audio over {section.protocol} is not supported, only RTP/AVP", 302
        elif not (formats := _formats(section, filtered)):
            reason = f"none of its audio codecs ({' '.join(section.formats) or 'none'}) can be used"
            warning = 305
        else:
            return _audio(description, index, formats)
    raise NotAcceptable(reason, warning)


def accepted(audio: Audio, offered: tuple[Format, ...]) -> Audio:
    """The stream of an answer, without codecs that were not in the offer. Raises `NotAcceptable`.

    COMPAT iChat: it names codecs in its answers that it was not offered.
    """
    codecs = {format.codec for format in offered}
    formats = tuple(format for format in audio.formats if format.codec in codecs)
    _speech(formats)
    return replace(audio, formats=formats)


def common(formats: tuple[Format, ...], partner: tuple[Format, ...]) -> tuple[Format, ...]:
    """Those of the offerer's `formats` that its partner has, too, with what the partner says of them.

    In the offerer's order, with its numbers. Raises `NotAcceptable` when nobody could talk with them.
    """
    theirs = {format.codec: format for format in partner}
    both = tuple(
        replace(format, parameters=theirs[format.codec].parameters)
        for format in formats
        if format.codec in theirs
    )
    _speech(both)
    return both


def _speech(formats: tuple[Format, ...]) -> None:
    if not any(format.codec.carries_speech for format in formats):
        raise NotAcceptable("the two parties have no audio codec in common", 305)


def _formats(section: MediaSection, filtered: Container[int]) -> tuple[Format, ...]:
    """The usable formats of a section; none when none of them carries speech."""
    encodings = _by_number(section, "rtpmap")
    parameters = _by_number(section, "fmtp")
    formats: dict[Codec, Format] = {}
    for text in section.formats:
        number = _payload_type(text)
        if number is None or number in filtered:
            continue
        codec = codec_of(number, encodings.get(number))
        if codec is None or codec.static in filtered or codec_of(number, None) not in (None, codec):
            continue
        formats.setdefault(codec, Format(codec, number, parameters.get(number, "")))
    return tuple(formats.values()) if any(codec.carries_speech for codec in formats) else ()


def _by_number(section: MediaSection, name: str) -> dict[int, str]:
    """What `a=rtpmap` or `a=fmtp` lines say of each payload type; the first one counts."""
    said: dict[int, str] = {}
    for value in section.attributes(name):
        number, _, rest = value.partition(" ")
        if (payload_type := _payload_type(number)) is not None:
            said.setdefault(payload_type, rest.strip())
    return said


def _payload_type(text: str) -> int | None:
    """The number; None when it is none, or one of those that RTCP takes on a shared port (RFC 5761 4)."""
    if text.isascii() and text.isdecimal() and len(text) <= 3 and int(text) <= 127:
        return None if 64 <= int(text) <= 95 else int(text)
    return None


def _audio(description: SessionDescription, index: int, formats: tuple[Format, ...]) -> Audio:
    section = description.sections[index]
    connection = section.connection or description.connection
    if connection is None:
        raise InvalidSdp("the audio has no c= line")
    direction = _direction(description, section)
    passing = tuple(
        line for line in section.lines if line.type == "a" and line.value.partition(":")[0] in _END_TO_END
    )
    mux = any(True for _ in section.attributes("rtcp-mux"))
    ip = connection.ip
    if ip is not None and ip.is_unspecified:
        # Hold as RFC 2543 had it: nothing is to be sent to that party, RTCP neither (RFC 3264 8.4).
        return Audio(index, None, None, direction.within(Direction.SENDONLY), formats, passing, mux)
    host = _host(connection)
    rtp = host, section.port
    return Audio(index, rtp, rtp if mux else _rtcp(section, host), direction, formats, passing, mux)


def _host(connection: Connection) -> str:
    """An address that media may be sent to. Names are not looked up, groups of hosts not flooded."""
    ip = connection.ip
    if ip is None:
        raise NotAcceptable(f"its address {connection.address!r} is a name; numbers are needed", 300)
    if ip.is_unspecified or ip.is_multicast or str(ip) == "255.255.255.255":
        raise NotAcceptable(f"its address {ip} does not name one host", 300)
    return str(ip)


def _rtcp(section: MediaSection, host: str) -> Address | None:
    """RFC 3605 2.1: `a=rtcp:port [IN IP4 address]`. One that cannot be read counts as absent."""
    for value in section.attributes("rtcp"):
        port, _, rest = value.partition(" ")
        if port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) <= 65_535:
            if not rest.strip():
                return host, int(port)
            try:
                return _host(Connection.parse(rest)), int(port)
            except (InvalidSdp, NotAcceptable):
                break
    return (host, section.port + 1) if section.port < 65_535 else None


def _direction(description: SessionDescription, section: MediaSection) -> Direction:
    """The section's direction, else the session's, else `sendrecv` (RFC 8866 6.7)."""
    for lines in (section.lines, description.lines):
        for line in lines:
            if line.type == "a" and line.value in _DIRECTIONS:
                return _DIRECTIONS[line.value]
    return Direction.SENDRECV


def both_talk(audio: Audio, partner: Audio | None) -> bool:
    """Whether both parties are described, and neither holds the other."""
    both = {audio.direction, partner.direction if partner is not None else None}
    return both == {Direction.SENDRECV}


@dataclass(frozen=True, slots=True)
class LocalSession:
    """Our side of the session with one party, as last described to it."""

    id: int
    """Random, 0..2^31-1: the session id of `o=`, and its version at first."""
    address: str
    """Our IP address, in `o=` and `c=`. Where media is direct: the other party's, in `c=`."""
    port: int
    """Our RTP port. Where media is direct: the other party's."""
    version: int = -1
    sections: tuple[MediaSection, ...] = ()
    audio: int = 0
    """Which of the sections is the audio, from 0."""
    formats: tuple[Format, ...] = ()
    mux: bool = False
    """RTP and RTCP share a port: the party has asked for it. We never do, lest old clients stumble."""
    origin: str = ""
    """The address in `o=`, which stays when that in `c=` changes (RFC 3264 8); "": they are the same."""
    rtcp: Address | None = None
    """Where RTCP goes if not to the next port (RFC 3605); only the ports of others are such."""
    said: Address | None = None
    """Where the last description sent media."""

    def offer(
        self, formats: tuple[Format, ...], direction: Direction, passing: tuple[Line, ...] = ()
    ) -> "LocalSession":
        """Offer `formats`. All sections ever agreed on keep their places, the others refused (RFC 3264 8)."""
        audio = self._audio_section(formats, direction, passing)
        if not self.sections:
            return self._said((audio,), 0, formats)
        sections = tuple(
            audio if index == self.audio else refused(section) for index, section in enumerate(self.sections)
        )
        return self._said(sections, self.audio, formats)

    def answer(
        self,
        offer: SessionDescription,
        audio: Audio,
        formats: tuple[Format, ...],
        direction: Direction,
        passing: tuple[Line, ...] = (),
    ) -> "LocalSession":
        """Accept `formats` of `audio`, refuse all other sections of `offer` in their places (RFC 3264 6)."""
        after = replace(self, mux=audio.mux)
        taken = after._audio_section(formats, direction, passing)
        sections = tuple(
            taken if index == audio.section else refused(section)
            for index, section in enumerate(offer.sections)
        )
        return after._said(sections, audio.section, formats)

    def _said(
        self, sections: tuple[MediaSection, ...], audio: int, formats: tuple[Format, ...]
    ) -> "LocalSession":
        """The version goes up by one if, and only if, something changes (RFC 3264 8)."""
        version = self.version
        if not self.sections:
            version = self.id
        elif sections != self.sections or (self.address, self.port) != self.said:
            version += 1
        said = self.address, self.port
        return replace(self, version=version, sections=sections, audio=audio, formats=formats, said=said)

    def _audio_section(
        self, formats: tuple[Format, ...], direction: Direction, passing: tuple[Line, ...]
    ) -> MediaSection:
        lines: list[Line] = []
        for format in formats:
            lines.append(Line("a", f"rtpmap:{format.number} {format.codec.rtpmap}"))
            if format.parameters:
                lines.append(Line("a", f"fmtp:{format.number} {format.parameters}"))
        lines += passing
        if self.rtcp is not None and self.rtcp != (self.address, self.port + 1):
            host, port = self.rtcp
            where = "" if host == self.address else f" IN {address_type(host)} {host}"
            lines.append(Line("a", f"rtcp:{port}{where}"))
        if self.mux:
            lines.append(Line("a", "rtcp-mux"))
        lines.append(Line("a", direction.value))
        numbers = tuple(str(format.number) for format in formats)
        return MediaSection("audio", self.port, "RTP/AVP", numbers, tuple(lines))

    @property
    def description(self) -> SessionDescription:
        """What we say to the party."""
        at = f"IN {address_type(self.address)} {self.address}"
        origin = self.origin or self.address
        return SessionDescription(
            (
                Line("v", "0"),
                Line("o", f"iChat-gw {self.id} {self.version} IN {address_type(origin)} {origin}"),
                Line("s", "-"),
                Line("c", at),
                Line("t", "0 0"),
            ),
            self.sections,
        )

    def __str__(self) -> str:
        return str(self.description)


def refused(section: MediaSection) -> MediaSection:
    """The section as it stands in an answer that refuses it: port 0, its formats, nothing else."""
    return MediaSection(section.kind, 0, section.protocol, section.formats)


def offerable(formats: tuple[Format, ...]) -> tuple[Format, ...]:
    """The same codecs with the numbers that RFC 3551 fixes for them, where it does.

    So a phone that calls PCMU by a number of its own still gets a partner that knows only number 0.
    """
    return tuple(
        format if format.codec.static is None else replace(format, number=format.codec.static)
        for format in formats
    )


def for_ichat(formats: tuple[Format, ...]) -> tuple[Format, ...]:
    """Those of a caller's formats that are offered to an iChat client: what iChat has, or else all.

    COMPAT iChat: it has only ever seen offers of codecs that it has; with most phones PCMU alone, as in the
    traces of the original.
    """
    known = tuple(format for format in formats if format.codec.name in KNOWN_TO_ICHAT)
    return known or formats


def same_family(host: str, other: str) -> bool:
    """Both are IPv4 addresses, or both IPv6."""
    one, two = numeric(host), numeric(other)
    return one is not None and two is not None and one.version == two.version
