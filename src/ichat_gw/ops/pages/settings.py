"""The settings in force."""

from itertools import groupby

from ichat_gw.ops.api import SettingValue, SettingValues
from ichat_gw.ops.pages.figures import moment
from ichat_gw.ops.pages.html import Html, fill, joined
from ichat_gw.ops.pages.layout import Column, Page, section, table

_LEAD = """\
<p>From <code>{file}</code>, read at {loaded}. What is not a default is bold.</p>
<div class="reload" id="reload">
<button type="button" data-post="/api/v1/reload" hidden>Read the file again</button>
<p class="quiet without-script">To read the file again: <code>ichat-gw reload</code></p>
<p role="status" class="reply"></p>
</div>
"""


def settings_page(values: SettingValues) -> Page:
    """All of them, by section; secrets are not among the values."""
    columns = (Column("Setting"), Column("Value", "wide"), Column("Set in"))
    parts = [fill(_LEAD, file=values.file, loaded=moment(values.loaded))]
    for number, (name, group) in enumerate(groupby(values.settings, key=lambda value: value.section)):
        rows = [(value.name, _cells(value)) for value in group]
        parts.append(section(f"section-{number}", name, table(f"settings-{number}", name, columns, rows, "")))
    return Page("Settings", joined(parts, "\n"), "settings")


def _cells(value: SettingValue) -> tuple[object, ...]:
    template = "<code>{value}</code>" if value.is_default else "<b><code>{value}</code></b>"
    shown = (
        fill('<span class="quiet">none</span>')
        if not value.value
        else joined((fill(template, value=line) for line in value.value.splitlines()), "<br>")
    )
    name = fill('<span title="{sentence}">{name}</span>', sentence=value.sentence, name=value.name)
    return name, shown, Html("by default") if value.is_default else value.place
