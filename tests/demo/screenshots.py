"""Takes the pictures of the status page that the documents show: `scripts/screenshots [FOLDER]`."""

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page

from peers import flows
from peers.browser import Browser
from peers.stage import Stage

IMAGES = Path(__file__).parents[2] / "docs" / "images"
PAGES = ("overview", "calls", "records", "users", "rules", "settings")


async def take(page: Page, folder: Path, name: str, *, whole: bool = False) -> None:
    """One picture."""
    await page.screenshot(path=folder / f"{name}.png", full_page=whole)


async def played(stage: Stage) -> None:
    """Some calls with different ends."""
    await flows.sip_calls_established(stage, talk=1.5)
    await flows.ichat_calls_refused(stage, 486, "Busy Here")
    await flows.sip_calls_bad_jid(stage)
    await flows.ichat_calls_established(stage, talk=1.0)
    stage.ichat.forget()


async def pictures(folder: Path) -> None:
    """All of them."""
    with tempfile.TemporaryDirectory() as directory:
        async with Stage(Path(directory)) as stage, Browser() as browser:
            base = f"http://127.0.0.1:{stage.gateway.settings['HttpPort']}"
            page = await browser.page(base, viewport={"width": 1200, "height": 780})
            await played(stage)
            stage.ichat.on_request = "accept"
            dialling = stage.phone.dial(stage.gateway.address, "alice", talk=16.0, caller=flows.CALLER)
            await stage.ichat.wait_for("established")
            await asyncio.sleep(12.0)
            for name in PAGES:
                path = "" if name == "overview" else name
                query = "?address=xmpp:5551234@ichat-gw.jabber.localhost" if name == "rules" else ""
                await page.goto(f"/{path}{query}")
                await asyncio.sleep(2.5 if name == "calls" else 0.2)
                await take(page, folder, f"status-{name}")
            await dialling.result()
            await page.goto("/records")
            await page.locator("#records-table tbody a").first.click()
            await page.locator("#rows summary").nth(3).click()
            await take(page, folder, "status-call")
            phone = await browser.page(base, viewport={"width": 390, "height": 780}, color_scheme="dark")
            await phone.goto("/")
            await take(phone, folder, "status-phone")
        print("\n".join(browser.complaints) or "no complaints")


if __name__ == "__main__":
    chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    chosen.mkdir(parents=True, exist_ok=True)
    asyncio.run(pictures(chosen))
