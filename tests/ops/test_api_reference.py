from pathlib import Path

from ichat_gw.ops.api_reference import reference

PAGE = Path(__file__).parents[2] / "docs/reference/api.md"


def test_the_reference_is_up_to_date() -> None:
    assert PAGE.read_text() == reference(), (
        "run .venv/bin/python -m ichat_gw.ops.api_reference > docs/reference/api.md"
    )


def test_every_value_is_told_in_jsons_words() -> None:
    page = reference()
    assert "- `setup_seconds` (number or null)" in page
    assert "- `calls` (array of [LiveCall](#livecall))" in page
    assert "- `network` (`sip` or `xmpp`)" in page
    assert "class" not in page
