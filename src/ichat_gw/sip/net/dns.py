"""Asks DNS, through dnspython, and the hosts file before it.

Each question is on its way once, however many want the answer, which is kept for its TTL. A server that
lies about its name, loops, says half (TC) or nothing costs a bounded time and no more.
"""

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from typing import Any

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.resolver

from ichat_gw.sip.dns_cache import Answer, DnsCache
from ichat_gw.sip.locating import MAX_RECORDS, Naptr, Question, Record, RecordType, Srv
from ichat_gw.sip.net.addresses import family_of
from ichat_gw.sip.net.hosts import HostsFile

QUERY_SECONDS = 3.0
"""For one question, all servers and repetitions together."""
TRY_SECONDS = 1.0
"""For one datagram to be answered."""
SYSTEM_SECONDS = 30.0
"""How long an answer of the system's resolver is kept; it tells no TTL."""
RESOLV_CONF = Path("/etc/resolv.conf")
REGISTRY = os.name == "nt"
"""Whether the system's servers stand not in that file, but where dnspython knows to look."""

_FAMILIES = {RecordType.A: socket.AF_INET, RecordType.AAAA: socket.AF_INET6}


class Dns:
    """Answers questions. `servers`: IP addresses to ask instead of those of the operating system."""

    def __init__(
        self,
        servers: tuple[str, ...] = (),
        *,
        port: int = 53,
        hosts: HostsFile | None = None,
        resolv_conf: Path = RESOLV_CONF,
        seconds: float = QUERY_SECONDS,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._servers = servers
        self._port = port
        self._hosts = hosts or HostsFile()
        self._resolv_conf = resolv_conf
        self._seconds = seconds
        self._stamp: int | None = None
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._backend = dns.asyncbackend.get_backend("asyncio")
        self._cache = DnsCache()
        self._asking: dict[Question, asyncio.Task[Answer]] = {}

    def use(self, servers: tuple[str, ...]) -> None:
        """Ask other servers from now on (none: those of the operating system), and believe no old answers."""
        if servers != self._servers:
            self._servers, self._resolver, self._cache = servers, None, DnsCache()

    async def ask(self, question: Question) -> Answer:
        """Answer a question; never raises, and takes at most about twice `seconds`."""
        addresses = self._hosts.addresses(question.name)
        if addresses:
            family = _FAMILIES.get(question.type)
            return Answer(tuple(each for each in addresses if family_of(each) == family))
        answer = self._cache.get(question, self._loop.time())
        if answer is not None:
            return answer
        task = self._asking.get(question)
        if task is None:
            task = asyncio.Task(self._find(question), loop=self._loop, name=f"DNS {question.name}")
            self._asking[question] = task
            task.add_done_callback(lambda _: self._asking.pop(question, None))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _find(self, question: Question) -> Answer:
        answer, ttl = await self._query(question)
        if not answer.records and not self._servers and _has_no_dns(question.name):
            found = await self._ask_system(question)
            if found:
                answer, ttl = Answer(found), SYSTEM_SECONDS
        self._cache.put(question, answer, ttl, self._loop.time())
        return answer

    async def _query(self, question: Question) -> tuple[Answer, float]:
        """Ask the servers; return the answer and its TTL in seconds."""
        forever = float("inf")
        try:
            # The limit around it is for what dnspython does not count, such as a slow answer over TCP.
            async with asyncio.timeout(self._seconds + TRY_SECONDS):
                search = "." not in question.name and question.type in _FAMILIES
                name = dns.name.from_text(question.name, None if search else dns.name.root)
                resolver = self._current()
                found = await resolver.resolve(
                    name, question.type.value, raise_on_no_answer=False, search=search, backend=self._backend
                )
        except dns.resolver.NXDOMAIN as error:
            responses: dict[dns.name.Name, dns.message.Message] = error.responses()  # type: ignore[no-untyped-call]
            return Answer(()), min(map(_ttl, responses.values()), default=0.0)
        except (dns.exception.Timeout, TimeoutError):
            return Answer((), "no DNS server answers"), forever
        except dns.resolver.NoNameservers:
            return Answer((), "the DNS servers fail"), forever
        except (dns.exception.DNSException, OSError, ValueError) as error:
            return Answer((), f"DNS: {error}"), forever
        records = tuple(_record(each) for each in list(found.rrset or ())[:MAX_RECORDS])
        return Answer(records), found.chaining_result.minimum_ttl

    def _current(self) -> dns.asyncresolver.Resolver:
        """The resolver, made again when the system's configuration changes."""
        stamp = 0
        if not self._servers:
            with contextlib.suppress(OSError):
                stamp = self._resolv_conf.stat().st_mtime_ns
        if self._resolver is None or stamp != self._stamp:
            resolver = dns.asyncresolver.Resolver(configure=REGISTRY and not self._servers)
            if self._servers:
                resolver.nameservers = list(self._servers)
            elif not REGISTRY:
                resolver.read_resolv_conf(str(self._resolv_conf))
            resolver.port = self._port
            resolver.timeout, resolver.lifetime = TRY_SECONDS, self._seconds
            resolver.use_edns(0, 0, 1232)
            self._resolver, self._stamp = resolver, stamp
        return self._resolver

    async def _ask_system(self, question: Question) -> tuple[str, ...]:
        """Ask the operating system, which knows names in other ways than DNS."""
        family = _FAMILIES.get(question.type)
        if family is None:
            return ()
        try:
            async with asyncio.timeout(self._seconds):
                found = await self._loop.getaddrinfo(
                    question.name, None, family=family, type=socket.SOCK_DGRAM
                )
        except (OSError, UnicodeError):
            return ()
        return tuple(dict.fromkeys(str(sockaddr[0]).partition("%")[0] for *_, sockaddr in found))


def _has_no_dns(name: str) -> bool:
    """Tell whether a name may be known to the system in another way: by NSS, or multicast DNS."""
    return "." not in name or name.endswith(".local")


def _ttl(response: dns.message.Message) -> float:
    try:
        assert isinstance(response, dns.message.QueryMessage)
        return float(response.resolve_chaining().minimum_ttl)
    except dns.exception.DNSException:
        return 0.0


def _record(rdata: Any) -> Record:
    kind = RecordType(rdata.rdtype.name)
    if kind is RecordType.SRV:
        target = rdata.target.to_text(omit_final_dot=True)
        return Srv(rdata.priority, rdata.weight, rdata.port, target)
    if kind is RecordType.NAPTR:
        flags, service, regexp = (
            text.decode("latin-1") for text in (rdata.flags, rdata.service, rdata.regexp)
        )
        replacement = rdata.replacement.to_text(omit_final_dot=True)
        return Naptr(rdata.order, rdata.preference, flags, service, regexp, replacement)
    return str(rdata.address)
