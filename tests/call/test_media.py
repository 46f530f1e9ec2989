"""The two sides of a call."""

from ichat_gw.call.media import Side


def test_each_side_has_the_other() -> None:
    assert Side.CALLER.other is Side.CALLEE
    assert Side.CALLEE.other is Side.CALLER
