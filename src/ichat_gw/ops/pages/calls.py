"""The live calls, and the page of one call."""

from ichat_gw.ops.api import CallDetail, CallRecord, Calls, LiveCall, MediaState, PartyRecord, PartyState
from ichat_gw.ops.pages.figures import (
    NONE,
    address,
    count,
    delay,
    milliseconds,
    moment,
    plural,
    sentence,
    share,
    span,
)
from ichat_gw.ops.pages.html import NOTHING, Html, fill, joined, path
from ichat_gw.ops.pages.ladder import ladder
from ichat_gw.ops.pages.layout import Column, Page, code, facts, pill, section, table
from ichat_gw.ops.trace import CallTrace

MOST_ON_PAGE = 200
"""Live calls that the page shows; the API gives all."""

SILENT = 2.0
"""Seconds without a packet after which a party counts as silent."""

_STATES = {
    "offering": ("busy", "setting up"),
    "calling": ("busy", "calling"),
    "ringing": ("busy", "ringing"),
    "connecting": ("busy", "connecting"),
    "answered": ("busy", "answered"),
    "talking": ("good", "talking"),
    "over": ("idle", "over"),
}


def state(call: LiveCall) -> Html:
    """How far it has come."""
    return pill(*_STATES[call.state])


def live_calls(calls: Calls) -> Page:
    """The oldest first, so that rows keep their places."""
    columns = (
        Column("Call"),
        Column("State"),
        Column("Caller"),
        Column("Callee"),
        Column("For", "num"),
        Column("Set-up", "num"),
        Column("Codec"),
        Column("Audio from caller"),
        Column("Audio from callee"),
    )
    rows = (
        (
            call.id,
            (
                fill('<a href="{href}">{id}</a>', href=path("calls", call.id), id=call.id),
                state(call),
                address(call.caller.address),
                address(call.callee.address),
                span(call.seconds),
                delay(call.setup_seconds),
                _codecs(call),
                _audio(call.caller.media),
                _audio(call.callee.media),
            ),
        )
        for call in calls.calls[:MOST_ON_PAGE]
    )
    found = table("calls-table", "Live calls, the oldest first", columns, rows, "There are no calls now.")
    more = len(calls.calls) - MOST_ON_PAGE
    note = fill('<p class="quiet">{more} not shown.</p>', more=plural(more, "call")) if more > 0 else NOTHING
    return Page("Live calls", joined([found, note]), "calls", "calls")


def _codecs(call: LiveCall) -> Html:
    codecs = dict.fromkeys(
        party.media.codec for party in (call.caller, call.callee) if party.media is not None
    )
    return joined((codec for codec in codecs if codec), ", ") or NONE


def _audio(media: MediaState | None) -> Html:
    if media is None or not (media.received or media.lost):
        return fill('<span class="quiet">none</span>')
    trouble = (
        fill(" {pill}", pill=pill("bad", f"silent for {media.silent_seconds or 0:.0f} s"))
        if _silent(media)
        else NOTHING
    )
    return fill(
        "{packets}, {loss} lost, jitter {jitter}{trouble}",
        packets=plural(media.received, "packet"),
        loss=share(media.loss),
        jitter=milliseconds(media.jitter_ms),
        trouble=trouble,
    )


def _silent(media: MediaState) -> bool:
    return media.silent_seconds is not None and media.silent_seconds > SILENT


def call_page(detail: CallDetail, trace: CallTrace | None) -> Page:
    """One call: what became of it, its facts, its audio, and every message as a ladder."""
    if detail.live is not None:
        live, call_id = detail.live, detail.live.id
        parts = [_live_lead(live), _live_facts(live), _audio_table(live.caller, live.callee)]
        caller, callee = live.caller.address, live.callee.address
    else:
        assert detail.record is not None
        record, call_id = detail.record, detail.record.id
        parts = [_verdict(record), _record_facts(record), _audio_table(record.caller, record.callee)]
        caller, callee = record.caller.address, record.callee.address
    if trace is None:
        parts.append(
            fill("<p>The messages of this call are no longer kept; TraceCalls says how long they are.</p>")
        )
    else:
        parts.append(section("ladder", "Messages", _downloads(call_id), ladder(trace)))
    heading = fill(
        '{caller} <span class="calls">calls</span> {callee}', caller=address(caller), callee=address(callee)
    )
    here, changes = ("calls", "calls record") if detail.live is not None else ("records", "")
    return Page(f"Call {call_id}", joined(parts, "\n"), here, changes, heading)


def _live_lead(call: LiveCall) -> Html:
    return fill(
        '<p class="lead" id="lead">{state} for {seconds}</p>', state=state(call), seconds=span(call.seconds)
    )


def _live_facts(call: LiveCall) -> Html:
    return facts(
        (
            ("Call", code(call.id)),
            ("Began", moment(call.began)),
            ("Set-up delay", delay(call.setup_seconds)),
            ("Answered", moment(call.answered)),
            ("Caller at", call.caller.host or NONE),
            ("Callee at", call.callee.host or NONE),
        )
    )


def _verdict(record: CallRecord) -> Html:
    remedy = fill("<p>{remedy}</p>", remedy=sentence(record.remedy)) if record.remedy else NOTHING
    kind = "bad" if record.remedy else "good"
    return fill(
        '<div class="verdict {kind}" id="verdict"><p class="lead">{verdict}</p>{remedy}</div>',
        kind=kind,
        verdict=sentence(record.verdict),
        remedy=remedy,
    )


def _record_facts(record: CallRecord) -> Html:
    return facts(
        (
            ("Call", code(record.id)),
            ("Began", moment(record.began)),
            ("Set-up delay", delay(record.setup_seconds)),
            ("Answered", moment(record.answered)),
            ("Ended", fill("{ended} by {by}", ended=moment(record.ended), by=f"the {record.ended_by}")),
            ("Talk", span(record.talk_seconds)),
            ("Cause", code(record.cause)),
            ("SIP status", NONE if record.status is None else record.status),
        )
    )


def _audio_table(caller: PartyState | PartyRecord, callee: PartyState | PartyRecord) -> Html:
    columns = (
        Column("Audio of the"),
        Column("Codec"),
        Column("Packets from it", "num"),
        Column("Packets to it", "num"),
        Column("Lost", "num"),
        Column("Jitter", "num"),
        Column("Lost on the way to it", "num"),
    )
    rows = ((name, (name, *_direction(party))) for name, party in (("caller", caller), ("callee", callee)))
    return section("audio", "Audio", table("audio-table", "Audio of both parties", columns, rows, ""))


def _direction(party: PartyState | PartyRecord) -> tuple[object, ...]:
    media = party.media if isinstance(party, PartyState) else party
    if media is None:
        return (NONE,) * 6
    packets = media.received + media.lost
    lost = (
        fill("{lost} ({share})", lost=count(media.lost), share=share(media.lost / packets))
        if packets
        else NONE
    )
    jitter = milliseconds(media.jitter_ms) if media.received else NONE
    heard = share(media.heard_loss) if isinstance(media, MediaState) else NONE
    return media.codec or NONE, count(media.received), count(media.sent), lost, jitter, heard


def _downloads(call: str) -> Html:
    links = (
        fill(
            '<a href="{href}" download>{words}</a>',
            href=path("api", "v1", "calls", call, f"trace.{kind}"),
            words=words,
        )
        for kind, words in (
            ("pcap", "Wireshark"),
            ("html", "HTML"),
            ("svg", "SVG"),
            ("txt", "Text"),
            ("json", "JSON"),
        )
    )
    return fill('<p class="choice">Download: {links}</p>', links=joined(links, " "))
