"""Which of the findings matters most."""

from msgspec.structs import replace

from ichat_gw.call.cause import Cause
from ichat_gw.ops.verdict_facts import Counted
from ichat_gw.ops.verdict_judge import CODES, judge
from ops.test_verdict_audio import GOOD, call


def test_a_good_call() -> None:
    assert judge(call()).main == "end"


def test_audio_matters_more_than_who_hung_up() -> None:
    assert judge(call(Counted())).main == "from_caller"
    assert judge(call(told=Counted(sent=3000))).main == "from_callee"


def test_the_worse_of_two() -> None:
    wrong = Counted(strangers=500)
    assert judge(call(Counted(), wrong)).main == "from_callee"
    assert judge(call(wrong, Counted())).main == "from_caller"


def test_an_end_that_explains_it_all_matters_more_than_audio() -> None:
    assert judge(replace(call(Counted()), cause=Cause.MEDIA_FAILED)).main == "end"
    assert judge(replace(call(Counted()), cause=Cause.MEDIA_TIMEOUT)).main == "from_caller"


def test_codes() -> None:
    assert len(set(CODES)) == len(CODES)
    assert GOOD.received
