"""What the translation rules do with an address, as the API and the commands tell it."""

from collections.abc import Sequence
from typing import Literal

from ichat_gw.addressing.translation import Outcome, TranslationRule, TranslationRules
from ichat_gw.ops.api import RuleOutcome, RuleTrial

_WORDS: dict[Outcome, Literal["matched", "not matched", "given up", "not tried"]] = {
    Outcome.MATCHED: "matched",
    Outcome.NOT_MATCHED: "not matched",
    Outcome.LIMIT: "given up",
    Outcome.UNFIT_ADDRESS: "not tried",
}


def try_rules(rules: Sequence[TranslationRule], address: str) -> RuleTrial:
    """Try every rule on `address`, also those behind the one that counts. `rules` have been checked."""
    explained = TranslationRules(rules).explain(address)
    winner = explained.winner
    return RuleTrial(
        address=address,
        output=winner.output if winner else None,
        winner=winner.rule if winner else None,
        rules=tuple(
            RuleOutcome(
                rule=verdict.rule,
                pattern=rule.pattern,
                template=rule.output,
                outcome=_WORDS[verdict.outcome],
                groups=verdict.groups,
                output=verdict.output,
                line=rule.line,
            )
            for rule, verdict in zip(rules, explained.verdicts, strict=True)
        ),
    )
