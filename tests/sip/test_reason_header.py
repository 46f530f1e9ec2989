"""The Reason header, both ways."""

import pytest

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.sip.message import Headers, Request
from ichat_gw.sip.reason_header import LONGEST, ending_of, reason_for


@pytest.mark.parametrize(
    ("ending", "value"),
    [
        (Ending(Cause.HANGUP), None),
        (Ending(Cause.CANCELLED), None),
        (Ending(Cause.ANSWERED_ELSEWHERE), 'SIP;cause=200;text="Call completed elsewhere"'),
        (Ending(Cause.TIMEOUT, text="secret"), 'SIP;cause=408;text="the other side did not respond"'),
        (Ending(Cause.HANGUP, 503), 'SIP;cause=503;text="one of the parties hung up"'),
        (Ending(Cause.SHUTDOWN), 'SIP;cause=503;text="the gateway is being stopped"'),
    ],
)
def test_what_is_sent(ending: Ending, value: str | None) -> None:
    assert reason_for(ending) == value


@pytest.mark.parametrize(
    ("values", "ending"),
    [
        ((), Ending(Cause.CANCELLED)),
        (("SIP;cause=200",), Ending(Cause.ANSWERED_ELSEWHERE)),
        (('sip ;cause=600;text="Busy"',), Ending(Cause.CANCELLED, 600, "Busy")),
        (('Q.850;cause=16;text="Normal"',), Ending(Cause.CANCELLED, None, "Q.850 16 Normal")),
        (("SIP;cause=486, Q.850;cause=17",), Ending(Cause.CANCELLED, 486, "Q.850 17")),
        (("SIP;cause=486", 'X;text="y'), Ending(Cause.CANCELLED, 486)),
        (("SIP;cause=abc", ";"), Ending(Cause.CANCELLED)),
        (("SIP;cause=99",), Ending(Cause.CANCELLED)),
        ((f'SIP;cause=486;text="{"x" * 500}"',), Ending(Cause.CANCELLED, 486, "x" * LONGEST)),
    ],
)
def test_what_is_understood(values: tuple[str, ...], ending: Ending) -> None:
    request = Request("CANCEL", "sip:a@b", Headers([("Reason", value) for value in values]))
    assert ending_of(request, Cause.CANCELLED) == ending


def test_a_call_that_was_up_was_hung_up_whatever_else_they_say() -> None:
    request = Request("BYE", "sip:a@b", Headers([("Reason", 'SIP;cause=200;text="Moved"')]))
    assert ending_of(request, Cause.HANGUP) == Ending(Cause.HANGUP, None, "Moved")
