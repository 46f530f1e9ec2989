"""The settings as they are in force, for people: each as text, with where it comes from, and no secret."""

from collections.abc import Mapping
from dataclasses import dataclass

from ichat_gw.addressing.translation import TranslationRule
from ichat_gw.config.credentials import SipCredentials
from ichat_gw.config.table import SETTINGS, Setting, Settings

SET, NOT_SET = "(set)", "(not set)"
"""What is shown of a secret."""


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting in force."""

    setting: Setting
    text: str
    """The value as a file has it; blank for none. What may be given several times has a line for each."""
    places: tuple[str, ...]
    """`FILE:LINE`, or `command line: -sp`; none for a default."""

    @property
    def name(self) -> str:
        """As in the reference; of the rules, `TranslationPattern`."""
        return self.setting.row.name


def effective(
    settings: Settings, places: Mapping[str, tuple[str, ...]] | None = None
) -> tuple[Effective, ...]:
    """Return all settings in the order of the table. `places`: `ichat_gw.config.load.Loaded.places`."""
    places = places or {}
    return tuple(
        Effective(setting, shown(setting, getattr(settings, setting.field)), places.get(setting.field, ()))
        for setting in SETTINGS
    )


def shown(setting: Setting, value: object) -> str:
    """Return a value as text, as a file has it, one line for each of several; secrets are hidden."""
    if isinstance(value, tuple) and (setting.row.repeats or setting.row.pair):
        return "\n".join(_line(item) for item in value)
    if setting.row.kind.secret:
        return NOT_SET if value is None else SET
    return "" if value is None else setting.row.kind.write(value)


def _line(item: object) -> str:
    """One value of a setting that may be given several times."""
    if isinstance(item, TranslationRule):
        return f"{item.pattern} -> {item.output}"
    return f'"{item.realm}" {item.user} {SET}' if isinstance(item, SipCredentials) else str(item)
