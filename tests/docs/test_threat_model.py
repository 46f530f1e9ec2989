"""The threat model names tests: they must exist."""

import re

import pytest

from docs.pages import DOCS, ROOT

PAGE = (DOCS / "explanation" / "threat-model.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", PAGE)))


def test_the_page_names_tests() -> None:
    assert len(NAMED) > 40


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_it_exists(file: str, name: str) -> None:
    assert (ROOT / file).is_file()
    assert not name or re.search(rf"^ *(?:async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)
