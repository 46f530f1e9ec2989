"""What a file's lines and a command line's flags say, before anybody understands it."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.config.source import flag_parser, overrides_of, read_lines
from ichat_gw.config.table import SETTINGS


def pairs(content: bytes) -> list[tuple[str, str, int | None]]:
    lines = read_lines(content, "f")
    assert lines.problems == lines.warnings == ()
    return [(line.name, line.text, line.line) for line in lines.given]


def test_name_value_lines() -> None:
    content = b"# comment\n\nA=1\n  B\t =\t x # y = z \n   # another\nC =\nTranslationPattern=^sip:(.*)=$"
    assert pairs(content) == [
        ("A", "1", 3),
        ("B", "x # y = z", 4),
        ("C", "", 6),
        ("TranslationPattern", "^sip:(.*)=$", 7),
    ]


def test_a_file_from_windows() -> None:
    assert pairs("\ufeffA = ä\r\n\r\n# x\r\nB=2\r\n".encode()) == [("A", "ä", 1), ("B", "2", 4)]


def test_empty_files() -> None:
    for content in (b"", b"\n", b"\xef\xbb\xbf"):
        lines = read_lines(content, "f")
        assert (lines.given, lines.last) == ((), 1)
    assert read_lines(b"a=1\nb=2\n", "f").last == 2


def test_what_is_not_utf_8_is_named_by_line() -> None:
    lines = read_lines("A = 1\nB = Müller\nC = 3\nD = \xff".encode("latin-1"), "gw.config")
    assert [str(problem) for problem in lines.problems] == [
        "gw.config:2: byte 6 of the line is not UTF-8; save the file as UTF-8",
        "gw.config:4: byte 5 of the line is not UTF-8; save the file as UTF-8",
    ]
    assert [line.name for line in lines.given] == ["A", "C"]


def test_a_line_without_equals_sign_is_passed_over_with_a_warning() -> None:
    lines = read_lines(b"JabberServer jabber.company.com\nA=1", "gw.config")
    assert [str(warning) for warning in lines.warnings] == [
        "gw.config:1: the line is ignored: it has no '='; Name = value is how a setting is written"
    ]
    assert len(lines.given) == 1


@given(st.binary(max_size=200))
def test_any_content_is_read(content: bytes) -> None:
    lines = read_lines(content, "f")
    assert all(1 <= (line.line or 0) <= lines.last for line in lines.given)


# --- flags ------------------------------------------------------------------------------------------------


def flags(*argv: str) -> list[tuple[str, str, str]]:
    return [(g.name, g.text, g.place) for g in overrides_of(flag_parser().parse_args(argv)) if g.line is None]


def test_the_originals_flags() -> None:
    argv = ["-a", "192.168.1.100", "-d", "10.0.0.1", "-sp", "5080", "-tp", "5081", "-td", "gw.company.com"]
    argv += ["-nk", "-op", "sip:p", "-l", "DEBUG", "-gi"]
    assert flags(*argv, '"gw" <sip:gw@h>') == [
        ("IPAddress", "192.168.1.100", "command line: -a"),
        ("DNSServers", "10.0.0.1", "command line: -d"),
        ("UDPTCPPort", "5080", "command line: -sp"),
        ("TLSPort", "5081", "command line: -tp"),
        ("TLSDomainName", "gw.company.com", "command line: -td"),
        ("KeepAlives", "off", "command line: -nk"),
        ("OutboundProxy", "sip:p", "command line: -op"),
        ("LogLevel", "DEBUG", "command line: -l"),
        ("SIPGatewayIdentity", '"gw" <sip:gw@h>', "command line: -gi"),
    ]


def test_long_flags() -> None:
    assert flags("--udp-tcp-port", " 5080 ", "--keep-alives=on") == [
        ("UDPTCPPort", "5080", "command line: --udp-tcp-port"),
        ("KeepAlives", "on", "command line: --keep-alives"),
    ]
    assert flags() == []
    assert flag_parser().parse_args(["-c", "x.config"]).config == "x.config"
    assert flag_parser().parse_args([]).config is None


def test_no_secret_can_be_given_on_a_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--jabber-component-password", "--translation-rules", "--nonsense"):
        with pytest.raises(SystemExit) as left:
            flag_parser().parse_args([option, "x"])
        assert left.value.code == 2
        assert "unrecognized arguments" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["-?", "-h", "--help"])
def test_help_shows_every_flag(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        flag_parser().parse_args([flag])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    for setting in SETTINGS:
        assert not setting.row.flag or f" {setting.row.flag}" in shown


def test_the_flags_can_be_added_to_a_parser_with_other_things_in_it() -> None:
    parser = flag_parser("other")
    parser.add_argument("address")
    namespace = parser.parse_args(["-sp", "1", "xmpp:a@b"])
    assert isinstance(namespace, argparse.Namespace)
    assert namespace.address == "xmpp:a@b"
    assert len(overrides_of(namespace)) == 1
    assert len(overrides_of(parser.parse_args(["-sp", "1", "-sp", "2", "x"]))) == 2
