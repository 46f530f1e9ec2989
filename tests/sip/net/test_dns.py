"""Questions to a name server that is honest, and to ones that are not."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import dns.asyncresolver
import dns.message
import dns.rcode
import dns.rrset
import pytest

from ichat_gw.sip.dns_cache import Answer
from ichat_gw.sip.locating import MAX_RECORDS, Naptr, Question, RecordType, Srv
from ichat_gw.sip.net import dns as module
from ichat_gw.sip.net.dns import Dns
from ichat_gw.sip.net.hosts import HostsFile
from tests.sip.net.name_server import NameServer, Zone, name_server

A = Question("a.example", RecordType.A)
ZONE: Zone = {
    "A a.example": ["192.0.2.1"],
    "AAAA a.example": ["2001:db8::1"],
    "SRV _sip._udp.a.example": ["1 2 5060 sip.a.example.", "0 0 0 ."],
    "NAPTR a.example": ['10 20 "s" "SIP+D2U" "" _sip._udp.a.example.'],
    "A alone": ["192.0.2.9"],
    "A alone.example": ["192.0.2.10"],
}


@asynccontextmanager
async def asking(
    zone: Zone, ttl: int = 60, seconds: float = 1.0, hosts: Path = Path("/no/hosts")
) -> AsyncIterator[tuple[Dns, NameServer]]:
    async with name_server(zone, ttl) as server:
        asker = Dns(("127.0.0.1",), port=server.port, hosts=HostsFile(hosts), seconds=seconds)
        try:
            yield asker, server
        finally:
            await asker.close()


async def test_every_type_of_record() -> None:
    async with asking(ZONE) as (asker, _):
        assert await asker.ask(A) == Answer(("192.0.2.1",))
        assert await asker.ask(Question("a.example", RecordType.AAAA)) == Answer(("2001:db8::1",))
        assert set((await asker.ask(Question("_sip._udp.a.example", RecordType.SRV))).records) == {
            Srv(1, 2, 5060, "sip.a.example"),
            Srv(0, 0, 0, "."),
        }
        naptr = await asker.ask(Question("a.example", RecordType.NAPTR))
        assert naptr == Answer((Naptr(10, 20, "s", "SIP+D2U", "", "_sip._udp.a.example"),))


async def test_no_such_name_and_no_such_record_are_answers() -> None:
    async with asking(ZONE) as (asker, server):
        for question in (Question("nowhere.example", RecordType.A), Question("alone", RecordType.SRV)):
            for _ in range(2):
                assert await asker.ask(question) == Answer(())
        assert len(server.asked) == 2, "negative answers are kept too"


async def test_an_answer_is_asked_for_once() -> None:
    async with asking(ZONE) as (asker, server):
        answers = await asyncio.gather(*(asker.ask(A) for _ in range(50)))
        assert set(answers) == {Answer(("192.0.2.1",))}
        await asker.ask(A)
        assert server.asked == ["A a.example"]


async def test_ttl_zero_is_asked_again() -> None:
    async with asking(ZONE, ttl=0) as (asker, server):
        await asker.ask(A)
        await asker.ask(A)
        await asker.ask(Question("nowhere.example", RecordType.A))
        await asker.ask(Question("nowhere.example", RecordType.A))
        assert len(server.asked) == 4


async def test_hosts_come_first(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.77 a.example")
    async with asking(ZONE, hosts=hosts) as (asker, server):
        assert await asker.ask(A) == Answer(("192.0.2.77",))
        assert await asker.ask(Question("a.example", RecordType.AAAA)) == Answer(())
        assert await asker.ask(Question("a.example", RecordType.NAPTR)) == Answer(())
        assert await asker.ask(Question("localhost", RecordType.AAAA)) == Answer(("::1",))
        assert server.asked == []


async def test_an_alias_is_followed() -> None:
    async with asking({"CNAME www.example": ["a.example."], **ZONE}) as (asker, _):
        assert (await asker.ask(Question("www.example", RecordType.A))).records == ("192.0.2.1",)


async def test_what_is_cut_short_is_asked_again_over_tcp() -> None:
    many = {"A a.example": [f"192.0.2.{n}" for n in range(200)]}
    async with asking(many) as (asker, server):
        server.truncate = True
        assert len((await asker.ask(A)).records) == MAX_RECORDS
        assert server.asked == ["A a.example"] * 2


def loop(response: dns.message.Message) -> dns.message.Message:
    response.answer.clear()
    for one, other in (("a.example.", "b.example."), ("b.example.", "a.example.")):
        response.answer.append(dns.rrset.from_text(one, 60, "IN", "CNAME", other))
    return response


def other_id(response: dns.message.Message) -> dns.message.Message:
    response.id ^= 1
    return response


def other_name(response: dns.message.Message) -> dns.message.Message:
    lie = dns.message.make_response(dns.message.make_query("b.example", "A"))
    lie.id = response.id
    lie.answer.append(dns.rrset.from_text("b.example.", 60, "IN", "A", "192.0.2.66"))
    return lie


def refuse(response: dns.message.Message) -> dns.message.Message:
    response.answer.clear()
    response.set_rcode(dns.rcode.SERVFAIL)
    return response


@pytest.mark.parametrize("trick", [loop, other_id, other_name, refuse, lambda response: None])
async def test_lies_and_silence_end_in_time(trick: object) -> None:
    async with asking(ZONE, seconds=0.3) as (asker, server):
        server.trick = trick  # type: ignore[assignment]
        async with asyncio.timeout(10):
            answer = await asker.ask(A)
        assert answer.records == ()
        assert answer.failed in ("no DNS server answers", "the DNS servers fail")
        asked = len(server.asked)
        assert await asker.ask(A) == answer
        assert len(server.asked) == asked, "silence is remembered for a moment"


async def test_an_answer_over_tcp_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRY_SECONDS", 0.1)
    async with asking(ZONE, seconds=0.2) as (asker, server):
        server.truncate = True

        async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"\xff\xff")
            while await reader.read(100):
                pass
            writer.close()

        server.stream = drip  # type: ignore[method-assign]
        async with asyncio.timeout(10):
            assert (await asker.ask(A)).failed


@pytest.mark.parametrize("name", ["x" * 64 + ".example", "a..example", ".".join(["x" * 60] * 5)])
async def test_what_is_no_name(name: str) -> None:
    async with asking(ZONE) as (asker, server):
        assert (await asker.ask(Question(name, RecordType.A))).failed.startswith("DNS: ")
        assert server.asked == []


async def test_the_systems_servers_and_its_search_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = tmp_path / "resolv.conf"
    async with name_server(ZONE) as server:
        asker = Dns(port=server.port, hosts=HostsFile(Path("/no/hosts")), resolv_conf=conf, seconds=0.3)
        silent = await asker.ask(A)
        assert silent.failed, "nobody to ask"
        conf.write_text("nameserver 127.0.0.1\nsearch example\n")
        assert (await asker.ask(Question("alone", RecordType.A))).records == ("192.0.2.10",)
        assert server.asked == ["A alone.example"]
        # What DNS does not know, the system may know otherwise.
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", _system)
        assert (await asker.ask(Question("printer.local", RecordType.A))).records == ("192.0.2.50",)
        assert (await asker.ask(Question("strange.local", RecordType.A))).records == ()
        assert (await asker.ask(Question("printer.local", RecordType.SRV))).records == ()
        assert (await asker.ask(Question("printer.example", RecordType.A))).records == ()
        await asker.close()


async def _system(host: str, port: None, **hints: int) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    assert hints == {"family": socket.AF_INET, "type": socket.SOCK_DGRAM}
    if host == "printer.local":
        return [(0, 0, 0, "", ("192.0.2.50", 0))] * 2
    raise socket.gaierror(-2, "unknown")


async def test_closing_ends_what_is_under_way() -> None:
    async with asking(ZONE, seconds=60.0) as (asker, server):
        server.trick = lambda response: None
        waiting = asyncio.Task(asker.ask(A))
        while not server.asked:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asker.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_where_the_systems_servers_stand_in_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bool] = []

    class Resolver(dns.asyncresolver.Resolver):
        def __init__(self, configure: bool) -> None:
            made.append(configure)
            super().__init__(configure=False)
            self.nameservers = ["127.0.0.1"]

    monkeypatch.setattr(module, "REGISTRY", True)
    monkeypatch.setattr(dns.asyncresolver, "Resolver", Resolver)
    asker = Dns(resolv_conf=tmp_path / "there is none", seconds=0.1)
    assert asker._current().nameservers == ["127.0.0.1"]
    assert made == [True]
    await asker.close()
