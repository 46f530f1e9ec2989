"""The offers and answers of one call: what each party has said, and what we say to it.

Every media engine has one `Exchange` for each call. It knows nothing of how packets travel: an engine gives
it the ports of ours (`Party.local`) as they become known, and it says which parties to point it at anew.

A request is met in three steps, between which an engine may wait for ports:

    asked = exchange.read(request)         what it says; may be refused
    side = exchange.wants_ports(asked)     whose ports are needed for the description that is asked for
    met = exchange.meet(asked)             that description, and whom to point the engine at
"""

from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from random import Random
from typing import Generic, TypeAlias, TypeVar

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.media import (
    MediaAnswer,
    MediaCandidate,
    MediaOffer,
    MediaPassedOn,
    MediaRefused,
    MediaReoffer,
    MediaReplace,
    MediaUpdate,
    Side,
)
from ichat_gw.errors import GatewayError
from ichat_gw.media.codec import OFFERED
from ichat_gw.media.negotiation import (
    Address,
    Audio,
    Direction,
    Format,
    LocalSession,
    NotAcceptable,
    accepted,
    common,
    for_ichat,
    offerable,
    read_audio,
    same_family,
)
from ichat_gw.media.sdp import InvalidSdp, SessionDescription

Request: TypeAlias = MediaOffer | MediaAnswer | MediaReoffer | MediaUpdate | MediaCandidate | MediaReplace
"""All that has to be met; a release always works."""


class CannotMeet(GatewayError):
    """A request that is refused, and why."""

    def __init__(self, cause: Cause, text: str) -> None:
        super().__init__(text)
        self.ending = Ending(cause, text=text)


def refusal(request: Request | MediaPassedOn, error: GatewayError) -> MediaRefused:
    """What the bridge is told when `request` ran into `error`."""
    if isinstance(error, CannotMeet):
        ending = error.ending
    elif isinstance(error, InvalidSdp):
        ending = Ending(Cause.MALFORMED, text=str(error))
    else:
        warning = error.warning if isinstance(error, NotAcceptable) else None
        ending = Ending(Cause.NOT_ACCEPTABLE, text=str(error), warning=warning)
    return MediaRefused(request.request, ending)


@dataclass(slots=True)
class Party:
    """One end of a call's media, as its descriptions have it."""

    towards: str = ""
    """The host it signals from, as far as we know."""
    local: LocalSession | None = None
    """Our side of its session; None until its ports are wanted."""
    candidate: LocalSession | None = None
    """Our side of the session with who may take its place; on the same ports."""
    opened: bool = False
    """The ports in `local` are there."""
    described: SessionDescription | None = None
    audio: Audio | None = None

    def as_told(self) -> Audio | None:
        """What the party said of itself, with those codecs only that its session with us has.

        It is not asked again when its partner is replaced, so it will send nothing else.
        """
        if self.audio is None or self.local is None:
            return self.audio
        told = {format.codec for format in self.local.formats}
        formats = tuple(format for format in self.audio.formats if format.codec in told)
        return replace(self.audio, formats=formats or self.audio.formats)


