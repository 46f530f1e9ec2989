"""What a row of the table of settings says, beside the type and the default of its field."""

from dataclasses import dataclass
from enum import StrEnum

from ichat_gw.config.kinds import Kind

DAY = 86400
"""In seconds."""


class Section(StrEnum):
    """The chapters of the file and of the reference."""

    SIP = "SIP settings"
    GENERAL = "General settings"
    JABBER = "Jabber settings"
    RULES = "Address translation rules"
    ACCESS = "Who may call"
    TLS = "TLS settings"
    CONNECTOR = "Jabber connector settings"
    MEMORY = "Call records and traces"
    STATUS = "Status page settings"


@dataclass(frozen=True, slots=True)
class Row:
    """What the table says about one setting, beside its type and its default."""

    section: Section
    name: str
    """As files write it; read in any case."""
    kind: Kind
    sentence: str
    """What it is for, for the reference and the comments of a file: whole sentences."""
    flag: str = ""
    """The original's flag."""
    flag_turns_off: bool = False
    """Whether the flag takes no value and switches the setting off."""
    alias: str = ""
    """Another name that files use."""
    pair: str = ""
    """The name of the second line, where it takes two."""
    repeats: bool = False
    """Whether it may be given any number of times; its value is then the tuple of them all."""
    default_words: str = ""
    """The default in words, where the value itself would not say it."""
    sample: str = ""
    """What the sample file gives, where that is not the default."""
    new: bool = False
    """Not known to the original."""
    live: bool = False
    """Whether a change takes effect at a reload (`ichat_gw.app.reload`); otherwise at the next start."""
