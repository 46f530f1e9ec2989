"""Answers are believed for as long as DNS says, within bounds."""

from ichat_gw.sip.dns_cache import FAILURE, LONGEST, LONGEST_NEGATIVE, MAX_ENTRIES, Answer, DnsCache
from ichat_gw.sip.locating import Question, RecordType

Q = Question("example.com", RecordType.A)
YES, NO, SILENCE = Answer(("192.0.2.1",)), Answer(()), Answer((), "nobody answers")


def test_an_answer_lives_for_its_ttl() -> None:
    cache = DnsCache()
    assert cache.get(Q, 0.0) is None
    cache.put(Q, YES, 60, 0.0)
    assert cache.get(Q, 59.9) == YES
    assert cache.get(Q, 60.0) is None
    assert len(cache) == 0


def test_bounds_on_lies() -> None:
    cache = DnsCache()
    for answer, longest in [(YES, LONGEST), (NO, LONGEST_NEGATIVE), (SILENCE, FAILURE)]:
        cache.put(Q, answer, 2**31, 0.0)
        assert cache.get(Q, longest - 0.1) == answer
        assert cache.get(Q, longest) is None


def test_ttl_zero_is_not_kept() -> None:
    cache = DnsCache()
    cache.put(Q, YES, 60, 0.0)
    cache.put(Q, NO, 0, 1.0)
    assert cache.get(Q, 1.0) is None


def test_memory_is_bounded_and_what_is_used_stays() -> None:
    cache = DnsCache()
    for number in range(MAX_ENTRIES):
        cache.put(Question(str(number), RecordType.A), YES, 60, 0.0)
    assert cache.get(Question("0", RecordType.A), 1.0) == YES
    cache.put(Q, YES, 60, 1.0)
    assert len(cache) == MAX_ENTRIES
    assert cache.get(Question("0", RecordType.A), 1.0) == YES
    assert cache.get(Question("1", RecordType.A), 1.0) is None
