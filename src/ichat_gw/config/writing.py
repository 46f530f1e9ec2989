"""Writing a configuration file: every setting with its comment, those that somebody chose filled in."""

from collections.abc import Mapping, Sequence

from ichat_gw.config.reference import comment, setting_comment
from ichat_gw.config.row import Section
from ichat_gw.config.table import SETTINGS

_HEADER = """\
# The configuration of ichat-gw, begun by `ichat-gw init`.
# `ichat-gw check` says what is wrong with it, `ichat-gw reload` puts changes in force.
"""


def document(values: Mapping[str, str], rules: Sequence[tuple[str, str, str]]) -> str:
    """A configuration file. `values` are texts by setting name; `rules` are comment, pattern and output.

    Settings that are not in `values` stand in it as comments, so that the defaults can change.
    """
    parts = [_HEADER]
    for section in Section:
        parts.append(f"{'#' * 60}\n# {section.value}\n{'#' * 60}\n")
        for setting in SETTINGS:
            if setting.row.section is not section:
                continue
            row, above = setting.row, setting_comment(setting)
            if row.pair:
                parts.append(f"{above}\n")
                parts += [
                    f"{comment(text)}\n{row.name} = {pattern}\n{row.pair} = {output}\n"
                    for text, pattern, output in rules
                ]
            elif row.name in values:
                parts.append(f"{above}\n{row.name} = {values[row.name]}\n")
            else:
                default = "" if row.default_words else row.kind.write(setting.default)
                parts.append(f"{above}\n#{row.name} ={f' {default}' if default else ''}\n")
    return "\n".join(parts)
