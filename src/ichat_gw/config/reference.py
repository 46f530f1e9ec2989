"""Documents made from the table: the reference of settings, the manual page, and the sample file.

`python -m ichat_gw.config.reference FOLDER` writes them where the project in FOLDER keeps them; a test
compares.
"""

import sys
import textwrap
from pathlib import Path

from ichat_gw.config import roff
from ichat_gw.config.row import Section
from ichat_gw.config.source import DEFAULT_FILE
from ichat_gw.config.table import SETTINGS, Setting

REFERENCE = Path("docs/reference/settings.md")
MANUAL = Path("man/ichat-gw.config.5")
SAMPLE = Path(f"{DEFAULT_FILE}.example")

_INTRODUCTION = """\
# Settings

<!-- Made from src/ichat_gw/config/table.py by `python -m ichat_gw.config.reference .`; do not edit. -->

The gateway reads `ichat-gw.config` in the current directory, or the file that `-c FILE` names. Each line
is `Name = value`:

- Names are read in any case. The value is the rest of the line; white space around both does not count.
- A line whose first character is `#` is a comment. There are no comments behind a value.
- A blank value stands for the default, except for a list, which is then empty.
- A setting that is given twice counts as given last, with a warning, unless it says that it can be given any
  number of times; an unknown one is ignored, with a warning that suggests the nearest name.
- Relative paths start from the current directory.
- The file is UTF-8. Line ends may be those of Windows.

Flags override the file. Beside the original's flags, every setting has one of the form
`--name-of-setting VALUE`, except the translation rules, and the secrets, which a list of processes would
show.

Whatever is wrong stops the start with exit status 2, before anything else happens, and all of it is said at
once, as `FILE:LINE: SETTING: what is wrong; what is allowed`.

Of a file that is changed while the gateway runs, a *reload* (`ichat-gw reload`, or SIGHUP) puts in force what
can change without touching a call; what cannot says so below, and the reload names it.

Settings marked *new* are unknown to the original `ichat-gw`; a file written for it works unchanged.
"""

_RULES = """\
How the rules work in detail:

- A pattern is searched for in the whole address; `^` and `$` tie it to the ends.
- `$10` is `$1` and a `0`. `$0`, and a `$` before anything but a digit, stay as they are. A group that took no
  part is empty. What a group puts in is not searched for `$` again.
- Patterns and addresses are Unicode text; `\\d`, `\\w` and `\\s` stand for ASCII unless a pattern begins with
  `(*UCP)`.
- Each search is bounded. A rule that PCRE gives up at its match limit (10000) does not match, and the log
  names it. An address of more than 256 characters matches nothing; a pattern has at most 1000 characters and
  sets no limits of its own.
- Quotation marks around a pattern or an output are ignored, with a warning: the original's manual has some.

    TranslationPattern = ^xmpp:(.*)@ichat-gw.jabber.company.com$
    TranslationOutput = sip:$1@sipdomain.com

turns `xmpp:72*123@ichat-gw.jabber.company.com` into `sip:72*123@sipdomain.com`, and

    TranslationPattern = ^sip:(.*)@sipdomain.com$
    TranslationOutput = xmpp:$1@jabber.company.com

turns `sip:username@sipdomain.com` into `xmpp:username@jabber.company.com`.
"""

_SAMPLE_RULES = """\
# What iChat users dial: xmpp:72*123@ichat-gw.jabber.company.com becomes sip:72*123@sipdomain.com
TranslationPattern = ^xmpp:(.*)@ichat-gw.jabber.company.com$
TranslationOutput = sip:$1@sipdomain.com

# What SIP phones dial: sip:username@sipdomain.com becomes xmpp:username@jabber.company.com
TranslationPattern = ^sip:(.*)@sipdomain.com$
TranslationOutput = xmpp:$1@jabber.company.com
"""


def reference() -> str:
    """Return docs/reference/settings.md."""
    parts = [_INTRODUCTION]
    for section in Section:
        parts.append(f"## {section.value}\n")
        parts += [_entry(setting) for setting in SETTINGS if setting.row.section is section]
        if section is Section.RULES:
            parts.append(_RULES)
    return "\n".join(parts)


