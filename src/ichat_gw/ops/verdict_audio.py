"""What became of the audio in one direction: one table, and the first row that fits is the one.

A direction is what one party, the speaker, sends and the other one, the listener, is to hear. What the relay
counted at its ports decides, with what the parties had said in their session descriptions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from ichat_gw.ops.verdict import Finding
from ichat_gw.ops.verdict_ends import duration
from ichat_gw.ops.verdict_facts import CallFacts, Counted, Party, Person, Said, counted

SHORTEST = 1.0
"""Seconds that both have to be connected before anything is said about audio."""
STOPPED_FOR = 10.0
"""Seconds of silence at the end of a call that are worth saying."""
MUCH_LOST = 0.05
"""The share of packets from which on people hear that some are missing."""
UNEVEN = 60.0
"""Jitter in milliseconds that few phones can make up for."""


@dataclass(frozen=True, slots=True)
class Direction:
    """The facts of one direction."""

    facts: CallFacts
    speaker: Party
    heard: Counted
    """The counters of the speaker."""
    told: Counted
    """The counters of the listener."""
    wanted_since: float | None
    """Since when, until the end of the call, the speaker was to send and the listener to receive."""
    held_at: float | None
    """When that last stopped being so before: the hold; None: it never did."""
    last_at: float | None
    """When the last packet can have come at the latest; None: there was none."""

    @property
    def person(self) -> Person:
        """The speaker."""
        return self.facts.person(self.speaker)

    @property
    def who(self) -> str:
        """The speaker, in a sentence."""
        return f"the {self.speaker} {self.person.name}"

    @property
    def listener(self) -> str:
        """The listener, in a sentence."""
        return f"the {self.speaker.other} {self.facts.person(self.speaker.other).name}"

    @property
    def announced(self) -> str:
        """Where the speaker said that its audio comes from."""
        return _address(next((said.address for said in reversed(self.facts.said(self.speaker))), None))

    @property
    def listens_at(self) -> str:
        """Where the listener said that it wants audio."""
        other = self.facts.said(self.speaker.other)
        return _address(next((said.address for said in reversed(other)), None))

    @property
    def lost_share(self) -> float:
        """Of what the speaker sent, 0 to 1."""
        expected = self.heard.received + self.heard.lost
        return self.heard.lost / expected if expected else 0.0


@dataclass(frozen=True, slots=True)
class AudioRow:
    """One thing that can become of audio."""

    code: str
    fits: Callable[[Direction], bool]
    tell: Callable[[Direction], str]
    remedy: str = ""
    """What to do; `{port}` stands for where the speaker was told to send, `{speaker}` for where it is."""


def judge_audio(facts: CallFacts, speaker: Party) -> Finding | None:
    """The row that this direction of the call belongs to; None when the call was never up."""
    if facts.answered is None:
        return None
    if facts.direct:
        return Finding("direct", f"the audio of the {speaker} went past the relay, so nothing is known of it")
    heard, told = facts.counted(speaker), facts.counted(speaker.other)
    if heard is None or told is None:
        return Finding("not-counted", f"what became of the audio of the {speaker} is not known")
    wanted_since, held_at = _wanted(facts, speaker)
    direction = Direction(facts, speaker, heard, told, wanted_since, held_at, _last_at(facts, speaker, heard))
    for row in AUDIO:
        if row.fits(direction):
            remedy = row.remedy.format(
                port=_address(facts.port(speaker)),
                speaker=facts.person(speaker).host or direction.announced,
                listener=direction.listens_at,
            )
            return Finding(row.code, row.tell(direction), remedy)
    raise AssertionError("the last row fits everything")


def _wanted(facts: CallFacts, speaker: Party) -> tuple[float | None, float | None]:
    """Since when the audio was wanted at the end, and when it last stopped being wanted before that."""
    assert facts.answered is not None
    if all(said.sends and said.receives for said in (*facts.caller_said, *facts.callee_said)):
        return facts.answered, None
    moments = sorted({facts.answered, *(said.at for said in (*facts.caller_said, *facts.callee_said))})
    since: float | None = None
    held_at: float | None = None
    for moment in moments:
        at = max(moment, facts.answered)
        sends = _then(facts.said(speaker), moment)
        receives = _then(facts.said(speaker.other), moment)
        wanted = (sends is None or sends.sends) and (receives is None or receives.receives)
        if not wanted:
            held_at = at if since is not None or held_at is None else held_at
            since = None
        elif since is None:
            since = at
    return since, held_at


def _then(said: tuple[Said, ...], moment: float) -> Said | None:
    """What held at that moment."""
    return next((each for each in reversed(said) if each.at <= moment), None)


def _last_at(facts: CallFacts, speaker: Party, final: Counted) -> float | None:
    """When the last packet can have come at the latest: before the samples in which nothing is new."""
    if not final.received:
        return None
    assert facts.final is not None
    last = facts.final.at - (final.silent_for or 0.0)
    for sample in reversed(facts.samples):
        if counted(sample, speaker).received < final.received:
            break
        last = min(last, sample.at)
    return last


def clock(at: float) -> str:
    """`10:31:07 UTC`."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")


def _address(address: tuple[str, int] | None) -> str:
    if address is None:
        return "no address"
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"


# --- conditions -------------------------------------------------------------------------------------------


def _from_elsewhere(direction: Direction) -> bool:
    return direction.heard.strangers >= max(5, direction.heard.received)


