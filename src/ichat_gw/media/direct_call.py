"""The descriptions of a call whose media is direct, or may become so: what each party said and was told.

Each party has a session with us, whose `c=` and port are the other party's. Nobody changes numbers on the
way, so only what has the same number at both ends counts.
"""

from dataclasses import dataclass, field, replace
from enum import Enum
from random import Random

from ichat_gw.call.media import MediaReoffer, MediaUpdate, Side
from ichat_gw.media.negotiation import (
    Audio,
    Direction,
    Format,
    LocalSession,
    NotAcceptable,
    accepted,
    common,
    read_audio,
)
from ichat_gw.media.sdp import InvalidSdp, SessionDescription


class Path(Enum):
    """Which way the media of a call goes."""

    UNDECIDED = "undecided"
    """Offered directly, not answered yet."""
    DIRECT = "direct"
    RELAYED = "relayed"
    """The engine behind has the call."""


@dataclass(slots=True)
class Party:
    """One end of a call, as its descriptions have it."""

    host: str = ""
    """Where it signals from, as far as known."""
    told: LocalSession | None = None
    """What it was told last: where its partner is, or a port of the engine behind."""
    described: SessionDescription | None = None
    audio: Audio | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """A change that waits for what the other party says to it."""

    request: MediaReoffer | MediaUpdate
    described: SessionDescription
    audio: Audio
    """What the party that asks says now."""
    offered: LocalSession
    """What the other party was offered because of it."""
    only_direction: bool
    """The other party can do without knowing."""


@dataclass(slots=True)
class DirectCall:
    """What is known of one call; `rng` gives session ids."""

    path: Path
    rng: Random
    parties: dict[Side, Party] = field(default_factory=lambda: {side: Party() for side in Side})
    may_move: bool = False
    """It began at the engine behind because the caller had not described itself yet."""
    telling: dict[int, Side] = field(default_factory=dict)
    """Whom the engine's reply to a request is for."""
    passed: Passed | None = None

    def take(self, side: Side, described: SessionDescription, audio: Audio) -> None:
        """A party says this of itself from now on."""
        party = self.parties[side]
        party.described, party.audio = described, audio

    def offer(self, side: Side, audio: Audio, formats: tuple[Format, ...]) -> LocalSession:
        """What `side` would be offered if its partner were described by `audio`; nothing changes yet."""
        pointed = self._pointed(self.parties[side].told, audio)
        return pointed.offer(formats, audio.direction, audio.passing)

    def answer(self, side: Side, direction: Direction) -> str:
        """Answer the offer of `side` with where its partner is; `direction` is what that one says."""
        party, partner = self.parties[side], self.parties[side.other]
        assert party.described is not None
        assert party.audio is not None
        assert partner.audio is not None
        offer = replace(party.audio, mux=party.audio.mux and partner.audio.mux)
        formats = common(plain(offer.formats), partner.audio.formats)
        direction = direction.within(offer.direction.mirrored)
        party.told = self._pointed(party.told, partner.audio).answer(
            party.described, offer, formats, direction, partner.audio.passing
        )
        return str(party.told)

    def _pointed(self, told: LocalSession | None, partner: Audio) -> LocalSession:
        """The session of a party, pointed at where its partner is."""
        assert partner.rtp is not None  # see `reachability`
        host, port = partner.rtp
        if told is None:
            told = LocalSession(self.rng.getrandbits(31), host, port)
        origin = told.origin or told.address
        return replace(told, origin=origin, address=host, port=port, rtcp=partner.rtcp, mux=partner.mux)


def agreed(sdp: str, offered: LocalSession) -> tuple[SessionDescription, Audio]:
    """An answer, as far as it keeps to the offer, its numbers included.

    Raises `InvalidSdp` and `NotAcceptable`.
    """
    described = SessionDescription.parse(sdp)
    audio = accepted(read_audio(described), offered.formats)
    numbers = {(format.codec, format.number) for format in offered.formats}
    formats = tuple(format for format in audio.formats if (format.codec, format.number) in numbers)
    return described, replace(audio, formats=common(formats, formats))


def plain(formats: tuple[Format, ...]) -> tuple[Format, ...]:
    """Those whose numbers mean the same to everybody: codecs that RFC 3551 numbers have that number."""
    return tuple(format for format in formats if format.codec.static in (None, format.number))


def session_of(sdp: str) -> LocalSession | None:
    """The session that a description of ours belongs to; None if it is not one that can be gone on with."""
    try:
        described = SessionDescription.parse(sdp)
        audio = read_audio(described)
    except (InvalidSdp, NotAcceptable):
        return None
    origin = next((line.value.split() for line in described.lines if line.type == "o"), [])
    if (
        audio.rtp is None
        or len(origin) != 6
        or not all(part.isascii() and part.isdecimal() and len(part) <= 20 for part in origin[1:3])
    ):
        return None
    return LocalSession(
        int(origin[1]),
        *audio.rtp,
        version=int(origin[2]),
        sections=described.sections,
        audio=audio.section,
        formats=audio.formats,
        mux=audio.mux,
        origin=origin[5],
        said=audio.rtp,
    )
