"""What each page says of which values, beyond what tests/app/http/test_answers.py sees of a whole gateway."""

import re
from datetime import timedelta

import pytest

from ichat_gw.ops import api
from ichat_gw.ops.pages.calls import MOST_ON_PAGE, call_page, live_calls
from ichat_gw.ops.pages.chart import charts
from ichat_gw.ops.pages.ladder import MOST_ROWS, ladder
from ichat_gw.ops.pages.overview import overview
from ichat_gw.ops.pages.records import records_page, worst_loss
from ichat_gw.ops.pages.rules import rules_page
from ichat_gw.ops.pages.settings import settings_page
from ichat_gw.ops.pages.users import MOST_ON_PAGE as MOST_USERS
from ichat_gw.ops.pages.users import registration, users_page
from ichat_gw.ops.trace import CallTrace, Lane, Protocol, TraceEntry
from ops.pages.values import NOW, live, record, status

NO_SERIES = api.Series(seconds=10.0)


# --- overview ---------------------------------------------------------------------------------------------


def test_what_is_wrong_is_said_first() -> None:
    ill = status(
        ready=False,
        not_ready=("not connected to the XMPP server",),
        registrations_failed=2,
        jabber=api.JabberState(online=False, since=NOW, server="x:5347", component="gw", text="refused"),
        connector=api.ProcessState(running=False, since=NOW, restarts=1, text="ended by SIGKILL"),
        media=(api.MediaPartState(name="relay worker 0", running=False, since=NOW, restarts=2, text="gone"),),
        sip_targets=(
            api.SipTargetState(address="UDP 192.0.2.1:5060", answers=True, since=NOW),
            api.SipTargetState(address="UDP 192.0.2.2:5060", answers=False, since=NOW, text="no answer"),
        ),
    )
    page = overview(ill, NO_SERIES, api.Records(), "hour").body
    for words in (
        "New calls are refused: not connected to the XMPP server.",
        "2 failures",
        "gw at x:5347: refused",
        "started again 1 time, last: ended by SIGKILL",
        "0 calls, started again 2 times, last: gone",
        "does not answer",
        "No call has ended yet.",
    ):
        assert words in page
    assert page.index("192.0.2.2") < page.index("192.0.2.1")


def test_a_worker_tells_its_loop() -> None:
    worker = api.MediaPartState(
        name="relay worker 0", running=True, since=NOW, pid=7, loop="compiled", calls=1
    )
    page = overview(status(media=(worker,)), NO_SERIES, api.Records(records=(record(),)), "day").body
    assert "1 call, compiled loop, process 7" in page
    assert "3 d 4 h" in page


def test_charts_have_words_and_gaps() -> None:
    def point(number: int, loss: float | None) -> api.SeriesPoint:
        return api.SeriesPoint(at=NOW + timedelta(seconds=number * 10), calls=number, loss=loss)

    points = [point(number, loss) for number, loss in enumerate((0.01, 0.02, None, 0.03, None))]
    drawn = charts(api.Series(seconds=10.0, points=tuple(points)), "the last hour")
    assert 'aria-label="Packet loss over the last hour: last 3 %, highest 3 %"' in drawn
    assert 'aria-label="Live calls over the last hour: last 4, highest 4"' in drawn
    assert 'aria-label="Jitter (mean) over the last hour: last none yet, highest none"' in drawn
    assert drawn.count('<path class="line"') == 2
    loss = drawn.split('id="chart-loss"')[1].split("</figure>")[0]
    assert loss.count("M") >= 2


# --- calls ------------------------------------------------------------------------------------------------


def test_a_party_that_is_silent() -> None:
    media = api.MediaState(codec="PCMU/8000", received=1000, silent_seconds=7.2)
    call = live(caller=api.PartyState(address="sip:a@b", network="sip", media=media))
    page = live_calls(api.Calls(calls=(call,))).body
    assert "1\N{NARROW NO-BREAK SPACE}000 packets, 0 % lost" in page
    assert "silent for 7 s" in page


def test_only_so_many_calls_are_on_the_page() -> None:
    calls = tuple(live(number) for number in range(MOST_ON_PAGE + 3))
    page = live_calls(api.Calls(calls=calls)).body
    assert page.count("<tr data-key") == MOST_ON_PAGE
    assert "3 calls not shown." in page


@pytest.mark.parametrize(
    "state", ["offering", "calling", "ringing", "connecting", "answered", "talking", "over"]
)
def test_every_state_has_a_word(state: str) -> None:
    assert "pill" in live_calls(api.Calls(calls=(live(state=state),))).body


def test_the_verdict_of_a_call_and_what_to_do() -> None:
    bad = record(verdict="the phone sent nothing.", remedy="look at its firewall.", status=486)
    page = call_page(api.CallDetail(record=bad), None)
    assert "The phone sent nothing." in page.body
    assert "Look at its firewall." in page.body
    assert "486" in page.body
    assert page.here == "records"


def test_what_the_other_end_hears_says_its_rtcp() -> None:
    media = api.MediaState(received=10, sent=10, heard_loss=0.123)
    call = live(caller=api.PartyState(address="sip:a@b", network="sip", media=media))
    assert "12 %" in call_page(api.CallDetail(live=call), None).body


def test_a_live_call_without_audio_yet() -> None:
    page = call_page(api.CallDetail(live=live()), trace())
    assert "talking" in page.body
    assert "for 1:05" in page.body
    assert page.live == "calls record"


# --- the ladder -------------------------------------------------------------------------------------------


def entry(source: Lane, target: Lane, **fields: object) -> TraceEntry:
    return TraceEntry(1_000_000_000.5, Protocol.SIP, source, target, "INVITE <sip:a@b>", **fields)  # type: ignore[arg-type]


