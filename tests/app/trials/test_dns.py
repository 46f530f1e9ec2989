"""DNS servers that are asked whether they answer."""

import asyncio

import dns.resolver
import pytest

from app.trials.conftest import Configure
from ichat_gw.app.trials import dns as module
from ichat_gw.app.trials.dns import try_dns
from tests.peers.ports import free_port
from tests.sip.net.name_server import name_server


async def tried(configure: Configure, servers: str, port: int) -> list[tuple[str, str]]:
    settings = configure(DNSServers=servers).settings
    found = await asyncio.to_thread(lambda: list(try_dns(settings, port)))
    return [(trial.outcome, trial.text) for trial in found]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.2)


async def test_a_server_that_answers_and_one_that_does_not(configure: Configure) -> None:
    async with name_server({}) as server:
        assert await tried(configure, "127.0.0.1", server.port) == [("ok", "127.0.0.1 answers")]
        one, other = await tried(configure, "127.0.0.1, 127.0.0.99", server.port)
    assert one == ("ok", "127.0.0.1 answers")
    assert other[0] == "warning"
    assert other[1].startswith("127.0.0.99 does not answer")


async def test_a_server_that_is_silent(configure: Configure) -> None:
    async with name_server({}) as server:
        server.trick = lambda response: None
        ((outcome, text),) = await tried(configure, "127.0.0.1", server.port)
    assert outcome == "failed"
    assert "nothing came within" in text


async def test_no_server_at_all(configure: Configure) -> None:
    ((outcome, text),) = await tried(configure, "127.0.0.1", free_port())
    assert outcome == "failed"
    assert "127.0.0.1 does not answer" in text


async def test_the_systems_servers(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    class Resolver:
        nameservers = ("127.0.0.1",)

    monkeypatch.setattr(dns.resolver, "Resolver", Resolver)
    async with name_server({}) as server:
        assert await tried(configure, "", server.port) == [("ok", "127.0.0.1 answers")]
    ((outcome, _),) = await tried(configure, "", free_port())
    assert outcome == "warning", "everything may be in /etc/hosts"


async def test_a_system_without_servers(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise dns.resolver.NoResolverConfiguration("nothing there")

    monkeypatch.setattr(dns.resolver, "Resolver", none)
    ((outcome, text),) = await tried(configure, "", 53)
    assert outcome == "warning"
    assert "names none: nothing there" in text
