"""Audio codecs by name: what an `a=rtpmap` line says, and the numbers that RFC 3551 fixes.

The relay does not transcode, so it need not know a codec to carry it: packets of any codec that both
parties have pass through. The table gives the fixed numbers and the usual spelling of the names, which are
compared without regard to case (RFC 4855 3). Not carried are formats whose packets or parameters contain
payload type numbers, because these may have to be changed on the way.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Codec:
    """An RTP payload format: what an `a=rtpmap` line says, and its payload type number if it is fixed."""

    name: str
    clock_rate: int
    channels: int = 1
    static: int | None = None
    """The number that RFC 3551 assigns; None for formats that have only numbers given by the offerer."""

    @property
    def rtpmap(self) -> str:
        """The encoding as it stands in `a=rtpmap`, such as `PCMU/8000`."""
        return f"{self.name}/{self.clock_rate}" + (f"/{self.channels}" if self.channels > 1 else "")

    @property
    def carries_speech(self) -> bool:
        """Whether people can talk with it; tones, DTMF and comfort noise only accompany."""
        return self.name not in _ACCOMPANYING


PCMU = Codec("PCMU", 8_000, static=0)

OFFERED: tuple[Codec, ...] = (PCMU,)
"""What is offered when nobody has said yet what can be used: the one codec that every iChat has.

Not telephone-event: iChat does not know it, and a phone that may send DTMF that way would not send tones
that can be heard.
"""

KNOWN_TO_ICHAT = frozenset({"PCMU", "GSM", "QCELP", "X-AAC_LD", "X-AAC_ELD"})
"""The codecs that iChat clients of all ages name."""

FIXED = (
    PCMU,
    Codec("GSM", 8_000, static=3),
    Codec("G723", 8_000, static=4),
    Codec("LPC", 8_000, static=7),
    Codec("PCMA", 8_000, static=8),
    # Samples are taken 16,000 times a second, but RFC 3551 4.5.2 keeps an old mistake.
    Codec("G722", 8_000, static=9),
    Codec("L16", 44_100, 2, static=10),
    Codec("L16", 44_100, static=11),
    Codec("QCELP", 8_000, static=12),
    Codec("CN", 8_000, static=13),
    Codec("G728", 8_000, static=15),
    Codec("G729", 8_000, static=18),
)
"""Those that RFC 3551 gives a number."""
_USUAL_NAMES = ("opus", "telephone-event", "tone", "iLBC", "speex", "mpeg4-generic")
_SPELLING = {name.lower(): name for name in (*_USUAL_NAMES, *(codec.name for codec in FIXED))}
_BY_ENCODING = {(codec.name, codec.clock_rate, codec.channels): codec for codec in FIXED}
_BY_NUMBER = {codec.static: codec for codec in FIXED}
_ACCOMPANYING = frozenset({"telephone-event", "tone", "CN"})
_NOT_CARRIED = frozenset({"RED", "RTX", "ULPFEC", "PARITYFEC", "FLEXFEC"})
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,64}", re.ASCII)


def codec_of(number: int, rtpmap: str | None) -> Codec | None:
    """The codec that payload type `number` means, or None when it cannot be carried.

    `rtpmap` is what `a=rtpmap:number` says; without it only the numbers that RFC 3551 fixes mean anything.
    """
    if rtpmap is None:
        return _BY_NUMBER.get(number)
    name, _, rest = rtpmap.partition("/")
    clock_rate, _, channels = rest.partition("/")
    name = name.strip()
    if not _NAME.fullmatch(name) or not _is_number(clock_rate) or not _is_number(channels or "1"):
        return None
    name = _SPELLING.get(name.lower(), name.upper())
    rate, count = int(clock_rate), int(channels or "1")
    if name in _NOT_CARRIED or not 1_000 <= rate <= 384_000 or not 1 <= count <= 64:
        return None
    return _BY_ENCODING.get((name, rate, count)) or Codec(name, rate, count)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 6
