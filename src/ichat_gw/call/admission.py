"""Who may call, how often, and how many calls there may be at once.

Small machines, and `Admission` that asks them. All memory is bounded, whatever strangers send:

    Networks      from which addresses SIP is heard at all; asked before a datagram is read
    Ignored       which sources have misbehaved so much that nothing of theirs is read for a while
    Rate          a token bucket for each source and one for all: requests that open something new
    LiveCalls     how many calls a source and an XMPP user have, and how many there are; tied to their handles
    Destinations  which numbers and addresses calls from XMPP may go to

A source is an IP address, or the /64 network of an IPv6 address, because everybody who has one has all
addresses in it; for calls from XMPP it is the bare JID. What is refused is counted by the setting that
refuses it, and `Admission.line` says when a refusal deserves a line in the log.
"""

from collections import Counter
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TypeAlias

from ichat_gw.call.destinations import Destinations
from ichat_gw.call.ignored import Ignored
from ichat_gw.call.rate import Bucket, Rate

Network: TypeAlias = IPv4Network | IPv6Network

ADDRESSES = 10_000
"""Addresses whose membership in the allowed networks is remembered."""
LINES = 10
"""Log lines about refusals that may come at once for one setting ..."""
LINES_PER_SECOND = 0.2
"""... and how many per second after that."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings of this subject. A limit of 0 is none."""

    networks: tuple[Network, ...] = ()
    """AllowedSIPNetworks; none: everybody is heard."""
    domains: frozenset[str] | None = None
    """AllowedXMPPDomains, in lower case; None: all."""
    requests: int = 0
    """MaxRequestsPerSecond."""
    requests_per_source: int = 0
    """MaxRequestsPerSecondPerSource."""
    calls: int = 0
    """MaxCalls."""
    calls_per_source: int = 0
    """MaxCallsPerSource."""
    calls_per_user: int = 0
    """MaxCallsPerUser."""
    seconds: int = 0
    """MaxCallDuration."""
    transactions: int = 0
    """MaxTransactions."""
    destinations: Destinations = field(default_factory=Destinations)
    """AllowedDestinations and DeniedDestinations."""
    ignore_after: int = 0
    """IgnoreAfter: misdeeds in a minute."""
    ignore_time: int = 0
    """IgnoreTime, in seconds."""
    trusted: tuple[Network, ...] = ()
    """TrustedSIPNetworks: never ignored."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that is not let in."""

    setting: str
    """The name of the setting that refuses it."""
    source: str
    """Who wanted it."""

    def __str__(self) -> str:
        """For logs and for the text of an ending."""
        return f"{self.setting} does not let in {self.source}"


class Networks:
    """A list of networks. Asked for every datagram, so what was found out is remembered."""

    def __init__(self, networks: tuple[Network, ...]) -> None:
        self._networks = networks
        self._known: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._networks)

    def contains(self, address: str) -> bool:
        """Whether an IP address is in one of them."""
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= ADDRESSES:
                self._known.clear()
            parsed = ip_address(address)
            known = any(parsed in network for network in self._networks)
            self._known[address] = known
        return known


class LiveCalls:
    """Calls at once, by handle. A call that has begun counts until it has ended."""

    def __init__(self) -> None:
        self._calls: dict[str, tuple[str, str]] = {}
        self._of_source: Counter[str] = Counter()
        self._of_user: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._calls)

    def begin(self, handle: str, source: str, user: str) -> None:
        """Count a call of `source` with the XMPP user `user`."""
        self._calls[handle] = source, user
        self._of_source[source] += 1
        self._of_user[user] += 1

    def end(self, handle: str) -> None:
        """The call is over. Harmless when it is not known."""
        source, user = self._calls.pop(handle, ("", ""))
        for counter, name in ((self._of_source, source), (self._of_user, user)):
            counter[name] -= 1
            if counter[name] <= 0:
                del counter[name]

    def of_source(self, source: str) -> int:
        """How many calls came from there."""
        return self._of_source.get(source, 0)

    def of_user(self, user: str) -> int:
        """How many calls this XMPP user has, made and received."""
        return self._of_user.get(user, 0)


