from datetime import UTC, datetime

import msgspec
import pytest
from msgspec.structs import replace

from ichat_gw.ops import api

NOW = datetime(2026, 11, 23, 10, 31, 7, 250000, UTC)


def live_call() -> api.LiveCall:
    return api.LiveCall(
        id="abc-1",
        state="ringing",
        caller=api.PartyState(
            address="sip:100@example.com", network="sip", media=api.MediaState(received=3, lost=1)
        ),
        callee=api.PartyState(address="xmpp:juliet@example.com", network="xmpp"),
        began=NOW,
        seconds=1.5,
    )


def test_a_value_survives_the_wire() -> None:
    assert api.decode(api.encode(api.Calls(calls=(live_call(),))), api.Calls) == api.Calls(
        calls=(live_call(),)
    )


def test_one_call_with_text_that_cannot_be_sent_does_not_hide_the_others() -> None:
    odd = replace(live_call(), id="\udcff")
    assert [
        each.id for each in api.decode(api.encode(api.Calls(calls=(odd, live_call()))), api.Calls).calls
    ] == [
        "\ufffd",
        "abc-1",
    ]


def test_times_are_rfc_3339_in_utc_and_unknown_is_null() -> None:
    written = msgspec.json.decode(api.encode(live_call()))
    assert written["began"] == "2026-11-23T10:31:07.250000Z"
    assert written["answered"] is None


def test_a_reader_ignores_fields_of_a_later_release() -> None:
    body = b'{"error": "gone", "remedy": "", "since": "later"}'
    assert api.decode(body, api.ErrorReply) == api.ErrorReply(error="gone")


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"error": 1}', b"\xff", b"[]", b"{}"])
def test_what_is_not_the_value_is_refused(body: bytes) -> None:
    with pytest.raises(api.NotUnderstood, match="is no ErrorReply"):
        api.decode(body, api.ErrorReply)


def test_loss_is_a_share_of_what_was_to_come() -> None:
    assert api.MediaState(received=75, lost=25).loss == 0.25
    assert api.MediaState().loss == 0.0
