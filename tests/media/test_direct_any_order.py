"""Direct media: requests out of turn, and any in any order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ichat_gw.call.cause import Cause
from ichat_gw.call.media import (
    MediaAnswer,
    MediaCandidate,
    MediaOffer,
    MediaPassedOn,
    MediaReoffer,
    MediaReplace,
    MediaUpdate,
    Side,
)
from tests.media.direct_calls import CALLEE, CALLER, HELD, ICHAT, PHONE, Scene
from tests.media.relaying import sdp
from tests.media.test_sdp import VICEROY

# --- out of turn ------------------------------------------------------------------------------------------


def test_requests_for_calls_that_are_not_known() -> None:
    scene = Scene()
    for kind, more in (
        (MediaAnswer, (CALLEE, ICHAT, "")),
        (MediaReoffer, (CALLEE, ICHAT, "")),
        (MediaPassedOn, (CALLEE, ICHAT)),
    ):
        assert scene.refused(kind, *more).cause is Cause.MEDIA_FAILED
    scene.release()


def test_requests_out_of_turn() -> None:
    scene = Scene()
    scene.ready(MediaOffer, CALLER, PHONE, "192.0.2.20")
    for kind, more in (
        (MediaAnswer, (CALLER, PHONE, "")),
        (MediaReoffer, (CALLER, PHONE, "")),
        (MediaReoffer, (CALLER, None, "")),
        (MediaUpdate, (CALLEE, ICHAT)),
        (MediaPassedOn, (CALLEE, ICHAT)),
    ):
        assert scene.refused(kind, *more).cause is Cause.MEDIA_FAILED
    assert scene.refused(MediaAnswer, CALLEE, "nonsense", "").cause is Cause.MALFORMED
    scene.release()


def test_a_call_that_is_refused_before_it_has_begun() -> None:
    scene = Scene()
    assert scene.refused(MediaOffer, CALLER, "nonsense", "").cause is Cause.MALFORMED
    assert scene.refused(MediaOffer, CALLER, sdp("192.0.2.10", 0), "").warning == 304
    scene.release()


def test_the_relay_shows_through() -> None:
    scene = Scene()
    assert scene.engine.status().parts
    assert scene.engine.ready
    scene.ichat_calls_sip()
    assert scene.engine.deadline() is None
    assert scene.engine.expire(1.0) == []


DESCRIPTIONS = [
    PHONE,
    ICHAT,
    HELD,
    VICEROY,
    sdp("2001:db8::20", 16_402),
    sdp("0.0.0.0", 5),
    sdp("192.0.2.30", 9, formats="8"),
    "nonsense",
]
SIDES = st.sampled_from(Side)
TEXTS = st.sampled_from(DESCRIPTIONS)
ANYTHING = st.one_of(
    st.tuples(st.just(MediaOffer), SIDES, st.none() | TEXTS, st.sampled_from(["", "192.0.2.20", "::1"])),
    st.tuples(st.just(MediaAnswer), SIDES, TEXTS, st.just("")),
    st.tuples(st.just(MediaReoffer), SIDES, st.none() | TEXTS, st.just("192.0.2.10")),
    st.tuples(st.just(MediaUpdate), SIDES, TEXTS),
    st.tuples(st.just(MediaPassedOn), SIDES, st.none() | TEXTS),
    st.tuples(st.just(MediaCandidate), SIDES, st.just("192.0.2.30")),
    st.tuples(st.just(MediaReplace), SIDES, st.none() | TEXTS, st.just(""), st.booleans()),
)


@given(st.lists(ANYTHING, max_size=12))
@settings(max_examples=300, deadline=None)
def test_whatever_is_asked_gets_one_reply_and_leaves_nothing(requests: list[tuple[type, object]]) -> None:
    scene = Scene()
    for kind, *more in requests:
        scene.ask(kind, *more)
    scene.release()
