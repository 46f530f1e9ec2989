"""What a leg says, as the table of the bridge calls it."""

import pytest

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.heard import Heard, Said, named
from ichat_gw.call.leg import (
    Answered,
    Confirmed,
    EarlyAnswered,
    Ended,
    Info,
    InfoAnswered,
    Located,
    Rang,
    Refused,
    ReofferAnswered,
    Reoffered,
    ReofferRefused,
)
from ichat_gw.call.media import Side

CALLER, CALLEE = Side.CALLER, Side.CALLEE
BUSY = Ending(Cause.BUSY, 486)
INFO = Info(1, "INFO", "text/plain", b"1")


@pytest.mark.parametrize(
    ("side", "said", "name", "heard"),
    [
        (CALLEE, Rang(), "callee rang", Heard(CALLEE)),
        (CALLEE, Located("a.host"), "callee located", Heard(CALLEE, host="a.host")),
        (CALLEE, EarlyAnswered("sdp"), "callee early", Heard(CALLEE, sdp="sdp")),
        (CALLEE, Answered("sdp"), "callee answered", Heard(CALLEE, sdp="sdp")),
        (CALLER, Refused(BUSY), "caller refused", Heard(CALLER, ending=BUSY)),
        (CALLER, Confirmed("sdp"), "caller confirmed", Heard(CALLER, sdp="sdp")),
        (CALLER, Confirmed(), "caller confirmed", Heard(CALLER)),
        (CALLER, Reoffered("sdp"), "caller reoffered", Heard(CALLER, sdp="sdp")),
        (CALLER, ReofferAnswered("sdp"), "caller agreed", Heard(CALLER, sdp="sdp")),
        (CALLER, ReofferRefused(BUSY), "caller disagreed", Heard(CALLER, ending=BUSY)),
        (CALLER, INFO, "caller info", Heard(CALLER, info=INFO)),
        (CALLEE, InfoAnswered(1, 200), "callee informed", Heard(CALLEE, info=InfoAnswered(1, 200))),
        (CALLEE, Ended(BUSY), "callee ended", Heard(CALLEE, ending=BUSY)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_leg_says(side: Side, said: Said, name: str, heard: Heard) -> None:
    assert named(side, said) == (name, heard)


def test_an_ending_that_nobody_named_is_that_somebody_hung_up() -> None:
    assert Heard(CALLER).why == Ending(Cause.HANGUP)
    assert Heard(CALLER, ending=BUSY).why == BUSY