def trace(*entries: TraceEntry, left_out: int = 0) -> CallTrace:
    return CallTrace("c-1", "sip:a@b", "xmpp:c@d", 1e9, None, None, entries, left_out)


def test_who_says_what_to_whom() -> None:
    to_phone = entry(
        Lane.GATEWAY,
        Lane.PHONE,
        content=b"INVITE <x>\r\n\xff",
        source_address=("192.0.2.1", 5060),
        target_address=("2001:db8::1", 5060),
        transport="UDP",
        fields={"why": "<b>", "not": None},
    )
    drawn = ladder(
        trace(entry(Lane.PHONE, Lane.GATEWAY), to_phone, entry(Lane.GATEWAY, Lane.GATEWAY), left_out=3)
    )
    assert "ladder of-2" in drawn
    assert "from-0 to-1 left" in drawn
    assert "from-0 to-1 right" in drawn
    assert "hop at-0" in drawn
    assert "SIP party to gateway: " in drawn
    assert "SIP, UDP, from 192.0.2.1:5060, to [2001:db8::1]:5060, why &lt;b&gt;" in drawn
    assert "INVITE &lt;x&gt;\r\n\\xff" in drawn
    assert "3 more entries were not kept." in drawn


def test_of_a_long_call_the_last_messages_are_on_the_page() -> None:
    many = [entry(Lane.PHONE, Lane.GATEWAY) for _ in range(MOST_ROWS + 5)]
    drawn = ladder(trace(*many))
    assert drawn.count("<li ") == MOST_ROWS
    assert "5 more entries before these" in drawn


def test_a_message_keeps_its_key_when_another_comes_before_it() -> None:
    late = TraceEntry(999_999_999.0, Protocol.XMPP, Lane.USER, Lane.CONNECTOR, "iq")
    first, second = entry(Lane.PHONE, Lane.GATEWAY), entry(Lane.PHONE, Lane.GATEWAY)
    keys = re.findall('data-key="([^"]*)"', ladder(trace(first, second)))
    assert len(set(keys)) == 2
    assert re.findall('data-key="([^"]*)"', ladder(trace(late, first, second)))[1:] == keys


def test_a_call_of_which_nothing_is_known() -> None:
    assert "Nothing has been said yet." in ladder(trace())


# --- records, users, rules, settings ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"answered": NOW}, "talked"),
        ({"answered": NOW, "remedy": "do this"}, "trouble"),
        ({}, "not answered"),
        ({"remedy": "do this"}, "failed"),
    ],
)
def test_what_became_of_a_call_at_a_glance(fields: dict[str, object], word: str) -> None:
    assert f">{word}</span>" in records_page(api.Records(records=(record(**fields),)), "", None).body


def test_the_worse_direction_counts() -> None:
    assert worst_loss(record()) == 0.02
    silent = api.PartyRecord(address="sip:a@b", network="sip")
    assert worst_loss(record(caller=silent, callee=silent)) is None


def test_registrations() -> None:
    failed = api.RegistrationState(
        aor="sip:a@b", state="failed", since=NOW, status=403, text="<no>", retry=NOW, registrar="sip:b"
    )
    assert "403 &lt;no&gt;" in registration(failed)
    assert "tried again at" in registration(failed)
    hopeless = api.RegistrationState(aor="sip:a@b", state="failed", since=NOW, text="no URI")
    assert "tried again" not in registration(hopeless)
    bound = api.RegistrationState(aor="sip:a@b", state="registered", since=NOW, expires=NOW)
    assert "until" in registration(bound)
    assert "asking" in registration(api.RegistrationState(aor="sip:a@b", state="asking", since=NOW))
    assert "none" in registration(None)


def test_users_with_trouble_come_first_and_only_so_many() -> None:
    def user(number: int, state: str) -> api.UserState:
        kept = api.RegistrationState(aor=f"sip:{number}@b", state=state, since=NOW)  # type: ignore[arg-type]
        return api.UserState(
            jid=f"u{number:04}@x", since=NOW, aor=f"sip:{number}@b", registration=kept, calls=number
        )

    many = [user(number, "registered") for number in range(MOST_USERS + 1)]
    page = users_page(api.Users(users=(*many, user(9999, "failed"))), "").body
    assert page.index("u9999") < page.index("u0000")
    assert "2 users not shown." in page
    assert "1 call</span>" in page
    nobody = users_page(api.Users(users=(api.UserState(jid="a@x", since=NOW),)), "").body
    assert "no rule leads to one" in nobody


def test_rules_that_are_too_late_or_given_up() -> None:
    def rule(number: int, outcome: str, **fields: object) -> api.RuleOutcome:
        return api.RuleOutcome(rule=number, pattern="(a)(b)?", template="sip:$1", outcome=outcome, **fields)  # type: ignore[arg-type]

    trial = api.RuleTrial(
        address="a",
        output="sip:a@b",
        winner=2,
        rules=(
            rule(1, "given up"),
            rule(2, "matched", groups=("a", None), output="sip:a@b", line=7),
            rule(3, "matched", output="sip:z"),
            rule(4, "not tried"),
        ),
    )
    page = rules_page(trial).body
    for words in (
        "given up",
        "would match, too late",
        "not tried",
        "line 7",
        "$1: <code>a</code>",
        "$2: <span",
    ):
        assert words in page


def test_settings_of_several_lines() -> None:
    values = (
        api.SettingValue(name="A", section="One", value="x\ny", is_default=False, place="f:1"),
        api.SettingValue(name="B", section="Two", value="", is_default=True),
    )
    page = settings_page(api.SettingValues(file="<f>", loaded=NOW, settings=values)).body
    assert "<b><code>x</code></b><br><b><code>y</code></b>" in page
    assert "&lt;f&gt;" in page
    assert page.count("<h2>") == 2
