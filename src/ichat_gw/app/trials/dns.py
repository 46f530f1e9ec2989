"""DNS: whether the servers answer."""

from collections.abc import Iterator, Sequence

import dns.exception
import dns.message
import dns.query
import dns.resolver

from ichat_gw.app.trials.trial import Trial
from ichat_gw.config.table import Settings

SECONDS = 2.0
"""For one server to answer."""
PORT = 53


def try_dns(settings: Settings, port: int = PORT) -> Iterator[Trial]:
    """Ask each server that the gateway would ask for the root of all names."""
    servers: Sequence[str] = settings.dns_servers
    subject = "DNSServers"
    if not servers:
        try:
            servers = [str(server) for server in dns.resolver.Resolver().nameservers]
        except dns.exception.DNSException as error:
            yield Trial(
                subject,
                "warning",
                f"the operating system names none: {error}",
                "set DNSServers, unless all servers are given as IP addresses or stand in /etc/hosts",
            )
            return
    silent = []
    for server in servers:
        fault = _fault(server, port)
        if fault:
            silent.append((server, fault))
        else:
            yield Trial(subject, "ok", f"{server} answers")
    # One that answers is enough, but each name waits for the others first.
    hopeless = len(silent) == len(servers) and settings.dns_servers
    for server, fault in silent:
        yield Trial(
            subject,
            "failed" if hopeless else "warning",
            f"{server} does not answer: {fault}",
            "name one that does" if settings.dns_servers else "see the system's /etc/resolv.conf",
        )


def _fault(server: str, port: int) -> str:
    """Why a server does not answer; "" when it does, whatever it says."""
    question = dns.message.make_query(".", "NS")
    try:
        dns.query.udp(question, server, timeout=SECONDS, port=port, ignore_unexpected=True)
    except dns.exception.Timeout:
        return f"nothing came within {SECONDS:.0f} seconds"
    except (dns.exception.DNSException, OSError) as error:
        return str(getattr(error, "strerror", None) or error)
    return ""
