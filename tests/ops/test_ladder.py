"""The ladder in a terminal."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.ops.ladder import NARROWEST, ladder, ladder_rich, rungs
from ichat_gw.ops.trace import CallTrace, Lane, Protocol, TraceEntry
from ops.traces import everything, hostile


def test_a_call_as_a_ladder() -> None:
    assert ladder(everything(), 100).splitlines() == LADDER


LADDER = """\
              XMPP user      connector       gateway         relay        SIP party   other SIP par…
           192.0.2.9:164…
08:00:00.000      |              |-notifyICha…->|              |              |              |
08:00:00.125      |<iq set app…--|              |              |              |              |
08:00:00.250      |--iq result-->|              |              |              |              |
08:00:00.375      |              |              * began by=xmpp:a@b           |              |
08:00:00.500      |              |              |---INVITE sip:bob@192.0.2.7->|              |
08:00:00.625      |              |              |<------200 OK (INVITE)-------|              |
08:00:00.750      |              |              |--------------OPTIONS sip:bob-------------->|
08:00:00.875      |              |              |----------------INFO sip:bob--------------->|
08:00:01.000      |              |              |-------OPTIONS sip:bob------>|              |
08:00:01.125      |              |              |<------OPTIONS sip:bob-------|              |
08:00:01.250      |<------INVITE sip:user-------|              |              |              |
08:00:01.375      |              |              |-offer of t…->|              |              |
08:00:01.500      |              |              * counters of the caller received=5          |
08:00:01.625      |              |              |              * RTCP: what the callee hears loss=0…
              2 entries were left out: the call had too many

bob hung up after 9 s.
nothing
""".splitlines()


def test_in_colours_it_says_the_same() -> None:
    shown = ladder_rich(everything(), 160)
    assert shown.plain == ladder(everything(), 160)
    assert {str(span.style) for span in shown.spans} >= {"cyan", "green", "blue", "bold", "magenta"}


def test_a_narrow_terminal_gets_what_the_columns_need() -> None:
    lines = ladder(everything(), 20).splitlines()
    assert max(map(len, lines[1:-4])) <= 14 + 4 + 5 * NARROWEST + 4


def test_nothing_has_happened_yet() -> None:
    assert ladder(CallTrace("n-1", "", "", 0.0, None, None, ())) == "               gateway\n"


def test_one_column() -> None:
    entry = TraceEntry(0.0, Protocol.STATE, Lane.GATEWAY, Lane.GATEWAY, "x" * 500)
    lines = ladder(CallTrace("n-1", "", "", 0.0, None, None, (entry,)), 80).splitlines()
    assert lines[1].startswith("00:00:00.000      * xxxx")
    assert len(lines[1]) == 80


@given(st.text())
def test_whatever_others_write_a_line_is_a_line_and_no_terminal_obeys(text: str) -> None:
    shown = [rung.text for rung in rungs(hostile(text))]
    assert len(shown) <= 8
    for line in shown:
        assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in line)
