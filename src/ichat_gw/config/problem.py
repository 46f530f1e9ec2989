"""What is wrong with a configuration, each fault with its place, and the error that carries them all."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ichat_gw.errors import GatewayError


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault or one warning, written `FILE:LINE: SETTING: what is wrong; what is allowed`."""

    place: str
    """`FILE:LINE`, or `command line: -sp`."""
    setting: str
    """The setting's name; empty when the fault lies in no setting."""
    what: str
    allowed: str = ""
    """What is allowed, or what to do."""
    line: int | None = field(default=None, compare=False)
    """The line of the file, for the order of a list; None for the command line."""

    def __str__(self) -> str:
        setting = f"{self.setting}: " if self.setting else ""
        allowed = f"; {self.allowed}" if self.allowed else ""
        return f"{self.place}: {setting}{self.what}{allowed}"


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sort as the file is read, the command line last."""
    return tuple(sorted(problems, key=lambda p: (p.line is None, p.line or 0)))


class ConfigError(GatewayError):
    """A configuration that cannot be used. `problems` lists every fault found, `warnings` the rest."""

    def __init__(self, problems: Iterable[Problem], warnings: Iterable[Problem] = ()) -> None:
        self.problems = in_order(problems)
        self.warnings = in_order(warnings)
        super().__init__("\n".join(map(str, self.problems)))
