"""How faults are written and ordered."""

from ichat_gw.config.problem import ConfigError, Problem
from ichat_gw.errors import GatewayError


def test_a_problem_is_one_line() -> None:
    assert str(Problem("f:3", "TLSPort", "'x' is no whole number", "allowed: a port")) == (
        "f:3: TLSPort: 'x' is no whole number; allowed: a port"
    )
    assert str(Problem("f", "", "there is no such file")) == "f: there is no such file"


def test_the_error_carries_all_in_the_order_of_the_file_and_the_flags_last() -> None:
    flag = Problem("command line: -sp", "UDPTCPPort", "bad")
    late, early = Problem("f:9", "B", "bad", line=9), Problem("f:2", "A", "bad", line=2)
    error = ConfigError([flag, late, early], [late])
    assert isinstance(error, GatewayError)
    assert error.problems == (early, late, flag)
    assert error.warnings == (late,)
    assert str(error) == "f:2: A: bad\nf:9: B: bad\ncommand line: -sp: UDPTCPPort: bad"
