"""The documentation as tests read it: pages, and the code blocks in them.

A test that runs what a page shows takes it from here, so that the page is what is tested. What has to be
another value on this machine (a port, a folder, a domain) is substituted, one by one and by name; a
substitution that finds nothing to replace is an error, because the page has changed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced code block."""

    language: str
    """What stands behind the fence, first word: `sh`, `lua`, `yaml`, `ini`, ..."""
    text: str
    line: int
    """In the page, counted from 1."""
    before: str
    """The last line of text before the block."""


def blocks(page: str) -> list[Block]:
    """The code blocks of a page of `docs/`, in order."""
    text = (DOCS / page).read_text()
    found = []
    for fence in _FENCE.finditer(text):
        indent = fence["indent"]
        body = "".join(line.removeprefix(indent) for line in fence["body"].splitlines(keepends=True))
        above = text[: fence.start()].rstrip().splitlines()
        line = text.count("\n", 0, fence.start()) + 1
        found.append(Block(fence["info"].strip(), body, line, above[-1] if above else ""))
    return found


def block(page: str, language: str, containing: str = "") -> str:
    """The one block of a page in a language that contains some text."""
    found = [b for b in blocks(page) if b.language == language and containing in b.text]
    assert len(found) == 1, f"{page} has {len(found)} blocks of {language} with {containing!r}"
    return found[0].text


def substitute(text: str, values: Mapping[str, str]) -> str:
    """`text` with each key replaced by its value, wherever it stands; a key that is not there is an error."""
    for key, value in values.items():
        assert key in text, f"the page no longer says {key!r}:\n{text}"
        text = text.replace(key, value)
    return text
