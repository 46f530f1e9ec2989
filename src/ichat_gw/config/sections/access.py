"""Who may call: from where, how often, how many at once, whom and for how long."""

from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import BaseModel

from ichat_gw.config import kinds
from ichat_gw.config.row import DAY, Row, Section

# All of them are unknown to the original, and take effect at a reload, unless a row says otherwise.
row = partial(Row, Section.ACCESS, new=True, live=True)


def limit(name: str, unit: str, most: int, sentence: str) -> Row:
    """How many `unit` there may be, up to `most`; 0 is no limit."""
    return row(name, kinds.whole(0, most, unit), f"{sentence} 0 is no limit.")


class AccessSettings(BaseModel):
    """Who may call: from where, how often, how many at once, whom and for how long."""

    allowed_sip_networks: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        row(
            "AllowedSIPNetworks",
            kinds.NETWORKS,
            "The addresses and networks that SIP is heard from. What comes from elsewhere is dropped without "
            "an answer. The registrar and OutboundProxy have to be in it, too. An iChat client is heard "
            "wherever it is, while a call is negotiated with it over XMPP or is up. Blank hears everybody.",
            default_words="everybody is heard",
        ),
    ] = ()
    allowed_xmpp_domains: Annotated[
        tuple[str, ...],
        row(
            "AllowedXMPPDomains",
            kinds.DOMAINS,
            "The XMPP domains whose users may call SIP phones; a domain does not stand for those below it.",
            default_words="the domain above JabberComponentName",
            sample="jabber.company.com",
        ),
    ] = ()
    allowed_transfer_domains: Annotated[
        tuple[str, ...],
        row(
            "AllowedTransferDomains",
            kinds.HOSTS,
            "The SIP domains and hosts to which a SIP phone may transfer its call, besides its own, "
            "OutboundProxy, and the domains that a TranslationOutput spells out.",
            default_words="none",
        ),
    ] = ()
    max_requests_per_second: Annotated[
        int,
        limit(
            "MaxRequestsPerSecond",
            "requests",
            100_000,
            "How many requests per second may open something new: SIP requests outside a call, and calls of "
            "XMPP users. What is beyond that is answered 503 with Retry-After; a second's worth may come at "
            "once. What belongs to a call that is up is never limited.",
        ),
    ] = 60
    max_requests_per_second_per_source: Annotated[
        int,
        limit(
            "MaxRequestsPerSecondPerSource",
            "requests",
            100_000,
            "The same for each IP address (IPv6: each /64 network) and each XMPP user.",
        ),
    ] = 30
    max_calls: Annotated[
        int,
        limit(
            "MaxCalls",
            "calls",
            100_000,
            "How many calls there may be at once; more are answered 503 with Retry-After. The range of the "
            "media relay's ports is a limit, too: each call takes two pairs.",
        ),
    ] = 1000
    max_calls_per_source: Annotated[
        int,
        limit(
            "MaxCallsPerSource",
            "calls",
            100_000,
            "How many calls from one IP address (IPv6: one /64 network) there may be at once. A proxy is one "
            "address for everybody behind it.",
        ),
    ] = 500
    max_calls_per_user: Annotated[
        int,
        limit(
            "MaxCallsPerUser",
            "calls",
            100_000,
            "How many calls one XMPP user may have at once, made and received, those included that ring.",
        ),
    ] = 10
    allowed_destinations: Annotated[
        tuple[str, ...],
        row(
            "AllowedDestinations",
            kinds.PREFIXES,
            "The beginnings of the numbers and addresses that XMPP users may call, after translation; white "
            "space, dots, hyphens and parentheses in numbers do not count. Blank allows all that "
            "DeniedDestinations does not deny.",
            default_words="all",
        ),
    ] = ()
    denied_destinations: Annotated[
        tuple[str, ...],
        row(
            "DeniedDestinations",
            kinds.PREFIXES,
            "The beginnings of those that they may not call, such as expensive numbers that a stolen account "
            "would run up a bill with. Where both lists fit, the longer beginning decides.",
            default_words="none",
        ),
    ] = ()
    max_call_duration: Annotated[
        int,
        row(
            "MaxCallDuration",
            kinds.whole(0, 30 * DAY, "seconds"),
            "How long a call may last; it is then ended. A call that nobody ends is a bill that nobody ends. "
            "0 is no limit.",
        ),
    ] = 43200
    max_transactions: Annotated[
        int,
        limit(
            "MaxTransactions",
            "transactions",
            1_000_000,
            "How many SIP transactions there may be at once; requests that would begin another one are "
            "answered 503 with Retry-After, without any memory of them. One takes some kilobytes for up to "
            "32 seconds.",
        ),
    ] = 20000
    max_sip_message_size: Annotated[
        int,
        row(
            "MaxSIPMessageSize",
            kinds.whole(4096, 65_535, "bytes"),
            "How long a SIP message may be, headers and body together. A longer request is answered 513; "
            "over TCP and TLS the connection is then closed. There, no more than 32768 bytes may be headers, "
            "and no more than 32767 the body.",
            live=False,
        ),
    ] = 65_535
    max_stanza_size: Annotated[
        int,
        row(
            "MaxStanzaSize",
            kinds.whole(10_000, 10 * 2**20, "bytes"),
            "How long a stanza may be that is read. Of a longer one only who sent it to whom is kept, so "
            "that a question is answered with an error. One of more than 10485760 bytes ends the connection "
            "to the XMPP server, which should not let it through.",
            live=False,
        ),
    ] = 256 * 1024
    max_connections: Annotated[
        int,
        row(
            "MaxConnections",
            kinds.whole(1, 100_000, "connections"),
            "How many SIP connections by TCP and TLS there may be at once, both directions together; more "
            "are closed as they come. Each takes a file descriptor. One whose first message, or one that it "
            "has begun, is not whole within 20 seconds is closed; so is one that is silent for 15 minutes.",
            live=False,
        ),
    ] = 2000
    max_connections_per_address: Annotated[
        int,
        row(
            "MaxConnectionsPerAddress",
            kinds.whole(1, 100_000, "connections"),
            "How many of them one IP address may open at once. A proxy needs one, a NAT one for each phone "
            "behind it.",
            live=False,
        ),
    ] = 200
    trusted_sip_networks: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        row(
            "TrustedSIPNetworks",
            kinds.NETWORKS,
            "The addresses and networks of phone systems and proxies that are never ignored, whatever they "
            "send (see IgnoreAfter). The registrar, OutboundProxy, whoever else the gateway itself calls "
            "or registers with, and whoever has had a call answered by an XMPP user need not be in it.",
            default_words="none",
        ),
    ] = ()
    ignore_after: Annotated[
        int,
        row(
            "IgnoreAfter",
            kinds.whole(0, 100_000, "misdeeds"),
            "After how many misdeeds in a minute an address (IPv6: a /64 network) is ignored for a while: "
            "messages that are not SIP, more requests than it may send, calls to who does not exist, "
            "registrations (the gateway is no registrar). Scanners are such sources. Its calls that are up "
            "go on. 0 ignores nobody.",
        ),
    ] = 30
    ignore_time: Annotated[
        int,
        row(
            "IgnoreTime",
            kinds.whole(1, 30 * DAY, "seconds"),
            "How long it is ignored.",
        ),
    ] = 600
