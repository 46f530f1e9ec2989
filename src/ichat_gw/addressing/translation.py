"""The ordered address translation rules (manual, "Address Translation Rules").

A rule is a Perl compatible regular expression and an output. Rules are tried top-down; the first whose
pattern is found anywhere in the address wins, and its output, with `$1` to `$9` replaced by what the
pattern's groups took, is the translation.

Bounded in time. A backtracking matcher can need longer than the universe for one unlucky pair of pattern
and address, and strangers choose the addresses. So the address is at most `MAX_ADDRESS` characters, a
pattern at most `MAX_PATTERN`, and every search runs under PCRE's own match limit, which a pattern cannot
lift. A rule that hits the limit does not match; the result names it. PCRE counts steps anew for each
place where a match could begin: hence the length limit, which bounds the sum.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto

import pcre2

from ichat_gw.addressing.sip_uri import InvalidSipUri, split_host_port
from ichat_gw.errors import GatewayError

MATCH_LIMIT = 10_000
"""How many steps PCRE may take from one starting place before it gives up."""
MAX_ADDRESS = 256
"""The longest address, in characters, that any rule can match."""
MAX_PATTERN = 1000
"""The longest pattern and the longest output, in characters."""
SCHEMES = ("xmpp", "sip", "sips")
"""The schemes that an output can have: they decide what kind of leg is made."""

_GROUP = re.compile(r"\$([1-9])")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
# COMPAT python-pcre2: it asks PCRE for JavaScript's escapes, in which `\x{e9}` is not the é that it is in
# Perl. The same character spelt in a way that both know. (A backslash before it is a backslash.)
_HEX_ESCAPE = re.compile(r"(\\\\)|\\x\{([0-9A-Fa-f]{1,6})\}")


class InvalidRule(GatewayError):
    """A pattern or an output that cannot be used.

    `what` says what is wrong, `allowed` what would be right. `offset` is the character of the pattern,
    counted from 0, at which PCRE stumbled, or None when there is no such place.
    """

    def __init__(self, what: str, allowed: str, offset: int | None = None) -> None:
        super().__init__(f"{what}; {allowed}")
        self.what = what
        self.allowed = allowed
        self.offset = offset


@dataclass(frozen=True, slots=True)
class TranslationRule:
    """One rule as configured; `line` is that of its pattern in the configuration file, or None."""

    pattern: str
    output: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Translation:
    """What became of an address."""

    rule: int
    """The number of the rule that matched, counted from 1."""
    pattern: str
    groups: tuple[str | None, ...]
    """What each group of the pattern took; None for a group that did not take part."""
    output: str
    """The translated address."""
    limited: tuple[int, ...] = ()
    """The numbers of the rules before it that were given up at the match limit: worth a line in the log."""


class Outcome(Enum):
    """What one rule did with one address."""

    MATCHED = auto()
    NOT_MATCHED = auto()
    LIMIT = auto()
    """Given up by PCRE, mostly at the match limit; counts as not matched."""
    UNFIT_ADDRESS = auto()
    """Not tried: the address is longer than `MAX_ADDRESS`, or no Unicode text."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule did with an address, and what its translation would be where it matches."""

    rule: int
    pattern: str
    outcome: Outcome
    groups: tuple[str | None, ...] = ()
    output: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What every rule does with an address; those behind the first match would not have been asked."""

    address: str
    verdicts: tuple[Verdict, ...]

    @property
    def winner(self) -> Verdict | None:
        """The first rule that matches, or None."""
        return next((verdict for verdict in self.verdicts if verdict.outcome is Outcome.MATCHED), None)

    @property
    def limited(self) -> tuple[int, ...]:
        """The numbers of the rules that were given up at the match limit."""
        return tuple(verdict.rule for verdict in self.verdicts if verdict.outcome is Outcome.LIMIT)


class TranslationRules:
    """The rules, ready for use. Raises `InvalidRule` for the first that cannot be used."""

    def __init__(self, rules: Iterable[TranslationRule] = ()) -> None:
        self._rules: list[tuple[int, TranslationRule, pcre2.Pattern]] = []
        for number, rule in enumerate(rules, 1):
            check_output(rule.output)
            self._rules.append((number, rule, _compile(rule.pattern)))

    def __len__(self) -> int:
        return len(self._rules)

    def translate(self, address: str) -> Translation | None:
        """Translate by the first rule that matches; None when none does (`explain` tells why)."""
        if not _fit(address):
            return None
        limited: list[int] = []
        for number, rule, compiled in self._rules:
            outcome, groups = _search(compiled, address)
            if outcome is Outcome.MATCHED:
                return Translation(number, rule.pattern, groups, _fill(rule.output, groups), tuple(limited))
            if outcome is Outcome.LIMIT:
                limited.append(number)
        return None

    def explain(self, address: str) -> Explanation:
        """Try every rule, whether or not one before it matches."""
        fit = _fit(address)
        verdicts: list[Verdict] = []
        for number, rule, compiled in self._rules:
            outcome, groups = _search(compiled, address) if fit else (Outcome.UNFIT_ADDRESS, ())
            output = _fill(rule.output, groups) if outcome is Outcome.MATCHED else None
            verdicts.append(Verdict(number, rule.pattern, outcome, groups, output))
        return Explanation(address, tuple(verdicts))


def check_pattern(pattern: str) -> int:
    """Return how many groups a pattern has. Raises `InvalidRule`."""
    return int(_compile(pattern).groups)


def check_output(output: str) -> None:
    """Refuse an output that can never be an address to call. Raises `InvalidRule`.

    What groups put in cannot be known here; what stands before the first of them can.
    """
    allowed = "it must begin with xmpp:, sip: or sips:"
    if not output:
        raise InvalidRule("the output is empty", allowed)
    if len(output) > MAX_PATTERN:
        raise InvalidRule(f"the output has {len(output)} characters", f"at most {MAX_PATTERN} are allowed")
    first = _GROUP.search(output)
    literal = (output[: first.start()] if first else output).lower()
    scheme, colon, _ = literal.partition(":")
    if colon and scheme not in SCHEMES:
        known = f"the scheme {scheme!r}" if _SCHEME.fullmatch(scheme) else "no scheme"
        raise InvalidRule(f"the output {output!r} has {known}", allowed)
    if not colon and (not first or not any(name.startswith(literal) for name in SCHEMES)):
        raise InvalidRule(f"the output {output!r} has no scheme", allowed)


def groups_of(output: str) -> frozenset[int]:
    """Return the numbers of the groups that an output asks for."""
    return frozenset(int(found[1]) for found in _GROUP.finditer(output))


def domain_of(output: str) -> str | None:
    """Return the domain that a SIP output spells out, as `host` or `host:port` in lower case.

    None when a group has a say in it, so that whoever chooses the address may choose the domain; and for
    an output that is not SIP, or no URI whatever the groups are.
    """
    scheme, _, rest = output.partition(":")
    if scheme.lower() not in ("sip", "sips"):
        return None
    domain = re.split("[;?]", rest.rpartition("@")[2], maxsplit=1)[0]
    try:
        split_host_port(domain)
    except InvalidSipUri:
        return None
    return domain.lower()


def _compile(pattern: str) -> pcre2.Pattern:
    if len(pattern) > MAX_PATTERN:
        raise InvalidRule(f"the pattern has {len(pattern)} characters", f"at most {MAX_PATTERN} are allowed")
    # The last limit at a pattern's beginning is the one that counts, even when it is the higher.
    if "(*LIMIT_" in pattern:
        raise InvalidRule(
            "the pattern sets a limit of its own", "leave (*LIMIT_...) out: every rule is bounded"
        )
    limit = f"(*LIMIT_MATCH={MATCH_LIMIT})"
    # ASCII: \d, \w and \s mean what they mean in PCRE unless the pattern begins with (*UCP); a pattern and
    # an address are Unicode text all the same.
    text = limit + _HEX_ESCAPE.sub(lambda found: found[1] or rf"\N{{U+{found[2]}}}", pattern)
    try:
        compiled = pcre2.compile(text, pcre2.ASCII, jit=False)
    except pcre2.PatternError as error:
        what = error.msg.partition("; ")[2]
        offset = max(0, min(error.pos - len(limit), len(pattern)))
        where = f"at character {offset + 1} of {pattern!r}"
        raise InvalidRule(
            f"{what} {where}", "a Perl compatible regular expression is needed", offset
        ) from None
    except UnicodeEncodeError:
        raise InvalidRule("the pattern is no Unicode text", "save the file as UTF-8") from None
    # Without a just-in-time compiler for this machine or this pattern the interpreter does it.
    with suppress(pcre2.LibraryError):
        compiled.jit_compile()
    return compiled


def _fit(address: str) -> bool:
    if len(address) > MAX_ADDRESS:
        return False
    try:
        address.encode()
    except UnicodeEncodeError:
        return False
    return True


def _search(compiled: pcre2.Pattern, address: str) -> tuple[Outcome, tuple[str | None, ...]]:
    try:
        found = compiled.search(address)
    except pcre2.LibraryError:
        # The match limit, the stack, or a recursion without end: in every case PCRE gave up.
        return Outcome.LIMIT, ()
    if found is None:
        return Outcome.NOT_MATCHED, ()
    return Outcome.MATCHED, found.groups()


def _fill(output: str, groups: tuple[str | None, ...]) -> str:
    """Put the groups into the output in one pass, so that nothing is looked for in what was put in.

    `$10` is `$1` and a `0`; `$0`, `$$` and a `$` before anything else stay. A group that took no part, or
    that the pattern does not have, is empty.
    """

    def group(found: re.Match[str]) -> str:
        number = int(found[1])
        return (groups[number - 1] or "") if number <= len(groups) else ""

    return _GROUP.sub(group, output)
