"""One port of a call's media: whom it listens to, where it sends, and what has passed.

A call has two parties, each party a port pair of ours, and each port a `Gate`. A gate lets packets in
from one source only:

- the address and port that the party's description names, exactly, when that is believable
  (`Learning.NOTHING`);
- another port of the same host (`Learning.PORT`), or any source (`Learning.ADDRESS`), when the
  description cannot be taken at its word. It is learnt once, from the first packet of the gate's own kind,
  and only inside a window of some seconds that an offer or answer opens. Until the window closes, a packet
  from the very address named overrules what was learnt; after that nothing moves the stream but a
  description that names another address.

A description that names the same address again changes nothing: otherwise each re-INVITE of a
call would be a chance for a stranger. RTCP is learnt only from the host that RTP comes from.

Packets go to the accepted source, or before one is accepted to the address named: never to anybody who is
not in SDP and was not accepted. A packet that is not let in is dropped and counted, whatever it is.

A party that gets no packets gets keep-alives (`stream`): a second after the last packet, and at once on
IPv6, where iChat waits for a packet before it sends any.

All of this is written for clearness; `media.net.worker` has a short cut for the common case (RTP from
the accepted source), and its compiled twin one more for strangers: both must do what `Gate.route` does.
"""

from random import Random
from typing import TypeAlias

from ichat_gw.media.relay_messages import GateSnapshot, Learning
from ichat_gw.media.rtcp import Reports, rewrite_rtcp
from ichat_gw.media.rtp import NEVER_RTP, UNCHANGED, Kind, classify
from ichat_gw.media.stream import KEEP_ALIVE_AFTER, KEEP_ALIVE_EVERY, Stream

Source: TypeAlias = tuple[str | int, ...]
"""A socket address as `recvfrom` gives it: host and port first, for IPv6 two numbers more."""


