"""Show what the translation rules make of an address, without calling anybody.

Each rule is shown with what it does with the address, the groups of those that match, and whom a call to the
address would reach. A SIP address is taken as the rules see it, without port and parameters. An address
without scheme is tried as one that an iChat user calls (xmpp:) and as one that a SIP phone calls (sip:). What
has no @ either, such as a number, is the speed dial that an iChat user has for it.
"""

import argparse
from collections.abc import Sequence

import msgspec

from ichat_gw.addressing.translation import TranslationRule, TranslationRules
from ichat_gw.app.names import plain
from ichat_gw.call.routing import Network, Route, route
from ichat_gw.cli.configuration import add_config_and_flags, add_json, configuration
from ichat_gw.cli.exits import Exit
from ichat_gw.cli.output import say, show_json
from ichat_gw.ops.api import RuleOutcome, RuleTrial
from ichat_gw.ops.rule_trial import try_rules

_ORIGIN = {"xmpp": Network.XMPP, "sip": Network.SIP, "sips": Network.SIP, "tel": Network.SIP}
_CALLER = {Network.XMPP: "an iChat user", Network.SIP: "a SIP phone"}


class Translated(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` gives for one address."""

    caller: str
    """`xmpp` or `sip`: the network of who calls it."""
    called: str | None
    """Whom a call reaches, as its network writes it; null: nobody."""
    why: str
    """Why nobody is reached."""
    trial: RuleTrial


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "address",
        metavar="ADDRESS",
        help="such as xmpp:72123@ichat-gw.jabber.company.com or sip:alice@sipdomain.com",
    )
    add_json(parser)
    add_config_and_flags(parser)


def run(arguments: argparse.Namespace) -> Exit:
    """Show it; NOT_FOUND when no call to the address reaches anybody."""
    settings = configuration(arguments).settings
    tried = translate(arguments.address, settings.translation_rules, settings.jabber_component_name)
    if arguments.json:
        show_json({"results": tried})
    else:
        for number, each in enumerate(tried):
            if number:
                say()
            _show(each)
    return Exit.OK if any(each.called for each in tried) else Exit.NOT_FOUND


def translate(address: str, rules: Sequence[TranslationRule], component: str) -> tuple[Translated, ...]:
    """Try an address as called from the network that its scheme names, or from both."""
    scheme, colon, _ = address.partition(":")
    if colon and scheme.lower() in _ORIGIN:
        return (_one(address, _ORIGIN[scheme.lower()], rules),)
    if address and "@" not in address:
        return (_one(f"xmpp:{address}@{component}", Network.XMPP, rules),)
    return tuple(
        _one(f"{prefix}:{address}", network, rules)
        for prefix, network in (("xmpp", Network.XMPP), ("sip", Network.SIP))
    )


def _one(address: str, origin: Network, rules: Sequence[TranslationRule]) -> Translated:
    if origin is Network.SIP:
        address, _ = plain(address)
    outcome = route(address, origin, TranslationRules(rules))
    reached = outcome.target if isinstance(outcome, Route) else None
    return Translated(
        caller=origin.value.lower(),
        called=reached,
        why="" if reached else str(outcome),
        trial=try_rules(rules, address),
    )


def _show(each: Translated) -> None:
    say(f"{each.trial.address}, called by {_CALLER[Network(each.caller.upper())]}:")
    for rule in each.trial.rules:
        _show_rule(rule, each.trial.winner)
    if not each.trial.rules:
        say("  there is no rule")
    say(f"  reaches {each.called}" if each.called else f"  reaches nobody: {each.why}")


def _show_rule(rule: RuleOutcome, winner: int | None) -> None:
    where = f" (line {rule.line})" if rule.line else ""
    unused = winner is not None and rule.rule > winner
    matched = rule.outcome == "matched"
    outcome = f"{rule.outcome}, but rule {winner} comes first" if unused and matched else rule.outcome
    say(f"  rule {rule.rule}{where}: {outcome}")
    say(f"    {rule.pattern}  ->  {rule.template}")
    if matched:
        for number, group in enumerate(rule.groups, 1):
            say(f"    ${number} = {group if group is not None else '(took no part)'}")
        say(f"    makes {rule.output}")
