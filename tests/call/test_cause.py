import pytest

from ichat_gw.call.cause import LONGEST_TEXT, Cause, Ending


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_a_final_status_one_that_ichat_shows_and_a_sentence(cause: Cause) -> None:
    assert 400 <= cause.sip_status < 700
    assert cause.ichat_status in (486, 487, 603)
    assert cause.sentence


def test_no_two_causes_are_one() -> None:
    assert len(Cause.__members__) == len(list(Cause))


@pytest.mark.parametrize(
    ("status", "cause", "passed_on", "to_ichat"),
    [
        (404, Cause.NOT_FOUND, 404, 603),
        (408, Cause.TIMEOUT, 408, 603),
        (480, Cause.NO_ANSWER, 480, 603),
        (486, Cause.BUSY, 486, 486),
        (487, Cause.CANCELLED, 487, 487),
        (488, Cause.NOT_ACCEPTABLE, 488, 603),
        (503, Cause.UNREACHABLE, 503, 603),
        (600, Cause.BUSY, 600, 486),
        (603, Cause.DECLINED, 603, 603),
        (499, Cause.REJECTED, 499, 603),
        (500, Cause.REJECTED, 500, 603),
        # What asks the receiver to act with our contacts, credentials or extensions is not passed on.
        (302, Cause.REJECTED, 480, 603),
        (401, Cause.REJECTED, 480, 603),
        (407, Cause.REJECTED, 480, 603),
        (420, Cause.REJECTED, 480, 603),
    ],
)
def test_a_sip_status_is_kept_where_it_can_be_passed_on(
    status: int, cause: Cause, passed_on: int, to_ichat: int
) -> None:
    ending = Ending.from_status(status)
    assert (ending.cause, ending.sip_status, ending.ichat_status) == (cause, passed_on, to_ichat)


def test_an_ending_reads_as_a_sentence() -> None:
    assert str(Ending(Cause.BUSY)) == "the called party is busy"
    assert str(Ending.from_status(486, "Busy Here")) == "the called party is busy (SIP 486): Busy Here"


def test_the_words_of_others_are_short_and_can_be_shown() -> None:
    ending = Ending.from_status(486, "no\udcff\x1b[2J\r\nX: y" + "z" * 1_000)
    assert ending.text.isprintable()
    assert ending.text.startswith("no\ufffd")
    assert ending.text.encode()
    assert len(ending.text) <= LONGEST_TEXT
