"""The log as operators read it."""

import io
import json
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from ichat_gw.ops.logfile import LogFileError
from ichat_gw.ops.logging import (
    DEBUG,
    LEVELS,
    STACK,
    LogSettingError,
    configure,
    get_logger,
    log_as,
    shutdown,
)
from ichat_gw.ops.redact import forget_secrets, register_secret


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("ichat_gw")
    before = root.level, ours.level
    yield
    shutdown()
    forget_secrets()
    structlog.reset_defaults()
    root.setLevel(before[0])
    ours.setLevel(before[1])


@pytest.fixture
def console() -> io.StringIO:
    return io.StringIO()


def lines(console: io.StringIO) -> list[str]:
    """What stands on the console, without the times."""
    text = console.getvalue()
    assert text == "" or text.endswith("\n")
    found = [re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (.*)", line) for line in text.splitlines()]
    return [match[1] for match in found if match]


def say_all() -> None:
    log = get_logger("ichat_gw.test")
    log.stack("stack")
    log.debug("debug")
    log.info("info")
    log.warning("warning")
    log.err("err")
    log.crit("crit")


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("NONE", ""),
        ("CRIT", "CRIT crit"),
        ("ERR", "ERR err, CRIT crit"),
        ("WARNING", "WARNING warning, ERR err, CRIT crit"),
        ("INFO", "INFO info, WARNING warning, ERR err, CRIT crit"),
        ("DEBUG", "DEBUG debug, INFO info, WARNING warning, ERR err, CRIT crit"),
        ("STACK", "STACK stack, DEBUG debug, INFO info, WARNING warning, ERR err, CRIT crit"),
    ],
)
def test_levels_of_the_manual(level: str, shown: str, console: io.StringIO) -> None:
    configure(level, console=console)
    say_all()
    assert ", ".join(lines(console)) == shown


def test_file_and_console_get_the_same_lines(tmp_path: Path, console: io.StringIO) -> None:
    path = tmp_path / "ichat-gw.log"
    configure("INFO", str(path), console=console)
    say_all()
    shutdown()
    say_all()
    assert path.read_text() == console.getvalue()
    assert len(lines(console)) == 4


def test_no_file_at_level_none(tmp_path: Path) -> None:
    configure("NONE", str(tmp_path / "ichat-gw.log"))
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_rotated(tmp_path: Path, console: io.StringIO) -> None:
    configure("INFO", str(tmp_path / "l"), max_lines=1, count=1, console=console)
    say_all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["l", "l.1"]


def test_the_level_can_change_while_running(console: io.StringIO) -> None:
    configure("INFO", console=console)
    log = get_logger("ichat_gw.test").bind(call="h-1")
    log.debug("hidden")
    configure("DEBUG", console=console)
    log.debug("shown")
    assert lines(console) == ["DEBUG shown call=h-1"]


def test_a_call_is_on_every_line_of_it(console: io.StringIO) -> None:
    configure("INFO", console=console)
    log = get_logger("ichat_gw.test", node="a")
    call = log.bind(call="h-1")
    call.info("ringing", to="bob")
    call.info("answered")
    log.info("idle")
    assert lines(console) == [
        "INFO ringing call=h-1 node=a to=bob",
        "INFO answered call=h-1 node=a",
        "INFO idle node=a",
    ]


def test_json_lines(console: io.StringIO) -> None:
    configure("INFO", form="json", console=console)
    get_logger("ichat_gw.test").info("ringing", call="h-1", to="bob\n", level=3)
    line = json.loads(console.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("time"))
    assert line == {"level": "INFO", "event": "ringing", "call": "h-1", "to": "bob\n", "level_": 3}


def test_nobody_writes_a_line_that_is_not_his(console: io.StringIO) -> None:
    configure("INFO", console=console)
    get_logger("ichat_gw.test").info(
        "message\nfrom", jid="a@b\n2026-11-23T13:00:00.123456Z INFO forged\x1b[2J"
    )
    [line] = console.getvalue().splitlines()
    assert "\x1b" not in line
    assert r'message\nfrom jid="a@b\n2026' in line


def test_secrets_do_not_get_out(console: io.StringIO) -> None:
    register_secret("swordfish")
    configure("INFO", console=console)
    log = get_logger("ichat_gw.test")
    log.info("started with swordfish", password="x", JabberComponentPassword="y", text="the swordfish")
    try:
        raise ValueError("bad swordfish")
    except ValueError:
        log.exception("failed")
    assert lines(console)[0] == (
        "INFO started with [redacted] password=[redacted] JabberComponentPassword=[redacted] "
        'text="the [redacted]"'
    )
    assert "swordfish" not in console.getvalue()


