"""What is noted of a call while it lives, and what becomes of that: facts for the verdict, and a record."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec import structs

from ichat_gw.app.call_events import CallBegan, CallEnded, CallRefused, MediaAsked, MediaSaid
from ichat_gw.call.cause import Ending
from ichat_gw.call.media import (
    MediaAnswer,
    MediaCandidate,
    MediaOffer,
    MediaPassedOn,
    MediaReady,
    MediaRelease,
    MediaReply,
    MediaRequest,
    Side,
)
from ichat_gw.media.codec import FIXED
from ichat_gw.media.engine import CallCounters
from ichat_gw.media.relay_messages import PartyCounters
from ichat_gw.ops.records import CallRecord
from ichat_gw.ops.verdict import Verdict
from ichat_gw.ops.verdict_facts import CallFacts, Counted, Party, Person, Said, Sample

MOST_SAMPLES = 512
"""Samples of the counters that are kept of a call; of more, every second one is forgotten."""

_FOR_THE_OTHER = frozenset({MediaOffer, MediaAnswer, MediaPassedOn})
"""What is answered with a description for the other side."""
_COUNTED = tuple(name for name in Counted.__struct_fields__ if name in PartyCounters.__struct_fields__)


@dataclass(slots=True)
class Watched:
    """What is noted of one call. Times are UNIX times in seconds."""

    call: str
    people: dict[Side, Person]
    user: str
    contact: str
    began: float
    rang: float | None = None
    answered: float | None = None
    ended: float | None = None
    ending: Ending | None = None
    by: Side | None = None
    setting: str = ""
    media: list[tuple[float, MediaRequest | MediaReply]] = field(default_factory=list)
    """What the media engine was asked and said, in order."""
    samples: list[Sample] = field(default_factory=list)
    final: Sample | None = None
    media_over: bool = False
    """The media engine has done with it."""
    direct: bool = False
    """Its media has gone past the media engine."""
    candidate: str = ""
    """Who may take the SIP party's place: a URI."""
    transfers: int = 0

    @classmethod
    def begin(cls, began: CallBegan, at: float) -> "Watched":
        """A call begins."""
        hosts = {began.user_side: "", began.user_side.other: began.host}
        addresses = {Side.CALLER: began.caller, Side.CALLEE: began.callee}
        people = {side: Person(address, hosts[side]) for side, address in addresses.items()}
        return cls(began.call, people, began.user, began.contact, at)

    @classmethod
    def refused(cls, refused: CallRefused, at: float) -> "Watched":
        """A call that ends before it begins."""
        # Who calls over XMPP is named by a JID here, because no rule has made an address of it yet.
        addresses = refused.caller, refused.callee
        caller, callee = (f"xmpp:{each}" if refused.user else each for each in addresses)
        people = {Side.CALLER: Person(caller), Side.CALLEE: Person(callee)}
        watched = cls(refused.call, people, refused.user, refused.contact, at)
        watched.ended, watched.ending, watched.setting = at, refused.ending, refused.setting
        return watched

    def end(self, ended: CallEnded, at: float) -> None:
        """The call is over."""
        self.ended, self.ending, self.by = at, ended.ending, ended.by

    def shift(self, seconds: float) -> None:
        """The time of day was set by so many seconds: what was noted before is moved along."""
        self.began += seconds
        self.rang = None if self.rang is None else self.rang + seconds
        self.answered = None if self.answered is None else self.answered + seconds
        self.ended = None if self.ended is None else self.ended + seconds
        self.media = [(at + seconds, event) for at, event in self.media]
        self.samples = [structs.replace(each, at=each.at + seconds) for each in self.samples]

    def hear_media(self, event: MediaAsked | MediaSaid, at: float) -> None:
        """The media engine is asked, or answers."""
        self.media.append((at, event.request if isinstance(event, MediaAsked) else event.reply))

    def sample(self, counters: CallCounters, at: float) -> Sample:
        """The counters at this moment."""
        sample = sample_of(counters, at)
        self.samples.append(sample)
        if len(self.samples) > MOST_SAMPLES:
            del self.samples[1::2]
        return sample

    def replace(self, side: Side) -> None:
        """The candidate has the place of that party."""
        self.transfers += 1
        self.people[side] = Person(self.candidate or self.people[side].address)

    @property
    def waits_for_media(self) -> bool:
        """Whether the counters that the verdict needs are still to come."""
        return self.answered is not None and not self.media_over and not self.direct


def sample_of(counters: CallCounters, at: float) -> Sample:
    """The engine's counters in the words of the verdict."""
    return Sample(at, _counted(counters.caller), _counted(counters.callee))


def _counted(counters: PartyCounters) -> Counted:
    return Counted(**{name: getattr(counters, name) for name in _COUNTED})


