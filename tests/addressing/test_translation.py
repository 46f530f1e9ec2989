"""Translation rules: order, search, substitution, and the bound that no pattern or address can pass."""

from collections.abc import Iterable

import pcre2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ichat_gw.addressing.translation import (
    MAX_ADDRESS,
    MAX_PATTERN,
    InvalidRule,
    Outcome,
    TranslationRule,
    TranslationRules,
    check_output,
    check_pattern,
    domain_of,
    groups_of,
)


def rules(*pairs: tuple[str, str]) -> TranslationRules:
    return TranslationRules(TranslationRule(pattern, output) for pattern, output in pairs)


def outputs(table: TranslationRules, addresses: Iterable[str]) -> list[str | None]:
    found = [table.translate(address) for address in addresses]
    return [translation.output if translation else None for translation in found]


# --- the manual's examples --------------------------------------------------------------------------------

MANUAL = (
    (r"xmpp:(.*)@ichat-gw.jabber.company.com$", "sip:$1@sipdomain.com"),
    (r"sip:(.*)@sipdomain.com$", "xmpp:$1@jabber.company.com"),
)


def test_the_manuals_examples() -> None:
    assert outputs(
        rules(*MANUAL), ["xmpp:72*123@ichat-gw.jabber.company.com", "sip:username@sipdomain.com", "sip:a@b"]
    ) == ["sip:72*123@sipdomain.com", "xmpp:username@jabber.company.com", None]


def test_the_first_rule_whose_pattern_is_found_anywhere_wins() -> None:
    table = rules(("99", "sip:nines@a"), ("^xmpp:1", "sip:first@a"), ("1", "sip:second@a"))
    assert outputs(table, ["xmpp:1@b", "xmpp:21@b", "xmpp:1992@b", "XMPP:2@b"]) == [
        "sip:first@a",
        "sip:second@a",
        "sip:nines@a",
        None,
    ]


def test_a_translation_says_how_it_came_about() -> None:
    found = rules(("no", "sip:n@n"), ("(?:(a)|(b))@(.)", "sip:$3@h")).translate("xmpp:b@x")
    assert found is not None
    assert (found.rule, found.pattern, found.groups, found.output, found.limited) == (
        2,
        "(?:(a)|(b))@(.)",
        (None, "b", "x"),
        "sip:x@h",
        (),
    )


@pytest.mark.parametrize(
    ("pattern", "output", "translated"),
    [
        ("(a)(b)(c)", "sip:$3$2$1@h", "sip:cba@h"),
        ("(a)", "sip:$10@h", "sip:a0@h"),
        ("(a)", "sip:$0$$1$x$@$", "sip:$0$a$x$@$"),
        ("(a)", "sip:$$@h", "sip:$$@h"),
        ("(a)|(z)", "sip:1$2@h", "sip:1@h"),
        ("a", "sip:1$1@h", "sip:1@h"),
        ("(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)", "sip:$1$9$10@h", "sip:x$x0@h"),
        ("(?<user>[^:]*)@", "$1", "abc$1$2"),
        # what was put in is not looked at again
        ("(abc)([$]1)([$]2)", "sip:$2$1@h", "sip:$1abc@h"),
        (r"abc\K.*", "sip:x@h", "sip:x@h"),
    ],
)
def test_substitution(pattern: str, output: str, translated: str) -> None:
    assert outputs(rules((pattern, output)), ["xmpp:abc$1$2@host"]) == [translated]


@pytest.mark.parametrize(
    ("pattern", "address", "matches"),
    [
        (r"\d", "xmpp:٣@h", False),
        (r"(*UCP)\d", "xmpp:٣@h", True),
        (r"(*UTF)(*UCP)^xmpp:\w@", "xmpp:é@h", True),
        (r"^xmpp:.@", "xmpp:é@h", True),
        (r"(?i)É", "xmpp:é@h", True),
        (r"^xmpp:\x{e9}@", "xmpp:é@h", True),
        (r"^xmpp:[\x{E8}-\x{EA}]@", "xmpp:é@h", True),
        (r"^xmpp:\\x{2}@", r"xmpp:\xx@h", True),
        (r"^xmpp:\\\x{e9}@", "xmpp:\\é@h", True),
        (r"^xmpp:(?!911)\d+@(?<=@)h$", "xmpp:912@h", True),
        (r"^xmpp:(?!911)\d+@(?<=@)h$", "xmpp:911@h", False),
        (r"(?x) ^ xmpp : ( [a-z]++ ) \. \1 @ # twice the same", "xmpp:ab.ab@h", True),
        (r"(\((?:[^()]++|(?1))*\))", "xmpp:((a)(b))@h", True),
        (r"(*NO_JIT)^xmpp:a", "xmpp:a@h", True),
        (r"(?C1)a", "xmpp:a@h", True),
        ("", "xmpp:a@h", True),
        ("a", "", False),
    ],
)
def test_it_is_real_pcre(pattern: str, address: str, matches: bool) -> None:
    assert (rules((pattern, "sip:a@b")).translate(address) is not None) is matches


