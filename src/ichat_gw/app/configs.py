"""What the settings say, in the terms of each part of the gateway: at the start, and again at a reload."""

import os
import secrets
import socket
from ipaddress import ip_address

from ichat_gw.addressing.sip_uri import NameAddr, SipUri
from ichat_gw.addressing.translation import TranslationRules, domain_of
from ichat_gw.app.gateway_config import GatewayConfig
from ichat_gw.app.local_addresses import address_towards, all_addresses
from ichat_gw.call.admission import Limits
from ichat_gw.call.destinations import Destinations, plain_destination
from ichat_gw.call.leg import Party
from ichat_gw.call.transfer_policy import TransferPolicy, host_of
from ichat_gw.config.table import Settings
from ichat_gw.jabber.ichat.leg import IChatConfig
from ichat_gw.media.relay_engine import EngineConfig
from ichat_gw.media.rtpengine.engine import RtpEngineConfig
from ichat_gw.sip.authentication import Trust
from ichat_gw.sip.connection_limits import StreamLimits
from ichat_gw.sip.net.tls import TlsFiles
from ichat_gw.sip.net.transports import TransportConfig
from ichat_gw.sip.user_agent import UserAgentConfig

MAX_SESSIONS = 20_000
"""SIP sessions at once: two for each call, and those that are fading out."""


def user_agent_config(settings: Settings) -> UserAgentConfig:
    """What the SIP user agent must know."""
    return UserAgentConfig(
        outbound_proxy=str(settings.outbound_proxy) if settings.outbound_proxy else None,
        keep_alives=settings.keep_alives,
        registration_time=settings.registration_time,
        registration_retry_time=settings.registration_retry_time,
        max_sessions=MAX_SESSIONS,
        session_expires=settings.session_expires,
        takes_pages=settings.sip_messages,
        longest_message=settings.max_sip_message_size,
        trust=Trust(settings.sip_credentials, _written_domains(settings)),
    )


def engine_config(settings: Settings) -> EngineConfig:
    """What the media engine must know."""
    return EngineConfig(
        settings.media_relay_port_range_min,
        settings.media_relay_port_range_max,
        frozenset(settings.codec_id_filter_list),
        workers=relay_workers(settings),
        media_timeout=settings.media_timeout,
    )


def rtpengine_config(settings: Settings) -> RtpEngineConfig:
    """The same when it is rtpengine that moves audio."""
    return RtpEngineConfig(
        tuple(map(str, settings.rtpengine_address)),
        frozenset(settings.codec_id_filter_list),
        settings.media_timeout,
    )


def gateway_config(settings: Settings) -> GatewayConfig:
    """What the gateway machine itself must know; the name of the node is a new one each time."""
    identity = settings.sip_gateway_identity or NameAddr(
        "iChat-gw", f"sip:ichat-gw@{address_towards('', settings.ip_address)}", ()
    )
    ours = frozenset({*all_addresses(), socket.gethostname().lower(), settings.tls_domain.lower()})
    return GatewayConfig(
        rules=TranslationRules(settings.translation_rules),
        component=settings.jabber_component_name,
        ichat=IChatConfig(
            identity=Party(identity.uri, identity.display_name),
            contact_user=SipUri.parse(identity.uri).user or "ichat-gw",
            prefer_ipv6=settings.prefer_ipv6,
            ipv6_available=_speaks_ipv6(settings.ip_address),
            skip_first=settings.skip_first_ichat_address,
        ),
        local_hosts=ours,
        node=secrets.token_hex(3),
        limits=_limits(settings),
        transfers=TransferPolicy(
            _transfer_hosts(settings), ours, frozenset({settings.udp_tcp_port, settings.tls_port})
        ),
    )


def _speaks_ipv6(bound: str | None) -> bool:
    """Whether SIP is open on IPv6, and this machine has an address of it that others can reach."""
    if bound is not None:
        return ":" in bound
    found = (ip_address(address) for address in all_addresses() if ":" in address)
    return any(not (address.is_loopback or address.is_link_local) for address in found)


def relay_workers(settings: Settings) -> int:
    """How many relay workers there are to be."""
    return settings.media_relay_workers or max(1, (os.cpu_count() or 1) // 2)


def transport_config(settings: Settings) -> TransportConfig:
    """The sockets that the settings describe."""
    return TransportConfig(
        address=settings.ip_address,
        port=settings.udp_tcp_port,
        tls_port=settings.tls_port,
        tls=tls_files(settings),
        dns_servers=settings.dns_servers,
        limits=StreamLimits(
            connections=settings.max_connections,
            per_address=settings.max_connections_per_address,
            message=settings.max_sip_message_size,
        ),
    )


def tls_files(settings: Settings) -> TlsFiles:
    """The files of TLS, and how it is spoken."""
    phrase = settings.tls_private_key_pass_phrase
    return TlsFiles(
        domain=settings.tls_domain,
        certificate=settings.tls_certificate,
        private_key=settings.tls_private_key,
        pass_phrase=phrase.get_secret_value() if phrase is not None else None,
        dh_params=settings.tls_dh_params_filename,
        ca_file=settings.tls_ca_file,
        require_client_certificate=settings.tls_require_client_certificate,
    )


def own_domain(settings: Settings) -> str:
    """The XMPP domain whose users may call when AllowedXMPPDomains says nothing."""
    return (settings.jabber_component_name.partition(".")[2] or settings.jabber_component_name).lower()


def _limits(settings: Settings) -> Limits:
    """Who may call, as the settings say."""
    return Limits(
        networks=settings.allowed_sip_networks,
        domains=frozenset(
            domain.lower() for domain in settings.allowed_xmpp_domains or (own_domain(settings),)
        ),
        requests=settings.max_requests_per_second,
        requests_per_source=settings.max_requests_per_second_per_source,
        calls=settings.max_calls,
        calls_per_source=settings.max_calls_per_source,
        calls_per_user=settings.max_calls_per_user,
        seconds=settings.max_call_duration,
        transactions=settings.max_transactions,
        destinations=Destinations(
            tuple(map(plain_destination, settings.allowed_destinations)),
            tuple(map(plain_destination, settings.denied_destinations)),
        ),
        ignore_after=settings.ignore_after,
        ignore_time=settings.ignore_time,
        trusted=settings.trusted_sip_networks,
    )


def _transfer_hosts(settings: Settings) -> frozenset[str]:
    """To whose hosts every SIP phone may transfer its call."""
    proxy = (str(settings.outbound_proxy),) if settings.outbound_proxy else ()
    uris = (*proxy, *(f"sip:{domain}" for domain in _written_domains(settings)))
    return frozenset({*settings.allowed_transfer_domains, *map(host_of, uris)})


def _written_domains(settings: Settings) -> frozenset[str]:
    """The SIP domains that the translation rules spell out: the operator's own."""
    domains = (domain_of(rule.output) for rule in settings.translation_rules)
    return frozenset(domain for domain in domains if domain is not None)
