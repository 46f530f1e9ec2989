"""The table of ends: every cause has a row of its own, and a sentence that can be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.call.cause import Cause
from ichat_gw.ops.verdict_ends import ENDS, duration, judge_end
from ichat_gw.ops.verdict_facts import CallFacts, Party, Person

IN = Person("sip:bob@192.0.2.7", "192.0.2.7"), Person("xmpp:alice@example.com")
OUT = Person("xmpp:alice@example.com"), Person("sip:72123@pbx.example.com", "pbx.example.com")


def facts(cause: Cause, people: tuple[Person, Person] = IN, **more: object) -> CallFacts:
    caller, callee = people
    known: dict[str, object] = {
        "caller": caller,
        "callee": callee,
        "began": 0.0,
        "ended": 70.0,
        "cause": cause,
    }
    return CallFacts(**{**known, **more})  # type: ignore[arg-type]


_NEVER_LAST = {Cause.TRANSFERRED, Cause.REPLACED}
"""Told to the party that is replaced; the call goes on."""


@pytest.mark.parametrize("cause", sorted(set(Cause) - _NEVER_LAST - {Cause.REJECTED}, key=str))
def test_each_cause_has_a_row_of_its_own(cause: Cause) -> None:
    assert judge_end(facts(cause, by=Party.CALLEE)).code not in ("refused", "broken-up")


CASES = [
    (facts(Cause.HANGUP, answered=5.0, by=Party.CALLER), "the caller bob@192.0.2.7 hung up after 1 min 5 s"),
    (facts(Cause.HANGUP, by=Party.CALLER), "the caller bob@192.0.2.7 hung up before it was up"),
    (
        facts(Cause.HANGUP, answered=5.0, by=Party.CALLER, status=500, text="melted"),
        "the caller bob@192.0.2.7 hung up after 1 min 5 s (SIP 500): melted",
    ),
    (
        facts(Cause.TIMEOUT, answered=5.0, by=Party.CALLER),
        "the caller bob@192.0.2.7 vanished after 1 min 5 s: it answers no more",
    ),
    (facts(Cause.TIMEOUT, answered=5.0), "one of the parties vanished after 1 min 5 s: it answers no more"),
    (facts(Cause.NO_ROUTE), "alice@example.com cannot be called: no translation rule"),
    (facts(Cause.TIMEOUT, by=Party.CALLEE), "no iChat client of alice@example.com showed up in time"),
    (
        facts(Cause.TIMEOUT, by=Party.CALLEE, rang=1.0, text="64 * T1"),
        "the iChat client of alice@example.com accepted the call, but our INVITE to it was never answered: "
        "64 * T1",
    ),
    (facts(Cause.TIMEOUT, OUT, by=Party.CALLEE), "the callee 72123@pbx.example.com did not respond"),
    (
        facts(Cause.FORBIDDEN, OUT, by=Party.CALLEE, status=403),
        "the SIP server does not let us call 72123@pbx.example.com (SIP 403)",
    ),
    (facts(Cause.SHUTDOWN, answered=1.0), "the gateway was being stopped"),
    (
        facts(Cause.REJECTED, OUT, by=Party.CALLEE, status=503, text="Overload"),
        "the SIP server of 72123@pbx.example.com failed (SIP 503): Overload",
    ),
    (
        facts(Cause.UNREACHABLE, OUT, by=Party.CALLEE, status=503),
        "the SIP server of 72123@pbx.example.com failed (SIP 503)",
    ),
]


@pytest.mark.parametrize(("of", "sentence"), CASES)
def test_sentences(of: CallFacts, sentence: str) -> None:
    assert judge_end(of).sentence == sentence


def test_a_setting_is_named_in_the_remedy() -> None:
    of = facts(Cause.OVERLOADED, setting="MaxCalls", text="MaxCalls does not let in 192.0.2.7")
    assert "raise MaxCalls;" in judge_end(of).remedy


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 s"),
        (0.04, "0 s"),
        (0.44, "0.4 s"),
        (9.99, "10 s"),
        (12.4, "12 s"),
        (59.6, "1 min 0 s"),
        (63.0, "1 min 3 s"),
        (7500.0, "2 h 5 min"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_codes_are_unique_and_the_last_row_fits_everything() -> None:
    codes = [row.code for row in ENDS]
    assert len(set(codes)) == len(codes)
    assert codes[-1] == "refused"


_PEOPLE = st.sampled_from([IN, OUT, (IN[0], OUT[1]), (OUT[0], IN[1])])


@given(
    st.sampled_from(Cause),
    _PEOPLE,
    st.none() | st.integers(300, 699),
    st.none() | st.sampled_from(Party),
    st.booleans(),
    st.sampled_from(["", "MaxCalls", "AllowedXMPPDomains"]),
    st.text(),
)
def test_whatever_happens_there_is_a_sentence(
    cause: Cause,
    people: tuple[Person, Person],
    status: int | None,
    by: Party | None,
    answered: bool,
    setting: str,
    text: str,
) -> None:
    of = facts(
        cause, people, status=status, by=by, answered=5.0 if answered else None, setting=setting, text=text
    )
    found = judge_end(of)
    assert found.sentence
    assert "{" not in found.remedy
