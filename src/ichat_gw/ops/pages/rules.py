"""The rule tester: what becomes of an address, and why."""

from ichat_gw.ops.api import RuleOutcome, RuleTrial
from ichat_gw.ops.pages.figures import NONE, address
from ichat_gw.ops.pages.html import NOTHING, Html, fill, joined
from ichat_gw.ops.pages.layout import Column, Page, code, pill, table

_FORM = """\
<p>An XMPP user's address begins with <code>xmpp:</code>, a SIP address with <code>sip:</code>.
Nobody is called.</p>
<form class="ask" method="get" action="/rules">
<label for="address">Address</label>
<input id="address" name="address" value="{address}" maxlength="2000" autocomplete="off" autocapitalize="none"
 spellcheck="false" placeholder="xmpp:5551234@ichat-gw.example.com">
<button>Try</button>
</form>
"""

_OUTCOMES = {"matched": "good", "not matched": "idle", "given up": "bad", "not tried": "bad"}


def rules_page(trial: RuleTrial | None) -> Page:
    """`trial` None: nothing has been asked yet."""
    parts = [fill(_FORM, address=trial.address if trial else "")]
    if trial is not None:
        parts.append(_result(trial))
        columns = (
            Column("Rule", "num"),
            Column("Outcome"),
            Column("Pattern"),
            Column("Output"),
            Column("Groups"),
        )
        rows = ((f"{rule.rule}", _cells(rule, trial.winner)) for rule in trial.rules)
        parts.append(
            table("rules-table", "What each rule does with it", columns, rows, "There are no rules.")
        )
    return Page("Rules", joined(parts, "\n"), "rules")


def _result(trial: RuleTrial) -> Html:
    if trial.output is None:
        return fill(
            '<div class="verdict bad" id="verdict"><p class="lead">No rule matches: '
            "nobody can be called by this address.</p></div>"
        )
    return fill(
        '<div class="verdict good" id="verdict"><p class="lead">Rule {rule} makes it {output}.</p></div>',
        rule=trial.winner,
        output=address(trial.output),
    )


def _cells(rule: RuleOutcome, winner: int | None) -> tuple[object, ...]:
    word = rule.outcome
    if rule.outcome == "matched" and rule.rule != winner:
        outcome = pill("idle", "would match, too late")
    else:
        outcome = pill(_OUTCOMES[word], word)
    groups = joined(
        (
            fill("{name}: {group}", name=f"${number}", group=NONE if group is None else code(group))
            for number, group in enumerate(rule.groups, 1)
        ),
        ", ",
    )
    output = joined(
        [
            code(rule.template),
            fill(" gives {output}", output=address(rule.output)) if rule.output else NOTHING,
        ]
    )
    line = fill(' <span class="quiet">line {line}</span>', line=rule.line) if rule.line else NOTHING
    return rule.rule, outcome, joined([code(rule.pattern), line]), output, groups or NONE