def facts_of(watched: Watched) -> CallFacts:
    """What the verdict is made from; of a call that is over."""
    ending = watched.ending
    assert ending is not None
    assert watched.ended is not None
    said: dict[Side, list[Said]] = {Side.CALLER: [], Side.CALLEE: []}
    ports: dict[Side, tuple[str, int]] = {}
    asked: dict[int, MediaRequest] = {}
    ours: dict[Side, str] = {}
    glances: dict[str, Said] = {}
    for at, each in watched.media:
        if isinstance(each, MediaReady):
            to = _goes_to(asked.get(each.request))
            if to is not None and each.sdp:
                ours[to] = each.sdp
        elif isinstance(each, MediaRequest) and not isinstance(each, MediaRelease):
            asked[each.request] = each
            sdp = None if isinstance(each, MediaCandidate) else each.sdp
            if sdp and (theirs := glances.get(sdp) or glance(sdp, at)) is not None:
                glances[sdp] = theirs
                said[each.side].append(theirs if theirs.at == at else structs.replace(theirs, at=at))
    for side, sdp in ours.items():
        if (described := glance(sdp, watched.ended)) is not None and described.address is not None:
            ports[side] = described.address
    final = None if watched.direct else watched.final
    return CallFacts(
        caller=watched.people[Side.CALLER],
        callee=watched.people[Side.CALLEE],
        began=watched.began,
        ended=watched.ended,
        cause=ending.cause,
        status=ending.status,
        warning=ending.warning,
        text=ending.text,
        by=Party(watched.by.value) if watched.by is not None else None,
        setting=watched.setting,
        rang=watched.rang,
        answered=watched.answered,
        caller_said=tuple(said[Side.CALLER]),
        callee_said=tuple(said[Side.CALLEE]),
        samples=tuple(watched.samples) if final is None else (*watched.samples, final),
        final=final,
        direct=watched.direct,
        caller_port=ports.get(Side.CALLER),
        callee_port=ports.get(Side.CALLEE),
    )


def _goes_to(request: MediaRequest | None) -> Side | None:
    """Whom our description goes to that is the answer to this request."""
    if request is None or isinstance(request, MediaRelease):
        return None
    return request.side.other if type(request) in _FOR_THE_OTHER else request.side


_ADDRESS = re.compile(r"^c=IN IP[46] ([^\s/]+)", re.MULTILINE)
_DIRECTION = re.compile(r"^a=(sendrecv|sendonly|recvonly|inactive)\s*$", re.MULTILINE)
_PORT = re.compile("[0-9]{1,5}")
_NAMED = re.compile(r"^a=rtpmap:(\d+) ([^\s]+)", re.MULTILINE)
_STATIC = {str(codec.static): codec.rtpmap for codec in FIXED}
_NO_SPEECH = ("telephone-event", "CN/", "tone", "RED", "red")


def glance(sdp: str, at: float) -> Said | None:
    """What the first audio section of a description says; None: it has none.

    The media engine reads it with care; here a glance will do, at a tenth of the price, but at anything: the
    engine may have refused it.
    """
    session, *sections = sdp.replace("\r\n", "\n").split("\nm=")
    section = next((each for each in sections if each.startswith("audio ")), None)
    if section is None:
        return None
    head, _, _ = section.partition("\n")
    _, port, _, *formats = [*head.split(" "), "", ""]
    address = _ADDRESS.search(section) or _ADDRESS.search(session)
    direction = _DIRECTION.search(section) or _DIRECTION.search(session)
    word = direction[1] if direction is not None else "sendrecv"
    names = dict(_NAMED.findall(section))
    codecs = (names.get(each) or _STATIC.get(each, "") for each in formats)
    host = address[1] if address is not None else ""
    nowhere = host in ("", "0.0.0.0", "::") or _PORT.fullmatch(port) is None
    return Said(
        at,
        word in ("sendrecv", "sendonly"),
        word in ("sendrecv", "recvonly") and not nowhere,
        None if nowhere else (host, int(port)),
        tuple(dict.fromkeys(each for each in codecs if each and not each.startswith(_NO_SPEECH))),
    )


def record_of(watched: Watched, facts: CallFacts, verdict: Verdict) -> CallRecord:
    """The row that is kept of a call that is over."""
    final = facts.final
    caller, callee = (final.caller, final.callee) if final is not None else (None, None)
    phone = next((each for each in (facts.callee, facts.caller) if not each.is_xmpp), facts.callee)
    return CallRecord(
        call=watched.call,
        began=facts.began,
        answered=facts.answered,
        ended=facts.ended,
        caller=facts.caller.address,
        callee=facts.callee.address,
        user=watched.user,
        phone=phone.host,
        ended_by=facts.by.value if facts.by is not None else "gateway",
        cause=facts.cause.name,
        status=facts.status,
        verdict=verdict.code,
        sentence=verdict.sentence,
        remedy=verdict.remedy,
        end_code=verdict.end.code,
        audio_from_caller=verdict.from_caller.code if verdict.from_caller is not None else "",
        audio_from_callee=verdict.from_callee.code if verdict.from_callee is not None else "",
        codec=", ".join(_common(facts)),
        rang=facts.rang,
        packets_from_caller=caller.received if caller is not None else None,
        packets_to_caller=caller.sent if caller is not None else None,
        packets_from_callee=callee.received if callee is not None else None,
        packets_to_callee=callee.sent if callee is not None else None,
        lost_from_caller=caller.lost if caller is not None else None,
        lost_from_callee=callee.lost if callee is not None else None,
        jitter_ms_from_caller=round(caller.jitter, 1) if caller is not None else None,
        jitter_ms_from_callee=round(callee.jitter, 1) if callee is not None else None,
        strangers=caller.strangers + callee.strangers if caller is not None and callee is not None else None,
        transfers=watched.transfers,
    )


def _common(facts: CallFacts) -> Iterable[str]:
    """The codecs that both could use at the end, in the order of who answered."""
    if facts.answered is None or not facts.caller_said or not facts.callee_said:
        return ()
    theirs = facts.caller_said[-1].codecs
    return (codec for codec in facts.callee_said[-1].codecs if codec in theirs)
