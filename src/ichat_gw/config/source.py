"""Where settings come from: the lines of a file and the flags of a command line, not yet understood.

The file's form is the original's: `Name = value` lines, the value being the rest of the line, `#` before a
comment line, white space around name and value of no account.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ichat_gw import __version__
from ichat_gw.config.problem import Problem
from ichat_gw.config.table import SETTINGS, Setting

DEFAULT_FILE = "ichat-gw.config"
"""The file that is read when none is named: this one in the current directory (manual)."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Given:
    """A setting as somebody wrote it."""

    name: str
    text: str
    place: str
    """`FILE:LINE`, or `command line: -sp`."""
    line: int | None = None
    """The line of the file, from 1; None for the command line."""

    def problem(self, setting: str, what: str, allowed: str = "") -> Problem:
        """Return a fault or a warning at this place."""
        return Problem(self.place, setting, what, allowed, self.line)


@dataclass(frozen=True, slots=True)
class Lines:
    """What a file says. `last` is the number of its last line, 1 for an empty file."""

    given: tuple[Given, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    last: int


def read_lines(content: bytes, shown: str) -> Lines:
    """Read the content of a file that messages call `shown`; finds fault, but raises nothing."""
    given: list[Given] = []
    problems: list[Problem] = []
    warnings: list[Problem] = []
    raw_lines = content.removeprefix(_BOM).split(b"\n")
    if len(raw_lines) > 1 and not raw_lines[-1]:
        raw_lines.pop()
    for number, raw in enumerate(raw_lines, 1):
        place = f"{shown}:{number}"
        try:
            line = raw.decode().strip()
        except UnicodeDecodeError as error:
            what = f"byte {error.start + 1} of the line is not UTF-8"
            problems.append(Problem(place, "", what, "save the file as UTF-8", number))
            continue
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if equals:
            given.append(Given(name.strip(), value.strip(), place, number))
        else:
            # COMPAT the original passes over such a line without a word.
            what = "the line is ignored: it has no '='"
            warnings.append(Problem(place, "", what, "Name = value is how a setting is written", number))
    return Lines(tuple(given), tuple(problems), tuple(warnings), len(raw_lines))


# --- flags ------------------------------------------------------------------------------------------------


class _Collect(argparse.Action):
    """Adds what a flag says to the namespace's `overrides`, with the flag's own spelling as its place."""

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        setting: Setting,
        text: str | None = None,
        metavar: str | None = None,
        help: str | None = None,
    ) -> None:
        super().__init__(option_strings, dest, nargs=None if text is None else 0, metavar=metavar, help=help)
        self._setting = setting
        self._text = text

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        text = self._text if self._text is not None else str(values).strip()
        given = Given(self._setting.row.name, text, f"command line: {option_string}")
        namespace.overrides = (*(getattr(namespace, "overrides", None) or ()), given)


class FlagFormatter(argparse.RawDescriptionHelpFormatter):
    """Leaves the flags of the settings out of the usage line, which would be a page of them."""

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = None,
    ) -> None:
        """As argparse has it, without them."""
        super().add_usage(usage, [each for each in actions if each.dest != "overrides"], groups, prefix)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add `-c FILE` and a flag for every setting that may stand on a command line.

    That is the original's flag where it has one, and `--name-of-the-setting` for all but the translation
    rules (pairs belong in a file) and the secrets (a process list shows command lines to everybody).
    """
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help=f"the configuration file ({DEFAULT_FILE} in the current directory)",
    )
    for setting in SETTINGS:
        row = setting.row
        if row.kind.secret or row.pair:
            continue
        options = [f"--{setting.field.replace('_', '-')}"]
        if row.flag and not row.flag_turns_off:
            options.insert(0, row.flag)
        explained = row.sentence.replace("%", "%%")
        parser.add_argument(
            *options,
            dest="overrides",
            action=_Collect,
            setting=setting,
            metavar=row.kind.metavar,
            help=explained,
        )
        if row.flag_turns_off:
            parser.add_argument(
                row.flag,
                dest="overrides",
                action=_Collect,
                setting=setting,
                text="off",
                help=f"the same as --{setting.field.replace('_', '-')} off",
            )


def overrides_of(namespace: argparse.Namespace) -> tuple[Given, ...]:
    """Return what the flags of a parsed command line say, in their order."""
    return tuple(getattr(namespace, "overrides", None) or ())


def flag_parser(prog: str = "ichat-gw", commands: Sequence[tuple[str, str]] = ()) -> argparse.ArgumentParser:
    """Return a parser with the gateway's flags, and `--help` also as `-h` and, like the original's, `-?`.

    `commands`, as name and summary, are named in the help; the parser does not take them.
    """
    width = max((len(name) for name, _ in commands), default=0)
    rows = [f"  {prog} {name:<{width}}   {summary}" for name, summary in commands]
    parser = argparse.ArgumentParser(
        prog,
        usage="%(prog)s [-c FILE] [FLAGS]\n       %(prog)s COMMAND [...]" if commands else None,
        description="Let people on an XMPP server and people on SIP phones call each other.\n"
        "Flags override the configuration file.",
        epilog="\n".join(["Beside the gateway itself there are commands; each has a --help:", "", *rows])
        if rows
        else None,
        formatter_class=FlagFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument("-?", "-h", "--help", action="help", help="show these flags and exit")
    parser.add_argument(
        "--version", action="version", version=f"ichat-gw {__version__}", help="show the version and exit"
    )
    add_flags(parser)
    return parser
