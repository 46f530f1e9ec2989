"""The log: structlog over the standard library's logging, console and file, by `LogLevel`.

Use it so:

    log = get_logger(__name__)              # once per module
    log.info("registered", jid=jid)         # an event in a few fixed words, the rest as fields
    log = log.bind(call=handle)             # from here on every line carries the call's id

A disabled level costs a method call and a look into a dictionary. Libraries that use the standard library's
logging come out the same way; what they call INFO is shown at DEBUG, and their DEBUG at STACK.
"""

import contextlib
import logging
import sys
import traceback
from typing import Any, Literal, TextIO, TypeAlias

import structlog

from ichat_gw.errors import GatewayError
from ichat_gw.ops import redact
from ichat_gw.ops.line import json_line, text_line
from ichat_gw.ops.logfile import LogFile

STACK = 5
DEBUG = logging.DEBUG
INFO = logging.INFO
WARNING = logging.WARNING
ERR = logging.ERROR
CRIT = logging.CRITICAL
NONE = 60

LEVELS = {
    "NONE": NONE,
    "CRIT": CRIT,
    "ERR": ERR,
    "WARNING": WARNING,
    "INFO": INFO,
    "DEBUG": DEBUG,
    "STACK": STACK,
}
"""The manual's names, from silent to most verbose."""

Format: TypeAlias = Literal["text", "json"]

OURS = "ichat_gw"
"""The standard library's logger above all of ours."""


class LogSettingError(GatewayError):
    """`LogLevel` or `LogFormat` has a value that does not exist."""


