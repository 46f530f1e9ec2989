"""What the JSON API says, as values. Where it says them is in `api_routes`.

The server encodes these values, the commands decode them, and the status page is written from them, so that
all three show the same. Times are UTC and written as RFC 3339 says; durations are seconds, with fractions.
A field that is not known is null. Fields may be added within `v1`, so a reader ignores those it does not
know; none is renamed, removed or given another meaning.

Text that came from outside (addresses, display names, reasons) is passed on as it came: who shows it
escapes it.
"""

import json
from datetime import datetime
from typing import Literal, TypeAlias, TypeVar

import msgspec

from ichat_gw.errors import GatewayError
from ichat_gw.ops.line import whole


class _Value(msgspec.Struct, frozen=True):
    """Base of what is said."""


# --- calls ------------------------------------------------------------------------------------------------

CallState: TypeAlias = Literal["offering", "calling", "ringing", "connecting", "answered", "talking", "over"]
"""How far a call has come; the states of `ichat_gw.call.bridge`."""


class MediaState(_Value, frozen=True, kw_only=True):
    """The audio of one party of a call, as the relay sees it. "From" is what the party sends."""

    codec: str = ""
    """As in SDP, such as `PCMU/8000`; "" while it is not agreed."""
    received: int = 0
    """RTP packets taken from the party."""
    sent: int = 0
    """RTP packets sent to the party."""
    lost: int = 0
    """RTP packets of the party that did not come (RFC 3550 section 6.4.1)."""
    late: int = 0
    """RTP packets of the party that came after later ones, or twice."""
    jitter_ms: float = 0.0
    """Interarrival jitter of the party's RTP (RFC 3550 section 6.4.1), in milliseconds."""
    strangers: int = 0
    """Packets dropped because they came from somebody else."""
    silent_seconds: float | None = None
    """Since the party's last packet; null when there was none."""
    source: str | None = None
    """Where its RTP is accepted from: `192.0.2.1:4000` or `[2001:db8::1]:4000`."""
    heard_loss: float | None = None
    """The share of packets lost on the way to the party, 0 to 1, says its RTCP; null: it says nothing."""
    heard_jitter_ms: float | None = None
    """The jitter of what reaches the party, says its RTCP, in milliseconds."""
    round_trip_ms: float | None = None
    """From us to the party and back, says its RTCP, in milliseconds."""

    @property
    def loss(self) -> float:
        """The share of the party's packets that did not come, 0 to 1."""
        expected = self.received + self.lost
        return self.lost / expected if expected else 0.0


class PartyState(_Value, frozen=True, kw_only=True):
    """One of the two parties of a call."""

    address: str
    """A URI: `xmpp:...`, `sip:...` or `sips:...`."""
    network: Literal["sip", "xmpp"]
    host: str = ""
    """Where the party is, as far as known: an IP address or a domain."""
    media: MediaState | None = None


class LiveCall(_Value, frozen=True, kw_only=True):
    """A call that is up, or being set up."""

    id: str
    """The call's handle, as on each line of the log."""
    state: CallState
    caller: PartyState
    callee: PartyState
    began: datetime
    seconds: float
    """Since it began."""
    setup_seconds: float | None = None
    """From its beginning until the called party rang, or answered without ringing."""
    answered: datetime | None = None


class Calls(_Value, frozen=True, kw_only=True):
    """Live calls, the oldest first."""

    calls: tuple[LiveCall, ...] = ()


class PartyRecord(_Value, frozen=True, kw_only=True):
    """What is kept of one party of an ended call."""

    address: str
    network: Literal["sip", "xmpp"]
    codec: str = ""
    received: int = 0
    """RTP packets taken from the party."""
    sent: int = 0
    """RTP packets sent to the party."""
    lost: int = 0
    """RTP packets of the party that did not come."""
    jitter_ms: float = 0.0


class CallRecord(_Value, frozen=True, kw_only=True):
    """An ended call."""

    id: str
    caller: PartyRecord
    callee: PartyRecord
    began: datetime
    ended: datetime
    seconds: float
    """From its beginning to its end."""
    cause: str
    """The name of a cause of `ichat_gw.call.cause`, such as `HANGUP` or `NO_ANSWER`."""
    verdict: str
    """Who ended it and why, and what was wrong with the audio if anything was: one sentence."""
    remedy: str = ""
    """What to do about it; "" when there is nothing to do."""
    code: str = ""
    """The name of the verdict: a row of the table in `ichat_gw.ops.verdict`."""
    ended_by: Literal["caller", "callee", "gateway"]
    status: int | None = None
    """The SIP status that it ended with, as received."""
    setup_seconds: float | None = None
    answered: datetime | None = None
    talk_seconds: float = 0.0
    """From the answer to the end; 0 when nobody answered."""
    has_trace: bool = False
    """Whether `/calls/{id}/trace` still has something to show."""