def _one_way_since_hold(direction: Direction) -> bool:
    since, held = direction.wanted_since, direction.held_at
    if since is None or held is None or direction.facts.ended - since < SHORTEST:
        return False
    return direction.last_at is not None and direction.last_at <= since + 0.5


def _stopped(direction: Direction) -> bool:
    since, last = direction.wanted_since, direction.last_at
    return since is not None and last is not None and direction.facts.ended - max(last, since) >= STOPPED_FOR


def _reported(direction: Direction) -> bool:
    """Whether the listener itself says that much of it was lost on the way to it, on the whole."""
    lost, sent = direction.told.reported_lost, direction.told.sent
    return lost is not None and sent > 0 and lost / sent >= MUCH_LOST


_LET_IN = (
    "look whether the party is muted; let UDP from {speaker} pass to the ports MediaRelayPortRangeMin to "
    "MediaRelayPortRangeMax of this machine; look whether {port}, which it was told to send to, is an "
    "address that it can reach: with several network adapters or behind a NAT set IPAddress"
)

AUDIO: tuple[AudioRow, ...] = (
    AudioRow(
        "too-short",
        lambda direction: direction.facts.talked < SHORTEST,
        lambda direction: "the call was too short to say anything about its audio",
    ),
    AudioRow(
        "wrong-address",
        _from_elsewhere,
        lambda direction: (
            f"the audio of {direction.who} came from {_address(direction.heard.stranger)}, "
            f"but it had announced {direction.announced}: {direction.heard.strangers} packets were dropped"
        ),
        "make the party announce the address that it sends from: its external address or STUN when it is "
        "behind a NAT, the right network adapter when it has several; a SIP proxy or ALG that rewrites "
        "addresses may be the one that gets them wrong",
    ),
    AudioRow(
        "not-rtp",
        lambda direction: direction.heard.malformed >= max(5, direction.heard.received),
        lambda direction: (
            f"what came from {direction.who} is not audio that can be relayed: "
            f"{direction.heard.malformed} packets are no RTP"
        ),
        "switch off what the party wraps its audio in (DTLS, ICE, T.38 fax)",
    ),
    AudioRow(
        "on-hold",
        lambda direction: direction.wanted_since is None and direction.held_at is not None,
        lambda direction: (
            f"the audio of {direction.who} was not wanted at the end: the call was on hold "
            f"since {clock(direction.held_at or 0.0)}"
        ),
    ),
    AudioRow(
        "one-way-since-hold",
        _one_way_since_hold,
        lambda direction: (
            f"nothing came from {direction.who} since the hold at "
            f"{clock(direction.held_at or 0.0)}, though it was taken back at "
            f"{clock(direction.wanted_since or 0.0)}"
        ),
        "the party did not resume sending, or sends to where it was told before the hold: compare the "
        "session descriptions of the two re-INVITEs in the trace; a newer firmware, or a proxy that leaves "
        "them alone, usually helps",
    ),
    AudioRow(
        "never-sent",
        lambda direction: not direction.heard.received,
        lambda direction: (
            f"nothing was ever heard from {direction.who}, who had announced {direction.announced}"
        ),
        _LET_IN,
    ),
    AudioRow(
        "stopped",
        _stopped,
        lambda direction: (
            f"the audio of {direction.who} stopped at {clock(direction.last_at or 0.0)}, "
            f"{duration(direction.facts.ended - (direction.last_at or 0.0))} before the end"
        ),
        "a phone that sends nothing while nobody speaks is in order (silence suppression can be switched "
        "off in it); otherwise its network broke, or a NAT in between gave it another port",
    ),
    AudioRow(
        "not-sendable",
        lambda direction: direction.told.errors > direction.told.sent,
        lambda direction: (
            f"the audio of {direction.who} arrived, but the operating system refused to send it "
            f"on to {direction.listener} at {direction.listens_at}"
        ),
        "there is no route from this machine to {listener}, or a local firewall forbids it: correct the "
        "route, or make the party announce an address that can be reached",
    ),
    AudioRow(
        "lost",
        lambda direction: direction.lost_share >= MUCH_LOST,
        lambda direction: (
            f"{direction.lost_share:.0%} of the audio of {direction.who} was lost on the way here"
        ),
        "the network between {speaker} and this machine drops packets: look for a full line, bad radio, or a "
        "duplex mismatch",
    ),
    AudioRow(
        "lost-onward",
        _reported,
        lambda direction: (
            f"the audio of {direction.who} arrived here, but "
            f"{(direction.told.reported_lost or 0) / direction.told.sent:.0%} of it was lost on the way to "
            f"{direction.listener}, says its RTCP"
        ),
        "the network between this machine and {listener} drops packets: look for a full line, bad radio, "
        "or a firewall that knows only one of the two directions",
    ),
    AudioRow(
        "uneven",
        lambda direction: direction.heard.jitter >= UNEVEN,
        lambda direction: (
            f"the audio of {direction.who} came unevenly: {direction.heard.jitter:.0f} ms of jitter"
        ),
        "the network between {speaker} and this machine delays packets by turns: give audio precedence "
        "there, or look for a machine that is overloaded",
    ),
    AudioRow(
        "arrived",
        lambda direction: True,
        lambda direction: f"the audio of {direction.who} arrived",
    ),
)
"""The table, in the order in which it is tried; `not-counted` is said where there are no counters at all,
and `direct` where there cannot be any."""
