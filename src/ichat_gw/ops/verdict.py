"""What became of a call, in words that an operator can act on."""

from typing import Any, Literal

import msgspec


class Finding(msgspec.Struct, frozen=True, gc=False):
    """One row of the table, told of one call."""

    code: str
    """The row's name, which never changes: for filters, metrics and links into the documents."""
    sentence: str
    """What happened, without a full stop."""
    remedy: str = ""
    """What to do about it; empty where there is nothing to do."""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What became of a call."""

    end: Finding
    """Who ended it, and why."""
    from_caller: Finding | None = None
    """What became of the caller's audio; None when the call was never up."""
    from_callee: Finding | None = None
    """What became of the callee's audio."""
    main: Literal["end", "from_caller", "from_callee"] = "end"
    """Which of them matters most."""

    @property
    def code(self) -> str:
        """The row that matters most."""
        return self._main.code

    @property
    def sentence(self) -> str:
        """All of it, as one sentence."""
        audio = [finding for finding in self.findings[1:] if finding.code != "arrived"]
        # What is said of both directions in the same words is said once.
        return "; ".join(dict.fromkeys(finding.sentence for finding in (self.end, *audio))) + "."

    @property
    def remedy(self) -> str:
        """What to do, or ""."""
        return self._main.remedy

    @property
    def good(self) -> bool:
        """Whether nobody has anything to do about it."""
        return not any(finding.remedy for finding in self.findings)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The end and, where the call was up, the audio of both directions."""
        return tuple(each for each in (self.end, self.from_caller, self.from_callee) if each is not None)

    @property
    def _main(self) -> Finding:
        found = {"from_caller": self.from_caller, "from_callee": self.from_callee}.get(self.main)
        return found if found is not None else self.end

    def as_json(self) -> dict[str, Any]:
        """The verdict as JSON.

        `code`, `sentence`, `remedy`, `good` (whether nobody has anything to do), `end`, `from_caller` and
        `from_callee` (objects with `code`, `sentence` and `remedy`; the last two null when the call was never
        up), and `main`, which of these three matters most.
        """
        return {
            "code": self.code,
            "sentence": self.sentence,
            "remedy": self.remedy,
            "good": self.good,
            "end": msgspec.to_builtins(self.end),
            "from_caller": msgspec.to_builtins(self.from_caller),
            "from_callee": msgspec.to_builtins(self.from_callee),
            "main": self.main,
        }


def read_verdict(shown: dict[str, Any]) -> Verdict:
    """The verdict that `Verdict.as_json` has written. Raises `msgspec.ValidationError`."""
    return msgspec.convert(shown, Verdict)