def test_an_exception_is_one_line(console: io.StringIO) -> None:
    configure("INFO", console=console)
    log = get_logger("ichat_gw.test")
    log.exception("nothing happened")
    try:
        raise ValueError("bad")
    except ValueError as error:
        log.exception("failed", call="h-1")
        log.warning("again", exc_info=error)
    nothing, failed, again = lines(console)
    assert nothing == "ERR nothing happened"
    assert failed.startswith('ERR failed call=h-1 exception="Traceback')
    assert failed.endswith('ValueError: bad\\n"')
    assert again.startswith("WARNING again exception=")


def test_libraries_come_out_the_same_way(console: io.StringIO) -> None:
    library = logging.getLogger("slixmpp.test")
    configure("INFO", console=console)
    library.info("hidden")
    library.warning("trouble")
    configure("DEBUG", console=console)
    library.debug("hidden")
    library.info("stream %s", "open\n")
    configure("STACK", console=console)
    library.debug("details")
    assert lines(console) == [
        "WARNING trouble logger=slixmpp.test",
        "DEBUG stream open\\n logger=slixmpp.test",
        "STACK details logger=slixmpp.test",
    ]


def test_a_record_that_cannot_be_formatted_is_a_line_all_the_same(console: io.StringIO) -> None:
    configure("INFO", console=console)
    [ours] = [handler for handler in logging.getLogger().handlers if hasattr(handler, "console")]
    ours.handle(logging.LogRecord("slixmpp.test", logging.ERROR, "", 0, "bad %d", ("arguments",), None))
    assert lines(console) == ["ERR a log line that cannot be shown logger=slixmpp.test error=TypeError"]


def test_warnings_of_python_are_lines(console: io.StringIO) -> None:
    configure("INFO", console=console)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert "DeprecationWarning: old" in lines(console)[0]


def test_who_asks_structlog_gets_our_logger(console: io.StringIO) -> None:
    configure("INFO", console=console)
    structlog.get_logger("ichat_gw.other").info("hello", a=1)
    assert lines(console)[-1].startswith("INFO hello a=1")


def test_levels_by_name(console: io.StringIO) -> None:
    configure("DEBUG", console=console)
    log = get_logger("ichat_gw.test")
    log_as(log, "DEBUG", "a")
    log_as(log, "what", "b")
    log.error("c")
    log.critical("d")
    log.log(DEBUG + 1, "between")
    assert lines(console) == ["DEBUG a", "INFO b", "ERR c", "CRIT d", "DEBUG between"]
    assert log.enabled(DEBUG)
    assert not log.enabled(STACK)


def test_our_own_levels_below_stack_are_stack(console: io.StringIO) -> None:
    configure("STACK", console=console)
    logging.getLogger("ichat_gw.test").setLevel(1)
    get_logger("ichat_gw.test").log(1, "deep")
    logging.getLogger("ichat_gw.test").setLevel(logging.NOTSET)
    assert lines(console) == ["STACK deep"]


def test_a_wrong_level_or_format_names_what_is_allowed() -> None:
    with pytest.raises(LogSettingError, match=r"LogLevel: 'LOUD' .* allowed: NONE, CRIT, ERR"):
        configure("LOUD")
    with pytest.raises(LogSettingError, match=r"LogFormat: 'xml' .* allowed: text, json"):
        configure(form="xml")  # type: ignore[arg-type]


def test_a_file_that_cannot_be_opened_leaves_the_log_as_it_is(tmp_path: Path, console: io.StringIO) -> None:
    configure("INFO", console=console)
    with pytest.raises(LogFileError, match="LogFilename"):
        configure("DEBUG", str(tmp_path / "no" / "file"), console=console)
    say_all()
    assert lines(console)[0] == "INFO info"


def test_trouble_with_the_file_is_said_on_the_console(tmp_path: Path, console: io.StringIO) -> None:
    (tmp_path / "l.1").mkdir()
    (tmp_path / "l.1" / "in the way").touch()
    configure("INFO", str(tmp_path / "l"), max_lines=1, count=1, console=console)
    log = get_logger("ichat_gw.test")
    log.info("one")
    log.info("two")
    assert [line.split(" logger=")[0] for line in lines(console)][1:2] == [
        f"ERR log file: cannot begin a new '{tmp_path}/l': Is a directory"
    ]
    assert [line.split(" ", 1)[1] for line in (tmp_path / "l").read_text().splitlines()] == [
        "INFO one",
        "INFO two",
    ]


def test_a_closed_console_stops_nothing(tmp_path: Path) -> None:
    closed = io.StringIO()
    closed.close()
    configure("INFO", str(tmp_path / "l"), console=closed)
    say_all()
    assert len((tmp_path / "l").read_text().splitlines()) == 4


def test_stderr_is_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO")
    say_all()
    assert "INFO info\n" in capsys.readouterr().err


def test_every_name_of_the_manual_has_its_own_level() -> None:
    assert list(LEVELS) == ["NONE", "CRIT", "ERR", "WARNING", "INFO", "DEBUG", "STACK"]
    assert len(set(LEVELS.values())) == 7
