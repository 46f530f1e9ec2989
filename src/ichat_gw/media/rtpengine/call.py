"""One call at an rtpengine: where its parties are, what rtpengine has been told of that, and who talks."""

from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from ichat_gw.call.media import MediaOffer, Side
from ichat_gw.media.calls import EngineCall
from ichat_gw.media.engine import CallCounters
from ichat_gw.media.exchange import Asked, Party
from ichat_gw.media.negotiation import Address, Audio, Direction, both_talk
from ichat_gw.media.relay_messages import Learning
from ichat_gw.media.relay_session import learning_for
from ichat_gw.media.rtpengine import ng
from ichat_gw.media.rtpengine.descriptions import description, nowhere
from ichat_gw.media.rtpengine.report import heard
from ichat_gw.media.sdp import address_type


@dataclass(slots=True)
class NgParty(Party):
    """A party, and what rtpengine knows of it."""

    told: Audio | None = None
    """With its address; None: it is nowhere."""
    audible: int = 0
    """How many packets of RTP had come from it at the last look."""
    count: int = 0
    """The same with RTCP."""
    heard: float | None = None
    """When that number was first seen; None: nothing has come."""


@dataclass(slots=True, eq=False)
class NgCall(EngineCall[NgParty]):
    """The media of one call."""

    id: str
    """Its name at rtpengine."""
    node: int
    wanted: Side | None = None
    """Who gets ports by what is asked."""
    families: dict[Side, str] = field(default_factory=dict)
    """Whether each party is given an IPv4 or an IPv6 address (`IP4`, `IP6`)."""
    telling: dict[Side, Audio | None] | None = None
    """What rtpengine is being told of the parties; None: nothing is under way."""
    given: dict[Side, Address] = field(default_factory=dict)
    """The ports that rtpengine has named."""
    passed_over: set[int] = field(default_factory=set)
    """Those that did not answer, or had no room."""
    filled: set[Side] = field(default_factory=set)
    """Who is played silence, because nothing comes from its partner."""
    talking_since: float | None = None
    """When both parties began to talk; None: one is on hold, or not described."""

    @property
    def has_ports(self) -> bool:
        """Whether anybody has been told of a port."""
        return any(party.opened for party in self.parties.values())

    # --- telling rtpengine --------------------------------------------------------------------------------

    def choose_families(
        self, asked: Asked, wanted: Side | None, choose: Callable[[str, Audio | None], str]
    ) -> None:
        """Find out which kind of address each party needs when `asked` is met and `wanted` gets ports.

        `choose` is that of `exchange.Reach`; raises what that raises.
        """
        families: dict[Side, str] = {}
        if wanted is not None:
            families[wanted] = address_type(choose(asked.towards, self.exchange.audio_of(wanted, asked)))
        for side, party in self.parties.items():
            audio = self.exchange.audio_of(side, asked)
            if party.opened and party.local is not None:
                families[side] = address_type(party.local.address)
            elif audio is not None and audio.rtp is not None:
                families.setdefault(side, address_type(audio.rtp[0]))
        # Of a party that nobody knows anything about, and that gets no ports yet, it does not matter.
        for side in Side:
            families.setdefault(side, families.get(side.other, "IP4"))
        self.families = families

    def begin_telling(self) -> None:
        """Rtpengine is to be told where both parties will be when what is asked is met."""
        self.telling = {side: self._whereabouts(side) for side in Side}

    def _whereabouts(self, side: Side) -> Audio | None:
        """Where `side` is, and which way it talks; None: nowhere."""
        party, asked = self.parties[side], self.asked
        if asked is not None and isinstance(asked.request, MediaOffer):
            return None
        audio = party.audio if asked is None else self.exchange.audio_of(side, asked)
        if audio is None:
            return party.told
        if audio.rtp is None:
            # On hold without an address it stays where it was.
            return party.told and replace(party.told, direction=audio.direction)
        return audio

    def request(self, side: Side) -> ng.Request:
        """What rtpengine is told of `side`: an offer of the caller, an answer of the callee."""
        assert self.telling is not None
        audio, partner = self.telling[side], self.telling[side.other]
        text, learning = nowhere(self.families[side]), Learning.NOTHING
        if audio is not None and audio.rtp is not None:
            text = description(audio, partner)
            learning = learning_for(audio.rtp[0], self.parties[side].towards)
        say = ng.offer if side is Side.CALLER else ng.answer
        return say(self.id, text, learning, self.families[side.other])

    @property
    def keeps_its_ports(self) -> bool:
        """Whether rtpengine names the same ports that the parties have been told."""
        return all(
            self.given[side] == (party.local.address, party.local.port)
            for side, party in self.parties.items()
            if party.opened and party.local is not None
        )

    def told(self, telling: dict[Side, Audio | None], now: float) -> None:
        """Rtpengine knows that now."""
        for side, party in self.parties.items():
            party.told = telling[side]
        caller, callee = (telling[side] for side in Side)
        if caller is None or not both_talk(caller, callee):
            self.talking_since = None
        elif self.talking_since is None:
            self.talking_since = now

    # --- who talks ----------------------------------------------------------------------------------------

    def note(self, counters: CallCounters, now: float) -> set[Side]:
        """Rtpengine has counted this. From whom something has come since the last time."""
        talks: set[Side] = set()
        for side, of_side in zip(Side, (counters.caller, counters.callee), strict=True):
            party = self.parties[side]
            if of_side.received != party.audible:
                party.audible = of_side.received
                talks.add(side)
            if heard(of_side) != party.count:
                party.count, party.heard = heard(of_side), now
        return talks

    def fill(self, talks: Container[Side]) -> tuple[list[Side], list[Side]]:
        """Who is to be played silence from now on, and who no longer: `talks` are those who were heard.

        COMPAT iChat: it leaves a call in which it hears nothing, and on IPv6 it sends nothing before it has
        received something.
        """
        begin: list[Side] = []
        end: list[Side] = []
        for side, party in self.parties.items():
            partner = self.parties[side.other].told
            wants = (
                party.told is not None
                and partner is not None
                and party.told.direction.receives
                and not (side.other in talks and partner.direction.sends)
            )
            if wants and side not in self.filled:
                begin.append(side)
            elif not wants and side in self.filled:
                end.append(side)
        self.filled = self.filled.union(begin).difference(end)
        return begin, end

    @property
    def needs_attention(self) -> bool:
        """Whether what comes from the parties has to be looked at often."""
        told = {party.told.direction for party in self.parties.values() if party.told is not None}
        return bool(self.filled) or not told <= {Direction.SENDRECV}

    def silent(self, timeout: float, now: float) -> Side | None:
        """A party that has said nothing for so many seconds while both talk; 0: for ever."""
        since = self.talking_since
        if not timeout or since is None:
            return None
        for side, party in self.parties.items():
            if now - max(since, party.heard or 0.0) >= timeout:
                return side
        return None

    def silence(self, now: float) -> dict[Side, float | None]:
        """How long each party has been silent, in seconds, as far as our looks tell."""
        return {
            side: None if party.heard is None else now - party.heard for side, party in self.parties.items()
        }


# --- what a request to rtpengine was about ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ping:
    """Whether it lives."""


@dataclass(frozen=True, slots=True)
class Told:
    """Where the party of `call` is: the caller in an offer, the callee in an answer."""

    call: NgCall
    side: Side


@dataclass(frozen=True, slots=True)
class Look:
    """The counters of `call`, for our own use."""

    call: NgCall


@dataclass(frozen=True, slots=True)
class Query:
    """The counters of the call with this handle, for somebody else."""

    call: NgCall
    query: int


@dataclass(frozen=True, slots=True)
class Delete:
    """`call` is over."""

    call: NgCall


@dataclass(frozen=True, slots=True)
class Fill:
    """Silence is to begin or to end."""


What: TypeAlias = Ping | Told | Look | Query | Delete | Fill
"""What is told to an rtpengine, or asked of it."""
