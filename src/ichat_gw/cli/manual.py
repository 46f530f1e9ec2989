"""The manual pages and the reference of the commands, made from the parsers and the tables.

The page of the configuration is made by `ichat_gw.config.reference`, together with the reference of settings.

`python -m ichat_gw.cli.manual FOLDER` writes them where the project in FOLDER keeps them; a test compares.
"""

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from ichat_gw.cli.commands import COMMANDS, Command, description_of, module_of, parser_of
from ichat_gw.cli.exits import MEANING
from ichat_gw.config import roff
from ichat_gw.config.reference import MANUAL
from ichat_gw.config.source import flag_parser

COMMANDS_PAGE = Path("docs/reference/commands.md")
MAN = MANUAL.parent

MOST_OPTIONS = 10
"""So many are shown in a usage line; where there are more, it says no more than that there are some."""

_INTRODUCTION = """\
# Commands

<!-- Made from src/ichat_gw/cli by `python -m ichat_gw.cli.manual .`; do not edit. -->

`ichat-gw` alone, or with flags, runs the gateway in the foreground; its flags are those of
[the settings](settings.md). `ichat-gw COMMAND` does one of these things and ends:

"""

_COMMON = """\
`status`, `calls`, `trace`, `records`, `users` and `reload` ask a gateway that runs, by its [JSON
API](api.md). Where it is, and its password, they find in the configuration: `-c FILE`, or `ichat-gw.config`
in this directory. Only `HttpPort`, `HttpAddress`, `HttpAuth` and `HttpAuthPwd` are read, so that a mistake
elsewhere in the file is no obstacle. Who may not read that file gives `--url`, and the password with
`--password-file`. No command waits for ever: a gateway that does not answer within `--timeout` seconds is
given up.

What `--json` writes has stable keys: some may be added, but none is renamed, removed or given
another meaning.
`status`, `calls`, `records`, `users` and `reload` write what the API answers; `calls --watch --json` writes
one such object in a line each second. The others are described below.

Errors go to standard error, with the remedy. Control characters in names and addresses are escaped.

## Exit statuses

"""

_JSON = {
    "init": "`file`, `server_lines_file` (null without `--server-lines`), `server_lines` (with the "
    "component's password) and `answers`, an object with a text for each question.",
    "check": "`ok`; `problems` and `warnings`, each with `place`, `line`, `setting`, `what` and `allowed`; "
    "`trials`, each with `subject`, `outcome` (`ok`, `warning`, `failed` or `skipped`), `text` and `remedy`; "
    "`settings`, as the API gives them.",
    "translate": "`results`, one for each network that the address was tried from: `caller` (`xmpp` or "
    "`sip`), `called` (null: nobody), `why`, and `trial`, as the API's `/translate` gives it.",
    "trace": "the call's messages and what else happened, as [the API](api.md) gives them.",
}
"""What `--json` writes, where the API does not say it."""


def commands_page() -> str:
    """Return docs/reference/commands.md."""
    rows = [f"| [`{command.name}`](#{command.name}) | {command.summary} |" for command in COMMANDS]
    parts = [_INTRODUCTION + "\n".join(["| command | |", "|---|---|", *rows]) + "\n", _COMMON]
    statuses = [f"| {status.value} | {sentence} |" for status, sentence in MEANING.items()]
    parts[-1] += "\n".join(["| status | meaning |", "|---|---|", *statuses]) + "\n"
    parts += [_section(command) for command in COMMANDS]
    return "\n".join(parts)


def _section(command: Command) -> str:
    module, parser = module_of(command), parser_of(command)
    text = description_of(module)
    summary, _, rest = text.partition("\n\n")
    lines = [f"## {command.name}\n", f"```text\n{_usage(parser, command)}\n```\n", f"{summary}\n"]
    if rest:
        lines.append(f"{_code(rest)}\n")
    lines += [f"- {_option_words(action)}" for action in _own(parser, command)]
    if _takes_settings(parser):
        lines.append("- The gateway's flags, as in [the settings](settings.md), override the file.")
    if command.name in _JSON:
        lines.append(f"\n`--json` writes: {_JSON[command.name]}")
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    """Lines that show a command become a code block."""
    if "ichat-gw completion" not in text:
        return text
    return f"```text\n{text}\n```"


def _usage(parser: argparse.ArgumentParser, command: Command) -> str:
    """One line that says what it takes."""
    words, options = [f"ichat-gw {command.name}"], []
    for action in _own(parser, command):
        if action.option_strings:
            options.append(" ".join(part for part in (action.option_strings[-1], _value(action)) if part))
        else:
            words.append(_value(action) if action.required else f"[{_value(action)}]")
    rest = [f"[{option}]" for option in options] if len(options) <= MOST_OPTIONS else ["[OPTIONS]"]
    return " ".join([*words, *rest])


def _own(parser: argparse.ArgumentParser, command: Command) -> list[argparse.Action]:
    """What a command takes beside help and the settings' flags."""
    return [
        action
        for action in parser._actions
        if action.dest not in ("help", "overrides") and action.help is not argparse.SUPPRESS
    ]


