"""The threat model and the table of faults name tests: they must exist."""

import re

import pytest

from docs.pages import DOCS, ROOT

PAGES = (DOCS / "explanation" / "threat-model.md").read_text(), (DOCS / "reference" / "faults.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", "".join(PAGES))))


def test_the_pages_name_tests() -> None:
    assert len(NAMED) > 40


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_it_exists(file: str, name: str) -> None:
    assert (ROOT / file).is_file()
    assert not name or re.search(rf"^ *(?:async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)
