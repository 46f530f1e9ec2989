"""The table of settings: one row each, and everything else derives from it.

A row is a field of `Settings`: its Python type and default, and a `Row` with what the file, the command
line, the checks and the documents need. Adding a setting is adding a row.
"""

import platform
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic.fields import FieldInfo

from ichat_gw.addressing.sip_uri import NameAddr, SipUri
from ichat_gw.addressing.translation import TranslationRule
from ichat_gw.config import kinds
from ichat_gw.config.credentials import CREDENTIALS, SipCredentials
from ichat_gw.config.kinds import HostPort, Kind, LogFormat, LogLevel, MediaEngineName


class Section(StrEnum):
    """The chapters of the file and of the reference."""

    SIP = "SIP settings"
    GENERAL = "General settings"
    JABBER = "Jabber settings"
    RULES = "Address translation rules"
    ACCESS = "Who may call"
    TLS = "TLS settings"
    CONNECTOR = "Jabber connector settings"
    MEMORY = "Call records and traces"
    STATUS = "Status page settings"


@dataclass(frozen=True, slots=True)
class Row:
    """What the table says about one setting, beside its type and its default."""

    section: Section
    name: str
    """As files write it; read in any case."""
    kind: Kind
    sentence: str
    """What it is for, for the reference and the comments of a file: whole sentences."""
    flag: str = ""
    """The original's flag."""
    flag_turns_off: bool = False
    """Whether the flag takes no value and switches the setting off."""
    alias: str = ""
    """Another name that files use."""
    pair: str = ""
    """The name of the second line, where it takes two."""
    repeats: bool = False
    """Whether it may be given any number of times; its value is then the tuple of them all."""
    default_words: str = ""
    """The default in words, where the value itself would not say it."""
    sample: str = ""
    """What the sample file gives, where that is not the default."""
    new: bool = False
    """Not known to the original."""
    live: bool = False
    """Whether a change takes effect at a reload (`ichat_gw.app.reload`); otherwise at the next start."""


_DAY = 86400


