"""Who ended a call, and why: one table, and the first row that fits is the one.

What a row says is told of the facts; what to do about it is the same for each call that it fits.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ichat_gw.call.cause import Cause
from ichat_gw.ops.verdict import Finding
from ichat_gw.ops.verdict_facts import CallFacts, Party


@dataclass(frozen=True, slots=True)
class EndRow:
    """One way in which a call ends."""

    code: str
    fits: Callable[[CallFacts], bool]
    tell: Callable[[CallFacts], str]
    """The sentence, without a full stop."""
    remedy: str = ""
    """What to do; `{setting}` stands for the setting that refused the call. Empty: nothing."""


def judge_end(facts: CallFacts) -> Finding:
    """The row that the end of this call belongs to."""
    for row in ENDS:
        if row.fits(facts):
            return Finding(row.code, row.tell(facts), row.remedy.format(setting=facts.setting or "the limit"))
    raise AssertionError("the last row fits everything")


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `1 min 3 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


# --- words ------------------------------------------------------------------------------------------------


def _who(facts: CallFacts) -> str:
    """Whoever ended it, as the subject of a sentence."""
    return "the gateway" if facts.by is None else f"the {facts.by} {facts.person(facts.by).name}"


def _other(facts: CallFacts) -> str:
    """The party whose leg ended, or either."""
    return "one of the parties" if facts.by is None else _who(facts)


def _callee(facts: CallFacts) -> str:
    return facts.callee.name


def _code(facts: CallFacts) -> str:
    """The SIP status as received, and the other side's words."""
    status = f" (SIP {facts.status})" if facts.status is not None else ""
    return status + _text(facts)


def _text(facts: CallFacts) -> str:
    return f": {facts.text}" if facts.text else ""


def _talked(facts: CallFacts) -> str:
    return f" after {duration(facts.talked)}" if facts.answered is not None else " before it was up"


# --- conditions -------------------------------------------------------------------------------------------


def _cause(*causes: Cause) -> Callable[[CallFacts], bool]:
    return lambda facts: facts.cause in causes


def _status(*statuses: int) -> Callable[[CallFacts], bool]:
    return lambda facts: facts.status in statuses


def _both(*conditions: Callable[[CallFacts], bool]) -> Callable[[CallFacts], bool]:
    return lambda facts: all(condition(facts) for condition in conditions)


def _up(facts: CallFacts) -> bool:
    return facts.answered is not None


def _to_xmpp(facts: CallFacts) -> bool:
    return facts.callee.is_xmpp


def _from_xmpp(facts: CallFacts) -> bool:
    return facts.caller.is_xmpp


def _by_setting(facts: CallFacts) -> bool:
    return bool(facts.setting)


def _by_callee(facts: CallFacts) -> bool:
    return facts.by is Party.CALLEE


def _by_caller(facts: CallFacts) -> bool:
    return facts.by is Party.CALLER


def _received(facts: CallFacts) -> bool:
    return facts.status is not None


def _server_error(facts: CallFacts) -> bool:
    return facts.status is not None and 500 <= facts.status < 600


_FIREWALL = (
    "let UDP pass, both ways, between this machine and the client (UDPTCPPort, and from "
    "MediaRelayPortRangeMin to MediaRelayPortRangeMax for the audio); with several network adapters "
    "set IPAddress to the one that clients reach"
)

