"""Verdicts: which row matters most, and what is said."""

import msgspec
import pytest

from ichat_gw.ops.verdict import Finding, Verdict, read_verdict

HUNG_UP = Finding("hung-up", "bob hung up after 10 s")
ARRIVED = Finding("arrived", "the audio of bob arrived")
MISSING = Finding("never-sent", "alice sent no audio", "look at her microphone")
BUSY = Finding("busy", "alice is busy", "call later")


def test_a_good_call() -> None:
    verdict = Verdict(HUNG_UP, ARRIVED, ARRIVED)
    assert verdict.good
    assert (verdict.code, verdict.sentence, verdict.remedy) == ("hung-up", "bob hung up after 10 s.", "")


def test_audio_that_is_missing_matters_more_than_who_hung_up() -> None:
    verdict = Verdict(HUNG_UP, ARRIVED, MISSING, "from_callee")
    assert not verdict.good
    assert verdict.code == "never-sent"
    assert verdict.sentence == "bob hung up after 10 s; alice sent no audio."
    assert verdict.remedy == "look at her microphone"


def test_what_goes_for_both_directions_is_said_once() -> None:
    short = Finding("too-short", "the call was too short")
    assert Verdict(HUNG_UP, short, short).sentence == "bob hung up after 10 s; the call was too short."


def test_a_call_that_never_was() -> None:
    verdict = Verdict(BUSY)
    assert (verdict.code, verdict.sentence, verdict.remedy) == ("busy", "alice is busy.", "call later")


@pytest.mark.parametrize("verdict", [Verdict(BUSY), Verdict(HUNG_UP, ARRIVED, MISSING, "from_callee")])
def test_json_is_read_back(verdict: Verdict) -> None:
    assert read_verdict(verdict.as_json()) == verdict


def test_what_is_no_verdict_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        read_verdict({"end": 5})