class Records(_Value, frozen=True, kw_only=True):
    """Ended calls, the latest first."""

    records: tuple[CallRecord, ...] = ()
    more: bool = False
    """Whether there are older ones; ask again with `before` set to the last one's `began`."""


class CallDetail(_Value, frozen=True, kw_only=True):
    """One call, live or ended; exactly one of the two is not null."""

    live: LiveCall | None = None
    record: CallRecord | None = None


# --- users ------------------------------------------------------------------------------------------------


class RegistrationState(_Value, frozen=True, kw_only=True):
    """An address of record that we keep registered at its registrar."""

    aor: str
    state: Literal["asking", "registered", "failed", "leaving"]
    since: datetime
    """When it got into this state."""
    registrar: str = ""
    """The SIP URI that it registers at."""
    expires: datetime | None = None
    """Until when it is bound unless it is refreshed, which happens before."""
    status: int | None = None
    """The SIP status of the last failure."""
    text: str = ""
    """Why it failed."""
    retry: datetime | None = None
    """When it is tried again after a failure."""


class UserState(_Value, frozen=True, kw_only=True):
    """An XMPP user who has an iChat online."""

    jid: str
    since: datetime
    aor: str = ""
    """The SIP address that the rules make of the JID; "" when none does."""
    registration: RegistrationState | None = None
    """null when there is no address of record, or registration is switched off."""
    calls: int = 0
    """Live calls of this user."""


class Users(_Value, frozen=True, kw_only=True):
    """Users online, by JID."""

    users: tuple[UserState, ...] = ()


# --- health -----------------------------------------------------------------------------------------------


class JabberState(_Value, frozen=True, kw_only=True):
    """The component's connection with the XMPP server."""

    online: bool
    since: datetime
    server: str
    """`host:port` as configured."""
    component: str
    text: str = ""
    """What the connector said of it last."""


class ProcessState(_Value, frozen=True, kw_only=True):
    """A child process: the connector."""

    running: bool
    since: datetime
    pid: int | None = None
    restarts: int = 0
    """How often it has been started again since the gateway runs."""
    text: str = ""
    """How its last run ended; "" when none has."""


class MediaPartState(_Value, frozen=True, kw_only=True):
    """A part of what moves audio: a relay worker, or an rtpengine."""

    name: str
    """`relay worker 0`, or `rtpengine 192.0.2.1:2223`."""
    running: bool
    since: datetime
    pid: int | None = None
    loop: str = ""
    """Which loop moves a worker's packets: `compiled` or `python`; "" while there is none."""
    calls: int = 0
    restarts: int = 0
    text: str = ""
    """What was heard of it last: how it was lost."""


class SipTargetState(_Value, frozen=True, kw_only=True):
    """A SIP server or phone that we send requests to, as it behaved last."""

    address: str
    """`UDP 192.0.2.1:5060`."""
    answers: bool
    since: datetime
    """When that was seen first without a change since."""
    text: str = ""
    """What went wrong when it does not answer."""


class Totals(_Value, frozen=True, kw_only=True):
    """Counted since the gateway started."""

    calls: int = 0
    """Begun."""
    answered: int = 0
    failed: int = 0
    """Ended before they were answered, for whatever cause."""
    refused: int = 0
    """Refused before they began: no route, a limit, a shutdown."""


class TurnedAway(_Value, frozen=True, kw_only=True):
    """What one setting has turned away since the gateway started: calls, and whatever else it limits."""

    setting: str
    times: int


class Status(_Value, frozen=True, kw_only=True):
    """How the gateway is."""

    version: str
    started: datetime
    now: datetime
    uptime_seconds: float
    ready: bool
    """Whether calls can be taken: online at the XMPP server, the media engine working, not stopping."""
    not_ready: tuple[str, ...] = ()
    """What is missing for that, a phrase each."""
    calls: int = 0
    """Live ones."""
    users: int = 0
    """Online."""
    registered: int = 0
    """Addresses of record that are registered now."""
    registrations_failed: int = 0
    listening: tuple[str, ...] = ()
    """The SIP sockets: `UDP 0.0.0.0:5070`."""
    jabber: JabberState
    connector: ProcessState
    media_engine: str = "builtin"
    """`builtin` or `rtpengine`."""
    media: tuple[MediaPartState, ...] = ()
    sip_targets: tuple[SipTargetState, ...] = ()
    totals: Totals = Totals()
    turned_away: tuple[TurnedAway, ...] = ()
    """By the settings that turn anything away; most first."""


