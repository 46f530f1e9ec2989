"""Reading a configuration: the file, then the flags over it, every fault and every warning in one go."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ichat_gw.addressing.translation import (
    InvalidRule,
    TranslationRule,
    check_output,
    check_pattern,
    groups_of,
)
from ichat_gw.config.across import Check
from ichat_gw.config.kinds import InvalidValue
from ichat_gw.config.problem import ConfigError, Problem, in_order
from ichat_gw.config.source import DEFAULT_FILE, Given, Lines, read_lines
from ichat_gw.config.table import BY_KEY, SETTINGS, Setting, Settings, key

DATABASE = "ichat-gw.sqlite3"
RECORDS = "ichat-gw-calls.sqlite3"
"""The name of the subscription database, which lies beside the configuration file unless set."""

_RULES = BY_KEY[key("TranslationPattern")]
_OUTPUT = key(_RULES.row.pair)
_QUOTES = '"\u201c\u201d'


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used, what is odd about it, and the file that it was looked for in."""

    settings: Settings
    warnings: tuple[Problem, ...]
    path: Path
    places: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)
    """Where each setting that is not a default was given, by field: `FILE:LINE`, `command line: -sp`."""


def load(path: Path | str | None = None, overrides: Sequence[Given] = ()) -> Loaded:
    """Read the file (`ichat-gw.config` in the current directory when none is named) and the flags.

    Raises `ConfigError` with every fault. That the default file is not there is a fault only when the flags
    leave something required unsaid.
    """
    where = Path(DEFAULT_FILE if path is None else path)
    lines, fault, absent = _lines_of(where)
    reading = _Reading(lines, overrides)
    unsaid = reading.unsaid(f"{where}:{lines.last}", lines.last)
    if fault is None:
        reading.problems += unsaid
    elif unsaid or path is not None or not absent:
        reading.problems.append(fault)
    if reading.problems:
        raise ConfigError(reading.problems, reading.warnings)
    if not reading.values["translation_rules"]:
        what = "there is no rule, so no address can be called"
        allowed = "TranslationPattern and TranslationOutput make one"
        reading.warnings.append(Problem(f"{where}:{lines.last}", _RULES.row.name, what, allowed, lines.last))
    reading.values.setdefault("subscription_database", where.parent / DATABASE)
    reading.values.setdefault("call_record_database", where.parent / RECORDS)
    settings = Settings.model_validate(reading.values)
    return Loaded(settings, in_order(reading.warnings), where, reading.places())


def some_of(path: Path | str, fields: Sequence[str]) -> dict[str, Any]:
    """Read only these settings of a file, by field; others may be wrong or missing.

    Raises `ConfigError` when the file cannot be read, or one of them.
    """
    lines, fault, _ = _lines_of(Path(path))
    if fault is not None:
        raise ConfigError([fault])
    values = {setting.field: setting.default for setting in SETTINGS if setting.field in fields}
    problems = []
    for given in lines.given:
        setting = BY_KEY.get(key(given.name))
        if setting is None or setting.field not in values:
            continue
        kind = setting.row.kind
        try:
            values[setting.field] = (
                kind.read(given.text) if given.text or kind.takes_blank else setting.default
            )
        except InvalidValue as error:
            problems.append(given.problem(setting.row.name, str(error), f"allowed: {kind.allowed}"))
    if problems:
        raise ConfigError(problems)
    return values


def _lines_of(where: Path) -> tuple[Lines, Problem | None, bool]:
    """Return what the file says, why it cannot be read, and whether that is because it is not there."""
    try:
        return read_lines(where.read_bytes(), str(where)), None, False
    except (OSError, ValueError) as error:
        absent = isinstance(error, FileNotFoundError)
        why = error.strerror if isinstance(error, OSError) else str(error)
        what = "there is no such file" if absent else f"the file cannot be read: {why}"
        remedy = "have `ichat-gw init` write one, start in its directory, or name it with -c FILE"
        return Lines((), (), (), 1), Problem(str(where.absolute()), "", what, remedy, 0), absent


