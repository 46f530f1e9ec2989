"""What a trace says of what passes between the gateway and its media engine: words, and fields."""

import re
from collections.abc import Iterable
from typing import TypeAlias

from ichat_gw.call.media import (
    MediaAnswer,
    MediaCandidate,
    MediaLost,
    MediaOffer,
    MediaReady,
    MediaRefused,
    MediaReoffer,
    MediaReplace,
    MediaReply,
    MediaRequest,
    MediaUpdate,
)
from ichat_gw.media.relay_messages import PartyCounters

Fields: TypeAlias = Iterable[tuple[str, object]]
"""Names and values, in the order in which they are shown."""

_HUMP = re.compile("(?<=[a-z])(?=[A-Z])")


def request_words(request: MediaRequest) -> tuple[str, str | None]:
    """What the media engine is asked, and the description that goes with it, if any."""
    match request:
        case MediaOffer(side=side, sdp=sdp, reserve=False):
            return f"could the {side.other.value} be offered audio?", sdp
        case MediaOffer(side=side, sdp=sdp):
            return f"offer of the {side.value}" if sdp else "wanted: an offer of ours", sdp
        case MediaAnswer(side=side, sdp=sdp):
            return f"answer of the {side.value}", sdp
        case MediaReoffer(side=side, sdp=sdp):
            return f"new offer of the {side.value}", sdp
        case MediaUpdate(side=side, sdp=sdp):
            return f"answer of the {side.value} to our offer", sdp
        case MediaCandidate(side=side):
            return f"wanted: an offer for who may take the place of the {side.value}", None
        case MediaReplace(side=side, sdp=sdp):
            return f"somebody else is the {side.value}", sdp
        case _:
            return _named(request), getattr(request, "sdp", None)


def reply_words(reply: MediaReply) -> tuple[str, str | None]:
    """What the media engine says, and the description that goes with it, if any."""
    match reply:
        case MediaReady(sdp=sdp):
            return ("our description" if sdp else "yes"), sdp
        case MediaRefused(ending=ending):
            return f"refused: {ending}", None
        case MediaLost(ending=ending):
            return f"media lost: {ending}", None
        case _:
            return _named(reply), reply.sdp


def _named(event: MediaRequest | MediaReply) -> str:
    """`MediaPassedOn` is "passed on"."""
    return _HUMP.sub(" ", type(event).__name__.removeprefix("Media")).lower()


def counter_fields(counters: PartyCounters) -> Fields:
    """What is shown of the counters of one party; what is nothing is left out."""
    shown: list[tuple[str, object]] = [("received", counters.received), ("sent", counters.sent)]
    for name in ("lost", "late", "strangers", "malformed", "early", "unsent", "errors", "keep_alives"):
        if value := getattr(counters, name):
            shown.append((name, value))
    shown.append(("jitter_ms", round(counters.jitter, 1)))
    if counters.source is not None:
        shown.append(("source", f"{counters.source[0]}:{counters.source[1]}"))
    if counters.silent_for is not None:
        shown.append(("silent_seconds", round(counters.silent_for, 1)))
    return shown


def report_fields(counters: PartyCounters) -> Fields:
    """What is shown of the RTCP reports of one party."""
    return (
        ("reports", counters.reports),
        ("loss", counters.reported_loss),
        ("lost", counters.reported_lost),
        ("jitter_ms", _rounded(counters.reported_jitter)),
        ("round_trip_ms", _rounded(counters.round_trip)),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