# --- over time --------------------------------------------------------------------------------------------


class SeriesPoint(_Value, frozen=True, kw_only=True):
    """What was measured in one interval of time. null: nothing was."""

    at: datetime
    """The interval's end."""
    calls: float = 0.0
    """Live calls, on average."""
    begun: int = 0
    ended: int = 0
    setup_seconds: float | None = None
    """The median of the calls that rang or were answered in it."""
    loss: float | None = None
    """The share of packets that did not come, 0 to 1, in both directions."""
    jitter_ms: float | None = None
    """The mean of all directions of all calls."""


class Series(_Value, frozen=True, kw_only=True):
    """The charts: points at equal distances, the oldest first."""

    seconds: float
    """From one point to the next."""
    points: tuple[SeriesPoint, ...] = ()


# --- settings and rules -----------------------------------------------------------------------------------


class SettingValue(_Value, frozen=True, kw_only=True):
    """A setting as it is in force."""

    name: str
    section: str
    value: str
    """As a file would have it; for secrets `(set)` or `(not set)`, never the value."""
    is_default: bool
    secret: bool = False
    place: str = ""
    """Where it was set: `ichat-gw.config:12`, or `flag -sp`; "" for a default."""
    sentence: str = ""
    """What it is for."""
    live: bool = False
    """Whether a change takes effect at a reload; otherwise at the next start."""


class SettingValues(_Value, frozen=True, kw_only=True):
    """All settings, in the order of the reference."""

    file: str
    """The path of the configuration file."""
    loaded: datetime
    settings: tuple[SettingValue, ...] = ()


class RuleOutcome(_Value, frozen=True, kw_only=True):
    """What one translation rule does with an address."""

    rule: int
    """Counted from 1."""
    pattern: str
    template: str
    """The rule's output as written, with its `$1`."""
    outcome: Literal["matched", "not matched", "given up", "not tried"]
    """`given up`: at PCRE's match limit; `not tried`: the address is too long or no text."""
    groups: tuple[str | None, ...] = ()
    """What each group of the pattern took; null for one that took no part."""
    output: str | None = None
    line: int | None = None
    """Where the rule stands in the configuration file."""


class RuleTrial(_Value, frozen=True, kw_only=True):
    """What the rules do with an address; the first rule that matched counts."""

    address: str
    output: str | None = None
    """null: no rule matches, so nobody can be called by this address."""
    winner: int | None = None
    """The number of the rule that counts."""
    rules: tuple[RuleOutcome, ...] = ()


class SettingChange(_Value, frozen=True, kw_only=True):
    """A setting that a reload found changed; values as in `SettingValue`."""

    name: str
    before: str
    after: str


class ReloadReply(_Value, frozen=True, kw_only=True):
    """What a reload did. With problems nothing has changed."""

    done: bool
    changed: tuple[SettingChange, ...] = ()
    """In force from now on."""
    needs_restart: tuple[SettingChange, ...] = ()
    """Changed in the file, but the old value stays in force until the gateway is started again."""
    problems: tuple[str, ...] = ()
    """Why nothing was changed: `file:line: what; remedy`."""
    warnings: tuple[str, ...] = ()


class ErrorReply(_Value, frozen=True, kw_only=True):
    """The body of every answer whose status is 400 or more."""

    error: str
    """What is wrong."""
    remedy: str = ""
    """What to do about it."""


# --- the wire ---------------------------------------------------------------------------------------------

_V = TypeVar("_V", bound=_Value)


class NotUnderstood(GatewayError):
    """A body that is not the value it should be: mostly, the other side is of another release."""


def encode(value: _Value) -> bytes:
    """`value` as JSON."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        # No text of others may keep all others from being told.
        return whole(json.dumps(msgspec.to_builtins(value), ensure_ascii=False)).encode()


def decode(body: bytes | str, value: type[_V]) -> _V:
    """Read the JSON of a value. Raises NotUnderstood."""
    try:
        return msgspec.json.decode(body, type=value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NotUnderstood(
            f"the answer is no {value.__name__}: {error}; is it ichat-gw that answers?"
        ) from error
