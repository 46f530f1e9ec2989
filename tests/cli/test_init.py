"""`ichat-gw init`: the configuration that it writes can be used, is nobody else's, and replaces nothing."""

import io
import json
import stat
from pathlib import Path

import pytest

from ichat_gw.cli.commands import run_command
from ichat_gw.cli.exits import Exit
from ichat_gw.cli.translate import translate
from ichat_gw.config.load import load

GIVEN = ("--xmpp-domain", "jabber.example.org", "--sip-domain", "phones.example.org")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def types(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("".join(f"{answer}\n" for answer in answers)))


def test_what_it_writes_is_a_configuration_without_fault_or_warning(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["init", *GIVEN, "--yes"]) == Exit.OK
    file = folder / "ichat-gw.config"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    loaded = load(file)
    assert loaded.warnings == ()
    settings = loaded.settings
    assert settings.jabber_component_name == "ichat-gw.jabber.example.org"
    assert (settings.jabber_server, settings.jabber_component_port) == ("127.0.0.1", 5347)
    assert len(settings.jabber_component_password.get_secret_value()) >= 24
    assert settings.http_auth
    assert settings.http_auth_pwd.get_secret_value() not in ("admin", "")
    shown = capsys.readouterr().out
    assert 'Component "ichat-gw.jabber.example.org"' in shown
    assert settings.jabber_component_password.get_secret_value() in shown
    assert settings.http_auth_pwd.get_secret_value() not in shown


def test_its_rules_connect_all_users_with_all_phones() -> None:
    run_command(["init", *GIVEN, "--yes"])
    rules = load("ichat-gw.config").settings.translation_rules
    for address, called in (
        ("xmpp:72*123@ichat-gw.jabber.example.org", "sip:72*123@phones.example.org"),
        ("sip:alice@phones.example.org:5060;x=y", "xmpp:alice@jabber.example.org"),
        ("xmpp:alice@jabber.example.org", "sip:alice@phones.example.org"),
        ("xmpp:alice@jabberxexample.org", None),
    ):
        (result,) = translate(address, rules, "")
        assert result.called == called


def test_each_run_has_passwords_of_its_own(folder: Path) -> None:
    for name in ("a", "b"):
        run_command(["init", *GIVEN, "--yes", "-o", name])
    a, b = (load(folder / name).settings for name in ("a", "b"))
    assert a.jabber_component_password != b.jabber_component_password
    assert a.http_auth_pwd != b.http_auth_pwd


def test_a_file_that_is_there_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "ichat-gw.config").write_text("mine")
    assert run_command(["init", *GIVEN, "--yes"]) == Exit.FAILED
    assert "is there already and is left alone" in capsys.readouterr().err
    (folder / "lines").write_text("mine, too")
    assert run_command(["init", *GIVEN, "--yes", "-o", "new", "--server-lines", "lines"]) == Exit.FAILED
    assert (folder / "ichat-gw.config").read_text() == "mine"
    assert (folder / "lines").read_text() == "mine, too"
    assert not (folder / "new").exists()


def test_a_link_that_leads_nowhere_is_not_followed(folder: Path) -> None:
    (folder / "ichat-gw.config").symlink_to(folder / "elsewhere")
    assert run_command(["init", *GIVEN, "--yes"]) == Exit.FAILED
    assert not (folder / "elsewhere").exists()


def test_a_name_that_the_system_does_not_take(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["init", *GIVEN, "--yes", "-o", "x" * 300]) == Exit.FAILED
    assert "cannot be written: File name too long" in capsys.readouterr().err


def test_a_folder_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["init", *GIVEN, "--yes", "-o", "no/such/file"]) == Exit.FAILED
    assert "cannot be written: No such file or directory" in capsys.readouterr().err


def test_ejabberd_into_a_file_and_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["init", *GIVEN, "--xmpp-server", "ejabberd", "--server-lines", "lines.yml", "--json"]
    assert run_command([*arguments, "--yes"]) == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"file", "server_lines_file", "server_lines", "answers"}
    assert (folder / "lines.yml").read_text() == told["server_lines"]
    assert stat.S_IMODE((folder / "lines.yml").stat().st_mode) == 0o600
    assert "module: ejabberd_service" in told["server_lines"]
    assert load("ichat-gw.config").settings.jabber_component_port == 5275


def test_where_the_lines_were_written_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["init", *GIVEN, "--yes", "--server-lines", "lines", "-o", "my.config"]) == Exit.OK
    shown = capsys.readouterr().out
    assert "put lines into the configuration of prosody" in shown
    assert "component_secret" not in shown
    assert "ichat-gw check -c my.config" in shown


def test_everything_is_asked_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    types(
        monkeypatch,
        *(
            "openfire",
            "ejabberd",
            "",
            "",
            "jabber.example.org",
            "gw.example.org",
            "5999",
            "",
            "192.0.2.7:5080",
        ),
        *("sip:proxy.example.org;lr", "off", "192.0.2.1"),
    )
    assert run_command(["init"]) == Exit.OK
    caught = capsys.readouterr()
    assert "'openfire' is neither; allowed: prosody or ejabberd" in caught.err
    assert "an answer is needed: a domain name" in caught.err
    settings = load("ichat-gw.config").settings
    assert settings.jabber_component_name == "gw.example.org"
    assert settings.jabber_component_port == 5999
    assert str(settings.outbound_proxy) == "sip:proxy.example.org;lr"
    assert settings.ip_address == "192.0.2.1"
    assert settings.registration_time == 0
    assert [rule.output for rule in settings.translation_rules] == [
        "sip:$1@192.0.2.7:5080",
        "xmpp:$1@jabber.example.org",
    ]


def test_the_end_of_the_input_ends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    types(monkeypatch, "prosody", "127.0.0.1")
    assert run_command(["init"]) == Exit.WRONG
    assert "--xmpp-domain is needed" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--sip-domain", "a.example"), "--xmpp-domain is needed: a domain name"),
        ((*GIVEN, "--component-port", "0"), "--component-port: 0 is out of range"),
        ((*GIVEN, "--sip-domain", "a b"), "--sip-domain: 'a b' is no host name"),
        ((*GIVEN, "--sip-domain", "a:b"), "--sip-domain: 'b' is no whole number"),
        ((*GIVEN, "--control", " "), "--control: an answer is needed"),
    ],
)
def test_answers_that_are_none(
    arguments: tuple[str, ...], fault: str, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert run_command(["init", *arguments, "--yes"]) == Exit.WRONG
    assert fault in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_all_that_is_missing_and_wrong_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["init", "--yes", "--xmpp-server", "openfire"]) == Exit.WRONG
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "ichat-gw: --xmpp-server: 'openfire' is neither; allowed: prosody or ejabberd"
    assert [line.partition(" is needed")[0] for line in told[1:]] == [
        "ichat-gw: --xmpp-domain",
        "ichat-gw: --sip-domain",
    ]


def test_prosody_at_another_port(capsys: pytest.CaptureFixture[str]) -> None:
    run_command(["init", *GIVEN, "--yes", "--component-port", "5275"])
    assert "component_ports = { 5275 }" in capsys.readouterr().out
