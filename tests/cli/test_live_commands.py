"""status, calls, users, records, trace and reload, on what a gateway answers."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ichat_gw.cli import calls as calls_module
from ichat_gw.cli.commands import run_command
from ichat_gw.cli.exits import Exit
from ichat_gw.cli.output import duration
from ichat_gw.ops.api import (
    CallRecord,
    Calls,
    JabberState,
    LiveCall,
    MediaPartState,
    MediaState,
    PartyRecord,
    PartyState,
    ProcessState,
    Records,
    RegistrationState,
    ReloadReply,
    SettingChange,
    SipTargetState,
    Status,
    Totals,
    TurnedAway,
    Users,
    UserState,
)
from ichat_gw.ops.trace import CallTrace, trace_json
from tests.cli.api_server import ApiServer, api_server

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    with api_server() as running:
        running.configuration(tmp_path)
        yield running


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def status_of(**changes: object) -> Status:
    values: dict[str, object] = {
        "version": "1.2.3",
        "started": NOON,
        "now": NOON + timedelta(hours=2),
        "uptime_seconds": 7384.0,
        "ready": True,
        "calls": 2,
        "users": 5,
        "registered": 4,
        "registrations_failed": 1,
        "listening": ("UDP 0.0.0.0:5070", "TCP 0.0.0.0:5070"),
        "jabber": JabberState(online=True, since=NOON, server="127.0.0.1:5275", component="gw.example"),
        "connector": ProcessState(running=True, since=NOON, pid=77),
        "media": (MediaPartState(name="relay worker 0", running=True, since=NOON, pid=78, loop="compiled"),),
        "sip_targets": (SipTargetState(address="UDP 192.0.2.1:5060", answers=False, since=NOON, text="no"),),
        "totals": Totals(calls=9, answered=7, failed=2, refused=1),
        "turned_away": (TurnedAway(setting="MaxCalls", times=12), TurnedAway(setting="IgnoreAfter", times=3)),
    }
    return Status(**values | changes)  # type: ignore[arg-type]


def test_status(server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.says("GET /status", status_of())
    assert run_command(["status"]) == Exit.OK
    text = shown(capsys)
    for words in (
        "ichat-gw 1.2.3, ready",
        "(2:03:04)",
        "Calls: 2   Users online: 5   Registered: 4, 1 failed",
        "9 calls, 7 answered, 2 failed, 1 refused",
        "Turned away: MaxCalls 12, IgnoreAfter 3",
        "SIP: UDP 0.0.0.0:5070, TCP 0.0.0.0:5070",
        "XMPP: online since",
        "gw.example at 127.0.0.1:5275",
        "Connector: process 77",
        "relay worker 0  works",
        "UDP 192.0.2.1:5060  SILENT",
    ):
        assert words in text


def test_status_of_a_gateway_that_is_not_ready(server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    jabber = JabberState(
        online=False, since=NOON, server="127.0.0.1:5275", component="gw.example", text="refused"
    )
    connector = ProcessState(running=False, since=NOON, text="exit status 1")
    media = (MediaPartState(name="relay worker 0", running=False, since=NOON),)
    server.says(
        "GET /status",
        status_of(
            ready=False,
            not_ready=("no XMPP server",),
            jabber=jabber,
            connector=connector,
            media=media,
            sip_targets=(),
            registrations_failed=0,
        ),
    )
    assert run_command(["status"]) == Exit.FAILED
    text = shown(capsys)
    assert "NOT READY: no XMPP server" in text
    assert "OFFLINE" in text
    assert "(refused)" in text
    assert "Connector: NOT RUNNING exit status 1" in text
    assert "relay worker 0  DOWN" in text
    assert "SIP servers" not in text
    assert run_command(["status", "--json"]) == Exit.FAILED
    assert json.loads(shown(capsys))["not_ready"] == ["no XMPP server"]


CALL = LiveCall(
    id="n-1",
    state="talking",
    caller=PartyState(
        address="sip:\x1b[31mbob@phones.example",
        network="sip",
        media=MediaState(codec="PCMU/8000", received=90, lost=10, jitter_ms=3.4),
    ),
    callee=PartyState(address="xmpp:alice@jabber.example", network="xmpp"),
    began=NOON,
    seconds=65.2,
)


def test_calls(server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.says("GET /calls", Calls(calls=(CALL,)))
    assert run_command(["calls"]) == Exit.OK
    head, line = shown(capsys).splitlines()
    assert head.split() == list(calls_module.HEAD)
    assert line.split("  ")[0] == "n-1"
    for words in ("1:05", "PCMU/8000", "10.0% / -", "3 ms / -", "\\u001b[31mbob"):
        assert words in line
    assert "\x1b" not in line
    run_command(["calls", "--json"])
    assert json.loads(shown(capsys))["calls"][0]["id"] == "n-1"
    server.says("GET /calls", Calls())
    run_command(["calls"])
    assert shown(capsys) == "No calls.\n"


@pytest.mark.parametrize("as_json", [False, True])
def test_calls_are_followed_until_ctrl_c(
    server: ApiServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    looks = iter([None, None, KeyboardInterrupt])

    def sleep(_: float) -> None:
        if (error := next(looks)) is not None:
            raise error

    monkeypatch.setattr(calls_module.time, "sleep", sleep)
    server.says("GET /calls", Calls(calls=(CALL,)))
    assert run_command(["calls", "--watch", *(["--json"] if as_json else [])]) == Exit.OK
    text = shown(capsys)
    if as_json:
        assert [json.loads(line)["calls"][0]["id"] for line in text.splitlines()] == ["n-1"] * 3
    else:
        assert text.count("n-1") == 3


def test_calls_on_a_terminal(
    server: ApiServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(calls_module.time, "sleep", sleep)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    server.says("GET /calls", Calls(calls=(CALL,)))
    assert run_command(["calls", "-w"]) == Exit.OK
    text = shown(capsys)
    assert "n-1" in text
    assert "\x1b[31mbob" not in text


def test_a_gateway_that_goes_away_ends_the_watch(
    server: ApiServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls_module, "EVERY", 0.0)

    def once(request: object) -> None:
        server.raw = None
        server.answers.clear()
        server.answer(request)  # type: ignore[arg-type]

    server.raw = once
    assert run_command(["calls", "--watch"]) == Exit.NOT_FOUND


def test_users(server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    def registered(aor: str, **more: object) -> RegistrationState:
        return RegistrationState(aor=aor, since=NOON, **more)  # type: ignore[arg-type]

    server.says(
        "GET /users",
        Users(
            users=(
                UserState(
                    jid="a@x",
                    since=NOON,
                    aor="sip:a@p",
                    calls=2,
                    registration=registered("sip:a@p", state="registered", expires=NOON),
                ),
                UserState(
                    jid="b@x",
                    since=NOON,
                    aor="sip:b@p",
                    registration=registered("sip:b@p", state="failed", status=403, text="No", retry=NOON),
                ),
                UserState(
                    jid="d@x", since=NOON, aor="sip:d@p", registration=registered("sip:d@p", state="asking")
                ),
                UserState(
                    jid="e@x",
                    since=NOON,
                    aor="sip:e@p",
                    registration=registered("sip:e@p", state="failed", text="nobody answers"),
                ),
                UserState(jid="c@x", since=NOON),
            )
        ),
    )
    assert run_command(["users"]) == Exit.OK
    text = shown(capsys)
    for words in (
        "sip:a@p",
        "registered  until 2026-",
        "403 No; again at 2026-",
        "nobody answers",
        "(no rule",
    ):
        assert words in text
    run_command(["users", "--json"])
    assert len(json.loads(shown(capsys))["users"]) == 5
    server.says("GET /users", Users())
    run_command(["users"])
    assert shown(capsys) == "Nobody is online.\n"


def test_records(server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    record = CallRecord(
        id="n-9",
        caller=PartyRecord(address="sip:bob@p", network="sip"),
        callee=PartyRecord(address="xmpp:a@x", network="xmpp"),
        began=NOON,
        ended=NOON,
        seconds=80.0,
        talk_seconds=61.0,
        cause="HANGUP",
        verdict="The caller hung up.",
        ended_by="caller",
    )
    server.says("GET /records?limit=20", Records(records=(record,), more=True))
    assert run_command(["records"]) == Exit.OK
    text = shown(capsys)
    assert "n-9" in text
    assert "1:01" in text
    assert "The caller hung up." in text
    assert "There are older ones" in text
    server.says("GET /records?search=bob+x&limit=3", Records())
    run_command(["records", "bob x", "-n", "3"])
    assert shown(capsys) == "In no call that has ended does this text occur.\n"
    server.says("GET /records?limit=20", Records())
    run_command(["records"])
    assert shown(capsys) == "No calls have ended.\n"
    run_command(["records", "bob x", "-n", "3", "--json"])
    assert json.loads(shown(capsys)) == {"records": [], "more": False}
    for number in ("0", "501", "x"):
        with pytest.raises(SystemExit):
            run_command(["records", "-n", number])
        assert "a number from 1 to 500 is needed" in capsys.readouterr().err


def test_records_as_csv(server: ApiServer, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    server.answers["GET /records.csv"] = 200, "id,älles\r\n1,2\r\n".encode()
    assert run_command(["records", "--csv"]) == Exit.OK
    assert capfdbinary.readouterr().out == "id,älles\r\n1,2\r\n".encode()


def test_trace(server: ApiServer, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    server.answers["GET /calls/n-1/trace.txt"] = 200, "a --> b \x1b[2J ü\n".encode()
    assert run_command(["trace", "n-1"]) == Exit.OK
    assert shown(capsys) == "a --> b \\u001b[2J ü\n"
    for form in ("html", "svg", "json", "pcap"):
        server.answers[f"GET /calls/n-1/trace.{form}"] = 200, form.encode()
    files = [word for form in ("html", "svg", "json", "pcap") for word in (f"--{form}", f"x.{form}")]
    assert run_command(["trace", "n-1", *files]) == Exit.OK
    assert [(tmp_path / f"x.{form}").read_text() for form in ("html", "svg", "json", "pcap")] == [
        *("html", "svg", "json", "pcap")
    ]
    assert run_command(["trace", "n-1", "--svg", "no/such/folder"]) == Exit.FAILED
    assert "no/such/folder cannot be written: No such file" in capsys.readouterr().err


def test_trace_at_a_terminal(
    server: ApiServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    trace = CallTrace("n-1", "xmpp:a@x", "sip:bob@p", 0.0, None, None, (), 3)
    server.answers["GET /calls/n-1/trace.json"] = 200, json.dumps(trace_json(trace)).encode()
    assert run_command(["trace", "n-1"]) == Exit.OK
    assert "3 entries were left out" in shown(capsys)
    for body in (b"{}", b"no JSON"):
        server.answers["GET /calls/n-1/trace.json"] = 200, body
        assert run_command(["trace", "n-1"]) == Exit.FAILED
        assert "trace of a call" in capsys.readouterr().err


def test_trace_to_standard_output(server: ApiServer, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    server.answers["GET /calls/n-1/trace.json"] = 200, b'{"call": 1}'
    assert run_command(["trace", "n-1", "--json"]) == Exit.OK
    assert capfdbinary.readouterr().out == b'{"call": 1}'
    server.answers["GET /calls/n-1/trace.json"] = 200, '{"call": "\x9b2J\u202e"}'.encode()
    assert run_command(["trace", "n-1", "--json"]) == Exit.OK
    assert capfdbinary.readouterr().out == b'{"call": "\\u009b2J\\u202e"}'


def test_a_trace_in_a_file_is_for_its_owner_alone(server: ApiServer, tmp_path: Path) -> None:
    server.answers["GET /calls/n-1/trace.pcap"] = 200, b"packets"
    file = tmp_path / "call.pcap"
    assert run_command(["trace", "n-1", "--pcap", str(file)]) == Exit.OK
    assert file.read_bytes() == b"packets"
    assert file.stat().st_mode & 0o777 == 0o600
    server.answers["GET /calls/n-1/trace.pcap"] = 200, b"less"
    assert run_command(["trace", "n-1", "--pcap", str(file)]) == Exit.OK
    assert file.read_bytes() == b"less"


def test_reload(server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.says(
        "POST /reload",
        ReloadReply(
            done=True,
            changed=(
                SettingChange(name="MaxCalls", before="1000", after="5"),
                SettingChange(name="TranslationPattern", before="a -> b\nc -> d", after="c -> d\ne -> f"),
            ),
            needs_restart=(SettingChange(name="IPAddress", before="", after="::1"),),
            warnings=("file:9: odd",),
        ),
    )
    assert run_command(["reload"]) == Exit.OK
    assert server.headers[0]["X-Ichat-Gw"] == "1"
    caught = capsys.readouterr()
    assert caught.out.splitlines() == [
        "In force now:",
        "  MaxCalls: 1000 -> 5",
        "  TranslationPattern:",
        "    - a -> b",
        "    + e -> f",
        "In force when the gateway is started again:",
        "  IPAddress: (none) -> ::1",
    ]
    assert caught.err == "ichat-gw: warning: file:9: odd\n"
    assert run_command(["reload", "--json"]) == Exit.OK
    assert json.loads(shown(capsys))["done"] is True


def test_a_reload_that_changes_nothing(server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.says("POST /reload", ReloadReply(done=True))
    assert run_command(["reload"]) == Exit.OK
    assert shown(capsys) == "Reloaded; no setting has changed.\n"
    server.says("POST /reload", ReloadReply(done=False, problems=("file:3: MaxCalls: no",)), 422)
    assert run_command(["reload"]) == Exit.WRONG
    assert capsys.readouterr().err == "ichat-gw: file:3: MaxCalls: no\nichat-gw: nothing was changed\n"
    server.answers["POST /reload"] = 403, b'{"error": "from another site"}'
    assert run_command(["reload"]) == Exit.FAILED


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0, 3.9, 60, 3600, 90061)] == [
        *("0:00", "0:03", "1:00", "1:00:00", "25:01:01")
    ]
