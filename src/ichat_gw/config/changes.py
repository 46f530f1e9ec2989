"""What differs between the settings in force and those of a file that is read again."""

from collections.abc import Callable
from dataclasses import dataclass

from ichat_gw.config.effective import shown
from ichat_gw.config.table import SETTINGS, Setting, Settings


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that has another value now; both as a file has them, secrets hidden."""

    setting: Setting
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Changes:
    """All of them, in the order of the table."""

    live: tuple[Change, ...]
    """Those that can take effect at once."""
    restart: tuple[Change, ...]
    """Those that take effect at the next start."""
    settings: Settings
    """What is to be in force: the new values where they are live, the old ones elsewhere."""


def changes(old: Settings, new: Settings, frozen: Callable[[Setting], bool] = lambda _: False) -> Changes:
    """Compare the settings in force with those of the file. `frozen`: which are not live this time."""
    live: list[Change] = []
    restart: list[Change] = []
    for setting in SETTINGS:
        before, after = getattr(old, setting.field), getattr(new, setting.field)
        change = Change(setting, shown(setting, before), shown(setting, after))
        # A rule is the same in another line of the file; of secrets nothing is shown.
        if before != after and (change.before != change.after or setting.row.kind.secret):
            (live if setting.row.live and not frozen(setting) else restart).append(change)
    kept = {change.setting.field: getattr(old, change.setting.field) for change in restart}
    return Changes(tuple(live), tuple(restart), new.model_copy(update=kept))