class Gate:
    """One of our ports: whom it listens to, where it sends, and what has passed.

    `kind` is what it is for; `opposite` the other party's gate of that kind; `companion` the same party's
    gate of the other kind.
    """

    __slots__ = (
        "_expected_from",
        "_fill_at",
        "_goes_on",
        "_learning",
        "_quiet_from",
        "_timeout",
        "accepted",
        "changed",
        "companion",
        "early",
        "errors",
        "keep_alive",
        "keep_alives",
        "kind",
        "last",
        "malformed",
        "muted",
        "muxed",
        "named",
        "octets",
        "opposite",
        "packets",
        "reports",
        "second",
        "sent",
        "sent_octets",
        "stranger",
        "strangers",
        "stream",
        "target",
        "unsent",
        "window_ends",
    )
    opposite: "Gate"
    companion: "Gate"

    def __init__(self, kind: Kind, rng: Random) -> None:
        self.kind = kind
        self.stream = Stream(rng)
        """The RTP that comes in here."""
        self.named: Source | None = None
        """Where the party's description says that it is."""
        self.accepted: Source | None = None
        """Whom we listen to."""
        self.changed = False
        """`accepted` has changed since somebody who wanted to know cleared this."""
        self.window_ends = 0.0
        """Until then a source may be learnt, or the one that was be overruled."""
        self.reports = Reports()
        """What the party's RTCP says, at the gate of RTP."""
        self.target: Source | None = None
        """Where we send; None: nowhere, for now."""
        self.muted = False
        """The party wants to receive nothing (it holds the call)."""
        self.second = UNCHANGED if kind is Kind.RTP else NEVER_RTP
        """What becomes of the second byte of RTP packets that come in here, see `rtp.second_bytes`."""
        self.packets = self.octets = self.sent = self.sent_octets = 0
        self.strangers = self.malformed = self.early = self.unsent = self.errors = 0
        self.stranger: Source | None = None
        """Where the last packet of a stranger came from."""
        self.last: float | None = None
        """When the last packet was let in that did not take the short cut."""
        self.muxed = False
        """The party has one port for both: RTCP for it goes to where its RTP goes, and from our RTP port.
        That is so with rtcp-mux (RFC 5761), and COMPAT iChat: where `a=rtcp` names the port of RTP. A NAT
        in front of it lets in nothing but what comes from the port that it sends to."""
        self.keep_alive = 0, 8_000
        """The payload type and clock rate of keep-alives for the party."""
        self.keep_alives = 0
        """How many were sent."""
        self._goes_on = False
        """The next description is that which a predecessor knew already, unless it names another address."""
        self._quiet_from: float | None = None
        self._fill_at: float | None = None
        self._timeout = 0.0
        self._expected_from = 0.0
        self._learning = Learning.NOTHING

    def retarget(self, named: Source | None, learning: Learning, window_ends: float) -> None:
        """The party has named this address (None: none), and may be learnt until `window_ends`."""
        if named == self.named and (self.accepted is not None or self._goes_on):
            if self._goes_on:
                self._goes_on, self._learning = False, learning
            return
        self._goes_on = False
        self.named = named
        self._learning = learning
        self.window_ends = window_ends
        self.changed = True
        self._accept(named if learning is Learning.NOTHING else None)

    def share(self, muxed: bool) -> None:
        """The party has one port for RTP and RTCP, or two; see `muxed`."""
        self.muxed = muxed
        self._aim()

    def mute(self, muted: bool) -> None:
        """Send nothing to the party, or send again."""
        self.muted = muted
        self._aim()

    def admits(self, source: Source, now: float) -> bool:
        """Whether a packet of the gate's kind from `source` is let in; this may be how it is learnt."""
        if source == self.accepted:
            return True
        if self.named is None:
            return False
        if source == self.named:
            if self.accepted is not None and now >= self.window_ends:
                return False
            if self.kind is Kind.RTP and self.accepted is not None:
                # Whom we took for the party is not: do not keep its RTCP either.
                self.companion.unlearn()
        elif self.accepted is not None or now >= self.window_ends or not self._may_learn(source, self.named):
            return False
        self._accept(source)
        return True

    def route(self, packet: bytearray | memoryview, source: Source, now: float) -> "Gate | None":
        """The gate that `packet`, come in here, goes out of, to that gate's `target`; None: dropped.

        RTCP is also taken at the RTP port, from the source of RTP (RFC 5761): iChat has one port for both.
        All is counted except the sending itself. The payload type is changed in place.
        """
        kind = classify(packet)
        if kind is None or (kind is Kind.RTP and self.kind is Kind.RTCP):
            self.malformed += 1
            return None
        if self.named is None:
            self.early += 1
            return None
        if not (self.admits(source, now) if kind is self.kind else source == self.accepted):
            self.strangers += 1
            self.stranger = source
            return None
        entry = self if kind is self.kind else self.companion
        if kind is Kind.RTP:
            self.stream.take(packet, now, self.opposite.target is not None, self.second)
        else:
            main = self if self.kind is Kind.RTP else self.companion
            other = main.opposite
            main.reports.read(packet, now, other.stream, other.reports)
            rewrite_rtcp(packet, main.stream, other.stream)
        entry.packets += 1
        entry.octets += len(packet)
        entry.last = now
        if entry.opposite.target is None:
            entry.opposite.unsent += 1
            return None
        return entry.opposite

    def fill(self, now: float) -> tuple[bytes | None, float | None]:
        """The keep-alive that is due now for the party opposite, if one is, and when to ask again.

        None: not before one of the parties is described anew.
        """
        out = self.opposite
        if out.target is None:
            self._quiet_from = self._fill_at = None
            return None, None
        if self._quiet_from is None:
            # COMPAT iChat: on IPv6 it sends nothing until it has received something.
            waits = self.stream.ssrc_out < 0 and len(out.target) == 4
            self._quiet_from = now - KEEP_ALIVE_AFTER if waits else now
        begins = max(self._quiet_from, self.stream.at) + KEEP_ALIVE_AFTER
        if now < begins:
            self._fill_at = None
            return None, begins
        if self._fill_at is None or now - self._fill_at > KEEP_ALIVE_EVERY:
            self._fill_at = now
        self._fill_at += KEEP_ALIVE_EVERY
        return self.stream.keep_alive(*out.keep_alive, now), self._fill_at

    def expect(self, timeout: float, now: float) -> None:
        """From now on the party may be silent for so many seconds; 0: for ever."""
        self._timeout = timeout
        self._expected_from = now

    def times_out(self, now: float) -> tuple[bool, float | None]:
        """Whether the party has been silent for too long, which is said once, and when to ask again."""
        if not self._timeout:
            return False, None
        heard = max(self._expected_from, self.heard or 0.0, self.companion.heard or 0.0)
        if now < heard + self._timeout:
            return False, heard + self._timeout
        self._timeout = 0.0
        return True, None

    @property
    def heard(self) -> float | None:
        """When the last packet was let in; None: there was none."""
        if self.stream.ssrc < 0:
            return self.last
        return max(self.stream.at, self.last or 0.0)

    def unlearn(self) -> None:
        """Forget a source that was learnt, so that another one can be."""
        if self.accepted != self.named:
            self._accept(None)

    def _may_learn(self, source: Source, named: Source) -> bool:
        if self._learning is Learning.PORT:
            return source[0] == named[0]
        rtp = self.companion.accepted
        beside_rtp = rtp is not None and source[0] == rtp[0]
        return self._learning is Learning.ADDRESS and (self.kind is Kind.RTP or beside_rtp)

    def snapshot(self) -> GateSnapshot:
        """What packets alone have told of this gate's source."""
        return GateSnapshot(self.named, self.accepted, self.window_ends)

    def restore(self, snapshot: GateSnapshot) -> None:
        """A predecessor had learnt this; it holds as long as the party's description is the same.

        To be said before that (`retarget`), so that there is no moment at which another could be learnt.
        """
        self.named, self.window_ends = snapshot.named, snapshot.window_ends
        self._goes_on = True
        self._accept(snapshot.accepted)

    def _accept(self, source: Source | None) -> None:
        self.changed = self.changed or source != self.accepted
        self.accepted = source
        self._aim()

    def _aim(self) -> None:
        at = self.companion if self.muxed else self
        self.target = None if self.muted else at.accepted or at.named
        if self.kind is Kind.RTP and self.companion.muxed:
            self.companion._aim()
