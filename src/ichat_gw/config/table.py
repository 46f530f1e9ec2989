"""The table of settings: one row each, and everything else derives from it.

A row is a field of one of the classes in `ichat_gw.config.sections`: its Python type and default, and a `Row`
with what the file, the command line, the checks and the documents need. Adding a setting is adding a row to
the section that it stands in.
"""

from dataclasses import dataclass

from pydantic import ConfigDict
from pydantic.fields import FieldInfo

from ichat_gw.config.row import Row, Section
from ichat_gw.config.sections.access import AccessSettings
from ichat_gw.config.sections.connector import ConnectorSettings
from ichat_gw.config.sections.general import GeneralSettings
from ichat_gw.config.sections.jabber import JabberSettings
from ichat_gw.config.sections.memory import MemorySettings
from ichat_gw.config.sections.rules import RuleSettings
from ichat_gw.config.sections.sip import SipSettings
from ichat_gw.config.sections.status import StatusSettings
from ichat_gw.config.sections.tls import TlsSettings


class Settings(
    SipSettings,
    GeneralSettings,
    JabberSettings,
    RuleSettings,
    AccessSettings,
    TlsSettings,
    ConnectorSettings,
    MemorySettings,
    StatusSettings,
):
    """All settings, checked and typed; immutable. Secrets do not show in `repr`.

    `ichat_gw.config.load.load` makes one from a file and flags.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the table with the field it belongs to."""

    field: str
    row: Row
    required: bool
    default: object
    """What it is when nobody sets it; None when it is required, or none."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that it has in a file, the first one the manual's."""
        return tuple(name for name in (self.row.name, self.row.alias, self.row.pair) if name)

    @property
    def default_text(self) -> str:
        """The default as a reader of the reference wants it."""
        if self.required:
            return "required"
        return self.row.default_words or f"`{self.row.kind.write(self.default)}`"


def _setting(field: str, info: FieldInfo) -> Setting:
    row = next(item for item in info.metadata if isinstance(item, Row))
    default = None if info.is_required() else info.get_default(call_default_factory=False)
    return Setting(field, row, info.is_required(), default)


_ORDER = tuple(Section)
SETTINGS: tuple[Setting, ...] = tuple(
    sorted(
        (_setting(name, info) for name, info in Settings.model_fields.items()),
        key=lambda setting: _ORDER.index(setting.row.section),
    )
)
"""The table, in the order of the file."""


def key(name: str) -> str:
    """Return a name as names are compared: in one case and without spaces.

    COMPAT the original's manual: it writes `SIP Gateway Identity` once.
    """
    return "".join(name.split()).casefold()


# COMPAT the original: a file may use the names of the flags too (`sp = 5070`).
BY_KEY: dict[str, Setting] = {
    key(name): setting
    for setting in SETTINGS
    for name in (*setting.names, setting.row.flag.removeprefix("-") if not setting.row.flag_turns_off else "")
    if name
}
"""Every name that a file may use, by `key`."""