def _entry(setting: Setting) -> str:
    row = setting.row
    names = " / ".join(f"`{name}`" for name in (row.name, row.pair) if name)
    lines = [
        f"### {names}{' (new)' if row.new else ''}\n",
        f"{row.sentence}\n",
        f"- Default: {setting.default_text}",
    ]
    lines.append(f"- Allowed: {row.kind.allowed}")
    lines.append(f"- A change takes effect: {'at a reload' if row.live else 'at the next start'}")
    if row.repeats:
        lines.append("- Can be given any number of times")
    if row.flag:
        lines.append(f"- Flag: `{row.flag}`{' (switches it off)' if row.flag_turns_off else ''}")
    if row.alias:
        lines.append(f"- Also called: `{row.alias}`")
    return "\n".join(lines) + "\n"


def sample() -> str:
    """Return ichat-gw.config.example: every setting with its comment, in the order of the table."""
    parts = ["# The configuration of ichat-gw. docs/reference/settings.md describes every setting.\n"]
    for section in Section:
        parts.append(f"{'#' * 60}\n# {section.value}\n{'#' * 60}\n")
        parts += [_sample_entry(setting) for setting in SETTINGS if setting.row.section is section]
    return "\n".join(parts)


def _sample_entry(setting: Setting) -> str:
    row = setting.row
    if row.pair:
        return f"{setting_comment(setting)}\n\n{_SAMPLE_RULES}"
    value = row.sample
    if not value and not setting.row.default_words:
        value = row.kind.write(setting.default)
    return f"{setting_comment(setting)}\n{row.name} ={f' {value}' if value else ''}\n"


def setting_comment(setting: Setting) -> str:
    """What a file says above a setting."""
    return comment(setting.row.sentence.replace("`", "") if setting.row.pair else setting_words(setting))


def setting_words(setting: Setting) -> str:
    """What there is to say of a setting, in one paragraph."""
    default = "Required" if setting.required else f"Default: {setting.default_text.replace('`', '')}"
    return f"{setting.row.sentence.replace('`', '')} Allowed: {setting.row.kind.allowed}. {default}."


def comment(text: str) -> str:
    """Text as comment lines of a file."""
    return textwrap.fill(text, 100, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def configuration_page() -> str:
    """Return ichat-gw.config.5."""
    parts = [
        roff.head("ICHAT-GW.CONFIG", 5, "ichat-gw.config", "the configuration of ichat-gw"),
        ".SH DESCRIPTION\n"
        + roff.text(
            "A file of UTF-8 text with lines of the form Name = value. Names are read in any case; the value "
            "is the rest of the line. A line that begins with # is a comment; there are no comments behind a "
            "value. A blank value stands for the default, except for a list, which is then empty. `ichat-gw "
            "init` writes such a file, `ichat-gw check` says what is wrong with one."
        ),
    ]
    for section in Section:
        parts.append(f".SH {roff.text(section.value.upper())}")
        for setting in SETTINGS:
            if setting.row.section is section:
                names = ", ".join(name for name in (setting.row.name, setting.row.pair) if name)
                parts.append(f".TP\n.B {roff.text(names)}\n{roff.text(_with_flags(setting))}")
    parts.append(".SH SEE ALSO\n.BR ichat-gw (1)")
    return "\n".join(parts) + "\n"


def _with_flags(setting: Setting) -> str:
    """What there is to say of a setting, its flags included."""
    row = setting.row
    if row.kind.secret or row.pair:
        return setting_words(setting)
    old = f"{row.flag}, " if row.flag and not row.flag_turns_off else ""
    off = f"; {row.flag} switches it off" if row.flag_turns_off else ""
    flags = f"{old}--{setting.field.replace('_', '-')} {row.kind.metavar}{off}"
    return f"{setting_words(setting)} Flag: {flags}."


def main(arguments: list[str]) -> None:
    """Write all documents into the project's folder."""
    folder = Path(arguments[0])
    (folder / REFERENCE).parent.mkdir(parents=True, exist_ok=True)
    (folder / REFERENCE).write_text(reference(), encoding="utf-8")
    (folder / SAMPLE).write_text(sample(), encoding="utf-8")
    (folder / MANUAL).parent.mkdir(parents=True, exist_ok=True)
    (folder / MANUAL).write_text(configuration_page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
