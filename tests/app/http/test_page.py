"""The page as the shell sees it; and that nobody pays for it who does not want it."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.http.test_answers import Scene
from ichat_gw.app.http.page import StatusPage, access_of
from ichat_gw.config.load import load
from ichat_gw.config.table import Settings
from ichat_gw.media.engine import StatisticsAsked
from ichat_gw.ops import logging
from ichat_gw.ops.records import Search


def settings_with(directory: Path, *lines: str) -> Settings:
    config = directory / "gw.config"
    text = [line for line in config.read_text().splitlines() if not line.startswith("Http")]
    config.write_text("\n".join([*text, *lines]) + "\n")
    return load(config).settings


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def page_of(scene: Scene, settings: Settings, asked: list[StatisticsAsked] | None = None) -> StatusPage:
    return StatusPage(scene.world.seen, scene.source, settings, (asked if asked is not None else []).append)


async def events(page: StatusPage, port: int, wanted: int) -> list[str]:
    """The names of the first events of a stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    names: list[str] = []
    try:
        async with asyncio.timeout(30):
            while len(names) < wanted:
                line = await reader.readline()
                if line.startswith(b"event: "):
                    names.append(line[7:].decode().strip())
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return names


async def until(so: Callable[[], bool]) -> None:
    for _ in range(1000):
        if so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not in time")


async def test_what_changes_is_told(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ichat_gw.app.http.page.TELL_SECONDS", 0.01)
    asked: list[StatisticsAsked] = []
    page = page_of(scene, settings_with(tmp_path), asked)
    await page.open("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(page.run())
        listening = group.create_task(events(page, page._http.port, 8))
        await until(lambda: bool(page._feed))
        [record] = scene.world.store.search(Search())
        page.took(None, (), 0.0)
        page.kept(record)
        page.tally.changed |= {"users", "status", "series"}
        names = await listening
        telling.cancel()
    assert names[:2] == ["calls", "status"]
    assert {"record", "users", "status", "series", "calls"} <= set(names)
    assert asked
    await page.close()


async def test_an_error_does_not_end_the_telling(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ichat_gw.app.http.page.TELL_SECONDS", 0.01)
    page = page_of(scene, settings_with(tmp_path))
    ticks = 0

    def breaks(at: float, *, looked_at: bool) -> list[StatisticsAsked]:
        nonlocal ticks
        ticks += 1
        raise RuntimeError("a bug")

    monkeypatch.setattr(page._view, "tick", breaks)
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(page.run())
        await until(lambda: ticks >= 2)
        telling.cancel()
    await page.close()


async def test_a_port_that_is_taken_costs_the_page_and_no_calls(scene: Scene, tmp_path: Path) -> None:
    log_file = tmp_path / "log"
    logging.configure("INFO", str(log_file))
    try:
        page = page_of(scene, settings_with(tmp_path))
        await page.open("127.0.0.1", 0)
        other = page_of(scene, settings_with(tmp_path))
        await other.open("127.0.0.1", page._http.port)
        await other.close()
        await page.close()
    finally:
        logging.shutdown()
    text = log_file.read_text()
    assert "status page url=" in text
    assert "the status page is not served" in text
    assert "choose a free port, or 0" in text


async def test_a_new_password_holds_at_once_and_ends_the_streams(scene: Scene, tmp_path: Path) -> None:
    page = page_of(scene, settings_with(tmp_path))
    listener = page._feed.listen()
    before = page._answers.access
    page.reconfigure(settings_with(tmp_path, "HttpAuth = on", "HttpAuthPwd = other"))
    assert page._answers.access is not before
    assert listener.closed
    await page.close()


def test_who_may_read_is_what_the_settings_say(scene: Scene, tmp_path: Path) -> None:
    open_to_all = access_of(settings_with(tmp_path))
    assert open_to_all._password is None
    closed = access_of(
        settings_with(tmp_path, "HttpAuth = on", "HttpAuthPwd = sesam", "HttpHosts = gw.example.com")
    )
    assert closed._password is not None
    assert "gw.example.com" in closed._hosts


async def test_a_call_that_has_just_ended_is_known_before_it_is_written(scene: Scene) -> None:
    [record] = scene.world.store.search(Search())
    scene.world.store.forget(float("inf"))
    assert (await scene.source.records(Search())).records == ()
    scene.source.kept(record)
    scene.world.store.add([record])
    found = await scene.source.records(Search())
    assert [each.id for each in found.records] == [record.call]
    assert await scene.source.record(record.call) == found.records[0]
    assert len((await scene.source.csv(Search())).splitlines()) == 2


@pytest.mark.parametrize("module", ["ichat_gw.app.serve", "ichat_gw.cli.gateway"])
def test_without_a_page_nothing_of_it_is_loaded(module: str) -> None:
    """It would cost a gateway without one 20 MB, and every command a quarter of a second."""
    code = f"import sys, {module}; print(sorted({{'aiohttp', 'prometheus_client'}} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
