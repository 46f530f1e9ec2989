"""The status page in Chromium, of a gateway with real calls."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Locator, Page, expect

from peers import flows
from peers.browser import Browser
from peers.stage import Stage

pytestmark = pytest.mark.e2e

PASSWORD = "kein-Geheimnis"
PAGES = ("/", "/calls", "/records", "/users", "/rules?address=sip:alice@127.0.0.1", "/settings")
CREDENTIALS = {"username": "operator", "password": PASSWORD}


@pytest.fixture(scope="module")
def stage(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage whose page asks for a password, with one call that was made and one that failed."""
    stage = Stage(
        tmp_path_factory.mktemp("stage"),
        settings={"HttpAuth": "on", "HttpAuthPwd": PASSWORD, "MediaTimeout": "0"},
    )

    async def begin() -> None:
        await stage.start()
        await flows.sip_calls_established(stage, talk=0.4)
        await flows.ichat_calls_refused(stage, 486, "Busy Here")
        stage.ichat.forget()

    try:
        runner.run(begin())
    except BaseException:
        runner.run(stage.clean_up())
        raise
    yield stage
    runner.run(stage.stop())


@pytest.fixture(scope="module")
def browser(runner: asyncio.Runner) -> Iterator[Browser]:
    browser = Browser()
    runner.run(browser.__aenter__())
    yield browser
    runner.run(browser.__aexit__(None, None, None))


def base(stage: Stage) -> str:
    return f"http://127.0.0.1:{stage.gateway.settings['HttpPort']}"


@contextlib.asynccontextmanager
async def opened(stage: Stage, browser: Browser, path: str, **context: object) -> AsyncIterator[Page]:
    """A page in a profile of its own; nothing may be wrong with it at the end."""
    options = {"http_credentials": CREDENTIALS} | context
    page = await browser.page(base(stage), **options)
    browser.complaints.clear()
    await page.goto(path)
    yield page
    await page.context.close()
    assert browser.complaints == []


@contextlib.asynccontextmanager
async def talking(stage: Stage) -> AsyncIterator[None]:
    """Alice talks with a phone meanwhile, and hangs up at the end."""
    stage.ichat.forget()
    ringing = stage.phone.answer()
    stage.ichat.call(stage.speed_dial)
    await stage.ichat.wait_for("established")
    try:
        yield
    finally:
        await stage.hang_up()  # also when something fails meanwhile: the next test finds no call
    await ringing.result()


def rows(page: Page, table: str) -> Locator:
    return page.locator(f"#{table}-table tbody tr")


# --- live -----------------------------------------------------------------------------------------------


async def test_the_page_shows_a_call_while_it_is_set_up_and_when_it_is_over(
    stage: Stage, browser: Browser
) -> None:
    async with opened(stage, browser, "/calls") as page:
        await expect(page.locator("#live")).to_have_text("live")
        await expect(page.locator("#calls-table")).to_have_text("There are no calls now.")
        stage.ichat.forget()
        ringing = stage.phone.ring()
        stage.ichat.call(stage.speed_dial)
        await expect(rows(page, "calls")).to_have_count(1)
        await expect(rows(page, "calls").first).to_contain_text("ringing")
        stage.ichat.cancel()
        await ringing.result()
        await expect(page.locator("#calls-table")).to_have_text("There are no calls now.")
        async with talking(stage):
            row = rows(page, "calls").first
            await expect(row).to_contain_text("talking")
            await expect(row).to_contain_text("PCMU/8000")
            await expect(row).to_contain_text(re.compile(r"[1-9][0-9]* packets, 0 % lost"))
        await expect(page.locator("#calls-table")).to_have_text("There are no calls now.")


async def test_the_overview_counts(stage: Stage, browser: Browser) -> None:
    async with opened(stage, browser, "/") as page:
        await expect(page.locator("#lead")).to_contain_text("Calls can be made.")
        await expect(page.locator("#tile-calls")).to_have_text("0")
        await expect(page.locator("#tile-users")).to_have_text("1")
        before = int(await page.locator("#tile-total").inner_text())
        async with talking(stage):
            await expect(page.locator("#tile-calls")).to_have_text("1")
            await expect(page.locator("#tile-total")).to_have_text(str(before + 1))
        await expect(page.locator("#tile-calls")).to_have_text("0")
        await expect(page.locator("#health-table")).to_contain_text("Relay worker 0")
        await expect(rows(page, "latest").first).to_contain_text("hung up")


# --- one call -------------------------------------------------------------------------------------------