class Logger(structlog.BoundLoggerBase):
    """Writes events; immutable: `bind`, `unbind` and `new` return another one."""

    def enabled(self, level: int) -> bool:
        """Whether lines of `level` are written: ask before preparing something costly."""
        # `isEnabledFor` caches per logger and forgets when a level changes, so reloading works.
        return bool(self._logger.isEnabledFor(level))

    def log(self, level: int, event: str, /, **fields: Any) -> None:
        """Write a line at `level`. `exc_info=True` (or an exception) adds the traceback as one field."""
        if self._logger.isEnabledFor(level):
            exc_info = fields.pop("exc_info", None)
            args, extra = self._process_event("log", event, fields)
            self._logger.log(level, *args, exc_info=exc_info, **extra)

    def stack(self, event: str, /, **fields: Any) -> None:
        """Details of the protocol stacks, more than DEBUG."""
        if self._logger.isEnabledFor(STACK):
            self.log(STACK, event, **fields)

    def debug(self, event: str, /, **fields: Any) -> None:
        """What happens inside; every message sent and received (see `wire`)."""
        if self._logger.isEnabledFor(DEBUG):
            self.log(DEBUG, event, **fields)

    def info(self, event: str, /, **fields: Any) -> None:
        """What an operator wants to know of a healthy gateway."""
        if self._logger.isEnabledFor(INFO):
            self.log(INFO, event, **fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        """Something is wrong and the gateway copes."""
        self.log(WARNING, event, **fields)

    def err(self, event: str, /, **fields: Any) -> None:
        """Something failed that should not have."""
        self.log(ERR, event, **fields)

    error = err

    def exception(self, event: str, /, **fields: Any) -> None:
        """As `err`, with the traceback of the exception being handled."""
        self.log(ERR, event, exc_info=True, **fields)

    def crit(self, event: str, /, **fields: Any) -> None:
        """The gateway cannot go on."""
        self.log(CRIT, event, **fields)

    critical = crit


def _to_record(_logger: Any, _method: str, fields: Any) -> Any:
    """The last structlog processor: event and fields as a record of the standard library."""
    event = fields.pop("event")
    return (event,), {"extra": {"fields": fields}}


_PROCESSORS = [_to_record]


def get_logger(name: str = OURS, **fields: Any) -> Logger:
    """The logger of the module `name` (`__name__`), with `fields` on each of its lines."""
    return Logger(logging.getLogger(name), _PROCESSORS, fields)


def log_as(log: Logger, level: str, event: str, /, **fields: Any) -> None:
    """Write a line at the level with the manual's name `level`; at INFO when there is no such name."""
    log.log(LEVELS.get(level, INFO), event, **fields)


class _Lines(logging.Handler):
    """Writes each record once, as one line, to the console and the file."""

    def __init__(self, console: TextIO, form: Format) -> None:
        super().__init__()
        self.console = console
        self.file: LogFile | None = None
        self._line = json_line if form == "json" else text_line

    def emit(self, record: logging.LogRecord) -> None:
        self._write(self.line(record))

    def line(self, record: logging.LogRecord) -> str:
        """`record` as one line; whatever is wrong with it, never an exception."""
        fields: dict[str, Any] = {}
        try:
            own = getattr(record, "fields", None)
            if own is None:
                event = record.getMessage()
                own = {"logger": record.name}
            else:
                event = str(record.msg)
            if record.exc_info and record.exc_info[1] is not None:
                own = {**own, "exception": "".join(traceback.format_exception(record.exc_info[1]))}
            event = redact.text(event)
            fields = redact.plain(own)  # type: ignore[assignment] # a dict stays one
        except Exception as error:
            event = "a log line that cannot be shown"
            fields = {"logger": record.name, "error": type(error).__name__}
        return self._line(record.created, _level_name(record), event, fields)

    def _write(self, line: str) -> None:
        if self.file is not None:
            self.file.write(line)
        # The terminal may be gone or the stream closed: the file has the line.
        with contextlib.suppress(OSError, ValueError):
            self.console.write(line.encode("utf-8", "backslashreplace").decode() + "\n")
            self.console.flush()

    def trouble(self, text: str) -> None:
        """Say on the console that the file fails."""
        file, self.file = self.file, None
        self.emit(logging.LogRecord(__name__, ERR, "", 0, "log file: " + text, None, None))
        self.file = file

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
        super().close()


_SHOWN = {name: bound for name, bound in LEVELS.items() if name != "NONE"}


def _level_name(record: logging.LogRecord) -> str:
    level = record.levelno
    if level <= INFO and not _is_ours(record.name):
        return "STACK" if level <= DEBUG else "DEBUG"
    return next((name for name, bound in _SHOWN.items() if level >= bound), "STACK")


def _is_ours(name: str) -> bool:
    return name == OURS or name.startswith(OURS + ".")


_handler: _Lines | None = None


def configure(
    level: str = "INFO",
    filename: str = "",
    *,
    max_lines: int = 50_000,
    count: int = 10,
    form: Format = "text",
    console: TextIO | None = None,
) -> None:
    """Send lines of `level` (a name in `LEVELS`) and above to the console and to `filename` (empty: no file).

    `max_lines` and `count` are explained at `LogFile`. `console` is stderr when None. May be called again,
    also to change the level only; raises `LogSettingError` or `LogFileError`, and then nothing is changed.
    """
    global _handler  # noqa: PLW0603 - one process has one log
    if level not in LEVELS:
        raise LogSettingError(f"LogLevel: {level!r} is no level; allowed: {', '.join(LEVELS)}")
    if form not in ("text", "json"):
        raise LogSettingError(f"LogFormat: {form!r} is no format; allowed: text, json")
    handler = _Lines(console if console is not None else sys.stderr, form)
    if filename and level != "NONE":
        handler.file = LogFile(filename, max_lines, count, handler.trouble)
    shutdown()
    _handler = handler
    root = logging.getLogger()
    root.addHandler(handler)
    threshold = LEVELS[level]
    logging.getLogger(OURS).setLevel(threshold)
    # A library's DEBUG is our STACK, its INFO our DEBUG: no operator asks for either.
    root.setLevel({STACK: DEBUG, DEBUG: INFO}.get(threshold, max(threshold, WARNING)))
    # Who called, on which thread of which process, is in none of our lines, and costs more to find out than
    # the line itself (the standard library's documentation names these three switches for that).
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = False
    logging.captureWarnings(True)
    # For code that asks structlog itself for a logger.
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=Logger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def shutdown() -> None:
    """Close the log file and write nothing more, until `configure` is called again."""
    global _handler  # noqa: PLW0603
    if _handler is not None:
        logging.getLogger().removeHandler(_handler)
        logging.captureWarnings(False)
        _handler.close()
        _handler = None
