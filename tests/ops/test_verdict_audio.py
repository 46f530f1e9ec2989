"""The table of audio: what the counters and descriptions of a direction add up to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.call.cause import Cause
from ichat_gw.ops.verdict_audio import AUDIO, judge_audio
from ichat_gw.ops.verdict_facts import CallFacts, Counted, Party, Person, Said, Sample

PHONE = ("192.0.2.7", 8000)
CLIENT = ("2001:db8::9", 16402)
GOOD = Counted(received=3000, sent=3000, silent_for=0.02)


def call(
    heard: Counted = GOOD,
    told: Counted = GOOD,
    *,
    answered: float | None = 100.0,
    ended: float = 160.0,
    caller_said: tuple[Said, ...] = (Said(90.0, address=PHONE),),
    callee_said: tuple[Said, ...] = (Said(99.0, address=CLIENT),),
    samples: tuple[Sample, ...] = (),
) -> CallFacts:
    """A call whose caller is `heard`; `told` are the counters of the callee."""
    final = Sample(ended, heard, told)
    return CallFacts(
        caller=Person("sip:bob@192.0.2.7", "192.0.2.7"),
        callee=Person("xmpp:alice@example.com"),
        began=89.0,
        ended=ended,
        cause=Cause.HANGUP,
        answered=answered,
        caller_said=caller_said,
        callee_said=callee_said,
        samples=(*samples, final),
        final=final,
        caller_port=("192.0.2.1", 20000),
    )


def code(of: CallFacts) -> str:
    found = judge_audio(of, Party.CALLER)
    assert found is not None
    return found.code


def sentence(of: CallFacts, speaker: Party = Party.CALLER) -> str:
    found = judge_audio(of, speaker)
    assert found is not None
    return found.sentence


def test_of_a_call_that_was_never_up_nothing_is_said() -> None:
    assert judge_audio(call(answered=None), Party.CALLER) is None


def test_without_counters_nothing_is_known() -> None:
    of = CallFacts(
        caller=Person("sip:a"),
        callee=Person("xmpp:b"),
        began=0.0,
        ended=9.0,
        cause=Cause.HANGUP,
        answered=1.0,
    )
    assert code(of) == "not-counted"


def test_good_audio() -> None:
    assert sentence(call()) == "the audio of the caller bob@192.0.2.7 arrived"
    assert sentence(call(), Party.CALLEE) == "the audio of the callee alice@example.com arrived"


def test_a_few_strangers_are_nothing() -> None:
    assert code(call(Counted(received=100, strangers=99, silent_for=0.0))) == "arrived"
    assert code(call(Counted(received=0, strangers=4))) == "never-sent"
    wrong = call(Counted(strangers=5, stranger=("2001:db8::5", 4)))
    assert "came from [2001:db8::5]:4, but it had announced 192.0.2.7:8000: 5 packets" in sentence(wrong)


def test_a_party_that_announced_nothing() -> None:
    assert "who had announced no address" in sentence(call(Counted(), caller_said=()))


def test_remedies_name_addresses() -> None:
    found = judge_audio(call(Counted()), Party.CALLER)
    assert found is not None
    assert "from 192.0.2.7 pass" in found.remedy
    assert "look whether 192.0.2.1:20000" in found.remedy
    other = judge_audio(call(told=Counted()), Party.CALLEE)
    assert other is not None
    assert "from [2001:db8::9]:16402 pass" in other.remedy


HOLD = Said(120.0, sends=False, receives=False, address=PHONE)
RESUMED = Said(130.0, address=PHONE)


@pytest.mark.parametrize(
    ("silent_for", "found"),
    [(0.02, "arrived"), (29.0, "stopped"), (29.6, "one-way-since-hold"), (40.0, "one-way-since-hold")],
)
def test_after_a_hold(silent_for: float, found: str) -> None:
    said = (Said(90.0, address=PHONE), HOLD, RESUMED)
    assert code(call(Counted(received=1000, silent_for=silent_for), caller_said=said)) == found


def test_who_never_spoke_did_not_stop_because_of_a_hold() -> None:
    said = (Said(90.0, address=PHONE), HOLD, RESUMED)
    assert code(call(Counted(), caller_said=said)) == "never-sent"


def test_a_call_that_ends_right_after_it_was_taken_back() -> None:
    said = (Said(90.0, address=PHONE), HOLD, RESUMED)
    assert code(call(Counted(received=1000, silent_for=10.5), ended=130.5, caller_said=said)) == "arrived"


@pytest.mark.parametrize(
    ("caller", "callee", "since"),
    [
        ((Said(90.0), HOLD), (Said(99.0),), "00:02:00"),
        # The second hold counts, and of one hold its beginning.
        ((Said(90.0), HOLD, RESUMED, Said(140.0, sends=False)), (Said(99.0),), "00:02:20"),
        ((Said(90.0), HOLD, Said(125.0, sends=False)), (Said(99.0),), "00:02:00"),
        # Who holds may be the listener, from the beginning on.
        ((Said(90.0),), (Said(99.0, receives=False),), "00:01:40"),
        ((Said(90.0, sends=False),), (Said(99.0, receives=False),), "00:01:40"),
    ],
)
def test_on_hold_since(caller: tuple[Said, ...], callee: tuple[Said, ...], since: str) -> None:
    of = call(Counted(received=1000, silent_for=40.0), caller_said=caller, callee_said=callee)
    assert code(of) == "on-hold"
    assert f"since {since} UTC" in sentence(of)


def test_rtcp_goes_on_while_audio_has_stopped() -> None:
    """The counters as they went say when; how long the party is silent counts RTCP too."""
    samples = tuple(
        Sample(at, Counted(received=min(1000, round(at - 100) * 50)), GOOD)
        for at in (105.0, 115.0, 125.0, 135.0)
    )
    of = call(Counted(received=1000, silent_for=1.0), samples=samples)
    assert code(of) == "stopped"
    assert "stopped at 00:02:05 UTC, 35 s before the end" in sentence(of)


def test_what_cannot_be_sent_on() -> None:
    told = Counted(sent=10, errors=2990)
    assert "to the callee alice@example.com at [2001:db8::9]:16402" in sentence(call(told=told))
    assert code(call(told=Counted(sent=2990, errors=10))) == "arrived"


def test_loss() -> None:
    assert code(call(Counted(received=950, lost=49, silent_for=0.0))) == "arrived"
    assert "5% of the audio" in sentence(call(Counted(received=950, lost=50, silent_for=0.0)))
    assert code(call(told=Counted(sent=1000, reported_lost=49))) == "arrived"
    assert code(call(told=Counted(sent=1000, reported_lost=50))) == "lost-onward"
    assert code(call(told=Counted(sent=0, reported_lost=50))) == "arrived"


def test_jitter() -> None:
    assert "65 ms of jitter" in sentence(call(Counted(received=950, jitter=65.4, silent_for=0.0)))


_NUMBER = st.integers(0, 10**6)
_COUNTED = st.builds(
    Counted,
    _NUMBER,
    _NUMBER,
    _NUMBER,
    st.none() | st.just(PHONE),
    _NUMBER,
    _NUMBER,
    _NUMBER,
    st.floats(0, 1e6),
    st.none() | st.floats(0, 1e6),
    st.none() | st.just(CLIENT),
    st.none() | st.floats(0, 1),
    st.none() | st.integers(-100, 10**6),
)
_SAID = st.lists(
    st.builds(Said, st.floats(80, 170), st.booleans(), st.booleans(), st.none() | st.just(PHONE)), max_size=4
).map(lambda said: tuple(sorted(said, key=lambda each: each.at)))


@given(_COUNTED, _COUNTED, _SAID, _SAID, st.lists(_COUNTED, max_size=3))
def test_whatever_was_counted_there_is_a_sentence(
    heard: Counted, told: Counted, caller: tuple[Said, ...], callee: tuple[Said, ...], more: list[Counted]
) -> None:
    samples = tuple(Sample(100.0 + number, each, told) for number, each in enumerate(more))
    of = call(heard, told, caller_said=caller, callee_said=callee, samples=samples)
    found = judge_audio(of, Party.CALLER)
    assert found is not None
    assert found.sentence
    assert "{" not in found.remedy


def test_codes_are_unique() -> None:
    codes = [row.code for row in AUDIO]
    assert len(set(codes)) == len(codes)
