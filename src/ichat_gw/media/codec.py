"""The audio codecs that the relay carries: one table.

The relay does not transcode: a codec stands here when both parties of a call may agree on it.
"""

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


PCMU = Codec("PCMU", 8_000, static=0)

CARRIED: tuple[Codec, ...] = (PCMU,)
"""What may be agreed on, best first: the original gateway's one codec, which every iChat has."""

_BY_ENCODING = {(codec.name.lower(), codec.clock_rate, codec.channels): codec for codec in CARRIED}
_BY_NUMBER = {codec.static: codec for codec in CARRIED if codec.static is not None}


def codec_of(number: int, rtpmap: str | None) -> Codec | None:
    """The codec that payload type `number` means, or None when it is not one that we carry.

    `rtpmap` is what `a=rtpmap:number` says; without it only the numbers that RFC 3551 fixes mean anything.
    """
    if rtpmap is None:
        return _BY_NUMBER.get(number)
    name, _, rest = rtpmap.partition("/")
    clock_rate, _, channels = rest.partition("/")
    if not _is_number(clock_rate) or not _is_number(channels or "1"):
        return None
    return _BY_ENCODING.get((name.strip().lower(), int(clock_rate), int(channels or "1")))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 9
