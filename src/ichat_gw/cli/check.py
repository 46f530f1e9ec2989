"""Find what is wrong with a configuration, before a gateway is started with it.

All faults and warnings are shown with file and line. If there is no fault, everything that can be tried is
tried: files, ports, certificate, DNS servers, the XMPP server with the component's password. What weakens
the gateway is named: limits that are off, what is open to everybody, what goes unencrypted. Then come the
settings in force, without the secrets. Nothing is changed, and a gateway that runs is not disturbed.
"""

import argparse
from collections.abc import Sequence
from itertools import zip_longest

import msgspec

from ichat_gw.app.trials.trial import Trial
from ichat_gw.cli.configuration import add_config_and_flags, add_json
from ichat_gw.cli.exits import Exit
from ichat_gw.cli.output import say, show_json, warn
from ichat_gw.config.effective import Effective, effective
from ichat_gw.config.load import Loaded, load
from ichat_gw.config.problem import ConfigError, Problem
from ichat_gw.config.source import overrides_of
from ichat_gw.ops.api import SettingValue
from ichat_gw.ops.setting_values import setting_values


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong with the configuration, or a warning."""

    place: str
    """`FILE:LINE`, or `command line: -sp`."""
    line: int | None
    setting: str
    what: str
    allowed: str
    """What is allowed, or what to do."""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` gives."""

    ok: bool
    """Whether nothing was found that keeps the gateway from working; warnings do not count."""
    problems: tuple[Fault, ...] = ()
    """With one of these the gateway does not start."""
    warnings: tuple[Fault, ...] = ()
    trials: tuple[Trial, ...] = ()
    """What was tried; empty when there are problems, or with `--no-trials`."""
    settings: tuple[SettingValue, ...] = ()
    """Those in force; empty when there are problems."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--no-trials", action="store_true", help="only read the configuration; try nothing")
    parser.add_argument("--all", action="store_true", help="show the settings that have their defaults, too")
    add_json(parser)
    add_config_and_flags(parser)


def run(arguments: argparse.Namespace) -> Exit:
    """Check it: WRONG when it cannot be used, FAILED when something that was tried does not work."""
    try:
        loaded = load(arguments.config, overrides_of(arguments))
    except ConfigError as error:
        if arguments.json:
            show_json(Checked(ok=False, problems=_faults(error.problems), warnings=_faults(error.warnings)))
        else:
            for problem in error.warnings:
                warn(f"warning: {problem}")
            for problem in error.problems:
                warn(str(problem))
        return Exit.WRONG
    trials = () if arguments.no_trials else _tried(loaded)
    ok = all(trial.outcome != "failed" for trial in trials)
    if arguments.json:
        settings = setting_values(loaded.settings, loaded.places)
        show_json(Checked(ok=ok, warnings=_faults(loaded.warnings), trials=trials, settings=settings))
    else:
        _show(loaded, trials)
        _show_settings(effective(loaded.settings, loaded.places), arguments.all)
        _sum_up(loaded, trials)
    return Exit.OK if ok else Exit.FAILED


def _tried(loaded: Loaded) -> tuple[Trial, ...]:
    from ichat_gw.app.trials.all import try_all  # it imports the whole gateway, which not everybody needs

    return tuple(try_all(loaded))


def _faults(problems: Sequence[Problem]) -> tuple[Fault, ...]:
    return tuple(
        Fault(
            place=problem.place,
            line=problem.line or None,
            setting=problem.setting,
            what=problem.what,
            allowed=problem.allowed,
        )
        for problem in problems
    )


def _show(loaded: Loaded, trials: Sequence[Trial]) -> None:
    for problem in loaded.warnings:
        warn(f"warning: {problem}")
    there = loaded.path.exists()
    say(f"{loaded.path}: {'no fault' if there else 'is not there; the flags say all that is needed'}")
    if trials:
        say()
        say("Tried:")
    for trial in trials:
        remedy = f"; {trial.remedy}" if trial.remedy else ""
        say(f"  {trial.outcome:<8} {trial.subject}: {trial.text}{remedy}")


def _show_settings(settings: Sequence[Effective], defaults: bool) -> None:
    say()
    say(
        "Settings in force:"
        if defaults
        else "Settings in force, except for defaults (--all shows those, too):"
    )
    for setting in settings:
        lines = setting.text.split("\n")
        places = setting.places if len(setting.places) == len(lines) else setting.places[:1]
        if not defaults and not places:
            continue
        for line, place in zip_longest(lines, places):
            say(f"  {setting.name} = {line}{f'   ({place})' if place else ''}")


def _sum_up(loaded: Loaded, trials: Sequence[Trial]) -> None:
    failed = sum(trial.outcome == "failed" for trial in trials)
    warnings = len(loaded.warnings) + sum(trial.outcome == "warning" for trial in trials)
    say()
    say(f"Failed: {failed}. Warnings: {warnings}." if failed or warnings else "Everything is fine.")
