"""The descriptions that rtpengine is given, and what is read from those that it gives back.

They are of our own making and say only what moves packets: where a party is, which way it talks, and with
what numbers it names the codecs that its partner has, too. So rtpengine has nothing to transcode; where the
two parties number one codec that it knows differently, it renumbers.
"""

from ichat_gw.media.codec import PCMU
from ichat_gw.media.negotiation import Address, Audio, Format
from ichat_gw.media.sdp import InvalidSdp, SessionDescription, address_type, numeric

_ANY = {"IP4": "0.0.0.0", "IP6": "::"}
_DISCARD = 9
"""The port of a party that is nowhere yet."""


def nowhere(family: str) -> str:
    """A party that has not said where it is: nothing is taken from it, and nothing sent to it."""
    return _described(_ANY[family], _DISCARD, (Format(PCMU, 0),), ("a=inactive",))


def description(audio: Audio, partner: Audio | None) -> str:
    """A party whose audio is `audio`, which names an address."""
    assert audio.rtp is not None
    theirs = {format.codec for format in partner.formats} if partner is not None else set()
    formats = tuple(format for format in audio.formats if format.codec in theirs) or audio.formats
    attributes = [f"a={audio.direction.value}"]
    if audio.rtcp is not None:
        host, port = audio.rtcp
        attributes.append(f"a=rtcp:{port} IN {address_type(host)} {host}")
        if audio.rtcp == audio.rtp:
            # COMPAT iChat: it has one port for both and says so with a=rtcp only (RFC 5761 wants more).
            attributes.append("a=rtcp-mux")
    return _described(*audio.rtp, formats, tuple(attributes))


def _described(host: str, port: int, formats: tuple[Format, ...], attributes: tuple[str, ...]) -> str:
    at = f"IN {address_type(host)} {host}"
    numbers = " ".join(str(format.number) for format in formats)
    lines = [
        *("v=0", f"o=- 1 1 {at}", "s=-", f"c={at}", "t=0 0", f"m=audio {port} RTP/AVP {numbers}"),
        *(f"a=rtpmap:{format.number} {format.codec.rtpmap}" for format in formats),
        *attributes,
    ]
    return "".join(f"{line}\r\n" for line in lines)


def address_in(text: str) -> Address:
    """The address and RTP port of rtpengine's in a description that it gave back. Raises `InvalidSdp`."""
    description = SessionDescription.parse(text)
    section = next((each for each in description.sections if each.kind == "audio"), None)
    if section is None or not section.port:
        raise InvalidSdp("it has no audio port")
    connection = section.connection or description.connection
    ip = None if connection is None else numeric(connection.address)
    if ip is None or ip.is_unspecified:
        raise InvalidSdp("it has no address")
    return str(ip), section.port
