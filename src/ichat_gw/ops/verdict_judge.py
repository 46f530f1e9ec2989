"""The verdict on a call: its end by one table, its audio by another."""

import msgspec

from ichat_gw.ops.verdict import Verdict
from ichat_gw.ops.verdict_audio import AUDIO, judge_audio
from ichat_gw.ops.verdict_ends import ENDS, judge_end
from ichat_gw.ops.verdict_facts import CallFacts, Party

CODES: tuple[str, ...] = (
    *(row.code for row in ENDS),
    *("direct", "not-counted"),
    *(row.code for row in AUDIO),
)
"""Every code there is."""


_ORDINARY = frozenset({"hung-up", "media-timeout", "stopping", "too-long"})
"""Ends that matter less than what was wrong with the audio."""
_RANK = {row.code: number for number, row in enumerate(AUDIO)}


def judge(facts: CallFacts) -> Verdict:
    """What became of the call. Whatever the facts are, there is one."""
    end = judge_end(facts)
    audio = {party: judge_audio(facts, party) for party in Party}
    wrong = [
        (_RANK[found.code], party) for party, found in audio.items() if found is not None and found.remedy
    ]
    verdict = Verdict(end, audio[Party.CALLER], audio[Party.CALLEE])
    if not wrong or end.code not in _ORDINARY:
        return verdict
    worst = min(wrong, key=lambda each: each[0])[1]
    return msgspec.structs.replace(verdict, main="from_caller" if worst is Party.CALLER else "from_callee")