def _takes_settings(parser: argparse.ArgumentParser) -> bool:
    return any(action.dest == "overrides" for action in parser._actions)


def _value(action: argparse.Action) -> str:
    """What stands for the value of an option; "" when it has none."""
    if action.nargs == 0:
        return ""
    if action.choices is not None:
        value = "|".join(map(str, action.choices))
    else:
        value = str(action.metavar or action.dest.upper())
    return f"[{value}]" if action.nargs == "?" and action.option_strings else value


def _option_words(action: argparse.Action) -> str:
    value = f" {_value(action)}" if _value(action) else ""
    names = ", ".join(action.option_strings) + value if action.option_strings else _value(action)
    return f"`{names}`: {_help(action)}"


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")


# --- man pages --------------------------------------------------------------------------------------------


def gateway_page() -> str:
    """Return ichat-gw.1."""
    parts = [
        roff.head(
            "ICHAT-GW", 1, "ichat-gw", "let people on an XMPP server and people on SIP phones call each other"
        ),
        ".SH SYNOPSIS\n.B ichat-gw\n[\\fB\\-c\\fR \\fIFILE\\fR] [\\fIFLAGS\\fR]\n.br\n.B ichat-gw\n"
        "\\fICOMMAND\\fR [\\fIARGUMENTS\\fR]",
        ".SH DESCRIPTION\n"
        + roff.text(
            "Without a command, ichat-gw runs the gateway in the foreground, with the settings of the file "
            "ichat-gw.config in the current directory, or of FILE. It starts its connector, ichat-gw-jc, and "
            "its relay workers, and ends them. SIGTERM and SIGINT end calls and registrations in order, "
            "within five seconds. SIGHUP reads the configuration again: see the command reload."
        ),
        ".SH COMMANDS",
    ]
    for command in COMMANDS:
        parser = parser_of(command)
        parts.append(
            f".SS {roff.text(_usage(parser, command))}\n{_paragraphs(description_of(module_of(command)))}"
        )
        parts += [_man_option(action) for action in _own(parser, command)]
    parts.append(
        ".SH FLAGS\nEvery setting but the secrets and the rules has a flag, which overrides the "
        "configuration file:\n.BR ichat-gw.config (5)\nnames them. Beside those:"
    )
    parts += [_man_option(action) for action in flag_parser()._actions if action.dest != "overrides"]
    parts.append(".SH EXIT STATUS")
    parts += [f".TP\n.B {status.value}\n{roff.text(sentence)}" for status, sentence in MEANING.items()]
    parts.append(".SH SEE ALSO\n.BR ichat-gw.config (5),\n.BR ichat-gw-jc (1)")
    return "\n".join(parts) + "\n"


def connector_page() -> str:
    """Return ichat-gw-jc.1."""
    return (
        "\n".join(
            [
                roff.head("ICHAT-GW-JC", 1, "ichat-gw-jc", "the Jabber connector of ichat-gw"),
                ".SH SYNOPSIS\n.B ichat-gw-jc",
                ".SH DESCRIPTION\n"
                + roff.text(
                    "Connects to the XMPP server as a component (XEP-0114) on behalf of ichat-gw, which "
                    "starts it, tells it everything on standard input, starts it again when it dies, and "
                    "ends it. It takes no arguments, and is of no use by itself."
                ),
                ".SH EXIT STATUS",
                ".TP\n.B 0\nAn orderly stop.",
                ".TP\n.B 1\nIt cannot go on; the log of the gateway says why.",
                ".TP\n.B 2\nIt was not started by ichat-gw.",
                ".TP\n.B 70\nThe gateway was gone, and it did not end in time by itself.",
                ".SH SEE ALSO\n.BR ichat-gw (1)",
            ]
        )
        + "\n"
    )


def _man_option(action: argparse.Action) -> str:
    names = ", ".join(f"\\fB{roff.text(name)}\\fR" for name in action.option_strings)
    value = f"\\fI{roff.text(_value(action))}\\fR" if _value(action) else ""
    return f".TP\n{' '.join(part for part in (names, value) if part)}\n{roff.text(_help(action))}"


def _paragraphs(text: str) -> str:
    parts = []
    for paragraph in text.split("\n\n"):
        if re.search(r"^For \w+:", paragraph, re.MULTILINE):
            parts.append(f".nf\n{roff.text(paragraph, fill=False)}\n.fi")
        else:
            parts.append(roff.text(" ".join(paragraph.split())))
    return "\n.PP\n".join(parts)


PAGES = {
    COMMANDS_PAGE: commands_page,
    MAN / "ichat-gw.1": gateway_page,
    MAN / "ichat-gw-jc.1": connector_page,
}
"""Everything that is written, by its place in the project."""


def main(arguments: Iterable[str]) -> None:
    """Write all of it into the project's folder."""
    (folder,) = arguments
    for path, page in PAGES.items():
        place = Path(folder) / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
