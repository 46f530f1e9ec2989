"""What a trace says of the media engine."""

import pytest

from ichat_gw.app.media_words import counter_fields, reply_words, report_fields, request_words
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.media import (
    MediaAnswer,
    MediaCandidate,
    MediaLost,
    MediaOffer,
    MediaPassedOn,
    MediaPassOn,
    MediaReady,
    MediaRefused,
    MediaRelease,
    MediaReoffer,
    MediaReplace,
    MediaReply,
    MediaRequest,
    MediaUpdate,
    Side,
)
from ichat_gw.media.relay_messages import PartyCounters

GONE = Ending(Cause.REJECTED)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (MediaOffer(1, Side.CALLER, "sdp", "", reserve=False), "could the callee be offered audio?"),
        (MediaOffer(1, Side.CALLER, "sdp", ""), "offer of the caller"),
        (MediaOffer(1, Side.CALLER, None, ""), "wanted: an offer of ours"),
        (MediaAnswer(1, Side.CALLEE, "sdp", ""), "answer of the callee"),
        (MediaReoffer(1, Side.CALLER, "sdp", ""), "new offer of the caller"),
        (MediaUpdate(1, Side.CALLER, "sdp"), "answer of the caller to our offer"),
        (
            MediaCandidate(1, Side.CALLEE, ""),
            "wanted: an offer for who may take the place of the callee",
        ),
        (MediaReplace(1, Side.CALLEE, "sdp", "", answers=True), "somebody else is the callee"),
        (MediaPassedOn(1, Side.CALLEE, "sdp"), "passed on"),
        (MediaRelease(), "release"),
    ],
)
def test_what_the_engine_is_asked(request_: MediaRequest, words: str) -> None:
    assert request_words(request_) == (words, getattr(request_, "sdp", None))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (MediaReady(1, "sdp"), ("our description", "sdp")),
        (MediaReady(1, ""), ("yes", "")),
        (MediaPassOn(1, "sdp"), ("pass on", "sdp")),
        (MediaRefused(1, GONE), (f"refused: {GONE}", None)),
        (MediaLost(GONE), (f"media lost: {GONE}", None)),
    ],
)
def test_what_the_engine_says(reply: MediaReply, words: tuple[str, str | None]) -> None:
    assert reply_words(reply) == words


def test_counters_that_are_nothing_are_left_out() -> None:
    assert list(counter_fields(PartyCounters())) == [("received", 0), ("sent", 0), ("jitter_ms", 0.0)]
    counters = PartyCounters(sent=2, lost=3, jitter=1.25, source=("192.0.2.1", 4000), silent_for=0.54)
    assert list(counter_fields(counters)) == [
        ("received", 0),
        ("sent", 2),
        ("lost", 3),
        ("jitter_ms", 1.2),
        ("source", "192.0.2.1:4000"),
        ("silent_seconds", 0.5),
    ]


def test_what_a_report_does_not_say_stays_unknown() -> None:
    counters = PartyCounters(reports=1, reported_loss=0.2, reported_lost=50, reported_jitter=1.26)
    assert dict(report_fields(counters)) == {
        "reports": 1,
        "loss": 0.2,
        "lost": 50,
        "jitter_ms": 1.3,
        "round_trip_ms": None,
    }
