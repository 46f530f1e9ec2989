"""Look-ups, from the URI to flows in order."""

import asyncio
import errno
from collections.abc import Callable

import pytest

from ichat_gw.sip.dns_cache import Answer
from ichat_gw.sip.events import Flow, Lookup, Resolved
from ichat_gw.sip.locating import Endpoint, Question, Record, Srv
from ichat_gw.sip.net import resolver as module
from ichat_gw.sip.net.dns import Dns
from ichat_gw.sip.net.resolver import Resolver

ZONE: dict[str, tuple[Record, ...]] = {
    "SRV _sip._tcp.a.example": (Srv(2, 0, 5080, "later.example"), Srv(1, 0, 5080, "first.example")),
    "A first.example": ("192.0.2.1",),
    "AAAA first.example": ("2001:db8::1",),
    "A later.example": ("192.0.2.2",),
    "A unroutable.example": ("198.51.100.1",),
}


class FakeDns(Dns):
    def __init__(self, answer: Callable[[Question], Answer]) -> None:
        self._answer = answer
        self.delay = 0.0

    async def ask(self, question: Question) -> Answer:
        await asyncio.sleep(self.delay)
        return self._answer(question)

    async def close(self) -> None:
        pass


def flow_to(endpoint: Endpoint, name: str) -> Flow:
    if endpoint.address.startswith("198.51.100"):
        raise OSError(errno.ENETUNREACH, "Network is unreachable")
    ours = "2001:db8::2" if ":" in endpoint.address else "192.0.2.9"
    return Flow(endpoint.transport, (ours, 5070), (endpoint.address, endpoint.port), name)


class Bench:
    def __init__(self, failed: str = "", seconds: float = 1.0) -> None:
        self.heard: asyncio.Queue[Resolved] = asyncio.Queue()
        self.dns = FakeDns(lambda q: Answer(ZONE.get(f"{q.type} {q.name}", ()), failed))
        self.resolver = Resolver(
            self.dns, ("UDP", "TCP"), flow_to, self.heard.put_nowait, lambda: 0.5, seconds
        )

    async def find(self, uri: str) -> Resolved:
        self.resolver.lookup(Lookup(1, uri))
        assert self.heard.empty(), "never from within the call"
        return await asyncio.wait_for(self.heard.get(), 30)


async def test_a_number_at_once() -> None:
    flow = Flow("UDP", ("192.0.2.9", 5070), ("192.0.2.1", 5060), "192.0.2.1")
    assert await Bench().find("sip:x@192.0.2.1") == Resolved(1, (flow,))


async def test_flows_in_order_ipv6_first_where_it_leads() -> None:
    resolved = await Bench().find("sip:x@a.example")
    assert [flow.remote[0] for flow in resolved.flows] == ["2001:db8::1", "192.0.2.1", "192.0.2.2"]
    assert {(flow.transport, flow.name) for flow in resolved.flows} == {("TCP", "a.example")}


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("sip:x@198.51.100.1", "198.51.100.1: Network is unreachable"),
        ("sip:x@unroutable.example", "198.51.100.1: Network is unreachable"),
        ("sip:x@nowhere.example", "nowhere.example has no address"),
        ("sips:x@a.example", "a.example: TLS is not open here"),
        ("tel:1", "tel:1: the scheme is not sip or sips"),
    ],
)
async def test_what_leads_nowhere(uri: str, text: str) -> None:
    assert await Bench().find(uri) == Resolved(1, (), text)


async def test_why_dns_does_not_know() -> None:
    resolved = await Bench("no DNS server answers").find("sip:x@nowhere.example")
    assert resolved.text == "nowhere.example has no address; no DNS server answers"


async def test_all_questions_together_have_a_limit() -> None:
    bench = Bench(seconds=0.1)
    bench.dns.delay = 0.06
    assert await bench.find("sip:x@nowhere.example") == Resolved(
        1, (), "nowhere.example: not resolved in 0.1 s"
    )


async def test_only_so_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LOOKUPS", 1)
    bench = Bench()
    bench.dns.delay = 30.0
    bench.resolver.lookup(Lookup(1, "sip:x@a.example"))
    assert (await bench.find("sip:x@b.example")).text == "too many names are being looked up"
    await bench.resolver.close()
    assert bench.heard.empty()