class Settings(BaseModel):
    """All settings, checked and typed; immutable. Secrets do not show in `repr`.

    `ichat_gw.config.load.load` makes one from a file and flags.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # --- SIP -------------------------------------------------------------------------------------------

    ip_address: Annotated[
        str | None,
        Row(
            Section.SIP,
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
        Row(
            Section.SIP,
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
        Row(
            Section.SIP,
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
        Row(
            Section.SIP,
            "UDPTCPPort",
            kinds.PORT,
            "The local port for SIP over UDP and TCP.",
            flag="-sp",
        ),
    ] = 5070
    tls_port: Annotated[
        int,
        Row(Section.SIP, "TLSPort", kinds.PORT, "The local port for SIP over TLS.", flag="-tp"),
    ] = 5071
    tls_domain: Annotated[
        str,
        Row(
            Section.SIP,
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
        Row(
            Section.SIP,
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
        Row(
            Section.SIP,
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
        Row(
            Section.SIP,
            "RegistrationTime",
            kinds.whole(0, 2**32 - 1, "seconds"),
            "How long each registration of an iChat user at the SIP registrar is asked to last. 0 registers "
            "nobody.",
            live=True,
        ),
    ] = 3600
    registration_retry_time: Annotated[
        int,
        Row(
            Section.SIP,
            "RegistrationRetryTime",
            kinds.whole(1, _DAY, "seconds"),
            "How long to wait after a failed registration before trying again.",
            live=True,
        ),
    ] = 120
    session_expires: Annotated[
        int,
        Row(
            Section.SIP,
            "SessionExpires",
            kinds.whole(0, _DAY, "seconds"),
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
        Row(
            Section.SIP,
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

    # --- general ---------------------------------------------------------------------------------------

    log_level: Annotated[
        LogLevel,
        Row(
            Section.GENERAL,
            "LogLevel",
            kinds.LOG_LEVEL,
            "How much is logged to the console.",
            flag="-l",
            live=True,
        ),
    ] = LogLevel.INFO
    log_filename: Annotated[
        Path, Row(Section.GENERAL, "LogFilename", kinds.PATH, "The log file.", live=True)
    ] = Path("ichat-gw.log")
    log_file_max_lines: Annotated[
        int,
        Row(
            Section.GENERAL,
            "LogFileMaxLines",
            kinds.whole(0, 10**9, "lines"),
            "After how many lines a new log file is begun; 50000 lines are about 5 MB. 0 never begins one.",
            live=True,
        ),
    ] = 50000
    log_file_count: Annotated[
        int,
        Row(
            Section.GENERAL,
            "LogFileCount",
            kinds.whole(0, 10000, "files"),
            "How many old log files are kept beside the one being written.",
            new=True,
            live=True,
        ),
    ] = 10
    log_format: Annotated[
        LogFormat,
        Row(
            Section.GENERAL,
            "LogFormat",
            kinds.LOG_FORMAT,
            "Whether a line of the log is text to read or one JSON object.",
            new=True,
            live=True,
        ),
    ] = LogFormat.TEXT
    gateway_ipc_port: Annotated[
        int,
        Row(
            Section.GENERAL,
            "GatewayIPCPort",
            kinds.PORT,
            "The UDP port on 127.0.0.1 at which the gateway hears its Jabber connector.",
        ),
    ] = 2078
    jabber_connector_ipc_port: Annotated[
        int,
        Row(
            Section.GENERAL,
            "JabberConnectorIPCPort",
            kinds.PORT,
            "The UDP port on 127.0.0.1 at which the Jabber connector hears the gateway.",
        ),
    ] = 2079
    ichat_proceeding_timeout: Annotated[
        int,
        Row(
            Section.GENERAL,
            "IChatProceedingTimeout",
            kinds.whole(1, 600_000, "milliseconds"),
            "How long to look for an iChat client of a user who is called.",
            live=True,
        ),
    ] = 5000
    always_relay_ichat_media: Annotated[
        bool,
        Row(
            Section.GENERAL,
            "AlwaysRelayIChatMedia",
            kinds.ON_OFF,
            "On: the audio of every call with an iChat client goes through the media relay. Off: it goes "
            "straight from one to the other where they can reach each other, and otherwise, as between IPv4 "
            "and IPv6, through the relay. Without the relay nobody keeps iChat in the call while a SIP "
            "phone holds it, calls cannot be transferred, and a phone's audio cannot move during a call.",
        ),
    ] = True
    prefer_ipv6: Annotated[
        bool,
        Row(
            Section.GENERAL,
            "PreferIPv6",
            kinds.ON_OFF,
            "Whether an iChat client that offers several addresses is reached at an IPv6 one first.",
            live=True,
        ),
    ] = False
    skip_first_ichat_address: Annotated[
        bool,
        Row(
            Section.GENERAL,
            "SkipFirstIChatAddress",
            kinds.ON_OFF,
            "For tests only: whether an iChat client is reached at the second address that it offers.",
            live=True,
        ),
    ] = False
    codec_id_filter_list: Annotated[
        tuple[int, ...],
        Row(
            Section.GENERAL,
            "CodecIdFilterList",
            kinds.PAYLOAD_TYPES,
            "The codecs, by RTP payload type, that are taken out of offers. 3 is GSM, in which iChat and "
            "some SNOM phones do not understand each other. Blank takes none out.",
            live=True,
        ),
    ] = (3,)
    media_relay_port_range_min: Annotated[
        int,
        Row(
            Section.GENERAL,
            "MediaRelayPortRangeMin",
            kinds.PORT,
            "The first UDP port of the media relay. A call takes two pairs of ports, an even and the next "
            "odd one.",
            live=True,
        ),
    ] = 8000
    media_relay_port_range_max: Annotated[
        int,
        Row(
            Section.GENERAL,
            "MediaRelayPortRangeMax",
            kinds.PORT,
            "The last UDP port of the media relay.",
            live=True,
        ),
    ] = 9999
    media_engine: Annotated[
        MediaEngineName,
        Row(
            Section.GENERAL,
            "MediaEngine",
            kinds.MEDIA_ENGINE,
            "Who relays audio: builtin, processes of our own on this machine; or rtpengine, which is "
            "installed by itself and may be on other machines. The page on media engines compares them.",
            new=True,
        ),
    ] = MediaEngineName.BUILTIN
    rtpengine_address: Annotated[
        tuple[HostPort, ...],
        Row(
            Section.GENERAL,
            "RtpengineAddress",
            kinds.RTPENGINES,
            "Where each rtpengine listens for the ng protocol over UDP (its listen-ng); without a port it is "
            "2223. A call is given to the one that answers and has the fewest calls of ours. Needed with "
            "MediaEngine = rtpengine.",
            default_words="none",
            new=True,
        ),
    ] = ()
    media_relay_workers: Annotated[
        int,
        Row(
            Section.GENERAL,
            "MediaRelayWorkers",
            kinds.whole(0, 64, "processes"),
            "How many processes relay audio; each call is on one of them. 0 is one for every two processor "
            "cores, but at least one.",
            new=True,
        ),
    ] = 0
    media_timeout: Annotated[
        int,
        Row(
            Section.GENERAL,
            "MediaTimeout",
            kinds.whole(0, 86_400, "seconds"),
            "A call is ended when nothing, neither audio nor RTCP, has come from one of its parties for so "
            "long. Calls on hold are left alone. 0 never ends a call for that.",
            new=True,
            live=True,
        ),
    ] = 60

    # --- Jabber ----------------------------------------------------------------------------------------

    jabber_server: Annotated[
        str,
        Row(
            Section.JABBER,
            "JabberServer",
            kinds.HOST,
            "The Jabber server to connect to.",
            sample="jabber.company.com",
            live=True,
        ),
    ]
    jabber_component_name: Annotated[
        str,
        Row(
            Section.JABBER,
            "JabberComponentName",
            kinds.DOMAIN,
            "The gateway's own Jabber domain: the name of the component that the Jabber server knows. It "
            "should end in the server's domain.",
            sample="ichat-gw.jabber.company.com",
        ),
    ]
    jabber_component_password: Annotated[
        SecretStr,
        Row(
            Section.JABBER,
            "JabberComponentPassword",
            kinds.SECRET,
            "The secret that the Jabber server shares with this component.",
            sample="change-this-password",
            live=True,
        ),
    ]
    jabber_component_port: Annotated[
        int,
        Row(
            Section.JABBER,
            "JabberComponentPort",
            kinds.PORT,
            "The port at which the Jabber server accepts components.",
            live=True,
        ),
    ] = 5275
    jabber_server_ping_duration: Annotated[
        int,
        Row(
            Section.JABBER,
            "JabberServerPingDuration",
            kinds.whole(1, _DAY, "seconds"),
            "The time between two pings that keep the connection to the Jabber server alive and notice "
            "when it is dead.",
            live=True,
        ),
    ] = 60
    jabber_control_username: Annotated[
        str,
        Row(
            Section.JABBER,
            "JabberControlUsername",
            kinds.LOCALPART,
            "The user name of the gateway's control contact, "
            "`<JabberControlUsername>@<JabberComponentName>`. iChat users add that contact to their buddy "
            "list so that the gateway sees when they are online.",
            sample="control",
        ),
    ]
    subscription_database: Annotated[
        Path,
        Row(
            Section.JABBER,
            "SubscriptionDatabase",
            kinds.PATH,
            "The SQLite file with the subscriptions of Jabber users.",
            default_words="`ichat-gw.sqlite3` beside the configuration file",
            new=True,
        ),
    ] = Path("ichat-gw.sqlite3")

    sip_messages: Annotated[
        bool,
        Row(
            Section.JABBER,
            "SIPMessages",
            kinds.ON_OFF,
            "Whether chat messages to gateway contacts other than the control contact go to SIP phones, as "
            "SIP MESSAGE, and theirs come to Jabber users (RFC 7572). When off, such chat messages are "
            "answered like those to the control contact, and SIP MESSAGE is refused with 405.",
            new=True,
        ),
    ] = True
    numbers_reachable: Annotated[
        bool,
        Row(
            Section.JABBER,
            "NumbersReachable",
            kinds.ON_OFF,
            "Whether telephone numbers can be called through this gateway. Clients that look for a way to "
            "the telephone network are then told so (service discovery, `gateway/pstn`).",
            new=True,
            live=True,
        ),
    ] = False

    # --- rules -----------------------------------------------------------------------------------------

    translation_rules: Annotated[
        tuple[TranslationRule, ...],
        Row(
            Section.RULES,
            "TranslationPattern",
            Kind("a Perl compatible regular expression (PCRE)", "PATTERN", str),
            "A called address, such as `xmpp:72*123@ichat-gw.jabber.company.com` or "
            "`sip:username@sipdomain.com`, is translated by the first rule, from the top, whose "
            "TranslationPattern is found anywhere in it. Its TranslationOutput is then the address to "
            "call: `$1` to `$9` stand for what the pattern's groups took, and it must begin with `xmpp:`, "
            "`sip:` or `sips:`. Any number of rules can be given, each as a pattern followed by its "
            "output; an address that no rule translates cannot be called. Characters need no care: what a "
            "JID escapes (XEP-0106) and what a SIP address escapes (percent) are written in the way of the "
            "network that the call goes to.",
            pair="TranslationOutput",
            default_words="none",
            live=True,
        ),
    ] = ()

    # --- who may call ----------------------------------------------------------------------------------

    allowed_sip_networks: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        Row(
            Section.ACCESS,
            "AllowedSIPNetworks",
            kinds.NETWORKS,
            "The addresses and networks that SIP is heard from. What comes from elsewhere is dropped without "
            "an answer. The registrar and OutboundProxy have to be in it, too. An iChat client is heard "
            "wherever it is, while a call is negotiated with it over XMPP or is up. Blank hears everybody.",
            default_words="everybody is heard",
            new=True,
            live=True,
        ),
    ] = ()
    allowed_xmpp_domains: Annotated[
        tuple[str, ...],
        Row(
            Section.ACCESS,
            "AllowedXMPPDomains",
            kinds.DOMAINS,
            "The XMPP domains whose users may call SIP phones; a domain does not stand for those below it.",
            default_words="the domain above JabberComponentName",
            sample="jabber.company.com",
            new=True,
            live=True,
        ),
    ] = ()
    allowed_transfer_domains: Annotated[
        tuple[str, ...],
        Row(
            Section.ACCESS,
            "AllowedTransferDomains",
            kinds.HOSTS,
            "The SIP domains and hosts to which a SIP phone may transfer its call, besides its own, "
            "OutboundProxy, and the domains that a TranslationOutput spells out.",
            default_words="none",
            new=True,
            live=True,
        ),
    ] = ()
    max_requests_per_second: Annotated[
        int,
        Row(
            Section.ACCESS,
            "MaxRequestsPerSecond",
            kinds.whole(0, 100_000, "requests"),
            "How many requests per second may open something new: SIP requests outside a call, and calls of "
            "XMPP users. What is beyond that is answered 503 with Retry-After; a second's worth may come at "
            "once. What belongs to a call that is up is never limited. 0 is no limit.",
            new=True,
            live=True,
        ),
    ] = 60
    max_requests_per_second_per_source: Annotated[
        int,
        Row(
            Section.ACCESS,
            "MaxRequestsPerSecondPerSource",
            kinds.whole(0, 100_000, "requests"),
            "The same for each IP address (IPv6: each /64 network) and each XMPP user. 0 is no limit.",
            new=True,
            live=True,
        ),
    ] = 30
    max_calls: Annotated[
        int,
        Row(
            Section.ACCESS,
            "MaxCalls",
            kinds.whole(0, 100_000, "calls"),
            "How many calls there may be at once; more are answered 503 with Retry-After. The range of the "
            "media relay's ports is a limit, too: each call takes two pairs. 0 is no limit.",
            new=True,
            live=True,
        ),
    ] = 1000
    max_calls_per_source: Annotated[
        int,
        Row(
            Section.ACCESS,
            "MaxCallsPerSource",
            kinds.whole(0, 100_000, "calls"),
            "How many calls from one IP address (IPv6: one /64 network) there may be at once. A proxy is one "
            "address for everybody behind it. 0 is no limit.",
            new=True,
            live=True,
        ),
    ] = 500
    max_calls_per_user: Annotated[
        int,
        Row(
            Section.ACCESS,
            "MaxCallsPerUser",
            kinds.whole(0, 100_000, "calls"),
            "How many calls one XMPP user may have at once, made and received, those included that ring. 0 "
            "is no limit.",
            new=True,
            live=True,
        ),
    ] = 10
    allowed_destinations: Annotated[
        tuple[str, ...],
        Row(
            Section.ACCESS,
            "AllowedDestinations",
            kinds.PREFIXES,
            "The beginnings of the numbers and addresses that XMPP users may call, after translation; white "
            "space, dots, hyphens and parentheses in numbers do not count. Blank allows all that "
            "DeniedDestinations does not deny.",
            default_words="all",
            new=True,
            live=True,
        ),
    ] = ()
    denied_destinations: Annotated[
        tuple[str, ...],
        Row(
            Section.ACCESS,
            "DeniedDestinations",
            kinds.PREFIXES,
            "The beginnings of those that they may not call, such as expensive numbers that a stolen account "
            "would run up a bill with. Where both lists fit, the longer beginning decides.",
            default_words="none",
            new=True,
            live=True,
        ),
    ] = ()
    max_call_duration: Annotated[
        int,
        Row(
            Section.ACCESS,
            "MaxCallDuration",
            kinds.whole(0, 30 * _DAY, "seconds"),
            "How long a call may last; it is then ended. A call that nobody ends is a bill that nobody ends. "
            "0 is no limit.",
            new=True,
            live=True,
        ),
    ] = 43200
    max_transactions: Annotated[
        int,
        Row(
            Section.ACCESS,
            "MaxTransactions",
            kinds.whole(0, 1_000_000, "transactions"),
            "How many SIP transactions there may be at once; requests that would begin another one are "
            "answered 503 with Retry-After, without any memory of them. One takes some kilobytes for up to "
            "32 seconds. 0 is no limit.",
            new=True,
            live=True,
        ),
    ] = 20000
    max_connections: Annotated[
        int,
        Row(
            Section.ACCESS,
            "MaxConnections",
            kinds.whole(1, 100_000, "connections"),
            "How many SIP connections by TCP and TLS there may be at once, both directions together; more "
            "are closed as they come. Each takes a file descriptor. One whose first message, or one that it "
            "has begun, is not whole within 20 seconds is closed; so is one that is silent for 15 minutes.",
            new=True,
        ),
    ] = 2000
    max_connections_per_address: Annotated[
        int,
        Row(
            Section.ACCESS,
            "MaxConnectionsPerAddress",
            kinds.whole(1, 100_000, "connections"),
            "How many of them one IP address may open at once. A proxy needs one, a NAT one for each phone "
            "behind it.",
            new=True,
        ),
    ] = 200
    trusted_sip_networks: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        Row(
            Section.ACCESS,
            "TrustedSIPNetworks",
            kinds.NETWORKS,
            "The addresses and networks of phone systems and proxies that are never ignored, whatever they "
            "send (see IgnoreAfter). The registrar, OutboundProxy, whoever else the gateway itself calls "
            "or registers with, and whoever has had a call answered by an XMPP user need not be in it.",
            default_words="none",
            new=True,
            live=True,
        ),
    ] = ()
    ignore_after: Annotated[
        int,
        Row(
            Section.ACCESS,
            "IgnoreAfter",
            kinds.whole(0, 100_000, "misdeeds"),
            "After how many misdeeds in a minute an address (IPv6: a /64 network) is ignored for a while: "
            "messages that are not SIP, more requests than it may send, calls to who does not exist, "
            "registrations (the gateway is no registrar). Scanners are such sources. Its calls that are up "
            "go on. 0 ignores nobody.",
            new=True,
            live=True,
        ),
    ] = 30
    ignore_time: Annotated[
        int,
        Row(
            Section.ACCESS,
            "IgnoreTime",
            kinds.whole(1, 30 * _DAY, "seconds"),
            "How long it is ignored.",
            new=True,
            live=True,
        ),
    ] = 600

    # --- TLS -------------------------------------------------------------------------------------------

    tls_certificate: Annotated[
        Path | None,
        Row(
            Section.TLS,
            "TLSCertificate",
            kinds.PATH,
            "The PEM file with this server's certificate and its chain. Without one, TLS is not opened.",
            default_words="`domain_cert_<TLSDomainName>.pem` in the current directory",
            live=True,
        ),
    ] = None
    tls_private_key: Annotated[
        Path | None,
        Row(
            Section.TLS,
            "TLSPrivateKey",
            kinds.PATH,
            "The PEM file with the certificate's private key.",
            default_words="`domain_key_<TLSDomainName>.pem` in the current directory",
            live=True,
        ),
    ] = None
    tls_private_key_pass_phrase: Annotated[
        SecretStr | None,
        Row(
            Section.TLS,
            "TLSPrivateKeyPassPhrase",
            kinds.SECRET,
            "The pass phrase of the private key, if it has one.",
            default_words="none",
            live=True,
        ),
    ] = None
    tls_dh_params_filename: Annotated[
        Path | None,
        Row(
            Section.TLS,
            "TLSDHParamsFilename",
            kinds.PATH,
            "The PEM file with Diffie-Hellman parameters.",
            default_words="none",
            live=True,
        ),
    ] = None
    tls_ca_file: Annotated[
        Path | None,
        Row(
            Section.TLS,
            "TLSCAFile",
            kinds.PATH,
            "The PEM file with the root certificates that are trusted, and no others. A server that we "
            "connect to must have a certificate from one of them, for the very domain in the SIP address; "
            "wildcards do not count (RFC 5922).",
            default_words="the system's, and every `root_cert_*.pem` in the current directory",
            new=True,
            live=True,
        ),
    ] = None
    tls_require_client_certificate: Annotated[
        bool,
        Row(
            Section.TLS,
            "TLSRequireClientCertificate",
            kinds.ON_OFF,
            "Whether only peers with a certificate from a trusted root may connect over TLS.",
            new=True,
            live=True,
        ),
    ] = False

    # --- connector and status page ------------------------------------------------------------------------

    ichat_jabber_connector_path: Annotated[
        str,
        Row(
            Section.CONNECTOR,
            "IchatJabberConnectorPath",
            kinds.TEXT,
            "The Jabber connector's executable. A bare name is looked for beside the gateway's own "
            "executable, then on the PATH.",
        ),
    ] = "ichat-gw-jc"

    # --- call records and traces --------------------------------------------------------------------------

    call_record_database: Annotated[
        Path,
        Row(
            Section.MEMORY,
            "CallRecordDatabase",
            kinds.PATH,
            "The SQLite file with a row for each call that is over: who, when, how it ended and how it was "
            "heard.",
            default_words="`ichat-gw-calls.sqlite3` beside the configuration file",
            new=True,
        ),
    ] = Path("ichat-gw-calls.sqlite3")
    call_record_days: Annotated[
        int,
        Row(
            Section.MEMORY,
            "CallRecordDays",
            kinds.whole(0, 36_500, "days"),
            "How long call records are kept. 0 writes none: the last thousand are known until the gateway "
            "ends.",
            new=True,
        ),
    ] = 90
    trace_calls: Annotated[
        int,
        Row(
            Section.MEMORY,
            "TraceCalls",
            kinds.whole(0, 100_000, "calls"),
            "Of how many calls that are over every message is kept in memory, to be looked at. 0 keeps no "
            "message of any call.",
            new=True,
        ),
    ] = 200
    trace_memory: Annotated[
        int,
        Row(
            Section.MEMORY,
            "TraceMemory",
            kinds.whole(1, 65_536, "MiB"),
            "How much memory the messages of all calls may take together. When it is used up, those of the "
            "oldest calls are forgotten.",
            new=True,
        ),
    ] = 32
    trace_file: Annotated[
        Path | None,
        Row(
            Section.MEMORY,
            "TraceFile",
            kinds.PATH,
            "An SQLite file in which the messages of calls that are over are kept, also after a restart. "
            "They tell who talked with whom, from where; passwords are taken out.",
            default_words="they are kept in memory alone",
            new=True,
        ),
    ] = None
    trace_file_size: Annotated[
        int,
        Row(
            Section.MEMORY,
            "TraceFileSize",
            kinds.whole(1, 1_048_576, "MiB"),
            "How large that file may become before the oldest calls are removed from it; a call takes some "
            "5 kB.",
            new=True,
        ),
    ] = 100
    hep_server: Annotated[
        HostPort | None,
        Row(
            Section.MEMORY,
            "HEPServer",
            kinds.HEP_SERVER,
            "A Homer server that gets a copy of each SIP message and of the stanzas of calls, in UDP (HEP "
            "version 3). Passwords are taken out; the way there is not encrypted.",
            default_words="none",
            new=True,
        ),
    ] = None
    hep_capture_id: Annotated[
        int,
        Row(
            Section.MEMORY,
            "HEPCaptureID",
            kinds.whole(0, 2**32 - 1),
            "The number by which the Homer server knows this gateway.",
            new=True,
        ),
    ] = 2001
    hep_password: Annotated[
        SecretStr | None,
        Row(
            Section.MEMORY,
            "HEPPassword",
            kinds.SECRET,
            "What the Homer server wants to hear from its sources, if anything.",
            default_words="none",
            new=True,
        ),
    ] = None

    # --- status page --------------------------------------------------------------------------------------

    http_port: Annotated[
        int,
        Row(
            Section.STATUS,
            "HttpPort",
            kinds.PORT_OR_NONE,
            "The TCP port of the status page, the JSON API and the metrics. 0: they are not served.",
        ),
    ] = 5090
    http_address: Annotated[
        str,
        Row(
            Section.STATUS,
            "HttpAddress",
            kinds.IP_ADDRESS,
            "The local address that the status page is bound to; `0.0.0.0` or `::` binds all adapters. Any "
            "other than a loopback address needs `HttpAuth`. The page is not encrypted: from elsewhere, "
            "read it through a tunnel or a reverse proxy that speaks TLS.",
            new=True,
        ),
    ] = "127.0.0.1"
    http_hosts: Annotated[
        tuple[str, ...],
        Row(
            Section.STATUS,
            "HttpHosts",
            kinds.DOMAINS,
            "The names by which browsers reach the status page, beside `localhost` and IP addresses: that of "
            "a reverse proxy, say. A request for any other name is refused, so that no web site can have a "
            "visitor's browser read the page under a name of its own (DNS rebinding).",
            default_words="none",
            new=True,
            live=True,
        ),
    ] = ()
    http_auth: Annotated[
        bool,
        Row(
            Section.STATUS,
            "HttpAuth",
            kinds.ON_OFF,
            "Whether the status page asks for a password (HTTP Basic; any user name will do). Without, "
            "everybody who has an account on this machine can read it.",
            live=True,
        ),
    ] = False
    http_auth_pwd: Annotated[
        SecretStr,
        Row(
            Section.STATUS,
            "HttpAuthPwd",
            kinds.SECRET,
            "The password of the status page. One must be chosen: with `HttpAuth` the default is refused.",
            default_words="`admin`, as the original has it",
            live=True,
        ),
    ] = SecretStr("admin")


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the table with the field it belongs to."""

    field: str
    row: Row
    required: bool
    default: object
    """What it is when nobody sets it; None when it is required, or none."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that it has in a file, the first one the manual's."""
        return tuple(name for name in (self.row.name, self.row.alias, self.row.pair) if name)

    @property
    def default_text(self) -> str:
        """The default as a reader of the reference wants it."""
        if self.required:
            return "required"
        return self.row.default_words or f"`{self.row.kind.write(self.default)}`"


def _setting(field: str, info: FieldInfo) -> Setting:
    row = next(item for item in info.metadata if isinstance(item, Row))
    default = None if info.is_required() else info.get_default(call_default_factory=False)
    return Setting(field, row, info.is_required(), default)


SETTINGS: tuple[Setting, ...] = tuple(_setting(name, info) for name, info in Settings.model_fields.items())
"""The table, in the order of the file."""


def key(name: str) -> str:
    """Return a name as names are compared: in one case and without spaces.

    COMPAT the original's manual: it writes `SIP Gateway Identity` once.
    """
    return "".join(name.split()).casefold()


# COMPAT the original: a file may use the names of the flags too (`sp = 5070`).
BY_KEY: dict[str, Setting] = {
    key(name): setting
    for setting in SETTINGS
    for name in (*setting.names, setting.row.flag.removeprefix("-") if not setting.row.flag_turns_off else "")
    if name
}
"""Every name that a file may use, by `key`."""