ENDS: tuple[EndRow, ...] = (
    # --- both talked --------------------------------------------------------------------------------------
    EndRow(
        "hung-up",
        _cause(Cause.HANGUP),
        lambda facts: f"{_who(facts)} hung up{_talked(facts)}{_code(facts)}",
    ),
    EndRow(
        "media-timeout",
        _cause(Cause.MEDIA_TIMEOUT),
        lambda facts: f"the gateway ended the call{_talked(facts)}{_text(facts)}",
        "if the audio of the other direction is in order, see what is said of this one; if parties may be "
        "silent for longer, raise MediaTimeout (0 switches it off)",
    ),
    EndRow(
        "vanished",
        _both(_cause(Cause.TIMEOUT), _up),
        lambda facts: f"{_other(facts)} vanished{_talked(facts)}{_text(facts) or ': it answers no more'}",
        "look whether it lost its network, or whether something in between forgets UDP flows (a NAT with a "
        "short timeout): KeepAlives, or TCP, keep them open",
    ),
    EndRow(
        "relay-failed",
        _cause(Cause.MEDIA_FAILED),
        lambda facts: f"the gateway ended the call because its media relay failed{_text(facts)}",
        "the log has `media lost` with the rtpengine that is gone: see why it stopped, or what is on the way "
        "to it; or it has `relay lost`: look for a shortage of memory or descriptors, and report it as a "
        "fault of the gateway if there is none",
    ),
    EndRow(
        "too-long",
        _cause(Cause.TOO_LONG),
        lambda facts: f"the gateway ended the call{_talked(facts)}: {facts.cause.sentence}",
        "if calls may last longer, raise MaxCallDuration (0 switches it off); otherwise somebody forgot to "
        "hang up",
    ),
    EndRow(
        "stopping",
        _cause(Cause.SHUTDOWN),
        lambda facts: "the gateway was being stopped",
    ),
    EndRow(
        "broken-up",
        _both(_up, lambda facts: facts.cause not in (Cause.CONNECTOR_LOST, Cause.CANCELLED)),
        lambda facts: f"{_who(facts)} ended the call{_talked(facts)}: {facts.cause.sentence}{_code(facts)}",
        "the trace shows the message that it ended with; what it says is the other side's reason",
    ),
    # --- the gateway does not take the call ---------------------------------------------------------------
    EndRow(
        "not-allowed",
        _both(_by_setting, _cause(Cause.FORBIDDEN)),
        lambda facts: f"{facts.caller.name} may not call {_callee(facts)}{_text(facts)}",
        "if this caller should be let in, add its domain or network to {setting}",
    ),
    EndRow(
        "too-many",
        lambda facts: _by_setting(facts) or facts.cause is Cause.OVERLOADED,
        lambda facts: f"the call to {_callee(facts)} was one too many{_text(facts)}",
        "if these calls are wanted raise {setting}; otherwise find out who calls so often, and keep "
        "him out with AllowedSIPNetworks or AllowedXMPPDomains",
    ),
    EndRow(
        "xmpp-down",
        _cause(Cause.CONNECTOR_LOST),
        lambda facts: f"the call could not go on because {facts.cause.sentence}{_text(facts)}",
        "look whether the XMPP server runs, and whether JabberServer, JabberComponentPort, "
        "JabberComponentName and JabberComponentPassword are what it knows; `jabber connection` in the log "
        "says what is wrong",
    ),
    EndRow(
        "no-rule",
        _cause(Cause.NO_ROUTE),
        lambda facts: f"{_callee(facts)} cannot be called{_text(facts) or ': no translation rule'}",
        "add a TranslationPattern that matches this address, or correct the one that should; "
        "`ichat-gw translate ADDRESS` shows what each rule makes of it",
    ),
    EndRow(
        "same-network",
        _both(_cause(Cause.FORBIDDEN), lambda facts: not _received(facts)),
        lambda facts: f"the gateway does not connect {facts.caller.name} with {_callee(facts)}{_text(facts)}",
        "the rules lead this call back to the network that it came from: correct the rule that matches, or "
        "send the call where it belongs",
    ),
    EndRow(
        "no-port",
        _cause(Cause.NO_RESOURCES),
        lambda facts: f"the gateway had nothing left to relay audio with{_text(facts)}",
        "widen MediaRelayPortRangeMin to MediaRelayPortRangeMax, four ports for each call; if the text "
        "says that files cannot be opened, raise the limit of open files (LimitNOFILE)",
    ),
    # --- iChat ----------------------------------------------------------------------------------------------
    EndRow(
        "no-address",
        _cause(Cause.NO_USABLE_ADDRESS),
        lambda facts: (
            f"the iChat client of the {'caller' if _from_xmpp(facts) else 'callee'} gave no address "
            f"at which it can be reached{_text(facts)}"
        ),
        "its connect data names no IPv4 address (or, with PreferIPv6, none of a family that this machine "
        "has), or only one that SkipFirstIChatAddress skips: correct these settings, or the client's network",
    ),
    EndRow(
        "not-online",
        lambda facts: (
            facts.cause is Cause.NOT_ONLINE
            or (facts.cause is Cause.TIMEOUT and _to_xmpp(facts) and _by_callee(facts) and facts.rang is None)
        ),
        lambda facts: f"no iChat client of {_callee(facts)} showed up in time",
        "the user has to be online with an iChat, and to have the control contact in the contact list; "
        "IChatProceedingTimeout is how long we look",
    ),
    EndRow(
        "ichat-silent",
        _both(_cause(Cause.TIMEOUT, Cause.UNREACHABLE), _to_xmpp, _by_callee),
        lambda facts: (
            f"the iChat client of {_callee(facts)} accepted the call, but our INVITE to it was "
            f"never answered{_code(facts)}"
        ),
        _FIREWALL,
    ),
    EndRow(
        "ichat-no-invite",
        _both(_cause(Cause.TIMEOUT), _from_xmpp, _by_caller),
        lambda facts: (
            f"the iChat client of {facts.caller.name} was told that the call is answered, but its "
            f"INVITE never came{_text(facts)}"
        ),
        _FIREWALL,
    ),
    EndRow(
        "user-away",
        _both(_cause(Cause.NOT_FOUND), _to_xmpp),
        lambda facts: f"{_callee(facts)} does not exist or is not online{_code(facts)}",
        "if the user is online, his iChat has to have the control contact in its contact list; otherwise "
        "look what the translation rules make of the number that was called",
    ),
    # --- what the called side says ------------------------------------------------------------------------
    EndRow(
        "cancelled",
        _cause(Cause.CANCELLED),
        lambda facts: (
            f"the caller {facts.caller.name} gave up after {duration(facts.ended - facts.began)}, "
            f"before anybody answered{_code(facts)}"
        ),
    ),
    EndRow(
        "answered-elsewhere",
        _cause(Cause.ANSWERED_ELSEWHERE),
        lambda facts: f"somebody else took the call{_text(facts)}",
    ),
    EndRow(
        "busy",
        _cause(Cause.BUSY),
        lambda facts: f"{_callee(facts)} is busy{_code(facts)}",
    ),
    EndRow(
        "declined",
        _cause(Cause.DECLINED),
        lambda facts: f"{_callee(facts)} declined{_code(facts)}",
    ),
    EndRow(
        "no-answer",
        _cause(Cause.NO_ANSWER),
        lambda facts: (
            f"{_callee(facts)} did not answer within {duration(facts.ended - facts.began)}{_code(facts)}"
        ),
    ),
    EndRow(
        "number-unknown",
        _cause(Cause.NOT_FOUND),
        lambda facts: f"nobody is known as {_callee(facts)} there{_code(facts)}",
        "look whether this is the address that should have been called: `ichat-gw translate` shows which "
        "rule made it; if it is, the SIP server has to know it",
    ),
    EndRow(
        "password-wanted",
        _status(401, 407),
        lambda facts: (
            f"the SIP server of {_callee(facts)} did not take our password, or we had none for it"
            f"{_code(facts)}"
        ),
        "give user, realm and password of that server in SIPCredentials, and look whether they are right; "
        "only OutboundProxy and domains that the translation rules spell out are given an answer",
    ),
    EndRow(
        "forbidden-there",
        _cause(Cause.FORBIDDEN),
        lambda facts: f"the SIP server does not let us call {_callee(facts)}{_code(facts)}",
        "let it take calls from this gateway's address, and from the user as its caller: his address is what "
        "the translation rules make of his JID",
    ),
    EndRow(
        "no-codec",
        _both(
            _cause(Cause.NOT_ACCEPTABLE),
            lambda facts: facts.warning == 305 or (facts.warning is None and _received(facts)),
        ),
        lambda facts: f"{facts.caller.name} and {_callee(facts)} have no audio codec in common{_code(facts)}",
        "switch PCMU on in the SIP phone or server, the one codec that every iChat has; look whether "
        "CodecIdFilterList takes out too much",
    ),
    EndRow(
        "no-common-way",
        _cause(Cause.NOT_ACCEPTABLE),
        lambda facts: f"{facts.caller.name} and {_callee(facts)} have no common way to talk{_code(facts)}",
        "the text says what the session description lacks: encrypted audio (RTP/SAVP) has to be switched "
        "off in the phone, an address has to be a number of a family that this machine has",
    ),
    EndRow(
        "unreachable",
        _both(_cause(Cause.UNREACHABLE), lambda facts: not _received(facts)),
        lambda facts: f"{_callee(facts)} could not be reached{_text(facts)}",
        "look whether the domain has the right DNS records (NAPTR, SRV, A), whether the server listens "
        "there, and whether a firewall stands in between; OutboundProxy sends all calls one way",
    ),
    EndRow(
        "no-response",
        _both(_cause(Cause.TIMEOUT), lambda facts: facts.status in (None, 408)),
        lambda facts: f"{_who(facts)} did not respond{_code(facts)}",
        "look whether the SIP server runs at that address, and whether a firewall drops SIP in one of the "
        "two directions: its answers come to UDPTCPPort",
    ),
    EndRow(
        "server-error",
        _server_error,
        lambda facts: f"the SIP server of {_callee(facts)} failed{_code(facts)}",
        "its own log says why",
    ),
    EndRow(
        "malformed",
        _cause(Cause.MALFORMED),
        lambda facts: f"{_who(facts)} sent something that cannot be understood{_code(facts)}",
        "the trace shows the message: report it to whoever made that phone or server, or to us if it is in "
        "order",
    ),
    EndRow(
        "refused",
        lambda facts: True,
        lambda facts: f"{_who(facts)} refused the call{_code(facts)}",
        "the SIP status says why (RFC 3261 section 21); the trace shows the whole answer",
    ),
)
"""The table, in the order in which it is tried."""