class Admission:
    """All the limits together.

    Nothing here is asked about responses, ACK, or requests in a dialog: what has begun is never cut off.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.live = LiveCalls()
        self.refused: Counter[str] = Counter()
        """How much each setting has refused since the start."""
        self.ignored = Ignored(limits.ignore_after, limits.ignore_time)
        self._networks = Networks(limits.networks)
        self._trusted = Networks(limits.trusted)
        self._expected: Counter[str] = Counter()
        self._rate = Rate(limits.requests_per_source, limits.requests)
        self._lines: dict[str, Bucket] = {}
        self._unsaid: Counter[str] = Counter()

    def reconfigure(self, limits: Limits) -> None:
        """Go by other limits from now on. What there is already stays, even what they would not allow."""
        old, self.limits = self.limits, limits
        if limits.networks != old.networks:
            self._networks = Networks(limits.networks)
        if limits.trusted != old.trusted:
            self._trusted = Networks(limits.trusted)
        rates = (limits.requests_per_source, limits.requests)
        if rates != (old.requests_per_source, old.requests):
            self._rate = Rate(*rates)
        self.ignored.reconfigure(limits.ignore_after, limits.ignore_time)

    def expect(self, address: str) -> None:
        """Hear this IP address wherever it is: a call is under way with a client that named it.

        Said once more for each call; `release` takes one back.
        """
        self._expected[address] += 1

    def release(self, address: str) -> None:
        """Take one `expect` back."""
        self._expected[address] -= 1
        if self._expected[address] <= 0:
            del self._expected[address]

    @property
    def expected(self) -> int:
        """How many addresses are expected."""
        return len(self._expected)

    def hears(self, address: str, now: float) -> Refusal | None:
        """Whether SIP from this IP address is looked at at all; else why not.

        Who is ignored is still heard while a call of his is up; `ignores` says no to anything new.
        """
        if address in self._expected:
            return None
        if not self._allowed(address):
            return Refusal("AllowedSIPNetworks", address)
        if self.ignores(address, now):
            source = source_of(address)
            if not self.live.of_source(source):
                return Refusal("IgnoreAfter", source)
        return None

    def ignores(self, address: str, now: float) -> bool:
        """Whether nothing new from this IP address gets even an answer."""
        if (
            address in self._expected
            or not self.ignored
            or not self.ignored.contains(source_of(address), now)
        ):
            return False
        # It may have become trusted since.
        return not self._trusted.contains(address)

    def misdeed(self, address: str, now: float) -> bool:
        """Count something that only a faulty or a hostile peer does; True when it is ignored from now on."""
        if address in self._expected or self._trusted.contains(address):
            return False
        return self.ignored.misdeed(source_of(address), now)

    def vouch(self, address: str) -> None:
        """Never ignore this IP address from now on.

        Either we have chosen to send requests to it, as to a registrar, or a call of its has been answered
        and acknowledged: so it is where it says, and one of our users talks to it. Otherwise anybody who
        forges its address could cut us off from it, and the wrong numbers of many people a whole PBX.
        """
        self.ignored.exempt(source_of(address))

    def may_call(self, address: str) -> Refusal | None:
        """Whether somebody at this IP address may call of his own accord, and not as an expected client."""
        return None if self._allowed(address) else Refusal("AllowedSIPNetworks", address)

    def _allowed(self, address: str) -> bool:
        return not self._networks or self._networks.contains(address)

    def sip_request(self, address: str, now: float, *, opens_call: bool) -> Refusal | None:
        """Count a SIP request that would open something new.

        An expected client is not refused because of what others do: what it opens was let in before.
        """
        source = source_of(address)
        known = address in self._expected
        refusal = self.request(source, now, in_all=not known)
        return self.call(source) if refusal is None and opens_call and not known else refusal

    def request(self, source: str, now: float, *, in_all: bool = True) -> Refusal | None:
        """Count a request that would open something new; `source` as `source_of` gives it, or a bare JID."""
        setting = self._rate.refuses(source, now, in_all=in_all)
        return Refusal(setting, source) if setting else None

    def call(self, source: str, user: str = "") -> Refusal | None:
        """Whether there may be one more call from `source`, with the XMPP user `user` ("": not known yet)."""
        limits, live = self.limits, self.live
        if limits.calls and len(live) >= limits.calls:
            return Refusal("MaxCalls", source)
        if limits.calls_per_source and live.of_source(source) >= limits.calls_per_source:
            return Refusal("MaxCallsPerSource", source)
        if user and limits.calls_per_user and live.of_user(user) >= limits.calls_per_user:
            return Refusal("MaxCallsPerUser", source if source == user else f"{source}, who calls {user}")
        return None

    def destination(self, target: str, user: str) -> Refusal | None:
        """Whether the XMPP user may have a call or message to this SIP or tel URI."""
        setting = self.limits.destinations.refuses(target)
        return Refusal(setting, f"{user}, who calls {target}") if setting else None

    def dial_out(self, user: str) -> Refusal | None:
        """Whether this XMPP user (a bare JID) may call SIP phones."""
        domains = self.limits.domains
        if domains is None or user.rpartition("@")[2].lower() in domains:
            return None
        return Refusal("AllowedXMPPDomains", user)

    def line(self, refusal: Refusal, now: float) -> int | None:
        """Count a refusal. None: no log line now; else how many before it had none."""
        setting = refusal.setting
        self.refused[setting] += 1
        bucket = self._lines.get(setting)
        if bucket is None:
            bucket = self._lines[setting] = Bucket(LINES_PER_SECOND, LINES, now)
        if not bucket.take(now):
            self._unsaid[setting] += 1
            return None
        return self._unsaid.pop(setting, 0)


def source_of(address: str) -> str:
    """What is counted together with an IP address: itself, or the /64 network of an IPv6 address."""
    if ":" not in address:
        return address
    return str(IPv6Network((address.partition("%")[0], 64), strict=False))
