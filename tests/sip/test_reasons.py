import pytest

from ichat_gw.sip.reasons import REASONS, reason_phrase


def test_phrases_are_fit_for_a_status_line() -> None:
    assert all(100 <= status <= 699 for status in REASONS)
    assert all(
        phrase.isascii() and phrase.isprintable() and phrase.strip() == phrase for phrase in REASONS.values()
    )
    assert list(REASONS) == sorted(REASONS)


@pytest.mark.parametrize(
    ("status", "phrase"), [(486, "Busy Here"), (499, "Bad Request"), (299, "OK"), (700, "Unknown")]
)
def test_reason_phrase(status: int, phrase: str) -> None:
    assert reason_phrase(status) == phrase