async def test_the_ladder_of_a_call_shows_every_message(stage: Stage, browser: Browser) -> None:
    async with opened(stage, browser, "/records") as page:
        await rows(page, "records").filter(has_text="is busy").first.locator("a").click()
        await expect(page.locator("#verdict")).to_contain_text("486")
        trace = await (await page.request.get(f"/api/v1{page.url.removeprefix(base(stage))}/trace")).json()
        shown = await page.locator("#rows > li .words").all_inner_texts()
        assert shown == [entry["summary"] for entry in trace["entries"]]
        sip = [entry["summary"] for entry in trace["entries"] if entry["protocol"] == "sip"]
        assert sip[0].startswith("INVITE sip:5551234@")
        assert "486 Busy Here (INVITE)" in sip
        assert sip[-1].startswith("ACK ")
        first = page.locator("#rows > li.sip").first
        await first.locator("summary").click()
        await expect(first.locator("pre")).to_contain_text("Call-ID:")
        for name in ("Wireshark", "SVG", "HTML", "Text", "JSON"):
            async with page.expect_download() as download:
                await page.get_by_role("link", name=name, exact=True).click()
            assert await (await download.value).failure() is None


async def test_messages_that_are_open_stay_open_while_the_call_goes_on(
    stage: Stage, browser: Browser
) -> None:
    async with opened(stage, browser, "/calls") as page:
        async with talking(stage):
            await rows(page, "calls").first.locator("a").click()
            await page.locator("#rows > li.sip summary").first.click()
            begun = await page.locator("#lead").inner_text()
            await expect(page.locator("#lead")).not_to_have_text(begun)
            await expect(page.locator("#rows > li.sip pre").first).to_be_visible()
            assert await page.evaluate("document.activeElement.nodeName") == "SUMMARY"
        await expect(page.locator("#verdict")).to_contain_text("hung up")
        await expect(page.locator("#rows > li.sip pre").first).to_be_visible()


# --- search, rules, settings ----------------------------------------------------------------------------


async def test_records_are_searched(stage: Stage, browser: Browser) -> None:
    async with opened(stage, browser, "/records") as page:
        everything = await rows(page, "records").count()
        assert everything >= 2
        await page.get_by_label("Search").fill("BUSY")
        await page.keyboard.press("Enter")
        await expect(rows(page, "records")).to_have_count(1)
        await expect(rows(page, "records").first).to_contain_text("5551234")
        await page.get_by_label("Search").fill("<b>nobody</b>")
        await page.get_by_role("button", name="Search").click()
        await expect(page.locator("#records-table")).to_have_text("No call is like that.")
        async with page.expect_download() as download:
            await page.get_by_role("link", name="CSV").click()
        assert (await download.value).suggested_filename == "calls.csv"


async def test_the_rule_tester(stage: Stage, browser: Browser) -> None:
    async with opened(stage, browser, "/rules") as page:
        await page.get_by_label("Address").fill(f"xmpp:{stage.speed_dial}")
        await page.get_by_role("button", name="Try").click()
        await expect(page.locator("#verdict")).to_contain_text("Rule 1 makes it sip:5551234@127.0.0.1")
        await expect(rows(page, "rules").first).to_contain_text("$1: 5551234")
        await page.get_by_label("Address").fill("sip:nobody@nowhere.example")
        await page.keyboard.press("Enter")
        await expect(page.locator("#verdict")).to_contain_text("No rule matches")


async def test_settings_are_read_again_and_secrets_stay_hidden(stage: Stage, browser: Browser) -> None:
    async with opened(stage, browser, "/settings") as page:
        assert stage.prosody.component_secret not in await page.content()
        assert PASSWORD not in await page.content()
        await page.get_by_role("button", name="Read the file again").click()
        await expect(page.locator(".reply")).to_contain_text("Nothing has changed.")


# --- who may --------------------------------------------------------------------------------------------


async def test_a_wrong_password(stage: Stage, browser: Browser) -> None:
    page = await browser.page(base(stage))
    answer = await page.request.get("/")
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert "alice" not in await answer.text()
    assert (await page.request.get("/healthz")).status == 200
    await page.context.close()
    page = await browser.page(base(stage), http_credentials={"username": "operator", "password": "admin"})
    refused = await page.goto("/users")
    assert refused is not None
    assert refused.status == 401
    await expect(page.locator("main")).to_contain_text("HttpAuthPwd in the configuration is it")
    assert "alice" not in await page.content()
    for file in ("page.css", "page.js", "icon.svg"):
        assert (await page.request.get(f"/static/{file}")).status == 200
    await page.context.close()
    # And what was mistyped is forgiven at once, however often the browser has sent it.
    async with opened(stage, browser, "/users") as page:
        await expect(page.locator("main")).to_contain_text("alice")