# --- what cannot be used --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "message", "offset"),
    [
        ("(a", "missing closing parenthesis at character 3 of '(a'", 2),
        ("a[", "missing terminating ] for character class", 2),
        ("a\\", "end of pattern", 2),
        ("a(*FOO)", "not recognized", 6),
        (r"\C", "disabled", 2),
        ("(*LIMIT_MATCH=99999999)a", "sets a limit of its own", None),
        ("(*UTF)(*LIMIT_DEPTH=99)a", "sets a limit of its own", None),
        ("a" * (MAX_PATTERN + 1), "1001 characters; at most 1000", None),
        ("(?:(?:a{999}){999}){99}", "too large", 0),
        ("a\udc80", "no Unicode text", None),
    ],
)
def test_a_bad_pattern_is_named_with_the_place(pattern: str, message: str, offset: int | None) -> None:
    with pytest.raises(InvalidRule) as caught:
        check_pattern(pattern)
    assert message in str(caught.value)
    assert caught.value.offset == offset
    with pytest.raises(InvalidRule):
        rules(("a", "sip:a@b"), (pattern, "sip:a@b"))


def test_a_good_pattern_tells_its_groups() -> None:
    assert check_pattern("^(a)(?:b)(?<c>c)$") == 2
    assert groups_of("sip:$1$10$3@$0") == {1, 3}


@pytest.mark.parametrize(
    "output", ["sip:$1@h", "SIPS:a@h", "xmpp:$1", "$1", "$1@h", "s$1", "sip$1:x", "x$1", "xmpp:a@b:c"]
)
def test_outputs_that_may_be_addresses(output: str) -> None:
    check_output(output)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("", "is empty; it must begin with xmpp:, sip: or sips:"),
        ("tel:$1", "has the scheme 'tel'"),
        ("$0@h", "has no scheme"),
        ("user@h", "has no scheme"),
        ("tel$1", "has no scheme"),
        ("@h:$1", "has no scheme"),
        ("sip", "has no scheme"),
        ("sip:" + "a" * MAX_PATTERN, "1004 characters; at most 1000"),
    ],
)
def test_outputs_that_cannot_be_addresses(output: str, message: str) -> None:
    with pytest.raises(InvalidRule, match=r".") as caught:
        check_output(output)
    assert message in str(caught.value)
    with pytest.raises(InvalidRule):
        rules(("a", output))


# --- the bound --------------------------------------------------------------------------------------------

NASTY = [
    "(a+)+$",
    "(a|aa)+[yz]",
    "(.*)*[yz]",
    "(.*)(.*)(.*)[yz]",
    r"(a*)*\1[yz]",
    r"(.+)(.+)\1\2[yz]",
    "((((((a*)*)*)*)*)*)*[yz]",
    "(?:(?=.*[yz])|a)*[yz]",
    "(?R)?a+[yz]",
    "(?:(?:a*){1,50}){1,50}[yz]",
    "(*NO_JIT)(a+)+$",
    "(*NO_JIT)(?R)?a+[yz]",
]


@pytest.mark.parametrize("pattern", NASTY)
def test_a_rule_that_hits_the_limit_does_not_match_and_is_named(pattern: str) -> None:
    table = rules((pattern, "sip:never@h"), ("^xmpp:", "sip:next@h"))
    address = "xmpp:" + "a" * 200 + "!"
    found = table.translate(address)
    assert found is not None
    assert (found.rule, found.output, found.limited) == (2, "sip:next@h", (1,))
    explained = table.explain(address)
    assert [verdict.outcome for verdict in explained.verdicts] == [Outcome.LIMIT, Outcome.MATCHED]
    assert explained.limited == (1,)


