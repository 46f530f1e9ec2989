"""The site: it builds without a warning, loads nothing from another host, and every page can be found."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from docs.pages import DOCS, ROOT, blocks

PAGES = sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    directory = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(directory)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    assert "WARNING" not in built.stdout + built.stderr
    return directory


class Loaded(HTMLParser):
    """What a browser fetches by itself when it shows a page, and its title."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.headings = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "h1":
            self.headings += 1
        if tag == "link" and named.get("rel") == "canonical":
            return
        if tag in ("script", "img", "link", "iframe", "audio", "video", "source", "object", "embed"):
            self.addresses += [
                named[name] or "" for name in ("src", "href", "data", "srcset") if name in named
            ]


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text())
        elsewhere = [address for address in loaded.addresses if re.match(r"(?:[a-z]+:)?//", address)]
        assert not elsewhere, f"{page.name} loads {elsewhere}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//", sheet.read_text()), sheet.name


@pytest.mark.parametrize("page", PAGES)
def test_each_page_has_one_title(page: str) -> None:
    text = re.sub(r"^ *```.*?^ *```$", "", (DOCS / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1


@pytest.mark.parametrize("page", PAGES)
def test_each_code_block_says_what_it_is(page: str) -> None:
    for block in blocks(page):
        assert block.language, f"{page}:{block.line}: a fence without a language"


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md"]
)
def test_links_from_outside_the_site_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text()):
        if not re.match("[a-z]+:", link):
            assert (ROOT / link).exists(), f"{page}: {link}"
