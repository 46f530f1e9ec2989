"""Faults between settings: shared ports, the media relay's range, TLS files."""

from pathlib import Path

import pytest

from ichat_gw.config.load import load
from ichat_gw.config.problem import ConfigError
from ichat_gw.config.source import flag_parser, overrides_of

NEEDED = """\
JabberServer = jabber.company.com
JabberComponentName = ichat-gw.jabber.company.com
JabberComponentPassword = geheim
JabberControlUsername = control
TranslationPattern = a
TranslationOutput = sip:a@b
"""


@pytest.fixture(autouse=True)
def current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def check(text: str, *flags: str) -> tuple[list[str], list[str]]:
    """Return the faults and the warnings of six good lines and `text`, which begins in line 7."""
    Path("gw.config").write_text(NEEDED + text)
    try:
        warnings = load("gw.config", overrides_of(flag_parser().parse_args(flags))).warnings
        problems = ()
    except ConfigError as error:
        warnings, problems = error.warnings, error.problems
    return ([str(problem) for problem in problems], [str(warning) for warning in warnings])


OWN = "every service needs a port of its own"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "UDPTCPPort = 5071",
            f"gw.config:7: UDPTCPPort: port 5071 over TCP is TLSPort's already (by default); {OWN}",
        ),
        (
            "TLSPort = 6000\nUDPTCPPort = 6000",
            f"gw.config:8: UDPTCPPort: port 6000 over TCP is TLSPort's already (gw.config:7); {OWN}",
        ),
        (
            "HttpPort = 5071",
            f"gw.config:7: HttpPort: port 5071 over TCP is TLSPort's already (by default); {OWN}",
        ),
        (
            "GatewayIPCPort = 2079",
            "gw.config:7: GatewayIPCPort: port 2079 over UDP is JabberConnectorIPCPort's already "
            f"(by default); {OWN}",
        ),
        (
            "JabberConnectorIPCPort = 5070",
            "gw.config:7: JabberConnectorIPCPort: port 5070 over UDP is UDPTCPPort's already "
            f"(by default); {OWN}",
        ),
        (
            "UDPTCPPort = 8000",
            "gw.config:7: UDPTCPPort: UDPTCPPort 8000 (gw.config:7) is a media relay port (8000 to 9999); "
            "choose a port outside, or another range",
        ),
        (
            "MediaRelayPortRangeMin = 2079",
            "gw.config:7: MediaRelayPortRangeMin: JabberConnectorIPCPort 2079 (by default) is a media "
            "relay port (2079 to 9999); choose a port outside, or another range",
        ),
    ],
)
def test_two_services_on_one_port(text: str, fault: str) -> None:
    faults, warnings = check(text)
    assert fault in faults
    assert warnings == []


def test_a_flag_is_blamed_before_the_file() -> None:
    faults, _ = check("TLSPort = 6000", "-sp", "6000")
    assert faults == [
        f"command line: -sp: UDPTCPPort: port 6000 over TCP is TLSPort's already (gw.config:7); {OWN}"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "TLSPort = 2078",  # TCP beside UDP
        "HttpPort = 2079",
        "TLSPort = 8000",
        "JabberComponentPort = 5070",  # a port of another machine
        "MediaRelayPortRangeMin = 10000\nMediaRelayPortRangeMax = 10003\nUDPTCPPort = 10004",
        "MediaRelayPortRangeMin = 10001\nMediaRelayPortRangeMax = 10005",
    ],
)
def test_ports_that_do_not_meet(text: str) -> None:
    assert check(text) == ([], [])


@pytest.mark.parametrize(
    ("least", "most", "what"),
    [
        (9000, 8999, "the port range 9000 to 8999 is empty; MediaRelayPortRangeMin must be the lower one"),
        (9000, 9000, "the port range 9000 to 9000 has no even port followed by an odd one"),
        (9001, 9001, "the port range 9001 to 9001 has no even port followed by an odd one"),
        (9001, 9002, "the port range 9001 to 9002 has no even port followed by an odd one"),
    ],
)
def test_a_range_without_room(least: int, most: int, what: str) -> None:
    faults, warnings = check(f"MediaRelayPortRangeMin = {least}\nMediaRelayPortRangeMax = {most}")
    assert len(faults) == 1
    assert faults[0].startswith(f"gw.config:8: MediaRelayPortRangeMax: {what}")
    assert warnings == []


