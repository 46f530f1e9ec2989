"""Floods, half-open connections and long silence."""

from ichat_gw.sip.connection_limits import ConnectionLimits, StreamLimits

LIMITS = StreamLimits(connections=3, per_address=2, unfinished=20.0, idle=900.0)
UNFINISHED = "a message was not finished in time"
SILENT = "nothing was said for long"


def limits() -> ConnectionLimits[str]:
    return ConnectionLimits(LIMITS)


def test_only_so_many_in_all_and_from_one_address() -> None:
    guard = limits()
    assert guard.accept("a", "192.0.2.9", 0.0) == ""
    assert guard.accept("b", "192.0.2.9", 0.0) == ""
    assert guard.accept("c", "192.0.2.9", 0.0) == "too many connections from one address"
    assert guard.connect("d", 0.0) == ""
    assert guard.accept("e", "192.0.2.8", 0.0) == "too many connections"
    assert guard.connect("f", 0.0) == "too many connections"
    guard.closed("a")
    guard.closed("a")
    assert guard.accept("c", "192.0.2.9", 0.0) == ""
    for name in "bcd":
        guard.closed(name)
    assert (len(guard), guard.deadline()) == (0, None)


def test_who_connects_and_says_nothing_is_closed() -> None:
    guard = limits()
    guard.accept("a", "192.0.2.9", 100.0)
    assert guard.deadline() == 120.0
    assert guard.expire(119.0) == []
    assert guard.expire(120.0) == [("a", UNFINISHED)]


def test_a_drop_of_bytes_now_and_then_does_not_help() -> None:
    guard = limits()
    guard.accept("a", "192.0.2.9", 100.0)
    guard.heard("a", 110.0, whole=False, partial=True)
    assert guard.expire(120.0) == [("a", UNFINISHED)]


def test_each_message_has_its_own_time() -> None:
    guard = limits()
    guard.accept("a", "192.0.2.9", 100.0)
    guard.heard("a", 110.0, whole=True, partial=True)
    assert guard.expire(120.0) == []
    guard.heard("a", 125.0, whole=True, partial=False)
    assert guard.expire(200.0) == []
    guard.heard("a", 210.0, whole=False, partial=True)
    assert guard.expire(230.0) == [("a", UNFINISHED)]


def test_we_may_wait_for_an_answer() -> None:
    guard = limits()
    guard.connect("a", 100.0)
    assert guard.expire(200.0) == []
    guard.said("a", 300.0)
    assert guard.expire(1100.0) == []
    assert guard.expire(1200.0) == [("a", SILENT)]


def test_what_is_closed_has_no_timers() -> None:
    guard = limits()
    guard.connect("a", 100.0)
    guard.closed("a")
    guard.heard("a", 101.0, whole=True, partial=True)
    guard.said("a", 101.0)
    assert guard.deadline() is None