def reloads(stage: Stage) -> int:
    return sum(event.event == "reloaded" for event in stage.gateway.events())


async def test_another_sites_page_changes_and_reads_nothing(stage: Stage, browser: Browser) -> None:
    page = await browser.page(base(stage), http_credentials=CREDENTIALS)
    before = reloads(stage)
    await page.goto("about:blank")
    told = await page.evaluate(
        """async (base) => {
            const tries = [[`${base}/api/v1/status`, {mode: "no-cors"}], [`${base}/api/v1/status`, {}],
                           [`${base}/api/v1/reload`, {method: "POST", headers: {"X-Ichat-Gw": "1"}}]];
            const told = [];
            for (const [url, how] of tries) {
                try { const answer = await fetch(url, how); told.push(answer.type + answer.status); }
                catch (error) { told.push("refused"); }
            }
            return told;
        }""",
        base(stage),
    )
    assert told == ["refused", "refused", "refused"]
    assert reloads(stage) == before
    await page.context.close()


# --- for everybody --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_no_serious_problem(stage: Stage, browser: Browser, scheme: str) -> None:
    async with opened(stage, browser, "/", color_scheme=scheme, bypass_csp=True) as page:
        everything = (*PAGES, await some_call(page))
        # The colours are the only difference.
        for path in everything if scheme == "light" else ("/", everything[-1]):
            await page.goto(path)
            found = await Axe().run(page)
            problems = [
                f"{path}: {problem['id']}: {problem['nodes'][0]['html'][:200]}"
                for problem in found.response["violations"]
                if problem["impact"] != "minor"
            ]
            assert problems == []


async def test_a_narrow_screen(stage: Stage, browser: Browser) -> None:
    async with opened(stage, browser, "/", viewport={"width": 360, "height": 640}) as page:
        for path in (*PAGES, await some_call(page)):
            await page.goto(path)
            width = await page.evaluate("document.documentElement.scrollWidth")
            assert width <= 360, f"{path} is {width} pixels wide"
            await expect(page.get_by_role("navigation")).to_be_visible()


async def test_by_keyboard_alone(stage: Stage, browser: Browser) -> None:
    async with opened(stage, browser, "/") as page:
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
        for _ in range(3):
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page).to_have_title("Live calls · ichat-gw")


async def test_without_javascript(stage: Stage, browser: Browser) -> None:
    async with opened(stage, browser, "/records", java_script_enabled=False) as page:
        await page.get_by_label("Search").fill("busy")
        await page.get_by_role("button", name="Search").click()
        await rows(page, "records").first.locator("a").click()
        await expect(page.locator("#rows > li")).not_to_have_count(0)
        await page.goto("/settings")
        await expect(page.get_by_text("ichat-gw reload")).to_be_visible()
        await expect(page.get_by_role("button")).to_have_count(0)


async def some_call(page: Page) -> str:
    """The page of a call that is over."""
    answer = await page.request.get("/api/v1/records")
    assert answer.status == 200, await answer.text()
    records = await answer.json()
    return f"/calls/{records['records'][0]['id']}"


# --- hostile clients ---------------------------------------------------------------------------------------


async def test_bad_http_clients_do_not_hurt_a_call(stage: Stage) -> None:
    """A hundred connections with half a request on each, and two clients that ask again and again."""
    port = int(stage.gateway.settings["HttpPort"])
    stopped = asyncio.Event()

    async def hang() -> None:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: localh")
            await stopped.wait()
            writer.transport.abort()
            await writer.wait_closed()

    async def hammer() -> None:
        while not stopped.is_set():
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET /users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                await reader.read()
                writer.transport.abort()
                await writer.wait_closed()
            await asyncio.sleep(0.02)  # alice's client lives in this loop, too

    async with asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(hang())
        for _ in range(2):
            group.create_task(hammer())
        try:
            # Set up, and every packet of it arrives: the flow itself checks that.
            await flows.sip_calls_established(stage, talk=1.0)
        finally:
            stopped.set()
    stage.ichat.forget()


# --- machines -------------------------------------------------------------------------------------------


async def test_metrics_of_real_calls(stage: Stage, browser: Browser) -> None:
    async with opened(stage, browser, "/") as page:
        text = await (await page.request.get("/metrics")).text()
    assert re.search(
        r'ichat_gw_calls_ended_total\{answered="no",cause="busy",direction="to_sip"[^}]*\} 1\.0', text
    )
    assert re.search(r'ichat_gw_rtp_packets_total\{network="xmpp",way="received"\} [1-9]', text)
    assert 'ichat_gw_call_setup_seconds_bucket{direction="to_xmpp",le="5.0"}' in text
    assert "ichat_gw_ready 1.0" in text
