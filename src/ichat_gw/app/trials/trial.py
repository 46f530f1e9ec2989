"""What came of trying something."""

from typing import Literal, TypeAlias

import msgspec

Outcome: TypeAlias = Literal["ok", "warning", "failed", "skipped"]


class Trial(msgspec.Struct, frozen=True):
    """One thing that was tried."""

    subject: str
    """What: a setting's name, mostly, or several."""
    outcome: Outcome
    """`failed`: the gateway will not work; `warning`: it will, but not as is good; `skipped`: not tried."""
    text: str
    """What was found."""
    remedy: str = ""
    """What to do about it."""
