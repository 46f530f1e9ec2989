"""Reading a configuration: values, defaults, flags over the file, rules in pairs, every fault in place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.addressing.sip_uri import NameAddr, SipUri
from ichat_gw.addressing.translation import TranslationRule, TranslationRules
from ichat_gw.config.kinds import LogFormat, LogLevel
from ichat_gw.config.load import Loaded, load, some_of
from ichat_gw.config.problem import ConfigError, Problem
from ichat_gw.config.source import Given, flag_parser, overrides_of

NEEDED = """\
JabberServer = jabber.company.com
JabberComponentName = ichat-gw.jabber.company.com
JabberComponentPassword = geheim
JabberControlUsername = control
TranslationPattern = ^xmpp:(.*)@ichat-gw.jabber.company.com$
TranslationOutput = sip:$1@sipdomain.com
"""
"""Six lines that suffice; what a test adds begins in line 7."""


@pytest.fixture(autouse=True)
def current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(text: str, *flags: str) -> Loaded:
    Path("ichat-gw.config").write_text(text, encoding="utf-8")
    return load(None, overrides_of(flag_parser().parse_args(flags)))


def faults(text: str, *flags: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, *flags)
    assert "geheim" not in str(caught.value)
    return str(caught.value).replace("ichat-gw.config:", "").splitlines()


def warnings(text: str, *flags: str) -> list[str]:
    return [str(warning).replace("ichat-gw.config:", "") for warning in read(text, *flags).warnings]


# --- values ---------------------------------------------------------------------------------------


def test_what_is_needed_suffices_and_the_rest_is_default() -> None:
    loaded = read(NEEDED)
    settings = loaded.settings
    assert loaded.warnings == ()
    assert loaded.path == Path("ichat-gw.config")
    assert (settings.udp_tcp_port, settings.tls_port, settings.http_port) == (5070, 5071, 5090)
    assert (settings.jabber_server, settings.jabber_component_port) == ("jabber.company.com", 5275)
    assert settings.jabber_component_password.get_secret_value() == "geheim"
    assert (settings.codec_id_filter_list, settings.dns_servers, settings.ip_address) == ((3,), (), None)
    assert (settings.log_level, settings.log_format, settings.log_file_count) == (
        LogLevel.INFO,
        LogFormat.TEXT,
        10,
    )
    assert (settings.sip_gateway_identity, settings.outbound_proxy) == (None, None)
    assert settings.subscription_database == Path("ichat-gw.sqlite3")
    assert settings.translation_rules == (
        TranslationRule("^xmpp:(.*)@ichat-gw.jabber.company.com$", "sip:$1@sipdomain.com", 5),
    )


def test_values_are_typed() -> None:
    settings = read(
        NEEDED
        + """
        ipaddress = 192.168.1.106
        DNSSERVERS = 10.0.0.1,10.0.0.2
        SIPGatewayIdentity = "iChat-gw" <sip:ichat-gw@sipdomain.com>
        OutboundProxy = sip:proxy.company.com;lr
        KeepAlives = disable
        LogLevel = debug
        logformat = json
        CodecIdFilterList =
        TLSDomain = gw.company.com
        SubscriptionDatabase = /var/lib/ichat-gw/users.sqlite3
        """
    ).settings
    assert settings.ip_address == "192.168.1.106"
    assert settings.dns_servers == ("10.0.0.1", "10.0.0.2")
    assert settings.sip_gateway_identity == NameAddr("iChat-gw", "sip:ichat-gw@sipdomain.com")
    assert settings.outbound_proxy == SipUri.parse("sip:proxy.company.com;lr")
    assert not settings.keep_alives
    assert (settings.log_level, settings.log_format) == (LogLevel.DEBUG, LogFormat.JSON)
    assert settings.codec_id_filter_list == ()
    assert settings.tls_domain == "gw.company.com"
    assert settings.subscription_database == Path("/var/lib/ichat-gw/users.sqlite3")


def test_blank_is_the_default() -> None:
    loaded = read(NEEDED + "UDPTCPPort =\nTLSDomain =\nIPAddress =\nDNSServers =\nSubscriptionDatabase =\n")
    assert loaded.warnings == ()
    assert loaded.settings.udp_tcp_port == 5070
    assert loaded.settings.tls_domain
    assert loaded.settings.subscription_database == Path("ichat-gw.sqlite3")


def test_flags_override_the_file() -> None:
    loaded = read(NEEDED + "UDPTCPPort = 5080\nLogLevel = ERR\n", "-sp", "5090", "--http-port", "5091", "-nk")
    assert loaded.warnings == ()
    assert (loaded.settings.udp_tcp_port, loaded.settings.keep_alives) == (5090, False)
    assert loaded.settings.log_level is LogLevel.ERR


def test_a_good_flag_makes_up_for_a_bad_line() -> None:
    assert read(NEEDED + "UDPTCPPort = x\n", "-sp", "5080").settings.udp_tcp_port == 5080


def test_the_database_lies_beside_the_file_that_was_named(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "gw.config").write_text(NEEDED)
    assert load(folder / "gw.config").settings.subscription_database == folder / "ichat-gw.sqlite3"
    assert load("etc/gw.config").settings.subscription_database == Path("etc/ichat-gw.sqlite3")


# --- files written for the original ---------------------------------------------------------------

ORIGINAL = """\
# SIP
IPAddress =
DNSServers =
SIPGatewayIdentity = "iChat-gw" <sip:ichat-gw@sipdomain.com>
UDPTCPPort = 5070
TLSPort = 5071
TLSDomain =
KeepAlives = enable
OutboundProxy =
RegistrationTime = 3600
RegistrationRetryTime = 120
LogLevel = INFO
LogFilename = ichat-gw.log
LogFileMaxLines = 50000
GatewayIPCPort = 2078
JabberConnectorIPCPort = 2079
IChatProceedingTimeout = 5000
AlwaysRelayIChatMedia = true
PreferIPv6 = true
CodecIdFilterList = 3
MediaRelayPortRangeMin = 8000
MediaRelayPortRangeMax = 9999
JabberServer = jabber.company.com
JabberComponentName = ichat-gw.jabber.company.com
JabberComponentPassword = password
JabberComponentPort = 5275
JabberServerPingDuration = 60
JabberControlUsername = control
TranslationPattern=^sip:(.*)@(.*)$
TranslationOutput=xmpp:$1@jabber.company.com
TranslationPattern=^xmpp:(.*)@(.*)$
TranslationOutput=sip:$1@sipdomain.com
TLSDHParamsFilename =
TLSCertificate =
TLSPrivateKey =
TLSPrivateKeyPassPhrase =
IchatJabberConnectorPath = ichat-gw-jc
"""


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_for_the_original_works_unchanged(ends: str, mark: str) -> None:
    Path("ichat-gw.config").write_bytes((mark + ORIGINAL.replace("\n", ends)).encode())
    loaded = load()
    assert loaded.warnings == ()
    assert loaded.settings.prefer_ipv6
    assert loaded.settings.tls_certificate is None
    assert [rule.line for rule in loaded.settings.translation_rules] == [29, 31]


def test_the_manuals_examples_with_their_stray_quotation_marks() -> None:
    head = NEEDED.partition("TranslationPattern")[0]
    loaded = read(
        head
        + 'TranslationPattern="xmpp:(.*)@ichat-gw.jabber.company.com$\n'
        + "TranslationOutput=sip:$1@sipdomain.com\n"
        + 'TranslationPattern=""sip:(.*)@sipdomain.com$\n'
        + 'TranslationOutput="xmpp:$1@jabber.company.com"\n'
    )
    assert [str(warning).partition(": ")[2] for warning in loaded.warnings] == [
        "TranslationPattern: the quotation marks around it are ignored; leave them out",
        "TranslationPattern: the quotation marks around it are ignored; leave them out",
        "TranslationOutput: the quotation marks around it are ignored; leave them out",
    ]
    rules = TranslationRules(loaded.settings.translation_rules)
    found = [
        rules.translate(address)
        for address in ("xmpp:72*123@ichat-gw.jabber.company.com", "sip:username@sipdomain.com")
    ]
    assert [translation and translation.output for translation in found] == [
        "sip:72*123@sipdomain.com",
        "xmpp:username@jabber.company.com",
    ]


def test_what_else_the_original_took() -> None:
    loaded = read(
        NEEDED
        + "sp = 5080\nSIP Gateway Identity = gw@sipdomain.com\nOutboundProxy = <sip:proxy;lr>\n"
        + "CodecIdFilterList = 3; 18 97\nTranslationPattern =\nTranslationOutput =\nno equals sign\n"
    )
    assert loaded.settings.udp_tcp_port == 5080
    assert loaded.settings.sip_gateway_identity == NameAddr("", "sip:gw@sipdomain.com")
    assert str(loaded.settings.outbound_proxy) == "sip:proxy;lr"
    assert loaded.settings.codec_id_filter_list == (3, 18, 97)
    assert [str(warning).partition(":")[2] for warning in loaded.warnings] == [
        "11: TranslationPattern: the rule is ignored: its pattern is blank; '.*' is found in every address",
        "13: the line is ignored: it has no '='; Name = value is how a setting is written",
    ]


# --- warnings -------------------------------------------------------------------------------------


def test_an_unknown_name_suggests_the_nearest() -> None:
    assert warnings(
        NEEDED + "TLSPrt = 1\nJabberServr = x\nXyzzy = 1\nTranslationOutputs = x\nTLSDomainNam = x\n"
    ) == [
        "7: TLSPrt: there is no such setting; did you mean TLSPort?",
        "8: JabberServr: there is no such setting; did you mean JabberServer?",
        "9: Xyzzy: there is no such setting; it is ignored",
        "10: TranslationOutputs: there is no such setting; did you mean TranslationOutput?",
        "11: TLSDomainNam: there is no such setting; did you mean TLSDomainName?",
    ]


def test_a_setting_given_twice_names_both_lines_and_the_last_counts() -> None:
    text = NEEDED + "TLSDomain = a\nUDPTCPPort = 5080\ntlsdomainname = b\n"
    assert warnings(text) == ["9: TLSDomainName: is given again; 7 gives it first; the last one counts"]
    assert read(text).settings.tls_domain == "b"
    assert read(NEEDED, "-sp", "5080", "-sp", "5081").settings.udp_tcp_port == 5081


def test_no_rules_at_all() -> None:
    assert warnings(NEEDED.partition("TranslationPattern")[0]) == [
        "4: TranslationPattern: there is no rule, so no address can be called; "
        "TranslationPattern and TranslationOutput make one"
    ]


def test_a_group_that_the_pattern_does_not_have() -> None:
    assert warnings(
        NEEDED + "TranslationPattern = ^sip:(.)(.)\nTranslationOutput = xmpp:$1$2$3$9@h\n"
        "TranslationPattern = a\nTranslationOutput = xmpp:$1@h\n"
    ) == [
        "8: TranslationOutput: $3 is always empty: the pattern has 2 groups; a group is a part in brackets",
        "8: TranslationOutput: $9 is always empty: the pattern has 2 groups; a group is a part in brackets",
        "10: TranslationOutput: $1 is always empty: the pattern has no groups; a group is a part in brackets",
    ]


# --- faults ---------------------------------------------------------------------------------------


def test_every_fault_is_reported_at_once_in_the_order_of_the_file() -> None:
    assert faults(
        "UDPTCPPort = high\nJabberServer =\nKeepAlives = maybe\nTranslationOutput = sip:a@b\n"
        "TranslationPattern = (\nTranslationOutput = tel:1\nJabberComponentName = a@b\n"
        "JabberComponentPassword = geheim # secret\n"
        "RegistrationTime = 60 # a minute\n",
        "-tp",
        "70000",
    ) == [
        "1: UDPTCPPort: 'high' is no whole number; allowed: a whole number from 1 to 65535",
        "2: JabberServer: is blank; needed: a host name or an IP address",
        "3: KeepAlives: 'maybe' is neither on nor off; "
        "allowed: 1, true, on or enable, or else 0, false, off or disable",
        "4: TranslationOutput: has no TranslationPattern before it; rules are pairs, the pattern first",
        "5: TranslationPattern: missing closing parenthesis at character 2 of '('; "
        "a Perl compatible regular expression is needed",
        "6: TranslationOutput: the output 'tel:1' has the scheme 'tel'; "
        "it must begin with xmpp:, sip: or sips:",
        "7: JabberComponentName: 'a@b' is no host name; allowed: a domain name",
        "9: RegistrationTime: '60 # a minute' is no whole number (a comment needs a line of its own); "
        "allowed: a whole number of seconds from 0 to 4294967295",
        "9: JabberControlUsername: is missing; "
        "needed: a user name without domain (the part before the @ of a JID)",
        "command line: -tp: TLSPort: 70000 is out of range; allowed: a whole number from 1 to 65535",
    ]


def test_a_number_sign_in_a_flag_is_no_comment() -> None:
    assert faults(NEEDED, "-sp", "#1") == [
        "command line: -sp: UDPTCPPort: '#1' is no whole number; allowed: a whole number from 1 to 65535"
    ]


def test_patterns_and_outputs_come_in_pairs() -> None:
    pattern, output = "TranslationPattern = a\n", "TranslationOutput = sip:a@b\n"
    lone_pattern = "TranslationPattern: has no TranslationOutput after it; rules are pairs, the pattern first"
    lone_output = "TranslationOutput: has no TranslationPattern before it; rules are pairs, the pattern first"
    assert faults(NEEDED + pattern + pattern + output + output + pattern) == [
        f"7: {lone_pattern}",
        f"10: {lone_output}",
        f"11: {lone_pattern}",
    ]


def test_an_output_may_not_be_blank() -> None:
    assert faults(NEEDED + "TranslationPattern = a\nTranslationOutput =\n") == [
        "8: TranslationOutput: the output is empty; it must begin with xmpp:, sip: or sips:"
    ]


def test_what_is_not_utf_8() -> None:
    Path("ichat-gw.config").write_bytes(NEEDED.encode() + b"LogFilename = M\xfcller.log\n")
    with pytest.raises(ConfigError, match=r"^ichat-gw.config:7: byte 16 of the line is not UTF-8"):
        load()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("IPAddress = eth0", "IPAddress: 'eth0' is no IP address"),
        ("DNSServers = 1.1.1.1, x", "DNSServers: 'x' is no IP address"),
        ("OutboundProxy = http://x", "OutboundProxy: 'http://x' is no SIP URI"),
        ('SIPGatewayIdentity = "gw', "SIPGatewayIdentity: '\"gw' is no SIP name-addr"),
        ("LogLevel = LOUD", "LogLevel: 'LOUD' is none of the words"),
        ("JabberControlUsername = a@b", "JabberControlUsername: the user 'a@b' contains '@'"),
    ],
)
def test_bad_values(line: str, what: str) -> None:
    (fault,) = faults(NEEDED + line)
    assert fault.startswith(f"7: {what}")


# --- files that cannot be read --------------------------------------------------------------------


def test_a_missing_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load()
    assert str(caught.value) == (
        f"{tmp_path}/ichat-gw.config: there is no such file; have `ichat-gw init` write one, "
        "start in its directory, or name it with -c FILE"
    )


def test_a_missing_file_does_not_hide_bad_flags() -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, overrides_of(flag_parser().parse_args(["-sp", "x"])))
    assert [problem.setting for problem in caught.value.problems] == ["", "UDPTCPPort"]


def test_a_missing_default_file_is_no_fault_when_everything_is_said() -> None:
    said = [
        Given(name.strip(), value.strip(), "command line: test")
        for name, _, value in (line.partition("=") for line in NEEDED.splitlines())
    ]
    assert load(None, said).settings.jabber_server == "jabber.company.com"
    with pytest.raises(ConfigError, match="there is no such file"):
        load("other.config", said)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the file cannot be read: Is a directory; have `ichat-gw init`"):
        load(tmp_path)
    with pytest.raises(
        ConfigError, match=r"the file cannot be read: embedded null byte; have `ichat-gw init`"
    ):
        load("a\0b")


NAMES = [
    "JabberServer",
    "udptcpport",
    "TranslationPattern",
    "TranslationOutput",
    "KeepAlives",
    "X",
    "HttpAuthPwd",
]


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.text(max_size=12)), max_size=8))
def test_any_file_is_read_or_refused_with_reasons(lines: list[tuple[str, str]]) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        read(NEEDED + "".join(f"{name} = {value}\n" for name, value in lines if value.isprintable()))
    except ConfigError as error:
        problems = error.problems or (Problem("nowhere", "", "no reason"),)
    assert all(str(problem).startswith("ichat-gw.config:") for problem in problems)


# --- settings that may be given several times -------------------------------------------------------------


def test_all_credentials_count() -> None:
    lines = "SIPCredentials = pbx gateway geheim\nSIPCredentials =\nsip credentials = * alice geheim 2\n"
    loaded = read(NEEDED + lines)
    found = [(c.realm, c.user, c.password.get_secret_value()) for c in loaded.settings.sip_credentials]
    assert found == [("pbx", "gateway", "geheim"), ("*", "alice", "geheim 2")]
    assert loaded.warnings == ()
    assert "geheim" not in repr(loaded)


def test_every_bad_line_of_credentials_is_reported() -> None:
    lines = 'SIPCredentials = geheim\nSIPCredentials = a b geheim\nSIPCredentials = "geheim\n'
    first, second = faults(NEEDED + lines)
    assert first.startswith("7: SIPCredentials: there are fewer than three words; allowed: a realm")
    assert second.startswith("9: SIPCredentials: a quotation mark is not closed; allowed: a realm")


# --- only some settings -----------------------------------------------------------------------------------


def some(text: str) -> dict[str, object]:
    Path("ichat-gw.config").write_text(text, encoding="utf-8")
    return some_of("ichat-gw.config", ["http_port", "http_auth"])


def test_some_settings_are_read_whatever_the_others_say() -> None:
    text = "HttpPort = 5091\nUDPTCPPort = nonsense\nNoSuchSetting = 1\n"
    assert some(text) == {"http_port": 5091, "http_auth": False}
    assert some("HttpPort =\n")["http_port"] == 5090


def test_some_settings_that_cannot_be_read() -> None:
    with pytest.raises(ConfigError, match="HttpPort"):
        some("HttpPort = nonsense\n")
    with pytest.raises(ConfigError, match=r"missing\.config"):
        some_of("missing.config", ["http_port"])