class _Reading:
    """One pass over everything given. `values` are by field, and only those that are good and not blank."""

    def __init__(self, lines: Lines, overrides: Sequence[Given]) -> None:
        self.values: dict[str, object] = {}
        self.problems = list(lines.problems)
        self.warnings = list(lines.warnings)
        self._given: dict[str, Given] = {}
        self._all_given: dict[str, list[Given]] = {}
        self._bad: set[str] = set()
        rules: list[Given] = []
        for given in (*lines.given, *overrides):
            setting = BY_KEY.get(key(given.name))
            if setting is None:
                self._unknown(given)
            elif setting is _RULES:
                rules.append(given)
            else:
                self._take(setting, given)
        self._all_given[_RULES.field] = [rule for rule in rules if key(rule.name) != _OUTPUT]
        self.values[_RULES.field] = self._rules(rules)
        for setting in SETTINGS:
            if setting is _RULES:
                continue
            if setting.field in self._all_given:
                self._read_all(setting, self._all_given[setting.field])
            elif setting.field in self._given:
                self._read(setting, self._given[setting.field])
        check = Check(Settings.model_construct(**self.values), self._given, frozenset(self._bad))  # type: ignore[arg-type]
        self.problems += check.problems()
        self.warnings += check.warnings()

    def places(self) -> dict[str, tuple[str, ...]]:
        """Return where each setting was given; one that was given blank is its default."""
        places = {name: tuple(each.place for each in all_) for name, all_ in self._all_given.items() if all_}
        given = {name: (one.place,) for name, one in self._given.items() if name in self.values}
        return places | given

    def unsaid(self, place: str, line: int) -> list[Problem]:
        """Return a fault for every required setting that has not been given at all, or blank."""
        problems: list[Problem] = []
        for setting in SETTINGS:
            if setting.required and setting.field not in self.values and setting.field not in self._bad:
                given = self._given.get(setting.field, Given(setting.row.name, "", place, line))
                what = "is blank" if setting.field in self._given else "is missing"
                problems.append(given.problem(setting.row.name, what, f"needed: {setting.row.kind.allowed}"))
        return problems

    def _unknown(self, given: Given) -> None:
        near = difflib.get_close_matches(key(given.name), BY_KEY, 1)
        names = [name for name in BY_KEY[near[0]].names if key(name) == near[0]] if near else []
        hint = f"did you mean {names[0]}?" if names else "it is ignored"
        self.warnings.append(given.problem(given.name, "there is no such setting", hint))

    def _take(self, setting: Setting, given: Given) -> None:
        if setting.row.repeats:
            self._all_given.setdefault(setting.field, []).append(given)
            return
        before = self._given.get(setting.field)
        if before and (before.line is None) == (given.line is None):
            what = f"is given again; {before.place} gives it first"
            self.warnings.append(given.problem(setting.row.name, what, "the last one counts"))
        self._given[setting.field] = given

    def _read_all(self, setting: Setting, lines: list[Given]) -> None:
        """Read a setting that may be given several times; blank lines add nothing."""
        values = []
        for given in lines:
            self._read(setting, given)
            if setting.field in self.values:
                values.append(self.values.pop(setting.field))
        self.values[setting.field] = tuple(values)

    def _read(self, setting: Setting, given: Given) -> None:
        kind = setting.row.kind
        if not given.text and not kind.takes_blank:
            return
        try:
            self.values[setting.field] = kind.read(given.text)
        except InvalidValue as error:
            self._bad.add(setting.field)
            what = str(error)
            if "#" in given.text and given.line is not None:
                what += " (a comment needs a line of its own)"
            self.problems.append(given.problem(setting.row.name, what, f"allowed: {kind.allowed}"))

    # --- translation rules -----------------------------------------------------------------------------

    def _rules(self, given: list[Given]) -> tuple[TranslationRule, ...]:
        rules: list[TranslationRule] = []
        pattern: Given | None = None
        for line in given:
            if key(line.name) != _OUTPUT:
                self._lone_pattern(pattern)
                pattern = line
            elif pattern is None:
                what = "has no TranslationPattern before it"
                self.problems.append(
                    line.problem(_RULES.row.pair, what, "rules are pairs, the pattern first")
                )
            else:
                rules += self._rule(pattern, line)
                pattern = None
        self._lone_pattern(pattern)
        return tuple(rules)

    def _lone_pattern(self, pattern: Given | None) -> None:
        if pattern is not None:
            what = "has no TranslationOutput after it"
            self.problems.append(pattern.problem(_RULES.row.name, what, "rules are pairs, the pattern first"))

    def _rule(self, pattern: Given, output: Given) -> list[TranslationRule]:
        """Return the rule, or nothing when it is bad or blank."""
        if not pattern.text:
            # COMPAT the original passes over a rule without pattern; to PCRE, nothing is found in everything.
            what = "the rule is ignored: its pattern is blank"
            self.warnings.append(pattern.problem(_RULES.row.name, what, "'.*' is found in every address"))
            return []
        rule = TranslationRule(self._unquoted(pattern), self._unquoted(output), pattern.line)
        groups: int | None = None
        try:
            groups = check_pattern(rule.pattern)
        except InvalidRule as error:
            self.problems.append(pattern.problem(_RULES.row.name, error.what, error.allowed))
        try:
            check_output(rule.output)
        except InvalidRule as error:
            self.problems.append(output.problem(_RULES.row.pair, error.what, error.allowed))
        for number in sorted(groups_of(rule.output)):
            if groups is not None and number > groups:
                what = f"${number} is always empty: the pattern has {groups or 'no'} groups"
                self.warnings.append(output.problem(_RULES.row.pair, what, "a group is a part in brackets"))
        return [rule]

    def _unquoted(self, given: Given) -> str:
        """Return the text without quotation marks around it.

        COMPAT the original's manual: its examples begin with stray quotation marks, one or two, and mostly
        end without, and yet are said to work. No address begins or ends with such a mark, so a pattern that
        insists on one could never be of use.
        """
        text = given.text.lstrip(_QUOTES)
        if text == given.text:
            return text
        what = "the quotation marks around it are ignored"
        self.warnings.append(given.problem(given.name, what, "leave them out"))
        return text.rstrip(_QUOTES)