def test_without_a_just_in_time_compiler_the_interpreter_is_as_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: object) -> None:
        raise pcre2.LibraryError(-45)

    monkeypatch.setattr(pcre2.Pattern, "jit_compile", refuse)
    table = rules(("(a+)+$", "sip:never@h"), ("^xmpp:(.)", "sip:$1@h"))
    found = table.translate("xmpp:" + "a" * 200 + "!")
    assert found is not None
    assert (found.output, found.limited) == ("sip:a@h", (1,))


def test_an_address_that_is_too_long_or_no_text_matches_nothing() -> None:
    table = rules((".", "sip:a@h"), ("(b)", "sip:$1@h"))
    fits = "b" * MAX_ADDRESS
    assert table.translate(fits) is not None
    for address in (fits + "b", "b\udc80"):
        assert table.translate(address) is None
        explained = table.explain(address)
        assert {verdict.outcome for verdict in explained.verdicts} == {Outcome.UNFIT_ADDRESS}
        assert explained.winner is None


@settings(deadline=None, max_examples=200)
@given(
    st.text(alphabet="ax()|*+?.[]{},19\\^$:=!<>&#-RCKX ", max_size=30),
    st.text(alphabet="axé", max_size=MAX_ADDRESS),
)
def test_any_pattern_and_any_address_come_to_an_end(pattern: str, address: str) -> None:
    try:
        table = rules((pattern, "sip:$1@h"))
    except InvalidRule as error:
        offset = error.offset or 0
    else:
        offset = 0
        found = table.translate(address)
        explained = table.explain(address)
        assert (found is not None) == (explained.winner is not None)
    assert 0 <= offset <= len(pattern)


@given(st.text(max_size=300))
def test_any_output_is_used_or_refused(output: str) -> None:
    try:
        check_output(output)
    except InvalidRule:
        return
    assert groups_of(output) <= set(range(1, 10))


@given(
    st.text(alphabet="$0123ab", max_size=20),
    st.lists(st.text(alphabet="$12c", max_size=3), min_size=2, max_size=2),
)
def test_substituted_text_is_never_substituted(template: str, parts: list[str]) -> None:
    first, second = parts
    found = rules(("^(.*);(.*)$", f"sip:{template}")).translate(f"{first};{second}")
    assert found is not None
    marked = template.replace("$1", "\0").replace("$2", "\1").replace("$3", "")
    assert found.output == "sip:" + marked.replace("\0", first).replace("\1", second)


# --- explaining -------------------------------------------------------------------------------------------


def test_every_rule_is_explained() -> None:
    table = rules(("^sip:", "xmpp:a@h"), ("^xmpp:(.)", "sip:$1@h"), ("(b)?@", "sip:at@h"))
    explained = table.explain("xmpp:a@h")
    assert explained.address == "xmpp:a@h"
    assert [(v.rule, v.outcome, v.groups, v.output) for v in explained.verdicts] == [
        (1, Outcome.NOT_MATCHED, (), None),
        (2, Outcome.MATCHED, ("a",), "sip:a@h"),
        (3, Outcome.MATCHED, (None,), "sip:at@h"),
    ]
    assert explained.winner == explained.verdicts[1]
    assert explained.limited == ()


def test_no_rules_translate_nothing() -> None:
    table = TranslationRules()
    assert len(table) == 0
    assert table.translate("xmpp:a@b") is None
    assert table.explain("xmpp:a@b").winner is None
    assert len(rules(*MANUAL)) == 2


# --- the domain of an output --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "domain"),
    [
        ("sip:$1@sipdomain.com", "sipdomain.com"),
        ("SIPS:$1@PBX.Example:5071;transport=tcp", "pbx.example:5071"),
        ("sip:pbx.example", "pbx.example"),
        ("sip:$1@[2001:DB8::1]:5060?x=$2", "[2001:db8::1]:5060"),
        ("sip:a@b@pbx.example;x=y", "pbx.example"),
        ("sip:$1@$2", None),
        ("sip:$1", None),
        ("sip:$1@$2.example", None),
        ("sip:$1@pbx.example$2", None),
        ("sip:$1@pbx.example:$2", None),
        ("sip:$1@pbx.example;x=a@$2", None),
        ("sip:$1@", None),
        ("xmpp:$1@jabber.example", None),
        ("$1:alice@example.com", None),
    ],
)
def test_the_domain_that_an_output_spells_out(output: str, domain: str | None) -> None:
    assert domain_of(output) == domain
