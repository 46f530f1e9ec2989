"""The settings in force, as the API and `ichat-gw check` tell them."""

from collections.abc import Mapping

from ichat_gw.config.effective import effective
from ichat_gw.config.table import Settings
from ichat_gw.ops.api import SettingValue


def setting_values(
    settings: Settings, places: Mapping[str, tuple[str, ...]] | None = None
) -> tuple[SettingValue, ...]:
    """All settings in the order of the reference. `places`: `ichat_gw.config.load.Loaded.places`."""
    return tuple(
        SettingValue(
            name=each.name,
            section=each.setting.row.section.value,
            value=each.text,
            is_default=not each.places,
            secret=each.setting.row.kind.secret,
            place=each.places[0] if each.places else "",
            sentence=each.setting.row.sentence,
            live=each.setting.row.live,
        )
        for each in effective(settings, places)
    )