@pytest.mark.parametrize(("least", "most"), [(9000, 9001), (9000, 9002), (8999, 9001), (8999, 9002)])
def test_a_range_with_room_for_one_party_only(least: int, most: int) -> None:
    faults, warnings = check(f"MediaRelayPortRangeMax = {most}\nMediaRelayPortRangeMin = {least}")
    assert faults == []
    assert warnings == [
        "gw.config:8: MediaRelayPortRangeMin: there is room for one pair of ports, but a call takes two; "
        "no call can be relayed"
    ]


def test_a_bad_port_is_reported_once() -> None:
    faults, _ = check(
        "UDPTCPPort = x\nMediaRelayPortRangeMin = y\nTLSPort = 5070\nMediaRelayPortRangeMax = 1"
    )
    assert [fault.split(": ")[1] for fault in faults] == ["UDPTCPPort", "MediaRelayPortRangeMin"]


@pytest.mark.parametrize("name", ["TLSCertificate", "TLSPrivateKey", "TLSDHParamsFilename"])
def test_tls_files_must_be_readable_when_they_are_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "good.pem").write_text("PEM")
    assert check(f"{name} = good.pem") == ([], [])
    needed = "needed: the path of a PEM file that this user may read"
    assert check(f"{name} = bad.pem")[0] == [
        f"gw.config:7: {name}: 'bad.pem' cannot be read: No such file or directory; {needed}"
    ]
    assert check(f"{name} = {tmp_path}")[0] == [
        f"gw.config:7: {name}: '{tmp_path}' cannot be read: Is a directory; {needed}"
    ]


def test_a_bad_path_is_not_looked_for() -> None:
    faults, _ = check("TLSCertificate = a\x07b")
    assert len(faults) == 1
    assert "cannot be printed" in faults[0]


OPEN = (
    "HttpAddress: the status page at 0.0.0.0 would be open to everybody; set HttpAuth = on and choose "
    "HttpAuthPwd"
)
KNOWN = (
    "the password of the status page is the default, 'admin', which everybody knows; choose one with "
    "HttpAuthPwd, or set HttpPort = 0"
)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("HttpAuth = on", [f"gw.config:7: HttpAuth: {KNOWN}"]),
        ("HttpAuth = on\nHttpAuthPwd = admin", [f"gw.config:8: HttpAuthPwd: {KNOWN}"]),
        ("HttpAuth = on\nHttpAuthPwd = geheim", []),
        ("HttpAuth = on\nHttpPort = 0", []),
        ("HttpAddress = 0.0.0.0", [f"gw.config:7: {OPEN}"]),
        ("HttpAddress = 0.0.0.0\nHttpPort = 0", []),
        ("HttpAddress = 0.0.0.0\nHttpAuth = on\nHttpAuthPwd = geheim", []),
        ("HttpAddress = ::1", []),
        ("HttpAuthPwd = admin", []),
    ],
)
def test_the_status_page_is_not_open_to_all(text: str, faults: list[str]) -> None:
    assert check(text) == (faults, [])


def test_a_bad_setting_of_the_status_page_is_one_fault() -> None:
    faults, _ = check("HttpAddress = everywhere\nHttpAuth = on")
    assert len(faults) == 1
    assert "HttpAddress" in faults[0]


def test_rtpengine_needs_an_address() -> None:
    problems, _ = check("MediaEngine = rtpengine\n")
    assert problems == [
        "gw.config:7: MediaEngine: there is no rtpengine that could relay audio; set RtpengineAddress to "
        "where its listen-ng is"
    ]
    assert check("MediaEngine = rtpengine\nRtpengineAddress = 192.0.2.7\n") == ([], [])
    problems, _ = check("MediaEngine = rtpengine\nRtpengineAddress = 192.0.2.7:0\n")
    assert len(problems) == 1
