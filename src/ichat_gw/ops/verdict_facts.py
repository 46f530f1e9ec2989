"""What a verdict is made from: the facts of one ended call, in words of this room."""

from enum import StrEnum

import msgspec

from ichat_gw.call.cause import Cause


class Person(msgspec.Struct, frozen=True, gc=False):
    """One party of a call."""

    address: str
    """A URI, `sip:` or `xmpp:`."""
    host: str = ""
    """Where the party is, as far as known: an IP address or a domain."""

    @property
    def is_xmpp(self) -> bool:
        """Whether it is an XMPP user."""
        return self.address.startswith("xmpp:")

    @property
    def name(self) -> str:
        """The address without its scheme."""
        return self.address.partition(":")[2] or self.address


class Counted(msgspec.Struct, frozen=True, gc=False):
    """What has passed at the relay's ports of one party; RTP packets but for where it says otherwise."""

    received: int = 0
    """From the party."""
    sent: int = 0
    """To the party."""
    strangers: int = 0
    """Dropped: from an address that is not the party's."""
    stranger: tuple[str, int] | None = None
    """The address that the last of these came from."""
    malformed: int = 0
    """Dropped: not RTP."""
    errors: int = 0
    """Refused by the operating system, sending to the party or receiving from it."""
    lost: int = 0
    """That the party must have sent, and that did not come."""
    jitter: float = 0.0
    """Of what came from it, in milliseconds."""
    silent_for: float | None = None
    """Seconds since the last packet from it, RTP or RTCP; None: there was none."""
    source: tuple[str, int] | None = None
    """Where its RTP is accepted from."""
    reported_loss: float | None = None
    """The share of packets lost on the way to the party, 0 to 1, says its own RTCP; None: it says nothing."""
    reported_lost: int | None = None
    """How many that were in all."""


class Sample(msgspec.Struct, frozen=True, gc=False):
    """The counters of both parties at one moment."""

    at: float
    """UNIX time in seconds."""
    caller: Counted
    callee: Counted


class Said(msgspec.Struct, frozen=True, gc=False):
    """What a party says of its audio in a session description."""

    at: float
    sends: bool = True
    receives: bool = True
    address: tuple[str, int] | None = None
    """Where it wants RTP, and where its own comes from."""
    codecs: tuple[str, ...] = ()
    """Their names, in its order."""


class Party(StrEnum):
    """Caller or callee, as a key."""

    CALLER = "caller"
    CALLEE = "callee"

    @property
    def other(self) -> "Party":
        """The other one."""
        return Party.CALLEE if self is Party.CALLER else Party.CALLER


class CallFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All that a verdict is made from. Times are UNIX times in seconds."""

    caller: Person
    callee: Person
    began: float
    ended: float
    cause: Cause
    status: int | None = None
    """The SIP status as received."""
    warning: int | None = None
    """The code of RFC 3261 section 20.43, where a session description was not acceptable."""
    text: str = ""
    """Words about the case."""
    by: Party | None = None
    """Whose leg ended or refused; None: neither."""
    setting: str = ""
    """The setting that refused the call."""
    rang: float | None = None
    answered: float | None = None
    """When both were connected; None: never."""
    caller_said: tuple[Said, ...] = ()
    """What the caller has said of its audio, in order."""
    callee_said: tuple[Said, ...] = ()
    samples: tuple[Sample, ...] = ()
    """The counters as they went, the final ones last."""
    final: Sample | None = None
    """The final counters; None when there are none."""
    direct: bool = False
    """Audio went from party to party, past the relay (`AlwaysRelayIChatMedia = off`)."""
    caller_port: tuple[str, int] | None = None
    """Where we told the caller to send its RTP."""
    callee_port: tuple[str, int] | None = None

    def person(self, party: Party) -> Person:
        """Who that is."""
        return self.caller if party is Party.CALLER else self.callee

    def said(self, party: Party) -> tuple[Said, ...]:
        """What the party has said of its audio."""
        return self.caller_said if party is Party.CALLER else self.callee_said

    def port(self, party: Party) -> tuple[str, int] | None:
        """Where we told the party to send its RTP."""
        return self.caller_port if party is Party.CALLER else self.callee_port

    def counted(self, party: Party) -> Counted | None:
        """The final counters of the party."""
        return counted(self.final, party) if self.final is not None else None

    @property
    def talked(self) -> float:
        """How many seconds both were connected."""
        return 0.0 if self.answered is None else max(0.0, self.ended - self.answered)


def counted(sample: Sample, party: Party) -> Counted:
    """What a sample says of one party."""
    return sample.caller if party is Party.CALLER else sample.callee
