"""Debian's Chromium without a screen, driven by Playwright; nothing is downloaded and nothing left behind.

async with Browser() as browser:
    page = await browser.page("http://127.0.0.1:5090")
    await page.goto("/calls")
"""

import shutil
from types import TracebackType
from typing import Any, Self

from playwright.async_api import Browser as Chromium
from playwright.async_api import Page, Playwright, async_playwright, expect

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
# Of milliseconds: a machine that is busy with other tests takes its time.
expect.set_options(timeout=60_000)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


class Browser:
    """One browser; each page has a profile of its own."""

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._chromium: Chromium | None = None
        self.complaints: list[str] = []
        """What pages wrote to the console as an error, or threw, or asked other hosts for."""

    async def __aenter__(self) -> Self:
        self._playwright = await async_playwright().start()
        self._chromium = await self._playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(ARGUMENTS), headless=True
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._chromium is not None:
            await self._chromium.close()
        if self._playwright is not None:
            await self._playwright.stop()

    async def page(self, base: str, **context: Any) -> Page:
        """A page in a new profile; `context` goes to Playwright's `new_context`."""
        assert self._chromium is not None
        options = {"viewport": {"width": 1200, "height": 800}, "base_url": base, "reduced_motion": "reduce"}
        profile = await self._chromium.new_context(**(options | context))
        page = await profile.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on(
            "console",
            lambda said: said.type == "error" and self.complaints.append(f"{page.url}: {said.text}"),
        )
        page.on(
            "request",
            lambda asked: (
                asked.url.startswith(base) or self.complaints.append(f"{page.url} asks for {asked.url}")
            ),
        )
        return page
