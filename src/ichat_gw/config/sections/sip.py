"""SIP: addresses and ports, the way out, registration and session timers."""

import platform
from functools import partial
from typing import Annotated

from pydantic import BaseModel, Field

from ichat_gw.addressing.sip_uri import NameAddr, SipUri
from ichat_gw.config import kinds
from ichat_gw.config.credentials import CREDENTIALS, SipCredentials
from ichat_gw.config.row import DAY, Row, Section

row = partial(Row, Section.SIP)


class SipSettings(BaseModel):
    """SIP: addresses and ports, the way out, registration and session timers."""

    ip_address: Annotated[
        str | None,
        row(
            "IPAddress",
            kinds.IP_ADDRESS,
            "The local address that SIP is bound to. Blank binds all adapters, both IPv4 and IPv6; with an "
            "address given only its family is served.",
            flag="-a",
            default_words="all adapters",
        ),
    ] = None
    dns_servers: Annotated[
        tuple[str, ...],
        row(
            "DNSServers",
            kinds.IP_ADDRESSES,
            "The DNS servers to ask. Blank takes those of the operating system.",
            flag="-d",
            default_words="the system's",
            live=True,
        ),
    ] = ()
    sip_gateway_identity: Annotated[
        NameAddr | None,
        row(
            "SIPGatewayIdentity",
            kinds.NAME_ADDR,
            "The From of SIP calls whose caller is unknown. Used towards iChat, which does not display it.",
            flag="-gi",
            default_words="made from the gateway's address",
            sample='"iChat-gw" <sip:ichat-gw@sipdomain.com>',
            live=True,
        ),
    ] = None
    udp_tcp_port: Annotated[
        int,
        row(
            "UDPTCPPort",
            kinds.PORT,
            "The local port for SIP over UDP and TCP.",
            flag="-sp",
        ),
    ] = 5070
    tls_port: Annotated[
        int,
        row("TLSPort", kinds.PORT, "The local port for SIP over TLS.", flag="-tp"),
    ] = 5071
    tls_domain: Annotated[
        str,
        row(
            "TLSDomainName",
            kinds.DOMAIN,
            "The domain of this server's TLS certificate.",
            flag="-td",
            alias="TLSDomain",
            default_words="the host name",
        ),
    ] = Field(default_factory=platform.node)
    keep_alives: Annotated[
        bool,
        row(
            "KeepAlives",
            kinds.ON_OFF,
            "Whether CRLFCRLF keep-alives go to SIP peers: every 30 seconds over UDP, every 180 seconds over "
            "TCP and TLS.",
            flag="-nk",
            flag_turns_off=True,
            live=True,
        ),
    ] = True
    outbound_proxy: Annotated[
        SipUri | None,
        row(
            "OutboundProxy",
            kinds.SIP_URI,
            "The proxy that all SIP requests go through, except those to iChat itself. Not needed where DNS "
            "routes SIP.",
            flag="-op",
            default_words="none",
            live=True,
        ),
    ] = None
    registration_time: Annotated[
        int,
        row(
            "RegistrationTime",
            kinds.whole(0, 2**32 - 1, "seconds"),
            "How long each registration of an iChat user at the SIP registrar is asked to last. 0 registers "
            "nobody.",
            live=True,
        ),
    ] = 3600
    registration_retry_time: Annotated[
        int,
        row(
            "RegistrationRetryTime",
            kinds.whole(1, DAY, "seconds"),
            "How long to wait after a failed registration before trying again.",
            live=True,
        ),
    ] = 120
    session_expires: Annotated[
        int,
        row(
            "SessionExpires",
            kinds.whole(0, DAY, "seconds"),
            "How long a call with a SIP phone lives without a sign of the phone (session timers, RFC 4028): "
            "a call whose other end has vanished is hung up. Half of it is the interval of the refreshes. "
            "1 to 89 count as 90. 0 asks for none, but a phone that wants a session timer still gets it. "
            "Never asked of iChat.",
            new=True,
            live=True,
        ),
    ] = 1800
    sip_credentials: Annotated[
        tuple[SipCredentials, ...],
        row(
            "SIPCredentials",
            CREDENTIALS,
            "User name and password for SIP servers that ask for them (digest authentication), by the realm "
            "that the server names. One line serves all addresses that are registered there, whatever their "
            "own user names. Where several lines are for one realm, an address takes the one with its own "
            "user name, or else the first. Only OutboundProxy is answered, and a server whose domain a "
            "TranslationOutput spells out, when it is asked on behalf of a user of that domain. Name the "
            "realm where you know it: with * whoever is behind such a server may ask through it.",
            repeats=True,
            default_words="none",
            new=True,
            live=True,
        ),
    ] = ()