P = TypeVar("P", bound=Party)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is being met, with its description read."""

    request: Request
    described: SessionDescription | None
    audio: Audio | None

    @property
    def towards(self) -> str:
        """The host that our description goes to; "" when the request does not name it."""
        return "" if isinstance(self.request, MediaUpdate) else self.request.towards


@dataclass(frozen=True, slots=True)
class Met:
    """A request is met: the description to reply with, and who said where he is, in that order."""

    sdp: str
    moved: tuple[Side, ...] = ()


class Reach:
    """Which of our addresses lead where.

    `local_address(host)` gives the IP address of ours from which `host` (an address, a name, or "" when
    nothing is known) is reached; it may raise `GatewayError`.
    """

    def __init__(self, local_address: Callable[[str], str]) -> None:
        self._local_address = local_address

    def choose(self, towards: str, audio: Audio | None) -> str:
        """Our address for a party that signals from `towards` and, if it has said so, has this audio.

        Raises `CannotMeet` and `NotAcceptable`.
        """
        host = audio.rtp[0] if audio is not None and audio.rtp is not None else ""
        try:
            address = self._local_address(towards or host)
            if host and not same_family(address, host):
                # Signalling and media of a party need not be in one network.
                address = self._local_address(host)
        except GatewayError as error:
            raise CannotMeet(Cause.MEDIA_FAILED, str(error)) from error
        if host and not same_family(address, host):
            raise NotAcceptable(f"its address {host} cannot be reached from {address}", 301)
        return address


class Exchange(Generic[P]):
    """The two parties of a call and what they and we have said.

    Payload types in `filtered` (CodecIdFilterList) are taken out of offers. `reaches(address, towards)` says
    whether a host is within reach of our address; it may raise `CannotMeet`.
    """

    def __init__(
        self,
        parties: dict[Side, P],
        rng: Random,
        reaches: Callable[[str, str], bool],
        filtered: Container[int] = (),
    ) -> None:
        self.parties = parties
        self._rng = rng
        self._reaches = reaches
        self._filtered = filtered

    # --- reading ------------------------------------------------------------------------------------------

    def read(self, request: Request) -> Asked:
        """What is asked, with its description read. Raises `InvalidSdp`, `NotAcceptable`, `CannotMeet`."""
        described, audio = self._description(request)
        party = self.parties[request.side]
        match request:
            case MediaAnswer() | MediaUpdate():
                offer = party.local
            case MediaReplace(answers=True):
                offer = party.candidate
            case _:
                offer = None
        if audio is not None and offer is not None:
            # An answer counts as far as it keeps to the offer.
            audio = accepted(audio, offer.formats)
        asked = Asked(request, described, audio)
        self._check(asked)
        return asked

    def _description(self, request: Request) -> tuple[SessionDescription | None, Audio | None]:
        if isinstance(request, MediaCandidate) or request.sdp is None:
            return None, None
        described = SessionDescription.parse(request.sdp)
        is_offer = isinstance(request, MediaOffer | MediaReoffer) or (
            isinstance(request, MediaReplace) and not request.answers
        )
        return described, read_audio(described, self._filtered if is_offer else ())

    def _check(self, asked: Asked) -> None:
        """What must hold before anything is changed."""
        request = asked.request
        party = self.parties[request.side]
        needs_ports = isinstance(request, MediaAnswer | MediaUpdate | MediaCandidate | MediaReplace)
        if needs_ports and (party.local is None or not party.opened):
            raise CannotMeet(Cause.MEDIA_FAILED, f"the {request.side.value} was offered no media")
        if asked.audio is None:
            return
        partner = self.parties[request.side.other].audio
        if partner is not None and not isinstance(request, MediaAnswer | MediaUpdate):
            common(asked.audio.formats, partner.formats)
        if party.local is not None and not self._begins_elsewhere(asked):
            host = asked.audio.rtp[0] if asked.audio.rtp is not None else party.local.address
            if not same_family(host, party.local.address):
                raise NotAcceptable(f"its address {host} cannot be reached from {party.local.address}", 301)

    def _begins_elsewhere(self, asked: Asked) -> bool:
        """Whether a party that has not seen our offer (an iChat caller) is in the other IP family.

        Its ports were opened when nothing was known of it.
        """
        party = self.parties[asked.request.side]
        return (
            isinstance(asked.request, MediaReoffer)
            and party.audio is None
            and party.local is not None
            and asked.audio is not None
            and asked.audio.rtp is not None
            and not same_family(asked.audio.rtp[0], party.local.address)
        )

    def wants_ports(self, asked: Asked) -> Side | None:
        """The party that is to get our description and has no ports yet; None: there is no such party.

        Notes where that party signals from.
        """
        request = asked.request
        if isinstance(request, MediaUpdate | MediaCandidate | MediaReplace):
            return None
        side = request.side if isinstance(request, MediaReoffer) else request.side.other
        party = self.parties[side]
        party.towards = asked.towards or party.towards
        if self._begins_elsewhere(asked):
            party.opened = False
        return None if party.opened else side

    def audio_of(self, side: Side, asked: Asked) -> Audio | None:
        """The audio that `side` has by what is asked, or else by what it said before."""
        return asked.audio if side is asked.request.side else self.parties[side].audio

    def give_ports(self, side: Side, address: str, port: int) -> None:
        """The ports of `side` are, or are to be, these of ours: a new session begins on them."""
        self.parties[side].local = LocalSession(self._rng.getrandbits(31), address, port)

    # --- meeting a request --------------------------------------------------------------------------------

    def meet(self, asked: Asked) -> Met:
        """Everything is there: negotiate. Raises `NotAcceptable` and `CannotMeet`."""
        side = asked.request.side
        match asked.request:
            case MediaOffer():
                return Met(self._offer(side, asked, asked.request.to_ichat))
            case MediaAnswer():
                return self._answer(side, asked)
            case MediaReoffer():
                return self._reoffer(side, asked)
            case MediaUpdate():
                self._take(side, asked)
                return Met("", (side,))
            case MediaCandidate():
                return Met(self._offer_place(side, asked.request.towards))
        return self._replace(side, asked, asked.request)

    def _offer(self, side: Side, asked: Asked, to_ichat: bool) -> str:
        self._take(side, asked)
        if asked.audio is None:
            return self._make_offer(side.other, None, Direction.SENDRECV)
        formats = for_ichat(asked.audio.formats) if to_ichat else asked.audio.formats
        return self._make_offer(side.other, replace(asked.audio, formats=formats), asked.audio.direction)

    def _answer(self, side: Side, asked: Asked) -> Met:
        self._take(side, asked)
        answered = self.parties[side].audio
        other = self.parties[side.other]
        assert answered is not None
        if other.described is None or other.audio is None:
            return Met(self._make_offer(side.other, answered, answered.direction), (side,))
        direction = answered.direction.within(other.audio.direction.mirrored)
        return Met(self._make_answer(side.other, direction), (side, side.other))

    def _reoffer(self, side: Side, asked: Asked) -> Met:
        if asked.audio is None:
            return Met(self._make_offer(side, self.parties[side.other].audio, Direction.SENDRECV))
        party = self.parties[side]
        if party.audio is None and party.local is not None:
            # It offers although it never answered our offer: it has not seen that (an iChat caller).
            party.local = LocalSession(party.local.id, party.local.address, party.local.port)
        self._take(side, asked)
        return Met(self._make_answer(side, asked.audio.direction.mirrored), (side,))

    def _offer_place(self, side: Side, towards: str) -> str:
        """Offer somebody new the place of `side`: a session of its own, on the ports that are there."""
        party = self.parties[side]
        party.candidate = self._new_session(party, towards)
        partner = self.parties[side.other].as_told()
        formats = offerable(partner.formats) if partner is not None else self._own_formats()
        passing = partner.passing if partner is not None else ()
        party.candidate = party.candidate.offer(formats, Direction.SENDRECV, passing)
        return str(party.candidate)

    def _replace(self, side: Side, asked: Asked, request: MediaReplace) -> Met:
        party = self.parties[side]
        offered = party.candidate
        if request.answers and offered is None:
            raise CannotMeet(Cause.MEDIA_FAILED, "nobody was offered the place")
        partner = self.parties[side.other].as_told()
        if partner is None and asked.audio is not None and not request.answers:
            # Nobody knows yet what the partner has (an iChat caller): no more than was offered in this place.
            ours = common(asked.audio.formats, self._own_formats())
            asked = replace(asked, audio=replace(asked.audio, formats=ours))
        local = offered if request.answers else self._new_session(party, request.towards)
        party.local, party.candidate, party.towards = local, None, request.towards
        self._take(side, asked)
        if asked.audio is None:
            return Met(self._make_offer(side, partner, Direction.SENDRECV))
        if request.answers:
            return Met("", (side,))
        return Met(self._make_answer(side, asked.audio.direction.mirrored, partner), (side,))

    def _new_session(self, party: Party, towards: str) -> LocalSession:
        """Our side of a session with somebody new, who has to be within reach of the address in use."""
        assert party.local is not None
        if not self._reaches(party.local.address, towards):
            raise NotAcceptable(f"{towards} cannot be reached from {party.local.address}")
        return LocalSession(self._rng.getrandbits(31), party.local.address, party.local.port)

    def _take(self, side: Side, asked: Asked) -> None:
        """Take over what `side` says about itself."""
        party = self.parties[side]
        party.described, party.audio = asked.described, asked.audio

    def _make_offer(self, side: Side, partner: Audio | None, direction: Direction) -> str:
        """Offer `side` what its partner can, or what we can if that is not known."""
        party = self.parties[side]
        assert party.local is not None
        # What a number means must not change within a session (RFC 3264 8.3.2).
        formats = party.local.formats
        if not formats:
            formats = offerable(partner.formats) if partner is not None else self._own_formats()
        party.local = party.local.offer(formats, direction, partner.passing if partner is not None else ())
        return str(party.local)

    def _own_formats(self) -> tuple[Format, ...]:
        """What can be offered when nobody has said what can be used: codecs with fixed numbers."""
        formats = tuple(
            Format(codec, codec.static)
            for codec in OFFERED
            if codec.static is not None and codec.static not in self._filtered
        )
        if not formats:
            raise NotAcceptable("CodecIdFilterList leaves no codec to offer")
        return formats

    def _make_answer(self, side: Side, direction: Direction, partner: Audio | None = None) -> str:
        """Answer what `side` has offered with those of its formats that its partner can use, too."""
        party = self.parties[side]
        partner = partner or self.parties[side.other].audio
        assert party.local is not None
        assert party.described is not None
        assert party.audio is not None
        formats = party.audio.formats if partner is None else common(party.audio.formats, partner.formats)
        passing = () if partner is None else partner.passing
        party.local = party.local.answer(party.described, party.audio, formats, direction, passing)
        return str(party.local)


class Circles(Generic[P]):
    """Which party of which call has an address of ours, so that no media is sent round in a circle."""

    def __init__(self) -> None:
        self._at: dict[Address, tuple[Exchange[P], Side]] = {}

    def __len__(self) -> int:
        return len(self._at)

    def add(self, local: Address, exchange: Exchange[P], side: Side) -> None:
        """The RTP port `local` of ours is for `side`."""
        self._at[local] = exchange, side

    def remove(self, local: Address) -> None:
        """It is not any more."""
        self._at.pop(local, None)

    def check(self, exchange: Exchange[P], asked: Asked) -> None:
        """Raise `NotAcceptable` if what goes to the party would come back to where it was received.

        A call may be routed through this gateway twice (from one iChat to another by way of a PBX), so
        addresses of our own are in order as long as they lead out again.
        """
        if asked.audio is None or asked.audio.rtp is None:
            return
        side = asked.request.side
        host, port = remote = asked.audio.rtp
        seen = {(id(exchange), side.other)}
        while (local := self._at.get((remote[0], remote[1] & ~1))) is not None:
            there, arrives = local
            if (id(there), arrives) in seen:
                raise NotAcceptable(f"its address {host}:{port} would send media round in a circle")
            seen.add((id(there), arrives))
            onward = there.parties[arrives.other].audio
            if onward is None or onward.rtp is None:
                return
            remote = onward.rtp
