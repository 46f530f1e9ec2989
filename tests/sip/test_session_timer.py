"""Who agrees to what (RFC 4028)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.sip.message import Headers, Request, Response
from ichat_gw.sip.session_timer import (
    FLOOR,
    Agreement,
    SessionExpires,
    SessionTimer,
    min_se,
    session_expires,
    too_small,
)


def asks(**fields: str) -> Request:
    return Request("INVITE", "sip:a@b", _headers(fields))


def says(status: int = 200, **fields: str) -> Response:
    return Response(status, None, _headers(fields))


def _headers(fields: dict[str, str]) -> Headers:
    return Headers([(name.replace("_", "-"), value) for name, value in fields.items()])


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("1800", SessionExpires(1800, "")),
        (" 90 ; refresher=UAS;x=y", SessionExpires(90, "uas")),
        ("90;refresher=me", SessionExpires(90, "")),
        ("90;;", SessionExpires(90, "")),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("99999999999", None),
    ],
)
def test_reading_session_expires(value: str, read: SessionExpires | None) -> None:
    assert session_expires(Headers([("x", value)])) == read


def test_reading_min_se() -> None:
    assert [min_se(_headers({"Min_SE": value})) for value in ("120;x", "10", "x")] == [120, 90, 90]
    assert min_se(Headers()) == 90


def test_too_small_is_refused_only_if_the_caller_knows_422() -> None:
    assert too_small(asks(Session_Expires="60", Supported="timer"))
    assert not too_small(asks(Session_Expires="60"))
    assert not too_small(asks(Session_Expires="90", Supported="timer"))
    assert not too_small(asks(Supported="timer"))


# --- our request ------------------------------------------------------------------------------------------


def test_we_ask_for_what_we_want() -> None:
    assert SessionTimer(1800, owns_call_id=True).ask() == [("Session-Expires", "1800"), ("Min-SE", "90")]
    assert SessionTimer(20, owns_call_id=True).ask() == [("Session-Expires", "90"), ("Min-SE", "90")]
    assert SessionTimer(0, owns_call_id=True).ask() == []


@pytest.mark.parametrize(
    ("value", "agreed"),
    [
        ("1200;refresher=uas", Agreement(1200, False)),
        ("1200;refresher=uac", Agreement(1200, True)),
        ("1200", Agreement(1200, True)),
        ("1;refresher=uas", Agreement(FLOOR, False)),
        ("x", None),
    ],
)
def test_the_2xx_decides(value: str, agreed: Agreement | None) -> None:
    timer = SessionTimer(1800, owns_call_id=True)
    timer.hear_answer(says(Session_Expires=value))
    assert timer.agreed == agreed
    timer.hear_answer(says())
    assert timer.agreed is None


def test_who_did_not_ask_agrees_to_nothing() -> None:
    timer = SessionTimer(0, owns_call_id=True)
    timer.hear_answer(says(Session_Expires="1200"))
    assert timer.agreed is None


def test_a_refresh_keeps_interval_and_refresher() -> None:
    timer = SessionTimer(1800, owns_call_id=True)
    timer.hear_answer(says(Session_Expires="1200;refresher=uas"))
    assert timer.ask() == [("Session-Expires", "1200;refresher=uas"), ("Min-SE", "90")]
    timer.hear_answer(says(Session_Expires="1200;refresher=uac"))
    assert timer.ask()[0] == ("Session-Expires", "1200;refresher=uac")


def test_422_is_heeded_a_few_times_as_long_as_it_wants_more() -> None:
    timer = SessionTimer(100, owns_call_id=True)
    assert timer.ask_longer(says(422, Min_SE="200"))
    assert timer.ask() == [("Session-Expires", "200"), ("Min-SE", "200")]
    assert not timer.ask_longer(says(422, Min_SE="200"))
    assert timer.ask_longer(says(422, Min_SE="300"))
    assert not timer.ask_longer(says(422, Min_SE="400"))
    assert not SessionTimer(0, owns_call_id=True).ask_longer(says(422, Min_SE="400"))


# --- their request ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "fields", "said", "agreed"),
    [
        # Table 2 of section 9.
        (1800, {"Session_Expires": "1200"}, "1200;refresher=uas", Agreement(1200, True)),
        (
            1800,
            {"Session_Expires": "1200", "Supported": "timer"},
            "1200;refresher=uas",
            Agreement(1200, True),
        ),
        (
            1800,
            {"Session_Expires": "1200;refresher=uac", "Supported": "timer"},
            "1200;refresher=uac",
            Agreement(1200, False),
        ),
        (
            1800,
            {"Session_Expires": "1200;refresher=uas", "Supported": "timer"},
            "1200;refresher=uas",
            Agreement(1200, True),
        ),
        # Longer than we want: shortened, but not below their Min-SE.
        (
            600,
            {"Session_Expires": "1200", "Min_SE": "300", "Supported": "timer"},
            "600;refresher=uas",
            Agreement(600, True),
        ),
        (
            600,
            {"Session_Expires": "1200", "Min_SE": "900", "Require": "timer"},
            "900;refresher=uas",
            Agreement(900, True),
        ),
        # They only can: we want.
        (1800, {"Supported": "timer"}, "1800;refresher=uas", Agreement(1800, True)),
        (1800, {"Supported": "timer", "Min_SE": "3600"}, "3600;refresher=uas", Agreement(3600, True)),
        (0, {"Supported": "timer"}, None, None),
        # They ask, so they get it, although we want none.
        (
            0,
            {"Session_Expires": "1200;refresher=uac", "Supported": "timer"},
            "1200;refresher=uac",
            Agreement(1200, False),
        ),
        # A proxy asks; the caller cannot refuse by 422, so it is not too small.
        (1800, {"Session_Expires": "5"}, "5;refresher=uas", Agreement(FLOOR, True)),
        (1800, {}, None, None),
    ],
)
def test_we_answer(wanted: int, fields: dict[str, str], said: str | None, agreed: Agreement | None) -> None:
    timer = SessionTimer(wanted, owns_call_id=True)
    lines = dict(timer.answer(asks(**fields)))
    assert lines.get("Session-Expires") == said
    supports = "timer" in fields.get("Supported", fields.get("Require", ""))
    assert lines.get("Require") == ("timer" if said and supports else None)
    assert timer.agreed == agreed


def test_roles_stay_when_a_refresh_does_not_name_them() -> None:
    timer = SessionTimer(1800, owns_call_id=True)
    timer.answer(asks(Session_Expires="1200;refresher=uac", Supported="timer"))
    assert dict(timer.answer(asks(Session_Expires="1200", Supported="timer")))["Session-Expires"] == (
        "1200;refresher=uac"
    )
    # They refreshed, and do not any more.
    assert timer.answer(asks()) == []
    assert timer.agreed is None
    # We refresh somebody who knows nothing of it.
    timer.answer(asks(Session_Expires="1200"))
    assert timer.answer(asks()) == [("Session-Expires", "1200;refresher=uas")]


@given(st.text(), st.text(), st.text())
def test_nothing_that_is_written_there_can_hurt(wish: str, least: str, supported: str) -> None:
    headers = Headers([("Session-Expires", wish), ("Min-SE", least)])
    timer = SessionTimer(1800, owns_call_id=True)
    timer.answer(Request("INVITE", "sip:a@b", headers))
    timer.hear_answer(Response(200, None, headers))
    assert timer.agreed is None or timer.agreed.seconds >= FLOOR
